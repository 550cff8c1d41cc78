"""Correlation of every pair of regions, with the layout and edge order of srpbs-fc, computed scan by scan."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Protocol

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from decnef_data.arguments import checked
from decnef_data.arrays import stack_lazily
from decnef_data.errors import SelectionError
from decnef_data.formats import edges

__all__ = ["connectivity"]

#: Fewest volumes, and fewest regions, that have a correlation.
_MIN_LENGTH: Final = 2
#: OpenBLAS computes this many products on one thread.  With all its threads a product of this size takes ten
#: times as long, or longer if the processors have other work: the threads wait for each other.
_MAX_PRODUCTS: Final = 1 << 18
_FC_ATTRS: Final = {
    "long_name": "functional connectivity (Pearson r)",
    "units": "1",
    "comment": "NaN where a time series is constant or not finite; n_nan counts these series of each scan",
}
_CONSTANT_ATTRS: Final = {"long_name": "number of regions with a constant time series, whose edges are NaN"}
_NAN_ATTRS: Final = {
    "long_name": "number of regions whose edges are NaN",
    "comment": "their time series are constant, contain NaN or infinity, or exceed the range of float64",
}


@checked
def connectivity(timeseries: xr.Dataset | xr.DataArray) -> xr.Dataset:
    """Correlate the series of every pair of regions, lazily by scan.

    Parameters
    ----------
    timeseries
        ``(scan, time, roi)``, as returned by :func:`decnef_data.timeseries`, or ``(time, roi)`` of one scan;
        any other array with these dimensions too, the first of which may have another name.

    Returns
    -------
    xarray.Dataset
        ``fc (scan, edge)``, Pearson r in float64, with ``roi``, ``roi_a`` and ``roi_b`` and the edge order of
        srpbs-fc, and the coordinates and attributes of the series.  ``n_nan (scan)`` counts the regions whose
        edges are NaN: their series do not vary, or contain NaN or infinity; ``n_constant (scan)`` counts
        those that do not vary.  A scan is computed when its values are accessed; a dask array gives a dask
        array.

    Raises
    ------
    SelectionError
        ``time`` or ``roi`` is missing or shorter than two, or there is more than one other dimension.

    Notes
    -----
    The edges are the strict lower triangle in column-major order: ``numpy.triu_indices(n, k=1)``.

    Examples
    --------
    >>> series = xr.DataArray([[1.0, 1.0, 3.0], [2.0, 2.0, 2.0], [3.0, 3.0, 1.0]], dims=("time", "roi"))
    >>> cube = connectivity(series)
    >>> list(zip(cube.roi_a.values.tolist(), cube.roi_b.values.tolist(), cube.fc.values.round(6).tolist()))
    [('roi_001', 'roi_002', 1.0), ('roi_001', 'roi_003', -1.0), ('roi_002', 'roi_003', -1.0)]
    """
    series = _get_series(timeseries)
    leading_dims = tuple(dim for dim in series.dims if dim not in {"time", "roi"})
    _require_dims(series, leading_dims)
    variable = series.variable.transpose(*leading_dims, "time", "roi")
    apply = _apply_lazily if variable.chunks is None else _apply_with_dask
    fc = apply(variable, _correlate, ("edge",))
    n_constant, n_nan = apply(variable, _count_constant, ()), apply(variable, _count_nan, ())
    fc.attrs, n_constant.attrs, n_nan.attrs = dict(_FC_ATTRS), dict(_CONSTANT_ATTRS), dict(_NAN_ATTRS)
    coords = {
        name: coord.variable
        for name, coord in series.coords.items()
        if set(coord.dims) <= {*leading_dims, "roi"}
    }
    return xr.Dataset(
        {"fc": fc, "n_constant": n_constant, "n_nan": n_nan},
        coords={**coords, **_edge_coords(series)},
        attrs=timeseries.attrs,
    )


def _get_series(timeseries: xr.Dataset | xr.DataArray) -> xr.DataArray:
    if isinstance(timeseries, xr.Dataset):
        if "timeseries" not in timeseries.data_vars:
            message = (
                "This dataset has no 'timeseries'. Compute it with decnef_data.timeseries, or pass an array."
            )
            raise SelectionError(message, requested="timeseries")
        timeseries = timeseries["timeseries"]
    if "roi" in timeseries.coords or "roi" not in timeseries.dims:
        return timeseries
    names = [f"roi_{number:03d}" for number in range(1, timeseries.sizes["roi"] + 1)]
    return timeseries.assign_coords(roi=names)


def _require_dims(series: xr.DataArray, leading_dims: tuple[Any, ...]) -> None:
    sizes = {str(dim): length for dim, length in series.sizes.items()}
    if len(leading_dims) > 1 or min(sizes.get("time", 0), sizes.get("roi", 0)) < _MIN_LENGTH:
        found = ", ".join(f"{dim}: {length}" for dim, length in sizes.items())
        raise SelectionError(
            "Connectivity needs the dimensions time and roi, each of length 2 or more, and at most one other "
            f"dimension; this array has ({found}). Pass time series as returned by decnef_data.timeseries.",
            requested="connectivity",
        )


def _edge_coords(series: xr.DataArray) -> dict[str, Any]:
    roi = series["roi"].to_numpy()
    column, row = edges.edge_indices(roi.size)
    return {
        "roi_a": ("edge", roi[column], {"long_name": "column of the edge in the matrix"}),
        "roi_b": ("edge", roi[row], {"long_name": "row of the edge in the matrix"}),
    }


def _correlate(series: NDArray[Any]) -> NDArray[np.float64]:
    """Correlate series ``(..., time, roi)`` to values ``(..., edge)``."""
    time, regions = series.shape[-2:]
    scans = series.reshape(-1, time, regions)
    correlations = np.empty((len(scans), _edge_count(regions)))
    for scan, out in zip(scans, correlations, strict=True):
        products = _multiply_columns(_standardize(scan))
        products.take(_flat_edge_indices(regions), out=out, mode="clip")  # any other mode buffers
    np.clip(correlations, -1, 1, out=correlations)  # rounding must not make an r of more than 1
    return correlations.reshape(*series.shape[:-2], -1)


@lru_cache(maxsize=2)
def _flat_edge_indices(regions: int) -> NDArray[np.intp]:
    """Return the index of each edge in the flattened matrix; cached, as it takes as long as the rest."""
    column, row = edges.edge_indices(regions)
    return row * regions + column


def _standardize(series: NDArray[Any]) -> NDArray[np.float64]:
    """Centre each series and scale it to length 1; a series without a direction becomes NaN."""
    values, lengths = _center(series)
    standardized: NDArray[np.float64] = values / lengths
    return standardized


def _center(series: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Centre series ``(time, roi)``; the length of a series without a direction is NaN."""
    with np.errstate(invalid="ignore", over="ignore"):  # infinity and numbers near the largest are expected
        values = series - series.mean(axis=0, dtype=np.float64)
        lengths = np.sqrt(np.einsum("ti,ti->i", values, values))
    lengths[_is_constant(series) | (lengths == 0) | np.isinf(lengths)] = np.nan
    return values, lengths


