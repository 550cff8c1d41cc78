"""Datasets of BOLD images in memory, atlases on their grid, and the series that they must give."""

from typing import Any

import nibabel as nib
import numpy as np
import xarray as xr
from numpy.typing import NDArray

SCANS, TIMES, SPACE = 3, 60, (4, 5, 6)
AFFINE = np.array([[-3.0, 0, 0, 10], [0, 3, 0.1, -20], [0, 0, 4, -30], [0, 0, 0, 1]])
SUBJECTS = [f"sub-{number:04d}" for number in range(1, SCANS + 1)]


def voxels(scans: int = SCANS, times: int = TIMES) -> NDArray[np.int16]:
    """Voxels (scan, time, z, y, x) of noise with slow drifts."""
    rng = np.random.default_rng(1)
    drift = rng.normal(size=(scans, times, 1, 1, 1)).cumsum(axis=1) * 20
    return (rng.normal(1000, 100, (scans, times, *SPACE)) + drift).astype("i2")


def labelled(*numbers: int, seed: int = 2) -> NDArray[np.int16]:
    """Labels (z, y, x): each of the numbers in some voxels, and 0 in others."""
    return np.random.default_rng(seed).choice(np.array([0, *numbers], "i2"), SPACE)


def dataset(bold: Any, **coords: Any) -> xr.Dataset:
    """A group of scans (scan, time, z, y, x) with a repetition time each."""
    n_scans = len(bold)
    named = {
        "subject": ("scan", [f"sub-{number:04d}" for number in range(1, n_scans + 1)]),
        "session": ("scan", ["COI"] * n_scans),
        "run": ("scan", [1] * n_scans),
        "affine": (("scan", "row", "column"), np.stack([AFFINE] * n_scans)),
        "repetition_time": ("scan", np.resize([2.5, 2.0, 1.8], n_scans)),
        "volume": ("time", np.arange(bold.shape[1])),
    }
    return xr.Dataset(
        {"bold": (("scan", "time", "z", "y", "x"), bold)}, {**named, **coords}, {"synthetic": 1}
    )


def atlas(labels: NDArray[Any], affine: NDArray[Any] = AFFINE) -> nib.Nifti1Image:
    """An image of labels (z, y, x), or of maps (map, z, y, x)."""
    return nib.Nifti1Image(np.moveaxis(labels, (-1, -2, -3), (0, 1, 2)), affine, dtype=labels.dtype)


def mean_of(scan: NDArray[Any], labels: NDArray[Any], label: int) -> NDArray[np.float64]:
    """The mean series of one label in one scan (time, z, y, x)."""
    return scan[:, labels == label].mean(axis=-1, dtype=np.float64)
