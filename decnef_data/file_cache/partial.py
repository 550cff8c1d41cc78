"""An incomplete download: bytes in place, mapped by part, hashed from the start, resumed if they fit."""

import errno
import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from decnef_data.atomic_files import make_private_folder
from decnef_data.errors import IntegrityError
from decnef_data.file_cache import claims
from decnef_data.file_cache.part_map import PartMap, crc32c, part_size
from decnef_data.file_systems import keep_private, require_free_space, sync_file
from decnef_data.model import Checksum, RemoteFile

if TYPE_CHECKING:
    from hashlib import _Hash

_BLOCK: Final = 1 << 20
_MAX_RECENT: Final = 16  # more would hold a fast download in memory, which the page cache holds anyway
_SPACE_CHECK: Final = 16 << 20  # a file whose size is unknown may have no end: free space is checked so often
_UNKNOWN_SIZE: Final = 1 << 62  # stands for the size of a file that its mirror does not report


class StreamingHasher:
    """The checksums of the bytes from the first to ``position``, read from `descriptor` as they are received.

    What a process wrote is hashed from the page cache, moments later; nothing is read from disk again.
    Parts that an earlier process left are compared with their own checksums meanwhile: one that
    a power cut or the disk damaged is invalidated, reported to ``on_invalid_part``, and waited for.

    Parameters
    ----------
    descriptor
        The open file.
    parts
        Which of its bytes were received.
    algorithms
        Names of :mod:`hashlib`, that of the expected checksum first.
    """

    def __init__(self, descriptor: int, parts: PartMap, algorithms: tuple[str, ...]) -> None:
        self._descriptor = descriptor
        self._parts = parts
        self._algorithms = algorithms
        self.unverified_parts: set[int] = set()
        self.on_invalid_part: Callable[[int], None] = lambda _index: None
        self.restart()

    def restart(self) -> None:
        """Restart from the first byte."""
        self.position = 0
        self._recent: dict[int, bytes] = {}
        self._digests: list[_Hash] = [hashlib.new(name, usedforsecurity=False) for name in self._algorithms]

    @property
    def checksums(self) -> tuple[Checksum, ...]:
        """The checksums of the bytes up to ``position``, by algorithm in the given order."""
        return tuple(Checksum(digest.name, digest.hexdigest()) for digest in self._digests)

    def add_recent(self, offset: int, data: bytes) -> None:
        """Keep bytes that were just written, so that they need not be read back; only a few are kept."""
        if len(self._recent) >= _MAX_RECENT:
            for recent_offset in tuple(self._recent):  # a copy: another thread hashes, and removes some
                if recent_offset < self.position:
                    self._recent.pop(recent_offset, None)
        if len(self._recent) < _MAX_RECENT:
            self._recent[offset] = data

    def hash_available(self, max_blocks: int | None = None) -> bool:
        """Hash what follows ``position`` (at most `max_blocks` blocks); return whether there was anything."""
        start = self.position
        while (max_blocks is None or max_blocks > 0) and self._hash_next():
            max_blocks = None if max_blocks is None else max_blocks - 1
        return self.position > start

    def _hash_next(self) -> bool:
        index = self.position // self._parts.step
        if self.position >= self._parts.size:
            return False
        if index in self.unverified_parts and self.position == index * self._parts.step:
            return self._verify_part(index)
        data = self._recent.pop(self.position, None)
        if data is not None:
            for digest in self._digests:
                digest.update(data)
            self.position += len(data)
            return True
        received_end = index * self._parts.step + self._parts.lengths[index]
        return self._hash_up_to(received_end) if received_end > self.position else False

    @cached_property
    def _buffer(self) -> memoryview:
        """The memory to read back into; bytes that are hashed when they are received need none."""
        return memoryview(bytearray(min(_BLOCK, max(self._parts.size, 1))))

    def _hash_up_to(self, stop: int) -> bool:
        count = os.preadv(self._descriptor, [self._buffer[: stop - self.position]], self.position)
        for digest in self._digests:
            digest.update(self._buffer[:count])
        self.position += count
        return count > 0

    def _verify_part(self, index: int) -> bool:
        """Hash a complete part of an earlier process, or invalidate it if its checksum differs."""
        if not self._parts.is_part_complete(index):
            return False
        saved_digests, start = [digest.copy() for digest in self._digests], self.position
        stop, crc = self._parts.bounds(index)[1], 0
        while self.position < stop:
            block_start = self.position
            if not self._hash_up_to(stop):
                break
            crc = crc32c(bytes(self._buffer[: self.position - block_start]), crc)
        self.unverified_parts.discard(index)
        if crc == self._parts.crcs[index] and self.position == stop:
            return True
        self._digests, self.position = saved_digests, start
        self._parts.invalidate(index)
        self.on_invalid_part(index)
        return False


