"""Where the files of a portable store go: a folder, or whatever fsspec has an address for."""

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from decnef_data.errors import SelectionError

__all__ = ["Address", "Folder", "Sink", "folder_of", "shown"]


class Sink(Protocol):
    """What takes files by name; it crosses to another process as a name."""

    def put(self, path: str, *parts: bytes | memoryview) -> None:
        """Write a file of these parts, one after another."""

    def paths(self) -> set[str]:
        """Give the names of all files that are there."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder on this machine, or on a disk that the machines of a cluster share."""

    root: Path

    def put(self, path: str, *parts: bytes | memoryview) -> None:
        """Write a file of these parts, one after another."""
        place = self.root / path
        if not self.root.is_dir():  # it was given up: a worker that is late must not make it again
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self.root))
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("wb") as file:
            file.writelines(parts)

    def paths(self) -> set[str]:
        """Give the names of all files that are there."""
        return set(self._walk())

    def _walk(self) -> Iterator[str]:
        for folder, _, names in os.walk(self.root):
            yield from (Path(folder, name).relative_to(self.root).as_posix() for name in names)


@dataclass(frozen=True, slots=True)
class Address:
    """An address of fsspec, such as ``s3://bucket/selection.zarr``."""

    url: str = field(repr=False)

    def put(self, path: str, *parts: bytes | memoryview) -> None:
        """Write a file of these parts, one after another."""
        system, root = self._opened()
        system.pipe_file(f"{root}/{path}", b"".join(parts))

    def paths(self) -> set[str]:
        """Give the names of all files that are there."""
        system, root = self._opened()
        system.invalidate_cache()  # other processes may have written there
        found = system.find(root) if system.exists(root) else []
        return {path.partition(f"{root.strip('/')}/")[2] for path in found}

    def _opened(self) -> tuple[Any, str]:
        try:
            from fsspec.core import url_to_fs
        except ImportError as error:
            name = shown(self.url)
            message = f"'{name}' is an address, which needs fsspec. Install it with: pip install fsspec."
            raise SelectionError(message, asked=name) from error
        system, root = url_to_fs(self.url)
        return system, str(root).rstrip("/")


def folder_of(destination: str) -> Path | None:
    """Give the folder that a destination names, or ``None`` where it is an address.

    Examples
    --------
    >>> folder_of("file:///data/my%20own.zarr"), folder_of("s3://bucket/own.zarr"), folder_of("own.zarr")
    (PosixPath('/data/my own.zarr'), None, PosixPath('own.zarr'))
    """
    if destination.lower().startswith("file:"):
        return Path(unquote(urlsplit(destination).path))
    return None if "://" in destination else Path(destination).expanduser()


def shown(destination: str) -> str:
    """Give a destination as it may be shown: without a password and without a query.

    Examples
    --------
    >>> shown("sftp://me:secret@host/own.zarr?token=secret"), shown("own.zarr")
    ('sftp://host/own.zarr', 'own.zarr')
    """
    if "://" not in destination:
        return destination
    scheme, _, rest = destination.partition("?")[0].partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"
