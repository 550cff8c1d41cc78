"""Places in a gzip stream from which it can be inflated: found while it passes, kept, and begun from again.

A deflate stream can be taken up at the beginning of a block, whose bit may lie anywhere in a byte, with the
32 KiB that were inflated before it (RFC 1951).  Where blocks begin no inflater says, so that a block's
header is looked for in the bits, and believed only when what it inflates to is what the stream gave.
"""

import zlib
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import msgspec
import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

__all__ = ["NEEDED", "SPACING", "WINDOW", "Found", "Point", "SeekIndex", "found", "shifted"]

_Item = TypeVar("_Item")
#: Compressed bytes between two points: a window takes at most 32 KiB, so that an index stays under 0.2 %.
SPACING: Final = 16 << 20
#: What a block may refer back to.
WINDOW: Final = 32 << 10
#: So many bytes are searched at once, and of so many at most: a longer block is passed over.
_STEP: Final = 12 << 10
_SEARCHED: Final = 96 << 10
_TRIED: Final = 32 << 10
#: What has to be at hand for a search.
NEEDED: Final = _SEARCHED + _TRIED
#: Bits before the lengths of the code of code lengths, and the greatest counts of codes (RFC 1951, 3.2.7).
_HEADER: Final = 17
_MOST_LENGTHS, _MOST_CODES = 19, 29
_NOT_LAST_AND_DYNAMIC: Final = 0b100  # of the first three bits the first is the lowest
_OVER: Final = (_HEADER + 3 * _MOST_LENGTHS + 8) // 8 + 1
_KRAFT: Final = np.array([0, 64, 32, 16, 8, 4, 2, 1], np.int16)
_COMPLETE: Final = 128
#: Bytes of the header of a stored block that begins with a byte, and what its lengths differ in.
_STORED: Final = 5
_INVERTED: Final = 0xFF


class Point(msgspec.Struct, frozen=True, array_like=True):
    """A block's beginning: its bit in the compressed stream, its byte in the unpacked one, what came before.

    ``window`` is deflated; it is empty where a gzip member begins.
    """

    bit: int
    byte: int
    window: bytes = b""

    @property
    def begins_member(self) -> bool:
        """Whether a gzip header lies here, and no block in the middle of a stream."""
        return not self.window

    def inflater(self) -> Any:
        """Give what inflates the bytes from here on, once they are shifted to begin with this bit."""
        if self.begins_member:
            return isal_zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        return isal_zlib.decompressobj(wbits=-zlib.MAX_WBITS, zdict=zlib.decompress(self.window))


