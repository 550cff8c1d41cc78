"""The motion of runs as variables: lazy, or dask arrays whose tasks have one scan each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from decnef_data.analysis.geometry import SPATIAL_DIMS
from decnef_data.analysis.registration import PARAMETERS, compute_displacement
from decnef_data.analysis.run_motion import MotionSettings, RunMotion, RunOfScan
from decnef_data.arrays import find_slab, stack_lazily, without_dask
from decnef_data.motion_results import COMPUTED

__all__ = ["build_variables"]

_TIME_DIMS: Final = ("time", *SPATIAL_DIMS)
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


def build_variables(
    bold: xr.Variable, runs: Sequence[RunOfScan], settings: MotionSettings
) -> dict[str, xr.Variable]:
    """Return the variables of the motion in runs ``([scan,] time, z, y, x)``."""
    build = _build_lazily if bold.chunks is None else _build_with_dask
    variables = build(bold, runs, settings)
    if "scan" not in bold.dims:
        variables = {name: variable[0] for name, variable in variables.items()}
    return _with_attrs(variables, settings)


def _scans_of(bold: xr.Variable) -> list[xr.Variable]:
    return [bold[number] for number in range(bold.sizes["scan"])] if "scan" in bold.dims else [bold]


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
    bold: xr.Variable, runs: Sequence[RunOfScan], settings: MotionSettings
) -> dict[str, xr.Variable]:
    motions = [RunMotion(scan, run, settings) for scan, run in zip(_scans_of(bold), runs, strict=True)]
    sizes = _result_sizes(bold)
    variables = {}
    for name, dims in _DIMS.items():
        slabs = [_Measure(each, name) for each in motions]
        variables[name] = stack_lazily(slabs, ("scan", *dims), np.float64, [sizes[dim] for dim in dims])
    return variables


@dataclass(frozen=True, slots=True, eq=False)
class _Task:
    """What a task has of a scan: its run, and its voxels unless they are an input of the task."""

    run: RunOfScan
    bold: xr.Variable | None


def _build_with_dask(
    bold: xr.Variable, runs: Sequence[RunOfScan], settings: MotionSettings
) -> dict[str, xr.Variable]:
    inputs = _task_inputs(bold, runs)
    sizes = _result_sizes(bold)

    def apply(name: str, *poses: xr.Variable) -> xr.Variable:
        core_dims = [(), *([_TIME_DIMS] * (len(inputs) - 1)), *([_DIMS["motion"]] * len(poses))]
        variable: xr.Variable = xr.apply_ufunc(
            _compute_block,
            *inputs,
            *poses,
            kwargs={"settings": settings, "name": name, "has_poses": bool(poses)},
            input_core_dims=core_dims,
            output_core_dims=[_DIMS[name]],
            dask="parallelized",
            output_dtypes=[np.float64],
            dask_gufunc_kwargs={
                "output_sizes": {
                    dim: sizes[dim] for dim in _DIMS[name] if not any(dim in dims for dims in core_dims)
                }
            },
        )
        return variable

    poses = apply("motion")
    fd = _displacement_with_dask(poses, settings.radius)
    return {
        "motion": poses,
        "fd": fd,
        # The first volume has no displacement.
        "mean_fd_computed": fd[..., 1:].mean("time"),
        # The two halves are registered near the poses, which are computed once for both results.
        "fd_floor": apply("fd_floor", poses),
        "rotation_centre": apply("rotation_centre"),
    }


def _task_inputs(bold: xr.Variable, runs: Sequence[RunOfScan]) -> list[xr.Variable]:
    """Return what each task has of its scan: where its voxels are, if that is certain, else the voxels."""
    opened = without_dask(bold)
    scans = [] if opened is None else _scans_of(opened)
    if scans and all(find_slab(scan) is not None for scan in scans):
        # A task that finds its result in the cache reads no voxels.
        return [_one_per_scan([_Task(run, scan) for run, scan in zip(runs, scans, strict=True)])]
    stack = bold if "scan" in bold.dims else bold.set_dims(("scan", *bold.dims))  # type: ignore[no-untyped-call]  # xarray does not annotate it
    return [
        _one_per_scan([_Task(run, None) for run in runs]),
        stack.chunk({"scan": 1, **dict.fromkeys(_TIME_DIMS, -1)}),
    ]


def _one_per_scan(tasks: Sequence[_Task]) -> xr.Variable:
    objects = np.empty(len(tasks), dtype=object)
    objects[:] = tasks
    return xr.Variable("scan", objects).chunk(scan=1)


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
    tasks: NDArray[Any], *arrays: NDArray[Any], settings: MotionSettings, name: str, has_poses: bool
) -> NDArray[np.float64]:
    """Compute one result of the scans of a block; `arrays` are voxels, if the tasks have none, and poses."""
    results = []
    for number, task in enumerate(tasks):
        bold = xr.Variable(_TIME_DIMS, arrays[0][number]) if task.bold is None else task.bold
        poses = arrays[-1][number] if has_poses else None
        results.append(_MEASURES[name](RunMotion(bold, task.run, settings, poses)))
    return np.stack(results)


def _result_sizes(bold: xr.Variable) -> dict[str, int]:
    return {"time": bold.sizes["time"], "parameter": len(PARAMETERS), "axis": 3}


def _with_attrs(variables: dict[str, xr.Variable], settings: MotionSettings) -> dict[str, xr.Variable]:
    attrs: dict[str, Mapping[str, str]] = {
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
        **COMPUTED,
        "rotation_centre": _MM | {"long_name": "point about which the head turns, in world coordinates"},
    }
    for name, variable in variables.items():
        variable.attrs = dict(attrs[name])
    return variables
