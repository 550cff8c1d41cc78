"""Labelled columns of participants, from their tables and the catalog.

A column that the catalog knows becomes a coordinate; every other one is kept with the institute as prefix.
Where a table has no value, the catalog's cohorts provide it: the longest matching path prefix, per field.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import chain, count
from typing import TYPE_CHECKING, Any

from decnef_data.formats.cells import clean_cells, parse_number
from decnef_data.identity import ByIdentity
from decnef_data.layouts.code_books import (
    CODED_COLUMNS,
    CodeBooks,
    DecodedColumn,
    StatedMeaning,
    decode_column,
)
from decnef_data.model import ColumnAccount, Remark
from decnef_data.records import normalize_name

if TYPE_CHECKING:
    import pandas as pd

    from decnef_data.model import Cohort, Column, Dataset, Entities
    from decnef_data.records import Records

__all__ = [
    "NUMERIC_COLUMNS",
    "TABLE_SUFFIXES",
    "TEXT_COLUMNS",
    "ParticipantColumns",
    "code_remarks",
    "coded_account",
    "column_attrs",
    "column_remarks",
    "count_noun",
    "is_known_header",
    "is_participant_table",
    "label_participants",
    "other_label_remark",
    "slug",
    "stated_meaning",
]

#: The suffixes of files that may be tables.
TABLE_SUFFIXES = frozenset({".tsv", ".csv", ".txt"})
#: Coordinates that hold text.
TEXT_COLUMNS = ("institute", "scanner")
#: Coordinates that hold numbers, and their dtypes.
NUMERIC_COLUMNS: Mapping[str, str] = {"age": "f4", "protocol": "f4", "mean_fd": "f8"}

_MAX_EXAMPLES = 5
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
        return next((value for value in candidates if value or value == 0), None)

    def text(self, name: str) -> str:
        value = self.value(name)
        return "" if value is None else str(value)

    @classmethod
    def of_path(cls, path: str, dataset: "Dataset") -> "_CohortDefaults":
        cohorts = [cohort for cohort in dataset.cohorts if path.startswith(cohort.path)]
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


def is_known_header(header: str, records: "Records") -> bool:
    """Return whether a header is that of a column that becomes a coordinate."""
    return _find_column(header, records) is not None


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
    columns = _TableColumns.from_table(table, records, id_column, dataset.own_entities, books.levels)
    cells = {name: columns.cells(name, defaults.text(name)) for name in (*TEXT_COLUMNS, *NUMERIC_COLUMNS)}
    top_folder = path.split("/", maxsplit=1)[0] if "/" in path else ""
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
            unused_levels[header] = _describe_levels(decoded[name].unused_levels, used)
        if name in columns.codes:
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
    extra_columns = {f"{slug(institute, '_')}_{name}": cells for name, cells in columns.extra_columns.items()}
    headers = {f"{slug(institute, '_')}_{name}": header for name, header in columns.headers.items()}
    accounts = tuple(_account_of(column, coordinates, decoded) for column in columns.printed)
    others = {name: (defaults.text(name), column.others) for name, column in decoded.items() if column.others}
    return ParticipantColumns(
        coordinates, extra_columns, headers, unknown_codes, accounts, others, contradictions, unused_levels
    )


def _describe_levels(levels: Mapping[str, str], used: Mapping[str, str]) -> str:
    """Return what a sidecar states of codes, and the labels that are used instead."""
    listed = [f"{code!r} is {level!r}, not {used[code]!r}" for code, level in sorted(levels.items())]
    return f"{', '.join(listed[:_MAX_EXAMPLES])}, which the record or code book states"


def column_remarks(file: str, columns: ParticipantColumns, required: Sequence[str] = ()) -> Iterator[Remark]:
    """Yield what is unusual about the columns of a table.

    Parameters
    ----------
    file
        The path of the table.
    columns
        Its columns.
    required
        The coordinates of which at least one participant should have a value.
    """
    yield from code_remarks(file, columns.accounts)
    for name, (stated, labels) in columns.others.items():
        yield other_label_remark(file, name, stated, labels)
    for name, pairs in columns.contradictions.items():
        if pairs:
            seen = ", ".join(dict.fromkeys(pairs[:_MAX_EXAMPLES]))
            message = (
                f"'{name}_code' and '{name}' differ in {count_noun(len(pairs), 'row')} of '{file}': {seen}. "
                f"The values of '{name}' are used; correct the table."
            )
            yield Remark("code-and-label", message, file, name)
    for header, difference in columns.unused_levels.items():
        message = (
            f"The levels of the column '{header}' in the sidecar of '{file}' are not used: {difference}. "
            "Correct the sidecar, or what differs from it."
        )
        yield Remark("unused-levels", message, file, header)
    for column in columns.accounts:
        is_coded = column.use == "kept" and bool(column.code_book)
        is_number = column.use == "known" and column.name not in CODED_COLUMNS
        if column.n_undecoded and (is_coded or is_number):
            yield _undecoded_remark(file, column)
        elif column.use == "kept" and column.n_undecoded:
            cells = ", ".join(map(repr, column.examples))
            message = (
                f"The column '{column.header}' in '{file}' was kept as text: most of its cells are numbers, "
                f"but not {cells}. Correct the cells."
            )
            yield Remark("words-among-numbers", message, file, column.header)
        elif column.use == "repeated":
            message = (
                f"'{file}' has more than one column of '{column.name}'; '{column.header}' was not used. "
                "Remove the column that is wrong."
            )
            yield Remark("repeated-column", message, file, column.header)
    missing = [
        name
        for name in required
        if not any(columns.coordinates[name]) and not any(columns.coordinates.get(f"{name}_code", ()))
    ]
    if missing:
        message = (
            f"No participant in '{file}' has a value of {', '.join(map(repr, missing))}: no column has a "
            "header that the catalog knows for it, or all its cells are blank."
        )
        yield Remark("missing-column", message, file, missing[0])


def code_remarks(file: str, columns: Sequence[ColumnAccount]) -> Iterator[Remark]:
    """Yield one warning for all codes of a table without a stated meaning, and one for each stated column.

    Examples
    --------
    >>> column = ColumnAccount("Sex", "sex", "known", 9, 0, 0, 9, ("1", "2"))
    >>> [remark.message.partition(".")[0] for remark in code_remarks("SUBINFO", [column])]
    ["What the codes in 'SUBINFO' mean is not stated: 'Sex' ('1', '2')"]
    """
    coded = [column for column in columns if column.use == "known" and column.name in CODED_COLUMNS]
    undecoded = [column for column in coded if column.n_undecoded]
    unstated = [column for column in undecoded if not column.code_book]
    if unstated:
        seen = "; ".join(
            f"'{column.header}' ({', '.join(map(repr, column.examples))})" for column in unstated
        )
        names = _join_names([f"'{column.name}'" for column in unstated])
        printed = _join_names([f"'{column.name}_code'" for column in unstated])
        message = (
            f"What the codes in '{file}' mean is not stated: {seen}. So {names} "
            f"{'is' if len(unstated) == 1 else 'are'} blank, and the codes are in {printed}. "
            'State their meaning with codes= (--codes FILE), or use codes="mri" if the codes of the image '
            "datasets hold."
        )
        yield Remark("no-code-book", message, file, unstated[0].header)
    yield from (_undecoded_remark(file, column) for column in undecoded if column.code_book)


def _join_names(names: Sequence[str]) -> str:
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


def _undecoded_remark(file: str, column: ColumnAccount) -> Remark:
    is_one = column.n_undecoded == 1
    is_shown = column.name in TEXT_COLUMNS or (column.name, column.code_book) == ("site", "mri")
    message = (
        f"{count_noun(column.n_undecoded, 'cell')} of the column '{column.header}' in '{file}' "
        f"{'has' if is_one else 'have'} no known meaning: {', '.join(map(repr, column.examples))}. "
        f"{'The value is' if is_one else 'The values are'} "
        f"{'kept as printed' if is_shown else 'missing'} in '{column.name or column.header}'."
    )
    return Remark("undecoded-cells", message, file, column.header)


def other_label_remark(file: str, name: str, stated: str, labels: Sequence[str]) -> Remark:
    """Return the warning that a table has other labels of a coordinate than the name of its file or folder.

    Examples
    --------
    >>> other_label_remark("KPUM/SUBINFO.tsv", "diagnosis", "OCD", ["HC"]).rule
    'other-than-named'
    """
    message = (
        f"The name of a file or folder states the {name} {stated} for all participants in '{file}', but the "
        f"table says {', '.join(labels)} of some. The table is used. Correct what is wrong."
    )
    return Remark("other-than-named", message, file, name)


def count_noun(count: int, noun: str) -> str:
    """Return a number and a noun, in the plural unless the number is 1.

    Examples
    --------
    >>> count_noun(1, "cell"), count_noun(2, "cell")
    ('1 cell', '2 cells')
    """
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


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
class _PrintedColumn:
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
        examples=tuple(dict.fromkeys(undecoded))[:_MAX_EXAMPLES],
        code_book=decoded.code_book,
    )


def _account_of(
    column: _PrintedColumn,
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
        undecoded = [cell for cell, value in pairs if cell and not value]
    elif column.labels is not None:
        undecoded = [cell for cell in column.cells if cell and cell not in column.labels]
    elif column.use == "kept":
        undecoded = _words_among_numbers(column.cells)
    return ColumnAccount(
        column.header,
        column.name,
        column.use if n_blank < len(column.cells) or column.use in {"id", "known"} else "empty",
        len(column.cells),
        len(column.cells) - n_blank - len(undecoded),
        n_blank,
        len(undecoded),
        tuple(dict.fromkeys(undecoded))[:_MAX_EXAMPLES],
        column.code_book,
    )


def _words_among_numbers(cells: Sequence[str]) -> list[str]:
    """Return the cells that are not numbers, if most of the others are: they make a column one of text."""
    words = {cell for cell in set(cells) if cell and math.isnan(parse_number(cell))}
    others = [cell for cell in cells if cell in words]
    n_numbers = sum(bool(cell) for cell in cells) - len(others)
    return others if n_numbers > len(others) else []


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
            return cls(recorded, "catalog", _describe_levels(differing, recorded) if differing else "")
        without = [repr(code) for code in codes if code not in levels]
        if not levels or len(without) == len(codes):
            return cls()  # of a column of numbers, levels may describe what no participant has
        if without:
            return cls(difference=f"there is no level of {', '.join(without[:_MAX_EXAMPLES])}")
        return cls(levels, "levels")


@dataclass(frozen=True, slots=True)
class _TableColumns:
    """The cells of a table, missing ones blank: by coordinate, and all others by the slug of their header."""

    row_count: int
    coordinates: Mapping[str, list[str]]
    extra_columns: Mapping[str, list[str]]
    headers: Mapping[str, str]
    printed: Sequence["_PrintedColumn"]
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
    ) -> "_TableColumns":
        coordinates: dict[str, list[str]] = {}
        extra_columns: dict[str, list[str]] = {}
        headers: dict[str, str] = {}
        printed: list[_PrintedColumn] = []
        codes: dict[str, list[str]] = {}
        unused_levels: dict[str, str] = {}
        grid = table.to_numpy()
        code_columns = _find_code_columns(list(map(str, table.columns)), records, entities)
        labels_of = {normalize_name(header): labels for header, labels in entities.codes.items()}
        for index, header in enumerate(map(str, table.columns)):
            if index in code_columns:
                name = code_columns[index]
                codes[name] = clean_cells(grid[:, index], ())
                printed.append(_PrintedColumn(header, f"{name}_code", codes[name], "known"))
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
            printed.append(_PrintedColumn(header, name, cells, use, labels, kept.code_book))
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
