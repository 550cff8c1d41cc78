"""Who was scanned: the tables of an image dataset joined into labelled columns, a row a person and session.

Nobody is lost: a person without images, and one whose images no table lists, have their row too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from decnef_data.errors import FormatError
from decnef_data.layouts import protocols
from decnef_data.layouts.people import CODES, NUMBERS, TEXTS, People, numbers, people_of, values
from decnef_data.layouts.sheets import Sheets, further, id_column, key

if TYPE_CHECKING:
    from decnef_data.layouts.inventory import Scan
    from decnef_data.model import Dataset
    from decnef_data.records import Records

__all__ = ["RESERVED", "Roster", "roster", "with_institutes"]

#: Names that a scan's own coordinates have: a table's column of that name is called ``table_<name>``.
RESERVED: Final = frozenset({
    "subject", "session", "run", "affine", "repetition_time", "n_volumes", "n_dummies_removed", "field_maps",
    "t1w_shared", "scl_slope", "scl_inter", "bold", "t1w", "fmap", "scan", "time", "z", "y", "x", "row",
    "column", "path", "size",
})  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Roster:
    """Columns of one row a person and session.

    ``rows`` finds the row of what a folder is called and its session; ``unjoined`` names tables that are
    keyed by nobody, or by somebody twice.
    """

    rows: Mapping[tuple[str, str], int]
    columns: Mapping[str, NDArray[Any]]
    attrs: Mapping[str, Mapping[str, str]]
    listed: NDArray[np.bool_]
    unjoined: tuple[str, ...]

    def rows_of(self, scans: Sequence["Scan"]) -> NDArray[np.intp]:
        """Give the row of each scan."""
        return np.array([self.rows[scan.subject, scan.session] for scan in scans], dtype=np.intp)

    def with_columns(
        self, columns: Mapping[str, NDArray[Any]], attrs: Mapping[str, Mapping[str, str]] | None = None
    ) -> "Roster":
        """Give the same rows with further or other columns."""
        return replace(self, columns={**self.columns, **columns}, attrs={**self.attrs, **(attrs or {})})


def roster(sheets: Sheets, scans: Sequence["Scan"], dataset: "Dataset", records: "Records") -> Roster:
    """Join the tables, a row a person and session, in the order of the table of people.

    Parameters
    ----------
    sheets
        The tables.
    scans
        Whose images there are, and of which sessions.
    dataset, records
        What the catalog knows.
    """
    ids, people = _people(sheets, dataset, records)
    known = {key(name): at for at, name in enumerate(ids)}
    rows = _rows(ids, known, scans)
    columns, attrs, unjoined = _joined(people, known, sheets, dataset, records)
    blank = {name: np.append(column, _blank(column)) for name, column in columns.items()}
    at = np.array([row for _, _, row in rows], dtype=np.intp)
    taken = {name: column[at] for name, column in blank.items()}
    taken["subject"] = np.array([subject for subject, _, _ in rows], dtype=np.str_)
    taken["session"] = np.array([session for _, session, _ in rows], dtype=np.str_)
    places = {(subject, session): place for place, (subject, session, _) in enumerate(rows)}
    made = Roster(places, taken, attrs, at >= 0, unjoined)
    return _with_protocols(with_institutes(made, records), sheets, records)


def _people(sheets: Sheets, dataset: "Dataset", records: "Records") -> tuple[list[str], People]:
    import pandas as pd

    table = sheets.people if sheets.people is not None else pd.DataFrame({"participant_id": []}, dtype=object)
    at = id_column(table)
    if at is None:
        message = "The table of people names nobody: none of its columns is called participant_id."
        raise FormatError(f"{message} Get it again.", file="participants.tsv", place="row 1")
    ids = [cell.strip() for cell in table.iloc[:, at].tolist()]
    _refuse_twice(ids)
    return ids, people_of("participants.tsv", table, dataset, records, at)


def _refuse_twice(ids: Sequence[str]) -> None:
    seen: dict[str, int] = {}
    for row, name in enumerate(ids, start=2):
        if key(name) in seen:
            earlier = seen[key(name)]
            message = (
                f"Row {row} of 'participants.tsv' names '{name}', as row {earlier} does. Mend the table."
            )
            raise FormatError(message, file="participants.tsv", place=f"row {row}")
        seen[key(name)] = row


def _rows(
    ids: Sequence[str], known: Mapping[str, int], scans: Sequence["Scan"]
) -> list[tuple[str, str, int]]:
    """Every person and session: the listed in their order, then those whose images nobody lists."""
    sessions: dict[str, dict[tuple[str, str], None]] = {}
    for scan in scans:
        sessions.setdefault(key(scan.subject), {})[scan.subject, scan.session] = None
    listed = [
        (*pair, at)
        for at, name in enumerate(ids)
        for pair in sorted(sessions.get(key(name), {(name, ""): None}))
    ]
    strangers = [name for name in sessions if name not in known]
    return [*listed, *((*pair, -1) for name in strangers for pair in sorted(sessions[name]))]


_Joined = tuple[dict[str, NDArray[Any]], dict[str, dict[str, str]], tuple[str, ...]]


def _joined(
    people: People, known: Mapping[str, int], sheets: Sheets, dataset: "Dataset", records: "Records"
) -> _Joined:
    cells = {name: list(column) for name, column in people.known.items()}
    others = {name.lstrip("_"): list(column) for name, column in people.others.items()}
    attrs = {name.lstrip("_"): {"long_name": header} for name, header in people.headers.items()}
    unjoined: list[str] = []
    for name, table in sheets.others.items():
        found = further(name, table, known, dataset, records)
        if found is None:
            unjoined.append(name)
        for column in found or ():
            if column.name == "mean_fd":
                own = zip(cells["mean_fd"], column.cells, strict=True)
                cells["mean_fd"] = [ours or theirs for ours, theirs in own]
            else:
                others[column.name], attrs[column.name] = column.cells, {"long_name": column.header}
    texts = (*CODES, *(f"{name}_code" for name in CODES), *TEXTS)
    columns: dict[str, NDArray[Any]] = {name: np.array(cells[name], dtype=np.str_) for name in texts}
    columns |= {name: numbers(cells[name], kind) for name, kind in NUMBERS.items()}
    for name, column_cells in others.items():
        called = f"table_{name}" if name in columns or name in RESERVED else name
        columns[called], attrs[called] = values(column_cells), attrs[name]
    return columns, {**attrs, **_known_attrs(records)}, tuple(unjoined)


def _known_attrs(records: "Records") -> dict[str, dict[str, str]]:
    return {
        column.name: {"long_name": column.description, **({"units": column.unit} if column.unit else {})}
        for column in records.columns
    }


def _blank(column: NDArray[Any]) -> Any:
    return "" if column.dtype.kind == "U" else np.array(np.nan, column.dtype)


def with_institutes(made: Roster, records: "Records") -> Roster:
    """Say to which institute each site belongs."""
    sites = {code: records.site(code) for code in set(made.columns["site"].tolist())}
    institutes = {code: site.institute if site else "" for code, site in sites.items()}
    return made.with_columns(
        {"institute": np.array([institutes[code] for code in made.columns["site"].tolist()], dtype=np.str_)}
    )


def _with_protocols(made: Roster, sheets: Sheets, records: "Records") -> Roster:
    """Join what each person's protocol states: the copy's table, else the catalog's record."""
    stated = {**protocols.from_records(records), **sheets.protocols}
    recorded = {protocol.number: protocol.dummies for protocol in records.protocols}
    numbers_used, place = np.unique(made.columns["protocol"], return_inverse=True)
    used = [int(one) if np.isfinite(one) else -1 for one in numbers_used.tolist()]
    each = [stated.get(one) for one in used]
    names = dict.fromkeys(name for one in each if one is not None for name in one.printed)
    columns: dict[str, NDArray[Any]] = {
        name: values([one.printed.get(name, "") if one else "" for one in each]) for name in names
    }
    for name in ("repetition_time", "volumes", "dummies"):
        columns[f"_{name}"] = np.array([getattr(one, name) if one else np.nan for one in each], dtype="f8")
    really = [recorded.get(one) for one in used]
    columns["_recorded_dummies"] = np.array([np.nan if one is None else one for one in really], dtype="f8")
    scanners = np.array([one.scanner if one else "" for one in each], dtype=np.str_)[place]
    own = made.columns["scanner"]
    joined = {name: column[place] for name, column in columns.items()}
    return made.with_columns({**joined, "scanner": np.where(own != "", own, scanners)})
