"""Confounds and framewise displacement of each scan, from a variable, an array or a table per scan."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from decnef_data.analysis.scan_keys import ScanKey, find_value, format_scan, scan_keys
from decnef_data.errors import FormatError, SelectionError

__all__ = ["Table", "kept_volumes", "scan_confounds"]

#: The variable of fMRIPrep's confounds ``(scan, time, name)``, and the name of its framewise displacement.
_CONFOUNDS: Final = "confound"
_FD_NAMES: Final = ("fd", "framewise_displacement")
#: Coordinates that have to be equal where both the dataset and an array have them.
_ALIGNED: Final = ("subject", "session", "run", "volume", "time")
_MAX_LISTED: Final = 8


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Columns ``(time, name)`` of one scan, and the names of their columns."""

    columns: NDArray[np.float64]
    names: tuple[str, ...]


def scan_confounds(dataset: xr.Dataset, confounds: Any) -> list[Table]:
    """Return the confounds of each scan, complete: a missing first value is that of the second volume.

    fMRIPrep leaves the first value of derivatives and of displacement empty; nilearn's ``load_confounds``
    replaces it with the second.

    Raises
    ------
    SelectionError
        There are no such confounds, they do not fit the volumes, or another value is missing.
    """
    tables = _scan_tables(dataset, confounds, "confounds")
    return [_complete(table, key) for table, key in zip(tables, scan_keys(dataset), strict=True)]


def kept_volumes(dataset: xr.Dataset, fd: Any, max_fd: float | None) -> NDArray[np.bool_] | None:
    """Return which volumes ``(scan, time)`` are kept, ``None`` if no volumes are removed.

    Volumes that a coordinate ``kept`` excludes stay excluded.  A first volume without a displacement is kept.

    Raises
    ------
    SelectionError
        No displacement is known, or not that of all volumes.
    """
    kept = _stated_kept(dataset)
    if max_fd is None:
        if fd is not None:
            message = "fd= has no effect without a limit. Add max_fd=, such as max_fd=0.5 (mm)."
            raise SelectionError(message, requested="fd")
        return kept
    tables = _scan_tables(dataset, _default_fd(dataset) if fd is None else fd, "fd")
    rows = [_within(table, max_fd, key) for table, key in zip(tables, scan_keys(dataset), strict=True)]
    within = np.stack(rows)
    return within if kept is None else within & kept


def _stated_kept(dataset: xr.Dataset) -> NDArray[np.bool_] | None:
    coord = dataset.coords.get("kept")
    if coord is None or coord.dtype.kind != "b" or "time" not in coord.dims:
        return None
    shape = (dataset.sizes.get("scan", 1), dataset.sizes["time"])
    return np.array(np.broadcast_to(coord.transpose(..., "time").to_numpy(), shape))


def _default_fd(dataset: xr.Dataset) -> xr.DataArray:
    variable = next((name for name in _FD_NAMES if name in dataset.variables), None)
    if variable is not None:
        return dataset[variable]
    if _CONFOUNDS in dataset.variables:
        return _confound_columns(dataset, [_FD_NAMES[1]], "fd")
    message = (
        "max_fd= needs the framewise displacement, and this dataset has no 'fd' and no 'confound'. "
        "Pass it as fd=, an array (scan, time) or a mapping from scan to series."
    )
    raise SelectionError(message, requested="fd")


def _within(table: Table, max_fd: float, key: ScanKey) -> NDArray[np.bool_]:
    displacement = _fd_column(table, key)
    unknown = np.isnan(displacement)
    # The first volume never has one: it counts as missing only where no volume has any.
    unknown[0] &= displacement.size == 1 or bool(unknown.all())
    if unknown.any():
        message = (
            f"The framewise displacement of {format_scan(key)} is missing for {int(unknown.sum())} of "
            f"{unknown.size} volumes. Exclude this scan, or pass fd= with its displacement."
        )
        raise SelectionError(message, requested=format_scan(key))
    # Not `<=`: NaN, which the first volume has, is kept.
    return ~(displacement > max_fd)


def _fd_column(table: Table, key: ScanKey) -> NDArray[np.float64]:
    if _FD_NAMES[1] in table.names:
        return table.columns[:, table.names.index(_FD_NAMES[1])]
    if len(table.names) != 1:
        message = (
            f"fd= has {len(table.names)} columns for {format_scan(key)}, but no 'framewise_displacement'. "
            "Pass one value per volume."
        )
        raise SelectionError(message, requested="fd")
    return table.columns[:, 0]


def _scan_tables(dataset: xr.Dataset, source: Any, parameter: str) -> list[Table]:
    """Return the table of each scan, with a row per volume."""
    keys = scan_keys(dataset)
    if isinstance(source, Mapping):
        tables = [_read_table(find_value(source, key, parameter), key, parameter) for key in keys]
    else:
        array = source if isinstance(source, xr.DataArray) else _named_columns(dataset, source, parameter)
        tables = _split_array(dataset, array, parameter)
    for table, key in zip(tables, keys, strict=True):
        if len(table.columns) != dataset.sizes["time"]:
            message = (
                f"{parameter}= has {len(table.columns)} rows for {format_scan(key)}, which has "
                f"{dataset.sizes['time']} volumes. Pass one row per volume."
            )
            raise SelectionError(message, requested=format_scan(key))
    return tables


