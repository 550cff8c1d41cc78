"""The account of a copy as tables: what was not used, and why."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from decnef_data_cli.console import pluralize, section, table

if TYPE_CHECKING:
    from rich.console import RenderableType

    from decnef_data.model import Account, TableAccount

__all__ = ["account_page"]

_Row = tuple[str, str, str]


def account_page(account: "Account", *, everything: bool) -> "Iterator[RenderableType]":
    """Yield the tables; with `everything`, also what rules set aside and what was guessed."""
    rows = list(_rows(account, everything=everything))
    if rows:
        yield section("What was not used, and why", table("what", "why", "examples", rows=rows))


def _rows(account: "Account", *, everything: bool) -> Iterator[_Row]:
    files, links = account.files, account.links
    for remark in account.remarks:
        if remark.is_warning or everything:
            yield remark.rule, remark.message, ""
    if files.n_unreadable:
        yield pluralize(files.n_unreadable, "file"), "cannot be read", ""
    if files.not_understood.count:
        count = pluralize(files.not_understood.count, "file")
        yield count, "not understood", ", ".join(files.not_understood.examples)
    for group in (links.dangling, links.leading_out):
        if group.count:
            yield pluralize(group.count, "link"), group.rule, ", ".join(group.examples)
    for each in account.tables:
        yield from _table_rows(each, everything=everything)
    for group in files.set_aside:
        yield pluralize(group.count, "path"), group.description, ", ".join(group.examples)


def _table_rows(each: "TableAccount", *, everything: bool) -> Iterator[_Row]:
    rows = each.rows
    reasons = {
        "of participants that are not in this copy": rows.n_unknown,
        "unreadable": rows.n_skipped,
        "repeated": rows.n_merged,
        "of participants without images": rows.n_without_images,
    }
    if each.role in {"unused", "unreadable"}:
        yield each.file, f"table {each.role}", ""
    if each.role in {"unused", "unreadable", "list-of-ids"}:
        return
    for reason, count in reasons.items():
        if count:
            yield pluralize(count, "row"), f"{reason} ('{each.file}')", ""
    for column in each.columns:
        if column.n_undecoded:
            cells = ", ".join(map(repr, column.examples))
            where = f"no known meaning ('{column.header}' in '{each.file}')"
            yield pluralize(column.n_undecoded, "cell"), where, cells
        elif column.use == "empty" and everything:
            yield f"column '{column.header}'", f"empty ('{each.file}')", ""
