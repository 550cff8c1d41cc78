"""What file systems differ in: whether a folder can be synced, modes can be set, and a file can be mapped.

Network and foreign file systems (SMB, FUSE, exFAT, NTFS) refuse some of these, or ignore a mode silently.
"""

import errno
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from decnef_data.errors import warn_user

if TYPE_CHECKING:
    from mmap import mmap

__all__ = [
    "add_path_to_errors",
    "ignores_case",
    "is_private",
    "keep_private",
    "map_file",
    "require_free_space",
    "restrict_access",
    "sync_file",
    "sync_folder",
]

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
#: What a file system returns for an operation that it does not have, rather than one that failed.
_UNSUPPORTED: Final = frozenset(
    {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EPERM, errno.EACCES}
)
#: Samba and the Linux clients of Windows shares answer these for the descriptor of a folder.
_UNSUPPORTED_FOLDER: Final = _UNSUPPORTED | {errno.EBADF, errno.EISDIR}

#: Left free for receipts and for everyone else on the disk.
_RESERVED_SPACE: Final = 64 << 20

_exposed_disks: set[int] = set()  # device numbers of the disks that a warning was issued for
_exposed_disks_lock = threading.Lock()  # downloads run on several threads


@contextmanager
def add_path_to_errors(path: Path) -> Iterator[None]:
    """Add `path` to a disk error that names no file, as that of a full disk does.

    Parameters
    ----------
    path
        The file that is written.

    Examples
    --------
    >>> with add_path_to_errors(Path("scan.nii")):
    ...     raise OSError(28, "No space left on device")
    Traceback (most recent call last):
        ...
    OSError: [Errno 28] No space left on device: 'scan.nii'
    """
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def ignores_case(folder: Path) -> bool:
    """Return whether two names that differ in case only are one file in a folder, which need not exist yet.

    Nothing is written: the folder, or one above it, is looked up under its own name in the other case.

    Examples
    --------
    >>> ignores_case(Path("/"))
    False
    """
    for existing in (folder, *folder.parents):
        other = existing.name.swapcase()
        if other != existing.name and existing.exists():
            try:
                return existing.samefile(existing.with_name(other))
            except OSError:
                return False
    return False


def sync_file(file: BinaryIO | int) -> None:
    """Write an open file through to the disk.

    Parameters
    ----------
    file
        A file object, whose buffer is flushed first, or a descriptor.

    Raises
    ------
    OSError
        The disk failed: what was written may be lost.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryFile() as file:
    ...     _ = file.write(b"voxels")
    ...     sync_file(file)
    """
    if isinstance(file, int):
        os.fsync(file)
        return
    file.flush()
    os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Write the names in a folder through to the disk, so that a power cut does not undo a rename.

    Does nothing on a file system that cannot sync folders; its files are synced nevertheless.

    Parameters
    ----------
    folder
        The folder.

    Raises
    ------
    OSError
        The disk failed, or there is no such folder.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     sync_folder(Path(folder))
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            # A name is in the folder, and not in the file, whose fsync does not write it.
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in _UNSUPPORTED_FOLDER:
            raise


def is_private(file: Path | int) -> bool:
    """Return whether the mode of a file or folder, a path or a descriptor, excludes all other users.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     is_private(Path(folder))
    True
    """
    return not os.stat(file).st_mode & _OTHERS  # noqa: PTH116 - a path or a descriptor


def restrict_access(file: Path | int, mode: int) -> bool:
    """Set the mode of a file or folder; return whether it now excludes all other users.

    Parameters
    ----------
    file
        A path or a descriptor.
    mode
        The mode, such as ``0o600``.

    Returns
    -------
    bool
        False where the file system has no modes: some refuse to set one, others ignore it.

    Raises
    ------
    OSError
        The disk failed, or there is no such file.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     restrict_access(Path(folder), 0o700)
    True
    """
    try:
        os.chmod(file, mode)  # noqa: PTH101 - a path or a descriptor
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
    return is_private(file)


def keep_private(file: Path | int, mode: int, folder: Path) -> None:
    """Exclude all other users from a file or folder; warn once per process and disk where that is impossible.

    Parameters
    ----------
    file
        A path or a descriptor.
    mode
        The mode to set if other users have access.
    folder
        The folder to name in the warning.

    Warns
    -----
    DecnefDataWarning
        The file system has no modes.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     keep_private(Path(folder), 0o700, Path(folder))
    """
    if is_private(file) or restrict_access(file, mode):
        return
    disk = os.stat(file).st_dev  # noqa: PTH116 - a path or a descriptor
    with _exposed_disks_lock:
        is_known = disk in _exposed_disks
        _exposed_disks.add(disk)
    if not is_known:
        warn_user(
            f"The disk of '{folder}' cannot keep files private, so other users may be able to read what is "
            "stored there. Use a folder on another disk; DECNEF_DATA_DIR or data_dir= sets that of the cache."
        )


def map_file(path: Path, length: int = 0) -> "mmap | None":
    """Map a file into memory, to be read only; return ``None`` where the file system cannot map it.

    Parameters
    ----------
    path
        The file.
    length
        The number of bytes to map; 0 means the complete file.

    Raises
    ------
    OSError
        The file cannot be opened.
    ValueError
        The file is empty, or shorter than `length`.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     _ = file.write(b"voxels")
    ...     file.flush()
    ...     map_file(Path(file.name))[2:]
    b'xels'
    """
    import mmap  # takes a millisecond, and most commands map nothing

    with path.open("rb") as file, suppress(OSError):
        # FUSE mounts without a page cache refuse shared mappings, not private ones.
        return mmap.mmap(file.fileno(), length, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)
    return None


def require_free_space(folder: Path, needed: int, purpose: str) -> None:
    """Raise an error, before the first byte is written, if a disk cannot hold what is to be written.

    Parameters
    ----------
    folder
        The folder to write to, which need not exist.
    needed
        The number of bytes.
    purpose
        What they are for, such as "the download".

    Raises
    ------
    OSError
        The disk has less space (``ENOSPC``); the error has the folder and the sum that is needed.

    Examples
    --------
    >>> require_free_space(Path("/nowhere"), 10**24, "the store")
    Traceback (most recent call last):
        ...
    OSError: [Errno 28] Not enough disk space for the store: ...
    """
    import shutil  # takes milliseconds, and reading needs no space

    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if needed + _RESERVED_SPACE > free:
        message = (
            f"Not enough disk space for {purpose}: {needed / 1e6:,.0f} MB are needed "
            f"(plus a reserve of {_RESERVED_SPACE / 1e6:,.0f} MB), {free / 1e6:,.0f} MB are free. "
            "Free some space, or move the cache with DECNEF_DATA_DIR"
        )
        raise OSError(errno.ENOSPC, message, str(folder))
