"""The tables of an image dataset joined into labelled columns, one row per participant and session.

No participant is lost: one without images, and one with images but in no table, have rows, too.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from decnef_data.errors import FormatError
from decnef_data.formats.cells import parse_column, parse_numbers
from decnef_data.layouts.code_books import CODED_COLUMNS, CodeBooks, below_top
from decnef_data.layouts.column_remarks import column_remarks, count_noun
from decnef_data.layouts.imaging.inventory.paths import normalize_subject
from decnef_data.layouts.imaging.tables import protocols
from decnef_data.layouts.imaging.tables.acquisition import (
    STANDARD_ATTRS,
    Acquisition,
    build_columns,
    read_columns,
)
from decnef_data.layouts.imaging.tables.dataset_tables import (
    DatasetTables,
    find_id_column,
    is_list_of_ids,
    row_account,
    table_account,
)
from decnef_data.layouts.imaging.tables.levels import sidecar_of_table
from decnef_data.layouts.imaging.tables.rows import ParticipantRows, index_rows, name_subjects
from decnef_data.layouts.imaging.tables.supplements import Supplement, SupplementaryColumns, read_supplement
from decnef_data.layouts.participants import ParticipantColumns, column_attrs, label_participants
from decnef_data.layouts.table_columns import NUMERIC_COLUMNS, TEXT_COLUMNS
from decnef_data.model import CodeBook, Remark, RowAccount, TableAccount
from decnef_data.records import normalize_name

if TYPE_CHECKING:
    from decnef_data.formats.tables import Table
    from decnef_data.layouts.imaging.inventory.scans import Scan
    from decnef_data.model import Dataset
    from decnef_data.records import Records

__all__ = [
    "RESERVED",
    "ParticipantTable",
    "build_participant_table",
    "with_acquisitions",
    "with_institutes",
]

#: What BIDS spells "sub-" in the name of a folder.
_BIDS_PREFIX: Final = re.compile(r"^sub-?(?=.)", re.IGNORECASE)
#: Names of the coordinates of scans: a column of a table with such a name becomes ``table_<name>``.
RESERVED: Final = frozenset({
    "subject", "session", "run", "affine", "repetition_time", "n_volumes", "n_dummies_removed", "field_maps",
    "t1w_shared", "scl_slope", "scl_inter", "qform_code", "sform_code", "bold", "t1w", "fmap", "scan",
    "time", "z", "y", "x", "row", "column", "path", "size", "volume",
    "mask", "confound", "name", "mean_fd_confounds", "mean_fd_computed", "fd_floor",
})  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class ParticipantTable:
    """Columns with one row per participant and session.

    ``rows`` maps the name of a folder and the session to the row; ``is_listed`` is whether a table lists the
    participant of a row; ``unjoined_tables`` names tables that list no known participant.  ``accounts`` are
    those of all tables that may list participants, ``problems`` the errors of those that cannot be used.
    """

    rows: Mapping[tuple[str, str], int]
    columns: Mapping[str, NDArray[Any]]
    attrs: Mapping[str, Mapping[str, str]]
    is_listed: NDArray[np.bool_]
    unjoined_tables: tuple[str, ...]
    accounts: tuple[TableAccount, ...] = ()
    remarks: tuple[Remark, ...] = ()
    problems: tuple[FormatError, ...] = ()

    def rows_of(self, scans: Sequence["Scan"]) -> NDArray[np.intp]:
        """Return the row of each scan."""
        return np.array([self.rows[scan.subject, scan.session] for scan in scans], dtype=np.intp)

    def with_columns(
        self, columns: Mapping[str, NDArray[Any]], attrs: Mapping[str, Mapping[str, str]] | None = None
    ) -> "ParticipantTable":
        """Return the same rows with added or replaced columns."""
        return replace(self, columns={**self.columns, **columns}, attrs={**self.attrs, **(attrs or {})})


def build_participant_table(
    tables: DatasetTables,
    scans: Sequence["Scan"],
    dataset: "Dataset",
    records: "Records",
    codes: Sequence[CodeBook] = (),
) -> ParticipantTable:
    """Join the tables, in the order of the table of participants.

    Parameters
    ----------
    tables
        The tables.
    scans
        The scans, for their subjects and sessions.
    dataset, records
        The catalog's records.
    codes
        The code books of the copy; where they state nothing, those of the image datasets hold, unless the
        record of the dataset says what its names mean.
    """
    imaged = frozenset(normalize_subject(scan.subject) for scan in scans)
    join = _Join(tables, (dataset, records), CodeBooks(codes, mri=not dataset.has_own_meaning), imaged)
    joined = join.join()
    sessions = _list_sessions(joined.indexed, scans)
    padded = {name: np.append(column, _missing_value(column)) for name, column in joined.columns.items()}
    # Row -1, of participants in no table, is the padding.
    table_rows = np.array([row for _, _, row in sessions], dtype=np.intp)
    aligned = {name: column[table_rows] for name, column in padded.items()}
    aligned["subject"] = np.array([_BIDS_PREFIX.sub("sub-", name) for name, _, _ in sessions], dtype=np.str_)
    aligned["session"] = np.array([session for _, session, _ in sessions], dtype=np.str_)
    row_by_session = {(subject, session): index for index, (subject, session, _) in enumerate(sessions)}
    unlisted = dict.fromkeys(subject for subject, _, row in sessions if row < 0)
    table = ParticipantTable(
        row_by_session,
        aligned,
        joined.attrs,
        table_rows >= 0,
        joined.unjoined,
        joined.accounts,
        (*joined.remarks, *_unlisted_remarks(list(unlisted), has_table=bool(joined.indexed.rows))),
        joined.problems,
    )
    return _with_protocols(with_institutes(table, records), tables, records)


def _unlisted_remarks(unlisted: Sequence[str], *, has_table: bool) -> tuple[Remark, ...]:
    if not unlisted:
        return ()
    where = "no table lists" if has_table else "there is no table of participants for"
    message = (
        f"There are images of {count_noun(len(unlisted), 'participant')}, "
        f"but {where} {name_subjects(unlisted)}. Their labels are missing."
    )
    return (Remark("unlisted-participants", message),)


def _list_sessions(indexed: ParticipantRows, scans: Sequence["Scan"]) -> list[tuple[str, str, int]]:
    """Return subject, session and row of the table (-1 for none): those in the table first, in its order."""
    sessions: dict[str, dict[tuple[str, str], None]] = {}
    for scan in scans:
        # By normalized id: tables and folders spell one id differently.
        sessions.setdefault(normalize_subject(scan.subject), {})[scan.subject, scan.session] = None
    listed = [
        (*pair, indexed.row_of(subject, pair[1]))
        for subject, name in indexed.subjects.items()
        for pair in sorted(sessions.get(subject, {(name, ""): None}))
    ]
    unlisted = [subject for subject in sessions if subject not in indexed.subjects]
    return [*listed, *((*pair, -1) for subject in unlisted for pair in sorted(sessions[subject]))]


@dataclass(frozen=True, slots=True, eq=False)
class _Joined:
    """The columns of the joined tables, one value for each row of ``indexed``, and what was noticed."""

    indexed: ParticipantRows
    columns: Mapping[str, NDArray[Any]]
    attrs: Mapping[str, Mapping[str, str]]
    unjoined: tuple[str, ...]
    accounts: tuple[TableAccount, ...]
    remarks: tuple[Remark, ...]
    problems: tuple[FormatError, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Join:
    """A join of the tables of a copy; ``imaged`` are the participants with images."""

    tables: DatasetTables
    context: "tuple[Dataset, Records]"
    books: CodeBooks
    imaged: frozenset[str]

    def join(self) -> _Joined:
        path, others = _choose_table(self.tables.tables, self.imaged)
        indexed, labelled, account, remarks = self._read_participants(path)
        cells = {name: list(column) for name, column in labelled.coordinates.items()}
        # The prefix of a column is its institute, which is blank for tables of images.
        extra_columns = {name.lstrip("_"): list(column) for name, column in labelled.extra_columns.items()}
        attrs = {name.lstrip("_"): {"long_name": header} for name, header in labelled.headers.items()}
        own = {"mean_fd": cells["mean_fd"], **extra_columns}
        supplements = SupplementaryColumns({name: (path or "", column) for name, column in own.items()})
        subjects = {row: indexed.subjects[subject] for (subject, _), row in indexed.rows.items()}
        accounts, unjoined = list(account), []
        for other, table in self.tables.tables.items():
            if other == path:
                continue
            supplement = None if other in others else self._read_supplement(other, indexed)
            if supplement is None and other.casefold().endswith(".txt") and find_id_column(table) is None:
                continue  # a text that names no participant is a document, whatever it looks like
            if supplement is None:
                unjoined_role = "original" if other in self.tables.sources else "unused"
                role = "list-of-ids" if is_list_of_ids(table) else unjoined_role
                accounts.append(table_account(other, role, table, _unused_rows(table)))
                if role == "unused" and other not in others:
                    unjoined.append(other)
                continue
            accounts.append(supplement.account)
            remarks += [*supplement.remarks, *supplements.add(other, supplement, subjects)]
        if self.context[0].has_own_meaning:
            accounts += [
                TableAccount(sidecar_of_table(table_path), "sidecar") for table_path in self.tables.levels
            ]
        for name, column in supplements.columns.items():
            if name == "mean_fd":
                cells[name] = column.cells
            else:
                extra_columns[name], attrs[name] = column.cells, {"long_name": column.header}
        columns, attrs = _build_columns(cells, extra_columns, attrs, self.context[1])
        # A known table that cannot be used is an error, even if another one has the ids.
        is_unusable = bool(others) and not (path and _is_named_participants(path))
        second_tables = others[1:] if is_unusable else others
        remarks += [_second_table_remark(other, path) for other in second_tables]
        remarks += _unjoined_remarks(unjoined, self.tables.tables)
        problems = (_missing_ids_error(others[0]),) if is_unusable else ()
        return _Joined(indexed, columns, attrs, tuple(unjoined), tuple(accounts), tuple(remarks), problems)

    def _read_participants(
        self, path: str | None
    ) -> tuple[ParticipantRows, ParticipantColumns, list[TableAccount], list[Remark]]:
        if path is None:
            empty = pd.DataFrame({"participant_id": []}, dtype=object)
            indexed = index_rows("participants.tsv", empty, 0)
            labelled = label_participants("participants.tsv", empty, *self.context, self.books, 0)
            return indexed, labelled, [], []
        table = self.tables.tables[path]
        # The table that was chosen has one: 0 is for the type checker.
        id_index = find_id_column(table) or 0
        indexed = index_rows(path, table.frame, id_index)
        labelled = label_participants(
            "participants.tsv", indexed.frame, *self.context, self._books_of(path), id_index
        )
        rows = row_account(table, indexed, indexed.subjects, self.imaged)
        account = table_account(path, "participants", table, rows, labelled.accounts)
        required = self.context[0].coordinates if _is_named_participants(path) else ()
        remarks = [*table.remarks, *indexed.remarks, *column_remarks(path, labelled, required)]
        return indexed, labelled, [account], remarks

    def _read_supplement(self, path: str, indexed: ParticipantRows) -> Supplement | None:
        table = self.tables.tables[path]
        if is_list_of_ids(table):
            return None
        context = (*self.context, self._books_of(path))
        return read_supplement(path, table, indexed, context, self.imaged)

    def _books_of(self, path: str) -> CodeBooks:
        books = self.books.of_table([below_top(path, self.context[0])], self.tables.tables[path].sha256)
        own_meaning = self.context[0].has_own_meaning  # else the codes of the image datasets hold
        return replace(books, levels=self.tables.levels.get(path, {})) if own_meaning else books


def _choose_table(tables: Mapping[str, "Table"], imaged: frozenset[str]) -> tuple[str | None, list[str]]:
    """Return the path of the table of participants, and those of others with such a name.

    It is the nearest to the root that has a column of ids and names someone with images; a list of ids is
    none.  Without such a name, it is the table with most participants.
    """
    named = [path for path in tables if _is_named_participants(path)]
    candidates = [path for path in tables if _count_participants(tables[path], imaged)]
    by_name = [path for path in candidates if path in named]
    if by_name:
        return by_name[0], [path for path in named if path != by_name[0]]
    count = {path: _count_participants(tables[path], imaged) for path in candidates}
    return max(candidates, key=lambda path: count[path], default=None), named


def _is_named_participants(path: str) -> bool:
    return normalize_name(PurePosixPath(path).stem) in {"participants", "subjects"}


def _count_participants(table: "Table", imaged: frozenset[str]) -> int:
    """Return how many participants with images a table lists; any if none has images yet."""
    id_index = find_id_column(table)
    if id_index is None or is_list_of_ids(table):
        return 0
    subjects = {normalize_subject(cell) for cell in table.frame.iloc[:, id_index].tolist() if cell.strip()}
    return len(subjects & imaged) if imaged else len(subjects)


def _missing_ids_error(path: str) -> FormatError:
    message = (
        f"'{path}' names no participant with images: a table of participants needs a column 'participant_id' "
        "with their ids, and columns that describe them. Download it again, or correct it."
    )
    return FormatError(message, file=path, location="row 1")


def _second_table_remark(path: str, used: str | None) -> Remark:
    instead = f"'{used}' is used instead" if used else "it names no participant with images"
    message = f"'{path}' was not used as the table of participants: {instead}. Remove it if it is a copy."
    return Remark("second-participants-table", message, path)


def _unjoined_remarks(unjoined: Sequence[str], tables: Mapping[str, "Table"]) -> list[Remark]:
    """Return a warning for each table with a column of ids that names no participant."""
    return [
        Remark(
            "unjoined-table",
            f"'{path}' was not used: its column of ids names no participant of this copy. Correct the ids.",
            path,
        )
        for path in unjoined
        if find_id_column(tables[path]) is not None
    ]


def _unused_rows(table: "Table") -> RowAccount:
    skipped, blank = table.n_rows_skipped, table.n_rows_blank
    unknown = table.n_rows_found - skipped - blank
    return RowAccount(table.n_rows_found, n_unknown=unknown, n_skipped=skipped, n_blank=blank)


def _build_columns(
    cells: Mapping[str, list[str]],
    extra_columns: Mapping[str, list[str]],
    attrs: dict[str, dict[str, str]],
    records: "Records",
) -> tuple[dict[str, NDArray[Any]], dict[str, dict[str, str]]]:
    text_names = (*CODED_COLUMNS, *(f"{name}_code" for name in CODED_COLUMNS), *TEXT_COLUMNS)
    columns: dict[str, NDArray[Any]] = {name: np.array(cells[name], dtype=np.str_) for name in text_names}
    columns |= {name: parse_numbers(cells[name], kind) for name, kind in NUMERIC_COLUMNS.items()}
    for name, column_cells in extra_columns.items():
        # A column of a table must not replace a coordinate that happens to have its name.
        unique_name = f"table_{name}" if name in columns or name in RESERVED else name
        columns[unique_name], attrs[unique_name] = parse_column(column_cells), attrs[name]
    return columns, {**attrs, **column_attrs(records)}


def _missing_value(column: NDArray[Any]) -> Any:
    # Of the same dtype: np.append would make float64 of float32.
    return "" if column.dtype.kind == "U" else np.array(np.nan, column.dtype)


def with_institutes(table: ParticipantTable, records: "Records") -> ParticipantTable:
    """Return the table with the institute of each site."""
    sites = {code: records.site(code) for code in set(table.columns["site"].tolist())}
    institutes = {code: site.institute if site else "" for code, site in sites.items()}
    own = zip(table.columns["site"].tolist(), table.columns["institute"].tolist(), strict=True)
    names = [institutes[code] or printed for code, printed in own]
    return table.with_columns({"institute": np.array(names, dtype=np.str_)})


def _with_protocols(table: ParticipantTable, tables: DatasetTables, records: "Records") -> ParticipantTable:
    """Add the protocol of each row, from the table of the copy and, where that has no value, the catalog."""
    recorded = protocols.from_records(records)
    by_number = {**recorded, **tables.protocols}
    catalog_dummies = {protocol.number: protocol.dummies for protocol in records.protocols}
    numbers_used, inverse = np.unique(table.columns["protocol"], return_inverse=True)
    used = [int(number) if np.isfinite(number) else -1 for number in numbers_used.tolist()]
    used_protocols = [by_number.get(number, protocols.Protocol()) for number in used]
    names = dict.fromkeys(name for protocol in used_protocols for name in protocol.coordinates)
    columns: dict[str, NDArray[Any]] = {
        name: parse_column([protocol.coordinates.get(name, "") for protocol in used_protocols])
        for name in names
    }
    for name in ("volumes", "dummies"):
        columns[f"_{name}"] = np.array([getattr(protocol, name) for protocol in used_protocols], dtype="f8")
    dummies = [catalog_dummies.get(number) for number in used]
    columns["_recorded_dummies"] = np.array(
        [np.nan if count is None else count for count in dummies], dtype="f8"
    )
    acquisitions = [
        protocol.acquisition.completed_by(recorded.get(number, protocols.Protocol()).acquisition)
        for number, protocol in zip(used, used_protocols, strict=True)
    ]
    aligned = {name: column[inverse] for name, column in columns.items()}
    printed, read_whole = read_columns(table.columns)
    if printed:
        acquisitions = [
            own.completed_by(acquisitions[index])
            for own, index in zip(printed, inverse.tolist(), strict=True)
        ]
        # A table of participants states them by row, so that rows of one protocol may differ.
        inverse = np.arange(len(acquisitions))
    kept = {name: column for name, column in table.columns.items() if name not in read_whole}
    return with_acquisitions(replace(table, columns={**kept, **aligned}), acquisitions, inverse)


def with_acquisitions(
    table: ParticipantTable, acquisitions: Sequence[Acquisition], rows: NDArray[np.intp]
) -> ParticipantTable:
    """Return the table with the columns of acquisition parameters.

    Parameters
    ----------
    table
        The table.
    acquisitions
        The parameters.
    rows
        The index in `acquisitions` of each row of the table.
    """
    columns = {name: column[rows] for name, column in build_columns(acquisitions).items()}
    return table.with_columns(columns, STANDARD_ATTRS)
