"""What was made of a copy and lies in a file: decoded once in a process, again only when that changed."""

import mmap
from collections.abc import Hashable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar, cast

import msgspec

from decnef_data.decoding import decodable
from decnef_data.files.private import write_whole

__all__ = ["read", "write"]

_Kind = TypeVar("_Kind")


def read(path: Path, kind: type[_Kind]) -> _Kind | None:
    """Give what a file holds, or ``None`` where there is none, or it is of another version or torn.

    What is given is the same object as long as the file is the same.

    Examples
    --------
    >>> read(Path("nowhere"), dict) is None
    True
    """
    try:
        status = path.stat()
        same = (status.st_ino, status.st_mtime_ns, status.st_size)
        return cast("_Kind", _decoded(path, same, cast("Hashable", kind)))
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def write(path: Path, value: object) -> None:
    """Write a file whole, in place of the one that is there."""
    write_whole(path, msgspec.msgpack.encode(value))
    _decoded.cache_clear()


@lru_cache(maxsize=2)  # the inventory and the index of one copy: they take megabytes
def _decoded(path: Path, _status: tuple[int, ...], kind: Hashable) -> object:
    with path.open("rb") as opened:
        try:
            mapped = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError as error:
            raise msgspec.DecodeError("there is nothing in it") from error
        with mapped:
            return msgspec.msgpack.decode(mapped, type=decodable(cast("type[Any]", kind)))
