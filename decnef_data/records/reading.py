"""Reads the files of one catalog folder into records, each with the place it stands in."""

import re
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import msgspec
import msgspec.toml

from decnef_data.decoding import decodable
from decnef_data.errors import CatalogError
from decnef_data.model import Dataset, Mirror, Record, Shelf

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

_Read = TypeVar("_Read", bound=Record)

#: What tells two records of one kind apart.
_KEYS = {
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
#: How msgspec and tomllib end a message with the place: "… - at `$.title`", "… (at line 3, column 1)".
_PLACE = re.compile(r"(?: - at `(?P<path>[^`]+)`| \((?P<line>at [^()]+)\))$")


@dataclass(frozen=True, slots=True)
class Entry:
    """A record, of which kind it is, and where it is written."""

    kind: str
    record: Record
    file: str
    place: str

    @property
    def key(self) -> tuple[Hashable, ...]:
        """What another record must not share."""
        return (self.kind, *(getattr(self.record, field) for field in _KEYS[self.kind]))


def entries(folder: "Traversable") -> Iterator[Entry]:
    """Read all records of a catalog folder, refusing two with the same key."""
    if not folder.is_dir():
        raise CatalogError(
            f"There is no catalog folder '{folder}'. Name a folder that exists.", file=str(folder)
        )
    seen: dict[tuple[Hashable, ...], Entry] = {}
    for entry in _all(folder):
        if entry.key in seen:
            raise _repeated(entry, seen[entry.key])
        seen[entry.key] = entry
        yield entry


def _all(folder: "Traversable") -> Iterator[Entry]:
    for file in _toml_files(folder / "datasets"):
        yield Entry("datasets", _read(file, Dataset), str(file), "$")
    for file in _toml_files(folder / "mirrors"):
        yield Entry("mirrors", _read(file, Mirror), str(file), "$")
    for file in _toml_files(folder):
        yield from _shelved(_read(file, Shelf), str(file))


def _toml_files(folder: "Traversable") -> "list[Traversable]":
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted((file for file in found if file.name.endswith(".toml")), key=lambda file: file.name)


def _shelved(shelf: Shelf, file: str) -> Iterator[Entry]:
    for kind in shelf.__struct_fields__:
        for index, record in enumerate(getattr(shelf, kind)):
            yield Entry(kind, record, file, f"$.{kind}[{index}]")


def _read(file: "Traversable", kind: type[_Read]) -> _Read:
    try:
        return msgspec.toml.decode(file.read_bytes(), type=decodable(kind))
    except UnicodeDecodeError as error:
        raise CatalogError(
            f"The catalog file '{file}' is not UTF-8 at byte {error.start}. Save it as UTF-8.",
            file=str(file),
            place=f"byte {error.start}",
        ) from error
    except msgspec.DecodeError as error:
        raise _malformed(str(file), str(error)) from error


def _malformed(file: str, message: str) -> CatalogError:
    found = _PLACE.search(message)
    place = (found["path"] or found["line"].removeprefix("at ")) if found else "$"
    reason = message[: found.start()] if found else message
    return CatalogError(
        f"The catalog file '{file}' is malformed at '{place}': {reason}. Correct it there.",
        file=file,
        place=place,
    )


def _repeated(entry: Entry, first: Entry) -> CatalogError:
    name = " ".join(str(part) for part in entry.key[1:])
    return CatalogError(
        f"The catalog file '{entry.file}' repeats '{name}' at '{entry.place}', "
        f"which '{first.file}' has at '{first.place}'. Leave one of them out.",
        file=entry.file,
        place=entry.place,
    )
