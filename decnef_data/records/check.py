"""Checks a folder of records completely: every problem with its file and line, and not only the first."""

import difflib
import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import UnionType
from typing import Any, Final, get_args, get_origin

import msgspec

from decnef_data.model import CatalogFile, CatalogProblem, Dataset, Mirror
from decnef_data.msgspec_support import prepare_type
from decnef_data.records.evidence_problems import find_evidence_problems
from decnef_data.records.lines import find_line, locate_entries
from decnef_data.records.load import COMPUTED_FIELDS, KEY_FIELDS, RecordEntry, split_location
from decnef_data.records.validate import find_inconsistencies

__all__ = ["check_entries"]

#: Stands for a text that a record lacks, while the rest of it is checked.
_MISSING: Final = "\N{REPLACEMENT CHARACTER}"
_FOLDERS: Final[tuple[tuple[str, str, type[Dataset | Mirror]], ...]] = (
    ("datasets", "datasets", Dataset),
    ("mirrors", "mirrors", Mirror),
)


def check_entries(
    folder: Path, packaged: tuple[RecordEntry, ...], layouts: Collection[str]
) -> tuple[CatalogProblem, ...]:
    """Return everything that is wrong about the records in a folder.

    Parameters
    ----------
    folder
        The folder.
    packaged
        The records of the package, to which those of the folder may refer.
    layouts
        The names of the layouts that can be opened.
    """
    found = _Folder()
    for subfolder, kind, record_type in _FOLDERS:
        for path in sorted((folder / subfolder).glob("*.toml")):
            found.read_record(path, kind, record_type)
    for path in sorted(folder.glob("*.toml")):
        found.read_records(path)
    if not found.lines:
        found.problems.append(CatalogProblem(str(folder), 1, "$", "The folder has no TOML file. Add one."))
    found.check(packaged, layouts)
    return tuple(sorted(found.problems, key=lambda problem: (problem.file, problem.line, problem.location)))


@dataclass(slots=True)
class _Folder:
    """The records of a folder, the lines of each file, malformed records by kind and name, and problems."""

    entries: list[RecordEntry] = field(default_factory=list)
    lines: dict[str, Mapping[str, int]] = field(default_factory=dict)
    malformed: list[tuple[str, object]] = field(default_factory=list)
    problems: list[CatalogProblem] = field(default_factory=list)

    def read_record(self, path: Path, kind: str, record_type: type[Dataset | Mirror]) -> None:
        content = self._parse(path)
        if content is not None:
            self._add(str(path), kind, "$", record_type, content)

    def read_records(self, path: Path) -> None:
        content = self._parse(path)
        if content is None:
            return
        fields = {each.name: each.type for each in msgspec.structs.fields(CatalogFile)}
        for name, records in content.items():
            if name not in fields:
                self._report(str(path), f"$.{name}", _unknown_field(name, fields))
            elif not isinstance(records, list):
                self._report(str(path), f"$.{name}", f"'{name}' is not a list. Write [[{name}]].")
            else:
                for index, record in enumerate(records):
                    location = f"$.{name}[{index}]"
                    self._add(str(path), name, location, get_args(fields[name])[0], record)

    def _parse(self, path: Path) -> dict[str, Any] | None:
        """Return the content of a file, ``None`` if it is not TOML."""
        try:
            text = path.read_bytes().decode("utf-8-sig")
            content = tomllib.loads(text)
        except UnicodeDecodeError as error:
            line = error.object.count(b"\n", 0, error.start) + 1
            self._report(str(path), "$", "The file is not valid UTF-8. Save it as UTF-8.", line)
        # TOMLDecodeError is a ValueError, as is that of a number of thousands of digits.
        except (ValueError, RecursionError) as error:
            reason, where = split_location(str(error))
            line = int(where.split()[1].rstrip(",")) if where.startswith("line") else 1
            self._report(str(path), "$", f"{reason}. Correct the line.", line)
        else:
            self.lines[str(path)] = locate_entries(text)
            return content
        # A file that is not TOML is a file nevertheless: the folder is not empty.
        self.lines.setdefault(str(path), {"$": 1})
        return None

    def _add(self, file: str, kind: str, location: str, record_type: type[Any], record: object) -> None:
        problems = list(_record_problems(record_type, record, location))
        for place, message in problems:
            self._report(file, place, message)
        if problems:
            # Other records may refer to this one: that it is malformed is one problem, and not one for each.
            key = record.get(KEY_FIELDS[kind][0]) if isinstance(record, dict) else None
            self.malformed.append((kind, key))
            record = _without_problems(record_type, record, location, {place for place, _ in problems})
        if record is None:
            return
        entry = RecordEntry(kind, msgspec.convert(record, prepare_type(record_type)), file, location)
        first = next((other for other in self.entries if other.key == entry.key), None)
        # Two records that lack their key are not the same record twice.
        if first is None or _MISSING in entry.key:
            self.entries.append(entry)
            return
        where = f"{first.file}:{find_line(self.lines[first.file], first.location)}"
        self._report(file, location, f"The record is already defined at {where}. Remove one of them.")

    def check(self, packaged: tuple[RecordEntry, ...], layouts: Collection[str]) -> None:
        """Check the records against one another and those of the package, which they replace."""
        own = {entry.key for entry in self.entries}
        others = [entry for entry in packaged if entry.key not in own]
        for entry, location, problem in find_inconsistencies([*others, *self.entries], self.malformed):
            # The text that a record lacks is a problem of its own already.
            if _MISSING not in problem:
                self._report(entry.file, entry.location + location, f"The record {problem}")
        for entry, location, problem in find_evidence_problems([*others, *self.entries]):
            place = f"{entry.location}{location}"
            self._report(entry.file, place, f"The record {problem} at '{place}'. Correct this entry.")
        for entry in self.entries:
            if isinstance(entry.record, Dataset) and entry.record.layout not in layouts:
                known = ", ".join(map(repr, sorted(layouts)))
                message = f"There is no layout '{entry.record.layout}'. Choose one of {known}."
                self._report(entry.file, f"{entry.location}.layout", message)

    def _report(self, file: str, location: str, message: str, line: int | None = None) -> None:
        found = find_line(self.lines.get(file, {}), location) if line is None else line
        self.problems.append(CatalogProblem(file, found, location, message))


