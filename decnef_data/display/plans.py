"""HTML representations of plans, access reports and the catalog."""

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import Final

from decnef_data_catalog import examples

from decnef_data.disclosure import hide_subjects
from decnef_data.display.elements import (
    html_link,
    html_page,
    html_properties,
    html_table,
    human_size,
    omitted_note,
    path_html,
)
from decnef_data.model.catalog import Dataset, DataUse, Mirror
from decnef_data.model.data_use import UsePolicy
from decnef_data.model.plans import MirrorCost, Plan, PlannedFile
from decnef_data.model.values import Access, Requirement

__all__ = ["access_html", "catalog_html", "plan_html"]

_MAX_FILES: Final = 20
_STATE_SYMBOLS: Final = {
    "met": "&#10003;",
    "unmet": "&#10007;",
    "pending": "&#8230;",
    "expired": "&#10007;",
    "unknown": "?",
}


def access_html(accesses: Sequence[Access]) -> str:
    """Format the requirements of each dataset and mirror, which are met, and what to do next."""
    parts = tuple(part for access in accesses for part in _access_section(access))
    hint = ("<p>Access to one mirror per dataset is enough.</p>",) if len(accesses) > 1 else ()
    # Once per tier, because all mirrors of a dataset have the same conditions of use.
    tiers = {access.data_use.name: access.data_use for access in accesses if access.data_use is not None}
    use = tuple(part for tier in tiers.values() for part in _data_use_section(tier))
    return html_page((*parts, *use, *hint) if accesses else ("No access information is available.",))


def _access_section(access: Access) -> Iterator[str]:
    yield f"<h4>{escape(access.dataset)} at {escape(access.mirror)}: {_access_status(access)}</h4>"
    yield html_table(
        ("state", "requirement", "next step"),
        (
            (_STATE_SYMBOLS[item.state], _requirement_cell(item), _action_cell(item))
            for item in access.requirements
        ),
    )


def _data_use_section(tier: DataUse) -> Iterator[str]:
    yield f"<h5>Data use: {escape(tier.title)} <span lang='ja'>{escape(tier.title_ja or '')}</span></h5>"
    described = UsePolicy.of(tier).describe()
    yield html_table(("what", "terms"), ((label, escape(text)) for label, text in described))


def _access_status(access: Access) -> str:
    """Return in one or two words whether access is granted."""
    if not access.granted:
        return "not granted"
    # A requirement that cannot be checked from here does not refuse access, but nor is it known to be met.
    return "unknown" if any(item.state == "unknown" for item in access.requirements) else "granted"


def _requirement_cell(item: Requirement) -> str:
    until = f", {item.deadline}" if item.deadline and item.state == "met" else ""
    return f"{escape(item.text)} <span class='still'>({item.state}{until})</span>"


def _action_cell(item: Requirement) -> str:
    # What is met until a deadline keeps its links: it has to be renewed.
    if item.state == "met" and item.deadline is None:
        return ""
    link = html_link(item.url, item.url.removeprefix("https://")) if item.url else ""
    form = html_link(item.form, "form") if item.form else ""
    command = f"<code>{escape(item.command)}</code>" if item.command else ""
    return "<br>".join(part for part in (link, form, command) if part)


def plan_html(plan: Plan) -> str:
    """Format what a request needs and costs."""
    name = escape(plan.selection.dataset)
    source = f"from {escape(plan.mirror)}" if plan.mirror else "no mirror is accessible yet"
    parts = [f"<h4>Plan for {name}: {source}</h4>", html_properties(_plan_rows(plan))]
    if plan.files:
        parts += [
            html_table(
                ("file", "size", "state"), map(_file_row, plan.files[:_MAX_FILES]), ("", "number", "")
            ),
            omitted_note(len(plan.files) - _MAX_FILES, "files"),
        ]
    if plan.mirror_costs:
        head = ("mirror", "download size", "accessible")
        parts += [html_table(head, map(_cost_row, plan.mirror_costs), ("", "number", ""))]
    parts += [f"<p>{escape(mirror)}: {escape(problem)}</p>" for mirror, problem in plan.problems]
    # Only these: a plan is read to see what keeps it from being carried out.
    missing = tuple(access for access in plan.access if not access.granted)
    return html_page((*parts, *(part for access in missing for part in _access_section(access))))


def _plan_rows(plan: Plan) -> Iterator[tuple[str, str]]:
    # Without an accessible mirror a plan has no files, so the size is unknown and not 0.
    yield "to download", human_size(plan.download_size if plan.files else None)
    yield "available locally", human_size(sum(item.file.size or 0 for item in plan.files if item.present))
    if plan.store_size is not None:
        # A limit until it exists, because how far images can be compressed is known afterwards only.
        about = "at most about " if plan.estimated else "" if plan.store_exists else "at most "
        yield "store", f"{about}{human_size(plan.store_size)}"
    yield "free disk space", human_size(plan.free_disk)
    yield "location", path_html(plan.location)


def _cost_row(cost: MirrorCost) -> tuple[str, str, str]:
    about = "" if cost.exact or cost.size is None else "about "
    return escape(cost.mirror), f"{about}{human_size(cost.size)}", "yes" if cost.ready else "no"


def _file_row(planned: PlannedFile) -> tuple[str, str, str]:
    absent = "local, not verified yet" if planned.file.local is not None else "to download"
    return (
        escape(hide_subjects(planned.file.path)),
        human_size(planned.file.size),
        "available locally" if planned.present else absent,
    )


def _japanese_title(dataset: Dataset) -> str:
    return f"<br><span lang='ja'>{escape(dataset.title_ja)}</span>" if dataset.title_ja else ""


def catalog_html(datasets: Iterable[Dataset], mirrors: Sequence[Mirror]) -> str:
    """Format a table with one row per dataset of a catalog."""
    rows = (
        (
            f"<code>{escape(dataset.name)}</code>",
            f"{html_link(dataset.page, dataset.title)}{_japanese_title(dataset)}",
            dataset.level,
            "unknown" if dataset.n_participants is None else f"{dataset.n_participants:,}",
            ", ".join(mirror.name for mirror in mirrors if mirror.find_holding(dataset.name)),
        )
        for dataset in datasets
    )
    head = ("name", "dataset", "access", "participants", "mirrors")
    call = f"decnef_data.access('{examples.CONNECTIVITY}')"
    hint = f"<p>Next: <code>{call}</code> shows what you need for access.</p>"
    return html_page((html_table(head, rows, ("", "", "", "number", "")), hint))
