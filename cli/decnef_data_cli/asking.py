"""The command that asks across datasets: query."""

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

import decnef_data
from decnef_data_cli.edge import fail
from decnef_data_cli.options import AsJson, DataDir, Diagnoses, MirrorChoice, Quiet, Sites, Subjects, chosen
from decnef_data_cli.show import draw, emit, note, section, table

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import RenderableType

__all__ = ["query"]

_RANGE = re.compile(r"(?P<low>\d+(?:\.\d+)?)?-(?P<high>\d+(?:\.\d+)?)?")
_UNKNOWN = "unknown"


def query(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...",
            help="Datasets, by name, alias or title; all of them if left out.",
            autocompletion=lambda: [(found.name, found.title) for found in decnef_data.catalog().datasets],
            show_default=False,
        ),
    ] = None,
    *,
    site: Sites = None,
    institute: Annotated[
        list[str] | None,
        typer.Option(
            "--institute",
            help="Only people of this institute, known where sites are pooled; may be repeated.",
            show_default=False,
        ),
    ] = None,
    diagnosis: Diagnoses = None,
    subject: Subjects = None,
    sex: Annotated[str | None, typer.Option("--sex", help="male or female.", show_default=False)] = None,
    age: Annotated[
        str | None,
        typer.Option(
            "--age",
            metavar="FROM-TO",
            help="Years, for example 20-60, 20- or -60; both ends are in.",
            show_default=False,
        ),
    ] = None,
    max_mean_fd: Annotated[
        float | None,
        typer.Option("--max-mean-fd", help="Largest mean framewise displacement, in mm.", show_default=False),
    ] = None,
    mirror: MirrorChoice = "auto",
    data_dir: DataDir = None,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Print people, or where no dataset is here counts, as CSV.")
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Count who fits, across datasets: from your tables, and else from the records alone.

    Nothing is fetched; --csv and --json give the people themselves.
    """
    low, high = _ages(age)
    people = decnef_data.query(
        chosen(names),
        subjects=chosen(subject),
        sites=chosen(site),
        institutes=chosen(institute),
        diagnoses=chosen(diagnosis),
        sex=sex,
        min_age=low,
        max_age=high,
        max_mean_fd=max_mean_fd,
        mirror=mirror,
        data_dir=data_dir,
    )
    counts = decnef_data.catalog().query(
        chosen(names), sites=chosen(site), institutes=chosen(institute), diagnoses=chosen(diagnosis)
    )
    elsewhere = counts[~counts["dataset"].isin(people.attrs["asked"])]
    given = {"age": age, "sex": sex, "mean_fd": max_mean_fd, "subject": chosen(subject)}
    unanswered = [name for name, value in given.items() if value is not None]
    if as_json:
        emit({"people": _rows(people), "records": _rows(elsewhere), "not_in_records": unanswered})
    elif as_csv:
        (people if people.attrs["asked"] else elsewhere).to_csv(sys.stdout, index=False)
    else:
        draw(*_page(people, elsewhere))
        if not quiet:
            _explain(elsewhere, unanswered)


def _ages(age: str | None) -> tuple[float | None, float | None]:
    """Read a range of years, either end of which may be left out.

    Examples
    --------
    >>> _ages("20-60"), _ages("20-"), _ages(None)
    ((20.0, 60.0), (20.0, None), (None, None))
    """
    found = _RANGE.fullmatch(age.strip()) if age is not None else None
    if age is not None and (found is None or not any(found.groups())):
        raise fail(2, f"'{age}' is no range of ages. Write it as 20-60, 20- or -60.")
    low, high = found.groups() if found else (None, None)
    return float(low) if low else None, float(high) if high else None


def _rows(frame: "pd.DataFrame") -> list[dict[str, Any]]:
    """Make rows for JSON, which knows no missing number."""
    missing = frame.isna()
    rows = frame.astype(object).where(~missing, None)
    return [{str(name): value for name, value in row.items()} for row in rows.to_dict(orient="records")]


def _page(people: "pd.DataFrame", elsewhere: "pd.DataFrame") -> "Iterator[RenderableType]":
    from rich.text import Text

    if people.attrs["asked"]:
        kind = "SYNTHETIC tables" if people.attrs["synthetic"] else "tables"
        yield section(f"In the {kind} on this machine", _people_table(people))
    if len(elsewhere):
        yield section("From the records alone; not on this machine", _records_table(elsewhere))
    if not people.attrs["asked"] and not len(elsewhere):
        yield Text("Nobody fits.")


def _people_table(people: "pd.DataFrame") -> "RenderableType":
    """Count by dataset, group, place and diagnosis; a person stands once in each group."""
    from rich.text import Text

    if people.empty:
        return Text("Nobody fits.")
    # Where a table pools its sites, its institute is the place.
    place = people["site"].where(people["site"].ne(""), people["institute"])
    by = [people["dataset"], people["group"], place.rename("place"), people["diagnosis"]]
    counted = people.groupby(by, sort=False).size().items()
    rows = ((*map(str, key), f"{number:,}") for key, number in counted if isinstance(key, tuple))
    return table("dataset", "group", "site or institute", "diagnosis", ">people", rows=rows)


def _records_table(counts: "pd.DataFrame") -> "RenderableType":
    rows = (
        (
            str(count["dataset"]),
            str(count["site"]),
            str(count["diagnosis"]),
            _UNKNOWN if count["people"] is None else f"{count['people']:,}",
            str(count["grade"]),
        )
        for count in _rows(counts)
    )
    return table("dataset", "site", "diagnosis", ">people", "grade", rows=rows)


_GRADES: Mapping[str, str] = {
    "A": "two sources or more",
    "B": "one source",
    "C": "inferred",
    "D": "unconfirmed",
}


def _explain(elsewhere: "pd.DataFrame", unanswered: Iterable[str]) -> None:
    """Say how sure the numbers are, and what they do not tell."""
    grades = sorted({grade for grade in elsewhere["grade"] if grade})
    if grades:
        note("Grades: " + ", ".join(f"{grade} {_GRADES[grade]}" for grade in grades) + ".")
    for dataset, comment in dict.fromkeys(zip(elsewhere["dataset"], elsewhere["comment"], strict=True)):
        if comment:
            note(f"{dataset}: {comment}.")
    asked = ", ".join(unanswered)
    if asked and len(elsewhere):
        note(
            f"The records cannot tell {asked}: their numbers count people of any. Fetch a dataset to ask it."
        )
