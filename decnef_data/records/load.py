"""Reads the files of a catalog folder into records, each with its file and location."""

import re
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import msgspec
import msgspec.toml

from decnef_data.errors import CatalogError
from decnef_data.model import CatalogFile, Dataset, Mirror, Record
from decnef_data.msgspec_support import prepare_type

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

_RecordType = TypeVar("_RecordType", bound=Record)

#: The fields that identify a record among those of its kind.
KEY_FIELDS = {
    "datasets": ("name",),
    "mirrors": ("name",),
    "sites": ("code",),
    "codes": ("column", "code"),
    "protocols": ("number",),
    "columns": ("name",),
    "citations": ("key",),
    "terms": ("name",),
    "data_use": ("name",),
    "facts": ("name",),
    "evidence": ("key",),
}
#: Fields of records that follow from others, and that no file may have.
COMPUTED_FIELDS = frozenset({"grade", "grades"})
#: The location at the end of messages of msgspec and tomllib: "… - at `$.title`", "… (at line 3, column 1)".
_LOCATION = re.compile(r"(?: - at `(?P<path>[^`]+)`| \((?P<line>at [^()]+)\))$")

#: Text that may state a grade; only a file with it is searched for one.
_TYPED_GRADE = re.compile(r"\bgrades?\b")


@dataclass(frozen=True, slots=True)
class RecordEntry:
    """A record with its kind, and its file and location."""

    kind: str
    record: Record
    file: str
    location: str

    @property
    def key(self) -> tuple[Hashable, ...]:
        """The key that no other record may have."""
        return (self.kind, *(getattr(self.record, field) for field in KEY_FIELDS[self.kind]))


def require_folder(folder: "Traversable") -> None:
    """Raise a CatalogError if there is no such folder."""
    if not folder.is_dir():
        raise CatalogError(
            f"The catalog folder '{folder}' does not exist. Specify an existing folder.", file=str(folder)
        )


def read_entries(folder: "Traversable") -> Iterator[RecordEntry]:
    """Read all records of a catalog folder; two with the same key are an error."""
    require_folder(folder)
    seen: dict[tuple[Hashable, ...], RecordEntry] = {}
    for entry in _read_folder(folder):
        if entry.key in seen:
            raise _duplicate_error(entry, seen[entry.key])
        seen[entry.key] = entry
        yield entry


def _read_folder(folder: "Traversable") -> Iterator[RecordEntry]:
    for file in toml_files(folder / "datasets"):
        yield RecordEntry("datasets", _read_file(file, Dataset), str(file), "$")
    for file in toml_files(folder / "mirrors"):
        yield RecordEntry("mirrors", _read_file(file, Mirror), str(file), "$")
    for file in toml_files(folder):
        yield from _split_catalog_file(_read_file(file, CatalogFile), str(file))


def toml_files(folder: "Traversable") -> "list[Traversable]":
    """Return the TOML files of a folder by name; none if there is no such folder."""
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted((file for file in found if file.name.endswith(".toml")), key=lambda file: file.name)


def _split_catalog_file(catalog_file: CatalogFile, file: str) -> Iterator[RecordEntry]:
    for kind in catalog_file.__struct_fields__:
        for index, record in enumerate(getattr(catalog_file, kind)):
            yield RecordEntry(kind, record, file, f"$.{kind}[{index}]")


def _read_file(file: "Traversable", kind: type[_RecordType]) -> _RecordType:
    try:
        # Decoded here: some versions of msgspec report wrong bytes as malformed TOML, and all of them the
        # byte order mark of editors on Windows.
        text = file.read_bytes().decode("utf-8-sig")
        if _TYPED_GRADE.search(text):
            _refuse_typed_grades(msgspec.toml.decode(text), "$", str(file))
        return msgspec.toml.decode(text, type=prepare_type(kind))
    except UnicodeDecodeError as error:
        raise CatalogError(
            f"The catalog file '{file}' is not valid UTF-8 at byte {error.start}. Save it as UTF-8.",
            file=str(file),
            location=f"byte {error.start}",
        ) from error
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        # Both are also raised by tomllib: of numbers of thousands of digits, and of as many nested brackets.
        raise _malformed_error(str(file), str(error)) from error


def _refuse_typed_grades(value: object, location: str, file: str) -> None:
    """Raise a CatalogError for a record that has a grade of its own."""
    records = enumerate(value) if isinstance(value, list) else ()
    for i, record in records:
        _refuse_typed_grades(record, f"{location}[{i}]", file)
    if isinstance(value, dict):
        for name, each in value.items():
            # Records have these fields: msgspec would take a typed grade for a computed one.
            if name in COMPUTED_FIELDS:
                raise CatalogError(
                    f"The catalog file '{file}' has a grade at '{location}.{name}', but grades follow from "
                    "evidence. Replace it by the evidence of the record, or by evidence = 'none'.",
                    file=file,
                    location=f"{location}.{name}",
                )
            if isinstance(each, list):  # in a table such as diagnosis_codes, the names are data
                _refuse_typed_grades(each, f"{location}.{name}", file)


def split_location(message: str) -> tuple[str, str]:
    """Split a message of a parser into the reason and the location, ``$`` if it has none.

    Examples
    --------
    >>> split_location("Expected `str`, got `int` - at `$.title`")
    ('Expected `str`, got `int`', '$.title')
    """
    match = _LOCATION.search(message)
    if match is None:
        return message, "$"
    return message[: match.start()], match["path"] or match["line"].removeprefix("at ")


def _malformed_error(file: str, message: str) -> CatalogError:
    reason, location = split_location(message)
    return CatalogError(
        f"The catalog file '{file}' is malformed at '{location}': {reason}. Correct this entry.",
        file=file,
        location=location,
    )


def _duplicate_error(entry: RecordEntry, first: RecordEntry) -> CatalogError:
    name = " ".join(str(part) for part in entry.key[1:])
    return CatalogError(
        f"The catalog file '{entry.file}' defines '{name}' at '{entry.location}', "
        f"but '{first.file}' already defines it at '{first.location}'. Remove one of them.",
        file=entry.file,
        location=entry.location,
    )
