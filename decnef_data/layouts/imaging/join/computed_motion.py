"""Head motion that was computed from the images of a copy before, by scan and by participant.

It is what :mod:`decnef_data.motion_results` has of the scans as they were listed; no image is read.  Where
nothing was computed, there are no columns.
"""

from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from decnef_data.identity import ByIdentity
from decnef_data.layouts.imaging.images.sources import scan_source
from decnef_data.layouts.imaging.join.joined_scans import JoinedScans
from decnef_data.layouts.selection import TableContentError
from decnef_data.motion_results import COMPUTED, METHOD_VERSION, RADIUS, Displacement, scan_key
from decnef_data.records import normalize_name

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from decnef_data.layouts.imaging.inventory.scans import Scan
    from decnef_data.model import Condition, Selection

__all__ = [
    "computed_conditions",
    "drop_uncomputed",
    "join_motion",
    "motion_columns",
    "require_computed",
    "with_motion_of_scans",
]

_METHOD = f"by decnef_data.motion (version {METHOD_VERSION} of the method, radius={RADIUS:g}, middle volume)"


def join_motion(joined: JoinedScans, place: str, displacements: Mapping[str, Displacement]) -> JoinedScans:
    """Return the scans and participants with the motion that was computed of them.

    The value of a participant in a session is the mean of its runs, NaN until all of these were computed.

    Parameters
    ----------
    joined
        The scans and participants.
    place
        Where the scans are, as :func:`.sources.scan_source` uses it.
    displacements
        What was computed, by the key of the scan.
    """
    return _join_motion(ByIdentity(joined), place, ByIdentity(displacements)) if displacements else joined


@lru_cache(maxsize=1)  # a script typically opens one subject after the other of one copy
def _join_motion(
    joined: ByIdentity[JoinedScans], place: str, displacements: ByIdentity[Mapping[str, Displacement]]
) -> JoinedScans:
    scans = [scan for scan in joined.value.inventory.scans if scan.kind == "bold"]
    motion = {
        (scan.folder, scan.file_names): displacements.value[key]
        for scan in scans
        if (key := _scan_key(place, scan)) in displacements.value
    }
    if not motion:  # of files that have changed
        return joined.value
    columns = motion_columns(scans, motion)
    participants = joined.value.participants
    rows, n_rows = participants.rows_of(scans), len(participants.is_listed)
    counts = np.bincount(rows, minlength=n_rows)
    # One NaN makes the sum of its session NaN: the mean of some runs would pass for that of all.
    by_row = {
        name: np.divide(
            np.bincount(rows, values, n_rows), counts, out=np.full(n_rows, np.nan), where=counts > 0
        )
        for name, values in columns.items()
        if not np.isnan(values).all()
    }
    attrs = {name: _attrs(name) for name in by_row}
    return replace(joined.value, participants=participants.with_columns(by_row, attrs), motion=motion)


def _scan_key(place: str, scan: "Scan") -> str:
    header = scan.header
    if header is None:
        return ""
    # The same voxels with another affine or scaling have other results.
    affine = np.frombuffer(header.affine, "<f8").reshape(4, 4)
    return scan_key(scan_source(place, scan), affine, header.slope, header.inter)


def motion_columns(
    scans: Sequence["Scan"], motion: Mapping[tuple[str, str], Displacement]
) -> dict[str, NDArray[np.float64]]:
    """Return what was computed of each scan, NaN where it was not."""
    unknown = Displacement(np.nan, np.nan)
    found = [motion.get((scan.folder, scan.file_names), unknown) for scan in scans]
    columns = ([each.mean for each in found], [each.floor for each in found])
    return {name: np.array(column, dtype="f8") for name, column in zip(COMPUTED, columns, strict=True)}


def with_motion_of_scans(
    dataset: "xr.Dataset", scans: Sequence["Scan"], motion: Mapping[tuple[str, str], Displacement]
) -> "xr.Dataset":
    """Return a group in which a run has its own motion, without the coordinates that none of its scans has.

    Other scans have the motion of their participant in their session.

    Parameters
    ----------
    dataset
        The group, with the coordinates of its participants.
    scans
        Its scans.
    motion
        What was computed, by folder and files.
    """
    names = [name for name in COMPUTED if name in dataset.coords]
    if names and scans[0].kind == "bold":
        columns = motion_columns(scans, motion)
        dataset = dataset.assign_coords({name: ("scan", columns[name]) for name in names})
    for name in names:
        is_missing = np.isnan(dataset[name].to_numpy())
        dataset[name].attrs = _attrs(name, int(is_missing.sum()), is_missing.size)
    return dataset.drop_vars([name for name in names if np.isnan(dataset[name].to_numpy()).all()])


def _attrs(name: str, n_missing: int = 0, n_scans: int = 0) -> dict[str, str]:
    attrs = dict(COMPUTED[name])
    missing = [f"not computed for {n_missing} of these {n_scans} scans"] if n_missing else []
    attrs["comment"] = "; ".join([attrs["comment"], f"computed {_METHOD}", *missing])
    return attrs


def drop_uncomputed(table: "pd.DataFrame") -> "pd.DataFrame":
    """Return a table without columns of motion that was computed of none of its rows."""
    names = [name for name in COMPUTED if name in table.columns and bool(table[name].isna().all())]
    return table.drop(columns=names) if names else table


def computed_conditions(selection: "Selection") -> "tuple[Condition, ...]":
    """Return the conditions on motion that has to be computed."""
    known = set(map(normalize_name, COMPUTED))
    return tuple(each for each in selection.where or () if normalize_name(each.coordinate) in known)


def require_computed(selection: "Selection", columns: Container[str]) -> None:
    """Require that the motion on which there are conditions was computed of some scan.

    Raises
    ------
    TableContentError
        It was not; no other coordinate stands for it.
    """
    known = {normalize_name(name): name for name in COMPUTED}
    for condition in computed_conditions(selection):
        name = known[normalize_name(condition.coordinate)]
        if name not in columns:
            message = (
                f"The condition on {name} cannot be applied: it was not computed for any scan of this copy "
                f"of '{selection.dataset}'. Run `decnef_data.motion('{selection.dataset}')`, or access the "
                "values of decnef_data.motion, then repeat the request."
            )
            raise TableContentError(message, requested=name)
