"""Lets one of many threads work at a time, while the others wait for a network or a disk.

Python runs one thread at a time anyway, and hands over whenever that one calls the system: with dozens of
calls a small file, dozens of threads hand over at each of them for nothing.  Whoever has the turn
keeps it through such calls, and steps aside for those that take long: for an answer, a lock, the disk.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

__all__ = ["Turn", "aside"]


class Turn:
    """What one of several threads has at a time.

    Examples
    --------
    >>> turn = Turn()
    >>> with turn.taken():
    ...     with aside():
    ...         pass  # another may take it here
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._line: set[int] = set()  # who waits for it; on a busy machine it takes a while to be handed over
        self._idle = 0.0
        self._free = time.perf_counter()  # since when nobody has it

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Wait for the turn, and have it inside the context."""
        self.take()
        try:
            yield
        finally:
            self.give()

    def take(self) -> None:
        """Wait for the turn, and have it."""
        if not self._lock.acquire(blocking=False):
            me = threading.get_ident()
            self._line.add(me)
            self._lock.acquire()
            self._line.discard(me)
        elif not self._line:
            self._idle += time.perf_counter() - self._free
        _held.turn = self

    def give(self) -> None:
        """Let another have it."""
        _held.turn = None
        self._free = time.perf_counter()
        self._lock.release()

    @property
    def idle(self) -> float:
        """Seconds, since it was made, in which no thread had it or waited for it."""
        free = self._free
        used = self._line or self._lock.locked()
        return self._idle if used else self._idle + time.perf_counter() - free


class _Held(threading.local):
    turn: Turn | None = None


_held = _Held()


class _Aside:
    """Gives the turn, and takes it again."""

    __slots__ = ("_turn",)

    def __enter__(self) -> None:
        self._turn = _held.turn
        if self._turn is not None:
            self._turn.give()

    def __exit__(self, *_: object) -> None:
        if self._turn is not None:
            self._turn.take()


def aside() -> AbstractContextManager[None]:
    """Let another have the turn inside the context; a thread that has none goes on as it is.

    Never inside a lock that another might wait for while it has the turn.
    """
    return _Aside()
