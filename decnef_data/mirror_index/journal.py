"""The index of a mirror on disk, and its changes since the previous one.

``index/<mirror>.jsonl`` has a header on its first line, so that the matched datasets can be read without
the rest; the previous index is beside it as ``<mirror>.before.jsonl``.  ``index/<mirror>.walking.jsonl``
is for what a crawl has to keep until it ends.  Only the user can read them, because they show what the
user may access.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from decnef_data.atomic_files import open_atomic
from decnef_data.disclosure import get_logger
from decnef_data.file_systems import sync_file
from decnef_data.mirror_index.model import Change, Index, IndexHeader
from decnef_data.model.index import IndexItem
from decnef_data.msgspec_support import DECODE_ERRORS, prepare_type

_LOG = get_logger(__name__)
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


_INDEX_DECODER: Final = msgspec.json.Decoder(prepare_type(IndexHeader | IndexItem))


def index_path(root: Path, mirror: str) -> Path:
    """Return the path of the index of `mirror` below the cache `root`."""
    return root / "index" / f"{mirror}.jsonl"


def previous_index_path(path: Path) -> Path:
    """Return the path of the previous index of the index at `path`."""
    return path.with_suffix(".before.jsonl")


def journal_path(root: Path, mirror: str) -> Path:
    """Return the path of what a running or interrupted crawl of `mirror` keeps."""
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


def load_items(root: Path, mirror: str) -> tuple[IndexItem, ...]:
    """Return the items of the last crawl of `mirror`; none if there is no index.

    Examples
    --------
    >>> load_items(Path("/nonexistent"), "synapse")
    ()
    """
    found = read_index(index_path(root, mirror))
    return found[1] if found else ()


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
    # A file that begins with an item has lost its header, and with it what the items belong to.
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
            # One damaged line makes the index useless: without it, a file would be reported as gone.
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
        # Items also differ in what is not compared, such as the time at which a link was seen.
        elif previous != item and (what := "; ".join(_describe_differences(previous, item))):
            yield Change("changed", item.id, item.path, what)
    yield from (Change("gone", item.id, item.path, item.kind) for item in old.values())


def _describe_differences(before: IndexItem, after: IndexItem) -> Iterator[str]:
    for name, label in _COMPARED_FIELDS.items():
        old, new = getattr(before, name), getattr(after, name)
        if None not in {old, new} and old != new:
            yield f"{label} {old} -> {new}"
    # Without a restriction level nothing was recorded, so an empty `unmet` means nothing.
    if before.unmet != after.unmet and before.restriction and after.restriction:
        yield f"unmet requirements {_format_numbers(before.unmet)} -> {_format_numbers(after.unmet)}"


def _format_numbers(numbers: tuple[int, ...]) -> str:
    return " ".join(map(str, numbers)) or "none"
