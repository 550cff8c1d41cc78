"""The values that records state, each with a name that is unique in the catalog."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from inspect import cleandoc

from decnef_data.model import Dataset, Evidence, Fact, Formula, GradedRecord, Record, StatedValue
from decnef_data.records.grading import nested_records, own_and_stated_fields
from decnef_data.records.load import RecordEntry

#: An attribute in a docstring, and the first sentence or line about it.
_ATTRIBUTE = re.compile(r"^(\w+)\n    (\S.*(?:\n    \S.*)*)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class RecordPart:
    """A graded record with its name, its file, its location there, and the dataset that it describes."""

    name: str
    record: GradedRecord
    entry: RecordEntry
    location: str
    dataset: str

    @property
    def is_fact(self) -> bool:
        """Whether the record is one value, whose name is that of the record."""
        return isinstance(self.record, Fact)

    def value_name(self, field: str) -> str:
        """Return the name of the value of `field`."""
        return self.name if self.is_fact and field == "value" else f"{self.name}.{field}"

    def part_name(self, name: str) -> str:
        """Return the complete name of a value that a formula of the record may name by its field alone."""
        return self.value_name(name) if name in stating_fields(type(self.record)) else name


def list_parts(entries: Iterable[RecordEntry]) -> Iterator[RecordPart]:
    """Yield every graded record, each before the records in it."""
    for entry in entries:
        if isinstance(entry.record, GradedRecord):
            key = _format_key(entry.record)
            name = key if entry.kind in {"facts", "datasets"} else f"{entry.kind}/{key}"
            dataset = entry.record.name if isinstance(entry.record, Dataset) else ""
            yield from _list_parts(RecordPart(name, entry.record, entry, "", dataset))


def _list_parts(part: RecordPart) -> Iterator[RecordPart]:
    record = part.record
    dataset = getattr(record, "dataset", None) or part.dataset
    yield RecordPart(part.name, record, part.entry, part.location, dataset)
    for field, records in nested_records(record):
        seen: Counter[str] = Counter()
        for i, each in enumerate(records):
            key = _format_key(each)
            seen[key] += 1
            unique = f"{key}-{seen[key]}" if seen[key] > 1 else key
            name, location = f"{part.name}/{field}/{unique}", f"{part.location}.{field}[{i}]"
            yield from _list_parts(RecordPart(name, each, part.entry, location, dataset))


def _format_key(record: GradedRecord) -> str:
    """Format the key of a record, such as ``OSU+NKN-HC``; a record for all others has none."""
    values = (getattr(record, field) for field in record.key_fields)
    texts = ("+".join(map(str, value)) if isinstance(value, tuple) else str(value) for value in values)
    return "-".join(texts) or "others"


@cache
def stating_fields(kind: type[GradedRecord]) -> frozenset[str]:
    """Return the fields of a kind of record that state something about the data."""
    return frozenset(own_and_stated_fields(kind)).difference(kind.key_fields, kind.own_fields)


def stated_fields(record: GradedRecord) -> tuple[str, ...]:
    """Return the fields of a record that state a value, in their order.

    Examples
    --------
    >>> from decnef_data.model import Site
    >>> stated_fields(Site(code="XYZ", name="Example Hospital", institute="ExampleU"))
    ('name', 'institute')
    """
    nested = {field for field, _ in nested_records(record)}
    stating = stating_fields(type(record)) - nested
    return tuple(
        field
        for field in own_and_stated_fields(type(record))
        if field in stating and getattr(record, field) not in (None, (), {})
    )


def list_values(part: RecordPart, evidence: Mapping[str, Evidence]) -> Iterator[StatedValue]:
    """Yield the values that one record states."""
    record = part.record
    for field in stated_fields(record):
        basis = record.basis_of(field)
        formula = basis if isinstance(basis, Formula) else None
        keys = basis if isinstance(basis, tuple) else ()
        yield StatedValue(
            part.value_name(field),
            _plain_value(getattr(record, field)),
            (record.unit or "") if isinstance(record, Fact) else record.units.get(field, ""),
            record.counts if isinstance(record, Fact) else describe_field(type(record), field),
            part.dataset,
            record.grade_of(field),
            tuple(evidence[key] for key in keys if key in evidence),
            formula.formula if formula else "",
            tuple(map(part.part_name, formula.parts)) if formula else (),
            has_basis=basis is not None,
        )


def _plain_value(value: object) -> int | float | str | bool:
    if isinstance(value, int | float | str):
        return value
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {each}" for name, each in value.items())
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


@cache
def describe_field(kind: type[Record], field: str) -> str:
    """Return what a field means, as the documentation of the record says it.

    Examples
    --------
    >>> describe_field(Dataset, "n_participants")
    'Number of participants'
    """
    # A kind of record can be based on another, whose docstring describes the fields they share.
    for base in kind.__mro__:
        # Python 3.13 removes the indentation of docstrings; older versions keep it.
        described = dict(_ATTRIBUTE.findall(cleandoc(base.__doc__ or "")))
        if field in described:
            return " ".join(described[field].split()).removesuffix(".")
    return field
