"""One array as the files that zarr v3 specifies: metadata, and chunks that end in their crc32c.

The codecs are ``[bytes, crc32c]``, for text ``[vlen-utf8, crc32c]``, and there is almost always one chunk:
the raw little-endian buffer and four bytes.  Any zarr reader opens it.  Here it is written and read
directly: zarr takes some 7 ms to write and 4 ms to read an array of a thousand texts, a cube has thirty.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Protocol

import google_crc32c
import numpy as np
import xarray as xr
from numcodecs.vlen import VLenUTF8  # type: ignore[import-untyped, unused-ignore]  # only newer ones have types
from numpy.typing import DTypeLike, NDArray

from decnef_data.errors import IntegrityError
from decnef_data.file_systems import sync_file
from decnef_data.model import FileCheck

__all__ = [
    "CRC32C",
    "LITTLE_ENDIAN",
    "METADATA",
    "TEXT",
    "VLEN_UTF8",
    "Mapper",
    "StoredArray",
    "array_metadata",
    "crc32c_bytes",
    "damaged_store_error",
    "encode_values",
    "has_valid_crc32c",
    "read_only_view",
    "store_file_check",
    "to_json_attrs",
    "to_storable",
    "trailing_crc32c",
    "write_array",
]

METADATA: Final = "zarr.json"
TEXT: Final = "string"
LITTLE_ENDIAN: Final = {"name": "bytes", "configuration": {"endian": "little"}}
VLEN_UTF8: Final = {"name": "vlen-utf8"}
CRC32C: Final = {"name": "crc32c"}
_CRC_SIZE: Final = 4
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


def store_file_check(
    store: Path, path: str, state: Literal["intact", "changed", "missing", "damaged"], detail: str = ""
) -> FileCheck:
    """Return the result of a check of the file at `path` in a store."""
    return FileCheck(f"{store.name}/{path}", state, detail)


def damaged_store_error(store: Path, found: FileCheck) -> IntegrityError:
    """Return the error for a store with a file that is not as it was written."""
    return IntegrityError(
        f"The store '{store}' is not intact: '{found.path}' is {found.state}. "
        "Remove it with `decnef cache clear`, then fetch the dataset again.",
        file=found.path,
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
    ) -> xr.Variable:
        """Memory-map `path` from `offset`."""


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
    if values.dtype.kind in "UT" or _is_text(values):
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


@dataclass(frozen=True, slots=True)
class StoredArray:
    """An array in a store, as its metadata describes it."""

    store: Path
    array_path: str
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    chunk: tuple[int, ...]
    data_type: str
    attrs: dict[str, Any]

    @classmethod
    def from_store(cls, store: Path, array_path: str) -> "StoredArray":
        """Read the metadata of the array at `array_path` in a store."""
        metadata = json.loads((store / array_path / METADATA).read_bytes())
        return cls(
            store=store,
            array_path=array_path,
            dims=tuple(metadata["dimension_names"]),
            shape=tuple(metadata["shape"]),
            chunk=tuple(metadata["chunk_grid"]["configuration"]["chunk_shape"]),
            data_type=metadata["data_type"],
            attrs=metadata["attributes"],
        )

    @property
    def first_chunk_path(self) -> Path:
        """The file of the first chunk."""
        return _chunk_path(self.store / self.array_path, len(self.shape), 0)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type in memory; text is as wide as its longest."""
        return np.dtype(str) if self.data_type == TEXT else np.dtype(self.data_type).newbyteorder("<")

    def to_lazy_variable(self, mapper: Mapper) -> xr.Variable:
        """Return the array lazily, or in memory if it is text or empty."""
        if self.chunk != tuple(max(1, length) for length in self.shape):
            return self._open_with_zarr()
        if self.data_type == TEXT or not math.prod(self.shape):
            return self.load()
        return mapper(self.first_chunk_path, self.dims, self.dtype, self.shape, 0, self.attrs)

    def _open_with_zarr(self) -> xr.Variable:
        group, _, name = self.array_path.rpartition("/")
        opened = xr.open_zarr(self.store, group=group, chunks=None, consolidated=False, decode_cf=False)
        variable: xr.Variable = opened[name].variable
        variable.encoding = {}  # drop_encoding() reads the array on older xarray
        return variable

    def load(self) -> xr.Variable:
        """Read and verify the array, which has one chunk or no elements."""
        values = self._decode(self._read_chunk()) if math.prod(self.shape) else np.empty(0, self.dtype)
        return xr.Variable(self.dims, values.reshape(self.shape), self.attrs)

    def _read_chunk(self) -> bytes:
        content = self.first_chunk_path.read_bytes()
        if not has_valid_crc32c(content):
            path = self.first_chunk_path.relative_to(self.store).as_posix()
            raise damaged_store_error(self.store, store_file_check(self.store, path, "damaged"))
        return content[:-_CRC_SIZE]

    def _decode(self, content: bytes) -> NDArray[Any]:
        if self.data_type == TEXT:
            return np.array(VLenUTF8().decode(content).tolist(), dtype=str)
        return np.frombuffer(content, self.dtype).copy()
