"""Matched subsets of patients and controls, by optimal assignment."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from decnef_data.analysis.assignment import assign
from decnef_data.analysis.covariates import Measure, measures, patients
from decnef_data.analysis.rows import (
    has_value,
    hash_rows,
    missing_place_error,
    participant_table,
    pooled_institutes,
    require_column,
    row_identifiers,
)
from decnef_data.arguments import checked
from decnef_data.errors import SelectionError
from decnef_data.records import default_records

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Match", "match"]

#: The column of the result that tells which rows were matched to each other.
_SET_COLUMN = "matched_set"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Match:
    """Patients and their matched controls, and how similar the two groups are.

    Attributes
    ----------
    table
        The matched rows in their order, with all their columns and ``matched_set``, the number of the patient
        and the controls that were matched to each other, from 0.
    balance
        One row per number and level of a text in `on`: ``field``, ``level`` (empty for numbers),
        ``smd_before`` and ``smd_after``, the difference of the means of patients and controls in standard
        deviations before and after matching, and ``n_missing``, the number of rows that have no value.
    name
        A hash of which rows were matched to which, independent of the order of the rows.
    excluded
        The number of rows that are not in ``table`` by reason: ``"no diagnosis"``, ``"missing value"`` and
        ``"not matched"``.
    """

    table: pd.DataFrame
    balance: pd.DataFrame
    name: str
    excluded: Mapping[str, int]

    def __repr__(self) -> str:
        n_sets = self.table[_SET_COLUMN].nunique()
        excluded = ", ".join(f"{count} {reason}" for reason, count in self.excluded.items())
        n_controls = len(self.table) - n_sets
        return f"<Match {self.name}: {n_sets} patients and {n_controls} controls; excluded: {excluded}>"


@checked
def match(
    table: "pd.DataFrame | xr.Dataset",
    *,
    on: str | Sequence[str] = ("age", "sex", "mean_fd"),
    within: str | None = "site",
    ratio: int = 1,
    seed: int = 0,
) -> Match:
    """Match each patient to controls of the same site who are as similar as possible.

    Patients are the rows with any diagnosis but ``"HC"``; select one diagnosis first to match only its
    patients.  In each site, as many patients as possible are matched, and of all ways to match that many, one
    with the smallest sum of distances is taken (optimal matching without replacement).  The distance of two
    rows is Euclidean; each number, and each level of a text as 0 or 1, is divided by its standard deviation
    within patients and controls.

    Parameters
    ----------
    table
        A table from :func:`decnef_data.participants` with one row per participant, or the Dataset of one
        group from :func:`decnef_data.fetch_dataset`.
    on
        The columns in which matched rows should be similar, one or several.  Rows without a value in one of
        them are excluded.
    within
        The column in which matched rows are equal: ``"site"``; ``"institute"``, which is also known where
        tables pool their sites; or any other.  ``None`` means that every patient may be matched to every
        control.
    ratio
        The number of controls of each patient.  Where a site has fewer than `ratio` controls for each of its
        patients, patients are left out, so that every matched patient has exactly `ratio` controls.
    seed
        Determines which one is taken of several equally good ways to match.

    Returns
    -------
    Match
        ``table``, the matched rows with a column ``matched_set``, int64; ``balance``, the standardized mean
        differences (in standard deviations) before and after matching, float64; ``name``, a hash that does
        not depend on the order of the rows; and ``excluded``, the number of rows left out by reason.

    Raises
    ------
    SelectionError
        A column is missing or has no value in any row, or has an infinite one; `within` is not known for all
        rows; there are no patients or no controls, or nowhere enough of both; or a participant has several
        rows, or several subject ids because the table combines groups.

    Examples
    --------
    >>> table = pd.DataFrame({
    ...     "subject": ["a", "b", "c", "d"], "diagnosis": ["MDD", "HC", "HC", "HC"],
    ...     "site": ["SWA", "SWA", "SWA", "KUT"], "age": [40, 25, 38, 40],
    ... })
    >>> matched = match(table, on="age")
    >>> matched.table[["subject", "matched_set"]].values.tolist()
    [['a', 0], ['c', 0]]
    >>> matched.excluded
    {'no diagnosis': 0, 'missing value': 0, 'not matched': 2}
    """
    fields = [on] if isinstance(on, str) else list(on)
    if not fields:
        raise SelectionError("on=() names no column to match on. Name at least one, such as on='age'.")
    frame = participant_table(table, within or fields[0], "match by")
    options = _MatchOptions(tuple(fields), within, ratio, seed)
    pool, n_missing = _candidates(frame, options)
    sets = _match_within(pool, ratio)
    if not sets:
        raise _nothing_matched_error(options)
    return _result(frame, pool, sets, n_missing)


@dataclass(frozen=True, slots=True)
class _MatchOptions:
    """How to match."""

    on: tuple[str, ...]
    within: str | None
    ratio: int
    seed: int


@dataclass(frozen=True, slots=True)
class _Candidates:
    """The rows with a diagnosis and all values, in the order of their hashes.

    Nothing depends on the order of the table, not even the rounding of a sum.
    """

    rows: NDArray[np.intp]
    row_ids: Sequence[str]
    is_patient: NDArray[np.bool_]
    places: NDArray[np.str_]
    measures: Sequence[Measure]
    #: One row per candidate and one column per measure, in standard deviations.
    points: NDArray[np.float64]
    n_without_diagnosis: int


def _candidates(table: pd.DataFrame, options: _MatchOptions) -> tuple[_Candidates, Mapping[str, int]]:
    """Return the rows that can be matched, and the number of rows without a value by column."""
    row_ids = _row_ids(table)
    known, is_patient = patients(table)
    with_value = {field: _known_values(table, field) for field in options.on}
    complete = np.logical_and.reduce(list(with_value.values()))
    rows = np.array(
        sorted(np.flatnonzero(known & complete), key=_hash_order(row_ids, options.seed)), dtype=np.intp
    )
    patient = is_patient[rows]
    _require_both(patient, options)
    found = [measure for field in options.on for measure in measures(table[field].iloc[rows])]
    points = np.stack([measure.numbers / _scale(measure.numbers, patient) for measure in found], axis=1)
    n_missing = {field: int((known & ~present).sum()) for field, present in with_value.items()}
    places = _places(table, options.within)[rows]
    ids = [row_ids[row] for row in rows]
    return _Candidates(rows, ids, patient, places, found, points, int((~known).sum())), n_missing


def _row_ids(table: pd.DataFrame) -> list[str]:
    """Return the identifier of each row, and refuse a table in which one participant has several."""
    # Without them, two scans of a participant have the same id, which is refused below.
    row_ids = row_identifiers(table.drop(columns=["session", "run"], errors="ignore"), "match")
    unlinked = {atlas.group for dataset in default_records().datasets for atlas in dataset.atlases}
    for column, known in (("dataset", None), ("group", unlinked)):
        found = set(table[column]) if column in table.columns else set()
        names = sorted(found if known is None else found & known)
        if len(names) > 1:
            message = (
                f"The same participant has different subject ids in '{names[0]}' and '{names[1]}', and could "
                f"be matched twice. Match the rows of one {column}."
            )
            raise SelectionError(message, requested=column, known=names)
    repeated = pd.Index(row_ids).duplicated()
    if repeated.any():
        subject = table["subject"].iloc[int(np.flatnonzero(repeated)[0])]
        message = f"The table has several rows of subject '{subject}'. Keep one row per participant."
        raise SelectionError(message, requested="subject")
    if _SET_COLUMN in table.columns:
        message = f"The table has a column '{_SET_COLUMN}' already. Drop or rename it to match again."
        raise SelectionError(message, requested=_SET_COLUMN)
    return row_ids


def _known_values(table: pd.DataFrame, field: str) -> NDArray[np.bool_]:
    """Return which rows have a value in a column."""
    require_column(table, field, "match on")
    present = has_value(table[field])
    if not present.any():
        message = f"No row has a value in '{field}' to match on. Leave it out of `on`."
        raise SelectionError(message, requested=field)
    values = table[field][present].infer_objects()
    if pd.api.types.is_numeric_dtype(values.dtype) and np.isinf(values.to_numpy(float)).any():
        message = f"The column '{field}' has infinite values. Correct or exclude those rows."
        raise SelectionError(message, requested=field)
    return present


def _hash_order(row_ids: Sequence[str], seed: int) -> Callable[[np.intp], bytes]:
    return lambda row: hashlib.sha256(f"{seed}\x1f{row_ids[int(row)]}".encode()).digest()


def _require_both(is_patient: NDArray[np.bool_], options: _MatchOptions) -> None:
    n_patients = int(is_patient.sum())
    n_controls = is_patient.size - n_patients
    if not n_patients or not n_controls:
        fields = ", ".join(f"'{field}'" for field in options.on)
        message = (
            f"Only {n_patients} patients and {n_controls} controls have a value of each of {fields}. "
            "Match on fewer columns."
        )
        raise SelectionError(message, requested="on")


def _scale(values: NDArray[np.float64], is_patient: NDArray[np.bool_]) -> float:
    """Return the standard deviation within patients and controls: the root of their mean variance."""
    variances = [values[group].var(ddof=1) for group in (is_patient, ~is_patient) if group.sum() > 1]
    within = float(np.sqrt(np.mean(variances))) if variances else 0.0
    # Without a variation within the groups, that of all rows; a constant does not contribute at all.
    return within or float(values.std()) or 1.0


def _places(table: pd.DataFrame, within: str | None) -> NDArray[np.str_]:
    """Return what is equal in matched rows."""
    if within is None:
        return np.full(len(table), "")
    require_column(table, within, "match within")
    present = has_value(table[within])
    count = int((~present).sum())
    if count and within == "site" and pooled_institutes(table):
        raise missing_place_error(table, count, "within='institute'")
    if count:
        message = (
            f"{count} of {len(table)} rows have no '{within}', so they cannot be matched within it. "
            "Exclude those rows, or match within another column."
        )
        raise SelectionError(message, requested=within)
    return table[within].astype(str).to_numpy(dtype=str)


def _match_within(pool: _Candidates, ratio: int) -> list[NDArray[np.intp]]:
    """Return the matched sets of each place as positions of candidates, the patient first."""
    sets: list[NDArray[np.intp]] = []
    for place in sorted(set(pool.places.tolist())):
        here = pool.places == place
        patient, control = np.flatnonzero(here & pool.is_patient), np.flatnonzero(here & ~pool.is_patient)
        if patient.size and control.size >= ratio:
            distances = cdist(pool.points[patient], pool.points[control])
            chosen, partners = assign(distances, ratio)
            sets += [
                np.concatenate([patient[[row]], control[columns]])
                for row, columns in zip(chosen, partners, strict=True)
            ]
    return sets


def _nothing_matched_error(options: _MatchOptions) -> SelectionError:
    where = "No" if options.within is None else f"No '{options.within}'"
    message = (
        f"{where} has patients and at least {options.ratio} controls, so no patient can be matched. "
        "Use another `within`, or a smaller `ratio`."
    )
    return SelectionError(message, requested=options.within)


def _result(
    table: pd.DataFrame, pool: _Candidates, sets: Sequence[NDArray[np.intp]], n_missing: Mapping[str, int]
) -> Match:
    number = np.full(len(table), -1, dtype=np.int64)
    # Numbered by the patients in the order of the table, in which users read them.
    for place, members in enumerate(sorted(sets, key=lambda members: int(pool.rows[members[0]]))):
        number[pool.rows[members]] = place
    matched = np.flatnonzero(number >= 0)
    excluded = {
        "no diagnosis": pool.n_without_diagnosis,
        "missing value": len(table) - pool.n_without_diagnosis - pool.rows.size,
        "not matched": pool.rows.size - matched.size,
    }
    name = hash_rows(
        "match", sorted(hash_rows("set", (pool.row_ids[row] for row in members)) for members in sets)
    )
    balance = _balance(pool, np.isin(pool.rows, matched), n_missing)
    return Match(table.iloc[matched].assign(**{_SET_COLUMN: number[matched]}), balance, name, excluded)


def _balance(pool: _Candidates, is_matched: NDArray[np.bool_], n_missing: Mapping[str, int]) -> pd.DataFrame:
    def differences(used: NDArray[np.bool_]) -> NDArray[np.float64]:
        patient, control = pool.points[used & pool.is_patient], pool.points[used & ~pool.is_patient]
        difference: NDArray[np.float64] = patient.mean(axis=0) - control.mean(axis=0)
        return difference

    return pd.DataFrame(
        {
            "field": [measure.column for measure in pool.measures],
            "level": [measure.level for measure in pool.measures],
            "smd_before": differences(np.ones(pool.rows.size, dtype=bool)),
            "smd_after": differences(is_matched),
            "n_missing": [n_missing[measure.column] for measure in pool.measures],
        }
    )
