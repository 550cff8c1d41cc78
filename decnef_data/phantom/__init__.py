"""Synthetic datasets (digital phantoms) with the layouts and quirks of the real ones, without real data."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from decnef_data.errors import SelectionError
from decnef_data.file_systems import require_free_space
from decnef_data.model import Progress

if TYPE_CHECKING:
    import xarray as xr

    from decnef_data.phantom.phantom_size import PhantomSize

__all__ = [
    "ARCHIVE_SHA256",
    "ARCHIVE_SIZE",
    "ARCHIVE_VERSION",
    "IMAGING_VERSIONS",
    "GroundTruth",
    "build_truth",
    "ground_truth",
    "write_imaging_phantom",
    "write_phantom",
]

#: Changes whenever the bytes of the archive change.
ARCHIVE_VERSION = 2
#: SHA-256 and size in bytes of each archive: the same on every machine.
ARCHIVE_SHA256: Mapping[str, str] = {
    "srpbs-fc": "544aec9aa67c1785e8f3d349c193d7619b74eaa85b4014397a42d5fea0f7ac49"
}
ARCHIVE_SIZE: Mapping[str, int] = {"srpbs-fc": 180723155}

#: The version of each imaging phantom, an unpacked folder; it changes whenever the bytes change.
IMAGING_VERSIONS: Mapping[str, int] = {"srpbs-open": 2, "srpbs-1600": 2, "srpbs-ts": 2}
#: Number of participants with images unless the caller passes one.
_DEFAULT_SUBJECTS = {"srpbs-open": 24, "srpbs-1600": 26, "srpbs-ts": 9}
#: Rest runs of each participant, and volumes of a run, at most.
_MAX_RUNS = {"srpbs-open": 1, "srpbs-1600": 1, "srpbs-ts": 48}
_MAX_VOLUMES = {"srpbs-open": 240, "srpbs-1600": 240, "srpbs-ts": 30}

_ARCHIVE_NAMES = {"srpbs-fc": "SRPBS_FC-synthetic.zip"}
_GROUP_OF_ROIS = {140: "bal140", 93: "roi93", 116: "aal116"}
#: Institutes whose tables pool several sites without recording the site of each participant.
_POOLED_INSTITUTES = {"KyotoU", "HiroshimaU"}


@dataclass(frozen=True, slots=True)
class GroundTruth:
    """What a reader should find: participants by group, and by site and diagnosis within each group.

    ``rows`` counts participants by matrix (its path in the archive); a site that a table does not record
    is ``""``; ``nan_rows`` counts, by group, the rows that hold any NaN.
    """

    participants: Mapping[str, int]
    sites: Mapping[str, Mapping[str, int]]
    diagnoses: Mapping[str, Mapping[str, int]]
    rows: Mapping[str, int]
    nan_rows: Mapping[str, int]


def write_phantom(dataset: str, folder: Path, progress: Progress | None = None) -> Path:
    """Write the phantom of `dataset` into `folder` unless it is already complete there, and return its path.

    `progress` receives the bytes as they are written.

    It appears under its name only once it is complete.  A missing folder is created with access for its
    owner only.  The phantom of an imaging dataset is an unpacked folder.

    Examples
    --------
    >>> write_phantom("srpbs-open-2", Path("unused"))
    Traceback (most recent call last):
    decnef_data.errors.SelectionError: There is no phantom of 'srpbs-open-2'.
    Choose one of 'srpbs-fc', 'srpbs-open', 'srpbs-1600', 'srpbs-ts'.
    """
    if dataset in IMAGING_VERSIONS:
        return write_imaging_phantom(dataset, folder, progress=progress)
    path = Path(folder) / _ARCHIVE_NAMES[_validate_dataset(dataset)]
    is_complete = partial(_is_complete_archive, path, dataset)
    if not is_complete():
        from decnef_data.phantom.connectivity_archive import write_archive  # loads NumPy and h5py

        require_free_space(path.parent, ARCHIVE_SIZE[dataset], f"the phantom of '{dataset}'")
        with _reported(progress, path.name, ARCHIVE_SIZE[dataset]) as report:
            write_archive(path, _stamp(dataset), is_complete, report)
    return path


def write_imaging_phantom(
    dataset: str,
    folder: Path,
    *,
    n_subjects: int | None = None,
    full_size: bool = False,
    n_volumes: int | None = None,
    variant: str = "bids",
    progress: Progress | None = None,
) -> Path:
    """Write the phantom of an imaging dataset unless it is already complete, and return its path.

    Parameters
    ----------
    dataset
        One of ``IMAGING_VERSIONS``.
    folder
        The folder to write it into.
    n_subjects
        Number of participants with images; tables list all participants.
    full_size
        Use real matrix sizes and numbers of volumes, as benchmarks need them, instead of small ones; runs of
        srpbs-ts have 30 volumes.
    n_volumes
        The largest number of volumes of a run.
    variant
        Of srpbs-ts: ``"bids"`` or ``"flat"``.
    progress
        The receiver of the bytes as they are written.

    Examples
    --------
    >>> import tempfile
    >>> write_imaging_phantom("srpbs-ts", Path(tempfile.mkdtemp()), n_subjects=1).name
    'SRPBS_TS-1-synthetic.d'
    """
    from decnef_data.phantom import imaging_files  # loads NumPy

    size = _phantom_size(dataset, n_subjects, n_volumes, full_size=full_size)
    top_folder = dataset.upper().replace("-", "_")
    suffixes = [*([] if n_subjects is None else [str(n_subjects)]), *(["full"] if full_size else []),
              *([] if n_volumes is None else [f"{n_volumes}volumes"]),
              *([] if variant == "bids" else [variant])]  # fmt: skip
    path = Path(folder) / "-".join((top_folder, *suffixes, "synthetic.d"))
    stamp = _stamp(dataset)
    is_complete = partial(_is_complete_folder, path, stamp)
    if not is_complete():
        require_free_space(path.parent, size.max_bytes, f"the phantom of '{dataset}'")
        files = imaging_files.generate_files(dataset, size, variant)
        with _reported(progress, path.name, None) as report:
            imaging_files.write_folder(path, files, stamp, is_complete, report)
    return path


@contextmanager
def _reported(progress: Progress | None, name: str, size: int | None) -> Iterator[Callable[[int], None]]:
    """Report the creation of a phantom; the body receives a function that counts bytes."""
    if progress is None:
        yield lambda _count: None
        return
    progress.start(f"creating {name}", size, 0)
    try:
        yield progress.advance
    finally:
        progress.finish()


def _is_complete_folder(path: Path, stamp: str) -> bool:
    """Return whether the folder is there: it gets its name only once it is complete."""
    try:
        return (path / "README-SYNTHETIC.txt").read_text().endswith(stamp)
    except FileNotFoundError:
        return False


def ground_truth(dataset: str) -> GroundTruth:
    """Return what a reader should find in the phantom of `dataset`.

    Examples
    --------
    >>> ground_truth("srpbs-fc").participants
    {'bal140': 1625, 'roi93': 344, 'aal116': 344}
    """
    if dataset in IMAGING_VERSIONS:
        message = (
            "The expected contents are available only for the phantom of 'srpbs-fc', "
            f"not for that of '{dataset}'. Pass 'srpbs-fc'."
        )
        raise SelectionError(message, requested=dataset, known=tuple(_ARCHIVE_NAMES))
    _validate_dataset(dataset)
    from decnef_data.phantom.matrix_specs import MATRIX_SPECS  # loads NumPy

    participants: Counter[str] = Counter()
    sites: dict[str, Counter[str]] = {group: Counter() for group in _GROUP_OF_ROIS.values()}
    diagnoses: dict[str, Counter[str]] = {group: Counter() for group in _GROUP_OF_ROIS.values()}
    nan_rows = dict.fromkeys(_GROUP_OF_ROIS.values(), 0)
    for spec in MATRIX_SPECS:
        group = _GROUP_OF_ROIS[spec.rois]
        participants[group] += spec.count
        nan_rows[group] += len(spec.all_nan_rows) + len(spec.partial_nan_rows)
        for stratum in spec.strata:
            pooled = spec.path.split("/")[0] in _POOLED_INSTITUTES
            sites[group]["" if pooled else stratum.site] += stratum.count
            diagnoses[group][stratum.diagnosis] += stratum.count
    rows = {f"SRPBS_FC/{spec.path}": spec.count for spec in MATRIX_SPECS}
    return GroundTruth(dict(participants), sites, diagnoses, rows, nan_rows)


def build_truth(
    dataset: str,
    group: str | None = None,
    *,
    n_subjects: int | None = None,
    full_size: bool = False,
    n_volumes: int | None = None,
) -> "xr.Dataset":
    """Build the truth of the phantom of `dataset`: of `group` of its connectivity, or of its rest runs.

    Parameters
    ----------
    dataset
        The name of the dataset.
    group
        The group of connectivity; ``None`` means ``bal140``.
    n_subjects, full_size, n_volumes
        The size of the phantom of images, as :func:`write_imaging_phantom` writes it.

    Examples
    --------
    >>> dict(build_truth("srpbs-fc").sizes)["edge"], dict(build_truth("srpbs-open").sizes)["scan"]
    (9730, 23)
    """
    if dataset in IMAGING_VERSIONS:
        size = _phantom_size(dataset, n_subjects, n_volumes, full_size=full_size)
        built = _build_image_truth(dataset, group, size)
    else:
        built = _build_connectivity_truth(_validate_dataset(dataset), group)
    return built.assign_attrs(
        title=f"SYNTHETIC truth of the phantom of {dataset}",
        synthetic=1,
        dataset=dataset,
        phantom_version=_version(dataset),
    )


def _phantom_size(
    dataset: str, n_subjects: int | None, n_volumes: int | None, *, full_size: bool
) -> "PhantomSize":
    from decnef_data.phantom.phantom_size import PhantomSize  # loads NumPy

    n_imaged = _DEFAULT_SUBJECTS[dataset] if n_subjects is None else n_subjects
    n_most = _MAX_VOLUMES[dataset] if n_volumes is None else n_volumes
    return PhantomSize(n_imaged, full_size, n_most, _MAX_RUNS[dataset])


def _build_image_truth(dataset: str, group: str | None, size: "PhantomSize") -> "xr.Dataset":
    from decnef_data.phantom import imaging_files, truth  # loads xarray

    if group is not None:
        message = f"The truth of '{dataset}' is that of all its runs, not of '{group}'. Pass '{dataset}'."
        raise SelectionError(message, requested=group)
    return truth.build_image_truth(imaging_files.list_runs(dataset, size))


def _build_connectivity_truth(dataset: str, group: str | None) -> "xr.Dataset":
    from decnef_data.phantom import atlas, truth  # loads xarray

    names = {
        group: atlas.REGION_NAMES
        if rois == len(atlas.REGION_NAMES)
        else tuple(f"roi_{number:03d}" for number in range(1, rois + 1))
        for rois, group in _GROUP_OF_ROIS.items()
    }
    default = next(iter(names))
    if group not in {None, *names}:
        message = (
            f"There is no group '{group}' in the phantom of '{dataset}'. Choose one of {', '.join(names)}."
        )
        raise SelectionError(message, requested=str(group), known=tuple(names))
    return truth.build_connectivity_truth(names[group or default]).assign_attrs(group=group or default)


def _validate_dataset(dataset: str) -> str:
    if dataset not in _ARCHIVE_NAMES:
        names = (*_ARCHIVE_NAMES, *IMAGING_VERSIONS)
        known = ", ".join(f"'{name}'" for name in names)
        message = f"There is no phantom of '{dataset}'. Choose one of {known}."
        raise SelectionError(message, requested=dataset, known=names)
    return dataset


def _stamp(dataset: str) -> str:
    return f"SYNTHETIC phantom of {dataset}, version {_version(dataset)}"


def _version(dataset: str) -> int:
    return IMAGING_VERSIONS.get(dataset, ARCHIVE_VERSION)


def _is_complete_archive(path: Path, dataset: str) -> bool:
    """Return whether the file has the size and the final stamp of a complete archive of this version."""
    stamp = _stamp(dataset).encode()
    try:
        with path.open("rb") as file:
            file.seek(ARCHIVE_SIZE[dataset] - len(stamp))
            return file.read() == stamp
    except FileNotFoundError:
        return False
