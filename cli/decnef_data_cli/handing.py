"""The commands that hand on: descriptions of a dataset from the records, and scans as NIfTI files."""

from collections.abc import Callable
from typing import Annotated

import typer

import decnef_data
from decnef_data_cli.options import (
    AcceptTerms,
    AsJson,
    DataDir,
    Diagnoses,
    Group,
    MirrorChoice,
    Modalities,
    Name,
    Progressing,
    Quiet,
    Sites,
    Subjects,
    chosen,
)
from decnef_data_cli.options import progress as told
from decnef_data_cli.show import emit, human_size, note, say

__all__ = ["DESCRIPTIONS", "describing", "nifti"]

#: What descriptions can be written, and what each is.
DESCRIPTIONS = {
    "croissant": "MLCommons Croissant 1.0",
    "datapackage": "a Frictionless data package",
    "schema.org": "schema.org in JSON-LD",
    "dcat": "DCAT in JSON-LD",
    "intake": "a catalog of intake 2",
}


def describing(style: str) -> Callable[[str], None]:
    """Make the command that prints one kind of description."""

    def described(name: Name) -> None:
        emit(decnef_data.export(name, style=style))

    described.__doc__ = (
        f"Print a description of a dataset, from the records, as {DESCRIPTIONS[style]}: no data go in."
    )
    return described


def nifti(
    name: Name,
    destination: Annotated[
        str, typer.Argument(metavar="DEST", help="The folder to write to, on this machine.")
    ],
    *,
    original: Annotated[
        bool, typer.Option("--original", help="The files as they were distributed, bit for bit.")
    ] = False,
    group: Group = None,
    site: Sites = None,
    subject: Subjects = None,
    diagnosis: Diagnoses = None,
    modality: Modalities = None,
    mirror: MirrorChoice = "auto",
    data_dir: DataDir = None,
    accept_terms: AcceptTerms = False,
    skip: Annotated[
        bool, typer.Option("--skip-unreadable", help="Leave out, with a warning, what cannot be read.")
    ] = False,
    i_may_share: Annotated[
        bool, typer.Option("--i-may-share", help="I may pass these data on: write them anywhere.")
    ] = False,
    as_json: AsJson = False,
    progress: Progressing = "auto",
    quiet: Quiet = False,
) -> None:
    """Write scans as NIfTI files: compressed 4-D runs with their repetition time, or the original files."""
    made = decnef_data.export_nifti(
        name,
        destination,
        original=original,
        group=group,
        subjects=chosen(subject),
        sites=chosen(site),
        diagnoses=chosen(diagnosis),
        modalities=chosen(modality),
        mirror=mirror,
        data_dir=data_dir,
        accept_terms=accept_terms,
        strict=not skip,
        i_may_share=i_may_share,
        progress=told(quiet, progress),
    )
    if as_json:
        emit(made)
        return
    say(str(made.folder))
    if quiet:
        return
    kept = f" {made.kept} were there already." if made.kept else ""
    note(f"{made.written} files were written, {human_size(made.size)}.{kept}")
