"""One array of a portable store: split into chunks, and copied region by region on threads or a cluster."""

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from itertools import product
from typing import Any, Final, Protocol

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from decnef_data.stores.compressed_blocks import blosc_metadata, compress
from decnef_data.stores.sinks import Sink
from decnef_data.stores.stored_files import crc32c_bytes
from decnef_data.stores.zarr_arrays import LITTLE_ENDIAN, array_metadata

__all__ = ["PortableArray", "RegionRunner", "cluster_runner", "copy_on_threads"]

_Region = tuple[slice, ...]
#: Bytes read at a time, on each of two threads: a complete run with the largest matrix.
_REGION_SIZE: Final = 1 << 27
_THREADS: Final = 2


@dataclass(frozen=True, slots=True, eq=False)
class PortableArray:
    """One array, its destination, and the shape of its chunks."""

    sink: Sink
    path: str
    variable: xr.Variable
    chunk: tuple[int, ...]

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type in the store."""
        little: np.dtype[Any] = self.variable.dtype.newbyteorder("<")
        return little

    def regions(self) -> Iterator[_Region]:
        """Split the array into regions of complete chunks that fit in memory."""
        lengths = list(self.chunk)
        for axis in reversed(range(len(lengths))):
            factor = max(1, _REGION_SIZE // (math.prod(lengths) * self.dtype.itemsize))
            lengths[axis] *= max(1, min(factor, -(-self.variable.shape[axis] // lengths[axis])))
            if lengths[axis] < self.variable.shape[axis]:
                break
        yield from _split_region(tuple(slice(0, length) for length in self.variable.shape), tuple(lengths))

    def region_size(self, region: _Region) -> int:
        """Return the bytes of a region in memory."""
        lengths: list[int] = [part.stop - part.start for part in region]
        return math.prod(lengths) * int(self.dtype.itemsize)

    def chunk_paths(self) -> Iterator[str]:
        """Yield the path of every chunk."""
        array = tuple(slice(0, length) for length in self.variable.shape)
        yield from map(self._chunk_path, _split_region(array, self.chunk))

    def _chunk_path(self, region: _Region) -> str:
        indices = (str(part.start // length) for part, length in zip(region, self.chunk, strict=True))
        return "/".join((self.path, "c", *indices))

    def copy_region(self, region: _Region) -> None:
        """Read one region and write its chunks."""
        lazy = self.variable[region]
        # The regions run in parallel already: another scheduler on each thread would only compete.
        values = lazy.to_numpy() if lazy.chunks is None else lazy.data.compute(scheduler="synchronous")
        for inner in _split_region(region, self.chunk):
            within_region = tuple(
                slice(part.start - outer.start, part.stop - outer.start)
                for part, outer in zip(inner, region, strict=True)
            )
            content = compress(_pad_chunk(values[within_region], self.chunk, self.dtype))
            self.sink.put(self._chunk_path(inner), content.data, crc32c_bytes(content))

    def array_metadata(self) -> dict[str, Any]:
        """Build the content of the array's zarr.json."""
        codecs = (LITTLE_ENDIAN, blosc_metadata(self.dtype.itemsize))
        return array_metadata(self.variable, self.chunk, self.dtype.name, codecs)


def _split_region(region: _Region, lengths: Sequence[int]) -> Iterator[_Region]:
    """Split a region into parts of these lengths; the last along each dimension may be shorter."""
    steps = (
        [slice(start, min(start + length, part.stop)) for start in range(part.start, part.stop, length)]
        for part, length in zip(region, lengths, strict=True)
    )
    yield from product(*steps)


def _pad_chunk(values: NDArray[Any], chunk: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return a contiguous chunk; one at the edge is padded, as the format requires."""
    if values.shape == chunk:
        return np.ascontiguousarray(values, dtype)
    padded = np.full(chunk, np.nan if dtype.kind in "fc" else 0, dtype)
    padded[tuple(slice(0, length) for length in values.shape)] = values
    return padded


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
            client.submit(_copy_region, source, region, pure=False): array.region_size(region)
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


def _copy_region(array: PortableArray, region: _Region) -> None:
    array.copy_region(region)
