"""Which scans and people of an image dataset a selection means."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import xarray as xr

from decnef_data.errors import SelectionError
from decnef_data.layouts import Asked
from decnef_data.layouts.joining import Opened
from decnef_data.layouts.leaves import site_of
from decnef_data.layouts.roster import Roster
from decnef_data.layouts.select import select
from decnef_data.records.names import find

if TYPE_CHECKING:
    from decnef_data.layouts.inventory import Scan

__all__ = ["OnTheWay", "chosen", "kinds", "rows_of_group", "selected_rows"]

#: What users may call each kind of scan.
_KINDS: Final = {
    "bold": "bold", "func": "bold", "rsfmri": "bold", "rest": "bold",
    "t1w": "t1w", "t1": "t1w", "anat": "t1w", "mprage": "t1w",
    "fmap": "fmap", "fieldmap": "fmap",
}  # fmt: skip
_ARRAYS: Final = ("bold", "t1w")


class OnTheWay:
    """Tells, while an archive passes, of which scans it is sure already that they are selected.

    Parameters
    ----------
    asked
        The selection.
    wanted
        The kinds of scan that it means.
    opened
        Says who some scans are of, by the tables that came so far; nobody can be told before theirs did.
    """

    def __init__(
        self, asked: Asked, wanted: Sequence[str], opened: Callable[[Sequence["Scan"]], Opened]
    ) -> None:
        self._asked, self._kinds, self._opened = asked, wanted, opened
        self._everybody: tuple[Roster, set[int]] | None = None
        self._last: tuple[tuple[str, str], tuple[Roster, set[int]]] | None = None

    def table(self, path: str) -> None:
        """Look at the tables again when they are needed."""
        del path
        self._everybody = self._last = None

    def __call__(self, scan: "Scan") -> bool:
        """Whether the scan is selected for sure."""
        selection = self._asked.selection
        if scan.kind not in self._kinds:
            return False
        if (selection.group, selection.subjects, selection.sites, selection.diagnoses) == (None,) * 4:
            return True
        people, rows = self._of(scan)
        row = people.rows.get((scan.subject, scan.session))
        inside = selection.group is None or selection.group.startswith(f"{site_of(people, scan)}/{scan.kind}")
        return row in rows and inside

    def _of(self, scan: "Scan") -> tuple[Roster, set[int]]:
        """Those whom the tables list, once for all; a session, or a stranger, has to be joined by itself."""
        if self._everybody is None:
            self._everybody = self._selected(())
        whose = (scan.subject, scan.session)
        if whose in self._everybody[0].rows:
            return self._everybody
        if self._last is None or self._last[0] != whose:  # the files of one session follow one another
            self._last = (whose, self._selected((scan,)))
        return self._last[1]

    def _selected(self, scans: Sequence["Scan"]) -> tuple[Roster, set[int]]:
        opened = self._opened(scans)
        sure = opened.sheets.people is not None
        return opened.people, selected_rows(opened.people, self._asked) if sure else set()


def chosen(opened: Opened, asked: Asked, wanted: Sequence[str], rows: set[int]) -> dict[str, list["Scan"]]:
    """Give the selected scans of each leaf that is asked for."""
    names = opened.names
    grouped: dict[str, list[Scan]] = {}
    for name, row, scan in zip(names, opened.rows.tolist(), opened.inventory.scans, strict=True):
        if scan.kind in wanted and row in rows:
            grouped.setdefault(name, []).append(scan)
    return {name: grouped[name] for name in _of_group(asked, sorted(grouped), set(names))}


def kinds(asked: Asked) -> tuple[str, ...]:
    """Give the kinds of scan that are asked for, by their own names."""
    stated = asked.selection.modalities
    if stated is None:
        return _ARRAYS if asked.selection.group is None else (*_ARRAYS, "fmap")
    return tuple(find("modality", name, _KINDS, _KINDS) for name in stated)


def selected_rows(people: Roster, asked: Asked) -> set[int]:
    """Give the rows of the people that are selected."""
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


def rows_of_group(opened: Opened, asked: Asked) -> set[int]:
    """Everybody, or with a group those who have a scan in it."""
    if asked.selection.group is None:
        return set(range(len(opened.people.listed)))
    _of_group(asked, [], set(opened.names))
    named = zip(opened.names, opened.rows.tolist(), strict=True)
    return {row for name, row in named if name == asked.selection.group}