class Partial:
    """The bytes of one remote file that were received so far.

    Created by :func:`open_partial`.  Several threads may write, each to parts of its own, while one other
    hashes; all else is for the thread that created it.  ``parts`` is what was received, ``hasher`` what was
    hashed.
    """

    def __init__(self, location: Path, file: RemoteFile, algorithms: tuple[str, ...]) -> None:
        self.location = location
        self.file = file
        size = _UNKNOWN_SIZE if file.size is None else file.size
        # A file of unknown size has one part without an end, and no map.
        self.parts = PartMap(size, part_size(size) if file.size is not None else size)
        self._descriptor = os.open(location, os.O_RDWR | os.O_CREAT, 0o600)
        keep_private(self._descriptor, 0o600, location.parent)
        self.hasher = StreamingHasher(self._descriptor, self.parts, algorithms)
        self._map_lock = threading.Lock()  # a part and its slot change together
        self._has_map = False

    @property
    def received(self) -> int:
        """The number of bytes received."""
        return self.parts.received

    @property
    def checksums(self) -> tuple[Checksum, ...]:
        """The checksums of what was hashed, that of the expected algorithm first."""
        return self.hasher.checksums

    def restart(self) -> None:
        """Discard everything, and restart from the first byte."""
        self.parts.clear()
        self.hasher.restart()
        self.hasher.unverified_parts.clear()
        os.ftruncate(self._descriptor, 0)
        self._has_map = False
        self._write_map()

    def resume(self) -> None:
        """Read the map that an earlier process left; hashing compares it with the bytes."""
        length = os.fstat(self._descriptor).st_size
        if self.file.size is None or length < self.file.size or not self._load_map(length):
            self.restart()

    def write(self, offset: int, data: bytes) -> None:
        """Write what was received for `offset`, where nothing is yet.

        Raises
        ------
        OSError
            Writing failed; what was written stays, and is resumed.
        """
        if self.file.size is None and offset // _SPACE_CHECK != (offset + len(data)) // _SPACE_CHECK:
            self.require_free_space()
        self._write_all(memoryview(data), offset)
        done = 0
        while done < len(data):
            index = (offset + done) // self.parts.step
            count = self.parts.bounds(index)[1] - offset - done
            piece = data[done : done + count]  # the same object if it is all of `data`
            self._record_piece(index, offset + done, piece)
            done += len(piece)
        # After the map: what is hashed is never more than the map has.
        self.hasher.add_recent(offset, data)

    def _record_piece(self, index: int, offset: int, piece: bytes) -> None:
        with self._map_lock:
            self.parts.add(offset, piece)
            self._write_slot(index)

    def set_final_size(self) -> None:
        """Record that a file of unknown size ends with the bytes that were received."""
        if self.file.size is None:
            self.parts.size = self.parts.received

    def checkpoint(self, *, durable: bool = False) -> None:
        """Mark the partial as active; if `durable`, let what was received survive a power cut."""
        with self._map_lock:
            self._write_map()
        os.utime(self._descriptor)
        if durable:
            # The bytes of parts that the map lists must not be lost when the map is kept.
            sync_file(self._descriptor)

    def verify(self) -> None:
        """Hash the rest, compare size and checksum with the expected ones, and remove the map.

        Raises
        ------
        IntegrityError
            They differ.
        """
        self.hasher.hash_available()
        size, expected = self.hasher.position, self.file.checksum
        if self.file.size is not None and size != self.file.size:
            raise download_mismatch_error(self.file.path, f"{self.file.size} bytes", f"{size} bytes")
        if expected is not None and self.checksums[0] != expected:
            raise download_mismatch_error(self.file.path, str(expected), str(self.checksums[0]))
        os.ftruncate(self._descriptor, size)
        sync_file(self._descriptor)  # before the renaming: a final name must not outlive its bytes

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def require_free_space(self) -> None:
        """Raise an error before the first byte if the disk cannot hold the file."""
        needed = 0 if self.file.size is None else self.file.size - self.received
        require_free_space(self.location.parent, needed, "the download")

    def _load_map(self, length: int) -> bool:
        """Read the map behind the bytes, or rebuild it if a process was killed just before the renaming."""
        size = self.parts.size
        if length == size and size and self.file.checksum is not None:
            self._rebuild_map()
            return True
        map_bytes = os.pread(self._descriptor, self.parts.slot_offset(self.parts.count) - size, size)
        self._has_map = self.parts.load(map_bytes)
        self.hasher.unverified_parts.update(
            index for index in range(self.parts.count) if self.parts.lengths[index]
        )
        return self._has_map

    def _rebuild_map(self) -> None:
        for index in range(self.parts.count):
            offset, stop = self.parts.bounds(index)
            while offset < stop and (data := os.pread(self._descriptor, min(_BLOCK, stop - offset), offset)):
                self.parts.add(offset, data)
                offset += len(data)
        self._write_map()

    def _write_map(self) -> None:
        """Write the complete map behind the bytes at once, so that a full disk cannot prevent it later."""
        if self.file.size is not None and not self._has_map and (self.parts.count > 1 or self.received):
            self._write_all(memoryview(self.parts.encode()), self.parts.size)
            self._has_map = True

    def _write_slot(self, index: int) -> None:
        if self._has_map:
            os.pwrite(self._descriptor, self.parts.slot_bytes(index), self.parts.slot_offset(index))

    def _write_all(self, view: memoryview, offset: int) -> None:
        try:
            while view:
                written = os.pwrite(self._descriptor, view, offset)
                view, offset = view[written:], offset + written
        except OSError as error:
            raise self._write_error(error) from error

    def _write_error(self, error: OSError) -> OSError:
        # EFBIG: FAT file systems hold no file of 4 GiB.
        if error.errno not in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG} or self.file.size is None:
            return OSError(error.errno, error.strerror, str(self.location))
        missing = (self.file.size - self.received) / 1e6
        message = (
            f"{error.strerror}: {missing:,.1f} MB of '{self.file.path}' remain to be downloaded. "
            "Free some disk space, and rerun the command to resume"
        )
        return OSError(error.errno, message, str(self.location))


