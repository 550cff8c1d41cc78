"""Arrays of numbers split into blocks along their first dimension, each compressed and with a crc32c.

The codecs are ``[bytes, blosc, crc32c]``, so that any zarr reader opens them.  Here they are written from
several pieces of memory, and read without decoding a block that is not needed, on two threads: blosc and
waiting for the disk release the GIL.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, Final

import numpy as np
from numcodecs import Blosc  # type: ignore[import-untyped, unused-ignore]  # only newer ones have types
from numpy.typing import NDArray

from decnef_data.stores.stored_files import METADATA, StoredFiles, crc32c_bytes, read_only_view
from decnef_data.stores.zarr_arrays import CRC32C, to_json_attrs

__all__ = ["BlockShape", "BlockedArray", "ByteArray", "write_blocks"]

ByteArray = NDArray[np.uint8]
_Key = tuple[Any, ...]
_LEVEL: Final = 3
#: What blosc compresses at a time: in blocks of this size a run is read faster, and is smaller.
_BLOSC_BLOCK_SIZE: Final = 1 << 20
_THREADS: Final = 2  # blosc releases the GIL
_ENDIANS: Final = {"<": "little", ">": "big"}
#: zarr has all types of NIfTI but those wider than a double.
_MAX_ITEMSIZES: Final = {"i": 8, "u": 8, "f": 8, "c": 16}


def _blosc_metadata(itemsize: int) -> dict[str, Any]:
    """Return the metadata of the compression of numbers of `itemsize` bytes."""
    options = {"cname": "zstd", "clevel": _LEVEL, "shuffle": "bitshuffle", "blocksize": _BLOSC_BLOCK_SIZE}
    return {"name": "blosc", "configuration": {"typesize": itemsize, **options}}


def _compress(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Compress a contiguous array."""
    return np.frombuffer(Blosc("zstd", _LEVEL, Blosc.BITSHUFFLE, _BLOSC_BLOCK_SIZE).encode(values), np.uint8)


@dataclass(frozen=True, slots=True)
class BlockShape:
    """How an array is stored: `dtype` with its byte order, `block_rows` of the first dimension per block.

    Examples
    --------
    >>> BlockShape(("time", "z", "y", "x"), (50, 4, 3, 2), np.dtype(">i2"), 20).block_count
    3
    """

    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    block_rows: int
    compressed: bool = True

    @property
    def row_nbytes(self) -> int:
        """The bytes of one position along the first dimension."""
        return int(np.prod(self.shape[1:], dtype=np.int64)) * self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """The bytes of the complete array."""
        return self.shape[0] * self.row_nbytes

    @property
    def block_count(self) -> int:
        """The number of blocks."""
        return -(-self.shape[0] // self.block_rows)

    @property
    def block_nbytes(self) -> int:
        """The bytes of a full block; the last may have fewer."""
        return self.block_rows * self.row_nbytes

    @property
    def is_zarr_dtype(self) -> bool:
        """Whether zarr supports the type."""
        return self.dtype.itemsize <= _MAX_ITEMSIZES.get(self.dtype.kind, 0)


def write_blocks(
    folder: Path, block_shape: BlockShape, pieces: Sequence[ByteArray], attrs: Mapping[str, object]
) -> None:
    """Write an array whose bytes are those of `pieces`, concatenated."""
    folder.mkdir()
    (folder / METADATA).write_text(json.dumps(_metadata(block_shape, attrs)), encoding="utf-8")
    content = _JoinedPieces(pieces)
    _for_each(
        lambda number: _write_block(folder, block_shape, content, number), range(block_shape.block_count)
    )


def _metadata(block_shape: BlockShape, attrs: Mapping[str, object]) -> dict[str, Any]:
    endian = _ENDIANS.get(block_shape.dtype.str[0], "little")  # single bytes have none
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": block_shape.shape,
        "data_type": block_shape.dtype.name,
        "chunk_grid": {
            "name": "regular",
            "configuration": {"chunk_shape": [block_shape.block_rows, *block_shape.shape[1:]]},
        },
        # Keys with dots are file names: with slashes each block would have three folders of its own.
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "."}},
        "fill_value": [0, 0] if block_shape.dtype.kind == "c" else 0,
        "codecs": [
            {"name": "bytes", "configuration": {"endian": endian}},
            *([_blosc_metadata(block_shape.dtype.itemsize)] if block_shape.compressed else []),
            CRC32C,
        ],
        "attributes": to_json_attrs(attrs),
        "dimension_names": block_shape.dims,
        "storage_transformers": [],
    }


def _write_block(folder: Path, block_shape: BlockShape, source: "_JoinedPieces", number: int) -> None:
    size = block_shape.block_nbytes
    start = number * size
    content = source.read_range(start, min(start + size, block_shape.nbytes))
    if len(content) < size:  # the format requires a padded last block
        content = np.concatenate([content, np.zeros(size - len(content), np.uint8)])
    if block_shape.compressed:
        content = _compress(content.view(block_shape.dtype))
    with (folder / _block_name(block_shape, number)).open("wb") as file:
        file.writelines((content.data, crc32c_bytes(content)))


def _block_name(block_shape: BlockShape, number: int) -> str:
    return ".".join(["c", str(number), *("0" for _ in block_shape.shape[1:])])


def _for_each(task: Callable[[int], object], numbers: Iterable[int]) -> None:
    """Call `task` for each number, on two threads if there are several."""
    items = list(numbers)
    if len(items) <= 1:
        for number in items:
            task(number)
        return
    with ThreadPoolExecutor(_THREADS) as threads:
        for _ in threads.map(task, items):
            pass


