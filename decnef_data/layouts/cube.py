"""The matrices of one atlas and their people, joined into one labelled cube."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from decnef_data.formats import edges
from decnef_data.layouts.people import CODES, NUMBERS, TEXTS, People, numbers, values

if TYPE_CHECKING:
    from decnef_data.model import Atlas
    from decnef_data.records import Records

__all__ = ["Block", "cube"]

#: A correlation beyond this is none; the millionth is for rounding.
_LARGEST_R = 1 + 1e-6
#: MATLAB's order is turned so many columns at once: the rows being written stay in the processor's cache.
_STRIP = 512
_THREADS = 2


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """One matrix, its people, and the word their names begin with."""

    key: str
    path: str
    values: NDArray[Any]
    people: People


def cube(
    atlas: "Atlas", blocks: Sequence[Block], names: Sequence[str] | None, records: "Records"
) -> xr.Dataset:
    """Join the matrices of one atlas.

    Parameters
    ----------
    atlas
        Whose edges they are.
    blocks
        The matrices in the order in which their rows shall stand.
    names
        What the copy calls the regions, if it says so.
    records
        What the catalog knows of columns.

    Returns
    -------
    xarray.Dataset
        ``fc`` (subject, edge) in memory, with the people and the regions as coordinates.
    """
    fc = _joined([block.values for block in blocks])
    nan_rows, out_of_range = _census(fc)
    leaf = xr.Dataset(
        {"fc": (("subject", "edge"), fc, _fc_attrs(out_of_range))},
        coords={**_people(blocks, records), **_origin(blocks), **_regions(atlas, names)},
        attrs={"atlas": atlas.name, "nan_rows": nan_rows, "out_of_range": out_of_range},
    )
    unknown = {
        f"unknown_{name}_codes": sum(block.people.unknown_codes[name] for block in blocks) for name in CODES
    }
    return leaf.assign_attrs(unknown)


def _joined(blocks: Sequence[NDArray[Any]]) -> NDArray[Any]:
    kind = np.result_type(*(block.dtype for block in blocks)).newbyteorder("=")
    ends = list(accumulate(map(len, blocks)))
    joined = np.empty((ends[-1], blocks[0].shape[1]), kind)

    def copy(block: NDArray[Any], end: int) -> None:
        for left in range(0, block.shape[1], _STRIP):
            joined[end - len(block) : end, left : left + _STRIP] = block[:, left : left + _STRIP]

    with ThreadPoolExecutor(max_workers=_THREADS) as threads:  # copying lets the other one run
        for _ in threads.map(copy, blocks, ends):
            pass
    return joined


def _census(fc: NDArray[Any]) -> tuple[int, int]:
    # Two passes find the rows worth a closer look: the extremes of a row with a NaN are NaN.
    with ThreadPoolExecutor(max_workers=_THREADS) as threads:
        high, low = threads.map(_extremes, (fc, fc), (np.max, np.min))
    with np.errstate(invalid="ignore"):
        doubtful = ~((high <= _LARGEST_R) & (low >= -_LARGEST_R))
        return int(np.isnan(high).sum()), int((np.abs(fc[doubtful]) > _LARGEST_R).sum())


def _extremes(fc: NDArray[Any], of: Callable[..., NDArray[Any]]) -> NDArray[Any]:
    with np.errstate(invalid="ignore"):  # each thread has its own
        return of(fc, axis=1)


def _fc_attrs(out_of_range: int) -> dict[str, str]:
    if not out_of_range:
        return {"long_name": "functional connectivity (Pearson r)", "units": "1"}
    comment = f"{out_of_range} values lie outside [-1, 1]: not all of these are Pearson r"
    return {"long_name": "functional connectivity", "units": "1", "comment": comment}


_Coordinate = tuple[str, NDArray[Any], dict[str, str]]


def _people(blocks: Sequence[Block], records: "Records") -> dict[str, _Coordinate]:
    known = (*CODES, *(f"{name}_code" for name in CODES), *TEXTS)
    people = [block.people for block in blocks]
    texts = {name: np.array(_chained(one.known[name] for one in people), dtype=np.str_) for name in known}
    counted = {
        name: numbers(_chained(one.known[name] for one in people), kind) for name, kind in NUMBERS.items()
    }
    labelled = {
        name: ("subject", column, _attrs(name, records)) for name, column in {**texts, **counted}.items()
    }
    labelled["mean_fd"][2].update(_not_stated(counted["mean_fd"]))
    return {**labelled, **_others(people)}


def _others(people: Sequence[People]) -> dict[str, _Coordinate]:
    headers = {name: header for one in people for name, header in one.headers.items()}
    cells = {
        name: _chained(one.others.get(name, [""] * len(one.known["site"])) for one in people)
        for name in headers
    }
    return {name: ("subject", values(cells[name]), {"long_name": header}) for name, header in headers.items()}


def _chained(columns: Iterable[Sequence[str]]) -> list[str]:
    return [cell for column in columns for cell in column]


def _attrs(name: str, records: "Records") -> dict[str, str]:
    column = next((column for column in records.columns if column.name == name), None)
    if column is None:
        return {}
    return {"long_name": column.description, **({"units": column.unit} if column.unit else {})}


def _not_stated(mean_fd: NDArray[Any]) -> dict[str, str]:
    missing = int(np.isnan(mean_fd).sum())
    return (
        {"comment": f"the release states none for {missing} of its {len(mean_fd)} people"} if missing else {}
    )


def _origin(blocks: Sequence[Block]) -> dict[str, _Coordinate]:
    counts = [len(block.values) for block in blocks]
    rows = np.concatenate([np.arange(1, count + 1, dtype=np.int32) for count in counts])
    subjects = [f"{block.key}-{row:04d}" for block in blocks for row in range(1, len(block.values) + 1)]
    files = np.repeat(np.array([block.path for block in blocks], dtype=np.str_), counts)
    return {
        "subject": ("subject", np.array(subjects, dtype=np.str_), {"long_name": "matrix and row"}),
        "source_file": ("subject", files, {"long_name": "file below the top folder"}),
        "source_row": ("subject", rows, {"long_name": "row of that file and of its table, counted from 1"}),
    }


def _regions(atlas: "Atlas", names: Sequence[str] | None) -> dict[str, _Coordinate]:
    roi = _roi_names(atlas, names)
    column, row = edges.pairs(atlas.rois)
    return {
        "roi": ("roi", roi, {"long_name": atlas.description}),
        "roi_a": ("edge", roi[column], {"long_name": "column of the edge in the matrix"}),
        "roi_b": ("edge", roi[row], {"long_name": "row of the edge in the matrix"}),
    }


def _roi_names(atlas: "Atlas", names: Sequence[str] | None) -> NDArray[Any]:
    numbered = {number: f"roi_{number:03d}" for number in range(1, atlas.rois + 1)}
    stated = {int(number): name for number, name in atlas.roi_names.items()}
    own: Mapping[int, str] = {number: name for number, name in enumerate(names or (), start=1) if name}
    return np.array([*{**numbered, **stated, **own}.values()], dtype=np.str_)
