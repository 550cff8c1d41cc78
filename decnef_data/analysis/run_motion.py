"""The motion of the head in one run: poses, their centre, and their noise, computed once and kept."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from decnef_data.analysis.registration import (
    PARAMETERS,
    NotRegisteredError,
    Reference,
    compute_displacement,
)
from decnef_data.arrays import find_slab
from decnef_data.errors import FormatError
from decnef_data.motion_results import (
    METHOD_VERSION,
    RADIUS,
    MotionResults,
    RunEntry,
    digest,
    scan_key,
)
from decnef_data.progress import create_count_progress

__all__ = ["MotionSettings", "RunMotion", "RunOfScan"]

Floats = NDArray[np.float64]

#: Volumes in memory at a time: as many as in a chunk of the stores.
_BLOCK_VOLUMES: Final = 20


@dataclass(frozen=True, slots=True)
class MotionSettings:
    """What is the same for all runs of a dataset.

    ``reference`` is the index of the volume to which the others are registered, ``volumes`` are the numbers
    of all of them, ``coordinates`` is the text of the index coordinates, and ``results`` is where results are
    kept; ``None`` means nowhere.
    """

    reference: int
    radius: float
    volumes: tuple[int, ...]
    coordinates: str
    results: MotionResults | None
    progress: str


@dataclass(frozen=True, slots=True)
class RunOfScan:
    """Whose run it is, as errors and progress name it, and how its voxels become measured values."""

    name: str
    affine: Floats
    slope: float
    inter: float


class RunMotion:
    """The motion in one run.

    Parameters
    ----------
    bold
        The voxels ``(time, z, y, x)``, which are read when they are needed.
    run
        Whose they are.
    settings
        What all runs of a dataset share.
    poses
        The poses, if they are known.
    """

    def __init__(
        self, bold: xr.Variable, run: RunOfScan, settings: MotionSettings, poses: Floats | None = None
    ) -> None:
        self._bold, self._run, self._settings, self._known_poses = bold, run, settings, poses

    @cached_property
    def poses(self) -> Floats:
        """The pose of the head in each volume ``(volume, parameter)``."""
        known = self._known_poses
        return self._load_or_compute("poses", self._register) if known is None else known

    @cached_property
    def centre(self) -> Floats:
        """The centre of rotation ``(axis)`` in world millimetres."""
        return self._reference.centre

    @cached_property
    def noise(self) -> Floats:
        """Half the difference of the poses by two halves of the voxels ``(volume, parameter)``."""
        return self._load_or_compute("noise", self._register_halves)

    @property
    def displacement(self) -> Floats:
        """The framewise displacement ``(volume)`` in mm; the first is NaN."""
        return compute_displacement(self.poses, self._settings.radius)

    @property
    def mean_displacement(self) -> Floats:
        """The mean framewise displacement in mm, without the first volume."""
        return np.asarray(self.displacement[1:].mean())

    @property
    def floor(self) -> Floats:
        """The mean framewise displacement in mm that noise alone makes."""
        return np.asarray(compute_displacement(self.noise, self._settings.radius)[1:].mean())

    @property
    def _reference(self) -> Reference:
        # Computed again when it is needed: a dataset keeps its runs, and each would keep several volumes.
        index = self._settings.reference
        ((_, volume),) = self._volumes(range(index, index + 1))
        return Reference(volume, self._run.affine)

    def _load_or_compute(self, kind: str, compute: Callable[[], Floats]) -> Floats:
        results = self._settings.results
        if results is None:
            return compute()
        name = f"{self._result}.{kind}"
        found = results.read_array(name, (len(self._settings.volumes), len(PARAMETERS)))
        if found is None:
            found = compute()
            results.write_array(name, found)
        self._record(results, kind, found)
        return found

    def _record(self, results: MotionResults, kind: str, found: Floats) -> None:
        """Record the result of a scan that is as in its files, so that it is found without its voxels."""
        if self._scan_key is None or self._run_key is None:
            return
        # The journal has one displacement per scan, which does not depend on the parameters of a call.
        is_default = self._settings.reference == len(self._settings.volumes) // 2
        mean = float(compute_displacement(found, RADIUS)[1:].mean()) if is_default else None
        measured = {"mean_fd" if kind == "poses" else "fd_floor": mean}
        results.add(RunEntry(scan=self._scan_key, run=self._run_key, result=self._result, **measured))

    @cached_property
    def _result(self) -> str:
        """The name of the results: a digest of all that they depend on, the voxels among it."""
        results = self._settings.results
        known = None if results is None or self._run_key is None else results.find(self._run_key)
        return self._hash_voxels() if known is None else known.result

    @cached_property
    def _scan_key(self) -> str | None:
        """The key of the scan, ``None`` if its voxels may be others than those of its files."""
        source = getattr(find_slab(self._bold), "source", "")
        run = self._run
        return scan_key(source, run.affine, run.slope, run.inter) if source else None

    @cached_property
    def _run_key(self) -> str | None:
        settings = self._settings
        if self._scan_key is None:
            return None
        described = {"reference": settings.reference, "coordinates": settings.coordinates}
        return digest({"scan": self._scan_key, **described})

    def _hash_voxels(self) -> str:
        """Read all voxels: a run with one of them changed has another result."""
        run, settings = self._run, self._settings
        described = {
            "version": METHOD_VERSION,
            "reference": settings.reference,
            "coordinates": settings.coordinates,
            "affine": run.affine.tolist(),
            "scaling": [run.slope, run.inter],
            "voxels": [self._bold.dtype.str, *self._bold.shape],
        }
        voxels = hashlib.sha256(digest(described).encode())
        for start in range(0, len(settings.volumes), _BLOCK_VOLUMES):
            block = self._read(range(start, start + _BLOCK_VOLUMES))
            voxels.update(np.ascontiguousarray(block).data)
        return voxels.hexdigest()

    def _register(self) -> Floats:
        reference = self._reference
        return self._compute("motion", lambda _, volume: reference.register(volume))

    def _register_halves(self) -> Floats:
        reference, poses = self._reference, self.poses

        def half_difference(index: int, volume: NDArray[Any]) -> Floats:
            first, second = reference.register_halves(volume, poses[index])
            return (first - second) / 2

        return self._compute("noise of motion", half_difference)

    def _compute(self, what: str, function: Callable[[int, NDArray[Any]], Floats]) -> Floats:
        """Return what a function finds in each volume, by volume and parameter."""
        out = np.empty((len(self._settings.volumes), len(PARAMETERS)))
        progress = create_count_progress(self._settings.progress)
        progress.start(f"{self._run.name}: {what}", len(out), 0)
        try:
            for index, volume in self._volumes(range(len(out))):
                try:
                    out[index] = function(index, volume)
                except NotRegisteredError as problem:
                    # The text of the problem is a part of this error already.
                    raise self._error(index, str(problem)) from None
                progress.advance(1)
        finally:
            progress.finish()
        return out

    def _volumes(self, wanted: range) -> Iterator[tuple[int, NDArray[Any]]]:
        """Yield the measured values of volumes, after checking that they are an image."""
        for start in range(wanted.start, wanted.stop, _BLOCK_VOLUMES):
            block = range(start, min(start + _BLOCK_VOLUMES, wanted.stop))
            for index, stored in zip(block, self._read(block), strict=True):
                volume = stored * np.float64(self._run.slope) + self._run.inter
                if not np.isfinite(volume).all():
                    raise self._error(index, "contains NaN or infinity")
                if volume.min() == volume.max():
                    raise self._error(index, "is empty: all voxels are equal")
                yield index, volume

    def _read(self, block: range) -> NDArray[Any]:
        stored: NDArray[Any] = self._bold[block.start : block.stop].to_numpy()
        return stored

    def _error(self, index: int, problem: str) -> FormatError:
        location = f"volume {self._settings.volumes[index]}"
        return FormatError(
            f"'bold' of '{self._run.name}' has no motion: {location}, counted from 0, {problem}. "
            "Exclude the scan with isel(scan=...), or the volume if it is the first or the last.",
            file=self._run.name,
            location=location,
        )
