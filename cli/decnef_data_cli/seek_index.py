"""The commands that export and import the seek index of an archive of images: seek-index."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import decnef_data
from decnef_data_cli.console import human_size, pluralize, print_json, print_result
from decnef_data_cli.messages import print_stderr
from decnef_data_cli.options import (
    AcceptTerms,
    AsJson,
    DataDir,
    LocalMirror,
    MirrorChoice,
    Name,
    ProgressChoice,
    Quiet,
    progress_kind,
)

if TYPE_CHECKING:
    from decnef_data.model import SeekIndexSummary

__all__ = ["export_file", "import_file"]


def export_file(
    name: Name,
    destination: Annotated[str, typer.Argument(metavar="FILE", help="The file to write, such as open.idx.")],
    *,
    mirror: LocalMirror = "auto",
    data_dir: DataDir = None,
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
    """Write the list of scans and the seek points of an archive, for people with their own access to it.

    The file has bytes of images. Protect it like the data.
    """
    summary = decnef_data.export_seek_index(
        name,
        destination,
        mirror=mirror,
        data_dir=data_dir,
        i_may_share=i_may_share,
        progress=progress_kind(quiet, progress),
    )
    if as_json:
        print_json(summary)
        return
    print_result(str(summary.path))
    if quiet:
        return
    print_stderr(f"Wrote the seek index of {_describe(summary)}, {human_size(summary.size)}.")
    if not summary.synthetic:
        print_stderr("It has bytes of images: protect it like the data, and delete it with them.")
    if not summary.per_scan:
        print_stderr(
            "The archive was not kept, so there is no point for each scan: "
            "a first scan downloads up to 32 MB more than it needs."
        )


def import_file(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="The file that somebody exported.")],
    *,
    mirror: MirrorChoice = "auto",
    data_dir: DataDir = None,
    accept_terms: AcceptTerms = False,
    as_json: AsJson = False,
    progress: ProgressChoice = "auto",
    quiet: Quiet = False,
) -> None:
    """Open scans of an archive with the seek index that somebody exported, from your own link or copy.

    Only the tables are downloaded now, and later the parts of the archive with the scans that you select.
    """
    summary = decnef_data.import_seek_index(
        path,
        mirror=mirror,
        data_dir=data_dir,
        accept_terms=accept_terms,
        progress=progress_kind(quiet, progress),
    )
    if as_json:
        print_json(summary)
        return
    print_result(summary.dataset)
    if not quiet:
        print_stderr(f"Imported the seek index of {_describe(summary)}.")
        print_stderr(f"Run `decnef participants {summary.dataset}` to see who is in it.")


def _describe(summary: "SeekIndexSummary") -> str:
    kind = "SYNTHETIC " if summary.synthetic else ""
    size = human_size(summary.archive_size)
    return f"{kind}'{summary.archive}' ({size}) with {pluralize(summary.n_scans, 'scan')}"
