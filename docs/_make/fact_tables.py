"""Tables of every value that the catalog states, and of the evidence, for the page of facts."""

from collections.abc import Iterator

from cells import code, format_cell, table

import decnef_data
from decnef_data.model import Evidence, StatedValue

__all__ = ["evidence", "grades", "stated"]

#: A longer text is cut: the command shows all of it.
_MAX_TEXT = 80
_ROLES = {"publisher": "published the data", "holder": "has a copy", "other": "has no copy"}


def stated(section: str) -> str:
    """Return the values of one dataset, or of one kind of record without its dataset."""
    found = [fact for fact in decnef_data.catalog().facts() if _section(fact) == section]
    return table(
        "grade|fact, its value, and how it is known", ((fact.grade, _sentence(fact)) for fact in found)
    )


def _sentence(fact: StatedValue) -> str:
    """Say all of one value in one cell, which wraps on a phone where five columns would leave the screen."""
    stated_as = f"{code(fact.name)}: **{_value(fact)}**"
    meaning = fact.counts.replace("``", "`")
    return "; ".join(
        filter(None, (stated_as, meaning, ", ".join(_basis(fact)) or "no public evidence is known"))
    )


def _section(fact: StatedValue) -> str:
    kind, slash, _ = fact.name.partition("/")
    is_record = bool(slash) and kind != fact.dataset
    return kind if is_record else fact.dataset or "project"


def _value(fact: StatedValue) -> str:
    text = " ".join(format_cell(fact.value).split()).replace("<", "&lt;").replace("`", "")
    short = text if len(text) <= _MAX_TEXT else f"{text[: _MAX_TEXT - 1]}…"
    return f"{short}\N{NO-BREAK SPACE}{fact.unit}" if fact.unit else short


def _basis(fact: StatedValue) -> Iterator[str]:
    for each in fact.evidence:
        yield _link_of(each)
    if fact.formula:
        yield code(fact.formula)
        unnamed = [part for part in fact.parts if part.rpartition(".")[2] not in fact.formula]
        if unnamed:
            yield f"from {', '.join(map(code, unnamed))}"


def _link_of(each: Evidence) -> str:
    url = (each.url or "").replace("(", "%28").replace(")", "%29")
    return f"[{each.key}]({url})"


def grades() -> str:
    """Return how many values have each grade."""
    found = [fact.grade for fact in decnef_data.catalog().facts()]
    return table("grade|>values", ((grade, found.count(grade)) for grade in "ABCD"))


def evidence() -> str:
    """Return every place where somebody states a value in public."""
    rows = ((_link_of(each), _source(each)) for each in decnef_data.catalog().evidence)
    return table("key|owner, address, day of reading and quote", rows)


def _source(each: Evidence) -> str:
    address = each.address.replace("|", r"\|")
    stated_by = f"{each.owner}, who {_ROLES[each.role]}: {address}, read on {each.read.isoformat()}"
    return (
        f"{stated_by}; \N{LEFT DOUBLE QUOTATION MARK}{each.quote}\N{RIGHT DOUBLE QUOTATION MARK}"
        if each.quote
        else stated_by
    )
