"""Folders that appear under their name, and vanish from it, completely or not at all if the process dies.

They are written to a staging folder on the same file system, and moved into place by one rename.
"""

import errno
import hashlib
import os
import platform
import shutil
import time
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from decnef_data.atomic_files import make_private_folder
from decnef_data.file_systems import add_path_to_errors, keep_private, sync_file, sync_folder

__all__ = [
    "add_path_to_errors",
    "move_into_place",
    "remove_folder",
    "remove_orphans",
    "staging_folder",
    "staging_folder_with_cleanup",
]

_PREFIX: Final = ".staging-"
# More are no faster, and take turns with the interpreter; each costs memory.
_MAX_THREADS: Final = 8
_FILES_PER_THREAD: Final = 16
# Whether a process of another machine is alive is unknown; none writes a store for a week.
_ORPHAN_AGE: Final = 7 * 24 * 3600
# POSIX permits either where the name is that of a folder that is not empty.
_OCCUPIED: Final = (errno.ENOTEMPTY, errno.EEXIST)


@contextmanager
def staging_folder_with_cleanup(root: Path) -> Iterator[Path]:
    """Create a folder as :func:`staging_folder` does, after removing orphans from `root`."""
    remove_orphans(root)
    with staging_folder(root) as folder:
        yield folder


@contextmanager
def staging_folder(root: Path) -> Iterator[Path]:
    """Create a folder below `root` that is removed at the end, unless it was moved into place."""
    make_private_folder(root)
    folder = _staging_path(root)
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _staging_path(root: Path) -> Path:
    return root / f"{_PREFIX}{os.getpid()}-{_machine_id()}-{uuid.uuid4().hex}"


def _machine_id() -> str:
    """Return an id of the space of process ids: containers may share a host's name, not its processes."""
    processes = Path("/proc/self/ns/pid")
    space = processes.stat().st_ino if processes.exists() else 0
    return hashlib.sha256(f"{platform.node()}/{space}".encode()).hexdigest()[:8]


def remove_orphans(root: Path) -> None:
    """Remove the staging folders of dead processes below `root`."""
    for stage in root.glob(f"{_PREFIX}*"):
        if _is_orphan(stage):
            shutil.rmtree(stage, ignore_errors=True)


def _is_orphan(stage: Path) -> bool:
    # A name of another form has fewer parts; its age tells whether it is an orphan.
    pid, machine, _ = (*stage.name.removeprefix(_PREFIX).split("-"), "", "")[:3]
    if machine == _machine_id() and pid.isdigit():
        return not _is_alive(int(pid))
    try:
        return time.time() - stage.stat().st_mtime > _ORPHAN_AGE
    except FileNotFoundError:
        return False


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # a process of another user
        return True
    return True


def move_into_place(stage: Path, destination: Path) -> bool:
    """Move a finished folder into place, durably; return false if something is there."""
    _flush(stage, destination.parent)
    try:
        stage.rename(destination)
    except OSError as error:
        if error.errno in _OCCUPIED:
            return False
        raise
    sync_folder(destination.parent)  # else a power cut may undo the rename
    return True


def _flush(folder: Path, root: Path) -> None:
    """Write a folder through to the disk, readable by its owner only where `root` can keep it so."""
    folders, files = [], []
    for parent, _, names in os.walk(folder, topdown=False):
        folders.append(Path(parent))
        files += [Path(parent, name) for name in names]
    for path, mode in (dict.fromkeys(files, 0o600) | dict.fromkeys(folders, 0o700)).items():
        keep_private(path, mode, root)
    # The file system commits concurrent fsyncs together: a cube is some hundred small files.
    # Each thread costs memory that malloc keeps for it, and a scan is a few files.
    count = min(_MAX_THREADS, 1 + len(files) // _FILES_PER_THREAD)
    with ThreadPoolExecutor(count) as threads:
        # One task per thread: passing a file to another thread takes longer than an fsync in memory.
        list(threads.map(_sync_files, (files[start::count] for start in range(count))))
        list(threads.map(_sync_folders, (folders[start::count] for start in range(count))))


def _sync_files(paths: Iterable[Path]) -> None:
    for path in paths:
        # Open for writing: on a Windows share, Linux ignores the fsync of a file that is open for reading.
        descriptor = os.open(path, os.O_RDWR)
        try:
            sync_file(descriptor)
        finally:
            os.close(descriptor)


def _sync_folders(folders: Iterable[Path]) -> None:
    for folder in folders:
        sync_folder(folder)


def remove_folder(folder: Path) -> int:
    """Remove a folder from its place by one rename, then delete it; return the bytes that it held."""
    # A name by which the next process removes what is left if this one is killed.
    trash = _staging_path(folder.parent)
    try:
        folder.rename(trash)
    except FileNotFoundError:
        return 0
    size = sum(path.stat().st_size for path in trash.rglob("*") if path.is_file())
    shutil.rmtree(trash)
    return size
