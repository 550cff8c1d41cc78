"""The table of participants as pandas has it: ids first, categories in order, missing text missing.

Coordinates of xarray hold missing text as ``""``, because no format of files has another text for it; this
is the one place where it becomes a missing value.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from decnef_data.display.frames import people_frame

if TYPE_CHECKING:
    from decnef_data.records import Records

__all__ = ["participant_frame"]

#: The columns that come first, in this order; the others follow in their own order.
_FIRST: Final = (
    "dataset", "group", "subject", "session", "site", "institute", "protocol", "scanner",
    "diagnosis", "diagnosis_code", "age", "sex", "sex_code", "handedness", "handedness_code",
    "mean_fd", "mean_fd_computed", "fd_floor",
)  # fmt: skip
_CATEGORICAL: Final = ("diagnosis", "sex", "handedness")
#: Columns of plain text, also where tables print numbers or nothing.
_PLAIN_TEXT: Final = frozenset({"dataset", "group", "subject", "session", "site", "institute", "protocol"})


def participant_frame(columns: Mapping[str, Any] | pd.DataFrame, records: "Records") -> pd.DataFrame:
    """Return the table of columns of participants.

    Parameters
    ----------
    columns
        The values by column, or a table; missing text may be empty.
    records
        The catalog, whose codes determine the order of the categories.

    Returns
    -------
    pandas.DataFrame
        ``diagnosis``, ``sex`` and ``handedness`` are Categorical: the labels of the catalog in its order,
        then others that occur.  Ids, sites, institutes, protocols and printed codes are plain text.  Missing
        values of all columns are missing for pandas.

    Examples
    --------
    >>> from decnef_data.records import Records
    >>> columns = {"sex": ["male", ""], "protocol": [8.0, float("nan")], "subject": ["a", "b"]}
    >>> table = participant_frame(columns, Records.load())
    >>> table.columns.tolist(), table["sex"].cat.categories.tolist(), table["sex"].isna().tolist()
    (['subject', 'protocol', 'sex'], ['male', 'female'], [False, True])
    """
    by_name = {str(name): column for name, column in columns.items()}
    names = [*(name for name in _FIRST if name in by_name), *(name for name in by_name if name not in _FIRST)]
    return people_frame(pd.DataFrame({name: _column(name, by_name[name], records) for name in names}))


def _column(name: str, values: Any, records: "Records") -> Any:
    column = values if isinstance(values, pd.Series) else pd.Series(np.asarray(values))
    # Columns of a table are put together by position, and not by an index that may be of another table.
    column = column.reset_index(drop=True)
    if name in _CATEGORICAL:
        texts = _texts(column)
        # Labels without participants are categories, too: tables of all datasets have the same.
        known = dict.fromkeys(code.label for code in records.codes if code.column == name)
        others = sorted({text for text in texts if isinstance(text, str)} - known.keys())
        return pd.Categorical(np.array(texts, dtype=object), categories=[*known, *others])
    if name in _PLAIN_TEXT or name.endswith("_code") or not pd.api.types.is_numeric_dtype(column.dtype):
        return pd.Series(_texts(column), dtype="str")
    return column


def _texts(column: "pd.Series[Any]") -> Sequence[str | float]:
    """Return the values as text, NaN where there is none; a whole number is printed as such."""
    return [
        np.nan if missing or value == "" else _text(value)
        for value, missing in zip(column.array, column.isna().array, strict=True)
    ]


def _text(value: Any) -> str:
    # A missing number makes a column of ids and codes one of floats: 8.0 was printed as 8.
    return str(int(value)) if isinstance(value, float | np.floating) and value.is_integer() else str(value)
