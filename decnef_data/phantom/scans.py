"""Synthetic images in NIfTI-1: heads that move and fluctuate, with the noise of a scanner.

Everything is computed from integers and with operations that IEEE 754 rounds alike, so that every machine
writes the same bytes.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from decnef_data.phantom.head import VoxelGrid, draw_head
from decnef_data.phantom.poses import PARAMETERS, draw_poses
from decnef_data.phantom.random_stream import NORMAL_SD, RandomStream
from decnef_data.phantom.region_signals import RunOrigin, draw_series

__all__ = [
    "BOLD_SD",
    "NOISE_DECAY",
    "Run",
    "Scanner",
    "VoxelGrid",
    "build_header",
    "draw_bold",
    "draw_t1w",
    "draw_volumes",
]

#: The description in every header.
_DESCRIPTION: Final = b"SYNTHETIC, drawn by a program (decnef-data)"
#: The standard deviation of a region's fluctuation, as a share of the local mean.
BOLD_SD: Final = 0.012
#: The share of the noise that is left a volume later.
NOISE_DECAY: Final = 0.5
#: The contrast of T1 images, whose ventricles are dark, and the ratio of their signal to their noise.
_T1_CONTRAST, _T1_SNR = -0.9, 40.0
#: So many voxels are computed at a time: they stay in the cache of a processor.
_BLOCK_VOXELS: Final = 2**14


@dataclass(frozen=True, slots=True)
class Scanner:
    """What a scanner adds: the signal of the brain, the contrast within it, and signal to noise over time."""

    gain: int
    contrast: float
    tsnr: float


@dataclass(frozen=True, slots=True)
class Run:
    """One rest run: whose it is, how it was measured, and by how much the head moves, in mm."""

    origin: RunOrigin
    grid: VoxelGrid
    n_volumes: int
    scanner: Scanner
    mean_fd: float
    session: str = ""
    number: int = 1

    @property
    def poses(self) -> NDArray[np.float64]:
        """The pose of the head in each volume ``(volume, parameter)``."""
        return draw_poses(self.origin.name, self.n_volumes, self.mean_fd)


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


def draw_volumes(run: Run) -> Iterator[NDArray[np.int16]]:
    """Draw the volumes ``(z, y, x)`` of a run; a run of the same name, grid and length is the same."""
    poses, series = run.poses, draw_series(run.origin, run.n_volumes)
    start = 0
    for volumes in _draw_noise(run):
        block = slice(start, start + len(volumes))
        for slices in _blocks_of_slices(run.grid):
            _add_head(volumes, run, poses[block], series[:, block], slices)
        start = block.stop
        yield from np.clip(np.rint(volumes), 0, 32767).astype("<i2")


def _add_head(
    volumes: NDArray[np.float64],
    run: Run,
    poses: NDArray[np.float64],
    series: NDArray[np.float64],
    slices: slice,
) -> None:
    """Turn noise with a standard deviation of 1 into volumes, in place and in some slices."""
    head = draw_head(run.origin.subject).evaluate(run.grid, poses, run.scanner.contrast, slices)
    volume = np.arange(len(poses)).reshape(-1, 1, 1, 1)
    fluctuation = 1 + BOLD_SD * head.weight * series[head.region, volume]
    noise = head.inside * volumes[:, slices] / run.scanner.tsnr
    volumes[:, slices] = run.scanner.gain * (head.signal * fluctuation + noise)


def _draw_noise(run: Run) -> Iterator[NDArray[np.float64]]:
    """Draw noise with a standard deviation of 1 in each voxel, of several volumes at a time if small."""
    rng = RandomStream(f"noise of {run.origin.name}")
    step = max(_BLOCK_VOXELS // run.grid.n_voxels, 1)
    new_share = sqrt(1 - NOISE_DECAY * NOISE_DECAY)
    last: NDArray[np.float64] | None = None
    for start in range(0, run.n_volumes, step):
        count = min(step, run.n_volumes - start)
        drawn = rng.normal_integers(count * run.grid.n_voxels) / NORMAL_SD
        noise = drawn.reshape(count, *run.grid.shape[::-1])
        for number, new in enumerate(noise):
            if last is not None:
                noise[number] = new * new_share + last * NOISE_DECAY
            last = noise[number].copy()  # the caller turns the noise into volumes
        yield noise


def _blocks_of_slices(grid: VoxelGrid) -> Iterator[slice]:
    step = max(_BLOCK_VOXELS // (grid.shape[0] * grid.shape[1]), 1)
    return (slice(start, start + step) for start in range(0, grid.shape[2], step))


def draw_bold(run: Run, repetition_time: float) -> bytes:
    """Draw a run as one file."""
    voxels: bytes = np.stack(list(draw_volumes(run))).tobytes()
    return build_header(run.grid, n_volumes=run.n_volumes, repetition_time=repetition_time) + voxels


def draw_t1w(name: str, subject: str, grid: VoxelGrid, gain: int) -> bytes:
    """Draw a defaced T1 image: the front is blank."""
    rng, head = RandomStream(f"t1w of {name}"), draw_head(subject)
    still = np.zeros((1, len(PARAMETERS)))
    image = np.empty(grid.shape[::-1], "<i2")
    for slices in _blocks_of_slices(grid):
        found = head.evaluate(grid, still, _T1_CONTRAST, slices)
        noise = rng.normal_integers(found.signal.size).reshape(found.signal.shape) / NORMAL_SD / _T1_SNR
        image[slices] = np.clip(np.rint(gain * (found.signal + found.inside * noise)), 0, 32767)[0]
    image[: grid.shape[2] // 3, -grid.shape[1] // 4 :] = 0
    voxels: bytes = image.tobytes()
    return build_header(grid) + voxels
