"""Checks that the records of a catalog are consistent: what one refers to, another one must define."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from decnef_data.errors import CatalogError
from decnef_data.model import (
    Atlas,
    Code,
    Cohort,
    Column,
    Dataset,
    Fact,
    GradedRecord,
    Holding,
    ImagingProtocol,
    Mirror,
    ParticipantCount,
    Site,
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
}
#: A reference: its location, the noun for its target, and the name of its target.
_Reference = tuple[str, str, str | int]


def validate_entries(entries: Sequence[RecordEntry]) -> None:
    """Raise a CatalogError for the first record that is inconsistent."""
    known = _collect_names(entries)
    for entry in entries:
        for location, noun, name in _list_references(entry):
            if name not in known.get(noun, ()):
                problem = (
                    f"refers to the {noun} '{name}' at '{entry.location}{location}', but no record defines it"
                )
                raise _catalog_error(entry, location, f"{problem}. Correct the name or add the record.")
        for location, problem in _find_problems(entry):
            raise _catalog_error(
                entry, location, f"{problem} at '{entry.location}{location}'. Correct this entry."
            )
    _validate_names(entries)
    _validate_diagnoses(entries)


def record_names(record: object) -> tuple[str, ...]:
    """Return every name of a dataset, site or column, the main one first."""
    match record:
        case Dataset():
            return (record.name, *record.aliases, record.title, record.title_ja)
        case Site():
            return (record.code, *record.aliases)
        case Column():
            return (record.name, *record.aliases)
    return ()


def _catalog_error(entry: RecordEntry, location: str, problem: str) -> CatalogError:
    return CatalogError(
        f"The catalog file '{entry.file}' {problem}", file=entry.file, location=entry.location + location
    )


def _collect_names(entries: Iterable[RecordEntry]) -> Mapping[str, set[object]]:
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
    yield from _grade_problems(entry.record, "")
    if isinstance(entry.record, Mirror):
        yield from _file_name_problems(".name", entry.record.name)
        for i, holding in enumerate(entry.record.holdings):
            yield from _grade_problems(holding, f".holdings[{i}]")
            yield from _holding_problems(holding, f".holdings[{i}]")
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


def _dataset_problems(dataset: Dataset) -> Iterator[tuple[str, str]]:
    for i, atlas in enumerate(dataset.atlases):
        yield from _file_name_problems(f".atlases[{i}].group", atlas.group)
    for i, file in enumerate(dataset.known_files):
        if not is_checksum(f"sha256:{file.sha256}"):
            yield f".known_files[{i}].sha256", f"has {file.sha256!r}, which is not a SHA-256 in digits,"
    for kind in ("atlases", "matrices", "cohorts"):
        for i, part in enumerate(getattr(dataset, kind)):
            yield from _grade_problems(part, f".{kind}[{i}]")
    for i, atlas in enumerate(dataset.atlases):
        yield from ((f".atlases[{i}]{location}", problem) for location, problem in _atlas_problems(atlas))
    yield from _find_duplicates("atlases", "group", [atlas.group for atlas in dataset.atlases])
    yield from _find_duplicates("matrices", "key", [matrix.key for matrix in dataset.matrices])
    yield from _find_duplicates("matrices", "path", [matrix.path for matrix in dataset.matrices])
    yield from _find_duplicates(
        "counts", "sites and diagnosis", [_count_key(count) for count in dataset.counts]
    )
    yield from _find_duplicates("cohorts", "path", [cohort.path for cohort in dataset.cohorts])


def _count_key(count: ParticipantCount) -> str:
    return f"{'+'.join(count.sites)} {count.diagnosis}"


def _grade_problems(record: object, location: str) -> Iterator[tuple[str, str]]:
    fields = record.__struct_fields__ if isinstance(record, GradedRecord) else ()
    for field in record.grades if isinstance(record, GradedRecord) else ():
        if field not in fields:
            yield f"{location}.grades.{field}", f"has a grade for the unknown field '{field}'"


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


def _validate_names(entries: Iterable[RecordEntry]) -> None:
    """Raise a CatalogError for a name that two records of one kind have."""
    owners: dict[tuple[str, str], RecordEntry] = {}
    for entry in entries:
        for name in record_names(entry.record):
            owner = owners.setdefault((entry.kind, normalize_name(name)), entry)
            if owner is not entry:
                main = record_names(owner.record)[0]
                raise _catalog_error(
                    entry,
                    "",
                    f"uses the name '{name}' of '{main}' at '{entry.location}'. Choose another name.",
                )


def _validate_diagnoses(entries: Iterable[RecordEntry]) -> None:
    """Raise a CatalogError for a name of two diagnoses, of which a request could select the wrong one."""
    labels: dict[str, str] = {}
    for entry in entries:
        code = entry.record
        if not isinstance(code, Code) or code.column != "diagnosis":
            continue
        for name in filter(None, (code.label, code.title, code.title_ja, *code.aliases)):
            label = labels.setdefault(normalize_name(name), code.label)
            if label != code.label:
                problem = f"uses the name '{name}' of '{label}' at '{entry.location}'. Choose another name."
                raise _catalog_error(entry, "", problem)
