"""Head motion and framewise displacement of every run, computed scan by scan on access."""

import json
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from decnef_data.analysis.geometry import SPATIAL_DIMS, selected_affines, selected_repetition_times
from decnef_data.analysis.images import image_kind, scale_factors
from decnef_data.analysis.registration import (
    METHOD_VERSION,
    MIN_VOXELS,
    PARAMETERS,
    SMOOTHING_FWHM,
    compute_displacement,
)
from decnef_data.analysis.run_motion import MotionSettings, RunMotion, RunOfScan
from decnef_data.arrays import stack_lazily
from decnef_data.errors import FormatError, SelectionError, warn_user
from decnef_data.model.names import is_file_name
from decnef_data.progress import create_count_progress

__all__ = ["compute_motion"]

_TIME_DIMS: Final = ("time", *SPATIAL_DIMS)
_MIDDLE: Final = "middle"
_MIN_VOLUMES: Final = 2
_MAX_LISTED: Final = 5
_MM: Final = {"units": "mm"}
_DIMS: Final[dict[str, tuple[str, ...]]] = {
    "motion": ("time", "parameter"),
    "fd": ("time",),
    "mean_fd_computed": (),
    "fd_floor": (),
    "rotation_centre": ("axis",),
}
_MEASURES: Final[dict[str, Callable[[RunMotion], NDArray[np.float64]]]] = {
    "motion": lambda run: run.poses,
    "fd": lambda run: run.displacement,
    "mean_fd_computed": lambda run: run.mean_displacement,
    "fd_floor": lambda run: run.floor,
    "rotation_centre": lambda run: run.centre,
}


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
        folder=_results_folder(dataset, cache),
        progress=progress,
    )
    build = _build_lazily if bold.chunks is None else _build_with_dask
    variables = build(bold, runs, settings)
    coords: dict[Hashable, Any] = {name: coord.variable for name, coord in dataset.coords.items()}
    if repetition_times is not None:
        coords["repetition_time"] = repetition_times
    coords |= {"parameter": list(PARAMETERS), "axis": list("xyz")}
    attrs = {**dataset.attrs, **_method_attrs(settings, reference)}
    return xr.Dataset(_with_attrs(variables, settings), coords, attrs)


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


def _results_folder(dataset: xr.Dataset, cache: Path | None) -> Path | None:
    """Return where the results of a dataset are kept, ``None`` unless its scans are complete."""
    name = dataset.attrs.get("dataset")
    if cache is None or not isinstance(name, str) or not is_file_name(name) or not _is_complete(dataset):
        return None
    root = cache / "phantom" if dataset.attrs.get("mirror") == "phantom" else cache
    return root / "motion" / name


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


@dataclass(frozen=True, slots=True, eq=False)
class _Measure:
    """One result of one run, as a slab of a stack."""

    run: RunMotion
    name: str

    def fill(self, key: tuple[Any, ...], out: NDArray[Any]) -> None:
        """Compute the result, and write what `key` selects of it into `out`."""
        values = _MEASURES[self.name](self.run)
        for axis in reversed(range(len(key))):  # an integer removes its axis
            values = values[(*[slice(None)] * axis, key[axis])]
        out[...] = values


def _build_lazily(
    bold: xr.Variable, runs: list[RunOfScan], settings: MotionSettings
) -> dict[str, xr.Variable]:
    single = "scan" not in bold.dims
    motions = [RunMotion(bold if single else bold[number], run, settings) for number, run in enumerate(runs)]
    sizes = _result_sizes(bold)
    variables = {}
    for name, dims in _DIMS.items():
        slabs = [_Measure(each, name) for each in motions]
        stack = stack_lazily(slabs, ("scan", *dims), np.float64, [sizes[dim] for dim in dims])
        variables[name] = stack[0] if single else stack
    return variables


