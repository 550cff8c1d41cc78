"""One array as the files that zarr v3 specifies: metadata, and chunks that end in their crc32c.

The codecs are ``[bytes, crc32c]``, for text ``[vlen-utf8, crc32c]``, and there is almost always one chunk:
the raw little-endian buffer and four bytes.  Any zarr reader opens it.  Here it is written and read
directly: zarr takes some 7 ms to write and 4 ms to read an array of a thousand texts, a cube has thirty.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import xarray as xr
from numcodecs.vlen import VLenUTF8  # type: ignore[import-untyped, unused-ignore]  # only newer ones have types
from numpy.typing import DTypeLike, NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

from decnef_data.file_systems import sync_file
from decnef_data.stores.stored_files import METADATA, StoredFiles, crc32c_bytes, read_only_view

__all__ = [
    "CRC32C",
    "LITTLE_ENDIAN",
    "TEXT",
    "VLEN_UTF8",
    "Mapper",
    "StoredArray",
    "array_metadata",
    "encode_values",
    "to_json_attrs",
    "to_storable",
    "write_array",
]

TEXT: Final = "string"
LITTLE_ENDIAN: Final = {"name": "bytes", "configuration": {"endian": "little"}}
VLEN_UTF8: Final = {"name": "vlen-utf8"}
CRC32C: Final = {"name": "crc32c"}
_SYNC_SIZE: Final = 1 << 20
_FILL: Final[Mapping[str, Any]] = {"f": "NaN", "b": False, "c": ["NaN", "NaN"]}


def to_json_attrs(attrs: Mapping[Any, object]) -> dict[str, Any]:
    """Convert NumPy scalars and arrays to numbers and lists; raise `TypeError` for what JSON cannot hold."""
    return {str(name): json.loads(json.dumps(value, default=_to_json_value)) for name, value in attrs.items()}


def _to_json_value(value: object) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(
        f"The attribute value {value!r} cannot be written as JSON. Convert it to text or numbers."
    )


class Mapper(Protocol):
    """A function that returns a lazy variable over the bytes of a file."""

    def __call__(
        self,
        path: Path,
        dims: Sequence[str],
        dtype: DTypeLike,
        shape: Sequence[int],
        offset: int = 0,
        attrs: Mapping[str, Any] | None = None,
        verify: Callable[[NDArray[np.uint8] | None], None] | None = None,
    ) -> xr.Variable:
        """Memory-map `path` from `offset`; a read of most of it calls `verify` with the mapped bytes."""


def write_array(folder: Path, variable: xr.Variable, max_chunk_bytes: int) -> None:
    """Write an array; above `max_chunk_bytes` bytes in chunks of complete rows, each below it."""
    values = to_storable(variable)
    chunk = _chunk_shape(values, max_chunk_bytes)
    is_text = values.dtype.kind == "U"
    data_type = TEXT if is_text else values.dtype.name
    codecs = (VLEN_UTF8 if is_text else LITTLE_ENDIAN,)
    # Keys with dots are file names: creating and syncing folders takes as long as writing a small array.
    metadata = array_metadata(variable, chunk, data_type, codecs, separator=".")
    folder.mkdir()
    (folder / METADATA).write_text(json.dumps(metadata), encoding="utf-8")
    for number, part in enumerate(_split_chunks(values, chunk)):
        _write_chunk(_chunk_path(folder, values.ndim, number), encode_values(part))


def array_metadata(
    variable: xr.Variable,
    chunk: tuple[int, ...],
    data_type: str,
    codecs: tuple[Mapping[str, Any], ...],
    separator: str = "/",
) -> dict[str, Any]:
    """Build the content of an array's zarr.json.

    ``crc32c`` follows the other `codecs`; `separator` is that of the indices in the names of chunks.
    """
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": variable.shape,
        "data_type": data_type,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunk}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": separator}},
        "fill_value": "" if data_type == TEXT else _FILL.get(variable.dtype.kind, 0),
        "codecs": [*codecs, CRC32C],
        "attributes": to_json_attrs(variable.attrs),
        "dimension_names": variable.dims,
        "storage_transformers": [],
    }


def to_storable(variable: xr.Variable) -> NDArray[Any]:
    """Convert the values to what a store holds: little-endian numbers, or text."""
    values = variable.to_numpy()
    if values.dtype.kind == "T":
        values = values.astype(object)  # NumPy does not convert text of any length to text of one
    if values.dtype.kind == "U" or _is_text(values):
        return values.astype(str)
    if values.dtype.kind not in "biuf":
        raise TypeError(
            f"A store can contain only numbers and text, but the {values.dtype} array has other values."
        )
    return np.ascontiguousarray(values, values.dtype.newbyteorder("<")).reshape(values.shape)


def _is_text(values: NDArray[Any]) -> bool:
    return values.dtype.kind == "O" and all(isinstance(value, str) for value in values.flat)


def _chunk_shape(values: NDArray[Any], max_chunk_bytes: int) -> tuple[int, ...]:
    full_shape = tuple(max(1, length) for length in values.shape)
    if values.nbytes <= max_chunk_bytes or values.dtype.kind == "U":
        return full_shape
    return (max(1, (max_chunk_bytes - 1) * full_shape[0] // values.nbytes), *full_shape[1:])


def _split_chunks(values: NDArray[Any], chunk: tuple[int, ...]) -> Iterator[NDArray[Any]]:
    """Split an array into chunks; the last one is padded, as the format requires."""
    if values.size and values.shape in {(), chunk}:
        yield values
    elif values.size:
        for start in range(0, len(values), chunk[0]):
            part = values[start : start + chunk[0]]
            padded = np.full(chunk, np.nan if part.dtype.kind == "f" else 0, part.dtype)
            padded[: len(part)] = part
            yield padded


def _chunk_path(folder: Path, dimensions: int, number: int) -> Path:
    indices = [str(number), *("0" for _ in range(dimensions - 1))]
    return folder / ".".join(["c", *indices[:dimensions]])


def _write_chunk(path: Path, content: bytes | NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(content if isinstance(content, bytes) else content.data)
        file.write(crc32c_bytes(content))
        if len(content) > _SYNC_SIZE:  # the disk writes it while the other arrays are encoded
            sync_file(file)


def encode_values(values: NDArray[Any]) -> bytes | NDArray[np.uint8]:
    """Encode values as bytes, uncompressed."""
    if values.dtype.kind == "U":
        return bytes(VLenUTF8().encode(values.reshape(-1).astype(object)))
    return read_only_view(values.reshape(-1).view(np.uint8))


@dataclass(frozen=True, slots=True)
class StoredArray:
    """An array in a store, as its metadata describes it."""

    files: StoredFiles
    array_path: str
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    chunk: tuple[int, ...]
    data_type: str
    attrs: dict[str, Any]

    @classmethod
    def from_files(cls, files: StoredFiles, array_path: str) -> "StoredArray":
        """Read the metadata of the array at `array_path` in a store."""
        metadata = files.read_metadata(array_path)
        return cls(
            files=files,
            array_path=array_path,
            dims=tuple(metadata["dimension_names"]),
            shape=tuple(metadata["shape"]),
            chunk=tuple(metadata["chunk_grid"]["configuration"]["chunk_shape"]),
            data_type=metadata["data_type"],
            attrs=metadata["attributes"],
        )

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type in memory; text is as wide as its longest."""
        return np.dtype(str) if self.data_type == TEXT else np.dtype(self.data_type).newbyteorder("<")

    def to_lazy_variable(self, mapper: Mapper) -> xr.Variable:
        """Return the array lazily, or in memory if it is text or empty."""
        if self.data_type == TEXT or not math.prod(self.shape):
            return self.load()
        if self.chunk == tuple(max(1, length) for length in self.shape):
            return self._map_chunk(mapper, 0, self.shape)
        starts = range(0, self.shape[0], self.chunk[0])
        lengths = [min(self.chunk[0], self.shape[0] - start) for start in starts]
        chunks = [
            self._map_chunk(mapper, number, (length, *self.shape[1:]))
            for number, length in enumerate(lengths)
        ]
        rows = _ChunkedRows(chunks, self.chunk[0], self.dtype, self.shape)
        return xr.Variable(self.dims, indexing.LazilyIndexedArray(rows), self.attrs)

    def _map_chunk(self, mapper: Mapper, number: int, shape: tuple[int, ...]) -> xr.Variable:
        path = self._chunk_path(number)
        verify = self.files.chunk_check(path)
        return mapper(self.files.store / path, self.dims, self.dtype, shape, 0, self.attrs, verify)

    def _chunk_path(self, number: int) -> str:
        return _chunk_path(Path(self.array_path), len(self.shape), number).as_posix()

    def load(self) -> xr.Variable:
        """Read the array, which has one chunk or no elements."""
        has_values = bool(math.prod(self.shape))
        values = self._decode(self.files.read(self._chunk_path(0))) if has_values else np.empty(0, self.dtype)
        return xr.Variable(self.dims, values.reshape(self.shape), self.attrs)

    def _decode(self, content: NDArray[np.uint8]) -> NDArray[Any]:
        if self.data_type == TEXT:
            return np.array(VLenUTF8().decode(content).tolist(), dtype=str)
        return content.view(self.dtype).copy()


class _ChunkedRows(BackendArray):
    """Chunks of complete rows as one array that xarray indexes lazily."""

    def __init__(
        self, chunks: Sequence[xr.Variable], step: int, dtype: np.dtype[Any], shape: tuple[int, ...]
    ) -> None:
        self.chunks = chunks
        self.step = step
        self.dtype = dtype
        self.shape = shape

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        outer = indexing.IndexingSupport.OUTER
        return indexing.explicit_indexing_adapter(key, self.shape, outer, self._read_outer)

    def _read_outer(self, key: tuple[Any, ...]) -> NDArray[Any]:
        first, *inner = key
        rows = np.atleast_1d(np.arange(self.shape[0])[first])
        numbers = rows // self.step
        parts = [(numbers == number, self.chunks[number]) for number in np.unique(numbers).tolist() or (0,)]
        read = [(mask, chunk[(rows[mask] % self.step, *inner)].to_numpy()) for mask, chunk in parts]
        out = np.empty((rows.size, *read[0][1].shape[1:]), self.dtype)
        for mask, values in read:
            out[mask] = values
        return out[0] if isinstance(first, int | np.integer) else out
