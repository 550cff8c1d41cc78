"""The commands by which a result names its data, and gets the same again: lock, diff."""

from typing import TYPE_CHECKING, Annotated

import typer

import decnef_data
from decnef_data_cli.edge import fail
from decnef_data_cli.options import (
    AsJson,
    DataDir,
    Diagnoses,
    Group,
    MirrorChoice,
    Modalities,
    Name,
    Quiet,
    Sites,
    Subjects,
    chosen,
    progress,
)
from decnef_data_cli.show import draw, emit, note, say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from decnef_data.model import Comparison

__all__ = ["diff", "lock"]


def lock(
    name: Name,
    *,
    group: Group = None,
    site: Sites = None,
    subject: Subjects = None,
    diagnosis: Diagnoses = None,
    modality: Modalities = None,
    split: Annotated[
        str | None,
        typer.Option("--split", help="A hash that names a split of the people.", show_default=False),
    ] = None,
    mirror: MirrorChoice = "auto",
    data_dir: DataDir = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """State which bytes the dataset is that is here: 'decnef lock NAME > decnef.lock'."""
    stated = decnef_data.lock(
        name,
        group=group,
        subjects=chosen(subject),
        sites=chosen(site),
        diagnoses=chosen(diagnosis),
        modalities=chosen(modality),
        split=split,
        mirror=mirror,
        data_dir=data_dir,
        progress=progress(quiet),
    )
    if as_json:
        emit(stated)
    else:
        say(decnef_data.lock_text(stated).rstrip("\n"))


def diff(
    first: Annotated[
        str, typer.Argument(metavar="A", help="A lock, or a dataset that is here.", show_default=False)
    ],
    second: Annotated[
        str | None,
        typer.Argument(
            metavar="B",
            help="Another, or a dataset; what is here of A's dataset if left out.",
            show_default=False,
        ),
    ] = None,
    *,
    mirror: MirrorChoice = "auto",
    data_dir: DataDir = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Compare two locks, or a lock with what is here; other bytes end with code 5."""
    found = decnef_data.diff(first, second, mirror=mirror, data_dir=data_dir, progress=progress(quiet))
    if as_json:
        emit(found)
    elif found.differences:
        draw(*_page(found))
    elif not quiet:
        note(f"'{found.first}' and '{found.second}' are the same.")
    if not found.same_bytes:
        bad = sum(difference.bytes_differ for difference in found.differences)
        what = "1 file differs" if bad == 1 else f"{bad} files differ"
        where = f"{what} between '{found.first}' and '{found.second}'."
        raise fail(5, f"{where} Run `decnef download NAME --frozen LOCK` for the files of a lock.")


def _page(found: "Comparison") -> "Iterator[RenderableType]":
    from rich.text import Text

    for difference in found.differences:
        yield Text(f"{difference.what} {difference.name}", style="bold")
        for place, value in ((found.first, difference.first), (found.second, difference.second)):
            yield Text(f"  {place}:", style="dim", no_wrap=True)
            absent = "all" if difference.what == "selection" else "not there"
            yield Text(f"    {value or absent}", no_wrap=True)
