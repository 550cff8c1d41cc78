"""One array as the files that zarr v3 specifies: metadata, and chunks that end in their crc32c.

The codecs are ``[bytes, crc32c]``, for text ``[vlen-utf8, crc32c]``, and there is almost always one chunk:
the raw little-endian buffer and four bytes.  Any zarr reader opens it.  Here it is written and read
straight: zarr takes some 7 ms to write and 4 ms to read an array of a thousand texts, a cube has thirty.
"""

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import google_crc32c
import numpy as np
import xarray as xr
from numcodecs.vlen import VLenUTF8  # type: ignore[import-untyped, unused-ignore]  # only newer ones have types
from numpy.typing import DTypeLike, NDArray

from decnef_data.stores.attributes import plain
from decnef_data.stores.damage import check, not_whole

__all__ = ["METADATA", "Mapper", "StoredArray", "encoded", "is_sound", "sealed", "storable", "write"]

METADATA: Final = "zarr.json"
_CRC: Final = 4
_LARGE: Final = 1 << 20
_TEXT: Final = "string"
_FILL: Final = {"f": "NaN", "b": False, "U": ""}
_BYTES: Final = {"name": "bytes", "configuration": {"endian": "little"}}
_VLEN: Final = {"name": "vlen-utf8"}


class Mapper(Protocol):
    """What lays a lazy variable over the bytes of a file."""

    def __call__(
        self,
        path: Path,
        dims: Sequence[str],
        dtype: DTypeLike,
        shape: Sequence[int],
        offset: int = 0,
        attrs: Mapping[str, Any] | None = None,
    ) -> xr.Variable:
        """Map `path` from `offset`."""


def write(folder: Path, variable: xr.Variable, block: int) -> None:
    """Write an array; above `block` bytes in chunks of whole rows, each below it."""
    values = storable(variable)
    chunk = _chunk(values, block)
    text = values.dtype.kind == "U"
    metadata = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": values.shape,
        "data_type": _TEXT if text else values.dtype.name,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunk}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": _FILL.get(values.dtype.kind, 0),
        "codecs": [_VLEN if text else _BYTES, {"name": "crc32c"}],
        "attributes": plain(variable.attrs),
        "dimension_names": variable.dims,
        "storage_transformers": [],
    }
    folder.mkdir()
    (folder / METADATA).write_text(json.dumps(metadata, indent=1), encoding="utf-8")
    for number, part in enumerate(_parts(values, chunk)):
        _write_chunk(_chunk_path(folder, values.ndim, number), encoded(part))


def storable(variable: xr.Variable) -> NDArray[Any]:
    """Give the values as a store holds them: little-endian numbers, or text."""
    values = variable.to_numpy()
    if values.dtype.kind in "UT" or _is_text(values):
        return values.astype(str)
    if values.dtype.kind not in "biuf":
        raise TypeError(f"A store holds numbers or text, and not all values of a {values.dtype} array are.")
    return np.ascontiguousarray(values, values.dtype.newbyteorder("<")).reshape(values.shape)


def _is_text(values: NDArray[Any]) -> bool:
    return values.dtype.kind == "O" and all(isinstance(value, str) for value in values.flat)


