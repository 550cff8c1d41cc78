"""A stream of bytes that comes in pieces, read like a file that only goes forward."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import Empty, Full, Queue
from typing import Final

__all__ = ["Unpacked", "ahead"]

_WAIT: Final = 0.2


class Unpacked:
    """What tarfile needs of a file: reading, seeking forward, and back within the piece before.

    Parameters
    ----------
    pieces
        The bytes, in order.
    start
        The place of the first of them.

    Examples
    --------
    >>> stream = Unpacked(iter([b"abc", b"def"]))
    >>> stream.read(2), stream.read(3), stream.seek(2), stream.read(9)
    (b'ab', b'cde', 2, b'cdef')
    """

    def __init__(self, pieces: Iterator[bytes], start: int = 0) -> None:
        self._pieces = pieces
        self._before, self._piece = b"", b""
        self._begin = start  # of the piece
        self._position = start

    def tell(self) -> int:
        """Give the place of the next byte."""
        return self._position

    def seekable(self) -> bool:
        """Say that it can be sought in, as far as it can."""
        return True

    def seek(self, position: int, whence: int = 0) -> int:
        """Go to a place; one behind the end is the end."""
        if whence:
            raise ValueError("Only places from the start can be sought.")
        if position < self._begin - len(self._before):
            raise ValueError("A stream does not go back.")
        while position > self._begin + len(self._piece):
            if not self._advance():
                position = self._begin + len(self._piece)
        self._position = position
        return position

    def read(self, count: int) -> bytes:
        """Read `count` bytes, or as many as are left."""
        taken = []
        while count > 0:
            part = self._available(count)
            if not part and not self._advance():
                break
            taken.append(part)
            count -= len(part)
            self._position += len(part)
        return taken[0] if len(taken) == 1 else b"".join(taken)

    def drain(self) -> None:
        """Read what is left, and forget it."""
        while self._advance():
            pass

    def _available(self, count: int) -> bytes:
        offset = self._position - self._begin
        if offset < 0:
            return self._before[offset:][:count]
        return self._piece[offset : offset + count]

    def _advance(self) -> bool:
        piece = next(self._pieces, b"")
        if not piece:
            return False
        self._begin += len(self._piece)
        self._before, self._piece = self._piece, piece
        return True


@contextmanager
def ahead(pieces: Iterator[bytes], depth: int = 4) -> Iterator[Iterator[bytes]]:
    """Have another thread make the pieces, at most `depth` ahead of whoever takes them.

    What it raises is raised where the pieces are taken.

    Examples
    --------
    >>> with ahead(iter([b"a", b"b"])) as pieces:
    ...     list(pieces)
    [b'a', b'b']
    """
    queue: Queue[bytes | BaseException | None] = Queue(depth)
    stopped = threading.Event()

    def put(item: bytes | BaseException | None) -> None:
        while not stopped.is_set():
            with suppress(Full):
                queue.put(item, timeout=_WAIT)
                return

    def run() -> None:
        try:
            for piece in pieces:
                put(piece)
                if stopped.is_set():
                    return
            put(None)
        except BaseException as error:  # noqa: BLE001 - raised again by who takes the pieces
            put(error)

    thread = threading.Thread(target=run, name="decnef-ahead", daemon=True)
    thread.start()
    try:
        yield _taken(queue)
    finally:
        stopped.set()
        _emptied(queue)
        thread.join()


def _taken(queue: "Queue[bytes | BaseException | None]") -> Iterator[bytes]:
    while (item := queue.get()) is not None:
        if isinstance(item, BaseException):
            raise item
        yield item


def _emptied(queue: "Queue[bytes | BaseException | None]") -> None:
    try:
        while True:
            queue.get_nowait()
    except Empty:
        return
