"""The page of a plan: the files a request needs, its download size, time and disk space."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from decnef_data_cli.console import MAX_ROWS, grid, human_size, human_time, section, table, table_title
from decnef_data_cli.tables import describe_sampling, requirement_rows

if TYPE_CHECKING:
    from rich.console import RenderableType

    from decnef_data.model import MirrorCost, Plan, PlannedFile, Selection

__all__ = ["plan_page"]

#: Download rates of a slow and a fast connection, in MB/s.
_RATES = (2, 50)


def plan_page(plan: "Plan") -> "Iterator[RenderableType]":
    """Yield the page that describes what a download would do."""
    from rich.text import Text

    yield grid(_plan_lines(plan))
    yield Text()
    if plan.files:
        shown = plan.files[:MAX_ROWS]
        yield section(table_title("Files", plan.files), _planned_files_table(shown))
    if plan.mirror_costs:
        yield table("!mirror", ">download size", "accessible", rows=map(_cost_row, plan.mirror_costs))
        yield Text()
    for mirror, problem in plan.problems:
        yield Text(f"{mirror}: {problem}")
    yield from _missing_access(plan)


def _missing_access(plan: "Plan") -> "Iterator[RenderableType]":
    """Yield the missing requirements by mirror; the mirrors are alternatives for the same data."""
    from rich.text import Text

    alternatives = [access for access in plan.access if not access.granted]
    if len(alternatives) > 1:
        yield Text("Access to one of these mirrors is enough.\n")
    for access in alternatives:
        steps = (row for item in access.requirements if item.missing for row in requirement_rows(item))
        yield section(f"Missing at {access.mirror}", grid(steps))


def _planned_files_table(files: "Sequence[PlannedFile]") -> "RenderableType":
    rows = [(item.file.path, human_size(item.file.size), _file_state(item)) for item in files]
    if all(item.members is None for item in files):
        return table("file", ">size", "state", rows=rows)
    members = ("" if item.members is None else f"{item.members:,}" for item in files)
    full = ((path, size, count, state) for (path, size, state), count in zip(rows, members, strict=True))
    return table("file", ">size", ">members", "state", rows=full)


def _cost_row(cost: "MirrorCost") -> tuple[str, str, str]:
    about = "" if cost.exact or cost.size is None else "about "
    return cost.mirror, f"{about}{human_size(cost.size)}", "yes" if cost.ready else "no"


def _plan_lines(plan: "Plan") -> Iterator[tuple[str, str]]:
    yield "dataset", plan.selection.dataset
    if plan.selection.is_subset:
        yield "selection", "; ".join(_describe_selection(plan.selection))
    yield "mirror", plan.mirror or "none accessible yet"
    yield "location", str(plan.location)
    yield "size", human_size(plan.size if plan.files else None)
    yield "to download", human_size(plan.download_size if plan.files else None)
    if plan.files and plan.download_size:
        yield "time", ", ".join(_format_time(plan, rate) for rate in _RATES)
    if plan.partial_size:
        yield "partial", f"{human_size(plan.partial_size)} already downloaded, will be resumed"
    if plan.store_size is not None:
        yield "store", _describe_store(plan, plan.store_size)
    if plan.required_disk is not None and plan.files:
        about = "at most about " if plan.estimated else ""
        yield "required disk space", f"{about}{human_size(plan.required_disk)}, including the store"
    yield "free disk space", human_size(plan.free_disk)


def _describe_selection(selection: "Selection") -> Iterator[str]:
    yield from selection.describe()
    if selection.n_subjects is not None:
        yield f"sample of {describe_sampling(selection.n_subjects, selection.stratify, selection.seed)}"


def _format_time(plan: "Plan", rate: int) -> str:
    return f"{human_time(plan.download_seconds(rate * 1e6) or 0)} at {rate} MB/s"


def _describe_store(plan: "Plan", size: int) -> str:
    if plan.estimated:
        return f"at most about {human_size(size)}; exactly known once the archive is read"
    if plan.store_exists:
        return f"{human_size(size)}, available locally"
    return f"at most {human_size(size)}, created when the data are first opened"


def _file_state(planned: "PlannedFile") -> str:
    if planned.present:
        return "available locally"
    return "local, not verified yet" if planned.file.local is not None else "to download"
