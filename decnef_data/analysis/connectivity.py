"""Correlation of every pair of regions, with the layout and edge order of srpbs-fc, computed scan by scan."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any, Final, Protocol

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

from decnef_data.arguments import checked
from decnef_data.arrays import apply_indexer, mark_texts
from decnef_data.errors import SelectionError
from decnef_data.formats import edges

__all__ = ["connectivity"]

#: Fewest volumes, and fewest regions, that have a correlation.
_MIN_LENGTH: Final = 2
#: The dimensions of the series of one scan.
_SERIES_NDIM: Final = 2
#: OpenBLAS computes this many products on one thread.  With all its threads a product of this size takes ten
#: times as long, or longer if the processors have other work: the threads wait for each other.  Threads that
#: compute a scan each do not.
_MAX_PRODUCTS: Final = 1 << 18
_MIN_ROWS: Final = 8
_MAX_THREADS: Final = 4
_SCANS_PER_TASK: Final = 16
#: So many scans are computed together: their series fit into the cache of a processor.
_STACK: Final = 4
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
        ``fc (scan, edge)``, Pearson r in float64, with ``roi_a`` and ``roi_b`` and the edge order of
        srpbs-fc, the coordinates of the scans, and the attributes of the series; coordinates along ``roi``
        stay with the series. ``n_nan (scan)`` counts the regions whose edges are NaN: their series do not
        vary, or contain NaN or infinity; ``n_constant (scan)`` counts those that do not vary. Where the
        series have a coordinate ``kept (scan, time)``, as after scrubbing with
        :func:`decnef_data.timeseries`, only the volumes that it marks are used. A scan is computed when its
        values are accessed; a dask array gives a dask array.

    Raises
    ------
    SelectionError
        ``time`` or ``roi`` is missing or shorter than two, or there is more than one other dimension.

    Notes
    -----
    The edges are the strict lower triangle in column-major order: ``numpy.triu_indices(n, k=1)``.  Many scans
    are computed on up to four threads; a dask array uses those of dask.

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
    kept = _kept_volumes(series, leading_dims)
    apply = _apply_lazily if variable.chunks is None else _apply_with_dask
    fc = apply(variable, kept, _correlate, ("edge",))
    n_constant, n_nan = apply(variable, kept, _count_constant, ()), apply(variable, kept, _count_nan, ())
    fc.attrs, n_constant.attrs, n_nan.attrs = dict(_FC_ATTRS), dict(_CONSTANT_ATTRS), dict(_NAN_ATTRS)
    coords = {
        name: coord.variable for name, coord in series.coords.items() if set(coord.dims) <= {*leading_dims}
    }
    variables = {"fc": fc, "n_constant": n_constant, "n_nan": n_nan}
    return mark_texts(xr.Dataset(variables, {**coords, **_edge_coords(series)}, timeseries.attrs))


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


def _kept_volumes(series: xr.DataArray, leading_dims: tuple[Any, ...]) -> NDArray[np.bool_] | None:
    """Return which volumes ``(scan, time)`` are used, ``None`` if all of them are."""
    coord = series.coords.get("kept")
    if coord is None or coord.dtype.kind != "b" or "time" not in coord.dims:
        return None
    shape = (*(series.sizes[dim] for dim in leading_dims), series.sizes["time"])
    kept = np.broadcast_to(coord.transpose(..., "time").to_numpy(), shape)
    return np.array(np.atleast_2d(kept))


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


def _correlate(series: NDArray[Any], out: NDArray[np.float64]) -> None:
    """Correlate series ``(scan, time, roi)`` to values ``(scan, edge)``."""
    n_scans, time, regions = series.shape
    blocks, indices = tuple(_split_triangle(time, regions)), _flat_edge_indices(regions)
    products = np.zeros((min(n_scans, _STACK), regions, regions))
    for part, values, lengths in _center(series):
        correlations, matrices = out[part], products[: len(values)]
        np.multiply(values, 1 / lengths[:, np.newaxis], out=values)
        for rows, columns in blocks:
            np.matmul(
                values[:, :, rows].swapaxes(1, 2), values[:, :, columns], out=matrices[:, rows, columns]
            )
        flat = matrices.reshape(len(values), -1)
        flat.take(indices, axis=1, out=correlations, mode="clip")  # any other mode buffers
        np.clip(correlations, -1, 1, out=correlations)  # rounding must not make an r of more than 1


def _split_triangle(time: int, regions: int) -> Iterator[tuple[slice, slice]]:
    """Yield the rows and columns of blocks that cover the lower triangle, each of few enough products."""
    most = max(1, _MAX_PRODUCTS // time)
    start = 0
    while start < regions:
        # As many rows as fit with all of their columns, but enough for a product to be fast.
        fitting = int((np.sqrt(start**2 + 4 * most) - start) / 2)
        stop = min(start + max(fitting, min(_MIN_ROWS, most)), regions)
        width = max(1, most // (stop - start))
        for first in range(0, stop, width):
            yield slice(start, stop), slice(first, min(first + width, stop))
        start = stop


@lru_cache(maxsize=2)  # a script has one parcellation or two
def _flat_edge_indices(regions: int) -> NDArray[np.intp]:
    """Return the index of each edge in the flattened matrix; cached, as it takes as long as the rest."""
    column, row = edges.edge_indices(regions)
    return row * regions + column


def _center(series: NDArray[Any]) -> Iterator[tuple[slice, NDArray[np.float64], NDArray[np.float64]]]:
    """Yield a few scans after the other: which, their centred series, and the lengths of these.

    The length of a series without a direction is NaN.  The array of the centred series is reused: a new one
    for each scan takes as long as what is computed in it.
    """
    n_scans, time, regions = series.shape
    buffer = np.empty((min(n_scans, _STACK), time, regions))
    for start in range(0, n_scans, _STACK):
        part = slice(start, start + _STACK)
        scans = series[part]
        values = buffer[: len(scans)]
        with np.errstate(invalid="ignore", over="ignore"):  # infinity and the largest numbers are expected
            means = scans.mean(axis=1, dtype=np.float64)
            np.subtract(scans, means[:, np.newaxis], out=values)
            lengths: NDArray[np.float64] = np.sqrt(np.einsum("sti,sti->si", values, values))
            # The computed mean of equal numbers is not always that number, but it is this near.
            rounding = time**1.5 * np.finfo(np.float64).eps * np.abs(means)
            suspects = ~(lengths > 2 * rounding)
        if suspects.any():
            suspects &= _is_constant(scans)
        lengths[suspects | (lengths == 0) | np.isinf(lengths)] = np.nan
        yield part, values, lengths


def _count_constant(series: NDArray[Any], out: NDArray[np.int64]) -> None:
    """Count the constant series of each scan among series ``(scan, time, roi)``."""
    out[:] = _is_constant(series).sum(axis=-1)


def _count_nan(series: NDArray[Any], out: NDArray[np.int64]) -> None:
    """Count the series of each scan without a direction, whose edges are NaN."""
    for part, _, lengths in _center(series):
        out[part] = np.isnan(lengths).sum(axis=-1)


def _is_constant(series: NDArray[Any]) -> NDArray[np.bool_]:
    return np.asarray(series.max(axis=-2) == series.min(axis=-2))


class _SeriesFunction(Protocol):
    """A function of series ``(scan, time, roi)`` that writes its results, by scan, into `out`."""

    def __call__(self, series: NDArray[Any], out: NDArray[Any]) -> None: ...


def _apply_to_kept(
    function: _SeriesFunction, series: NDArray[Any], kept: NDArray[np.bool_] | None, out: NDArray[Any]
) -> None:
    """Call a function with the volumes that each scan keeps, whose number differs between the scans."""
    if kept is None or kept.all():
        function(series, out)
        return
    for index, volumes in enumerate(kept):
        scan = slice(index, index + 1)
        values = series[scan, volumes]
        # Fewer volumes have no correlation.
        enough = (
            values if values.shape[1] >= _MIN_LENGTH else np.full((1, _MIN_LENGTH, series.shape[2]), np.nan)
        )
        function(enough, out[scan])


class _ScanwiseArray(BackendArray):
    """A function of the series ``([scan,] time, roi)``, computed for the scans that are accessed.

    ``kept (scan, time)`` are the volumes that are used, ``None`` if all of them are.
    """

    def __init__(
        self,
        series: xr.Variable,
        kept: NDArray[np.bool_] | None,
        function: _SeriesFunction,
        dims: tuple[str, ...],
    ) -> None:
        self.series = series
        self.kept = kept
        self.function = function
        self.dims = dims
        self.shape = (*(series.shape[:-2] or (1,)), *_result_shape(series.shape[-1], dims))
        self.dtype = np.dtype(_result_dtype(dims))

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return apply_indexer(key, self.shape, self._read_outer)

    def _read_outer(self, key: tuple[Any, ...]) -> NDArray[Any]:
        first, *inner = key
        scans = np.atleast_1d(np.arange(self.shape[0])[first])
        inner_shape = np.broadcast_to(np.False_, self.shape[1:])[tuple(inner)].shape
        out = np.empty((scans.size, *inner_shape), self.dtype)

        def fill(start: int) -> None:
            task = slice(start, start + _SCANS_PER_TASK)
            series, results = self._read_series(scans[task]), out[task]
            kept = None if self.kept is None else self.kept[scans[task]]
            if all(isinstance(part, slice) and part == slice(None) for part in inner):
                _apply_to_kept(self.function, series, kept, results)
                return
            complete = np.empty((len(series), *self.shape[1:]), self.dtype)
            _apply_to_kept(self.function, series, kept, complete)
            results[...] = complete[(slice(None), *inner)]

        _run_on_threads(fill, range(0, scans.size, _SCANS_PER_TASK))
        return out[0] if isinstance(first, int | np.integer) else out

    def select(self, scans: NDArray[np.intp]) -> "_ScanwiseArray":
        """Return the array of some of the scans."""
        kept = None if self.kept is None else self.kept[scans]
        return _ScanwiseArray(self.series[scans], kept, self.function, self.dims)

    def _read_series(self, scans: NDArray[np.intp]) -> NDArray[Any]:
        if self.series.ndim == _SERIES_NDIM:
            return self.series.to_numpy()[np.newaxis]
        first, last = int(scans[0]), int(scans[-1])
        is_range = np.array_equal(scans, np.arange(first, last + 1))
        return self.series[slice(first, last + 1) if is_range else scans].to_numpy()


def _run_on_threads(fill: Callable[[int], None], starts: Sequence[int]) -> None:
    """Call a function that releases the GIL most of the time for each start, several at a time."""
    n_threads = min(_MAX_THREADS, os.cpu_count() or 1, len(starts))
    if n_threads <= 1:
        for start in starts:
            fill(start)
        return
    with ThreadPoolExecutor(n_threads) as threads:
        try:
            for _ in threads.map(fill, starts):
                pass
        finally:
            threads.shutdown(cancel_futures=True)  # after an error the other parts are not needed


class _LazyScans(indexing.LazilyIndexedArray):
    """A result that is indexed lazily; its pickle holds only the series that its key selects."""

    __slots__ = ()

    def __reduce__(self) -> tuple[Any, ...]:
        array, (first, *inner) = self.array, self.key.tuple
        if array.series.ndim == _SERIES_NDIM:
            return _LazyScans, (array, self.key)
        selected = array.select(np.atleast_1d(np.arange(array.shape[0])[first]))
        kept = 0 if isinstance(first, int | np.integer) else slice(None)
        return _LazyScans, (selected, type(self.key)((kept, *inner)))


def _apply_lazily(
    series: xr.Variable, kept: NDArray[np.bool_] | None, function: _SeriesFunction, dims: tuple[str, ...]
) -> xr.Variable:
    leading_dims = series.dims[:-2] or ("scan",)
    result = xr.Variable((*leading_dims, *dims), _LazyScans(_ScanwiseArray(series, kept, function, dims)))
    return result if series.dims[:-2] else result[0]


def _apply_with_dask(
    series: xr.Variable, kept: NDArray[np.bool_] | None, function: _SeriesFunction, dims: tuple[str, ...]
) -> xr.Variable:
    used = np.ones((1, series.sizes["time"]), np.bool_) if kept is None else kept
    # Scans that all use every volume need no mask each.
    mask = (
        xr.Variable(("time",), used[0])
        if kept is None or series.ndim == _SERIES_NDIM
        else (xr.Variable(series.dims[:-1], used).chunk({series.dims[0]: series.chunksizes[series.dims[0]]}))
    )
    result: xr.Variable = xr.apply_ufunc(
        _compute_block,
        series.chunk(time=-1, roi=-1),
        mask,
        kwargs={"function": function, "dims": dims},
        input_core_dims=[("time", "roi"), ("time",)],
        output_core_dims=[dims],
        dask="parallelized",
        output_dtypes=[_result_dtype(dims)],
        dask_gufunc_kwargs={
            "output_sizes": dict(zip(dims, _result_shape(series.sizes["roi"], dims), strict=True))
        },
    )
    return result


def _compute_block(
    block: NDArray[Any], kept: NDArray[np.bool_], *, function: _SeriesFunction, dims: tuple[str, ...]
) -> NDArray[Any]:
    """Compute the results of a block ``(..., time, roi)``, from the volumes that are kept."""
    shape = _result_shape(block.shape[-1], dims)
    out = np.empty((*block.shape[:-2], *shape), _result_dtype(dims))
    series = block.reshape(-1, *block.shape[-2:])
    _apply_to_kept(function, series, np.broadcast_to(kept, series.shape[:2]), out.reshape(-1, *shape))
    return out


def _result_dtype(dims: tuple[str, ...]) -> type[np.float64 | np.int64]:
    return np.float64 if dims else np.int64


def _result_shape(regions: int, dims: tuple[str, ...]) -> tuple[int, ...]:
    return (regions * (regions - 1) // 2,) if dims else ()
