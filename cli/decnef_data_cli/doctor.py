"""The command that checks a local copy against the catalog: doctor."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

import decnef_data
from decnef_data_cli.console import print_json, print_rich, replace_unprintable, section, table
from decnef_data_cli.options import AsJson, DataDir, MirrorChoice, Name

if TYPE_CHECKING:
    from rich.console import RenderableType

    from decnef_data.model import DoctorReport

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
    report = decnef_data.doctor(name, mirror=mirror, data_dir=data_dir)
    if as_json:
        print_json(report)
    else:
        print_rich(*_report_page(report, everything=everything))


def _report_page(report: "DoctorReport", *, everything: bool) -> "Iterator[RenderableType]":
    from rich.text import Text

    shown = report.findings if everything else report.disagreements
    rows = [
        (
            "" if finding.agrees else "differs",
            replace_unprintable(finding.what),
            finding.expected,
            replace_unprintable(finding.found),
            finding.grade,
        )
        for finding in shown
    ]
    if rows:
        title = f"{report.dataset}, the copy from {report.mirror}"
        yield section(title, table("", "what", "recorded", "found", "grade", rows=rows))
    agreeing = len(report.findings) - len(report.disagreements)
    yield Text(f"{agreeing} of {len(report.findings)} statements are as recorded.")
