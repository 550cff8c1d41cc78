"""Groups copied to one portable Zarr store, chunked for their use and in bounded memory.

Metadata and chunks are written directly, as in the other stores: the same bytes by threads or by a cluster,
in a folder or at a URL.  The root's metadata come last, so that an incomplete store does not open.
"""

import errno
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import xarray as xr

from decnef_data.errors import IntegrityError, SelectionError
from decnef_data.model import Progress
from decnef_data.stores import staging
from decnef_data.stores.compressed_blocks import blosc_metadata, compress
from decnef_data.stores.portable_arrays import PortableArray, RegionRunner
from decnef_data.stores.sinks import FolderSink, FsspecSink, Sink, parse_folder, redact_destination
from decnef_data.stores.stored_files import METADATA, crc32c_bytes
from decnef_data.stores.zarr_arrays import (
    LITTLE_ENDIAN,
    TEXT,
    VLEN_UTF8,
    array_metadata,
    encode_values,
    to_storable,
)
from decnef_data.stores.zarr_groups import group_attrs, group_metadata

__all__ = ["Chunks", "write_portable_store"]

Chunks = Literal["time", "volumes"]
_SPACE: Final = ("z", "y", "x")
_VOLUMES: Final = 20
#: A chunk of time series, and one of rows: small enough to read for one voxel, large enough to transfer.
_SERIES_CHUNK_BYTES: Final = 1 << 20
_ROWS_CHUNK_BYTES: Final = 1 << 23
#: zarr has no larger numbers.
_MAX_ITEMSIZES: Final = {"f": 8, "c": 16}


def write_portable_store(
    groups: Mapping[str, xr.Dataset], destination: str, chunks: Chunks, run: RegionRunner, progress: Progress
) -> None:
    """Copy groups to a folder, where they appear complete or not at all, or to a URL of fsspec.

    Parameters
    ----------
    groups
        The datasets by path; ``""`` is the root, which is required.
    destination
        A folder that does not exist yet, or a URL with nothing below it.
    chunks
        The access that images are chunked for.
    run
        Copies the regions of an array.
    progress
        Receives the bytes copied.

    Raises
    ------
    FileExistsError
        The destination exists.
    SelectionError
        A variable is neither numbers nor text, or a URL needs a package that is not installed.
    IntegrityError
        A chunk was not written.
    """
    _require_storable(groups)
    runner = _ProgressRunner(run, progress, redact_destination(destination))
    folder = parse_folder(destination)
    if folder is None:
        sink = FsspecSink(destination)
        _require_absent(bool(sink.paths()), destination)
        _write_store(sink, groups, chunks, runner)
        return
    target = folder.absolute()
    _require_absent(target.exists(), destination)
    with staging.staging_folder_with_cleanup(target.parent) as stage, staging.add_path_to_errors(stage):
        _write_store(FolderSink(stage), groups, chunks, runner)
        _require_absent(not staging.move_into_place(stage, target), destination)


def _require_storable(groups: Mapping[str, xr.Dataset]) -> None:
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


def _require_absent(exists: bool, destination: str) -> None:
    if exists:
        raise FileExistsError(
            errno.EEXIST,
            "The destination exists; choose another one, or remove it",
            redact_destination(destination),
        )


@dataclass(frozen=True, slots=True)
class _ProgressRunner:
    """Runs the copies of all arrays, and reports their common progress."""

    run: RegionRunner
    progress: Progress
    what: str

    def run_all(self, arrays: Sequence[PortableArray]) -> None:
        self.progress.start(self.what, sum(array.variable.nbytes for array in arrays), 0)
        try:
            for array in arrays:
                self.run(array, list(array.regions()), self.progress.advance)
        finally:
            self.progress.finish()


