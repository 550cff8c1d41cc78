"""Inflates a gzip stream as it comes, from the start or from a point, and gathers points on the way."""

import sys
import zlib
from collections.abc import Iterator
from typing import Any, Final

from isal import isal_zlib

from decnef_data.members.points import NEEDED, SPACING, WINDOW, Found, Point, SeekIndex, found, shifted
from decnef_data.members.values import Source

__all__ = ["Inflating", "inflated"]

_WBITS: Final = zlib.MAX_WBITS | 16
#: So much is inflated at a time: it bounds what a bomb takes.
_FED: Final = 256 << 10
_GIVEN: Final = 4 << 20
#: Bytes behind those that are needed, so that the last of them can be shifted.
_SLACK: Final = 16


class Inflating:
    """A gzip stream on its way; when it has ended, ``index`` says where it can be begun again.

    Parameters
    ----------
    spacing
        How many compressed bytes lie between two points at least.

    Examples
    --------
    >>> import gzip
    >>> stream = Inflating()
    >>> b"".join(stream.pieces(iter([gzip.compress(b"age"), gzip.compress(b" 31")])))
    b'age 31'
    """

    def __init__(self, spacing: int = SPACING) -> None:
        self._spacing = spacing
        self._points = [Point(0, 0)]
        self._inflater: Any = isal_zlib.decompressobj(wbits=_WBITS)
        self._fed = self._given = 0
        self._vain = self._from = 0  # bytes searched in vain since the last point; where to search again
        self._window = b""

    @property
    def index(self) -> SeekIndex:
        """The points so far."""
        return SeekIndex(gzipped=True, size=self._fed, unpacked=self._given, points=tuple(self._points))

    def pieces(self, compressed: Iterator[bytes]) -> Iterator[bytes]:
        """Inflate what comes; each member's checksum is compared.

        Raises
        ------
        EOFError, isal.isal_zlib.IsalError
            The stream is cut short, or damaged.
        """
        for chunk in compressed:
            for begin in range(0, len(chunk), _FED):
                piece = chunk[begin : begin + _FED]
                sought = self._due and self._fed >= self._from and len(piece) >= NEEDED
                yield from self._marked(piece) if sought else self._feed(piece)
        if not self._inflater.eof and self._fed > self._points[-1].bit // 8:
            raise EOFError("it ends before its end is marked")

    @property
    def _due(self) -> bool:
        return self._fed - self._points[-1].bit // 8 >= self._spacing

    def _marked(self, piece: bytes) -> Iterator[bytes]:
        """Feed a piece in which a point is looked for, and kept once the stream has confirmed it."""
        block = None if self._inflater.eof else found(piece)
        if block is None:
            yield from self._feed(piece)
            self._missed(len(piece))
            return
        cut = -(-block.bit // 8)
        start = self._fed
        yield from self._feed(piece[:cut])
        point = Point(start * 8 + block.bit, self._given, zlib.compress(self._window, 6))
        full = len(self._window) == WINDOW
        self._points.append(point)  # before the rest, which may begin a member that is a point, too
        rest = list(self._feed(piece[cut:]))
        if full and _confirmed(point, block, b"".join(rest)):
            self._vain = 0
        else:
            self._points.remove(point)
            self._missed(len(piece))
        yield from rest

    def _missed(self, size: int) -> None:
        """Search ever less often where there is nothing to be found: searching is slower than inflating."""
        self._vain += size
        self._from = self._fed + self._vain - size

    def _feed(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._inflater.eof and not self._begun(data):
                self._fed += len(data)
                return
            out = self._inflater.decompress(data, _GIVEN)
            left = self._inflater.unused_data if self._inflater.eof else self._inflater.unconsumed_tail
            self._fed += len(data) - len(left)
            data = left
            if out:
                self._noted(out)
                yield out
        while not self._inflater.eof and (out := self._inflater.decompress(b"", _GIVEN)):
            self._noted(out)
            yield out

    def _begun(self, data: bytes) -> bool:
        """Begin the next member; zeros behind the last one are padding."""
        if not data.strip(b"\0"):
            return False
        if self._due:
            self._points.append(Point(self._fed * 8, self._given))
        self._inflater = isal_zlib.decompressobj(wbits=_WBITS)
        return True

    def _noted(self, out: bytes) -> None:
        self._given += len(out)
        self._window = out[-WINDOW:] if len(out) >= WINDOW else (self._window + out)[-WINDOW:]


def _confirmed(point: Point, block: Found, given: bytes) -> bool:
    """Whether the block, with what came before it, inflates to what the stream gave."""
    try:
        out = point.inflater().decompress(block.stream, len(given))
    except isal_zlib.IsalError:
        return False
    return bool(out) and given.startswith(out[: len(given)])


def inflated(source: Source, index: SeekIndex, start: int, stop: int) -> Iterator[bytes]:
    """Give the unpacked bytes of an archive from `start` to before `stop`, from the nearest point on.

    Raises
    ------
    EOFError, isal.isal_zlib.IsalError
        The archive is not the one that the index was made of.
    """
    point = index.before(start)
    skipped = start - point.byte
    left = stop - start
    if not left:
        return
    pieces = _from(source, index, point, stop) if index.gzipped else _plain(source, start, stop)
    for piece in pieces:
        if skipped >= len(piece):
            skipped -= len(piece)
            continue
        wanted = piece[skipped : skipped + left]
        skipped = 0
        left -= len(wanted)
        yield wanted
        if not left:
            return
    if left:
        raise EOFError(f"it ends {left} bytes too early")


def _plain(source: Source, start: int, stop: int) -> Iterator[bytes]:
    with source.open(start, stop) as pieces:
        yield from pieces


def _from(source: Source, index: SeekIndex, point: Point, stop: int) -> Iterator[bytes]:
    """Inflate from a point on; where its member ends, go on with the next."""
    begin, last = point.bit // 8, min(index.after(stop) + _SLACK, index.size)
    if not point.begins_member:
        block = _Block(point)
        with source.open(begin, last) as pieces:
            yield from block.pieces(pieces)
        if block.end is None:
            return
        begin = _next_member(source, block.end)
    with source.open(begin, last) as pieces:
        yield from Inflating(sys.maxsize).pieces(pieces)


def _next_member(source: Source, end: int) -> int:
    """Find the gzip header behind the checksum and length that follow a member's last block.

    The block ends within the byte before `end`, or within that at `end`: its bits were shifted.
    """
    with source.open(end, end + 12) as pieces:
        data = b"".join(pieces)
    return end + 8 if data[8:10] == b"\x1f\x8b" else end + 9


class _Block:
    """What comes from a block in the middle of a member on; ``end`` is where the member ended, if it did."""

    def __init__(self, point: Point) -> None:
        self.end: int | None = None
        self._inflater, self._shift = point.inflater(), point.bit % 8
        self._reached, self._carried = point.bit // 8, b""

    def pieces(self, compressed: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in compressed:
            for begin in range(0, len(chunk), _FED):
                yield from self._feed(self._aligned(chunk[begin : begin + _FED]))
                if self._inflater.eof:
                    self.end = self._reached - len(self._inflater.unused_data)
                    return
        if self._carried:
            yield from self._feed(bytes([self._carried[0] >> self._shift]))

    def _aligned(self, data: bytes) -> bytes:
        if not self._shift:
            return data
        joined = self._carried + data
        self._carried = joined[-1:]
        return shifted(joined, self._shift)

    def _feed(self, data: bytes) -> Iterator[bytes]:
        self._reached += len(data)
        while data and not self._inflater.eof:
            out = self._inflater.decompress(data, _GIVEN)
            data = self._inflater.unconsumed_tail
            if out:
                yield out
