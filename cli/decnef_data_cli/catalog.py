"""The commands that show the catalog and the participants: list, info, participants, cite, catalog check."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

import decnef_data
from decnef_data_cli import access, tables
from decnef_data_cli.console import pluralize, print_csv, print_json, print_records, print_result, print_rich
from decnef_data_cli.errors import error_exit, require_rows
from decnef_data_cli.messages import print_stderr
from decnef_data_cli.metavars import choices
from decnef_data_cli.options import (
    AcceptTerms,
    AsJson,
    DataDir,
    MirrorChoice,
    Name,
    Quiet,
    progress_kind,
)
from decnef_data_cli.participants_table import participants_caption, participants_page
from decnef_data_cli.selection import SelectionArguments, describe_sample, takes_selection

__all__ = ["check", "cite", "info", "list_datasets", "participants"]


_CITATION_STYLES = ("text", "bibtex", "csl")


def list_datasets(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List the datasets with what is on this machine, access level, participants and mirrors."""
    records, cached = decnef_data.catalog(), decnef_data.cached_datasets(data_dir=data_dir)
    if as_json:
        print_json([tables.dataset_summary(dataset, records.mirrors, cached) for dataset in records.datasets])
    else:
        print_rich(tables.datasets_table(records, cached))


def info(name: Name, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show a dataset: its description, what is on this machine, mirrors, groups and published figures."""
    records, cached = decnef_data.catalog(), decnef_data.cached_datasets(data_dir=data_dir)
    dataset = records.dataset(name)
    if as_json:
        print_json(tables.dataset_details(dataset, records, cached))
    else:
        print_rich(*tables.dataset_page(dataset, records, cached))


@takes_selection
def participants(
    name: Name,
    *,
    selection: SelectionArguments,
    mirror: MirrorChoice = "auto",
    data_dir: DataDir = None,
    accept_terms: AcceptTerms = False,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Print all participants and all columns as CSV.")
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Show the participants of a dataset, downloading it first if necessary."""
    # Refused first: nothing is downloaded for a table that is not printed.
    advice = f"Run `decnef query {shlex.quote(name)}` for numbers of people"  # a title has blanks
    require_rows("The table of participants has", advice)
    if accept_terms and not quiet:
        access.show_terms(name)
    frame = decnef_data.participants(
        name,
        **selection,
        mirror=mirror,
        data_dir=data_dir,
        accept_terms=accept_terms,
        progress=progress_kind(quiet),
    )
    if as_csv:
        print_csv(frame)
    elif as_json:
        print_records(frame)
    else:
        print_rich(*participants_page(frame))
        if not quiet:
            print_stderr(participants_caption(frame))
            if sample := frame.attrs.get("sample"):
                print_stderr(describe_sample(sample, selection))


def cite(
    name: Name,
    style: Annotated[
        str,
        typer.Option(
            "--style",
            metavar=choices(*_CITATION_STYLES),
            help="Format of the citations; csl is CSL-JSON.",
            autocompletion=lambda: list(_CITATION_STYLES),
        ),
    ] = "text",
) -> None:
    """Print what to cite when using a dataset."""
    print_result(decnef_data.cite(name, style=style))


def check(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="The folder with TOML files.", show_default=False)
    ],
    as_json: AsJson = False,
) -> None:
    """Check the records of your own catalog, with file and line of everything that is wrong."""
    problems = decnef_data.check_catalog(folder)
    if as_json:
        print_json(problems)
    elif problems:
        print_result("\n".join(map(str, problems)))
    if problems:
        raise error_exit(70, f"'{folder}' has {pluralize(len(problems), 'problem')}. Correct the records.")
    print_stderr(f"The records in '{folder}' can be used. Set DECNEF_CATALOG_DIR to the folder.")
