"""The limits of requests per user beyond which Synapse answers 429."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.servers.bodies import RefusalError


@dataclass(frozen=True)
class Throttle:
    """The limits; these are those of the public source, and the service's own may differ."""

    concurrent: int = 3
    requests: int = 600
    seconds: float = 60.0


@dataclass
class _Load:
    running: int = 0
    times: deque[float] = field(default_factory=deque)


class Gate:
    """Admits the requests of each user within the limits."""

    def __init__(self, throttle: Throttle | None) -> None:
        self._throttle = throttle
        self._loads: dict[str, _Load] = {}
        self._lock = threading.Lock()

    @contextmanager
    def passing(self, user: str, now: float) -> Iterator[None]:
        """Count one request of a user while it runs, or refuse it."""
        with self._lock:
            load = self._loads.setdefault(user, _Load())
            self._admit(load, now)
            load.running += 1
        try:
            yield
        finally:
            with self._lock:
                load.running -= 1

    def _admit(self, load: _Load, now: float) -> None:
        if self._throttle is None:
            return
        while load.times and now - load.times[0] >= self._throttle.seconds:
            load.times.popleft()
        if load.running >= self._throttle.concurrent:
            raise RefusalError(429, {"reason": _CONCURRENT.format(self._throttle.concurrent)})
        if len(load.times) >= self._throttle.requests:
            limits = (self._throttle.requests, self._throttle.seconds)
            raise RefusalError(429, {"reason": _FREQUENT.format(*limits)})
        load.times.append(now)


_CONCURRENT = "Too many concurrent requests. Allowed {} concurrent connections at any time."
_FREQUENT = "Requests are too frequent. Allowed {} requests every {:g} seconds."
