"""A file on its way: bytes in place, mapped by part, hashed from the front, resumed if they still fit."""

import errno
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from decnef_data.errors import IntegrityError
from decnef_data.files import claims
from decnef_data.files.digests import Front
from decnef_data.files.parts import PartMap, part_size
from decnef_data.files.private import private_folder
from decnef_data.model import Checksum, RemoteFile
from decnef_data.turns import aside

_SPARE: Final = 64 << 20  # left free for receipts and for everyone else on the disk
_UNKNOWN: Final = 1 << 62  # stands for the size of a file whose mirror does not tell it
_BLOCK: Final = 1 << 20


class Partial:
    """The bytes of one remote file that are here so far.

    Made by :func:`partial`.  Several threads may write, each to parts of its own; one may follow with the
    hashing; the rest is for the one that made it.  ``parts`` is what is here, ``front`` what is hashed.
    """

    def __init__(self, location: Path, file: RemoteFile, algorithms: tuple[str, ...]) -> None:
        self.location = location
        self.file = file
        size = _UNKNOWN if file.size is None else file.size
        self.parts = PartMap(size, part_size(size) if file.size is not None else size)
        self._descriptor = os.open(location, os.O_RDWR | os.O_CREAT, 0o600)
        self.front = Front(self._descriptor, self.parts, algorithms)
        self._noting = threading.Lock()
        self._mapped = False

    @property
    def size(self) -> int:
        """How many bytes are here."""
        return self.parts.here

    @property
    def checksums(self) -> tuple[Checksum, ...]:
        """The checksums of what is hashed, the stated algorithm first."""
        return self.front.checksums

    def restart(self) -> None:
        """Forget everything, and begin at the first byte again."""
        self.parts.clear()
        self.front.restart()
        self.front.doubtful.clear()
        os.ftruncate(self._descriptor, 0)
        self._mapped = False
        self._save_map()

    def take_up(self) -> None:
        """Read the map of what an earlier process left; hashing compares it with the bytes."""
        length = os.fstat(self._descriptor).st_size
        if self.file.size is None or length < self.file.size or not self._taken(length):
            self.restart()

    def write(self, offset: int, data: bytes) -> None:
        """Write what came for `offset`, where nothing is yet.

        Raises
        ------
        OSError
            The disk refused; what was written stays, and is resumed.
        """
        self._write_all(memoryview(data), offset)
        done = 0
        while done < len(data):
            index = (offset + done) // self.parts.step
            count = self.parts.bounds(index)[1] - offset - done
            piece = data[done : done + count]  # the same object where it is all of it
            self._note(index, offset + done, piece)
            done += len(piece)
        self.front.offer(offset, data)

    def _note(self, index: int, offset: int, piece: bytes) -> None:
        with self._noting:
            self.parts.add(offset, piece)
            self._save(index)

    def end(self) -> None:
        """Note that a file of unknown size ends with the bytes that are here."""
        if self.file.size is None:
            self.parts.size = self.parts.here

    def checkpoint(self, *, durable: bool = False) -> None:
        """Show that somebody is at work here; `durable`, keep what is here also through a power cut."""
        with self._noting:
            self._save_map()
        os.utime(self._descriptor)
        if durable:
            os.fdatasync(self._descriptor)

    def verify(self) -> None:
        """Hash what is not hashed yet, compare size and checksum with what was stated, and drop the map.

        Raises
        ------
        IntegrityError
            They differ.
        """
        self.front.follow()
        size, expected = self.front.position, self.file.checksum
        if self.file.size is not None and size != self.file.size:
            raise wrong(self.file.path, f"{self.file.size} bytes", f"{size} bytes")
        if expected is not None and self.checksums[0] != expected:
            raise wrong(self.file.path, str(expected), str(self.checksums[0]))
        os.ftruncate(self._descriptor, size)
        with aside():
            os.fsync(self._descriptor)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)

    def require_room(self) -> None:
        """Refuse to begin what the disk cannot hold."""
        needed = 0 if self.file.size is None else self.file.size - self.size
        free = shutil.disk_usage(self.location.parent).free
        if needed + _SPARE > free:
            message = (
                f"No room for the download: {needed / 1e6:,.0f} MB are needed "
                f"({_SPARE / 1e6:,.0f} MB to spare), {free / 1e6:,.0f} MB are free. "
                "Free some, or move the cache with DECNEF_DATA_DIR"
            )
            raise OSError(errno.ENOSPC, message, str(self.location.parent))

    def _taken(self, length: int) -> bool:
        """Read the map behind the bytes; a file that lost it just before its renaming is summed anew."""
        size = self.parts.size
        if length == size and size and self.file.checksum is not None:
            self._sum()
            return True
        kept = os.pread(self._descriptor, self.parts.place(self.parts.count) - size, size)
        self._mapped = self.parts.take(kept)
        self.front.doubtful.update(index for index in range(self.parts.count) if self.parts.lengths[index])
        return self._mapped

    def _sum(self) -> None:
        for index in range(self.parts.count):
            offset, stop = self.parts.bounds(index)
            while offset < stop and (data := os.pread(self._descriptor, min(_BLOCK, stop - offset), offset)):
                self.parts.add(offset, data)
                offset += len(data)
        self._save_map()

    def _save_map(self) -> None:
        """Lay the map behind the bytes, whole from the start, so that a full disk cannot refuse it later."""
        if self.file.size is not None and not self._mapped and (self.parts.count > 1 or self.size):
            self._write_all(memoryview(self.parts.encode()), self.parts.size)
            self._mapped = True

    def _save(self, index: int) -> None:
        if self._mapped:
            os.pwrite(self._descriptor, self.parts.slot(index), self.parts.place(index))

    def _write_all(self, view: memoryview, offset: int) -> None:
        try:
            while view:
                written = os.pwrite(self._descriptor, view, offset)
                view, offset = view[written:], offset + written
        except OSError as error:
            raise self._refused(error) from error

    def _refused(self, error: OSError) -> OSError:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG} or self.file.size is None:
            return OSError(error.errno, error.strerror, str(self.location))
        missing = (self.file.size - self.size) / 1e6
        message = (
            f"{error.strerror}: {missing:,.1f} MB of '{self.file.path}' are still to come. "
            "Make room for them, and run the same again to go on from there"
        )
        return OSError(error.errno, message, str(self.location))


