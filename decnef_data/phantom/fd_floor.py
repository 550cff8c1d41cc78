"""The framewise displacement that noise alone makes of a head that does not move.

A rigid registration of a volume that differs from its reference by little is linear in the difference, so the
noise of its result follows from the head in closed form.  The registration is Gauss-Newton on volumes that a
Gaussian smoothed, with the six parameters of a pose and one for the scale of the signal.
"""

from functools import lru_cache
from math import log, pi, sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from decnef_data.phantom.head import VoxelGrid, draw_head
from decnef_data.phantom.poses import PARAMETERS, RADIUS
from decnef_data.phantom.scans import NOISE_DECAY, Run, Scanner

__all__ = ["SMOOTHING_FWHM", "compute_fd_floor"]

#: Full width at half maximum of the Gaussian, in mm.
SMOOTHING_FWHM: Final = 5.0
#: What a parameter of a pose counts in the displacement, and by how much it is varied for derivatives.
_WEIGHTS: Final = np.array([1.0, 1.0, 1.0, RADIUS, RADIUS, RADIUS])
_STEPS: Final = 0.05 / _WEIGHTS


def compute_fd_floor(run: Run) -> float:
    """Compute the mean framewise displacement in mm that noise alone makes in a run.

    Examples
    --------
    >>> from decnef_data.phantom.region_signals import RunOrigin
    >>> grid = VoxelGrid((8, 8, 6), (26.5, 26.5, 22.0))
    >>> run = Run(RunOrigin("one", "sub-0001", "SWA", "HC"), grid, 12, Scanner(900, 1.0, 80), 0.2)
    >>> 0 < compute_fd_floor(run) < 1
    True
    """
    return _compute_floor(run.origin.subject, run.grid, run.scanner)


@lru_cache(maxsize=256)
def _compute_floor(subject: str, grid: VoxelGrid, scanner: Scanner) -> float:
    head, still = draw_head(subject), np.zeros((1, len(PARAMETERS)))
    sigma = SMOOTHING_FWHM / sqrt(8 * log(2)) / np.array(grid.voxel_size[::-1])

    def smooth(image: NDArray[np.float64]) -> NDArray[np.float64]:
        smoothed: NDArray[np.float64] = ndimage.gaussian_filter(image, sigma, mode="constant")
        return smoothed

    def signal(pose: NDArray[np.float64]) -> NDArray[np.float64]:
        volume: NDArray[np.float64] = head.evaluate(grid, still + pose, scanner.contrast).signal[0]
        return volume

    derivatives = [
        (signal(step) - signal(-step)) / (2 * size)
        for step, size in zip(np.diag(_STEPS), _STEPS, strict=True)
    ]
    model = np.stack([smooth(image).ravel() for image in (*derivatives, signal(still[0]))])
    # A row turns a smoothed difference into a parameter; smoothed itself, it does so with the difference.
    rows = np.linalg.solve(model @ model.T, model)[: len(PARAMETERS)]
    inside = head.evaluate(grid, still, scanner.contrast).inside[0]
    noise = [float(np.linalg.norm(smooth(row.reshape(inside.shape)) * inside)) for row in rows]
    step_sd = np.array(noise) / scanner.tsnr * sqrt(2 * (1 - NOISE_DECAY))
    return float(sqrt(2 / pi) * (step_sd * _WEIGHTS).sum())
