"""The command that counts participants across datasets: query."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

import decnef_data
from decnef_data_cli.completion import dataset_names
from decnef_data_cli.console import print_csv, print_json, print_rich, section, table
from decnef_data_cli.errors import require_rows
from decnef_data_cli.messages import print_stderr
from decnef_data_cli.options import AsJson, DataDir, LocalMirror, Quiet, none_if_empty
from decnef_data_cli.selection import (
    SelectionArguments,
    describe_sample,
    given_options,
    takes_selection,
)

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import RenderableType

__all__ = ["query"]

_UNKNOWN = "unknown"
#: The criteria that the catalog counts by.
_COUNTED = frozenset({"sites", "institutes", "diagnoses"})
_GRADES: Mapping[str, str] = {
    "A": "stated by the publisher, or by two owners of whom one has the data",
    "B": "stated by one owner",
    "C": "follows from other values",
    "D": "no evidence",
}


@takes_selection
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
    selection: SelectionArguments,
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
    datasets = none_if_empty(names)
    # The page has numbers of people and no rows, and is always shown.
    if as_csv or as_json:
        require_rows("The output of --csv or --json has", "Leave the option out")
    participants = decnef_data.query(datasets, **selection, mirror=mirror, data_dir=data_dir)
    counts = _count_in_records(datasets, selection)
    # A dataset with a local table is not counted a second time.
    record_counts = counts[~counts["dataset"].isin(participants.attrs["searched"])]
    ignored = {name: option for name, option in given_options(selection).items() if name not in _COUNTED}
    sample = participants.attrs.get("sample")
    if as_json:
        print_json(
            {
                "participants": _json_rows(participants),
                "records": _json_rows(record_counts),
                "not_in_records": list(ignored),
                **({"sample": sample} if sample else {}),
            }
        )
    elif as_csv:
        # One table with one header: the participants, or else the counts.
        print_csv(participants if participants.attrs["searched"] else record_counts)
    else:
        print_rich(*_query_page(participants, record_counts))
        if not quiet:
            if sample:
                print_stderr(describe_sample(sample, selection))
            _print_explanations(record_counts, ignored.values())


def _count_in_records(datasets: list[str] | None, selection: SelectionArguments) -> "pd.DataFrame":
    return decnef_data.catalog().query(
        datasets,
        sites=selection["sites"],
        institutes=selection["institutes"],
        diagnoses=selection["diagnoses"],
    )


def _json_rows(frame: "pd.DataFrame") -> list[dict[str, Any]]:
    """Return rows for JSON, with ``None`` for missing values, because JSON has no NaN."""
    missing = frame.isna()
    # A column of floats would turn None into NaN again.
    rows = frame.astype(object).where(~missing, None)
    return [{str(name): value for name, value in row.items()} for row in rows.to_dict(orient="records")]


def _query_page(participants: "pd.DataFrame", record_counts: "pd.DataFrame") -> "Iterator[RenderableType]":
    from rich.text import Text

    if participants.attrs["searched"]:
        kind = "SYNTHETIC data" if participants.attrs.get("synthetic") else "data"
        yield section(f"Local {kind}", _participants_table(participants))
    if len(record_counts):
        yield section("Catalog counts (no local copy)", _records_table(record_counts))
    if not participants.attrs["searched"] and not len(record_counts):
        yield Text("No participants match.")


def _participants_table(participants: "pd.DataFrame") -> "RenderableType":
    """Return the numbers by dataset, group, site and diagnosis."""
    from rich.text import Text

    if participants.empty:
        return Text("No participants match.")
    rows = decnef_data.count_participants(participants).itertuples(index=False)
    return table("!dataset", "!group", "site or institute", "diagnosis", ">participants", rows=rows)


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
    return table("!dataset", "!site", "!diagnosis", ">participants", "grade", rows=rows)


def _print_explanations(record_counts: "pd.DataFrame", ignored_options: Iterable[str]) -> None:
    """Print how reliable the counts are, and which options they ignore."""
    grades = sorted({grade for grade in record_counts["grade"] if grade})
    if grades:
        print_stderr("Grades: " + ", ".join(f"{grade} = {_GRADES[grade]}" for grade in grades) + ".")
    for dataset, comment in dict.fromkeys(
        zip(record_counts["dataset"], record_counts["comment"], strict=True)
    ):
        if comment:
            print_stderr(f"{dataset}: {comment}.")
    options = ", ".join(ignored_options)
    if options and len(record_counts):
        print_stderr(f"Catalog counts ignore {options}. Download a dataset to apply every option to it.")
