"""The command that shows every value of the catalog with its grade and evidence: facts."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

import decnef_data
from decnef_data_cli.completion import dataset_names, fact_names
from decnef_data_cli.console import grid, print_json, print_rich, section, shorten_digests, table
from decnef_data_cli.metavars import choices
from decnef_data_cli.options import AsJson, none_if_empty

if TYPE_CHECKING:
    from rich.console import RenderableType

    from decnef_data.model import Evidence, StatedValue

__all__ = ["facts"]

_GRADES = ("A", "B", "C", "D")
_ROLES = {"publisher": "published the data", "holder": "has a copy of the data", "other": "has no copy"}
#: A longer text is cut in a table; ``--why`` and ``--json`` have all of it.
_MAX_TEXT = 60


def facts(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME",
            help="Names, aliases or titles of datasets (default: all values).",
            autocompletion=dataset_names,
            show_default=False,
        ),
    ] = None,
    *,
    why: Annotated[
        str | None,
        typer.Option(
            "--why",
            metavar="FACT",
            help="Show one value, and what its grade follows from.",
            autocompletion=fact_names,
        ),
    ] = None,
    grade: Annotated[
        str | None,
        typer.Option(
            "--grade",
            metavar=choices(*_GRADES),
            help="Show only the values of a grade.",
            autocompletion=lambda: list(_GRADES),
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what the catalog states, how reliable it is, and who says so."""
    records = decnef_data.catalog()
    if why is not None:
        fact = records.fact(why)
        parts = [records.fact(part) for part in fact.parts]
        if as_json:
            print_json({"fact": fact, "parts": parts})
        else:
            print_rich(*_fact_page(fact, parts))
        return
    found = records.facts(none_if_empty(names), grade=grade)
    if as_json:
        print_json(found)
    else:
        print_rich(_facts_table(found))


def _facts_table(facts: "Iterable[StatedValue]") -> "RenderableType":
    rows = ((fact.name, _shorten(_format_value(fact)), fact.grade, fact.counts) for fact in facts)
    return table("fact", "value", "!grade", "meaning", rows=rows)


def _fact_page(fact: "StatedValue", parts: "Iterable[StatedValue]") -> "Iterator[RenderableType]":
    yield section(fact.name, grid(_fact_lines(fact)))
    for evidence in fact.evidence:
        yield section("Evidence", grid(_evidence_lines(evidence)))
    if fact.formula:
        yield section(f"Formula: {fact.formula}", _facts_table(parts))


def _fact_lines(fact: "StatedValue") -> Iterator[tuple[str, str]]:
    yield "value", _format_value(fact)
    yield "meaning", fact.counts
    if fact.dataset:
        yield "dataset", fact.dataset
    yield "grade", f"{fact.grade}. {fact.rule}"


def _evidence_lines(evidence: "Evidence") -> Iterator[tuple[str, str]]:
    yield "owner", f"{evidence.owner} ({_ROLES[evidence.role]})"
    yield "address", evidence.address
    yield "read", evidence.read.isoformat()
    if evidence.quote is not None:
        yield "quote", evidence.quote


def _format_value(fact: "StatedValue") -> str:
    if isinstance(fact.value, bool):  # an int, too, which would be printed as 1
        return "yes" if fact.value else "no"
    value = f"{fact.value:,}" if isinstance(fact.value, int | float) else fact.value.strip()
    return f"{value} {fact.unit}" if fact.unit else value


def _shorten(text: str) -> str:
    line = shorten_digests(" ".join(text.split()))
    return line if len(line) <= _MAX_TEXT else f"{line[: _MAX_TEXT - 1]}…"
