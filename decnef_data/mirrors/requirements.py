"""The requirements for access to a dataset, from the steps in the records and the states a mirror knows."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal

from decnef_data.errors import SelectionError
from decnef_data.model import Access, AccessStep, Dataset, Holding, Mirror, Requirement

RequirementState = Literal["met", "unmet", "pending", "expired", "unknown"]
#: Steps that a mirror always requires, added if its records do not list them.
_IMPLIED_STEPS: tuple[tuple[Literal["login", "link"], str], ...] = (
    ("login", "Log in."),
    ("link", "Store your personal download link."),
)


def build_access(
    dataset: Dataset,
    mirror: Mirror,
    states: Mapping[str, RequirementState],
    command: str,
    extra: tuple[Requirement, ...] = (),
) -> Access:
    """Build the access value of `dataset` at `mirror`.

    Parameters
    ----------
    dataset, mirror
        The records. The steps of both become requirements, except those of other mirrors.
    states
        The state of each kind of step; a kind that is missing is unknown.
    command
        The command to run next, shown with the unmet requirements that it can meet.
    extra
        Requirements that the mirror itself reports.

    Examples
    --------
    >>> from decnef_data.records import Records
    >>> records = Records.load()
    >>> dataset, mirror = records.dataset("srpbs-fc"), records.mirror("atr")
    >>> build_access(dataset, mirror, {"link": "unmet"}, "decnef login").granted
    False
    """
    steps = (step for step in (*dataset.steps, *mirror.steps) if step.mirror in {None, mirror.name})
    requirements = [_build_requirement(step, states.get(step.kind, "unknown"), command) for step in steps]
    listed_kinds = {requirement.kind for requirement in requirements}
    implied = (
        AccessStep(kind=kind, text=text)
        for kind, text in _IMPLIED_STEPS
        if kind in states and kind not in listed_kinds
    )
    requirements += [_build_requirement(step, states[step.kind], command) for step in implied]
    return Access(dataset.name, mirror.name, dataset.level, (*requirements, *extra))


def _build_requirement(step: AccessStep, state: RequirementState, command: str) -> Requirement:
    # Accounts, applications and approvals are made on web pages, for which there is no command.
    next_command = command if state in {"unmet", "expired"} and step.kind in {"login", "link"} else None
    return Requirement(step.kind, state, step.text, step.url, next_command, form=step.form)


def get_holding(mirror: Mirror, dataset: Dataset) -> Holding:
    """Return the record of `dataset` at `mirror`.

    Raises
    ------
    SelectionError
        The mirror does not have the dataset.
    """
    record = mirror.find_holding(dataset.name)
    if record:
        return record
    known = tuple(sorted(each.dataset for each in mirror.holdings))
    message = (
        f"Mirror '{mirror.name}' does not provide '{dataset.name}'. "
        f"It provides {', '.join(known) or 'no datasets'}."
    )
    raise SelectionError(message, requested=dataset.name, known=known)


def format_age(moment: datetime) -> str:
    """Format how long ago `moment` was, in the largest unit that fits.

    Examples
    --------
    >>> from datetime import timedelta
    >>> format_age(datetime.now(UTC) - timedelta(hours=50))
    '2 days ago'
    """
    # The moment may be one by the clock of a host that is ahead of ours.
    seconds = max(0, int((datetime.now(UTC) - moment).total_seconds()))
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if count := seconds // length:
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"
