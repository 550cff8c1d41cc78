"""The one writer of files, private to the user (modes 0700 and 0600), and completely or not at all.

A file that is complete is on the disk before it gets its name, and the name is there to stay: a power cut
leaves the file as it was before, or as it is now.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkstemp
from typing import BinaryIO, Final

from decnef_data.file_systems import add_path_to_errors, keep_private, sync_file, sync_folder

__all__ = ["append_private", "link_or_copy", "make_private_folder", "open_atomic", "write_atomic"]

_PRIVATE: Final = 0o600
#: Of the name of a file, what its temporary name begins with: a long name leaves no room for more.
_MAX_PREFIX: Final = 40


def make_private_folder(folder: Path) -> None:
    """Create `folder` and its missing parents with mode 0700; existing folders keep their mode."""
    if os.path.isdir(folder):  # noqa: PTH112 - called for every file
        return
    missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    for parent in reversed(missing):
        parent.mkdir(mode=0o700, exist_ok=True)


@contextmanager
def open_atomic(
    path: Path,
    is_equivalent: Callable[[], bool] | None = None,
    *,
    staging: Path | None = None,
    durable: bool = True,
) -> Iterator[BinaryIO]:
    """Open a temporary file with mode 0600 that is renamed to `path` once it is complete and on the disk.

    Parameters
    ----------
    path
        The final path; missing folders above it are created.
    is_equivalent
        Whether a file that already has the name is as good.  If so, that file stays: another process may
        have been faster, and what was read from its file remains valid.
    staging
        A folder on the same disk for the temporary file, which a kill leaves there; the folder of `path` if
        ``None``.
    durable
        Whether the file survives a power cut; without, thousands of small files that can be written again
        take a fraction of the time.
    """
    make_private_folder(path.parent)
    folder = staging or path.parent
    descriptor, name = mkstemp(prefix=f".{path.name[:_MAX_PREFIX]}.", dir=folder)  # 0600
    try:
        with add_path_to_errors(path), os.fdopen(descriptor, "w+b") as file:
            keep_private(descriptor, _PRIVATE, folder)
            yield file
            if durable:
                sync_file(file)  # before the rename, which must not reach the disk first
        _publish(Path(name), path, is_equivalent)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(path.parent)  # otherwise a power cut may undo the rename


def _publish(temporary: Path, path: Path, is_equivalent: Callable[[], bool] | None) -> None:
    if is_equivalent is not None:
        with suppress(OSError):  # the name is taken, or the filesystem has no hard links
            path.hardlink_to(temporary)
    if is_equivalent is None or not is_equivalent():
        temporary.replace(path)
    temporary.unlink(missing_ok=True)


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file with mode 0600, completely or not at all."""
    with open_atomic(path) as file:
        file.write(data)


def link_or_copy(origin: Path, path: Path, *, staging: Path) -> None:
    """Give a file a second name, or copy it where the file system has no hard links between the two.

    Parameters
    ----------
    origin
        The file.
    path
        The other name; missing folders above it are created, and a file that has it is replaced.
    staging
        A folder on the disk of `path` for a temporary file.
    """
    make_private_folder(path.parent)
    temporary = staging / f".{path.name[:_MAX_PREFIX]}.link"
    temporary.unlink(missing_ok=True)  # of a process that was killed
    try:
        temporary.hardlink_to(origin)
    except OSError:  # another disk, or a file system without hard links
        with origin.open("rb") as source, open_atomic(path, staging=staging, durable=False) as file:
            shutil.copyfileobj(source, file)
        return
    temporary.replace(path)
    temporary.unlink(missing_ok=True)  # renaming a file to its own other name does nothing


def append_private(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Append to a file, created with mode 0600, in one write: two processes do not mix their lines.

    Without `durable`, a power cut may lose them.
    """
    make_private_folder(path.parent)
    is_new = durable and not path.exists()
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, _PRIVATE)
    try:
        with add_path_to_errors(path):
            while data:  # a full disk takes a part, and refuses the rest
                data = data[os.write(descriptor, data) :]
            if durable:
                sync_file(descriptor)
    finally:
        os.close(descriptor)
    if is_new:
        # The name of a new file is lost with the power, unless its folder is on the disk.
        sync_folder(path.parent)