@contextmanager
def open_partial(
    location: Path,
    file: RemoteFile,
    mirror: str,
    algorithms: tuple[str, ...],
    on_wait: Callable[[], None] = lambda: None,
) -> Iterator[Partial]:
    """Open the partial of `file` for `location`, resuming what an earlier attempt left.

    Where file locks work, a second process waits here for the first, calling `on_wait` now and then.
    On exit the partial gets back a name that the next attempt finds, unless it was moved to its final name.
    """
    make_private_folder(location.parent)
    with claims.exclusive_lock(location, on_wait):
        key = claims.content_key(file, mirror)
        own_path = claims.claim_partial(location, key)
        opened = Partial(own_path, file, algorithms)
        try:
            opened.resume()
            opened.require_free_space()
            yield opened
        finally:
            _release_partial(opened, location, claims.unclaimed_path(location, key))


def _release_partial(partial: Partial, location: Path, unclaimed_path: Path) -> None:
    """Keep what was received for the next attempt, if the partial still has the name of this process."""
    try:
        if partial.received and partial.location.exists():
            with suppress(OSError):  # a full disk: the map records less than there is
                partial.checkpoint()
            partial.location.rename(unclaimed_path)
        else:  # it was moved to its final name, or was wrong, or nothing was received
            partial.location.unlink(missing_ok=True)
            claims.lock_path(location).unlink(missing_ok=True)
    finally:
        partial.close()


def convert_to_partial(location: Path, parts: PartMap, file: RemoteFile, mirror: str, damaged: Path) -> None:
    """Rename a `damaged` file to a partial whose parts should have the checksums of `parts`.

    Resuming it compares each part with its checksum, and downloads those that differ.
    """
    make_private_folder(location.parent)
    path = claims.unclaimed_path(location, claims.content_key(file, mirror))
    damaged.rename(path)
    descriptor = os.open(path, os.O_RDWR)
    try:
        # A damaged file may be longer or shorter, and the map is where the complete one ends.
        os.ftruncate(descriptor, parts.size)
        os.pwrite(descriptor, parts.encode(), parts.size)
    finally:
        os.close(descriptor)


def download_mismatch_error(path: str, expected: str, found: str) -> IntegrityError:
    """Return the error for received bytes that do not have the expected size or checksum."""
    message = (
        f"The download of '{path}' failed verification: expected {expected}, received {found}. "
        "It was discarded; try again, or use another mirror."
    )
    return IntegrityError(message, file=path, expected=expected, found=found)
