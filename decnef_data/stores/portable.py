"""Groups copied as one zarr for any reader, chunked for their use and in bounded memory.

Metadata and chunks are written straight, as the other stores are: the same bytes by threads, by a cluster,
in a folder and at an address.  The root's metadata come last, so that nothing opens before all is there.
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
from decnef_data.stores.attributes import plain
from decnef_data.stores.chunks import METADATA, encoded, storable
from decnef_data.stores.codecs import blosc, packed, seal
from decnef_data.stores.pieces import ENDIAN, Portable, Runner, metadata
from decnef_data.stores.sinks import Address, Folder, Sink, folder_of, shown

__all__ = ["Chunks", "write"]

Chunks = Literal["time", "volumes"]
_SPACE: Final = ("z", "y", "x")
_VOLUMES: Final = 20
#: A chunk of series, and one of rows: small enough to read for one voxel, large enough to travel.
_SERIES: Final = 1 << 20
_ROWS: Final = 1 << 23
#: zarr has no numbers that take more bytes.
_LARGEST: Final = {"f": 8, "c": 16}


def write(
    groups: Mapping[str, xr.Dataset], destination: str, chunks: Chunks, run: Runner, progress: Progress
) -> None:
    """Copy groups to a folder, where they appear whole or not at all, or to an address of fsspec.

    Parameters
    ----------
    groups
        By path, ``""`` being the root, which must be among them.
    destination
        A folder that is not there yet, or an address with nothing below it.
    chunks
        What images are chunked for.
    run
        What copies the regions of an array.
    progress
        Who is told.

    Raises
    ------
    FileExistsError
        There is something already.
    SelectionError
        Something is neither numbers nor text, or an address needs a package that is not there.
    IntegrityError
        Not every chunk arrived.
    """
    _require_storable(groups)
    folder = folder_of(destination)
    if folder is None:
        address = Address(destination)
        _require_nothing(bool(address.paths()), destination)
        _write(address, groups, chunks, _Telling(run, progress, shown(destination)))
        return
    place = folder.absolute()
    _require_nothing(place.exists(), destination)
    with staging.staged(place.parent) as stage, staging.naming(stage):
        _write(Folder(stage), groups, chunks, _Telling(run, progress, shown(destination)))
        _require_nothing(not staging.moved(stage, place), destination)


def _require_storable(groups: Mapping[str, xr.Dataset]) -> None:
    variables = (item for dataset in groups.values() for item in dataset.variables.items())
    for name, variable in variables:
        dtype = variable.dtype
        if dtype.kind not in "biufcUTO" or dtype.itemsize > _LARGEST.get(dtype.kind, dtype.itemsize):
            raise _no_form(str(name), dtype)


def _no_form(name: str, dtype: np.dtype[Any]) -> SelectionError:
    message = (
        f"'{name}' holds values of the type {dtype}, and a portable zarr holds numbers and text. "
        "Leave it out with drop_vars, or turn it into one of these."
    )
    return SelectionError(message, asked=name)


def _require_nothing(found: bool, destination: str) -> None:
    if found:
        raise FileExistsError(
            errno.EEXIST, "Something is there; name another place, or remove it", shown(destination)
        )


@dataclass(frozen=True, slots=True)
class _Telling:
    """Runs, and tells how far all arrays together are."""

    run: Runner
    progress: Progress
    what: str

    def all(self, arrays: Sequence[Portable]) -> None:
        self.progress.start(self.what, sum(array.variable.nbytes for array in arrays), 0)
        try:
            for array in arrays:
                self.run(array, list(array.regions()), self.progress.advance)
        finally:
            self.progress.finish()


def _write(sink: Sink, groups: Mapping[str, xr.Dataset], chunks: Chunks, telling: _Telling) -> None:
    nodes: dict[str, dict[str, Any]] = {}
    arrays: list[Portable] = []
    for path, dataset in groups.items():
        nodes[path] = _group(dataset)
        for name, variable in dataset.variables.items():
            place = f"{path}/{name}".lstrip("/")
            if name in dataset.coords or _is_text(variable):
                nodes[place] = _write_whole(sink, place, variable)
            else:
                arrays.append(Portable(sink, place, variable, _chunk(variable, chunks)))
    nodes |= {array.path: array.metadata() for array in arrays}
    telling.all(arrays)
    _require_all(sink, arrays)
    for path in sorted(nodes, reverse=True):  # the root is the last
        node = nodes[path] if path else _consolidated(nodes)
        sink.put(f"{path}/{METADATA}".lstrip("/"), json.dumps(node, indent=1).encode())


def _write_whole(sink: Sink, path: str, variable: xr.Variable) -> dict[str, Any]:
    """Write what is always read whole, as coordinates are, as one chunk."""
    try:
        values = storable(variable)
    except TypeError as error:
        raise _no_form(path.rpartition("/")[2], variable.dtype) from error
    chunk = tuple(max(1, length) for length in values.shape)
    is_text = values.dtype.kind == "U"
    if values.size:
        content = np.frombuffer(encoded(values), np.uint8) if is_text else packed(values)
        sink.put("/".join((path, "c", *("0" for _ in chunk))), content.data, seal(content))
    codecs = ({"name": "vlen-utf8"},) if is_text else (ENDIAN, blosc(values.dtype.itemsize))
    return metadata(variable, chunk, "string" if is_text else values.dtype.name, codecs)


def _is_text(variable: xr.Variable) -> bool:
    return variable.dtype.kind in "UTO"


def _group(dataset: xr.Dataset) -> dict[str, Any]:
    coordinates = " ".join(str(name) for name in dataset.coords)
    attrs = {**dataset.attrs, **({"coordinates": coordinates} if coordinates else {})}
    return {"zarr_format": 3, "node_type": "group", "attributes": plain(attrs)}


def _consolidated(nodes: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Repeat all metadata at the root, so that opening asks for one file; readers may pass it by."""
    below = {path: nodes[path] for path in sorted(nodes) if path}  # zarr wants those of a group together
    inline = {"kind": "inline", "must_understand": False, "metadata": below}
    return {**nodes[""], "consolidated_metadata": inline}


