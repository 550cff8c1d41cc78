"""Labelled columns of participants, from their tables and the catalog.

A column that the catalog knows becomes a coordinate; every other one is kept with the institute as prefix.
Where a table has no value, the catalog's cohorts provide it: the longest matching path prefix, per field.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

    from decnef_data.model import Cohort, Column, Dataset
    from decnef_data.records import Records

__all__ = [
    "CODED_COLUMNS",
    "NUMERIC_COLUMNS",
    "TABLE_SUFFIXES",
    "TEXT_COLUMNS",
    "ParticipantColumns",
    "column_attrs",
    "is_participant_table",
    "label_participants",
    "parse_column",
    "parse_numbers",
    "slug",
]

#: The suffixes of files that may be tables.
TABLE_SUFFIXES = frozenset({".tsv", ".csv", ".txt"})
#: Coordinates that hold a word; the printed text is a second coordinate (``sex_code``).
CODED_COLUMNS = ("diagnosis", "sex", "handedness")
#: Coordinates that hold text.
TEXT_COLUMNS = ("site", "institute", "scanner")
#: Coordinates that hold numbers, and their dtypes.
NUMERIC_COLUMNS: Mapping[str, str] = {"age": "f4", "protocol": "f4", "mean_fd": "f8"}

#: Cells that mean "missing" (compared without case); the record of a column may add more.
_MISSING = frozenset({"", "n/a", "nan"})
_MISSING_NUMBER = -1000.0
_EXACT_IN_FLOAT32 = 2**24


@dataclass(frozen=True, slots=True)
class ParticipantColumns:
    """The columns of one table, one text per row: by coordinate, and all others by prefixed name.

    ``headers`` are the printed headers of the ``extra_columns``; ``unknown_codes`` counts, per coded column,
    the cells without a known meaning.
    """

    coordinates: Mapping[str, Sequence[str]]
    extra_columns: Mapping[str, Sequence[str]]
    headers: Mapping[str, str]
    unknown_codes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class _CohortDefaults:
    """The catalog's defaults for a path: each field from the longest prefix that has a value."""

    cohorts: tuple["Cohort", ...]

    def value(self, name: str) -> Any:
        candidates = (getattr(cohort, name, None) for cohort in self.cohorts)
        return next((value for value in candidates if value or value == 0), None)

    def text(self, name: str) -> str:
        value = self.value(name)
        return "" if value is None else str(value)


def is_participant_table(path: str, table: "pd.DataFrame", records: "Records") -> bool:
    """Return whether a table may list participants: its name has SUBINFO, or the catalog knows a column."""
    return "subinfo" in path.casefold() or any(_find_column(str(header), records) for header in table.columns)


def label_participants(
    path: str, table: "pd.DataFrame", dataset: "Dataset", records: "Records", id_column: int | None = None
) -> ParticipantColumns:
    """Label the columns of one table of participants.

    Parameters
    ----------
    path
        The path of the matrix or table below the top folder.
    table
        The table, as printed.
    dataset, records
        The catalog's records.
    id_column
        The index of the column of participant ids, which is omitted.

    Returns
    -------
    ParticipantColumns
        One text per row in every column.
    """
    cohorts = [cohort for cohort in dataset.cohorts if path.startswith(cohort.path)]
    defaults = _CohortDefaults(tuple(sorted(cohorts, key=lambda cohort: -len(cohort.path))))
    columns = _TableColumns.from_table(table, records, id_column)
    cells = {name: columns.cells(name, defaults.text(name)) for name in (*TEXT_COLUMNS, *NUMERIC_COLUMNS)}
    top_folder = path.split("/", maxsplit=1)[0] if "/" in path else ""
    institute = defaults.text("institute") or top_folder
    coordinates: dict[str, Sequence[str]] = dict(cells)
    coordinates["site"] = _site_codes(cells["site"], records)
    coordinates["institute"] = [cell or institute for cell in cells["institute"]]
    for name in CODED_COLUMNS:
        coordinates[f"{name}_code"] = columns.cells(name)
        coordinates[name] = _code_labels(coordinates[f"{name}_code"], name, defaults, records)
    unknown_codes = {
        name: _count_unknown_codes(coordinates[f"{name}_code"], coordinates[name]) for name in CODED_COLUMNS
    }
    extra_columns = {f"{slug(institute, '_')}_{name}": cells for name, cells in columns.extra_columns.items()}
    headers = {f"{slug(institute, '_')}_{name}": header for name, header in columns.headers.items()}
    return ParticipantColumns(coordinates, extra_columns, headers, unknown_codes)


def parse_numbers(cells: Sequence[str], dtype: str) -> NDArray[Any]:
    """Return `cells` as numbers of type `dtype`, NaN where a cell is not a number."""
    return np.array(list(map(_parse_number, cells)), dtype=dtype)


def parse_column(cells: Sequence[str]) -> NDArray[Any]:
    """Return a column as numbers if every cell that is not blank is a number, else as text.

    Examples
    --------
    >>> parse_column(["3", "", "4.5"]).tolist(), parse_column(["L", ""]).tolist()
    ([3.0, nan, 4.5], ['L', ''])
    """
    if not _are_numbers(cells):
        return np.array(cells, dtype=np.str_)
    exact = parse_numbers(cells, "f8")
    # float32 would round the last digits of a date or another long number.
    return exact if (np.abs(exact) >= _EXACT_IN_FLOAT32).any() else exact.astype("f4")


