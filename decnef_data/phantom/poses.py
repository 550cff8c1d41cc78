"""Known head motion: the pose of the head in every volume of a run, and its framewise displacement.

A pose is three translations in mm and three rotations in radians against the volume in the middle of the run
(index ``n // 2``), in world coordinates (RAS+).  A point `y` of the head is at ``R y + t``, where `R` is
``Rx(rot_x) Ry(rot_y) Rz(rot_z)`` and the centre of rotation is the origin, the centre of the volume.

All of it is computed with additions, multiplications, divisions and square roots, which IEEE 754 rounds alike
on every machine; the sine of a mathematical library is not.
"""

from math import fsum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from decnef_data.phantom.random_stream import NORMAL_SD, RandomStream

__all__ = ["PARAMETERS", "RADIUS", "draw_poses", "framewise_displacement", "rotation_matrices"]

PARAMETERS: Final = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
#: Of the sphere on which a rotation counts as a displacement, in mm (Power et al., NeuroImage 2012;59:2142).
RADIUS: Final = 50.0
#: The share of each parameter in the motion; heads nod and sink more than they turn.
_SHARES: Final = np.array([0.5, 0.7, 1.0, 0.8 / RADIUS, 0.4 / RADIUS, 0.5 / RADIUS])
#: The share of a pose that is left a volume later, and one volume in so many has a jerk, with so much motion.
_DRIFT_DECAY, _JERK_INTERVAL, _JERK_FACTOR = 0.95, 16, 5.0


def draw_poses(name: str, n_volumes: int, mean_fd: float) -> NDArray[np.float64]:
    """Draw the poses ``(volume, parameter)`` of a run with a mean framewise displacement of `mean_fd` mm.

    Examples
    --------
    >>> poses = draw_poses("one", 20, 0.2)
    >>> round(float(framewise_displacement(poses)[1:].mean()), 9), poses[10].tolist()
    (0.2, [0.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    """
    rng = RandomStream(f"motion of {name}")
    steps = rng.normal_integers(n_volumes * len(PARAMETERS)).reshape(n_volumes, -1) / NORMAL_SD * _SHARES
    jerks = rng.raw_words(n_volumes) % np.uint64(_JERK_INTERVAL) == 0
    steps[jerks] *= _JERK_FACTOR
    poses = np.zeros_like(steps)
    for number in range(1, n_volumes):
        poses[number] = poses[number - 1] * _DRIFT_DECAY + steps[number]
    poses -= poses[n_volumes // 2].copy()
    total = fsum(framewise_displacement(poses)[1:].tolist())
    scaled: NDArray[np.float64] = poses * (mean_fd * (n_volumes - 1) / total)
    return scaled


def framewise_displacement(poses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the displacement ``(volume)`` in mm from the volume before; the first is NaN.

    Examples
    --------
    >>> framewise_displacement(np.array([[0.0, 0, 0, 0, 0, 0], [0.1, 0, -0.1, 0.002, 0, 0]])).tolist()
    [nan, 0.30000000000000004]
    """
    steps = abs(poses[1:] - poses[:-1])
    moved, turned = steps[:, 0] + steps[:, 1] + steps[:, 2], steps[:, 3] + steps[:, 4] + steps[:, 5]
    return np.concatenate([[np.nan], moved + RADIUS * turned])


def rotation_matrices(poses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the matrices ``(volume, row, column)`` of the rotations of poses.

    Examples
    --------
    >>> rotation_matrices(np.zeros((1, 6)))[0].tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    (sin_x, sin_y, sin_z), (cos_x, cos_y, cos_z) = (
        [function(poses[:, column]) for column in (3, 4, 5)] for function in (_sin, _cos)
    )
    rows = (
        (cos_y * cos_z, -cos_y * sin_z, sin_y),
        (cos_x * sin_z + sin_x * sin_y * cos_z, cos_x * cos_z - sin_x * sin_y * sin_z, -sin_x * cos_y),
        (sin_x * sin_z - cos_x * sin_y * cos_z, sin_x * cos_z + cos_x * sin_y * sin_z, cos_x * cos_y),
    )
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2) + 0.0


def _sin(angle: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sine, to the last digits up to a fifth of a radian, which no head here reaches."""
    square = angle * angle
    series = 1 - square / 72 * (1 - square / 110)
    return angle * (1 - square / 6 * (1 - square / 20 * (1 - square / 42 * series)))


def _cos(angle: NDArray[np.float64]) -> NDArray[np.float64]:
    square = angle * angle
    series = 1 - square / 56 * (1 - square / 90 * (1 - square / 132))
    return 1 - square / 2 * (1 - square / 12 * (1 - square / 30 * series))
