"""The grid that an image of regions and scans have in common, and the error where they have none."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from decnef_data.analysis.geometry import SPATIAL_DIMS, selected_affines
from decnef_data.errors import SelectionError

if TYPE_CHECKING:
    from decnef_data.formats.images import Volume

__all__ = ["look_up", "scan_shape", "shared_index_map"]

#: Largest distance, in millimetres, between the same voxel of two images on one grid: qform and sform of one
#: file differ by about a thousandth.
_TOLERANCE: Final = 0.01


def scan_shape(dataset: xr.Dataset) -> tuple[int, ...]:
    """Return the lengths ``(x, y, z)`` of a dataset's volumes."""
    return tuple(dataset.sizes[dim] for dim in reversed(SPATIAL_DIMS))


def shared_index_map(image: "Volume", dataset: xr.Dataset) -> NDArray[np.intp]:
    """Return the matrix from a position in the scans to that of the same voxel in an image of regions.

    Every voxel of the scans has to be a voxel of the image, the same one in all scans.

    Raises
    ------
    SelectionError
        The image is on another grid than one of the scans.
    """
    affines, shape = selected_affines(dataset).reshape(-1, 4, 4), scan_shape(dataset)
    index_maps = [_index_map(image, affine, shape) for affine in affines]
    shared = next((found for found in index_maps if found is not None), np.eye(4, dtype=np.intp))
    mismatched = [
        index for index, found in enumerate(index_maps) if found is None or not np.array_equal(found, shared)
    ]
    if mismatched:
        raise _grid_mismatch_error(image, dataset, affines, mismatched)
    return shared


def _index_map(image: "Volume", affine: NDArray[Any], shape: tuple[int, ...]) -> NDArray[np.intp] | None:
    """Return the matrix from a position in a scan to that of the same voxel in the image, if any."""
    if image.values.shape[:3] == shape and _grid_distance(image.affine, affine, shape) <= _TOLERANCE:
        return np.eye(4, dtype=np.intp)
    try:
        # Whole numbers map voxels to voxels: crops, flips and exchanged axes, and nothing else.
        index_map = np.rint(np.linalg.solve(image.affine, affine))
    except np.linalg.LinAlgError:
        return None
    is_close = _grid_distance(image.affine @ index_map, affine, shape) <= _TOLERANCE
    corners = _corners(shape) @ index_map[:3].T
    is_inside = ((corners >= 0) & (corners < image.values.shape[:3])).all()
    return index_map.astype(np.intp) if is_close and is_inside else None


def look_up(values: NDArray[Any], index_map: NDArray[np.intp], shape: tuple[int, ...]) -> NDArray[Any]:
    """Return the values of an image ``(x, y, z)`` at all positions of a scan."""
    positions = np.ogrid[tuple(slice(length) for length in shape)]
    # Without the terms that are zero, the index arrays are as short as the axes.
    indices = tuple(
        sum(factor * position for factor, position in zip(row[:3], positions, strict=True) if factor) + row[3]
        for row in index_map[:3]
    )
    return np.broadcast_to(values[indices], shape)


def _corners(shape: tuple[int, ...]) -> NDArray[np.intp]:
    """Return the positions ``(x, y, z, 1)`` of the corners of a volume."""
    return np.stack(np.meshgrid(*((0, length - 1) for length in shape), [1]), axis=-1).reshape(-1, 4)


def _grid_distance(one: NDArray[Any], other: NDArray[Any], shape: tuple[int, ...]) -> float:
    """Return the largest distance, in millimetres, between the corners of the grid under two affines."""
    # The difference of two affines is largest at a corner.
    return float(np.linalg.norm(_corners(shape) @ (one - other).T, axis=1).max())


def _grid_mismatch_error(
    image: "Volume", dataset: xr.Dataset, affines: NDArray[Any], mismatched: Sequence[int]
) -> SelectionError:
    affine, shape = affines[mismatched[0]], scan_shape(dataset)
    subjects = (
        np.atleast_1d(dataset["subject"].to_numpy()) if "subject" in dataset.coords else [""] * len(affines)
    )
    distance = (
        f", up to {_grid_distance(image.affine, affine, shape):.3g} mm apart"
        if image.values.shape[:3] == shape
        else ""
    )
    # Labels have no values between them; weights have.
    interpolation = "nearest" if image.values.ndim == len(SPATIAL_DIMS) else "continuous"
    return SelectionError(
        f"'{image.name}' ({_format_grid(image.values.shape[:3], image.affine)}) is not on the grid of "
        f"{len(mismatched)} of the {len(affines)} scans, first that of '{subjects[mismatched[0]]}' "
        f"({_format_grid(shape, affine)}{distance}). "
        f"Resample it to the scan with interpolation='{interpolation}', "
        "or select scans that are on its grid.",
        requested=image.name,
    )


def _format_grid(shape: tuple[int, ...], affine: NDArray[Any]) -> str:
    sizes = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
    origin = ", ".join(f"{coordinate:.6g}" for coordinate in affine[:3, 3])
    lengths, spacings = (" x ".join(f"{number:.4g}" for number in numbers) for numbers in (shape, sizes))
    return f"{lengths} voxels of {spacings} mm, origin {origin}"
