"""Recounts a copy of a dataset from disk, and compares it with everything the records state of it."""

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from decnef_data import fetch
from decnef_data.client import Client, Manner
from decnef_data.errors import DecnefDataWarning, SelectionError
from decnef_data.model import Copy, Dataset, Examination, Finding, Selection

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Examining:
    """Examines the copies of one client's cache; nothing is fetched, and nothing is an error but absence."""

    client: Client

    def examine(self, name: str, mirror: str) -> Examination:
        """Recount the first whole copy that is here.

        Raises
        ------
        SelectionError
            There is none.
        """
        dataset = self.client.records.dataset(name)
        place = self.client.place(dataset.name, mirror)
        copy = fetch.whole(place, dropped=True)
        if copy is None:
            message = f"Nothing of '{dataset.name}' is on this machine. Run `decnef download {dataset.name}`."
            raise SelectionError(message, asked=name)
        return Examination(dataset.name, copy.mirror, tuple(self._findings(dataset, copy)))

    def _findings(self, dataset: Dataset, copy: Copy) -> Iterator[Finding]:
        manner = Manner(copy.mirror, download=False, strict=False, progress="none")
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always", DecnefDataWarning)
            table = self.client.participants(Selection(dataset.name), manner)
        yield from (Finding("reading", "", str(one.message), agrees=False) for one in said)
        people = _of_first_atlas(table, dataset)
        if dataset.people is not None:
            yield _same("people", dataset.people, people["subject"].nunique(), dataset.grade_of("people"))
        for fact in self.client.records.facts_of(dataset.name):
            count = _COUNTS.get(fact.name.partition("-")[2])
            if count is not None and isinstance(fact.value, int | float):
                yield _same(fact.counts, fact.value, count(people), fact.grade)
        yield from _counts(people, dataset)
        yield from self.client.opening(dataset.name, copy.mirror).examine(copy)


def _of_first_atlas(table: "pd.DataFrame", dataset: Dataset) -> "pd.DataFrame":
    """Count nobody once for each atlas: a person's rows there cannot be told to be one person's."""
    return table[table["group"] == dataset.atlases[0].group] if dataset.atlases else table


def _same(what: str, expected: float, found: float, grade: str) -> Finding:
    return Finding(what, f"{expected:g}", f"{found:g}", agrees=expected == found, grade=grade)


def _counts(people: "pd.DataFrame", dataset: Dataset) -> Iterator[Finding]:
    """Compare people by site and diagnosis, where the tables tell sites."""
    for count in dataset.counts:
        rows = people[people["site"].isin(count.sites) & (people["diagnosis"] == count.diagnosis)]
        if people["site"].ne("").all():
            where = "+".join(count.sites)
            yield _same(f"{count.diagnosis} at {where}", count.people, rows["subject"].nunique(), count.grade)


#: How to recount a published number, by what its name says behind the dataset's.
_COUNTS: Final[Mapping[str, Callable[["pd.DataFrame"], float]]] = {
    "male": lambda people: int((people["sex"] == "male").sum()),
    "female": lambda people: int((people["sex"] == "female").sum()),
    "mean-age": lambda people: round(float(people["age"].mean()), 1),
    "patients": lambda people: int((~people["diagnosis"].isin(["HC", ""])).sum()),
    "controls": lambda people: int((people["diagnosis"] == "HC").sum()),
    "site-codes": lambda people: people.loc[people["site"] != "", "site"].nunique(),
    "sites": lambda people: people.loc[people["site"] != "", "site"].nunique(),
    "blank-handedness": lambda people: int((people["handedness_code"] == "").sum()),
    "sessions": len,
    "session-labels": lambda people: people["session"].nunique(),
    "runs": lambda people: int(people["bold"].sum()),
}
