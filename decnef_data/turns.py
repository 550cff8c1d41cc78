"""Lets one of many threads work at a time, while the others wait for a network or a disk.

Python runs one thread at a time anyway, and hands over whenever that one calls the system: with dozens of
calls a small file, dozens of threads hand over at each of them for nothing.  Whoever has the turn
keeps it through such calls, and steps aside for those that take long: for an answer, a lock, the disk.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

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

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Wait for the turn, and have it inside the context."""
        with self._lock:
            _held.lock = self._lock
            try:
                yield
            finally:
                _held.lock = None


class _Held(threading.local):
    lock: "threading.Lock | None" = None


_held = _Held()


@contextmanager
def aside() -> Iterator[None]:
    """Let another have the turn inside the context; a thread that has none goes on as it is.

    Never inside a lock that another might wait for while it has the turn.
    """
    lock = _held.lock
    if lock is None:
        yield
        return
    _held.lock = None
    lock.release()
    try:
        yield
    finally:
        lock.acquire()
        _held.lock = lock
