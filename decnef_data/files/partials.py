"""A file on its way: bytes kept under a name of their own, hashed as they pass, resumed if they still fit.

A process writes only to a partial that bears its own name, and takes up another's by renaming it, which
is atomic on every file system; so two processes may do the work twice and never damage it.  The name
also carries a digest of what the bytes belong to: a remote file that changed does not match it.
"""

import errno
import hashlib
import logging
import os
import re
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from typing import TYPE_CHECKING, Final

from decnef_data.errors import IntegrityError
from decnef_data.files.private import private_folder
from decnef_data.model import Body, Checksum, RemoteFile

if TYPE_CHECKING:
    from hashlib import _Hash

_LOG = logging.getLogger(__name__)
_BLOCK: Final = 1 << 20
_SPARE: Final = 64 << 20  # left free for receipts and for everyone else on the disk
_STALE: Final = 3600.0  # seconds without a write, after which another host's partial counts as left


class Partial:
    """The bytes of one remote file that are here so far.

    Made by :func:`partial`.  ``size`` is how far it is, ``checksums`` are those of the bytes so far.
    """

    def __init__(self, location: Path, file: RemoteFile, algorithms: tuple[str, ...]) -> None:
        self.location = location
        self.file = file
        self._algorithms = algorithms
        self._descriptor = os.open(location, os.O_RDWR | os.O_CREAT, 0o600)
        self.restart()

    @property
    def complete(self) -> bool:
        """Whether as many bytes are here as the mirror stated; never where it stated none."""
        return self.file.size is not None and self.size >= self.file.size

    @property
    def checksums(self) -> tuple[Checksum, ...]:
        """The checksums of the bytes so far, the stated algorithm first."""
        return tuple(Checksum(digest.name, digest.hexdigest()) for digest in self._digests)

    def restart(self) -> None:
        """Begin at the first byte again."""
        self.size = 0
        self._digests: list[_Hash] = [hashlib.new(name, usedforsecurity=False) for name in self._algorithms]

    def take_up(self) -> None:
        """Hash the bytes that are here already, and go on behind them."""
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        while block := os.read(self._descriptor, _BLOCK):
            self._count(block)
        if self.file.size is not None and self.size > self.file.size:
            self.restart()

    def write(self, body: Body, passed: Callable[[int], None]) -> None:
        """Write what the mirror sends; a body that begins elsewhere than we stand starts the file anew.

        Raises
        ------
        IntegrityError
            More bytes came than the mirror stated.
        OSError
            The disk refused; what was written stays, and is resumed.
        """
        if body.start != self.size:
            self.restart()
        for chunk in body.chunks:
            self._refuse_surplus(len(chunk))
            _write_all(self._descriptor, chunk, self.size, self.location)
            self._count(chunk)
            passed(len(chunk))

    def verify(self) -> None:
        """Compare size and checksum with what was stated.

        Raises
        ------
        IntegrityError
            They differ.
        """
        os.ftruncate(self._descriptor, self.size)
        os.fsync(self._descriptor)
        expected = self.file.checksum
        if self.file.size is not None and self.size != self.file.size:
            raise _wrong(self.file.path, f"{self.file.size} bytes", f"{self.size} bytes")
        if expected is not None and self.checksums[0] != expected:
            raise _wrong(self.file.path, str(expected), str(self.checksums[0]))

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)

    def _count(self, block: bytes) -> None:
        for digest in self._digests:
            digest.update(block)
        self.size += len(block)

    def _refuse_surplus(self, count: int) -> None:
        if self.file.size is not None and self.size + count > self.file.size:
            raise _wrong(self.file.path, f"{self.file.size} bytes", "more")


@contextmanager
def partial(location: Path, file: RemoteFile, mirror: str, algorithms: tuple[str, ...]) -> Iterator[Partial]:
    """Open the partial of `file` for the place `location`, taking up what an earlier try left.

    Where file locks work, a second process waits here for the first.  Leaving puts the partial back
    under a name that the next try finds, unless it was moved to its place.
    """
    private_folder(location.parent)
    with _alone(location, file.path):
        own = _claim(location, _key(file, mirror))
        held = Partial(own, file, algorithms)
        try:
            held.take_up()
            _require_room(own, (file.size or 0) - held.size)
            yield held
        finally:
            held.close()
            with suppress(FileNotFoundError):  # it was moved to its place
                own.rename(_free(location, _key(file, mirror)))


