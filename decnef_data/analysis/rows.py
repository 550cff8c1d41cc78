"""The rows of a table of participants or scans: where they come from, and what identifies each."""

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from decnef_data.errors import SelectionError
from decnef_data.records import default_records
from decnef_data.records.participant_frame import participant_frame

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "has_value",
    "hash_rows",
    "missing_place_error",
    "participant_table",
    "pooled_institutes",
    "require_column",
    "row_identifiers",
    "texts",
]

#: Columns that together identify a row, as far as a table has them.
_ID_COLUMNS = ("dataset", "group", "subject", "session", "run")


def participant_table(data: "xr.Dataset | pd.DataFrame", along: str, purpose: str) -> pd.DataFrame:
    """Collect the coordinates along the dimension of `along` into a table; a table is returned as it is.

    Raises
    ------
    SelectionError
        The data have no such coordinate, or it is a single value; `purpose` says what it is needed for.  Or a
        table has several columns of one name.
    """
    if isinstance(data, pd.DataFrame):
        _require_distinct_columns(data)
        return data
    coords = getattr(data, "coords", {})
    if along not in coords:
        message = (
            f"The data have no coordinate '{along}' to {purpose}. Pass the Dataset of one group, or a table."
        )
        raise SelectionError(message, requested=along, known=tuple(map(str, coords)))
    dims = coords[along].dims
    if len(dims) != 1:
        message = (
            f"The coordinate '{along}' is along {len(dims)} dimensions and not along one. "
            "Pass the Dataset of one group with its dimension 'subject' or 'scan', or a table."
        )
        raise SelectionError(message, requested=along)
    columns = {str(name): value.to_numpy() for name, value in coords.items() if value.dims == dims}
    return participant_frame(columns, default_records())


def _require_distinct_columns(table: pd.DataFrame) -> None:
    repeated = table.columns[table.columns.duplicated()].tolist()
    if repeated:
        message = f"The table has several columns '{repeated[0]}'. Keep one of them."
        raise SelectionError(message, requested=str(repeated[0]))


def has_value(column: "pd.Series[str]") -> NDArray[np.bool_]:
    """Return which rows have a value: neither missing nor a blank text.

    Examples
    --------
    >>> has_value(pd.Series(["SWA", "", " ", None])).tolist()
    [True, False, False, False]
    """
    blank = [isinstance(value, str) and not value.strip() for value in column.array]
    found: NDArray[np.bool_] = column.notna().to_numpy(dtype=bool) & ~np.array(blank, dtype=bool)
    return found


def texts(column: "pd.Series[str]") -> list[str]:
    """Return each value of a column as a text, which is empty where there is no value.

    Examples
    --------
    >>> texts(pd.Series(["SWA", " ", None]))
    ['SWA', '', '']
    """
    present = has_value(column)
    return [str(value) if known else "" for value, known in zip(column.array, present, strict=True)]


def require_column(table: pd.DataFrame, column: str, purpose: str) -> None:
    """Refuse a table without a column that is needed.

    Raises
    ------
    SelectionError
        The table has no such column; `purpose` says what it is needed for.
    """
    if column not in table.columns:
        message = f"The table has no column '{column}' to {purpose}. Keep that column, or name another one."
        raise SelectionError(message, requested=column, known=tuple(map(str, table.columns)))


def pooled_institutes(table: pd.DataFrame) -> list[str]:
    """Return the institutes of the rows that have no site, as far as they are known."""
    if "site" not in table.columns or "institute" not in table.columns:
        return []
    return sorted(set(texts(table.loc[~has_value(table["site"]), "institute"])) - {""})


def missing_place_error(table: pd.DataFrame, count: int, use_institute: str) -> SelectionError:
    """Build the error of rows without a site because their tables pool several sites."""
    pooled = ", ".join(f"'{institute}'" for institute in pooled_institutes(table))
    message = (
        f"{count} of {len(table)} rows have no site: their tables pool the sites of {pooled}. "
        f"Use {use_institute}, or exclude those rows."
    )
    return SelectionError(message, requested="site")


def row_identifiers(table: pd.DataFrame, purpose: str) -> list[str]:
    """Build an identifier of each row; rows with the same one cannot be distinguished.

    Raises
    ------
    SelectionError
        The table has no subjects.
    """
    columns = [
        name for name in _ID_COLUMNS if name in table.columns and _distinguishes_rows(name, table[name])
    ]
    if "subject" not in columns:
        message = (
            f"The table has no column 'subject', which identifies the rows of a {purpose}. Keep that column."
        )
        raise SelectionError(message, requested="subject")
    return ["\x1f".join(row) for row in zip(*(texts(table[name]) for name in columns), strict=True)]


def _distinguishes_rows(name: str, column: "pd.Series[str]") -> bool:
    # A group and its table, which has the group as a column, have the same identifiers.
    return name not in {"dataset", "group"} or len(set(texts(column))) > 1


def hash_rows(purpose: str, *sides: Iterable[str]) -> str:
    """Return the first sixteen hex digits of the hash of sets of rows, independent of their order.

    Examples
    --------
    >>> hash_rows("split", ["a", "b"], ["c"]) == hash_rows("split", ["b", "a"], ["c"])
    True
    """
    # Separated by characters that no id has: otherwise two different sets could have one text.
    text = "\x1d".join("\x1e".join(sorted(map(str, side))) for side in sides)
    # The 1 changes with the rule, so that a name never stands for two splits.
    return hashlib.sha256(f"decnef-data {purpose} 1\x1d{text}".encode()).hexdigest()[:16]
