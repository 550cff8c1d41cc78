"""The commands that export descriptions of a dataset, a BIDS dataset, or scans as NIfTI files."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

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

if TYPE_CHECKING:
    from decnef_data.model import Export

__all__ = ["DESCRIPTIONS", "bids", "create_description_command", "nifti"]

#: The styles of descriptions, each with the name of its format.
DESCRIPTIONS = {
    "croissant": "MLCommons Croissant 1.0",
    "datapackage": "a Frictionless Data Package",
    "schema.org": "schema.org JSON-LD",
    "dcat": "DCAT JSON-LD",
    "intake": "an Intake 2 catalog",
}

# Without --notrack fMRIPrep reports each run to its developers.
_POOLED = "For pooled analyses, run: fmriprep BIDS OUT participant --ignore slicetiming fieldmaps --notrack"
_SLICE_TIMING = {
    "known": "Slice times are known for some sites only, so correcting for them makes a difference between "
    f"sites. {_POOLED}",
    "inferred": "Slice times are known for some sites, inferred for others, and unknown for the rest, so "
    f"correcting for them makes a difference between sites. {_POOLED}",
    "omit": f"No slice times were written. {_POOLED}",
}


def create_description_command(style: str) -> Callable[[str], None]:
    """Create the command that prints descriptions in `style`."""

    def print_description(name: Name) -> None:
        print_json(decnef_data.export(name, style=style))

    # Typer shows it as the help; an f-string in the place of a docstring is not one.
    print_description.__doc__ = (
        f"Print a description of a dataset as {DESCRIPTIONS[style]} (catalog metadata only, no data)."
    )
    return print_description


@takes_selection
def bids(
    name: Name,
    destination: Annotated[str, typer.Argument(metavar="DEST", help="The folder to write to.")],
    *,
    selection: SelectionArguments,
    slice_timing: Annotated[
        str,
        typer.Option(
            "--slice-timing",
            metavar="CHOICE",
            help="Where slice times are written: known, inferred (interleaved acquisition, too) or omit.",
        ),
    ] = "known",
    no_compress: Annotated[
        bool, typer.Option("--no-compress", help="Write .nii instead of .nii.gz files.")
    ] = False,
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
    """Write scans and tables as a BIDS dataset, for fMRIPrep, MRIQC and pybids."""
    result = decnef_data.export_bids(
        name,
        destination,
        **selection,
        slice_timing=slice_timing,
        compress=not no_compress,
        mirror=mirror,
        data_dir=data_dir,
        accept_terms=accept_terms,
        strict=not skip,
        i_may_share=i_may_share,
        progress=progress_kind(quiet, progress),
    )
    if as_json:
        print_json(result)
        return
    print_result(str(result.folder))
    if not quiet:
        print_stderr(_format_export(result))


def _format_export(result: "Export") -> str:
    existing = f" Skipped {pluralize(result.skipped, 'existing file')}." if result.skipped else ""
    people, runs = pluralize(result.n_participants, "participant"), pluralize(result.n_runs, "run")
    lines = [
        f"Wrote {pluralize(result.written, 'file')}, {human_size(result.size)}.{existing}",
        f"The dataset has {people}: {result.n_subjects} with images, {runs}.",
        _SLICE_TIMING[result.slice_timing],
        "MRIQC sends metrics to a public server without --no-sub.",
    ]
    if result.t1w_only:
        without_run = pluralize(len(result.t1w_only), "participant")
        lines.append(f"{without_run} with a T1 image and no run: {', '.join(result.t1w_only)}")
    return "\n".join(lines)


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
