"""Keeps the requests of one user within what a mirror allows in a stretch of time."""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

#: Synapse lets each user make three requests at a time, and 600 in 60 seconds; its throttle answers 429.
#: We stay 5 % below the second, because requests sent evenly do not arrive so, and the user may have
#: other windows open.
CONCURRENT: Final = 3
REQUESTS: Final = 570
SECONDS: Final = 60.0


class Stopped(Exception):  # noqa: N818  # no error: who waits is told to stop waiting
    """The walk is over, one way or the other."""


class Pace:
    """Lets at most so many requests pass in any stretch of so many seconds.

    Parameters
    ----------
    requests, seconds
        The limit.
    clock, until
        The time, and how to let it pass until some moment or an event; those of the machine, unless a
        simulation has its own.

    Examples
    --------
    >>> pace = Pace(2, 0.05)
    >>> for _ in range(3):
    ...     pace.take()
    >>> pace.taken
    3
    """

    def __init__(
        self,
        requests: int = REQUESTS,
        seconds: float = SECONDS,
        clock: Callable[[], float] = time.monotonic,
        until: Callable[[threading.Event, float], object] | None = None,
    ) -> None:
        self.seconds = seconds
        self.taken = 0
        self._clock = clock
        self._until = until or self._sleep
        self._times: deque[float] = deque(maxlen=requests)
        self._resting = 0.0
        self._lock = threading.Lock()
        self._over = threading.Event()

    def take(self) -> None:
        """Wait until one more request may be made, and count it.

        Raises
        ------
        Stopped
            :meth:`stop` was called meanwhile.
        """
        with self._lock:
            due = self._due()
            self._times.append(due)
            self.taken += 1
        if due > self._clock():
            self._until(self._over, due)
        if self._over.is_set():
            raise Stopped

    def rest(self) -> None:
        """Let a whole stretch pass before the next request: the mirror said that it was too much."""
        with self._lock:
            self._resting = self._clock() + self.seconds

    def stop(self) -> None:
        """Let nobody wait any longer."""
        self._over.set()

    def _sleep(self, over: threading.Event, due: float) -> None:
        over.wait(max(0.0, due - self._clock()))

    def _due(self) -> float:
        full = len(self._times) == self._times.maxlen
        freed = self._times[0] + self.seconds if full else 0.0
        return max(self._clock(), freed, self._resting)
