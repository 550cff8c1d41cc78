"""The scans of an image dataset: a group of them as a lazy dataset, or any of them as a list."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from decnef_data.arrays import LazySlabs, Slab, stack_lazily
from decnef_data.layouts.imaging.groups.scan_groups import dtype_and_shape
from decnef_data.layouts.imaging.groups.scan_list import ScanList
from decnef_data.layouts.imaging.tables.acquisition import STANDARD_PARAMETERS, grade_column
from decnef_data.model import Image, ImageSource

if TYPE_CHECKING:
    from decnef_data.layouts.imaging.inventory.scans import Scan
    from decnef_data.layouts.imaging.tables.participants import ParticipantTable

__all__ = [
    "RepetitionTimes",
    "build_dataset",
    "field_map_paths",
    "label_coords",
    "list_images",
    "order_columns",
    "repetition_times",
    "run_coords",
]

_LEADING_COLUMNS: Final = (
    "subject", "session", "run", "site", "institute", "protocol", "scanner", "diagnosis", "diagnosis_code",
    "age", "sex", "sex_code", "handedness", "handedness_code", "mean_fd", "mean_fd_computed", "fd_floor",
    *(name for name in STANDARD_PARAMETERS if name != "scanner"),
)  # fmt: skip
_LABEL_COLUMNS: Final = ("site", "institute", "protocol", "protocol_eyes", *STANDARD_PARAMETERS)
_SPATIAL_DIMS: Final = ("z", "y", "x")
_RUN_ATTRS: Final[Mapping[str, dict[str, str]]] = {
    "repetition_time": {"long_name": "repetition time", "units": "s"},
    "n_volumes": {"long_name": "number of volumes in the files"},
    "n_dummies_removed": {
        "long_name": "number of initial volumes removed from the files",
        "comment": "planned minus actual volumes where the table or catalog agrees, "
        "otherwise the documented number (of the catalog, else of the table)",
    },
}
#: Repetition times that differ by less are one: a header has it in single precision.
_TIME_TOLERANCE: Final = 1e-6
_TIME_DECIMALS: Final = 9
_FORM_ATTRS: Final[Mapping[str, dict[str, str]]] = {
    f"{form}_code": {
        "long_name": f"NIfTI code of the {form}",
        "comment": "0 unknown, 1 scanner, 2 aligned, 3 Talairach, 4 MNI, 5 other template",
    }
    for form in ("qform", "sform")
}
#: Where repetition times are from, in the order in which they are used.
_TIME_SOURCES: Final = ("copy", "headers of the files", "repetition_time=", "catalog")
_TIME_ATTRS: Final[Mapping[str, str]] = {"long_name": "time since the first volume", "units": "s"}
_RowIndices = NDArray[np.intp]
_LONG_NAMES: Final = {"bold": "BOLD signal as stored", "t1w": "T1-weighted signal as stored"}


def build_dataset(
    members: ScanList,
    open_scan: Callable[["Scan"], Slab],
    participants: "ParticipantTable",
    field_maps: Mapping[tuple[str, str], str],
) -> xr.Dataset:
    """Build the dataset of one group, of scans of one kind and shape; no image is read.

    Parameters
    ----------
    members
        The selected scans.
    open_scan
        Returns the source of the voxels of a scan: its files, or a store.
    participants
        The participants of the copy.
    field_maps
        The paths of field maps by session, as :func:`field_map_paths` returns them.
    """
    scans, kind = members.scans, members.scans[0].kind
    if kind == "fmap":
        return _field_map_dataset(members, participants)
    dtype, shape = dtype_and_shape(scans[0])
    dims = ("scan", *(("time",) if kind == "bold" else ()), *_SPATIAL_DIMS)
    array = stack_lazily(LazySlabs(open_scan, scans), dims, dtype, shape)
    coords = {
        **label_coords([scan.run for scan in scans], members.rows, participants),
        **_scan_coords(members, participants, field_maps),
        **{dim: _voxel_numbers(dim, length) for dim, length in zip(_SPATIAL_DIMS, shape[-3:], strict=True)},
    }
    array.attrs["long_name"] = _LONG_NAMES[kind]
    if "scl_slope" in coords:
        array.attrs["comment"] = "measured = stored * scl_slope + scl_inter (coordinates along scan)"
    # Setting coordinates afterwards is faster than having xarray merge variables and coordinates.
    return xr.Dataset({kind: array, **coords}).set_coords(list(coords))


@lru_cache  # all groups of a copy have the same columns
def order_columns(columns: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of public columns: first those of every dataset, then in the order of the tables.

    Examples
    --------
    >>> order_columns(("sup2_bdi_ii", "age", "subject", "_volumes"))
    ('subject', 'age', 'sup2_bdi_ii')
    """
    names = [name for name in columns if not name.startswith("_")]
    leading = [name for name in _LEADING_COLUMNS if name in names]
    return (*leading, *(name for name in names if name not in _LEADING_COLUMNS))


