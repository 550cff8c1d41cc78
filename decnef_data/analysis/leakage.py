"""Confounds that predict the diagnosis in the splits of an analysis: site, head motion, age and sex."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from decnef_data.analysis.covariates import patients
from decnef_data.analysis.rows import has_value, participant_table, texts
from decnef_data.analysis.splits import Splits
from decnef_data.arguments import checked
from decnef_data.errors import SelectionError

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["leakage"]

_NUMBERS = ("mean_fd", "mean_fd_computed", "age")
_SOURCES = ("site", *_NUMBERS, "sex")
#: Rows of `leakage` that a table has even if it lacks the column.
_ALWAYS = frozenset({"site", "mean_fd", "age", "sex"})
_N_PERMUTATIONS = 200
_CHANCE_QUANTILE = 0.95
_Pairs = Sequence[tuple[NDArray[np.intp], NDArray[np.intp]]]
_Bools = NDArray[np.bool_]
_Floats = NDArray[np.float64]


@checked
def leakage(table: "pd.DataFrame | xr.Dataset", splits: "Splits | Sequence[tuple[Any, Any]]") -> pd.DataFrame:
    """Measure how well the site, head motion, age and sex alone predict the diagnosis in splits.

    A classifier of brain data whose score is not above these scores has not been shown to use anything else.
    The label is whether a row is of a patient, which is any diagnosis but ``"HC"``.  Each source is fitted to
    the training rows and scored on the test rows of each split: the proportion of patients at each site and
    of each sex, and a logistic regression on each number, whose AUC depends only on the sign of its slope.

    Parameters
    ----------
    table
        The table or the Dataset that was split, with its rows in the same order.
    splits
        The result of :func:`decnef_data.splits`, or a list of pairs of training and test indices.

    Returns
    -------
    DataFrame
        One row per source: ``source``, ``"site"`` (the institute where the table pools its sites),
        ``"mean_fd"``, ``"mean_fd_computed"`` if the table has it, ``"age"`` and ``"sex"``; ``auc``, float64,
        the mean over the test sets that have both patients and controls of the area under the ROC curve, NaN
        if no split has both in its training rows and in its test rows that have a value of the source; and
        ``chance``, float64, the 95th percentile (interpolated linearly) of 200 values of ``auc``.  For each
        of them, the values of the source are permuted among all rows that have a value and a diagnosis, and
        are fitted and scored again with the same diagnoses and splits.

        A source that is independent of the diagnosis exceeds ``chance`` in about 5 % of tables.  With 200
        permutations, ``chance`` is uncertain: the share of all permutations that exceed it is between 2.8 %
        and 9.0 % in 95 % of cases.  The permutations are the same in each call.

        Permutations also separate the source from the site.  The ``chance`` of ``"site"`` is therefore that
        of participants who were assigned to sites at random, with the same sites on both sides of a split,
        even if `splits` keep sites apart, which makes its ``auc`` 0.5.

        Rows without a diagnosis are not used, and rows without a value are not used for that source;
        ``attrs["n_missing"]`` has their number by source.

    Raises
    ------
    SelectionError
        The table has no diagnosis, not both patients and controls, or an age or displacement that is not a
        number; the splits are not of its rows, or have a row on both sides; or no split has both patients and
        controls on each side.

    Examples
    --------
    >>> import decnef_data
    >>> people = decnef_data.participants("srpbs-fc", group="bal140", mirror="phantom", progress="none")
    >>> found = leakage(people, decnef_data.splits(people, by="institute"))
    >>> found["source"].tolist()
    ['site', 'mean_fd', 'age', 'sex']
    """
    frame = participant_table(table, "diagnosis", "predict")
    pairs = _pairs(splits, len(frame))
    known, is_patient = patients(frame)
    _require_both_on_each_side(pairs, known, is_patient)
    rows, missing = [], {}
    for source in _SOURCES:
        if source in _ALWAYS or source in frame.columns:
            values, present = _source(frame, source)
            usable = known & present
            missing[source] = int((known & ~present).sum())
            rows.append({"source": source, **_score(values, usable, is_patient, pairs)})
    found = pd.DataFrame(rows, columns=["source", "auc", "chance"])
    found.attrs["n_missing"] = missing
    return found


def _pairs(splits: "Splits | Sequence[tuple[Any, Any]]", n_rows: int) -> _Pairs:
    """Return the indices of each split, checked against the number of rows."""
    given = splits.split(np.empty(n_rows)) if isinstance(splits, Splits) else splits
    pairs = []
    for pair in given:
        indices = [np.asarray(side) for side in pair]
        if len(indices) != 2 or any(side.ndim != 1 or side.dtype.kind not in "iu" for side in indices):  # noqa: PLR2004 - a pair
            message = "A split is not a pair of training and test indices. Pass the result of splits()."
            raise SelectionError(message)
        used = np.concatenate(indices)
        # NumPy would take a negative index for one from the end.
        if used.size and (used.min() < 0 or used.max() >= n_rows):
            message = (
                f"A split has the index {used.min() if used.min() < 0 else used.max()}, but the table has "
                f"{n_rows} rows. Pass the table that was split."
            )
            raise SelectionError(message, requested=str(n_rows))
        if (shared := np.intersect1d(indices[0], indices[1])).size:
            message = (
                f"A split has {shared.size} rows on both sides, so what is tested was trained on. "
                "Pass the result of splits(), or leave those rows out of one side."
            )
            raise SelectionError(message, requested="splits")
        pairs.append((indices[0].astype(np.intp), indices[1].astype(np.intp)))
    return pairs


def _require_both_on_each_side(pairs: _Pairs, known: _Bools, is_patient: _Bools) -> None:
    if not any(all(_has_both(is_patient[side[known[side]]]) for side in pair) for pair in pairs):
        message = (
            "No split has both patients and controls on each side, so there is nothing to score. "
            "Use fewer and larger splits, such as splits(..., n_splits=5)."
        )
        raise SelectionError(message, requested="splits")


def _source(table: pd.DataFrame, source: str) -> tuple[NDArray[Any], _Bools]:
    """Return the values of a source, levels as whole numbers, and which rows have one."""
    column = _site_or_institute(table) if source == "site" else table.get(source)
    if column is None:
        return np.zeros(len(table)), np.zeros(len(table), dtype=bool)
    present = has_value(column)
    if source in _NUMBERS:
        values = np.full(len(table), np.nan)
        try:
            values[present] = pd.to_numeric(column[present])
        except (TypeError, ValueError) as error:
            message = (
                f"The column '{source}' has values that are not numbers. Convert it to numbers, or drop it."
            )
            raise SelectionError(message, requested=source) from error
        return values, np.isfinite(values)
    return np.unique(texts(column), return_inverse=True)[1], present


def _site_or_institute(table: pd.DataFrame) -> "pd.Series[Any] | None":
    site, institute = table.get("site"), table.get("institute")
    if site is None or institute is None:
        return institute if site is None else site
    # An institute and a site may have the same name ("UTO"), and are the same place then.
    return site.astype(object).where(has_value(site), institute.astype(object))


def _score(values: NDArray[Any], usable: _Bools, is_patient: _Bools, pairs: _Pairs) -> dict[str, float]:
    """Return the mean AUC of a source, and what it is with the source permuted."""
    rows = np.flatnonzero(usable)
    tried = _permutations(values, rows)
    is_level = values.dtype.kind in "iu"
    scores = []
    for all_train, all_test in pairs:
        train, test = all_train[usable[all_train]], all_test[usable[all_test]]
        if _has_both(is_patient[train]) and _has_both(is_patient[test]):
            fit = _proportions if is_level else _signed
            scores.append(_auc(fit(tried, is_patient, train, test), is_patient[test]))
    if not scores:
        return {"auc": np.nan, "chance": np.nan}
    mean = np.mean(scores, axis=0)
    return {"auc": float(mean[0]), "chance": float(np.quantile(mean[1:], _CHANCE_QUANTILE))}


def _permutations(values: NDArray[Any], rows: NDArray[np.intp]) -> NDArray[Any]:
    """Return the values ``(1 + permutation, row)``: as they are, then permuted among the given rows."""
    generator = np.random.default_rng(0)
    tried = np.repeat(values[np.newaxis], 1 + _N_PERMUTATIONS, axis=0)
    tried[1:, rows] = generator.permuted(tried[1:, rows], axis=1)
    return tried


def _has_both(labels: _Bools) -> bool:
    return bool(labels.any() and not labels.all())


def _signed(tried: _Floats, is_patient: _Bools, train: NDArray[np.intp], test: NDArray[np.intp]) -> _Floats:
    """Score test rows by a number, in the direction of the patients' mean in the training rows."""
    label = is_patient[train]
    # The slope of a logistic regression on one number has the sign of this difference.
    difference = tried[:, train[label]].mean(axis=1) - tried[:, train[~label]].mean(axis=1)
    scores: _Floats = np.sign(difference)[:, np.newaxis] * tried[:, test]
    return scores


