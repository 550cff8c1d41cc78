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
_KEY_FIELDS = {
    "datasets": ("name",),
    "mirrors": ("name",),
    "sites": ("code",),
    "codes": ("column", "code"),
    "protocols": ("number",),
    "columns": ("name",),
    "citations": ("key",),
    "terms": ("name",),
    "facts": ("name",),
}
#: The location at the end of messages of msgspec and tomllib: "… - at `$.title`", "… (at line 3, column 1)".
_LOCATION = re.compile(r"(?: - at `(?P<path>[^`]+)`| \((?P<line>at [^()]+)\))$")


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
        return (self.kind, *(getattr(self.record, field) for field in _KEY_FIELDS[self.kind]))


def read_entries(folder: "Traversable") -> Iterator[RecordEntry]:
    """Read all records of a catalog folder; two with the same key are an error."""
    if not folder.is_dir():
        raise CatalogError(
            f"The catalog folder '{folder}' does not exist. Specify an existing folder.", file=str(folder)
        )
    seen: dict[tuple[Hashable, ...], RecordEntry] = {}
    for entry in _read_folder(folder):
        if entry.key in seen:
            raise _duplicate_error(entry, seen[entry.key])
        seen[entry.key] = entry
        yield entry


def _read_folder(folder: "Traversable") -> Iterator[RecordEntry]:
    for file in _toml_files(folder / "datasets"):
        yield RecordEntry("datasets", _read_file(file, Dataset), str(file), "$")
    for file in _toml_files(folder / "mirrors"):
        yield RecordEntry("mirrors", _read_file(file, Mirror), str(file), "$")
    for file in _toml_files(folder):
        yield from _split_catalog_file(_read_file(file, CatalogFile), str(file))


def _toml_files(folder: "Traversable") -> "list[Traversable]":
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted((file for file in found if file.name.endswith(".toml")), key=lambda file: file.name)


def _split_catalog_file(catalog_file: CatalogFile, file: str) -> Iterator[RecordEntry]:
    for kind in catalog_file.__struct_fields__:
        for index, record in enumerate(getattr(catalog_file, kind)):
            yield RecordEntry(kind, record, file, f"$.{kind}[{index}]")


def _read_file(file: "Traversable", kind: type[_RecordType]) -> _RecordType:
    try:
        # Decoded here: some versions of msgspec report wrong bytes as malformed TOML.
        return msgspec.toml.decode(file.read_bytes().decode("utf-8"), type=prepare_type(kind))
    except UnicodeDecodeError as error:
        raise CatalogError(
            f"The catalog file '{file}' is not valid UTF-8 at byte {error.start}. Save it as UTF-8.",
            file=str(file),
            location=f"byte {error.start}",
        ) from error
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        # Both are also raised by tomllib: of numbers of thousands of digits, and of as many nested brackets.
        raise _malformed_error(str(file), str(error)) from error


def _malformed_error(file: str, message: str) -> CatalogError:
    match = _LOCATION.search(message)
    location = (match["path"] or match["line"].removeprefix("at ")) if match else "$"
    reason = message[: match.start()] if match else message
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
