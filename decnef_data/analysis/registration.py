"""Rigid registration of the volumes of a run to one of them: Gauss-Newton with robust weights.

A pose is three translations in mm and three rotations in radians, in world coordinates: a point `y` of the
reference is at ``x = R (y - c) + c + t`` in the other volume, where ``R = Rx(rot_x) Ry(rot_y) Rz(rot_z)``,
``t`` is the translation, and ``c`` is the centre of rotation.

Volumes are smoothed and interpolated by cubic splines.  The derivatives are those of the reference, so that
the model is the same for all volumes (Baker and Matthews, Int J Comput Vis 2004;56:221, "inverse
compositional"); the signal of the reference is a column of the model, so that its scale is free.  A change
of what is returned has to increase ``METHOD_VERSION`` in :mod:`decnef_data.motion_results`, by which results
are kept.
"""

from dataclasses import dataclass
from functools import cached_property
from math import log, sqrt
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = [
    "MIN_VOXELS",
    "PARAMETERS",
    "SMOOTHING_FWHM",
    "NotRegisteredError",
    "Reference",
    "compute_displacement",
    "rotation_matrix",
]

Floats = NDArray[np.float64]
_Volume = NDArray[np.float32]

PARAMETERS: Final = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
_N_PARAMETERS: Final = len(PARAMETERS)
#: Full width at half maximum of the Gaussian that smooths volumes, in mm.
SMOOTHING_FWHM: Final = 5.0
#: Fewest voxels along an axis: fewer, most of which are near a border, do not show where a head is.
MIN_VOXELS: Final = 16
#: The head is where the signal exceeds this share of the mean of the voxels that exceed an eighth of the
#: mean of all (SPM's definition of the global mean).
_HEAD_SHARE, _GLOBAL_SHARE = 0.5, 8
#: So many voxels around the head are used too: its edge is where motion is seen.
_MARGIN: Final = 2
#: Half the distance, in voxels, over which the reference is differentiated.
_STEP: Final = 0.05
#: Of a normal distribution, over its median absolute deviation.
_MAD_TO_SD: Final = 1.4826
#: What a parameter of a step counts in mm, at a distance of 50 mm.
_STEP_WEIGHTS: Final = np.array([1.0, 1.0, 1.0, 50.0, 50.0, 50.0])
_MAX_ITERATIONS: Final = 40
#: Gaussians end at so many standard deviations.
_TRUNCATE: Final = 3.0
_ROUNDING: Final = 1e-6
#: A volume that shows a smaller share of the head cannot be registered.
_MIN_INSIDE: Final = 0.3
#: The halves of the voxels are the fields of a chessboard, with edges of so many mm.  The noise of smaller
#: ones, which smoothing mixes, would not be independent.
_BLOCK: Final = 12.0
#: The first iterations use one point in so many.
_COARSE_STRIDE: Final = 7


class NotRegisteredError(Exception):
    """A volume cannot be registered; the text continues the sentence "volume 3 …"."""


def compute_displacement(poses: Floats, radius: float) -> Floats:
    """Return the framewise displacement ``(volume)`` in mm of poses ``(volume, parameter)``, the first NaN.

    The sum of the absolute differences to the volume before, rotations as arcs on a sphere of `radius` mm
    (Power et al., NeuroImage 2012;59:2142).

    Examples
    --------
    >>> poses = np.array([[0.0, 0, 0, 0, 0, 0], [0.25, 0, -0.25, 0.01, 0, 0]])
    >>> compute_displacement(poses, 50.0).tolist()
    [nan, 1.0]
    """
    steps = np.abs(np.diff(poses, axis=0))
    moved = steps[:, :3].sum(axis=1) + radius * steps[:, 3:].sum(axis=1)
    return np.concatenate([[np.nan], moved])


def rotation_matrix(angles: Floats) -> Floats:
    """Return ``Rx Ry Rz`` for three angles in radians.

    Examples
    --------
    >>> (rotation_matrix(np.array([0.0, 0.0, np.pi / 2])).round(9) + 0.0).tolist()
    [[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    """
    (sx, sy, sz), (cx, cy, cz) = np.sin(angles), np.cos(angles)
    return np.array(
        [
            [cy * cz, -cy * sz, sy],
            [cx * sz + sx * sy * cz, cx * cz - sx * sy * sz, -sx * cy],
            [sx * sz - cx * sy * cz, sx * cz + cx * sy * sz, cx * cy],
        ]
    )


