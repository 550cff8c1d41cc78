"""The layout of srpbs-ts in both forms that exist: flat, with one folder per session, and BIDS-like.

In both, a session is named after its site and day (``siteATTd1``), aliases of a site become its code, and a
person has the id of the BIDS-like form (``sub-01``).
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from decnef_data.layouts.imaging.join.joined_scans import JoinedTables
from decnef_data.layouts.imaging.layout import ImagingLayout
from decnef_data.layouts.imaging.tables.participants import with_institutes
from decnef_data.layouts.imaging.tables.site_acquisitions import with_site_acquisitions

if TYPE_CHECKING:
    from decnef_data.layouts.imaging.tables.participants import ParticipantTable
    from decnef_data.records import Records

__all__ = ["LAYOUT", "relabel_sessions"]

#: The site is matched non-greedily, so that a day at the end is not part of it.
_SESSION_LABEL: Final = re.compile(r"(?:site)?(\w+?)(?:d(\d+))?")
#: How the table of the flat form names a person.
_FLAT_PERSON: Final = re.compile(r"MP0*(\d+)", re.IGNORECASE)
_FOLDER_ATTRS: Final = {"long_name": "name of the folder of the session, as the table lists it"}


def relabel_sessions(joined: JoinedTables, records: "Records") -> "ParticipantTable":
    """Return the participants with subject, site and session from session labels or the table of a flat copy.

    Parameters
    ----------
    joined
        The scans joined with the tables.
    records
        The catalog, for the names of sites.
    """
    participants = joined.participants
    columns = participants.columns
    table_subjects = columns.get("table_subject", np.array([], dtype=np.str_))
    subjects = columns["subject"]
    if table_subjects.size:
        people = np.array(list(map(_person_id, table_subjects.tolist())), dtype=np.str_)
        # Sessions in no row of the table keep the name of their folder.
        subjects = np.where(people != "", people, subjects)
    labels = [_split_label(label, records) for label in columns["session"].tolist()]
    pairs = zip(labels, columns["site"].tolist(), strict=True)
    # Folders of the flat form have no labels, but its table has a column of sites.
    sites = np.array([label[0] or site for label, site in pairs], dtype=np.str_)
    days = list(_session_days([label[1] for label in labels], subjects, sites, columns.get("day")))
    sessions = [
        f"site{site}{f'd{day}' if day else ''}" if site else "" for site, day in zip(sites, days, strict=True)
    ]
    table = participants.with_columns(
        {"subject": subjects, "site": sites, "session": np.array(sessions, dtype=np.str_)}
    )
    if table_subjects.size:
        # The header is that of the release, which misspells it.
        table = table.with_columns(
            {"participants_id": columns["subject"]}, {"participants_id": _FOLDER_ATTRS}
        )
    table = with_site_acquisitions(_with_shared_t1w(table, joined), joined.dataset)
    return with_institutes(table, records)


def _person_id(printed: str) -> str:
    """Return the id of a person in the BIDS-like form; one of another form stays as printed.

    Examples
    --------
    >>> _person_id("MP009")
    'sub-09'
    """
    match = _FLAT_PERSON.fullmatch(printed.strip())
    return f"sub-{int(match[1]):02d}" if match else printed


def _split_label(label: str, records: "Records") -> tuple[str, str]:
    """Split ``siteATTd1`` into site and day, with the code of the site for an alias."""
    match = _SESSION_LABEL.fullmatch(label)
    if match is None:
        return "", ""
    site = records.site(match[1])
    return (site.code if site else match[1]), match[2] or ""


def _session_days(
    label_days: list[str], subjects: NDArray[Any], sites: NDArray[Any], column: NDArray[Any] | None
) -> Iterator[str]:
    """Yield the day of each session: from its label, else where a subject was at a site more than once."""
    visits = list(zip(subjects.tolist(), sites.tolist(), strict=True))
    repeated = {visit for visit, count in Counter(visits).items() if count > 1}
    seen: Counter[tuple[str, str]] = Counter()
    for row, (day, visit) in enumerate(zip(label_days, visits, strict=True)):
        seen[visit] += 1
        # The table numbers the days at ATT, where people were up to five times.
        table_day = _format_day(column[row]) if column is not None else ""
        yield day or ((table_day or str(seen[visit])) if visit in repeated else "")


def _format_day(value: Any) -> str:
    text = str(value)
    # A column of numbers is read as floats.
    return re.sub(r"\.0$", "", text) if re.fullmatch(r"\d+(\.0)?", text) else ""


def _with_shared_t1w(table: "ParticipantTable", joined: JoinedTables) -> "ParticipantTable":
    """Add the first of the sessions with the same T1 image, blank for a session with an image of its own."""
    rows: dict[str, list[int]] = {}
    for scan in joined.inventory.scans:
        if scan.fingerprint and scan.kind == "t1w":
            rows.setdefault(scan.fingerprint, []).append(table.rows[scan.subject, scan.session])
    shared = [""] * len(table.is_listed)
    for same_image in rows.values():
        for row in same_image if len(same_image) > 1 else ():
            shared[row] = (
                f"{table.columns['subject'][same_image[0]]}/{table.columns['session'][same_image[0]]}"
            )
    attrs = {
        "long_name": "first session with the same T1 image, blank if no other session has it",
        "comment": "compared by the complete content of the files, decompressed",
    }
    return table.with_columns({"t1w_shared": np.array(shared, dtype=np.str_)}, {"t1w_shared": attrs})


LAYOUT = ImagingLayout("traveling", 1, relabel_sessions, compute_fingerprints=True)
