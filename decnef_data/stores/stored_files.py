"""The files of a store, read only as they were written; a store with any other file is marked as damaged.

The mark is a file in the store, so that the next opening, by whatever process, rebuilds the store from its
source.  Until then nothing is removed: values that are open stay readable.
"""

import json
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import google_crc32c
import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from decnef_data.atomic_files import write_atomic
from decnef_data.errors import IntegrityError
from decnef_data.model import FileCheck
from decnef_data.model.evidence import Record

__all__ = [
    "METADATA",
    "ChunkCheck",
    "DamagedStoreError",
    "Signature",
    "StoredFile",
    "StoredFiles",
    "chunk_name",
    "crc32c_bytes",
    "damaged_store_error",
    "has_valid_crc32c",
    "marked_file",
    "read_only_view",
    "signature_of",
    "store_file_check",
    "trailing_crc32c",
]

METADATA: Final = "zarr.json"
_CRC_SIZE: Final = 4
_MARK: Final = ".damaged"
_LARGE: Final = 1 << 24
#: Size, modification time and inode of a file.
Signature = tuple[int, int, int]

#: The marks of stores that this process may not write to, with the signature of their folder.
_unwritten_marks: dict[str, tuple[Signature, str]] = {}
#: The chunks that were verified by this process, as they were then.
_verified_chunks: dict[str, Signature] = {}


class DamagedStoreError(IntegrityError):
    """A store is not as it was written; opening it through its dataset rebuilds it from the source."""


class StoredFile(Record, frozen=True, kw_only=True):
    """A file of a store, as it was written; the checksums of a chunk are of all but its last four bytes.

    A large chunk also has a ``crc32``, by which it is verified in a quarter of the time.
    """

    size: int
    crc32c: int
    crc32: int | None = None

    @classmethod
    def from_content(cls, path: str, content: bytes | NDArray[np.uint8]) -> "StoredFile":
        """Return what a file that was just written is, at `path` in its store."""
        if _is_metadata(path):
            return cls(size=len(content), crc32c=int(google_crc32c.value(content)))
        # The crc32c of anything that ends in its own crc32c is a constant: a chunk has that of its values.
        crc32 = _crc32(content[:-_CRC_SIZE]) if len(content) >= _LARGE else None
        return cls(size=len(content), crc32c=trailing_crc32c(content), crc32=crc32)

    def matches(self, path: str, content: bytes | NDArray[np.uint8]) -> bool:
        """Return whether the file at `path` with this content is as it was written."""
        if len(content) != self.size:
            return False
        if _is_metadata(path):
            return int(google_crc32c.value(content)) == self.crc32c
        return trailing_crc32c(content) == self.crc32c and has_valid_crc32c(content)

    def has_values(self, values: NDArray[np.uint8]) -> bool:
        """Return whether these are the bytes of the chunk, without its crc32c."""
        if self.crc32 is not None:
            return _crc32(values) == self.crc32
        return int(google_crc32c.value(read_only_view(values))) == self.crc32c


def _is_metadata(path: str) -> bool:
    return path.rpartition("/")[2] == METADATA


def _crc32(content: bytes | NDArray[np.uint8]) -> int:
    """Return the crc32 of a large content, computed on two threads: unlike crc32c, it releases the GIL."""
    middle = len(content) // 2
    # Two halves: a chunk of a cube has tens of megabytes, and each is verified before it is used.
    with ThreadPoolExecutor(max_workers=1) as thread:
        second = thread.submit(isal_zlib.crc32, content[middle:])
        first = isal_zlib.crc32(content[:middle])
        return int(isal_zlib.crc32_combine(first, second.result(), len(content) - middle))


def chunk_name(dimensions: int, number: int) -> str:
    """Return the name of a chunk's file; chunks are complete rows, so that only the first index counts.

    Examples
    --------
    >>> chunk_name(2, 0), chunk_name(0, 0)
    ('c.0.0', 'c')
    """
    return f"c.{number}" + ".0" * (dimensions - 1) if dimensions else "c"


def store_file_check(
    store: Path, path: str, state: Literal["intact", "changed", "missing", "damaged"], detail: str = ""
) -> FileCheck:
    """Return the result of a check of the file at `path` in a store."""
    return FileCheck(f"{store.name}/{path}", state, detail)


def damaged_store_error(store: Path, found: FileCheck) -> DamagedStoreError:
    """Return the error for a store with a file that is not as it was written."""
    message = (
        f"The store '{store}' is not intact: '{found.path}' is {found.state}. "
        "Fetch the dataset again to rebuild the store."
    )
    return DamagedStoreError(message, file=found.path, found=found.state)


