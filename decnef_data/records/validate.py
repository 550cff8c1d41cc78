"""Checks that the records of a catalog are consistent: what one refers to, another one must define."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Final

from decnef_data.errors import CatalogError
from decnef_data.mirrors import get_protocol, protocol_names
from decnef_data.model import (
    Atlas,
    Code,
    Cohort,
    Column,
    Dataset,
    DataUse,
    Fact,
    Holding,
    ImagingProtocol,
    Mirror,
    ParticipantCount,
    Site,
    Terms,
)
from decnef_data.model.names import is_checksum, is_file_name
from decnef_data.records.load import RecordEntry
from decnef_data.records.names import normalize_name

#: The noun for the target of a reference, by kind of record.
_NOUNS = {
    "datasets": "dataset",
    "mirrors": "mirror",
    "sites": "site",
    "protocols": "protocol",
    "citations": "citation",
    "terms": "terms",
    "data_use": "data use",
}
_DUO_TERM: Final = re.compile(r"DUO:\d{7}")
_ACTION: Final = re.compile(r"(odrl|decnef):[A-Za-z]+")
#: What a link has in its query that gives access to one person, for some time.
_PERSONAL_LINK: Final = re.compile(
    r"[?&](?:x-(?:amz|goog)-|signature|sig|expires|policy|key-pair-id|(?:access_)?token)[^&=]*=",
    re.IGNORECASE,
)
#: The coordinates of which a record may state the column of the table.
_TABLE_COORDINATES = (
    "diagnosis", "sex", "handedness", "site", "institute", "scanner", "age", "protocol", "mean_fd",
)  # fmt: skip
#: Coordinates that labels do not have, because they are ids or numbers.
_NOT_OF_LABELS = frozenset({"subject", "session", "run", "age", "protocol", "mean_fd"})
#: A reference: its location, the noun for its target, and the name of its target.
_Reference = tuple[str, str, str | int]


#: An inconsistency: the entry, the location in it, and what is wrong, as the end of a sentence.
Inconsistency = tuple[RecordEntry, str, str]


def validate_entries(entries: Sequence[RecordEntry]) -> None:
    """Raise a CatalogError for the first record that is inconsistent."""
    for inconsistency in find_inconsistencies(entries):
        raise _catalog_error(*inconsistency)


def find_inconsistencies(
    entries: Sequence[RecordEntry], malformed: Iterable[tuple[str, object]] = ()
) -> Iterator[Inconsistency]:
    """Yield everything that is inconsistent about records.

    Parameters
    ----------
    entries
        The records.
    malformed
        The kinds and the names of further records, to which these may refer.
    """
    known = _collect_names(entries)
    for kind, name in malformed:
        known.setdefault(_NOUNS.get(kind, kind), set()).add(name)
    for entry in entries:
        for location, noun, name in _list_references(entry):
            if name not in known.get(noun, ()):
                problem = (
                    f"refers to the {noun} '{name}' at '{entry.location}{location}', but no record defines it"
                )
                yield entry, location, f"{problem}. Correct the name or add the record."
        for location, problem in _find_problems(entry):
            yield entry, location, f"{problem} at '{entry.location}{location}'. Correct this entry."
    yield from chain(_repeated_names(entries), _repeated_diagnoses(entries))


def validate_evidence(entries: Sequence[RecordEntry]) -> None:
    """Raise a CatalogError for the first evidence, or use of evidence, that is inconsistent."""
    # Imported here, because the packaged catalog was checked before it was packaged.
    from decnef_data.records.evidence_problems import find_evidence_problems

    for entry, location, problem in find_evidence_problems(entries):
        raise _catalog_error(
            entry, location, f"{problem} at '{entry.location}{location}'. Correct this entry."
        )


def record_names(record: object) -> tuple[str, ...]:
    """Return every name of a dataset, site or column, the main one first."""
    match record:
        case Dataset():
            return (record.name, *record.aliases, *record.titles)
        case Site():
            return (record.code, *record.aliases)
        case Column():
            return (record.name, *record.aliases)
    return ()


def _catalog_error(entry: RecordEntry, location: str, problem: str) -> CatalogError:
    return CatalogError(
        f"The catalog file '{entry.file}' {problem}", file=entry.file, location=entry.location + location
    )


def _collect_names(entries: Iterable[RecordEntry]) -> dict[str, set[object]]:
    """Collect the defined names by noun."""
    known: dict[str, set[object]] = {}
    for entry in entries:
        if isinstance(entry.record, Code):
            known.setdefault(f"{entry.record.column} label", set()).add(entry.record.label)
        elif entry.kind in _NOUNS:
            known.setdefault(_NOUNS[entry.kind], set()).add(entry.key[1])
    return known


def _list_references(entry: RecordEntry) -> Iterator[_Reference]:
    match entry.record:
        case Dataset() as dataset:
            yield from _dataset_references(dataset)
        case Mirror() as mirror:
            yield from (
                (f".holdings[{i}].dataset", "dataset", h.dataset) for i, h in enumerate(mirror.holdings)
            )
        case ImagingProtocol() as protocol:
            yield from ((f".sites[{i}]", "site", code) for i, code in enumerate(protocol.sites))
        case Terms() as terms:
            yield from _present_references((".data_use", "data use", terms.data_use))
        case Fact() as fact:
            yield from _present_references(
                (".dataset", "dataset", fact.dataset), (".source", "citation", fact.source)
            )


def _dataset_references(dataset: Dataset) -> Iterator[_Reference]:
    yield ".terms", "terms", dataset.terms
    yield from ((f".citations[{i}]", "citation", key) for i, key in enumerate(dataset.citations))
    for i, step in enumerate(dataset.steps):
        yield from _present_references((f".steps[{i}].mirror", "mirror", step.mirror))
    for i, count in enumerate(dataset.counts):
        yield f".counts[{i}].diagnosis", "diagnosis label", count.diagnosis
        yield from ((f".counts[{i}].sites[{j}]", "site", code) for j, code in enumerate(count.sites))
    for i, runs in enumerate(dataset.run_counts):
        yield from ((f".run_counts[{i}].sites[{j}]", "site", code) for j, code in enumerate(runs.sites))
    for i, each in enumerate(dataset.acquisitions):
        yield from ((f".acquisitions[{i}].sites[{j}]", "site", code) for j, code in enumerate(each.sites))
    yield from ((f".entities.sites[{i}]", "site", code) for i, code in enumerate(dataset.own_entities.sites))
    for column in ("sex", "handedness"):
        codes = dataset.own_entities.codes.get(column, {})
        yield from (
            (f".entities.codes.{column}.{code}", f"{column} label", label) for code, label in codes.items()
        )
    for i, cohort in enumerate(dataset.cohorts):
        yield from (
            (f".cohorts[{i}]{location}", noun, name) for location, noun, name in _cohort_references(cohort)
        )


def _cohort_references(cohort: Cohort) -> Iterator[_Reference]:
    yield from _present_references(
        (".site", "site", cohort.site),
        (".protocol", "protocol", cohort.protocol),
        (".diagnosis", "diagnosis label", cohort.diagnosis),
    )
    for column in ("diagnosis", "sex", "handedness"):
        codes: Mapping[str, str] = getattr(cohort, f"{column}_codes")
        for printed, label in codes.items():
            yield f".{column}_codes.{printed}", f"{column} label", label
    yield from ((f".site_codes.{printed}", "site", code) for printed, code in cohort.site_codes.items())


def _present_references(*references: tuple[str, str, str | int | None]) -> Iterator[_Reference]:
    return ((location, noun, name) for location, noun, name in references if name is not None)


def _find_problems(entry: RecordEntry) -> Iterator[tuple[str, str]]:
    """Yield location and description of each problem within one record."""
    if isinstance(entry.record, Mirror):
        yield from _file_name_problems(".name", entry.record.name)
        yield from _protocol_problems(entry.record)
        for i, holding in enumerate(entry.record.holdings):
            yield from _holding_problems(holding, f".holdings[{i}]")
            if _PERSONAL_LINK.search(holding.address or ""):  # the message must not have it
                yield (
                    f".holdings[{i}].address",
                    "has a personal link, which `decnef login` stores, and not a record,",
                )
    if isinstance(entry.record, DataUse):
        yield from _data_use_problems(entry.record)
    if isinstance(entry.record, Dataset):
        yield from _file_name_problems(".name", entry.record.name)
        yield from _dataset_problems(entry.record)


def _file_name_problems(location: str, name: str) -> Iterator[tuple[str, str]]:
    """Yield a problem for a name of which the cache cannot make a file or folder without leaving its own."""
    if not is_file_name(name):
        yield location, f"has {name!r}, which is not the name of a file or folder,"


def _holding_problems(holding: Holding, location: str) -> Iterator[tuple[str, str]]:
    if holding.archive is not None:
        yield from _file_name_problems(f"{location}.archive", holding.archive)
    if holding.checksum is not None and not is_checksum(holding.checksum):
        yield f"{location}.checksum", f"has {holding.checksum!r}, which is not algorithm:hexdigest,"
    for field in ("size", "approximate_size"):
        size = getattr(holding, field)
        if size is not None and size < 0:
            yield f"{location}.{field}", f"has the negative size {size}"


def _data_use_problems(tier: DataUse) -> Iterator[tuple[str, str]]:
    """Yield each term that is not of the vocabulary of its field; another catalog would not know it."""
    for field in ("purposes", "modifiers"):
        for i, term in enumerate(getattr(tier, field) or ()):
            if not _DUO_TERM.fullmatch(term.term):
                yield f".{field}[{i}].term", f"has {term.term!r}, which is not a term such as 'DUO:0000026',"
    for field in ("prohibitions", "duties"):
        for i, rule in enumerate(getattr(tier, field)):
            if not _ACTION.fullmatch(rule.action):
                problem = f"has {rule.action!r}, which is not an action such as 'odrl:distribute',"
                yield f".{field}[{i}].action", problem


def _dataset_problems(dataset: Dataset) -> Iterator[tuple[str, str]]:
    for i, atlas in enumerate(dataset.atlases):
        yield from _file_name_problems(f".atlases[{i}].group", atlas.group)
    for i, file in enumerate(dataset.known_files):
        if not is_checksum(f"sha256:{file.sha256}"):
            yield f".known_files[{i}].sha256", f"has {file.sha256!r}, which is not a SHA-256 in digits,"
    for i, atlas in enumerate(dataset.atlases):
        yield from ((f".atlases[{i}]{location}", problem) for location, problem in _atlas_problems(atlas))
    yield from _find_duplicates("atlases", "group", [atlas.group for atlas in dataset.atlases])
    yield from _find_duplicates("matrices", "key", [matrix.key for matrix in dataset.matrices])
    yield from _find_duplicates("matrices", "path", [matrix.path for matrix in dataset.matrices])
    yield from _find_duplicates(
        "counts", "sites and diagnosis", [_count_key(count) for count in dataset.counts]
    )
    yield from _find_duplicates("cohorts", "path", [cohort.path for cohort in dataset.cohorts])
    yield from _entities_problems(dataset)


def _entities_problems(dataset: Dataset) -> Iterator[tuple[str, str]]:
    if dataset.entities is None:
        return
    if not dataset.has_own_meaning:
        yield ".entities", f"has entities, which hold for the layout 'bids' and not for '{dataset.layout}',"
    for field in ("subject", "session"):
        pattern: str | None = getattr(dataset.entities, field)
        try:
            groups = tuple(re.compile(pattern or "").groupindex)
        except re.error as error:
            yield f".entities.{field}", f"has {pattern!r}, which is not a regular expression ({error}),"
            continue
        if pattern is not None and not groups:
            yield f".entities.{field}", f"has {pattern!r}, which has no named group such as (?P<site>…),"
        for name in groups:
            if name in _NOT_OF_LABELS or not re.fullmatch(r"[a-z][a-z0-9_]*", name):
                yield f".entities.{field}", f"names a group '{name}', which cannot be a coordinate of labels,"
    for name in dataset.entities.columns:
        if name not in _TABLE_COORDINATES:
            known = ", ".join(_TABLE_COORDINATES)
            yield f".entities.columns.{name}", f"states a column of '{name}', which is none of {known},"


def _protocol_problems(mirror: Mirror) -> Iterator[tuple[str, str]]:
    """Yield a protocol that is not installed, else each address that does not have its form."""
    if mirror.protocol not in protocol_names():
        installed = ", ".join(protocol_names())
        yield ".protocol", f"has {mirror.protocol!r}, which is not an installed protocol ({installed}),"
        return
    form = get_protocol(mirror.protocol).address_form
    if form is None:
        return
    addresses = [(f".holdings[{i}].address", holding.address) for i, holding in enumerate(mirror.holdings)]
    if form.of_mirror:
        addresses.insert(0, (".address", mirror.address))
    for location, address in addresses:
        if address is not None and not re.fullmatch(form.pattern, address):
            yield location, f"has {address!r}, which is not {form.description},"


def _count_key(count: ParticipantCount) -> str:
    return f"{'+'.join(count.sites)} {count.diagnosis}"


def _atlas_problems(atlas: Atlas) -> Iterator[tuple[str, str]]:
    pairs = atlas.rois * (atlas.rois - 1) // 2
    if atlas.edges != pairs:
        yield ".edges", f"has {atlas.edges} edges for {atlas.rois} regions instead of {pairs}"
    for number in atlas.roi_names:
        if number not in map(str, range(1, atlas.rois + 1)):
            yield (
                f".roi_names.{number}",
                f"names the region '{number}', which is not between 1 and {atlas.rois},",
            )


def _find_duplicates(kind: str, field: str, values: Sequence[str]) -> Iterator[tuple[str, str]]:
    for i, value in enumerate(values):
        if value in values[:i]:
            yield f".{kind}[{i}].{field}", f"repeats the {field} '{value}'"


def _repeated_names(entries: Iterable[RecordEntry]) -> Iterator[Inconsistency]:
    """Yield each name that two records of one kind have."""
    owners: dict[tuple[str, str], RecordEntry] = {}
    for entry in entries:
        for name in record_names(entry.record):
            # Compared as names are looked up: two that differ in case or hyphens alone are one.
            owner = owners.setdefault((entry.kind, normalize_name(name)), entry)
            # A title can be the name of its own record in another spelling.
            if owner is not entry:
                main = record_names(owner.record)[0]
                yield (
                    entry,
                    "",
                    f"uses the name '{name}' of '{main}' at '{entry.location}'. Choose another name.",
                )


def _repeated_diagnoses(entries: Iterable[RecordEntry]) -> Iterator[Inconsistency]:
    """Yield each name of two diagnoses, of which a request could select the wrong one."""
    labels: dict[str, str] = {}
    for entry in entries:
        code = entry.record
        if not isinstance(code, Code) or code.column != "diagnosis":
            continue
        for name in filter(None, (code.label, code.title, code.title_ja, *code.aliases)):
            label = labels.setdefault(normalize_name(name), code.label)
            if label != code.label:
                problem = f"uses the name '{name}' of '{label}' at '{entry.location}'. Choose another name."
                yield entry, "", problem