def _build_with_dask(
    bold: xr.Variable, runs: list[RunOfScan], settings: MotionSettings
) -> dict[str, xr.Variable]:
    scan_dims = () if "scan" not in bold.dims else ("scan",)
    described = np.empty(len(runs), dtype=object)
    described[:] = runs
    of_scan = xr.Variable("scan", described)
    of_scan = of_scan.chunk(scan=1) if scan_dims else of_scan[0]
    chunked = bold.chunk({**dict.fromkeys(_TIME_DIMS, -1), **dict.fromkeys(scan_dims, 1)})
    sizes = _result_sizes(bold)

    def apply(name: str, *inputs: xr.Variable) -> xr.Variable:
        variable: xr.Variable = xr.apply_ufunc(
            _compute_block,
            chunked,
            of_scan,
            *inputs,
            kwargs={"settings": settings, "name": name},
            input_core_dims=[_TIME_DIMS, (), *(_DIMS["motion"] for _ in inputs)],
            output_core_dims=[_DIMS[name]],
            dask="parallelized",
            output_dtypes=[np.float64],
            dask_gufunc_kwargs={"output_sizes": {dim: sizes[dim] for dim in _DIMS[name] if dim != "time"}},
        )
        return variable

    poses = apply("motion")
    fd = _displacement_with_dask(poses, settings.radius)
    return {
        "motion": poses,
        "fd": fd,
        "mean_fd_computed": fd[..., 1:].mean("time"),
        "fd_floor": apply("fd_floor", poses),
        "rotation_centre": apply("rotation_centre"),
    }


def _displacement_with_dask(poses: xr.Variable, radius: float) -> xr.Variable:
    fd: xr.Variable = xr.apply_ufunc(
        compute_displacement,
        poses,
        kwargs={"radius": radius},
        input_core_dims=[_DIMS["motion"]],
        output_core_dims=[("time",)],
        vectorize=True,
        dask="parallelized",
        output_dtypes=[np.float64],
    )
    return fd


def _compute_block(
    bold: NDArray[Any],
    runs: NDArray[Any],
    *poses: NDArray[np.float64],
    settings: MotionSettings,
    name: str,
) -> NDArray[np.float64]:
    """Compute one result of the runs of a block ``([scan,] time, z, y, x)``."""
    results = []
    for number, run in enumerate(np.atleast_1d(runs)):
        voxels = bold.reshape(-1, *bold.shape[-len(_TIME_DIMS) :])[number]
        known = poses[0].reshape(-1, *poses[0].shape[-2:])[number] if poses else None
        motion = RunMotion(xr.Variable(_TIME_DIMS, voxels), run, settings, known)
        results.append(_MEASURES[name](motion))
    stacked = np.stack(results)
    return stacked if np.ndim(runs) else stacked[0]


def _result_sizes(bold: xr.Variable) -> dict[str, int]:
    return {"time": bold.sizes["time"], "parameter": len(PARAMETERS), "axis": 3}


def _with_attrs(variables: dict[str, xr.Variable], settings: MotionSettings) -> dict[str, xr.Variable]:
    attrs = {
        "motion": {
            "long_name": "pose of the head against the reference volume, in world coordinates (RAS+)",
            "units": "mm for trans_x, trans_y and trans_z; rad for rot_x, rot_y and rot_z",
            "comment": "x = Rx(rot_x) Ry(rot_y) Rz(rot_z) (y - c) + c + t, where c is rotation_centre",
        },
        "fd": _MM
        | {
            "long_name": "framewise displacement",
            "comment": "sum of absolute differences to the volume before, rotations on a sphere of "
            f"{settings.radius:g} mm; volume-wise",
        },
        "mean_fd_computed": _MM
        | {
            "long_name": "mean of fd, computed from the images",
            "comment": "mean_fd is what the release states, by another method",
        },
        "fd_floor": _MM
        | {
            "long_name": "mean fd that noise alone makes",
            "comment": "half the difference of the registrations of two interleaved halves of the voxels",
        },
        "rotation_centre": _MM | {"long_name": "point about which the head turns, in world coordinates"},
    }
    for name, variable in variables.items():
        variable.attrs = dict(attrs[name])
    return variables


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
