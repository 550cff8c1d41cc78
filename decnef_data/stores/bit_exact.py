"""Original files, split into their voxels and the bytes around them, and restored bit for bit.

The voxels become an array that any zarr reader opens.  The bytes around them (headers, extensions, trailing
bytes) are stored once however many files have them; a file without voxels, or one that was gzipped and
cannot be compressed to the same bytes again, is stored as it is.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from decnef_data.model.evidence import Record
from decnef_data.msgspec_support import prepare_type
from decnef_data.stores.compressed_blocks import BlockedArray, BlockShape, ByteArray, write_blocks
from decnef_data.stores.stored_files import StoredFiles

__all__ = ["InMemoryFile", "iter_originals", "read_header", "write_originals"]

Buffer = bytes | bytearray | memoryview | NDArray[Any]
_TABLE: Final = "files"
_SURROUNDINGS: Final = "surroundings"
_UNSPLIT: Final = "file"
_BLOCK: Final = 1 << 25
_LONG_NAMES: Final = {
    _TABLE: "JSON: path of each original file, and the location of its bytes",
    _SURROUNDINGS: "bytes before and after the voxels of the original files, without duplicates",
}


@dataclass(frozen=True, slots=True, eq=False)
class InMemoryFile:
    """One original file in memory.

    ``content`` is all of it, decompressed if the file is gzipped; ``voxel_offset`` is where its voxels begin
    and ``voxel_nbytes`` their size, 0 if the file is stored as it is.  ``compressed_content`` is a gzipped
    file as it came.

    Examples
    --------
    >>> InMemoryFile("sub-0001/rsfmri/vol_0000", bytes(352 + 16), 352, 16).voxels.size
    16
    """

    path: str
    content: Buffer
    voxel_offset: int = 0
    voxel_nbytes: int = 0
    compressed_content: Buffer | None = None

    @property
    def voxels(self) -> ByteArray:
        """The bytes of the voxels."""
        return byte_view(self.content)[self.voxel_offset : self.voxel_offset + self.voxel_nbytes]

    @property
    def surroundings(self) -> tuple[bytes, bytes]:
        """The bytes before the voxels, and those after them."""
        content, end = byte_view(self.content), self.voxel_offset + self.voxel_nbytes
        return content[: self.voxel_offset].tobytes(), content[end:].tobytes()


class OriginalFile(Record, frozen=True, kw_only=True):
    """Where a file's bytes are: in the array ``whole``, or ``voxels`` bytes of the image between others.

    ``before`` and ``behind`` are ranges of the surroundings.
    """

    path: str
    whole: str = ""
    before: tuple[int, int] = (0, 0)
    behind: tuple[int, int] = (0, 0)
    voxels: int = 0


def byte_view(content: Buffer) -> ByteArray:
    """Return any buffer as an array of bytes, without copying it."""
    return np.frombuffer(content, np.uint8)


def write_originals(store: Path, files: Sequence[InMemoryFile]) -> tuple[str, ...]:
    """Write what restoring the files needs besides the voxels, and return the names of the arrays."""
    surroundings: dict[bytes, tuple[int, int]] = {}
    table = [_describe_original(number, file, surroundings) for number, file in enumerate(files)]
    unsplit = [(entry.whole, file) for entry, file in zip(table, files, strict=True) if entry.whole]
    for name, file in unsplit:
        content = file.content if file.compressed_content is None else file.compressed_content
        _write_bytes(
            store, name, byte_view(content), {"path": file.path}, compressed=file.compressed_content is None
        )
    for name, content in ((_SURROUNDINGS, b"".join(surroundings)), (_TABLE, msgspec.json.encode(table))):
        _write_bytes(store, name, byte_view(content), {"long_name": _LONG_NAMES[name]})
    return (*(name for name, _ in unsplit), _SURROUNDINGS, _TABLE)


def _describe_original(
    number: int, file: InMemoryFile, surroundings: dict[bytes, tuple[int, int]]
) -> OriginalFile:
    array_name = (
        f"{_UNSPLIT}_{number}" if file.compressed_content is not None or not file.voxel_nbytes else ""
    )
    if not file.voxel_nbytes:
        return OriginalFile(path=file.path, whole=array_name)
    before, behind = (_add_surroundings(content, surroundings) for content in file.surroundings)
    return OriginalFile(
        path=file.path, whole=array_name, before=before, behind=behind, voxels=file.voxel_nbytes
    )


def _add_surroundings(content: bytes, surroundings: dict[bytes, tuple[int, int]]) -> tuple[int, int]:
    # A dictionary keeps its order: the last range ends where the next begins.
    end = next(reversed(surroundings.values()))[1] if surroundings else 0
    return surroundings.setdefault(content, (end, end + len(content)))


def _write_bytes(
    store: Path, name: str, content: ByteArray, attrs: Mapping[str, object], *, compressed: bool = True
) -> None:
    # The arrays differ in length: each has a dimension of its own, as xarray requires.
    rows = max(1, min(len(content), _BLOCK))
    block_shape = BlockShape((f"{name}_byte",), (len(content),), np.dtype("u1"), rows, compressed)
    write_blocks(store / name, block_shape, [content], attrs)


def _read_table(files: StoredFiles) -> list[OriginalFile]:
    return msgspec.json.decode(
        BlockedArray(files, _TABLE).read().tobytes(), type=prepare_type(list[OriginalFile])
    )


def read_header(files: StoredFiles) -> bytes:
    """Return what is before the voxels of the first file: its header."""
    first = _read_table(files)[0]
    return BlockedArray(files, _SURROUNDINGS).read()[slice(*first.before)].tobytes()


def iter_originals(files: StoredFiles, image: str | None) -> Iterator[tuple[str, bytes]]:
    """Yield the path and bytes of every file, in order; the voxels are those of the array `image`."""
    surroundings = BlockedArray(files, _SURROUNDINGS).read()
    voxels = _VoxelReader(BlockedArray(files, image)) if image is not None else None
    for entry in _read_table(files):
        if entry.whole:
            yield entry.path, BlockedArray(files, entry.whole).read().tobytes()
        elif voxels is not None:
            pieces = (
                surroundings[slice(*entry.before)],
                *voxels.read(entry.voxels),
                surroundings[slice(*entry.behind)],
            )
            yield entry.path, b"".join(piece.data for piece in pieces)


class _VoxelReader:
    """The bytes of an image from first to last, with one block in memory."""

    def __init__(self, blocks: BlockedArray) -> None:
        self.blocks = blocks
        self.number = 0
        self.remaining: ByteArray = np.empty(0, np.uint8)

    def read(self, count: int) -> Iterator[ByteArray]:
        """Yield the next `count` bytes, in pieces."""
        while count:
            if not len(self.remaining):
                self.remaining = self.blocks.read_block(self.number)
                self.number += 1
            piece, self.remaining = self.remaining[:count], self.remaining[count:]
            count -= len(piece)
            yield piece
