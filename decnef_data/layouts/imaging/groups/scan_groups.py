"""Which scans form a group: those of one site, kind, dtype and shape."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from decnef_data.layouts.imaging.inventory.scans import Scan
    from decnef_data.layouts.imaging.tables.participants import ParticipantTable

__all__ = ["ScanGroups", "dtype_and_shape", "group_scans", "site_group"]

#: The site group of participants that no table lists, or lists without a site.
_UNLISTED: Final = "unlisted"
_DtypeShape = tuple[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class ScanGroups:
    """The group of every scan: ``indices`` are those of the ``names`` and ``kinds`` of the groups.

    Examples
    --------
    >>> groups = ScanGroups(("COI/bold", "COI/t1w"), ("bold", "t1w"), np.array([0, 1, 0]))
    >>> groups.find(lambda name, kind: kind == "bold").tolist()
    [0, 2]
    """

    names: tuple[str, ...]
    kinds: tuple[str, ...]
    indices: NDArray[np.intp]

    def find(self, accepts: Callable[[str, str], bool]) -> NDArray[np.intp]:
        """Return the scans of the groups whose name and kind are accepted."""
        accepted = [accepts(name, kind) for name, kind in zip(self.names, self.kinds, strict=True)]
        return np.flatnonzero(np.array(accepted, np.bool_)[self.indices])

    def split(self, scans: NDArray[np.intp]) -> dict[str, NDArray[np.intp]]:
        """Return the scans of each group that has some, in the order of the names of groups."""
        found = self.indices[scans]
        parts = {self.names[index]: scans[found == index] for index in np.unique(found).tolist()}
        return {name: parts[name] for name in sorted(parts)}


def group_scans(
    scans: Sequence["Scan"], rows: NDArray[np.intp], participants: "ParticipantTable"
) -> ScanGroups:
    """Group scans: ``COI/bold`` for the most frequent shape of a site, then ``COI/bold_2``.

    Parameters
    ----------
    scans
        All scans of a copy, so that a selection does not rename groups.
    rows, participants
        The participants, and the row of each scan in them.
    """
    sites = list(map(_site_name, participants.columns["site"].tolist()))
    keys = [
        ((sites[row], scan.kind), dtype_and_shape(scan))
        for row, scan in zip(rows.tolist(), scans, strict=True)
    ]
    counts = Counter(keys)
    seen: Counter[tuple[str, str]] = Counter()
    names: dict[tuple[tuple[str, str], _DtypeShape], str] = {}
    # For equal counts, the longer ones come first: a missing volume is the exception.
    for key in sorted(counts, key=lambda key: (-counts[key], [-length for length in key[1][1]])):
        base = key[0]
        seen[base] += 1
        names[key] = "/".join(base) if seen[base] == 1 else f"{'/'.join(base)}_{seen[base]}"
    index = {key: number for number, key in enumerate(names)}
    return ScanGroups(
        tuple(names.values()),
        tuple(kind for (_, kind), _ in names),
        np.array([index[key] for key in keys], dtype=np.intp),
    )


def site_group(participants: "ParticipantTable", scan: "Scan") -> str:
    """Return the name of the site group of a scan."""
    return _site_name(str(participants.columns["site"][participants.rows[scan.subject, scan.session]]))


def _site_name(site: str) -> str:
    # A slash would begin another node of the tree.
    return site.replace("/", "-") or _UNLISTED


def dtype_and_shape(scan: "Scan") -> _DtypeShape:
    """Return dtype and shape in the array: scans with different byte orders can share a group."""
    # Field maps have no array, so that all of a site are one group.
    return ("", ()) if scan.header is None else (_native_dtype(scan.header.dtype), scan.shape)


@lru_cache  # a release has a few
def _native_dtype(dtype: str) -> str:
    return np.dtype(dtype).newbyteorder("=").str
