"""The truth of the phantoms: what a method should find in them, computed without their files."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from decnef_data.arrays import mark_texts
from decnef_data.formats.edges import edge_indices
from decnef_data.phantom.connectivity_values import effect_edges
from decnef_data.phantom.effects import EFFECTS, GRID
from decnef_data.phantom.fd_floor import SMOOTHING_FWHM, compute_fd_floor
from decnef_data.phantom.head import AVERAGE_HEAD, REGION_NAMES, VoxelGrid
from decnef_data.phantom.matrix_specs import MATRIX_SPECS
from decnef_data.phantom.participants import DIAGNOSIS_CODES
from decnef_data.phantom.poses import PARAMETERS, RADIUS, framewise_displacement
from decnef_data.phantom.region_signals import diagnosis_effect, planted_correlations, site_bias
from decnef_data.phantom.scans import Run

__all__ = ["build_connectivity_truth", "build_image_truth"]

_Variable = tuple[Any, Any, Mapping[str, str]]

_R: Final = {"units": "1"}
#: A voxel belongs to a region if it has at least this share of its fluctuation.
_MIN_WEIGHT: Final = 0.5


def build_connectivity_truth(region_names: Sequence[str]) -> xr.Dataset:
    """Build the truth of the connectivity with these regions: effects in r by edge.

    Parameters
    ----------
    region_names
        The names of the regions of one of the three atlases.
    """
    strata = [stratum for spec in MATRIX_SPECS if spec.rois == len(region_names) for stratum in spec.strata]
    scanners = dict(sorted((stratum.site, stratum.scanner) for stratum in strata))
    present = {stratum.diagnosis for stratum in strata}
    diagnoses = [diagnosis for diagnosis in DIAGNOSIS_CODES if diagnosis in present]
    shifts = _EdgeShifts(len(region_names))
    variables: dict[str, _Variable] = {
        "site_bias": (
            ("site", "edge"),
            [shifts.of(site=site, scanner=scanner) for site, scanner in scanners.items()],
            _R | {"long_name": "shift in r at a site, of the site and of its scanner together"},
        ),
        "diagnosis_effect": (
            ("diagnosis", "edge"),
            [shifts.of(diagnosis=diagnosis) for diagnosis in diagnoses],
            _R | {"long_name": "difference in r from healthy participants"},
        ),
        "age_slope": (
            "edge",
            shifts.slope("age"),
            {"units": "1/year", "long_name": "change of r with age, which is 0 at 40 years"},
        ),
        "mean_fd_slope": (
            "edge",
            shifts.slope("mean_fd"),
            {
                "units": "1/mm",
                "long_name": "change of r with mean framewise displacement, which is 0 at 0.15 mm",
            },
        ),
    }
    labels = {"site": list(scanners), "diagnosis": diagnoses, "scanner": ("site", list(scanners.values()))}
    return mark_texts(xr.Dataset(variables, {**labels, **_edge_coords(region_names)}))


class _EdgeShifts:
    """Shifts of the edges between a number of regions, by the effects that are put in."""

    def __init__(self, rois: int) -> None:
        self._edges = {effect.covariate: effect_edges(number, rois) for number, effect in enumerate(EFFECTS)}
        self._n_edges = rois * (rois - 1) // 2

    def of(self, **values: str) -> NDArray[np.float64]:
        """Return the sum of the shifts that go with these values of covariates, as put in on the grid."""
        shifts = np.zeros(self._n_edges)
        for effect in EFFECTS:
            size = effect.levels.get(values.get(effect.covariate, ""), 0.0)
            shifts[self._edges[effect.covariate]] += round(size * GRID) / GRID
        return shifts

    def slope(self, covariate: str) -> NDArray[np.float64]:
        """Return the shift for each unit of a covariate."""
        slopes = np.zeros(self._n_edges)
        slopes[self._edges[covariate]] = next(e.slope for e in EFFECTS if e.covariate == covariate)
        return slopes


def build_image_truth(runs: Sequence[Run]) -> xr.Dataset:
    """Build the truth of rest runs: poses, framewise displacement and its floor, and connectivity, by scan.

    Parameters
    ----------
    runs
        The runs, in the order of the scans.
    """
    poses = np.full((len(runs), max(run.n_volumes for run in runs), len(PARAMETERS)), np.nan)
    fd = np.full(poses.shape[:2], np.nan)
    for number, run in enumerate(runs):
        poses[number, : run.n_volumes] = run.poses
        fd[number, : run.n_volumes] = framewise_displacement(run.poses)
    variables = {
        **_motion_variables(runs, poses, fd),
        **_region_variables(runs),
        **_label_variable({run.grid for run in runs}),
    }
    return mark_texts(xr.Dataset(variables, {**_scan_coords(runs), **_edge_coords(REGION_NAMES)}))


def _motion_variables(
    runs: Sequence[Run], poses: NDArray[np.float64], fd: NDArray[np.float64]
) -> dict[str, _Variable]:
    definition = f"sum of absolute differences to the volume before, rotations on a sphere of {RADIUS:.0f} mm"
    floor = (
        f"rigid registration of volumes smoothed with a full width at half maximum of {SMOOTHING_FWHM:.0f} mm"
    )
    return {
        "pose": (
            ("scan", "volume", "parameter"),
            poses,
            {
                "units": "mm for trans_x, trans_y and trans_z; rad for rot_x, rot_y and rot_z",
                "long_name": "pose of the head against volume n // 2, in world coordinates",
                "comment": "x = Rx(rot_x) Ry(rot_y) Rz(rot_z) (y - c) + c + t, where c is rotation_centre",
            },
        ),
        "fd": (
            ("scan", "volume"),
            fd,
            {"units": "mm", "long_name": "framewise displacement", "comment": definition},
        ),
        "mean_fd": (
            "scan",
            np.nanmean(fd, axis=1),
            {"units": "mm", "long_name": "mean of fd"},
        ),
        "fd_floor": (
            "scan",
            np.array([compute_fd_floor(run) for run in runs]),
            {
                "units": "mm",
                "long_name": "mean fd that noise alone would make of a still head",
                "comment": floor,
            },
        ),
        "rotation_centre": (
            ("scan", "axis"),
            np.zeros((len(runs), 3)),
            {"units": "mm", "long_name": "point about which the head turns, in world coordinates"},
        ),
        "tsnr": (
            "scan",
            np.array([run.scanner.tsnr for run in runs], float),
            {"units": "1", "long_name": "signal in the brain over the standard deviation of the noise"},
        ),
    }


def _region_variables(runs: Sequence[Run]) -> dict[str, _Variable]:
    origins = [run.origin for run in runs]
    return {
        "fc": (
            ("scan", "edge"),
            np.array([planted_correlations(origin) for origin in origins]),
            _R | {"long_name": "correlation (Pearson r) of the fluctuations of two regions, before noise"},
        ),
        "site_bias": (
            ("scan", "edge"),
            np.array([site_bias(origin.site) for origin in origins]),
            _R | {"long_name": "what the site adds to fc"},
        ),
        "diagnosis_effect": (
            ("scan", "edge"),
            np.array([diagnosis_effect(origin.diagnosis) for origin in origins]),
            _R | {"long_name": "what the diagnosis adds to fc"},
        ),
    }


def _label_variable(grids: set[VoxelGrid]) -> dict[str, _Variable]:
    """Label the voxels of an average head, if all runs have one grid."""
    if len(grids) > 1:
        return {}
    (grid,) = grids
    found = AVERAGE_HEAD.evaluate(grid, np.zeros((1, len(PARAMETERS))))
    labels = np.where(found.weight >= _MIN_WEIGHT, found.region + 1, 0)[0].astype("i2")
    attrs = {"long_name": "number of the region in roi, from 1; 0 outside"}
    return {"label": (("z", "y", "x"), labels, attrs)}


def _scan_coords(runs: Sequence[Run]) -> dict[str, Any]:
    return {
        "subject": ("scan", [run.origin.subject for run in runs]),
        "session": ("scan", [run.session for run in runs]),
        "run": ("scan", np.array([run.number for run in runs], "i2")),
        "site": ("scan", [run.origin.site for run in runs]),
        "diagnosis": ("scan", [run.origin.diagnosis for run in runs]),
        "n_volumes": ("scan", np.array([run.n_volumes for run in runs], "i4")),
        "volume": np.arange(max(run.n_volumes for run in runs), dtype="i4"),
        "parameter": list(PARAMETERS),
        "axis": list("xyz"),
    }


def _edge_coords(region_names: Sequence[str]) -> dict[str, Any]:
    roi = np.array(region_names)
    column, row = edge_indices(len(roi))
    return {
        "roi": roi,
        "roi_a": ("edge", roi[column], {"long_name": "column of the edge in the matrix"}),
        "roi_b": ("edge", roi[row], {"long_name": "row of the edge in the matrix"}),
    }