def _read_table(value: Any, key: ScanKey, parameter: str) -> Table:
    """Return a table, an array or a file of tab-separated values as the table of one scan."""
    if isinstance(value, str | os.PathLike):
        value = _read_file(value)
    frame = value.to_frame() if isinstance(value, pd.Series) else value
    names = [str(name) for name in frame.columns] if isinstance(frame, pd.DataFrame) else None
    try:
        values = np.asarray(frame, dtype=np.float64)
    except (TypeError, ValueError) as error:
        message = (
            f"{parameter}= of {format_scan(key)} is not a table of numbers: {error}. Select numeric columns."
        )
        raise SelectionError(message, requested=format_scan(key)) from error
    if values.ndim == 1:
        values = values[:, np.newaxis]
    if values.ndim != 2:  # noqa: PLR2004 - volumes and columns
        message = (
            f"{parameter}= of {format_scan(key)} has the shape {values.shape}. "
            "Pass one row per volume, and one column per name."
        )
        raise SelectionError(message, requested=format_scan(key))
    return Table(values, tuple(names or map(str, range(1, values.shape[1] + 1))))


def _read_file(path: str | os.PathLike[str]) -> pd.DataFrame:
    try:
        return pd.read_csv(path, sep="\t")
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        name = os.path.basename(path)  # noqa: PTH119 - also of a path that is text
        message = (
            f"'{name}' cannot be read as tab-separated values: {error}. Pass a file such as fMRIPrep writes."
        )
        raise FormatError(message, file=str(name)) from error


def _named_columns(dataset: xr.Dataset, names: str | Sequence[str], parameter: str) -> xr.DataArray:
    """Return the variable of this name, or the confounds of these names."""
    if isinstance(names, str):
        if names in dataset.variables:
            return dataset[names]
        return _confound_columns(dataset, [names], parameter)
    if not len(names):
        message = f"{parameter}=[] names no confound. Name at least one, or omit {parameter}=."
        raise SelectionError(message, requested=parameter)
    return _confound_columns(dataset, names, parameter)


def _confound_columns(dataset: xr.Dataset, names: Sequence[str], parameter: str) -> xr.DataArray:
    """Select columns of the dataset's variable of confounds by name."""
    known: tuple[str, ...] = ()
    if _CONFOUNDS in dataset.variables:
        array = dataset[_CONFOUNDS]
        dim = _column_dim(array, parameter)
        known = _column_names(array, dim)
        if set(names) <= set(known):
            return array.isel({dim: [known.index(name) for name in names]})
    missing = next(name for name in names if name not in known)
    listed = ", ".join(known[:_MAX_LISTED]) + (", …" if len(known) > _MAX_LISTED else "")
    message = (
        f"There is no confound '{missing}' for {parameter}=. This dataset has {listed or 'no confounds'}; "
        "pass an array (scan, time, name), or a mapping from scan to table."
    )
    raise SelectionError(message, requested=missing, known=known)


def _column_dim(array: xr.DataArray, parameter: str) -> str:
    dims = [str(dim) for dim in array.dims if dim not in {"scan", "time"}]
    if len(dims) > 1 or "time" not in array.dims:
        message = (
            f"{parameter}= has the dimensions ({', '.join(map(str, array.dims))}). "
            "Pass an array (scan, time), or (scan, time, name) for several columns."
        )
        raise SelectionError(message, requested=parameter)
    return dims[0] if dims else ""


def _column_names(array: xr.DataArray, dim: str) -> tuple[str, ...]:
    if not dim:
        return (str(array.name),)
    candidates = [dim, *map(str, array.coords)]
    labels = next(
        (array[name] for name in candidates if name in array.coords and array[name].dims == (dim,)), None
    )
    length = array.sizes[dim]
    return tuple(map(str, range(1, length + 1) if labels is None else labels.to_numpy().tolist()))


def _split_array(dataset: xr.Dataset, array: xr.DataArray, parameter: str) -> list[Table]:
    dim = _column_dim(array, parameter)
    names = _column_names(array, dim)
    _require_aligned(dataset, array, parameter)
    values = np.asarray(array.transpose(..., "time", *((dim,) if dim else ())).to_numpy(), np.float64)
    values = values if dim else values[..., np.newaxis]
    scans = values.reshape(-1, *values.shape[-2:])
    return [
        Table(each, names)
        for each in np.broadcast_to(scans, (dataset.sizes.get("scan", 1), *scans.shape[1:]))
    ]


def _require_aligned(dataset: xr.Dataset, array: xr.DataArray, parameter: str) -> None:
    """Refuse an array of other scans or volumes than those of the dataset."""
    for dim in ("scan", "time"):
        expected = dataset.sizes.get(dim)
        if array.sizes.get(dim) != expected:
            message = (
                f"{parameter}= has the length {array.sizes.get(dim, 'none')} along '{dim}', the images have "
                f"{expected or 'none'}. Select the same scans and volumes of both."
            )
            raise SelectionError(message, requested=parameter)
    for name in _ALIGNED:
        if name not in array.coords or name not in dataset.coords:  # `get` makes up those of dimensions
            continue
        # Without their other coordinates, which may differ and which `equals` compares, too.
        if not array[name].reset_coords(drop=True).equals(dataset[name].reset_coords(drop=True)):
            message = (
                f"{parameter}= has other values of '{name}' than the images. "
                "Select the same scans and volumes of both, in the same order."
            )
            raise SelectionError(message, requested=name)


def _complete(table: Table, key: ScanKey) -> Table:
    """Replace missing values of the first volume with those of the second; others are an error."""
    values = table.columns.copy()
    if len(values) > 1:
        values[0] = np.where(np.isnan(values[0]), values[1], values[0])
    wrong = np.argwhere(~np.isfinite(values))
    if wrong.size:
        row, column = (int(number) for number in wrong[0])
        message = (
            f"The confound '{table.names[column]}' of {format_scan(key)} has no value for volume {row}. "
            "Omit this confound, or exclude this scan."
        )
        raise SelectionError(message, requested=table.names[column])
    return Table(values, table.names)
