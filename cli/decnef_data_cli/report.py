"""The command that writes a page to look at: report."""

from pathlib import Path
from typing import Annotated

import typer

import decnef_data
from decnef_data_cli.console import print_result
from decnef_data_cli.options import DataDir, MirrorChoice, Name, ProgressChoice, Quiet, progress_kind

__all__ = ["report"]


def report(
    name: Name,
    path: Annotated[Path, typer.Argument(metavar="PAGE", help="The HTML file to write.")],
    *,
    group: Annotated[
        str | None,
        typer.Option("--group", help="The atlas of connectivity; bal140 by default.", show_default=False),
    ] = None,
    individuals: Annotated[
        bool,
        typer.Option("--individuals", help="Add a dot for each person; the page is not to be passed on."),
    ] = False,
    harmonized: Annotated[
        Path | None,
        typer.Option(
            "--harmonized",
            metavar="CUBE",
            help="The Zarr store of the same connectivity after decnef harmonize, to compare site effects.",
            show_default=False,
        ),
    ] = None,
    mirror: MirrorChoice = "auto",
    data_dir: DataDir = None,
    i_may_share: Annotated[
        bool,
        typer.Option(
            "--i-may-share",
            help="Confirm that you may share this page, and allow the checkout of a repository.",
        ),
    ] = False,
    progress: ProgressChoice = "auto",
    quiet: Quiet = False,
) -> None:
    """Write a page about the people, sites, motion, scanners and connectivity of a dataset.

    The page shows numbers of groups and no id. It is one HTML file, which needs no other file.
    """
    page = decnef_data.report(
        name,
        path,
        group=group,
        individuals=individuals,
        harmonized=harmonized,
        mirror=mirror,
        data_dir=data_dir,
        i_may_share=i_may_share,
        progress=progress_kind(quiet, progress),
    )
    print_result(str(page))
