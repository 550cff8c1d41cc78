"""One array of a portable zarr: cut into chunks, and copied region by region on threads or on a cluster."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from itertools import product
from typing import Any, Final, Protocol

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from decnef_data.stores.attributes import plain
from decnef_data.stores.codecs import CRC32C, blosc, packed, seal
from decnef_data.stores.sinks import Sink

__all__ = ["ENDIAN", "Portable", "Runner", "metadata", "on_cluster", "on_threads"]

ENDIAN: Final = {"name": "bytes", "configuration": {"endian": "little"}}
_Region = tuple[slice, ...]
#: So much is read at a time, on each of two threads: a whole run of the largest matrix.
_REGION: Final = 1 << 27
_THREADS: Final = 2
_FILL: Final[Mapping[str, Any]] = {"f": "NaN", "b": False, "c": ["NaN", "NaN"]}


@dataclass(frozen=True, slots=True, eq=False)
class Portable:
    """One array, where it goes, and how long its chunks are."""

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
        """Cut the array into pieces of whole chunks that fit in memory."""
        lengths = list(self.chunk)
        for axis in reversed(range(len(lengths))):
            many = max(1, _REGION // (math.prod(lengths) * self.dtype.itemsize))
            lengths[axis] *= max(1, min(many, -(-self.variable.shape[axis] // lengths[axis])))
            if lengths[axis] < self.variable.shape[axis]:
                break
        yield from _cut(tuple(slice(0, length) for length in self.variable.shape), tuple(lengths))

    def size(self, region: _Region) -> int:
        """How many bytes a region is in memory."""
        lengths: list[int] = [one.stop - one.start for one in region]
        return math.prod(lengths) * int(self.dtype.itemsize)

    def chunks(self) -> Iterator[str]:
        """Name the file of every chunk."""
        yield from map(self._file, _cut(tuple(slice(0, one) for one in self.variable.shape), self.chunk))

    def _file(self, part: _Region) -> str:
        places = (str(one.start // length) for one, length in zip(part, self.chunk, strict=True))
        return "/".join((self.path, "c", *places))

    def copy(self, region: _Region) -> None:
        """Read one region, and write its chunks."""
        part = self.variable[region]
        # A scheduler of its own on each thread would be one too many.
        values = part.to_numpy() if part.chunks is None else part.data.compute(scheduler="synchronous")
        for inner in _cut(region, self.chunk):
            here = tuple(
                slice(one.start - whole.start, one.stop - whole.start)
                for one, whole in zip(inner, region, strict=True)
            )
            content = packed(_filled(values[here], self.chunk, self.dtype))
            self.sink.put(self._file(inner), content.data, seal(content))

    def metadata(self) -> dict[str, Any]:
        """What zarr wants to know."""
        return metadata(self.variable, self.chunk, self.dtype.name, (ENDIAN, blosc(self.dtype.itemsize)))


def _cut(region: _Region, lengths: Sequence[int]) -> Iterator[_Region]:
    """Cut a region into parts of these lengths, the last along each dimension being what is left."""
    steps = (
        [slice(start, min(start + length, one.stop)) for start in range(one.start, one.stop, length)]
        for one, length in zip(region, lengths, strict=True)
    )
    yield from product(*steps)


def _filled(values: NDArray[Any], chunk: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Lay out a chunk in one piece; the format wants one at the edge filled up."""
    if values.shape == chunk:
        return np.ascontiguousarray(values, dtype)
    whole = np.full(chunk, np.nan if dtype.kind in "fc" else 0, dtype)
    whole[tuple(slice(0, length) for length in values.shape)] = values
    return whole


class Runner(Protocol):
    """What copies the regions of an array."""

    def __call__(self, array: Portable, regions: Sequence[_Region], told: Callable[[int], None]) -> None:
        """Copy them, telling how many bytes each was that is done."""


def on_threads(array: Portable, regions: Sequence[_Region], told: Callable[[int], None]) -> None:
    """Copy regions on two threads: compressing and the disk let the other one run."""
    with ThreadPoolExecutor(_THREADS) as threads:
        copied = {threads.submit(array.copy, region): array.size(region) for region in regions}
        try:
            for future in as_completed(copied):
                future.result()
                told(copied[future])
        finally:
            threads.shutdown(cancel_futures=True)


def on_cluster(client: Any) -> Runner:
    """Copy regions on the workers of a ``dask.distributed`` client."""

    def run(array: Portable, regions: Sequence[_Region], told: Callable[[int], None]) -> None:
        from distributed import as_completed as as_gathered

        # Sent once: an array of a site knows hundreds of thousands of files.
        source = client.scatter(array, hash=False)
        sizes = {client.submit(_copied, source, region, pure=False): array.size(region) for region in regions}
        copied = list(sizes)
        try:
            for future in as_gathered(copied):  # type: ignore[no-untyped-call]  # distributed leaves it bare
                future.result()
                told(sizes[future])
        finally:
            client.cancel(copied)  # of a copy that failed the others are not wanted any more

    return run


def _copied(array: Portable, region: _Region) -> None:
    array.copy(region)


def metadata(
    variable: xr.Variable, chunk: tuple[int, ...], data_type: str, codecs: tuple[Mapping[str, Any], ...]
) -> dict[str, Any]:
    """Describe an array as zarr.json does."""
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": variable.shape,
        "data_type": data_type,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunk}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": "" if data_type == "string" else _FILL.get(variable.dtype.kind, 0),
        "codecs": [*codecs, CRC32C],
        "attributes": plain(variable.attrs),
        "dimension_names": variable.dims,
        "storage_transformers": [],
    }
