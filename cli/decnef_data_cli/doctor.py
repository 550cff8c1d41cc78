"""The command that checks a local copy against the catalog: doctor."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import decnef_data
from decnef_data_cli.account_table import account_page
from decnef_data_cli.console import print_json, print_rich, section, table
from decnef_data_cli.messages import print_stderr
from decnef_data_cli.options import AsJson, DataDir, LocalMirror, Name

if TYPE_CHECKING:
    from rich.console import RenderableType

    from decnef_data.model import DoctorReport

__all__ = ["doctor"]


def doctor(
    name: Name,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Also show the values that agree.")] = False,
    statement: Annotated[
        Path | None,
        typer.Option(
            "--statement",
            metavar="FILE",
            help="Write an anonymous statement about the copy to a new file, to read, edit and send by hand.",
        ),
    ] = None,
    mirror: LocalMirror = "auto",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Check the local copy against the catalog, and list discrepancies and what was not used.

    A discrepancy is not an error: your copy is right, and catalog values have grades from A to D.
    """
    report = decnef_data.doctor(name, mirror=mirror, statement=statement, data_dir=data_dir)
    if as_json:
        print_json(report)
        return
    print_rich(*_report_page(report, everything=everything))
    if statement is not None:
        print_stderr(f"The statement was written to '{statement}'; nothing was sent.")


def _report_page(report: "DoctorReport", *, everything: bool) -> "Iterator[RenderableType]":
    from rich.text import Text

    shown = report.findings if everything else report.disagreements
    rows = [
        (
            "" if finding.agrees else "differs",
            finding.what,
            finding.expected,
            finding.found,
            finding.grade,
        )
        for finding in shown
    ]
    if rows:
        title = f"{report.dataset}, local copy from mirror {report.mirror}"
        yield section(title, table("", "value", "recorded", "found", "grade", rows=rows))
    yield from account_page(report.account, everything=everything)
    agreeing = len(report.findings) - len(report.disagreements)
    yield Text(f"{agreeing} of {len(report.findings)} values agree with the catalog.")
