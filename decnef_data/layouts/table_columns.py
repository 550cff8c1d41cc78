"""The columns of one table as printed: which coordinate each of them is, and its cells."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain, count
from typing import TYPE_CHECKING, Any

from decnef_data.formats.cells import clean_cells, parse_number
from decnef_data.identity import ByIdentity
from decnef_data.layouts.code_books import CODED_COLUMNS
from decnef_data.records import normalize_name

if TYPE_CHECKING:
    import pandas as pd

    from decnef_data.model import Column, Entities
    from decnef_data.records import Records

__all__ = [
    "MAX_EXAMPLES",
    "NUMERIC_COLUMNS",
    "TABLE_SUFFIXES",
    "TEXT_COLUMNS",
    "PrintedColumn",
    "TableColumns",
    "describe_levels",
    "is_known_header",
    "slug",
]

#: The suffixes of files that may be tables.
TABLE_SUFFIXES = frozenset({".tsv", ".csv", ".txt"})
#: Coordinates that hold text.
TEXT_COLUMNS = ("institute", "scanner")
#: Coordinates that hold numbers, and their dtypes.
NUMERIC_COLUMNS: Mapping[str, str] = {"age": "f4", "protocol": "f4", "mean_fd": "f8"}
#: Of the cells and codes of a column that a message names.
MAX_EXAMPLES = 5


def is_known_header(header: str, records: "Records") -> bool:
    """Return whether a header is that of a column that becomes a coordinate."""
    return _find_column(header, records) is not None


def slug(text: str, separator: str) -> str:
    """Return `text` in lower case, its words (of any script) joined by `separator`.

    Examples
    --------
    >>> slug("Pain side (L/R)", "_")
    'pain_side_l_r'
    """
    return separator.join(re.findall(r"[^\W_]+", text.casefold()))


@dataclass(frozen=True, slots=True)
class PrintedColumn:
    """A column of a table: its header, the coordinate that it is ("" for none), and its cells.

    ``labels`` are those of the codes in a column that is kept, if the catalog or the sidecar, ``code_book``,
    states them.
    """

    header: str
    name: str
    cells: Sequence[str]
    use: str
    labels: Mapping[str, str] | None = None
    code_book: str = ""

    def is_known_as(self, name: str) -> bool:
        """Whether it gives the coordinate `name`."""
        return self.use == "known" and self.name == name


def describe_levels(levels: Mapping[str, str], used: Mapping[str, str]) -> str:
    """Return what a sidecar states of codes, and the labels that are used instead."""
    listed = [f"{code!r} is {level!r}, not {used[code]!r}" for code, level in sorted(levels.items())]
    return f"{', '.join(listed[:MAX_EXAMPLES])}, which the record or code book states"


@dataclass(frozen=True, slots=True)
class _KeptLabels:
    """The labels of the codes in a column that is kept, who states them, and what a sidecar states else."""

    labels: Mapping[str, str] | None = None
    code_book: str = ""
    difference: str = ""

    @classmethod
    def choose(
        cls, cells: Sequence[str], recorded: Mapping[str, str] | None, levels: Mapping[str, str]
    ) -> "_KeptLabels":
        """Choose those of the record, else those of the sidecar if all cells have one."""
        codes = dict.fromkeys(cell for cell in cells if cell)
        if recorded is not None:
            differing = {
                code: levels[code]
                for code in codes
                if code in levels and recorded.get(code, levels[code]) != levels[code]
            }
            return cls(recorded, "catalog", describe_levels(differing, recorded) if differing else "")
        without = [repr(code) for code in codes if code not in levels]
        if not levels or len(without) == len(codes):
            return cls()  # of a column of numbers, levels may describe what no participant has
        if without:
            return cls(difference=f"there is no level of {', '.join(without[:MAX_EXAMPLES])}")
        return cls(levels, "levels")


@dataclass(frozen=True, slots=True)
class TableColumns:
    """The cells of a table, missing ones blank: by coordinate, and all others by the slug of their header."""

    row_count: int
    coordinates: Mapping[str, list[str]]
    extra_columns: Mapping[str, list[str]]
    headers: Mapping[str, str]
    printed: Sequence[PrintedColumn]
    codes: Mapping[str, list[str]] = field(default_factory=dict)
    unused_levels: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_table(
        cls,
        table: "pd.DataFrame",
        records: "Records",
        id_column: int | None,
        entities: "Entities",
        levels: Mapping[str, Mapping[str, str]],
    ) -> "TableColumns":
        """Return the columns of a table; those of codes that stand beside labels are among ``codes``."""
        coordinates: dict[str, list[str]] = {}
        extra_columns: dict[str, list[str]] = {}
        headers: dict[str, str] = {}
        printed: list[PrintedColumn] = []
        codes: dict[str, list[str]] = {}
        unused_levels: dict[str, str] = {}
        grid = table.to_numpy()
        code_columns = _find_code_columns(list(map(str, table.columns)), records, entities)
        labels_of = {normalize_name(header): labels for header, labels in entities.codes.items()}
        for index, header in enumerate(map(str, table.columns)):
            if index in code_columns:
                name = code_columns[index]
                codes[name] = clean_cells(grid[:, index], ())
                printed.append(PrintedColumn(header, f"{name}_code", codes[name], "known"))
                continue
            column = _column_of(header, records, entities) if index != id_column else None
            cells = clean_cells(grid[:, index], column.missing if column else ())
            is_new = column is not None and column.name not in coordinates
            use = "known" if is_new else ("kept" if column is None else "repeated")
            name = column.name if column is not None else ""
            recorded = labels_of.get(normalize_name(header))
            kept = (
                _KeptLabels.choose(cells, recorded, levels.get(header, {}))
                if use == "kept"
                else _KeptLabels()
            )
            labels = kept.labels
            if kept.difference:
                unused_levels[header] = kept.difference
            use = "id" if index == id_column else use
            printed.append(PrintedColumn(header, name, cells, use, labels, kept.code_book))
            if index == id_column or not (header.strip() or any(cells)):
                continue
            values = cells if column is None else _possible_values(column, cells)
            if column is not None and is_new:
                coordinates[column.name] = values
            # A cell such as "30-35" is not an age: such a column is also kept as printed.
            if column is None or not is_new or values != cells:
                kept_name = _unique_name(slug(header, "_") or f"column_{index + 1}", extra_columns)
                if labels is not None:
                    extra_columns[f"{kept_name}_code"], headers[f"{kept_name}_code"] = cells, header
                    cells = [labels.get(cell, "") for cell in cells]
                extra_columns[kept_name], headers[kept_name] = cells, header
        return cls(len(table), coordinates, extra_columns, headers, printed, codes, unused_levels)

    def cells(self, name: str, default: str = "") -> list[str]:
        """Return the cells of a coordinate, `default` where there are none."""
        column = self.coordinates.get(name)
        return [default] * self.row_count if column is None else [cell or default for cell in column]


def _find_code_columns(headers: Sequence[str], records: "Records", entities: "Entities") -> dict[int, str]:
    """Return, by index, the columns of printed codes beside one of labels, as this package writes them."""
    code_headers = {normalize_name(f"{name}_code"): name for name in CODED_COLUMNS}
    codes = {
        index: code_headers[normalize_name(header)]
        for index, header in enumerate(headers)
        if normalize_name(header) in code_headers
    }
    labels = {
        column.name
        for index, header in enumerate(headers)
        if index not in codes and (column := _column_of(header, records, entities)) is not None
    }
    return {index: name for index, name in codes.items() if name in labels}


def _column_of(header: str, records: "Records", entities: "Entities") -> "Column | None":
    """Return the coordinate of a column: the one whose header the record of the dataset states, if any."""
    own = {normalize_name(stated): name for name, stated in entities.columns.items()}
    if normalize_name(header) in own:
        return records.column(own[normalize_name(header)])
    column = _find_column(header, records)
    return None if column is None or column.name in entities.columns else column


def _find_column(header: str, records: "Records") -> "Column | None":
    return _find_column_cached(header, ByIdentity(records))


@lru_cache(maxsize=4096)  # the tables of a copy have many headers in common
def _find_column_cached(header: str, identity: "ByIdentity[Records]") -> "Column | None":
    records = identity.value
    # "Mean FD (mm)" is looked up as it is, then without the text in brackets.
    column = records.column(header) or records.column(re.sub(r"\s*[(\[].*$", "", header))
    return column if column and column.name in {*CODED_COLUMNS, *TEXT_COLUMNS, *NUMERIC_COLUMNS} else None


def _possible_values(column: "Column", cells: list[str]) -> list[str]:
    """Return the cells of a column of numbers, blank where they are no number that it can have."""
    if column.name not in NUMERIC_COLUMNS:
        return cells
    impossible = {cell for cell in set(cells) if cell and not _is_possible(parse_number(cell), column)}
    return ["" if cell in impossible else cell for cell in cells] if impossible else cells


def _is_possible(number: float, column: "Column") -> bool:
    minimum = -math.inf if column.minimum is None else column.minimum
    maximum = math.inf if column.maximum is None else column.maximum
    is_in_range = math.isfinite(number) and minimum <= number <= maximum
    return is_in_range and (number.is_integer() or not column.integer)


def _unique_name(name: str, existing: Mapping[str, Any]) -> str:
    numbered = (f"{name}_{number}" for number in count(2))
    return next(each for each in chain((name,), numbered) if each not in existing)
