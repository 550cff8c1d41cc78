"""Computes the grades of records from their evidence."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace as replace_entry
from functools import cache
from typing import Any, Final, TypeVar

from msgspec.structs import replace

from decnef_data.model import Evidence, GradedRecord, compute_grade
from decnef_data.records.load import RecordEntry

#: Fields that belong to every graded record, and state nothing.
_COMMON_FIELDS: Final = frozenset(GradedRecord.__struct_fields__)
_Graded = TypeVar("_Graded", bound=GradedRecord)


def evidence_by_key(entries: Iterable[RecordEntry]) -> dict[str, Evidence]:
    """Return the evidence of a catalog by key."""
    records = (entry.record for entry in entries)
    return {record.key: record for record in records if isinstance(record, Evidence)}


def grade_entries(entries: Sequence[RecordEntry]) -> tuple[RecordEntry, ...]:
    """Return the entries with the grade of every record, and of the records in it."""
    evidence = evidence_by_key(entries)
    return tuple(
        replace_entry(entry, record=grade_record(entry.record, evidence))
        if isinstance(entry.record, GradedRecord)
        else entry
        for entry in entries
    )


def grade_record(record: _Graded, evidence: Mapping[str, Evidence]) -> _Graded:
    """Return a record with its grades, and those of the records in it."""
    grade = compute_grade(record.evidence, evidence)
    graded = {field: compute_grade(basis, evidence) for field, basis in record.evidence_of.items()}
    grades = {field: each for field, each in graded.items() if each != grade}
    nested: dict[str, Any] = {
        field: tuple(grade_record(each, evidence) for each in records)
        for field, records in nested_records(record)
    }
    if not nested and (grade, grades) == (record.grade, record.grades):
        return record
    return replace(record, grade=grade, grades=grades, **nested)


def nested_records(record: GradedRecord) -> Iterator[tuple[str, tuple[GradedRecord, ...]]]:
    """Yield the fields that have graded records, with the records."""
    for field in own_and_stated_fields(type(record)):
        value = getattr(record, field)
        if isinstance(value, tuple) and value and isinstance(value[0], GradedRecord):
            yield field, value


@cache
def own_and_stated_fields(kind: type[GradedRecord]) -> tuple[str, ...]:
    """Return the fields of a kind of record but those that belong to every graded record."""
    return tuple(field for field in kind.__struct_fields__ if field not in _COMMON_FIELDS)
