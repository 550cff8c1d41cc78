"""Counts of the images and tables of a copy, compared with the records."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from decnef_data.layouts.column_remarks import count_noun
from decnef_data.model import Finding

if TYPE_CHECKING:
    from decnef_data.layouts.imaging.inventory.scans import Inventory, Scan
    from decnef_data.layouts.imaging.tables.participants import ParticipantTable
    from decnef_data.records import Records

__all__ = ["name_differing", "recount"]

#: The number of subjects or volumes that a finding lists at most.
_MAX_NAMED = 3


def recount(
    inventory: "Inventory", participants: "ParticipantTable", records: "Records"
) -> Iterator[Finding]:
    """Yield the counts in the files of a copy, each with the value in the records or tables.

    Parameters
    ----------
    inventory, participants
        The scans and participants of the copy.
    records
        The catalog's records.
    """
    yield from _compare_participants(inventory, participants)
    yield from _compare_protocols(inventory, participants, records)
    yield from (
        Finding(f"'{problem.file}'", "readable", problem.message, agrees=False)
        for problem in inventory.troubles
    )
    yield from _find_gaps(inventory)
    for name in participants.unjoined_tables:
        yield Finding(
            f"table '{name}'",
            "",
            "not joined: it lists no known participant, or one of them twice",
            agrees=False,
        )


def _compare_participants(inventory: "Inventory", participants: "ParticipantTable") -> Iterator[Finding]:
    for kind in ("bold", "t1w"):
        present = {
            participants.rows[scan.subject, scan.session] for scan in inventory.scans if scan.kind == kind
        }
        absent = [row for row in np.flatnonzero(participants.is_listed).tolist() if row not in present]
        names = ", ".join(participants.columns["subject"][absent[:_MAX_NAMED]].tolist())
        found = (
            f"missing for {len(absent)} ({names}{', …' if len(absent) > _MAX_NAMED else ''})"
            if absent
            else "present for all"
        )
        yield Finding(f"{kind} of each listed participant", "present for all", found, agrees=not absent)
    unlisted = len(set(participants.columns["subject"][~participants.is_listed].tolist()))
    yield Finding("participants with images but in no table", "0", str(unlisted), agrees=not unlisted)


def _compare_protocols(
    inventory: "Inventory", participants: "ParticipantTable", records: "Records"
) -> Iterator[Finding]:
    """Compare the numbers of volumes and slices of the runs of each protocol with the records."""
    protocols = {protocol.number: protocol for protocol in records.protocols}
    if not protocols:  # none holds for the dataset
        return
    runs: dict[int, list[Scan]] = {}
    for scan in inventory.scans:
        number = participants.columns["protocol"][participants.rows[scan.subject, scan.session]]
        if scan.kind == "bold" and np.isfinite(number):
            runs.setdefault(int(number), []).append(scan)
    for number, scans in sorted(runs.items()):
        protocol = protocols.get(number)
        if protocol is None:
            yield Finding(
                f"protocol {number}", "not in the catalog", count_noun(len(scans), "run"), agrees=False
            )
            continue
        if protocol.volumes is not None:
            # The table counts the dummies, which the files lack.
            planned = protocol.volumes - (protocol.dummies or 0)
            grade = protocol.grade_of("volumes")
            yield _compare_values(
                f"volumes of protocol {number}",
                (str(planned), grade),
                scans,
                [str(scan.volume_count) for scan in scans],
            )
        if protocol.slices is not None:
            grade = protocol.grade_of("slices")
            yield _compare_values(
                f"slices of protocol {number}",
                (protocol.slices, grade),
                scans,
                [str(scan.header.shape[2]) if scan.header else "" for scan in scans],
            )


def _compare_values(
    what: str, expected: tuple[str, str], scans: "Sequence[Scan]", found: Sequence[str]
) -> Finding:
    """Compare a value of the runs with the expected one, which has a grade, and name those that differ."""
    counts = Counter(found)
    # The number of slices is printed as "39 or 40" for ATT.
    allowed = set(expected[0].split(" or "))
    summary = ", ".join(f"{value} in {count_noun(count, 'run')}" for value, count in counts.most_common())
    names = [scan.files[0] if scan.file_count == 1 else scan.folder for scan in scans]
    summary += name_differing(names, found, allowed)
    return Finding(what, expected[0], summary, agrees=set(counts) <= allowed, grade=expected[1])


def name_differing(names: Sequence[str], values: Sequence[str], allowed: Collection[str]) -> str:
    """Return a text that names up to three things without an allowed value.

    If none has an allowed value, those without the most frequent one are named.

    Parameters
    ----------
    names, values
        The things and their values.
    allowed
        The values that are right.

    Examples
    --------
    >>> print(name_differing(["sub-0001", "sub-0002", "sub-0003"], ["240", "239", "240"], {"240"}))
    : 239 in 'sub-0002'
    >>> name_differing(["sub-0001", "sub-0002"], ["5", "5"], {"240"})
    ''
    """
    counts = Counter(values)
    most = max(counts.values(), default=0)
    frequent = [value for value, count in counts.items() if count == most]
    # Where two values are as frequent, either may be the wrong one.
    usual = set(allowed) & set(counts) or (set(frequent) if len(frequent) == 1 else set())
    odd = [f"{value} in '{name}'" for name, value in zip(names, values, strict=True) if value not in usual]
    more = f" and {len(odd) - _MAX_NAMED} more" if len(odd) > _MAX_NAMED else ""
    return f": {', '.join(odd[:_MAX_NAMED])}{more}" if odd else ""


def _find_gaps(inventory: "Inventory") -> Iterator[Finding]:
    for scan in inventory.scans:
        if scan.missing_numbers:
            numbers = ", ".join(map(str, scan.missing_numbers[:_MAX_NAMED]))
            more = ", …" if len(scan.missing_numbers) > _MAX_NAMED else ""
            yield Finding(
                f"volumes of '{scan.folder}'",
                "numbered without gaps",
                f"missing {numbers}{more}",
                agrees=False,
            )
