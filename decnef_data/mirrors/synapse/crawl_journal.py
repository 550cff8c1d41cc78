"""The journal of a crawl of a project, from which an interrupted one resumes.

It grows by one line per response.  Only the user can read it, because it shows what the user may access.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Final

import msgspec

from decnef_data.atomic_files import make_private_folder
from decnef_data.file_systems import keep_private
from decnef_data.model.index import IndexItem, utc_timestamp
from decnef_data.msgspec_support import DECODE_ERRORS, prepare_type

__all__ = ["ContainerListing", "CrawlJournal", "EntityRestrictions", "FileFacts", "VersionKey"]

#: An entity, its version, and when that version was modified.
VersionKey = tuple[str, int | None, str | None]
_PRIVATE_MODE: Final = 0o600
#: The listings of an interrupted crawl are reused if they are younger than this.
MAX_LISTING_AGE: Final = timedelta(days=1)


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

_JOURNAL_DECODER: Final = msgspec.json.Decoder(prepare_type(_Line))


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
