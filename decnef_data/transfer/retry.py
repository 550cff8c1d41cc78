"""Which errors are retried, after which delay, and for how long; never those that cannot succeed."""

import random
import time
from collections.abc import Callable
from typing import Final

from decnef_data.errors import MirrorError

#: HTTP statuses of temporary conditions.
RETRYABLE_STATUSES: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_OVERLOAD_STATUSES: Final = frozenset({429, 503})
_INITIAL_DELAY: Final = 0.5
# A mirror that is back is noticed within half a minute; what it asks for itself is waited for longer.
_MAX_DELAY: Final = 30.0
_MAX_RETRY_AFTER: Final = 600.0
#: Seconds of waiting for a mirror that cannot be reached, before the first byte arrives and after.
BUDGETS: Final = (8.0, 240.0)
#: Seconds, all told, in which a mirror may answer without sending any byte that was missing.
FRUITLESS_SECONDS: Final = 25.0
_MAX_FRUITLESS_DELAY: Final = 5.0  # several attempts fit into the time


def is_retryable(error: MirrorError) -> bool:
    """Whether waiting may help: no response, an interrupted one, or a temporary status."""
    return error.status is None or error.status in RETRYABLE_STATUSES


def is_overloaded(error: MirrorError) -> bool:
    """Whether the host is overloaded or limits our requests."""
    return error.status in _OVERLOAD_STATUSES


class Patience:
    """How long a mirror has been answering without sending any byte that was missing.

    All connections of a download share it: bytes for one of them are progress for all.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.has_progress = False
        self._progressed = clock()
        self._fruitless_since: float | None = None

    def record_progress(self) -> None:
        """Start over, because bytes arrived that were missing."""
        self.has_progress, self._progressed, self._fruitless_since = True, self.clock(), None

    def is_exhausted(self, started: float, delay: float) -> bool:
        """Whether another attempt after `delay` would end too late, if it takes as long as the last one.

        `started` is when the last attempt was made, which was answered in vain.
        """
        now = self.clock()
        if self._fruitless_since is None:
            self._fruitless_since = max(started, self._progressed)
        since = self._fruitless_since
        return now - since + delay + (now - started) > FRUITLESS_SECONDS


class RetryBudget:
    """Increases the delay, with jitter, while no missing bytes arrive; starts over when some do.

    Parameters
    ----------
    patience
        Shared by the connections of one download.

    Examples
    --------
    >>> budget = RetryBudget()
    >>> 0.25 <= budget.next_delay(MirrorError("no answer")) <= 0.75
    True
    >>> budget.next_delay(MirrorError("not there", status=404)) is None
    True
    """

    def __init__(self, patience: Patience | None = None) -> None:
        self._patience = Patience() if patience is None else patience
        self._started = self._patience.clock()
        self._delay, self._waited = _INITIAL_DELAY, 0.0

    def record_progress(self) -> None:
        """Reset the delay and the budget, because bytes arrived that were missing."""
        self._patience.record_progress()
        self._started = self._patience.clock()
        self._delay, self._waited = _INITIAL_DELAY, 0.0

    def next_delay(self, error: MirrorError, *, answered: bool = False) -> float | None:
        """Return how many seconds to wait before the next attempt, or ``None`` if it would not help.

        `answered` is whether the mirror sent the file, or part of it, before the error.
        """
        retry_after = error.retry_after or 0.0
        budget = BUDGETS[self._patience.has_progress]
        if not is_retryable(error) or self._waited >= budget or retry_after > _MAX_RETRY_AFTER:
            return None
        delay = max(self._delay * random.uniform(0.5, 1.5), retry_after)  # noqa: S311 - spreads clients, not for security
        # A host that asks for time gets it, as much as one that cannot be reached.
        if (answered or error.status is not None) and not retry_after:
            delay = min(delay, _MAX_FRUITLESS_DELAY)
            if self._patience.is_exhausted(self._started, delay):
                return None
        self._delay = min(self._delay * 2, _MAX_DELAY)
        self._waited += delay
        self._started = self._patience.clock() + delay
        return delay
