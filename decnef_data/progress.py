"""Tells how far a transfer is: bars on a terminal, log lines elsewhere, events for a program, or nothing."""

import json
import logging
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Literal

from decnef_data.errors import SelectionError
from decnef_data.model import Progress

if TYPE_CHECKING:
    import rich.progress

Kind = Literal["auto", "bars", "lines", "json", "none"]

_LOG = logging.getLogger(__name__)
_SECONDS_BETWEEN_LINES: Final = 10.0
_SECONDS_BETWEEN_EVENTS: Final = 0.5


def choose(kind: str = "auto") -> Progress:
    """Choose who is told.

    Parameters
    ----------
    kind
        ``"bars"`` draws on standard error, ``"lines"`` logs at level INFO, ``"json"`` writes an event a line
        to standard error, ``"none"`` is silent, and ``"auto"`` draws where standard error is a terminal,
        else logs.

    Raises
    ------
    SelectionError
        `kind` is none of these.

    Examples
    --------
    >>> told = choose("none")
    >>> told.start("SRPBS_FC.zip", 10, 0); told.advance(10); told.finish()
    """
    makers: dict[str, Callable[[], Progress]] = {
        "bars": Bars,
        "lines": Lines,
        "json": Events,
        "none": Silence,
    }
    name = kind if kind != "auto" else ("bars" if sys.stderr.isatty() else "lines")
    if name not in makers:
        message = f"There is no progress '{kind}'. Choose one of: auto, bars, lines, json, none."
        raise SelectionError(message, asked=kind, known=("auto", *makers))
    return makers[name]()


class Silence:
    """Tells nobody."""

    def start(self, what: str, total: int | None, done: int) -> None:
        """Say nothing."""

    def advance(self, count: int) -> None:
        """Say nothing."""

    def via(self, mirror: str, connections: int) -> None:
        """Say nothing."""

    def scans(self, count: int) -> None:
        """Say nothing."""

    def finish(self) -> None:
        """Say nothing."""


class Lines:
    """Logs a line at the start, one every ten seconds, and one at the end."""

    def __init__(self) -> None:
        self._what, self._done, self._said, self._scans = "", 0, 0.0, 0
        self._total: int | None = None

    def start(self, what: str, total: int | None, done: int) -> None:
        """Say what begins."""
        self._what, self._total, self._done, self._scans = what, total, done, 0
        _LOG.info("%s: %s", what, self._state())
        self._said = time.monotonic()

    def advance(self, count: int) -> None:
        """Say how far it is, if the last line is old."""
        self._done += count
        if time.monotonic() - self._said >= _SECONDS_BETWEEN_LINES:
            _LOG.info("%s: %s", self._what, self._state())
            self._said = time.monotonic()

    def via(self, mirror: str, connections: int) -> None:
        """Say nothing: lines are few."""

    def scans(self, count: int) -> None:
        """Have the next line say how many."""
        self._scans = count

    def finish(self) -> None:
        """Say where it ended."""
        _LOG.info("%s: ended at %s", self._what, self._state())

    def _state(self) -> str:
        scans = f", {self._scans} scans stored" if self._scans else ""
        done = f"{self._done / 1e6:,.1f} MB"
        if not self._total:
            return f"{done}{scans}"
        return f"{done} of {self._total / 1e6:,.1f} MB ({self._done / self._total:.0%}){scans}"


class Events:
    """Writes one JSON object a line to standard error: ``start``, ``progress`` twice a second, and ``end``.

    Every event has ``event``, ``what``, ``done`` and ``total`` (bytes; ``total`` may be null), ``rate``
    (bytes a second since the start), ``left`` (seconds, or null), ``mirror``, ``connections``, and ``scans``,
    how many images were stored on the way.
    """

    def __init__(self) -> None:
        self._what, self._mirror, self._connections, self._scans = "", "", 0, 0
        self._total: int | None = None
        self._before, self._done, self._began, self._said = 0, 0, 0.0, 0.0

    def start(self, what: str, total: int | None, done: int) -> None:
        """Write the first event."""
        self._what, self._total, self._before, self._done = what, total, done, done
        self._mirror, self._connections, self._scans = "", 0, 0
        self._began = self._said = time.monotonic()
        self._write("start")

    def advance(self, count: int) -> None:
        """Write an event, if the last is old."""
        self._done += count
        if time.monotonic() - self._said >= _SECONDS_BETWEEN_EVENTS:
            self._said = time.monotonic()
            self._write("progress")

    def via(self, mirror: str, connections: int) -> None:
        """Note what the next events say."""
        self._mirror, self._connections = mirror, connections

    def scans(self, count: int) -> None:
        """Note what the next events say."""
        self._scans = count

    def finish(self) -> None:
        """Write the last event."""
        self._write("end")

    def _write(self, event: str) -> None:
        rate = (self._done - self._before) / max(time.monotonic() - self._began, 1e-3)
        known = self._total is not None and rate > 0
        said = {
            "event": event,
            "what": self._what,
            "done": self._done,
            "total": self._total,
            "rate": round(rate),
            "left": round(((self._total or 0) - self._done) / rate, 1) if known else None,
            "mirror": self._mirror,
            "connections": self._connections,
            "scans": self._scans,
        }
        sys.stderr.write(json.dumps(said, ensure_ascii=False) + "\n")
        sys.stderr.flush()


class Bars:
    """Draws one bar a transfer with bytes, rate and the time left, on standard error."""

    def __init__(self) -> None:
        self._bars: rich.progress.Progress | None = None
        self._task: rich.progress.TaskID | None = None

    def start(self, what: str, total: int | None, done: int) -> None:
        """Begin a bar."""
        self._bars = _bars()
        self._bars.start()
        self._task = self._bars.add_task(what, total=total, completed=done, via="", scans="")

    def advance(self, count: int) -> None:
        """Lengthen the bar."""
        if self._bars is not None and self._task is not None:
            self._bars.advance(self._task, count)

    def via(self, mirror: str, connections: int) -> None:
        """Show where the bytes come from."""
        if self._bars is not None and self._task is not None:
            over = "" if connections == 1 else f" x{connections}"
            self._bars.update(self._task, via=f"{mirror}{over}")

    def scans(self, count: int) -> None:
        """Show how many there are."""
        if self._bars is not None and self._task is not None:
            self._bars.update(self._task, scans=f"{count} scans" if count else "")

    def finish(self) -> None:
        """Leave the bar as it is, and let go of the terminal."""
        if self._bars is not None:
            self._bars.stop()
            self._bars = self._task = None


def _bars() -> "rich.progress.Progress":
    import rich.console  # 40 ms that only a terminal needs
    import rich.progress
    import rich.table

    whole = rich.table.Column(no_wrap=True)  # on a narrow terminal the bar gives way, and then the name
    return rich.progress.Progress(
        rich.progress.TextColumn("{task.description}", table_column=rich.table.Column(overflow="fold")),
        rich.progress.BarColumn(bar_width=None, table_column=rich.table.Column(min_width=4)),
        rich.progress.DownloadColumn(table_column=whole),
        rich.progress.TransferSpeedColumn(table_column=whole),
        rich.progress.TimeRemainingColumn(compact=True, table_column=whole),
        rich.progress.TextColumn("{task.fields[via]}", table_column=whole),
        rich.progress.TextColumn("{task.fields[scans]}", table_column=whole),
        console=rich.console.Console(stderr=True),
    )
