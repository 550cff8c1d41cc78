"""The index of a mirror on disk, and the journal from which an interrupted crawl resumes.

``index/<mirror>.jsonl`` has a header on its first line, so that the matched datasets can be read without
the rest; the previous index is beside it as ``<mirror>.before.jsonl``.  ``index/<mirror>.walking.jsonl``
grows by one line per response during a crawl.  Only the user can read them, because they show what the
user may access.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Final

import msgspec

from decnef_data.atomic_files import make_private_folder, open_atomic
from decnef_data.disclosure import get_logger
from decnef_data.file_systems import keep_private, sync_file
from decnef_data.mirror_index.model import Change, Index, IndexHeader, IndexItem
from decnef_data.mirrors.known_versions import FileVersion, VersionKey
from decnef_data.msgspec_support import DECODE_ERRORS, prepare_type

_LOG = get_logger(__name__)
_PRIVATE_MODE: Final = 0o600
#: The listings of an interrupted crawl are reused if they are younger than this.
MAX_LISTING_AGE: Final = timedelta(days=1)
#: The fields that are compared, with their labels.  A field that one crawl did not record is not a change.
_COMPARED_FIELDS: Final = {
    "path": "moved",
    "version": "version",
    "size": "size",
    "checksum": "checksum",
    "identity": "identity",
    "modified": "modified",
    "restriction": "restriction",
}


class CrawlJournalHeader(msgspec.Struct, frozen=True, kw_only=True, tag="begun"):
    """The first line of the journal of a crawl."""

    address: str
    started: str


class ContainerListing(msgspec.Struct, frozen=True, kw_only=True, tag="children"):
    """All children of one container."""

    parent: str
    items: tuple[IndexItem, ...]
    problem: str | None = None


class FileFacts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="facts"):
    """Size, checksum and identity of one version of a file."""

    id: str
    version: int | None = None
    modified: str | None = None
    size: int | None = None
    checksum: str | None = None
    identity: str | None = None
    problem: str | None = None


class EntityRestrictions(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="limits"
):
    """The access requirements of one entity, and those that the user has not met."""

    id: str
    restriction: str | None = None
    requirements: tuple[int, ...] = ()
    unmet: tuple[int, ...] = ()


_Line = CrawlJournalHeader | ContainerListing | FileFacts | EntityRestrictions

_INDEX_DECODER: Final = msgspec.json.Decoder(prepare_type(IndexHeader | IndexItem))
_JOURNAL_DECODER: Final = msgspec.json.Decoder(prepare_type(_Line))


def index_path(root: Path, mirror: str) -> Path:
    """Return the path of the index of `mirror` below the cache `root`."""
    return root / "index" / f"{mirror}.jsonl"


def previous_index_path(path: Path) -> Path:
    """Return the path of the previous index of the index at `path`."""
    return path.with_suffix(".before.jsonl")


def journal_path(root: Path, mirror: str) -> Path:
    """Return the path of the journal of a running or interrupted crawl of `mirror`."""
    return index_path(root, mirror).with_suffix(".walking.jsonl")


def load_index(root: Path, mirror: str) -> Index | None:
    """Read the index of the last crawl of `mirror`; ``None`` if there is none.

    Examples
    --------
    >>> load_index(Path("/nonexistent"), "synapse") is None
    True
    """
    path = index_path(root, mirror)
    found = read_index(path)
    if found is None:
        return None
    earlier = read_index(previous_index_path(path))
    return _build_index(path, *found, earlier[1] if earlier else None)


def known_versions(root: Path, mirror: str) -> dict[VersionKey, FileVersion]:
    """Return what the last crawl of `mirror` recorded about each version of a file.

    Examples
    --------
    >>> known_versions(Path("/nonexistent"), "synapse")
    {}
    """
    return {
        key: FileVersion(facts.size, facts.checksum, facts.identity)
        for key, facts in load_known_facts(root, mirror).items()
        if facts.size is not None and facts.identity is not None
    }


def load_known_facts(root: Path, mirror: str) -> dict[VersionKey, FileFacts]:
    """Return the facts in the last index by version, for versions whose size is known."""
    earlier = read_index(index_path(root, mirror))
    return {
        (item.id, item.version, item.modified): FileFacts(
            id=item.id, size=item.size, checksum=item.checksum, identity=item.identity
        )
        for item in (earlier[1] if earlier else ())
        if item.size is not None
    }


def publish_index(root: Path, header: IndexHeader, items: tuple[IndexItem, ...]) -> Index:
    """Write the index of a crawl, and return it with the changes since the previous one."""
    path = index_path(root, header.mirror)
    earlier = read_index(path)
    write_index(path, header, items)
    return _build_index(path, header, items, earlier[1] if earlier else None)


def _build_index(
    path: Path, header: IndexHeader, items: tuple[IndexItem, ...], earlier: tuple[IndexItem, ...] | None
) -> Index:
    return Index(
        mirror=header.mirror,
        address=header.address,
        started=header.started,
        finished=header.finished,
        calls=header.calls,
        file=path,
        items=items,
        matches=header.matches,
        changes=None if earlier is None else find_changes(earlier, items),
    )


def read_header(path: Path) -> IndexHeader | None:
    """Read only the header of an index; ``None`` if there is none, or it is damaged."""
    try:
        with path.open("rb") as stream:
            line = _INDEX_DECODER.decode(stream.readline())
    except FileNotFoundError:
        return None
    except DECODE_ERRORS:
        line = None
    if isinstance(line, IndexHeader):
        return line
    _warn_damaged(path)
    return None


def read_index(path: Path) -> tuple[IndexHeader, tuple[IndexItem, ...]] | None:
    """Read a complete index; ``None`` if there is none, or it is damaged."""
    index_header = read_header(path)
    if index_header is None:
        return None
    try:
        with path.open("rb") as stream:
            items = tuple(line for line in map(_INDEX_DECODER.decode, stream) if isinstance(line, IndexItem))
    except DECODE_ERRORS:
        _warn_damaged(path)
        return None
    return index_header, items


def _warn_damaged(path: Path) -> None:
    _LOG.warning(
        "The index '%s' is damaged and is ignored. Run `decnef_data.index('%s')` again.", path, path.stem
    )


def write_index(path: Path, index_header: IndexHeader, items: Iterable[IndexItem]) -> None:
    """Write an index atomically, and keep the previous one."""
    encoder = msgspec.json.Encoder()
    with open_atomic(path) as stream:
        stream.writelines(encoder.encode(line) + b"\n" for line in (index_header, *items))
        # The new index must be complete on disk before the previous one loses its name.
        sync_file(stream)
        with suppress(FileNotFoundError):
            path.replace(previous_index_path(path))


@dataclass
class CrawlJournal:
    """What an interrupted crawl had recorded, and the file to which further responses are appended."""

    path: Path
    header: CrawlJournalHeader
    listings: dict[str, ContainerListing] = field(default_factory=dict)
    facts: dict[VersionKey, FileFacts] = field(default_factory=dict)
    restrictions: dict[str, EntityRestrictions] = field(default_factory=dict)
    _stream: IO[bytes] | None = None

    @classmethod
    def open(cls, path: Path, address: str) -> "CrawlJournal":
        """Resume from the journal at `path`, or begin one; only the facts of an old one are kept."""
        lines = tuple(_read_lines(path))
        first_line = next((line for line in lines if isinstance(line, CrawlJournalHeader)), None)
        is_fresh = first_line is not None and _is_fresh(first_line, address)
        journal = cls(
            path,
            first_line
            if first_line and is_fresh
            else CrawlJournalHeader(address=address, started=utc_timestamp()),
        )
        for line in lines:
            if is_fresh or isinstance(line, FileFacts):
                journal._store_line(line)
        journal._open_stream(() if is_fresh else tuple(journal.facts.values()))
        return journal

    def _store_line(self, line: _Line) -> None:
        match line:
            case ContainerListing():
                self.listings[line.parent] = line
            case FileFacts():
                self.facts[line.id, line.version, line.modified] = line
            case EntityRestrictions():
                self.restrictions[line.id] = line

    def add(self, line: ContainerListing | FileFacts | EntityRestrictions) -> None:
        """Add one line in memory and on disk."""
        self._store_line(line)
        if self._stream is not None:
            self._stream.write(msgspec.json.encode(line) + b"\n")

    def close(self) -> None:
        """Close the file."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def remove(self) -> None:
        """Remove the file; the crawl has been published, or had recorded nothing."""
        self.close()
        self.path.unlink(missing_ok=True)

    def _open_stream(self, facts: tuple[FileFacts, ...]) -> None:
        """Open the file at its end, or overwrite an old one with the facts that are still valid."""
        make_private_folder(self.path.parent)
        overwrite = not self.path.exists() or not self.listings
        mode = os.O_TRUNC if overwrite else os.O_APPEND
        descriptor = os.open(self.path, os.O_CREAT | os.O_WRONLY | mode, _PRIVATE_MODE)
        keep_private(descriptor, _PRIVATE_MODE, self.path.parent)  # one that existed may be open to others
        # Unbuffered, so that a response that cost a request is not lost with the process.
        self._stream = os.fdopen(descriptor, "wb", buffering=0)
        # The line break ends a line that was cut off when the process died; reading skips that line.
        lines = (self.header, *(facts or self.facts.values())) if overwrite else ()
        self._stream.writelines([b"\n", *(msgspec.json.encode(line) + b"\n" for line in lines)])


