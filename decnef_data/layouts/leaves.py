"""Lazy leaves: the scans of one site and shape along one dimension, with whom they are of as coordinates."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from decnef_data.arrays import Slab, stacked

if TYPE_CHECKING:
    from decnef_data.layouts.inventory import Scan
    from decnef_data.layouts.roster import Roster

__all__ = ["UNLISTED", "Chosen", "field_maps", "leaf", "named", "ordered", "run_coords"]

#: The node of people whom no table lists, or lists without a site.
UNLISTED: Final = "unlisted"
_FIRST: Final = (
    "subject", "session", "run", "site", "institute", "protocol", "scanner", "diagnosis", "diagnosis_code",
    "age", "sex", "sex_code", "handedness", "handedness_code", "mean_fd",
)  # fmt: skip
_SPACE: Final = ("z", "y", "x")
_ABOUT: Final[Mapping[str, dict[str, str]]] = {
    "repetition_time": {"long_name": "repetition time", "units": "s"},
    "n_volumes": {"long_name": "volumes in the files"},
    "n_dummies_removed": {
        "long_name": "first volumes that were left out of the files",
        "comment": "planned less found where table or catalog agree, else what they say, the catalog first",
    },
}
_Shape = tuple[str, tuple[int, ...]]
_LONG_NAMES: Final = {"bold": "BOLD signal as stored", "t1w": "T1-weighted signal as stored"}


@dataclass(frozen=True, slots=True)
class Chosen:
    """A scan, and the row of the roster that says whose it is."""

    scan: "Scan"
    row: int


def named(scans: Sequence["Scan"], people: "Roster") -> list[str]:
    """Name the leaf of every scan: ``COI/bold`` for the shape that most of a site have, then ``COI/bold_2``.

    Parameters
    ----------
    scans
        All scans of a copy, so that a selection does not rename leaves.
    people
        Whose they are.
    """
    plain = [f"{site_of(people, scan)}/{scan.kind}" for scan in scans]
    shapes = list(map(_shape, scans))
    counts = Counter(zip(plain, shapes, strict=True))
    ranks: dict[tuple[str, _Shape], int] = {}
    seen: Counter[str] = Counter()
    # Of as many scans, the longer ones come first: a volume less is the exception.
    for name, shape in sorted(counts, key=lambda pair: (-counts[pair], [-length for length in pair[1][1]])):
        seen[name] += 1
        ranks[name, shape] = seen[name]
    numbered = zip(plain, (ranks[pair] for pair in zip(plain, shapes, strict=True)), strict=True)
    return [name if rank == 1 else f"{name}_{rank}" for name, rank in numbered]


def leaf(
    scans: Sequence["Scan"],
    bytes_of: Callable[["Scan"], Slab],
    people: "Roster",
    maps: Mapping[tuple[str, str], str],
) -> xr.Dataset:
    """Make one leaf of scans of one kind and shape; nothing of an image is read.

    Parameters
    ----------
    scans
        Those that are asked for.
    bytes_of
        Says where the voxels of a scan come from: its files, or whatever else holds them.
    people
        Whose they are.
    maps
        The field maps of each session, as :func:`field_maps` lists them.
    """
    chosen = [Chosen(scan, people.rows[scan.subject, scan.session]) for scan in scans]
    return _files(chosen, people) if scans[0].kind == "fmap" else _leaf(chosen, bytes_of, people, maps)


def site_of(people: "Roster", scan: "Scan") -> str:
    """Name the node of a scan."""
    row = people.rows[scan.subject, scan.session]
    return str(people.columns["site"][row]).replace("/", "-") or UNLISTED


def _shape(scan: "Scan") -> _Shape:
    """Type and lengths as they become in the array: byte order does not part scans, type does."""
    if scan.header is None:
        return "", ()
    dtype = _native(scan.header.dtype)
    time = (scan.volumes,) if scan.kind == "bold" else ()
    return dtype, (*time, *scan.header.shape[2::-1])


@lru_cache  # a release has a few
def _native(dtype: str) -> str:
    return np.dtype(dtype).newbyteorder("=").str


def _leaf(
    chosen: Sequence[Chosen],
    bytes_of: Callable[["Scan"], Slab],
    people: "Roster",
    maps: Mapping[tuple[str, str], str],
) -> xr.Dataset:
    kind = chosen[0].scan.kind
    dtype, shape = _shape(chosen[0].scan)
    dims = ("scan", *(("time",) if kind == "bold" else ()), *_SPACE)
    array = stacked([bytes_of(one.scan) for one in chosen], dims, dtype, shape)
    array.attrs.update(_array_attrs(kind, chosen))
    coords = {**_person_coords(chosen, people), **_scan_coords(chosen, people, maps)}
    # No coordinate is an index: saying so spares a third of the time that opening everything takes.
    return xr.Dataset({kind: array}, coords=xr.Coordinates(coords, indexes={}))


def _array_attrs(kind: str, chosen: Sequence[Chosen]) -> dict[str, str]:
    attrs = {"long_name": _LONG_NAMES[kind]}
    if any(_scaling(one) != (1.0, 0.0) for one in chosen):
        attrs["comment"] = "measured = stored * scl_slope + scl_inter, which are coordinates along scan"
    return attrs


def _scaling(one: Chosen) -> tuple[float, float]:
    header = one.scan.header
    return (header.slope, header.inter) if header else (1.0, 0.0)


_Coordinate = tuple[Any, ...]


def ordered(columns: Iterable[str]) -> list[str]:
    """Order the names of columns: first those that every dataset has, then as the tables have them.

    Examples
    --------
    >>> ordered(["sup2_bdi_ii", "age", "subject", "_volumes"])
    ['subject', 'age', 'sup2_bdi_ii']
    """
    names = [name for name in columns if not name.startswith("_")]
    return [*(name for name in _FIRST if name in names), *(name for name in names if name not in _FIRST)]


def _person_coords(chosen: Sequence[Chosen], people: "Roster") -> dict[str, _Coordinate]:
    rows = np.array([one.row for one in chosen], dtype=np.intp)
    runs = np.array([one.scan.run for one in chosen], dtype="i2")
    columns = {**{name: people.columns[name][rows] for name in ordered(people.columns)}, "run": runs}
    coords = {name: ("scan", columns[name], dict(people.attrs.get(name, {}))) for name in ordered(columns)}
    missing = int(np.isnan(columns["mean_fd"]).sum())
    if missing:
        coords["mean_fd"][2]["comment"] = f"the release states none for {missing} of these {len(rows)} scans"
    return coords


def _scan_coords(
    chosen: Sequence[Chosen], people: "Roster", maps: Mapping[tuple[str, str], str]
) -> dict[str, _Coordinate]:
    headers = [one.scan.header for one in chosen if one.scan.header is not None]
    affine = np.array([header.affine for header in headers]).reshape(-1, 4, 4)
    coords: dict[str, _Coordinate] = {
        "affine": (("scan", "row", "column"), affine, {"long_name": "voxel (x, y, z) to millimetres"}),
        "field_maps": ("scan", _texts(maps.get((one.scan.subject, one.scan.session), "") for one in chosen),
                       {"long_name": "files of the session's field maps, parted by ';'"}),
    }  # fmt: skip
    if any(_scaling(one) != (1.0, 0.0) for one in chosen):
        coords["scl_slope"] = ("scan", np.array([header.slope for header in headers]))
        coords["scl_inter"] = ("scan", np.array([header.inter for header in headers]))
    return {**coords, **(run_coords(chosen, people) if chosen[0].scan.kind == "bold" else {})}


def run_coords(chosen: Sequence[Chosen], people: "Roster") -> dict[str, _Coordinate]:
    """Say how long each run's volumes take, how many there are, and how many were left out before them."""
    rows = [one.row for one in chosen]
    stated = people.columns["_repetition_time"][rows]
    own = np.array([one.scan.header.repetition_time if one.scan.header else np.nan for one in chosen])
    volumes = np.array([one.scan.volumes for one in chosen], dtype="i4")
    return {
        "repetition_time": ("scan", np.where(np.isnan(stated), own, stated), _ABOUT["repetition_time"]),
        "n_volumes": ("scan", volumes, _ABOUT["n_volumes"]),
        "n_dummies_removed": ("scan", _dummies(volumes, rows, people), _ABOUT["n_dummies_removed"]),
    }


