"""Which numbers of people a page may show."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import pandas as pd
from decnef_data_catalog import examples

from decnef_data.count_suppression import format_count, hidden_counts
from decnef_data.disclosure import MIN_COUNT, hides_rows
from decnef_data.exports.pages.cohort import NOT_STATED, Cohort
from decnef_data.exports.pages.statistics import SEXES, count_people, count_sexes

__all__ = ["FD_LIMIT", "Disclosure"]

#: A mean framewise displacement in mm, of which a page states how many people are beyond it.
FD_LIMIT: Final = 0.5
#: What people may lack, beside a diagnosis and a sex, which are ``NOT_STATED``.
_MEASURED: Final = ("age", "mean_fd", "mean_fd_computed", "fd_floor")
#: The diagnoses of which the number at all places is shown.
_TOTALS: Final = frozenset({examples.CONTROLS, NOT_STATED})
#: The name of a number, such as ``("diagnosis", place, name)``; that of all people is empty.
Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Disclosure:
    """Which numbers are shown.

    The numbers of a release are published.  Those of a selection are not: from 1 to 4 they are hidden, and
    so are others from which these could be computed.

    Attributes
    ----------
    counts
        The number of people by place and diagnosis.
    individuals
        Whether single people are shown.
    hides_small
        Whether small numbers are hidden.
    numbers
        All numbers of people that the page shows, and those that follow from them: of all, ``()``; of a
        ``("place", place)``; by ``("diagnosis", name)`` and ``("diagnosis", place, name)``, and by ``"sex"``
        alike; ``("missing", column)``, ``("known", column)``, ``("beyond", column)``, ``("within", column)``.
    hidden
        The names of the numbers that are hidden.
    """

    counts: pd.DataFrame
    individuals: bool
    hides_small: bool
    numbers: Mapping[Key, int]
    hidden: frozenset[Key]

    @classmethod
    def create(cls, cohort: Cohort, *, individuals: bool) -> "Disclosure":
        """Return what may be shown of a cohort; of synthetic people there is nothing to protect.

        Where ``DECNEF_ROWS`` hides rows, small numbers are hidden in every case: a copy may be of anything.
        """
        hides_small = hides_rows() or (cohort.is_selection and not cohort.is_synthetic and not individuals)
        tables = count_people(cohort.people), count_sexes(cohort.people)
        numbers = dict(_count(cohort.people, *tables))
        hidden = hidden_counts(numbers, _sums(*tables), is_protected=hides_small, hides_sums=True)
        return cls(tables[0], individuals, hides_small, numbers, hidden)

    def is_hidden(self, *key: str) -> bool:
        """Return whether a number is not shown."""
        return key in self.hidden

    def text(self, *key: str) -> str:
        """Return a number as it is shown."""
        return format_count(self.numbers[key], is_hidden=key in self.hidden).replace(",", "")

    def count(self, number: int) -> str:
        """Return a number as it is shown, from which no other one follows."""
        is_hidden = self.hides_small and 0 < number < MIN_COUNT
        return format_count(number, is_hidden=is_hidden).replace(",", "")

    def total(self, *key: str) -> str:
        """Return the number of a place, a diagnosis, or of all; if it is hidden, the sum of what is shown."""
        if not self.is_hidden(*key):
            return self.text(*key)
        cells = self.counts
        if key:
            cells = cells.loc[[key[1]]] if key[0] == "place" else cells[[key[1]]]
        shown = [
            int(number)
            for name, column in cells.items()
            for place, number in column.items()
            if not self.is_hidden("diagnosis", str(place), str(name))
        ]
        # A lower limit that readers could compute themselves from the numbers beside it.
        return f"{sum(shown)} or more"

    def size(self, place: str) -> str:
        """Return the number of people at a place, empty where it is not shown."""
        return "" if self.is_hidden("place", place) else f"n {self.numbers['place', place]}"

    def hides_sexes(self, place: str) -> bool:
        """Return whether no number of a sex at a place is shown: all of them, or none."""
        return self.is_hidden("place", place) or any(self.is_hidden("sex", place, sex) for sex in SEXES)


def _count(people: pd.DataFrame, diagnoses: pd.DataFrame, sexes: pd.DataFrame) -> Iterator[tuple[Key, int]]:
    yield (), len(people)
    yield from ((("place", str(place)), int(number)) for place, number in diagnoses.sum(axis=1).items())
    for name in _TOTALS.intersection(diagnoses.columns):
        yield ("diagnosis", name), int(diagnoses[name].sum())
    yield ("sex", NOT_STATED), int(sexes[NOT_STATED].sum())
    for kind, table in (("diagnosis", diagnoses), ("sex", sexes)):
        for label, column in table.items():
            yield from (((kind, str(place), str(label)), int(number)) for place, number in column.items())
    for name in _MEASURED:
        n_missing, n_beyond = int(people[name].isna().sum()), int((people[name] > FD_LIMIT).sum())
        n_known = len(people) - n_missing
        yield from ((("missing", name), n_missing), (("known", name), n_known))
        # Both sides of a limit: few within it are as few as beyond it.
        yield from ((("beyond", name), n_beyond), (("within", name), n_known - n_beyond))


def _sums(diagnoses: pd.DataFrame, sexes: pd.DataFrame) -> Iterator[tuple[list[Key], Key | None]]:
    """Yield what adds up of what is shown.

    The sexes of a place need not be among it: if one is hidden, all of them are, and of all places together
    only the number without one is shown.
    """
    places, names = list(map(str, diagnoses.index)), list(map(str, diagnoses.columns))
    for place in places:
        yield [("diagnosis", place, name) for name in names], ("place", place)
    yield [("place", place) for place in places], ()
    for name in _TOTALS.intersection(names):
        yield [("diagnosis", place, name) for place in places], ("diagnosis", name)
    yield [("sex", str(place), NOT_STATED) for place in sexes.index], ("sex", NOT_STATED)
    for name in _MEASURED:  # few who have a value are hidden as few who have none
        yield [("missing", name), ("known", name)], None
        yield [("beyond", name), ("within", name)], None
