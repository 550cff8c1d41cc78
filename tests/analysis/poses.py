"""Runs with planted head motion, and framewise displacement computed by hand."""

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from decnef_data.analysis.registration import (
    rotation_angles,
    rotation_matrix,
)
from decnef_data.phantom.head import VoxelGrid
from decnef_data.phantom.region_signals import RunOrigin
from decnef_data.phantom.scans import Run, Scanner, draw_volumes

SIEMENS = VoxelGrid((64, 64, 40), (3.3125, 3.3125, 4.0))
GE = VoxelGrid((64, 64, 35), (3.75, 3.75, 4.0))
FINE = VoxelGrid((72, 72, 44), (3.0, 3.0, 3.0))
KTT = VoxelGrid((64, 48, 30), (4.0, 4.0, 5.0))
THICK = VoxelGrid((64, 64, 32), (3.3125, 3.3125, 5.0))
SMALL = VoxelGrid((40, 48, 30), (4.4, 4.4, 5.0))
NO_TILT = np.eye(3)


def run_of(name: str, grid: VoxelGrid = SMALL, tsnr: float = 70.0, **changed: Any) -> Run:
    asked = {"n_volumes": 12, "mean_fd": 0.2, **changed}
    return Run(RunOrigin(name, "sub-0007", "SWA", "HC"), grid, scanner=Scanner(2000, 1.0, tsnr), **asked)


def volumes_of(run: Run) -> NDArray[np.int16]:
    return np.stack(list(draw_volumes(run)))


def affine_of(grid: VoxelGrid, tilt: NDArray[np.float64] = NO_TILT) -> NDArray[np.float64]:
    """The affine by which the centre of the grid is the origin."""
    affine = np.eye(4)
    affine[:3, :3] = tilt @ np.diag(grid.voxel_size)
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(grid.shape) - 1) / 2)
    return affine


def leaf_of(volumes: NDArray[Any], affine: NDArray[np.float64], **coords: Any) -> xr.Dataset:
    """One scan, or several of one grid."""
    stacked = volumes if volumes.ndim == 5 else volumes[np.newaxis]
    named = {
        "subject": ("scan", [f"sub-{number:04d}" for number in range(1, len(stacked) + 1)]),
        "affine": (("scan", "row", "column"), np.broadcast_to(affine, (len(stacked), 4, 4))),
        "repetition_time": ("scan", [2.5] * len(stacked)),
    }
    return xr.Dataset({"bold": (("scan", "time", "z", "y", "x"), stacked)}, {**named, **coords})


def planted_poses(
    run: Run, centre: NDArray[np.float64], tilt: NDArray[np.float64] = NO_TILT
) -> NDArray[np.float64]:
    """The planted poses about another centre than the origin, in the axes of a tilted scanner."""
    poses = np.empty_like(run.poses)
    for number, pose in enumerate(run.poses):
        rotation = tilt @ rotation_matrix(pose[3:]) @ tilt.T
        poses[number, :3] = tilt @ pose[:3] + rotation @ centre - centre
        poses[number, 3:] = rotation_angles(rotation)
    return poses


def fd_by_hand(poses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Without the first volume."""
    return np.abs(np.diff(poses, axis=0)) @ [1, 1, 1, 50, 50, 50]


def shade(volumes: NDArray[Any]) -> NDArray[np.int16]:
    """The sensitivity of a coil that does not move with the head, and a first volume that is saturated."""
    ramp = [np.linspace(-1, 1, length) for length in volumes.shape[1:]]
    field = 1 + 0.25 * ramp[2] + 0.15 * ramp[1][:, np.newaxis] - 0.1 * ramp[0][:, np.newaxis, np.newaxis]
    shaded = volumes * field
    shaded[0] = 1.4 * 2000**0.1 * shaded[0] ** 0.9
    return np.rint(shaded).astype("i2")


TILT = rotation_matrix(np.array([0.35, 0.0, 0.0]))
KINDS: dict[str, tuple[Run, dict[str, Any]]] = {
    "siemens": (run_of("planted siemens", SIEMENS, mean_fd=0.2), {}),
    "ge, low": (run_of("planted ge", GE, 100.0, mean_fd=0.1), {}),
    "fine, high, noisy": (run_of("planted fine", FINE, 35.0, mean_fd=0.52), {}),
    "ktt": (run_of("planted ktt", KTT, mean_fd=0.2), {}),
    "thick": (run_of("planted thick", THICK, mean_fd=0.2), {}),
    "still": (run_of("planted still", SIEMENS, mean_fd=0.015), {}),
    "coil": (run_of("planted coil", SIEMENS, mean_fd=0.21), {"change": shade}),
    "tilted": (run_of("planted tilted", SIEMENS, mean_fd=0.22), {"tilt": TILT}),
}
