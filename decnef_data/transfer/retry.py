"""Which errors are retried, after which delay, and for how long; never those that cannot succeed."""

import random
from typing import Final

from decnef_data.errors import MirrorError

#: HTTP statuses of temporary conditions.
RETRYABLE_STATUSES: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_OVERLOAD_STATUSES: Final = frozenset({429, 503})
_INITIAL_DELAY: Final = 0.5
_MAX_DELAY: Final = 30.0
_MAX_RETRY_AFTER: Final = 600.0
#: Seconds of waiting without a byte, before the first byte arrives and after.
BUDGETS: Final = (8.0, 240.0)


def is_retryable(error: MirrorError) -> bool:
    """Whether waiting may help: no response, an interrupted one, or a temporary status."""
    return error.status is None or error.status in RETRYABLE_STATUSES


def is_overloaded(error: MirrorError) -> bool:
    """Whether the host is overloaded or limits our requests."""
    return error.status in _OVERLOAD_STATUSES


class RetryBudget:
    """Increases the delay, with jitter, while no bytes arrive; starts over when some do.

    Examples
    --------
    >>> budget = RetryBudget()
    >>> 0.25 <= budget.next_delay(MirrorError("no answer")) <= 0.75
    True
    >>> budget.next_delay(MirrorError("not there", status=404)) is None
    True
    """

    def __init__(self) -> None:
        self._delay, self._waited, self._budget = _INITIAL_DELAY, 0.0, BUDGETS[0]

    def record_progress(self) -> None:
        """Reset the delay and the budget, because bytes arrived."""
        self._delay, self._waited, self._budget = _INITIAL_DELAY, 0.0, BUDGETS[1]

    def next_delay(self, error: MirrorError) -> float | None:
        """Return how many seconds to wait before the next attempt, or ``None`` if it would not help."""
        retry_after = error.retry_after or 0.0
        if not is_retryable(error) or self._waited >= self._budget or retry_after > _MAX_RETRY_AFTER:
            return None
        delay = max(self._delay * random.uniform(0.5, 1.5), retry_after)  # noqa: S311 - spreads clients, not for security
        self._delay = min(self._delay * 2, _MAX_DELAY)
        self._waited += delay
        return delay