def label_coords(
    runs: Sequence[int], rows: _RowIndices, participants: "ParticipantTable"
) -> dict[str, xr.Variable]:
    """Return the coordinates of scans that tables and the catalog state, by the numbers of runs and rows."""
    columns, attrs = participants.columns, participants.attrs
    coords = {
        name: xr.Variable(
            "scan", np.array(runs, dtype="i2") if name == "run" else columns[name][rows], attrs.get(name)
        )
        for name in order_columns((*columns, "run"))
    }
    _add_sources(coords, rows, participants)
    missing = int(np.isnan(coords["mean_fd"].to_numpy()).sum())
    if missing:
        coords["mean_fd"].attrs["comment"] = (
            f"missing in the release for {missing} of these {len(rows)} scans"
        )
    return coords


def _add_sources(
    coords: Mapping[str, xr.Variable], rows: _RowIndices, participants: "ParticipantTable"
) -> None:
    """Add where the standard parameters are from, and the grades of those of the catalog, as attributes."""
    for parameter in STANDARD_PARAMETERS:
        values, attrs = coords[parameter].to_numpy(), coords[parameter].attrs
        grades = participants.columns[grade_column(parameter)][rows]
        of_catalog = grades != ""
        of_copy = (values != "" if values.dtype.kind == "U" else ~np.isnan(values)) & ~of_catalog
        if of_copy.any():
            attrs["source"] = "copy"
        if of_catalog.any():
            attrs["source"] = "copy; catalog" if of_copy.any() else "catalog"
            attrs["grade"] = ", ".join(sorted(set(grades[of_catalog].tolist())))


def _scan_coords(
    members: ScanList, participants: "ParticipantTable", field_maps: Mapping[tuple[str, str], str]
) -> dict[str, xr.Variable]:
    scans, headers = members.scans, members.headers
    map_paths = (
        np.array([field_maps.get((scan.subject, scan.session), "") for scan in scans], dtype=np.str_)
        if field_maps
        else np.full(len(scans), "", "U1")
    )
    coords = {
        "affine": xr.Variable(
            ("scan", "row", "column"),
            headers.affines,
            {"long_name": "affine from voxel indices (x, y, z) to millimetres"},
        ),
        "field_maps": xr.Variable(
            "scan", map_paths, {"long_name": "paths of the field maps of the session, separated by ';'"}
        ),
    }
    for column, (name, attrs) in enumerate(_FORM_ATTRS.items()):
        coords[name] = xr.Variable("scan", headers.form_codes[:, column], attrs)
    if (headers.slopes != 1.0).any() or (headers.inters != 0.0).any():
        coords["scl_slope"] = xr.Variable("scan", headers.slopes)
        coords["scl_inter"] = xr.Variable("scan", headers.inters)
    if scans[0].kind != "bold":
        return coords
    runs = run_coords(members, participants)
    if (members.tasks != members.tasks[0]).any():  # the release has rest alone, and its names state none
        coords["task"] = xr.Variable("scan", members.tasks, {"long_name": "task in the name of the file"})
    return {**coords, **runs, **_volume_coords(members, runs["repetition_time"].to_numpy())}


@lru_cache  # groups have few shapes, and indexes are immutable
def _voxel_numbers(dim: str, length: int) -> xr.IndexVariable:
    numbers = xr.Variable(dim, np.arange(length, dtype="i4"), {"long_name": f"voxel index along {dim}"})
    return numbers.to_index_variable()


