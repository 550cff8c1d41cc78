"""Compare a local copy, recounted from disk, with everything that the catalog records of the dataset."""

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from decnef_data import transfer
from decnef_data.client import Client, FetchOptions
from decnef_data.errors import DecnefDataWarning, SelectionError
from decnef_data.model import Dataset, DoctorReport, Finding, LocalCopy, Selection

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Doctor:
    """Examines copies in a client's cache; nothing is downloaded, and only a missing copy is an error."""

    client: Client

    def examine(self, name: str, mirror: str) -> DoctorReport:
        """Recount the first complete local copy.

        Raises
        ------
        SelectionError
            There is no local copy.
        """
        dataset = self.client.records.dataset(name)
        location = self.client.get_location(dataset.name, mirror)
        copy = transfer.find_complete_copy(location, include_dropped=True)
        if copy is None:
            message = f"There is no local copy of '{dataset.name}'. Run `decnef download {dataset.name}`."
            raise SelectionError(message, requested=name)
        return DoctorReport(dataset.name, copy.mirror, tuple(self._findings(dataset, copy)))

    def _findings(self, dataset: Dataset, copy: LocalCopy) -> Iterator[Finding]:
        options = FetchOptions(copy.mirror, download=False, strict=False, progress="none")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", DecnefDataWarning)
            table = self.client.participants(Selection(dataset.name), options)
        yield from (Finding("reading", "", str(warning.message), agrees=False) for warning in caught)
        participants = _first_atlas_rows(table, dataset)
        if dataset.n_participants is not None:
            yield _compare(
                "participants",
                dataset.n_participants,
                participants["subject"].nunique(),
                dataset.grade_of("n_participants"),
            )
        for fact in self.client.records.facts_of(dataset.name):
            recount = _RECOUNTS.get(fact.name.partition("-")[2])
            if recount is not None and isinstance(fact.value, int | float):
                yield _compare(fact.counts, fact.value, recount(participants), fact.grade)
        yield from _compare_counts(participants, dataset)
        yield from self.client.get_reader(dataset.name, copy.mirror).examine(copy)


def _first_atlas_rows(table: "pd.DataFrame", dataset: Dataset) -> "pd.DataFrame":
    """Return the rows of one atlas: nothing shows which rows of other atlases are the same participants."""
    return table[table["group"] == dataset.atlases[0].group] if dataset.atlases else table


def _compare(what: str, expected: float, actual: float, grade: str) -> Finding:
    return Finding(what, f"{expected:g}", f"{actual:g}", agrees=expected == actual, grade=grade)


def _compare_counts(participants: "pd.DataFrame", dataset: Dataset) -> Iterator[Finding]:
    """Compare participants by site and diagnosis, where the tables record every site."""
    if not participants["site"].ne("").all():
        return
    for count in dataset.counts:
        is_counted = participants["site"].isin(count.sites) & (participants["diagnosis"] == count.diagnosis)
        what = f"{count.diagnosis} at {'+'.join(count.sites)}"
        n_subjects = participants.loc[is_counted, "subject"].nunique()
        yield _compare(what, count.n_participants, n_subjects, count.grade)


#: How to recount a published number, by the part of its name after that of the dataset.
_RECOUNTS: Final[Mapping[str, Callable[["pd.DataFrame"], float]]] = {
    "male": lambda participants: int((participants["sex"] == "male").sum()),
    "female": lambda participants: int((participants["sex"] == "female").sum()),
    "mean-age": lambda participants: round(float(participants["age"].mean()), 1),
    "patients": lambda participants: int((~participants["diagnosis"].isin(["HC", ""])).sum()),
    "controls": lambda participants: int((participants["diagnosis"] == "HC").sum()),
    "site-codes": lambda participants: participants.loc[participants["site"] != "", "site"].nunique(),
    "sites": lambda participants: participants.loc[participants["site"] != "", "site"].nunique(),
    "blank-handedness": lambda participants: int((participants["handedness_code"] == "").sum()),
    "sessions": len,
    "session-labels": lambda participants: participants["session"].nunique(),
    "runs": lambda participants: int(participants["bold"].sum()),
}
