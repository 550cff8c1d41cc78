"""What a table of people looks like to a person."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from decnef_data_cli.show import SHOWN, table

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import RenderableType

__all__ = ["people_caption", "people_page", "people_table"]

#: The columns a person reads first; ``--csv`` and ``--json`` have them all.
COLUMNS = ("subject", "site", "institute", "diagnosis", "age", "sex", "mean_fd")


def people_page(people: "pd.DataFrame") -> "Iterator[RenderableType]":
    """Show the first people, and say below them whether they were made up."""
    from rich.text import Text

    yield people_table(people)
    if people.attrs.get("synthetic"):
        yield Text("SYNTHETIC: nobody in this table exists.", style="bold")


def people_table(people: "pd.DataFrame") -> "RenderableType":
    """Show the first people, and of them the columns that everybody has."""
    columns = _people_columns(people)
    headers = (f">{name}" if name in {"age", "mean_fd"} else name for name in columns)
    shown = people.loc[:, columns].head(SHOWN)
    made = table(*headers, rows=([_cell(value) for value in row] for row in shown.itertuples(index=False)))
    for column in made.columns[1:]:
        column.no_wrap = True  # subjects are long: they give way
    return made


def people_caption(people: "pd.DataFrame") -> str:
    """Say how much of `people` its table shows."""
    shown, columns = min(len(people), SHOWN), _people_columns(people)
    left = f"{shown} of {len(people):,} people, {len(columns)} of {people.shape[1]} columns."
    return f"{left} Add --csv or --json for all."


def _people_columns(people: "pd.DataFrame") -> list[str]:
    return [name for name in COLUMNS if name in people.columns]


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.0f}" if value.is_integer() else f"{value:.3f}"
    return str(value)
