"""A dataset as a zarr v3 group, and back: coordinates are read at once, everything else lazily."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import xarray as xr

from decnef_data.stores.zarr_arrays import METADATA, Mapper, StoredArray, to_json_attrs, write_array

__all__ = [
    "MAX_CHUNK_BYTES",
    "group_attrs",
    "group_metadata",
    "read_group",
    "write_group_metadata",
    "write_groups",
]

MAX_CHUNK_BYTES: Final = 512_000_000
_THREADS: Final = 3  # one more than copy to memory at full speed, because some wait for the disk
_COORDINATES: Final = "coordinates"  # xarray's name for the attribute that lists them


def write_groups(
    store: Path, groups: Mapping[str, xr.Dataset], max_chunk_bytes: int
) -> dict[str, tuple[str, ...]]:
    """Write each group below a folder, and return the names of its arrays.

    The largest are written first: the small ones fill the time in which those are written to disk.
    """
    arrays = [
        array
        for name, dataset in groups.items()
        for array in _create_group(store / name, dataset, max_chunk_bytes)
    ]
    arrays.sort(key=lambda array: array[1].nbytes, reverse=True)
    with ThreadPoolExecutor(max_workers=_THREADS) as threads:
        for written in [threads.submit(write_array, *array) for array in arrays]:
            written.result()
    return {name: tuple(map(str, dataset.variables)) for name, dataset in groups.items()}


def _create_group(
    folder: Path, dataset: xr.Dataset, max_chunk_bytes: int
) -> Iterator[tuple[Path, xr.Variable, int]]:
    """Write the metadata of a group, and yield the arguments of `write_array` for each of its arrays."""
    write_group_metadata(folder, group_attrs(dataset))
    for name, variable in dataset.variables.items():
        # Coordinates are always read, so they are one chunk whatever their size.
        yield folder / str(name), variable, sys.maxsize if name in dataset.coords else max_chunk_bytes


def write_group_metadata(folder: Path, attrs: Mapping[Any, object]) -> None:
    """Write the metadata of a group, whose folder may exist."""
    folder.mkdir(exist_ok=True)
    (folder / METADATA).write_text(json.dumps(group_metadata(attrs)), encoding="utf-8")


def group_attrs(dataset: xr.Dataset) -> dict[Any, Any]:
    """Return the attributes of a dataset, and the one by which xarray knows its coordinates."""
    coordinates = " ".join(str(name) for name in dataset.coords)
    return {**dataset.attrs, **({_COORDINATES: coordinates} if coordinates else {})}


def group_metadata(attrs: Mapping[Any, object]) -> dict[str, Any]:
    """Build the content of a group's zarr.json."""
    return {"zarr_format": 3, "node_type": "group", "attributes": to_json_attrs(attrs)}


def read_group(store: Path, group: str, names: Sequence[str], mapper: Mapper) -> xr.Dataset:
    """Read one group: coordinates into memory, everything else lazily."""
    attrs = json.loads((store / group / METADATA).read_bytes())["attributes"]
    coordinates = set(attrs.pop(_COORDINATES, "").split())
    arrays = {name: StoredArray.from_store(store, f"{group}/{name}") for name in names}
    variables = {
        name: array.load() if name in coordinates else array.to_lazy_variable(mapper)
        for name, array in arrays.items()
    }
    return xr.Dataset(variables, attrs=attrs).set_coords(coordinates)
