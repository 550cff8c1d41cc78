"""The Typer app: every command, with its group and its help panel."""

from typing import Annotated

import typer

import decnef_data
from decnef_data_cli import (
    access,
    catalog,
    demo,
    doctor,
    export,
    facts,
    files,
    harmonize,
    lock,
    mirrors,
    motion,
    purge,
    query,
    report,
    seek_index,
)
from decnef_data_cli.commands import Command, CommandGroup
from decnef_data_cli.console import print_result
from decnef_data_cli.errors import ErrorHandlingGroup, log_to_stderr

__all__ = ["app"]

app = typer.Typer(
    name="decnef",
    cls=ErrorHandlingGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # rich's traceback shows local variables, and with them secrets
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
_cache = typer.Typer(
    cls=CommandGroup,
    no_args_is_help=True,
    help="Show the location and the contents of the cache, or remove them.",
)
_export = typer.Typer(
    cls=CommandGroup, no_args_is_help=True, help="Export catalog metadata, or scans as NIfTI files."
)
_seek_index = typer.Typer(
    cls=CommandGroup,
    no_args_is_help=True,
    help="Carry the seek index of an archive of images to another machine.",
)
_catalog = typer.Typer(cls=CommandGroup, no_args_is_help=True, help="Check records of your own.")
_mirrors = typer.Typer(
    cls=CommandGroup,
    invoke_without_command=True,
    callback=mirrors.mirrors,
    subcommand_metavar="[COMMAND] [ARGS]...",  # by default COMMAND is shown as if it were required
)
# An unexpected argument of login may be a secret, which the parser would quote in its error.
_UNPARSED_ARGUMENTS = {"ignore_unknown_options": True, "allow_extra_args": True}


def _print_version(requested: bool) -> None:
    if requested:
        print_result(f"decnef-data {decnef_data.__version__}")
        raise typer.Exit


@app.callback()
def decnef(
    _version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    """Download, verify and explore the four SRPBS datasets (DecNef project, ATR, Japan).

    Results go to standard output, everything else to standard error.
    """
    # Runs before the options of the command are read: --quiet lowers the level that is set here.
    log_to_stderr()


_EXPLORE_PANEL = "Explore datasets"
_ACCESS_PANEL = "Get access"
_DOWNLOAD_PANEL = "Get data"
_USE_PANEL = "Use data"
_LOCAL_PANEL = "Manage local copies"
_MIRRORS_PANEL = "Check and index mirrors"
app.command("list", cls=Command, rich_help_panel=_EXPLORE_PANEL)(catalog.list_datasets)
app.command("info", cls=Command, rich_help_panel=_EXPLORE_PANEL)(catalog.info)
app.command("query", cls=Command, rich_help_panel=_EXPLORE_PANEL)(query.query)
app.command("facts", cls=Command, rich_help_panel=_EXPLORE_PANEL)(facts.facts)
app.command("cite", cls=Command, rich_help_panel=_EXPLORE_PANEL)(catalog.cite)
app.add_typer(_catalog, name="catalog", rich_help_panel=_EXPLORE_PANEL)
_catalog.command("check", cls=Command)(catalog.check)
app.command("access", cls=Command, rich_help_panel=_ACCESS_PANEL)(access.access)
app.command("accept", cls=Command, rich_help_panel=_ACCESS_PANEL)(access.accept)
app.command("login", cls=Command, rich_help_panel=_ACCESS_PANEL, context_settings=_UNPARSED_ARGUMENTS)(
    access.login
)
app.command("logout", cls=Command, rich_help_panel=_ACCESS_PANEL)(access.logout)
app.command("demo", cls=Command, rich_help_panel=_DOWNLOAD_PANEL)(demo.demo)
app.command("plan", cls=Command, rich_help_panel=_DOWNLOAD_PANEL)(files.plan)
app.command("download", cls=Command, rich_help_panel=_DOWNLOAD_PANEL)(files.download)
app.command("adopt", cls=Command, rich_help_panel=_DOWNLOAD_PANEL)(files.adopt)
app.command("participants", cls=Command, rich_help_panel=_USE_PANEL)(catalog.participants)
app.command("motion", cls=Command, rich_help_panel=_USE_PANEL)(motion.motion)
app.command("harmonize", cls=Command, rich_help_panel=_USE_PANEL)(harmonize.harmonize)
app.command("report", cls=Command, rich_help_panel=_USE_PANEL)(report.report)
app.add_typer(_export, name="export", rich_help_panel=_USE_PANEL)
_export.command("bids", cls=Command)(export.bids)
_export.command("nifti", cls=Command)(export.nifti)
for _style in export.DESCRIPTIONS:
    _export.command(_style, cls=Command)(export.create_description_command(_style))
app.command("verify", cls=Command, rich_help_panel=_LOCAL_PANEL)(files.verify)
app.command("doctor", cls=Command, rich_help_panel=_LOCAL_PANEL)(doctor.doctor)
app.command("lock", cls=Command, rich_help_panel=_LOCAL_PANEL)(lock.lock)
app.command("diff", cls=Command, rich_help_panel=_LOCAL_PANEL)(lock.diff)
app.command("purge", cls=Command, rich_help_panel=_LOCAL_PANEL)(purge.purge)
app.add_typer(_cache, name="cache", rich_help_panel=_LOCAL_PANEL)
_cache.command("path", cls=Command)(files.cache_path)
_cache.command("list", cls=Command)(files.cache_list)
_cache.command("clear", cls=Command)(files.cache_clear)
_cache.command("prune", cls=Command)(files.cache_prune)
app.add_typer(_seek_index, name="seek-index", rich_help_panel=_LOCAL_PANEL)
_seek_index.command("export", cls=Command)(seek_index.export_file)
_seek_index.command("import", cls=Command)(seek_index.import_file)
app.command("index", cls=Command, rich_help_panel=_MIRRORS_PANEL)(mirrors.index)
app.add_typer(_mirrors, name="mirrors", rich_help_panel=_MIRRORS_PANEL)
_mirrors.command("audit", cls=Command)(mirrors.audit)