def read_only_view(content: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the same memory, read-only: google_crc32c accepts nothing else without a copy."""
    view = content.view()
    view.flags.writeable = False
    return view


def crc32c_bytes(content: bytes | NDArray[np.uint8]) -> bytes:
    """Return the four bytes that a chunk with this content ends in."""
    readable = content if isinstance(content, bytes) else read_only_view(content)
    return int(google_crc32c.value(readable)).to_bytes(_CRC_SIZE, "little")


def trailing_crc32c(content: bytes | NDArray[np.uint8]) -> int:
    """Return the crc32c that a chunk ends in."""
    return int.from_bytes(bytes(content[-_CRC_SIZE:]), "little")


def has_valid_crc32c(content: bytes | NDArray[np.uint8]) -> bool:
    """Return whether a chunk's bytes have the crc32c that it ends in."""
    return int(google_crc32c.value(content[:-_CRC_SIZE])) == trailing_crc32c(content)


def marked_file(store: Path) -> str | None:
    """Return the path in a store of the file for which the store was marked as damaged, if it was."""
    with suppress(OSError):
        # A mark that is garbled is a mark.
        return (store / _MARK).read_text(encoding="utf-8", errors="replace")
    if str(store) in _unwritten_marks:
        with suppress(OSError):
            signature, path = _unwritten_marks[str(store)]
            # A store that was rebuilt meanwhile has a new folder.
            return path if signature_of(store) == signature else None
    return None


def _mark(store: Path, path: str) -> None:
    if not store.is_dir():  # what is missing is built at the next opening
        return
    try:
        write_atomic(store / _MARK, path.encode())
    except OSError:  # a shared store, which is not written to
        with suppress(OSError):
            _unwritten_marks[str(store)] = signature_of(store), path


def signature_of(path: "Path | str") -> Signature:
    """Return what changes when a file or folder is written again."""
    status = os.stat(path)  # noqa: PTH116  # building a Path costs more than the stat
    return status.st_size, status.st_mtime_ns, status.st_ino


@dataclass(frozen=True, slots=True)
class StoredFiles:
    """The files of one store, with what was written by path in the store.

    Reading one raises DamagedStoreError, and marks the store, if it is not as it was written.
    """

    store: Path
    written: Mapping[str, StoredFile]

    def read(self, path: str) -> NDArray[np.uint8]:
        """Read a file, read-only; a chunk comes without the crc32c that it ends in."""
        location = f"{self.store}/{path}"
        try:
            # One allocation and no copy: blocks of images have megabytes.
            content = read_only_view(np.fromfile(location, np.uint8))
        except (FileNotFoundError, NotADirectoryError) as error:
            raise self.mark_damaged(path, "missing") from error
        if not self.written[path].matches(path, content):
            raise self.mark_damaged(path, "damaged")
        return content if _is_metadata(path) else content[:-_CRC_SIZE]

    def read_metadata(self, folder: str) -> Any:
        """Read the metadata of an array or a group; the folder of the root is ``""``."""
        return json.loads(self.read(f"{folder}/{METADATA}".lstrip("/")).tobytes())

    def mark_damaged(self, path: str, state: Literal["missing", "damaged", "changed"]) -> DamagedStoreError:
        """Mark the store, so that the next opening rebuilds it, and return the error to raise."""
        _mark(self.store, path)
        return damaged_store_error(self.store, store_file_check(self.store, path, state))


class ChunkCheck:
    """Verifies a mapped chunk once per process, and again when its size, time or inode changed; picklable."""

    __slots__ = ("_files", "_path")

    def __init__(self, files: StoredFiles, path: str) -> None:
        # Of this file alone: pickles are sent to workers, once for each chunk.
        self._files = StoredFiles(files.store, {path: files.written[path]})
        self._path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return ChunkCheck, (self._files, self._path)

    def __call__(self, mapped: NDArray[np.uint8] | None = None) -> None:
        """Verify the mapped bytes of the chunk, without its crc32c; read the file if there are none.

        Raises
        ------
        DamagedStoreError
            The chunk is not as it was written.
        """
        written, location = self._files.written[self._path], f"{self._files.store}/{self._path}"
        try:
            signature: Signature | None = signature_of(location)
        except (FileNotFoundError, NotADirectoryError) as error:
            if mapped is None:
                raise self._files.mark_damaged(self._path, "missing") from error
            signature = None  # the store was removed, and its mapped bytes stay
        if signature is not None and signature[0] != written.size:
            # Before a byte is touched: reading behind the end of a mapped file kills the process.
            raise self._files.mark_damaged(self._path, "changed")
        if signature is not None and _verified_chunks.get(location) == signature:
            return
        if mapped is not None and len(mapped) + _CRC_SIZE == written.size:
            if not written.has_values(mapped):
                raise self._files.mark_damaged(self._path, "damaged")
        elif signature is not None:  # only a part is mapped: the last chunk of several ends in padding
            self._files.read(self._path)
        if signature is not None:
            _verified_chunks[location] = signature
