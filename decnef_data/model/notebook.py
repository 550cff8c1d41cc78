"""What a notebook shows of the values: small pages of plain HTML, in the notebook's own colors."""

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import Final, Literal

from decnef_data.model.catalog import Dataset, Mirror
from decnef_data.model.plans import Offer, Plan, PlannedFile
from decnef_data.model.values import Access, Requirement

__all__ = ["access_page", "catalog_page", "plan_page", "size_text"]

_SHOWN: Final = 20
_STEP: Final = 1000  # decimal units, as disks and download pages count
_SIGNS: Final = {
    "met": "&#10003;",
    "unmet": "&#10007;",
    "pending": "&#8230;",
    "expired": "&#10007;",
    "unknown": "?",
}
#: Only borders and widths: notebooks have light and dark themes, and color their text themselves.
_STYLE: Final = (
    "<style>.decnef{line-height:1.4}.decnef table{border-collapse:collapse;margin:.3em 0 1em}"
    ".decnef th,.decnef td{text-align:left!important;vertical-align:top;padding:.25em .9em .25em 0;"
    "border-bottom:1px solid rgba(128,128,128,.35);white-space:normal}"
    ".decnef .number{text-align:right!important;font-variant-numeric:tabular-nums;white-space:nowrap}"
    ".decnef .still{opacity:.7}.decnef h4{margin:.6em 0 .2em}"
    ".decnef code,.decnef .still{white-space:nowrap}</style>"
)
_Kind = Literal["", "number"]


def size_text(size: int | None) -> str:
    """Write a number of bytes in the unit a person would use.

    Examples
    --------
    >>> size_text(175_600_000), size_text(999), size_text(None)
    ('175.6 MB', '999 B', 'unknown')
    """
    if size is None:
        return "unknown"
    amount = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if round(amount, 1) < _STEP:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= _STEP
    return f"{amount:.1f} TB"


def access_page(accesses: Sequence[Access]) -> str:
    """Show for each dataset and mirror what is needed, what is met, and what to do next."""
    parts = tuple(part for access in accesses for part in _access(access))
    hint = ("<p>One mirror of a dataset is enough.</p>",) if len(accesses) > 1 else ()
    return _page((*parts, *hint) if accesses else ("Nothing is known.",))


def _access(access: Access) -> Iterator[str]:
    yield f"<h4>{escape(access.dataset)} at {escape(access.mirror)}: {verdict(access)}</h4>"
    yield _table(
        ("", "step", "next"),
        ((_SIGNS[item.state], _step(item), _next(item)) for item in access.requirements),
    )


def verdict(access: Access) -> str:
    """Say in a word or two whether the way is clear."""
    if not access.granted:
        return "not yet"
    return "not known" if any(item.state == "unknown" for item in access.requirements) else "granted"


def _step(item: Requirement) -> str:
    until = f", {item.deadline}" if item.deadline and item.state == "met" else ""
    return f"{escape(item.text)} <span class='still'>({item.state}{until})</span>"


def _next(item: Requirement) -> str:
    if item.state == "met" and item.deadline is None:
        return ""
    link = _link(item.url, item.url.removeprefix("https://")) if item.url else ""
    command = f"<code>{escape(item.command)}</code>" if item.command else ""
    return "<br>".join(part for part in (link, command) if part)


def _link(url: str, text: str) -> str:
    """Link to a page of the web, and to nothing else that a record may name."""
    shown = escape(text)
    return f"<a href='{escape(url)}' target='_blank'>{shown}</a>" if url.startswith("https://") else shown


def plan_page(plan: Plan) -> str:
    """Show what a request needs and costs."""
    name = escape(plan.selection.dataset)
    source = f"from {escape(plan.mirror)}" if plan.mirror else "no mirror can give it yet"
    parts = [f"<h4>Plan for {name}: {source}</h4>", _table(None, _sums(plan))]
    if plan.files:
        parts += [
            _table(("file", "size", "state"), map(_file, plan.files[:_SHOWN]), ("", "number", "")),
            _left_out(len(plan.files) - _SHOWN),
        ]
    if plan.offers:
        head = ("mirror", "would move", "can be asked")
        parts += [_table(head, map(_offer, plan.offers), ("", "number", ""))]
    parts += [f"<p>{escape(mirror)}: {escape(problem)}</p>" for mirror, problem in plan.problems]
    missing = tuple(access for access in plan.access if not access.granted)
    return _page((*parts, *(part for access in missing for part in _access(access))))


def _left_out(count: int) -> str:
    return f"<p class='still'>and {count:,} more, in <code>.files</code></p>" if count > 0 else ""


def _sums(plan: Plan) -> Iterator[tuple[str, str]]:
    yield "to fetch", size_text(plan.to_fetch if plan.files else None)
    yield "here already", size_text(sum(item.file.size or 0 for item in plan.files if item.present))
    if plan.store is not None:
        about = "at most about " if plan.estimated else "" if plan.stored else "at most "
        yield "store", f"{about}{size_text(plan.store)}"
    yield "free disk", size_text(plan.free_disk)
    yield "kept in", f"<code>{escape(str(plan.location))}</code>"


def _offer(offer: Offer) -> tuple[str, str, str]:
    about = "" if offer.exact or offer.size is None else "about "
    return escape(offer.mirror), f"{about}{size_text(offer.size)}", "yes" if offer.ready else "not yet"


def _file(planned: PlannedFile) -> tuple[str, str, str]:
    away = "on this machine" if planned.file.local is not None else "to fetch"
    return escape(planned.file.path), size_text(planned.file.size), "here" if planned.present else away


def catalog_page(datasets: Iterable[Dataset], mirrors: Sequence[Mirror]) -> str:
    """Show the datasets of a catalog, one a row."""
    rows = (
        (
            f"<code>{escape(dataset.name)}</code>",
            f"{_link(dataset.page, dataset.title)}<br><span lang='ja'>{escape(dataset.title_ja)}</span>",
            dataset.level,
            "unknown" if dataset.people is None else f"{dataset.people:,}",
            ", ".join(mirror.name for mirror in mirrors if mirror.holding(dataset.name)),
        )
        for dataset in datasets
    )
    head = ("name", "dataset", "access", "people", "mirrors")
    hint = "<p>Next: <code>decnef_data.access('srpbs-fc')</code> says what you need.</p>"
    return _page((_table(head, rows, ("", "", "", "number", "")), hint))


def _table(head: Sequence[str] | None, rows: Iterable[Sequence[str]], kinds: Sequence[_Kind] = ()) -> str:
    """Make a table of cells that are HTML already."""
    top = "" if head is None else f"<thead>{_row('th', head, kinds)}</thead>"
    return f"<table>{top}<tbody>{''.join(_row('td', row, kinds) for row in rows)}</tbody></table>"


def _row(cell: str, texts: Sequence[str], kinds: Sequence[_Kind]) -> str:
    classes = (*(f" class='{kind}'" if kind else "" for kind in kinds), *("" for _ in texts))
    cells = (f"<{cell}{kind}>{text}</{cell}>" for kind, text in zip(classes, texts, strict=False))
    return f"<tr>{''.join(cells)}</tr>"


def _page(parts: Iterable[str]) -> str:
    return f"{_STYLE}<div class='decnef'>{''.join(parts)}</div>"
