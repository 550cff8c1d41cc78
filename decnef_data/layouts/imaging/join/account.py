"""The account of an image copy: its files, links and tables, and what was noticed in them."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from decnef_data.layouts.account import (
    MARKER_FILE,
    file_account,
    link_account,
    link_remarks,
    name_some,
    quote,
    rule_of_document,
)
from decnef_data.layouts.column_remarks import count_noun
from decnef_data.model import Account, Remark, SetAside, TableAccount

if TYPE_CHECKING:
    from decnef_data.layouts.imaging.inventory.files import OtherFiles
    from decnef_data.layouts.imaging.inventory.scans import Inventory
    from decnef_data.layouts.imaging.tables.participants import ParticipantTable
    from decnef_data.model import Dataset

__all__ = ["build_account", "file_remarks", "run_remarks"]

#: The use of a table that makes its file one that is used.
_USED_ROLES: Final = ("participants", "supplement", "protocols", "sidecar")


def build_account(
    inventory: "Inventory",
    tables: Sequence[TableAccount],
    remarks: Sequence[Remark],
) -> Account:
    """Return the account of a copy.

    Parameters
    ----------
    inventory
        The scans, and what else there is.
    tables
        The accounts of all tables.
    remarks
        What was noticed.
    """
    other = inventory.other
    roles = {table.file: table.role for table in tables}
    rules = {path: _rule_of(path, roles.get(path), other.unused_folders) for path in other.paths}
    n_images = sum(scan.file_count for scan in inventory.scans)
    n_other_used = sum(rule == "used" for rule in rules.values())
    n_unreadable_tables = sum(rule == "unreadable" for rule in rules.values())
    counted = [SetAside(rule, group.count, tuple(group.examples)) for rule, group in other.set_aside.items()]
    counted.append(
        SetAside("not-understood", other.not_understood.count, tuple(other.not_understood.examples))
    )
    files = file_account(
        n_images + n_other_used,
        {path: rule or None for path, rule in rules.items() if rule not in {"used", "unreadable"}},
        # Broken scans are not in the inventory, but their files are counted as images.
        n_unreadable=other.n_images - n_images + n_unreadable_tables + len(other.unreadable),
        counted=counted,
    )
    links = link_account(other.n_followed, list(other.dangling), other.leading_out)
    return Account(files, links, other.archive, tuple(tables), tuple(remarks))


def _rule_of(path: str, role: str | None, unused_folders: Mapping[str, str]) -> str:
    """Return what a file outside the folders of subjects is: used, unreadable, a rule, or not understood."""
    if role in _USED_ROLES or PurePosixPath(path).name == MARKER_FILE:
        return "used"
    if role in {"unreadable", "list-of-ids"}:
        return str(role)
    if role == "original":
        return "original-table"
    # With the slash, so that "data" is not taken for the start of "data2".
    unused = (rule for folder, rule in unused_folders.items() if folder and path.startswith(f"{folder}/"))
    return next(unused, None) or rule_of_document(path) or ""


def file_remarks(other: "OtherFiles") -> Iterator[Remark]:
    """Yield a warning for scans in two places, and for links, folders and members that could not be read."""
    yield from other.remarks
    if other.doubles:
        named = name_some(f"'{used}' and not '{unused}'" for used, unused in other.doubles)
        message = (
            f"Images of a participant are in two folders; used are those in {named}. "
            "Move the folders that should not be used out of the copy."
        )
        yield Remark("same-scan-twice", message, other.doubles[0][1])
    yield from link_remarks(other.leading_out, other.dangling, other.unreadable)


def run_remarks(
    inventory: "Inventory", participants: "ParticipantTable", dataset: "Dataset"
) -> Iterator[Remark]:
    """Yield a warning if sessions have more runs than the catalog says, or more than one T1 image."""
    yield from _unexpected_runs(inventory, participants, dataset)
    yield from _unexpected_t1w(inventory, dataset)


def _unexpected_runs(
    inventory: "Inventory", participants: "ParticipantTable", dataset: "Dataset"
) -> Iterator[Remark]:
    sites = participants.columns["site"]
    runs = Counter((scan.subject, scan.session) for scan in inventory.scans if scan.kind == "bold")
    allowed = {site: dataset.runs_per_session(site) for site in set(sites.tolist())}
    counts = {key: (count, allowed[str(sites[participants.rows[key]])]) for key, count in runs.items()}
    more = {key: count for key, (count, known) in counts.items() if known is not None and count > known.runs}
    if more:
        named = name_some(
            f"'{'/'.join(filter(None, key))}' ({count_noun(count, 'run')})" for key, count in more.items()
        )
        message = (
            f"More runs than the catalog counts for a session of '{dataset.name}': {named}. "
            "Check whether a run is there twice."
        )
        yield Remark("unexpected-runs", message)


def _unexpected_t1w(inventory: "Inventory", dataset: "Dataset") -> Iterator[Remark]:
    images: dict[tuple[str, str], list[str]] = {}
    for scan in inventory.scans:
        if scan.kind == "t1w":
            images.setdefault((scan.subject, scan.session), []).append(scan.files[0])
    more = {key: files for key, files in images.items() if len(files) > 1}
    if more:
        named = name_some(
            f"'{'/'.join(filter(None, key))}' ({name_some(map(quote, files))})" for key, files in more.items()
        )
        message = (
            f"More than one T1 image in a session of '{dataset.name}': {named}. "
            "Move those that should not be used out of the copy."
        )
        yield Remark("unexpected-t1w", message, next(iter(more.values()))[0])