def slug(text: str, separator: str) -> str:
    """Return `text` in lower case, its words (of any script) joined by `separator`.

    Examples
    --------
    >>> slug("Pain side (L/R)", "_")
    'pain_side_l_r'
    """
    return separator.join(re.findall(r"[^\W_]+", text.casefold()))


def column_attrs(records: "Records") -> dict[str, dict[str, str]]:
    """Return the attributes ``long_name`` and ``units`` of each column that the catalog knows, by name."""
    return {
        column.name: {"long_name": column.description, **({"units": column.unit} if column.unit else {})}
        for column in records.columns
    }


@dataclass(frozen=True, slots=True)
class _TableColumns:
    """The cells of a table, missing ones blank: by coordinate, and all others by the slug of their header."""

    row_count: int
    coordinates: Mapping[str, list[str]]
    extra_columns: Mapping[str, list[str]]
    headers: Mapping[str, str]

    @classmethod
    def from_table(cls, table: "pd.DataFrame", records: "Records", id_column: int | None) -> "_TableColumns":
        coordinates: dict[str, list[str]] = {}
        extra_columns: dict[str, list[str]] = {}
        headers: dict[str, str] = {}
        grid = table.to_numpy()
        for index, header in enumerate(map(str, table.columns)):
            if index == id_column:
                continue
            column = _find_column(header, records)
            cells = _clean_cells(grid[:, index], column)
            is_new = column is not None and column.name not in coordinates
            if column is not None and is_new:
                coordinates[column.name] = cells
            if column is None or not is_new or not _is_lossless(column.name, cells):
                name = _unique_name(slug(header, "_") or f"column_{index + 1}", extra_columns)
                extra_columns[name], headers[name] = cells, header
        return cls(len(table), coordinates, extra_columns, headers)

    def cells(self, name: str, default: str = "") -> list[str]:
        column = self.coordinates.get(name)
        return [default] * self.row_count if column is None else [cell or default for cell in column]


def _find_column(header: str, records: "Records") -> "Column | None":
    # "Mean FD (mm)" is looked up as it is, then without the text in brackets.
    column = records.column(header) or records.column(re.sub(r"\s*[(\[].*$", "", header))
    return column if column and column.name in {*CODED_COLUMNS, *TEXT_COLUMNS, *NUMERIC_COLUMNS} else None


def _clean_cells(cells: Iterable[str], column: "Column | None") -> list[str]:
    missing = _MISSING.union(text.casefold() for text in column.missing) if column else _MISSING
    printed = list(cells)
    cleaned = {cell: cell.strip() for cell in set(printed)}  # a column repeats a few texts
    for cell, stripped in cleaned.items():
        if stripped.casefold() in missing or _parse_number(stripped) == _MISSING_NUMBER:
            cleaned[cell] = ""
    return [cleaned[cell] for cell in printed]


def _is_lossless(name: str, cells: Sequence[str]) -> bool:
    # A cell such as "30-35" is not an age: such a column is also kept as printed.
    return name not in NUMERIC_COLUMNS or _are_numbers(cells)


def _unique_name(name: str, existing: Mapping[str, Any]) -> str:
    names = (name, *(f"{name}_{number}" for number in range(2, len(existing) + 2)))
    return next(name for name in names if name not in existing)


@lru_cache(maxsize=4096)  # the same few hundred texts fill most cells
def _parse_number(cell: str) -> float:
    try:
        return float(cell) if "_" not in cell else np.nan
    except ValueError:
        return np.nan


def _are_numbers(cells: Iterable[str]) -> bool:
    """Return whether every cell that is not blank is a number."""
    return not any(math.isnan(_parse_number(cell)) for cell in set(cells) if cell)


def _site_codes(cells: Sequence[str], records: "Records") -> list[str]:
    sites = {cell: records.site(cell) if cell else None for cell in set(cells)}
    codes = {cell: site.code if site else cell for cell, site in sites.items()}
    return [codes[cell] for cell in cells]


def _code_labels(codes: Sequence[str], name: str, defaults: _CohortDefaults, records: "Records") -> list[str]:
    recorded = defaults.value(f"{name}_codes") or {}
    words = _label_words(name, records)
    labels = {
        code: _code_label(code, name, recorded, records) or words.get(code.casefold(), "")
        for code in set(codes)
    }
    default = defaults.text(name)
    return [labels[code] if code else default for code in codes]


def _code_label(code: str, name: str, recorded: Mapping[str, str], records: "Records") -> str:
    number = _parse_number(code)
    integer_code = str(int(number)) if number.is_integer() else code
    if recorded or not number.is_integer():
        return recorded.get(code, recorded.get(integer_code, ""))
    return records.label(name, int(number)) or ""


def _label_words(name: str, records: "Records") -> dict[str, str]:
    """Return labels by the texts that some tables print for codes: titles, labels, clear initials (M, F)."""
    codes = [code for code in records.codes if code.column == name]
    initials = Counter(code.label[0].casefold() for code in codes)
    words = {
        code.label[0].casefold(): code.label for code in codes if initials[code.label[0].casefold()] == 1
    }
    full = {text.casefold(): code.label for code in codes for text in (code.title, code.label)}
    return full if name == "diagnosis" else {**words, **full}


def _count_unknown_codes(codes: Sequence[str], labels: Sequence[str]) -> int:
    counts = Counter(zip(codes, labels, strict=True))
    return sum(count for (code, label), count in counts.items() if code and not label)
