"""The layout of srpbs-open and srpbs-1600: a folder of images and tables, opened where it lies.

What files are, their names say (:mod:`~decnef_data.layouts.recognizing`); which scans that makes,
the inventory; whose they are, the roster; and each site's scans of one shape are a leaf.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
import pandas as pd
import xarray as xr

from decnef_data.errors import FormatError, SelectionError
from decnef_data.layouts import Asked, Reading, folders
from decnef_data.layouts.checking import checks
from decnef_data.layouts.handing import images
from decnef_data.layouts.leaves import field_maps, leaf, named, ordered
from decnef_data.layouts.recognizing import KINDS
from decnef_data.layouts.recounting import recounted
from decnef_data.layouts.roster import Roster, roster
from decnef_data.layouts.select import select
from decnef_data.layouts.sheets import Sheets, read_sheets
from decnef_data.layouts.volumes import Volumes
from decnef_data.model import ImageSet
from decnef_data.records.names import find

if TYPE_CHECKING:
    from decnef_data.layouts.inventory import Inventory, Scan
    from decnef_data.model import Copy, FileCheck, Finding

__all__ = ["LAYOUT", "Images", "Opened", "Relabel"]

_LOG = logging.getLogger(__name__)
#: What users may call each kind of scan.
_KINDS: Final = {
    "bold": "bold", "func": "bold", "rsfmri": "bold", "rest": "bold",
    "t1w": "t1w", "t1": "t1w", "anat": "t1w", "mprage": "t1w",
    "fmap": "fmap", "fieldmap": "fmap",
}  # fmt: skip
_ARRAYS: Final = ("bold", "t1w")


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """A copy's scans, and whose they are."""

    inventory: "Inventory"
    sheets: Sheets
    people: Roster


class Relabel(Protocol):
    """What a layout says of people and sessions beyond what their table does."""

    def __call__(self, opened: Opened, asked: Asked) -> Roster:
        """Give the roster with the layout's own columns."""


def _as_printed(opened: Opened, asked: Asked) -> Roster:
    del asked
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
        opened = self._opened(copy, asked)
        inventory, people = opened.inventory, opened.people
        rows, kinds = _selected_rows(people, asked), _kinds(asked)
        chosen = _chosen(opened, asked, kinds, rows)
        maps = field_maps(inventory.scans)
        files = partial(_files, inventory.root)
        made = {name: leaf(scans, files, people, maps) for name, scans in chosen.items()}
        return Reading(made, _problems(opened, kinds, rows), _is_synthetic(copy, inventory))

    def images(self, copy: "Copy", asked: Asked) -> tuple[ImageSet, tuple[FormatError, ...]]:
        """Give the selected scans one by one, field maps among them unless kinds are named."""
        opened = self._opened(copy, asked)
        inventory, people = opened.inventory, opened.people
        rows = _selected_rows(people, asked)
        kinds = KINDS if asked.selection.modalities is None else _kinds(asked)
        chosen = [scan for scans in _chosen(opened, asked, kinds, rows).values() for scan in scans]
        made = images(chosen, inventory.scans, people, partial(_files, inventory.root))
        return ImageSet(made, _is_synthetic(copy, inventory)), _problems(opened, kinds, rows)

    def people(self, copy: "Copy", asked: Asked) -> tuple[pd.DataFrame, tuple[FormatError, ...]]:
        """Give the selected people, a row a person and session, and what tables cannot be read."""
        opened = self._opened(copy, asked)
        people, scans = opened.people, opened.inventory.scans
        table = pd.DataFrame({name: people.columns[name] for name in ordered(people.columns)})
        for kind in ("bold", "t1w", "fmap"):
            table[kind] = _counted(people, (scan for scan in scans if scan.kind == kind))
        rows = _selected_rows(people, asked) & _rows_of_group(opened, asked)
        return table.iloc[sorted(rows)].reset_index(drop=True), opened.sheets.problems

    def refresh(self, copy: "Copy", asked: Asked) -> None:
        """List the files anew."""
        _require_folder(copy)
        made = folders.refreshed(copy.root, asked.inventory, alike=self.alike)
        subjects = len({scan.subject for scan in made.scans})
        _LOG.info(
            "'%s': %d scans in %d files are listed, in %d folders of people; none is hashed.",
            copy.dataset, len(made.scans), made.files, subjects,
        )  # fmt: skip

    def check(self, copy: "Copy", asked: Asked, *, deep: bool) -> "Iterator[FileCheck]":
        """Compare the images with the inventory."""
        return checks(
            folders.inventory(copy.root, asked.inventory, alike=self.alike), asked.inventory, deep=deep
        )

    def examine(self, copy: "Copy", asked: Asked) -> "Iterator[Finding]":
        """Recount the images and tables."""
        opened = self._opened(copy, asked)
        return recounted(opened.inventory, opened.people, asked.dataset, asked.records)

    def _opened(self, copy: "Copy", asked: Asked) -> Opened:
        _require_folder(copy)
        inventory = folders.inventory(copy.root, asked.inventory, alike=self.alike)
        sheets = read_sheets(copy.files)
        people = roster(sheets, inventory.scans, asked.dataset, asked.records)
        opened = Opened(inventory, sheets, people)
        return Opened(inventory, sheets, self.relabel(opened, asked))


