"""Scans one by one, each with what is known of it and where its bytes come from, for whoever writes them."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from decnef_data.layouts.leaves import run_coords
from decnef_data.model import Image, Source

if TYPE_CHECKING:
    from decnef_data.layouts.inventory import Scan
    from decnef_data.layouts.roster import Roster

__all__ = ["images"]

_KNOWN: Final = ("site", "institute", "scanner", "protocol")


def images(
    chosen: Sequence["Scan"],
    scans: Sequence["Scan"],
    people: "Roster",
    source_of: Callable[["Scan"], Source],
) -> tuple[Image, ...]:
    """Give the chosen scans in the order of people, sessions and runs.

    Parameters
    ----------
    chosen
        Those that are asked for.
    scans
        All scans of the copy, so that a selection does not rename a run.
    people
        Whose they are.
    source_of
        Says where the bytes of a scan come from.
    """
    counts = Counter((scan.subject, scan.session, scan.kind) for scan in scans)
    ordered = sorted(chosen, key=lambda scan: (people.rows[scan.subject, scan.session], scan.kind, scan.run))
    runs = [scan for scan in ordered if scan.kind == "bold"]
    facts = dict(zip(map(id, runs), _facts(runs, people), strict=True))
    return tuple(_image(scan, people, source_of(scan), facts.get(id(scan), {}), counts) for scan in ordered)


def _facts(runs: Sequence["Scan"], people: "Roster") -> list[dict[str, Any]]:
    """Give each run what its leaf has as coordinates."""
    if not runs:
        return []
    rows = people.rows_of(runs)
    columns = {name: column.to_numpy().tolist() for name, column in run_coords(runs, rows, people).items()}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _image(
    scan: "Scan",
    people: "Roster",
    source: Source,
    facts: dict[str, Any],
    counts: Counter[tuple[str, str, str]],
) -> Image:
    row = people.rows[scan.subject, scan.session]
    known = {name: people.columns[name][row].item() for name in _KNOWN if name in people.columns}
    return Image(
        subject=str(people.columns["subject"][row]),
        session=str(people.columns["session"][row]),
        kind=scan.kind,
        run=scan.run,
        alone=counts[scan.subject, scan.session, scan.kind] == 1,
        folder=scan.folder,
        names=scan.names,
        sizes=scan.sizes,
        shape=scan.shape,
        dtype=np.dtype(scan.header.dtype).str if scan.header else "",
        about={**known, **facts},
        source=source,
    )
