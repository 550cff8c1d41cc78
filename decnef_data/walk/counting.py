"""Tells a person how far a walk is: a bar on a terminal, log lines elsewhere, or nothing."""

import logging
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

from decnef_data.errors import SelectionError
from decnef_data.progress import Silence

if TYPE_CHECKING:
    import rich.progress

_LOG = logging.getLogger(__name__)
_SECONDS_BETWEEN_LINES: Final = 10.0


class Counting(Protocol):
    """Who is told how many things a walk has seen."""

    def start(self, what: str, total: int | None, done: int) -> None:
        """Begin `what`, of `total` things, `done` of which are known already."""

    def advance(self, count: int) -> None:
        """Count `count` more."""

    def finish(self) -> None:
        """End what was begun, well or not."""


def choose(kind: str = "auto") -> Counting:
    """Choose who is told; the kinds are those of a transfer, but here things are counted, not bytes.

    Examples
    --------
    >>> told = choose("none")
    >>> told.start("synapse: files", 10, 0); told.advance(10); told.finish()
    """
    makers: dict[str, Callable[[], Counting]] = {"bars": Bars, "lines": Lines, "none": Silence}
    name = kind if kind != "auto" else ("bars" if sys.stderr.isatty() else "lines")
    if name not in makers:
        message = f"There is no progress '{kind}'. Choose one of: auto, bars, lines, none."
        raise SelectionError(message, asked=kind, known=("auto", *makers))
    return makers[name]()


class Lines:
    """Logs a line every ten seconds, and one at the end."""

    def start(self, what: str, total: int | None, done: int) -> None:
        """Note what begins."""
        self._what, self._total, self._done, self._before = what, total, done, done
        self._begun = self._said = time.monotonic()

    def advance(self, count: int) -> None:
        """Say how far it is, if the last line is old."""
        self._done += count
        if time.monotonic() - self._said >= _SECONDS_BETWEEN_LINES:
            self._said = time.monotonic()
            _LOG.info("%s: %s%s", self._what, self._state(), self._left())

    def finish(self) -> None:
        """Say where it ended."""
        _LOG.info("%s: %s", self._what, self._state())

    def _state(self) -> str:
        return f"{self._done:,}" if self._total is None else f"{self._done:,} of {self._total:,}"

    def _left(self) -> str:
        """How long it will still take at the rate so far."""
        made, passed = self._done - self._before, time.monotonic() - self._begun
        if self._total is None or not made:
            return ""
        minutes = (self._total - self._done) * passed / made / 60
        return f", about {max(1, round(minutes))} min left"


class Bars:
    """Draws one bar with counts and the time left, on standard error."""

    _bar: "rich.progress.Progress | None" = None

    def start(self, what: str, total: int | None, done: int) -> None:
        """Begin a bar."""
        self._bar = _bar()
        self._task = self._bar.add_task(what, total=total, completed=done)
        self._bar.start()

    def advance(self, count: int) -> None:
        """Lengthen the bar."""
        if self._bar is not None:
            self._bar.advance(self._task, count)

    def finish(self) -> None:
        """Leave the bar as it is, and let go of the terminal."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _bar() -> "rich.progress.Progress":
    import rich.console  # 40 ms that only a terminal needs
    import rich.progress

    return rich.progress.Progress(
        rich.progress.TextColumn("{task.description}"),
        rich.progress.BarColumn(bar_width=None),
        rich.progress.MofNCompleteColumn(),
        rich.progress.TimeRemainingColumn(compact=True),
        console=rich.console.Console(stderr=True),
    )
