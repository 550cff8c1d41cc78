"""Synthetic images in NIfTI-1: a head-like shape, contrast by site, regions, autocorrelated noise, motion.

Computed from integers only, like everything in the phantoms, so that every machine writes the same bytes.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from decnef_data.phantom.random_stream import RandomStream

__all__ = ["VoxelGrid", "build_header", "draw_bold", "draw_t1w", "draw_volumes"]

#: The description in every header.
_DESCRIPTION: Final = b"SYNTHETIC, drawn by a program (decnef-data)"
#: Regions are octants; the voxels of each vary together, and with those of its mirror image.
_N_REGIONS: Final = 8
#: Squared radii of brain and skull, where the edge of the volume is at 1024.
_BRAIN_RADIUS, _SKULL_RADIUS = 600, 760
_DECAY_SHIFT: Final = 2  # a region's signal decays by a quarter from volume to volume


@dataclass(frozen=True, slots=True)
class VoxelGrid:
    """The number of voxels along x, y and z, and their sizes in millimetres."""

    shape: tuple[int, int, int]
    voxel_size: tuple[float, float, float]

    @property
    def n_voxels(self) -> int:
        """Number of voxels in a volume."""
        return self.shape[0] * self.shape[1] * self.shape[2]


def build_header(grid: VoxelGrid, *, n_volumes: int = 0, repetition_time: float = 0.0) -> bytes:
    """Build the 352 bytes before the voxels: of one volume, or of a run of `n_volumes`.

    Examples
    --------
    >>> len(build_header(VoxelGrid((4, 4, 4), (3.0, 3.0, 4.0))))
    352
    """
    buffer = bytearray(352)
    dims = (4, *grid.shape, n_volumes) if n_volumes else (3, *grid.shape, 1)
    struct.pack_into("<i", buffer, 0, 348)
    struct.pack_into("<8h", buffer, 40, *dims, 1, 1, 1)
    struct.pack_into("<2h", buffer, 70, 4, 16)  # signed 16 bits
    struct.pack_into("<8f", buffer, 76, 1.0, *grid.voxel_size, repetition_time, 0, 0, 0)
    struct.pack_into("<3f", buffer, 108, 352.0, 1.0, 0.0)
    buffer[123] = 10 if n_volumes else 2  # millimetres, and seconds for a run
    buffer[148 : 148 + len(_DESCRIPTION)] = _DESCRIPTION
    struct.pack_into("<2h", buffer, 252, 0, 1)
    for row, (length, size) in enumerate(zip(grid.shape, grid.voxel_size, strict=True)):
        line = [0.0, 0.0, 0.0, -size * (length - 1) / 2]
        line[row] = size
        struct.pack_into("<4f", buffer, 280 + 16 * row, *line)
    buffer[344:348] = b"n+1\0"
    return bytes(buffer)


@lru_cache(maxsize=64)
def _head_intensity(shape: tuple[int, int, int]) -> NDArray[np.int32]:
    """Return the share of the signal in each voxel ``(z, y, x)``, of 256: highest inside, 0 outside."""
    distance: NDArray[np.int32] = np.zeros(shape[::-1], np.int32)
    for axis, length in enumerate(shape[::-1]):
        position = (2 * np.arange(length, dtype=np.int32) + 1 - length) * 1024 // length
        broadcast_shape = [1, 1, 1]
        broadcast_shape[axis] = length
        distance = distance + (position * position).reshape(broadcast_shape) // 1024
    inside = np.where(
        distance < _BRAIN_RADIUS, 256 - distance // 8, np.where(distance < _SKULL_RADIUS, 96, 0)
    )
    return inside.astype(np.int32)


@lru_cache(maxsize=64)
def _octant_labels(shape: tuple[int, int, int]) -> NDArray[np.intp]:
    z, y, x = (np.arange(length) * 2 // length for length in shape[::-1])
    return (z[:, None, None] * 4 + y[:, None] * 2 + x).astype(np.intp)


def draw_volumes(
    name: str, grid: VoxelGrid, n_volumes: int, *, gain: int, motion_interval: int = 0
) -> Iterator[NDArray[np.int16]]:
    """Draw the volumes ``(z, y, x)`` of a run.

    Parameters
    ----------
    name
        The name of the run; the same name gives the same run.
    grid
        Its voxel grid.
    n_volumes
        Number of volumes.
    gain
        The site's contrast: the signal of the brightest voxel.
    motion_interval
        The head is moved one voxel along y in every volume whose number is a multiple of this; 0 is never.
    """
    rng = RandomStream(f"bold of {name}")
    head, octants = _head_intensity(grid.shape), _octant_labels(grid.shape)
    signal = np.zeros(_N_REGIONS, np.int32)
    noise = np.zeros(octants.shape, np.int32)
    for number in range(n_volumes):
        increments = rng.normal_integers(_N_REGIONS, shift=9)
        signal = signal - (signal >> _DECAY_SHIFT) + increments + increments[::-1]
        noise = (noise >> 1) + rng.normal_integers(grid.n_voxels, shift=11).reshape(octants.shape)
        volume = (head * (gain + signal[octants] + noise)) >> 8
        if motion_interval and number and number % motion_interval == 0:
            volume = np.roll(volume, 1, axis=1)
        yield np.clip(volume, 0, 32767).astype("<i2")


def draw_bold(name: str, grid: VoxelGrid, n_volumes: int, gain: int, repetition_time: float) -> bytes:
    """Draw a run as one file."""
    volumes = draw_volumes(name, grid, n_volumes, gain=gain)
    voxels: bytes = np.stack(list(volumes)).tobytes()
    return build_header(grid, n_volumes=n_volumes, repetition_time=repetition_time) + voxels


def draw_t1w(name: str, grid: VoxelGrid, gain: int) -> bytes:
    """Draw a defaced T1 image: the front is blank."""
    rng = RandomStream(f"t1w of {name}")
    head = _head_intensity(grid.shape)
    noise = rng.normal_integers(grid.n_voxels, shift=11).reshape(head.shape)
    image = (head * (gain + noise)) >> 8
    image[: grid.shape[2] // 3, -grid.shape[1] // 4 :] = 0
    voxels: bytes = np.clip(image, 0, 32767).astype("<i2").tobytes()
    return build_header(grid) + voxels
