"""Comparisons of the tables of a copy with each other and with the catalog's protocols."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from decnef_data.layouts.imaging.tables import protocols
from decnef_data.layouts.imaging.tables.acquisition import differences
from decnef_data.model import Finding
from decnef_data.records import normalize_name

if TYPE_CHECKING:
    from decnef_data.layouts.imaging.join.joined_scans import JoinedTables
    from decnef_data.layouts.imaging.tables.acquisition import Acquisition
    from decnef_data.layouts.imaging.tables.participants import ParticipantTable
    from decnef_data.model import ImagingProtocol
    from decnef_data.records import Records

__all__ = ["compare_tables"]

_MAX_NAMED: Final = 3
#: The parameters that are compared, and the fields of the records that have them.
_PARAMETERS: Final = {
    "repetition_time": "repetition_time",
    "volumes": "volumes",
    "dummies": "dummies_printed",
    "slices": "slices",
}


def compare_tables(joined: "JoinedTables", records: "Records") -> Iterator[Finding]:
    """Yield what the tables say of protocols, sites and supplementary tables, each with what is expected."""
    participants = joined.participants
    if records.protocols and np.isfinite(participants.columns["protocol"]).any():
        yield from _compare_parameters(joined, records)
        yield from _compare_sites(participants, records.protocols)
    yield from _compare_supplements(participants)


def _compare_parameters(joined: "JoinedTables", records: "Records") -> Iterator[Finding]:
    files = [account.file for account in joined.tables.accounts if account.role == "protocols"]
    if not files:
        found = "missing; the values of the catalog are used"
        yield Finding("protocol table", "present", found, agrees=False)
        return
    recorded = protocols.from_records(records)
    for record in records.protocols:
        own = joined.tables.protocols.get(record.number)
        for name, field in _PARAMETERS.items() if own is not None else ():
            expected, found = (_text(getattr(each, name)) for each in (recorded[record.number], own))
            if name == "dummies" and record.dummies_printed is not None:
                expected = _text(record.dummies_printed)  # which need not be what was removed
            if expected:
                what = f"{name} of protocol {record.number} in '{files[0]}'"
                agrees, grade = expected == found, record.grade_of(field)
                yield Finding(what, expected, found or "no number", agrees=agrees, grade=grade)
        if own is not None:
            yield from _compare_acquisitions(
                own.acquisition, recorded[record.number].acquisition, record, files[0]
            )


def _compare_acquisitions(
    own: "Acquisition", recorded: "Acquisition", record: "ImagingProtocol", file: str
) -> Iterator[Finding]:
    """Compare what else a table prints of a protocol; the order of slices is spelt in too many ways."""
    differing = {name for name, _, _ in differences(own, recorded)}
    for name in sorted(own.parameters.keys() & recorded.parameters.keys() - {*_PARAMETERS, "slice_order"}):
        expected, found = _text(recorded.parameters[name]), _text(own.parameters[name])
        agrees = _is_same_scanner(expected, found) if name == "scanner" else name not in differing
        what = f"{name} of protocol {record.number} in '{file}'"
        yield Finding(what, expected, found, agrees=agrees, grade=recorded.grades[name])


def _is_same_scanner(one: str, other: str) -> bool:
    """Whether two names may be of one model, with or without its manufacturer."""
    names = normalize_name(one), normalize_name(other)
    return names[0] in names[1] or names[1] in names[0]


def _text(value: float | str) -> str:
    if isinstance(value, str):
        return value
    return f"{value:g}" if np.isfinite(value) else ""


def _compare_sites(
    participants: "ParticipantTable", recorded: Sequence["ImagingProtocol"]
) -> Iterator[Finding]:
    """Compare the site of each participant with those that the catalog knows for the protocol."""
    numbers, sites = participants.columns["protocol"], participants.columns["site"]
    for protocol in recorded:
        rows = np.flatnonzero(numbers == protocol.number).tolist() if protocol.sites else []
        # Blank where a table pools sites.
        others = [row for row in rows if sites[row] and str(sites[row]) not in protocol.sites]
        if rows:
            counts = Counter(str(sites[row]) for row in others)
            summary = ", ".join(f"{site} in {count}" for site, count in counts.most_common())
            found = f"{summary} ({_names(participants, others)})" if others else "/".join(protocol.sites)
            what = f"site of participants with protocol {protocol.number}"
            grade = protocol.grade_of("sites")
            yield Finding(what, "/".join(protocol.sites), found, agrees=not others, grade=grade)


def _compare_supplements(participants: "ParticipantTable") -> Iterator[Finding]:
    """Compare the numbers in the column ``sup`` with the tables that are there, and with their rows."""
    column = participants.columns.get("sup")
    if column is None or column.dtype.kind != "f":
        return
    for number in np.unique(column[np.isfinite(column)]).astype(int).tolist():
        rows = np.flatnonzero(column == number).tolist()
        own = [values for name, values in participants.columns.items() if name.startswith(f"sup{number}_")]
        absent = [row for row in rows if not any(_has_value(values[row]) for values in own)]
        found = f"missing for {len(absent)} ({_names(participants, absent)})" if absent else "present for all"
        what = f"values in sup{number} of participants whose 'sup' is {number}"
        yield Finding(what, "present for all", found, agrees=not absent)


def _has_value(value: object) -> bool:
    return bool(value) if isinstance(value, str) else bool(np.isfinite(float(str(value))))


def _names(participants: "ParticipantTable", rows: Sequence[int]) -> str:
    names = list(dict.fromkeys(participants.columns["subject"][list(rows)].tolist()))
    more = ", …" if len(names) > _MAX_NAMED else ""
    return ", ".join(names[:_MAX_NAMED]) + more
