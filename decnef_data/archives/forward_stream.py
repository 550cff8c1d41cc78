"""A file-like object that reads forward in a stream of pieces, and a thread that prefetches the pieces."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import Empty, Full, Queue
from typing import Final

__all__ = ["ForwardStream", "prefetch"]

_PUT_TIMEOUT: Final = 0.2
#: Bytes that can always be read again: more than a block of a tar, even where pieces are shorter.
_KEPT: Final = 1024


class ForwardStream:
    """The part of a file that tarfile needs: reading, seeking forward, and back within the previous piece.

    Parameters
    ----------
    pieces
        The bytes, in order.
    start
        The offset of the first of them.

    Examples
    --------
    >>> stream = ForwardStream(iter([b"abc", b"def"]))
    >>> stream.read(2), stream.read(3), stream.seek(2), stream.read(9)
    (b'ab', b'cde', 2, b'cdef')
    """

    def __init__(self, pieces: Iterator[bytes], start: int = 0) -> None:
        self._pieces = pieces
        self._previous, self._piece = b"", b""
        self._piece_start = start
        self._position = start

    def tell(self) -> int:
        """Return the offset of the next byte."""
        return self._position

    def seekable(self) -> bool:
        """Return true: seeking is possible within the limits of :meth:`seek`."""
        return True

    def seek(self, position: int, whence: int = 0) -> int:
        """Move to an offset, or to the end if it is after the end; return the new offset."""
        if whence:
            raise ValueError("Only seeking from the start is supported.")
        if position < self._piece_start - len(self._previous):
            raise ValueError("Seeking backward is not supported.")
        while position > self._piece_start + len(self._piece):
            if not self._advance():
                position = self._piece_start + len(self._piece)
        self._position = position
        return position

    def read(self, count: int) -> bytes:
        """Read `count` bytes, or as many as are left."""
        parts = []
        while count > 0:
            part = self._available(count)
            if not part and not self._advance():
                break
            parts.append(part)
            count -= len(part)
            self._position += len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def skip_zeros(self, block: int) -> bool:
        """Move to the next block of `block` bytes that are not all zero; return whether there is one."""
        while content := self.read(block):
            if content.strip(b"\0"):
                self._position -= len(content)
                return True
        return False

    def drain(self) -> int:
        """Read the rest, discard it, and return how many bytes it had."""
        start = self._position
        while self._advance():
            pass
        self._position = self._piece_start + len(self._piece)
        return self._position - start

    def _available(self, count: int) -> bytes:
        offset = self._position - self._piece_start
        if offset < 0:
            return self._previous[offset:][:count]
        return self._piece[offset : offset + count]

    def _advance(self) -> bool:
        piece = next(self._pieces, b"")
        if not piece:
            return False
        self._piece_start += len(self._piece)
        kept = self._piece if len(self._piece) >= _KEPT else (self._previous + self._piece)[-_KEPT:]
        self._previous, self._piece = kept, piece
        return True


@contextmanager
def prefetch(pieces: Iterator[bytes], depth: int = 4) -> Iterator[Iterator[bytes]]:
    """Compute the pieces in another thread, at most `depth` ahead of the consumer.

    Its exceptions are raised in the consumer.

    Examples
    --------
    >>> with prefetch(iter([b"a", b"b"])) as pieces:
    ...     list(pieces)
    [b'a', b'b']
    """
    # Bounded, because pieces that are not wanted yet are in memory.
    queue: Queue[bytes | BaseException | None] = Queue(depth)
    stopped = threading.Event()

    def put(item: bytes | BaseException | None) -> None:  # with a timeout: the consumer may have stopped
        while not stopped.is_set():
            with suppress(Full):
                queue.put(item, timeout=_PUT_TIMEOUT)
                return

    def run() -> None:
        try:
            for piece in pieces:
                put(piece)
                if stopped.is_set():
                    return
            put(None)
        except BaseException as error:  # noqa: BLE001 - raised again in the consumer
            put(error)

    # A daemon: a read that hangs on a network disk must not keep the interpreter from ending.
    thread = threading.Thread(target=run, name="decnef-ahead", daemon=True)
    thread.start()
    try:
        yield _iter_queue(queue)
    finally:
        stopped.set()
        # Makes room for a piece that waits to be put, so that the thread sees that it should stop.
        _clear_queue(queue)
        thread.join()


def _iter_queue(queue: "Queue[bytes | BaseException | None]") -> Iterator[bytes]:
    while (item := queue.get()) is not None:
        if isinstance(item, BaseException):
            raise item
        yield item


def _clear_queue(queue: "Queue[bytes | BaseException | None]") -> None:
    try:
        while True:
            queue.get_nowait()
    except Empty:
        return
