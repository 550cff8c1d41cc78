"""The regions of a label image: their voxels, the check that scans share its grid, and means over them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from decnef_data.analysis.geometry import SPATIAL_DIMS, selected_affines
from decnef_data.errors import SelectionError

if TYPE_CHECKING:
    from decnef_data.formats.images import Volume

__all__ = ["RegionVoxels", "load_regions", "region_names"]

#: Largest distance, in millimetres, between the same voxel of two images on one grid: qform and sform of one
#: file differ by about a thousandth.
_TOLERANCE: Final = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class RegionVoxels:
    """Voxels sorted by region, so that one pass sums all regions.

    ``labels`` are the labels, ``voxel_indices`` the flat indices of their voxels in a volume ``(z, y, x)``,
    region by region, ``starts`` the index in it where each region starts, and ``counts`` the number of voxels
    of each region.

    Examples
    --------
    >>> regions = RegionVoxels.from_labels(np.array([[[0, 7], [7, 3]]]))
    >>> regions.labels.tolist(), regions.means(np.array([[[10, 20], [30, 40]]])).tolist()
    ([3, 7], [40.0, 25.0])
    """

    labels: NDArray[Any]
    voxel_indices: NDArray[np.intp]
    starts: NDArray[np.intp]
    counts: NDArray[np.intp]

    @classmethod
    def from_labels(cls, labels: NDArray[Any]) -> "RegionVoxels":
        """Build the regions of labels ``(z, y, x)``; 0 is the background."""
        flat = labels.reshape(-1)
        inside = np.flatnonzero(flat)
        voxel_indices = inside[np.argsort(flat[inside], kind="stable")]
        unique, starts, counts = np.unique(flat[voxel_indices], return_index=True, return_counts=True)
        return cls(unique, voxel_indices, starts, counts)

    def means(self, voxels: NDArray[Any]) -> NDArray[np.float64]:
        """Average voxels ``(..., z, y, x)`` over each region to ``(..., region)``.

        Integers are summed as integers, so that the mean of the stored values is rounded once, at the end.
        """
        leading_shape = voxels.shape[:-3]
        volumes = voxels.reshape(-1, int(np.prod(voxels.shape[-3:])))
        sums = np.empty((len(volumes), self.labels.size), _sum_dtype(voxels.dtype))
        for values, out in zip(volumes, sums, strict=True):
            np.add.reduceat(values.take(self.voxel_indices), self.starts, dtype=sums.dtype, out=out)
        return (sums / self.counts).reshape((*leading_shape, self.labels.size))


def _sum_dtype(dtype: np.dtype[Any]) -> type[np.int64 | np.float64]:
    return np.int64 if dtype.kind in "iu" and dtype.itemsize < np.dtype(np.int64).itemsize else np.float64


def load_regions(labels_img: Any, dataset: xr.Dataset) -> RegionVoxels:
    """Read the labels of the voxels of a dataset's scans from an image on their grid.

    Raises
    ------
    SelectionError
        It is on another grid, its labels are not whole numbers, or the voxels have none.
    """
    from decnef_data.formats.images import read_volume

    labels = read_volume(labels_img)
    index_map = _shared_index_map(labels, dataset)
    values = _integer_labels(labels)
    regions = RegionVoxels.from_labels(_look_up(values, index_map, _scan_shape(dataset)).transpose())
    if regions.labels.size:
        return regions
    if values.any():
        message = (
            f"No region of '{labels.name}' is in the selected voxels. Select a larger part of the volumes."
        )
    else:
        message = (
            f"'{labels.name}' contains only the background label 0. Pass an image with labelled regions."
        )
    raise SelectionError(message, requested=labels.name)


def _integer_labels(labels: "Volume") -> NDArray[Any]:
    integers: NDArray[Any]
    if labels.values.dtype.kind in "iub":
        return labels.values
    # Many atlases store whole numbers as floats.
    integers = np.rint(np.nan_to_num(labels.values.real, posinf=0, neginf=0)).astype(np.int64)
    fractional = labels.values[integers != labels.values]
    if fractional.size:
        raise SelectionError(
            f"'{labels.name}' contains {fractional[0]:g}, which is not a label: labels are integers. "
            "Pass the original atlas, or resample it with interpolation='nearest'.",
            requested=labels.name,
        )
    return integers


def _scan_shape(dataset: xr.Dataset) -> tuple[int, ...]:
    """Return the lengths ``(x, y, z)`` of a dataset's volumes."""
    return tuple(dataset.sizes[dim] for dim in reversed(SPATIAL_DIMS))


def _shared_index_map(labels: "Volume", dataset: xr.Dataset) -> NDArray[np.intp]:
    """Return the matrix from a position in the scans to that of the same voxel in the label image.

    Every voxel of the scans has to be a voxel of the label image, the same one in all scans.
    """
    affines, shape = selected_affines(dataset).reshape(-1, 4, 4), _scan_shape(dataset)
    index_maps = [_index_map(labels, affine, shape) for affine in affines]
    shared = next((found for found in index_maps if found is not None), np.eye(4, dtype=np.intp))
    mismatched = [
        index for index, found in enumerate(index_maps) if found is None or not np.array_equal(found, shared)
    ]
    if mismatched:
        raise _grid_mismatch_error(labels, dataset, affines, mismatched)
    return shared


