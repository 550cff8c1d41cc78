"""A dataset as a zarr v3 group, and back: coordinates read at once, arrays mapped where they lie.

Every array has the codecs ``[bytes, crc32c]`` or, for text, ``[vlen-utf8, crc32c]``, and almost always
one chunk; such a chunk is the raw little-endian buffer and four bytes.  Any zarr reader opens it.  We
read the chunks straight, since zarr takes some milliseconds an array and a cube has thirty.
"""

import json
import math
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import google_crc32c
import numpy as np
import xarray as xr
import zarr
from numcodecs.vlen import VLenUTF8  # type: ignore[import-untyped, unused-ignore]  # only newer ones have types
from numpy.typing import DTypeLike, NDArray
from zarr.codecs import BytesCodec, Crc32cCodec

from decnef_data.model import FileCheck
from decnef_data.stores.manifests import not_whole, plain

__all__ = ["BLOCK", "Mapper", "read", "write"]

BLOCK: Final = 512_000_000
_CRC: Final = 4
_COORDINATES: Final = "coordinates"  # xarray's name for the attribute that lists them


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


def write(store: Path, groups: Mapping[str, xr.Dataset], block: int) -> dict[str, tuple[str, ...]]:
    """Write each group below a folder, and give the names of its arrays."""
    with _known_warnings():
        root = zarr.create_group(store, zarr_format=3)
        return {name: _write_group(root, name, dataset, block) for name, dataset in groups.items()}


@contextmanager
def _known_warnings() -> Iterator[None]:
    # zarr 3.0 warns that vlen-utf8 is no part of the specification; it since is (zarr-extensions), unchanged.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*is currently not part in the Zarr format 3 specification")
        yield


def _write_group(root: zarr.Group, name: str, dataset: xr.Dataset, block: int) -> tuple[str, ...]:
    coordinates = " ".join(str(coord) for coord in dataset.coords)
    attributes = {**plain(dataset.attrs), **({_COORDINATES: coordinates} if coordinates else {})}
    group = root.create_group(name, attributes=attributes)
    for array, variable in dataset.variables.items():
        # Coordinates are always read, so they are one chunk whatever their size.
        _write_array(group, str(array), variable, sys.maxsize if array in dataset.coords else block)
    return tuple(str(array) for array in dataset.variables)


def _write_array(group: zarr.Group, name: str, variable: xr.Variable, block: int) -> None:
    values = variable.to_numpy()
    text = values.dtype.kind in "UTO"
    array = group.create_array(
        name,
        shape=values.shape,
        dtype=str if text else values.dtype.newbyteorder("<"),
        chunks=_chunks(values, block),
        filters=None,
        serializer="auto" if text else BytesCodec(endian="little"),
        compressors=[Crc32cCodec()],
        fill_value=_absent(values.dtype),
        dimension_names=[str(dim) for dim in variable.dims],
        attributes=plain(variable.attrs),
        # zarr leaves out a chunk of nothing but fill values: a missing file would be no sign of damage.
        config={"write_empty_chunks": True},
    )
    array[...] = values.astype(object) if text else values


def _chunks(values: NDArray[Any], block: int) -> tuple[int, ...]:
    whole = tuple(max(1, length) for length in values.shape)
    if values.nbytes <= block:
        return whole
    return (max(1, (block - 1) * whole[0] // values.nbytes), *whole[1:])


def _absent(dtype: np.dtype[Any]) -> Any:
    return {"f": np.nan, "b": False, "U": "", "T": "", "O": ""}.get(dtype.kind, 0)


def read(store: Path, group: str, names: Sequence[str], mapper: Mapper) -> xr.Dataset:
    """Read one group: what is a coordinate into memory, everything else lazily."""
    attrs = json.loads((store / group / "zarr.json").read_bytes())["attributes"]
    coordinates = {*attrs.pop(_COORDINATES, "").split()}
    arrays = [_Array.of(store, group, name) for name in names]
    variables = {
        array.name: array.loaded() if array.name in coordinates else array.lazily(mapper) for array in arrays
    }
    return xr.Dataset(variables, attrs=attrs).set_coords(coordinates)


@dataclass(frozen=True, slots=True)
class _Array:
    """One stored array, as its metadata says."""

    store: Path
    group: str
    name: str
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    chunk: tuple[int, ...]
    data_type: str
    attrs: dict[str, Any]

    @classmethod
    def of(cls, store: Path, group: str, name: str) -> "_Array":
        found = json.loads((store / group / name / "zarr.json").read_bytes())
        return cls(
            store=store,
            group=group,
            name=name,
            dims=tuple(found.get("dimension_names") or ()),  # zarr leaves them out of a scalar's metadata
            shape=tuple(found["shape"]),
            chunk=tuple(found["chunk_grid"]["configuration"]["chunk_shape"]),
            data_type=found["data_type"],
            attrs=found["attributes"],
        )

    @property
    def path(self) -> Path:
        """The file of the first chunk."""
        return self.store.joinpath(self.group, self.name, "c", *("0" for _ in self.shape))

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type in memory; text is as wide as its longest."""
        return np.dtype(str) if self.data_type == "string" else np.dtype(self.data_type).newbyteorder("<")

    def lazily(self, mapper: Mapper) -> xr.Variable:
        """Give the array without reading it, where there is something to read."""
        if self.chunk != tuple(max(1, length) for length in self.shape):
            return self._by_zarr()
        if self.data_type == "string" or not math.prod(self.shape):
            return self.loaded()
        return mapper(self.path, self.dims, self.dtype, self.shape, 0, self.attrs)

    def loaded(self) -> xr.Variable:
        """Read the array, which has one chunk unless it has no elements."""
        values = self._decode(self._bytes()) if math.prod(self.shape) else np.empty(0, self.dtype)
        return xr.Variable(self.dims, values.reshape(self.shape), self.attrs)

    def _by_zarr(self) -> xr.Variable:
        opened = xr.open_zarr(self.store, group=self.group, chunks=None, consolidated=False, decode_cf=False)
        variable: xr.Variable = opened[self.name].variable
        variable.encoding = {}  # drop_encoding() reads the array on older xarray
        return variable

    def _bytes(self) -> bytes:
        content = self.path.read_bytes()
        if google_crc32c.value(content[:-_CRC]) != int.from_bytes(content[-_CRC:], "little"):
            check = FileCheck(self.path.relative_to(self.store.parent).as_posix(), "damaged")
            raise not_whole(self.store, check)
        return content[:-_CRC]

    def _decode(self, content: bytes) -> NDArray[Any]:
        if self.data_type == "string":
            return np.array(VLenUTF8().decode(content).tolist(), dtype=str)
        return np.frombuffer(content, self.dtype).copy()
