"""Files with values derived from a copy, each decoded once per process and again when it changes."""

from collections.abc import Hashable
from contextlib import nullcontext
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar, cast

import msgspec

from decnef_data.atomic_files import write_atomic
from decnef_data.file_systems import map_file
from decnef_data.msgspec_threads import prepare_type

__all__ = ["read", "write"]

_Value = TypeVar("_Value")


def read(path: Path, value_type: type[_Value]) -> _Value | None:
    """Read the value in a file; return ``None`` if there is none, or it is damaged or of another type.

    The same object is returned as long as the file does not change.

    Examples
    --------
    >>> read(Path("nowhere"), dict) is None
    True
    """
    try:
        status = path.stat()
        signature = (status.st_ino, status.st_mtime_ns, status.st_size)
        return cast("_Value", _decode(path, signature, cast("Hashable", value_type)))
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def write(path: Path, value: object) -> None:
    """Write a value to a file, which is replaced atomically."""
    write_atomic(path, msgspec.msgpack.encode(value))
    _decode.cache_clear()


@lru_cache(maxsize=2)  # the inventory and the index of one copy: they take megabytes
def _decode(path: Path, _signature: tuple[int, ...], value_type: Hashable) -> object:
    try:
        mapped = map_file(path)
    except ValueError as error:
        raise msgspec.DecodeError("the file is empty") from error
    with nullcontext(path.read_bytes()) if mapped is None else mapped as content:
        return msgspec.msgpack.decode(content, type=prepare_type(cast("type[Any]", value_type)))
