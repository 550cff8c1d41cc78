"""The command that hands on what the records say: export."""

from typing import Annotated

import typer

import decnef_data
from decnef_data_cli.options import Name
from decnef_data_cli.show import emit

__all__ = ["export"]


def export(
    style: Annotated[
        str,
        typer.Argument(
            metavar="STYLE",
            help="croissant, datapackage, schema.org, dcat or intake.",
            autocompletion=lambda: ["croissant", "datapackage", "schema.org", "dcat", "intake"],
            show_default=False,
        ),
    ],
    name: Name,
) -> None:
    """Print a description of a dataset for other catalogs, from the records: no data and no login go in."""
    emit(decnef_data.export(name, style=style))
