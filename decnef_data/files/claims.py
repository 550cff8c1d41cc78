"""Who may write which partial: each process only one that bears its own name; it takes up others by renaming.

Renaming is atomic on every file system, so two processes may do the work twice and never damage it.  The
name also carries a digest of what the bytes belong to: a remote file that changed does not match it.
"""

import hashlib
import logging
import os
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from fcntl import LOCK_EX, LOCK_NB, flock
from functools import cache
from pathlib import Path
from typing import Final

from decnef_data.model import RemoteFile
from decnef_data.turns import aside

_LOG = logging.getLogger(__name__)
_STALE: Final = 3600.0  # seconds without a sign of life, after which a partial counts as left
_POLL: Final = 0.2
_BEHIND: Final = re.compile(r"[0-9a-f]{16}(\.[^/]+)?\.part")  # what a partial's name has behind the file's
_DISK_BLOCK: Final = 512  # what st_blocks counts, by POSIX


def key(file: RemoteFile, mirror: str) -> str:
    """Digest of what the bytes belong to: the stated checksum, else the mirror's own identity of them."""
    if file.checksum is not None:
        belongs = f"{file.checksum} {file.size}"
    elif file.identity is not None and file.size is not None:
        belongs = f"{mirror} {file.identity} {file.size}"
    else:  # nothing tells this file from a changed one: never resumed
        belongs = f"{os.getpid()} {time.time_ns()}"
    return hashlib.sha256(belongs.encode()).hexdigest()[:16]


def free(location: Path, belongs: str) -> Path:
    """Name the partial that no process writes."""
    return location.with_name(f"{location.name}.{belongs}.part")


def claim(location: Path, belongs: str) -> Path:
    """Rename the fullest partial that fits, and that nobody writes, to a name of our own."""
    own = location.with_name(f"{location.name}.{belongs}.{_host()}-{os.getpid()}-{time.time_ns()}.part")
    fitting = [found for found in partials(location) if found.name.startswith(f"{location.name}.{belongs}.")]
    for found in sorted(fitting, key=filled, reverse=True):
        if not _in_use(found):
            with suppress(FileNotFoundError):  # another process was quicker
                found.rename(own)
                return own
    return own


def partials(location: Path) -> list[Path]:
    """List the partials for the place `location`, whoever writes them."""
    begin = f"{location.name}."
    try:
        names = os.listdir(location.parent)  # noqa: PTH208 - names are enough, and a folder may have thousands
    except FileNotFoundError:
        return []
    ours = (name for name in names if name.startswith(begin))
    return [location.with_name(name) for name in ours if _BEHIND.fullmatch(name, len(begin))]


def filled(found: Path) -> int:
    """How many bytes of the disk a partial takes: its length is that of the whole file from the start."""
    try:
        return found.stat().st_blocks * _DISK_BLOCK
    except FileNotFoundError:
        return -1


def discard(location: Path) -> None:
    """Remove every partial for the place `location` that no living process writes."""
    for found in partials(location):
        if not _in_use(found):
            found.unlink(missing_ok=True)
    lock_of(location).unlink(missing_ok=True)


def _in_use(found: Path) -> bool:
    """Whether the process that the partial is named after still lives, as far as this host can tell."""
    owner = re.search(r"\.([^.]+)-(\d+)-\d+\.part$", found.name)
    if owner is None:
        return False
    if owner[1] == _host() and int(owner[2]) == os.getpid():
        return True
    try:
        if owner[1] == _host():
            os.kill(int(owner[2]), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return _lately_written(found)  # the number may be another process's by now


def _lately_written(found: Path) -> bool:
    try:
        return abs(time.time() - found.stat().st_mtime) < _STALE
    except FileNotFoundError:
        return True


@cache
def _host() -> str:
    return re.sub(r"[^A-Za-z0-9]", "", socket.gethostname()) or "host"


def lock_of(location: Path) -> Path:
    """Name the file that is locked while a partial for `location` is written."""
    return location.with_name(f"{location.name}.lock")


@contextmanager
def alone(location: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Wait, where file locks work, until no other process writes a partial for `location`.

    A lock saves bandwidth and never guards correctness (flock is void on some network file systems).
    Meanwhile `waiting` is called several times a second.
    """
    descriptor = _locked(location, waiting)
    try:
        yield
    finally:
        os.close(descriptor)


def _locked(location: Path, waiting: Callable[[], None]) -> int:
    """Hold the lock that others will find: who leaves last removes the file, perhaps while we wait for it."""
    while True:
        descriptor = os.open(lock_of(location), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _wait(descriptor, location, waiting)
            if os.path.samestat(os.fstat(descriptor), os.stat(lock_of(location))):  # noqa: PTH116 - as its pair
                return descriptor
        except FileNotFoundError:
            pass
        except OSError:  # no locks here
            return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _wait(descriptor: int, location: Path, waiting: Callable[[], None]) -> None:
    said = False
    while True:
        try:
            return flock(descriptor, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            if not said:
                _LOG.info("'%s' is being downloaded by another process: waiting for it.", location.name)
            said = True
        waiting()
        with aside():
            time.sleep(_POLL)
