"""Every value that the catalog states, by name, with its grade and what that follows from."""

from collections.abc import Iterable, Iterator

from decnef_data.errors import SelectionError
from decnef_data.model import Evidence, GradedRecord, StatedValue
from decnef_data.records.load import RecordEntry
from decnef_data.records.names import normalize_name
from decnef_data.records.stated_values import list_parts, list_values

_GRADES = ("A", "B", "C", "D")


def list_facts(
    records: Iterable[tuple[str, GradedRecord]], evidence: Iterable[Evidence]
) -> Iterator[StatedValue]:
    """Yield the values that records state, each record with its kind.

    Examples
    --------
    >>> from decnef_data.model import Site
    >>> site = Site(code="XYZ", name="Example Hospital", institute="ExampleU")
    >>> [(fact.name, fact.value, fact.grade) for fact in list_facts([("sites", site)], [])]
    [('sites/XYZ.name', 'Example Hospital', 'D'), ('sites/XYZ.institute', 'ExampleU', 'D')]
    """
    by_key = {each.key: each for each in evidence}
    for part in list_parts(RecordEntry(kind, record, "", "$") for kind, record in records):
        yield from list_values(part, by_key)


def find_fact(facts: Iterable[StatedValue], name: str) -> StatedValue:
    """Return the value with a name.

    Raises
    ------
    SelectionError
        There is no such value; the message suggests the nearest.
    """
    by_name = {normalize_name(fact.name): fact for fact in facts}
    normalized = normalize_name(name)
    if normalized in by_name:
        return by_name[normalized]
    from difflib import get_close_matches  # only an unknown name needs it

    near = get_close_matches(normalized, by_name, n=1)
    # There are too many names to list.
    advice = (
        f"Did you mean '{by_name[near[0]].name}'?"
        if near
        else "Run `decnef_data.catalog().facts()` to list all names."
    )
    names = tuple(fact.name for fact in by_name.values())
    raise SelectionError(f"There is no fact '{name}'. {advice}", requested=name, known=names)


def require_grade(grade: str) -> str:
    """Return a grade in its standard spelling.

    Raises
    ------
    SelectionError
        There is no such grade.
    """
    if grade.upper() not in _GRADES:
        message = f"There is no grade '{grade}'. Valid grades: {', '.join(map(repr, _GRADES))}."
        raise SelectionError(message, requested=grade, known=_GRADES)
    return grade.upper()