def _chunk(variable: xr.Variable, chunks: Chunks) -> tuple[int, ...]:
    lengths = {str(dim): max(1, length) for dim, length in variable.sizes.items()}
    if not set(_SPACE) <= set(lengths):
        return _rows(variable, lengths)
    held = {dim: length for dim, length in lengths.items() if dim in {*_SPACE, "time"}}
    if "time" in held and chunks == "volumes":
        held["time"] = min(_VOLUMES, held["time"])
    while "time" in held and chunks == "time" and _nbytes(variable, held) > _SERIES:
        longest = max(_SPACE, key=held.__getitem__)
        held[longest] = -(-held[longest] // 2)
    return tuple(held.get(dim, 1) for dim in lengths)


def _rows(variable: xr.Variable, lengths: Mapping[str, int]) -> tuple[int, ...]:
    first, *others = lengths.items() if lengths else [("", 1)]
    row = _nbytes(variable, dict(others))
    return (max(1, min(first[1], _ROWS // row)), *(length for _, length in others))[: variable.ndim]


def _nbytes(variable: xr.Variable, lengths: Mapping[str, int]) -> int:
    return math.prod(lengths.values()) * int(variable.dtype.itemsize)


def _require_all(sink: Sink, arrays: Sequence[Portable]) -> None:
    there = sink.paths()
    expected = {chunk for array in arrays for chunk in array.chunks()}
    absent = sorted(expected - there)
    if absent:
        raise IntegrityError(
            f"{len(absent)} of {len(expected)} chunks did not arrive, the first being '{absent[0]}'. "
            "Write to a place that every worker of the cluster sees.",
            file=absent[0],
        )
