"""Which numbers of people a page may show."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from decnef_data.disclosure import hides_rows
from decnef_data.exports.pages.cohort import Cohort
from decnef_data.exports.pages.statistics import MIN_GROUP, count_people

__all__ = ["Disclosure"]


@dataclass(frozen=True, slots=True)
class Disclosure:
    """Which numbers are shown.

    The numbers of a release are published.  Those of a selection are not: from 1 to 4 they are hidden, and
    so is what would give them away by subtraction, such as how many people a site has in all.

    Attributes
    ----------
    counts
        The number of people by place and diagnosis.
    individuals
        Whether single people are shown.
    hides_small
        Whether small numbers are hidden.
    """

    counts: pd.DataFrame
    individuals: bool
    hides_small: bool

    @classmethod
    def create(cls, cohort: Cohort, *, individuals: bool) -> "Disclosure":
        """Return what may be shown of a cohort; of synthetic people there is nothing to protect.

        Where ``DECNEF_ROWS`` hides rows, small numbers are hidden in every case: a copy may be of anything.
        """
        hides_small = hides_rows() or (cohort.is_selection and not cohort.is_synthetic and not individuals)
        return cls(count_people(cohort.people), individuals, hides_small)

    def is_hidden(self, count: int) -> bool:
        """Return whether a number is too small to be shown."""
        return self.hides_small and 0 < count < MIN_GROUP

    def hides_size(self, place: str) -> bool:
        """Return whether the number of people at a place is hidden."""
        return any(map(self.is_hidden, self.counts.loc[place]))

    def count(self, count: int) -> str:
        """Return a number as it is shown."""
        return f"<{MIN_GROUP}" if self.is_hidden(count) else f"{count}"

    def total(self, counts: Sequence[int]) -> str:
        """Return a sum of the numbers that are shown."""
        shown = sum(count for count in counts if not self.is_hidden(count))
        return f"{shown} or more" if any(map(self.is_hidden, counts)) else f"{shown}"

    def size(self, place: str, count: int) -> str:
        """Return the number of people at a place, empty where it is not shown."""
        return "" if self.hides_size(place) or self.is_hidden(count) else f"n {count}"
