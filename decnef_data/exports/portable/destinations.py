"""Where a portable store is written to: a folder, a zip file, a URL of fsspec, or a store of Zarr.

A folder and a zip file appear complete or not at all, and are private; elsewhere nothing can be renamed.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from zarr.abc.store import Store
from zarr.core.buffer import Buffer
from zarr.core.sync import sync
from zarr.storage import FsspecStore, LocalStore, MemoryStore, StorePath, ZipStore

from decnef_data.errors import SelectionError
from decnef_data.file_systems import keep_private, sync_file, sync_folder
from decnef_data.stores import staging

__all__ = ["Destination", "StagedFolder", "parse_destination", "redact_destination"]


class Destination(Protocol):
    """A place that a store is written to once."""

    @property
    def name(self) -> str:
        """The destination as it may be shown."""

    @property
    def location(self) -> str | None:
        """The path or address to check and to log; ``None`` is the memory of this process."""

    @property
    def is_shared(self) -> bool:
        """Whether other processes can write there, too."""

    def open(self) -> AbstractContextManager[Store]:
        """Open an empty store; what is written to it is published at the end of the context."""


def parse_destination(dest: str | os.PathLike[str] | Store) -> Destination:
    """Return the destination that a path, a URL or a store of Zarr stands for.

    Examples
    --------
    >>> parse_destination("file:///data/my%20own.zarr").location, parse_destination("/own.zip").location
    ('/data/my own.zarr', '/own.zip')
    >>> parse_destination("s3://bucket/own.zarr?sig=secret").location
    's3://bucket/own.zarr'
    """
    if isinstance(dest, LocalStore) and not dest.read_only:
        return _Folder(str(dest.root), dest.root)
    if isinstance(dest, Store):
        return _OpenedStore(dest)
    text = os.fspath(dest)
    folder = _parse_path(text)
    if folder is None:
        return _RemoteStore(text)
    return _ZipFile(text, folder) if folder.suffix.lower() == ".zip" else _Folder(text, folder)


def _parse_path(destination: str) -> Path | None:
    """Return the path of a destination, or ``None`` for a URL that is not a local file."""
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


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder on this machine, or on a disk that a cluster shares."""

    name: str
    path: Path
    is_shared: bool = True

    @property
    def location(self) -> str:
        return str(self.path.absolute())

    @contextmanager
    def open(self) -> Iterator[Store]:
        target = self.path.absolute()
        _require_absent(target.exists(), self.name)
        with staging.staging_folder_with_cleanup(target.parent) as stage, staging.add_path_to_errors(stage):
            yield StagedFolder(stage)
            _require_absent(not staging.move_into_place(stage, target), self.name)


class StagedFolder(LocalStore):
    """A staged folder, which a worker that is late does not create again after it was removed."""

    async def set(self, key: str, value: Buffer) -> None:
        """Write a file."""
        if not self.root.is_dir():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self.root))
        try:
            await super().set(key, value)
        except UnicodeEncodeError as error:
            message = (
                f"The encoding of this locale ({error.encoding}) has no form for the name '{key}', by which "
                "other readers find the array. Export again with the environment variable PYTHONUTF8=1."
            )
            raise SelectionError(message, requested=key) from error


@dataclass(frozen=True, slots=True)
class _ZipFile:
    """A zip file on this machine."""

    name: str
    path: Path
    is_shared: bool = False

    @property
    def location(self) -> str:
        return str(self.path.absolute())

    @contextmanager
    def open(self) -> Iterator[Store]:
        target = self.path.absolute()
        _require_absent(target.exists(), self.name)
        with staging.staging_folder_with_cleanup(target.parent) as stage, staging.add_path_to_errors(stage):
            store = ZipStore(stage / target.name, mode="w")
            try:
                yield _open_empty(store, self.name)
            finally:
                store.close()
            _require_absent(not _move_file(store.path, target), self.name)


def _move_file(source: Path, target: Path) -> bool:
    """Move a finished file into place, durably; return false if something is there."""
    with source.open("r+b") as file:
        keep_private(file.fileno(), 0o600, target.parent)
        sync_file(file)
    try:
        target.hardlink_to(source)  # unlike a rename, a link replaces nothing
    except FileExistsError:
        return False
    except OSError:  # the file system has no hard links
        if target.exists():
            return False
        source.rename(target)
    sync_folder(target.parent)
    return True


@dataclass(frozen=True, slots=True)
class _RemoteStore:
    """A URL of fsspec, such as ``s3://bucket/selection.zarr``."""

    url: str = field(repr=False)
    is_shared: bool = True

    @property
    def name(self) -> str:
        return redact_destination(self.url)

    @property
    def location(self) -> str:
        return self.name

    @contextmanager
    def open(self) -> Iterator[Store]:
        try:
            import fsspec.core  # noqa: F401 - the package is optional
        except ImportError as error:
            message = (
                f"Writing to the URL '{self.name}' requires fsspec. Install it with `pip install fsspec`."
            )
            raise SelectionError(message, requested=self.name) from error
        try:
            store = FsspecStore.from_url(self.url)
        except ImportError as error:  # the package for the protocol, or a version of fsspec that can do this
            message = f"Writing to the URL '{self.name}' requires another package: {error}"
            raise SelectionError(message, requested=self.name) from error
        yield _open_empty(store, self.name)


@dataclass(frozen=True, slots=True)
class _OpenedStore:
    """A store of Zarr, which its owner closes."""

    store: Store

    @property
    def name(self) -> str:
        return self.location or type(self.store).__name__

    @property
    def location(self) -> str | None:
        match self.store:
            case MemoryStore():
                return None
            case LocalStore(root=path) | ZipStore(path=path):
                return str(path.absolute())
            case FsspecStore(fs=system, path=path):
                url = str(system.unstrip_protocol(path))
                local = _parse_path(url)
                return redact_destination(url) if local is None else str(local)
        return f"zarr://{type(self.store).__name__}"  # its text may have credentials

    @property
    def is_shared(self) -> bool:
        return not isinstance(self.store, ZipStore)

    @contextmanager
    def open(self) -> Iterator[Store]:
        if self.store.read_only:
            message = f"'{self.name}' is read-only. Open it for writing."
            raise SelectionError(message, requested=self.name)
        yield _open_empty(self.store, self.name)


def _open_empty(store: Store, name: str) -> Store:
    try:
        sync(StorePath.open(store, "", mode="w-"))
    except FileExistsError:
        _require_absent(True, name)
    return store


def _require_absent(exists: bool, name: str) -> None:
    if exists:
        raise FileExistsError(
            errno.EEXIST, "The destination exists; choose another one, or remove it", redact_destination(name)
        )
