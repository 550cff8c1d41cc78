"""Write one array as the files that zarr v3 specifies: metadata, and chunks that end in their crc32c.

The codecs are ``[bytes, crc32c]``, for text ``[vlen-utf8, crc32c]``, and there is almost always one chunk:
the raw little-endian buffer and four bytes.  Any zarr reader opens it.  Here it is written directly: zarr
takes some 7 ms to write an array of a thousand texts, and a cube has thirty.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import xarray as xr
from numcodecs.vlen import VLenUTF8  # type: ignore[import-untyped, unused-ignore]  # only newer ones have types
from numpy.typing import NDArray

from decnef_data.file_systems import sync_file
from decnef_data.stores.stored_files import METADATA, chunk_name, crc32c_bytes, read_only_view

__all__ = [
    "CRC32C",
    "TEXT",
    "encode_values",
    "to_json_attrs",
    "to_storable",
    "write_array",
]

TEXT: Final = "string"
_LITTLE_ENDIAN: Final = {"name": "bytes", "configuration": {"endian": "little"}}
_VLEN_UTF8: Final = {"name": "vlen-utf8"}
CRC32C: Final = {"name": "crc32c"}
_SYNC_SIZE: Final = 1 << 20
#: What readers without a manifest see of a missing chunk: not a number that could be measured.
_FILL: Final[Mapping[str, Any]] = {"f": "NaN", "b": False}


def to_json_attrs(attrs: Mapping[Any, object]) -> dict[str, Any]:
    """Convert NumPy scalars and arrays to numbers and lists; raise `TypeError` for what JSON cannot hold."""
    # By way of JSON: attributes are in the store as they will be read, with lists for tuples.
    return {str(name): json.loads(json.dumps(value, default=_to_json_value)) for name, value in attrs.items()}


def _to_json_value(value: object) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(
        f"The attribute value {value!r} cannot be written as JSON. Convert it to text or numbers."
    )


def write_array(folder: Path, variable: xr.Variable, max_chunk_bytes: int) -> None:
    """Write an array; above `max_chunk_bytes` bytes in chunks of complete rows, each below it."""
    values = to_storable(variable)
    chunk = _chunk_shape(values, max_chunk_bytes)
    folder.mkdir()
    (folder / METADATA).write_text(json.dumps(_metadata(variable, values.dtype, chunk)), encoding="utf-8")
    for number, part in enumerate(_split_chunks(values, chunk)):
        _write_chunk(folder / chunk_name(values.ndim, number), encode_values(part))


def _metadata(variable: xr.Variable, dtype: np.dtype[Any], chunk: tuple[int, ...]) -> dict[str, Any]:
    """Build the content of an array's zarr.json; `dtype` is that of what is stored."""
    is_text = dtype.kind == "U"
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": variable.shape,
        "data_type": TEXT if is_text else dtype.name,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunk}},
        # Keys with dots are file names: creating and syncing folders takes as long as writing a small array.
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "."}},
        "fill_value": "" if is_text else _FILL.get(variable.dtype.kind, 0),
        "codecs": [_VLEN_UTF8 if is_text else _LITTLE_ENDIAN, CRC32C],
        "attributes": to_json_attrs(variable.attrs),
        "dimension_names": variable.dims,
        "storage_transformers": [],
    }


def to_storable(variable: xr.Variable) -> NDArray[Any]:
    """Convert the values to what a store holds: little-endian numbers, or text."""
    values = variable.to_numpy()
    if values.dtype.kind == "T":
        values = values.astype(object)  # NumPy does not convert text of any length to text of one
    is_object = values.dtype.kind == "O"
    if values.dtype.kind == "U" or (is_object and all(isinstance(value, str) for value in values.flat)):
        return values.astype(str)
    if values.dtype.kind not in "biuf":
        raise TypeError(
            f"A store can contain only numbers and text, but the {values.dtype} array has other values."
        )
    # ascontiguousarray makes one dimension of none.
    return np.ascontiguousarray(values, values.dtype.newbyteorder("<")).reshape(values.shape)


def _chunk_shape(values: NDArray[Any], max_chunk_bytes: int) -> tuple[int, ...]:
    full_shape = tuple(max(1, length) for length in values.shape)
    if values.nbytes <= max_chunk_bytes or values.dtype.kind == "U":
        return full_shape
    return (max(1, (max_chunk_bytes - 1) * full_shape[0] // values.nbytes), *full_shape[1:])


def _split_chunks(values: NDArray[Any], chunk: tuple[int, ...]) -> Iterator[NDArray[Any]]:
    """Split an array into chunks; the last one is padded, as the format requires."""
    if values.size and values.shape in {(), chunk}:
        yield values
    elif values.size:
        for start in range(0, len(values), chunk[0]):
            part = values[start : start + chunk[0]]
            padded = np.full(chunk, np.nan if part.dtype.kind == "f" else 0, part.dtype)
            padded[: len(part)] = part
            yield padded


def _write_chunk(path: Path, content: bytes | NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(content if isinstance(content, bytes) else content.data)
        file.write(crc32c_bytes(content))
        if len(content) > _SYNC_SIZE:  # the disk writes it while the other arrays are encoded
            sync_file(file)


def encode_values(values: NDArray[Any]) -> bytes | NDArray[np.uint8]:
    """Encode values as bytes, uncompressed."""
    if values.dtype.kind == "U":
        return bytes(VLenUTF8().encode(values.reshape(-1).astype(object)))
    return read_only_view(values.reshape(-1).view(np.uint8))
