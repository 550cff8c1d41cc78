"""Recounts a copy of images from its files and tables, and compares that with what the records state."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from decnef_data.model import Finding

if TYPE_CHECKING:
    from decnef_data.layouts.inventory import Inventory, Scan
    from decnef_data.layouts.roster import Roster
    from decnef_data.model import Dataset
    from decnef_data.records import Records

__all__ = ["recounted"]

#: Of many that are alike, so many are named.
_NAMED = 3


def recounted(
    inventory: "Inventory", people: "Roster", dataset: "Dataset", records: "Records"
) -> Iterator[Finding]:
    """Say what the files have, each line beside what the records or the tables say.

    Parameters
    ----------
    inventory, people
        What the copy has.
    dataset, records
        What the catalog states.
    """
    del dataset
    yield from _unmatched(inventory, people)
    yield from _protocols(inventory, people, records)
    yield from (
        Finding(f"'{trouble.file}'", "readable", trouble.message, agrees=False)
        for trouble in inventory.troubles
    )
    yield from _gaps(inventory)
    for name in people.unjoined:
        yield Finding(f"table '{name}'", "", "names no person, or one twice, and is not joined", agrees=False)


def _unmatched(inventory: "Inventory", people: "Roster") -> Iterator[Finding]:
    for kind in ("bold", "t1w"):
        there = {people.rows[scan.subject, scan.session] for scan in inventory.scans if scan.kind == kind}
        absent = [row for row in np.flatnonzero(people.listed).tolist() if row not in there]
        names = ", ".join(people.columns["subject"][absent[:_NAMED]].tolist())
        found = (
            f"absent for {len(absent)} ({names}{', …' if len(absent) > _NAMED else ''})"
            if absent
            else "for everybody"
        )
        yield Finding(f"{kind} of each person listed", "for everybody", found, agrees=not absent)
    strangers = int((~people.listed).sum())
    yield Finding("people with images that no table lists", "0", str(strangers), agrees=not strangers)


def _protocols(inventory: "Inventory", people: "Roster", records: "Records") -> Iterator[Finding]:
    """Compare volumes and slices of the runs of each protocol with the plan."""
    known = {protocol.number: protocol for protocol in records.protocols}
    runs: dict[int, list[Scan]] = {}
    for scan in inventory.scans:
        number = people.columns["protocol"][people.rows[scan.subject, scan.session]]
        if scan.kind == "bold" and np.isfinite(number):
            runs.setdefault(int(number), []).append(scan)
    for number, scans in sorted(runs.items()):
        protocol = known.get(number)
        if protocol is None:
            yield Finding(f"protocol {number}", "none recorded", _runs(len(scans)), agrees=False)
            continue
        if protocol.volumes is not None:
            planned = protocol.volumes - (protocol.dummies or 0)
            grade = protocol.grade_of("volumes")
            yield _compared(
                f"volumes of protocol {number}", str(planned), grade, [str(scan.volumes) for scan in scans]
            )
        if protocol.slices is not None:
            grade = protocol.grade_of("slices")
            yield _compared(f"slices of protocol {number}", protocol.slices, grade, list(map(_slices, scans)))


def _slices(scan: "Scan") -> str:
    return str(scan.header.shape[2]) if scan.header else ""


def _compared(what: str, expected: str, grade: str, found: list[str]) -> Finding:
    counts = Counter(found)
    allowed = expected.split(" or ")
    said = ", ".join(f"{value} in {_runs(count)}" for value, count in counts.most_common())
    return Finding(what, expected, said, agrees=set(counts) <= set(allowed), grade=grade)


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count} runs"


def _gaps(inventory: "Inventory") -> Iterator[Finding]:
    for scan in inventory.scans:
        if scan.gaps:
            numbers = ", ".join(map(str, scan.gaps[:_NAMED]))
            more = ", …" if len(scan.gaps) > _NAMED else ""
            yield Finding(
                f"volumes of '{scan.folder}'", "numbered without a gap", f"no {numbers}{more}", agrees=False
            )