def _index_map(labels: "Volume", affine: NDArray[Any], shape: tuple[int, ...]) -> NDArray[np.intp] | None:
    """Return the matrix from a position in a scan to that of the same voxel in the label image, if any."""
    if labels.values.shape == shape and _grid_distance(labels.affine, affine, shape) <= _TOLERANCE:
        return np.eye(4, dtype=np.intp)
    try:
        index_map = np.rint(np.linalg.solve(labels.affine, affine))
    except np.linalg.LinAlgError:
        return None
    is_close = _grid_distance(labels.affine @ index_map, affine, shape) <= _TOLERANCE
    corners = _corners(shape) @ index_map[:3].T
    is_inside = ((corners >= 0) & (corners < labels.values.shape)).all()
    return index_map.astype(np.intp) if is_close and is_inside else None


def _look_up(labels: NDArray[Any], index_map: NDArray[np.intp], shape: tuple[int, ...]) -> NDArray[Any]:
    """Return the labels of all positions ``(x, y, z)`` of a scan."""
    positions = np.ogrid[tuple(slice(length) for length in shape)]
    # Without the terms that are zero, the index arrays are as short as the axes.
    indices = tuple(
        sum(factor * position for factor, position in zip(row[:3], positions, strict=True) if factor) + row[3]
        for row in index_map[:3]
    )
    return np.broadcast_to(labels[indices], shape)


def _corners(shape: tuple[int, ...]) -> NDArray[np.intp]:
    """Return the positions ``(x, y, z, 1)`` of the corners of a volume."""
    return np.stack(np.meshgrid(*((0, length - 1) for length in shape), [1]), axis=-1).reshape(-1, 4)


def _grid_distance(one: NDArray[Any], other: NDArray[Any], shape: tuple[int, ...]) -> float:
    """Return the largest distance, in millimetres, between the corners of the grid under two affines."""
    return float(np.linalg.norm(_corners(shape) @ (one - other).T, axis=1).max())


def _grid_mismatch_error(
    labels: "Volume", dataset: xr.Dataset, affines: NDArray[Any], mismatched: Sequence[int]
) -> SelectionError:
    affine, shape = affines[mismatched[0]], _scan_shape(dataset)
    subjects = (
        np.atleast_1d(dataset["subject"].to_numpy()) if "subject" in dataset.coords else [""] * len(affines)
    )
    distance = (
        f", up to {_grid_distance(labels.affine, affine, shape):.3g} mm apart"
        if labels.values.shape == shape
        else ""
    )
    return SelectionError(
        f"'{labels.name}' ({_format_grid(labels.values.shape, labels.affine)}) is not on the grid of "
        f"{len(mismatched)} of the {len(affines)} scans, first that of '{subjects[mismatched[0]]}' "
        f"({_format_grid(shape, affine)}{distance}). "
        "Resample it to the scan with interpolation='nearest', or select scans that are on its grid.",
        requested=labels.name,
    )


def _format_grid(shape: tuple[int, ...], affine: NDArray[Any]) -> str:
    sizes = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
    origin = ", ".join(f"{coordinate:.6g}" for coordinate in affine[:3, 3])
    lengths, spacings = (" x ".join(f"{number:.4g}" for number in numbers) for numbers in (shape, sizes))
    return f"{lengths} voxels of {spacings} mm, origin {origin}"


def region_names(regions: RegionVoxels, names: Mapping[int, str] | Sequence[str] | None) -> NDArray[Any]:
    """Return the names of the regions as given, or else their labels.

    Raises
    ------
    SelectionError
        A region has no name, or the numbers of names and of regions differ.

    Examples
    --------
    >>> region_names(RegionVoxels.from_labels(np.array([[[3, 7]]])), {7: "VERM", 3: "L.CB"}).tolist()
    ['L.CB', 'VERM']
    """
    labels = [int(label) for label in regions.labels]
    if names is None:
        return np.array(labels, dtype=np.int64)
    if isinstance(names, Mapping):
        unnamed = next((label for label in labels if label not in names), None)
        if unnamed is not None:
            message = f"Label {unnamed} of the image has no name. Name every label except 0, or omit names=."
            raise SelectionError(message, requested=str(unnamed))
        return np.array([names[label] for label in labels], dtype=np.str_)
    if len(names) != len(labels):
        raise SelectionError(
            f"The image has {len(labels)} labels, but {len(names)} names were passed. "
            "Pass one name per label, in ascending order of the labels, or a mapping from label to name.",
            requested=str(len(names)),
        )
    return np.array(list(names), dtype=np.str_)
