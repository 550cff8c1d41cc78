"""Head motion and framewise displacement of every run, computed scan by scan on access."""

import json
from collections.abc import Hashable
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from decnef_data.analysis.geometry import SPATIAL_DIMS, selected_affines, selected_repetition_times
from decnef_data.analysis.images import image_kind, scale_factors
from decnef_data.analysis.motion_variables import build_variables
from decnef_data.analysis.registration import MIN_VOXELS, PARAMETERS, SMOOTHING_FWHM
from decnef_data.analysis.run_motion import MotionSettings, RunOfScan
from decnef_data.arrays import mark_texts
from decnef_data.errors import FormatError, SelectionError, warn_user
from decnef_data.model.names import is_file_name
from decnef_data.motion_results import COMPUTED, METHOD_VERSION, MotionResults
from decnef_data.progress import create_count_progress

__all__ = ["compute_motion"]

_TIME_DIMS: Final = ("time", *SPATIAL_DIMS)
_MIDDLE: Final = "middle"
_MIN_VOLUMES: Final = 2
_MAX_LISTED: Final = 5


def compute_motion(
    dataset: xr.Dataset, *, radius: float, reference: str | int, cache: Path | None, progress: str
) -> xr.Dataset:
    """Return the motion in every run of a dataset, lazily by scan; `cache` is the cache folder, if any."""
    image_kind(dataset, "bold", dims=_TIME_DIMS)
    bold = dataset["bold"].variable.transpose(..., *_TIME_DIMS)
    _require_volumes(bold)
    _require_voxels(bold)
    create_count_progress(progress)  # an unknown kind is an error here, not when values are accessed
    if not 0 < radius < float("inf"):
        raise SelectionError(
            f"radius={radius} is no radius of a head. Use a positive number of mm, such as radius=50.",
            requested=str(radius),
        )
    runs = _describe_runs(dataset, bold)
    repetition_times = _require_regular(dataset, runs)
    settings = MotionSettings(
        reference=_reference_index(reference, bold.sizes["time"]),
        radius=float(radius),
        volumes=_volume_numbers(dataset, bold.sizes["time"]),
        coordinates=_describe_coordinates(dataset),
        results=_find_results(dataset, cache),
        progress=progress,
    )
    # Without the results of an earlier computation, which may be by other parameters.
    coords: dict[Hashable, Any] = {
        name: coord.variable for name, coord in dataset.coords.items() if name not in COMPUTED
    }
    if repetition_times is not None:
        coords["repetition_time"] = repetition_times
    coords |= {"parameter": list(PARAMETERS), "axis": list("xyz")}
    attrs = {**dataset.attrs, **_method_attrs(settings, reference)}
    return mark_texts(xr.Dataset(build_variables(bold, runs, settings), coords, attrs))


def _require_volumes(bold: xr.Variable) -> None:
    if bold.sizes["time"] < _MIN_VOLUMES:
        raise SelectionError(
            f"'bold' has {bold.sizes['time']} volume along 'time', and motion is a change between volumes. "
            "Select two or more volumes.",
            requested="time",
        )


def _require_voxels(bold: xr.Variable) -> None:
    small = [dim for dim in SPATIAL_DIMS if bold.sizes[dim] < MIN_VOXELS]
    if small:
        found = ", ".join(f"{dim}: {bold.sizes[dim]}" for dim in SPATIAL_DIMS)
        raise SelectionError(
            f"'bold' has too few voxels along '{small[0]}' to find motion ({found}). "
            f"Pass images with {MIN_VOXELS} or more voxels along each axis; small synthetic data have fewer.",
            requested=small[0],
        )


def _reference_index(reference: str | int, n_volumes: int) -> int:
    if reference == _MIDDLE:
        return n_volumes // 2
    if isinstance(reference, str) or not 0 <= reference < n_volumes:
        raise SelectionError(
            f"reference={reference!r} is no volume of 'bold', which has {n_volumes}. "
            f'Use reference="middle" or a number from 0 to {n_volumes - 1}.',
            requested=str(reference),
        )
    return reference


def _describe_runs(dataset: xr.Dataset, bold: xr.Variable) -> list[RunOfScan]:
    """Describe the run of each scan, one if there is no dimension ``scan``."""
    n_scans = bold.sizes.get("scan", 1)
    affines = np.broadcast_to(selected_affines(dataset), (n_scans, 4, 4))
    slopes, inters = (np.broadcast_to(factor, n_scans).tolist() for factor in scale_factors(dataset))
    names = _scan_names(dataset, n_scans)
    for name, affine in zip(names, affines, strict=True):
        if not (np.isfinite(affine).all() and np.linalg.det(affine[:3, :3])):
            raise FormatError(
                f"The 'affine' of '{name}' does not give a place to every voxel of 'bold'. "
                "Correct the coordinate, or exclude the scan with isel(scan=...).",
                file=name,
                location="affine",
            )
    return [RunOfScan(*fields) for fields in zip(names, affines, slopes, inters, strict=True)]


