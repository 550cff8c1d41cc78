"""The regions of a label image: which voxels each has, whether scans lie on its grid, and means over them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from decnef_data.analysis.images import SPACE
from decnef_data.errors import SelectionError

if TYPE_CHECKING:
    from decnef_data.formats.images import Volume

__all__ = ["Regions", "named", "regions_of"]

#: How far apart, in millimetres, the same voxel of two images of one grid may be said to lie: qform and
#: sform of one file differ by about a thousandth.
_TOLERANCE: Final = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class Regions:
    """Voxels sorted by region, so that one pass sums all of them.

    ``numbers`` are the labels, ``order`` the places of their voxels in a volume ``(z, y, x)``, region by
    region, ``starts`` where each region begins in it, and ``counts`` how many voxels each has.

    Examples
    --------
    >>> regions = Regions.of(np.array([[[0, 7], [7, 3]]]))
    >>> regions.numbers.tolist(), regions.means(np.array([[[10, 20], [30, 40]]])).tolist()
    ([3, 7], [40.0, 25.0])
    """

    numbers: NDArray[Any]
    order: NDArray[np.intp]
    starts: NDArray[np.intp]
    counts: NDArray[np.intp]

    @classmethod
    def of(cls, labels: NDArray[Any]) -> "Regions":
        """Sort the voxels of labels ``(z, y, x)``; 0 is the background."""
        flat = labels.reshape(-1)
        inside = np.flatnonzero(flat)
        order = inside[np.argsort(flat[inside], kind="stable")]
        numbers, starts, counts = np.unique(flat[order], return_index=True, return_counts=True)
        return cls(numbers, order, starts, counts)

    def means(self, voxels: NDArray[Any]) -> NDArray[np.float64]:
        """Average voxels ``(..., z, y, x)`` over each region: ``(..., region)``.

        Integers are summed as integers, so that the mean of what is stored is rounded once, at its end.
        """
        lead = voxels.shape[:-3]
        volumes = voxels.reshape(-1, int(np.prod(voxels.shape[-3:])))
        sums = np.empty((len(volumes), self.numbers.size), _summed_as(voxels.dtype))
        for values, out in zip(volumes, sums, strict=True):
            np.add.reduceat(values.take(self.order), self.starts, dtype=sums.dtype, out=out)
        return (sums / self.counts).reshape((*lead, self.numbers.size))


def _summed_as(dtype: np.dtype[Any]) -> type[np.int64 | np.float64]:
    return np.int64 if dtype.kind in "iu" and dtype.itemsize < np.dtype(np.int64).itemsize else np.float64


def regions_of(labels_img: Any, dataset: xr.Dataset) -> Regions:
    """Read a label image that lies on the grid of a leaf's scans.

    Raises
    ------
    SelectionError
        It lies on another grid, its labels are no whole numbers, or it has none.
    """
    from decnef_data.formats.images import volume

    labels = volume(labels_img)
    _require_grid(labels, dataset)
    regions = Regions.of(_whole(labels).transpose())
    if not regions.numbers.size:
        message = f"'{labels.name}' has no label but 0, the background. Give an image of regions."
        raise SelectionError(message, asked=labels.name)
    return regions


def _whole(labels: "Volume") -> NDArray[Any]:
    whole: NDArray[Any]
    if labels.values.dtype.kind in "iub":
        return labels.values
    # Many an atlas keeps whole numbers as floats.
    whole = np.rint(np.nan_to_num(labels.values.real, posinf=0, neginf=0)).astype(np.int64)
    wrong = labels.values[whole != labels.values]
    if wrong.size:
        raise SelectionError(
            f"'{labels.name}' holds {wrong[0]:g}, which is no label: labels are whole numbers. "
            "Give the atlas itself, or resample it with interpolation='nearest'.",
            asked=labels.name,
        )
    return whole


def _require_grid(labels: "Volume", dataset: xr.Dataset) -> None:
    shape = tuple(dataset.sizes[dim] for dim in reversed(SPACE))
    affines = dataset["affine"].to_numpy().reshape(-1, 4, 4)
    if labels.values.shape != shape:
        raise _another_grid(labels, dataset, np.arange(len(affines)), "")
    apart = np.array([_apart(labels.affine, affine, shape) for affine in affines])
    off = np.flatnonzero(~(apart <= _TOLERANCE))
    if off.size:
        raise _another_grid(labels, dataset, off, f", {apart[off[0]]:.3g} mm away")


def _apart(one: NDArray[Any], other: NDArray[Any], shape: tuple[int, ...]) -> float:
    """The largest distance in millimetres that two matrices make at a corner of the grid."""
    corners = np.stack(np.meshgrid(*((0, length - 1) for length in shape), [1]), axis=-1).reshape(-1, 4)
    return float(np.linalg.norm(corners @ (one - other).T, axis=1).max())


def _another_grid(labels: "Volume", dataset: xr.Dataset, off: NDArray[np.intp], how: str) -> SelectionError:
    affines = dataset["affine"].to_numpy().reshape(-1, 4, 4)
    shape = tuple(dataset.sizes[dim] for dim in reversed(SPACE))
    subjects = np.atleast_1d(dataset["subject"].to_numpy()) if "subject" in dataset.coords else [""]
    return SelectionError(
        f"'{labels.name}' ({_grid(labels.values.shape, labels.affine)}) is not on the grid of {off.size} of "
        f"the {len(affines)} scans, first that of '{subjects[off[0]]}' "
        f"({_grid(shape, affines[off[0]])}{how}). "
        "Resample it to the scan, with interpolation='nearest', or select scans that lie on its grid.",
        asked=labels.name,
    )


def _grid(shape: tuple[int, ...], affine: NDArray[Any]) -> str:
    sizes = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
    first = ", ".join(f"{place:.6g}" for place in affine[:3, 3])
    lengths, edges = (" x ".join(f"{number:.4g}" for number in numbers) for numbers in (shape, sizes))
    return f"{lengths} voxels of {edges} mm from {first}"


def named(regions: Regions, names: Mapping[int, str] | Sequence[str] | None) -> NDArray[Any]:
    """Name the regions: as given, else by their numbers.

    Raises
    ------
    SelectionError
        A region is left without a name, or names are left over.

    Examples
    --------
    >>> named(Regions.of(np.array([[[3, 7]]])), {7: "VERM", 3: "L.CB"}).tolist()
    ['L.CB', 'VERM']
    """
    numbers = [int(number) for number in regions.numbers]
    if names is None:
        return np.array(numbers, dtype=np.int64)
    if isinstance(names, Mapping):
        absent = next((number for number in numbers if number not in names), None)
        if absent is not None:
            message = (
                f"The label {absent} of the image has no name. Name every label but 0, or give no names."
            )
            raise SelectionError(message, asked=str(absent))
        return np.array([names[number] for number in numbers], dtype=np.str_)
    if len(names) != len(numbers):
        raise SelectionError(
            f"The image has {len(numbers)} labels, and {len(names)} names are given. "
            "Give a name for each label in the order of their numbers, or a mapping from number to name.",
            asked=str(len(names)),
        )
    return np.array(list(names), dtype=np.str_)