def _multiply_columns(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the dot product of each column with those before it, one strip of columns at a time."""
    time, regions = values.shape
    products = np.zeros((regions, regions))
    width = max(1, _MAX_PRODUCTS // (time * regions))
    for start in range(0, regions, width):
        stop = start + width
        np.matmul(values[:, start:stop].T, values[:, :stop], out=products[start:stop, :stop])
    return products


def _count_constant(series: NDArray[Any]) -> NDArray[np.int64]:
    """Count the constant series among series ``(..., time, roi)``."""
    return np.asarray(_is_constant(series).sum(axis=-1), np.int64)


def _count_nan(series: NDArray[Any]) -> NDArray[np.int64]:
    """Count the series without a direction, whose edges are NaN, among series ``(..., time, roi)``."""
    scans = series.reshape(-1, *series.shape[-2:])
    counts = [np.isnan(_center(scan)[1]).sum() for scan in scans]
    return np.array(counts, np.int64).reshape(series.shape[:-2])


def _is_constant(series: NDArray[Any]) -> NDArray[np.bool_]:
    # The variance would not do: the computed mean of equal numbers is not always that number.
    return np.asarray(series.max(axis=-2) == series.min(axis=-2))


class _SeriesFunction(Protocol):
    """A function of series ``(..., time, roi)``."""

    def __call__(self, series: NDArray[Any]) -> NDArray[Any]: ...


@dataclass(frozen=True, slots=True, eq=False)
class _ScanResult:
    """The result of a function for the series of one scan, as a slab of a stack."""

    series: xr.Variable
    function: _SeriesFunction

    def fill(self, key: tuple[Any, ...], out: NDArray[Any]) -> None:
        """Read the series and write the part of the result that `key` selects into `out`."""
        out[...] = self.function(self.series.to_numpy())[key]


def _apply_lazily(series: xr.Variable, function: _SeriesFunction, dims: tuple[str, ...]) -> xr.Variable:
    single = series.ndim == _MIN_LENGTH
    scans = [series] if single else [series[index] for index in range(series.shape[0])]
    slabs = [_ScanResult(scan, function) for scan in scans]
    leading_dims = ("scan",) if single else series.dims[:1]
    result = stack_lazily(
        slabs, (*map(str, leading_dims), *dims), _result_dtype(dims), _result_shape(series, dims)
    )
    return result[0] if single else result


def _apply_with_dask(series: xr.Variable, function: _SeriesFunction, dims: tuple[str, ...]) -> xr.Variable:
    result: xr.Variable = xr.apply_ufunc(
        function,
        series.chunk(time=-1, roi=-1),
        input_core_dims=[("time", "roi")],
        output_core_dims=[dims],
        dask="parallelized",
        output_dtypes=[_result_dtype(dims)],
        dask_gufunc_kwargs={"output_sizes": dict(zip(dims, _result_shape(series, dims), strict=True))},
    )
    return result


def _result_dtype(dims: tuple[str, ...]) -> type[np.float64 | np.int64]:
    return np.float64 if dims else np.int64


def _result_shape(series: xr.Variable, dims: tuple[str, ...]) -> tuple[int, ...]:
    return (_edge_count(series.sizes["roi"]),) if dims else ()


def _edge_count(regions: int) -> int:
    return regions * (regions - 1) // 2
