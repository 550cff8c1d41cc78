"""Groups copied to a Zarr store: the chunks first, then the metadata, those of the root last.

The metadata are kept in memory until the chunks are written, so that an incomplete store does not open, and
each object is written once, as a zip file needs.
"""

import asyncio
import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast

import numpy as np
import xarray as xr
import zarr
from numpy.dtypes import StringDType
from zarr.abc.store import Store
from zarr.codecs import BloscCodec, Crc32cCodec
from zarr.core.buffer import Buffer, default_buffer_prototype
from zarr.core.group import ConsolidatedMetadata, GroupMetadata
from zarr.core.sync import sync  # zarr has no public function that writes an object to a store
from zarr.storage import FsspecStore, MemoryStore, StorePath

from decnef_data.errors import IntegrityError, SelectionError
from decnef_data.exports.portable.arrays import (
    Chunks,
    PortableArray,
    RegionRunner,
    chunk_shape,
    region_shape,
)
from decnef_data.model import Progress
from decnef_data.stores.zarr_arrays import to_json_attrs, to_storable

if TYPE_CHECKING:
    from zarr.core.array_spec import ArrayConfigParams
    from zarr.core.metadata import ArrayV2Metadata, ArrayV3Metadata

    _Metadata: TypeAlias = ArrayV2Metadata | ArrayV3Metadata | GroupMetadata

__all__ = ["Copy", "Shards", "require_storable", "write_hierarchy"]

Shards = Literal["auto"]
_COORDINATES: Final = "coordinates"  # xarray's name for the attribute that lists them
#: Also chunks whose values are all equal are written, so that a missing one is noticed.
_CONFIG: "Final[ArrayConfigParams]" = {"write_empty_chunks": True}
#: What blosc compresses at a time: in blocks of this size a run is read faster, and is smaller.
_BLOSC_BLOCK_SIZE: Final = 1 << 20
#: Smaller chunks are not compressed: zarr takes a thread for each, and a file takes a block of the disk.
_SMALL: Final = 1 << 12
_FILL: Final[Mapping[str, Any]] = {"f": np.nan, "c": complex(np.nan, np.nan)}
_TEXT: Final = frozenset({"U", "T", "O"})
#: zarr has no larger numbers.
_MAX_ITEMSIZES: Final = {"f": 8, "c": 16}


@dataclass(frozen=True, slots=True)
class Copy:
    """How groups are copied.

    Attributes
    ----------
    chunks
        The access that images are chunked for.
    shards
        Whether a shard holds all the chunks that are written at a time.
    run
        Copies the regions of an array.
    progress
        Receives the bytes copied.
    what
        What `progress` shows.
    """

    chunks: Chunks
    shards: Shards | None
    run: RegionRunner
    progress: Progress
    what: str


def require_storable(groups: Mapping[str, xr.Dataset]) -> None:
    """Raise a `SelectionError` if a variable is neither numbers nor text."""
    variables = (item for dataset in groups.values() for item in dataset.variables.items())
    for name, variable in variables:
        dtype = variable.dtype
        if dtype.kind not in "biufcUTO" or dtype.itemsize > _MAX_ITEMSIZES.get(dtype.kind, dtype.itemsize):
            raise _unsupported_dtype_error(str(name), dtype)


def _unsupported_dtype_error(name: str, dtype: np.dtype[Any]) -> SelectionError:
    message = (
        f"'{name}' has the dtype {dtype}, but a portable Zarr store can contain only numbers and text. "
        "Remove it with drop_vars, or convert it to numbers or text."
    )
    return SelectionError(message, requested=name)


def write_hierarchy(groups: Mapping[str, xr.Dataset], store: Store, copy: Copy) -> None:
    """Copy groups to a store that is open and empty.

    Parameters
    ----------
    groups
        The datasets by path; ``""`` is the root, which is required.
    store
        Receives the chunks, then the metadata.
    copy
        How they are copied.

    Raises
    ------
    SelectionError
        An array of objects has values that are not text.
    IntegrityError
        A chunk was not written.
    """
    loaded = {path: _load_labels(dataset) for path, dataset in groups.items()}
    metadata, labels, arrays = _create_arrays(loaded, store, copy)
    # One `sync` for many small arrays: each makes two threads wait for each other.
    sync(_write_labels(store, labels))
    _copy_arrays(arrays, copy)
    _require_all_chunks(store, arrays)
    sync(_write_metadata(store, metadata))


