"""Keeps synapseclient within bounds: time-outs, patience, and what Synapse takes of one user."""

import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from decnef_data.mirrors.transport import plainly

#: What Synapse takes of one user: so many requests at once, and so many in so many seconds.
AT_ONCE = 3
_MOST, _SECONDS = 600, 60.0


class GaveUpError(requests.RequestException):
    """Stops synapseclient's retrying, which goes by an error's class name and text: this one has no text."""

    def __init__(self, why: str, status: int | None) -> None:
        super().__init__()
        self.why = why
        self.status = status


class _Call(threading.local):
    """How the call of this thread stands."""

    until = 0.0
    timeouts = (10.0, 30.0)
    why = "no answer"
    status: int | None = None


class _Gate:
    """Lets requests pass as Synapse would; one that waits here would else be refused and sent again."""

    def __init__(self) -> None:
        self._at_once = threading.BoundedSemaphore(AT_ONCE)
        self._times: deque[float] = deque(maxlen=_MOST)
        self._lock = threading.Lock()

    @contextmanager
    def passing(self) -> Iterator[float]:
        """Wait for leave, and say for how long that was."""
        began = time.monotonic()
        with self._at_once:
            with self._lock:
                if len(self._times) == _MOST:
                    time.sleep(max(0.0, self._times[0] + _SECONDS - time.monotonic()))
                self._times.append(time.monotonic())
            yield time.monotonic() - began


class Bounded(HTTPAdapter):
    """Gives each request our time-outs, all requests of one call bounded time, and sends none too early."""

    def __init__(self) -> None:
        super().__init__()
        self._call = _Call()
        self._gate = _Gate()

    def begin(self, patience: float, timeouts: tuple[float, float]) -> None:
        """Begin one call: all its requests together may take so many seconds, each has these time-outs."""
        self._call.timeouts = timeouts
        self._call.until = time.monotonic() + patience
        self._call.why, self._call.status = "no answer", None

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: object = None,  # noqa: ARG002  # ours, whatever synapseclient asks for
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Send one request, if there is time left."""
        with self._gate.passing() as waited:
            self._call.until += waited
            if time.monotonic() < self._call.until:
                try:
                    answer = super().send(request, stream, self._call.timeouts, verify, cert, proxies)
                    return self._noted(answer, read=not stream)
                except requests.RequestException as error:
                    self._call.why = plainly(error)
                    if "NewConnection" not in repr(error) and "NameResolution" not in repr(error):
                        raise  # synapseclient may retry what broke; what was never there stays away
        raise GaveUpError(self._call.why, self._call.status)

    def _noted(self, answer: requests.Response, *, read: bool) -> requests.Response:
        self._call.status = answer.status_code
        self._call.why = f"{answer.status_code} {answer.reason}"
        if read:  # until its end it counts as running
            _ = answer.content
        return answer
