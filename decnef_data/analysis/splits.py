"""Splits into training and test rows that keep each site, or each participant, on one side."""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import lcm
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from decnef_data.analysis.rows import (
    hash_rows,
    missing_place_error,
    participant_table,
    pooled_institutes,
    row_identifiers,
    texts,
)
from decnef_data.arguments import checked
from decnef_data.errors import SelectionError, warn_user
from decnef_data.records import default_records

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["SplitOptions", "Splits", "split", "splits"]

#: With fewer parts, no rows are left to train on.
_MIN_SPLITS = 2
_Indices = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class SplitOptions:
    """How to split: the column to keep together, the number of folds, the column to balance, and the seed.

    With ``n_splits=None`` one site (or participant) is left out at a time.
    """

    by: str = "site"
    n_splits: int | None = None
    stratify: str | None = "diagnosis"
    seed: int = 0


class Splits:
    """A cross-validator in which each fold is the test set once, and all other rows are the training set.

    scikit-learn accepts it as ``cv=``; iterating yields the pairs of indices.

    Parameters
    ----------
    options
        The options of the split.
    row_ids
        An identifier of each row.
    folds
        The fold of each row.
    held_out
        The sites (or participants) in each fold.

    Examples
    --------
    >>> splits = Splits(SplitOptions(), ["a", "b", "c"], np.array([0, 0, 1]), [("SWA",), ("KUT",)])
    >>> [(train.tolist(), test.tolist()) for train, test in splits]
    [([2], [0, 1]), ([0, 1], [2])]
    """

    def __init__(
        self,
        options: SplitOptions,
        row_ids: Sequence[str],
        folds: _Indices,
        held_out: Sequence[tuple[str, ...]],
    ) -> None:
        self.options = options
        self.held_out = tuple(held_out)
        self._row_ids = np.asarray(row_ids, dtype=str)
        self._folds = folds

    def __repr__(self) -> str:
        return f"<Splits {self.name}: {len(self)} splits of {self._folds.size} rows by {self.options.by}>"

    def _repr_html_(self) -> str:
        from decnef_data.display.comparisons import splits_html

        sizes = [(train.size, test.size) for train, test in self]
        folds = [(labels, *size) for labels, size in zip(self.held_out, sizes, strict=True)]
        return splits_html(self.name, self.options.by, folds)

    def __len__(self) -> int:
        return len(self.held_out)

    def __iter__(self) -> Iterator[tuple[_Indices, _Indices]]:
        for fold in range(len(self)):
            is_test = self._folds == fold
            yield np.flatnonzero(~is_test), np.flatnonzero(is_test)

    def split(self, X: Any = None, y: Any = None, groups: Any = None) -> Iterator[tuple[_Indices, _Indices]]:  # noqa: N803, ARG002 - scikit-learn's names
        """Return an iterator over the pairs of training and test indices, for scikit-learn.

        Parameters
        ----------
        X
            The rows to split, of which only the number is checked; ``None`` means no check.
        y, groups
            Ignored; scikit-learn passes them.

        Returns
        -------
        iterator
            Pairs of integer arrays: the indices of the training rows and of the test rows.

        Raises
        ------
        SelectionError
            `X` and the table that was split differ in their number of rows.

        Examples
        --------
        >>> splits = Splits(SplitOptions(), ["a", "b"], np.array([0, 1]), [("SWA",), ("KUT",)])
        >>> [test.tolist() for _, test in splits.split([[1.5], [2.5]])]
        [[0], [1]]
        """
        # A sparse matrix has a shape and no length.
        n_rows = self._folds.size if X is None else X.shape[0] if hasattr(X, "shape") else len(X)
        if n_rows != self._folds.size:
            message = (
                f"X has {n_rows} rows, but {self._folds.size} rows were split. Pass the rows that were split."
            )
            raise SelectionError(message, requested=str(n_rows))
        return iter(self)

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:  # noqa: N803, ARG002 - scikit-learn's names
        """Return the number of pairs, for scikit-learn.

        Parameters
        ----------
        X, y, groups
            Ignored; scikit-learn passes them.

        Returns
        -------
        int
            The number of pairs of training and test rows.

        Examples
        --------
        >>> Splits(SplitOptions(), ["a", "b"], np.array([0, 1]), [("SWA",), ("KUT",)]).get_n_splits()
        2
        """
        return len(self)

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each pair: a hash of the rows on each side, independent of their order."""
        return tuple(hash_rows("split", self._row_ids[train], self._row_ids[test]) for train, test in self)

    @property
    def name(self) -> str:
        """Name of all pairs together, independent of the order of the rows."""
        return hash_rows("split", sorted(self.names))


@checked
def splits(
    data: "xr.Dataset | pd.DataFrame",
    by: str = "site",
    *,
    n_splits: int | None = None,
    stratify: str | None = "diagnosis",
    seed: int = 0,
) -> Splits:
    """Split participants or scans for cross-validation, without overlap between training and test data.

    Parameters
    ----------
    data
        The Dataset of one group from :func:`decnef_data.fetch_dataset`, or a table from
        :func:`decnef_data.participants` or :func:`decnef_data.query`.
    by
        What is kept together: ``"site"``; ``"institute"``, which is also known where tables pool their sites;
        or ``"subject"``, for participants who were scanned more than once.
    n_splits
        The number of parts, at least 2; ``None`` means that one site (institute, subject) is left out at a
        time.
    stratify
        The column whose classes should have the same proportions in each part, as far as undivided sites
        allow; ``None`` means no stratification.
    seed
        With `n_splits`, determines how participants, or sites of similar size, are distributed.

    Returns
    -------
    Splits
        A cross-validator for scikit-learn's ``cv=``.  Iterating yields pairs of training and test indices
        along the participants or scans.  ``name``, and ``names`` of each pair, are hashes of the assignment:
        the same on every machine and with every version of the libraries.

    Raises
    ------
    SelectionError
        `by` or `stratify` is not a column, `by` is not known for all participants, there are too few of its
        values to split, or the table combines groups that do not link their participants.

    Warns
    -----
    DecnefDataWarning
        Participants were scanned at several sites, so that splitting by site puts them on both sides.

    Examples
    --------
    >>> from decnef_data import fetch_dataset
    >>> cube = fetch_dataset("srpbs-fc/bal140", mirror="phantom", progress="none")
    >>> folds = splits(cube, by="institute", n_splits=4)
    >>> len(folds), len(set(folds.names))
    (4, 4)
    >>> train, test = next(iter(folds))
    >>> set(cube.institute.values[train]) & set(cube.institute.values[test])
    set()
    """
    # The groups of matrices: no source links the rows of two atlases.
    unlinked_groups = {atlas.group for dataset in default_records().datasets for atlas in dataset.atlases}
    _require_one_estimate(data)
    return split(
        participant_table(data, by, "split by"), SplitOptions(by, n_splits, stratify, seed), unlinked_groups
    )


def _require_one_estimate(data: Any) -> None:
    """Refuse rows whose site biases were estimated apart: each estimate has another reference."""
    marks = getattr(data, "coords", {}).get("harmonized")
    if marks is None:
        return
    n_estimates = len(np.unique(marks.to_numpy().astype(str)))
    if n_estimates > 1:
        message = (
            f"The rows were harmonized with {n_estimates} estimates of the site biases, which are not "
            "comparable. Harmonize them together, or split the rows of one 'harmonized'."
        )
        raise SelectionError(message, requested="harmonized")


def split(table: "pd.DataFrame", options: SplitOptions, unlinked_groups: Collection[str] = ()) -> Splits:
    """Split the rows of a table.

    The folds depend only on the rows of the table and on `options`: not on the order of the rows, nor on the
    version of any library.

    Parameters
    ----------
    table
        One row per participant or scan, with ``subject`` and the column to split by.
    options
        How to split.
    unlinked_groups
        Groups in which one participant has different subject ids.

    Raises
    ------
    SelectionError
        A row has no value to split by, there are too few different values, or fewer than two splits.

    Warns
    -----
    DecnefDataWarning
        Participants were scanned at several sites and are on both sides of a split by site.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"subject": ["a", "b", "c"], "site": ["SWA", "KUT", "SWA"], "diagnosis": "HC"})
    >>> splits = split(table, SplitOptions())
    >>> splits.held_out, splits.name
    ((('KUT',), ('SWA',)), '...')
    """
    _require_linked_subjects(table, options.by, unlinked_groups)
    labels = _labels(table, options.by)
    _warn_of_travelers(table, labels, options.by)
    classes = _classes(table, options.stratify)
    unique_labels = sorted(set(labels))
    _require_training_rows(options)
    n_splits = options.n_splits or _MIN_SPLITS
    if len(unique_labels) < n_splits:
        message = (
            f"{n_splits} splits need as many different values of '{options.by}', but the table "
            f"has {len(unique_labels)}. Use fewer splits, or split by a column with more values."
        )
        raise SelectionError(message, requested=str(options.n_splits))
    one_fold_each = {label: fold for fold, label in enumerate(unique_labels)}
    fold_of = one_fold_each if options.n_splits is None else _assign_folds(labels, classes, options)
    n_folds = max(fold_of.values()) + 1
    held_out = [tuple(label for label in unique_labels if fold_of[label] == fold) for fold in range(n_folds)]
    folds = np.array([fold_of[label] for label in labels], dtype=np.intp)
    return Splits(options, row_identifiers(table, "split"), folds, held_out)


def _require_training_rows(options: SplitOptions) -> None:
    if options.n_splits is not None and options.n_splits < _MIN_SPLITS:
        message = (
            f"n_splits={options.n_splits} leaves no rows to train on. "
            f"Use n_splits=2 or more, or n_splits=None to leave out one {options.by} at a time."
        )
        raise SelectionError(message, requested=str(options.n_splits))


def _require_linked_subjects(table: "pd.DataFrame", by: str, unlinked_groups: Collection[str]) -> None:
    """Refuse to split by subject where the rows of one participant cannot be linked."""
    if by != "subject":
        return
    for column, select_unlinked in (("dataset", set), ("group", frozenset(unlinked_groups).intersection)):
        found = sorted(select_unlinked(table[column])) if column in table.columns else []
        if len(found) > 1:
            message = (
                f"The same participant has different subject ids in '{found[0]}' and '{found[1]}', and could "
                f"be on both sides of a split. Split the rows of one {column}, or use by='institute'."
            )
            raise SelectionError(message, requested=by, known=found)


def _warn_of_travelers(table: "pd.DataFrame", labels: Sequence[str], by: str) -> None:
    if by == "subject" or "subject" not in table.columns:
        return
    columns = [name for name in ("dataset", "group", "subject") if name in table.columns]
    # Missing groups are kept: images have none.
    n_labels = table[columns].assign(place=labels).groupby(columns, dropna=False)["place"].nunique()
    travelers = int(n_labels.gt(1).sum())
    if travelers:
        message = (
            f"{travelers} {'participant was' if travelers == 1 else 'participants were'} scanned at several "
            f"sites, so by='{by}' puts their scans on both sides. "
            "Use by='subject' to keep each participant on one side."
        )
        warn_user(message)


def _labels(table: "pd.DataFrame", by: str) -> list[str]:
    if by not in table.columns:
        known = [name for name in ("site", "institute", "subject") if name in table.columns]
        message = f"The table has no column '{by}' to split by. Available: {', '.join(known) or 'none'}."
        raise SelectionError(message, requested=by, known=known)
    labels = texts(table[by])
    if "" in labels:
        raise _missing_label_error(table, by, labels.count(""))
    return labels


def _missing_label_error(table: "pd.DataFrame", by: str, count: int) -> SelectionError:
    if by == "site" and pooled_institutes(table):
        return missing_place_error(table, count, "by='institute'")
    message = (
        f"{count} of {len(table)} rows have no '{by}', so the same {by} could be on both sides. "
        "Exclude those rows, or split by another column."
    )
    return SelectionError(message, requested=by)


def _classes(table: "pd.DataFrame", stratify: str | None) -> list[str]:
    if stratify is None:
        return [""] * len(table)
    if stratify not in table.columns:
        message = (
            f"The table has no column '{stratify}' to stratify by. Pass stratify=None, or one of its columns."
        )
        raise SelectionError(message, requested=stratify, known=tuple(map(str, table.columns)))
    return texts(table[stratify])


def _assign_folds(labels: Sequence[str], classes: Sequence[str], options: SplitOptions) -> dict[str, int]:
    """Assign sites (or participants) to folds, largest first, each to the fold where its classes are rarest.

    This is integer arithmetic over a hashed order, so the result is the same on every machine.
    """
    counts, weights = _count_classes(labels, classes), _class_weights(classes)
    folds: list[dict[str, int]] = [{} for _ in range(options.n_splits or 1)]
    assigned: dict[str, int] = {}
    for label in _sort_labels(counts, weights, options.seed):
        label_counts = counts[label]
        costs = [(_imbalance(fold, label_counts, weights), sum(fold.values())) for fold in folds]
        # Of folds with the same imbalance, the smallest; of several of these, the first.
        assigned[label] = costs.index(min(costs))
        for kind, number in label_counts.items():
            fold_counts = folds[assigned[label]]
            fold_counts[kind] = fold_counts.get(kind, 0) + number
    return assigned


def _sort_labels(counts: Mapping[str, Mapping[str, int]], weights: Mapping[str, int], seed: int) -> list[str]:
    """Sort sites (or participants) from large to small, and those of similar size by a seeded hash."""
    hashes = {label: hashlib.sha256(f"{seed}\x1f{label}".encode()).hexdigest() for label in counts}
    # Half the bit length of a sum of squares: sizes within a factor of two of each other are equal.
    sizes = {
        label: _imbalance(label_counts, label_counts, weights).bit_length() // 2
        for label, label_counts in counts.items()
    }
    return sorted(counts, key=lambda label: (-sizes[label], hashes[label]))


def _count_classes(labels: Iterable[str], classes: Iterable[str]) -> dict[str, dict[str, int]]:
    """Count the rows of each site (or participant) by class."""
    counts: dict[str, dict[str, int]] = {}
    for label, kind in zip(labels, classes, strict=True):
        label_counts = counts.setdefault(label, {})
        label_counts[kind] = label_counts.get(kind, 0) + 1
    return counts


def _class_weights(classes: Sequence[str]) -> dict[str, int]:
    """Compute the weight of each class, its squared rarity, as an integer."""
    totals = {kind: classes.count(kind) for kind in set(classes)}
    # Whole numbers: sums of floats would depend on the order of the rows.
    multiple = lcm(*totals.values())
    return {kind: (multiple // total) ** 2 for kind, total in totals.items()}


def _imbalance(present: Mapping[str, int], added: Mapping[str, int], weights: Mapping[str, int]) -> int:
    """Compute how much `added` increases the imbalance of a fold that has `present`."""
    return sum(weights[kind] * present.get(kind, 0) * number for kind, number in added.items())
