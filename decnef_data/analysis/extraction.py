"""The series of scans, computed scan by scan on access or by dask."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from decnef_data.analysis.cleaning import Cleaning
from decnef_data.analysis.geometry import SPATIAL_DIMS
from decnef_data.analysis.regions import Regions
from decnef_data.arrays import stack_lazily

__all__ = ["RegionSignals", "Signals", "build_series"]

#: Volumes in memory at a time: as many as in a chunk of the stores.
_BLOCK_VOLUMES: Final = 20


class Signals(Protocol):
    """The signals of one scan; it must be picklable."""

    @property
    def labels(self) -> NDArray[Any]:
        """The axis of the signals."""

    @property
    def needs_complete_scan(self) -> bool:
        """Whether the signals of a volume depend on the other volumes."""

    @property
    def reads_blocks(self) -> bool:
        """Whether a few volumes at a time can be extracted."""

    def extract(self, volumes: NDArray[Any]) -> NDArray[np.float64]:
        """Reduce volumes ``(time, z, y, x)`` to signals ``(time, roi)``."""

    def finish(self, series: NDArray[np.float64]) -> NDArray[np.float64]:
        """Clean the signals of all volumes."""


@dataclass(frozen=True, slots=True, eq=False)
class RegionSignals:
    """The means over the regions of one scan, with the scaling of its file, and their cleaning."""

    regions: Regions
    slope: float
    inter: float
    cleaning: Cleaning | None

    @property
    def labels(self) -> NDArray[Any]:
        """The axis of the signals."""
        return self.regions.labels

    @property
    def needs_complete_scan(self) -> bool:
        """Whether the series are cleaned, which needs all volumes."""
        return self.cleaning is not None

    @property
    def reads_blocks(self) -> bool:
        """Whether a few volumes at a time can be extracted: always."""
        return True

    def extract(self, volumes: NDArray[Any]) -> NDArray[np.float64]:
        """Average volumes ``(time, z, y, x)`` to signals ``(time, roi)``."""
        return self.regions.means(volumes) * self.slope + self.inter

    def finish(self, series: NDArray[np.float64]) -> NDArray[np.float64]:
        """Clean the signals of all volumes."""
        return series if self.cleaning is None else self.cleaning.apply(series)


@dataclass(frozen=True, slots=True, eq=False)
class _ScanSeries:
    """The time series of one scan, as a slab of a stack."""

    bold: xr.Variable
    signals: Signals

    def fill(self, key: tuple[Any, ...], out: NDArray[Any]) -> None:
        """Read the volumes that `key` selects in blocks, and write their signals into `out`."""
        time, region = key
        rows = out if isinstance(time, slice | np.ndarray) else out[np.newaxis]
        volumes = np.arange(self.bold.sizes["time"])
        times = np.atleast_1d(volumes[time])
        if self.signals.needs_complete_scan:
            series = self.signals.finish(self._extract(volumes))
            rows[...] = series[times][:, region]
            return
        rows[...] = self._extract(times)[:, region]

    def _extract(self, times: NDArray[np.intp]) -> NDArray[np.float64]:
        step = _BLOCK_VOLUMES if self.signals.reads_blocks else max(times.size, 1)
        series = np.empty((times.size, self.signals.labels.size))
        for start in range(0, times.size, step):
            block = times[start : start + step]
            series[start : start + step] = self.signals.extract(self.bold[_as_slice(block)].to_numpy())
        return series


def _as_slice(indices: NDArray[np.intp]) -> slice | NDArray[np.intp]:
    """Convert consecutive indices to a slice, which is read in one piece."""
    first, last = int(indices[0]), int(indices[-1])
    is_consecutive = last - first + 1 == indices.size and bool((np.diff(indices) == 1).all())
    return slice(first, last + 1) if is_consecutive else indices


def build_series(bold: xr.Variable, signals: Sequence[Signals]) -> xr.Variable:
    """Return the series ``([scan,] time, roi)`` of images ``([scan,] time, z, y, x)``, lazily."""
    build = _build_lazily if bold.chunks is None else _build_with_dask
    series = build(bold, signals)
    return series if "scan" in bold.dims else series[0]


def _build_lazily(bold: xr.Variable, signals: Sequence[Signals]) -> xr.Variable:
    scans = [bold[index] for index in range(len(signals))] if "scan" in bold.dims else [bold]
    slabs = [_ScanSeries(scan, each) for scan, each in zip(scans, signals, strict=True)]
    shape = (bold.sizes["time"], signals[0].labels.size)
    return stack_lazily(slabs, ("scan", "time", "roi"), np.float64, shape)


def _build_with_dask(bold: xr.Variable, signals: Sequence[Signals]) -> xr.Variable:
    if "scan" not in bold.dims:
        bold = bold.set_dims(("scan", *bold.dims))  # type: ignore[no-untyped-call]  # xarray does not annotate it
    # Otherwise the chunks of volumes stay as they are, and are averaged apart.
    dims = ("time",) if signals[0].needs_complete_scan else ()
    # An array of objects is cut with the scans, so that a task gets the signals of its own scans.
    objects = np.empty(len(signals), dtype=object)
    objects[:] = signals
    series: xr.Variable = xr.apply_ufunc(
        _compute_block,
        bold.chunk(dict.fromkeys((*dims, *SPATIAL_DIMS), -1)),
        xr.Variable("scan", objects).chunk(scan=dict(bold.chunksizes)["scan"]),
        input_core_dims=[(*dims, *SPATIAL_DIMS), ()],
        output_core_dims=[(*dims, "roi")],
        dask="parallelized",
        output_dtypes=[np.float64],
        dask_gufunc_kwargs={"output_sizes": {"roi": signals[0].labels.size}},
    )
    return series


def _compute_block(bold: NDArray[Any], signals: NDArray[Any]) -> NDArray[np.float64]:
    """Compute the series ``(scan, time, roi)`` of a block of scans ``(scan, time, z, y, x)``."""
    scans = signals.reshape(-1)  # dask adds a dimension for that of the volumes
    return np.stack([each.finish(each.extract(scan)) for scan, each in zip(bold, scans, strict=True)])
