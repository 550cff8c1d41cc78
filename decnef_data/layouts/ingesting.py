"""Walks an archive from its start to its end once, taking into stores the scans that are wanted on the way.

The files of a scan are in memory together, which they are because archives hold folders one after
another; a scan whose files are scattered is taken out afterwards, from its places.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Final, Protocol

import google_crc32c
import msgspec

from decnef_data.errors import FormatError
from decnef_data.formats import nifti
from decnef_data.layouts.holding import head, require_alike
from decnef_data.layouts.inventory import VERSION, Entry, Inventory, Scan, Trouble, row_of, survey
from decnef_data.layouts.likeness import told
from decnef_data.layouts.recognizing import place_of
from decnef_data.layouts.shelves import Shelf
from decnef_data.layouts.storing import Storing
from decnef_data.members import Archive, Member, SeekIndex
from decnef_data.members.guards import is_junk, refuse_twice
from decnef_data.model import Progress

__all__ = ["Ingest", "Wanted", "walk"]

_TABLES: Final = frozenset({".tsv", ".csv", ".txt"})
_LARGEST_TABLE: Final = 64 << 20
_Names = tuple[str, str]


class Wanted(Protocol):
    """Decides, while an archive passes, which scans are stored on the way."""

    def table(self, path: str) -> None:
        """Take note of a table that was kept on the shelf."""

    def __call__(self, scan: Scan) -> bool:
        """Whether the scan is to be stored; one that nobody can tell yet is not."""


@dataclass(frozen=True, slots=True)
class Ingest:
    """An archive, the shelf that its scans go to, what each store says of it, and who is told."""

    archive: Archive
    shelf: Shelf
    attrs: Mapping[str, Any]
    progress: Progress


def walk(ingest: Ingest, wanted: Wanted, size: int | None, *, alike: bool) -> tuple[Inventory, SeekIndex]:
    """Go through an archive once: list everything, keep its tables, and store the scans that are wanted.

    Parameters
    ----------
    ingest
        From where to where.
    wanted
        Which scans are stored.
    size
        Of the archive, if it is known.
    alike
        Whether T1 images of the same content are to be told.

    Raises
    ------
    FormatError
        The archive is damaged, or holds what no archive should.
    """
    archive = ingest.archive
    ingest.progress.start(archive.source.path, size, 0)
    try:
        with Storing(ingest.shelf, ingest.attrs) as storing:
            passing = _Passing(ingest, wanted, storing, alike)
            for member in _counted(archive, ingest.progress, storing):
                passing.take(member)
            passing.finish()
        inventory = passing.inventory(storing.failed)
    finally:
        ingest.progress.finish()
    if archive.index is None:
        raise AssertionError("A walk ends with an index.")
    return inventory, archive.index


def _counted(archive: Archive, progress: Progress, storing: Storing) -> Iterator[Member]:
    """Give the members, telling how far the archive was read; only this thread tells."""
    read = [0]

    def note(count: int) -> None:
        read[0] += count

    passed, seen = 0, set[str]()
    for member in archive.walk(note):
        if not is_junk(member.path):
            refuse_twice(member.path, seen, archive.source.path)
            yield member
        here = read[0]
        if here > passed:
            progress.advance(here - passed)
            progress.scans(storing.done)
            passed = here
    progress.advance(read[0] - passed)
    progress.scans(storing.done)


@dataclass(slots=True)
class _Passing:
    """What a walk has in hand, and what it saw."""

    ingest: Ingest
    wanted: Wanted
    storing: Storing
    alike: bool
    entries: list[Entry] = field(default_factory=list)
    heads: dict[str, tuple[bytes, bool]] = field(default_factory=dict)
    likenesses: dict[_Names, str] = field(default_factory=dict)
    refused: dict[_Names, FormatError] = field(default_factory=dict)
    row: tuple[str, ...] = ()
    held: dict[str, bytes] = field(default_factory=dict)
    own: list[Entry] = field(default_factory=list)

    def take(self, member: Member) -> None:
        place = place_of(member.path)
        if place is None:
            self._aside(member)
            return
        if row_of(place) != self.row:
            self.finish()
            self.row = row_of(place)
        content = member.read()
        self.held[member.path] = content
        self.own.append(_entry(member, content))

    def _aside(self, member: Member) -> None:
        """Keep a table; count anything else."""
        self.entries.append(_entry(member, b""))
        if PurePosixPath(member.path).suffix.casefold() in _TABLES and member.size <= _LARGEST_TABLE:
            self.ingest.shelf.keep_table(member.path, member.read())
            self.wanted.table(member.path)

    def finish(self) -> None:
        """Store what of the row in hand is wanted, and let go of it."""
        held, own = self.held, self.own
        self.held, self.own, self.row = {}, [], ()
        if not own:
            return
        self.entries.extend(own)
        found, _ = survey(own, lambda path: head(held[path], path))
        self._keep_heads(own, held)
        for scan in found:
            self._scan(scan, held)

    def _keep_heads(self, own: list[Entry], held: Mapping[str, bytes]) -> None:
        """Keep the starts of the files that a survey of all may ask for."""
        first = min(own, key=lambda entry: (_number(entry.path), entry.path)).path
        for entry in own:
            if entry.path == first or entry.path.casefold().endswith((".nii", ".gz")):
                try:
                    self.heads[entry.path] = head(held[entry.path], entry.path)
                except FormatError:  # the survey says so
                    self.heads[entry.path] = (b"", True)

    def _scan(self, scan: Scan, held: Mapping[str, bytes]) -> None:
        names = (scan.folder, scan.names)
        try:
            require_alike(scan, {path: held[path][: nifti.LENGTH] for path in scan.files})
        except FormatError as error:
            self.refused[names] = error
            return
        if self.alike:
            content = held[scan.files[0]]
            self.likenesses[names] = told(scan, lambda start, count: content[start : start + count]).alike
        if self.wanted(scan):
            self.storing.put(scan, {path: held[path] for path in scan.files})

    def inventory(self, failed: Mapping[_Names, FormatError]) -> Inventory:
        """List everything that was seen."""
        scans, troubles = survey(self.entries, lambda path: self.heads[path])
        refused = {**self.refused, **failed}
        kept = [scan for scan in scans if (scan.folder, scan.names) not in refused]
        more = [
            Trouble(scan.subject, scan.kind, error.file or "", str(error))
            for scan in scans
            if (error := refused.get((scan.folder, scan.names)))
        ]
        return Inventory(
            version=VERSION,
            root=self.ingest.archive.source.path,
            folders={},
            scans=tuple(self._with_likeness(scan) for scan in kept),
            troubles=(*troubles, *more),
            files=len(self.entries),
            size=sum(entry.size for entry in self.entries),
        )

    def _with_likeness(self, scan: Scan) -> Scan:
        alike = self.likenesses.get((scan.folder, scan.names))
        return msgspec.structs.replace(scan, alike=alike) if alike else scan


def _number(path: str) -> int:
    place = place_of(path)
    return (place.number or 0) if place else 0


def _entry(member: Member, content: bytes) -> Entry:
    place = -1 if member.place is None else member.place
    return Entry(member.path, member.size, int(member.mtime * 1e9), place, google_crc32c.value(content))
