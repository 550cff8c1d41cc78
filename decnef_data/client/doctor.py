"""Compare a local copy, recounted from disk, with everything that the catalog records of the dataset."""

import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from decnef_data_catalog import examples

from decnef_data import transfer
from decnef_data.client.digests import list_digests
from decnef_data.client.options import FetchOptions
from decnef_data.client.request import DataRequest, build_reader
from decnef_data.client.resolve import LocationResolver
from decnef_data.count_suppression import format_count, hidden_counts
from decnef_data.disclosure import MIN_COUNT, hides_rows
from decnef_data.errors import DecnefDataWarning, SelectionError
from decnef_data.layouts.imaging.join.recount import name_differing
from decnef_data.model import Account, Dataset, DoctorReport, Finding, LocalCopy, Selection
from decnef_data.records import Records

if TYPE_CHECKING:
    import pandas as pd


_MAX_NAMED: Final = 3
#: Numbers of people, or of their sessions, below five, as findings have them.
_FEW: Final = re.compile(r"(?:^|(?<=missing for )|(?<= in ))[1-4](?![\d.]| runs?\b)")


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
        message = f"There is no local copy of '{dataset.name}'. Run `decnef_data.download('{dataset.name}')`."
        raise SelectionError(message, requested=dataset.name)
    reader = build_reader(location, resolver)
    table, messages = _read_participants(resolver, dataset, copy)
    account = reader.account(copy)
    # What the account says need not be said twice.
    known = {f"'{dataset.name}': {message}" for message in account.warnings()}
    findings = (
        *(Finding("reading", "", message, agrees=False) for message in messages if message not in known),
        *_compare_participants(_first_atlas_rows(table, dataset), dataset, resolver.records),
        *_compare_files(table, account, dataset, resolver.records),
        *reader.examine(copy),
        *_compare_checksums(account, dataset),
    )
    synthetic = bool(table.attrs.get("synthetic"))
    if hides_rows():
        findings = tuple(replace(each, found=_FEW.sub(f"<{MIN_COUNT}", each.found)) for each in findings)
    digests = tuple(list_digests(copy, account, dataset))
    return DoctorReport(dataset.name, copy.mirror, findings, account, synthetic, digests)


def _compare_files(
    participants: "pd.DataFrame", account: Account, dataset: Dataset, records: Records
) -> Iterator[Finding]:
    """Compare the numbers of matrix files, in all and of each atlas, and of the tables beside them."""
    if "source_file" not in participants:
        return
    files = participants.groupby("group")["source_file"].nunique().to_dict()
    found = {f"{atlas.group}-files": int(files.get(atlas.group, 0)) for atlas in dataset.atlases}
    found["matrix-files"] = participants["source_file"].nunique()
    found["table-files"] = sum(table.role == "participants" for table in account.tables)
    for fact in records.facts_of(dataset.name):
        name = fact.name.partition("-")[2]
        if name in found and isinstance(fact.value, int | float):
            yield _compare(fact.counts, fact.value, found[name], fact.grade)


def _compare_checksums(account: Account, dataset: Dataset) -> Iterator[Finding]:
    """Compare files with the checksums of another holder's copy."""
    for found in account.checksums:
        for known in dataset.known_files:
            # Some holders name a file without its folder.
            if known.path in {found.file, found.file.rpartition("/")[2]}:
                agrees = known.sha256 == found.sha256
                what = f"SHA-256 of '{found.file}', as another holder reports it"
                yield Finding(what, known.sha256, found.sha256, agrees=agrees, grade=known.grade)


