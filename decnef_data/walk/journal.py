"""The index of a mirror on disk, and the journal that an interrupted walk goes on from.

``index/<mirror>.jsonl`` has a header on its first line, so that what a walk settled is read without the
rest; the index before it lies beside it as ``<mirror>.before.jsonl``.  ``index/<mirror>.walking.jsonl``
grows by a line an answer while a walk runs.  All are for the user alone: who may see what is nobody
else's business.
"""

import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Final

import msgspec

from decnef_data.decoding import decodable
from decnef_data.files.private import private_folder
from decnef_data.mirrors.editions import Edition
from decnef_data.walk.values import Header, Item

_LOG = logging.getLogger(__name__)
_PRIVATE: Final = 0o600
#: How old the listing of an interrupted walk may be and still be gone on with.
STALE: Final = timedelta(days=1)


class Begun(msgspec.Struct, frozen=True, kw_only=True, tag="begun"):
    """The first line of a journal."""

    address: str
    started: str


class Page(msgspec.Struct, frozen=True, kw_only=True, tag="children"):
    """All children of one container."""

    parent: str
    items: tuple[Item, ...]
    problem: str | None = None


class Sized(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="facts"):
    """What one version of a file is made of."""

    id: str
    version: int | None = None
    modified: str | None = None
    size: int | None = None
    checksum: str | None = None
    identity: str | None = None
    problem: str | None = None


class Limits(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="limits"):
    """What stands between the user and one entity."""

    id: str
    restriction: str | None = None
    requirements: tuple[int, ...] = ()
    unmet: tuple[int, ...] = ()


_INDEX: Final = msgspec.json.Decoder(decodable(Header | Item))
_JOURNAL: Final = msgspec.json.Decoder(decodable(Begun | Page | Sized | Limits))


def place(root: Path, mirror: str) -> Path:
    """Where the index of `mirror` lies below the cache `root`."""
    return root / "index" / f"{mirror}.jsonl"


def header(path: Path) -> Header | None:
    """Read what a walk settled, without the rest; ``None`` where there is no index."""
    try:
        with path.open("rb") as stream:
            found = _INDEX.decode(stream.readline())
    except FileNotFoundError:
        return None
    except msgspec.DecodeError:
        found = None
    if isinstance(found, Header):
        return found
    _warn(path)
    return None


def read(path: Path) -> tuple[Header, tuple[Item, ...]] | None:
    """Read an index whole; ``None`` where there is none, or it is damaged."""
    first = header(path)
    if first is None:
        return None
    try:
        with path.open("rb") as stream:
            items = tuple(line for line in map(_INDEX.decode, stream) if isinstance(line, Item))
    except msgspec.DecodeError:
        _warn(path)
        return None
    return first, items


def _warn(path: Path) -> None:
    _LOG.warning("'%s' is damaged and is passed over. Run `decnef index %s` anew.", path, path.stem)


def write(path: Path, first: Header, items: Iterable[Item]) -> None:
    """Publish an index whole, and keep the one before."""
    new = path.with_name(f"{path.stem}.new.{os.getpid()}")
    encoder = msgspec.json.Encoder()
    private_folder(path.parent)
    with _private(new, os.O_CREAT | os.O_TRUNC) as stream:
        stream.writelines(encoder.encode(line) + b"\n" for line in (first, *items))
        stream.flush()
        os.fsync(stream.fileno())
    with suppress(FileNotFoundError):
        path.replace(before(path))
    new.replace(path)


def before(path: Path) -> Path:
    """Where the index before the one at `path` lies."""
    return path.with_suffix(".before.jsonl")


@dataclass
class Journal:
    """What a walk that was interrupted had learnt, and where the next answers are added."""

    path: Path
    begun: Begun
    pages: dict[str, Page] = field(default_factory=dict)
    facts: dict[Edition, Sized] = field(default_factory=dict)
    limits: dict[str, Limits] = field(default_factory=dict)
    _stream: IO[bytes] | None = None

    @classmethod
    def open(cls, path: Path, address: str) -> "Journal":
        """Go on from the journal at `path`, or begin one; of an old one only the facts are kept."""
        known = tuple(_lines(path))
        started = next((line for line in known if isinstance(line, Begun)), None)
        fresh = started is not None and _is_fresh(started, address)
        journal = cls(path, started if started and fresh else Begun(address=address, started=now()))
        for line in known:
            if fresh or isinstance(line, Sized):
                journal.keep(line)
        journal._begin(() if fresh else tuple(journal.facts.values()))
        return journal

    def keep(self, line: Begun | Page | Sized | Limits) -> None:
        """Remember one line."""
        match line:
            case Page():
                self.pages[line.parent] = line
            case Sized():
                self.facts[line.id, line.version, line.modified] = line
            case Limits():
                self.limits[line.id] = line

    def add(self, line: Page | Sized | Limits) -> None:
        """Remember one line, here and on disk."""
        self.keep(line)
        if self._stream is not None:
            self._stream.write(msgspec.json.encode(line) + b"\n")

    def close(self) -> None:
        """Let go of the file."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def remove(self) -> None:
        """Remove the file: the walk is over, and its index is published."""
        self.close()
        self.path.unlink(missing_ok=True)

    def _begin(self, facts: tuple[Sized, ...]) -> None:
        """Open the file at its end, or over an old one with the facts that are still good."""
        private_folder(self.path.parent)
        over = not self.path.exists() or not self.pages
        mode = os.O_TRUNC if over else os.O_APPEND
        # Unbuffered: an answer that was paid for is not lost with the process.
        self._stream = _private(self.path, os.O_CREAT | mode, buffering=0)
        # A line that was torn when the process died is ended here, and passed over when it is read.
        lines = (self.begun, *(facts or self.facts.values())) if over else ()
        self._stream.writelines([b"\n", *(msgspec.json.encode(line) + b"\n" for line in lines)])


def _private(path: Path, flags: int, buffering: int = -1) -> IO[bytes]:
    descriptor = os.open(path, flags | os.O_WRONLY, _PRIVATE)
    os.fchmod(descriptor, _PRIVATE)
    return os.fdopen(descriptor, "wb", buffering=buffering)


def _lines(path: Path) -> Iterator[Begun | Page | Sized | Limits]:
    if not path.exists():
        return
    with path.open("rb") as stream:
        for line in stream:
            with suppress(msgspec.DecodeError):
                yield _JOURNAL.decode(line)


def _is_fresh(begun: Begun, address: str) -> bool:
    age = datetime.now(UTC) - datetime.fromisoformat(begun.started)
    return begun.address == address and age < STALE


def now() -> str:
    """The moment, in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
