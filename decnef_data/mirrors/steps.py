"""What access needs, from the records' steps and what a mirror knows of them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal

from decnef_data.errors import SelectionError
from decnef_data.model import Access, Dataset, Holding, Mirror, Requirement, Step

State = Literal["met", "unmet", "pending", "expired", "unknown"]
#: What a mirror always needs, said even where its records do not.
_GATES: tuple[tuple[Literal["login", "link"], str], ...] = (
    ("login", "Log in."),
    ("link", "Give the personal download link."),
)


def access(
    dataset: Dataset,
    mirror: Mirror,
    states: Mapping[str, State],
    command: str,
    extra: tuple[Requirement, ...] = (),
) -> Access:
    """Make the access value of `dataset` at `mirror`.

    Parameters
    ----------
    dataset, mirror
        Their records; the steps of both, less those of other mirrors, become requirements.
    states
        By kind of step, how it stands; a kind that is not there is unknown.
    command
        What to run next, shown with what is not met and can be met by it.
    extra
        Requirements that the mirror itself names.

    Examples
    --------
    >>> from decnef_data.records import Records
    >>> records = Records.load()
    >>> access(records.dataset("srpbs-fc"), records.mirror("atr"), {"link": "unmet"}, "decnef login").granted
    False
    """
    steps = (step for step in (*dataset.steps, *mirror.steps) if step.mirror in {None, mirror.name})
    listed = [_requirement(step, states.get(step.kind, "unknown"), command) for step in steps]
    told = {requirement.kind for requirement in listed}
    gates = (Step(kind=kind, text=text) for kind, text in _GATES if kind in states and kind not in told)
    listed += [_requirement(step, states[step.kind], command) for step in gates]
    return Access(dataset.name, mirror.name, dataset.level, (*listed, *extra))


def _requirement(step: Step, state: State, command: str) -> Requirement:
    runs = command if state in {"unmet", "expired"} and step.kind in {"login", "link"} else None
    return Requirement(step.kind, state, step.text, step.url, runs)


def holding(mirror: Mirror, dataset: Dataset) -> Holding:
    """Give the record of how `mirror` holds `dataset`.

    Raises
    ------
    SelectionError
        There is none.
    """
    found = mirror.holding(dataset.name)
    if found:
        return found
    known = tuple(sorted(each.dataset for each in mirror.holdings))
    message = (
        f"Mirror '{mirror.name}' does not hold '{dataset.name}'. It holds {', '.join(known) or 'nothing'}."
    )
    raise SelectionError(message, asked=dataset.name, known=known)


def page(dataset: Dataset, mirror: Mirror) -> str:
    """Name the page where access is asked for."""
    return dataset.page if mirror.protocol == "https" else mirror.page or dataset.page


def ago(moment: datetime) -> str:
    """Say how long ago `moment` was, in its largest whole unit.

    Examples
    --------
    >>> from datetime import timedelta
    >>> ago(datetime.now(UTC) - timedelta(hours=50))
    '2 days ago'
    """
    seconds = max(0, int((datetime.now(UTC) - moment).total_seconds()))
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if count := seconds // length:
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"
