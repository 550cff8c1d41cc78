"""Seek points for known spans of an archive, so that each can be read alone, and hardly more than it.

The first pass over an archive places points at equal distances: where a scan begins is known only behind it.
A second pass finds the last block before each span, in a copy of zlib's state.
"""

import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from decnef_data.archives.gzip_index import (
    GZIP_WBITS,
    WINDOW_SIZE,
    IndexingDecompressor,
    SeekIndex,
    SeekPoint,
    find_block,
    is_confirmed,
)
from decnef_data.archives.members import ByteSource
from decnef_data.archives.safety import translate_errors
from decnef_data.errors import IntegrityError

__all__ = ["build_span_index", "without_windows"]

#: Compressed bytes between two looks for the end of a span.
_END_STEP: Final = 8 << 10


def build_span_index(
    source: ByteSource,
    index: SeekIndex,
    spans: Iterable[tuple[int, int]],
    hidden: Sequence[tuple[int, int]] = (),
    on_progress: Callable[[int], None] = lambda _count: None,
) -> SeekIndex:
    """Read an archive to its end, and return its index with a point and an end for each span.

    Parameters
    ----------
    source
        The archive.
    index
        An index of it; that of a tar that is not compressed is returned as it is.
    spans
        The first unpacked byte of each span, and the byte behind its last.
    hidden
        The same of unpacked bytes that no window may have.
    on_progress
        Called with the number of compressed bytes that were read.

    Raises
    ------
    IntegrityError
        The archive has another size than the one that was indexed.
    FormatError
        The archive is damaged or truncated.

    Examples
    --------
    >>> from pathlib import Path
    >>> from decnef_data.archives.members import LocalSource
    >>> plain = SeekIndex(gzipped=False, size=10_240, unpacked=10_240)
    >>> build_span_index(LocalSource("a.tar", Path("a.tar")), plain, [(512, 1024)]) is plain
    True
    """
    if not index.gzipped:
        return index
    decompressor = _SpanDecompressor(spans, hidden)
    with translate_errors(source.path), source.open() as pieces:
        for _ in decompressor.decompress(_count(pieces, on_progress)):
            pass
    found = decompressor.index
    if (found.size, found.unpacked) != (index.size, index.unpacked):
        message = (
            f"'{source.path}' unpacks to {found.unpacked} bytes, but to {index.unpacked} when it was "
            "indexed. Check it with `decnef_data.verify(NAME, deep=True)`, then download or adopt it again."
        )
        raise IntegrityError(message, file=source.path, expected=str(index.size), found=str(found.size))
    return found


def without_windows(index: SeekIndex, hidden: Sequence[tuple[int, int]]) -> SeekIndex:
    """Return an index without the points whose windows have hidden bytes.

    Examples
    --------
    >>> points = (SeekPoint(0, 0), SeekPoint(800, 40_000, b"deflated"))
    >>> index = SeekIndex(gzipped=True, size=200, unpacked=80_000, points=points)
    >>> [len(without_windows(index, [(start, 10_000)]).points) for start in (0, 7_000)]
    [1, 1]
    >>> len(without_windows(index, [(0, 7_000)]).points)
    2
    """
    points = tuple(point for point in index.points if not _has_hidden_bytes(point, hidden))
    return msgspec.structs.replace(index, points=points)


def _has_hidden_bytes(point: SeekPoint, hidden: Sequence[tuple[int, int]]) -> bool:
    begin = point.byte - WINDOW_SIZE
    return not point.begins_member and any(start < point.byte and stop > begin for start, stop in hidden)


def _count(pieces: Iterator[bytes], on_progress: Callable[[int], None]) -> Iterator[bytes]:
    for piece in pieces:
        yield piece
        on_progress(len(piece))


