"""The account of a connectivity copy: its files, tables and archive, and what was noticed in them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from decnef_data.layouts.account import MARKER_FILE, file_account, rule_of_document
from decnef_data.layouts.column_remarks import column_remarks
from decnef_data.layouts.connectivity.classify import FoundBooks, FoundItem, FoundRegions, FoundTable
from decnef_data.layouts.connectivity.matrices import FoundMatrix
from decnef_data.model import Account, ArchiveAccount, ChecksumAccount, Remark, RowAccount, TableAccount
from decnef_data.name_rules import rule_of_path

if TYPE_CHECKING:
    from decnef_data.layouts import MemberLog
    from decnef_data.layouts.participants import ParticipantColumns

__all__ = ["ReadContent", "build_account"]


@dataclass(frozen=True, slots=True)
class ReadContent:
    """What was found in a copy, and what became of it.

    ``items`` has the items in each member by path, and ``unreadable`` the paths that are reported as
    problems.  ``tables`` has the path of the table of each matrix, ``columns`` the columns of each
    table, and ``checksums`` those of known files.  ``repeats`` has the matrices and tables that are left out
    because others are equal, ``remarks`` what was noticed in the matrices, and ``n_twice`` the number of
    members that are left out because others have the same path.
    """

    items: Mapping[str, Sequence[FoundItem]]
    unreadable: frozenset[str]
    tables: Mapping[str, str]
    columns: Mapping[str, "ParticipantColumns"]
    checksums: Sequence[ChecksumAccount]
    required: Sequence[str] = ()
    repeats: frozenset[str] = frozenset()
    remarks: Sequence[Remark] = ()
    n_twice: int = 0


def build_account(content: ReadContent, log: "MemberLog") -> Account:
    """Return the account of a copy.

    Parameters
    ----------
    content
        What was found in the members.
    log
        What the archive reported.
    """
    rules = {path: _rule_of(path, items, content) for path, items in content.items.items()}
    unreadable = content.unreadable | {path for path, rule in rules.items() if rule == "unreadable"}
    others = {path: rule or None for path, rule in rules.items() if rule not in {"used", "unreadable"}}
    # Junk never became a member, but is a file of the copy all the same.
    others.update({path: rule_of_path(path) or "system" for path in log.junk})
    n_used = sum(rule == "used" for rule in rules.values())
    files = file_account(n_used, others, n_unreadable=len(unreadable) + content.n_twice)
    archive = ArchiveAccount(files.n_found) if log.is_archive else None
    found_tables = (item for item in _items(content) if isinstance(item, FoundTable))
    tables = tuple(_account_of_table(table, content) for table in found_tables)
    return Account(
        files,
        archive=archive,
        tables=tables,
        remarks=(*log.remarks, *_remarks(content), *content.remarks),
        checksums=tuple(content.checksums),
    )


def _items(content: ReadContent) -> Iterator[FoundItem]:
    return (item for items in content.items.values() for item in items)


def _rule_of(path: str, items: Sequence[FoundItem], content: ReadContent) -> str:
    """Return what a member is: used, unreadable, a rule, or not understood."""
    used_tables = set(content.tables.values())
    if path in content.unreadable:
        return "unreadable"
    if path in content.repeats:
        return "repeated-matrix"
    if PurePosixPath(path).name == MARKER_FILE or path in used_tables or path in content.tables:
        return "used"
    if any(isinstance(item, FoundRegions | FoundBooks) for item in items):
        return "used"
    # A matrix without a table: the error of its pair is among the problems.
    if any(isinstance(item, FoundMatrix) for item in items):
        return "unreadable"
    remarks = (item.rule for item in items if isinstance(item, Remark))
    return next(remarks, None) or rule_of_document(path) or ""


def _account_of_table(found: FoundTable, content: ReadContent) -> TableAccount:
    table, is_used = found.table, found.path in content.tables.values()
    is_repeat, count = found.path in content.repeats, len(table.frame)
    rows = RowAccount(
        table.n_rows_found,
        n_joined=count if is_used else 0,
        # The participants of a repeat are in the matrix that is kept, so they are not unknown.
        n_unknown=0 if is_used or is_repeat else count,
        n_merged=count if is_repeat else 0,
        n_skipped=table.n_rows_skipped,
        n_blank=table.n_rows_blank,
    )
    role = "participants" if is_used else "unused"
    columns = content.columns[found.path].accounts if found.path in content.columns else ()
    return TableAccount(found.path, role, rows, columns, table.encoding, table.separator, table.sha256)


def _remarks(content: ReadContent) -> Iterator[Remark]:
    for item in _items(content):
        if isinstance(item, Remark):
            yield item
        elif isinstance(item, FoundTable):
            yield from item.table.remarks
            if item.path in content.columns:
                yield from column_remarks(item.path, content.columns[item.path], content.required)
