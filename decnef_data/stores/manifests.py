"""What a store was when it was published: every file's size and checksum, and how to tell if it still is.

The manifest is an attribute of the root group, which is written last: until then, no reader finds a
group.  A file of its own would make zarr warn, at each listing of the root, of an unknown object.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Literal

import google_crc32c
import msgspec
import numpy as np
import zarr

from decnef_data.errors import IntegrityError
from decnef_data.model import FileCheck
from decnef_data.model.catalog import Record

__all__ = ["PLACE", "Manifest", "StoredFile", "checks", "load", "not_whole", "plain", "seal"]

PLACE: Final = "zarr.json"
_ATTRIBUTE: Final = "decnef_manifest"
_STAMP: Final = "decnef_manifest_crc32c"
_SOFTWARE: Final = ("decnef-data", "zarr", "xarray", "numpy")


_State = Literal["whole", "changed", "missing", "damaged"]


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
        """Survey a store that was just written; `arrays` are its arrays' names by group."""
        files = {path: _stored(store / path) for path in _paths(store)}
        paths = [f"{group}/{name}" for group, names in arrays.items() for name in names]
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


def plain(attrs: Mapping[str, object]) -> dict[str, Any]:
    """Make attributes what JSON can hold: numpy's scalars and arrays become numbers and lists."""
    return {str(name): json.loads(json.dumps(value, default=_plain)) for name, value in attrs.items()}


def _plain(value: object) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"An attribute of a store holds {value!r}, which JSON cannot. Make it text or numbers.")


def _paths(store: Path) -> Iterator[str]:
    for folder, _, names in os.walk(store):
        for name in names:
            path = Path(folder, name).relative_to(store).as_posix()
            if path != PLACE:
                yield path


def _stored(path: Path) -> StoredFile:
    return StoredFile(size=path.stat().st_size, crc32c=_crc32c(path))


def _crc32c(path: Path) -> int:
    # An empty file cannot be mapped.
    content = np.memmap(path, np.uint8, "r") if path.stat().st_size else b""
    return int(google_crc32c.value(content))


def seal(stage: Path, manifest: Manifest) -> None:
    """Write the manifest into the root group of a staged store."""
    text = msgspec.json.encode(manifest).decode()
    stamp = {_ATTRIBUTE: text, _STAMP: google_crc32c.value(text.encode())}
    zarr.open_group(stage, mode="r+", zarr_format=3).update_attributes({**manifest.attrs, **stamp})


def load(store: Path) -> Manifest:
    """Read the manifest of a store."""
    try:
        attributes = json.loads((store / PLACE).read_bytes())["attributes"]
        text = attributes[_ATTRIBUTE].encode()
        manifest = msgspec.json.decode(text, type=Manifest)
        changed = google_crc32c.value(text) != attributes[_STAMP]
    except FileNotFoundError as error:
        raise not_whole(store, _check(store, PLACE, "missing")) from error
    except (ValueError, KeyError, TypeError, AttributeError, msgspec.MsgspecError) as error:
        raise not_whole(store, _check(store, PLACE, "damaged")) from error
    if changed:
        raise not_whole(store, _check(store, PLACE, "damaged"))
    return manifest


def not_whole(store: Path, check: FileCheck) -> IntegrityError:
    """Say which file of a store is not as it was written, and what to do."""
    return IntegrityError(
        f"The store '{store}' is not whole: '{check.path}' is {check.state}. "
        "Clear it with 'decnef cache clear', then fetch the dataset again.",
        file=check.path,
    )


def checks(store: Path, manifest: Manifest, *, deep: bool) -> Iterator[FileCheck]:
    """Compare each file with what was written, by stat alone unless `deep`."""
    yield from (_compare(store, path, file, deep=deep) for path, file in manifest.files.items())


def _compare(store: Path, path: str, file: StoredFile, *, deep: bool) -> FileCheck:
    try:
        size = os.stat(f"{store}/{path}").st_size  # noqa: PTH116  # building a Path costs more than the stat
        if size != file.size:
            return _check(store, path, "changed", f"It holds {size} bytes where {file.size} were written.")
        found = _crc32c(store / path) if deep else file.crc32c
    except FileNotFoundError:
        return _check(store, path, "missing")
    if found != file.crc32c:
        return _check(
            store, path, "damaged", f"Its crc32c is {found:08x} where {file.crc32c:08x} was written."
        )
    return _check(store, path, "whole")


def _check(store: Path, path: str, state: _State, detail: str = "") -> FileCheck:
    return FileCheck(f"{store.name}/{path}", state, detail)
