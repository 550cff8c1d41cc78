"""Opens images: mapped where they lie, or scan by scan from the stores that an archive becomes."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from decnef_data.client.opening import Opening, nobody, report, stated
from decnef_data.client.places import PHANTOM
from decnef_data.layouts import Asked, Mapped
from decnef_data.layouts.shelves import Shelf
from decnef_data.members import Source
from decnef_data.model import Copy, FileCheck, Finding, ImageSet, Needed, Selection
from decnef_data.stores import key

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    import xarray as xr

__all__ = ["Scans"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scans(Opening):
    """Opens the copies of a dataset that is too large to be read twice."""

    layout: Mapped

    def stored(self, copy: Copy) -> bool:
        """Whether the copy's archive was walked."""
        return self.shelf(copy).inventory() is not None

    def place(self, copy: Copy) -> "Path":
        """Where the stores of the copy's scans are, or will be."""
        return self.shelf(copy).folder

    def open(self, copy: Copy, selection: Selection, *, strict: bool) -> "Mapping[str, xr.Dataset]":
        """Give the selected leaves; of an archive, the selected scans are stored first."""
        reading = self.layout.open(copy, self._asked(copy, selection))
        said = {**stated(reading.problems), "synthetic": reading.synthetic}
        report(self.dataset.name, said, strict=strict)
        if not reading.groups:
            raise nobody(selection)
        attrs = self._attrs(copy, said)
        for leaf in reading.groups.values():
            leaf.attrs.update(attrs)  # they were made for this call: a copy of each would be slow
        return reading.groups

    def people(self, copy: Copy, selection: Selection, *, strict: bool) -> "pd.DataFrame":
        """Give the selected people as a table, a row a person and session."""
        table, problems = self.layout.people(copy, self._asked(copy, selection))
        report(self.dataset.name, stated(problems), strict=strict)
        if table.empty:
            raise nobody(selection)
        table.attrs["synthetic"] = copy.mirror == PHANTOM.name
        return table

    def images(self, copy: Copy, selection: Selection, *, strict: bool) -> ImageSet:
        """Give the selected scans one by one, with where their bytes come from.

        Raises
        ------
        SelectionError
            None was selected.
        """
        chosen, problems = self.layout.images(copy, self._asked(copy, selection))
        report(self.dataset.name, stated(problems), strict=strict)
        if not chosen.images:
            raise nobody(selection)
        return chosen

    def needed(self, copy: Copy, selection: Selection) -> Needed | None:
        """How many bytes of images are selected, and how many have no store yet; ``None`` is unknown."""
        return self.layout.needed(copy, self._asked(copy, selection))

    def picked(self, copy: Copy, selection: Selection, paths: Iterable[str]) -> tuple[str, ...]:
        """Say which of the files at `paths` are images that are selected, by the tables of the copy."""
        return self.layout.picked(copy, self._asked(copy, selection), paths)

    def walk(self, copy: Copy, selection: Selection, shelf: Shelf, source: Source) -> None:
        """Go through an archive that is on its way, storing what is selected on the `shelf`."""
        asked = self._asked(copy, selection)
        self.layout.walk(copy, replace(asked, shelf=shelf, source=lambda: source))

    def refresh(self, copy: Copy) -> None:
        """List the files of a copy that is mapped where it lies."""
        self.layout.refresh(copy, self._asked(copy, Selection(self.dataset.name)))

    def checks(self, copy: Copy, *, deep: bool) -> Iterator[FileCheck]:
        """Compare the files that have no receipt with what they were when they were listed."""
        return self.layout.check(copy, self._asked(copy, Selection(self.dataset.name)), deep=deep)

    def examine(self, copy: Copy) -> Iterator[Finding]:
        """Recount the images and tables, and compare them with the records."""
        return self.layout.examine(copy, self._asked(copy, Selection(self.dataset.name)))

    def shelf(self, copy: Copy) -> Shelf:
        """Where what is made of an archive lies: named by its checksum and by what reads it."""
        name = f"{key(copy.checksums, self.layout.name, self.layout.version)}.scans"
        shared = None if self.shared is None else Shelf(self.shared / "stores" / name)
        return Shelf(self.root / "stores" / name, shared)

    def _asked(self, copy: Copy, selection: Selection) -> Asked:
        # Beside the receipts, so that whatever forgets or purges those does it with the inventory, too.
        kept = self.root / "receipts" / self.dataset.name / f"{copy.mirror}.inventory"
        archive = len(copy.files) == 1 and bool(copy.files[0].checksums)  # else many files, or on its way
        shelf = self.shelf(copy if archive else replace(copy, files=()))
        source = partial(self.source_of, copy)
        return Asked(self.dataset, self.records, selection, kept, shelf, source, self.progress)