def _write_store(
    sink: Sink, groups: Mapping[str, xr.Dataset], chunks: Chunks, runner: _ProgressRunner
) -> None:
    nodes: dict[str, dict[str, Any]] = {}
    arrays: list[PortableArray] = []
    for path, dataset in groups.items():
        nodes[path] = group_metadata(group_attrs(dataset))
        for name, variable in dataset.variables.items():
            array_path = f"{path}/{name}".lstrip("/")
            if name in dataset.coords or _is_text(variable):
                nodes[array_path] = _write_single_chunk(sink, array_path, variable)
            else:
                arrays.append(PortableArray(sink, array_path, variable, _chunk_shape(variable, chunks)))
    nodes |= {array.path: array.array_metadata() for array in arrays}
    runner.run_all(arrays)
    _require_all_chunks(sink, arrays)
    for path in sorted(nodes, reverse=True):  # the root comes last
        node = nodes[path] if path else _consolidated_metadata(nodes)
        sink.put(f"{path}/{METADATA}".lstrip("/"), json.dumps(node, indent=1).encode())


def _write_single_chunk(sink: Sink, path: str, variable: xr.Variable) -> dict[str, Any]:
    """Write an array that is always read completely, as coordinates are, as one chunk."""
    try:
        values = to_storable(variable)
    except TypeError as error:
        raise _unsupported_dtype_error(path.rpartition("/")[2], variable.dtype) from error
    chunk = tuple(max(1, length) for length in values.shape)
    is_text = values.dtype.kind == "U"
    if values.size:
        content = np.frombuffer(encode_values(values), np.uint8) if is_text else compress(values)
        sink.put("/".join((path, "c", *("0" for _ in chunk))), content.data, crc32c_bytes(content))
    codecs = (VLEN_UTF8,) if is_text else (LITTLE_ENDIAN, blosc_metadata(values.dtype.itemsize))
    return array_metadata(variable, chunk, TEXT if is_text else values.dtype.name, codecs)


def _is_text(variable: xr.Variable) -> bool:
    return variable.dtype.kind in {"U", "T", "O"}


def _consolidated_metadata(nodes: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Repeat all metadata at the root, so that opening reads one file; readers may ignore it."""
    below = {path: nodes[path] for path in sorted(nodes) if path}  # zarr requires those of a group together
    inline = {"kind": "inline", "must_understand": False, "metadata": below}
    return {**nodes[""], "consolidated_metadata": inline}


def _chunk_shape(variable: xr.Variable, chunks: Chunks) -> tuple[int, ...]:
    lengths = {str(dim): max(1, length) for dim, length in variable.sizes.items()}
    if not set(_SPACE) <= set(lengths):
        return _row_chunk_shape(variable, lengths)
    chunk = {dim: length for dim, length in lengths.items() if dim in {*_SPACE, "time"}}
    if "time" in chunk and chunks == "volumes":
        chunk["time"] = min(_VOLUMES, chunk["time"])
    while "time" in chunk and chunks == "time" and _nbytes(variable, chunk) > _SERIES_CHUNK_BYTES:
        longest = max(_SPACE, key=chunk.__getitem__)
        chunk[longest] = -(-chunk[longest] // 2)
    return tuple(chunk.get(dim, 1) for dim in lengths)


def _row_chunk_shape(variable: xr.Variable, lengths: Mapping[str, int]) -> tuple[int, ...]:
    first, *others = lengths.items() if lengths else [("", 1)]
    row = _nbytes(variable, dict(others))
    return (max(1, min(first[1], _ROWS_CHUNK_BYTES // row)), *(length for _, length in others))[
        : variable.ndim
    ]


def _nbytes(variable: xr.Variable, lengths: Mapping[str, int]) -> int:
    return math.prod(lengths.values()) * int(variable.dtype.itemsize)


def _require_all_chunks(sink: Sink, arrays: Sequence[PortableArray]) -> None:
    present = sink.paths()
    expected = {chunk for array in arrays for chunk in array.chunk_paths()}
    absent = sorted(expected - present)
    if absent:
        raise IntegrityError(
            f"{len(absent)} of {len(expected)} chunks were not written, starting with '{absent[0]}'. "
            "Choose a destination that every worker of the cluster can access.",
            file=absent[0],
        )
