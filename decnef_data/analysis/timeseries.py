"""The mean signal of each region over time, computed scan by scan on access."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from decnef_data.analysis.geometry import SPATIAL_DIMS, selected_repetition_times
from decnef_data.analysis.images import image_kind, scale_factors
from decnef_data.analysis.regions import RegionVoxels, load_regions, region_names
from decnef_data.arguments import checked
from decnef_data.arrays import stack_lazily

__all__ = ["timeseries"]

#: Volumes in memory at a time: as many as in a chunk of the stores.
_BLOCK_VOLUMES: Final = 20


@checked
def timeseries(
    dataset: xr.Dataset, labels_img: Any, *, names: Mapping[int, str] | Sequence[str] | None = None
) -> xr.Dataset:
    """Average the signal over each region of a label image, lazily by scan.

    Parameters
    ----------
    dataset
        The Dataset of a group of images with ``bold (scan, time, z, y, x)``, or one scan of it.
    labels_img
        A path or a nibabel image of whole numbers on the grid of the scans; 0 is the background.  It may
        extend beyond the voxels of a cropped dataset.
    names
        The names of the regions, by label or in the order of the labels; ``None`` means the labels
        themselves.

    Returns
    -------
    xarray.Dataset
        ``timeseries (scan, time, roi)``, float64, in the units of the files with their scaling applied, and
        all coordinates of the scans and volumes; one scan has no dimension ``scan``.  ``roi`` is the names if
        given, else the labels; ``label (roi)`` and ``n_voxels (roi)`` are the label and the size of each
        region; ``repetition_time`` is the time between the selected volumes, NaN where they are not
        equidistant.  A scan is read when its values are accessed; a dataset that was fetched with ``chunks=``
        gives a dask array.

    Raises
    ------
    SelectionError
        The dataset does not have such images, or the selected voxels are not equidistant; or the label image
        is on another grid or has no labels, or `names` does not match its labels.
    FormatError
        The label image cannot be read, or has several volumes.

    Notes
    -----
    The signal is not processed further: it is not filtered, and no confounds are removed.  Scans in subject
    space have a grid each: select one such scan (``bold.isel(scan=[0])``) and use labels in its space.

    Labels are looked up by position in space, from ``affine`` and the coordinates ``x``, ``y`` and ``z``, so
    that flipping a dataset does not change the series; a crop keeps the voxels of each region that are in it.

    Examples
    --------
    >>> import nibabel
    >>> bold = xr.Dataset(
    ...     {"bold": (("scan", "time", "z", "y", "x"), np.arange(8).reshape(1, 2, 1, 2, 2))},
    ...     {"subject": ("scan", ["sub-0001"]), "affine": (("scan", "row", "column"), [np.eye(4)])},
    ... )
    >>> labels = nibabel.Nifti1Image(np.array([[[1], [1]], [[2], [0]]], "i2"), np.eye(4))
    >>> timeseries(bold, labels)["timeseries"].values.tolist()
    [[[1.0, 1.0], [5.0, 5.0]]]
    """
    image_kind(dataset, "bold", dims=("time", *SPATIAL_DIMS))
    regions = load_regions(labels_img, dataset)
    bold = dataset["bold"].variable.transpose(..., "time", *SPATIAL_DIMS)
    build = _build_lazily if bold.chunks is None else _build_with_dask
    series = build(bold, regions, scale_factors(dataset))
    series.attrs = {"long_name": "mean BOLD signal of each region"}
    coords: dict[Hashable, Any] = {
        name: coord.variable for name, coord in dataset.coords.items() if set(coord.dims) <= {*bold.dims[:-3]}
    }
    for name in ("scl_slope", "scl_inter"):  # already applied, and must not be applied again
        coords.pop(name, None)
    if "repetition_time" in coords:
        coords["repetition_time"] = selected_repetition_times(dataset)
    coords["roi"] = ("roi", region_names(regions, names))
    coords["label"] = ("roi", regions.labels, {"long_name": "label of the region in the label image"})
    coords["n_voxels"] = ("roi", regions.counts, {"long_name": "number of voxels in the region"})
    return xr.Dataset({"timeseries": series}, coords=coords, attrs=dataset.attrs)


@dataclass(frozen=True, slots=True, eq=False)
class _ScanSeries:
    """The time series of one scan, as a slab of a stack."""

    bold: xr.Variable
    regions: RegionVoxels
    slope: float
    inter: float

    def fill(self, key: tuple[Any, ...], out: NDArray[Any]) -> None:
        """Read the volumes that `key` selects in blocks, and write their means into `out`."""
        time, region = key
        length = self.bold.sizes["time"]
        rows = out if isinstance(time, slice | np.ndarray) else out[np.newaxis]
        times = np.atleast_1d(np.arange(length)[time])
        for start in range(0, times.size, _BLOCK_VOLUMES):
            block = times[start : start + _BLOCK_VOLUMES]
            means = self.regions.means(self.bold[_as_slice(block)].to_numpy())
            rows[start : start + _BLOCK_VOLUMES] = (means * self.slope + self.inter)[:, region]


def _as_slice(indices: NDArray[np.intp]) -> slice | NDArray[np.intp]:
    """Convert consecutive indices to a slice, which is read in one piece."""
    first, last = int(indices[0]), int(indices[-1])
    is_consecutive = last - first + 1 == indices.size and bool((np.diff(indices) == 1).all())
    return slice(first, last + 1) if is_consecutive else indices


def _build_lazily(bold: xr.Variable, regions: RegionVoxels, factors: tuple[Any, Any]) -> xr.Variable:
    single = "scan" not in bold.dims
    scans = [bold] if single else [bold[index] for index in range(bold.sizes["scan"])]
    slopes, inters = (np.broadcast_to(factor, len(scans)).tolist() for factor in factors)
    slabs = [
        _ScanSeries(scan, regions, slope, inter)
        for scan, slope, inter in zip(scans, slopes, inters, strict=True)
    ]
    shape = (bold.sizes["time"], regions.labels.size)
    series = stack_lazily(slabs, ("scan", "time", "roi"), np.float64, shape)
    return series[0] if single else series


def _build_with_dask(bold: xr.Variable, regions: RegionVoxels, factors: tuple[Any, Any]) -> xr.Variable:
    scan_dims = bold.dims[:1] if "scan" in bold.dims else ()
    slope, inter = (xr.Variable(scan_dims if np.ndim(factor) else (), factor) for factor in factors)
    series: xr.Variable = xr.apply_ufunc(
        _scaled_means,
        bold.chunk(dict.fromkeys(SPATIAL_DIMS, -1)),
        slope,
        inter,
        kwargs={"regions": regions},
        input_core_dims=[SPATIAL_DIMS, (), ()],
        output_core_dims=[("roi",)],
        dask="parallelized",
        output_dtypes=[np.float64],
        dask_gufunc_kwargs={"output_sizes": {"roi": regions.labels.size}},
    )
    return series


def _scaled_means(
    bold: NDArray[Any], slope: NDArray[Any], inter: NDArray[Any], regions: RegionVoxels
) -> NDArray[np.float64]:
    scaled: NDArray[np.float64] = (
        regions.means(bold) * np.asarray(slope)[..., np.newaxis] + np.asarray(inter)[..., np.newaxis]
    )
    return scaled
