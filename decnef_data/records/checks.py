"""Checks that the records of a catalog fit together: what one names, another must be."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from decnef_data.errors import CatalogError
from decnef_data.model import (
    Atlas,
    Code,
    Cohort,
    Column,
    Count,
    Dataset,
    Fact,
    Graded,
    Mirror,
    Protocol,
    Site,
)
from decnef_data.records.names import fold
from decnef_data.records.reading import Entry

#: The word for what a reference names, by kind of record.
_NOUNS = {
    "datasets": "dataset",
    "mirrors": "mirror",
    "sites": "site",
    "protocols": "protocol",
    "citations": "citation",
    "terms": "terms",
}
#: A reference: its place, what it names in words, and the name.
_Reference = tuple[str, str, str | int]


def check(entries: Sequence[Entry]) -> None:
    """Raise a CatalogError for the first record that does not fit."""
    known = _known(entries)
    for entry in entries:
        for place, noun, name in _references(entry):
            if name not in known.get(noun, ()):
                problem = f"names the {noun} '{name}' at '{entry.place}{place}', which no record has"
                raise _error(entry, place, f"{problem}. Correct the name or add the record.")
        for place, problem in _contradictions(entry):
            raise _error(entry, place, f"{problem} at '{entry.place}{place}'. Correct it there.")
    _check_names(entries)


def names_of(record: object) -> tuple[str, ...]:
    """Return every name that a dataset, site or column goes by, the main one first."""
    match record:
        case Dataset():
            return (record.name, *record.aliases, record.title, record.title_ja)
        case Site():
            return (record.code, *record.aliases)
        case Column():
            return (record.name, *record.aliases)
    return ()


def _error(entry: Entry, place: str, problem: str) -> CatalogError:
    return CatalogError(
        f"The catalog file '{entry.file}' {problem}", file=entry.file, place=entry.place + place
    )


def _known(entries: Iterable[Entry]) -> Mapping[str, set[object]]:
    """Collect what there is, under the word for it."""
    known: dict[str, set[object]] = {}
    for entry in entries:
        if isinstance(entry.record, Code):
            known.setdefault(f"{entry.record.column} label", set()).add(entry.record.label)
        elif entry.kind in _NOUNS:
            known.setdefault(_NOUNS[entry.kind], set()).add(entry.key[1])
    return known


def _references(entry: Entry) -> Iterator[_Reference]:
    match entry.record:
        case Dataset() as dataset:
            yield from _of_dataset(dataset)
        case Mirror() as mirror:
            yield from (
                (f".holdings[{i}].dataset", "dataset", h.dataset) for i, h in enumerate(mirror.holdings)
            )
        case Protocol() as protocol:
            yield from ((f".sites[{i}]", "site", code) for i, code in enumerate(protocol.sites))
        case Fact() as fact:
            yield from _given((".dataset", "dataset", fact.dataset), (".source", "citation", fact.source))


def _of_dataset(dataset: Dataset) -> Iterator[_Reference]:
    yield ".terms", "terms", dataset.terms
    yield from ((f".citations[{i}]", "citation", key) for i, key in enumerate(dataset.citations))
    for i, step in enumerate(dataset.steps):
        yield from _given((f".steps[{i}].mirror", "mirror", step.mirror))
    for i, count in enumerate(dataset.counts):
        yield f".counts[{i}].diagnosis", "diagnosis label", count.diagnosis
        yield from ((f".counts[{i}].sites[{j}]", "site", code) for j, code in enumerate(count.sites))
    for i, cohort in enumerate(dataset.cohorts):
        yield from ((f".cohorts[{i}]{place}", noun, name) for place, noun, name in _of_cohort(cohort))


def _of_cohort(cohort: Cohort) -> Iterator[_Reference]:
    yield from _given(
        (".site", "site", cohort.site),
        (".protocol", "protocol", cohort.protocol),
        (".diagnosis", "diagnosis label", cohort.diagnosis),
    )
    for column in ("diagnosis", "sex", "handedness"):
        codes: Mapping[str, str] = getattr(cohort, f"{column}_codes")
        for printed, label in codes.items():
            yield f".{column}_codes.{printed}", f"{column} label", label


def _given(*references: tuple[str, str, str | int | None]) -> Iterator[_Reference]:
    return ((place, noun, name) for place, noun, name in references if name is not None)


def _contradictions(entry: Entry) -> Iterator[tuple[str, str]]:
    """Find what is wrong within one record: its place, and what is wrong with it."""
    yield from _bad_grades(entry.record, "")
    if isinstance(entry.record, Mirror):
        for i, holding in enumerate(entry.record.holdings):
            yield from _bad_grades(holding, f".holdings[{i}]")
    if isinstance(entry.record, Dataset):
        yield from _of_parts(entry.record)


def _of_parts(dataset: Dataset) -> Iterator[tuple[str, str]]:
    for kind in ("atlases", "matrices", "cohorts"):
        for i, part in enumerate(getattr(dataset, kind)):
            yield from _bad_grades(part, f".{kind}[{i}]")
    for i, atlas in enumerate(dataset.atlases):
        yield from ((f".atlases[{i}]{place}", problem) for place, problem in _bad_atlas(atlas))
    yield from _repeats("atlases", "group", [atlas.group for atlas in dataset.atlases])
    yield from _repeats("matrices", "key", [matrix.key for matrix in dataset.matrices])
    yield from _repeats("matrices", "path", [matrix.path for matrix in dataset.matrices])
    yield from _repeats("counts", "sites and diagnosis", [_counted(count) for count in dataset.counts])
    yield from _repeats("cohorts", "path", [cohort.path for cohort in dataset.cohorts])


def _counted(count: Count) -> str:
    return f"{'+'.join(count.sites)} {count.diagnosis}"


def _bad_grades(record: object, place: str) -> Iterator[tuple[str, str]]:
    fields = record.__struct_fields__ if isinstance(record, Graded) else ()
    for field in record.grades if isinstance(record, Graded) else ():
        if field not in fields:
            yield f"{place}.grades.{field}", f"grades the unknown field '{field}'"


def _bad_atlas(atlas: Atlas) -> Iterator[tuple[str, str]]:
    pairs = atlas.rois * (atlas.rois - 1) // 2
    if atlas.edges != pairs:
        yield ".edges", f"gives {atlas.rois} regions {atlas.edges} edges instead of {pairs}"
    for number in atlas.roi_names:
        if number not in map(str, range(1, atlas.rois + 1)):
            yield f".roi_names.{number}", f"names the region '{number}' of 1 to {atlas.rois}"


def _repeats(kind: str, field: str, values: Sequence[str]) -> Iterator[tuple[str, str]]:
    for i, value in enumerate(values):
        if value in values[:i]:
            yield f".{kind}[{i}].{field}", f"repeats the {field} '{value}'"


def _check_names(entries: Iterable[Entry]) -> None:
    """Refuse a name by which two records of one kind could be meant."""
    owners: dict[tuple[str, str], Entry] = {}
    for entry in entries:
        for name in names_of(entry.record):
            owner = owners.setdefault((entry.kind, fold(name)), entry)
            if owner is not entry:
                main = names_of(owner.record)[0]
                raise _error(
                    entry, "", f"gives '{name}' at '{entry.place}', but '{main}' goes by it. Choose another."
                )
