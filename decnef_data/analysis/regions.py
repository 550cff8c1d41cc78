"""Regions of a label image or of maps: their voxels or weights, and means over them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from decnef_data.analysis.geometry import SPATIAL_DIMS
from decnef_data.analysis.grids import look_up, scan_shape, shared_index_map
from decnef_data.errors import SelectionError

if TYPE_CHECKING:
    from decnef_data.formats.images import Volume

__all__ = ["RegionVoxels", "RegionWeights", "Regions", "load_regions"]


class Regions(Protocol):
    """Regions in the volumes of a scan: ``labels``, and ``counts``, the number of voxels of each."""

    @property
    def labels(self) -> NDArray[Any]:
        """The labels of the regions, which are the axis of the means."""

    @property
    def counts(self) -> NDArray[np.intp]:
        """The number of voxels of each region; a region without voxels has the mean NaN."""

    def means(self, voxels: NDArray[Any]) -> NDArray[np.float64]:
        """Average voxels ``(..., z, y, x)`` over each region to ``(..., region)``."""

    def with_labels(self, labels: NDArray[Any]) -> "Regions":
        """Return the regions with these labels, in this order; those that are absent have no voxels."""


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
    >>> regions.with_labels(np.array([7, 5])).means(np.array([[[10, 20], [30, 40]]])).tolist()
    [25.0, nan]
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
        # Stable: the voxels of a region stay in their order, in which sums of floats are rounded alike.
        voxel_indices = inside[np.argsort(flat[inside], kind="stable")]
        unique, starts, counts = np.unique(flat[voxel_indices], return_index=True, return_counts=True)
        return cls(unique, voxel_indices, starts, counts)

    def with_labels(self, labels: NDArray[Any]) -> "RegionVoxels":
        """Return the regions with these labels, in this order; those that are absent have no voxels."""
        if np.array_equal(labels, self.labels):
            return self
        # Not strict: without labels there are no names, but splitting gives one part.
        parts = dict(
            zip(self.labels.tolist(), np.split(self.voxel_indices, self.starts[1:].tolist()), strict=False)
        )
        voxels = [parts.get(label, self.voxel_indices[:0]) for label in labels.tolist()]
        counts = np.array(list(map(len, voxels)), dtype=np.intp)
        return RegionVoxels(labels, np.concatenate(voxels), np.cumsum(counts) - counts, counts)

    def means(self, voxels: NDArray[Any]) -> NDArray[np.float64]:
        """Average voxels ``(..., z, y, x)`` over each region to ``(..., region)``.

        Integers are summed as integers, so that the mean of the stored values is rounded once, at the end.
        """
        volumes = _flatten_volumes(voxels)
        # reduceat takes the value at its start for the sum of an empty part.
        present = self.counts > 0
        starts, counts = self.starts[present], self.counts[present]
        sums = np.empty((len(volumes), starts.size), _sum_dtype(voxels.dtype))
        for values, out in zip(volumes, sums, strict=True):
            if starts.size:
                np.add.reduceat(values.take(self.voxel_indices), starts, dtype=sums.dtype, out=out)
        means = np.full((len(volumes), present.size), np.nan)
        means[:, present] = sums / counts
        return means.reshape((*voxels.shape[:-3], present.size))


def _flatten_volumes(voxels: NDArray[Any]) -> NDArray[Any]:
    return voxels.reshape(-1, int(np.prod(voxels.shape[-3:])))


def _sum_dtype(dtype: np.dtype[Any]) -> type[np.int64 | np.float64]:
    # No sum of smaller integers in a volume exceeds 64 bits.
    return np.int64 if dtype.kind in "iu" and dtype.itemsize < np.dtype(np.int64).itemsize else np.float64


@dataclass(frozen=True, slots=True, eq=False)
class RegionWeights:
    """Weights of voxels in each region, which sum to 1 in a region.

    ``labels`` are the numbers of the maps from 1, ``voxel_indices`` the flat indices of the voxels with a
    weight in a volume ``(z, y, x)``, ``weights`` a sparse matrix ``(region, voxel)``, and ``counts`` the
    number of voxels with a weight in each region.

    Examples
    --------
    >>> regions = RegionWeights.from_maps([np.array([[[3.0, 1.0]]]), np.array([[[0.0, 0.5]]])])
    >>> regions.means(np.array([[[10, 20]]])).tolist(), regions.counts.tolist()
    ([12.5, 20.0], [2, 1])
    """

    labels: NDArray[Any]
    voxel_indices: NDArray[np.intp]
    weights: Any
    counts: NDArray[np.intp]

    @classmethod
    def from_maps(cls, maps: Iterable[NDArray[Any]]) -> "RegionWeights":
        """Build the regions of maps ``(z, y, x)`` of weights that are not negative."""
        from scipy import sparse

        columns, shares = [], []
        for weights in maps:  # one after the other: all of an atlas may be a gigabyte
            flat = weights.reshape(-1)
            columns.append(np.flatnonzero(flat))
            shares.append(flat[columns[-1]] / flat[columns[-1]].sum())
        counts = np.array(list(map(len, columns)), dtype=np.intp)
        voxel_indices, indices = np.unique(np.concatenate(columns), return_inverse=True)
        matrix = sparse.csr_array(
            (np.concatenate(shares), indices, np.concatenate([[0], np.cumsum(counts)])),
            shape=(len(columns), voxel_indices.size),
        )
        return cls(np.arange(1, len(columns) + 1), voxel_indices, matrix, counts)

    def with_labels(self, labels: NDArray[Any]) -> "RegionWeights":
        """Return the regions with these labels, in this order; those that are absent have no voxels."""
        if np.array_equal(labels, self.labels):
            return self
        from scipy import sparse

        rows = {label: row for row, label in enumerate(self.labels.tolist())}
        known = [(place, rows[label]) for place, label in enumerate(labels.tolist()) if label in rows]
        places, found = np.array(known, dtype=np.intp).reshape(-1, 2).T
        shape = (labels.size, self.labels.size)
        selection = sparse.csr_array((np.ones(places.size), (places, found)), shape=shape)
        weights = selection @ self.weights
        weights.sort_indices()  # in another order, a sum is rounded otherwise
        counts = np.zeros(labels.size, np.intp)
        counts[places] = self.counts[found]
        return RegionWeights(labels, self.voxel_indices, weights, counts)

    def means(self, voxels: NDArray[Any]) -> NDArray[np.float64]:
        """Average voxels ``(..., z, y, x)`` over each region to ``(..., region)``, by their weights."""
        values = _flatten_volumes(voxels)[:, self.voxel_indices].astype(np.float64, copy=False)
        means: NDArray[np.float64] = np.ascontiguousarray((self.weights @ values.T).T)
        means[:, self.counts == 0] = np.nan
        return means.reshape((*voxels.shape[:-3], self.labels.size))


def load_regions(source: Any, dataset: xr.Dataset) -> Regions:
    """Read the regions of a dataset's scans from an image on their grid.

    The regions are those of the complete image: one without a voxel in the selected part of the volumes has
    no voxels.

    Raises
    ------
    SelectionError
        The image is on another grid, has no regions or none in the selected voxels, or contains values that
        are not labels or weights.
    """
    from decnef_data.formats.images import read_image

    image = read_image(source)
    index_map, shape = shared_index_map(image, dataset), scan_shape(dataset)
    if image.values.ndim == len(SPATIAL_DIMS):
        labels = _integer_labels(image)
        inside = RegionVoxels.from_labels(look_up(labels, index_map, shape).transpose())
        # np.unique of all voxels takes as long as the rest; a complete scan has all labels.
        complete = inside.labels if labels.shape == shape else np.unique(labels[labels != 0])
        regions: Regions = inside.with_labels(complete)
    else:
        maps = (_weights(image, index) for index in range(image.values.shape[-1]))
        regions = RegionWeights.from_maps(look_up(each, index_map, shape).transpose() for each in maps)
    if not regions.counts.any():
        raise _no_region_error(image)
    return regions


def _integer_labels(image: "Volume") -> NDArray[Any]:
    integers: NDArray[Any]
    if image.values.dtype.kind in "iub":
        return image.values
    # Many atlases store whole numbers as floats, and some NaN outside of the brain.
    values = np.where(np.isnan(image.values), 0, image.values)
    integers = np.rint(np.nan_to_num(values.real, posinf=0, neginf=0)).astype(np.int64)
    fractional = values[integers != values]
    if fractional.size:
        raise SelectionError(
            f"'{image.name}' contains {fractional[0]:g}, which is not a label: labels are integers. "
            "Pass the original atlas, or resample it with interpolation='nearest'.",
            requested=image.name,
        )
    return integers


def _weights(image: "Volume", index: int) -> NDArray[np.float64]:
    """Return the weights ``(x, y, z)`` of one map; NaN is outside of it."""
    weights: NDArray[np.float64] = np.asarray(image.values[..., index], np.float64)
    weights = np.where(np.isnan(weights), 0, weights)
    wrong = weights[(weights < 0) | np.isinf(weights)]
    if wrong.size:
        raise SelectionError(
            f"Map {index + 1} of '{image.name}' contains {wrong[0]:g}, which is not a weight: weights are "
            "finite and not negative. Pass nilearn's NiftiMapsMasker, which fits such maps by least squares.",
            requested=image.name,
        )
    return weights


def _no_region_error(image: "Volume") -> SelectionError:
    if np.nan_to_num(image.values).any():
        message = (
            f"No region of '{image.name}' is in the selected voxels. Select a larger part of the volumes."
        )
    else:
        message = f"'{image.name}' contains only the background label 0. Pass an image with labelled regions."
    return SelectionError(message, requested=image.name)
