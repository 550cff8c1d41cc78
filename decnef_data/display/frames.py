"""Tables of people for pandas, whose representation shows no row where rows are hidden."""

from typing import Any

import pandas as pd

from decnef_data.count_suppression import format_count
from decnef_data.disclosure import VARIABLE, hides_rows

__all__ = ["people_frame"]


def people_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table with a row per person, in a form that may be printed.

    Parameters
    ----------
    frame
        The table.

    Returns
    -------
    pandas.DataFrame
        The same table; where rows are hidden, one that prints its size alone, and so do its columns and what
        pandas selects from it.

    Examples
    --------
    >>> people_frame(pd.DataFrame({"subject": ["sub-0001"]}))
        subject
    0  sub-0001
    """
    return HiddenFrame(frame) if hides_rows() else frame


def _describe(kind: str, n_rows: int, columns: str) -> str:
    return f"<{kind} of people: {format_count(n_rows)} rows{columns}, hidden by {VARIABLE}>"


class HiddenFrame(pd.DataFrame):
    """A table that does not print its rows; nor does a table that pandas selects from it."""

    @property
    def _constructor(self) -> type["HiddenFrame"]:
        return HiddenFrame

    @property
    def _constructor_sliced(self) -> type["HiddenSeries"]:
        return HiddenSeries

    def __repr__(self) -> str:
        # Names of columns are not printed: a transposed or pivoted table has people in them.
        return _describe("Table", len(self), f", {self.shape[1]} columns")

    def _repr_html_(self) -> str:
        from html import escape

        return f"<p>{escape(repr(self))}</p>"

    # With options of pandas, Jupyter shows the following ones, which have the rows; None means no such one.
    def _repr_latex_(self) -> None:
        return None

    def _repr_data_resource_(self) -> None:
        return None


class HiddenSeries(pd.Series):
    """A column or row that does not print its values."""

    @property
    def _constructor(self) -> type["HiddenSeries"]:
        return HiddenSeries

    @property
    def _constructor_expanddim(self) -> type[HiddenFrame]:
        return HiddenFrame

    def __repr__(self) -> str:
        return _describe("Column", len(self), "")

    def _repr_latex_(self) -> Any:
        return None
