"""Head motion in eight kinds of synthetic runs: its error, the noise that it states, and its processor time.

Run with ``python tests/benchmarks/motion.py [VOLUMES]``, by default 60 volumes a run.  Where SimpleITK is
installed, it registers the same volumes in the same process, on one thread: mean squares, regular-step gradient
descent, half of the voxels, linear interpolation, from the pose of the volume before, after smoothing with
4 mm and scaling by the median.  Times are those of the processor, per 240 volumes.
"""

import os
import sys
import tempfile
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

os.environ["DECNEF_DATA_DIR"] = tempfile.mkdtemp()

from decnef_data import motion
from decnef_data.phantom.fd_floor import compute_fd_floor
from tests.analysis.poses import (
    KINDS,
    NO_TILT,
    affine_of,
    fd_by_hand,
    leaf_of,
    planted_poses,
    run_of,
    volumes_of,
)

RUN_LENGTH = 240


def register_with_simpleitk(
    volumes: NDArray[Any], sizes: tuple[float, ...], centre: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """Return the mean displacement by SimpleITK, ``None`` where it is not installed."""
    try:
        import SimpleITK as sitk  # noqa: N813 - its usual name
    except ImportError:
        return None
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    reference = volumes[len(volumes) // 2].astype("f4")
    inside = reference > reference.mean()

    def image(values: NDArray[Any]) -> Any:
        made = sitk.GetImageFromArray(values.astype("f4"))
        made.SetSpacing(sizes)
        made.SetOrigin(tuple(-(np.array(values.shape[::-1]) - 1) / 2 * np.array(sizes)))
        return made

    mask = sitk.Cast(image(inside), sitk.sitkUInt8)
    fixed = sitk.SmoothingRecursiveGaussian(image(reference), 4 / 2.3548)
    last, found = (0.0,) * 6, []
    for volume in volumes:
        scaled = volume * (np.median(reference[inside]) / np.median(volume[inside]))
        method = sitk.ImageRegistrationMethod()
        method.SetMetricAsMeanSquares()
        method.SetMetricFixedMask(mask)
        method.SetMetricSamplingStrategy(method.REGULAR)
        method.SetMetricSamplingPercentage(0.5, 1)
        method.SetInterpolator(sitk.sitkLinear)
        method.SetOptimizerAsRegularStepGradientDescent(0.5, 1e-4, 100, 0.5, 1e-10)
        method.SetOptimizerScales([50.0**2] * 3 + [1] * 3)
        transform = sitk.Euler3DTransform()
        transform.SetCenter(tuple(centre))
        transform.SetParameters(last)
        method.SetInitialTransform(transform, True)
        method.Execute(fixed, sitk.SmoothingRecursiveGaussian(image(scaled), 4 / 2.3548))
        last = transform.GetParameters()
        found.append(last)
    poses = np.array(found)[:, [3, 4, 5, 0, 1, 2]]
    return np.asarray(fd_by_hand(poses).mean())


def main(n_volumes: int) -> None:
    table = Table("run", "true", "error", "worst", "r", "floor / true", "s / 240", "SimpleITK", "ratio")
    for kind, (planned, how) in KINDS.items():
        run = run_of(
            f"benchmark {kind}",
            planned.grid,
            planned.scanner.tsnr,
            n_volumes=n_volumes,
            mean_fd=planned.mean_fd,
        )
        tilt = how.get("tilt", NO_TILT)
        volumes = how.get("change", np.asarray)(volumes_of(run))
        found = motion(leaf_of(volumes, affine_of(run.grid, tilt)), progress="none")
        start = time.process_time()
        fd = found.fd.to_numpy()[0, 1:]
        ours = time.process_time() - start
        centre = found.rotation_centre.to_numpy()[0]
        expected = fd_by_hand(planted_poses(run, centre, tilt))
        start = time.process_time()
        other = register_with_simpleitk(volumes, run.grid.voxel_size, tilt.T @ centre)
        theirs = time.process_time() - start
        table.add_row(
            kind,
            f"{expected.mean():.3f}",
            f"{fd.mean() - expected.mean():+.4f}",
            f"{abs(fd - expected).max():.3f}",
            f"{np.corrcoef(fd, expected)[0, 1]:.4f}",
            f"{float(found.fd_floor[0]) / compute_fd_floor(run):.2f}",
            f"{ours / n_volumes * RUN_LENGTH:.1f}",
            ""
            if other is None
            else f"{other - expected.mean():+.4f}, {theirs / n_volumes * RUN_LENGTH:.1f} s",
            "" if other is None else f"{ours / theirs:.2f}",
        )
    Console(width=120).print(table)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 60)
