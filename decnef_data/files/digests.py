"""Hashes a growing file from its front: right behind the bytes, so that a finished file is a hashed one."""

import hashlib
import os
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Final

from decnef_data.files.parts import PartMap, crc32c
from decnef_data.model import Checksum

if TYPE_CHECKING:
    from hashlib import _Hash

_BLOCK: Final = 1 << 20
_RECENT: Final = 16


class Front:
    """The checksums of the bytes from the first to ``position``, read from `descriptor` as `parts` has them.

    What a process wrote is hashed from the page cache, moments later; nothing is read a second time.
    Parts that an earlier process left are compared with their own checksums on the way: one that
    a power cut or a disk spoilt is forgotten, told to ``spoilt``, and waited for.

    Parameters
    ----------
    descriptor
        The open file.
    parts
        Which of its bytes are here.
    algorithms
        Names that :mod:`hashlib` knows.
    """

    def __init__(self, descriptor: int, parts: PartMap, algorithms: tuple[str, ...]) -> None:
        self._descriptor = descriptor
        self._parts = parts
        self._algorithms = algorithms
        self.doubtful: set[int] = set()
        self.spoilt: Callable[[int], None] = lambda _index: None
        self.restart()

    def restart(self) -> None:
        """Begin at the first byte again."""
        self.position = 0
        self._recent: dict[int, bytes] = {}
        self._digests: list[_Hash] = [hashlib.new(name, usedforsecurity=False) for name in self._algorithms]

    @property
    def checksums(self) -> tuple[Checksum, ...]:
        """The checksums of the bytes up to ``position``, the stated algorithm first."""
        return tuple(Checksum(digest.name, digest.hexdigest()) for digest in self._digests)

    def offer(self, offset: int, data: bytes) -> None:
        """Leave bytes that were just written, so that they need not be read back; a few are kept."""
        if len(self._recent) >= _RECENT:
            for passed in [place for place in tuple(self._recent) if place < self.position]:
                self._recent.pop(passed, None)
        if len(self._recent) < _RECENT:
            self._recent[offset] = data

    def follow(self, most: int | None = None) -> bool:
        """Hash what is here behind ``position`` (at most so many blocks); whether there was anything."""
        began = self.position
        while (most is None or most > 0) and self._step():
            most = None if most is None else most - 1
        return self.position > began

    def _step(self) -> bool:
        index = self.position // self._parts.step
        if self.position >= self._parts.size:
            return False
        if index in self.doubtful and self.position == index * self._parts.step:
            return self._examine(index)
        data = self._recent.pop(self.position, None)
        if data is not None:
            for digest in self._digests:
                digest.update(data)
            self.position += len(data)
            return True
        here = index * self._parts.step + self._parts.lengths[index]
        return self._hash(here) if here > self.position else False

    @cached_property
    def _buffer(self) -> memoryview:
        """What is read back into: of what is hashed as it comes, nothing."""
        return memoryview(bytearray(min(_BLOCK, max(self._parts.size, 1))))

    def _hash(self, until: int) -> bool:
        count = os.preadv(self._descriptor, [self._buffer[: until - self.position]], self.position)
        for digest in self._digests:
            digest.update(self._buffer[:count])
        self.position += count
        return count > 0

    def _examine(self, index: int) -> bool:
        """Hash a whole part of an earlier process, and take it back where it is not what it was."""
        if not self._parts.full(index):
            return False
        before, start = [digest.copy() for digest in self._digests], self.position
        stop, crc = self._parts.bounds(index)[1], 0
        while self.position < stop:
            at = self.position
            if not self._hash(stop):
                break
            crc = crc32c(bytes(self._buffer[: self.position - at]), crc)
        self.doubtful.discard(index)
        if crc == self._parts.crcs[index] and self.position == stop:
            return True
        self._digests, self.position = before, start
        self._parts.forget(index)
        self.spoilt(index)
        return False
