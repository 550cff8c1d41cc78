"""The layout of srpbs-open and srpbs-1600: images and tables in folders that bear people's names.

What files are, their names say (:mod:`~decnef_data.layouts.recognizing`); which scans that makes,
the inventory; whose they are, the roster; and each site's scans of one shape are a leaf.  Where they lie,
in a folder or in an archive, is nobody else's concern than :mod:`~decnef_data.layouts.lying`'s.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from decnef_data.errors import FormatError
from decnef_data.layouts import Asked, Reading
from decnef_data.layouts.choosing import (
    OnTheWay,
    chosen,
    kinds,
    rows_of_group,
    selected_rows,
)
from decnef_data.layouts.handing import images
from decnef_data.layouts.inventory import VERSION, Inventory, Scan
from decnef_data.layouts.joining import Opened, Relabel, join, joined
from decnef_data.layouts.leaves import field_maps, leaf, ordered
from decnef_data.layouts.lying import Lying, lying
from decnef_data.layouts.recognizing import KINDS, place_of
from decnef_data.layouts.recounting import recounted
from decnef_data.layouts.roster import Roster
from decnef_data.layouts.sheets import tables_among
from decnef_data.model import ImageSet, Needed

if TYPE_CHECKING:
    from decnef_data.model import Copy, FileCheck, Finding
    from decnef_data.records import Records

__all__ = ["LAYOUT", "Images"]


def _as_printed(opened: Opened, records: "Records") -> Roster:
    del records
    return opened.people


@dataclass(frozen=True, slots=True)
class Images:
    """A layout of images in folders that bear people's names.

    Examples
    --------
    >>> Images("mri", 1).alike
    False
    """

    name: str
    version: int
    relabel: Relabel = _as_printed
    #: Whether images of the same content are to be told, for which some bytes of each are read once.
    alike: bool = False

    def open(self, copy: "Copy", asked: Asked) -> Reading:
        """Give the selected leaves, ``COI/bold`` and the like, lazily."""
        where, opened = self._opened(copy, asked, kinds(asked))
        people, rows = opened.people, selected_rows(opened.people, asked)
        wanted = chosen(opened, asked, kinds(asked), rows)
        where.bring([scan for scans in wanted.values() for scan in scans])
        maps = field_maps(opened.inventory.scans)
        made = {name: leaf(scans, where.source, people, maps) for name, scans in wanted.items()}
        return Reading(made, _problems(opened, kinds(asked), rows), _is_synthetic(where, opened.inventory))

    def images(self, copy: "Copy", asked: Asked) -> tuple[ImageSet, tuple[FormatError, ...]]:
        """Give the selected scans one by one, field maps among them unless kinds are named."""
        every = KINDS if asked.selection.modalities is None else kinds(asked)
        where, opened = self._opened(copy, asked, every)
        rows = selected_rows(opened.people, asked)
        wanted = [scan for scans in chosen(opened, asked, every, rows).values() for scan in scans]
        where.bring(wanted)
        made = images(wanted, opened.inventory.scans, opened.people, where.source)
        synthetic = _is_synthetic(where, opened.inventory)
        return ImageSet(made, synthetic), _problems(opened, every, rows)

    def people(self, copy: "Copy", asked: Asked) -> tuple[pd.DataFrame, tuple[FormatError, ...]]:
        """Give the selected people, a row a person and session, and what tables cannot be read."""
        _, opened = self._opened(copy, asked, ())
        people, scans = opened.people, opened.inventory.scans
        table = pd.DataFrame({name: people.columns[name] for name in ordered(people.columns)})
        for kind in KINDS:
            table[kind] = _counted(people, (scan for scan in scans if scan.kind == kind))
        rows = selected_rows(people, asked) & rows_of_group(opened, asked)
        return table.iloc[sorted(rows)].reset_index(drop=True), opened.sheets.problems

    def needed(self, copy: "Copy", asked: Asked) -> Needed | None:
        """Say how many bytes are selected, and how many of them are not stored yet, if that is known."""
        where = lying(copy, asked, alike=self.alike)
        if not where.known:
            return None
        _, opened = self._opened(copy, asked, ())
        wanted = chosen(opened, asked, kinds(asked), selected_rows(opened.people, asked))
        scans = [scan for one in wanted.values() for scan in one]
        missing = where.missing(scans)
        selected, absent = (sum(scan.size for scan in some) for some in (scans, missing))
        return Needed(selected, absent, where.packed(missing))

    def picked(self, copy: "Copy", asked: Asked, paths: Iterable[str]) -> tuple[str, ...]:
        """Say which of the files at `paths` are images that are selected, by the tables of the copy."""
        where = lying(copy, asked, alike=False)
        every = KINDS if asked.selection.modalities is None else kinds(asked)
        wanted = OnTheWay(asked, every, lambda scans: self._joined(where, asked, scans))
        return tuple(path for path in paths if (scan := _named(path)) is not None and wanted(scan))

    def walk(self, copy: "Copy", asked: Asked) -> None:
        """List what there is; of an archive, store on the way what is selected for sure."""
        self._opened(copy, asked, kinds(asked))

    def refresh(self, copy: "Copy", asked: Asked) -> None:
        """List the files of a folder anew."""
        lying(copy, asked, alike=self.alike).refresh()

    def check(self, copy: "Copy", asked: Asked, *, deep: bool) -> "Iterator[FileCheck]":
        """Compare the images with the inventory; an archive that was not walked has none."""
        where = lying(copy, asked, alike=self.alike)
        if where.known:
            yield from where.check(where.inventory(partial(_nothing, asked)), deep=deep)

    def examine(self, copy: "Copy", asked: Asked) -> "Iterator[Finding]":
        """Recount the images and tables."""
        _, opened = self._opened(copy, asked, ())
        return recounted(opened.inventory, opened.people, asked.dataset, asked.records)

    def _opened(self, copy: "Copy", asked: Asked, wanted: Sequence[str]) -> tuple[Lying, Opened]:
        """Open a copy; of an archive that is walked now, scans of the `wanted` kinds are stored."""
        where = lying(copy, asked, alike=self.alike)

        def on_the_way() -> OnTheWay:
            return OnTheWay(asked, wanted, lambda scans: self._joined(where, asked, scans))

        inventory = where.inventory(on_the_way)
        return where, self._joined(where, asked, inventory.scans, inventory)

    def _joined(
        self, where: Lying, asked: Asked, scans: Sequence[Scan], inventory: Inventory | None = None
    ) -> Opened:
        tables = tuple(tables_among(where.tables()))
        if inventory is None:
            return join(tables, _of(scans), asked.dataset, asked.records, self.relabel)
        return joined(tables, inventory, asked.dataset, asked.records, self.relabel)


def _named(path: str) -> Scan | None:
    """See a file, of which only the path is known, as the scan that it belongs to."""
    place = place_of(path)
    if place is None:
        return None
    return Scan(
        subject=place.subject,
        session=place.session,
        kind=place.kind,
        run=1,
        folder=place.folder,
        names=path.rpartition("/")[2],
        sizes=bytes(8),
        times=bytes(8),
    )


def _nothing(asked: Asked) -> OnTheWay:
    raise AssertionError(f"'{asked.dataset.name}' was walked before.")


def _of(scans: Sequence[Scan]) -> Inventory:
    """Make an inventory of some scans, while the rest is still to come."""
    return Inventory(version=VERSION, root="", folders={}, scans=tuple(scans), troubles=(), files=0, size=0)


def _problems(opened: Opened, wanted: Sequence[str], rows: set[int]) -> tuple[FormatError, ...]:
    """Say what of the selection cannot be read; a bad scan of somebody else is nobody's concern."""
    people = opened.people
    selected = {subject for (subject, _), row in people.rows.items() if row in rows}
    troubles = (
        trouble.error()
        for trouble in opened.inventory.troubles
        if trouble.kind in wanted and (trouble.subject in selected or len(rows) == len(people.listed))
    )
    return (*opened.sheets.problems, *troubles)


def _is_synthetic(where: Lying, inventory: Inventory) -> bool:
    named_so = any(PurePosixPath(file.path).name == "SYNTHETIC.txt" for file in where.tables())
    return named_so or any(scan.marked for scan in inventory.scans)


def _counted(people: Roster, scans: Iterator[Scan]) -> Any:
    counts = np.zeros(len(people.listed), dtype="i8")
    for scan in scans:
        counts[people.rows[scan.subject, scan.session]] += 1
    return counts


LAYOUT = Images("mri", 1)
