"""The affine and the repetition time of a selection, from the numbers of its voxels and volumes."""

from typing import Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from decnef_data.errors import SelectionError

__all__ = ["SPATIAL_DIMS", "selected_affines", "selected_repetition_time", "selected_repetition_times"]

SPATIAL_DIMS: Final = ("z", "y", "x")
_MAX_LISTED: Final = 5


def selected_affines(dataset: xr.Dataset) -> NDArray[np.float64]:
    """Return the affines ``(..., 4, 4)`` from positions in the arrays of a dataset to millimetres.

    The coordinate ``affine`` maps the voxel indices in ``x``, ``y`` and ``z`` to millimetres; where these are
    not coordinates, the volumes are taken to be complete.

    Raises
    ------
    SelectionError
        No voxels are selected along a dimension, or they are not equidistant.

    Examples
    --------
    >>> coords = {"affine": (("row", "column"), np.eye(4)), "x": [7, 5, 3]}
    >>> scan = xr.Dataset({"t1w": (("z", "y", "x"), np.zeros((1, 1, 3)))}, coords)
    >>> selected_affines(scan)[0].tolist()
    [-2.0, 0.0, 0.0, 7.0]
    """
    moves = np.eye(4)
    for axis, dim in enumerate(reversed(SPATIAL_DIMS)):
        moves[axis, 3], moves[axis, axis] = _first_and_step(dataset, dim)
    affines = dataset["affine"].transpose(..., "row", "column", missing_dims="ignore").to_numpy()
    moved: NDArray[np.float64] = affines @ moves
    return moved


def _first_and_step(dataset: xr.Dataset, dim: str) -> tuple[float, float]:
    if not dataset.sizes[dim]:
        message = f"No voxels are selected along '{dim}'. Select at least one, such as isel({dim}=[0])."
        raise SelectionError(message, requested=dim)
    numbers = _numbers_along(dataset, dim, dim)
    if numbers is None:
        return 0.0, 1.0
    step = _constant_step(numbers)
    if not step:
        raise SelectionError(
            f"The voxels along '{dim}' are not equidistant: their numbers are {_format_numbers(numbers)}. "
            f"Select them with a slice, such as isel({dim}=slice(0, None, 2)).",
            requested=dim,
        )
    return float(numbers[0]), step


def selected_repetition_time(scan: xr.Dataset) -> float:
    """Return the seconds from one volume of a scan to the next selected one, NaN if they are unknown.

    Where ``volume`` is not a coordinate, the run is taken to be complete; a single volume has the repetition
    time of its run.

    Raises
    ------
    SelectionError
        The volumes are not equidistant, or their order is reversed.

    Examples
    --------
    >>> scan = xr.Dataset(coords={"repetition_time": 2.5, "volume": ("time", [4, 6, 8])})
    >>> selected_repetition_time(scan)
    5.0
    """
    numbers = _numbers_along(scan, "volume", "time")
    step = 1.0 if numbers is None else _constant_step(numbers)
    if numbers is not None and step <= 0:
        raise SelectionError(
            "The volumes do not follow each other at one interval: their numbers are "
            f"{_format_numbers(numbers)}. Select consecutive ones with a slice, such as "
            "isel(time=slice(0, 10)), or remove the numbers with drop_vars('volume').",
            requested="time",
        )
    return float(scan["repetition_time"]) * step if "repetition_time" in scan.variables else float("nan")


def selected_repetition_times(dataset: xr.Dataset) -> xr.Variable:
    """Return the seconds between the selected volumes of each scan, NaN where they are not equidistant.

    Examples
    --------
    >>> coords = {"repetition_time": ("scan", [2.5, 2.0]), "volume": ("time", [4, 6, 8])}
    >>> selected_repetition_times(xr.Dataset(coords=coords)).to_numpy().tolist()
    [5.0, 4.0]
    """
    times, coord = dataset["repetition_time"].variable, dataset.coords.get("volume")
    if coord is None or "time" not in coord.dims or coord.dtype.kind not in "iuf":
        return times
    volume = coord.variable.transpose(..., "time")
    rows = volume.to_numpy().reshape(-1, volume.sizes["time"])
    # A step of zero stands for volumes that are not equidistant, a negative one for a reversed run.
    steps = np.array([_constant_step(row) for row in rows]).reshape(volume.shape[:-1])
    selected: xr.Variable = times * xr.Variable(volume.dims[:-1], np.where(steps > 0, steps, np.nan))
    selected.attrs = dict(times.attrs)
    return selected


def _numbers_along(dataset: xr.Dataset, name: str, dim: str) -> NDArray[Any] | None:
    """Return the values of a numeric coordinate along a dimension, ``None`` if there is none."""
    coord = dataset.coords.get(name)
    if coord is None or coord.dims != (dim,) or coord.dtype.kind not in "iuf":
        return None
    numbers: NDArray[Any] = coord.to_numpy()
    return numbers


def _constant_step(numbers: NDArray[Any]) -> float:
    """Return the difference of successive numbers, 1 for a single number, or 0 if it is not constant."""
    # Differences of unsigned numbers are never negative, and large integers are not exact as floats.
    steps = np.diff(numbers.astype(np.float64 if numbers.dtype.kind == "f" else np.int64))
    if not steps.size:
        return 1.0
    return float(steps[0]) if np.allclose(steps, steps[0], rtol=1e-6, atol=0) else 0.0


def _format_numbers(numbers: NDArray[Any]) -> str:
    shown = map(str, numbers[:_MAX_LISTED].tolist())
    return ", ".join([*shown, *(["…"] if numbers.size > _MAX_LISTED else [])])
