"""The scans and participants of an image dataset that a request selects."""

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from decnef_data.layouts import LayoutRequest
from decnef_data.layouts.imaging.groups.datasets import order_columns, run_coords
from decnef_data.layouts.imaging.groups.scan_groups import site_group
from decnef_data.layouts.imaging.groups.scan_list import ScanList
from decnef_data.layouts.imaging.join.computed_motion import (
    computed_conditions,
    motion_columns,
    require_computed,
)
from decnef_data.layouts.imaging.join.joined_scans import JoinedScans, JoinedTables
from decnef_data.layouts.imaging.tables.participants import ParticipantTable
from decnef_data.layouts.selection import (
    TableContentError,
    draw_samples,
    match_conditions,
    match_rows,
    may_be_in_group,
    resolve_coordinate,
    resolve_group,
)
from decnef_data.records.names import normalize_name

if TYPE_CHECKING:
    from decnef_data.layouts.imaging.inventory.scans import Scan
    from decnef_data.model import Condition, Selection

__all__ = [
    "SelectedScans",
    "StreamingFilter",
    "needs_scans",
    "requested_kinds",
    "select_listed_paths",
    "select_participants",
    "select_scans",
]

_ARRAY_KINDS: Final = ("bold", "t1w")
_RUN_COORDINATES: Final = ("repetition_time", "n_volumes", "n_dummies_removed")
#: The coordinates of scans, all others are those of participants.
_SCAN_COORDINATES: Final = ("run", *_RUN_COORDINATES)
#: The name of the only group of rows: a copy has one table of participants.
_ALL: Final = ""
_Columns = dict[str, NDArray[Any]]


def requested_kinds(request: LayoutRequest) -> tuple[str, ...]:
    """Return the requested kinds of scan."""
    modalities = request.selection.modalities
    if modalities is None:
        # Field maps are files: a group of them is requested by its own name, not by that of its site.
        return (*_ARRAY_KINDS, "fmap") if "/" in (request.selection.group or "") else _ARRAY_KINDS
    return modalities


@dataclass(frozen=True, slots=True)
class SelectedScans:
    """The selected scans of each group, the rows of their participants, and the name of the sample, if any.

    ``matching_rows`` are those that match, with or without scans, before a sample is drawn.
    """

    groups: Mapping[str, ScanList]
    rows: frozenset[int]
    matching_rows: frozenset[int]
    sample: str | None

    @property
    def scans(self) -> list["Scan"]:
        """The scans of all groups."""
        return [scan for members in self.groups.values() for scan in members.scans]


def needs_scans(request: LayoutRequest) -> bool:
    """Return whether participants are selected only if they have a selected scan."""
    selection = request.selection
    requested = (selection.modalities, selection.group, selection.n_subjects)
    return any(part is not None for part in requested) or bool(_scan_conditions(selection))


def select_participants(joined: JoinedScans, request: LayoutRequest) -> frozenset[int]:
    """Return the rows of the selected participants, with or without scans."""
    columns = _public_columns(joined.participants)
    require_computed(request.selection, columns)
    matched = match_rows({_ALL: columns}, request.selection, request.dataset, request.records)
    matched.warn()
    return frozenset(matched.rows[_ALL].tolist())


def select_scans(
    joined: JoinedScans, request: LayoutRequest, kinds: Sequence[str], *, warn: bool = True
) -> SelectedScans:
    """Select the scans of each requested group.

    Parameters
    ----------
    joined
        All scans and participants.
    request
        The request, for its selection.
    kinds
        The kinds of scan to return; participants are sampled from those with a scan of a requested kind.
    warn
        Whether to warn about participants who may match.

    Raises
    ------
    SelectionError
        A name, group or coordinate does not exist, a criterion cannot be applied, or the sample is too large.
    """
    columns = _public_columns(joined.participants)
    require_computed(request.selection, columns)
    selection, conditions = _split_conditions(request.selection, columns)
    matched = match_rows({_ALL: columns}, selection, request.dataset, request.records)
    matching_rows, rows = matched.rows[_ALL], joined.scans.rows
    in_groups = _scans_in_groups(joined, request, kinds)
    if warn:
        # Only of those with scans in the requested groups.
        matched.warn({_ALL: _row_mask(joined, in_groups)})
    candidates = in_groups[np.isin(rows[in_groups], matching_rows)]
    selected = _match_scans(joined, request, candidates, conditions, warn=warn)
    sample = None
    if selection.n_subjects is not None:
        selected, sample = _sample_scans(joined, request, selected, matching_rows.tolist(), warn=warn)
    return SelectedScans(
        {name: joined.scans.take(indices) for name, indices in joined.groups.split(selected).items()},
        frozenset(rows[selected].tolist()),
        frozenset(matching_rows.tolist()),
        sample,
    )


