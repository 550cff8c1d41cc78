"""The diagnosis and the covariates of participants as arrays: patients, numbers and the levels of texts."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from decnef_data_catalog import examples
from numpy.typing import NDArray

from decnef_data.analysis.rows import has_value, require_column
from decnef_data.errors import SelectionError

__all__ = ["CONTROL", "Measure", "measures", "patients"]

#: The diagnosis of controls; every other one is of patients.
CONTROL = examples.CONTROLS
_TWO_LEVELS = 2


@dataclass(frozen=True, slots=True)
class Measure:
    """One number per row: a numeric column, or whether a text column has one of its levels."""

    column: str
    level: str
    numbers: NDArray[np.float64]


def patients(table: pd.DataFrame) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which rows have a diagnosis, and which are patients.

    Raises
    ------
    SelectionError
        The table has no column ``diagnosis``, or does not have both patients and controls.

    Examples
    --------
    >>> known, patient = patients(pd.DataFrame({"diagnosis": ["HC", "MDD", ""]}))
    >>> known.tolist(), patient.tolist()
    ([True, True, False], [False, True, False])
    """
    require_column(table, "diagnosis", "tell patients from controls")
    known = has_value(table["diagnosis"])
    is_patient = known & table["diagnosis"].ne(CONTROL).fillna(value=False).to_numpy(dtype=bool)
    n_patients = int(is_patient.sum())
    n_controls = int(known.sum()) - n_patients
    if not n_patients or not n_controls:
        message = (
            f"The table has {n_patients} patients and {n_controls} controls ('{CONTROL}'). "
            "Select participants of both kinds."
        )
        raise SelectionError(message, requested="diagnosis")
    return known, is_patient


def measures(column: "pd.Series[str]") -> list[Measure]:
    """Return a column, which has all values, as numbers.

    A text with two levels is one number, 1 for the second level in alphabetical order; with more levels it is
    one for each.

    Examples
    --------
    >>> [(measure.level, measure.numbers.tolist()) for measure in measures(pd.Series(["male", "female"]))]
    [('male', [1.0, 0.0])]
    """
    # Numbers may come as objects, from a table that had missing values.
    name, plain = str(column.name), column.infer_objects()
    if pd.api.types.is_numeric_dtype(plain.dtype):
        return [Measure(name, "", plain.to_numpy(dtype=np.float64))]
    texts = plain.astype(str).to_numpy()
    levels = sorted(set(texts))
    shown = levels[1:] if len(levels) <= _TWO_LEVELS else levels
    found = [Measure(name, level, (texts == level).astype(np.float64)) for level in shown]
    # A text that is the same in all rows still has a row in the table of balance.
    return found or [Measure(name, levels[0], np.ones(len(texts)))]
