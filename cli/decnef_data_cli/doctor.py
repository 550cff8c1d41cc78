"""The command that recounts a copy: doctor."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

import decnef_data
from decnef_data_cli.options import AsJson, DataDir, MirrorChoice, Name
from decnef_data_cli.show import draw, emit, section, table

if TYPE_CHECKING:
    from rich.console import RenderableType

    from decnef_data.model import Examination

__all__ = ["doctor"]


def doctor(
    name: Name,
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Show also what is as the records state.")
    ] = False,
    mirror: MirrorChoice = "auto",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Recount your copy from disk, and show where it is not what the records state.

    That is no error: records are graded, from A (two sources or more) to D (unconfirmed); your copy is right.
    """
    found = decnef_data.doctor(name, mirror=mirror, data_dir=data_dir)
    if as_json:
        emit(found)
    else:
        draw(*_page(found, everything=everything))


def _page(found: "Examination", *, everything: bool) -> "Iterator[RenderableType]":
    from rich.text import Text

    shown = found.findings if everything else found.disagreements
    rows = [
        (
            "" if each.agrees else "differs",
            _printable(each.what),
            each.expected,
            _printable(each.found),
            each.grade,
        )
        for each in shown
    ]
    if rows:
        title = f"{found.dataset}, the copy from {found.mirror}"
        yield section(title, table("", "what", "recorded", "found", "grade", rows=rows))
    agreeing = len(found.findings) - len(found.disagreements)
    yield Text(f"{agreeing} of {len(found.findings)} statements are as recorded.")


def _printable(text: str) -> str:
    """Write a file's name without what would move the cursor."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
