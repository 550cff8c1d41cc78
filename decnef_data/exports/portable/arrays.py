"""One array of a portable store: split into regions of complete chunks, which threads or a cluster copy."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from itertools import product
from typing import Any, Final, Literal, Protocol

import xarray as xr
import zarr

__all__ = [
    "Chunks",
    "PortableArray",
    "RegionRunner",
    "chunk_shape",
    "cluster_runner",
    "copy_on_threads",
    "region_shape",
]

Chunks = Literal["time", "volumes"]
_Region = tuple[slice, ...]
#: Bytes read at a time, on each of two threads: a complete run with the largest matrix.
_REGION_SIZE: Final = 1 << 27
_THREADS: Final = 2
_SPACE: Final = ("z", "y", "x")
_VOLUMES: Final = 20
#: A chunk of time series, and one of rows: small enough to read for one voxel, large enough to transfer.
_SERIES_CHUNK_BYTES: Final = 1 << 20
_ROWS_CHUNK_BYTES: Final = 1 << 23


def chunk_shape(variable: xr.Variable, chunks: Chunks) -> tuple[int, ...]:
    """Return the shape of a chunk: of images as `chunks` says, of all else complete rows."""
    lengths = {str(dim): max(1, length) for dim, length in variable.sizes.items()}
    if not set(_SPACE) <= set(lengths):
        return _row_chunk_shape(variable, lengths)
    chunk = {dim: length for dim, length in lengths.items() if dim in {*_SPACE, "time"}}
    if "time" in chunk and chunks == "volumes":
        chunk["time"] = min(_VOLUMES, chunk["time"])
    while "time" in chunk and chunks == "time" and _nbytes(variable, chunk.values()) > _SERIES_CHUNK_BYTES:
        longest = max(_SPACE, key=chunk.__getitem__)
        chunk[longest] = -(-chunk[longest] // 2)
    return tuple(chunk.get(dim, 1) for dim in lengths)


def _row_chunk_shape(variable: xr.Variable, lengths: Mapping[str, int]) -> tuple[int, ...]:
    first, *others = lengths.items() if lengths else [("", 1)]
    row = _nbytes(variable, [length for _, length in others])
    return (max(1, min(first[1], _ROWS_CHUNK_BYTES // row)), *(length for _, length in others))[
        : variable.ndim
    ]


def _nbytes(variable: xr.Variable, lengths: Iterable[int]) -> int:
    return math.prod(lengths) * int(variable.dtype.itemsize)


def region_shape(variable: xr.Variable, chunk: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of the largest region of complete chunks that is read and written at a time.

    Examples
    --------
    >>> import numpy as np
    >>> region_shape(xr.Variable(("scan", "edge"), np.zeros((3, 7))), (2, 4))
    (4, 8)
    """
    lengths = list(chunk)
    for axis in reversed(range(len(lengths))):
        factor = max(1, _REGION_SIZE // _nbytes(variable, lengths))
        lengths[axis] *= max(1, min(factor, -(-variable.shape[axis] // lengths[axis])))
        if lengths[axis] < variable.shape[axis]:
            break
    return tuple(lengths)


@dataclass(frozen=True, slots=True, eq=False)
class PortableArray:
    """The values of one array, and the array of Zarr that they are copied to."""

    target: "zarr.AsyncArray[Any]"
    variable: xr.Variable

    def regions(self) -> Iterator[_Region]:
        """Split the array into regions of complete objects of the store that fit in memory."""
        yield from self._split(region_shape(self.variable, self.target.shards or self.target.chunks))

    def keys(self) -> Iterator[str]:
        """Yield the key of every object of the store that holds values: a chunk, or a shard of several."""
        lengths = self.target.shards or self.target.chunks
        for region in self._split(lengths):
            indices = tuple(part.start // length for part, length in zip(region, lengths, strict=True))
            yield f"{self.target.path}/{self.target.metadata.encode_chunk_key(indices)}"

    def _split(self, lengths: Sequence[int]) -> Iterator[_Region]:
        """Split the array into parts of these lengths; the last along each dimension may be shorter."""
        steps = (
            [slice(start, min(start + length, size)) for start in range(0, size, length)]
            for size, length in zip(self.variable.shape, lengths, strict=True)
        )
        yield from product(*steps)

    def region_size(self, region: _Region) -> int:
        """Return the bytes of a region in memory."""
        return _nbytes(self.variable, (part.stop - part.start for part in region))

    def copy_region(self, region: _Region) -> None:
        """Read one region and write its chunks."""
        lazy = self.variable[region]
        # The regions run in parallel already: another scheduler on each thread would only compete.
        zarr.Array(self.target)[region] = (
            lazy.to_numpy() if lazy.chunks is None else lazy.data.compute(scheduler="synchronous")
        )


class RegionRunner(Protocol):
    """A function that copies the regions of an array."""

    def __call__(
        self, array: PortableArray, regions: Sequence[_Region], on_copied: Callable[[int], None]
    ) -> None:
        """Copy the regions, calling `on_copied` with the bytes of each that is done."""


def copy_on_threads(
    array: PortableArray, regions: Sequence[_Region], on_copied: Callable[[int], None]
) -> None:
    """Copy regions on two threads: compressing and waiting for the disk release the GIL."""
    with ThreadPoolExecutor(_THREADS) as threads:
        futures = {threads.submit(array.copy_region, region): array.region_size(region) for region in regions}
        try:
            for future in as_completed(futures):
                future.result()
                on_copied(futures[future])
        finally:
            threads.shutdown(cancel_futures=True)


def cluster_runner(client: Any) -> RegionRunner:
    """Return a function that copies regions on the workers of a ``dask.distributed`` client."""

    def run(array: PortableArray, regions: Sequence[_Region], on_copied: Callable[[int], None]) -> None:
        from distributed import as_completed as as_gathered

        # Sent once: the array of a site refers to hundreds of thousands of files.
        source = client.scatter(array, hash=False)
        sizes = {
            client.submit(PortableArray.copy_region, source, region, pure=False): array.region_size(region)
            for region in regions
        }
        futures = list(sizes)
        try:
            for future in as_gathered(futures):  # type: ignore[no-untyped-call]  # distributed does not annotate it
                future.result()
                on_copied(sizes[future])
        finally:
            client.cancel(futures)  # after a failure the other regions are not needed

    return run
