"""Files with values derived from a copy, each decoded once per process and again when it changes.

A file begins with the crc32c of what follows: one flipped bit would be another label or another offset.
"""

from collections.abc import Hashable
from contextlib import nullcontext
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import google_crc32c
import msgspec
import numpy as np

from decnef_data.atomic_files import write_atomic
from decnef_data.file_systems import map_file
from decnef_data.msgspec_support import DECODE_ERRORS, prepare_type

__all__ = ["read", "write"]

_Value = TypeVar("_Value")
#: Before the checksum; no value is encoded to bytes that begin so.
_MAGIC: Final = b"crc32c\n"
_START: Final = len(_MAGIC) + 4


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
        # Each write replaces the file by another inode, even where the clock of the file system is coarse.
        signature = (status.st_ino, status.st_mtime_ns, status.st_size)
        return cast("_Value", _decode(path, signature, cast("Hashable", value_type)))
    except (FileNotFoundError, *DECODE_ERRORS):
        return None


def write(path: Path, value: object) -> None:
    """Write a value to a file, which is replaced atomically."""
    content = msgspec.msgpack.encode(value)
    checksum = int(google_crc32c.value(content)).to_bytes(4, "little")
    write_atomic(path, b"".join((_MAGIC, checksum, content)))
    # The new file may have the inode and, with a coarse clock, the time of one that was replaced before.
    _decode.cache_clear()


@lru_cache(maxsize=3)  # inventory, index and join of one copy: they take megabytes
def _decode(path: Path, _signature: tuple[int, ...], value_type: Hashable) -> object:
    try:
        mapped = map_file(path)
    except ValueError as error:
        raise msgspec.DecodeError("the file is empty") from error
    with nullcontext(path.read_bytes()) if mapped is None else mapped as content:
        if content[: len(_MAGIC)] != _MAGIC or not _has_valid_checksum(content):
            raise msgspec.DecodeError("the file is damaged, or of an earlier version")
        # A map cannot be closed while a view of it exists.
        with memoryview(content)[_START:] as value:
            return msgspec.msgpack.decode(value, type=prepare_type(cast("type[Any]", value_type)))


def _has_valid_checksum(content: "Any") -> bool:
    found = google_crc32c.value(np.frombuffer(content, np.uint8, offset=_START))
    return int(found) == int.from_bytes(content[len(_MAGIC) : _START], "little")
