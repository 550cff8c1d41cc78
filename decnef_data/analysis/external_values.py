"""Values computed elsewhere as variables: measures, time series, and connectivity in the form of srpbs-fc."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from decnef_data.errors import FormatError, SelectionError
from decnef_data.formats import edges

__all__ = ["ScanAxis", "to_dataset"]

_MATRIX_DIMS: Final = ("roi", "roi_2")
_SERIES_DIMS: Final = ("time", "roi")
_EDGE_DIMS: Final = ("edge",)
#: What the only array is called, by the dimensions of each scan.
_NAMES: Final[Mapping[tuple[Hashable, ...], str]] = {_EDGE_DIMS: "fc", _SERIES_DIMS: "timeseries"}
_DEFAULT_NAME: Final = "value"
#: Names of dimensions that stand for scans.
_SCAN_DIMS: Final = ("scan", "subject")
#: Both halves of a computed matrix may differ by rounding.
_TOLERANCE: Final = 1e-6
_FC_ATTRS: Final = {"long_name": "connectivity computed elsewhere"}
_KINDS: Final = "biufcUSMm"


@dataclass(frozen=True, slots=True)
class ScanAxis:
    """The axis of the scans: the name of its dimension, and the subjects, one for each scan.

    ``is_single`` is whether the values are those of one scan, without that axis.
    """

    dim: str
    subjects: tuple[str, ...]
    is_single: bool = False


def to_dataset(values: Any, axis: ScanAxis, dims: Sequence[str] | None = None) -> xr.Dataset:
    """Return values as a Dataset whose first dimension is that of the scans.

    Parameters
    ----------
    values
        An array, a list of arrays, a table, or xarray data.
    axis
        The axis of the scans.
    dims
        The names of all other dimensions of an array.

    Raises
    ------
    SelectionError
        The values do not have one entry per scan, their dimensions are ambiguous, or a matrix is not
        symmetric.

    Examples
    --------
    >>> axis = ScanAxis("scan", ("sub-0001",), is_single=True)
    >>> to_dataset([[1.0, 0.5], [0.5, 1.0]], axis).fc.values.tolist()
    [[0.5]]
    """
    if isinstance(values, pd.DataFrame):
        return _from_table(values, axis, dims)
    if isinstance(values, xr.Dataset):
        _refuse_dims(dims, "a Dataset")
        arrays = [_condense(_scan_first(array, axis), str(name)) for name, array in values.data_vars.items()]
        return _with_other_coords(_merge(arrays), values)
    if isinstance(values, xr.DataArray):
        _refuse_dims(dims, "a DataArray")
        array, given = _scan_first(values, axis), str(values.name or _DEFAULT_NAME)
    else:
        array, given = _from_array(values, axis, dims), _DEFAULT_NAME
    form = array.dims[1:]
    name = "fc" if {*form} == {*_MATRIX_DIMS} else _NAMES.get(form, given)
    return _merge([_condense(array, name)])


def _merge(parts: Sequence[xr.Dataset]) -> xr.Dataset:
    for name, array in ((name, array) for part in parts for name, array in part.data_vars.items()):
        if array.dtype.kind not in _KINDS:
            message = f"'{name}' has values of the type '{array.dtype}'. Convert them to numbers or text."
            raise SelectionError(message, requested=str(name))
    try:
        # Any other join would drop or fill rows in silence.
        return xr.merge(parts, join="exact", compat="equals")
    except (ValueError, xr.MergeError) as error:
        message = f"The variables of the values do not fit together: {error}. Label them one by one."
        raise SelectionError(message, requested="values") from error


def _with_other_coords(dataset: xr.Dataset, source: xr.Dataset) -> xr.Dataset:
    """Return the dataset with coordinates that no variable has, such as the regions of edges."""
    others = {
        name: coord
        for name, coord in source.coords.items()
        if name not in dataset.variables and not {*coord.dims} & {*_SCAN_DIMS, "roi_2"} and name != "subject"
    }
    return dataset.assign_coords(others)


def _refuse_dims(dims: Sequence[str] | None, what: str) -> None:
    if dims is not None:
        message = f"dims= is for arrays without names, and {what} has names. Rename its dimensions instead."
        raise SelectionError(message, requested=", ".join(dims))


def _wrong_length(found: int, axis: ScanAxis, what: str) -> SelectionError:
    n_scans = len(axis.subjects)
    message = (
        f"The values have {found} {what}, but there {'is' if n_scans == 1 else 'are'} {n_scans} "
        f"{'subject' if n_scans == 1 else 'subjects'}. Pass one of each per scan, in the same order."
    )
    return SelectionError(message, requested="values")


def _from_table(table: pd.DataFrame, axis: ScanAxis, dims: Sequence[str] | None) -> xr.Dataset:
    _refuse_dims(dims, "a table")
    if len(table) != len(axis.subjects):
        raise _wrong_length(len(table), axis, "rows")
    names = [str(name) for name in table.columns]
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        message = f"The table has the column '{repeated}' twice. Rename one of them."
        raise SelectionError(message, requested=repeated)
    _require_same_subjects(table.index.tolist(), axis, "the index of the table")
    columns = {name: _column(table.iloc[:, place]) for place, name in enumerate(names)}
    _require_same_subjects(columns.pop("subject", np.array([])).tolist(), axis, "the column 'subject'")
    return _merge([xr.Dataset({name: (axis.dim, column)}) for name, column in columns.items()])


def _column(column: "pd.Series[Any]") -> NDArray[Any]:
    """Return a column as an array: text where all cells are, else numbers with NaN where one is missing."""
    missing = column.isna().to_numpy()
    texts = [isinstance(cell, str) for cell in column[~missing]]
    if texts and all(texts):
        return np.array(["" if pd.isna(cell) else cell for cell in column], dtype=np.str_)
    if missing.any() and column.dtype.kind not in "mM":
        # NumPy has no equivalent of pandas' own types with missing values.
        column = column.astype(object).where(~missing, np.nan).infer_objects()
    return column.to_numpy()


def _require_same_subjects(found: Sequence[Any], axis: ScanAxis, where: str) -> None:
    """Require that ids which the values have are the given ones, in the same order."""
    if not found or not all(isinstance(each, str) for each in found):
        return  # numbers count rows
    pairs = zip(found, axis.subjects, strict=True)
    other = next(((own, given) for own, given in pairs if _normal(own) != _normal(given)), None)
    if other is not None:
        message = (
            f"The values of '{other[1]}' are those of '{other[0]}' by {where}. "
            "Pass the subjects in the order of the values."
        )
        raise SelectionError(message, requested=other[1])


def _normal(subject: str) -> str:
    # Programs that read ids as numbers lose their prefix and their zeros.
    digits = subject.strip().casefold().removeprefix("sub-")
    return digits.lstrip("0") or digits


def _scan_first(array: xr.DataArray, axis: ScanAxis) -> xr.DataArray:
    """Return an array whose first dimension is that of the scans, without coordinates that name them."""
    own: str | None = next((dim for dim in _SCAN_DIMS if dim in array.dims), None)
    if own is None and axis.is_single:
        array, own = array.expand_dims(axis.dim), axis.dim
    if own is None:
        listed = ", ".join(map(str, array.dims)) or "no dimensions"
        message = (
            f"The values have no dimension 'scan' ({listed}). "
            "Rename the dimension of the scans, such as with values.rename(case='scan')."
        )
        raise SelectionError(message, requested="values")
    if array.sizes[own] != len(axis.subjects):
        raise _wrong_length(array.sizes[own], axis, f"positions along '{own}'")
    if "subject" in array.coords and array["subject"].dims in {(), (own,)}:
        found = np.broadcast_to(array["subject"].to_numpy(), len(axis.subjects)).tolist()
        _require_same_subjects(found, axis, "the coordinate 'subject'")
    array = array.drop_vars(["subject"], errors="ignore").transpose(own, ...)
    return array if own == axis.dim else array.rename({own: axis.dim})


def _from_array(values: Any, axis: ScanAxis, dims: Sequence[str] | None) -> xr.DataArray:
    array = _as_array(values)
    if axis.is_single:
        array = array[np.newaxis]
    if array.ndim == 0 or array.shape[0] != len(axis.subjects):
        raise _wrong_length(array.shape[0] if array.ndim else 1, axis, "entries along their first axis")
    names = tuple(dims) if dims is not None else _default_dims(array)
    if len(names) != array.ndim - 1 or len({*names, axis.dim}) <= len(names):
        message = (
            f"dims={list(names)} does not name the {array.ndim - 1} dimensions of each scan, of the shape "
            f"{array.shape[1:]}. Pass one name for each, without the dimension of the scans."
        )
        raise SelectionError(message, requested=", ".join(names))
    return xr.DataArray(array, dims=(axis.dim, *names))


def _as_array(values: Any) -> Any:
    """Return an array of NumPy, or that of Dask as it is."""
    # Without importing dask, which may not be installed.
    if hasattr(values, "dask"):
        return values
    try:
        return np.asarray(values)
    except ValueError as error:
        shapes = ", ".join(str(shape) for shape in dict.fromkeys(map(np.shape, values)))
        message = f"The arrays have different shapes ({shapes}). Label those of one shape at a time."
        raise SelectionError(message, requested="values") from error


def _default_dims(array: Any) -> tuple[str, ...]:
    """Return the names of the dimensions of each scan, where their number and symmetry leave no doubt."""
    shape = array.shape[1:]
    if not shape:
        return ()
    if len(shape) == 2:  # noqa: PLR2004 - a matrix or series
        if shape[0] != shape[1]:
            return _SERIES_DIMS
        if _asymmetric_scan(np.asarray(array)) is None:
            return _MATRIX_DIMS
    message = (
        f"It is not certain what the dimensions {shape} of each scan are. "
        'Name them, such as with dims=["time", "roi"], dims=["roi", "roi_2"] or dims=["edge"].'
    )
    raise SelectionError(message, requested="dims")


def _condense(array: xr.DataArray, name: str) -> xr.Dataset:
    """Return matrices as edges in the order of the release; other arrays, and complete edges, as they are."""
    dims = array.dims[1:]
    if {*dims} == {*_MATRIX_DIMS}:
        return _condense_matrices(array.transpose(array.dims[0], *_MATRIX_DIMS), name)
    dataset = array.to_dataset(name=name)
    if dims != _EDGE_DIMS or {"roi_a", "roi_b"} <= {*array.coords}:
        return dataset
    try:
        n_rois = edges.count_rois(array.sizes["edge"])
    except FormatError as error:
        raise SelectionError(str(error), requested="edge") from error
    return dataset.drop_vars("edge", errors="ignore").assign_coords(_edge_coords(_roi_names(n_rois)))


def _condense_matrices(array: xr.DataArray, name: str) -> xr.Dataset:
    scans, rois, columns = array.shape
    if rois != columns:
        message = f"The matrices have {rois} rows and {columns} columns. Pass square matrices."
        raise SelectionError(message, requested="values")
    matrices = np.asarray(array.data)
    asymmetric = _asymmetric_scan(matrices)
    if asymmetric is not None:
        message = (
            f"The matrix of scan {asymmetric + 1} of {scans} is not symmetric, so that edges would lose half "
            "of it. Use other names of dimensions to keep it, such as dims=['source', 'target']."
        )
        raise SelectionError(message, requested="values")
    _require_trivial_diagonal(matrices)
    names = _names_of_rois(array, rois)
    column, row = edges.edge_indices(rois)
    attrs = dict(array.attrs) or dict(_FC_ATTRS)
    kept = {key: coord for key, coord in array.coords.items() if not {*coord.dims} & {*_MATRIX_DIMS}}
    condensed = ((array.dims[0], "edge"), matrices[:, row, column], attrs)
    return xr.Dataset({name: condensed}, coords={**kept, **_edge_coords(names)})


def _asymmetric_scan(matrices: NDArray[Any]) -> int | None:
    """Return the first of the matrices that differs from its transpose by more than rounding."""
    if matrices.dtype.kind not in "biufc":
        return 0
    for number, matrix in enumerate(matrices):
        # Relative to the largest value: covariances have any scale.
        finite = np.abs(matrix[np.isfinite(matrix)])
        tolerance = _TOLERANCE * float(finite.max(initial=0))
        if not np.allclose(matrix, matrix.T, rtol=0, atol=tolerance, equal_nan=True):
            return number
    return None


def _require_trivial_diagonal(matrices: NDArray[Any]) -> None:
    """Require a diagonal without information, since edges have none: 1, 0, NaN or infinity everywhere."""
    diagonal = np.diagonal(matrices, axis1=1, axis2=2).astype(np.float64)
    candidates = (np.isclose(diagonal, 1, rtol=0, atol=_TOLERANCE), diagonal == 0, ~np.isfinite(diagonal))
    # A region without signal has NaN in its row.
    if diagonal.size and not any((each | np.isnan(diagonal)).all() for each in candidates):
        message = (
            "The diagonals of the matrices are neither 1 nor 0, so that edges alone would lose them. "
            "Use other names of dimensions to keep the matrices, such as dims=['source', 'target']."
        )
        raise SelectionError(message, requested="values")


def _names_of_rois(array: xr.DataArray, rois: int) -> NDArray[Any]:
    given = [array[dim].to_numpy() for dim in _MATRIX_DIMS if dim in array.coords]
    if not given:
        return _roi_names(rois)
    if any(not np.array_equal(given[0], other) for other in given[1:]):
        message = "The rows and columns of the matrices have different names. Sort both alike."
        raise SelectionError(message, requested="roi_2")
    return given[0]


def _roi_names(count: int) -> NDArray[np.str_]:
    return np.array([f"roi_{number:03d}" for number in range(1, count + 1)], dtype=np.str_)


def _edge_coords(names: NDArray[Any]) -> dict[str, Any]:
    column, row = edges.edge_indices(names.size)
    return {
        "roi_a": ("edge", names[column], {"long_name": "column of the edge in the matrix"}),
        "roi_b": ("edge", names[row], {"long_name": "row of the edge in the matrix"}),
    }