@dataclass(frozen=True, slots=True)
class _Piece:
    """A piece of the compressed stream with its output, and the state before it.

    ``decompressor`` is a copy, ``None`` between two gzip members, where zlib cannot make one.
    """

    compressed: bytes
    output: bytes
    decompressor: Any
    consumed: int
    produced: int
    window: bytes

    def find_points(self, last: int) -> Iterator[SeekPoint]:
        """Yield a point for each block that begins by the unpacked byte `last`; the output confirms it."""
        if self.decompressor is None:
            return
        # Copied, because the end of a span is searched from the same state.
        decompressor, fed, offset, at = self.decompressor.copy(), 0, 0, 0
        while (block := find_block(self.compressed[at:])) is not None:
            bit = 8 * at + block.bit
            cut = -(-bit // 8)
            offset += len(decompressor.decompress(self.compressed[fed:cut]))
            fed, at = max(fed, cut), bit // 8 + 1
            if decompressor.eof or self.produced + offset > last:
                return  # the block is one of the next member, which is itself a point
            window = (self.window + self.output[:offset])[-WINDOW_SIZE:]
            point = SeekPoint(self.consumed * 8 + bit, self.produced + offset, zlib.compress(window, 6))
            if len(window) == WINDOW_SIZE and is_confirmed(point, block, self.output[offset:]):
                yield point

    def find_end(self, byte: int) -> int:
        """Return the compressed byte at which all unpacked bytes before `byte` are complete."""
        whole = self.consumed + len(self.compressed)
        if self.decompressor is None:
            return whole
        decompressor, produced = self.decompressor.copy(), self.produced
        for begin in range(0, len(self.compressed), _END_STEP):
            if decompressor.eof:
                break
            produced += len(decompressor.decompress(self.compressed[begin : begin + _END_STEP]))
            if produced >= byte:
                return min(self.consumed + begin + _END_STEP, whole)
        return whole


class _SpanDecompressor(IndexingDecompressor):
    """A decompressor that keeps the last point before each span, and where each span is complete."""

    def __init__(self, spans: Iterable[tuple[int, int]], hidden: Sequence[tuple[int, int]]) -> None:
        super().__init__()
        listed = tuple(spans)
        self._hidden = hidden
        self._starts = deque(sorted({start for start, _ in listed}))
        self._stops = deque(sorted({stop for _, stop in listed}))
        self._ends: list[tuple[int, int]] = []
        self._n_kept = 1  # the points behind these are those of gzip members since the last span
        self._previous: _Piece | None = None

    @property
    def index(self) -> SeekIndex:
        """The points and ends so far."""
        points = tuple(self._points[: self._n_kept])
        return msgspec.structs.replace(super().index, points=points, ends=tuple(self._ends))

    @property
    def _is_point_due(self) -> bool:
        """Whether the beginning of a gzip member is a point: it costs nothing."""
        return True

    def _new_decompressor(self) -> Any:
        # zlib and not isal, whose state cannot be copied.
        return zlib.decompressobj(wbits=GZIP_WBITS)

    def _decompress_piece(self, piece: bytes) -> Iterator[bytes]:
        copied = None if self._decompressor.eof else self._decompressor.copy()
        state = (copied, self._consumed, self._produced, self._window)
        current = _Piece(piece, b"".join(self._feed(piece)), *state)
        yield current.output
        if self._starts and self._starts[0] < self._produced:  # a member may begin where another ended
            self._keep_points(current)
        while self._stops and self._stops[0] <= self._produced:
            stop = self._stops.popleft()
            self._ends.append((stop, current.find_end(stop)))
        self._points[self._n_kept :] = self._points[self._n_kept :][-1:]
        self._previous = current

    def _keep_points(self, current: _Piece) -> None:
        """Keep the last point before each span that begins in the output of a piece."""
        starts = []
        while self._starts and self._starts[0] < self._produced:
            starts.append(self._starts.popleft())
        found = self._without_hidden([*self._points[self._n_kept :], *current.find_points(starts[-1])])
        # The last block before a span may be in the piece before.
        if self._previous is not None and not any(point.byte <= starts[0] for point in found):
            found += self._without_hidden(self._previous.find_points(starts[0]))
        found.sort(key=lambda point: point.bit)
        kept = self._points[: self._n_kept]
        for start in starts:
            nearest = [point for point in found if point.byte <= start][-1:]
            kept += [point for point in nearest if point.bit > kept[-1].bit]
        members = (point for point in found if point.begins_member and point.bit > kept[-1].bit)
        self._points[:] = [*kept, *members]
        self._n_kept = len(kept)

    def _without_hidden(self, points: Iterable[SeekPoint]) -> list[SeekPoint]:
        return [point for point in points if not _has_hidden_bytes(point, self._hidden)]