def _public_columns(participants: ParticipantTable) -> _Columns:
    return {name: participants.columns[name] for name in order_columns(tuple(participants.columns))}


def _scan_conditions(selection: "Selection") -> "tuple[Condition, ...]":
    return tuple(each for each in selection.where or () if _is_scan_coordinate(each.coordinate))


def _is_scan_coordinate(name: str) -> bool:
    return normalize_name(name) in map(normalize_name, _SCAN_COORDINATES)


def _without_scan_conditions(selection: "Selection") -> "Selection":
    kept = tuple(each for each in selection.where or () if not _is_scan_coordinate(each.coordinate))
    return msgspec.structs.replace(selection, where=kept or None)


def _split_conditions(selection: "Selection", columns: _Columns) -> "tuple[Selection, tuple[Condition, ...]]":
    """Return the selection without the conditions on scans, and all that scans have to meet.

    Motion that was computed is a value of each run, and of each participant in a session: both have to meet
    the conditions on it.  Every coordinate has to exist.
    """
    known: dict[str, _Columns] = {_ALL: columns, "scans": dict.fromkeys(_SCAN_COORDINATES, np.empty(0))}
    for condition in selection.where or ():
        resolve_coordinate(condition.coordinate, known)
    conditions = (*_scan_conditions(selection), *computed_conditions(selection))
    return _without_scan_conditions(selection), conditions


def _scans_in_groups(joined: JoinedScans, request: LayoutRequest, kinds: Sequence[str]) -> NDArray[np.intp]:
    """Return the indices of the scans of the requested kinds and groups."""
    group = request.selection.group
    names: Container[str] = joined.groups.names
    if group is not None:
        names = resolve_group(request.dataset.name, group, sorted(joined.groups.names), request.records)
    return joined.groups.find(lambda name, kind: kind in kinds and name in names)


def _row_mask(joined: JoinedScans, scans: NDArray[np.intp]) -> NDArray[np.bool_]:
    mask = np.zeros(len(joined.participants.is_listed), np.bool_)
    mask[joined.scans.rows[scans]] = True
    return mask


def _match_scans(
    joined: JoinedScans,
    request: LayoutRequest,
    candidates: NDArray[np.intp],
    conditions: "Sequence[Condition]",
    *,
    warn: bool,
) -> NDArray[np.intp]:
    """Return those of the candidates that meet the conditions; only runs have all coordinates of scans."""
    if not conditions or not candidates.size:
        return candidates
    is_run = np.isin(candidates, joined.groups.find(lambda _, kind: kind == "bold"))
    parts = {"bold": candidates[is_run], "other": candidates[~is_run]}
    columns = {name: _scan_columns(joined, indices, name) for name, indices in parts.items()}
    matched = match_conditions(columns, conditions, request.dataset.name)
    if warn:
        matched.warn()
    # In the order of the inventory again.
    return np.sort(np.concatenate([parts[name][rows] for name, rows in matched.rows.items()]))


def _scan_columns(joined: JoinedScans, indices: NDArray[np.intp], kind: str) -> _Columns:
    members = joined.scans.take(indices)
    scans, rows = members.scans, members.rows
    table = joined.participants.columns
    columns: _Columns = {
        "subject": table["subject"][rows],
        "run": np.array([scan.run for scan in scans], dtype="i2"),
    }
    if kind == "bold":
        coords = run_coords(members, joined.participants)
        columns |= {name: coords[name].to_numpy() for name in _RUN_COORDINATES}
    motion = motion_columns(scans, joined.motion)
    computed = [name for name in motion if name in table]
    return columns | {name: motion[name] if kind == "bold" else table[name][rows] for name in computed}


def _sample_scans(
    joined: JoinedScans,
    request: LayoutRequest,
    selected: NDArray[np.intp],
    matching_rows: Iterable[int],
    *,
    warn: bool,
) -> tuple[NDArray[np.intp], str | None]:
    """Return the scans of the sampled participants, and the name of the sample."""
    kinds, rows = requested_kinds(request), joined.scans.rows[selected]
    # Field maps that are listed beside must not decide who is sampled.
    counts = np.isin(selected, joined.groups.find(lambda _, kind: kind in kinds))
    columns = _public_columns(joined.participants)
    sampled, sample = _draw(columns, set(rows[counts].tolist()), matching_rows, request, warn=warn)
    return selected[np.isin(rows, list(sampled))], sample


