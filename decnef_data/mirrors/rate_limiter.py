"""The limiter that keeps the requests of a crawl within what a mirror allows in a period of time."""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

__all__ = ["MAX_CONCURRENT_REQUESTS", "CrawlStopped", "RateLimiter"]

#: Synapse allows each user three requests at a time, and 600 in 60 seconds; beyond that it answers 429.
#: We stay 5 % below the second limit, because requests that are sent evenly do not arrive evenly, and
#: because the user may have other sessions open.
MAX_CONCURRENT_REQUESTS: Final = 3
MAX_REQUESTS: Final = 570
PERIOD_SECONDS: Final = 60.0


class CrawlStopped(Exception):  # noqa: N818  # not an error: it ends the wait of a thread
    """The crawl has ended, successfully or not."""


class RateLimiter:
    """Allows at most `requests` requests in any period of `seconds`.

    Parameters
    ----------
    requests, seconds
        The limit.
    clock, wait_until
        Return the time, and wait until an event or a moment; those of the machine unless a simulation
        replaces them.

    Examples
    --------
    >>> rate_limiter = RateLimiter(2, 0.05)
    >>> for _ in range(3):
    ...     rate_limiter.acquire()
    >>> rate_limiter.request_count
    3
    """

    def __init__(
        self,
        requests: int = MAX_REQUESTS,
        seconds: float = PERIOD_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        wait_until: Callable[[threading.Event, float], object] | None = None,
    ) -> None:
        self.seconds = seconds
        self.request_count = 0
        self._clock = clock
        self._wait_until = wait_until or self._wait_for
        self._request_times: deque[float] = deque(maxlen=requests)
        self._paused_until = 0.0
        # Guards the times and the count; no thread sleeps while it holds the lock.
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    def acquire(self) -> None:
        """Wait until one more request may be made, and count it.

        Raises
        ------
        CrawlStopped
            :meth:`stop` was called meanwhile.
        """
        with self._lock:
            due = self._next_slot()
            self._request_times.append(due)
            self.request_count += 1
        if due > self._clock():
            self._wait_until(self._stopped, due)
        if self._stopped.is_set():
            raise CrawlStopped

    def pause(self) -> None:
        """Delay the next request by a full period, because the mirror reported too many requests."""
        with self._lock:
            self._paused_until = self._clock() + self.seconds

    def stop(self) -> None:
        """End the wait of all threads."""
        self._stopped.set()

    def _wait_for(self, stopped: threading.Event, due: float) -> None:
        stopped.wait(max(0.0, due - self._clock()))

    def _next_slot(self) -> float:
        full = len(self._request_times) == self._request_times.maxlen
        freed = self._request_times[0] + self.seconds if full else 0.0
        return max(self._clock(), freed, self._paused_until)
