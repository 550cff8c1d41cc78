"""The manifest of a store: the size and checksum of every file when it was published, to check it against.

The manifest is an attribute of the root group, whose metadata are written last.  A file of its own would
make zarr warn of an unknown object whenever the root is listed.
"""

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import google_crc32c
import msgspec
import numpy as np
from numpy.typing import NDArray

from decnef_data.errors import IntegrityError
from decnef_data.file_systems import map_file
from decnef_data.model import FileCheck
from decnef_data.model.catalog import Record
from decnef_data.msgspec_threads import prepare_type
from decnef_data.stores.zarr_arrays import (
    METADATA,
    damaged_store_error,
    has_valid_crc32c,
    store_file_check,
    to_json_attrs,
    trailing_crc32c,
)
from decnef_data.stores.zarr_groups import write_group_metadata

__all__ = ["Manifest", "StoredFile", "check_store", "load_intact_manifest", "write_manifest"]

_ATTRIBUTE: Final = "decnef_manifest"
_ATTRIBUTE_CRC32C: Final = "decnef_manifest_crc32c"
_SOFTWARE: Final = ("decnef-data", "zarr", "xarray", "numpy")
_SMALL: Final = 1 << 20


class StoredFile(Record, frozen=True, kw_only=True):
    """A file of a store, as it was written."""

    size: int
    crc32c: int


class Manifest(Record, frozen=True, kw_only=True):
    """The content of a store.

    ``arrays`` has the number of chunks by array, and ``files`` what was written by path in the store.
    """

    key: str
    format: int = 1
    software: dict[str, str]
    groups: tuple[str, ...]
    arrays: dict[str, int]
    files: dict[str, StoredFile]
    attrs: dict[str, Any]

    @classmethod
    def from_store(
        cls, key: str, store: Path, arrays: Mapping[str, Sequence[str]], attrs: Mapping[str, object]
    ) -> "Manifest":
        """Build the manifest of a new store; `arrays` are its arrays' names by group, ``""`` the root."""
        files = {path: _describe_file(store / path) for path in _list_files(store)}
        paths = [f"{group}/{name}".lstrip("/") for group, names in arrays.items() for name in names]
        parts = (path.rpartition("/") for path in files)
        chunk_counts = Counter(folder for folder, _, name in parts if name.partition(".")[0] == "c")
        return cls(
            key=key,
            software={name: version(name) for name in _SOFTWARE},
            groups=tuple(arrays),
            arrays={path: chunk_counts[path] for path in paths},
            files=files,
            attrs=to_json_attrs(attrs),
        )

    @property
    def size(self) -> int:
        """The size of all files together, in bytes."""
        return sum(file.size for file in self.files.values())

    def array_names(self, group: str) -> tuple[str, ...]:
        """Return the names of a group's arrays, in the order in which they were written."""
        parts = (path.rpartition("/") for path in self.arrays)
        return tuple(name for parent, _, name in parts if parent == group)


def _list_files(store: Path) -> Iterator[str]:
    for folder, _, names in os.walk(store):
        for name in names:
            path = Path(folder, name).relative_to(store).as_posix()
            if path != METADATA:
                yield path


def _describe_file(path: Path) -> StoredFile:
    content = _read_content(path)
    return StoredFile(size=len(content), crc32c=_file_crc32c(path, content))


def _read_content(path: Path) -> bytes | NDArray[np.uint8]:
    # Mapping a small file takes longer than reading it, and an empty file cannot be mapped.
    mapped = map_file(path) if path.stat().st_size > _SMALL else None
    return path.read_bytes() if mapped is None else np.frombuffer(mapped, np.uint8)


def _file_crc32c(path: Path, content: bytes | NDArray[np.uint8]) -> int:
    # The crc32c of anything that ends in its own crc32c is a constant: a chunk is known by its last bytes.
    return int(google_crc32c.value(content)) if path.name == METADATA else trailing_crc32c(content)


def write_manifest(stage: Path, manifest: Manifest) -> None:
    """Write the root group of a staged store, with the manifest."""
    text = msgspec.json.encode(manifest).decode()
    write_group_metadata(
        stage, {**manifest.attrs, _ATTRIBUTE: text, _ATTRIBUTE_CRC32C: google_crc32c.value(text.encode())}
    )


def load_intact_manifest(store: Path) -> Manifest:
    """Read the manifest of a store whose files all have the size that was written.

    Raises
    ------
    IntegrityError
        The manifest is damaged, or a file is missing or has another size.
    """
    manifest = _load_manifest(store)
    for check in _check_files(store, manifest, deep=False):
        if check.state != "intact":
            raise damaged_store_error(store, check)
    return manifest


def _load_manifest(store: Path) -> Manifest:
    try:
        attributes = json.loads((store / METADATA).read_bytes())["attributes"]
        text = attributes[_ATTRIBUTE].encode()
        manifest = msgspec.json.decode(text, type=prepare_type(Manifest))
        changed = google_crc32c.value(text) != attributes[_ATTRIBUTE_CRC32C]
    except FileNotFoundError as error:
        raise damaged_store_error(store, store_file_check(store, METADATA, "missing")) from error
    except (ValueError, KeyError, TypeError, AttributeError, msgspec.MsgspecError) as error:
        raise damaged_store_error(store, store_file_check(store, METADATA, "damaged")) from error
    if changed:
        raise damaged_store_error(store, store_file_check(store, METADATA, "damaged"))
    return manifest


def check_store(store: Path, *, deep: bool) -> tuple[FileCheck, ...]:
    """Check each file of a store that may be missing, or have no readable manifest."""
    if not store.is_dir():
        return (FileCheck(store.name, "missing", "The store does not exist."),)
    try:
        manifest = _load_manifest(store)
    except IntegrityError as error:
        return (FileCheck(f"{store.name}/{METADATA}", "damaged", str(error)),)
    return tuple(_check_files(store, manifest, deep=deep))


def _check_files(store: Path, manifest: Manifest, *, deep: bool) -> Iterator[FileCheck]:
    """Compare each file with what was written, by stat alone unless `deep`."""
    yield from (_check_file(store, path, file, deep=deep) for path, file in manifest.files.items())


def _check_file(store: Path, path: str, file: StoredFile, *, deep: bool) -> FileCheck:
    try:
        size = os.stat(f"{store}/{path}").st_size  # noqa: PTH116  # building a Path costs more than the stat
        is_intact = not deep or _has_recorded_checksum(store / path, file)
    except FileNotFoundError:
        return store_file_check(store, path, "missing")
    if size != file.size:
        return store_file_check(store, path, "changed", f"It has {size} bytes, but {file.size} were written.")
    return store_file_check(store, path, "intact" if is_intact else "damaged")


def _has_recorded_checksum(path: Path, file: StoredFile) -> bool:
    content = _read_content(path)
    return _file_crc32c(path, content) == file.crc32c and (path.name == METADATA or has_valid_crc32c(content))