def _volume_coords(members: ScanList, repetition_times: NDArray[Any]) -> dict[str, xr.Variable]:
    """Return the numbers of the volumes, and their times where these are the same in all scans."""
    if members.headers.n_missing.any():
        return {"volume": _numbers_in_names(members.scans)}
    volumes = np.arange(members.headers.n_volumes[0], dtype="i4")
    coords = {"volume": xr.Variable("time", volumes, {"long_name": "number of the volume in its run"})}
    first = repetition_times[0]
    if 0 < first < np.inf and np.allclose(repetition_times, first, rtol=0, atol=_TIME_TOLERANCE):
        seconds = np.round(volumes * first, _TIME_DECIMALS)  # else 3 * 0.8 would be after 2.4
        coords["time"] = xr.Variable("time", seconds, _TIME_ATTRS)
    return coords


def _numbers_in_names(scans: Sequence["Scan"]) -> xr.Variable:
    """Return the numbers of the volumes by scan, for a group in which volumes are missing inside a run."""
    numbers = np.array([scan.volume_numbers for scan in scans], dtype="i8")
    if numbers.max(initial=0) <= np.iinfo("i4").max:  # larger ones are times, with which some name volumes
        numbers = numbers.astype("i4")
    attrs = {
        "long_name": "number of the volume in the name of its file",
        "comment": "volumes are missing where the numbers are not contiguous",
    }
    return xr.Variable(("scan", "time"), numbers, attrs)


def run_coords(members: ScanList, participants: "ParticipantTable") -> dict[str, xr.Variable]:
    """Return repetition times, numbers of volumes and of removed first volumes as coordinates of runs."""
    volumes, rows = members.headers.n_volumes, members.rows
    # Volumes that are missing between others are no dummies.
    spans = volumes + members.headers.n_missing
    times = repetition_times(members.headers.times, rows, participants)
    values: dict[str, NDArray[Any]] = {
        "repetition_time": times.seconds,
        "n_volumes": volumes,
        "n_dummies_removed": _count_removed_dummies(spans, rows, participants),
    }
    coords = {name: xr.Variable("scan", column, _RUN_ATTRS[name]) for name, column in values.items()}
    coords["repetition_time"].attrs |= times.attrs
    return coords


@dataclass(frozen=True, slots=True, eq=False)
class RepetitionTimes:
    """The repetition time of each run in seconds, where it is from, and its grade if it is of the catalog."""

    seconds: NDArray[np.float64]
    sources: NDArray[np.str_]
    grades: NDArray[np.str_]

    @property
    def attrs(self) -> dict[str, str]:
        """The attributes ``source`` and ``grade`` of the coordinate."""
        attrs = {
            "source": "; ".join(name for name in _TIME_SOURCES if (self.sources == name).any()),
            "grade": ", ".join(sorted(set(self.grades.tolist()) - {""})),
        }
        return {name: text for name, text in attrs.items() if text}


def repetition_times(
    header_times: NDArray[np.float64], rows: _RowIndices, participants: "ParticipantTable"
) -> RepetitionTimes:
    """Return repetition times: of the protocol, else the header, the request, or the record of the site."""
    columns, count = participants.columns, len(rows)
    protocol_grades = columns[grade_column("repetition_time")][rows]
    blank = np.full(count, "", "U1")
    missing = np.full(len(participants.is_listed), np.nan)
    candidates = (
        (
            "copy",
            np.where(protocol_grades == "", columns["_repetition_time"][rows], np.nan),
            blank,
        ),
        # The catalog twice: it is certain of a numbered protocol, and the last resort for a site.
        ("catalog", columns["_repetition_time"][rows], protocol_grades),
        ("headers of the files", header_times, blank),
        ("repetition_time=", columns.get("_requested_repetition_time", missing)[rows], blank),
        (
            "catalog",
            columns.get("_site_repetition_time", missing)[rows],
            columns.get("_grade_site_repetition_time", np.full(missing.shape, "", "U1"))[rows],
        ),
    )
    # U20 is the length of the longest source: NumPy would cut off more without a word.
    seconds, sources, grades = np.full(count, np.nan), np.full(count, "", "U20"), blank.copy()
    for source, values, value_grades in candidates:
        takes = np.isnan(seconds) & ~np.isnan(values)
        seconds[takes], sources[takes], grades[takes] = values[takes], source, value_grades[takes]
    return RepetitionTimes(seconds, sources, grades)


def _count_removed_dummies(
    volumes: NDArray[Any], rows: _RowIndices, participants: "ParticipantTable"
) -> NDArray[Any]:
    columns = participants.columns
    printed, recorded = columns["_dummies"][rows], columns["_recorded_dummies"][rows]
    missing = columns["_volumes"][rows] - volumes
    documented = np.where(np.isnan(recorded), printed, recorded)
    # Tables print 0 dummies for SWA and KTT, whose files lack 4 and 5 volumes, as the catalog knows.
    removed: NDArray[Any] = np.where((missing == printed) | (missing == recorded), missing, documented)
    return removed.astype("f4")


