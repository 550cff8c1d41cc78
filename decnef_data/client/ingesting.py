"""Brings images as they are selected: out of an archive that passes, or file by file where a mirror has them.

Nothing of an archive that passes is seen before its checksum is confirmed: a process that dies leaves only
what the next one sweeps away.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import msgspec

from decnef_data import fetch
from decnef_data.client.scans import Scans
from decnef_data.errors import FormatError, IntegrityError
from decnef_data.fetch import Place, Run, Source
from decnef_data.fetch.streaming import Hashed, RemoteSource
from decnef_data.files.private import write_whole
from decnef_data.layouts.shelves import Shelf
from decnef_data.members import is_archive
from decnef_data.model import Copy, Progress, RemoteFile, Selection, VerifiedFile
from decnef_data.stores.staging import staged

__all__ = ["Ingesting"]

_SHELF: Final = "scans"


@dataclass(frozen=True, slots=True)
class Ingesting:
    """Brings images here: an archive whole or only what is selected of it, of separate files the selected."""

    opening: Scans
    selection: Selection
    keep_archive: bool

    def bring(self, place: Place, progress: Progress) -> Copy:
        """Bring what is selected from the first mirror that gives it.

        Raises as :func:`decnef_data.fetch.fetch` does.
        """
        present = fetch.whole(place)
        if present is not None and self.has(present):
            return present
        run = fetch.running(place, progress)
        return fetch.attempt(place, run, lambda source: self._carry(place, source, run))

    def has(self, copy: Copy) -> bool:
        """Whether a copy has all that is selected, as far as its mirror listed it."""
        listing = _listing(self.opening, copy.mirror)
        try:
            listed = msgspec.json.decode(listing.read_bytes(), type=list[str])
        except (FileNotFoundError, msgspec.DecodeError):
            return True
        here = {file.path for file in copy.files}
        return here.issuperset(self.opening.picked(copy, self.selection, listed))

    def _carry(self, place: Place, source: Source, run: Run) -> Copy:
        listed = run.listed(source.remote)
        away = all(file.local is None for file in listed)
        if len(listed) > 1 and away:
            return self._picked(place, source, run)
        if len(listed) == 1 and away and not self.keep_archive and is_archive(listed[0].path):
            return self._streamed(place, source, listed[0])
        return fetch.carry(place, source, run)

    def _picked(self, place: Place, source: Source, run: Run) -> Copy:
        """Bring the tables first: they say whose files are selected."""
        name, mirror, folder = place.dataset.name, source.record.name, place.files.folder(place.dataset.name)
        before = place.files.copy(name, mirror)
        tables = run.bring(source.remote, lambda file: place.dataset.hashes(file.path))
        paths = [file.path for file in run.listed(source.remote)]
        chosen = frozenset(self.opening.picked(Copy(name, mirror, folder, tables), self.selection, paths))
        images = run.bring(source.remote, lambda file: file.path in chosen)
        kept = before.files if before is not None and not before.dropped else ()
        files = {file.path: file for file in (*kept, *tables, *images)}
        # The list comes first: without it, a copy of a few files would pass for whole.
        write_whole(_listing(self.opening, mirror), msgspec.json.encode(paths))
        copy = place.files.complete(name, mirror, folder, tuple(files[path] for path in sorted(files)))
        self.opening.refresh(copy)
        return copy

    def _streamed(self, place: Place, source: Source, file: RemoteFile) -> Copy:
        name, mirror = place.dataset.name, source.record.name
        passing = Hashed(RemoteSource(source.remote, file))
        folder = place.files.folder(name)
        coming = VerifiedFile(file.path, folder / file.path, file.size or 0, (), mirror, stated=False)
        with staged(place.files.root / "stores") as stage:
            shelf = Shelf(stage / _SHELF)
            with _falling_over(file):
                self.opening.walk(Copy(name, mirror, folder, (coming,)), self.selection, shelf, passing)
            sums = (passing.verified(),)
            copy = Copy(name, mirror, folder, (replace(coming, checksums=sums),))
            self.opening.shelf(copy).take(shelf)
        return place.files.streamed(name, mirror, file, passing.size, sums)


def _listing(opening: Scans, mirror: str) -> Path:
    """Where it is kept which files a mirror has, of which only some are here."""
    return opening.root / "receipts" / opening.dataset.name / f"{mirror}.listing"


@contextmanager
def _falling_over(file: RemoteFile) -> Iterator[None]:
    """Take an archive that cannot be read to its end for wrong bytes: another mirror may have others."""
    try:
        yield
    except FormatError as error:
        if error.file != file.path:
            raise
        raise IntegrityError(str(error), file=file.path) from error
