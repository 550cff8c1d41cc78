"""The table of commands."""

from typing import Annotated

import typer

import decnef_data
from decnef_data_cli import asking, demo, doctor, files, handing, look, permits, purging, reproducing, walking
from decnef_data_cli.edge import Edge, listen
from decnef_data_cli.show import say

__all__ = ["app"]

app = typer.Typer(
    name="decnef",
    cls=Edge,
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # rich's traceback shows local variables, and with them secrets
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
_cache = typer.Typer(no_args_is_help=True, help="Say where data are kept, list them, remove them.")
_export = typer.Typer(
    no_args_is_help=True, help="Hand on: describe a dataset, or write scans as NIfTI files."
)
_mirrors = typer.Typer(invoke_without_command=True, callback=walking.mirrors)
# What login does not know may be a secret, which the parser would print in its complaint.
_UNPARSED = {"ignore_unknown_options": True, "allow_extra_args": True}


def _print_version(asked: bool) -> None:
    if asked:
        say(f"decnef-data {decnef_data.__version__}")
        raise typer.Exit


@app.callback()
def decnef(
    _version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    """Fetch, verify and open the four SRPBS (DecNef, ATR Japan) datasets.

    Results go to standard output, everything else to standard error.
    """
    listen()


_LOOK, _ACCESS, _DATA = "Look", "Get access", "Get data"
app.command("list", rich_help_panel=_LOOK)(look.list_datasets)
app.command("info", rich_help_panel=_LOOK)(look.info)
app.command("participants", rich_help_panel=_LOOK)(look.participants)
app.command("query", rich_help_panel=_LOOK)(asking.query)
app.command("cite", rich_help_panel=_LOOK)(look.cite)
app.add_typer(_export, name="export", rich_help_panel=_LOOK)
_export.command("nifti")(handing.nifti)
for _style in handing.DESCRIPTIONS:
    _export.command(_style)(handing.describing(_style))
app.command("demo", rich_help_panel=_LOOK)(demo.demo)
app.command("index", rich_help_panel=_LOOK)(walking.index)
app.add_typer(_mirrors, name="mirrors", rich_help_panel=_LOOK)
_mirrors.command("audit")(walking.audit)
app.command("access", rich_help_panel=_ACCESS)(permits.access)
app.command("accept", rich_help_panel=_ACCESS)(permits.accept)
app.command("login", rich_help_panel=_ACCESS, context_settings=_UNPARSED)(permits.login)
app.command("logout", rich_help_panel=_ACCESS)(permits.logout)
app.command("download", rich_help_panel=_DATA)(files.download)
app.command("adopt", rich_help_panel=_DATA)(files.adopt)
app.command("verify", rich_help_panel=_DATA)(files.verify)
app.command("doctor", rich_help_panel=_DATA)(doctor.doctor)
app.command("lock", rich_help_panel=_DATA)(reproducing.lock)
app.command("diff", rich_help_panel=_DATA)(reproducing.diff)
app.command("purge", rich_help_panel=_DATA)(purging.purge)
app.add_typer(_cache, name="cache", rich_help_panel=_DATA)
_cache.command("path")(files.cache_path)
_cache.command("list")(files.cache_list)
_cache.command("clear")(files.cache_clear)
