"""What is odd about the images of a copy: missing volumes, runs in two parts, equal images, and more.

Each kind has one remark for the whole copy, which names up to three runs or images.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Final

import numpy as np

from decnef_data.layouts.column_remarks import count_noun
from decnef_data.layouts.imaging.groups.datasets import repetition_times
from decnef_data.layouts.imaging.groups.scan_list import header_times
from decnef_data.model.account import Remark

if TYPE_CHECKING:
    from decnef_data.layouts.imaging.inventory.scans import Inventory, Scan
    from decnef_data.layouts.imaging.inventory.unread import UnreadImages
    from decnef_data.layouts.imaging.tables.participants import ParticipantTable

__all__ = ["list_remarks"]

#: How many runs a remark names, and how many volumes of each.
_MAX_NAMED: Final = 3
#: Repetition times are documented in milliseconds.
_MAX_TIME_DIFFERENCE: Final = 0.001


def list_remarks(inventory: "Inventory", participants: "ParticipantTable") -> tuple[Remark, ...]:
    """Return what is odd about the images of a copy.

    Parameters
    ----------
    inventory
        The inventory of the copy.
    participants
        Its participants, for the repetition times of their protocols.

    Examples
    --------
    >>> from decnef_data.layouts.imaging.inventory.scans import INVENTORY_VERSION, Inventory
    >>> nothing = {"root": "", "folders": {}, "scans": (), "troubles": (), "files": 0, "size": 0}
    >>> list_remarks(Inventory(version=INVENTORY_VERSION, **nothing), None)
    ()
    """
    runs = [scan for scan in inventory.scans if scan.kind == "bold"]
    return (
        *_missing_volumes(runs),
        *_split_series(runs),
        *_repetition_times(runs, participants),
        *_equal_images(inventory.scans, participants),
        *_bytes_behind_voxels(inventory.scans),
        *_unread_images(inventory),
    )


def _missing_volumes(runs: Iterable["Scan"]) -> Iterator[Remark]:
    gaps = [scan for scan in runs if scan.missing_numbers]
    if gaps:
        listed = _join(f"'{scan.folder}' ({_format_numbers(scan.missing_numbers)})" for scan in gaps)
        message = (
            f"Volumes are missing inside {_count(gaps)}: {listed}. "
            "The coordinate 'volume' has the numbers of those that are there."
        )
        yield Remark("missing-volumes", message, _only_file(gaps))


def _format_numbers(numbers: Sequence[int]) -> str:
    return ", ".join([*map(str, numbers[:_MAX_NAMED]), *(["…"] if len(numbers) > _MAX_NAMED else [])])


def _split_series(runs: Sequence["Scan"]) -> Iterator[Remark]:
    """Name files that seem to be volumes of another run in their folder, which their names split off."""
    parts: list[tuple[Scan, Scan]] = []
    # The inventory lists the scans of a session together.
    for _, group in groupby(runs, key=lambda scan: (scan.subject, scan.session, scan.folder)):
        # The longest is the run; what is split off are the volumes with other names.
        main, *others = sorted(group, key=lambda scan: -scan.volume_count)
        parts += [(other, main) for other in others if _belong_together(main, other)]
    if parts:
        listed = _join(f"'{part.files[0]}' to '{main.files[0]}'" for part, main in parts)
        message = (
            f"Differing names split {_count(parts)} in two: it seems that {listed} belong"
            f"{'s' if len(parts) == 1 else ''}. Give all volumes of a run names of one form, "
            "then adopt the copy again."
        )
        yield Remark("split-series", message, _only_file([part for part, _ in parts]))


def _belong_together(main: "Scan", part: "Scan") -> bool:
    """Return whether the files of a part seem to be volumes of a run, each file having one volume."""
    if main.volume_count == 1 or any(scan.volume_count != scan.file_count for scan in (main, part)):
        return False
    # Of one stem, only the suffixes differ: some of the volumes are gzipped.
    if part.volume_count == 1 or _name_stem(main) == _name_stem(part):
        return True
    numbers, further = set(main.volume_numbers), set(part.volume_numbers)
    together = numbers | further
    is_complete = max(together) - min(together) + 1 == len(together)
    # A second run may go on with the numbers of the first one, but it is about as long.
    return not numbers & further and is_complete and 2 * len(further) < len(numbers)


def _name_stem(scan: "Scan") -> str:
    """Return what the names of the volumes have before their numbers."""
    name = scan.file_names.partition("/")[0].casefold()
    return name.removesuffix(".gz").removesuffix(".nii").rstrip("0123456789")


def _repetition_times(runs: Sequence["Scan"], participants: "ParticipantTable") -> Iterator[Remark]:
    yield from _times_against_protocols(runs, participants)
    yield from _times_within_sites(runs, participants)
    yield from _times_of_catalog(runs, participants)


def _planned_times(runs: Sequence["Scan"], participants: "ParticipantTable") -> list[float]:
    times: list[float] = participants.columns["_repetition_time"][participants.rows_of(runs)].tolist()
    return times


def _times_of_catalog(runs: Sequence["Scan"], participants: "ParticipantTable") -> Iterator[Remark]:
    """Name the sites whose repetition time only the catalog states, without a table of protocols."""
    if not runs or "_site_repetition_time" not in participants.columns:
        return
    rows = participants.rows_of(runs)
    times = repetition_times(header_times(runs), rows, participants)
    taken = times.sources == "catalog"
    if taken.any():
        sites = participants.columns["site"][rows][taken].tolist()
        at_sites: dict[str, dict[str, None]] = {}
        for site, seconds, grade in zip(sites, times.seconds[taken], times.grades[taken], strict=True):
            at_sites.setdefault(f"{seconds:g} s (grade {grade})", {})[site] = None
        listed = "; ".join(f"{time} at {', '.join(names)}" for time, names in at_sites.items())
        message = (
            f"Neither files nor tables state the repetition time of {_count(sites)}, so that of the catalog "
            f"is used: {listed}. Pass repetition_time= if you know it."
        )
        yield Remark("repetition-time-of-catalog", message, is_warning=False)


def _times_against_protocols(runs: Sequence["Scan"], participants: "ParticipantTable") -> Iterator[Remark]:
    timed = [scan for scan in runs if scan.header and np.isfinite(scan.header.repetition_time)]
    if not timed:
        return
    planned = _planned_times(timed, participants)
    differing = [
        (scan, seconds, time)
        for scan, time in zip(timed, planned, strict=True)
        # NaN where nothing is planned, which is not greater than anything.
        if scan.header and abs((seconds := scan.header.repetition_time) - time) > _MAX_TIME_DIFFERENCE
    ]
    if differing:
        listed = _join(
            f"'{scan.files[0]}' ({seconds:g} s instead of {time:g} s)" for scan, seconds, time in differing
        )
        message = (
            f"The repetition time in the header of {_count(differing)} differs from the stated one: "
            f"{listed}. The coordinate 'repetition_time' has the one of the protocol or sidecar."
        )
        yield Remark("repetition-time", message, _only_file([scan for scan, *_ in differing]))


def _times_within_sites(runs: Sequence["Scan"], participants: "ParticipantTable") -> Iterator[Remark]:
    """Compare times that no table states with those of most runs of the same site."""
    # A volume states none: pixdim[4] counts only with a fourth dimension.
    may_state = [scan for scan in runs if scan.header and len(scan.header.shape) > 3]  # noqa: PLR2004 - time
    if not may_state:
        return
    alone = [
        scan
        for scan, time in zip(may_state, _planned_times(may_state, participants), strict=True)
        if not np.isfinite(time)
    ]
    sites = participants.columns["site"][participants.rows_of(alone)].tolist()
    by_site: dict[str, list[tuple[Scan, str]]] = {}
    for scan, site in zip(alone, sites, strict=True):
        by_site.setdefault(site, []).append((scan, _format_time(scan)))
    odd = [found for times in by_site.values() for found in _minority(times)]
    if odd:
        listed = _join(f"'{scan.files[0]}' ({time} instead of {usual})" for scan, time, usual in odd)
        message = (
            f"The repetition time in the header of {_count(odd)} differs from that of other runs of the "
            f"site, while no table states it: {listed}. Compare the files with the originals."
        )
        yield Remark("repetition-time-of-site", message, _only_file([scan for scan, *_ in odd]))


def _format_time(scan: "Scan") -> str:
    time = scan.header.repetition_time if scan.header else np.nan
    return f"{time:.4g} s" if np.isfinite(time) else "none"


def _minority(times: "Sequence[tuple[Scan, str]]") -> "Iterator[tuple[Scan, str, str]]":
    """Yield the scans without the most frequent time, and that; if two are as frequent, those of both."""
    counts = Counter(time for _, time in times)
    for scan, time in times:
        usual = next((other for other, _ in counts.most_common() if other != time), time)
        if usual != time and counts[usual] >= counts[time]:
            yield scan, time, usual


def _equal_images(scans: Sequence["Scan"], participants: "ParticipantTable") -> Iterator[Remark]:
    """Name images with the same content; sessions of one participant may share a T1 image."""
    alike: dict[str, list[Scan]] = {}
    for scan in scans:
        if scan.fingerprint:
            alike.setdefault(scan.fingerprint, []).append(scan)
    groups = [group for group in alike.values() if len(group) > 1 and _should_differ(group, participants)]
    if groups:
        listed = _join(" and ".join(f"'{scan.files[0]}'" for scan in group[:2]) for group in groups)
        message = (
            f"Images that should differ are equal: {listed}. "
            "Find out whose they are, then replace or remove the others."
        )
        yield Remark("equal-images", message, groups[0][0].files[0])


def _should_differ(group: Sequence["Scan"], participants: "ParticipantTable") -> bool:
    subjects = set(participants.columns["subject"][participants.rows_of(group)].tolist())
    sessions = {(scan.subject, scan.session) for scan in group}
    # In srpbs-ts, a person has one T1 image for the sessions at ATT and ATV.
    return any(scan.kind == "bold" for scan in group) or len(subjects) > 1 or len(sessions) < len(group)


def _bytes_behind_voxels(scans: Iterable["Scan"]) -> Iterator[Remark]:
    """Name images that are longer than their headers say; that of a gzipped one is known when it is read."""
    longer = [
        (scan, n_bytes)
        for scan in scans
        if scan.header is not None and not scan.gzipped and (n_bytes := _count_bytes_behind(scan)) > 0
    ]
    if longer:
        listed = _join(f"'{scan.files[0]}' ({n_bytes} bytes)" for scan, n_bytes in longer)
        message = (
            f"Files are longer than their headers say, by bytes behind the voxels: {listed}. "
            "Compare the files with the originals: the size in their headers may be wrong."
        )
        yield Remark("bytes-behind-voxels", message, _only_file([scan for scan, _ in longer]))


def _count_bytes_behind(scan: "Scan") -> int:
    size = int.from_bytes(scan.file_sizes[:8], "little")  # all files of a run have that of the first one
    return size - scan.header.offset - scan.header.nbytes if scan.header else 0


def _unread_images(inventory: "Inventory") -> Iterator[Remark]:
    """Report unread images of sessions that have others; those beside images that are read may be missed."""
    used = {(scan.folder, scan.kind) for scan in inventory.scans}
    sessions = {(scan.subject, scan.session, scan.kind) for scan in inventory.scans}
    others = [one for one in inventory.unread if (one.subject, one.session, one.kind) in sessions]
    beside = [one for one in others if (one.folder, one.kind) in used]
    elsewhere = [one for one in others if (one.folder, one.kind) not in used]
    yield from _remark_unread(beside, is_warning=True)
    yield from _remark_unread(elsewhere, is_warning=False)


def _remark_unread(unread: Sequence["UnreadImages"], *, is_warning: bool) -> Iterator[Remark]:
    if unread:
        more = f" The same holds for {len(unread) - 1} more folders." if len(unread) > 1 else ""
        yield Remark("unread-images", unread[0].message + more, unread[0].file, is_warning=is_warning)


def _join(parts: Iterable[str]) -> str:
    listed = list(parts)
    more = [f"and {len(listed) - _MAX_NAMED} more"] if len(listed) > _MAX_NAMED else []
    return ", ".join([*listed[:_MAX_NAMED], *more])


def _count(runs: Sequence[object]) -> str:
    return count_noun(len(runs), "run")


def _only_file(scans: Sequence["Scan"]) -> str:
    return scans[0].files[0] if len(scans) == 1 else ""
