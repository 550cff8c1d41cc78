"""How many connections help: one at first, more while the rate grows with them and the hashing can follow."""

from typing import Final

#: Connections at first, and at most.
FIRST: Final = 1
MOST: Final = 16
_FACTOR: Final = 4
_WORTH: Final = 1.5  # what four times the connections must bring to be kept
_WINDOW: Final = 0.2
_AGAIN: Final = 30.0  # seconds after which a settled number is tried anew: networks change over hours
_AHEAD: Final = 4.0  # seconds that one request should last, so that its latency does not count
_LONGEST: Final = 256 << 20


class Pace:
    """Decides by what was measured; told the time, it keeps no clock of its own.

    Parameters
    ----------
    now
        Seconds on any clock that only goes forward.
    most
        The greatest number of connections.

    Examples
    --------
    >>> pace = Pace(0.0)
    >>> [pace.look(now, mib << 20, behind=False) for now, mib in [(1.0, 20), (2.0, 100), (3.0, 180)]]
    [4, 16, 4]
    """

    def __init__(self, now: float, most: int = MOST) -> None:
        self.wanted = FIRST
        self.rate = 0.0
        self._most = most
        self._before: tuple[int, float] | None = None
        self._since, self._bytes = now, 0
        self._settled: float | None = None
        self._delay = 0.0

    def delayed(self, seconds: float) -> None:
        """Note how long a connection took to send its first byte."""
        self._delay = max(self._delay, min(seconds, 2.0))

    def refused(self) -> None:
        """Note that the host has enough of us."""
        self._most = self.wanted = max(1, self.wanted // 2)
        self._before = None

    def alone(self) -> None:
        """Note that the host sends files whole only."""
        self._most = self.wanted = 1
        self._before = None

    def look(self, now: float, received: int, *, behind: bool) -> int:
        """Give how many connections are wanted, `received` bytes after the start; `behind` is the hashing."""
        passed = now - self._since
        if passed < _WINDOW + 2 * self._delay:
            return self.wanted
        self.rate = (received - self._bytes) / passed
        self._since, self._bytes = now, received
        self._decide(now, behind=behind)
        return self.wanted

    def length(self, left: int) -> int:
        """How many bytes the next request should ask for, when `left` are still missing."""
        each = self.rate / max(self.wanted, 1)
        return int(min(each * _AHEAD, left / (2 * self.wanted), _LONGEST))

    def _decide(self, now: float, *, behind: bool) -> None:
        if self._before is not None:
            number, rate = self._before
            self._before = None
            if self.rate < rate * _WORTH:
                self.wanted, self._settled = number, now
                return
        rested = self._settled is None or now - self._settled > _AGAIN
        if rested and not behind and self.rate > 0 and self.wanted < self._most:
            self._before = (self.wanted, self.rate)
            self.wanted = min(self.wanted * _FACTOR, self._most)