def field_map_paths(scans: Sequence["Scan"]) -> dict[tuple[str, str], str]:
    """Return the paths of the field maps of each session, separated by ``;``."""
    paths: dict[tuple[str, str], list[str]] = {}
    for scan in scans:
        if scan.kind == "fmap":
            paths.setdefault((scan.subject, scan.session), []).extend(scan.files)
    return {key: ";".join(files) for key, files in paths.items()}


def _field_map_dataset(members: ScanList, participants: "ParticipantTable") -> xr.Dataset:
    """Build a dataset of files: the names and shapes of field maps differ too much for an array."""
    scans = members.scans
    counts = [scan.file_count for scan in scans]
    scan_of_file = [scan for scan, count in zip(scans, counts, strict=True) for _ in range(count)]
    paths = np.array([path for scan in scans for path in scan.files], dtype=np.str_)
    sizes = np.frombuffer(b"".join(scan.file_sizes for scan in scans), "<i8").astype("i8")
    runs = [scan.run for scan in scan_of_file]
    coords = label_coords(runs, np.repeat(members.rows, counts), participants)
    variables = {
        "path": xr.Variable("scan", paths, {"long_name": "path of the file below the adopted folder"}),
        "size": xr.Variable("scan", sizes, {"units": "bytes"}),
    }
    return xr.Dataset({**variables, **coords}).set_coords(list(coords))


def list_images(
    selected: Sequence["Scan"],
    scans: Sequence["Scan"],
    participants: "ParticipantTable",
    open_scan: Callable[["Scan"], ImageSource],
) -> tuple[Image, ...]:
    """List the selected scans in the order of participants, sessions, kinds and runs.

    Parameters
    ----------
    selected
        The selected scans.
    scans
        All scans of the copy, so that a selection does not rename a run.
    participants
        The participants of the copy.
    open_scan
        Returns the source of the bytes of a scan.
    """
    counts = Counter((scan.subject, scan.session, scan.kind) for scan in scans)
    sorted_scans = sorted(
        selected, key=lambda scan: (participants.rows[scan.subject, scan.session], scan.kind, scan.run)
    )
    runs = [scan for scan in sorted_scans if scan.kind == "bold"]
    # By id: the hash of a scan is made of all its bytes.
    facts = dict(zip(map(id, runs), _run_facts(runs, participants), strict=True))
    return tuple(
        _build_image(scan, participants, open_scan(scan), facts.get(id(scan), {}), counts)
        for scan in sorted_scans
    )


def _run_facts(runs: Sequence["Scan"], participants: "ParticipantTable") -> list[dict[str, Any]]:
    """Return the coordinates of each run, and the volumes that its protocol plans, as a dictionary."""
    if not runs:
        return []
    members = ScanList.of(runs, participants)
    columns = {name: column.to_numpy().tolist() for name, column in run_coords(members, participants).items()}
    times = repetition_times(members.headers.times, members.rows, participants)
    columns["grade_repetition_time"] = times.grades.tolist()
    columns["n_volumes_planned"] = participants.columns["_volumes"][members.rows].tolist()
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _build_image(
    scan: "Scan",
    participants: "ParticipantTable",
    source: ImageSource,
    facts: dict[str, Any],
    counts: Counter[tuple[str, str, str]],
) -> Image:
    row = participants.rows[scan.subject, scan.session]
    labels = {
        name: participants.columns[name][row].item()
        for name in _LABEL_COLUMNS
        if name in participants.columns
    }
    grades = {
        f"grade_{name}": grade
        for name in STANDARD_PARAMETERS
        if (grade := participants.columns[grade_column(name)][row].item())
    }
    return Image(
        subject=str(participants.columns["subject"][row]),
        session=str(participants.columns["session"][row]),
        kind=scan.kind,
        run=scan.run,
        is_only_scan=counts[scan.subject, scan.session, scan.kind] == 1,
        folder=scan.folder,
        file_names=scan.file_names,
        file_sizes=scan.file_sizes,
        shape=scan.shape,
        dtype=np.dtype(scan.header.dtype).str if scan.header else "",
        metadata={**labels, **grades, **facts},
        source=source,
    )
