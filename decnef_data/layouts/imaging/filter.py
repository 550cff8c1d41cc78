"""The scans and participants of an image dataset that a request selects."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import xarray as xr

from decnef_data.errors import SelectionError
from decnef_data.layouts import LayoutRequest
from decnef_data.layouts.imaging.groups import site_group
from decnef_data.layouts.imaging.join import JoinedScans
from decnef_data.layouts.imaging.participants import ParticipantTable
from decnef_data.layouts.selection import select
from decnef_data.records.names import resolve_name

if TYPE_CHECKING:
    from decnef_data.layouts.imaging.inventory import Scan

__all__ = ["StreamingFilter", "requested_kinds", "rows_of_group", "select_scans", "selected_rows"]

#: The kind of scan for each name that a user may give.
_KIND_ALIASES: Final = {
    "bold": "bold", "func": "bold", "rsfmri": "bold", "rest": "bold",
    "t1w": "t1w", "t1": "t1w", "anat": "t1w", "mprage": "t1w",
    "fmap": "fmap", "fieldmap": "fmap",
}  # fmt: skip
_ARRAY_KINDS: Final = ("bold", "t1w")


class StreamingFilter:
    """A filter for scans while an archive is read: true for those that are certainly selected.

    Parameters
    ----------
    request
        The request, for its selection.
    kinds
        The selected kinds of scan.
    join
        Joins scans with the tables that were read so far; no participant is selected before the table of
        participants was read.
    """

    def __init__(
        self, request: LayoutRequest, kinds: Sequence[str], join: Callable[[Sequence["Scan"]], JoinedScans]
    ) -> None:
        self._request, self._kinds, self._join = request, kinds, join
        self._listed_selection: tuple[ParticipantTable, set[int]] | None = None
        self._last_selection: tuple[tuple[str, str], tuple[ParticipantTable, set[int]]] | None = None

    def add_table(self, path: str) -> None:
        """Discard what was derived from the tables, because there is a new one."""
        del path
        self._listed_selection = self._last_selection = None

    def __call__(self, scan: "Scan") -> bool:
        """Return whether the scan is certainly selected."""
        selection = self._request.selection
        if scan.kind not in self._kinds:
            return False
        if (selection.group, selection.subjects, selection.sites, selection.diagnoses) == (None,) * 4:
            return True
        participants, rows = self._selection_for(scan)
        row = participants.rows.get((scan.subject, scan.session))
        in_group = selection.group is None or selection.group.startswith(
            f"{site_group(participants, scan)}/{scan.kind}"
        )
        return row in rows and in_group

    def _selection_for(self, scan: "Scan") -> tuple[ParticipantTable, set[int]]:
        """Return participants and selected rows: once for all in the tables, once per session that is not."""
        if self._listed_selection is None:
            self._listed_selection = self._select(())
        session_key = (scan.subject, scan.session)
        if session_key in self._listed_selection[0].rows:
            return self._listed_selection
        # The files of one session follow one another.
        if self._last_selection is None or self._last_selection[0] != session_key:
            self._last_selection = (session_key, self._select((scan,)))
        return self._last_selection[1]

    def _select(self, scans: Sequence["Scan"]) -> tuple[ParticipantTable, set[int]]:
        joined = self._join(scans)
        has_table = joined.tables.participants is not None
        return joined.participants, selected_rows(joined.participants, self._request) if has_table else set()


def select_scans(
    joined: JoinedScans, request: LayoutRequest, kinds: Sequence[str], rows: set[int]
) -> dict[str, list["Scan"]]:
    """Return the selected scans of each requested group."""
    group_names = joined.group_names
    scans_by_group: dict[str, list[Scan]] = {}
    for name, row, scan in zip(group_names, joined.rows.tolist(), joined.inventory.scans, strict=True):
        if scan.kind in kinds and row in rows:
            scans_by_group.setdefault(name, []).append(scan)
    return {
        name: scans_by_group[name]
        for name in _filter_groups(request, sorted(scans_by_group), set(group_names))
    }


def requested_kinds(request: LayoutRequest) -> tuple[str, ...]:
    """Return the requested kinds of scan by their canonical names."""
    modalities = request.selection.modalities
    if modalities is None:
        return _ARRAY_KINDS if request.selection.group is None else (*_ARRAY_KINDS, "fmap")
    return tuple(resolve_name("modality", name, _KIND_ALIASES, _KIND_ALIASES) for name in modalities)


def selected_rows(participants: ParticipantTable, request: LayoutRequest) -> set[int]:
    """Return the rows of the selected participants."""
    names = ("subject", "site", "institute", "diagnosis")
    columns: dict[str, Any] = {name: ("subject", participants.columns[name]) for name in names}
    columns["row"] = ("subject", np.arange(len(participants.is_listed)))
    return set(
        select(xr.Dataset(coords=columns), request.selection, request.records)["row"].to_numpy().tolist()
    )


def _filter_groups(request: LayoutRequest, groups: Sequence[str], all_groups: set[str]) -> Sequence[str]:
    group = request.selection.group
    if group is None:
        return groups
    if group not in all_groups:
        available = tuple(sorted(all_groups))
        message = (
            f"'{request.dataset.name}' has no group '{group}'. Available groups: {', '.join(available)}."
        )
        raise SelectionError(message, requested=group, known=available)
    return [name for name in groups if name == group]


def rows_of_group(joined: JoinedScans, request: LayoutRequest) -> set[int]:
    """Return the rows of participants with a scan in the requested group, or all rows without one."""
    if request.selection.group is None:
        return set(range(len(joined.participants.is_listed)))
    _filter_groups(request, [], set(joined.group_names))
    pairs = zip(joined.group_names, joined.rows.tolist(), strict=True)
    return {row for name, row in pairs if name == request.selection.group}
