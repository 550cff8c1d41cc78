"""Where a portable store is written to: a folder, a zip file, a URL of fsspec, or a store of Zarr.

A folder and a zip file appear complete or not at all, and are private; elsewhere nothing can be renamed.
"""

import asyncio
import ctypes
import errno
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol
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
        return _LocalPath(str(dest.root), dest.root, is_zip=False)
    if isinstance(dest, Store):
        return _OpenedStore(dest)
    text = os.fspath(dest)
    folder = _parse_path(text)
    if folder is None:
        return _RemoteStore(text)
    return _LocalPath(text, folder, is_zip=folder.suffix.lower() == ".zip")


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
class _LocalPath:
    """A folder, which may be on a disk that a cluster shares, or a zip file, which one process writes."""

    name: str
    path: Path
    is_zip: bool

    @property
    def location(self) -> str:
        return str(self.path.absolute())

    @property
    def is_shared(self) -> bool:
        return not self.is_zip

    @contextmanager
    def open(self) -> Iterator[Store]:
        target = self.path.absolute()
        _require_absent(target.exists(), self.name)
        with staging.staging_folder_with_cleanup(target.parent) as stage, staging.add_path_to_errors(stage):
            if self.is_zip:
                with closing(ZipStore(stage / target.name, mode="w")) as store:
                    yield _open_empty(store, self.name)
                is_published = _move_file(store.path, target)
            else:
                yield StagedFolder(stage)
                is_published = staging.move_into_place(stage, target)
            _require_absent(not is_published, self.name)


#: Smaller files are written before a thread would have begun.
_SMALL: Final = 1 << 16


class StagedFolder(LocalStore):
    """A staged folder, which a worker that is late does not create again after it was removed."""

    async def set(self, key: str, value: Buffer) -> None:
        """Write a file."""
        if not self.root.is_dir():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self.root))
        try:
            # Without the thread and the temporary file that zarr takes for each: there is no reader yet.
            if len(value) > _SMALL:
                await asyncio.to_thread(self._write, key, value)
            else:
                self._write(key, value)
        except UnicodeEncodeError as error:
            message = (
                f"The encoding of this locale ({error.encoding}) has no form for the name '{key}', by which "
                "other readers find the array. Export again with the environment variable PYTHONUTF8=1."
            )
            raise SelectionError(message, requested=key) from error

    def _write(self, key: str, value: Buffer) -> None:
        path = f"{self.root}/{key}"
        try:
            file = open(path, "wb")  # noqa: PTH123, SIM115 - a path of text, for hundreds of small files
        except FileNotFoundError:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            file = Path(path).open("wb")  # noqa: SIM115
        with file:
            file.write(value.as_numpy_array().data)


def _move_file(source: Path, target: Path) -> bool:
    """Move a finished file into place, durably; return false if something is there."""
    with source.open("r+b") as file:
        keep_private(file.fileno(), 0o600, target.parent)
        # Before it gets its name: a zip file is complete or not there, also after a power cut.
        sync_file(file)
    try:
        _give_free_name(source, target)
    except FileExistsError:
        return False
    sync_folder(target.parent)
    return True


def _give_free_name(source: Path, target: Path) -> None:
    """Move a file to a path that does not exist, or raise `FileExistsError`."""
    try:
        target.hardlink_to(source)  # unlike a rename, a link replaces nothing
    except FileExistsError:
        raise
    except OSError:  # the file system has no hard links
        if not _rename_exclusively(source, target):
            _rename_to_reserved(source, target)


#: Of renameat2(2): paths are relative to the working folder, and a rename replaces nothing.
_AT_FDCWD: Final = -100
_RENAME_NOREPLACE: Final = 1


def _rename_exclusively(source: Path, target: Path) -> bool:
    """Rename a file by a call of Linux that replaces nothing; return false where there is no such call."""
    # Python does not have it.  Of the file systems without hard links, vfat and cifs do: see rename(2).
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    paths = os.fsencode(source), os.fsencode(target)
    if rename(_AT_FDCWD, paths[0], _AT_FDCWD, paths[1], _RENAME_NOREPLACE) == 0:
        return True
    if ctypes.get_errno() == errno.EEXIST:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    return False  # if the disk is broken, the other way reports it


def _rename_to_reserved(source: Path, target: Path) -> None:
    """Rename a file to a name that an empty file has taken; a kill between the two leaves the empty file."""
    # Otherwise a file that another process creates between a test and the renaming would be replaced.
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        source.replace(target)
    except BaseException:
        target.unlink()  # it is empty
        raise


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
