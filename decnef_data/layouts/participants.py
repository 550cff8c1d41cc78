"""Labelled columns of participants, from their tables and the catalog.

A column that the catalog knows becomes a coordinate; every other one is kept with the institute as prefix.
Where a table has no value, the catalog's cohorts provide it: the longest matching path prefix, per field.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from decnef_data.formats.cells import parse_number
from decnef_data.layouts.code_books import (
    CODED_COLUMNS,
    CodeBooks,
    DecodedColumn,
    StatedMeaning,
    decode_column,
)
from decnef_data.layouts.table_columns import (
    MAX_EXAMPLES,
    NUMERIC_COLUMNS,
    TEXT_COLUMNS,
    PrintedColumn,
    TableColumns,
    describe_levels,
    is_known_header,
    slug,
)
from decnef_data.model import ColumnAccount

if TYPE_CHECKING:
    import pandas as pd

    from decnef_data.model import Cohort, Dataset
    from decnef_data.records import Records

__all__ = [
    "ParticipantColumns",
    "coded_account",
    "column_attrs",
    "is_participant_table",
    "label_participants",
    "stated_meaning",
]

_NO_BOOKS = CodeBooks()


@dataclass(frozen=True, slots=True)
class ParticipantColumns:
    """The columns of one table, one text per row: by coordinate, and all others by prefixed name.

    ``headers`` are the printed headers of the ``extra_columns``; ``unknown_codes`` counts, per coded column,
    the cells without a known meaning; ``accounts`` says of every column of the table what it was used for.
    ``others`` has, per coded column, the label that the path states and those of the table that differ;
    ``contradictions`` has the codes and labels that differ where a table has both; ``unused_levels`` says of
    a header why the labels in the sidecar of the table are not used.
    """

    coordinates: Mapping[str, Sequence[str]]
    extra_columns: Mapping[str, Sequence[str]]
    headers: Mapping[str, str]
    unknown_codes: Mapping[str, int]
    accounts: tuple[ColumnAccount, ...] = ()
    others: Mapping[str, tuple[str, Sequence[str]]] = field(default_factory=dict)
    contradictions: Mapping[str, Sequence[str]] = field(default_factory=dict)
    unused_levels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _CohortDefaults:
    """The catalog's defaults for a path: each field from the longest prefix that has a value."""

    cohorts: tuple["Cohort", ...]

    def value(self, name: str) -> Any:
        candidates = (getattr(cohort, name, None) for cohort in self.cohorts)
        # 0 is a value, but an empty text or mapping is not.
        return next((value for value in candidates if value or value == 0), None)

    def text(self, name: str) -> str:
        value = self.value(name)
        return "" if value is None else str(value)

    @classmethod
    def of_path(cls, path: str, dataset: "Dataset") -> "_CohortDefaults":
        cohorts = [cohort for cohort in dataset.cohorts if path.startswith(cohort.path)]
        # The longest prefix is that of the innermost folder, which says most.
        return cls(tuple(sorted(cohorts, key=lambda cohort: -len(cohort.path))))


def stated_meaning(
    path: str, name: str, dataset: "Dataset", books: CodeBooks = _NO_BOOKS, header: str = ""
) -> StatedMeaning:
    """Return what is stated of the column `name` of the table of the matrix at `path`."""
    defaults, entities = _CohortDefaults.of_path(path, dataset), dataset.own_entities
    recorded = defaults.value(f"{name}_codes") or entities.codes.get(name)
    levels = books.levels.get(header, {})
    return StatedMeaning(books, recorded, header, defaults.text(name), dataset.has_own_meaning, levels)


def is_participant_table(path: str, table: "pd.DataFrame", records: "Records") -> bool:
    """Return whether a table may list participants: its name has SUBINFO, or the catalog knows a column."""
    return "subinfo" in path.casefold() or any(
        is_known_header(str(header), records) for header in table.columns
    )


