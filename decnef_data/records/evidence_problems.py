"""Finds what is wrong with the evidence and the formulas of a catalog."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from decnef_data.model import Basis, Evidence, Formula, GradedRecord
from decnef_data.records.formulas import find_formula_problem
from decnef_data.records.grading import evidence_by_key, nested_records
from decnef_data.records.load import RecordEntry
from decnef_data.records.stated_values import RecordPart, list_parts, stated_fields, stating_fields

MAX_WORDS: Final = 25
#: A word, or two characters of a script without blanks between words.
_WORD: Final = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]{1,2}|[^\s\u3040-\u30ff\u3400-\u9fff]+")
#: The entry with a problem, its location within the record, and what is wrong.
_Problem = tuple[RecordEntry, str, str]
#: One stated value: its record, and the field.
_Value = tuple[RecordPart, str]


def find_evidence_problems(entries: Sequence[RecordEntry]) -> Iterator[_Problem]:
    """Yield each problem of the evidence of a catalog: the entry, the location in it, and what is wrong."""
    for entry in entries:
        if isinstance(entry.record, Evidence):
            yield from ((entry, location, problem) for location, problem in _evidence_problems(entry.record))
    known = evidence_by_key(entries)
    values = _ValueIndex(list_parts(entries))
    for part in values.parts.values():
        for location, problem in (*_basis_problems(part, known), *values.formula_problems(part)):
            yield part.entry, part.location + location, problem


def _evidence_problems(record: Evidence) -> Iterator[tuple[str, str]]:
    for field in ("key", "owner"):
        if not getattr(record, field).strip():
            yield f".{field}", f"has an empty {field}"
    if record.url is None:
        forms = "https://…, doi:10.…/…, PLACE or OWNER/REPOSITORY@COMMIT:PATH#L1"
        yield ".address", f"has the address '{record.address}', which has none of the forms {forms},"
    n_words = len(_WORD.findall(record.quote or ""))
    if record.quote is not None and not 0 < n_words <= MAX_WORDS:
        yield ".quote", f"has a quote of {n_words} words instead of 1 to {MAX_WORDS}"


def _basis_problems(part: RecordPart, known: Mapping[str, Evidence]) -> Iterator[tuple[str, str]]:
    stating = stating_fields(type(part.record)) - {field for field, _ in nested_records(part.record)}
    for field in part.record.evidence_of:
        if field not in part.record.__struct_fields__:
            yield f".evidence_of.{field}", f"has evidence for the unknown field '{field}'"
        elif field not in stating:
            yield f".evidence_of.{field}", f"has evidence for the field '{field}', which states nothing,"
    for location, basis in _located_bases(part.record):
        if isinstance(basis, Formula):
            yield from _formula_text_problems(location, basis)
        elif isinstance(basis, tuple) and not basis:
            yield location, "has an empty list in place of 'none'"
        elif isinstance(basis, tuple):
            yield from (
                (location, f"refers to the evidence '{key}', which no record defines,")
                for key in basis
                if key not in known
            )


def _located_bases(record: GradedRecord) -> Iterator[tuple[str, Basis]]:
    if record.evidence is not None:
        yield ".evidence", record.evidence
    yield from ((f".evidence_of.{field}", basis) for field, basis in record.evidence_of.items())


def _formula_text_problems(location: str, formula: Formula) -> Iterator[tuple[str, str]]:
    if not formula.parts:
        yield location, "has a formula without parts"
    # Arithmetic has a blank on each side of an operator: two words for each part.
    if not 0 < len(formula.formula.split()) <= MAX_WORDS + 2 * len(formula.parts):
        yield location, f"has a formula that is empty or of more than {MAX_WORDS} words"


class _ValueIndex:
    """Finds the values that formulas name."""

    def __init__(self, parts: Iterable[RecordPart]) -> None:
        self.parts = {part.name: part for part in parts}

    def formula_problems(self, part: RecordPart) -> Iterator[tuple[str, str]]:
        """Yield what is wrong with the formulas of a record."""
        record = part.record
        if isinstance(record.evidence, Formula) or any(
            isinstance(b, Formula) for b in record.evidence_of.values()
        ):
            for field in stated_fields(record):
                yield from self._field_problems(part, field)

    def _field_problems(self, part: RecordPart, field: str) -> Iterator[tuple[str, str]]:
        basis = part.record.basis_of(field)
        if not isinstance(basis, Formula):
            return
        location = f".evidence_of.{field}" if field in part.record.evidence_of else ".evidence"
        found = {name: self.find(name, part) for name in basis.parts}
        if missing := [name for name, value in found.items() if value is None]:
            yield location, f"names the part '{missing[0]}', which no record states,"
            return
        present = {name: value for name, value in found.items() if value is not None}
        # Of values that follow from each other, none has evidence.
        if self._depends_on((part, field), present.values()):
            yield location, f"has the formula '{basis.formula}', whose parts follow from the value itself,"
            return
        numbers = {name: getattr(each.record, its_field) for name, (each, its_field) in present.items()}
        if problem := find_formula_problem(basis, getattr(part.record, field), numbers):
            yield location, problem

    def find(self, name: str, part: RecordPart) -> _Value | None:
        """Return the value with a name, as a formula of a record calls it."""
        complete = part.part_name(name)
        if complete in self.parts and self.parts[complete].is_fact:
            return self.parts[complete], "value"
        record_name, _, field = complete.rpartition(".")
        owner = self.parts.get(record_name)
        return (owner, field) if owner is not None and field in stated_fields(owner.record) else None

    def _depends_on(self, value: _Value, parts: Iterable[_Value]) -> bool:
        """Return whether one of the parts follows, by formulas of its own, from a value."""
        seen: set[tuple[str, str]] = set()
        pending = list(parts)
        while pending:
            part, field = pending.pop()
            if (part.name, field) == (value[0].name, value[1]):
                return True
            basis = part.record.basis_of(field)
            # Parts can be in a circle that the value is not part of.
            if (part.name, field) not in seen and isinstance(basis, Formula):
                pending += (found for name in basis.parts if (found := self.find(name, part)) is not None)
            seen.add((part.name, field))
        return False
