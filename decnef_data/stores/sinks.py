"""The destination of a portable store's files: a folder, or a URL of fsspec."""

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from decnef_data.errors import SelectionError

__all__ = ["FolderSink", "FsspecSink", "Sink", "parse_folder", "redact_destination"]


class Sink(Protocol):
    """A destination that files are written to by name; its pickle holds only its path or URL."""

    def put(self, path: str, *parts: bytes | memoryview) -> None:
        """Write a file from these parts, concatenated."""

    def paths(self) -> set[str]:
        """Return the paths of all files that are there."""


@dataclass(frozen=True, slots=True)
class FolderSink:
    """A folder on this machine, or on a disk that a cluster shares."""

    root: Path

    def put(self, path: str, *parts: bytes | memoryview) -> None:
        """Write a file from these parts, concatenated."""
        target = self.root / path
        if not self.root.is_dir():  # the copy was aborted: a late worker must not create it again
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self.root))
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except UnicodeEncodeError as error:
            message = (
                f"The encoding of this locale ({error.encoding}) has no form for the name '{path}', by which "
                "other readers find the array. Export again with the environment variable PYTHONUTF8=1."
            )
            raise SelectionError(message, requested=path) from error
        with target.open("wb") as file:
            file.writelines(parts)

    def paths(self) -> set[str]:
        """Return the paths of all files that are there."""
        return set(self._iter_paths())

    def _iter_paths(self) -> Iterator[str]:
        for folder, _, names in os.walk(self.root):
            yield from (Path(folder, name).relative_to(self.root).as_posix() for name in names)


@dataclass(frozen=True, slots=True)
class FsspecSink:
    """A URL of fsspec, such as ``s3://bucket/selection.zarr``."""

    url: str = field(repr=False)

    def put(self, path: str, *parts: bytes | memoryview) -> None:
        """Write a file from these parts, concatenated."""
        system, root = self._open_filesystem()
        system.pipe_file(f"{root}/{path}", b"".join(parts))

    def paths(self) -> set[str]:
        """Return the paths of all files that are there."""
        system, root = self._open_filesystem()
        system.invalidate_cache()  # other processes may have written there
        found = system.find(root) if system.exists(root) else []
        return {path.partition(f"{root.strip('/')}/")[2] for path in found}

    def _open_filesystem(self) -> tuple[Any, str]:
        try:
            from fsspec.core import url_to_fs
        except ImportError as error:
            name = redact_destination(self.url)
            message = f"Writing to the URL '{name}' requires fsspec. Install it with `pip install fsspec`."
            raise SelectionError(message, requested=name) from error
        system, root = url_to_fs(self.url)
        return system, str(root).rstrip("/")


def parse_folder(destination: str) -> Path | None:
    """Return the folder of a destination, or ``None`` for a URL that is not a local file.

    Examples
    --------
    >>> parse_folder("file:///data/my%20own.zarr"), parse_folder("own.zarr")
    (PosixPath('/data/my own.zarr'), PosixPath('own.zarr'))
    >>> parse_folder("s3://bucket/own.zarr") is None
    True
    """
    if destination.lower().startswith("file:"):
        return Path(unquote(urlsplit(destination).path))
    return None if "://" in destination else Path(destination).expanduser()


def redact_destination(destination: str) -> str:
    """Return a destination as it may be shown: without credentials and without a query.

    Examples
    --------
    >>> redact_destination("sftp://me:secret@host/own.zarr?token=secret"), redact_destination("own.zarr")
    ('sftp://host/own.zarr', 'own.zarr')
    """
    if "://" not in destination:
        return destination
    scheme, _, rest = destination.partition("?")[0].partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"
