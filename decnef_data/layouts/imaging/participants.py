"""The tables of an image dataset joined into labelled columns, one row per participant and session.

No participant is lost: one without images, and one with images but in no table, have rows, too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from decnef_data.errors import FormatError
from decnef_data.layouts.imaging import protocols
from decnef_data.layouts.imaging.tables import (
    DatasetTables,
    find_id_column,
    normalize_subject,
    read_supplementary_columns,
)
from decnef_data.layouts.participants import (
    CODED_COLUMNS,
    NUMERIC_COLUMNS,
    TEXT_COLUMNS,
    ParticipantColumns,
    column_attrs,
    label_participants,
    parse_column,
    parse_numbers,
)

if TYPE_CHECKING:
    from decnef_data.layouts.imaging.inventory import Scan
    from decnef_data.model import Dataset
    from decnef_data.records import Records

__all__ = ["RESERVED", "ParticipantTable", "build_participant_table", "with_institutes"]

#: Names of the coordinates of scans: a column of a table with such a name becomes ``table_<name>``.
RESERVED: Final = frozenset({
    "subject", "session", "run", "affine", "repetition_time", "n_volumes", "n_dummies_removed", "field_maps",
    "t1w_shared", "scl_slope", "scl_inter", "bold", "t1w", "fmap", "scan", "time", "z", "y", "x", "row",
    "column", "path", "size",
})  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class ParticipantTable:
    """Columns with one row per participant and session.

    ``rows`` maps the name of a folder and the session to the row; ``is_listed`` is whether a table lists the
    participant of a row; ``unjoined_tables`` names tables that list no known participant, or one twice.
    """

    rows: Mapping[tuple[str, str], int]
    columns: Mapping[str, NDArray[Any]]
    attrs: Mapping[str, Mapping[str, str]]
    is_listed: NDArray[np.bool_]
    unjoined_tables: tuple[str, ...]

    def rows_of(self, scans: Sequence["Scan"]) -> NDArray[np.intp]:
        """Return the row of each scan."""
        return np.array([self.rows[scan.subject, scan.session] for scan in scans], dtype=np.intp)

    def with_columns(
        self, columns: Mapping[str, NDArray[Any]], attrs: Mapping[str, Mapping[str, str]] | None = None
    ) -> "ParticipantTable":
        """Return the same rows with added or replaced columns."""
        return replace(self, columns={**self.columns, **columns}, attrs={**self.attrs, **(attrs or {})})


def build_participant_table(
    tables: DatasetTables, scans: Sequence["Scan"], dataset: "Dataset", records: "Records"
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
    """
    ids, participants = _read_participants(tables, dataset, records)
    row_by_subject = {normalize_subject(name): row for row, name in enumerate(ids)}
    sessions = _list_sessions(ids, row_by_subject, scans)
    columns, attrs, unjoined = _join_tables(participants, row_by_subject, tables, dataset, records)
    padded = {name: np.append(column, _missing_value(column)) for name, column in columns.items()}
    # Row -1, of participants in no table, is the padding.
    table_rows = np.array([row for _, _, row in sessions], dtype=np.intp)
    aligned = {name: column[table_rows] for name, column in padded.items()}
    aligned["subject"] = np.array([subject for subject, _, _ in sessions], dtype=np.str_)
    aligned["session"] = np.array([session for _, session, _ in sessions], dtype=np.str_)
    row_by_session = {(subject, session): index for index, (subject, session, _) in enumerate(sessions)}
    table = ParticipantTable(row_by_session, aligned, attrs, table_rows >= 0, unjoined)
    return _with_protocols(with_institutes(table, records), tables, records)


def _read_participants(
    tables: DatasetTables, dataset: "Dataset", records: "Records"
) -> tuple[list[str], ParticipantColumns]:
    import pandas as pd

    table = (
        tables.participants
        if tables.participants is not None
        else pd.DataFrame({"participant_id": []}, dtype=object)
    )
    id_index = find_id_column(table)
    if id_index is None:
        message = "The table of participants has no subject ids: no column is named 'participant_id'."
        raise FormatError(f"{message} Download it again.", file="participants.tsv", location="row 1")
    ids = [cell.strip() for cell in table.iloc[:, id_index].tolist()]
    _require_unique_ids(ids)
    return ids, label_participants("participants.tsv", table, dataset, records, id_index)


def _require_unique_ids(ids: Sequence[str]) -> None:
    seen: dict[str, int] = {}
    for row, name in enumerate(ids, start=2):
        if normalize_subject(name) in seen:
            earlier = seen[normalize_subject(name)]
            message = f"Rows {earlier} and {row} of 'participants.tsv' both list '{name}'. Fix the table."
            raise FormatError(message, file="participants.tsv", location=f"row {row}")
        seen[normalize_subject(name)] = row


