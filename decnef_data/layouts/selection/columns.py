"""Plain columns, which describe the rows of a group."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Columns",
    "as_texts",
    "count_participants",
    "count_rows",
    "is_text",
    "missing_values",
    "text_of_number",
    "unique_texts",
    "with_article",
]

#: The columns of a group by name, all of the same length; ``subject`` is one of them.
Columns: TypeAlias = Mapping[str, NDArray[Any]]

#: Text of a fixed length, objects, and text of any length.
_TEXT_KINDS = "UOT"


def is_text(column: NDArray[Any]) -> bool:
    """Return whether a column holds text."""
    return column.dtype.kind in _TEXT_KINDS


def count_rows(columns: Columns) -> int:
    """Return the number of rows."""
    return len(columns["subject"])


def missing_values(column: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which values of a numeric column are missing."""
    return np.isnan(column) if column.dtype.kind == "f" else np.zeros(len(column), np.bool_)


def as_texts(column: NDArray[Any]) -> list[str]:
    """Return the values of a column as texts, empty where a value is missing.

    Examples
    --------
    >>> as_texts(np.array(["HC", ""])), as_texts(np.array([2.0, 2.5, np.nan]))
    (['HC', ''], ['2', '2.5', ''])
    """
    if is_text(column):
        return ["" if value != value else str(value) for value in column.tolist()]  # noqa: PLR0124 - NaN
    # As text first: 32-bit numbers have fewer digits than the same numbers as Python's.
    values = map(float, column.astype(np.str_).tolist()) if column.dtype.kind == "f" else column.tolist()
    return [text_of_number(value) for value in values]


def text_of_number(number: float) -> str:
    """Return a number as a table prints it, an integer without a decimal point; NaN as an empty text."""
    if number != number:  # noqa: PLR0124 - NaN
        return ""
    return str(int(number)) if float(number).is_integer() else str(number)


def unique_texts(groups: Iterable[Columns], name: str) -> set[str]:
    """Return the texts in a column of any group, but for the empty one."""
    return {text for columns in groups if name in columns for text in as_texts(columns[name])} - {""}


def with_article(coordinate: str) -> str:
    """Return the name of a coordinate with its article, for messages.

    Examples
    --------
    >>> with_article("age"), with_article("mean_fd")
    ('an age', 'a mean_fd')
    """
    return f"{'an' if coordinate[0] in 'aeiou' else 'a'} {coordinate}"


def count_participants(count: int) -> str:
    """Return a number of participants, for messages."""
    return "1 participant" if count == 1 else f"{count} participants"