def _scan_names(dataset: xr.Dataset, n_scans: int) -> list[str]:
    """Name each scan by its subject, with its session and run where it is not the only one."""
    subjects, sessions, runs = (
        np.broadcast_to(dataset[name].to_numpy(), n_scans).astype(str).tolist()
        if name in dataset.coords and set(dataset[name].dims) <= {"scan"}
        else [""] * n_scans
        for name in ("subject", "session", "run")
    )
    has_runs = len(set(runs)) > 1
    return [
        " ".join(
            filter(
                None,
                (
                    subject or f"scan {number}",
                    session and f"session {session}",
                    f"run {run}" if has_runs else "",
                ),
            )
        )
        for number, (subject, session, run) in enumerate(zip(subjects, sessions, runs, strict=True))
    ]


def _require_regular(dataset: xr.Dataset, runs: list[RunOfScan]) -> xr.Variable | None:
    """Return the times between the selected volumes, after checking that each scan has one.

    Raises
    ------
    SelectionError
        The volumes of a scan are not equidistant: from one to the next may be more motion, or less.
    """
    for name in ("time", "volume"):
        coord = dataset.coords.get(name)
        if coord is None or "time" not in coord.dims or coord.dtype.kind not in "iuf":
            continue
        numbers = coord.transpose(..., "time").to_numpy().reshape(-1, coord.sizes["time"])
        steps = np.diff(numbers.astype(np.float64), axis=1)
        irregular = ~(
            (steps > 0).all(axis=1) & np.isclose(steps, steps[:, :1], rtol=1e-3, atol=0).all(axis=1)
        )
        if irregular.any():
            raise _irregular_error(name, numbers, runs, int(np.flatnonzero(irregular)[0]))
    times = selected_repetition_times(dataset) if "repetition_time" in dataset.coords else None
    if times is not None:
        _warn_of_pooled_times(times)
    return times


def _irregular_error(name: str, numbers: NDArray[Any], runs: list[RunOfScan], index: int) -> SelectionError:
    shown = ", ".join(f"{number:g}" for number in numbers[index, :_MAX_LISTED].tolist())
    whose = f" of '{runs[index].name}'" if len(numbers) > 1 else ""
    return SelectionError(
        f"The volumes of 'bold'{whose} do not follow each other at one interval: '{name}' begins with "
        f"{shown}. Select volumes along 'time' with a slice, or exclude the scan with isel(scan=...).",
        requested="time",
    )


def _warn_of_pooled_times(times: xr.Variable) -> None:
    known = times.to_numpy()[~np.isnan(times.to_numpy())]
    values = np.unique(np.round(known, 6))
    if values.size > 1:
        shown = ", ".join(f"{value:g}" for value in values.tolist())
        warn_user(
            f"These scans have the repetition times {shown} s, and fd, per volume or per second, cannot be "
            "compared between them. Compare scans with the same repetition_time."
        )


def _volume_numbers(dataset: xr.Dataset, n_volumes: int) -> tuple[int, ...]:
    """Return the numbers of the volumes in their run, where they are known and whole."""
    coord = dataset.coords.get("volume")
    if coord is None or coord.dims != ("time",) or coord.dtype.kind not in "iu":
        return tuple(range(n_volumes))
    return tuple(coord.to_numpy().tolist())


def _describe_coordinates(dataset: xr.Dataset) -> str:
    """Return the index coordinates as a text."""
    coords = {
        dim: dataset[dim].to_numpy().tolist()
        for dim in _TIME_DIMS
        if dim in dataset.coords and dataset[dim].ndim == 1
    }
    return json.dumps(coords)


def _find_results(dataset: xr.Dataset, cache: Path | None) -> MotionResults | None:
    """Return the results that are kept of a dataset, ``None`` unless its scans are complete."""
    name = dataset.attrs.get("dataset")
    # An attribute can be any text, also a path that leads out of the cache.
    if cache is None or not isinstance(name, str) or not is_file_name(name) or not _is_complete(dataset):
        return None
    # Synthetic data have a folder of their own in the cache, and so have their results.
    root = cache / "phantom" if dataset.attrs.get("mirror") == "phantom" else cache
    return MotionResults(root / "motion" / name)


def _is_complete(dataset: xr.Dataset) -> bool:
    """Whether the scans have all voxels and volumes that were fetched, in their order.

    The preferred chunks of an array that was fetched are complete scans, which a selection does not change.
    """
    complete = dataset["bold"].encoding.get("preferred_chunks", {})
    numbers = {"time": "volume", **{dim: dim for dim in SPATIAL_DIMS}}
    return all(
        complete.get(dim) == dataset.sizes[dim]
        and name in dataset.coords
        and np.array_equal(dataset[name].to_numpy(), np.arange(dataset.sizes[dim]))
        for dim, name in numbers.items()
    )


def _method_attrs(settings: MotionSettings, reference: str | int) -> dict[str, str | int | float]:
    return {
        "motion_method": "rigid registration, volume-wise: Gauss-Newton with Tukey weights on cubic splines, "
        f"volumes smoothed with a full width at half maximum of {SMOOTHING_FWHM:g} mm",
        "motion_method_version": METHOD_VERSION,
        "motion_radius": settings.radius,
        "motion_reference": f"{reference} (index {settings.reference})",
        "motion_centre": "mean position of the head in the reference volume, weighted by its signal",
        "motion_software": f"decnef-data {version('decnef-data')}",
        "motion_grade": "C: not tried on real runs yet",
    }
