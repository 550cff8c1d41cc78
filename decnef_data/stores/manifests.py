"""What a store was when it was published: every file's size and checksum, and how to tell if it still is.

The manifest is an attribute of the root group, whose metadata are written last.  A file of its own would
make zarr warn of an object that it does not know, whenever the root is listed.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import google_crc32c
import msgspec
import numpy as np
from numpy.typing import NDArray

from decnef_data.decoding import decodable
from decnef_data.errors import IntegrityError
from decnef_data.model import FileCheck
from decnef_data.model.catalog import Record
from decnef_data.stores.attributes import plain
from decnef_data.stores.chunks import METADATA, is_sound, sealed
from decnef_data.stores.cubes import write_group
from decnef_data.stores.damage import check, not_whole

__all__ = ["Manifest", "StoredFile", "checks", "examined", "load", "seal"]

_ATTRIBUTE: Final = "decnef_manifest"
_STAMP: Final = "decnef_manifest_crc32c"
_SOFTWARE: Final = ("decnef-data", "zarr", "xarray", "numpy")
_SMALL: Final = 1 << 20


class StoredFile(Record, frozen=True, kw_only=True):
    """A file of a store, as it was written."""

    size: int
    crc32c: int


class Manifest(Record, frozen=True, kw_only=True):
    """What a store holds.

    ``arrays`` gives the number of chunks by array and ``files`` what was written, by path in the store.
    """

    key: str
    format: int = 1
    software: dict[str, str]
    groups: tuple[str, ...]
    arrays: dict[str, int]
    files: dict[str, StoredFile]
    attrs: dict[str, Any]

    @classmethod
    def of(
        cls, key: str, store: Path, arrays: Mapping[str, Sequence[str]], attrs: Mapping[str, object]
    ) -> "Manifest":
        """Survey a store that was just written; `arrays` are its arrays' names by group, ``""`` the root."""
        files = {path: _stored(store / path) for path in _paths(store)}
        paths = [f"{group}/{name}".lstrip("/") for group, names in arrays.items() for name in names]
        return cls(
            key=key,
            software={name: version(name) for name in _SOFTWARE},
            groups=tuple(arrays),
            arrays={path: sum(file.startswith(f"{path}/c") for file in files) for path in paths},
            files=files,
            attrs=plain(attrs),
        )

    @property
    def size(self) -> int:
        """The size of all files together, in bytes."""
        return sum(file.size for file in self.files.values())

    def arrays_of(self, group: str) -> tuple[str, ...]:
        """Give the names of a group's arrays, in the order in which they were written."""
        places = (path.rpartition("/") for path in self.arrays)
        return tuple(name for parent, _, name in places if parent == group)


def _paths(store: Path) -> Iterator[str]:
    for folder, _, names in os.walk(store):
        for name in names:
            path = Path(folder, name).relative_to(store).as_posix()
            if path != METADATA:
                yield path


def _stored(path: Path) -> StoredFile:
    content = _content(path)
    return StoredFile(size=len(content), crc32c=_sealed(path, content))


def _content(path: Path) -> bytes | NDArray[np.uint8]:
    # Mapping costs more than reading what is small, and nothing cannot be mapped.
    return np.memmap(path, np.uint8, "r") if path.stat().st_size > _SMALL else path.read_bytes()


def _sealed(path: Path, content: bytes | NDArray[np.uint8]) -> int:
    # The crc32c of whatever ends in its own crc32c is one constant: a chunk is known by what it ends in.
    return int(google_crc32c.value(content)) if path.name == METADATA else sealed(content)


def seal(stage: Path, manifest: Manifest) -> None:
    """Write the root group of a staged store, the manifest in it."""
    text = msgspec.json.encode(manifest).decode()
    write_group(stage, {**manifest.attrs, _ATTRIBUTE: text, _STAMP: google_crc32c.value(text.encode())})


def load(store: Path) -> Manifest:
    """Read the manifest of a store."""
    try:
        attributes = json.loads((store / METADATA).read_bytes())["attributes"]
        text = attributes[_ATTRIBUTE].encode()
        manifest = msgspec.json.decode(text, type=decodable(Manifest))
        changed = google_crc32c.value(text) != attributes[_STAMP]
    except FileNotFoundError as error:
        raise not_whole(store, check(store, METADATA, "missing")) from error
    except (ValueError, KeyError, TypeError, AttributeError, msgspec.MsgspecError) as error:
        raise not_whole(store, check(store, METADATA, "damaged")) from error
    if changed:
        raise not_whole(store, check(store, METADATA, "damaged"))
    return manifest


def examined(store: Path, *, deep: bool) -> tuple[FileCheck, ...]:
    """Check a store that may be missing, or have no manifest that can be read."""
    if not store.is_dir():
        return (FileCheck(store.name, "missing", "There is no such store."),)
    try:
        manifest = load(store)
    except IntegrityError as error:
        return (FileCheck(f"{store.name}/{METADATA}", "damaged", str(error)),)
    return tuple(checks(store, manifest, deep=deep))


def checks(store: Path, manifest: Manifest, *, deep: bool) -> Iterator[FileCheck]:
    """Compare each file with what was written, by stat alone unless `deep`."""
    yield from (_compare(store, path, file, deep=deep) for path, file in manifest.files.items())


def _compare(store: Path, path: str, file: StoredFile, *, deep: bool) -> FileCheck:
    try:
        size = os.stat(f"{store}/{path}").st_size  # noqa: PTH116  # building a Path costs more than the stat
        whole = not deep or _has_its_bytes(store / path, file)
    except FileNotFoundError:
        return check(store, path, "missing")
    if size != file.size:
        return check(store, path, "changed", f"It holds {size} bytes where {file.size} were written.")
    return check(store, path, "whole" if whole else "damaged")


def _has_its_bytes(path: Path, file: StoredFile) -> bool:
    content = _content(path)
    return _sealed(path, content) == file.crc32c and (path.name == METADATA or is_sound(content))