def _chosen(opened: Opened, asked: Asked, kinds: Sequence[str], rows: set[int]) -> dict[str, list["Scan"]]:
    """Give the selected scans of each leaf that is asked for."""
    inventory, people = opened.inventory, opened.people
    names = named(inventory.scans, people)
    grouped: dict[str, list[Scan]] = {}
    for name, scan in zip(names, inventory.scans, strict=True):
        if scan.kind in kinds and people.rows[scan.subject, scan.session] in rows:
            grouped.setdefault(name, []).append(scan)
    return {name: grouped[name] for name in _of_group(asked, sorted(grouped), set(names))}


def _files(root: str, scan: "Scan") -> Volumes:
    """Read a scan's voxels and files where they lie: this is where another source of them would come in."""
    return Volumes(root, scan, timed=scan.kind == "bold")


def _require_folder(copy: "Copy") -> None:
    first = copy.files[0].location if len(copy.files) == 1 else None
    if first is not None and first.name.casefold().endswith((".gz", ".tgz", ".tar", ".zip")):
        message = (
            f"'{first.name}' is an archive, and this version opens images from folders only. "
            f"Unpack it, and run `decnef adopt {copy.dataset} PATH` with the folder."
        )
        raise SelectionError(message, asked=str(first))


def _kinds(asked: Asked) -> tuple[str, ...]:
    stated = asked.selection.modalities
    if stated is None:
        return _ARRAYS if asked.selection.group is None else (*_ARRAYS, "fmap")
    return tuple(find("modality", name, _KINDS, _KINDS) for name in stated)


def _selected_rows(people: Roster, asked: Asked) -> set[int]:
    names = ("subject", "site", "institute", "diagnosis")
    columns: dict[str, Any] = {name: ("subject", people.columns[name]) for name in names}
    columns["row"] = ("subject", np.arange(len(people.listed)))
    return set(select(xr.Dataset(coords=columns), asked.selection, asked.records)["row"].to_numpy().tolist())


def _of_group(asked: Asked, present: Sequence[str], known: set[str]) -> Sequence[str]:
    group = asked.selection.group
    if group is None:
        return present
    if group not in known:
        listed = tuple(sorted(known))
        message = f"'{asked.dataset.name}' has no group '{group}'. It has: {', '.join(listed)}."
        raise SelectionError(message, asked=group, known=listed)
    return [name for name in present if name == group]


def _rows_of_group(opened: Opened, asked: Asked) -> set[int]:
    """Everybody, or with a group those who have a scan in it."""
    people, scans = opened.people, opened.inventory.scans
    if asked.selection.group is None:
        return set(range(len(people.listed)))
    names = named(scans, people)
    _of_group(asked, [], set(names))
    return {
        people.rows[scan.subject, scan.session]
        for name, scan in zip(names, scans, strict=True)
        if name == asked.selection.group
    }


def _problems(opened: Opened, kinds: Sequence[str], rows: set[int]) -> tuple[FormatError, ...]:
    """Say what of the selection cannot be read; a bad scan of somebody else is nobody's concern."""
    people = opened.people
    selected = {subject for (subject, _), row in people.rows.items() if row in rows}
    troubles = (
        trouble.error()
        for trouble in opened.inventory.troubles
        if trouble.kind in kinds and (trouble.subject in selected or len(rows) == len(people.listed))
    )
    return (*opened.sheets.problems, *troubles)


def _is_synthetic(copy: "Copy", inventory: "Inventory") -> bool:
    named_so = any(PurePosixPath(file.path).name == "SYNTHETIC.txt" for file in copy.files)
    return named_so or any(scan.marked for scan in inventory.scans)


def _counted(people: Roster, scans: "Iterator[Scan]") -> Any:
    counts = np.zeros(len(people.listed), dtype="i8")
    for scan in scans:
        counts[people.rows[scan.subject, scan.session]] += 1
    return counts


LAYOUT = Images("mri", 1)