@contextmanager
def partial(
    location: Path,
    file: RemoteFile,
    mirror: str,
    algorithms: tuple[str, ...],
    waiting: Callable[[], None] = lambda: None,
) -> Iterator[Partial]:
    """Open the partial of `file` for the place `location`, taking up what an earlier try left.

    Where file locks work, a second process waits here for the first, calling `waiting` now and then.
    Leaving puts the partial back under a name that the next try finds, unless it was moved to its place.
    """
    private_folder(location.parent)
    with claims.alone(location, waiting):
        belongs = claims.key(file, mirror)
        own = claims.claim(location, belongs)
        held = Partial(own, file, algorithms)
        try:
            held.take_up()
            held.require_room()
            yield held
        finally:
            _leave(held, location, claims.free(location, belongs))


def _leave(held: Partial, location: Path, free: Path) -> None:
    """Keep what is here for the next try, if the partial still has the name that we gave it."""
    try:
        if held.size and held.location.exists():
            with suppress(OSError):  # a full disk: the map says less than there is
                held.checkpoint()
            held.location.rename(free)
        else:  # it has its place, or was wrong, or nothing came
            held.location.unlink(missing_ok=True)
            claims.lock_of(location).unlink(missing_ok=True)
    finally:
        held.close()


def revive(location: Path, parts: PartMap, file: RemoteFile, mirror: str, damaged: Path) -> None:
    """Make a partial of a `damaged` file whose parts once had the checksums of `parts`.

    Whoever takes it up compares each part with its checksum, and fetches those that differ.
    """
    private_folder(location.parent)
    place = claims.free(location, claims.key(file, mirror))
    damaged.rename(place)
    descriptor = os.open(place, os.O_RDWR)
    try:
        os.ftruncate(descriptor, parts.size)
        os.pwrite(descriptor, parts.encode(), parts.size)
    finally:
        os.close(descriptor)


def wrong(path: str, expected: str, found: str) -> IntegrityError:
    """Say that bytes are not what was stated of them."""
    message = (
        f"'{path}' is not what the mirror states: {expected} expected, {found} received. "
        "It was not kept; try again, or choose another mirror."
    )
    return IntegrityError(message, file=path, expected=expected, found=found)
