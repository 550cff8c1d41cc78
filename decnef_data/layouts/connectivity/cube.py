"""The matrices of one atlas and their participants, joined into one labelled array."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from decnef_data.formats import edges
from decnef_data.formats.cells import parse_column, parse_numbers
from decnef_data.layouts.code_books import CODED_COLUMNS
from decnef_data.layouts.connectivity.rows import check_rows, row_remarks
from decnef_data.layouts.participants import ParticipantColumns, column_attrs
from decnef_data.layouts.table_columns import NUMERIC_COLUMNS, TEXT_COLUMNS

if TYPE_CHECKING:
    from decnef_data.model import Atlas, Remark
    from decnef_data.records import Records

__all__ = ["MatrixBlock", "build_cube"]

#: Columns that are converted from MATLAB's order at once: the written rows stay in the processor's cache.
_COLUMNS_PER_STRIP = 512
_THREADS = 2


@dataclass(frozen=True, slots=True, eq=False)
class MatrixBlock:
    """One matrix, its participants with the path of their table, and the prefix of their subject ids."""

    key: str
    path: str
    table: str
    values: NDArray[Any]
    participants: ParticipantColumns


def build_cube(
    atlas: "Atlas", blocks: Sequence[MatrixBlock], region_names: Sequence[str] | None, records: "Records"
) -> "tuple[xr.Dataset, tuple[Remark, ...]]":
    """Join the matrices of one atlas.

    Parameters
    ----------
    atlas
        The atlas of the matrices.
    blocks
        The matrices, in the order of the resulting rows.
    region_names
        The names of the regions in the copy, if it has any.
    records
        The catalog, for the attributes of columns.

    Returns
    -------
    tuple
        ``fc`` (subject, edge) in memory, with participants and regions as coordinates; and what is unusual
        about its rows.
    """
    fc = _concatenate_rows([block.values for block in blocks])
    checks = check_rows(fc)
    nan_rows, out_of_range = int(checks.missing.sum()), int(checks.out_of_range.sum())
    dataset = xr.Dataset(
        {"fc": (("subject", "edge"), fc, _fc_attrs(out_of_range))},
        coords={
            **_participant_coords(blocks, records),
            **_source_coords(blocks),
            **_region_coords(atlas, region_names),
        },
        attrs={"atlas": atlas.name, "nan_rows": nan_rows, "out_of_range": out_of_range},
    )
    unknown_counts = {
        f"unknown_{name}_codes": sum(block.participants.unknown_codes[name] for block in blocks)
        for name in CODED_COLUMNS
    }
    sources = [(block.path, len(block.values)) for block in blocks]
    return dataset.assign_attrs(unknown_counts), tuple(row_remarks(checks, sources))


def _concatenate_rows(blocks: Sequence[NDArray[Any]]) -> NDArray[Any]:
    # No value is rounded: files in float32 and float64 become float64.
    dtype = np.result_type(*(block.dtype for block in blocks)).newbyteorder("=")
    ends = list(accumulate(map(len, blocks)))
    fc = np.empty((ends[-1], blocks[0].shape[1]), dtype)

    def copy(block: NDArray[Any], end: int) -> None:
        for start in range(0, block.shape[1], _COLUMNS_PER_STRIP):
            fc[end - len(block) : end, start : start + _COLUMNS_PER_STRIP] = block[
                :, start : start + _COLUMNS_PER_STRIP
            ]

    with ThreadPoolExecutor(max_workers=_THREADS) as threads:  # copying releases the GIL
        # Consumed, so that an error of a thread is raised here.
        for _ in threads.map(copy, blocks, ends):
            pass
    return fc


def _fc_attrs(out_of_range: int) -> dict[str, str]:
    if not out_of_range:
        return {"long_name": "functional connectivity (Pearson r)", "units": "1"}
    comment = f"{out_of_range} values are outside [-1, 1], so not all values are Pearson r"
    return {"long_name": "functional connectivity", "units": "1", "comment": comment}


_Coordinate = tuple[str, NDArray[Any], dict[str, str]]


def _participant_coords(blocks: Sequence[MatrixBlock], records: "Records") -> dict[str, _Coordinate]:
    text_names = (*CODED_COLUMNS, *(f"{name}_code" for name in CODED_COLUMNS), *TEXT_COLUMNS)
    participants = [block.participants for block in blocks]
    texts = {
        name: np.array(_flatten_cells(one.coordinates[name] for one in participants), dtype=np.str_)
        for name in text_names
    }
    numeric = {
        name: parse_numbers(_flatten_cells(one.coordinates[name] for one in participants), dtype)
        for name, dtype in NUMERIC_COLUMNS.items()
    }
    attrs = column_attrs(records)
    coords = {name: ("subject", column, attrs.get(name, {})) for name, column in {**texts, **numeric}.items()}
    coords["mean_fd"][2].update(_mean_fd_attrs(numeric["mean_fd"]))
    return {**coords, **_extra_coords(participants)}


def _extra_coords(participants: Sequence[ParticipantColumns]) -> dict[str, _Coordinate]:
    headers = {name: header for one in participants for name, header in one.headers.items()}
    # Each institute has columns of its own, which are blank for the others.
    cells = {
        name: _flatten_cells(
            one.extra_columns.get(name, [""] * len(one.coordinates["site"])) for one in participants
        )
        for name in headers
    }
    return {
        name: ("subject", parse_column(cells[name]), {"long_name": header})
        for name, header in headers.items()
    }


def _flatten_cells(columns: Iterable[Sequence[str]]) -> list[str]:
    return [cell for column in columns for cell in column]


def _mean_fd_attrs(mean_fd: NDArray[Any]) -> dict[str, str]:
    missing = int(np.isnan(mean_fd).sum())
    return (
        {"comment": f"missing in the release for {missing} of {len(mean_fd)} participants"} if missing else {}
    )


def _source_coords(blocks: Sequence[MatrixBlock]) -> dict[str, _Coordinate]:
    counts = [len(block.values) for block in blocks]
    rows = np.concatenate([np.arange(1, count + 1, dtype=np.int32) for count in counts])
    subjects = [f"{block.key}-{row:04d}" for block in blocks for row in range(1, len(block.values) + 1)]
    files = np.repeat(np.array([block.path for block in blocks], dtype=np.str_), counts)
    tables = np.repeat(np.array([block.table for block in blocks], dtype=np.str_), counts)
    return {
        "subject": ("subject", np.array(subjects, dtype=np.str_), {"long_name": "matrix and row number"}),
        "source_file": ("subject", files, {"long_name": "path of the matrix file below the top folder"}),
        "source_table": ("subject", tables, {"long_name": "path of the table below the top folder"}),
        "source_row": (
            "subject",
            rows,
            {"long_name": "row in the matrix file and in its table, counted from 1"},
        ),
    }


def _region_coords(atlas: "Atlas", region_names: Sequence[str] | None) -> dict[str, _Coordinate]:
    roi = _roi_names(atlas, region_names)
    column, row = edges.edge_indices(atlas.rois)
    atlas_attrs = {"comment": atlas.description}
    return {
        "roi_a": ("edge", roi[column], {"long_name": "column of the edge in the matrix", **atlas_attrs}),
        "roi_b": ("edge", roi[row], {"long_name": "row of the edge in the matrix", **atlas_attrs}),
    }


def _roi_names(atlas: "Atlas", region_names: Sequence[str] | None) -> NDArray[Any]:
    defaults = {number: f"roi_{number:03d}" for number in range(1, atlas.rois + 1)}
    recorded = {int(number): name for number, name in atlas.roi_names.items()}
    # The names in the copy come last, because they belong to its matrices; a blank one hides no other.
    own: Mapping[int, str] = {number: name for number, name in enumerate(region_names or (), start=1) if name}
    return np.array([*{**defaults, **recorded, **own}.values()], dtype=np.str_)
