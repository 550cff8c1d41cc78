"""An index of a gzip stream: points from which it can be decompressed, found while it is read once.

Decompression can restart at the beginning of a deflate block, which may be at any bit of a byte, with the
32 KiB that were decompressed before it (RFC 1951).  No library reports where blocks begin, so a block's
header is searched in the bits, and accepted only if it decompresses to the bytes that the stream had.
"""

import sys
import zlib
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final, TypeVar

import msgspec
import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from decnef_data.archives.members import ByteSource

__all__ = [
    "GZIP_MAGIC",
    "GZIP_WBITS",
    "SPACING",
    "WINDOW_SIZE",
    "DeflateBlock",
    "IndexingDecompressor",
    "SeekIndex",
    "SeekPoint",
    "decompress_range",
    "find_block",
    "is_confirmed",
]

_Item = TypeVar("_Item")
GZIP_MAGIC: Final = b"\x1f\x8b"
#: Compressed bytes between two points: a window takes at most 32 KiB, so that an index stays under 0.2 %.
SPACING: Final = 16 << 20
#: How far back a block may refer.
WINDOW_SIZE: Final = 32 << 10
GZIP_WBITS: Final = zlib.MAX_WBITS | 16
#: Input and output of one call of the decompressor: they bound the memory that a bomb takes.
_INPUT_CHUNK: Final = 256 << 10
_OUTPUT_CHUNK: Final = 4 << 20
#: The checksum and the length behind the last block of a gzip member.
_TRAILER_SIZE: Final = 8
#: Bytes after those that are needed, so that the last of them can be shifted.
_SLACK: Final = 16
#: Bytes searched at once, and at most: a longer block is not found.
_SEARCH_STEP: Final = 12 << 10
_SEARCH_SIZE: Final = 96 << 10
_TRIAL_SIZE: Final = 32 << 10
#: Bytes that a search needs.
_SEARCH_INPUT: Final = _SEARCH_SIZE + _TRIAL_SIZE
#: Bits before the lengths of the code of code lengths, and the greatest counts of codes (RFC 1951, 3.2.7).
_HEADER_BITS: Final = 17
_MAX_LENGTHS, _MAX_CODES = 19, 29
_NOT_LAST_AND_DYNAMIC: Final = 0b100  # the first of the first three bits is the lowest
_SEARCH_OVERLAP: Final = (_HEADER_BITS + 3 * _MAX_LENGTHS + 8) // 8 + 1
_KRAFT: Final = np.array([0, 64, 32, 16, 8, 4, 2, 1], np.int16)
_COMPLETE: Final = 128
#: Bytes of the header of a stored block that begins at a byte; how its two lengths differ.
_STORED_HEADER_SIZE: Final = 5
_INVERTED_BITS: Final = 0xFF


class SeekPoint(msgspec.Struct, frozen=True, array_like=True):
    """The beginning of a block: its bit in the compressed stream, its byte in the unpacked one, its window.

    ``window`` is what was decompressed before it, deflated; it is empty where a gzip member begins.
    """

    bit: int
    byte: int
    window: bytes = b""

    @property
    def begins_member(self) -> bool:
        """Whether the point is a gzip header, not a block in the middle of a stream."""
        return not self.window

    def decompressor(self) -> Any:
        """Return a decompressor for the bytes that follow, shifted so that they begin with this bit."""
        if self.begins_member:
            return isal_zlib.decompressobj(wbits=GZIP_WBITS)
        # The window is the dictionary of a raw stream: a block in the middle has no gzip header.
        return isal_zlib.decompressobj(wbits=-zlib.MAX_WBITS, zdict=zlib.decompress(self.window))


