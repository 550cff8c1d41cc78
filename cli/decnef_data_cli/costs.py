"""What a plan looks like to a person: what a request needs, moves and costs."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from decnef_data_cli.pages import steps_rows
from decnef_data_cli.show import SHOWN, grid, human_size, human_time, section, some, table

if TYPE_CHECKING:
    from rich.console import RenderableType

    from decnef_data.model import Offer, Plan, PlannedFile

__all__ = ["plan_page"]

#: Megabytes a second that a slow line and a fast one bring.
_RATES = (2, 50)


def plan_page(plan: "Plan") -> "Iterator[RenderableType]":
    """Show what a download would do."""
    from rich.text import Text

    yield grid(_plan_lines(plan))
    yield Text()
    if plan.files:
        shown = plan.files[:SHOWN]
        yield section(some("Files", plan.files), _planned_table(shown))
    if plan.offers:
        yield table("mirror", ">would move", "can be asked", rows=map(_offer, plan.offers))
        yield Text()
    for mirror, problem in plan.problems:
        yield Text(f"{mirror}: {problem}")
    yield from _missing_ways(plan)


def _missing_ways(plan: "Plan") -> "Iterator[RenderableType]":
    """Show what is missing, mirror by mirror: they are ways to the same data."""
    from rich.text import Text

    ways = [access for access in plan.access if not access.granted]
    if len(ways) > 1:
        yield Text("One of these ways is enough.\n")
    for access in ways:
        steps = (row for item in access.requirements if item.missing for row in steps_rows(item))
        yield section(f"Missing at {access.mirror}", grid(steps))


def _planned_table(files: "Sequence[PlannedFile]") -> "RenderableType":
    rows = [(item.file.path, human_size(item.file.size), _whereabouts(item)) for item in files]
    if all(item.members is None for item in files):
        return table("file", ">size", "state", rows=rows)
    members = ("" if item.members is None else f"{item.members:,}" for item in files)
    full = ((path, size, count, state) for (path, size, state), count in zip(rows, members, strict=True))
    return table("file", ">size", ">members", "state", rows=full)


def _offer(offer: "Offer") -> tuple[str, str, str]:
    about = "" if offer.exact or offer.size is None else "about "
    return offer.mirror, f"{about}{human_size(offer.size)}", "yes" if offer.ready else "not yet"


def _plan_lines(plan: "Plan") -> Iterator[tuple[str, str]]:
    yield "dataset", plan.selection.dataset
    yield "mirror", plan.mirror or "none can give it yet"
    yield "kept in", str(plan.location)
    yield "size", human_size(plan.size if plan.files else None)
    yield "to fetch", human_size(plan.to_fetch if plan.files else None)
    if plan.files and plan.to_fetch:
        yield "time", ", ".join(_time(plan, rate) for rate in _RATES)
    if plan.begun:
        yield "begun", f"{human_size(plan.begun)} of it are here, and are resumed"
    if plan.store is not None:
        yield "store", _store(plan, plan.store)
    if plan.on_disk is not None and plan.files:
        about = "at most about " if plan.estimated else ""
        yield "on disk", f"{about}{human_size(plan.on_disk)} more, with the store"
    yield "free disk", human_size(plan.free_disk)


def _time(plan: "Plan", rate: int) -> str:
    return f"{human_time(plan.seconds(rate * 1e6) or 0)} at {rate} MB/s"


def _store(plan: "Plan", size: int) -> str:
    if plan.estimated:
        return f"at most about {human_size(size)}; the archive has to be read to know"
    if plan.stored:
        return f"{human_size(size)}, here"
    return f"at most {human_size(size)}, made when first opened"


def _whereabouts(planned: "PlannedFile") -> str:
    if planned.present:
        return "here"
    return "on this machine" if planned.file.local is not None else "to fetch"
