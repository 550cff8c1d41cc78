"""An asymmetric head in closed form: its signal and regions at any position, so nothing is interpolated.

A head is an egg with a soft edge, one ventricle larger than the other, a gradient of signal, and three waves;
its regions are octants.  All of it is computed with operations that IEEE 754 rounds alike on every machine.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from decnef_data.phantom.poses import rotation_matrices
from decnef_data.phantom.random_stream import RandomStream

__all__ = ["AVERAGE_HEAD", "REGION_NAMES", "Head", "VoxelGrid", "draw_head"]

Volumes = NDArray[np.float64]

#: The octants, in the order of ``4 * upper + 2 * front + right``.
REGION_NAMES: Final = tuple(
    f"SYN.{level}_{part}_{side}"
    for level in ("inferior", "superior")
    for part in ("posterior", "anterior")
    for side in "LR"
)
#: What follows is in half-axes.  The head fades between the squared radii 0.8 and 1; the weight of a region
#: fades before that, and within 0.2 of its borders.  At the edge of the head, a fluctuation would look like
#: motion: with edges that overlap, a registration found 0.2 mm in a head that did not move.
_EDGE, _REGION_EDGE, _BORDER = (1.0, 0.2), (0.8, 0.2), 0.2
#: Centre, half-axes and signal of each ventricle.
_VENTRICLES: Final = (
    ((-0.2, 0.05, 0.1), (0.16, 0.32, 0.24), 0.45),
    ((0.18, 0.1, 0.08), (0.11, 0.22, 0.18), 0.4),
)
#: Periods along x, y and z, and the signal, of each wave.
_WAVES: Final = (((2.75, 1.75, 1.0), 0.14), ((-1.5, 3.25, 1.25), 0.12), ((1.0, -1.25, 3.0), 0.16))


@dataclass(frozen=True, slots=True)
class VoxelGrid:
    """The number of voxels along x, y and z, and their sizes in millimetres; its centre is the origin."""

    shape: tuple[int, int, int]
    voxel_size: tuple[float, float, float]

    @property
    def n_voxels(self) -> int:
        """Number of voxels in a volume."""
        return self.shape[0] * self.shape[1] * self.shape[2]


@dataclass(frozen=True, slots=True)
class HeadSignal:
    """What is in each voxel ``(volume, z, y, x)`` of volumes.

    ``inside`` is the share of the head, from 0 to 1; ``signal`` is about 1 in the brain; ``weight`` is the
    share of its region's fluctuation, and ``region`` the number of the region from 0.
    """

    inside: Volumes
    signal: Volumes
    weight: Volumes
    region: NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Head:
    """The head of one subject, by its half-axes in mm."""

    half_axes: tuple[float, float, float]

    def evaluate(
        self,
        grid: VoxelGrid,
        poses: NDArray[np.float64],
        contrast: float = 1.0,
        slices: slice = slice(None),
    ) -> HeadSignal:
        """Return what is in the voxels of `slices` of one volume for each of `poses` ``(volume, parameter)``.

        Examples
        --------
        >>> grid = VoxelGrid((8, 8, 6), (26.5, 26.5, 22.0))
        >>> AVERAGE_HEAD.evaluate(grid, np.zeros((1, 6))).signal.shape
        (1, 6, 8, 8)
        """
        u, v, w = self._positions(grid, poses, slices)
        wide, low = u * (1 + 0.12 * v), w + 0.1 * u
        radius = wide * wide + v * v + low * low
        inside = _fade((_EDGE[0] - radius) / _EDGE[1])
        weight = _fade((_REGION_EDGE[0] - radius) / _REGION_EDGE[1])
        for position in (u, v, w):
            weight *= _fade(abs(position) / _BORDER)
        region = 4 * (w > 0).astype(np.intp) + 2 * (v > 0) + (u > 0)
        return HeadSignal(inside, inside * (1 + contrast * _structure(u, v, w)), weight, region)

    def _positions(
        self, grid: VoxelGrid, poses: NDArray[np.float64], slices: slice
    ) -> tuple[Volumes, Volumes, Volumes]:
        """Return the positions in the head, in half-axes, that voxels hold when it has these poses."""
        rotation = rotation_matrices(poses)[..., np.newaxis, np.newaxis, np.newaxis]
        right, front, up = map(_centred, grid.shape, grid.voxel_size)
        trans_x, trans_y, trans_z = poses.T[:3, :, np.newaxis, np.newaxis, np.newaxis]
        x, y, z = (
            right - trans_x,
            front[:, np.newaxis] - trans_y,
            up[slices, np.newaxis, np.newaxis] - trans_z,
        )
        u, v, w = (
            rotation[:, 0, axis] / half * x
            + rotation[:, 1, axis] / half * y
            + rotation[:, 2, axis] / half * z
            for axis, half in enumerate(self.half_axes)
        )
        return u, v, w


#: Half its width, length and height: the smallest field of view holds it.
AVERAGE_HEAD: Final = Head((68.0, 84.0, 54.0))


def draw_head(subject: str) -> Head:
    """Draw the head of a subject: each half-axis differs by up to 4 % from the average.

    Examples
    --------
    >>> draw_head("sub-0001") == draw_head("sub-0001") != draw_head("sub-0002")
    True
    """
    rng = RandomStream(f"head of {subject}")
    x, y, z = (half * (rng.normal_between(960, 1040) / 1000) for half in AVERAGE_HEAD.half_axes)
    return Head((x, y, z))


def _centred(length: int, size: float) -> NDArray[np.float64]:
    voxels = np.arange(length, dtype=np.float64)
    return (voxels - (length - 1) / 2) * size


def _structure(u: Volumes, v: Volumes, w: Volumes) -> Volumes:
    """Return the signal of the structures within the head, about 0 in the mean."""
    signal = 0.12 * v - 0.08 * w + 0.05 * u
    for centre, half_axes, size in _VENTRICLES:
        x, y, z = (
            (position - middle) / half
            for position, middle, half in zip((u, v, w), centre, half_axes, strict=True)
        )
        depth = np.maximum(1 - (x * x + y * y + z * z), 0)
        signal += size * depth * depth
    for (x_periods, y_periods, z_periods), size in _WAVES:
        phase = x_periods * u + y_periods * v + z_periods * w
        phase -= np.rint(phase)  # the parabolas of a period are nearly a sine
        signal += 8 * size * phase * (1 - 2 * abs(phase))
    return signal


def _fade(share: Volumes) -> Volumes:
    """Return 0 for a share of 0 or less, 1 for one of 1 or more, and values without a kink between them."""
    clipped = np.minimum(np.maximum(share, 0), 1)
    faded: Volumes = clipped * clipped * (3 - 2 * clipped)
    return faded
