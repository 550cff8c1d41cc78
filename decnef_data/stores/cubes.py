"""A dataset as a zarr v3 group, and back: coordinates read at once, everything else lazily."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import xarray as xr

from decnef_data.stores.attributes import plain
from decnef_data.stores.chunks import METADATA, Mapper, StoredArray, write

__all__ = ["BLOCK", "read", "write_group", "write_groups"]

BLOCK: Final = 512_000_000
_THREADS: Final = 2
_COORDINATES: Final = "coordinates"  # xarray's name for the attribute that lists them


def write_groups(store: Path, groups: Mapping[str, xr.Dataset], block: int) -> dict[str, tuple[str, ...]]:
    """Write each group below a folder, and give the names of its arrays.

    The small arrays are written on a second thread, while the disk takes the large ones.
    """
    with ThreadPoolExecutor(max_workers=_THREADS) as threads:
        written = [
            threads.submit(write, *array)
            for name, dataset in groups.items()
            for array in _begun(store / name, dataset, block)
        ]
        for array in written:
            array.result()
    return {name: tuple(map(str, dataset.variables)) for name, dataset in groups.items()}


def _begun(folder: Path, dataset: xr.Dataset, block: int) -> Iterator[tuple[Path, xr.Variable, int]]:
    """Begin a group, and give where each of its arrays goes, and in blocks of how many bytes."""
    coordinates = " ".join(str(name) for name in dataset.coords)
    write_group(folder, {**dataset.attrs, **({_COORDINATES: coordinates} if coordinates else {})})
    for name, variable in dataset.variables.items():
        # Coordinates are always read, so they are one chunk whatever their size.
        yield folder / str(name), variable, sys.maxsize if name in dataset.coords else block


def write_group(folder: Path, attrs: Mapping[Any, object]) -> None:
    """Write the metadata of a group, whose folder may be there."""
    folder.mkdir(exist_ok=True)
    metadata = {"zarr_format": 3, "node_type": "group", "attributes": plain(attrs)}
    (folder / METADATA).write_text(json.dumps(metadata, indent=1), encoding="utf-8")


def read(store: Path, group: str, names: Sequence[str], mapper: Mapper) -> xr.Dataset:
    """Read one group: what is a coordinate into memory, everything else lazily."""
    attrs = json.loads((store / group / METADATA).read_bytes())["attributes"]
    coordinates = set(attrs.pop(_COORDINATES, "").split())
    arrays = {name: StoredArray.of(store, f"{group}/{name}") for name in names}
    variables = {
        name: array.loaded() if name in coordinates else array.lazily(mapper)
        for name, array in arrays.items()
    }
    return xr.Dataset(variables, attrs=attrs).set_coords(coordinates)
