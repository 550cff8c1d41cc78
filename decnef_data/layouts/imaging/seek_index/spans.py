"""The parts of an archive that are read at once: the files of a scan, and tables that are close together."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import numpy as np

from decnef_data.layouts.imaging.inventory.scans import Inventory, SavedTable, Scan

__all__ = ["group_tables", "list_spans"]

#: Reading on over so many unpacked bytes is cheaper than another request.
_MAX_GAP: Final = 1 << 20


def list_spans(inventory: Inventory) -> Iterator[tuple[int, int]]:
    """Yield the first unpacked byte of each part, and the byte behind its last.

    Examples
    --------
    >>> table = SavedTable(path="a.tsv", file_name="a.tsv", crc32c=0, offset=512, size=9)
    >>> list(list_spans(Inventory(
    ...     version=1, root="", folders={}, scans=(), troubles=(), files=1, size=9, tables=(table,)
    ... )))
    [(512, 521)]
    """
    for tables in group_tables(inventory.tables):
        # Not the end of the last: in an index that is wrong, a table may be inside of another one.
        yield tables[0].offset, max(table.offset + table.size for table in tables)
    for scan in inventory.scans:
        yield from _list_scan_spans(scan)


def group_tables(tables: Iterable[SavedTable]) -> Iterator[Sequence[SavedTable]]:
    """Yield the tables in the order of the archive, those together that are read at once."""
    group: list[SavedTable] = []
    for table in sorted(tables, key=lambda table: table.offset):
        if group and table.offset - (group[-1].offset + group[-1].size) > _MAX_GAP:
            yield group
            group = []
        group.append(table)
    if group:
        yield group


def _list_scan_spans(scan: Scan) -> Iterator[tuple[int, int]]:
    offsets, sizes = (np.frombuffer(raw, "<i8") for raw in (scan.offsets, scan.file_sizes))
    # The files of a run are in the order of their numbers, in an archive in any order.
    order = np.argsort(offsets, kind="stable")
    starts, stops = offsets[order], (offsets + sizes)[order]
    breaks = np.flatnonzero(starts[1:] - stops[:-1] > _MAX_GAP) + 1
    for first, last in zip((0, *breaks), (*breaks, len(starts)), strict=True):
        if first < last:
            yield int(starts[first]), int(stops[first:last].max())