def label_participants(
    path: str,
    table: "pd.DataFrame",
    dataset: "Dataset",
    records: "Records",
    books: CodeBooks,
    id_column: int | None = None,
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
    books
        The code books that hold for the table.
    id_column
        The index of the column of participant ids, which is omitted.

    Returns
    -------
    ParticipantColumns
        One text per row in every column.
    """
    defaults = _CohortDefaults.of_path(path, dataset)
    columns = TableColumns.from_table(table, records, id_column, dataset.own_entities, books.levels)
    cells = {name: columns.cells(name, defaults.text(name)) for name in (*TEXT_COLUMNS, *NUMERIC_COLUMNS)}
    top_folder = path.split("/", maxsplit=1)[0] if "/" in path else ""
    # The release has a folder per institute, so an unknown one is named by its folder.
    institute = defaults.text("institute") or top_folder
    coordinates: dict[str, Sequence[str]] = dict(cells)
    coordinates["institute"] = [cell or institute for cell in cells["institute"]]
    unused_levels = dict(columns.unused_levels)
    decoded: dict[str, DecodedColumn] = {}
    cells_of: dict[str, Sequence[str]] = {}
    contradictions: dict[str, Sequence[str]] = {}
    for name in CODED_COLUMNS:
        header = next((column.header for column in columns.printed if column.is_known_as(name)), "")
        stated = stated_meaning(path, name, dataset, books, header)
        cells_of[name] = columns.cells(name)
        coordinates[f"{name}_code"] = columns.codes.get(name, cells_of[name])
        decoded[name] = decode_column(name, cells_of[name], stated, records)
        coordinates[name] = decoded[name].labels
        if decoded[name].unused_levels:
            used = dict(zip(cells_of[name], decoded[name].labels, strict=True))
            unused_levels[header] = describe_levels(decoded[name].unused_levels, used)
        if name in columns.codes:
            # A table that this package has written has both, and someone may have edited one of them.
            by_code = decode_column(name, columns.codes[name], stated, records).labels
            differing = [
                row
                for row, labels in enumerate(zip(by_code, coordinates[name], strict=True))
                if all(labels) and labels[0] != labels[1]
            ]
            contradictions[name] = [
                f"{columns.codes[name][row]!r} and {cells_of[name][row]!r}" for row in differing
            ]
    unknown_codes = {
        name: sum(cell in decoded[name].undecoded for cell in cells_of[name]) for name in CODED_COLUMNS
    }
    # By institute, because one header can mean two scales, as VAS does in tables of the image datasets.
    extra_columns = {f"{slug(institute, '_')}_{name}": cells for name, cells in columns.extra_columns.items()}
    headers = {f"{slug(institute, '_')}_{name}": header for name, header in columns.headers.items()}
    accounts = tuple(_account_of(column, coordinates, decoded) for column in columns.printed)
    others = {name: (defaults.text(name), column.others) for name, column in decoded.items() if column.others}
    return ParticipantColumns(
        coordinates, extra_columns, headers, unknown_codes, accounts, others, contradictions, unused_levels
    )


def column_attrs(records: "Records") -> dict[str, dict[str, str]]:
    """Return the attributes ``long_name`` and ``units`` of each column that the catalog knows, by name."""
    return {
        column.name: {"long_name": column.description, **({"units": column.unit} if column.unit else {})}
        for column in records.columns
    }


def coded_account(account: ColumnAccount, cells: Sequence[str], decoded: DecodedColumn) -> ColumnAccount:
    """Return the account of a coded column of known header and cells, as it is decoded now."""
    undecoded = [cell for cell in cells if cell in decoded.undecoded]
    n_blank = sum(not cell for cell in cells)
    return replace(
        account,
        n_cells=len(cells),
        n_decoded=len(cells) - n_blank - len(undecoded),
        n_blank=n_blank,
        n_undecoded=len(undecoded),
        examples=tuple(dict.fromkeys(undecoded))[:MAX_EXAMPLES],
        code_book=decoded.code_book,
    )


def _account_of(
    column: PrintedColumn,
    coordinates: Mapping[str, Sequence[str]],
    decoded: Mapping[str, DecodedColumn],
) -> ColumnAccount:
    if column.use == "known" and column.name in CODED_COLUMNS:
        account = ColumnAccount(column.header, column.name, column.use)
        return coded_account(account, column.cells, decoded[column.name])
    n_blank = sum(not cell for cell in column.cells)
    undecoded: list[str] = []
    if column.use == "known" and column.name in NUMERIC_COLUMNS:
        pairs = zip(column.cells, coordinates[column.name], strict=True)
        # Blank in the result, though the cell is not: no number, or one that the column cannot have.
        undecoded = [cell for cell, value in pairs if cell and not value]
    elif column.labels is not None:
        undecoded = [cell for cell in column.cells if cell and cell not in column.labels]
    elif column.use == "kept":
        undecoded = _words_among_numbers(column.cells)
    return ColumnAccount(
        column.header,
        column.name,
        # A known column without any cell keeps its use, which tells it from one that is absent.
        column.use if n_blank < len(column.cells) or column.use in {"id", "known"} else "empty",
        len(column.cells),
        len(column.cells) - n_blank - len(undecoded),
        n_blank,
        len(undecoded),
        tuple(dict.fromkeys(undecoded))[:MAX_EXAMPLES],
        column.code_book,
    )


def _words_among_numbers(cells: Sequence[str]) -> list[str]:
    """Return the cells that are not numbers, if most of the others are: they make a column one of text."""
    words = {cell for cell in set(cells) if cell and math.isnan(parse_number(cell))}
    others = [cell for cell in cells if cell in words]
    n_numbers = sum(bool(cell) for cell in cells) - len(others)
    return others if n_numbers > len(others) else []