@dataclass(frozen=True, slots=True)
class _Group:
    """A group with its labels in memory, because reading them may use the event loop of zarr, too."""

    attrs: dict[str, Any]
    labels: dict[str, xr.Variable]
    arrays: dict[str, xr.Variable]


def _load_labels(dataset: xr.Dataset) -> _Group:
    labels, arrays = {}, {}
    for key, variable in dataset.variables.items():
        name = str(key)
        if variable.dtype.kind in _TEXT:
            labels[name] = _to_text(name, variable)
        elif key in dataset.coords:
            labels[name] = xr.Variable(variable.dims, variable.to_numpy(), variable.attrs)
        else:
            arrays[name] = variable
    names = " ".join(map(str, dataset.coords))
    attrs = {**dataset.attrs, **({_COORDINATES: names} if names else {})}
    return _Group(to_json_attrs(attrs), labels, arrays)


def _to_text(name: str, variable: xr.Variable) -> xr.Variable:
    try:
        values = to_storable(variable)
    except TypeError as error:
        raise _unsupported_dtype_error(name, variable.dtype) from error
    return xr.Variable(variable.dims, values.astype(StringDType()), variable.attrs)


def _create_arrays(
    groups: Mapping[str, _Group], store: Store, copy: Copy
) -> "tuple[dict[str, _Metadata], list[PortableArray], list[PortableArray]]":
    """Return the metadata of groups and arrays by path, the labels, and all other arrays."""
    metadata: dict[str, _Metadata] = {}
    labels, arrays = [], []
    for path, loaded in groups.items():
        metadata[path] = GroupMetadata(loaded.attrs, zarr_format=3)
        prefix = f"{path}/" if path else ""
        for name, label in loaded.labels.items():
            labels.append(_create_array(store, prefix + name, label))
        for name, array in loaded.arrays.items():
            chunk = chunk_shape(array, copy.chunks)
            shard = region_shape(array, chunk) if copy.shards == "auto" else None
            arrays.append(_create_array(store, prefix + name, array, chunk, shard))
    metadata |= {array.target.path: array.target.metadata for array in (*labels, *arrays)}
    return metadata, labels, arrays


def _create_array(
    store: Store,
    path: str,
    variable: xr.Variable,
    chunk: tuple[int, ...] | None = None,
    shard: tuple[int, ...] | None = None,
) -> PortableArray:
    """Create an array, of one chunk if `chunk` is ``None``, whose chunks are in `store`."""
    metadata = replace(
        _array_metadata(variable.shape, variable.dtype, chunk, shard),
        attributes=to_json_attrs(variable.attrs),
        dimension_names=tuple(map(str, variable.dims)),
    )
    return PortableArray(zarr.AsyncArray(metadata, StorePath(store, path), _CONFIG), variable)


@lru_cache  # the labels of a tree have a few types, and zarr takes a millisecond for each array
def _array_metadata(
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    chunk: tuple[int, ...] | None,
    shard: tuple[int, ...] | None,
) -> "ArrayV3Metadata":
    """Return the metadata of an array without attributes and names of dimensions."""
    is_text = dtype.kind == "T"
    is_small = math.prod(shape if chunk is None else chunk) * dtype.itemsize < _SMALL
    array = zarr.create_array(
        MemoryStore(),
        shape=shape,
        dtype=dtype if is_text else dtype.newbyteorder("<"),
        chunks=tuple(max(1, length) for length in shape) if chunk is None else chunk,
        shards=shard,
        compressors=[*([] if is_text or is_small else [_blosc(dtype.itemsize)]), Crc32cCodec()],
        fill_value=_FILL.get(dtype.kind, "" if is_text else 0),
        config=_CONFIG,
    )
    return cast("ArrayV3Metadata", array.metadata)


