"""HTML representations of plans, access reports and the catalog, in the colors of the notebook."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Any, Final, Literal

from decnef_data.model.catalog import Dataset, Mirror
from decnef_data.model.plans import MirrorCost, Plan, PlannedFile
from decnef_data.model.values import Access, AccessReport, Requirement

__all__ = ["access_html", "catalog_html", "human_size", "plan_html", "register"]

_MAX_FILES: Final = 20
_UNIT_BASE: Final = 1000  # decimal units, as disks and download pages count
_STATE_SYMBOLS: Final = {
    "met": "&#10003;",
    "unmet": "&#10007;",
    "pending": "&#8230;",
    "expired": "&#10007;",
    "unknown": "?",
}
#: Only borders and widths: notebooks have light and dark themes with text colors of their own.
_STYLE: Final = (
    "<style>.decnef{line-height:1.4}.decnef table{border-collapse:collapse;margin:.3em 0 1em}"
    ".decnef th,.decnef td{text-align:left!important;vertical-align:top;padding:.25em .9em .25em 0;"
    "border-bottom:1px solid rgba(128,128,128,.35);white-space:normal}"
    ".decnef .number{text-align:right!important;font-variant-numeric:tabular-nums;white-space:nowrap}"
    ".decnef .still{opacity:.7}.decnef h4{margin:.6em 0 .2em}"
    ".decnef code,.decnef .still{white-space:nowrap}</style>"
)
_CellClass = Literal["", "number"]


def human_size(size: int | None) -> str:
    """Format a number of bytes in a readable unit.

    Examples
    --------
    >>> human_size(175_600_000), human_size(999), human_size(None)
    ('175.6 MB', '999 B', 'unknown')
    """
    if size is None:
        return "unknown"
    amount = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if round(amount, 1) < _UNIT_BASE:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= _UNIT_BASE
    return f"{amount:.1f} TB"


def access_html(accesses: Sequence[Access]) -> str:
    """Format the requirements of each dataset and mirror, which are met, and what to do next."""
    parts = tuple(part for access in accesses for part in _access_section(access))
    hint = ("<p>Access to one mirror per dataset is enough.</p>",) if len(accesses) > 1 else ()
    return _html_page((*parts, *hint) if accesses else ("No access information is available.",))


def _access_section(access: Access) -> Iterator[str]:
    yield f"<h4>{escape(access.dataset)} at {escape(access.mirror)}: {_access_status(access)}</h4>"
    yield _html_table(
        ("", "requirement", "next step"),
        (
            (_STATE_SYMBOLS[item.state], _requirement_cell(item), _action_cell(item))
            for item in access.requirements
        ),
    )


def _access_status(access: Access) -> str:
    """Return in one or two words whether access is granted."""
    if not access.granted:
        return "not granted"
    return "unknown" if any(item.state == "unknown" for item in access.requirements) else "granted"


def _requirement_cell(item: Requirement) -> str:
    until = f", {item.deadline}" if item.deadline and item.state == "met" else ""
    return f"{escape(item.text)} <span class='still'>({item.state}{until})</span>"


def _action_cell(item: Requirement) -> str:
    if item.state == "met" and item.deadline is None:
        return ""
    link = _html_link(item.url, item.url.removeprefix("https://")) if item.url else ""
    command = f"<code>{escape(item.command)}</code>" if item.command else ""
    return "<br>".join(part for part in (link, command) if part)


def _html_link(url: str, text: str) -> str:
    """Format a link to a web page; any other URL of a record is shown as text."""
    shown = escape(text)
    return f"<a href='{escape(url)}' target='_blank'>{shown}</a>" if url.startswith("https://") else shown


def plan_html(plan: Plan) -> str:
    """Format what a request needs and costs."""
    name = escape(plan.selection.dataset)
    source = f"from {escape(plan.mirror)}" if plan.mirror else "no mirror is accessible yet"
    parts = [f"<h4>Plan for {name}: {source}</h4>", _html_table(None, _plan_rows(plan))]
    if plan.files:
        parts += [
            _html_table(
                ("file", "size", "state"), map(_file_row, plan.files[:_MAX_FILES]), ("", "number", "")
            ),
            _omitted_note(len(plan.files) - _MAX_FILES),
        ]
    if plan.mirror_costs:
        head = ("mirror", "download size", "accessible")
        parts += [_html_table(head, map(_cost_row, plan.mirror_costs), ("", "number", ""))]
    parts += [f"<p>{escape(mirror)}: {escape(problem)}</p>" for mirror, problem in plan.problems]
    missing = tuple(access for access in plan.access if not access.granted)
    return _html_page((*parts, *(part for access in missing for part in _access_section(access))))


def _omitted_note(count: int) -> str:
    return f"<p class='still'>and {count:,} more; see <code>.files</code></p>" if count > 0 else ""


def _plan_rows(plan: Plan) -> Iterator[tuple[str, str]]:
    yield "to download", human_size(plan.download_size if plan.files else None)
    yield "available locally", human_size(sum(item.file.size or 0 for item in plan.files if item.present))
    if plan.store_size is not None:
        about = "at most about " if plan.estimated else "" if plan.store_exists else "at most "
        yield "store", f"{about}{human_size(plan.store_size)}"
    yield "free disk space", human_size(plan.free_disk)
    yield "location", f"<code>{escape(str(plan.location))}</code>"


def _cost_row(cost: MirrorCost) -> tuple[str, str, str]:
    about = "" if cost.exact or cost.size is None else "about "
    return escape(cost.mirror), f"{about}{human_size(cost.size)}", "yes" if cost.ready else "no"


def _file_row(planned: PlannedFile) -> tuple[str, str, str]:
    absent = "local, not verified yet" if planned.file.local is not None else "to download"
    return (
        escape(planned.file.path),
        human_size(planned.file.size),
        "available locally" if planned.present else absent,
    )


def catalog_html(datasets: Iterable[Dataset], mirrors: Sequence[Mirror]) -> str:
    """Format a table with one row per dataset of a catalog."""
    rows = (
        (
            f"<code>{escape(dataset.name)}</code>",
            f"{_html_link(dataset.page, dataset.title)}<br><span lang='ja'>{escape(dataset.title_ja)}</span>",
            dataset.level,
            "unknown" if dataset.n_participants is None else f"{dataset.n_participants:,}",
            ", ".join(mirror.name for mirror in mirrors if mirror.find_holding(dataset.name)),
        )
        for dataset in datasets
    )
    head = ("name", "dataset", "access", "participants", "mirrors")
    hint = "<p>Next: <code>decnef_data.access('srpbs-fc')</code> shows what you need for access.</p>"
    return _html_page((_html_table(head, rows, ("", "", "", "number", "")), hint))


def _html_table(
    head: Sequence[str] | None, rows: Iterable[Sequence[str]], classes: Sequence[_CellClass] = ()
) -> str:
    """Format a table; the cells are HTML already."""
    top = "" if head is None else f"<thead>{_html_row('th', head, classes)}</thead>"
    return f"<table>{top}<tbody>{''.join(_html_row('td', row, classes) for row in rows)}</tbody></table>"


def _html_row(cell: str, texts: Sequence[str], classes: Sequence[_CellClass]) -> str:
    attributes = (
        *(f" class='{attribute}'" if attribute else "" for attribute in classes),
        *("" for _ in texts),
    )
    cells = (
        f"<{cell}{attribute}>{text}</{cell}>" for attribute, text in zip(attributes, texts, strict=False)
    )
    return f"<tr>{''.join(cells)}</tr>"


def _html_page(parts: Iterable[str]) -> str:
    return f"{_STYLE}<div class='decnef'>{''.join(parts)}</div>"


_REPRESENTATIONS: Final[Mapping[type[Any], Callable[[Any], str]]] = {
    Access: lambda access: access_html((access,)),
    AccessReport: access_html,
    Plan: plan_html,
}


def register() -> None:
    """Attach each representation to the class of its value, where notebooks look for it."""
    for value_type, format_html in _REPRESENTATIONS.items():
        value_type._repr_html_ = format_html  # IPython's protocol; the model itself contains no HTML
