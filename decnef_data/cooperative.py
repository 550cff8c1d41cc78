"""Cooperative threads: one works at a time, while the others wait for the network or the disk.

Python runs one thread at a time anyway, and switches whenever the running thread makes a system call: with
dozens of calls per small file, dozens of threads switch at each of them for nothing.  The thread that has the
lock keeps it through such short calls, and releases it for long waits: for an answer, a file lock, the disk.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

__all__ = ["CooperativeLock", "blocking_section"]


class CooperativeLock:
    """The lock that a thread holds while it works, and releases while it waits.

    Examples
    --------
    >>> lock = CooperativeLock()
    >>> with lock.hold():
    ...     with blocking_section():
    ...         pass  # another thread may hold the lock here
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # The threads that wait.  On a busy machine it takes a while until one of them gets a released lock.
        self._waiting: set[int] = set()
        self._idle_seconds = 0.0
        self._free_since = time.perf_counter()  # the time of the last release

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Hold the lock inside the context."""
        self.acquire()
        try:
            yield
        finally:
            self.release()

    def acquire(self) -> None:
        """Wait for the lock, and take it."""
        if not self._lock.acquire(blocking=False):
            thread_id = threading.get_ident()
            self._waiting.add(thread_id)
            self._lock.acquire()
            self._waiting.discard(thread_id)
        elif not self._waiting:
            self._idle_seconds += time.perf_counter() - self._free_since
        _thread_state.lock = self

    def release(self) -> None:
        """Release the lock for another thread."""
        _thread_state.lock = None
        self._free_since = time.perf_counter()
        self._lock.release()

    @property
    def idle_seconds(self) -> float:
        """The time since creation, in seconds, during which no thread held the lock or waited for it."""
        free_since = self._free_since
        in_use = self._waiting or self._lock.locked()
        return self._idle_seconds if in_use else self._idle_seconds + time.perf_counter() - free_since


class _ThreadState(threading.local):
    """The lock that the current thread holds."""

    lock: CooperativeLock | None = None


_thread_state = _ThreadState()


class _BlockingSection:
    """Releases the lock of the current thread, and takes it again at the end."""

    __slots__ = ("_lock",)

    def __enter__(self) -> None:
        self._lock = _thread_state.lock
        if self._lock is not None:
            self._lock.release()

    def __exit__(self, *_: object) -> None:
        if self._lock is not None:
            self._lock.acquire()


def blocking_section() -> AbstractContextManager[None]:
    """Release the cooperative lock inside the context; without effect in a thread that does not hold one.

    Never use it inside a lock that another thread may wait for while it holds the cooperative lock: both
    would wait forever.
    """
    return _BlockingSection()
