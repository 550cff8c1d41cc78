"""Folders that appear under their name whole, and vanish from it whole, whenever the process dies.

They are written beside their place, on the same file system, and moved there by one rename.
"""

import errno
import hashlib
import os
import platform
import shutil
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

__all__ = ["flush", "moved", "naming", "removed", "stage", "staged", "sweep"]

_PREFIX: Final = ".staging-"
# A process of another machine cannot be asked whether it lives; none writes a store for a week.
_SIDE_BY_SIDE: Final = 16
_FILES_EACH: Final = 16
_OLD: Final = 7 * 24 * 3600
_OCCUPIED: Final = (errno.ENOTEMPTY, errno.EEXIST)


@contextmanager
def staged(root: Path) -> Iterator[Path]:
    """Give a new folder below `root` as :func:`stage` does, and sweep there before."""
    sweep(root)
    with stage(root) as made:
        yield made


@contextmanager
def stage(root: Path) -> Iterator[Path]:
    """Give a new folder below `root`, which is gone at the end unless it was moved to its place."""
    _make_private(root)
    made = _stage(root)
    made.mkdir(mode=0o700)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _make_private(folder: Path) -> None:
    if not folder.is_dir():
        _make_private(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def _stage(root: Path) -> Path:
    return root / f"{_PREFIX}{os.getpid()}-{_machine()}-{uuid.uuid4().hex}"


def _machine() -> str:
    """Name what a process number belongs to: containers may share a host's name, not its processes."""
    processes = Path("/proc/self/ns/pid")
    space = processes.stat().st_ino if processes.exists() else 0
    return hashlib.sha256(f"{platform.node()}/{space}".encode()).hexdigest()[:8]


def sweep(root: Path) -> None:
    """Remove what processes that have died were writing below `root`."""
    for stage in root.glob(f"{_PREFIX}*"):
        if _is_orphan(stage):
            shutil.rmtree(stage, ignore_errors=True)


def _is_orphan(stage: Path) -> bool:
    pid, machine, _ = (*stage.name.removeprefix(_PREFIX).split("-"), "", "")[:3]
    if machine == _machine() and pid.isdigit():
        return not _is_alive(int(pid))
    try:
        return time.time() - stage.stat().st_mtime > _OLD
    except FileNotFoundError:
        return False


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def moved(stage: Path, place: Path) -> bool:
    """Move a finished folder to its place, on the disk when this returns; false if something is there."""
    flush(stage)
    try:
        stage.rename(place)
    except OSError as error:
        if error.errno in _OCCUPIED:
            return False
        raise
    _flush(place.parent)
    return True


def flush(folder: Path) -> None:
    """Write a folder through to the disk, for its owner's eyes only."""
    folders = [Path(path) for path, _, _ in os.walk(folder, topdown=False)]
    files = [path for each in folders for path in each.iterdir() if path.is_file()]
    for path in files:
        path.chmod(0o600)
    for path in folders:
        path.chmod(0o700)
    # Asked for side by side, the file system commits many in one go: a cube is some hundred small files.
    # Each thread costs memory that malloc keeps for it, and a scan is a few files.
    with ThreadPoolExecutor(min(_SIDE_BY_SIDE, 1 + len(files) // _FILES_EACH)) as threads:
        list(threads.map(_flush, files))
        list(threads.map(_flush, folders))


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def removed(place: Path) -> int:
    """Take a folder out of its place by one rename, then delete it; gives the bytes that it held."""
    trash = _stage(place.parent)
    try:
        place.rename(trash)
    except FileNotFoundError:
        return 0
    size = sum(path.stat().st_size for path in trash.rglob("*") if path.is_file())
    shutil.rmtree(trash)
    return size


@contextmanager
def naming(place: Path) -> Iterator[None]:
    """Give an error of the disk that names no file the one it happened below: a full disk names none."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            raise OSError(error.errno, error.strerror, str(place)) from error
        raise
