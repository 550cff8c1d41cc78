"""The command that counts participants across datasets: query."""

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

import decnef_data
from decnef_data_cli.console import print_json, print_rich, print_stderr, section, table
from decnef_data_cli.errors import error_exit
from decnef_data_cli.metavars import choices
from decnef_data_cli.options import (
    AsJson,
    DataDir,
    Diagnoses,
    LocalMirror,
    Quiet,
    Sites,
    Subjects,
    dataset_names,
    none_if_empty,
)

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import RenderableType

__all__ = ["query"]

_RANGE = re.compile(r"(?P<low>\d+(?:\.\d+)?)?-(?P<high>\d+(?:\.\d+)?)?")
_UNKNOWN = "unknown"
_SEXES = ("male", "female")
_GRADES: Mapping[str, str] = {
    "A": "two sources or more",
    "B": "one source",
    "C": "inferred",
    "D": "unconfirmed",
}


def query(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME",
            help="Names, aliases or titles of datasets (default: all datasets).",
            autocompletion=dataset_names,
            show_default=False,
        ),
    ] = None,
    *,
    site: Sites = None,
    institute: Annotated[
        list[str] | None,
        typer.Option(
            "--institute",
            help="Only participants of this institute, also where its sites are pooled; may be repeated.",
            show_default=False,
        ),
    ] = None,
    diagnosis: Diagnoses = None,
    subject: Subjects = None,
    sex: Annotated[
        str | None,
        typer.Option(
            "--sex",
            metavar=choices(*_SEXES),
            help="Only participants of this sex.",
            autocompletion=lambda: list(_SEXES),
            show_default=False,
        ),
    ] = None,
    age: Annotated[
        str | None,
        typer.Option(
            "--age",
            metavar="MIN-MAX",
            help="Age range in years, inclusive, for example 20-60, 20- or -60.",
            show_default=False,
        ),
    ] = None,
    max_mean_fd: Annotated[
        float | None,
        typer.Option(
            "--max-mean-fd",
            metavar="MM",
            help="Maximum mean framewise displacement, in mm.",
            show_default=False,
        ),
    ] = None,
    mirror: LocalMirror = "auto",
    data_dir: DataDir = None,
    as_csv: Annotated[
        bool,
        typer.Option("--csv", help="Print the participants as CSV, or the counts if there is no local copy."),
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Count matching participants across datasets: local tables first, catalog counts otherwise.

    Nothing is downloaded; --csv and --json print the participants themselves.
    """
    low, high = _parse_ages(age)
    participants = decnef_data.query(
        none_if_empty(names),
        subjects=none_if_empty(subject),
        sites=none_if_empty(site),
        institutes=none_if_empty(institute),
        diagnoses=none_if_empty(diagnosis),
        sex=sex,
        min_age=low,
        max_age=high,
        max_mean_fd=max_mean_fd,
        mirror=mirror,
        data_dir=data_dir,
    )
    counts = decnef_data.catalog().query(
        none_if_empty(names),
        sites=none_if_empty(site),
        institutes=none_if_empty(institute),
        diagnoses=none_if_empty(diagnosis),
    )
    record_counts = counts[~counts["dataset"].isin(participants.attrs["searched"])]
    filters = {"age": age, "sex": sex, "mean_fd": max_mean_fd, "subject": none_if_empty(subject)}
    unanswered_filters = [name for name, value in filters.items() if value is not None]
    if as_json:
        print_json(
            {
                "participants": _json_rows(participants),
                "records": _json_rows(record_counts),
                "not_in_records": unanswered_filters,
            }
        )
    elif as_csv:
        (participants if participants.attrs["searched"] else record_counts).to_csv(sys.stdout, index=False)
    else:
        print_rich(*_query_page(participants, record_counts))
        if not quiet:
            _print_explanations(record_counts, unanswered_filters)


def _parse_ages(age: str | None) -> tuple[float | None, float | None]:
    """Parse a range of ages in years, either end of which may be omitted.

    Examples
    --------
    >>> _parse_ages("20-60"), _parse_ages("20-"), _parse_ages(None)
    ((20.0, 60.0), (20.0, None), (None, None))
    """
    match = _RANGE.fullmatch(age.strip()) if age is not None else None
    if age is not None and (match is None or not any(match.groups())):
        raise error_exit(2, f"'{age}' is not an age range. Write it as 20-60, 20- or -60.")
    low, high = match.groups() if match else (None, None)
    return float(low) if low else None, float(high) if high else None


def _json_rows(frame: "pd.DataFrame") -> list[dict[str, Any]]:
    """Return rows for JSON, with ``None`` for missing values, because JSON has no NaN."""
    missing = frame.isna()
    rows = frame.astype(object).where(~missing, None)
    return [{str(name): value for name, value in row.items()} for row in rows.to_dict(orient="records")]


def _query_page(participants: "pd.DataFrame", record_counts: "pd.DataFrame") -> "Iterator[RenderableType]":
    from rich.text import Text

    if participants.attrs["searched"]:
        kind = "SYNTHETIC data" if participants.attrs["synthetic"] else "data"
        yield section(f"Local {kind}", _participants_table(participants))
    if len(record_counts):
        yield section("Catalog counts (no local copy)", _records_table(record_counts))
    if not participants.attrs["searched"] and not len(record_counts):
        yield Text("No participants match.")


def _participants_table(participants: "pd.DataFrame") -> "RenderableType":
    """Count by dataset, group, site and diagnosis; a participant is counted once in each group."""
    from rich.text import Text

    if participants.empty:
        return Text("No participants match.")
    # Where a table pools its sites, only the institute is known.
    location = participants["site"].where(participants["site"].ne(""), participants["institute"])
    by = [participants["dataset"], participants["group"], location.rename("place"), participants["diagnosis"]]
    counts = participants.groupby(by, sort=False).size().items()
    rows = ((*map(str, key), f"{number:,}") for key, number in counts if isinstance(key, tuple))
    return table("dataset", "group", "site or institute", "diagnosis", ">participants", rows=rows)


def _records_table(counts: "pd.DataFrame") -> "RenderableType":
    rows = (
        (
            str(count["dataset"]),
            str(count["site"]),
            str(count["diagnosis"]),
            _UNKNOWN if count["n_participants"] is None else f"{count['n_participants']:,}",
            str(count["grade"]),
        )
        for count in _json_rows(counts)
    )
    return table("dataset", "site", "diagnosis", ">participants", "grade", rows=rows)


def _print_explanations(record_counts: "pd.DataFrame", unanswered_filters: Iterable[str]) -> None:
    """Print how reliable the counts are, and which filters they ignore."""
    grades = sorted({grade for grade in record_counts["grade"] if grade})
    if grades:
        print_stderr("Grades: " + ", ".join(f"{grade} = {_GRADES[grade]}" for grade in grades) + ".")
    for dataset, comment in dict.fromkeys(
        zip(record_counts["dataset"], record_counts["comment"], strict=True)
    ):
        if comment:
            print_stderr(f"{dataset}: {comment}.")
    filters = ", ".join(unanswered_filters)
    if filters and len(record_counts):
        print_stderr(
            f"Catalog counts are not filtered by {filters}. Download a dataset to apply every filter to it."
        )