def _record_problems(kind: type[Any], value: object, location: str) -> Iterator[tuple[str, str]]:
    """Yield the location and the description of each problem of a record, and of the records in it."""
    if not isinstance(value, dict):
        yield location, f"A table is expected here, not {value!r}. Correct this entry."
        return
    fields = {each.name: each for each in msgspec.structs.fields(kind)}
    for name in value:
        if name in COMPUTED_FIELDS:
            yield (
                f"{location}.{name}",
                "Grades follow from evidence. Replace it by the evidence of the record.",
            )
        elif name not in fields:
            yield f"{location}.{name}", _unknown_field(name, fields)
    for name, each in fields.items():
        if name in value:
            yield from _value_problems(each.type, value[name], f"{location}.{name}")
        elif each.required:
            yield location, f"The record lacks '{name}'. Add it."


def _without_problems(
    kind: type[Any], record: object, location: str, places: Collection[str]
) -> dict[str, Any] | None:
    """Return a record without the fields that are wrong, so that the others can be checked, or ``None``.

    A required text that is missing is one that no message names.
    """
    if not isinstance(record, dict):
        return None
    starts = tuple(f"{location}.{name}" for name in record)
    wrong = {
        name
        for name, start in zip(record, starts, strict=True)
        if any(place == start or place.startswith((f"{start}.", f"{start}[")) for place in places)
    }
    cleaned = {name: value for name, value in record.items() if name not in wrong}
    for each in msgspec.structs.fields(kind):
        if each.required and each.name not in cleaned:
            if each.type is not str:
                return None
            cleaned[each.name] = _MISSING
    return cleaned


def _value_problems(kind: Any, value: object, location: str) -> Iterator[tuple[str, str]]:
    parts = get_args(kind)
    record = next((part for part in (kind, *parts) if _is_record(part)), None)
    # msgspec stops at the first problem: records within records are checked one by one.
    if record is not None and get_origin(kind) is tuple and isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _record_problems(record, inner, f"{location}[{index}]")
    elif record is not None and (record is kind or get_origin(kind) is UnionType):
        yield from _record_problems(record, value, location)
    else:
        try:
            msgspec.convert(value, prepare_type(kind))
        except msgspec.ValidationError as error:
            reason, where = split_location(str(error))
            yield location + where.removeprefix("$"), f"{reason}. Correct this entry."


def _is_record(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _unknown_field(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    advice = f"Did you mean '{near[0]}'?" if near else "Remove it."
    return f"There is no field '{name}'. {advice}"