def _read_participants(
    resolver: LocationResolver, dataset: Dataset, copy: LocalCopy
) -> "tuple[pd.DataFrame, list[str]]":
    """Return the table of all participants, and what was said while it was read."""
    # Not strict: everything that is wrong is wanted, and an error would end with the first.
    options = FetchOptions(copy.mirror, download=False, strict=False, progress="none")
    request = DataRequest.create(resolver, Selection(dataset.name), options)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", DecnefDataWarning)  # also what was shown before
        table = request.acquire().participants()
    return table, [str(warning.message) for warning in caught]


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
    yield from _compare_coordinates(participants, dataset)
    yield from _compare_counts(participants, dataset)
    yield from _compare_matrices(participants, dataset)
    yield from _compare_runs(participants, dataset)
    yield from _compare_sessions(participants, dataset, records)


def _first_atlas_rows(table: "pd.DataFrame", dataset: Dataset) -> "pd.DataFrame":
    """Return the rows of one atlas: nothing shows which rows of other atlases are the same participants."""
    return table[table["group"] == dataset.atlases[0].group] if dataset.atlases else table


def _compare(what: str, expected: float, actual: float, grade: str) -> Finding:
    return Finding(what, f"{expected:g}", f"{actual:g}", agrees=expected == actual, grade=grade)


def _compare_counts(participants: "pd.DataFrame", dataset: Dataset) -> Iterator[Finding]:
    """Compare participants by site and diagnosis, where the tables record every site."""
    # Some tables pool several sites: every count of a site would be too low.
    if participants["site"].isna().any():
        return
    found = {}
    for count in dataset.counts:
        is_counted = participants["site"].isin(count.sites) & (participants["diagnosis"] == count.diagnosis)
        found[count.sites, count.diagnosis] = participants.loc[is_counted, "subject"].nunique()
    # The sums are published, so that a small number would follow from the others of its row or column.
    hidden = hidden_counts(found, [*_sums_along(found, 0), *_sums_along(found, 1)])
    for count in dataset.counts:
        what = f"{count.diagnosis} at {'+'.join(count.sites)}"
        key = count.sites, count.diagnosis
        finding = _compare(what, count.n_participants, found[key], count.grade)
        yield replace(finding, found=format_count(found[key], is_hidden=True)) if key in hidden else finding


def _sums_along(counts: Iterable[tuple[Any, str]], axis: int) -> Iterator[tuple[list[tuple[Any, str]], None]]:
    """Yield which counts add up to a published one: those of the same sites, or of the same diagnosis."""
    keys = list(counts)
    for value in {key[axis] for key in keys}:
        yield [key for key in keys if key[axis] == value], None


def _compare_coordinates(participants: "pd.DataFrame", dataset: Dataset) -> Iterator[Finding]:
    """Name the participants without a value of a coordinate that all should have."""
    for name in dataset.coordinates:
        column = participants[name]
        absent = participants.loc[column.isna(), "subject"].unique().tolist()
        names = ", ".join(absent[:_MAX_NAMED]) + (", …" if len(absent) > _MAX_NAMED else "")
        found = f"missing for {len(absent)} ({names})" if absent else "present for all"
        yield Finding(f"{name} of each participant", "present for all", found, agrees=not absent)


def _compare_matrices(participants: "pd.DataFrame", dataset: Dataset) -> Iterator[Finding]:
    """Compare the matrices, each of an institute and a diagnosis, by path and, where known, by rows."""
    if "source_file" not in participants:
        return
    counts = participants["source_file"].value_counts()
    for matrix in dataset.matrices:
        count, grade = int(counts.get(matrix.path, 0)), matrix.grade_of("path")
        found = "present" if count else "missing"
        yield Finding(f"matrix '{matrix.path}'", "present", found, agrees=count > 0, grade=grade)
        if count and matrix.rows is not None:
            what = f"participants in '{matrix.path}'"
            yield _compare(what, matrix.rows, count, matrix.grade_of("rows"))


