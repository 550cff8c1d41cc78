"""The layout of srpbs-ts in both forms that are about: flat, a folder a session, and BIDS-like.

In both, a session is called after its site and day (``siteATTd1``), and an alias of a site is that site.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from decnef_data.layouts.joining import Opened
from decnef_data.layouts.mri import Images
from decnef_data.layouts.roster import with_institutes

if TYPE_CHECKING:
    from decnef_data.layouts.roster import Roster
    from decnef_data.records import Records

__all__ = ["LAYOUT", "relabelled"]

#: As short a site as leaves a day, or nothing.
_LABEL: Final = re.compile(r"(?:site)?(\w+?)(?:d(\d+))?")


def relabelled(opened: Opened, records: "Records") -> "Roster":
    """Say who, where and when: from the sessions' labels, or from the table of a flat copy.

    Parameters
    ----------
    opened
        The copy as its folders and tables have it.
    records
        What the catalog calls sites.
    """
    people = opened.people
    columns = people.columns
    named = columns.get("table_subject", np.array([], dtype=np.str_))
    subjects = np.where(named != "", named, columns["subject"]) if named.size else columns["subject"]
    labels = [_parted(label, records) for label in columns["session"].tolist()]
    pairs = zip(labels, columns["site"].tolist(), strict=True)
    sites = np.array([label[0] or site for label, site in pairs], dtype=np.str_)
    days = list(_days([label[1] for label in labels], subjects, sites, columns.get("day")))
    sessions = [
        f"site{site}{f'd{day}' if day else ''}" if site else "" for site, day in zip(sites, days, strict=True)
    ]
    made = people.with_columns(
        {"subject": subjects, "site": sites, "session": np.array(sessions, dtype=np.str_)}
    )
    return with_institutes(_with_shared(made, opened), records)


def _parted(label: str, records: "Records") -> tuple[str, str]:
    """Part ``siteATTd1`` into site and day, the site by its own code."""
    found = _LABEL.fullmatch(label)
    if found is None:
        return "", ""
    site = records.site(found[1])
    return (site.code if site else found[1]), found[2] or ""


def _days(
    stated: list[str], subjects: NDArray[Any], sites: NDArray[Any], column: NDArray[Any] | None
) -> Iterator[str]:
    """Give a session its day where the same person was at the same site more than once, else none."""
    visits = list(zip(subjects.tolist(), sites.tolist(), strict=True))
    several = {visit for visit, count in Counter(visits).items() if count > 1}
    seen: Counter[tuple[str, str]] = Counter()
    for row, (day, visit) in enumerate(zip(stated, visits, strict=True)):
        seen[visit] += 1
        printed = _whole(column[row]) if column is not None else ""
        yield day or ((printed or str(seen[visit])) if visit in several else "")


def _whole(value: Any) -> str:
    text = str(value)
    return re.sub(r"\.0$", "", text) if re.fullmatch(r"\d+(\.0)?", text) else ""


def _with_shared(made: "Roster", opened: Opened) -> "Roster":
    """Name, for sessions that carry the same T1, the first of them; blank where it is the session's own."""
    rows: dict[str, list[int]] = {}
    for scan in opened.inventory.scans:
        if scan.alike:
            rows.setdefault(scan.alike, []).append(made.rows[scan.subject, scan.session])
    shared = [""] * len(made.listed)
    for several in rows.values():
        for row in several if len(several) > 1 else ():
            shared[row] = f"{made.columns['subject'][several[0]]}/{made.columns['session'][several[0]]}"
    attrs = {
        "long_name": "the first session that carries the same T1 image, blank where no other does",
        "comment": "told by the checksum of a gzipped file; of others by size, header and sampled bytes",
    }
    return made.with_columns({"t1w_shared": np.array(shared, dtype=np.str_)}, {"t1w_shared": attrs})


LAYOUT = Images("traveling", 1, relabelled, alike=True)