def _draw(
    columns: _Columns,
    rows: Iterable[int],
    matching_rows: Iterable[int],
    request: LayoutRequest,
    *,
    warn: bool,
) -> tuple[set[int], str | None]:
    """Return the rows of the sampled participants, and the name of the sample."""
    # The order of classes depends on the tables alone: a copy may have only some of the images.
    drawn, samples = draw_samples(
        {_ALL: columns},
        {_ALL: np.array(sorted(rows), dtype=np.intp)},
        request.selection,
        request.dataset.name,
        population={_ALL: np.array(sorted(matching_rows), dtype=np.intp)},
        warn=warn,
    )
    return set(drawn[_ALL].tolist()), samples.get(_ALL)


class StreamingFilter:
    """A filter for scans while an archive is read: true for those that are very likely selected.

    It knows only the tables that were read so far, and the site and kind of a scan.  Conditions on scans are
    ignored, and a sample is drawn from the tables alone.

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
        self, request: LayoutRequest, kinds: Sequence[str], join: Callable[[Sequence["Scan"]], JoinedTables]
    ) -> None:
        self._request, self._kinds, self._join = request, kinds, join
        self._selects_all = _selects_all(request)
        self._listed_selection: tuple[ParticipantTable, set[int]] | None = None
        self._last_selection: tuple[tuple[str, str], tuple[ParticipantTable, set[int]]] | None = None

    def add_table(self, path: str) -> None:
        """Discard what was derived from the tables, because there is a new one."""
        del path
        # Any table may have columns by which participants are selected.
        self._listed_selection = self._last_selection = None

    def __call__(self, scan: "Scan") -> bool:
        """Return whether the scan is very likely selected."""
        if scan.kind not in self._kinds:
            return False
        if self._selects_all:
            return True
        participants, rows = self._selection_for(scan)
        row = participants.rows.get((scan.subject, scan.session))
        # May: groups of one site and kind differ in their shapes, which are known when all scans are.
        return row in rows and _may_be_in_group(participants, scan, self._request)

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
        return joined.participants, _likely_rows(joined, self._request)


def select_listed_paths(
    request: LayoutRequest,
    kinds: Sequence[str],
    scans: Mapping[str, "Scan"],
    join: Callable[[Sequence["Scan"]], JoinedTables],
) -> tuple[str, ...]:
    """Return the paths of scans that may be selected, as far as tables and paths tell.

    Parameters
    ----------
    request
        The request, for its selection.
    kinds
        The kinds of scan to return.
    scans
        The scan of each path.
    join
        Joins scans with the tables.
    """
    if _selects_all(request):
        return tuple(path for path, scan in scans.items() if scan.kind in kinds)
    # One scan of each kind and session is enough: the tables do not tell its runs apart.
    joined = join(tuple({_series(scan): scan for scan in scans.values()}.values()))
    participants = joined.participants
    row_of = {
        _series(scan): participants.rows[scan.subject, scan.session]
        for scan in joined.inventory.scans
        if _may_be_in_group(participants, scan, request)
    }
    sampled_kinds = requested_kinds(request)
    rows = _likely_rows(joined, request, {row for (*_, kind), row in row_of.items() if kind in sampled_kinds})
    return tuple(
        path for path, scan in scans.items() if scan.kind in kinds and row_of.get(_series(scan)) in rows
    )


def _series(scan: "Scan") -> tuple[str, str, str]:
    return scan.subject, scan.session, scan.kind


def _selects_all(request: LayoutRequest) -> bool:
    """Return whether every scan of the requested kinds may be selected."""
    selection = _without_scan_conditions(request.selection)
    return not msgspec.structs.replace(selection, modalities=None).is_subset


def _may_be_in_group(participants: ParticipantTable, scan: "Scan", request: LayoutRequest) -> bool:
    group = request.selection.group
    return group is None or may_be_in_group(
        group, f"{site_group(participants, scan)}/{scan.kind}", request.records
    )


def _likely_rows(
    joined: JoinedTables, request: LayoutRequest, candidates: set[int] | None = None
) -> set[int]:
    """Return the rows of participants that are selected according to the tables.

    With `candidates`, the rows of all participants with a scan, a sample is drawn only if it is certain.
    """
    # The table of participants was not read yet: everybody would match.
    if not joined.participants.is_listed.any():
        return set()
    columns = _public_columns(joined.participants)
    selection = _without_scan_conditions(request.selection)
    try:
        matched = match_rows({_ALL: columns}, selection, request.dataset, request.records)
        rows = set(matched.rows[_ALL].tolist())
        if selection.n_subjects is None or (candidates is not None and not _knows_candidates(request)):
            return rows
        return _draw(columns, rows if candidates is None else rows & candidates, rows, request, warn=False)[0]
    except TableContentError:  # raised again with all tables, if it persists
        return set()


def _knows_candidates(request: LayoutRequest) -> bool:
    """Return whether paths tell who has a selected scan: not the shape of a scan, nor its coordinates."""
    group = request.selection.group
    return not _scan_conditions(request.selection) and (group is None or "/" not in group)
