"""Delays between attempts that take no time: a clock of their own advances by each."""

import time
from types import SimpleNamespace

import pytest

from decnef_data.errors import MirrorError
from decnef_data.mirrors.http import session
from decnef_data.transfer import download, stream
from decnef_data.transfer.retry import Patience, RetryBudget


class Clock:
    """Seconds that pass only by waiting."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def replace_clock(patch: pytest.MonkeyPatch) -> Clock:
    """Let transfers wait by a clock of their own, so that the load of the machine decides nothing."""
    clock, decide = Clock(), RetryBudget.next_delay

    def hurried(self: RetryBudget, error: MirrorError, *, answered: bool = False) -> float | None:
        delay = decide(self, error, answered=answered)
        clock.sleep(delay or 0.0)
        return None if delay is None else 0.0

    timer = SimpleNamespace(**vars(time) | {"sleep": clock.sleep})
    patch.setattr(RetryBudget, "next_delay", hurried)
    patch.setattr(download, "Patience", lambda: Patience(clock))
    patch.setattr(stream, "RetryBudget", lambda: RetryBudget(Patience(clock)))
    patch.setattr(stream, "time", timer)
    patch.setattr(session, "time", timer)
    return clock
