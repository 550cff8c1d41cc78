"""The mean signal of each region over time, computed scan by scan when it is asked for."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from decnef_data.analysis.images import SPACE, kind_of, scaling
from decnef_data.analysis.regions import Regions, named, regions_of
from decnef_data.arrays import stacked

__all__ = ["timeseries"]

#: As many volumes are held at a time as a chunk of the stores has.
_VOLUMES: Final = 20


def timeseries(
    dataset: xr.Dataset, labels_img: Any, *, names: Mapping[int, str] | Sequence[str] | None = None
) -> xr.Dataset:
    """Average the signal over each region of a label image, lazily by scan.

    Parameters
    ----------
    dataset
        A leaf with ``bold (scan, time, z, y, x)``, or one scan of it.
    labels_img
        A path or an image of nibabel, of whole numbers, on the grid of the scans; 0 is the background.
    names
        Those of the regions: by label, or in the order of the labels.

    Returns
    -------
    xarray.Dataset
        ``timeseries (scan, time, roi)``, float64, with the scaling of the files applied and all coordinates
        of the scans.  ``roi`` holds the names if given, else the labels; ``label`` the labels and
        ``n_voxels`` the sizes of the regions.  A scan is read when its values are touched; where `dataset`
        was fetched with ``chunks=``, the result is an array of dask.

    Raises
    ------
    SelectionError
        The dataset is no such leaf, or the image lies on another grid than its scans, has no labels, or
        other names than labels.
    FormatError
        The image cannot be read, or has several volumes.

    Notes
    -----
    Nothing else is done to the signal: no filter, no confounds.  Scans in the space of each person's head
    lie on a grid each: give one such scan (``leaf.isel(scan=[0])``) the labels in that space.

    Examples
    --------
    >>> import nibabel
    >>> leaf = xr.Dataset(
    ...     {"bold": (("scan", "time", "z", "y", "x"), np.arange(8).reshape(1, 2, 1, 2, 2))},
    ...     {"subject": ("scan", ["sub-0001"]), "affine": (("scan", "row", "column"), [np.eye(4)])},
    ... )
    >>> labels = nibabel.Nifti1Image(np.array([[[1], [1]], [[2], [0]]], "i2"), np.eye(4))
    >>> timeseries(leaf, labels)["timeseries"].values.tolist()
    [[[1.0, 1.0], [5.0, 5.0]]]
    """
    kind_of(dataset, "bold")
    regions = regions_of(labels_img, dataset)
    bold = dataset["bold"].variable.transpose(..., "time", *SPACE)
    make = _lazily if bold.chunks is None else _by_dask
    series = make(bold, regions, scaling(dataset))
    series.attrs = {"long_name": "mean BOLD signal of each region"}
    coords: dict[Hashable, Any] = {
        name: coord.variable for name, coord in dataset.coords.items() if set(coord.dims) <= {*bold.dims[:-3]}
    }
    for name in ("scl_slope", "scl_inter"):  # they are applied: nobody is to do it again
        coords.pop(name, None)
    coords["roi"] = ("roi", named(regions, names))
    coords["label"] = ("roi", regions.numbers, {"long_name": "number of the region in the label image"})
    coords["n_voxels"] = ("roi", regions.counts, {"long_name": "voxels of the region"})
    return xr.Dataset({"timeseries": series}, coords=coords, attrs=dataset.attrs)


@dataclass(frozen=True, slots=True, eq=False)
class _Scan:
    """The series of one scan, as a slab of a stack."""

    bold: xr.Variable
    regions: Regions
    slope: float
    inter: float

    def fill(self, key: tuple[Any, ...], out: NDArray[Any]) -> None:
        """Read the volumes that `key` selects, some at a time, and average them."""
        time, region = key
        length = self.bold.sizes["time"]
        rows = out if isinstance(time, slice | np.ndarray) else out[np.newaxis]
        times = np.atleast_1d(np.arange(length)[time])
        for start in range(0, times.size, _VOLUMES):
            part = times[start : start + _VOLUMES]
            means = self.regions.means(self.bold[_run(part)].to_numpy())
            rows[start : start + _VOLUMES] = (means * self.slope + self.inter)[:, region]


def _run(places: NDArray[np.intp]) -> slice | NDArray[np.intp]:
    """Turn consecutive places into a slice, which is read in one piece."""
    first, last = int(places[0]), int(places[-1])
    is_run = last - first + 1 == places.size and bool((np.diff(places) == 1).all())
    return slice(first, last + 1) if is_run else places


def _lazily(bold: xr.Variable, regions: Regions, scaled: tuple[Any, Any]) -> xr.Variable:
    single = "scan" not in bold.dims
    scans = [bold] if single else [bold[place] for place in range(bold.sizes["scan"])]
    slopes, inters = (np.broadcast_to(part, len(scans)).tolist() for part in scaled)
    slabs = [
        _Scan(scan, regions, slope, inter) for scan, slope, inter in zip(scans, slopes, inters, strict=True)
    ]
    shape = (bold.sizes["time"], regions.numbers.size)
    series = stacked(slabs, ("scan", "time", "roi"), np.float64, shape)
    return series[0] if single else series


def _by_dask(bold: xr.Variable, regions: Regions, scaled: tuple[Any, Any]) -> xr.Variable:
    along = bold.dims[:1] if "scan" in bold.dims else ()
    slope, inter = (xr.Variable(along if np.ndim(part) else (), part) for part in scaled)
    made: xr.Variable = xr.apply_ufunc(
        _scaled_means,
        bold.chunk(dict.fromkeys(SPACE, -1)),
        slope,
        inter,
        kwargs={"regions": regions},
        input_core_dims=[SPACE, (), ()],
        output_core_dims=[("roi",)],
        dask="parallelized",
        output_dtypes=[np.float64],
        dask_gufunc_kwargs={"output_sizes": {"roi": regions.numbers.size}},
    )
    return made


def _scaled_means(
    bold: NDArray[Any], slope: NDArray[Any], inter: NDArray[Any], regions: Regions
) -> NDArray[np.float64]:
    scaled: NDArray[np.float64] = (
        regions.means(bold) * np.asarray(slope)[..., np.newaxis] + np.asarray(inter)[..., np.newaxis]
    )
    return scaled
