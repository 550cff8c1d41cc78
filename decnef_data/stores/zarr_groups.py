"""Write a dataset as a zarr v3 group.

Names of columns come from tables, in any script and of any length, and folders have to be created in any
locale: a name that is not plain ASCII is an attribute, and its folder has another name.
"""

import hashlib
import json
import re
import sys
import unicodedata
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import xarray as xr

from decnef_data.stores.stored_files import METADATA
from decnef_data.stores.zarr_arrays import to_json_attrs, write_array

__all__ = [
    "COORDINATES",
    "MAX_CHUNK_BYTES",
    "NAME",
    "stored_name",
    "write_group_metadata",
    "write_groups",
]

MAX_CHUNK_BYTES: Final = 512_000_000
_THREADS: Final = 3  # one more than copy to memory at full speed, because some wait for the disk
COORDINATES: Final = "coordinates"  # xarray's name for the attribute that lists them
#: The attribute with the name of an array or a group that is stored under another one.
NAME: Final = "decnef_name"
#: Names in lower case only: some file systems do not distinguish case.
_PLAIN_NAME: Final = re.compile(r"[a-z0-9_]{1,80}")
_READABLE_LENGTH: Final = 40
_DIGEST_LENGTH: Final = 16


def stored_name(name: str) -> str:
    """Return the name under which an array or a group is stored: ASCII, and different for each name.

    Examples
    --------
    >>> stored_name("mean_fd"), stored_name("osakau_VAS 年齢")
    ('mean_fd', 'osakau_vas-9523749ffaadab16')
    """
    if _PLAIN_NAME.fullmatch(name):
        return name
    ascii_text = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    readable = "_".join(re.findall(r"[a-z0-9]+", ascii_text))[:_READABLE_LENGTH]
    return f"{readable}-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:_DIGEST_LENGTH]}"


def _name_attrs(name: str) -> dict[str, str]:
    return {} if stored_name(name) == name else {NAME: name}


def write_groups(
    store: Path, groups: Mapping[str, xr.Dataset], max_chunk_bytes: int
) -> dict[str, tuple[str, ...]]:
    """Write each group below a folder, and return the stored names of its arrays.

    The largest are written first: the small ones fill the time in which those are written to disk.
    """
    arrays = [
        array
        for name, dataset in groups.items()
        for array in _create_group(store, name, dataset, max_chunk_bytes)
    ]
    arrays.sort(key=lambda array: array[1].nbytes, reverse=True)
    # The largest first: at the end no thread waits for one that began a large array last.
    with ThreadPoolExecutor(max_workers=_THREADS) as threads:
        for written in [threads.submit(write_array, *array) for array in arrays]:
            written.result()
    return {
        name: tuple(stored_name(str(array)) for array in dataset.variables)
        for name, dataset in groups.items()
    }


def _create_group(
    store: Path, group: str, dataset: xr.Dataset, max_chunk_bytes: int
) -> Iterator[tuple[Path, xr.Variable, int]]:
    """Write the metadata of a group, and yield the arguments of `write_array` for each of its arrays."""
    folder = store / stored_name(group)
    coordinates = [stored_name(str(name)) for name in dataset.coords]
    listed = {COORDINATES: " ".join(coordinates)} if coordinates else {}
    write_group_metadata(folder, {**dataset.attrs, **listed, **_name_attrs(group)})
    for name, variable in dataset.variables.items():
        named = variable.copy(deep=False)
        named.attrs.update(_name_attrs(str(name)))
        # Coordinates are always read, so they are one chunk whatever their size.
        chunk_bytes = sys.maxsize if name in dataset.coords else max_chunk_bytes
        yield folder / stored_name(str(name)), named, chunk_bytes


def write_group_metadata(folder: Path, attrs: Mapping[Any, object]) -> None:
    """Write the metadata of a group, whose folder may exist."""
    folder.mkdir(exist_ok=True)
    metadata = {"zarr_format": 3, "node_type": "group", "attributes": to_json_attrs(attrs)}
    (folder / METADATA).write_text(json.dumps(metadata), encoding="utf-8")
