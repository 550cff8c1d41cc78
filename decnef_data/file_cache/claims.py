"""Which process may write which partial: only its own, named after it; it claims another by renaming it.

Renaming is atomic on every file system, so two processes may do the work twice and never damage it.  The
name also carries a digest of the remote file that the bytes belong to: a changed file does not match it.
"""

import hashlib
import os
import re
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Final

from decnef_data.disclosure import get_logger
from decnef_data.model import RemoteFile

try:
    from fcntl import LOCK_EX, LOCK_NB, flock
except ModuleNotFoundError:  # on Windows, which has no such locks
    raise ImportError(
        f"decnef-data runs on Linux and macOS, not on this system ('{sys.platform}')."
    ) from None

_LOG = get_logger(__name__)
_STALE_SECONDS: Final = 3600.0  # a partial that was not written for so long counts as abandoned
_POLL_SECONDS: Final = 0.2
_PARTIAL_SUFFIX: Final = re.compile(r"[0-9a-f]{16}(\.[^/]+)?\.part")  # follows the name of the file
_DISK_BLOCK_SIZE: Final = 512  # the unit of st_blocks, by POSIX


def content_key(file: RemoteFile, mirror: str) -> str:
    """Return a digest of what the bytes belong to: the expected checksum, or else the mirror's identity."""
    if file.checksum is not None:
        text = f"{file.checksum} {file.size}"
    elif file.identity is not None and file.size is not None:
        text = f"{mirror} {file.identity} {file.size}"
    else:  # nothing distinguishes this file from a changed one: never resumed
        text = f"{os.getpid()} {time.time_ns()}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def unclaimed_path(location: Path, key: str) -> Path:
    """Return the path of the partial that no process writes."""
    return location.with_name(f"{location.name}.{key}.part")


def claim_partial(location: Path, key: str) -> Path:
    """Rename the fullest partial that fits, and that no process writes, to a name of our own."""
    # The time tells apart the threads of one process.
    own_path = location.with_name(f"{location.name}.{key}.{_host_name()}-{os.getpid()}-{time.time_ns()}.part")
    matching = [path for path in list_partials(location) if path.name.startswith(f"{location.name}.{key}.")]
    for path in sorted(matching, key=allocated_bytes, reverse=True):
        if not is_in_use(path):
            with suppress(FileNotFoundError):  # another process claimed it first
                path.rename(own_path)
                return own_path
    return own_path


def list_partials(location: Path) -> list[Path]:
    """List the partials for `location`, of all processes."""
    prefix = f"{location.name}."
    try:
        names = os.listdir(location.parent)  # noqa: PTH208 - names are enough, and a folder may have thousands
    except FileNotFoundError:
        return []
    matching = (name for name in names if name.startswith(prefix))
    return [location.with_name(name) for name in matching if _PARTIAL_SUFFIX.fullmatch(name, len(prefix))]


def without_claim(path: Path) -> Path:
    """Return the path that a partial is for, which several attempts, of several processes, may have.

    Examples
    --------
    >>> without_claim(Path("a.zip.0123456789abcdef.node1-42-7.part")).name
    'a.zip'
    """
    return path.with_name(re.sub(rf"\.{_PARTIAL_SUFFIX.pattern}$", "", path.name))


def allocated_bytes(path: Path) -> int:
    """Return the bytes that a partial takes on disk: from the start it is as long as the complete file."""
    try:
        return path.stat().st_blocks * _DISK_BLOCK_SIZE
    except FileNotFoundError:
        return -1


def remove_unused_partials(location: Path) -> None:
    """Remove every partial for `location` that no living process writes."""
    for path in list_partials(location):
        if not is_in_use(path):
            path.unlink(missing_ok=True)
    lock_path(location).unlink(missing_ok=True)


def is_in_use(path: Path) -> bool:
    """Return whether the process that the partial is named after still runs, as far as this host knows."""
    owner = re.search(r"\.([^.]+)-(\d+)-\d+\.part$", path.name)
    if owner is None:
        return False
    if owner[1] == _host_name() and int(owner[2]) == os.getpid():
        return True
    try:
        if owner[1] == _host_name():
            os.kill(int(owner[2]), 0)  # signal 0 only asks whether the process is there
    except ProcessLookupError:
        return False
    except PermissionError:  # of another user, and running
        pass
    return _is_recently_written(path)  # the process id may have been reused


def _is_recently_written(path: Path) -> bool:
    try:
        # The clock of a file server may be ahead of ours.
        return abs(time.time() - path.stat().st_mtime) < _STALE_SECONDS
    except FileNotFoundError:
        return True  # renamed meanwhile, so some process uses it


@cache
def _host_name() -> str:
    # Dots and hyphens separate the parts of a partial's name.
    return re.sub(r"[^A-Za-z0-9]", "", socket.gethostname()) or "host"


def lock_path(location: Path) -> Path:
    """Return the path of the file that is locked while a partial for `location` is written."""
    return location.with_name(f"{location.name}.lock")


@contextmanager
def exclusive_lock(location: Path, on_wait: Callable[[], None]) -> Iterator[None]:
    """Wait, where file locks work, until no other process writes a partial for `location`.

    `on_wait` is called several times a second meanwhile.  The lock saves bandwidth and never guards
    correctness: flock has no effect on some network file systems.
    """
    descriptor = _acquire_lock(location, on_wait)
    try:
        yield
    finally:
        os.close(descriptor)


def _acquire_lock(location: Path, on_wait: Callable[[], None]) -> int:
    """Lock the file that others will find: the process before may remove it while we wait for it."""
    while True:
        descriptor = os.open(lock_path(location), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _wait_for_lock(descriptor, location, on_wait)
            if os.path.samestat(os.fstat(descriptor), os.stat(lock_path(location))):  # noqa: PTH116 - as its pair
                return descriptor
        except FileNotFoundError:
            pass
        except OSError:  # the file system has no locks: go on without one
            return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _wait_for_lock(descriptor: int, location: Path, on_wait: Callable[[], None]) -> None:
    logged = False
    while True:
        try:
            # Without waiting in the system, so that progress is shown and Ctrl-C ends it.
            return flock(descriptor, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            if not logged:
                _LOG.info(
                    "'%s' is being downloaded by another process; waiting for it to finish.", location.name
                )
            logged = True
        on_wait()
        time.sleep(_POLL_SECONDS)