def discard(location: Path) -> None:
    """Remove every partial for the place `location` that no living process writes."""
    for found in _partials(location):
        if not _in_use(found):
            found.unlink(missing_ok=True)
    _lock_of(location).unlink(missing_ok=True)


def _key(file: RemoteFile, mirror: str) -> str:
    """Digest of what the bytes belong to: the stated checksum, else the mirror's own identity of them."""
    if file.checksum is not None:
        belongs = f"{file.checksum} {file.size}"
    elif file.identity is not None:
        belongs = f"{mirror} {file.identity} {file.size}"
    else:  # nothing tells this file from a changed one: never resumed
        belongs = f"{os.getpid()} {time.time_ns()}"
    return hashlib.sha256(belongs.encode()).hexdigest()[:16]


def _free(location: Path, key: str) -> Path:
    return location.with_name(f"{location.name}.{key}.part")


def _claim(location: Path, key: str) -> Path:
    """Rename the longest partial that fits, and that nobody writes, to a name of our own."""
    own = location.with_name(f"{location.name}.{key}.{_host()}-{os.getpid()}-{time.time_ns()}.part")
    fitting = [found for found in _partials(location) if found.name.startswith(f"{location.name}.{key}.")]
    for found in sorted(fitting, key=_length, reverse=True):
        if not _in_use(found):
            with suppress(FileNotFoundError):  # another process was quicker
                found.rename(own)
                return own
    return own


def _partials(location: Path) -> list[Path]:
    named = re.compile(rf"{re.escape(location.name)}\.[0-9a-f]{{16}}(\.[^/]+)?\.part")
    return [found for found in location.parent.iterdir() if named.fullmatch(found.name)]


def _in_use(found: Path) -> bool:
    """Whether the process that the partial is named after still lives, as far as this host can tell."""
    owner = re.search(r"\.([^.]+)-(\d+)-\d+\.part$", found.name)
    if owner is None:
        return False
    if owner[1] != _host():
        return time.time() - found.stat().st_mtime < _STALE
    if int(owner[2]) == os.getpid():
        return True
    try:
        os.kill(int(owner[2]), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _length(found: Path) -> int:
    try:
        return found.stat().st_size
    except FileNotFoundError:
        return -1


def _host() -> str:
    return re.sub(r"[^A-Za-z0-9]", "", socket.gethostname()) or "host"


def _lock_of(location: Path) -> Path:
    return location.with_name(f"{location.name}.lock")


@contextmanager
def _alone(location: Path, path: str) -> Iterator[None]:
    # A lock saves bandwidth and never guards correctness (flock is void on some network file systems).
    descriptor = os.open(_lock_of(location), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        with suppress(OSError):
            try:
                flock(descriptor, LOCK_EX | LOCK_NB)
            except BlockingIOError:
                _LOG.info("'%s' is being downloaded by another process: waiting for it.", path)
                flock(descriptor, LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, chunk: bytes, offset: int, location: Path) -> None:
    view = memoryview(chunk)
    try:
        while view:
            written = os.pwrite(descriptor, view, offset)
            view, offset = view[written:], offset + written
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(location)) from error


def _require_room(location: Path, needed: int) -> None:
    free = shutil.disk_usage(location.parent).free
    if needed + _SPARE > free:
        message = (
            f"No room for the download: {needed / 1e6:,.0f} MB are needed ({_SPARE / 1e6:,.0f} MB to spare), "
            f"{free / 1e6:,.0f} MB are free. Free some, or move the cache with DECNEF_DATA_DIR"
        )
        raise OSError(errno.ENOSPC, message, str(location.parent))


def _wrong(path: str, expected: str, found: str) -> IntegrityError:
    message = (
        f"'{path}' is not what the mirror states: {expected} expected, {found} received. "
        "It was not kept; try again, or choose another mirror."
    )
    return IntegrityError(message, file=path, expected=expected, found=found)
