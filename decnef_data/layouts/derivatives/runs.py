"""The derived runs of a folder, each with its participant, mask and confounds, and what cannot be read."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from decnef_data.errors import FormatError, SelectionError
from decnef_data.layouts.derivatives.confounds import Confounds, read_confounds
from decnef_data.layouts.derivatives.folder import DerivativeFile, DerivativesFolder
from decnef_data.layouts.derivatives.images import (
    DerivedLabels,
    read_repetition_time,
    read_scan,
    unreadable_error,
)
from decnef_data.layouts.derivatives.names import NATIVE_SPACE, NATIVE_WORDS
from decnef_data.layouts.imaging.groups.labels import ScanLabels
from decnef_data.layouts.imaging.inventory.scans import Scan
from decnef_data.model import CountProgress
from decnef_data.path_text import unescape_path

__all__ = ["DerivativesRequest", "DerivedRun", "DerivedRuns", "read_runs", "select_spaces"]

#: Largest distance in mm between the same voxel of a run and of its mask: a tenth of the smallest voxel.
_GRID_TOLERANCE: Final = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class DerivedRun:
    """One run in one space.

    ``row`` is that of its participant and session; the header of ``scan`` has the repetition time of its
    sidecar.
    """

    file: DerivativeFile
    row: int
    scan: Scan
    mask: Scan | None
    confounds: Confounds | None


@dataclass(frozen=True, slots=True)
class DerivativesRequest:
    """A folder, and which of its runs and confounds to open; ``spaces`` is ``None`` for all."""

    path: Path
    spaces: tuple[str, ...] | None
    desc: str
    confounds: tuple[str, ...]
    progress: CountProgress


#: The row and number of a run, the space of its image, and by what it differs from others in this space.
RunKey = tuple[int, int, str, tuple[tuple[str, str], ...]]


@dataclass(slots=True)
class DerivedRuns:
    """The runs that can be read, an error for each that cannot, and the files that are left out.

    ``unknown`` maps a participant, session or run that the dataset does not have to the files;
    ``found`` has every run that is there, also those that cannot be read, by row, number, space and variant;
    ``used`` are the paths of the files whose content is used.
    """

    runs: list[DerivedRun] = field(default_factory=list)
    problems: list[FormatError] = field(default_factory=list)
    unknown: dict[str, list[str]] = field(default_factory=dict)
    found: dict[RunKey, DerivativeFile] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)


def select_spaces(folder: DerivativesFolder, desc: str, requested: Sequence[str] | None) -> tuple[str, ...]:
    """Return the spaces of the runs of a folder, or those of them that are requested.

    Raises
    ------
    SelectionError
        A requested space is not there.
    """
    known = sorted({file.name.space for file in _bold_files(folder, desc)})
    if requested is None:
        return tuple(known)
    by_name = {name.casefold(): name for name in known}
    if NATIVE_SPACE in known:
        # A space that is called so in the names of files comes before fMRIPrep's words for the native one.
        by_name = {**dict.fromkeys(NATIVE_WORDS, NATIVE_SPACE), **by_name}
    for name in requested:
        if name.casefold() not in by_name:
            message = (
                f"There are no runs in the space '{name}'. The folder has runs in {', '.join(known)}; "
                f"'{NATIVE_SPACE}' means the grid of the original run."
            )
            raise SelectionError(message, requested=name, known=known)
    return tuple(dict.fromkeys(by_name[name.casefold()] for name in requested))


def _bold_files(folder: DerivativesFolder, desc: str) -> list[DerivativeFile]:
    return [file for file in folder.files if file.name.kind == "bold" and file.name.desc == desc]


def read_runs(
    folder: DerivativesFolder, request: DerivativesRequest, spaces: Iterable[str], labels: ScanLabels
) -> DerivedRuns:
    """Match the runs of a folder with participants, and read their headers, sidecars and confounds.

    Parameters
    ----------
    folder
        The files.
    request
        The kind of the runs, the names and patterns of the confounds, and the display of progress.
    spaces
        The spaces of the runs.
    labels
        The participants.
    """
    reader = _Reader(folder.root, _companions(folder, request.desc), request.confounds, labels)
    selected = frozenset(spaces)
    files = [file for file in _bold_files(folder, request.desc) if file.name.space in selected]
    request.progress.start("runs of fMRIPrep", len(files), 0)
    try:
        for file in files:
            reader.add(file)
            request.progress.advance(1)
    finally:
        request.progress.finish()
    return reader.result


_Companions = Mapping[str, Mapping[object, DerivativeFile]]


def _companions(folder: DerivativesFolder, desc: str) -> _Companions:
    """Return the masks and sidecars of images by image, and the confounds by run."""
    found: dict[str, dict[object, DerivativeFile]] = {"mask": {}, "sidecar": {}, "confounds": {}}
    for file in folder.files:
        kind = file.name.kind
        if kind in found and (kind != "sidecar" or file.name.desc == desc):
            # fMRIPrep writes one table of confounds for the images of a run in all spaces.
            key = file.name.run_key if kind == "confounds" else file.name.image_key
            # With the folder, because two folders may have a run of the same name.
            found[kind][file.folder, key] = file
    return found


@dataclass(slots=True)
class _Reader:
    """Reads the runs of a folder one after the other; tables of confounds are read once for all spaces."""

    root: str
    companions: _Companions
    confounds: tuple[str, ...]
    labels: ScanLabels
    result: DerivedRuns = field(default_factory=DerivedRuns)
    tables: dict[str, Confounds | FormatError] = field(default_factory=dict)

    def add(self, file: DerivativeFile) -> None:
        """Read a run, unless it is not certain that the dataset has it."""
        name = file.name
        owner = "/".join(filter(None, (name.subject, name.session and f"ses-{name.session}")))
        row = self.labels.row_of(self.labels.rows_of(name.subject), name.session)
        if row is None:
            self.result.unknown.setdefault(owner, []).append(file.path)
            return
        run = self.labels.run_of(row, name.run)
        if run is None:
            owner = f"{owner}/run-{'?' if name.run is None else name.run}"
            self.result.unknown.setdefault(owner, []).append(file.path)
            return
        try:
            self._require_first(file, row, run)
            self.result.runs.append(self._read(file, row, run))
        except FormatError as error:
            self.result.problems.append(_advise(error))

    def _require_first(self, file: DerivativeFile, row: int, run: int) -> None:
        first = self.result.found.setdefault((row, run, file.name.space, file.name.variant), file)
        if first is not file:
            message = (
                f"'{file.path}' and '{first.path}' are the same run of '{self.labels.name_of(row, run)}'. "
                "Move the one that should not be used out of the folder."
            )
            raise FormatError(message, file=file.path)

    def _read(self, file: DerivativeFile, row: int, run: int) -> DerivedRun:
        labels = DerivedLabels(*self.labels.key_of(row), run)
        scan = read_scan(self.root, file, labels)
        companions = {kind: self._companion(kind, file) for kind in self.companions}
        time = read_repetition_time(self.root, companions["sidecar"], scan.header)
        mask_file = companions["mask"]
        mask = None if mask_file is None else read_scan(self.root, mask_file, labels)
        if mask is not None:
            _require_same_grid(mask, scan)
        confounds = self._read_confounds(companions["confounds"], scan)
        # Only now: a file of a run that is left out was not used.
        used = (file, *(each for each in companions.values() if each is not None))
        self.result.used.update(each.path for each in used)
        return DerivedRun(file, row, _with_repetition_time(scan, time), mask, confounds)

    def _companion(self, kind: str, file: DerivativeFile) -> DerivativeFile | None:
        key = file.name.run_key if kind == "confounds" else file.name.image_key
        return self.companions[kind].get((file.folder, key))

    def _read_confounds(self, file: DerivativeFile | None, scan: Scan) -> Confounds | None:
        if file is None:
            return None
        if file.path not in self.tables:
            # An error is kept, too, so that each space has its problem without another reading.
            self.tables[file.path] = self._read_table(file)
        table = self.tables[file.path]
        if isinstance(table, FormatError):
            raise table
        if table.n_rows != scan.volume_count:
            message = (
                f"'{file.path}' has {table.n_rows} rows, but '{scan.files[0]}' has {scan.volume_count} "
                "volumes. Run fMRIPrep again for this run."
            )
            raise FormatError(message, file=file.path)
        return table

    def _read_table(self, file: DerivativeFile) -> Confounds | FormatError:
        location = Path(unescape_path(f"{self.root}/{file.path}"))
        try:
            return read_confounds(location.read_bytes(), file.path, self.confounds)
        except OSError as error:
            return unreadable_error(file.path, location, error)
        except FormatError as error:
            return error


def _advise(error: FormatError) -> FormatError:
    """Return an error with advice for a file that no mirror has."""
    text = str(error)
    advised = text.replace("Download it again", "Run fMRIPrep again for this run")
    return FormatError(advised, file=error.file, location=error.location)


def _with_repetition_time(scan: Scan, seconds: float) -> Scan:
    header = scan.header
    if header is None:
        return scan
    return msgspec.structs.replace(scan, header=msgspec.structs.replace(header, repetition_time=seconds))


def _require_same_grid(mask: Scan, scan: Scan) -> None:
    """Require that a mask is on the grid of its run."""
    affines = [np.frombuffer(one.header.affine, "<f8").reshape(4, 4) for one in (mask, scan) if one.header]
    space = scan.shape[-3:]
    # Two affine maps differ most at a corner, so no other voxel has to be compared.
    corners = np.array([[x, y, z, 1] for x in (0, space[2]) for y in (0, space[1]) for z in (0, space[0])])
    distance = float(np.abs(corners @ (affines[0] - affines[1]).T).max())
    if mask.shape[-3:] != space or distance > _GRID_TOLERANCE:
        message = (
            f"'{mask.files[0]}' is not on the grid of '{scan.files[0]}'. Run fMRIPrep again for this run."
        )
        raise FormatError(message, file=mask.files[0], location="affine")
