"""HTML representations of what is known of local copies: cache, verification, locks, doctor and account.

Paths show no ids of participants; files that need attention are listed first, and few of them.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import Final

from decnef_data.disclosure import hide_subjects
from decnef_data.display.elements import (
    count_text,
    html_page,
    html_properties,
    html_table,
    human_size,
    omitted_note,
    path_html,
    synthetic_badge,
)
from decnef_data.model.account import Account, SetAside, TableAccount
from decnef_data.model.findings import DoctorReport, Finding
from decnef_data.model.locks import Comparison, Difference, Lock, LockedFile
from decnef_data.model.values import CacheEntry, CacheListing, FileCheck, Verification

__all__ = [
    "account_html",
    "cache_html",
    "comparison_html",
    "doctor_html",
    "lock_html",
    "verification_html",
]

# What a notebook shows is saved with it; everything is in the attributes that the tables name.
_MAX_ROWS: Final = 20
_MAX_TABLES: Final = 10
_MAX_VALUE: Final = 40
# The findings that say how many, and not who: only these are shown without a graded fact.
_ANONYMOUS: Final = re.compile(r"missing for \d+|\d+$|not in the copy")


def cache_html(listing: CacheListing) -> str:
    """Format how much of each dataset is in the cache, by kind and mirror."""
    groups: dict[tuple[str, str, str, bool], list[CacheEntry]] = {}
    for entry in listing.entries:
        # By whether it is synthetic, too, so that no sum mixes phantoms with data.
        groups.setdefault((entry.dataset, entry.kind, entry.mirror, entry.synthetic), []).append(entry)
    head = f"<h4>Cache: {human_size(listing.size)}</h4><p>{path_html(listing.root)}</p>"
    if not groups:
        return html_page((head, "<p>The cache is empty.</p>"))
    rows = (
        (
            f"<code>{escape(dataset or 'unknown')}</code>{synthetic_badge(synthetic=synthetic)}",
            kind,
            escape(mirror),
            f"{len(entries):,}",
            human_size(sum(entry.size for entry in entries)),
        )
        for (dataset, kind, mirror, synthetic), entries in sorted(groups.items())
    )
    names = ("dataset", "kind", "mirror", "entries", "size")
    return html_page((head, html_table(names, rows, ("", "", "", "number", "number"))))


def verification_html(verification: Verification) -> str:
    """Format how many files are intact, and which ones are not."""
    counts = Counter(check.state for check in verification.checks)
    problems = [check for check in verification.checks if check.state != "intact"]
    result = ", ".join(f"{count:,} {state}" for state, count in counts.items()) or "nothing to verify"
    # A quick verification cannot see changed bytes of the same size and time, so it says what it compared.
    compared = "Every byte was read." if verification.deep else "Sizes and modification times were compared."
    parts = [f"<h4>Verification of {escape(verification.dataset)}: {result}</h4><p>{compared}</p>"]
    if problems:
        names = ("file or store", "state", "detail", "mirror")
        parts += [html_table(names, map(_check_row, problems[:_MAX_ROWS]))]
        parts += [omitted_note(len(problems) - _MAX_ROWS, "checks")]
    return html_page(parts)


def _check_row(check: FileCheck) -> tuple[str, ...]:
    texts = (hide_subjects(check.path), check.state, hide_subjects(check.detail), check.mirror)
    return tuple(map(escape, texts))


def lock_html(lock: Lock) -> str:
    """Format the files of a lock with their first checksums, and what else determines the result."""
    head = f"<h4>Lock of {escape(lock.dataset)}{synthetic_badge(synthetic=lock.synthetic)}</h4>"
    rows = [
        ("files", f"{count_text(len(lock.files), 'file')}, {human_size(lock.size)}"),
        ("layout", escape(lock.layout)),
        ("software", escape(lock.software)),
    ]
    if lock.split is not None:
        rows.append(("split", f"<code>{escape(lock.split)}</code>"))
    if lock.data_use is not None:
        rows.append(("access", escape(lock.data_use.access_level)))
        rows += [(label, escape(text)) for label, text in lock.data_use.describe()]
    names = ("file", "size", "checksum")
    # Of each file the first checksum only: a file of two mirrors has several, all of the same bytes.
    files = html_table(names, map(_locked_file_row, lock.files[:_MAX_ROWS]), ("", "number", ""))
    return html_page((head, html_properties(rows), files, omitted_note(len(lock.files) - _MAX_ROWS, "files")))


def _locked_file_row(file: LockedFile) -> tuple[str, str, str]:
    checksum = f"<code>{escape(_shorten(file.checksums[0]))}</code>" if file.checksums else ""
    return escape(hide_subjects(file.path)), human_size(file.size), checksum


def comparison_html(comparison: Comparison) -> str:
    """Format whether two locks have the same bytes, and what differs."""
    result = "the same bytes" if comparison.same_bytes else "the data differ"
    pair = f"{escape(comparison.first)} and {escape(comparison.second)}"
    parts = [f"<h4>{pair}: {result}</h4>"]
    if comparison.differences:
        rows = map(_difference_row, comparison.differences[:_MAX_ROWS])
        parts += [html_table(("what", "name", "first", "second"), rows)]
        parts += [omitted_note(len(comparison.differences) - _MAX_ROWS, "differences")]
    return html_page(parts)


def _difference_row(difference: Difference) -> tuple[str, ...]:
    values = (_shorten(value) if value else "absent" for value in (difference.first, difference.second))
    return tuple(map(escape, map(hide_subjects, (difference.what, difference.name, *values))))


def doctor_html(report: DoctorReport) -> str:
    """Format where a copy differs from the catalog, and the account of the copy."""
    agreed = len(report.findings) - len(report.disagreements)
    copy = f"{escape(report.dataset)} from {escape(report.mirror)}"
    copy += synthetic_badge(synthetic=report.synthetic)
    numbers = f"{agreed:,} of {count_text(len(report.findings), 'finding')}"
    parts = [f"<h4>Check of {copy}: {numbers} agree with the catalog</h4>"]
    if report.disagreements:
        rows = map(_finding_row, report.disagreements[:_MAX_ROWS])
        parts += [html_table(("what", "catalog", "copy", "grade"), rows)]
        parts += [omitted_note(len(report.disagreements) - _MAX_ROWS, "disagreements")]
    return html_page((*parts, *_account_parts(report.account)))


def _finding_row(finding: Finding) -> tuple[str, ...]:
    """Format a finding; what is found may name participants unless it is compared with a graded fact."""
    found = finding.found
    # Without a grade, the value is of this copy alone, and may be the id or the cell of one person.
    if not finding.grade:
        anonymous = _ANONYMOUS.match(found)
        found = anonymous[0] if anonymous else "see .disagreements"
    texts = (finding.what, finding.expected, found, finding.grade)
    return tuple(escape(_shorten(hide_subjects(text))) for text in texts)


def account_html(account: Account) -> str:
    """Format what the files, rows and columns of a copy were used for; names and examples are left out."""
    return html_page(_account_parts(account))


def _account_parts(account: Account) -> Iterator[str]:
    yield f"<h4>Account: {escape(account.summary())}</h4>"
    rows = [_set_aside_row(item) for item in account.files.set_aside]
    rows += [_set_aside_row(item) for item in _not_used(account) if item.count]
    if rows:
        yield html_table(("files", "rule", "why they are not used"), rows, ("number", "", ""))
    if account.tables:
        head = ("table", "used as", "rows", "rows used", "columns")
        classes: Sequence[str] = ("", "", "number", "number", "number")
        yield html_table(head, map(_table_row, account.tables[:_MAX_TABLES]), classes)  # type: ignore[arg-type]
        yield omitted_note(len(account.tables) - _MAX_TABLES, "tables")
    # Their texts quote cells and paths, so the page only counts them.
    remarks = Counter(remark.rule for remark in account.remarks)
    if remarks:
        counts = ((f"{count:,}", escape(rule)) for rule, count in remarks.items())
        yield html_table(("remarks", "rule"), counts, ("number", ""))
        yield "<p class='still'>The texts are in <code>.remarks</code></p>"


def _not_used(account: Account) -> Iterable[SetAside]:
    return account.files.not_understood, account.links.dangling, account.links.leading_out


def _set_aside_row(item: SetAside) -> tuple[str, str, str]:
    return f"{item.count:,}", escape(item.rule), escape(item.description)


def _table_row(table: TableAccount) -> tuple[str, ...]:
    counts = (table.rows.n_found, table.rows.n_joined, len(table.columns))
    return (escape(hide_subjects(table.file)), escape(table.role), *(f"{count:,}" for count in counts))


def _shorten(text: str) -> str:
    return text if len(text) <= _MAX_VALUE else f"{text[: _MAX_VALUE - 3]}..."
