"""Which parts of a file are here, each with a checksum: the map that lies behind a partial's bytes.

The map is a header and one slot of twelve bytes a part: how many of its bytes are here from its start, the
CRC-32C of those, and a check of both.  A slot that a power cut tore or never wrote fails its check, and
its part counts as missing; so the map may say less than there is, and never more.
"""

import base64
import struct
from collections.abc import Iterator
from typing import Final

_MAGIC: Final = b"decnef-1"
_HEADER: Final = struct.Struct("<8sQQI")  # magic, bytes of the file, bytes of a part, check
_SLOT: Final = struct.Struct("<III")  # bytes here, their CRC-32C, check
_LEAST: Final = 1 << 20
_MOST_PARTS: Final = 1 << 14  # keeps the map of 90 GB under 100 KiB


def crc32c(data: bytes, before: int = 0) -> int:
    """Give the CRC-32C of `data`, going on from that of the bytes `before`.

    Examples
    --------
    >>> hex(crc32c(b"6789", crc32c(b"12345")))
    '0xe3069283'
    """
    import google_crc32c

    return int(google_crc32c.extend(before, data))


def part_size(size: int) -> int:
    """How large the parts of a file of `size` bytes are: a power of two, at least 1 MiB.

    Examples
    --------
    >>> part_size(1 << 30) >> 20, part_size(90 * 10**9) >> 20
    (1, 8)
    """
    step = _LEAST
    while step * _MOST_PARTS < size:
        step *= 2
    return step


class PartMap:
    """The parts of a file: how many bytes of each are here, from its start, and their CRC-32C.

    Parameters
    ----------
    size
        Bytes of the whole file.
    step
        Bytes of a part; the last may be shorter.

    Examples
    --------
    >>> parts = PartMap(10, 4)
    >>> parts.add(4, b"abcd"); parts.add(8, b"e")
    >>> parts.here, list(parts.gaps()), parts.front(0)
    (5, [(0, 4), (9, 10)], 0)
    """

    def __init__(self, size: int, step: int) -> None:
        self.size = size
        self.step = step
        self.count = -(-size // step)
        self.lengths = [0] * self.count
        self.crcs = [0] * self.count

    @property
    def here(self) -> int:
        """How many bytes are here."""
        return sum(self.lengths)

    @property
    def whole(self) -> bool:
        """Whether all bytes are here."""
        return self.here == self.size

    def bounds(self, index: int) -> tuple[int, int]:
        """Where a part begins and ends."""
        return index * self.step, min((index + 1) * self.step, self.size)

    def full(self, index: int) -> bool:
        """Whether all bytes of a part are here."""
        start, stop = self.bounds(index)
        return self.lengths[index] == stop - start

    def add(self, offset: int, data: bytes) -> None:
        """Note that `data` is here at `offset`, inside one part and right behind what is here of it."""
        index, inside = divmod(offset, self.step)
        if inside != self.lengths[index] or offset + len(data) > self.bounds(index)[1]:
            raise AssertionError("Bytes were written out of their order.")
        self.crcs[index] = crc32c(data, self.crcs[index])
        self.lengths[index] += len(data)

    def forget(self, index: int) -> None:
        """Note that nothing of a part is here."""
        self.lengths[index] = self.crcs[index] = 0

    def clear(self) -> None:
        """Note that nothing is here."""
        self.lengths = [0] * self.count
        self.crcs = [0] * self.count

    def gaps(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, int]]:
        """Give the ranges of bytes between `start` and `stop` that are not here, in order, joined."""
        end = self.size if stop is None else stop
        begin: int | None = None
        last = start
        for index in range(start // self.step, min(-(-end // self.step), self.count)):
            part, until = self.bounds(index)
            missing = max(part + self.lengths[index], start)
            if begin is not None and missing > last:
                yield begin, last
                begin = None
            last = min(until, end)
            if missing < last and begin is None:
                begin = missing
        if begin is not None:
            yield begin, last

    def front(self, offset: int) -> int:
        """How far the bytes from `offset` on are here without a gap."""
        while offset < self.size:
            index = offset // self.step
            here = index * self.step + self.lengths[index]
            if not self.full(index) or here <= offset:
                return max(here, offset)
            offset = here
        return offset

    def header(self) -> bytes:
        """The bytes that say what the map is of."""
        start = _HEADER.pack(_MAGIC, self.size, self.step, 0)[:-4]
        return start + struct.pack("<I", crc32c(start))

    def slot(self, index: int) -> bytes:
        """The bytes that keep one part."""
        length, crc = self.lengths[index], self.crcs[index]
        return _SLOT.pack(length, crc, _check(index, length, crc))

    def place(self, index: int) -> int:
        """Where in the partial a part's slot lies: behind the bytes of the file, and the header."""
        return self.size + _HEADER.size + index * _SLOT.size

    def encode(self) -> bytes:
        """All of the map, as it lies behind the bytes of the file."""
        return self.header() + b"".join(map(self.slot, range(self.count)))

    def take(self, kept: bytes) -> bool:
        """Read what `encode` gave, or as much of it as is whole; whether it is of this file at all."""
        if kept[: _HEADER.size] != self.header():
            return False
        for index in range(self.count):
            at = _HEADER.size + index * _SLOT.size
            self._take(index, kept[at : at + _SLOT.size])
        return True

    def _take(self, index: int, slot: bytes) -> None:
        if len(slot) < _SLOT.size:
            return
        length, crc, check = _SLOT.unpack(slot)
        start, stop = self.bounds(index)
        if check == _check(index, length, crc) and length <= stop - start:
            self.lengths[index], self.crcs[index] = length, crc

    def receipt(self) -> str | None:
        """The checksums of all parts as text, or ``None`` of a file of one part: its own checksum does."""
        if self.count <= 1:
            return None
        return f"{self.step}:{base64.b85encode(struct.pack(f'<{self.count}I', *self.crcs)).decode()}"

    @classmethod
    def of_receipt(cls, text: str | None, size: int) -> "PartMap | None":
        """Read what `receipt` gave: all parts are here, with the checksums they should have."""
        step, _, sums = (text or "").partition(":")
        if not step.isdigit():
            return None
        parts = cls(size, int(step))
        parts.crcs = list(struct.unpack(f"<{parts.count}I", base64.b85decode(sums)))
        parts.lengths = [stop - start for start, stop in map(parts.bounds, range(parts.count))]
        return parts


def _check(index: int, length: int, crc: int) -> int:
    return crc32c(_SLOT.pack(index, length, crc))
