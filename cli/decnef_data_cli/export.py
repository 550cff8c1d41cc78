"""The commands that export descriptions of a dataset from the catalog, or scans as NIfTI files."""

from collections.abc import Callable
from typing import Annotated

import typer

import decnef_data
from decnef_data_cli.console import human_size, pluralize, print_json, print_result
from decnef_data_cli.messages import print_stderr
from decnef_data_cli.options import (
    AcceptTerms,
    AsJson,
    DataDir,
    MirrorChoice,
    Name,
    ProgressChoice,
    Quiet,
    progress_kind,
)
from decnef_data_cli.selection import SelectionArguments, takes_selection

__all__ = ["DESCRIPTIONS", "create_description_command", "nifti"]

#: The styles of descriptions, each with the name of its format.
DESCRIPTIONS = {
    "croissant": "MLCommons Croissant 1.0",
    "datapackage": "a Frictionless Data Package",
    "schema.org": "schema.org JSON-LD",
    "dcat": "DCAT JSON-LD",
    "intake": "an Intake 2 catalog",
}


def create_description_command(style: str) -> Callable[[str], None]:
    """Create the command that prints descriptions in `style`."""

    def print_description(name: Name) -> None:
        print_json(decnef_data.export(name, style=style))

    print_description.__doc__ = (
        f"Print a description of a dataset as {DESCRIPTIONS[style]} (catalog metadata only, no data)."
    )
    return print_description


@takes_selection
def nifti(
    name: Name,
    destination: Annotated[str, typer.Argument(metavar="DEST", help="The folder to write to.")],
    *,
    original: Annotated[
        bool, typer.Option("--original", help="Write the files exactly as they were distributed.")
    ] = False,
    selection: SelectionArguments,
    mirror: MirrorChoice = "auto",
    data_dir: DataDir = None,
    accept_terms: AcceptTerms = False,
    skip: Annotated[
        bool, typer.Option("--skip-unreadable", help="Skip scans that cannot be read, with a warning.")
    ] = False,
    i_may_share: Annotated[
        bool,
        typer.Option(
            "--i-may-share", help="Confirm that you may share these data, and allow any destination."
        ),
    ] = False,
    as_json: AsJson = False,
    progress: ProgressChoice = "auto",
    quiet: Quiet = False,
) -> None:
    """Write scans as NIfTI files: compressed 4-D runs with their repetition time, or the original files."""
    summary = decnef_data.export_nifti(
        name,
        destination,
        original=original,
        **selection,
        mirror=mirror,
        data_dir=data_dir,
        accept_terms=accept_terms,
        strict=not skip,
        i_may_share=i_may_share,
        progress=progress_kind(quiet, progress),
    )
    if as_json:
        print_json(summary)
        return
    print_result(str(summary.folder))
    if quiet:
        return
    existing = f" Skipped {pluralize(summary.skipped, 'existing file')}." if summary.skipped else ""
    print_stderr(f"Wrote {pluralize(summary.written, 'file')}, {human_size(summary.size)}.{existing}")
