"""The table of participants as the command line shows it."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from decnef_data_cli.console import MAX_ROWS, table

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import RenderableType

__all__ = ["participants_caption", "participants_page", "participants_table"]

#: The columns that are shown; ``--csv`` and ``--json`` have all of them.
_COLUMNS = ("subject", "diagnosis", "site", "age", "sex", "mean_fd", "institute")


def participants_page(participants: "pd.DataFrame") -> "Iterator[RenderableType]":
    """Yield the table of the first participants, and a note if they are synthetic."""
    from rich.text import Text

    yield participants_table(participants)
    if participants.attrs.get("synthetic"):
        yield Text("SYNTHETIC: these participants do not exist.", style="bold")


def participants_table(participants: "pd.DataFrame") -> "RenderableType":
    """Return the table of the first participants, with those of `_COLUMNS` that it has."""
    columns = [name for name in _COLUMNS if name in participants.columns]
    headers = (f">{name}" if name in {"age", "mean_fd"} else f"!{name}" for name in columns)
    shown = participants.loc[:, columns].head(MAX_ROWS)
    rows = ([_format_cell(value) for value in row] for row in shown.itertuples(index=False))
    return table(*headers, rows=rows)


def participants_caption(participants: "pd.DataFrame") -> str:
    """Return a sentence on how much of `participants` the table shows."""
    shown = f"{min(len(participants), MAX_ROWS)} of {len(participants):,} participants."
    return f"{shown} Use --csv or --json for all participants and all {participants.shape[1]} columns."


def _format_cell(value: object) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.0f}" if value.is_integer() else f"{value:.3f}"
    return str(value)
