"""The tables of an image dataset: participants, protocols, and supplementary tables of participants."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from decnef_data.errors import FormatError
from decnef_data.formats import tables
from decnef_data.layouts.imaging import protocols
from decnef_data.layouts.imaging.paths import is_subject_folder
from decnef_data.layouts.participants import (
    CODED_COLUMNS,
    NUMERIC_COLUMNS,
    TABLE_SUFFIXES,
    TEXT_COLUMNS,
    label_participants,
    slug,
)
from decnef_data.records import normalize_name

if TYPE_CHECKING:
    import pandas as pd

    from decnef_data.layouts.imaging.protocols import AcquisitionParameters
    from decnef_data.model import Dataset, VerifiedFile
    from decnef_data.records import Records

__all__ = [
    "DatasetTables",
    "SupplementaryColumn",
    "find_id_column",
    "normalize_subject",
    "read_supplementary_columns",
    "read_tables",
    "select_tables",
]

#: Headers of columns of participant ids, the most reliable first.
_ID_HEADERS: Final = ("participantid", "participantsid", "subjectid", "subject", "participant", "subid", "id")
_SUPPLEMENT_STEM: Final = re.compile(r"sup\D?(\d+)", re.IGNORECASE)
#: Coordinates that a supplementary table may have.
_COORDINATES: Final = (*(f"{name}_code" for name in CODED_COLUMNS), *TEXT_COLUMNS, *NUMERIC_COLUMNS)


@dataclass(frozen=True, slots=True, eq=False)
class DatasetTables:
    """The tables of a copy: participants, protocols, all others by name; and errors of unreadable tables."""

    participants: "pd.DataFrame | None"
    protocols: Mapping[int, "AcquisitionParameters"]
    supplements: Mapping[str, "pd.DataFrame"]
    problems: tuple[FormatError, ...]


@dataclass(frozen=True, slots=True)
class SupplementaryColumn:
    """One column of a supplementary table: prefixed name, header, and one cell per participant."""

    name: str
    header: str
    cells: list[str]


def select_tables(files: Iterable["VerifiedFile"]) -> Iterator["VerifiedFile"]:
    """Yield the tables among `files`; one inside the folder of a subject describes a scan and is omitted."""
    for file in files:
        path = PurePosixPath(file.path)
        if path.suffix.casefold() in TABLE_SUFFIXES and not is_subject_folder(str(path.parent)):
            yield file


def read_tables(files: Iterable["VerifiedFile"]) -> DatasetTables:
    """Read the tables that :func:`select_tables` yields."""
    frames: dict[str, pd.DataFrame] = {}
    acquisitions: dict[int, AcquisitionParameters] = {}
    problems: list[FormatError] = []
    for file in files:
        path = PurePosixPath(file.path)
        data = file.location.read_bytes()
        try:
            if protocols.is_protocol_table(tables.read_rows(data, file.path, protocols.MAX_HEADER_ROWS)):
                acquisitions.update(protocols.parse(tables.read_rows(data, file.path)))
            else:
                frames[path.name] = tables.read(data, file.path)
        except FormatError as error:
            if path.suffix.casefold() != ".txt":  # prose, such as a README
                problems.append(error)
    name = _find_participant_table(frames)
    participants = frames.pop(name) if name else None
    return DatasetTables(participants, acquisitions, frames, tuple(problems))


def _find_participant_table(frames: Mapping[str, "pd.DataFrame"]) -> str | None:
    named = [
        name for name in frames if normalize_name(PurePosixPath(name).stem) in {"participants", "subjects"}
    ]
    keyed = [name for name, table in frames.items() if find_id_column(table) is not None]
    return next(iter(named), None) or max(keyed, key=lambda name: len(frames[name]), default=None)


def find_id_column(table: "pd.DataFrame") -> int | None:
    """Return the index of the column whose header is one of participant ids."""
    headers = [normalize_name(str(header)) for header in table.columns]
    return next((headers.index(name) for name in _ID_HEADERS if name in headers), None)


@lru_cache(maxsize=8192)  # every table has the same subjects
def normalize_subject(name: str) -> str:
    """Return the part of an id that identifies a subject, without case, a leading ``sub-`` and leading zeros.

    Examples
    --------
    >>> normalize_subject("sub-0012") == normalize_subject("12"), normalize_subject("MP012")
    (True, 'mp012')
    """
    stripped = name.strip().casefold().removeprefix("sub").removeprefix("-")
    return stripped.lstrip("0") or stripped if stripped.isdigit() else stripped


def read_supplementary_columns(
    name: str,
    table: "pd.DataFrame",
    row_by_subject: Mapping[str, int],
    dataset: "Dataset",
    records: "Records",
) -> list[SupplementaryColumn] | None:
    """Read a supplementary table; return ``None`` if it lists no known participant, or one of them twice.

    Parameters
    ----------
    name, table
        The table and the name of its file.
    row_by_subject
        The row of each participant, by the id that :func:`normalize_subject` returns.
    dataset, records
        The catalog's records.
    """
    id_index = _find_subject_column(table, row_by_subject)
    if id_index is None:
        return None
    labelled = label_participants(name, table, dataset, records, id_index)
    rows = [row_by_subject.get(normalize_subject(cell), -1) for cell in table.iloc[:, id_index].tolist()]
    coordinates = {
        column: labelled.coordinates[column] for column in _COORDINATES if any(labelled.coordinates[column])
    }
    extra_columns = {column.lstrip("_"): cells for column, cells in labelled.extra_columns.items()}
    headers = {column.lstrip("_"): header for column, header in labelled.headers.items()}
    prefix = _column_prefix(name)
    return [
        SupplementaryColumn(
            column if column == "mean_fd" else f"{prefix}_{column}",
            f"{headers.get(column, column)} ({name})",
            _align_cells(cells, rows, len(row_by_subject)),
        )
        for column, cells in {**extra_columns, **coordinates}.items()
    ]


def _find_subject_column(table: "pd.DataFrame", row_by_subject: Mapping[str, int]) -> int | None:
    """Return the index of the column of ids: most are of known participants, and none occurs twice."""
    id_index = find_id_column(table)
    candidates = [id_index] if id_index is not None else range(table.shape[1])
    for index in candidates:
        cells = [cell for cell in table.iloc[:, index].tolist() if cell.strip()]
        # Any number may look like an id: without a header of ids, only complete ids ("sub-0001") count.
        matching = [
            cell
            for cell in cells
            if normalize_subject(cell) in row_by_subject
            and (id_index is not None or "sub" in cell.casefold())
        ]
        if (
            matching
            and 2 * len(matching) > len(cells)
            and len(set(map(normalize_subject, cells))) == len(cells)
        ):
            return index
    return None


def _align_cells(cells: Sequence[str], rows: Sequence[int], count: int) -> list[str]:
    aligned = [""] * count
    for cell, index in zip(cells, rows, strict=True):
        if index >= 0:
            aligned[index] = cell
    return aligned


def _column_prefix(name: str) -> str:
    stem = PurePosixPath(name).stem
    supplement = _SUPPLEMENT_STEM.fullmatch(stem)
    return f"sup{supplement[1]}" if supplement else slug(stem, "_") or "table"
