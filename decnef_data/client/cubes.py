"""Opens connectivity: a copy is read into its store once, and the store's cubes are selected from."""

import hashlib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from decnef_data.arrays import mapped
from decnef_data.client.opening import Opening, nobody, report, stated
from decnef_data.client.people import people
from decnef_data.errors import DecnefDataWarning, FormatError, SelectionError
from decnef_data.layouts import Stored
from decnef_data.layouts.select import select_each
from decnef_data.members import members
from decnef_data.model import Copy, Selection
from decnef_data.stores import Manifest, Stores, key

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    import xarray as xr

__all__ = ["Cubes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cubes(Opening):
    """Opens the copies of a dataset whose layout reads them whole."""

    layout: Stored

    def stored(self, copy: Copy) -> bool:
        """Whether the copy's store is there."""
        return self._manifest(copy) is not None

    def stored_size(self, copy: Copy) -> int | None:
        """How many bytes the copy's store takes, or ``None`` where there is none."""
        manifest = self._manifest(copy)
        return None if manifest is None else manifest.size

    def place(self, copy: Copy) -> "Path":
        """Where the copy's store is, or will be."""
        name = self._key(copy)
        return self._at(name).path(name)

    def open(self, copy: Copy, selection: Selection, *, strict: bool) -> "Mapping[str, xr.Dataset]":
        """Give the selected leaves, reading the copy into its store if it is new."""
        name = self._key(copy)
        manifest = self._at(name).manifest(name) or self._build(name, copy)
        report(self.dataset.name, manifest.attrs, strict=strict)
        groups = {group: self._at(name).open(name, group) for group in self._groups(name, selection)}
        chosen = select_each(groups, selection, self.records)
        kept = {group: leaf for group, leaf in chosen.items() if leaf.sizes["subject"]}
        if not kept:
            raise nobody(selection)
        _warn_of_range(self.dataset.name, kept)
        attrs = self._attrs(copy, manifest.attrs)
        return {group: leaf.assign_attrs(attrs) for group, leaf in kept.items()}

    def people(self, copy: Copy, selection: Selection, *, strict: bool) -> "pd.DataFrame":
        """Give the selected people as a table, a row a person and leaf."""
        return people(self.open(copy, selection, strict=strict))

    def _manifest(self, copy: Copy) -> Manifest | None:
        name = self._key(copy)
        return self._at(name).manifest(name)

    def _at(self, name: str) -> Stores:
        """The stores that have `name`: the shared ones, used in place, else the user's own."""
        shared = None if self.shared is None else Stores(self.shared / "stores", mapped)
        return shared if shared is not None and shared.manifest(name) is not None else self._stores

    @property
    def _stores(self) -> Stores:
        return Stores(self.root / "stores", mapped)

    def _key(self, copy: Copy) -> str:
        records = self.records
        # Only what the layout reads: another title or citation does not make another store.
        read = (self.dataset.name, self.dataset.top_folder, self.dataset.atlases, self.dataset.matrices)
        meaning = (*read, self.dataset.cohorts, records.columns, records.codes, records.sites)
        digest = hashlib.sha256(msgspec.json.encode(meaning)).hexdigest()
        return key(copy.checksums, f"{self.layout.name} {digest}", self.layout.version)

    def _build(self, name: str, copy: Copy) -> Manifest:
        reading = self.layout.read(members(copy.files), self.dataset, self.records)
        attrs = {
            "dataset": self.dataset.name,
            "synthetic": reading.synthetic,
            **stated(reading.problems),
            "source_checksums": [str(checksum) for checksum in copy.checksums],
        }
        self._stores.publish(name, reading.groups, attrs)
        manifest = self._stores.manifest(name)
        if manifest is None:  # removed by another process between two lines
            raise FormatError(f"The store of '{self.dataset.name}' vanished while it was opened. Try again.")
        return manifest

    def _groups(self, name: str, selection: Selection) -> tuple[str, ...]:
        there = self._at(name).groups(name)
        if selection.group is None:
            return there
        if selection.group not in there:
            known = ", ".join(there)
            message = f"'{self.dataset.name}' has no group '{selection.group}'. It has: {known}."
            raise SelectionError(message, asked=selection.group, known=there)
        return (selection.group,)


def _warn_of_range(dataset: str, leaves: "Mapping[str, xr.Dataset]") -> None:
    for group, leaf in leaves.items():
        if count := leaf.attrs.get("out_of_range"):
            message = (
                f"{count} values of '{dataset}/{group}' lie outside [-1, 1], so they are not all Pearson r. "
                "Look at them before you average."
            )
            warnings.warn(message, DecnefDataWarning, stacklevel=4)