class _JoinedPieces:
    """Several pieces of memory, read as one sequence of bytes."""

    def __init__(self, pieces: Sequence[ByteArray]) -> None:
        # Without empty pieces, whose ends are those of others: a search would find either.
        self.pieces = [read_only_view(piece) for piece in pieces if len(piece)]
        self.ends = list(accumulate(map(len, self.pieces)))

    def read_range(self, start: int, stop: int) -> ByteArray:
        """Return the bytes from `start` to `stop`, copied only if they span several pieces."""
        first = int(np.searchsorted(self.ends, start, side="right"))
        last = int(np.searchsorted(self.ends, stop, side="left"))
        begins = (self.ends[index] - len(self.pieces[index]) for index in range(first, last + 1))
        parts = [
            piece[max(0, start - begin) : stop - begin]
            for piece, begin in zip(self.pieces[first : last + 1], begins, strict=True)
        ]
        return parts[0] if len(parts) == 1 else read_only_view(np.concatenate(parts))


class BlockedArray:
    """A reader of an array that :func:`write_blocks` wrote.

    Parameters
    ----------
    files
        The files of the store.
    array_path
        The path of the array in it.
    """

    __slots__ = ("_array_path", "_files", "attrs", "block_shape")

    def __init__(self, files: StoredFiles, array_path: str) -> None:
        metadata = files.read_metadata(array_path)
        codecs = {codec["name"]: codec.get("configuration", {}) for codec in metadata["codecs"]}
        order = ">" if codecs["bytes"]["endian"] == "big" else "<"
        self._files = files
        self._array_path = array_path
        self.attrs: dict[str, Any] = metadata["attributes"]
        self.block_shape = BlockShape(
            dims=tuple(metadata["dimension_names"]),
            shape=tuple(metadata["shape"]),
            dtype=np.dtype(metadata["data_type"]).newbyteorder(order),
            block_rows=metadata["chunk_grid"]["configuration"]["chunk_shape"][0],
            compressed="blosc" in codecs,
        )

    def fill(self, key: _Key, out: NDArray[Any]) -> None:
        """Read what `key` (an integer, slice or vector per dimension) selects into `out`.

        Raises
        ------
        DamagedStoreError
            A block that is needed is missing, or does not have its checksum.
        """
        selection = _BlockSelection(key, self.block_shape.shape)
        expanded = out[selection.expand_key]
        blocks = selection.rows // self.block_shape.block_rows
        _for_each(
            lambda number: self._fill_block(number, blocks == number, selection, expanded),
            np.unique(blocks).tolist(),
        )

    def _fill_block(
        self, number: int, mask: NDArray[np.bool_], selection: "_BlockSelection", out: NDArray[Any]
    ) -> None:
        positions = np.flatnonzero(mask)
        target_rows = _as_slice(positions)
        target = out[target_rows] if isinstance(target_rows, slice) else None
        rows = _as_slice(selection.rows[positions] - number * self.block_shape.block_rows)
        if target is not None and self._can_decode_into(rows, selection, target):
            self._decode_block(number, target)
            return
        block = self._decode_block(number)[rows]
        for axis, part in enumerate(selection.space, start=1):
            block = block[(slice(None),) * axis + (part,)]
        out[target_rows] = block

    def _can_decode_into(
        self, rows: "slice | NDArray[np.intp]", selection: "_BlockSelection", target: NDArray[Any]
    ) -> bool:
        """Return whether a complete block is selected, as it is stored."""
        is_full_block = rows == slice(0, self.block_shape.block_rows) if isinstance(rows, slice) else False
        return (
            is_full_block
            and selection.is_all
            and target.flags.c_contiguous
            and self.block_shape.dtype == target.dtype
        )

    def read(self) -> ByteArray:
        """Return the bytes of the complete array."""
        parts = [self.read_block(number) for number in range(self.block_shape.block_count)]
        # The empty array is for no parts at all, which numpy does not concatenate.
        return parts[0] if len(parts) == 1 else np.concatenate([np.empty(0, np.uint8), *parts])

    def read_block(self, number: int) -> ByteArray:
        """Return the bytes of one block, without the padding of the last."""
        remaining = self.block_shape.nbytes - number * self.block_shape.block_nbytes
        return self._decode_block(number).reshape(-1).view(np.uint8)[:remaining]

    def _decode_block(self, number: int, out: NDArray[Any] | None = None) -> NDArray[Any]:
        content = self._files.read(f"{self._array_path}/{_block_name(self.block_shape, number)}")
        shape = (self.block_shape.block_rows, *self.block_shape.shape[1:])
        if not self.block_shape.compressed:
            return content.view(self.block_shape.dtype).reshape(shape)
        decoded: Any = Blosc().decode(content, out)
        return np.frombuffer(decoded, self.block_shape.dtype).reshape(shape)


class _BlockSelection:
    """The selection of a key: integers become dimensions of length one, so that every dimension stays."""

    __slots__ = ("expand_key", "is_all", "rows", "space")

    def __init__(self, key: _Key, shape: tuple[int, ...]) -> None:
        positions = [np.atleast_1d(np.arange(length)[part]) for part, length in zip(key, shape, strict=True)]
        self.rows = positions[0]
        self.space = tuple(_as_slice(part) for part in positions[1:])
        self.is_all = all(
            len(part) == length for part, length in zip(positions[1:], shape[1:], strict=True)
        ) and all(isinstance(part, slice) for part in self.space)
        self.expand_key = tuple(
            slice(None) if isinstance(part, slice | np.ndarray) else np.newaxis for part in key
        )


def _as_slice(positions: NDArray[np.intp]) -> "slice | NDArray[np.intp]":
    """Convert consecutive positions to a slice, which returns a view."""
    if positions.size and np.array_equal(positions, np.arange(positions[0], positions[0] + positions.size)):
        return slice(int(positions[0]), int(positions[-1]) + 1)
    return positions
