"""The numbers of a report: counts, quantiles that show no single person, and effects of places on edges."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from decnef_data_catalog import examples
from numpy.typing import NDArray

from decnef_data.disclosure import MIN_COUNT
from decnef_data.exports.pages.cohort import NOT_STATED, Connectivity

__all__ = [
    "MIN_GROUP",
    "SEXES",
    "EdgeMoments",
    "Summary",
    "count_people",
    "count_sexes",
    "order_diagnoses",
    "sum_edges",
    "summarize",
]

SEXES: Final = ("female", "male", NOT_STATED)
#: Fewer values are not summarized: a quantile of four people is the value of one of them, or nearly.
MIN_GROUP: Final = MIN_COUNT
#: Fewer values have no 5 % and 95 % quantiles, which would be values of single people.
_MIN_TAILS: Final = 20
#: Less of the sum of squares is rounding: the values are equal.
_ROUNDING: Final = 1e-12
_BLOCK_BYTES: Final = 64 << 20

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Summary:
    """The quantiles of a group; ``None`` where its size does not permit them.

    Attributes
    ----------
    n
        The number of values.
    median, quartiles, tails
        The median, the quantiles 25 % and 75 %, and the quantiles 5 % and 95 %.
    """

    n: int
    median: float | None = None
    quartiles: tuple[float, float] | None = None
    tails: tuple[float, float] | None = None

    @property
    def ends(self) -> tuple[float, ...]:
        """The outermost quantiles that are shown."""
        return self.tails or self.quartiles or ()

    @property
    def quantiles(self) -> tuple[float | None, ...]:
        """The quantiles 5 %, 25 %, 50 %, 75 % and 95 %."""
        low, high = self.quartiles or (None, None)
        bottom, top = self.tails or (None, None)
        return bottom, low, self.median, high, top


def summarize(values: pd.Series) -> Summary:
    """Return the quantiles of the values that are not missing; never a minimum or maximum.

    Examples
    --------
    >>> summarize(pd.Series([20.0, 30, 40, 50]))
    Summary(n=4, median=None, quartiles=None, tails=None)
    >>> summarize(pd.Series([20.0, 30, 40, 50, 60]))
    Summary(n=5, median=40.0, quartiles=(30.0, 50.0), tails=None)
    """
    known = values.dropna().to_numpy(np.float64)
    if known.size < MIN_GROUP:
        return Summary(known.size)
    low, median, high = (float(value) for value in np.quantile(known, [0.25, 0.5, 0.75]))
    tails = None
    if known.size >= _MIN_TAILS:
        bottom, top = np.quantile(known, [0.05, 0.95])
        tails = float(bottom), float(top)
    return Summary(known.size, median, (low, high), tails)


def count_people(people: pd.DataFrame) -> pd.DataFrame:
    """Return the number of people by place and diagnosis, both ordered for reading."""
    counts = pd.crosstab(people["place"], people["diagnosis"])
    return counts.reindex(
        index=_last(sorted(counts.index)), columns=order_diagnoses(counts.columns.tolist())
    ).astype("int64")


def count_sexes(people: pd.DataFrame) -> pd.DataFrame:
    """Return the number of people by place and sex; another one than female and male counts as not stated."""
    sexes = people["sex"].where(people["sex"].isin(SEXES), NOT_STATED)
    counts = pd.crosstab(people["place"], sexes).reindex(columns=list(SEXES), fill_value=0)
    return counts.reindex(index=_last(sorted(counts.index))).astype("int64")


def order_diagnoses(names: Sequence[str]) -> list[str]:
    """Return controls first, and what is not stated last."""
    return _last(sorted(set(names), key=lambda name: (name != examples.CONTROLS, name.casefold())))


def _last(names: list[str]) -> list[str]:
    return [name for name in names if name != NOT_STATED] + [name for name in names if name == NOT_STATED]


@dataclass(frozen=True, slots=True, eq=False)
class EdgeMoments:
    """Sums over the people of each place, on Fisher's z of each edge.

    Attributes
    ----------
    places
        The places.
    n_people
        The number of people of each place, each counted once.
    n_rows
        The number of rows of all people.
    counts, sums, squares
        By place and edge: how many values, their sum, and the sum of their squares.
    """

    places: tuple[str, ...]
    n_people: tuple[int, ...]
    n_rows: int
    counts: Floats
    sums: Floats
    squares: Floats

    def means(self) -> Floats:
        """Return the mean of each place and edge, as Pearson r; NaN where there is no value."""
        with np.errstate(invalid="ignore", divide="ignore"):
            means: Floats = np.tanh(self.sums / self.counts)
        return means

    def eta_squared(self) -> Floats:
        """Return the between-place sum of squares over the total one, for each edge that varies."""
        with np.errstate(invalid="ignore", divide="ignore"):
            correction = self.sums.sum(axis=0) ** 2 / self.counts.sum(axis=0)
            # Both branches are computed: a place without a value must not divide by zero.
            parts = np.where(self.counts > 0, self.sums**2 / np.maximum(self.counts, 1), 0)
            squares = self.squares.sum(axis=0)
            total = squares - correction
            varies = total > _ROUNDING * squares
            eta: Floats = (parts.sum(axis=0) - correction) / total
        known: Floats = eta[np.isfinite(eta) & varies]
        # Rounding may leave the range by a little.
        return np.clip(known, 0, 1)


def sum_edges(connectivity: Connectivity) -> EdgeMoments:
    """Add up Fisher's z by place, in blocks of people; values without one (NaN, 1 and -1) are left out."""
    names, numbers = np.unique(connectivity.places.astype(str), return_inverse=True)
    fc = connectivity.fc
    dim = fc.dims[0]
    n_rows, n_edges = fc.shape
    counts, sums, squares = (np.zeros((names.size, n_edges)) for _ in range(3))
    step = max(1, _BLOCK_BYTES // (8 * max(1, n_edges)))
    for start in range(0, n_rows, step):
        values = fc.isel({dim: slice(start, start + step)}).to_numpy().astype(np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            z = np.arctanh(values)
        is_known = np.isfinite(z)
        if not is_known.all():
            # A zero changes no sum, and the counts leave it out.
            z[~is_known] = 0
        for number in np.unique(numbers[start : start + step]):
            rows = numbers[start : start + step] == number
            counts[number] += is_known[rows].sum(axis=0)
            sums[number] += z[rows].sum(axis=0)
            # Without another array of the size of the block.
            squares[number] += np.einsum("ij,ij->j", z[rows], z[rows])
    subjects = connectivity.subjects
    n_people = np.array([np.unique(subjects[numbers == number]).size for number in range(names.size)])
    order = [names.tolist().index(name) for name in _last(names.tolist())]
    return EdgeMoments(
        tuple(names[order].tolist()),
        tuple(n_people[order].tolist()),
        n_rows,
        counts[order],
        sums[order],
        squares[order],
    )
