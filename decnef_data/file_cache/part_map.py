"""Which parts of a file were received, each with a checksum: the map stored behind a partial's bytes.

The map is a header and one slot of twelve bytes per part: how many of its bytes were received, from its
start, the CRC-32C of those, and a check of both.  A slot that a power cut damaged or that was never written
fails its check, and its part counts as missing; so the map may record less than there is, and never more.
"""

import base64
import struct
from collections.abc import Iterator
from typing import Final

_MAGIC: Final = b"decnef-1"
_HEADER: Final = struct.Struct("<8sQQI")  # magic, size of the file, size of a part, check
_SLOT: Final = struct.Struct("<III")  # bytes received, their CRC-32C, check
_MIN_PART_SIZE: Final = 1 << 20
_MAX_PARTS: Final = 1 << 14  # keeps the map of 90 GB under 100 KiB


def crc32c(data: bytes, initial: int = 0) -> int:
    """Return the CRC-32C of `data`, continued from `initial`, that of the bytes before it.

    Examples
    --------
    >>> hex(crc32c(b"6789", crc32c(b"12345")))
    '0xe3069283'
    """
    import google_crc32c

    return int(google_crc32c.extend(initial, data))


def part_size(size: int) -> int:
    """Return the size of the parts of a file of `size` bytes: a power of two, at least 1 MiB.

    Examples
    --------
    >>> part_size(1 << 30) >> 20, part_size(90 * 10**9) >> 20
    (1, 8)
    """
    step = _MIN_PART_SIZE
    while step * _MAX_PARTS < size:
        step *= 2
    return step


class PartMap:
    """The parts of a file: how many bytes of each were received, from its start, and their CRC-32C.

    Parameters
    ----------
    size
        Bytes of the complete file.
    step
        Bytes of a part; the last may be shorter.

    Examples
    --------
    >>> parts = PartMap(10, 4)
    >>> parts.add(4, b"abcd"); parts.add(8, b"e")
    >>> parts.received, list(parts.gaps()), parts.contiguous_end(0)
    (5, [(0, 4), (9, 10)], 0)
    """

    def __init__(self, size: int, step: int) -> None:
        self.size = size
        self.step = step
        self.count = -(-size // step)
        self.lengths = [0] * self.count
        self.crcs = [0] * self.count

    @property
    def received(self) -> int:
        """The number of bytes received."""
        return sum(self.lengths)

    @property
    def is_complete(self) -> bool:
        """Whether all bytes were received."""
        return self.received == self.size

    def bounds(self, index: int) -> tuple[int, int]:
        """Return where a part begins and ends."""
        return index * self.step, min((index + 1) * self.step, self.size)

    def is_part_complete(self, index: int) -> bool:
        """Return whether all bytes of a part were received."""
        start, stop = self.bounds(index)
        return self.lengths[index] == stop - start

    def add(self, offset: int, data: bytes) -> None:
        """Record `data` at `offset`, inside one part and directly after what was received of it."""
        index, inside = divmod(offset, self.step)
        if inside != self.lengths[index] or offset + len(data) > self.bounds(index)[1]:
            raise AssertionError("Bytes were written out of order.")
        self.crcs[index] = crc32c(data, self.crcs[index])
        self.lengths[index] += len(data)

    def invalidate(self, index: int) -> None:
        """Mark a part as missing."""
        self.lengths[index] = self.crcs[index] = 0

    def clear(self) -> None:
        """Mark all parts as missing."""
        self.lengths = [0] * self.count
        self.crcs = [0] * self.count

    def gaps(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, int]]:
        """Yield the ranges of missing bytes between `start` and `stop`, in order, adjacent ones joined."""
        end = self.size if stop is None else stop
        gap_start: int | None = None
        last = start
        for index in range(start // self.step, min(-(-end // self.step), self.count)):
            part_start, part_stop = self.bounds(index)
            missing = max(part_start + self.lengths[index], start)
            if gap_start is not None and missing > last:
                yield gap_start, last
                gap_start = None
            last = min(part_stop, end)
            if missing < last and gap_start is None:
                gap_start = missing
        if gap_start is not None:
            yield gap_start, last

    def contiguous_end(self, offset: int) -> int:
        """Return where the bytes that follow `offset` without a gap end."""
        while offset < self.size:
            index = offset // self.step
            received_end = index * self.step + self.lengths[index]
            if not self.is_part_complete(index) or received_end <= offset:
                return max(received_end, offset)
            offset = received_end
        return offset

    def header_bytes(self) -> bytes:
        """Return the header of the map: the sizes of the file and of its parts."""
        start = _HEADER.pack(_MAGIC, self.size, self.step, 0)[:-4]
        return start + struct.pack("<I", crc32c(start))

    def slot_bytes(self, index: int) -> bytes:
        """Return the slot of one part."""
        length, crc = self.lengths[index], self.crcs[index]
        return _SLOT.pack(length, crc, _slot_crc(index, length, crc))

    def slot_offset(self, index: int) -> int:
        """Return the offset of a part's slot in the partial: after the bytes of the file, and the header."""
        return self.size + _HEADER.size + index * _SLOT.size

    def encode(self) -> bytes:
        """Return the complete map, as it is written behind the bytes of the file."""
        return self.header_bytes() + b"".join(map(self.slot_bytes, range(self.count)))

    def load(self, data: bytes) -> bool:
        """Read what `encode` returned, or the intact slots of it; return whether it belongs to this file."""
        if data[: _HEADER.size] != self.header_bytes():
            return False
        for index in range(self.count):
            slot_start = _HEADER.size + index * _SLOT.size
            self._load_slot(index, data[slot_start : slot_start + _SLOT.size])
        return True

    def _load_slot(self, index: int, slot: bytes) -> None:
        if len(slot) < _SLOT.size:
            return
        length, crc, check = _SLOT.unpack(slot)
        start, stop = self.bounds(index)
        if check == _slot_crc(index, length, crc) and length <= stop - start:
            self.lengths[index], self.crcs[index] = length, crc

    def encode_checksums(self) -> str | None:
        """Return the checksums of all parts as text; ``None`` for a file of one part, whose own is enough."""
        if self.count <= 1:
            return None
        return f"{self.step}:{base64.b85encode(struct.pack(f'<{self.count}I', *self.crcs)).decode()}"

    @classmethod
    def from_checksums(cls, text: str | None, size: int) -> "PartMap | None":
        """Read what `encode_checksums` returned: a map of all parts with the checksums they should have.

        ``None`` for no text, and for one that is damaged.
        """
        step, _, encoded = (text or "").partition(":")
        try:
            parts = cls(size, int(step))
            parts.crcs = list(struct.unpack(f"<{parts.count}I", base64.b85decode(encoded)))
        except (ValueError, ZeroDivisionError, struct.error):
            return None
        parts.lengths = [stop - start for start, stop in map(parts.bounds, range(parts.count))]
        return parts


def _slot_crc(index: int, length: int, crc: int) -> int:
    return crc32c(_SLOT.pack(index, length, crc))  # a slot at another place does not fit
