"""From a verified copy to lazy datasets: reads it into its store once, and opens what is selected."""

import hashlib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

import msgspec

from decnef_data.arrays import mapped
from decnef_data.errors import DecnefDataWarning, FetchError, FormatError, SelectionError
from decnef_data.layouts import of as layout_of
from decnef_data.layouts.select import select
from decnef_data.members import members
from decnef_data.model import Copy, Dataset, Selection
from decnef_data.records import Records
from decnef_data.stores import Manifest, Stores, key

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr

_DISTRIBUTION: Final = "decnef-data"


@dataclass(frozen=True, slots=True)
class Opening:
    """Opens one dataset's copies through the stores below one root.

    ``records`` are what names, codes and columns mean: a store made under other records is another store.
    """

    dataset: Dataset
    records: Records
    root: "Path"

    def stored(self, copy: Copy) -> bool:
        """Whether the copy's store is there already."""
        return self._stores.manifest(self._key(copy)) is not None

    def open(self, copy: Copy, selection: Selection, *, strict: bool) -> "Mapping[str, xr.Dataset]":
        """Give the selected leaves by name, lazily, reading the copy into its store if it is new.

        Raises
        ------
        FormatError, FetchError
            A file, or several, is not what the layout says (`strict`); else a warning says so.
        SelectionError
            There is no such leaf, or nobody was selected.
        """
        name = self._key(copy)
        manifest = self._stores.manifest(name) or self._build(name, copy)
        _report(self.dataset.name, manifest.attrs, strict=strict)
        groups = {group: self._stores.open(name, group) for group in self._groups(name, selection)}
        chosen = {group: select(leaf, selection, self.records) for group, leaf in groups.items()}
        kept = {group: leaf for group, leaf in chosen.items() if leaf.sizes["subject"]}
        if not kept:
            raise _nobody(selection)
        attrs = self._attrs(copy, manifest.attrs)
        return {group: leaf.assign_attrs(attrs) for group, leaf in kept.items()}

    @property
    def _stores(self) -> Stores:
        return Stores(self.root / "stores", mapped)

    def _key(self, copy: Copy) -> str:
        layout = layout_of(self.dataset.layout)
        records = self.records
        meaning = (self.dataset, records.columns, records.codes, records.sites)
        digest = hashlib.sha256(msgspec.json.encode(meaning)).hexdigest()
        return key(copy.checksums, f"{layout.name} {digest}", layout.version)

    def _build(self, name: str, copy: Copy) -> Manifest:
        layout = layout_of(self.dataset.layout)
        reading = layout.read(members(copy.files), self.dataset, self.records)
        attrs = {
            "dataset": self.dataset.name,
            "synthetic": reading.synthetic,
            "problems": [[error.file or "", str(error)] for error in reading.problems],
            "source_checksums": [str(checksum) for checksum in copy.checksums],
        }
        self._stores.publish(name, reading.groups, attrs)
        manifest = self._stores.manifest(name)
        if manifest is None:  # removed by another process between two lines
            raise FormatError(f"The store of '{self.dataset.name}' vanished while it was opened. Try again.")
        return manifest

    def _groups(self, name: str, selection: Selection) -> tuple[str, ...]:
        there = self._stores.groups(name)
        if selection.group is None:
            return there
        if selection.group not in there:
            known = ", ".join(there)
            message = f"'{self.dataset.name}' has no group '{selection.group}'. It has: {known}."
            raise SelectionError(message, asked=selection.group, known=there)
        return (selection.group,)

    def _attrs(self, copy: Copy, stored: Mapping[str, object]) -> dict[str, object]:
        """What every product carries: what it is, from where, under which terms, and made by what."""
        terms = self.records.terms_of(self.dataset)
        synthetic = bool(stored["synthetic"])
        return {
            "title": f"SYNTHETIC phantom of {self.dataset.title}" if synthetic else self.dataset.title,
            "dataset": self.dataset.name,
            "access_level": self.dataset.level,
            "terms": f"{terms.title} (version {terms.version})",
            "citation": [self.records.citation(cited).text for cited in self.dataset.citations],
            "mirror": copy.mirror,
            "source_checksums": [f"{file.checksums[0]} {file.path}" for file in copy.files],
            "software": f"{_DISTRIBUTION} {version(_DISTRIBUTION)}",
            "synthetic": synthetic,
        }


def _report(dataset: str, attrs: Mapping[str, object], *, strict: bool) -> None:
    """Raise what the reader could not read, or (not `strict`) warn of it."""
    problems = msgspec.convert(attrs["problems"], list[tuple[str, str]])
    errors = [FormatError(text, file=file) for file, text in problems]
    if not strict:
        for error in errors:
            warnings.warn(f"Left out of '{dataset}': {error}", DecnefDataWarning, stacklevel=4)
    elif len(errors) == 1:
        raise errors[0]
    elif errors:
        said = " ".join(str(error) for error in errors)
        message = f"{len(errors)} files of '{dataset}' cannot be read; strict=False leaves them out. {said}"
        raise FetchError(message, causes=[(error.file or "", "", error) for error in errors])


def _nobody(selection: Selection) -> SelectionError:
    asked = {
        "group": selection.group,
        "subjects": selection.subjects,
        "sites": selection.sites,
        "diagnoses": selection.diagnoses,
    }
    words = ", ".join(f"{name}={value!r}" for name, value in asked.items() if value is not None)
    message = (
        f"Nobody in '{selection.dataset}' fits {words}. "
        f"`decnef participants {selection.dataset}` lists who is there."
    )
    return SelectionError(message, asked=words)
