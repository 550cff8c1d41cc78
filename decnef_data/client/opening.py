"""From a verified copy to lazy datasets: read into its store once, or mapped where it lies; then selected."""

import hashlib
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

import msgspec

import decnef_data.accessor as _  # noqa: F401 - registers Dataset.decnef, so that what is fetched has it
from decnef_data.arrays import mapped
from decnef_data.client.citing import versions, works
from decnef_data.client.people import people
from decnef_data.client.places import PHANTOM
from decnef_data.errors import DecnefDataWarning, FetchError, FormatError, SelectionError
from decnef_data.files import Files
from decnef_data.layouts import Asked, Mapped, Stored
from decnef_data.layouts import of as layout_of
from decnef_data.layouts.select import select_each
from decnef_data.members import LocalSource, Source, members
from decnef_data.model import Copy, Dataset, FileCheck, Finding, ImageSet, Needed, Progress, Selection
from decnef_data.progress import choose
from decnef_data.records import Records
from decnef_data.stores import Manifest, Stores, key

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    import xarray as xr

    from decnef_data.layouts.shelves import Shelf

_DISTRIBUTION: Final = "decnef-data"


def _here(copy: Copy) -> Source:
    """Read the archive that is on this machine."""
    return LocalSource(copy.files[0].path, copy.files[0].location)


