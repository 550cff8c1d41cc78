"""The commands that look things up: list, info, participants, cite."""

import sys
from typing import Annotated

import typer

import decnef_data
from decnef_data_cli import pages, permits
from decnef_data_cli.options import (
    AcceptTerms,
    AsJson,
    DataDir,
    Diagnoses,
    Group,
    MirrorChoice,
    Name,
    Quiet,
    Sites,
    Subjects,
    chosen,
    progress,
)
from decnef_data_cli.people import people_caption, people_page
from decnef_data_cli.show import draw, emit, note, say

__all__ = ["cite", "info", "list_datasets", "participants"]


def _styles() -> list[str]:
    return ["text", "bibtex", "csl"]


def list_datasets(as_json: AsJson = False) -> None:
    """List the datasets: who may have them, and where they are."""
    records = decnef_data.catalog()
    if as_json:
        emit([pages.dataset_entry(dataset, records.mirrors) for dataset in records.datasets])
    else:
        draw(pages.datasets_table(records))


def info(name: Name, as_json: AsJson = False) -> None:
    """Tell what a dataset is, who holds it and what is published of it."""
    records = decnef_data.catalog()
    dataset = records.dataset(name)
    if as_json:
        held = {mirror.name: mirror.holding(dataset.name) for mirror in records.mirrors}
        emit(pages.dataset_details(dataset, held, records.facts_of(dataset.name)))
    else:
        draw(*pages.dataset_page(dataset, records))


def participants(
    name: Name,
    *,
    group: Group = None,
    site: Sites = None,
    subject: Subjects = None,
    diagnosis: Diagnoses = None,
    mirror: MirrorChoice = "auto",
    data_dir: DataDir = None,
    accept_terms: AcceptTerms = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print every person and column as CSV.")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Show the people of a dataset, fetching it first if it is not here."""
    if accept_terms and not quiet:
        permits.show_terms(name)
    people = decnef_data.participants(
        name,
        group=group,
        subjects=chosen(subject),
        sites=chosen(site),
        diagnoses=chosen(diagnosis),
        mirror=mirror,
        data_dir=data_dir,
        accept_terms=accept_terms,
        progress=progress(quiet),
    )
    if as_csv:
        people.to_csv(sys.stdout, index=False)
    elif as_json:
        say(people.to_json(orient="records", date_format="iso", force_ascii=True, indent=2))
    else:
        draw(*people_page(people))
        if not quiet:
            note(people_caption(people))


def cite(
    name: Name,
    style: Annotated[
        str,
        typer.Option("--style", help="text, bibtex or csl (CSL-JSON).", autocompletion=_styles),
    ] = "text",
) -> None:
    """Print what to cite when using a dataset."""
    say(decnef_data.cite(name, style=style))