def _chunk(values: NDArray[Any], block: int) -> tuple[int, ...]:
    whole = tuple(max(1, length) for length in values.shape)
    if values.nbytes <= block or values.dtype.kind == "U":
        return whole
    return (max(1, (block - 1) * whole[0] // values.nbytes), *whole[1:])


def _parts(values: NDArray[Any], chunk: tuple[int, ...]) -> Iterator[NDArray[Any]]:
    """Cut an array into chunks; the last one is filled up, as the format wants it."""
    if values.size and values.shape in {(), chunk}:
        yield values
    elif values.size:
        for start in range(0, len(values), chunk[0]):
            part = values[start : start + chunk[0]]
            filled = np.full(chunk, np.nan if part.dtype.kind == "f" else 0, part.dtype)
            filled[: len(part)] = part
            yield filled


def _chunk_path(folder: Path, dimensions: int, number: int) -> Path:
    places = [str(number), *("0" for _ in range(dimensions - 1))]
    return folder.joinpath("c", *places[:dimensions])


def _write_chunk(path: Path, content: bytes | NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(content if isinstance(content, bytes) else content.data)
        file.write(google_crc32c.value(content).to_bytes(_CRC, "little"))
        if len(content) > _LARGE:  # the disk takes it while others are written
            file.flush()
            os.fsync(file.fileno())


def encoded(values: NDArray[Any]) -> bytes | NDArray[np.uint8]:
    """Give the bytes of values, uncompressed."""
    if values.dtype.kind == "U":
        return bytes(VLenUTF8().encode(values.reshape(-1).astype(object)))
    content = values.reshape(-1).view(np.uint8)
    content.flags.writeable = False  # google_crc32c takes nothing else, and copies nothing
    return content


def sealed(content: bytes | NDArray[np.uint8]) -> int:
    """Give the crc32c that a chunk ends in."""
    return int.from_bytes(bytes(content[-_CRC:]), "little")


def is_sound(content: bytes | NDArray[np.uint8]) -> bool:
    """Whether a chunk's bytes have the crc32c that it ends in."""
    return int(google_crc32c.value(content[:-_CRC])) == sealed(content)


@dataclass(frozen=True, slots=True)
class StoredArray:
    """An array, as its metadata says it is stored."""

    store: Path
    place: str
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    chunk: tuple[int, ...]
    data_type: str
    attrs: dict[str, Any]

    @classmethod
    def of(cls, store: Path, place: str) -> "StoredArray":
        """Read the metadata of the array at `place` in a store."""
        found = json.loads((store / place / METADATA).read_bytes())
        return cls(
            store=store,
            place=place,
            dims=tuple(found["dimension_names"]),
            shape=tuple(found["shape"]),
            chunk=tuple(found["chunk_grid"]["configuration"]["chunk_shape"]),
            data_type=found["data_type"],
            attrs=found["attributes"],
        )

    @property
    def path(self) -> Path:
        """The file of the first chunk."""
        return _chunk_path(self.store / self.place, len(self.shape), 0)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type in memory; text is as wide as its longest."""
        return np.dtype(str) if self.data_type == _TEXT else np.dtype(self.data_type).newbyteorder("<")

    def lazily(self, mapper: Mapper) -> xr.Variable:
        """Give the array without reading it, where there is something to read."""
        if self.chunk != tuple(max(1, length) for length in self.shape):
            return self._by_zarr()
        if self.data_type == _TEXT or not math.prod(self.shape):
            return self.loaded()
        return mapper(self.path, self.dims, self.dtype, self.shape, 0, self.attrs)

    def _by_zarr(self) -> xr.Variable:
        group, _, name = self.place.rpartition("/")
        opened = xr.open_zarr(self.store, group=group, chunks=None, consolidated=False, decode_cf=False)
        variable: xr.Variable = opened[name].variable
        variable.encoding = {}  # drop_encoding() reads the array on older xarray
        return variable

    def loaded(self) -> xr.Variable:
        """Read and check the array, which has one chunk or no elements."""
        values = self._decoded(self._read()) if math.prod(self.shape) else np.empty(0, self.dtype)
        return xr.Variable(self.dims, values.reshape(self.shape), self.attrs)

    def _read(self) -> bytes:
        content = self.path.read_bytes()
        if not is_sound(content):
            raise not_whole(
                self.store, check(self.store, self.path.relative_to(self.store).as_posix(), "damaged")
            )
        return content[:-_CRC]

    def _decoded(self, content: bytes) -> NDArray[Any]:
        if self.data_type == _TEXT:
            return np.array(VLenUTF8().decode(content).tolist(), dtype=str)
        return np.frombuffer(content, self.dtype).copy()
