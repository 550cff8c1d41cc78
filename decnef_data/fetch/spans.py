"""Who fetches which missing bytes: ranges handed out from the front, cut and given back while they run."""

import threading
from dataclasses import dataclass

from decnef_data.files import PartMap


@dataclass(eq=False, slots=True)
class Span:
    """The bytes that one connection fetches; ``position`` is how far it is, ``start`` where it began.

    ``loose`` says that the connection goes on sending behind ``stop``, so that it may be let go on.
    """

    start: int
    stop: int
    position: int
    loose: bool = False


class Spans:
    """Hands out what `parts` has not.

    Every byte is owned by one span at most, and claimed before it is written; so no two connections
    write to the same part.  Ranges end where parts end.

    Examples
    --------
    >>> spans = Spans(PartMap(100, 10))
    >>> one = spans.take(30); two = spans.take(None)
    >>> (one.start, one.stop), (two.start, two.stop), spans.take(30) is None
    ((0, 30), (30, 100), True)
    """

    def __init__(self, parts: PartMap) -> None:
        self._parts = parts
        self._gaps = list(parts.gaps())
        self._running: list[Span] = []
        self._lock = threading.Lock()
        self._closed = False

    @property
    def running(self) -> int:
        """How many spans are being fetched."""
        return len(self._running)

    def take(self, most: int | None, *, least: int | None = None) -> Span | None:
        """Give the first bytes that nobody fetches, at most about `most`; where there are none, ``None``.

        With `least`, the second half of the longest running span is taken where it is that long.
        """
        with self._lock:
            if self._closed:
                return None
            if not self._gaps and least is not None:
                self._cut_longest(least)
            return self._first(most)

    def claim(self, span: Span, count: int) -> int:
        """Let `span` go on by at most `count` bytes, which are then its owner's to write; 0 ends it."""
        with self._lock:
            if self._closed:
                return 0
            if span.position >= span.stop and span.loose:
                self._extend(span)
            granted = min(count, span.stop - span.position)
            span.position += granted
            return granted

    def trim(self, most: int) -> None:
        """Leave each running span about `most` bytes, and the rest to others."""
        with self._lock:
            for span in self._running:
                self._cut(span, self._aligned(span.position + most))

    def leave(self, span: Span) -> None:
        """End a span; what it did not bring is there for others."""
        with self._lock:
            if span in self._running:
                self._running.remove(span)
                self._give(list(self._parts.gaps(span.start, span.stop)))

    def anew(self, span: Span) -> None:
        """End the only span, and see afresh what is missing."""
        with self._lock:
            self._running.remove(span)
            self._gaps = list(self._parts.gaps())

    def offers(self, least: int) -> bool:
        """Whether there is something to take, or a running span long enough to be shared."""
        with self._lock:
            return bool(self._gaps) or self._longest() >= max(least, 2 * self._parts.step)

    def miss(self, index: int) -> None:
        """Note that a part that was here has to be fetched again."""
        with self._lock:
            self._give([self._parts.bounds(index)])

    def close(self) -> None:
        """Grant nothing any more."""
        with self._lock:
            self._closed = True

    def _first(self, most: int | None) -> Span | None:
        if not self._gaps:
            return None
        start, end = self._gaps.pop(0)
        stop = end if most is None else min(self._aligned(start + most), end)
        if stop < end:
            self._gaps.insert(0, (stop, end))
        span = Span(start, stop, start)
        self._running.append(span)
        return span

    def _extend(self, span: Span) -> None:
        for index, (start, end) in enumerate(self._gaps):
            if start == span.stop:
                span.stop = end
                del self._gaps[index]
                return

    def _cut_longest(self, least: int) -> None:
        if self._longest() >= max(least, 2 * self._parts.step):
            longest = max(self._running, key=_left)
            self._cut(longest, self._aligned((longest.position + longest.stop) // 2))

    def _longest(self) -> int:
        return max(map(_left, self._running), default=0)

    def _cut(self, span: Span, at: int) -> None:
        if span.position <= at < span.stop:
            self._give([(at, span.stop)])
            span.stop = at

    def _give(self, gaps: list[tuple[int, int]]) -> None:
        joined: list[tuple[int, int]] = []
        for start, stop in sorted([*self._gaps, *gaps]):
            if joined and joined[-1][1] == start:
                joined[-1] = (joined[-1][0], stop)
            else:
                joined.append((start, stop))
        self._gaps = joined

    def _aligned(self, offset: int) -> int:
        """The end of the part that `offset` lies in, or at the end of."""
        return min(-(-offset // self._parts.step) * self._parts.step, self._parts.size)


def _left(span: Span) -> int:
    return span.stop - span.position
