"""The regions of each scan: of one image for all of them, or of an image for each."""

import os
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from decnef_data.analysis.region_axis import Names, region_labels
from decnef_data.analysis.regions import Regions, RegionWeights, load_regions
from decnef_data.analysis.scan_keys import find_value, format_scan, scan_keys
from decnef_data.arguments.values import WrongValueError, image
from decnef_data.errors import SelectionError

__all__ = ["ScanRegions", "load_scan_regions"]

_ATTRS: Final = {
    "label": {"long_name": "label of the region in the label image"},
    "n_voxels": {"long_name": "number of voxels in the region"},
}


@dataclass(frozen=True, slots=True, eq=False)
class ScanRegions:
    """The regions of each scan on one axis of labels; ``shared`` if they are those of one image."""

    labels: NDArray[np.int64]
    regions: Sequence[Regions]
    shared: bool

    @property
    def rule(self) -> str:
        """How the voxels of a region become one value."""
        weighted = isinstance(self.regions[0], RegionWeights)
        return "mean BOLD signal of each region" + (
            ", weighted by its map: sum(weight * signal) / sum(weight)" if weighted else ""
        )

    def coords(self, scan_dims: tuple[Any, ...]) -> dict[Hashable, Any]:
        """Return the labels, and the numbers of voxels: of the regions, or of those of each scan."""
        if self.shared or not scan_dims:
            n_voxels = xr.Variable("roi", self.regions[0].counts, _ATTRS["n_voxels"])
        else:
            counts = np.stack([each.counts for each in self.regions])
            n_voxels = xr.Variable((*scan_dims, "roi"), counts, _ATTRS["n_voxels"])
        return {"label": xr.Variable("roi", self.labels, _ATTRS["label"]), "n_voxels": n_voxels}


def load_scan_regions(
    labels_img: Any, dataset: xr.Dataset, labels: Sequence[int] | None, names: Names | None
) -> ScanRegions:
    """Read the regions of all scans, from one image or from that of each scan.

    Raises
    ------
    SelectionError
        A scan has no image or one on another grid, or none of the stated labels is in an image.
    """
    of_each_scan = isinstance(labels_img, Mapping) or callable(labels_img)
    n_scans = dataset.sizes.get("scan", 1)
    loaded: Sequence[Regions] = (
        _load_each(labels_img, dataset) if of_each_scan else [load_regions(labels_img, dataset)] * n_scans
    )
    # Scans may share their regions, which are put on the axis once.
    distinct = {id(each): each for each in loaded}
    found = np.unique(np.concatenate([np.asarray(each.labels, np.int64) for each in distinct.values()]))
    axis = region_labels(found, labels, names)
    on_axis = {key: each.with_labels(axis) for key, each in distinct.items()}
    return ScanRegions(axis, [on_axis[id(each)] for each in loaded], not of_each_scan)


def _load_each(images: Mapping[Any, Any] | Callable[[xr.Dataset], Any], dataset: xr.Dataset) -> list[Regions]:
    """Read the image of each scan; scans at the same place with the same image share its regions."""
    loaded: dict[tuple[Any, ...], Regions] = {}
    regions = []
    kept_alive = []  # an object that was freed could give its id to another one
    for index, key in enumerate(scan_keys(dataset)):
        scan = dataset.isel(scan=slice(index, index + 1)) if "scan" in dataset.dims else dataset
        single = scan.isel(scan=0) if "scan" in scan.dims else scan
        source = find_value(images, key, "labels_img") if isinstance(images, Mapping) else images(single)
        _require_image(source, format_scan(key))
        kept_alive.append(source)
        is_path = isinstance(source, str | os.PathLike)
        identity = (os.fspath(source) if is_path else id(source), single["affine"].to_numpy().tobytes())
        if identity not in loaded:
            loaded[identity] = load_regions(source, scan)
        regions.append(loaded[identity])
    _require_one_kind(regions)
    return regions


def _require_image(source: Any, scan: str) -> None:
    try:
        image(source)
    except WrongValueError as problem:
        message = f"The value of labels_img= for {scan} {problem}. Use a path, or an image of nibabel."
        raise SelectionError(message, requested=scan) from None


def _require_one_kind(regions: Sequence[Regions]) -> None:
    if len({type(each) for each in regions}) > 1:
        message = "Some scans have a label image and others have maps. Use images of one kind for all scans."
        raise SelectionError(message, requested="labels_img")
