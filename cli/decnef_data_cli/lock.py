"""The commands that record and compare the exact files of a dataset: lock, diff."""

from typing import TYPE_CHECKING, Annotated

import typer

import decnef_data
from decnef_data_cli.console import print_json, print_result, print_rich
from decnef_data_cli.errors import error_exit
from decnef_data_cli.messages import print_stderr
from decnef_data_cli.options import (
    AsJson,
    DataDir,
    LocalMirror,
    Name,
    Quiet,
    progress_kind,
)
from decnef_data_cli.selection import SelectionArguments, takes_selection

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from decnef_data.model import Comparison

__all__ = ["diff", "lock"]


@takes_selection
def lock(
    name: Name,
    *,
    selection: SelectionArguments,
    split: Annotated[
        str | None,
        typer.Option(
            "--split",
            metavar="HASH",
            help="Hash of a split of the participants, to store in the lock.",
            show_default=False,
        ),
    ] = None,
    mirror: LocalMirror = "auto",
    data_dir: DataDir = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write a lock file with the checksums of the local copy: 'decnef lock NAME > decnef.lock'."""
    result = decnef_data.lock(
        name,
        **selection,
        split=split,
        mirror=mirror,
        data_dir=data_dir,
        progress=progress_kind(quiet),
    )
    if as_json:
        print_json(result)
    else:
        print_result(decnef_data.lock_text(result).rstrip("\n"))  # printing ends the line


def diff(
    first: Annotated[
        str,
        typer.Argument(metavar="A", help="A lock file, or a dataset with a local copy.", show_default=False),
    ],
    second: Annotated[
        str | None,
        typer.Argument(
            metavar="B",
            help="Another lock file or dataset (default: the local copy of the dataset of A).",
            show_default=False,
        ),
    ] = None,
    *,
    mirror: LocalMirror = "auto",
    data_dir: DataDir = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Compare two lock files, or one with the local copy; exits with code 5 if file contents differ."""
    comparison = decnef_data.diff(
        first, second, mirror=mirror, data_dir=data_dir, progress=progress_kind(quiet)
    )
    if as_json:
        print_json(comparison)
    elif comparison.differences:
        print_rich(*_comparison_page(comparison))
    elif not quiet:
        print_stderr(f"'{comparison.first}' and '{comparison.second}' do not differ.")
    if not comparison.same_bytes:
        n_different = sum(difference.bytes_differ for difference in comparison.differences)
        what = "1 file differs" if n_different == 1 else f"{n_different} files differ"
        problem = f"{what} between '{comparison.first}' and '{comparison.second}'."
        remedy = "Run `decnef download NAME --lock FILE` to download the files of a lock file."
        raise error_exit(5, f"{problem} {remedy}")


def _comparison_page(comparison: "Comparison") -> "Iterator[RenderableType]":
    from rich.text import Text

    for difference in comparison.differences:
        yield Text(f"{difference.what} {difference.name}", style="bold")
        for source, value in ((comparison.first, difference.first), (comparison.second, difference.second)):
            yield Text(f"  {source}:", style="dim", no_wrap=True)
            placeholder = "all" if difference.what == "selection" else "missing"
            yield Text(f"    {value or placeholder}", no_wrap=True)
