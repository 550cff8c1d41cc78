"""The correlation of every pair of regions, in the form and edge order of srpbs-fc, computed scan by scan."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Protocol

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from decnef_data.arrays import stacked
from decnef_data.errors import SelectionError
from decnef_data.formats import edges

__all__ = ["connectivity"]

#: Of volumes and of regions: fewer have no correlation.
_LEAST: Final = 2
#: OpenBLAS does so many on one thread.  With all its threads a product of this size takes ten times as long,
#: or longer where the processors have other work: they wait for each other.
_FEW_PRODUCTS: Final = 1 << 18
_ATTRS: Final = {
    "long_name": "functional connectivity (Pearson r)",
    "units": "1",
    "comment": "NaN where a series is constant; n_constant counts those of each scan",
}
_COUNT: Final = {"long_name": "regions whose series is constant, so that their edges are NaN"}


def connectivity(timeseries: xr.Dataset | xr.DataArray) -> xr.Dataset:
    """Correlate the series of every pair of regions, lazily by scan.

    Parameters
    ----------
    timeseries
        ``(scan, time, roi)``, as :func:`decnef_data.timeseries` gives it, or ``(time, roi)`` of one scan;
        also an array of your own with these dimensions, whose first may have another name.

    Returns
    -------
    xarray.Dataset
        ``fc (scan, edge)``, Pearson r in float64, with ``roi``, ``roi_a`` and ``roi_b`` and the edge order of
        srpbs-fc, and the coordinates and attributes of what it is made of; ``n_constant (scan)`` counts the
        series that do not vary, whose edges are NaN.  A scan is computed when its values are touched; of an
        array of dask this makes another.

    Raises
    ------
    SelectionError
        There is no ``time`` or ``roi``, more than one dimension besides, or no pair of regions.

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
    series = _series(timeseries)
    lead = tuple(dim for dim in series.dims if dim not in {"time", "roi"})
    _require_pairs(series, lead)
    variable = series.variable.transpose(*lead, "time", "roi")
    make = _lazily if variable.chunks is None else _by_dask
    fc, constant = make(variable, _correlated, ("edge",)), make(variable, _constants, ())
    fc.attrs, constant.attrs = dict(_ATTRS), dict(_COUNT)
    coords = {name: one.variable for name, one in series.coords.items() if set(one.dims) <= {*lead, "roi"}}
    return xr.Dataset(
        {"fc": fc, "n_constant": constant}, coords={**coords, **_ends(series)}, attrs=timeseries.attrs
    )


def _series(timeseries: xr.Dataset | xr.DataArray) -> xr.DataArray:
    if isinstance(timeseries, xr.Dataset):
        if "timeseries" not in timeseries.data_vars:
            message = (
                "This dataset has no 'timeseries'. Make it with decnef_data.timeseries, or give an array."
            )
            raise SelectionError(message, asked="timeseries")
        timeseries = timeseries["timeseries"]
    if "roi" in timeseries.coords or "roi" not in timeseries.dims:
        return timeseries
    names = [f"roi_{number:03d}" for number in range(1, timeseries.sizes["roi"] + 1)]
    return timeseries.assign_coords(roi=names)


def _require_pairs(series: xr.DataArray, lead: tuple[Any, ...]) -> None:
    sizes = {str(dim): length for dim, length in series.sizes.items()}
    if len(lead) > 1 or min(sizes.get("time", 0), sizes.get("roi", 0)) < _LEAST:
        found = ", ".join(f"{dim}: {length}" for dim, length in sizes.items())
        raise SelectionError(
            f"Connectivity needs the dimensions time and roi, two or more of each, and at most one besides; "
            f"this array has ({found}). Give it series as decnef_data.timeseries makes them.",
            asked="connectivity",
        )


def _ends(series: xr.DataArray) -> dict[str, Any]:
    roi = series["roi"].to_numpy()
    column, row = edges.pairs(roi.size)
    return {
        "roi_a": ("edge", roi[column], {"long_name": "column of the edge in the matrix"}),
        "roi_b": ("edge", roi[row], {"long_name": "row of the edge in the matrix"}),
    }


