"""Choose the number of connections of one download, and of threads for many small ones, by measurement."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import Final, Generic, TypeVar

from decnef_data.cooperative import CooperativeLock

#: Connections at first, and at most.
INITIAL_CONNECTIONS: Final = 1
MAX_CONNECTIONS: Final = 16
_GROWTH_FACTOR: Final = 4
_MIN_SPEEDUP: Final = 1.5  # four times the connections are kept if they multiply the rate by this
_WINDOW_SECONDS: Final = 0.2
_REPROBE_SECONDS: Final = 30.0  # more connections are tried again after this: networks change over hours
_REQUEST_SECONDS: Final = 4.0  # how long one request should last, so that its latency does not matter
_MAX_REQUEST_SIZE: Final = 256 << 20
#: Threads at first, and at most.
INITIAL_THREADS: Final = 4
MAX_THREADS: Final = 32
_THREAD_POLL_SECONDS: Final = 0.05
_IDLE_SHARE: Final = 0.25  # the share of time without work from which the threads are doubled

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


class AdaptiveThreadPool(Generic[ItemT, ResultT]):
    """A thread pool in which one thread works at a time, while the others wait for a network or a disk.

    More threads than keep Python busy only cost time: for connections, and for switching between threads.

    Parameters
    ----------
    function
        Called with each item; waits inside a :func:`~decnef_data.cooperative.blocking_section`.
    items
        The arguments of `function`.
    name
        The prefix of the threads' names.

    Examples
    --------
    >>> AdaptiveThreadPool(abs, [-1, -2], "example").run(lambda _threads: None)
    [1, 2]
    """

    def __init__(self, function: Callable[[ItemT], ResultT], items: Sequence[ItemT], name: str) -> None:
        self._function, self._items, self._name = function, items, name
        self._remaining = iter(enumerate(items))
        self._turn = CooperativeLock()
        self._results: dict[int, ResultT] = {}
        self._stopped = False

    def run(self, report_threads: Callable[[int], None]) -> list[ResultT]:
        """Return the results in the order of the items.

        The calling thread regularly calls `report_threads` with the number of running threads.
        Raises the first error that `function` raised, after the other threads have finished their items.
        """
        with ThreadPoolExecutor(MAX_THREADS, thread_name_prefix=self._name) as pool:
            try:
                working = {pool.submit(self._run_worker) for _ in range(INITIAL_THREADS)}
                measured_at, previous_idle = time.perf_counter(), self._turn.idle_seconds
                while working:
                    done, working = wait(working, _THREAD_POLL_SECONDS, FIRST_EXCEPTION)
                    for future in done:
                        future.result()
                    report_threads(len(working))
                    now, current_idle = time.perf_counter(), self._turn.idle_seconds
                    if current_idle - previous_idle > _IDLE_SHARE * (now - measured_at):
                        extra = min(len(working), MAX_THREADS - len(working))
                        working |= {pool.submit(self._run_worker) for _ in range(extra)}
                    measured_at, previous_idle = now, current_idle
            finally:
                self._stopped = True
        return [self._results[number] for number in range(len(self._items))]

    def _run_worker(self) -> None:
        with self._turn.hold():  # no other thread advances the iterator of remaining items meanwhile
            for number, item in self._remaining:
                self._results[number] = self._function(item)
                if self._stopped:
                    return
