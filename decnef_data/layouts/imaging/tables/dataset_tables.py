"""The tables of an image dataset, by path: protocols, and tables that may list participants."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from decnef_data.errors import FormatError
from decnef_data.formats import tables
from decnef_data.layouts.imaging.inventory.paths import is_subject_folder
from decnef_data.layouts.imaging.tables import protocols
from decnef_data.layouts.imaging.tables.levels import (
    Levels,
    is_table_sidecar,
    parse_levels,
    sidecar_of_table,
    unreadable_levels_remarks,
)
from decnef_data.layouts.imaging.tables.rows import ParticipantRows
from decnef_data.layouts.table_columns import TABLE_SUFFIXES, is_known_header
from decnef_data.model import ColumnAccount, Remark, RowAccount, TableAccount
from decnef_data.records import normalize_name

if TYPE_CHECKING:
    from collections.abc import Container

    from decnef_data.formats.tables import Table
    from decnef_data.layouts.imaging.tables.protocols import Protocol
    from decnef_data.model import VerifiedFile
    from decnef_data.records import Records

__all__ = [
    "DatasetTables",
    "find_id_column",
    "is_list_of_ids",
    "read_tables",
    "row_account",
    "select_tables",
    "table_account",
]

#: Headers of columns of participant ids, the most reliable first.
_ID_HEADERS: Final = ("participantid", "participantsid", "subjectid", "subject", "participant", "subid", "id")


@dataclass(frozen=True, slots=True, eq=False)
class DatasetTables:
    """The tables of a copy.

    ``tables`` has those that may list participants by path, the nearest to the root first; ``protocols`` the
    parameters by number.  ``accounts`` are those of all other tables, and ``problems`` the errors of tables
    that cannot be read.  ``sources`` are the tables in ``sourcedata`` of a BIDS dataset, which may be of more
    participants than it has.  ``levels`` are those that the sidecar of a table states.
    """

    tables: Mapping[str, "Table"]
    protocols: Mapping[int, "Protocol"]
    accounts: tuple[TableAccount, ...]
    problems: tuple[FormatError, ...]
    remarks: tuple[Remark, ...]
    sources: frozenset[str] = frozenset()
    levels: Mapping[str, "Levels"] = field(default_factory=dict)


def select_tables(
    files: Iterable["VerifiedFile"], unused_folders: "Container[str]" = ()
) -> Iterator["VerifiedFile"]:
    """Yield the tables among `files` and their sidecars, the nearest to the root first.

    A table inside the folder of a subject describes a scan and is omitted, and so is one in a folder of which
    no image is used.
    """
    # Of tables with one name, the first is used: users copy participants.tsv into data/.
    listed = sorted(files, key=lambda file: (file.path.count("/"), file.path))
    sidecars = {sidecar_of_table(file.path) for file in listed}
    for file in listed:
        path = PurePosixPath(file.path)
        folders = {"/".join(path.parts[:depth]) for depth in range(1, len(path.parts))}
        if (
            (path.suffix.casefold() in TABLE_SUFFIXES or file.path in sidecars)
            and not is_subject_folder(str(path.parent))
            and not any(folder in unused_folders for folder in folders)
        ):
            yield file


def read_tables(
    files: Sequence["VerifiedFile"], records: "Records", *, are_bids: bool = False
) -> DatasetTables:
    """Read the tables that :func:`select_tables` yields; in a BIDS dataset, not the originals of others."""
    found: dict[str, Table] = {}
    acquisitions: list[tuple[str, Sequence[Sequence[str]]]] = []
    accounts: list[TableAccount] = []
    problems: list[FormatError] = []
    remarks: list[Remark] = []
    originals = _find_originals(file.path for file in files) if are_bids else frozenset()
    accounts += (TableAccount(path, "original") for path in sorted(originals))
    sidecars = {file.path: file for file in files if is_table_sidecar(file.path)}
    levels: dict[str, Levels] = {}
    for file in files:
        if file.path in originals or file.path in sidecars:
            continue
        # Only BIDS has them: JSON beside the tables of a release is somebody else's.
        sidecar = sidecars.get(sidecar_of_table(file.path)) if are_bids else None
        if sidecar is not None:
            levels[file.path], reason = parse_levels(sidecar.location.read_bytes())
            remarks += unreadable_levels_remarks(sidecar.path, reason)
        try:
            tables.require_size(file.size, file.path)
            data = file.location.read_bytes()
            # As rows at first: a table of protocols is transposed, and has no header.
            start = tables.read_rows(data, file.path, protocols.MAX_HEADER_ROWS).cells
            if protocols.is_protocol_table(start):
                rows = tables.read_rows(data, file.path)
                acquisitions.append((file.path, rows.cells))
                accounts.append(_protocol_account(file.path, rows))
                remarks += rows.remarks
            else:
                found[file.path] = tables.read(data, file.path, lambda header: _is_known(header, records))
        except FormatError as error:
            if not file.path.casefold().endswith(".txt"):  # prose, such as a README
                accounts.append(TableAccount(file.path, "unreadable"))
                problems.append(error)
    merged, protocol_remarks = protocols.merge(acquisitions, protocols.from_records(records))
    return DatasetTables(
        found,
        merged,
        tuple(accounts),
        tuple(problems),
        (*remarks, *protocol_remarks),
        frozenset(filter(_is_source, found)) if are_bids else frozenset(),
        levels,
    )


def _is_source(path: str) -> bool:
    return "sourcedata" in path.split("/")[:-1]


def _find_originals(paths: Iterable[str]) -> frozenset[str]:
    """Return the tables in ``sourcedata`` of whose names there is another table outside of it."""
    is_source = {path: _is_source(path) for path in paths}
    outside = {PurePosixPath(path).stem.casefold() for path, source in is_source.items() if not source}
    return frozenset(
        path
        for path, source in is_source.items()
        if source and PurePosixPath(path).stem.casefold() in outside
    )


def _is_known(header: str, records: "Records") -> bool:
    return normalize_name(header) in _ID_HEADERS or is_known_header(header, records)


def _protocol_account(path: str, rows: tables.Rows) -> TableAccount:
    count = len(rows.cells)
    return TableAccount(path, "protocols", RowAccount(count, count), (), rows.encoding, rows.separator)


def find_id_column(table: "Table") -> int | None:
    """Return the index of the column whose header is one of participant ids."""
    headers = [normalize_name(str(header)) for header in table.frame.columns]
    return next((headers.index(name) for name in _ID_HEADERS if name in headers), None)


def is_list_of_ids(table: "Table") -> bool:
    """Return whether no column but that of the ids has any text."""
    id_index = find_id_column(table)
    return not any(
        cell.strip()
        for index in range(table.frame.shape[1])
        if index != id_index
        for cell in table.frame.iloc[:, index].tolist()
    )


def table_account(
    path: str, role: str, table: "Table", rows: RowAccount, columns: tuple[ColumnAccount, ...] = ()
) -> TableAccount:
    """Return the account of a table; without `columns`, none of them is used."""
    unused = tuple(
        ColumnAccount(str(header), "", "unused", len(table.frame)) for header in table.frame.columns
    )
    return TableAccount(path, role, rows, columns or unused, table.encoding, table.separator, table.sha256)


def row_account(
    table: "Table", indexed: ParticipantRows, known: "Container[str]", imaged: "Container[str]"
) -> RowAccount:
    """Return what the rows of a table were used for.

    Parameters
    ----------
    table, indexed
        The table, and its rows by participant.
    known
        The participants of the copy; a row of anybody else names no one.
    imaged
        Those of them with images.
    """
    joined = without_images = unknown = 0
    seen = set()
    for key in indexed.sources:
        if key is None or key[0] not in known:
            unknown += 1
        elif key not in seen:
            joined, without_images = (
                (joined + 1, without_images) if key[0] in imaged else (joined, without_images + 1)
            )
        seen.add(key)
    merged = len(indexed.sources) - joined - without_images - unknown
    skipped, blank = table.n_rows_skipped, table.n_rows_blank
    return RowAccount(table.n_rows_found, joined, without_images, unknown, merged, skipped, blank)