def _blosc(itemsize: int) -> BloscCodec:
    return BloscCodec(
        cname="zstd", clevel=3, shuffle="bitshuffle", typesize=itemsize, blocksize=_BLOSC_BLOCK_SIZE
    )


async def _write_labels(store: Store, labels: Iterable[PortableArray]) -> None:
    """Write each label as one chunk; groups of the same participants have equal ones, encoded once."""
    by_content: dict[Hashable, list[PortableArray]] = {}
    for label in labels:
        if label.variable.size:  # otherwise there is no chunk
            by_content.setdefault(_label_content(label.variable), []).append(label)
    await asyncio.gather(*(_write_equal_labels(store, equal) for equal in by_content.values()))


def _label_content(variable: xr.Variable) -> Hashable:
    """Return a key that is the same for variables with the same chunk."""
    values = variable.to_numpy()
    content = tuple(values.ravel().tolist()) if values.dtype.kind == "T" else values.tobytes()
    return str(values.dtype), values.shape, content


async def _write_equal_labels(store: Store, labels: Sequence[PortableArray]) -> None:
    chunks: dict[str, Buffer] = {}
    first = labels[0]
    # In memory: a remote store would have to send the chunk back for the others.
    encoder = zarr.AsyncArray(first.target.metadata, StorePath(MemoryStore(chunks)), _CONFIG)
    await encoder.setitem(..., first.variable.to_numpy())
    (chunk,) = chunks.values()
    await asyncio.gather(*(store.set(key, chunk) for label in labels for key in label.keys()))  # noqa: SIM118 - an array is no mapping


def _copy_arrays(arrays: Sequence[PortableArray], copy: Copy) -> None:
    copy.progress.start(copy.what, sum(array.variable.nbytes for array in arrays), 0)
    try:
        for array in arrays:
            copy.run(array, list(array.regions()), copy.progress.advance)
    finally:
        copy.progress.finish()


def _require_all_chunks(store: Store, arrays: Sequence[PortableArray]) -> None:
    present = sync(_list_keys(store))
    expected = {key for array in arrays for key in array.keys()}  # noqa: SIM118 - an array is no mapping
    absent = sorted(expected - present)
    if absent:
        raise IntegrityError(
            f"{len(absent)} of {len(expected)} chunks were not written, starting with '{absent[0]}'. "
            "Choose a destination that every worker of the cluster can access.",
            file=absent[0],
        )


async def _list_keys(store: Store) -> set[str]:
    if isinstance(store, FsspecStore):
        store.fs.invalidate_cache()  # other processes wrote there
    return {key async for key in store.list()}


async def _write_metadata(store: Store, metadata: "Mapping[str, _Metadata]") -> None:
    with zarr.config.set({"json_indent": None}):  # with line breaks, JSON takes three times as long
        root, *below = _encode_metadata(_consolidate(metadata)).items()
    await asyncio.gather(*(store.set(key, content) for key, content in below))
    await store.set(*root)


def _consolidate(metadata: "Mapping[str, _Metadata]") -> "dict[str, _Metadata]":
    """Repeat all metadata at the root, so that opening reads one object; readers may ignore it.

    `zarr.consolidate_metadata` does the same, but reads all metadata back from a store.
    """
    empty = ConsolidatedMetadata({})
    # Members of a group beside each other: otherwise zarr 3.1.1, which does not sort them, loses some.
    paths = sorted(filter(None, metadata), key=lambda path: path.rpartition("/")[0])
    below = {
        path: replace(node, consolidated_metadata=empty) if isinstance(node, GroupMetadata) else node
        for path, node in ((path, metadata[path]) for path in paths)
    }
    root = replace(cast("GroupMetadata", metadata[""]), consolidated_metadata=ConsolidatedMetadata(below))
    return {**metadata, "": root}


def _encode_metadata(metadata: "Mapping[str, _Metadata]") -> dict[str, Buffer]:
    """Return the contents of the objects of the store by key."""
    prototype = default_buffer_prototype()
    return {
        f"{path}/{name}" if path else name: content
        for path, node in metadata.items()
        for name, content in node.to_buffer_dict(prototype).items()
    }
