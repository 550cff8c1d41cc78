"""What is tried again, when, and how long: never what cannot succeed."""

import random
from typing import Final

from decnef_data.errors import MirrorError

#: Statuses that say of themselves that they pass.
PASSING: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_BUSY: Final = frozenset({429, 503})
_FIRST: Final = 0.5
_LONGEST: Final = 30.0
_MOST_ASKED: Final = 600.0
#: Seconds of waiting in a row without a byte, before anything came and after.
BUDGETS: Final = (8.0, 240.0)


def passes(error: MirrorError) -> bool:
    """Whether waiting may help: no answer, a cut answer, or a status that says so."""
    return error.status is None or error.status in PASSING


def busy(error: MirrorError) -> bool:
    """Whether the host has enough of us."""
    return error.status in _BUSY


class Patience:
    """Waits ever longer, with jitter, while nothing comes; begins anew when something does.

    Examples
    --------
    >>> patience = Patience()
    >>> 0.25 <= patience.after(MirrorError("no answer")) <= 0.75
    True
    >>> patience.after(MirrorError("not there", status=404)) is None
    True
    """

    def __init__(self) -> None:
        self._wait, self._waited, self._left = _FIRST, 0.0, BUDGETS[0]

    def progressed(self) -> None:
        """Note that bytes came."""
        self._wait, self._waited, self._left = _FIRST, 0.0, BUDGETS[1]

    def after(self, error: MirrorError) -> float | None:
        """Give how many seconds to wait before the next try, or ``None`` where it would not help."""
        asked = error.retry_after or 0.0
        if not passes(error) or self._waited >= self._left or asked > _MOST_ASKED:
            return None
        wait = max(self._wait * random.uniform(0.5, 1.5), asked)  # noqa: S311 - spreads clients, guards nothing
        self._wait = min(self._wait * 2, _LONGEST)
        self._waited += wait
        return wait
