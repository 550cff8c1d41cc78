"""The manifest of a store: the size and checksum of every file when it was published, to check it against.

The manifest is an attribute of the root group, whose metadata are written last.  A file of its own would
make zarr warn of an unknown object whenever the root is listed.
"""

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import google_crc32c
import msgspec
import numpy as np
from numpy.typing import NDArray

from decnef_data.file_systems import map_file
from decnef_data.model import FileCheck
from decnef_data.model.evidence import Record
from decnef_data.msgspec_support import prepare_type
from decnef_data.stores import staging
from decnef_data.stores.stored_files import (
    METADATA,
    DamagedStoreError,
    Signature,
    StoredFile,
    StoredFiles,
    damaged_store_error,
    marked_file,
    signature_of,
    store_file_check,
)
from decnef_data.stores.zarr_arrays import to_json_attrs
from decnef_data.stores.zarr_groups import stored_name, write_group_metadata

__all__ = [
    "Manifest",
    "check_store",
    "is_intact",
    "load_intact_manifest",
    "move_store_into_place",
    "write_manifest",
]

_ATTRIBUTE: Final = "decnef_manifest"
_ATTRIBUTE_CRC32C: Final = "decnef_manifest_crc32c"
_SOFTWARE: Final = ("decnef-data", "zarr", "xarray", "numpy")
_SMALL: Final = 1 << 20
#: What a missing file raises; the last, where a name of an earlier version cannot exist in this locale.
_NO_FILE: Final = (FileNotFoundError, NotADirectoryError, UnicodeError)


class Manifest(Record, frozen=True, kw_only=True):
    """The content of a store.

    ``arrays`` has the number of chunks by path of the array, and ``files`` what was written by path.
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
        """Build the manifest of a new store; `arrays` are its stored arrays by group, ``""`` the root."""
        files = {
            path: StoredFile.from_content(path, _read_content(store / path)) for path in _list_files(store)
        }
        folders = {group: stored_name(group) if group else "" for group in arrays}
        paths = [f"{folders[group]}/{name}".lstrip("/") for group, names in arrays.items() for name in names]
        parts = (path.rpartition("/") for path in files)
        chunk_counts = Counter(folder for folder, _, name in parts if name.partition(".")[0] == "c")
        return cls(
            key=key,
            software={name: _version(name) for name in _SOFTWARE},
            groups=tuple(arrays),
            arrays={path: chunk_counts[path] for path in paths},
            files=files,
            attrs=to_json_attrs(attrs),
        )

    @property
    def size(self) -> int:
        """The size of all files together, in bytes."""
        return sum(file.size for file in self.files.values())

    def group_folder(self, group: str) -> str:
        """Return the folder of a group in the store."""
        # Stores of earlier versions have the names of groups as they are.
        return group if f"{group}/{METADATA}" in self.files else stored_name(group)

    def array_names(self, folder: str) -> tuple[str, ...]:
        """Return the stored names of the arrays in a group's folder, in the order they were written."""
        parts = (path.rpartition("/") for path in self.arrays)
        return tuple(name for parent, _, name in parts if parent == folder)

    def stored_files(self, store: Path) -> StoredFiles:
        """Return the files of the store, to be read."""
        return StoredFiles(store, self.files)


_DECODER: Final = msgspec.json.Decoder(prepare_type(Manifest))
# A scan is a store of its own, and reading the metadata of four packages takes 3 ms.
_version = cache(version)


def _list_files(store: Path) -> Iterator[str]:
    for folder, _, names in os.walk(store):
        for name in names:
            path = Path(folder, name).relative_to(store).as_posix()
            if path != METADATA:
                yield path


def _read_content(path: Path) -> bytes | NDArray[np.uint8]:
    # Mapping a small file takes longer than reading it, and an empty file cannot be mapped.
    mapped = map_file(path) if path.stat().st_size > _SMALL else None
    return path.read_bytes() if mapped is None else np.frombuffer(mapped, np.uint8)


def write_manifest(stage: Path, manifest: Manifest) -> None:
    """Write the root group of a staged store, with the manifest."""
    text = msgspec.json.encode(manifest).decode()
    write_group_metadata(
        stage, {**manifest.attrs, _ATTRIBUTE: text, _ATTRIBUTE_CRC32C: google_crc32c.value(text.encode())}
    )


def load_intact_manifest(store: Path) -> tuple[Manifest, dict[str, Signature]] | None:
    """Read the manifest of a store that is not marked, and whose files all have the size that was written.

    Returns the manifest with what the files are now, by path, or ``None`` if there is no store.

    Raises
    ------
    DamagedStoreError
        The store is marked or its manifest is damaged, or a file is missing or has another size.
    """
    try:
        manifest = _load_manifest(store)
    except DamagedStoreError:
        if store.is_dir():
            raise
        return None
    marked = marked_file(store)
    if marked is not None:
        raise damaged_store_error(store, store_file_check(store, marked, "damaged"))
    signatures = {}
    for path, file in manifest.files.items():
        # A result for each file would take longer than the stats: a dataset has thousands of stores.
        try:
            signatures[path] = signature = signature_of(f"{store}/{path}")
        except _NO_FILE:
            signature = None
        if signature is None or signature[0] != file.size:
            raise damaged_store_error(store, _check_file(store, path, file, deep=False))
    return manifest, signatures


def is_intact(store: Path) -> bool:
    """Return whether a store is there, and intact as far as opening it would notice."""
    with suppress(DamagedStoreError):
        return load_intact_manifest(store) is not None
    return False


def move_store_into_place(stage: Path, store: Path) -> None:
    """Move a staged store to its path; an intact store that is there stays, a damaged one is replaced."""
    if staging.move_into_place(stage, store) or is_intact(store):
        return
    # If another process is faster with the same store, that one stays: the result of moving is not needed.
    staging.remove_folder(store)
    staging.move_into_place(stage, store)


def _load_manifest(store: Path) -> Manifest:
    try:
        attributes = json.loads((store / METADATA).read_bytes())["attributes"]
        text = attributes[_ATTRIBUTE].encode()
        manifest = _DECODER.decode(text)
        changed = google_crc32c.value(text) != attributes[_ATTRIBUTE_CRC32C]
    except FileNotFoundError as error:
        raise damaged_store_error(store, store_file_check(store, METADATA, "missing")) from error
    # Garbled JSON may be of another structure, or of too many brackets within each other.
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, msgspec.MsgspecError) as error:
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
    except DamagedStoreError as error:
        return (FileCheck(f"{store.name}/{METADATA}", "damaged", str(error)),)
    return tuple(_check_files(store, manifest, deep=deep))


def _check_files(store: Path, manifest: Manifest, *, deep: bool) -> Iterator[FileCheck]:
    """Compare each file with what was written, by stat alone unless `deep`; one that is marked is damaged."""
    marked = marked_file(store)
    if marked is not None:
        yield store_file_check(store, marked, "damaged")
    for path, file in manifest.files.items():
        if path != marked:
            yield _check_file(store, path, file, deep=deep)


def _check_file(store: Path, path: str, file: StoredFile, *, deep: bool) -> FileCheck:
    try:
        size, *_ = signature_of(f"{store}/{path}")
    except _NO_FILE:
        return store_file_check(store, path, "missing")
    if size != file.size:
        return store_file_check(store, path, "changed", f"It has {size} bytes, but {file.size} were written.")
    is_intact = not deep or file.matches(path, _read_content(store / path))
    return store_file_check(store, path, "intact" if is_intact else "damaged")
