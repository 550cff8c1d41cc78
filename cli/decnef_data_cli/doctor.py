"""The command that checks a local copy against the catalog: doctor."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

import decnef_data
from decnef_data_cli.console import print_json, print_rich, replace_unprintable, section, table
from decnef_data_cli.options import AsJson, DataDir, LocalMirror, Name

if TYPE_CHECKING:
    from rich.console import RenderableType

    from decnef_data.model import DoctorReport

__all__ = ["doctor"]


def doctor(
    name: Name,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Also show the values that agree.")] = False,
    mirror: LocalMirror = "auto",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Check the local copy against the catalog and list discrepancies.

    A discrepancy is not an error: your copy is right, and catalog values have grades from A to D.
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
        title = f"{report.dataset}, local copy from mirror {report.mirror}"
        yield section(title, table("", "value", "recorded", "found", "grade", rows=rows))
    agreeing = len(report.findings) - len(report.disagreements)
    yield Text(f"{agreeing} of {len(report.findings)} values agree with the catalog.")
