"""Choose the number of connections of one download by measurement, and run many small ones on threads."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import Final, TypeVar, cast

#: Connections at first, and at most: one is as fast as several, unless each is limited.
INITIAL_CONNECTIONS: Final = 1
MAX_CONNECTIONS: Final = 16
_GROWTH_FACTOR: Final = 4
_MIN_SPEEDUP: Final = 1.5  # four times the connections are kept if they multiply the rate by this
_WINDOW_SECONDS: Final = 0.2
_REPROBE_SECONDS: Final = 30.0  # more connections are tried again after this: networks change over hours
_REQUEST_SECONDS: Final = 4.0  # how long one request should last, so that its latency does not matter
_MAX_REQUEST_SIZE: Final = 256 << 20
#: Small files wait for answers and for the disk.  Fewer threads are slower as soon as a host is far away, and
#: letting only one of them run Python at a time was not faster.
MAX_THREADS: Final = 32
_REPORT_SECONDS: Final = 0.2

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


class ConnectionScaler:
    """Decides the number of connections: more while the rate grows with them and the hashing keeps up.

    The caller passes the time; the scaler reads no clock.

    Parameters
    ----------
    now
        Seconds on any monotonic clock.
    max_connections
        The maximum number of connections.

    Examples
    --------
    >>> scaler = ConnectionScaler(0.0)
    >>> samples = [(1.0, 20), (2.0, 100), (3.0, 180)]
    >>> [scaler.update(now, mib << 20, hashing_behind=False) for now, mib in samples]
    [4, 16, 4]
    """

    def __init__(self, now: float, max_connections: int = MAX_CONNECTIONS) -> None:
        self.target = INITIAL_CONNECTIONS
        self.rate = 0.0
        self._max_connections = max_connections
        self._previous: tuple[int, float] | None = None
        self._measured_at, self._measured_size = now, 0
        self._settled_at: float | None = None
        self._latency = 0.0

    def record_latency(self, seconds: float) -> None:
        """Record how long a connection took to send its first byte."""
        # One slow answer must not make every further measurement slow.
        self._latency = max(self._latency, min(seconds, 2.0))

    def back_off(self) -> None:
        """Halve the connections for good, because the host is overloaded."""
        self._max_connections = self.target = max(1, self.target // 2)
        self._previous = None

    def use_single_connection(self) -> None:
        """Use one connection for good, because the host sends only complete files."""
        self._max_connections = self.target = 1
        self._previous = None

    def update(self, now: float, received: int, *, hashing_behind: bool) -> int:
        """Return the number of connections to use, after `received` bytes in total."""
        elapsed = now - self._measured_at
        # The first bytes of new connections come a round trip or two later.
        if elapsed < _WINDOW_SECONDS + 2 * self._latency:
            return self.target
        self.rate = (received - self._measured_size) / elapsed
        self._measured_at, self._measured_size = now, received
        self._adjust_target(now, hashing_behind=hashing_behind)
        return self.target

    def request_size(self, remaining: int) -> int:
        """Return how many bytes the next request should ask for, when `remaining` are still missing."""
        rate_per_connection = self.rate / max(self.target, 1)
        return int(
            # Shorter towards the end, so that all connections end at about the same time.
            min(rate_per_connection * _REQUEST_SECONDS, remaining / (2 * self.target), _MAX_REQUEST_SIZE)
        )

    def _adjust_target(self, now: float, *, hashing_behind: bool) -> None:
        if self._previous is not None:
            previous_target, previous_rate = self._previous
            self._previous = None
            if self.rate < previous_rate * _MIN_SPEEDUP:
                self.target, self._settled_at = previous_target, now
                return
        may_grow = self._settled_at is None or now - self._settled_at > _REPROBE_SECONDS
        if may_grow and not hashing_behind and self.rate > 0 and self.target < self._max_connections:
            self._previous = (self.target, self.rate)
            self.target = min(self.target * _GROWTH_FACTOR, self._max_connections)


def map_on_threads(
    function: Callable[[ItemT], ResultT],
    items: Sequence[ItemT],
    name: str,
    report_threads: Callable[[int], None],
) -> list[ResultT]:
    """Call `function` with each item on threads, and return the results in the order of the items.

    After an error no other item is begun; it is raised once the items that were begun are finished.

    Parameters
    ----------
    function
        Waits for a network or a disk most of the time.
    items
        The arguments of `function`.
    name
        The prefix of the threads' names.
    report_threads
        Called regularly by the calling thread with the number of items that are worked on.

    Examples
    --------
    >>> map_on_threads(abs, [-1, -2], "example", lambda _threads: None)
    [1, 2]
    """
    stopped = threading.Event()  # seen by the threads before the pool could cancel thousands of items

    def call(item: ItemT) -> ResultT | None:
        try:
            return None if stopped.is_set() else function(item)
        except BaseException:
            stopped.set()
            raise

    # After an error, items that wait are not begun, and the others end by themselves.
    with ThreadPoolExecutor(MAX_THREADS, thread_name_prefix=name) as pool:
        try:
            futures = [pool.submit(call, item) for item in items]
            pending = set(futures)
            while pending and not stopped.is_set():
                _, pending = wait(pending, _REPORT_SECONDS, FIRST_EXCEPTION)
                report_threads(min(len(pending), MAX_THREADS))
        finally:
            stopped.set()
    return [cast(ResultT, future.result()) for future in futures]