def _read_lines(path: Path) -> Iterator[_Line]:
    if not path.exists():
        return
    with path.open("rb") as stream:
        for line in stream:
            with suppress(*DECODE_ERRORS):
                yield _JOURNAL_DECODER.decode(line)


def _is_fresh(journal_header: CrawlJournalHeader, address: str) -> bool:
    age = datetime.now(UTC) - datetime.fromisoformat(journal_header.started)
    return journal_header.address == address and age < MAX_LISTING_AGE


def utc_timestamp() -> str:
    """Return the current time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def find_changes(before: Iterable[IndexItem], after: Iterable[IndexItem]) -> tuple[Change, ...]:
    """Compare the items of two crawls, by id.

    Examples
    --------
    >>> old = IndexItem(id="syn1", kind="file", name="a.zip", path="a.zip", version=1)
    >>> new = IndexItem(id="syn1", kind="file", name="a.zip", path="a.zip", version=2)
    >>> find_changes([old], [new])[0].what
    'version 1 -> 2'
    """
    return tuple(sorted(_iter_changes(before, after), key=lambda change: (change.kind, change.path)))


def _iter_changes(before: Iterable[IndexItem], after: Iterable[IndexItem]) -> Iterator[Change]:
    old = {item.id: item for item in before}
    for item in after:
        previous = old.pop(item.id, None)
        if previous is None:
            yield Change("new", item.id, item.path, item.kind)
        elif previous != item and (what := "; ".join(_describe_differences(previous, item))):
            yield Change("changed", item.id, item.path, what)
    yield from (Change("gone", item.id, item.path, item.kind) for item in old.values())


def _describe_differences(before: IndexItem, after: IndexItem) -> Iterator[str]:
    for name, label in _COMPARED_FIELDS.items():
        old, new = getattr(before, name), getattr(after, name)
        if None not in {old, new} and old != new:
            yield f"{label} {old} -> {new}"
    if before.unmet != after.unmet and before.restriction and after.restriction:
        yield f"unmet requirements {_format_numbers(before.unmet)} -> {_format_numbers(after.unmet)}"


def _format_numbers(numbers: tuple[int, ...]) -> str:
    return " ".join(map(str, numbers)) or "none"