@dataclass(frozen=True, slots=True)
class Opening:
    """Opens one dataset's copies through the stores below one root.

    ``records`` are what names, codes and columns mean: a store made under other records is another store.
    """

    dataset: Dataset
    records: Records
    root: "Path"
    shared: "Path | None" = None
    source_of: "Callable[[Copy], Source]" = _here
    progress: Progress = field(default_factory=lambda: choose("none"))

    def stored(self, copy: Copy) -> bool:
        """Whether the copy's store is there already; of images, whether their archive was walked."""
        if isinstance(layout_of(self.dataset.layout), Mapped):
            return self.shelf(copy).inventory() is not None
        return self._at(self._key(copy)).manifest(self._key(copy)) is not None

    def stored_size(self, copy: Copy) -> int | None:
        """How many bytes the copy's store takes, or ``None`` where there is none."""
        if isinstance(layout_of(self.dataset.layout), Mapped):
            return None
        manifest = self._at(self._key(copy)).manifest(self._key(copy))
        return None if manifest is None else manifest.size

    def open(self, copy: Copy, selection: Selection, *, strict: bool) -> "Mapping[str, xr.Dataset]":
        """Give the selected leaves by name, lazily, reading the copy into its store if it is new.

        Raises
        ------
        FormatError, FetchError
            A file, or several, is not what the layout says (`strict`); else a warning says so.
        SelectionError
            There is no such leaf, or nobody was selected.
        """
        layout = layout_of(self.dataset.layout)
        if isinstance(layout, Mapped):
            return self._mapped(layout, copy, selection, strict=strict)
        name = self._key(copy)
        manifest = self._at(name).manifest(name) or self._build(layout, name, copy)
        _report(self.dataset.name, manifest.attrs, strict=strict)
        groups = {group: self._at(name).open(name, group) for group in self._groups(name, selection)}
        chosen = select_each(groups, selection, self.records)
        kept = {group: leaf for group, leaf in chosen.items() if leaf.sizes["subject"]}
        if not kept:
            raise _nobody(selection)
        _warn_of_range(self.dataset.name, kept)
        attrs = self._attrs(copy, manifest.attrs)
        return {group: leaf.assign_attrs(attrs) for group, leaf in kept.items()}

    def people(self, copy: Copy, selection: Selection, *, strict: bool) -> "pd.DataFrame":
        """Give the selected people as a table; raises as :meth:`open` does."""
        layout = layout_of(self.dataset.layout)
        if not isinstance(layout, Mapped):
            return people(self.open(copy, selection, strict=strict))
        table, problems = layout.people(copy, self._asked(copy, selection))
        _report(self.dataset.name, _stated(problems), strict=strict)
        if table.empty:
            raise _nobody(selection)
        table.attrs["synthetic"] = copy.mirror == PHANTOM.name
        return table

    def images(self, copy: Copy, selection: Selection, *, strict: bool) -> ImageSet:
        """Give the selected scans one by one, with where their bytes come from.

        Raises
        ------
        SelectionError
            The dataset holds no images, or none was selected.
        """
        layout = layout_of(self.dataset.layout)
        if not isinstance(layout, Mapped):
            message = (
                f"'{self.dataset.name}' holds no images. "
                f"`decnef download {self.dataset.name}` gives its files as they are."
            )
            raise SelectionError(message, asked=self.dataset.name)
        chosen, problems = layout.images(copy, self._asked(copy, selection))
        _report(self.dataset.name, _stated(problems), strict=strict)
        if not chosen.images:
            raise _nobody(selection)
        return chosen

    def needed(self, copy: Copy, selection: Selection) -> Needed | None:
        """How many bytes of images are selected, and how many have no store yet; ``None`` is unknown."""
        layout = layout_of(self.dataset.layout)
        return layout.needed(copy, self._asked(copy, selection)) if isinstance(layout, Mapped) else None

    def picked(self, copy: Copy, selection: Selection, paths: Iterable[str]) -> tuple[str, ...]:
        """Say which of the files at `paths` are images that are selected, by the tables of the copy."""
        layout = layout_of(self.dataset.layout)
        return layout.picked(copy, self._asked(copy, selection), paths) if isinstance(layout, Mapped) else ()

    def walk(self, copy: Copy, selection: Selection, shelf: "Shelf", source: "Source") -> None:
        """Go through an archive that is on its way, storing what is selected on the `shelf`."""
        layout = layout_of(self.dataset.layout)
        if isinstance(layout, Mapped):
            asked = replace(self._asked(copy, selection), shelf=shelf, source=lambda: source)
            layout.walk(copy, asked)

    def shelf(self, copy: Copy) -> "Shelf":
        """Where what is made of an archive of images lies: named by its checksum and by what reads it."""
        from decnef_data.layouts.shelves import Shelf  # it loads nibabel, which connectivity does not need

        layout = layout_of(self.dataset.layout)
        name = f"{key(copy.checksums, layout.name, layout.version)}.scans"
        shared = None if self.shared is None else Shelf(self.shared / "stores" / name)
        return Shelf(self.root / "stores" / name, shared)

    def refresh(self, copy: Copy) -> None:
        """List the files of a copy that is mapped where it lies."""
        layout = layout_of(self.dataset.layout)
        if isinstance(layout, Mapped):
            layout.refresh(copy, self._asked(copy, Selection(self.dataset.name)))

    def checks(self, copy: Copy, *, deep: bool) -> Iterator[FileCheck]:
        """Compare the files that have no receipt with what they were when they were listed."""
        layout = layout_of(self.dataset.layout)
        if isinstance(layout, Mapped):
            yield from layout.check(copy, self._asked(copy, Selection(self.dataset.name)), deep=deep)

    def examine(self, copy: Copy) -> Iterator[Finding]:
        """Recount a copy that is mapped where it lies, and compare it with the records."""
        layout = layout_of(self.dataset.layout)
        if isinstance(layout, Mapped):
            yield from layout.examine(copy, self._asked(copy, Selection(self.dataset.name)))

    def _asked(self, copy: Copy, selection: Selection) -> Asked:
        # Beside the receipts, so that whatever forgets or purges those does it with the inventory, too.
        kept = self.root / "receipts" / self.dataset.name / f"{copy.mirror}.inventory"
        archive = len(copy.files) == 1 and bool(copy.files[0].checksums)  # else many files, or on its way
        shelf = self.shelf(copy if archive else replace(copy, files=()))
        source = partial(self.source_of, copy)
        return Asked(self.dataset, self.records, selection, kept, shelf, source, self.progress)

    def _mapped(
        self, layout: Mapped, copy: Copy, selection: Selection, *, strict: bool
    ) -> "Mapping[str, xr.Dataset]":
        reading = layout.open(copy, self._asked(copy, selection))
        stated = {**_stated(reading.problems), "synthetic": reading.synthetic}
        _report(self.dataset.name, stated, strict=strict)
        if not reading.groups:
            raise _nobody(selection)
        attrs = self._attrs(copy, stated)
        for leaf in reading.groups.values():
            leaf.attrs.update(attrs)  # they were made for this call: a copy of each would be slow
        return reading.groups

    def _at(self, name: str) -> Stores:
        """The stores that have `name`: the shared ones, used in place, else the user's own."""
        shared = None if self.shared is None else Stores(self.shared / "stores", mapped)
        return shared if shared is not None and shared.manifest(name) is not None else self._stores

    @property
    def _stores(self) -> Stores:
        return Stores(self.root / "stores", mapped)

    def _key(self, copy: Copy) -> str:
        layout = layout_of(self.dataset.layout)
        records = self.records
        # Only what the layout reads: another title or citation does not make another store.
        read = (self.dataset.name, self.dataset.top_folder, self.dataset.atlases, self.dataset.matrices)
        meaning = (*read, self.dataset.cohorts, records.columns, records.codes, records.sites)
        digest = hashlib.sha256(msgspec.json.encode(meaning)).hexdigest()
        return key(copy.checksums, f"{layout.name} {digest}", layout.version)

    def _build(self, layout: Stored, name: str, copy: Copy) -> Manifest:
        reading = layout.read(members(copy.files), self.dataset, self.records)
        attrs = {
            "dataset": self.dataset.name,
            "synthetic": reading.synthetic,
            **_stated(reading.problems),
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

    def _attrs(self, copy: Copy, stored: Mapping[str, object]) -> dict[str, object]:
        """What every product carries: what it is, from where, under which terms, and made by what."""
        terms = self.records.terms_of(self.dataset)
        of = versions(Files(self.root), copy)
        synthetic = bool(stored["synthetic"])
        return {
            "title": f"SYNTHETIC phantom of {self.dataset.title}" if synthetic else self.dataset.title,
            "dataset": self.dataset.name,
            "access_level": self.dataset.level,
            "terms": f"{terms.title} (version {terms.version})",
            "citation": [work.text for work in works(self.records, self.dataset, of)],
            "mirror": copy.mirror,
            "source_checksums": [f"{file.checksums[0]} {file.path}" for file in copy.files],
            **({"source_versions": list(of)} if of else {}),
            "software": f"{_DISTRIBUTION} {version(_DISTRIBUTION)}",
            "synthetic": synthetic,
        }


def _stated(problems: tuple[FormatError, ...]) -> dict[str, object]:
    """Put what could not be read as a manifest keeps it."""
    return {"problems": [[error.file or "", str(error)] for error in problems]}


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


def _warn_of_range(dataset: str, leaves: "Mapping[str, xr.Dataset]") -> None:
    for group, leaf in leaves.items():
        if count := leaf.attrs.get("out_of_range"):
            message = (
                f"{count} values of '{dataset}/{group}' lie outside [-1, 1], so they are not all Pearson r. "
                "Look at them before you average."
            )
            warnings.warn(message, DecnefDataWarning, stacklevel=4)


def _nobody(selection: Selection) -> SelectionError:
    asked = {
        "group": selection.group,
        "subjects": selection.subjects,
        "sites": selection.sites,
        "diagnoses": selection.diagnoses,
    }
    words = ", ".join(f"{name} {_quoted(value)}" for name, value in asked.items() if value is not None)
    message = (
        f"Nobody in '{selection.dataset}' fits {words}. "
        f"`decnef participants {selection.dataset}` lists who is there."
    )
    return SelectionError(message, asked=words)


def _quoted(value: str | tuple[str, ...]) -> str:
    return ", ".join(f"'{one}'" for one in ((value,) if isinstance(value, str) else value))
