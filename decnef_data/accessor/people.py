"""The people of a Dataset or DataTree: their table, and the selection of their rows."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from decnef_data.errors import SelectionError
from decnef_data.records import default_records
from decnef_data.records.participant_frame import participant_frame

__all__ = ["groups_of", "participants_of", "row_dim", "select_groups", "select_scans"]

_ROW_DIMS: Final = ("subject", "scan")
#: Coordinates of a scan or of its files, and not of a participant in a session.
_OF_SCANS: Final = frozenset({
    "run", "task", "repetition_time", "n_volumes", "n_dummies_removed", "field_maps", "qform_code",
    "sform_code", "scl_slope", "scl_inter",
})  # fmt: skip
#: Motion that was computed of each run, of which a participant has the mean.
_OF_RUNS: Final = ("mean_fd_computed", "fd_floor")
#: The columns with the numbers of scans, by the variable that shows the kind of a group.
_KINDS: Final[Mapping[str, str]] = {"bold": "bold", "t1w": "t1w", "path": "fmap"}


def participants_of(data: xr.Dataset | xr.DataTree) -> pd.DataFrame:
    """Return the table of people; the accessor describes it.

    Raises
    ------
    SelectionError
        The data have no dimension of people.
    """
    groups = {name: group for name, group in groups_of(data).items() if row_dim(group) is not None}
    if not groups:
        raise _no_people_error(data)
    tables = {name: _rows(group) for name, group in groups.items()}
    if any(row_dim(group) == "subject" for group in groups.values()):
        parts = [table.assign(group=name) if name else table for name, table in tables.items()]
        columns = pd.concat(parts, ignore_index=True)
    else:
        columns = _sessions(pd.concat(tables.values(), ignore_index=True), groups.values())
    frame = participant_frame(columns, default_records())
    marks = ("synthetic", "sample")
    attrs = next(iter(groups.values())).attrs
    frame.attrs.update({name: attrs[name] for name in marks if name in attrs})
    return frame


def select_scans(
    dataset: xr.Dataset | xr.DataTree,
    subjects: Sequence[str] | None,
    sessions: Sequence[str] | None,
    runs: Sequence[int] | None,
) -> dict[str, xr.Dataset]:
    """Return the groups that have matching rows, by their path below `dataset`, with these rows alone.

    Raises
    ------
    SelectionError
        There is no such subject, session or run, or no row has all of them.
    """
    groups = {name: group for name, group in groups_of(dataset).items() if row_dim(group) is not None}
    if not groups:
        raise _no_people_error(dataset)
    wanted = {"subject": subjects, "session": sessions, "run": runs}
    asked: dict[str, list[Any]] = {
        name: list(values) for name, values in wanted.items() if values is not None
    }
    for name, values in asked.items():
        _require_known(name, values, groups)
    found: dict[str, xr.Dataset] = {}
    for path, group in groups.items():
        matches = [np.isin(_coordinate(group, name), np.array(values)) for name, values in asked.items()]
        rows = np.flatnonzero(np.logical_and.reduce(matches)) if matches else np.arange(_n_rows(group))
        if rows.size:
            found[path] = group.isel({row_dim(group): rows})
    if not found:
        described = ", ".join(f"{name} {' or '.join(map(repr, values))}" for name, values in asked.items())
        message = f"No scan has {described} at once. Select by subject alone to see the sessions and runs."
        raise SelectionError(message, requested=described)
    return found


def select_groups(tree: xr.DataTree, groups: Mapping[str, xr.Dataset]) -> xr.DataTree:
    """Return a tree of some groups, with the attributes of the groups above them."""
    above = {
        path: group
        for path, group in groups_of(tree).items()
        if path not in groups and any(name.startswith(f"{path}/" if path else "") for name in groups)
    }
    kept = {f"/{path}": group for path, group in {**above, **groups}.items()}
    return xr.DataTree.from_dict(kept, name=tree.name)


def groups_of(data: xr.Dataset | xr.DataTree) -> dict[str, xr.Dataset]:
    """Return the groups by their path below the data, which is empty for the data themselves."""
    if isinstance(data, xr.Dataset):
        return {"": data}
    prefix = data.path.rstrip("/")
    return {
        node.path.removeprefix(prefix).strip("/"): node.to_dataset(inherit=node is data)
        for node in data.subtree
    }


def row_dim(group: xr.Dataset) -> str | None:
    """Return the dimension of people or scans; one of them alone has none."""
    return next((dim for dim in _ROW_DIMS if dim in group.dims and "subject" in group.coords), None)


def _n_rows(group: xr.Dataset) -> int:
    return group.sizes[row_dim(group)]


def _coordinate(group: xr.Dataset, name: str) -> NDArray[Any]:
    """Return a coordinate of each row, as text if it is text; blank where the group has none."""
    if name not in group.coords:
        return np.full(_n_rows(group), "", dtype=object)
    values = group[name].to_numpy()
    full = np.broadcast_to(values, _n_rows(group))
    return full if full.dtype.kind in "iuf" else full.astype(object)


def _require_known(name: str, values: Sequence[Any], groups: Mapping[str, xr.Dataset]) -> None:
    known = {value for group in groups.values() for value in _coordinate(group, name).tolist()}
    unknown = [value for value in values if value not in known]
    if unknown:
        # No other id is suggested: it would be that of a person whom the user did not ask for.
        message = (
            f"There is no {name} {unknown[0]!r} in these data. "
            "Use decnef.participants() to list all participants."
        )
        raise SelectionError(message, requested=str(unknown[0]))


def _rows(group: xr.Dataset) -> pd.DataFrame:
    """Return the coordinates along the dimension of people, or of scans."""
    dim = row_dim(group)
    columns = {
        # Texts of any length, as zarr has them, are not known to all versions of pandas.
        str(name): coord.to_numpy().astype(object) if coord.dtype.kind == "T" else coord.to_numpy()
        for name, coord in group.coords.items()
        if coord.dims == (dim,)
    }
    return pd.DataFrame(columns, index=range(_n_rows(group)))


def _sessions(scans: pd.DataFrame, groups: Collection[xr.Dataset]) -> pd.DataFrame:
    """Return one row per participant and session, with the number of scans of each kind."""
    scans = scans.assign(session=scans.get("session", ""))
    ids = ["subject", "session"]
    means = scans.groupby(ids)[[name for name in _OF_RUNS if name in scans]].mean()
    own = [name for name in scans.columns if name not in {*_OF_SCANS, *_OF_RUNS}]
    people = scans[own].drop_duplicates(ids).sort_values(ids).set_index(ids).join(means)
    for variable, kind in _KINDS.items():
        counts = [_count_scans(group) for group in groups if variable in group.data_vars]
        if counts:
            total = pd.concat(counts).groupby(level=ids).sum()
            people[kind] = total.reindex(people.index, fill_value=0).astype("int64")
    return people.reset_index()


def _count_scans(group: xr.Dataset) -> "pd.Series[int]":
    """Return the number of scans of each participant and session; a field map has a row per file."""
    scans = pd.DataFrame({name: _coordinate(group, name) for name in ("subject", "session", "run")})
    return scans.drop_duplicates().value_counts(["subject", "session"])


def _no_people_error(data: xr.Dataset | xr.DataTree) -> SelectionError:
    kind = "tree" if isinstance(data, xr.DataTree) else "dataset"
    message = (
        f"This {kind} has no dimension 'subject' or 'scan' with a coordinate 'subject', so it has no "
        "participants. Pass what fetch_dataset returns, or a selection of it."
    )
    return SelectionError(message, requested="subject")
