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
_COLUMNS = ("subject", "site", "institute", "diagnosis", "age", "sex", "mean_fd")


def participants_page(participants: "pd.DataFrame") -> "Iterator[RenderableType]":
    """Yield the table of the first participants, and a note if they are synthetic."""
    from rich.text import Text

    yield participants_table(participants)
    if participants.attrs.get("synthetic"):
        yield Text("SYNTHETIC: these participants do not exist.", style="bold")


def participants_table(participants: "pd.DataFrame") -> "RenderableType":
    """Return the table of the first participants, with those of `_COLUMNS` that it has."""
    columns = _shown_columns(participants)
    headers = (f">{name}" if name in {"age", "mean_fd"} else name for name in columns)
    shown = participants.loc[:, columns].head(MAX_ROWS)
    result = table(
        *headers, rows=([_format_cell(value) for value in row] for row in shown.itertuples(index=False))
    )
    for column in result.columns[1:]:  # subject ids are long: theirs is the column that wraps
        column.no_wrap, column.overflow = True, "ellipsis"
    return result


def participants_caption(participants: "pd.DataFrame") -> str:
    """Return a sentence on how much of `participants` the table shows."""
    shown, columns = min(len(participants), MAX_ROWS), _shown_columns(participants)
    summary = (
        f"{shown} of {len(participants):,} participants, {len(columns)} of {participants.shape[1]} columns."
    )
    return f"{summary} Use --csv or --json for all."


def _shown_columns(participants: "pd.DataFrame") -> list[str]:
    return [name for name in _COLUMNS if name in participants.columns]


def _format_cell(value: object) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.0f}" if value.is_integer() else f"{value:.3f}"
    return str(value)