class SeekIndex(msgspec.Struct, frozen=True, kw_only=True):
    """The points of one archive, in order; ``gzipped`` is false for an archive that is not compressed.

    ``ends`` are pairs of an unpacked byte and the compressed byte at which all before it are complete.
    """

    gzipped: bool
    size: int
    unpacked: int
    points: tuple[SeekPoint, ...] = (SeekPoint(0, 0),)
    ends: tuple[tuple[int, int], ...] = ()

    def point_before(self, byte: int) -> SeekPoint:
        """Return the last point from which an unpacked byte can be reached."""
        if not self.gzipped:
            return SeekPoint(byte * 8, byte)
        return self.points[bisect_right(self.points, byte, key=lambda point: point.byte) - 1]

    def compressed_end(self, byte: int) -> int:
        """Return the compressed byte at which all unpacked bytes before `byte` are complete."""
        if not self.gzipped:
            return byte
        position = bisect_left(self.points, byte, key=lambda point: point.byte)
        end = -(-self.points[position].bit // 8) if position < len(self.points) else self.size
        position = bisect_left(self.ends, byte, key=lambda pair: pair[0])
        return min(end, self.ends[position][1]) if position < len(self.ends) else end

    def clusters(
        self, items: Iterable[_Item], span: Callable[[_Item], tuple[int, int]]
    ) -> Iterator[list[_Item]]:
        """Group items that are so close that reading on is cheaper than restarting at another point.

        Parameters
        ----------
        items
            In the order of their offsets.
        span
            Returns where an item begins and ends in the unpacked archive.
        """
        cluster: list[_Item] = []
        end = 0
        for item in items:
            start, stop = span(item)
            if cluster and self.point_before(start).byte > end:
                yield cluster
                cluster = []
            cluster.append(item)
            end = stop
        if cluster:
            yield cluster


def _shift_bits(data: bytes, bits: int) -> bytes:
    r"""Shift a stream of bits, so that it begins with the bit at `bits`, which is less than 8.

    Examples
    --------
    >>> _shift_bits(bytes([0b10000000, 0b00000001]), 7)
    b'\x03'
    """
    if not bits:
        return data
    values = np.frombuffer(data, np.uint8)
    low, high = values[:-1] >> np.uint8(bits), values[1:] << np.uint8(8 - bits)
    return (low | high).tobytes()


@dataclass(frozen=True, slots=True)
class DeflateBlock:
    """A block at `bit` of the bytes that were searched, as far as can be known without its window."""

    bit: int
    stream: bytes


def find_block(data: bytes) -> DeflateBlock | None:
    """Search bytes from the middle of a deflate stream for a block that is stored or has dynamic codes.

    Examples
    --------
    >>> import random
    >>> text = "".join(random.Random(1).choices("abcdefgh", k=400_000)).encode()
    >>> packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    >>> stream = packer.compress(text) + packer.flush()
    >>> find_block(stream[1000:]) is not None
    True
    """
    stored_at = _find_stored_block(data[:_SEARCH_SIZE])
    if stored_at is not None:
        return DeflateBlock(8 * stored_at, data[stored_at : stored_at + _TRIAL_SIZE])
    for step in range(0, min(len(data), _SEARCH_SIZE), _SEARCH_STEP):
        for bit in (
            _find_candidate_bits(data[step : step + _SEARCH_STEP + _SEARCH_OVERLAP]) + 8 * step
        ).tolist():
            stream = _shift_bits(data[bit // 8 : bit // 8 + _TRIAL_SIZE], bit % 8)
            if _is_decompressible(stream):
                return DeflateBlock(bit, stream)
    return None


def _find_stored_block(data: bytes) -> int | None:
    """Find the byte at which one stored block follows another, as they do where data cannot be compressed.

    Its header fills that byte with zeros, and has its length twice, once inverted (RFC 1951, 3.2.4).
    """
    values = np.frombuffer(data, np.uint8)
    twice = (values[1:-3] ^ values[3:-1]) & (values[2:-2] ^ values[4:])
    headers = np.flatnonzero((values[:-4] == 0) & (twice == _INVERTED_BITS))
    ends = headers + _STORED_HEADER_SIZE + values[headers + 1] + 256 * values[headers + 2].astype(np.int64)
    followed = headers[np.isin(ends, headers) | (ends >= values.size - _STORED_HEADER_SIZE)]
    return int(followed[0]) if followed.size else None


def _find_candidate_bits(data: bytes) -> NDArray[np.int64]:
    """Find the bits that may begin a block, by what the header of every such block must contain."""
    bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
    last = bits.size - _HEADER_BITS - 3 * _MAX_LENGTHS
    if last <= 0:
        return np.empty(0, np.int64)
    triples = bits[:-2] | bits[1:-1] << 1 | bits[2:] << 2
    starts = np.flatnonzero(triples[:last] == _NOT_LAST_AND_DYNAMIC)
    codes = [_read_bits(bits, starts + offset, 5) for offset in (3, 8)]
    starts = starts[(codes[0] <= _MAX_CODES) & (codes[1] <= _MAX_CODES)]
    lengths = _read_bits(bits, starts + 13, 4) + 4
    total = np.zeros(starts.size, np.int16)
    for position in range(_MAX_LENGTHS):
        total += np.where(position < lengths, _KRAFT[triples[starts + _HEADER_BITS + 3 * position]], 0)
    # Only the sum of a complete code is allowed, which leaves few of the bits that pass by chance.
    complete: NDArray[np.int64] = starts[total == _COMPLETE]
    return complete


def _read_bits(bits: NDArray[np.uint8], starts: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    out = np.zeros(starts.size, np.int64)
    for position in range(count):
        out |= bits[starts + position].astype(np.int64) << position
    return out


def _is_decompressible(stream: bytes) -> bool:
    # Any window will do: whether the codes are valid does not depend on the bytes that they refer to.
    decompressor = isal_zlib.decompressobj(wbits=-zlib.MAX_WBITS, zdict=bytes(WINDOW_SIZE))
    try:
        decompressor.decompress(stream)
    except isal_zlib.IsalError:
        return False
    return True


class IndexingDecompressor:
    """A decompressor of one gzip stream that builds its ``index`` meanwhile.

    Parameters
    ----------
    spacing
        The least number of compressed bytes between two points.

    Examples
    --------
    >>> import gzip
    >>> stream = IndexingDecompressor()
    >>> b"".join(stream.decompress(iter([gzip.compress(b"age"), gzip.compress(b" 31")])))
    b'age 31'
    """

    def __init__(self, spacing: int = SPACING) -> None:
        self._spacing = spacing
        self._points = [SeekPoint(0, 0)]
        self._decompressor: Any = self._new_decompressor()
        self._consumed = self._produced = 0
        #: Where bytes begin, behind the last member, that are neither zeros nor another member.
        self.trailing_start: int | None = None
        self._searched = self._search_from = 0  # bytes searched in vain since the last point; where to resume
        self._window = b""

    @property
    def trailing_size(self) -> int:
        """The number of bytes behind the last member that are neither zeros nor another member."""
        return 0 if self.trailing_start is None else self._consumed - self.trailing_start

    @property
    def index(self) -> SeekIndex:
        """The points so far."""
        return SeekIndex(
            gzipped=True, size=self._consumed, unpacked=self._produced, points=tuple(self._points)
        )

    def decompress(self, compressed: Iterator[bytes]) -> Iterator[bytes]:
        """Decompress the chunks; the checksum of each member is verified.

        Raises
        ------
        EOFError, isal.isal_zlib.IsalError
            The stream is truncated or damaged.
        """
        for chunk in compressed:
            for begin in range(0, len(chunk), _INPUT_CHUNK):
                yield from self._decompress_piece(chunk[begin : begin + _INPUT_CHUNK])
        if not self._decompressor.eof and self._consumed > self._points[-1].bit // 8:
            raise EOFError("the end of the compressed stream is missing")

    def _new_decompressor(self) -> Any:
        """Return the decompressor of the next gzip member."""
        return isal_zlib.decompressobj(wbits=GZIP_WBITS)

    def _decompress_piece(self, piece: bytes) -> Iterator[bytes]:
        is_searchable = (
            self._is_point_due and self._consumed >= self._search_from and len(piece) >= _SEARCH_INPUT
        )
        yield from self._feed_and_search(piece) if is_searchable else self._feed(piece)

    @property
    def _is_point_due(self) -> bool:
        return self._consumed - self._points[-1].bit // 8 >= self._spacing

    def _feed_and_search(self, piece: bytes) -> Iterator[bytes]:
        """Feed a piece in which a point is searched, and kept if the stream confirms it."""
        block = None if self._decompressor.eof else find_block(piece)
        if block is None:
            yield from self._feed(piece)
            self._back_off(len(piece))
            return
        cut = -(-block.bit // 8)
        start = self._consumed
        yield from self._feed(piece[:cut])
        point = SeekPoint(start * 8 + block.bit, self._produced, zlib.compress(self._window, 6))
        full = len(self._window) == WINDOW_SIZE
        self._points.append(point)  # before the rest, which may begin a member that is a point too
        rest = list(self._feed(piece[cut:]))
        if full and is_confirmed(point, block, b"".join(rest)):
            self._searched = 0
        else:
            self._points.remove(point)
            self._back_off(len(piece))
        yield from rest

    def _back_off(self, size: int) -> None:
        """Search less and less often where nothing is found: searching is slower than decompressing."""
        self._searched += size
        self._search_from = self._consumed + self._searched - size

    def _feed(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._decompressor.eof and not (data := self._start_next_member(data)):
                return
            out = self._decompressor.decompress(data, _OUTPUT_CHUNK)
            left = (
                self._decompressor.unused_data
                if self._decompressor.eof
                else self._decompressor.unconsumed_tail
            )
            self._consumed += len(data) - len(left)
            data = left
            if out:
                self._record_output(out)
                yield out
        # The decompressor may hold back output of the input that it took.
        while not self._decompressor.eof and (out := self._decompressor.decompress(b"", _OUTPUT_CHUNK)):
            self._record_output(out)
            yield out

    def _start_next_member(self, data: bytes) -> bytes:
        """Begin the next member, if there is one, and return its bytes: zeros before it are padding."""
        member = data.lstrip(b"\0") if self.trailing_start is None else b""
        self._consumed += len(data) - len(member)
        if not member:
            return b""
        # One byte of a header may be all that a piece has of it.
        if not GZIP_MAGIC.startswith(member[: len(GZIP_MAGIC)]):
            self.trailing_start = self._consumed
            self._consumed += len(member)
            return b""
        if self._is_point_due:
            self._points.append(SeekPoint(self._consumed * 8, self._produced))
        self._decompressor = self._new_decompressor()
        return member

    def _record_output(self, out: bytes) -> None:
        self._produced += len(out)
        self._window = out[-WINDOW_SIZE:] if len(out) >= WINDOW_SIZE else (self._window + out)[-WINDOW_SIZE:]


def is_confirmed(point: SeekPoint, block: DeflateBlock, expected: bytes) -> bool:
    """Return whether the block, with its window, decompresses to the bytes that the stream had."""
    try:
        out = point.decompressor().decompress(block.stream, len(expected))
    except isal_zlib.IsalError:
        return False
    return bool(out) and expected.startswith(out[: len(expected)])


def decompress_range(source: ByteSource, index: SeekIndex, start: int, stop: int) -> Iterator[bytes]:
    """Yield the unpacked bytes of an archive from `start` to before `stop`, from the nearest point.

    Raises
    ------
    EOFError, isal.isal_zlib.IsalError
        The archive is not the one that the index was built from.
    """
    point = index.point_before(start)
    to_skip = start - point.byte
    remaining = stop - start
    if not remaining:
        return
    pieces = (
        _decompress_from(source, index, point, stop)
        if index.gzipped
        else _read_uncompressed(source, start, stop)
    )
    for piece in pieces:
        if to_skip >= len(piece):
            to_skip -= len(piece)
            continue
        wanted = piece[to_skip : to_skip + remaining]
        to_skip = 0
        remaining -= len(wanted)
        yield wanted
        if not remaining:
            return
    if remaining:
        raise EOFError(f"{remaining} bytes are missing at its end")


def _read_uncompressed(source: ByteSource, start: int, stop: int) -> Iterator[bytes]:
    with source.open(start, stop) as pieces:
        yield from pieces


def _decompress_from(source: ByteSource, index: SeekIndex, point: SeekPoint, stop: int) -> Iterator[bytes]:
    """Decompress from a point; where its member ends, continue with the next."""
    begin, last = point.bit // 8, min(index.compressed_end(stop) + _SLACK, index.size)
    with source.open(begin, last) as pieces:
        following = pieces
        if not point.begins_member:
            block = _BlockDecompressor(point)
            yield from block.decompress(pieces)
            if block.end is None:
                return
            following = _skip_to_member(block.tail[_TRAILER_SIZE:], pieces)
        # Without new points: the index is complete.
        yield from IndexingDecompressor(sys.maxsize).decompress(following)


def _skip_to_member(data: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Return the pieces from the gzip header that follows a member's checksum and length, and zeros.

    The block ended within the byte before `data` without these two, or within its first: its bits were
    shifted.
    """
    while True:
        for member in (data.lstrip(b"\0"), data[1:].lstrip(b"\0")):
            if member.startswith(GZIP_MAGIC):
                return chain((member,), pieces)
        piece = next(pieces, b"")
        if not piece or len(data[1:].lstrip(b"\0")) >= len(GZIP_MAGIC):
            raise EOFError("the next gzip member is missing")
        data += piece


class _BlockDecompressor:
    """A decompressor that starts at a block within a member.

    ``end`` is where the member's last block ended, if it did, and ``tail`` are the bytes from there.
    """

    def __init__(self, point: SeekPoint) -> None:
        self.end: int | None = None
        self.tail = b""
        self._decompressor, self._shift = point.decompressor(), point.bit % 8
        self._position, self._carry = point.bit // 8, b""

    def decompress(self, compressed: Iterator[bytes]) -> Iterator[bytes]:
        start, previous = self._position, b""
        for chunk in compressed:
            for begin in range(0, len(chunk), _INPUT_CHUNK):
                yield from self._feed(self._align(chunk[begin : begin + _INPUT_CHUNK]))
                if self._decompressor.eof:
                    self.end = self._position - len(self._decompressor.unused_data)
                    self.tail = (previous + chunk)[self.end - start + len(previous) :]
                    return
            start, previous = start + len(chunk), chunk[-_SLACK:]
        if self._carry:
            # The last byte has only the bits that were not shifted out.
            yield from self._feed(bytes([self._carry[0] >> self._shift]))

    def _align(self, data: bytes) -> bytes:
        if not self._shift:
            return data
        joined = self._carry + data
        self._carry = joined[-1:]
        return _shift_bits(joined, self._shift)

    def _feed(self, data: bytes) -> Iterator[bytes]:
        self._position += len(data)
        while data and not self._decompressor.eof:
            out = self._decompressor.decompress(data, _OUTPUT_CHUNK)
            data = self._decompressor.unconsumed_tail
            if out:
                yield out
