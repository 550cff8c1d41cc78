"""HTML representations of splits of participants, and of audits and indexes of mirrors."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Final

from decnef_data.disclosure import hide_subjects
from decnef_data.display.elements import (
    count_text,
    html_page,
    html_properties,
    html_table,
    omitted_note,
)

__all__ = ["audit_html", "index_html", "splits_html"]

# A notebook keeps its output: a table of all files would make it large, and hard to read.
_MAX_ROWS: Final = 20
_MAX_LABELS: Final = 12


def splits_html(name: str, by: str, folds: Sequence[tuple[Sequence[str], int, int]]) -> str:
    """Format the sizes of each split, and which sites it holds out; participants are only counted."""
    rows = (
        (f"{number}", _held_out_cell(by, labels), f"{n_train:,}", f"{n_test:,}")
        # Numbered from 0, as the splits are when they are iterated.
        for number, (labels, n_train, n_test) in enumerate(folds[:_MAX_ROWS])
    )
    head = ("split", "held out", "training rows", "test rows")
    table = html_table(head, rows, ("number", "", "number", "number"))
    title = f"<h4>{count_text(len(folds), 'split')} by {escape(by)}</h4>"
    more = len(folds) - _MAX_ROWS
    rest = f"<p class='still'>and {more:,} more</p>" if more > 0 else ""
    return html_page((title, html_properties([("name", f"<code>{escape(name)}</code>")]), table, rest))


def _held_out_cell(by: str, labels: Sequence[str]) -> str:
    # Other labels may be ids of participants, such as in splits by subject.
    if by not in {"site", "institute"} or len(labels) > _MAX_LABELS:
        return f"{len(labels):,}"
    return escape(", ".join(labels))


def audit_html(
    dataset: str,
    sources: Iterable[tuple[str, str, int]],
    outcomes: Mapping[tuple[str, str], Mapping[str, int]],
    differing: Sequence[tuple[str, str, str, str]],
) -> str:
    """Format the sources of an audit, how many files agree between each two, and which files differ."""
    result = f"{count_text(len(differing), 'difference')}" if differing else "no differences"
    parts = [
        f"<h4>Audit of {escape(dataset)}: {result}</h4>",
        html_table(
            ("source", "known from", "files"),
            ((escape(name), escape(basis), f"{count:,}") for name, basis, count in sources),
            ("", "", "number"),
        ),
    ]
    if outcomes:
        kinds = ("same", "different", "unknown")
        rows = (
            (escape(left), escape(right), *(f"{counts.get(kind, 0):,}" for kind in kinds))
            for (left, right), counts in outcomes.items()
        )
        head = ("source", "compared with", *kinds)
        parts += [html_table(head, rows, ("", "", "number", "number", "number"))]
    if differing:
        texts = (tuple(escape(hide_subjects(text)) for text in row) for row in differing[:_MAX_ROWS])
        parts += [html_table(("file", "source", "compared with", "difference"), texts)]
        parts += [omitted_note(len(differing) - _MAX_ROWS, "comparisons")]
    return html_page(parts)


def index_html(mirror: str, n_items: int, finished: str, matches: Iterable[tuple[str, str, int, str]]) -> str:
    """Format how much a crawl found, and which datasets were matched."""
    rows = (
        (f"<code>{escape(dataset)}</code>", escape(verdict), f"{n_files:,}", escape(why))
        for dataset, verdict, n_files, why in matches
    )
    head = f"<h4>Index of {escape(mirror)}: {count_text(n_items, 'item')}, {escape(finished)}</h4>"
    return html_page((head, html_table(("dataset", "result", "files", "why"), rows, ("", "", "number", ""))))
