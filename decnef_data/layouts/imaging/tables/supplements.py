"""Tables beside that of the participants, such as sup2.tsv: prefixed columns, aligned with its rows."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from decnef_data.formats.cells import has_leading_zeros, parse_number
from decnef_data.layouts.code_books import CODED_COLUMNS, CodeBooks
from decnef_data.layouts.column_remarks import column_remarks, count_noun
from decnef_data.layouts.imaging.inventory.paths import normalize_subject
from decnef_data.layouts.imaging.tables.dataset_tables import find_id_column, row_account, table_account
from decnef_data.layouts.imaging.tables.rows import ParticipantRows, index_rows, name_subjects
from decnef_data.layouts.participants import label_participants
from decnef_data.layouts.table_columns import NUMERIC_COLUMNS, TEXT_COLUMNS, slug
from decnef_data.model import Remark, TableAccount

if TYPE_CHECKING:
    from collections.abc import Container

    from decnef_data.formats.tables import Table
    from decnef_data.model import Dataset
    from decnef_data.records import Records

__all__ = ["Supplement", "SupplementaryColumn", "SupplementaryColumns", "read_supplement"]

#: As the release names them, and "sup_2" or "sup-2".
_SUPPLEMENT_STEM: Final = re.compile(r"sup\D?(\d+)", re.IGNORECASE)

#: Coordinates that a supplementary table may have.
_COORDINATES: Final = (*(f"{name}_code" for name in CODED_COLUMNS), *TEXT_COLUMNS, *NUMERIC_COLUMNS)


@dataclass(frozen=True, slots=True)
class SupplementaryColumn:
    """One column of a supplementary table: prefixed name, header, and one cell per row of participants."""

    name: str
    header: str
    cells: list[str]


@dataclass(frozen=True, slots=True, eq=False)
class Supplement:
    """The columns of a supplementary table, with its account and what was noticed."""

    columns: Sequence[SupplementaryColumn]
    account: TableAccount
    remarks: tuple[Remark, ...]


def read_supplement(
    path: str,
    table: "Table",
    participants: ParticipantRows,
    context: "tuple[Dataset, Records, CodeBooks]",
    imaged: "Container[str]",
) -> Supplement | None:
    """Read a supplementary table; return ``None`` if it names no participant.

    Parameters
    ----------
    path, table
        The table and its path.
    participants
        The rows of the table of participants, which the cells are aligned with.
    context
        The records of the dataset and of the catalog, and the code books that hold for the table.
    imaged
        The participants with images.
    """
    id_index = _find_subject_column(table, participants.subjects)
    if id_index is None:
        return None
    name = PurePosixPath(path).name
    indexed = index_rows(path, table.frame, id_index)
    labelled = label_participants(name, indexed.frame, *context, id_index)
    prefix = _column_prefix(name)
    coordinates = {
        column: labelled.coordinates[column] for column in _COORDINATES if any(labelled.coordinates[column])
    }
    extra_columns = {column.lstrip("_"): cells for column, cells in labelled.extra_columns.items()}
    headers = {column.lstrip("_"): header for column, header in labelled.headers.items()}
    aligned = _align_rows(indexed, participants)
    # The prefix keeps apart what differs: the VAS of sup7 is from 2 to 100, that of sup8 from 0 to 8.
    columns = [
        SupplementaryColumn(
            # Wherever it is printed, it is the coordinate that every dataset has.
            column if column == "mean_fd" else f"{prefix}_{column}",
            f"{headers.get(column, column)} ({name})",
            ["" if row < 0 else cells[row] for row in aligned],
        )
        for column, cells in {**extra_columns, **coordinates}.items()
    ]
    rows = row_account(table, indexed, participants.subjects, imaged)
    remarks = (*table.remarks, *indexed.remarks, *column_remarks(path, labelled))
    return Supplement(columns, table_account(path, "supplement", table, rows, labelled.accounts), remarks)


def _find_subject_column(table: "Table", subjects: Mapping[str, str]) -> int | None:
    """Return the index of the column that names participants: that of the ids, or one with complete ids."""
    id_index = find_id_column(table)
    for index in [id_index] if id_index is not None else range(table.frame.shape[1]):
        cells = [cell for cell in table.frame.iloc[:, index].tolist() if cell.strip()]
        known = [cell for cell in cells if normalize_subject(cell) in subjects]
        # Any number may look like an id: complete ids ("sub-0001") count, else most numbers must be ids.
        complete = [cell for cell in known if "sub" in cell.casefold()]
        if complete or (id_index is not None and 2 * len(known) > len(cells)):
            return index
    return None


def _align_rows(supplement: ParticipantRows, participants: ParticipantRows) -> list[int]:
    """Return the row of a supplementary table for each row of the table of participants, -1 for none."""
    aligned = [-1] * len(participants.frame)
    for key, row in participants.rows.items():
        # A scale may have been taken at one of several sessions, or hold for all of them.
        aligned[row] = supplement.rows.get(key, supplement.rows.get((key[0], ""), -1))
    return aligned


def _column_prefix(name: str) -> str:
    stem = PurePosixPath(name).stem
    supplement = _SUPPLEMENT_STEM.fullmatch(stem)
    return f"sup{supplement[1]}" if supplement else slug(stem, "_") or "table"


@dataclass(frozen=True, slots=True)
class SupplementaryColumns:
    """The columns of all supplementary tables by name; of two with one name, cells of the first come first.

    ``known`` are the cells of columns that the table of participants has already, with its path.
    """

    known: Mapping[str, tuple[str, Sequence[str]]]
    columns: dict[str, SupplementaryColumn] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)

    def add(self, path: str, supplement: Supplement, subjects: Mapping[int, str]) -> Iterator[Remark]:
        """Add the columns of the table at `path`, and yield what it has in common with the tables before it.

        Parameters
        ----------
        path, supplement
            The table.
        subjects
            The name of the participant of each row.
        """
        prefix = _column_prefix(PurePosixPath(path).name)
        namesakes = (
            other for other in self.sources.values() if _column_prefix(PurePosixPath(other).name) == prefix
        )
        if first := next(namesakes, None):
            yield _namesake_remark(path, first, prefix)
        # Two VAS have different ranges (sup7: 2-100, sup8: 0-8): the prefix keeps them apart.
        for column in supplement.columns:
            if column.name not in self.columns and column.name not in self.known:
                self.columns[column.name], self.sources[column.name] = column, path
                continue
            source, cells = self._find(column.name)
            pairs = list(zip(cells, column.cells, strict=True))
            rows = [row for row, pair in enumerate(pairs) if all(pair) and not _is_same(*pair)]
            if rows:
                yield _conflict_remark(column, path, source, [subjects[row] for row in rows])
            merged = SupplementaryColumn(column.name, column.header, [own or other for own, other in pairs])
            self.columns[column.name] = merged
            self.sources.setdefault(column.name, source)

    def _find(self, name: str) -> tuple[str, Sequence[str]]:
        column = self.columns.get(name)
        return self.known[name] if column is None else (self.sources[name], column.cells)


def _is_same(one: str, other: str) -> bool:
    """Return whether two cells have the same text, or are the same number, such as 0.12 and 0.120.

    Numbers with leading zeros are ids, which have to be the same text.

    Examples
    --------
    >>> _is_same("0.12", "0.120"), _is_same("007", "7")
    (True, False)
    """
    return one == other or (parse_number(one) == parse_number(other) and not has_leading_zeros((one, other)))


def _namesake_remark(path: str, first: str, prefix: str) -> Remark:
    message = (
        f"'{path}' and '{first}' have the same name, so that the columns of both begin with '{prefix}_'. "
        "Check that both belong to this copy."
    )
    return Remark("tables-of-one-name", message, path)


def _conflict_remark(column: SupplementaryColumn, path: str, first: str, subjects: Sequence[str]) -> Remark:
    message = (
        f"'{path}' and '{first}' differ in '{column.name}' of {count_noun(len(subjects), 'participant')}: "
        f"{name_subjects(subjects)}. The values of '{first}' are used. Remove those that are wrong."
    )
    return Remark("conflicting-values", message, path, column.name)
