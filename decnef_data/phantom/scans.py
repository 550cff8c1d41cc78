"""Synthetic images in NIfTI-1: a head-like shape, a site's contrast, regions, noise that lingers, motion.

Made by integers alone, as everything of the phantom, so that every machine makes the same bytes.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from decnef_data.phantom.draws import Draws

__all__ = ["Grid", "bold", "header", "t1w", "volumes"]

#: What every header says of its file.
_MARK: Final = b"SYNTHETIC, drawn by a program (decnef-data)"
#: Regions are octants: each varies as a whole, and with its mirror image.
_REGIONS: Final = 8
#: How far from the middle brain and skull end, of 1024 where the volume does.
_BRAIN, _SKULL = 600, 760
_MEMORY: Final = 2  # a quarter of what moved a region is forgotten from volume to volume


@dataclass(frozen=True, slots=True)
class Grid:
    """So many voxels along x, y and z, of these sizes in millimetres."""

    shape: tuple[int, int, int]
    size: tuple[float, float, float]

    @property
    def voxels(self) -> int:
        """How many voxels a volume has."""
        return self.shape[0] * self.shape[1] * self.shape[2]


def header(grid: Grid, *, volumes: int = 0, repetition_time: float = 0.0) -> bytes:
    """Write the 352 bytes before the voxels: of one volume, or with `volumes` of a run.

    Examples
    --------
    >>> len(header(Grid((4, 4, 4), (3.0, 3.0, 4.0))))
    352
    """
    made = bytearray(352)
    dims = (4, *grid.shape, volumes) if volumes else (3, *grid.shape, 1)
    struct.pack_into("<i", made, 0, 348)
    struct.pack_into("<8h", made, 40, *dims, 1, 1, 1)
    struct.pack_into("<2h", made, 70, 4, 16)  # signed 16 bits
    struct.pack_into("<8f", made, 76, 1.0, *grid.size, repetition_time, 0, 0, 0)
    struct.pack_into("<3f", made, 108, 352.0, 1.0, 0.0)
    made[123] = 10 if volumes else 2  # millimetres, and seconds
    made[148 : 148 + len(_MARK)] = _MARK
    struct.pack_into("<2h", made, 252, 0, 1)
    for row, (length, size) in enumerate(zip(grid.shape, grid.size, strict=True)):
        line = [0.0, 0.0, 0.0, -size * (length - 1) / 2]
        line[row] = size
        struct.pack_into("<4f", made, 280 + 16 * row, *line)
    made[344:348] = b"n+1\0"
    return bytes(made)


@lru_cache(maxsize=64)
def _head(shape: tuple[int, int, int]) -> NDArray[np.int32]:
    """How much of the signal each voxel ``(z, y, x)`` has, of 256: most inside, none outside."""
    far: NDArray[np.int32] = np.zeros(shape[::-1], np.int32)
    for axis, length in enumerate(shape[::-1]):
        place = (2 * np.arange(length, dtype=np.int32) + 1 - length) * 1024 // length
        lined = [1, 1, 1]
        lined[axis] = length
        far = far + (place * place).reshape(lined) // 1024
    inside = np.where(far < _BRAIN, 256 - far // 8, np.where(far < _SKULL, 96, 0))
    return inside.astype(np.int32)


@lru_cache(maxsize=64)
def _octants(shape: tuple[int, int, int]) -> NDArray[np.intp]:
    z, y, x = (np.arange(length) * 2 // length for length in shape[::-1])
    return (z[:, None, None] * 4 + y[:, None] * 2 + x).astype(np.intp)


def volumes(name: str, grid: Grid, count: int, *, gain: int, moved: int = 0) -> Iterator[NDArray[np.int16]]:
    """Draw the volumes ``(z, y, x)`` of a run.

    Parameters
    ----------
    name
        Whose run it is: the same name, the same run.
    grid
        Its voxels.
    count
        How many volumes.
    gain
        The site's contrast: the signal of the brightest voxel.
    moved
        The head lies one voxel further along y in every volume whose number this divides; 0 is never.
    """
    draws = Draws(f"bold of {name}")
    head, octants = _head(grid.shape), _octants(grid.shape)
    signal = np.zeros(_REGIONS, np.int32)
    noise = np.zeros(octants.shape, np.int32)
    for number in range(count):
        drawn = draws.bells(_REGIONS, shift=9)
        signal = signal - (signal >> _MEMORY) + drawn + drawn[::-1]
        noise = (noise >> 1) + draws.bells(grid.voxels, shift=11).reshape(octants.shape)
        volume = (head * (gain + signal[octants] + noise)) >> 8
        if moved and number and number % moved == 0:
            volume = np.roll(volume, 1, axis=1)
        yield np.clip(volume, 0, 32767).astype("<i2")


def bold(name: str, grid: Grid, count: int, gain: int, repetition_time: float) -> bytes:
    """Draw a whole run as one file."""
    drawn = volumes(name, grid, count, gain=gain)
    voxels: bytes = np.stack(list(drawn)).tobytes()
    return header(grid, volumes=count, repetition_time=repetition_time) + voxels


def t1w(name: str, grid: Grid, gain: int) -> bytes:
    """Draw a T1 image without a face: the front is blank."""
    draws = Draws(f"t1w of {name}")
    head = _head(grid.shape)
    noise = draws.bells(grid.voxels, shift=11).reshape(head.shape)
    image = (head * (gain + noise)) >> 8
    image[: grid.shape[2] // 3, -grid.shape[1] // 4 :] = 0
    voxels: bytes = np.clip(image, 0, 32767).astype("<i2").tobytes()
    return header(grid) + voxels