def _list_sessions(
    ids: Sequence[str], row_by_subject: Mapping[str, int], scans: Sequence["Scan"]
) -> list[tuple[str, str, int]]:
    """Return subject, session and row of the table (-1 for none): those in the table first, in its order."""
    sessions: dict[str, dict[tuple[str, str], None]] = {}
    for scan in scans:
        sessions.setdefault(normalize_subject(scan.subject), {})[scan.subject, scan.session] = None
    listed = [
        (*pair, row)
        for row, name in enumerate(ids)
        for pair in sorted(sessions.get(normalize_subject(name), {(name, ""): None}))
    ]
    unlisted = [name for name in sessions if name not in row_by_subject]
    return [*listed, *((*pair, -1) for name in unlisted for pair in sorted(sessions[name]))]


_JoinedColumns = tuple[dict[str, NDArray[Any]], dict[str, dict[str, str]], tuple[str, ...]]


def _join_tables(
    participants: ParticipantColumns,
    row_by_subject: Mapping[str, int],
    tables: DatasetTables,
    dataset: "Dataset",
    records: "Records",
) -> _JoinedColumns:
    cells = {name: list(column) for name, column in participants.coordinates.items()}
    extra_columns = {name.lstrip("_"): list(column) for name, column in participants.extra_columns.items()}
    attrs = {name.lstrip("_"): {"long_name": header} for name, header in participants.headers.items()}
    unjoined: list[str] = []
    for name, table in tables.supplements.items():
        supplement = read_supplementary_columns(name, table, row_by_subject, dataset, records)
        if supplement is None:
            unjoined.append(name)
        for column in supplement or ():
            if column.name == "mean_fd":
                pairs = zip(cells["mean_fd"], column.cells, strict=True)
                cells["mean_fd"] = [first or second for first, second in pairs]
            else:
                extra_columns[column.name], attrs[column.name] = column.cells, {"long_name": column.header}
    text_names = (*CODED_COLUMNS, *(f"{name}_code" for name in CODED_COLUMNS), *TEXT_COLUMNS)
    columns: dict[str, NDArray[Any]] = {name: np.array(cells[name], dtype=np.str_) for name in text_names}
    columns |= {name: parse_numbers(cells[name], kind) for name, kind in NUMERIC_COLUMNS.items()}
    for name, column_cells in extra_columns.items():
        unique_name = f"table_{name}" if name in columns or name in RESERVED else name
        columns[unique_name], attrs[unique_name] = parse_column(column_cells), attrs[name]
    return columns, {**attrs, **column_attrs(records)}, tuple(unjoined)


def _missing_value(column: NDArray[Any]) -> Any:
    return "" if column.dtype.kind == "U" else np.array(np.nan, column.dtype)


def with_institutes(table: ParticipantTable, records: "Records") -> ParticipantTable:
    """Return the table with the institute of each site."""
    sites = {code: records.site(code) for code in set(table.columns["site"].tolist())}
    institutes = {code: site.institute if site else "" for code, site in sites.items()}
    return table.with_columns(
        {"institute": np.array([institutes[code] for code in table.columns["site"].tolist()], dtype=np.str_)}
    )


def _with_protocols(table: ParticipantTable, tables: DatasetTables, records: "Records") -> ParticipantTable:
    """Add the parameters of the protocol of each row, from the table of the copy or else the catalog."""
    by_number = {**protocols.from_records(records), **tables.protocols}
    catalog_dummies = {protocol.number: protocol.dummies for protocol in records.protocols}
    numbers_used, inverse = np.unique(table.columns["protocol"], return_inverse=True)
    used = [int(number) if np.isfinite(number) else -1 for number in numbers_used.tolist()]
    used_protocols = [by_number.get(number) for number in used]
    names = dict.fromkeys(name for protocol in used_protocols if protocol for name in protocol.coordinates)
    columns: dict[str, NDArray[Any]] = {
        name: parse_column(
            [protocol.coordinates.get(name, "") if protocol else "" for protocol in used_protocols]
        )
        for name in names
    }
    for name in ("repetition_time", "volumes", "dummies"):
        columns[f"_{name}"] = np.array(
            [getattr(protocol, name) if protocol else np.nan for protocol in used_protocols], dtype="f8"
        )
    dummies = [catalog_dummies.get(number) for number in used]
    columns["_recorded_dummies"] = np.array(
        [np.nan if count is None else count for count in dummies], dtype="f8"
    )
    scanners = [protocol.scanner if protocol else "" for protocol in used_protocols]
    protocol_scanner = np.array(scanners, dtype=np.str_)[inverse]
    own = table.columns["scanner"]
    aligned = {name: column[inverse] for name, column in columns.items()}
    return table.with_columns({**aligned, "scanner": np.where(own != "", own, protocol_scanner)})
