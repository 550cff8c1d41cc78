"""One open store: its manifest is read and its files are compared once, then groups are read from it.

Coordinates are read at once and everything else lazily.  zarr takes 4 ms to read an array of a thousand
texts, and a cube has thirty: they are read directly, and the coordinates of the last groups stay in memory.
The files that they came from are part of their key: a group of which a file has changed is read again.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import xarray as xr
from numcodecs.vlen import VLenUTF8  # type: ignore[import-untyped, unused-ignore]  # only newer ones have types
from numpy.typing import DTypeLike, NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

from decnef_data.errors import SelectionError
from decnef_data.stores.manifest import Manifest, load_intact_manifest
from decnef_data.stores.stored_files import ChunkCheck, Signature, StoredFiles, chunk_name
from decnef_data.stores.zarr_arrays import TEXT
from decnef_data.stores.zarr_groups import COORDINATES, NAME

__all__ = ["Mapper", "OpenStore"]

#: A dataset of connectivity has three groups; the coordinates of one take some two megabytes.
_GROUPS_IN_MEMORY: Final = 8
_TEXTS: Final = VLenUTF8()


class Mapper(Protocol):
    """A function that returns a lazy variable over the bytes of a file, whose length is known."""

    def __call__(
        self,
        path: Path,
        dims: Sequence[str],
        dtype: DTypeLike,
        shape: Sequence[int],
        offset: int = 0,
        attrs: Mapping[str, Any] | None = None,
        verify: Callable[[NDArray[np.uint8] | None], None] | None = None,
        size: int | None = None,
    ) -> xr.Variable:
        """Memory-map `path` from `offset`; a read of most of it calls `verify` with the mapped bytes."""


@dataclass(frozen=True, slots=True)
class OpenStore:
    """A store as it was when it was opened; ``signatures`` has each of its files."""

    path: Path
    manifest: Manifest
    signatures: Mapping[str, Signature]
    mapper: Mapper

    @classmethod
    def find(cls, path: Path, mapper: Mapper) -> "OpenStore | None":
        """Open the store at `path`, or return ``None`` if there is none.

        Raises
        ------
        DamagedStoreError
            The store is there, and a file of it is missing, has another size or was found damaged before.
        """
        found = load_intact_manifest(path)
        return None if found is None else cls(path, *found, mapper)

    def group(self, name: str) -> xr.Dataset:
        """Return one group: its coordinates are read and verified, its arrays memory-mapped.

        Raises
        ------
        SelectionError
            There is no such group.
        DamagedStoreError
            A coordinate does not have its checksum.
        """
        if name not in self.manifest.groups:
            groups = ", ".join(f"'{known}'" for known in self.manifest.groups)
            raise SelectionError(
                f"The store '{self.path}' has no group '{name}'. Available groups: {groups}.",
                requested=name,
                known=self.manifest.groups,
            )
        folder = self.manifest.group_folder(name)
        signatures = tuple(item for item in self.signatures.items() if item[0].startswith(f"{folder}/"))
        read = _read_group(_GroupFiles(self.path, folder, signatures, self.manifest))
        # The user may change what is in memory, which the next call must not see.
        coordinates = read.coordinates.copy(deep=True)
        arrays = {array.name: array.to_variable(self.mapper) for array in read.arrays}
        return xr.Dataset(arrays, coordinates.coords, coordinates.attrs)


@dataclass(frozen=True, slots=True)
class _GroupFiles:
    """The files of a group; equal if nothing about them changed since they were read."""

    store: Path
    folder: str
    signatures: tuple[tuple[str, Signature], ...]
    manifest: Manifest = field(compare=False)


@dataclass(frozen=True, slots=True)
class _ReadGroup:
    """A group: its coordinates and attributes in memory, its other arrays as their metadata describe them."""

    coordinates: xr.Dataset
    arrays: "tuple[_StoredArray, ...]"


@lru_cache(maxsize=_GROUPS_IN_MEMORY)  # by what identifies their files: a store that changed is another key
def _read_group(group: _GroupFiles) -> _ReadGroup:
    files = group.manifest.stored_files(group.store)
    attrs = files.read_metadata(group.folder)["attributes"]
    attrs.pop(NAME, None)
    coordinate_names = set(attrs.pop(COORDINATES, "").split())
    coordinates, arrays = {}, []
    for stored in group.manifest.array_names(group.folder):
        array = _StoredArray.from_files(files, f"{group.folder}/{stored}")
        if stored in coordinate_names:
            coordinates[array.name] = array.load()
        else:
            arrays.append(array)
    return _ReadGroup(xr.Dataset(coords=coordinates, attrs=attrs), tuple(arrays))


@dataclass(frozen=True, slots=True)
class _StoredArray:
    """An array in a store, as its metadata describes it."""

    name: str
    files: StoredFiles
    path: str
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    chunk: tuple[int, ...]
    data_type: str
    attrs: dict[str, Any]

    @classmethod
    def from_files(cls, files: StoredFiles, path: str) -> "_StoredArray":
        """Read the metadata of the array at `path` in a store."""
        metadata = files.read_metadata(path)
        attrs = metadata["attributes"]
        return cls(
            name=attrs.pop(NAME, path.rpartition("/")[2]),
            files=files,
            path=path,
            dims=tuple(metadata["dimension_names"]),
            shape=tuple(metadata["shape"]),
            chunk=tuple(metadata["chunk_grid"]["configuration"]["chunk_shape"]),
            data_type=metadata["data_type"],
            attrs=attrs,
        )

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type in memory; text is as wide as its longest."""
        return np.dtype(str) if self.data_type == TEXT else np.dtype(self.data_type).newbyteorder("<")

    def to_variable(self, mapper: Mapper) -> xr.Variable:
        """Return the array lazily, or in memory if it is text or empty."""
        # An empty array has no file to map, and texts are decoded as a whole.
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
        return xr.Variable(self.dims, indexing.LazilyIndexedArray(rows), dict(self.attrs))

    def _map_chunk(self, mapper: Mapper, number: int, shape: tuple[int, ...]) -> xr.Variable:
        path = f"{self.path}/{chunk_name(len(self.shape), number)}"
        verify, size = ChunkCheck(self.files, path), self.files.written[path].size
        return mapper(self.files.store / path, self.dims, self.dtype, shape, 0, self.attrs, verify, size)

    def load(self) -> xr.Variable:
        """Read the array, which has one chunk or no elements."""
        values = np.empty(0, self.dtype)
        if math.prod(self.shape):
            values = self._decode(self.files.read(f"{self.path}/{chunk_name(len(self.shape), 0)}"))
        return xr.Variable(self.dims, values.reshape(self.shape), dict(self.attrs))

    def _decode(self, content: NDArray[np.uint8]) -> NDArray[Any]:
        if self.data_type != TEXT:
            # The content is read-only, and holds the crc32c behind the values.
            return content.view(self.dtype).copy()
        texts = _TEXTS.decode(content)
        # Twice as fast as letting NumPy find the width.
        return np.asarray(texts.astype(f"U{max(1, *map(len, texts))}"))


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
        # Without any row, the first chunk tells the shape of the other dimensions.
        parts = [(numbers == number, self.chunks[number]) for number in np.unique(numbers).tolist() or (0,)]
        read = [(mask, chunk[(rows[mask] % self.step, *inner)].to_numpy()) for mask, chunk in parts]
        out = np.empty((rows.size, *read[0][1].shape[1:]), self.dtype)
        for mask, values in read:
            out[mask] = values
        return out[0] if isinstance(first, int | np.integer) else out
