"""The command that checks a local copy against the catalog: doctor."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import decnef_data
from decnef_data_cli.account_table import account_page
from decnef_data_cli.completion import dataset_names
from decnef_data_cli.console import human_size, print_json, print_result, print_rich, section, table
from decnef_data_cli.errors import error_exit
from decnef_data_cli.messages import print_stderr
from decnef_data_cli.options import AsJson, DataDir, LocalMirror

if TYPE_CHECKING:
    from rich.console import RenderableType

    from decnef_data.model import DoctorReport, Environment

__all__ = ["doctor"]


def doctor(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="Name, alias or title of a dataset.",
            autocompletion=dataset_names,
            show_default=False,
        ),
    ] = None,
    *,
    environment: Annotated[
        bool,
        typer.Option(
            "--environment",
            help="Describe this machine instead, for a report of a problem: versions, folders, mirrors and "
            "which credentials there are, without secrets.",
        ),
    ] = False,
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
    if environment:
        _print_environment(data_dir, as_json=as_json)
        return
    if name is None:
        raise error_exit(2, "The name of a dataset is missing. Add NAME, or --environment.")
    report = decnef_data.doctor(name, mirror=mirror, statement=statement, data_dir=data_dir)
    if as_json:
        print_json(report)
        return
    print_rich(*_report_page(report, everything=everything))
    if statement is not None:
        print_stderr(f"The statement was written to '{statement}'; nothing was sent.")


def _print_environment(data_dir: Path | None, *, as_json: bool) -> None:
    found = decnef_data.environment(data_dir=data_dir)
    if as_json:
        print_json(found)
    else:
        print_result("\n".join(_environment_lines(found)))


def _environment_lines(found: "Environment") -> Iterator[str]:
    """Yield lines to be pasted into a report: nothing in them is wrapped or shortened."""
    yield f"decnef-data  {found.version}"
    yield f"Python       {found.python}"
    yield f"system       {found.system}"
    yield f"locale       {found.encoding}"
    yield f"variables    {', '.join(found.variables) or 'none'}"
    yield f"people       {'hidden' if found.hides_rows else 'shown'} (DECNEF_ROWS)"
    yield "\nfolders"
    for folder in found.folders:
        access = f"mode {folder.mode}" if folder.exists else "does not exist yet"
        rights = "writable" if folder.writable else "NOT writable"
        owner = ", of another user" if folder.is_own is False else ""
        size = human_size(folder.free)
        yield f"  {folder.role}: {folder.path} ({access}, {rights}{owner}, {size} free)"
    yield "\nmirrors, not contacted"
    for mirror in found.mirrors:
        address = f", {mirror.address}" if mirror.address else ""
        credentials = ", ".join(mirror.credentials) or "no credentials"
        yield f"  {mirror.name}: {mirror.protocol}{address}; {credentials}"
    yield "\nlibraries"
    yield from (f"  {name} {number or 'not installed'}" for name, number in found.libraries.items())


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
