"""Lazy leaves: the scans of one site and shape along one dimension, with whom they are of as coordinates."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from decnef_data.arrays import Slab, Slabs, stacked

if TYPE_CHECKING:
    from decnef_data.layouts.inventory import Scan
    from decnef_data.layouts.roster import Roster

__all__ = ["UNLISTED", "field_maps", "leaf", "named", "ordered", "run_coords", "site_of"]

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
_Form = tuple[str, tuple[int, ...]]
_Rows = NDArray[np.intp]
_LONG_NAMES: Final = {"bold": "BOLD signal as stored", "t1w": "T1-weighted signal as stored"}


def named(scans: Sequence["Scan"], rows: _Rows, people: "Roster") -> list[str]:
    """Name the leaf of every scan: ``COI/bold`` for the shape that most of a site have, then ``COI/bold_2``.

    Parameters
    ----------
    scans
        All scans of a copy, so that a selection does not rename leaves.
    rows, people
        Whose they are: each one's row of the roster.
    """
    sites = list(map(_node, people.columns["site"].tolist()))
    plain = [f"{sites[row]}/{scan.kind}" for row, scan in zip(rows.tolist(), scans, strict=True)]
    forms = list(map(_form, scans))
    counts = Counter(zip(plain, forms, strict=True))
    ranks: dict[tuple[str, _Form], int] = {}
    seen: Counter[str] = Counter()
    # Of as many scans, the longer ones come first: a volume less is the exception.
    for name, form in sorted(counts, key=lambda pair: (-counts[pair], [-length for length in pair[1][1]])):
        seen[name] += 1
        ranks[name, form] = seen[name]
    numbered = zip(plain, (ranks[pair] for pair in zip(plain, forms, strict=True)), strict=True)
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
    rows = people.rows_of(scans)
    if scans[0].kind == "fmap":
        return _files(scans, rows, people)
    kind = scans[0].kind
    dtype, shape = _form(scans[0])
    dims = ("scan", *(("time",) if kind == "bold" else ()), *_SPACE)
    array = stacked(Slabs(bytes_of, scans), dims, dtype, shape)
    coords = {**_person_coords(scans, rows, people), **_scan_coords(scans, rows, people, maps)}
    array.attrs["long_name"] = _LONG_NAMES[kind]
    if "scl_slope" in coords:
        array.attrs["comment"] = "measured = stored * scl_slope + scl_inter, which are coordinates along scan"
    # All variables alike, then named as coordinates: quicker than giving xarray two kinds to merge.
    return xr.Dataset({kind: array, **coords}).set_coords(list(coords))


def site_of(people: "Roster", scan: "Scan") -> str:
    """Name the node of a scan."""
    return _node(str(people.columns["site"][people.rows[scan.subject, scan.session]]))


def _node(site: str) -> str:
    return site.replace("/", "-") or UNLISTED


def _form(scan: "Scan") -> _Form:
    """Type and lengths as they become in the array: byte order does not part scans, type does."""
    return ("", ()) if scan.header is None else (_native(scan.header.dtype), scan.shape)


@lru_cache  # a release has a few
def _native(dtype: str) -> str:
    return np.dtype(dtype).newbyteorder("=").str


def ordered(columns: Iterable[str]) -> list[str]:
    """Order the names of columns: first those that every dataset has, then as the tables have them.

    Examples
    --------
    >>> ordered(["sup2_bdi_ii", "age", "subject", "_volumes"])
    ['subject', 'age', 'sup2_bdi_ii']
    """
    names = [name for name in columns if not name.startswith("_")]
    return [*(name for name in _FIRST if name in names), *(name for name in names if name not in _FIRST)]


def _person_coords(scans: Sequence["Scan"], rows: _Rows, people: "Roster") -> dict[str, xr.Variable]:
    runs = np.array([scan.run for scan in scans], dtype="i2")
    columns = {**{name: people.columns[name][rows] for name in ordered(people.columns)}, "run": runs}
    coords = {name: _along(columns[name], people.attrs.get(name)) for name in ordered(columns)}
    missing = int(np.isnan(columns["mean_fd"]).sum())
    if missing:
        coords["mean_fd"].attrs["comment"] = (
            f"the release states none for {missing} of these {len(rows)} scans"
        )
    return coords


def _along(values: NDArray[Any], about: Mapping[str, str] | None = None) -> xr.Variable:
    return xr.Variable("scan", values, about)


def _scan_coords(
    scans: Sequence["Scan"], rows: _Rows, people: "Roster", maps: Mapping[tuple[str, str], str]
) -> dict[str, xr.Variable]:
    headers = [scan.header for scan in scans if scan.header is not None]
    affine = (
        np.frombuffer(b"".join(header.affine for header in headers), "<f8").astype("f8").reshape(-1, 4, 4)
    )
    listed = _texts(maps.get((scan.subject, scan.session), "") for scan in scans)
    coords = {
        "affine": xr.Variable(
            ("scan", "row", "column"), affine, {"long_name": "voxel (x, y, z) to millimetres"}
        ),
        "field_maps": _along(listed, {"long_name": "files of the session's field maps, parted by ';'"}),
    }
    slopes, inters = (np.array([getattr(each, name) for each in headers]) for name in ("slope", "inter"))
    if (slopes != 1.0).any() or (inters != 0.0).any():
        coords |= {"scl_slope": _along(slopes), "scl_inter": _along(inters)}
    return {**coords, **(run_coords(scans, rows, people) if scans[0].kind == "bold" else {})}


def run_coords(scans: Sequence["Scan"], rows: _Rows, people: "Roster") -> dict[str, xr.Variable]:
    """Say how long each run's volumes take, how many there are, and how many were left out before them."""
    stated = people.columns["_repetition_time"][rows]
    own = np.array([scan.header.repetition_time if scan.header else np.nan for scan in scans])
    volumes = np.array([scan.volumes for scan in scans], dtype="i4")
    times = np.where(np.isnan(stated), own, stated)
    values = {
        "repetition_time": times,
        "n_volumes": volumes,
        "n_dummies_removed": _dummies(volumes, rows, people),
    }
    return {name: _along(each, _ABOUT[name]) for name, each in values.items()}


def _dummies(volumes: NDArray[Any], rows: _Rows, people: "Roster") -> NDArray[Any]:
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


def _files(scans: Sequence["Scan"], rows: _Rows, people: "Roster") -> xr.Dataset:
    """List field maps as files: their names and shapes differ too much for an array."""
    counts = [scan.count for scan in scans]
    each = [scan for scan, count in zip(scans, counts, strict=True) for _ in range(count)]
    paths = _texts(path for scan in scans for path in scan.files)
    sizes = np.frombuffer(b"".join(scan.sizes for scan in scans), "<i8").astype("i8")
    coords = _person_coords(each, np.repeat(rows, counts), people)
    listed = {
        "path": _along(paths, {"long_name": "file below the adopted folder"}),
        "size": _along(sizes, {"units": "bytes"}),
    }
    return xr.Dataset({**listed, **coords}).set_coords(list(coords))