def _dummies(volumes: NDArray[Any], rows: Sequence[int], people: "Roster") -> NDArray[Any]:
    planned, printed, recorded = (
        people.columns[name][rows] for name in ("_volumes", "_dummies", "_recorded_dummies")
    )
    missing = planned - volumes
    said = np.where(np.isnan(recorded), printed, recorded)
    removed: NDArray[Any] = np.where((missing == printed) | (missing == recorded), missing, said)
    return removed.astype("f4")


def _texts(cells: Iterable[str]) -> NDArray[np.str_]:
    return np.array(list(cells), dtype=np.str_)


def field_maps(scans: Sequence["Scan"]) -> dict[tuple[str, str], str]:
    """List the files of each session's field maps, whatever they are called, parted by ``;``."""
    found: dict[tuple[str, str], list[str]] = {}
    for scan in scans:
        if scan.kind == "fmap":
            found.setdefault((scan.subject, scan.session), []).extend(scan.files)
    return {key: ";".join(files) for key, files in found.items()}


def _files(chosen: Sequence[Chosen], people: "Roster") -> xr.Dataset:
    """List field maps as files: their names and shapes differ too much for an array."""
    each = [(one, path, size) for one in chosen for path, size in _listed(one.scan)]
    paths = _texts(path for _, path, _ in each)
    sizes = np.array([size for _, _, size in each], dtype="i8")
    coords = _person_coords([one for one, _, _ in each], people)
    return xr.Dataset(
        {
            "path": ("scan", paths, {"long_name": "file below the adopted folder"}),
            "size": ("scan", sizes, {"units": "bytes"}),
        },
        coords=coords,
    )


def _listed(scan: "Scan") -> list[tuple[str, int]]:
    return list(zip(scan.files, np.frombuffer(scan.sizes, "<i8").tolist(), strict=True))