def _compare_runs(participants: "pd.DataFrame", dataset: Dataset) -> Iterator[Finding]:
    """Compare the number of runs of each session that has any with the catalog."""
    if not dataset.run_counts:
        return
    # A session may have a T1 image alone.
    imaged = participants[participants["bold"] > 0]
    for site, sessions in imaged.groupby(imaged["site"].fillna("").astype(str)):
        known = dataset.runs_per_session(site)
        if known is not None:
            counts = Counter(sessions["bold"].tolist())
            found = ", ".join(f"{runs} in {count}" for runs, count in counts.most_common())
            agrees = set(counts) == {known.runs}
            pairs = zip(sessions["subject"], sessions["session"].fillna(""), strict=True)
            names = ["/".join(filter(None, pair)) for pair in pairs]
            found += name_differing(names, sessions["bold"].map(str).tolist(), {str(known.runs)})
            what = f"runs of sessions at {site}" if site else "runs of sessions without a site"
            yield Finding(what, str(known.runs), found, agrees=agrees, grade=known.grade)


def _compare_sessions(participants: "pd.DataFrame", dataset: Dataset, records: Records) -> Iterator[Finding]:
    """Compare the sessions of each participant with one another, and their sites with the catalog."""
    # How many sessions people have, and where, only the record of a dataset of its own could say.
    if "session" not in participants or dataset.has_own_meaning:
        return
    sessions = participants[participants["session"].notna()]
    if sessions.empty:
        return
    counts = sessions["subject"].value_counts(sort=False)
    found = _format_counts(counts.tolist())
    recorded = _expected_sessions(dataset, records)
    # Without a record, most participants say how many there should be; who differs is named.
    expected = _format_counts(recorded or [int(counts.mode().max())] * len(counts))
    names = name_differing(counts.index.tolist(), counts.map(str).tolist(), ())
    yield Finding(
        "sessions of participants",
        expected,
        found if found == expected else found + names,
        agrees=found == expected,
        grade="C" if recorded else "",  # inferred from the sum of all sessions
    )
    unknown = sessions[[site != "" and records.site(site) is None for site in sessions["site"].fillna("")]]
    pairs = zip(unknown["subject"], unknown["session"], strict=True)
    named = [f"'{'/'.join(pair)}'" for pair in pairs]
    more = f" and {len(named) - _MAX_NAMED} more" if len(named) > _MAX_NAMED else ""
    yield Finding(
        "sites of sessions",
        "in the catalog",
        f"not in the catalog: {', '.join(named[:_MAX_NAMED])}{more}" if named else "in the catalog",
        agrees=not named,
    )


def _expected_sessions(dataset: Dataset, records: Records) -> list[int]:
    """Return the number of sessions of each participant, if all have as many except for what is left over."""
    facts = {fact.name.partition("-")[2]: fact.value for fact in records.facts_of(dataset.name)}
    total, n_participants = facts.get("sessions"), dataset.n_participants
    if not isinstance(total, int) or not n_participants:
        return []
    fewest, n_more = divmod(total, n_participants)
    return [fewest + 1] * n_more + [fewest] * (n_participants - n_more)


def _format_counts(counts: Iterable[int]) -> str:
    return ", ".join(f"{value} in {count}" for value, count in Counter(counts).most_common())


#: How to recount a published number, by the part of its name after that of the dataset.
_RECOUNTS: Final[Mapping[str, Callable[["pd.DataFrame"], float]]] = {
    "male": lambda participants: int((participants["sex"] == "male").sum()),
    "female": lambda participants: int((participants["sex"] == "female").sum()),
    "mean-age": lambda participants: round(float(participants["age"].mean()), 1),
    # A participant without a diagnosis counts as neither.
    "patients": lambda participants: int((participants["diagnosis"].dropna() != examples.CONTROLS).sum()),
    "controls": lambda participants: int((participants["diagnosis"] == examples.CONTROLS).sum()),
    "site-codes": lambda participants: participants["site"].nunique(),
    "sites": lambda participants: participants["site"].nunique(),
    "blank-handedness": lambda participants: int(participants["handedness_code"].isna().sum()),
    "sessions": len,  # a table of images has one row per session
    "session-labels": lambda participants: participants["session"].nunique(),
    "runs": lambda participants: int(participants["bold"].sum()),
}
