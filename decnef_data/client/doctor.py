"""Compare a local copy, recounted from disk, with everything that the catalog records of the dataset."""

import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from decnef_data import transfer
from decnef_data.client.options import FetchOptions
from decnef_data.client.request import DataRequest, build_reader
from decnef_data.client.resolve import LocationResolver
from decnef_data.errors import DecnefDataWarning, SelectionError
from decnef_data.model import Dataset, DoctorReport, Finding, LocalCopy, Selection
from decnef_data.records import Records

if TYPE_CHECKING:
    import pandas as pd


def examine_copy(resolver: LocationResolver, dataset: Dataset, mirror: str) -> DoctorReport:
    """Recount the first complete local copy; nothing is downloaded, and only a missing copy is an error.

    Raises
    ------
    SelectionError
        There is no local copy.
    """
    location = resolver.resolve(dataset, mirror)
    copy = transfer.find_complete_copy(location, include_dropped=True)
    if copy is None:
        message = f"There is no local copy of '{dataset.name}'. Run `decnef download {dataset.name}`."
        raise SelectionError(message, requested=dataset.name)
    findings = (*_recount(resolver, dataset, copy), *build_reader(location, resolver).examine(copy))
    return DoctorReport(dataset.name, copy.mirror, findings)


def _recount(resolver: LocationResolver, dataset: Dataset, copy: LocalCopy) -> Iterator[Finding]:
    """Compare the participants with the catalog; what cannot be read is a finding, too."""
    options = FetchOptions(copy.mirror, download=False, strict=False, progress="none")
    request = DataRequest.create(resolver, Selection(dataset.name), options)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", DecnefDataWarning)
        table = request.acquire().participants()
    yield from (Finding("reading", "", str(warning.message), agrees=False) for warning in caught)
    yield from _compare_participants(_first_atlas_rows(table, dataset), dataset, resolver.records)


def _compare_participants(
    participants: "pd.DataFrame", dataset: Dataset, records: Records
) -> Iterator[Finding]:
    if dataset.n_participants is not None:
        yield _compare(
            "participants",
            dataset.n_participants,
            participants["subject"].nunique(),
            dataset.grade_of("n_participants"),
        )
    for fact in records.facts_of(dataset.name):
        recount = _RECOUNTS.get(fact.name.partition("-")[2])
        if recount is not None and isinstance(fact.value, int | float):
            yield _compare(fact.counts, fact.value, recount(participants), fact.grade)
    yield from _compare_counts(participants, dataset)


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