class SeekIndex(msgspec.Struct, frozen=True, kw_only=True):
    """The points of one archive, in order; ``gzipped`` is false where bytes lie as they are."""

    gzipped: bool
    size: int
    unpacked: int
    points: tuple[Point, ...] = (Point(0, 0),)

    def before(self, byte: int) -> Point:
        """Give the last point from which an unpacked byte can be reached."""
        if not self.gzipped:
            return Point(byte * 8, byte)
        return self.points[bisect_right(self.points, byte, key=lambda point: point.byte) - 1]

    def after(self, byte: int) -> int:
        """Give the compressed byte by which all unpacked ones before `byte` have come."""
        if not self.gzipped:
            return byte
        place = bisect_left(self.points, byte, key=lambda point: point.byte)
        return -(-self.points[place].bit // 8) if place < len(self.points) else self.size

    def clusters(
        self, items: Iterable[_Item], span: Callable[[_Item], tuple[int, int]]
    ) -> Iterator[list[_Item]]:
        """Gather what lies so close together that reading on is cheaper than beginning at another point.

        Parameters
        ----------
        items
            In the order of their places.
        span
            Where an item begins and ends in the unpacked archive.
        """
        gathered: list[_Item] = []
        reached = 0
        for item in items:
            start, stop = span(item)
            if gathered and self.before(start).byte > reached:
                yield gathered
                gathered = []
            gathered.append(item)
            reached = stop
        if gathered:
            yield gathered


def shifted(data: bytes, bits: int) -> bytes:
    r"""Shift a stream of bits down, so that it begins with the bit at `bits`, which is less than 8.

    Examples
    --------
    >>> shifted(bytes([0b10000000, 0b00000001]), 7)
    b'\x03'
    """
    if not bits:
        return data
    values = np.frombuffer(data, np.uint8)
    low, high = values[:-1] >> np.uint8(bits), values[1:] << np.uint8(8 - bits)
    return (low | high).tobytes()


@dataclass(frozen=True, slots=True)
class Found:
    """A block that begins at `bit` of what was searched, as far as can be told without its past."""

    bit: int
    stream: bytes


def found(data: bytes) -> Found | None:
    """Search bytes from the middle of a deflate stream for a block that is stored, or describes its codes.

    Examples
    --------
    >>> import random
    >>> text = "".join(random.Random(1).choices("abcdefgh", k=400_000)).encode()
    >>> packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    >>> stream = packer.compress(text) + packer.flush()
    >>> found(stream[1000:]) is not None
    True
    """
    stored = _stored(data[:_SEARCHED])
    if stored is not None:
        return Found(8 * stored, data[stored : stored + _TRIED])
    for step in range(0, min(len(data), _SEARCHED), _STEP):
        for bit in (_candidates(data[step : step + _STEP + _OVER]) + 8 * step).tolist():
            stream = shifted(data[bit // 8 : bit // 8 + _TRIED], bit % 8)
            if _inflates(stream):
                return Found(bit, stream)
    return None


def _stored(data: bytes) -> int | None:
    """Find the byte at which one stored block follows another, as they do where nothing can be compressed.

    Its header fills that byte with zeros, and its length stands there twice, once inverted (RFC 1951, 3.2.4).
    """
    values = np.frombuffer(data, np.uint8)
    twice = (values[1:-3] ^ values[3:-1]) & (values[2:-2] ^ values[4:])
    headers = np.flatnonzero((values[:-4] == 0) & (twice == _INVERTED))
    ends = headers + _STORED + values[headers + 1] + 256 * values[headers + 2].astype(np.int64)
    followed = headers[np.isin(ends, headers) | (ends >= values.size - _STORED)]
    return int(followed[0]) if followed.size else None


def _candidates(data: bytes) -> NDArray[np.int64]:
    """Find the bits that may begin a block, by what every header of such a block must say."""
    bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
    last = bits.size - _HEADER - 3 * _MOST_LENGTHS
    if last <= 0:
        return np.empty(0, np.int64)
    triples = bits[:-2] | bits[1:-1] << 1 | bits[2:] << 2
    starts = np.flatnonzero(triples[:last] == _NOT_LAST_AND_DYNAMIC)
    codes = [_number(bits, starts + offset, 5) for offset in (3, 8)]
    starts = starts[(codes[0] <= _MOST_CODES) & (codes[1] <= _MOST_CODES)]
    lengths = _number(bits, starts + 13, 4) + 4
    total = np.zeros(starts.size, np.int16)
    for place in range(_MOST_LENGTHS):
        total += np.where(place < lengths, _KRAFT[triples[starts + _HEADER + 3 * place]], 0)
    complete: NDArray[np.int64] = starts[total == _COMPLETE]
    return complete


def _number(bits: NDArray[np.uint8], starts: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    out = np.zeros(starts.size, np.int64)
    for place in range(count):
        out |= bits[starts + place].astype(np.int64) << place
    return out


def _inflates(stream: bytes) -> bool:
    inflater = isal_zlib.decompressobj(wbits=-zlib.MAX_WBITS, zdict=bytes(WINDOW))
    try:
        inflater.decompress(stream)
    except isal_zlib.IsalError:
        return False
    return True