def rotation_angles(rotation: Floats) -> Floats:
    """Return the angles of a rotation, of less than a quarter turn about y.

    Examples
    --------
    >>> angles = np.array([0.1, -0.2, 0.3])
    >>> bool(np.allclose(rotation_angles(rotation_matrix(angles)), angles))
    True
    """
    return np.array(
        [
            np.arctan2(-rotation[1, 2], rotation[2, 2]),
            np.arcsin(np.clip(rotation[0, 2], -1, 1)),
            np.arctan2(-rotation[0, 1], rotation[0, 0]),
        ]
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Points:
    """Some points of the reference: where they are, and the model, whose last column is their signal."""

    offsets: Floats
    model: Floats
    in_first_half: NDArray[np.bool_]

    def select(self, key: slice | NDArray[np.bool_]) -> "_Points":
        """Return the points that a key selects."""
        return _Points(self.offsets[key], self.model[key], self.in_first_half[key])

    @property
    def signal(self) -> Floats:
        """The smoothed signal of the reference at the points."""
        return self.model[:, _N_PARAMETERS]


@dataclass(frozen=True, slots=True)
class _Stage:
    """How far the iterations of a stage go: the limit of residuals, and the step in mm that ends them."""

    tukey: float
    tolerance: float


#: The residuals of the first stage are those of the motion; 4.685 is Tukey's constant for 95 % efficiency.
_COARSE: Final = _Stage(tukey=15.0, tolerance=2e-2)
_FINE: Final = _Stage(tukey=4.685, tolerance=5e-3)


class Reference:
    """The volume to which others are registered.

    Parameters
    ----------
    volume
        The voxels ``(z, y, x)``, which must not all be equal.
    affine
        From voxel indices ``(x, y, z)`` to millimetres.
    """

    def __init__(self, volume: NDArray[Any], affine: Floats) -> None:
        self._last_voxel = np.array(volume.shape)[:, np.newaxis] - 1.0
        self._to_world = affine[:3, :3][:, ::-1]  # of indices (z, y, x)
        self._origin = affine[:3, 3]
        self._to_voxels = np.linalg.inv(self._to_world)
        self._voxel_sizes = np.sqrt(np.square(self._to_world).sum(axis=0))
        self._smoothed = self._smooth(volume)
        self._head = _find_head(self._smoothed)
        weights = self._smoothed[self._head].astype(np.float64)
        middle = weights @ np.argwhere(self._head) / weights.sum()
        #: The centre of rotation in world coordinates: the mean position of the head, weighted by its signal.
        self.centre: Floats = self._origin + self._to_world @ middle

    def register(self, volume: NDArray[Any]) -> Floats:
        """Return the pose ``(parameter)`` of a volume; it does not depend on other volumes.

        Raises
        ------
        NotRegisteredError
            The volume shows too little of the head, or the iterations do not end.
        """
        coefficients = self._fit_splines(self._smooth(volume))
        few = self._points.select(slice(None, None, _COARSE_STRIDE))
        start = self._iterate(coefficients, np.zeros(_N_PARAMETERS), few, _COARSE)
        return self._iterate(coefficients, start, self._points, _FINE)

    def register_halves(self, volume: NDArray[Any], pose: Floats) -> tuple[Floats, Floats]:
        """Return the poses of a volume by either half of the voxels, near its pose by all of them."""
        coefficients = self._fit_splines(self._smooth(volume))
        in_first = self._points.in_first_half
        first, second = (
            self._iterate(coefficients, pose, self._points.select(half), _FINE)
            for half in (in_first, ~in_first)
        )
        return first, second

    @cached_property
    def _points(self) -> _Points:
        near_head = ndimage.binary_dilation(self._head, iterations=_MARGIN)
        indices = np.argwhere(near_head)
        indices = indices[indices.sum(axis=1) % 2 == 0]  # smoothed, the others hold nearly the same
        offsets = indices @ self._to_world.T + (self._origin - self.centre)
        coefficients = self._fit_splines(self._smoothed)
        differences = [
            _interpolate(coefficients, (indices + step).T) - _interpolate(coefficients, (indices - step).T)
            for step in np.eye(3) * _STEP
        ]
        gradients = np.stack(differences, axis=1) / (2 * _STEP) @ self._to_voxels
        # Sampled as every volume is: the difference of a volume to itself is exactly zero.
        signal, _ = self._sample(coefficients, offsets, np.eye(3), np.zeros(3))
        blocks = np.floor(offsets @ (self._to_world / self._voxel_sizes) / _BLOCK).sum(axis=1)
        return _Points(
            offsets, np.column_stack([gradients, np.cross(offsets, gradients), signal]), blocks % 2 == 0
        )

    def _smooth(self, volume: NDArray[Any]) -> _Volume:
        sigma = SMOOTHING_FWHM / sqrt(8 * log(2)) / self._voxel_sizes
        smoothed: _Volume = ndimage.gaussian_filter(
            volume.astype(np.float32), sigma, mode="nearest", truncate=_TRUNCATE
        )
        return smoothed

    @staticmethod
    def _fit_splines(smoothed: _Volume) -> _Volume:
        coefficients: _Volume = ndimage.spline_filter(smoothed, output=np.float32, mode="nearest")
        return coefficients

    def _iterate(self, coefficients: _Volume, pose: Floats, points: _Points, stage: _Stage) -> Floats:
        """Improve a pose until a step is small."""
        rotation, shift, scale = rotation_matrix(pose[3:]), pose[:3], np.nan
        for _ in range(_MAX_ITERATIONS):
            found, is_inside = self._sample(coefficients, points.offsets, rotation, shift)
            if is_inside.mean() < _MIN_INSIDE:
                raise NotRegisteredError("shows too little of the head to be registered")
            if np.isnan(scale):
                signal = points.signal[is_inside]
                scale = float(found[is_inside] @ signal) / float(signal @ signal)
            if not scale > 0:
                raise NotRegisteredError("does not look like the reference volume")
            step, scale = _solve(points, found, is_inside, scale, stage.tukey)
            if step.any():
                # The step moves the reference, so its inverse moves the volume.
                rotation = rotation @ rotation_matrix(step[3:]).T
                shift = shift - rotation @ step[:3]
            if np.abs(step) @ _STEP_WEIGHTS < stage.tolerance:
                return np.concatenate([shift, rotation_angles(rotation)])
        if stage is _COARSE:  # the next stage goes on
            return np.concatenate([shift, rotation_angles(rotation)])
        raise NotRegisteredError("does not look like the reference volume")

    def _sample(
        self, coefficients: _Volume, offsets: Floats, rotation: Floats, shift: Floats
    ) -> tuple[Floats, NDArray[np.bool_]]:
        """Return a volume's signal where points of the reference are in it, and whether it has it."""
        positions = self._to_voxels @ (offsets @ rotation.T + (self.centre + shift - self._origin)).T
        has_value = (positions >= -_ROUNDING) & (positions <= self._last_voxel + _ROUNDING)
        is_inside: NDArray[np.bool_] = np.all(has_value, axis=0)
        return _interpolate(coefficients, positions), is_inside


def _solve(
    points: _Points, found: Floats, is_inside: NDArray[np.bool_], scale: float, tukey: float
) -> tuple[Floats, float]:
    """Return the step of the reference, by weighted least squares, and the new scale of its signal."""
    residuals = found - scale * points.signal
    sizes = np.abs(residuals[is_inside])
    if not sizes.any():
        return np.zeros(_N_PARAMETERS), scale
    # Residuals that are rounding alone are not weighed against each other.
    limit = max(tukey * _MAD_TO_SD * float(np.median(sizes)), _ROUNDING * float(np.abs(found).max()))
    # Outside of the volume there is no signal, which is not a signal of zero.
    weights = np.square(np.maximum(1 - np.square(residuals / limit), 0)) * is_inside
    weighted = points.model * weights[:, np.newaxis]
    try:
        solution = np.linalg.solve(weighted.T @ points.model, weighted.T @ residuals)
    except np.linalg.LinAlgError:
        # A volume without structure: the error of NumPy says nothing to users.
        raise NotRegisteredError("does not look like the reference volume") from None
    # The derivatives are of the reference, whose signal the volume has scaled.
    return solution[:_N_PARAMETERS] / scale, scale + float(solution[_N_PARAMETERS])


def _interpolate(coefficients: _Volume, positions: NDArray[Any]) -> Floats:
    values: Floats = ndimage.map_coordinates(
        coefficients, positions, output=np.float64, mode="nearest", prefilter=False
    )
    return values


def _find_head(smoothed: _Volume) -> NDArray[np.bool_]:
    global_mean = smoothed[smoothed > smoothed.mean() / _GLOBAL_SHARE].mean()
    is_head: NDArray[np.bool_] = smoothed > _HEAD_SHARE * global_mean
    return is_head