def _proportions(
    tried: NDArray[np.intp], is_patient: _Bools, train: NDArray[np.intp], test: NDArray[np.intp]
) -> _Floats:
    """Score test rows by the proportion of patients in the training rows of their level.

    The overall proportion counts as one more row of each level, and is the score of an unknown level.
    """
    n_tried, n_levels = len(tried), int(tried.max()) + 1
    # Each permutation has numbers of its own, so that one pass counts all of them.
    place = tried + n_levels * np.arange(n_tried)[:, np.newaxis]
    n_rows = np.bincount(place[:, train].ravel(), minlength=n_tried * n_levels)
    n_patients = np.bincount(place[:, train[is_patient[train]]].ravel(), minlength=n_tried * n_levels)
    proportion = (n_patients + is_patient[train].mean()) / (n_rows + 1)
    return proportion[place[:, test]]  # type: ignore[no-any-return]


def _auc(scores: _Floats, is_patient: _Bools) -> _Floats:
    """Return the area under the ROC curve of each row of scores, which ties leave at one half."""
    ranks = rankdata(scores, axis=1)
    n_patients = int(is_patient.sum())
    n_controls = is_patient.size - n_patients
    above = ranks[:, is_patient].sum(axis=1) - n_patients * (n_patients + 1) / 2
    return above / (n_patients * n_controls)  # type: ignore[no-any-return]
