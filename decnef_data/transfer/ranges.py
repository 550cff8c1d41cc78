"""Assign the missing byte ranges of a file to connections, and split or return them on the way."""

import threading
from dataclasses import dataclass

from decnef_data.file_cache import PartMap


@dataclass(eq=False, slots=True)
class ByteRange:
    """The bytes that one connection downloads: from ``start`` to before ``stop``, next at ``position``.

    ``open_ended`` means that the connection keeps sending after ``stop``, so that the range can be extended.
    ``answered`` means that the mirror began to send bytes.
    """

    start: int
    stop: int
    position: int
    open_ended: bool = False
    answered: bool = False


class RangeScheduler:
    """Assigns the bytes that `parts` does not have.

    Every byte is owned by at most one range, and claimed before it is written; so no two connections
    write to the same part.  Ranges end where parts end.

    Examples
    --------
    >>> scheduler = RangeScheduler(PartMap(100, 10))
    >>> first = scheduler.acquire(30); second = scheduler.acquire(None)
    >>> (first.start, first.stop), (second.start, second.stop), scheduler.acquire(30) is None
    ((0, 30), (30, 100), True)
    """

    def __init__(self, parts: PartMap) -> None:
        self._parts = parts
        self._gaps = list(parts.gaps())
        self._active: list[ByteRange] = []
        # Connections acquire and release ranges at the same time.
        self._lock = threading.Lock()
        self._closed = False

    @property
    def active_count(self) -> int:
        """The number of ranges that are being downloaded."""
        return len(self._active)

    def acquire(self, max_size: int | None, *, min_split_size: int | None = None) -> ByteRange | None:
        """Return the first range that no connection downloads, of about `max_size` at most, or ``None``.

        With `min_split_size`, the second half of the longest active range is taken if that range is so long.
        """
        with self._lock:
            if self._closed:
                return None
            if not self._gaps and min_split_size is not None:
                self._split_longest(min_split_size)
            return self._acquire_first_gap(max_size)

    def claim(self, byte_range: ByteRange, count: int) -> int:
        """Advance `byte_range` by at most `count` bytes, which its owner may then write; 0 ends it."""
        with self._lock:
            if self._closed:
                return 0
            if byte_range.position >= byte_range.stop and byte_range.open_ended:
                self._extend(byte_range)
            granted = min(count, byte_range.stop - byte_range.position)
            byte_range.position += granted
            return granted

    def shrink(self, max_size: int) -> None:
        """Cut each active range to about `max_size` remaining bytes; the rest can be acquired."""
        with self._lock:
            for byte_range in self._active:
                self._split(byte_range, self._align_up(byte_range.position + max_size))

    def release(self, byte_range: ByteRange) -> None:
        """End a range; its missing bytes can be acquired again."""
        with self._lock:
            if byte_range in self._active:
                self._active.remove(byte_range)
                self._return_gaps(list(self._parts.gaps(byte_range.start, byte_range.stop)))

    def reset(self, byte_range: ByteRange) -> None:
        """End the only range, and recompute what is missing."""
        with self._lock:
            self._active.remove(byte_range)
            self._gaps = list(self._parts.gaps())

    def has_work(self, min_split_size: int) -> bool:
        """Whether there is a range to acquire, or an active range long enough to be split."""
        with self._lock:
            return bool(self._gaps) or self._longest_remaining() >= max(min_split_size, 2 * self._parts.step)

    def invalidate(self, index: int) -> None:
        """Return a part whose bytes are wrong to the missing ranges."""
        with self._lock:
            self._return_gaps([self._parts.bounds(index)])

    def close(self) -> None:
        """Refuse all further ranges and claims."""
        with self._lock:
            self._closed = True

    def _acquire_first_gap(self, max_size: int | None) -> ByteRange | None:
        if not self._gaps:
            return None
        start, end = self._gaps.pop(0)
        stop = end if max_size is None else min(self._align_up(start + max_size), end)
        if stop < end:
            self._gaps.insert(0, (stop, end))
        byte_range = ByteRange(start, stop, start)
        self._active.append(byte_range)
        return byte_range

    def _extend(self, byte_range: ByteRange) -> None:
        for index, (start, end) in enumerate(self._gaps):
            if start == byte_range.stop:
                byte_range.stop = end
                del self._gaps[index]
                return

    def _split_longest(self, min_split_size: int) -> None:
        # Both halves must have a part of their own: two connections never write to one.
        if self._longest_remaining() >= max(min_split_size, 2 * self._parts.step):
            longest = max(self._active, key=_remaining_size)
            self._split(longest, self._align_up((longest.position + longest.stop) // 2))

    def _longest_remaining(self) -> int:
        return max(map(_remaining_size, self._active), default=0)

    def _split(self, byte_range: ByteRange, position: int) -> None:
        if byte_range.position <= position < byte_range.stop:
            self._return_gaps([(position, byte_range.stop)])
            byte_range.stop = position

    def _return_gaps(self, gaps: list[tuple[int, int]]) -> None:
        merged: list[tuple[int, int]] = []
        for start, stop in sorted([*self._gaps, *gaps]):
            if merged and merged[-1][1] == start:
                merged[-1] = (merged[-1][0], stop)
            else:
                merged.append((start, stop))
        self._gaps = merged

    def _align_up(self, offset: int) -> int:
        """Return the end of the part that contains `offset`, or `offset` if it is the end of one."""
        return min(-(-offset // self._parts.step) * self._parts.step, self._parts.size)


def _remaining_size(byte_range: ByteRange) -> int:
    return byte_range.stop - byte_range.position