def _correlated(series: NDArray[Any]) -> NDArray[np.float64]:
    """Correlate series ``(..., time, roi)``: ``(..., edge)``."""
    time, regions = series.shape[-2:]
    scans = series.reshape(-1, time, regions)
    correlated = np.empty((len(scans), _count(regions)))
    for one, out in zip(scans, correlated, strict=True):
        _products(_standard(one)).take(_places(regions), out=out, mode="clip")  # any other mode buffers
    np.clip(correlated, -1, 1, out=correlated)  # rounding must not make an r of more than 1
    return correlated.reshape(*series.shape[:-2], -1)


@lru_cache(maxsize=2)
def _places(regions: int) -> NDArray[np.intp]:
    """Where in the matrix, read row by row, each edge stands: finding them takes as long as the rest."""
    column, row = edges.pairs(regions)
    return row * regions + column


def _standard(series: NDArray[Any]) -> NDArray[np.float64]:
    """Centre each series and give it length 1; one that is constant has no direction, and becomes NaN."""
    values = series - series.mean(axis=0, dtype=np.float64)
    lengths = np.sqrt(np.einsum("ti,ti->i", values, values))
    lengths[_is_constant(series)] = np.nan
    standard: NDArray[np.float64] = values / lengths
    return standard


def _products(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Multiply each column with those before it, a strip of columns at a time."""
    time, regions = values.shape
    square = np.zeros((regions, regions))
    wide = max(1, _FEW_PRODUCTS // (time * regions))
    for start in range(0, regions, wide):
        stop = start + wide
        np.matmul(values[:, start:stop].T, values[:, :stop], out=square[start:stop, :stop])
    return square


def _constants(series: NDArray[Any]) -> NDArray[np.int64]:
    """Count the constant among series ``(..., time, roi)``."""
    return np.asarray(_is_constant(series).sum(axis=-1), np.int64)


def _is_constant(series: NDArray[Any]) -> NDArray[np.bool_]:
    # Their spread would not tell: the mean of equal numbers is not always that number.
    return np.asarray(series.max(axis=-2) == series.min(axis=-2))


class _Function(Protocol):
    """What is made of series ``(..., time, roi)``."""

    def __call__(self, series: NDArray[Any]) -> NDArray[Any]: ...


@dataclass(frozen=True, slots=True, eq=False)
class _Scan:
    """What is made of the series of one scan, as a slab of a stack."""

    series: xr.Variable
    function: _Function

    def fill(self, key: tuple[Any, ...], out: NDArray[Any]) -> None:
        """Read the series, and give the part of the result that `key` selects."""
        out[...] = self.function(self.series.to_numpy())[key]


def _lazily(series: xr.Variable, function: _Function, dims: tuple[str, ...]) -> xr.Variable:
    single = series.ndim == _LEAST
    scans = [series] if single else [series[place] for place in range(series.shape[0])]
    slabs = [_Scan(scan, function) for scan in scans]
    lead = ("scan",) if single else series.dims[:1]
    made = stacked(slabs, (*map(str, lead), *dims), _types(dims), _shape(series, dims))
    return made[0] if single else made


def _by_dask(series: xr.Variable, function: _Function, dims: tuple[str, ...]) -> xr.Variable:
    made: xr.Variable = xr.apply_ufunc(
        function,
        series.chunk(time=-1, roi=-1),
        input_core_dims=[("time", "roi")],
        output_core_dims=[dims],
        dask="parallelized",
        output_dtypes=[_types(dims)],
        dask_gufunc_kwargs={"output_sizes": dict(zip(dims, _shape(series, dims), strict=True))},
    )
    return made


def _types(dims: tuple[str, ...]) -> type[np.float64 | np.int64]:
    return np.float64 if dims else np.int64


def _shape(series: xr.Variable, dims: tuple[str, ...]) -> tuple[int, ...]:
    return (_count(series.sizes["roi"]),) if dims else ()


def _count(regions: int) -> int:
    return regions * (regions - 1) // 2
