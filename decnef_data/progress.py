"""Progress of transfers and counts: bars on a terminal or in a notebook, log lines, events, or nothing."""

import json
import sys
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, Literal, cast

from decnef_data.disclosure import get_logger, hide_people
from decnef_data.display import cell
from decnef_data.display.cell_progress import CellCountProgress, CellProgress
from decnef_data.errors import SelectionError
from decnef_data.kernel import find_kernel_shell
from decnef_data.model import CountProgress, Progress

if TYPE_CHECKING:
    import rich.progress

_LOG = get_logger(__name__)
# A log of hours stays readable; a program that reads events draws a bar.
_SECONDS_BETWEEN_LINES: Final = 10.0
_SECONDS_BETWEEN_EVENTS: Final = 0.5
_SECONDS_BETWEEN_COUNT_LINES: Final = 10.0
_WIDTH_OF_ALL_COLUMNS: Final = 80
_WIDTH_WITH_TIME: Final = 48
#: The kinds of progress display that a request may name.
KINDS: Final = ("auto", "bars", "lines", "json", "none")
_Display = Literal["cell", "bars", "lines", "json", "none"]


def create_progress(kind: str = "auto") -> Progress:
    """Create the progress display of a transfer.

    Parameters
    ----------
    kind
        ``"bars"`` draws on standard error, or below the running cell of a notebook, ``"lines"`` logs at level
        INFO, ``"json"`` writes one event per line to standard error, ``"none"`` shows nothing, and ``"auto"``
        is bars if standard error is a terminal, and in a notebook, else lines.

    Raises
    ------
    SelectionError
        `kind` is none of these.

    Examples
    --------
    >>> progress = create_progress("none")
    >>> progress.start("SRPBS_FC.zip", 10, 0); progress.advance(10); progress.finish()
    """
    classes: Mapping[_Display, Callable[[], Progress]] = {
        "cell": CellProgress,
        "bars": BarProgress,
        "lines": LogProgress,
        "json": JsonProgress,
        "none": NoProgress,
    }
    return classes[_choose_display(kind)]()


def create_count_progress(kind: str = "auto") -> CountProgress:
    """Create a progress display that counts items, not bytes; the kinds are those of a transfer.

    Examples
    --------
    >>> progress = create_count_progress("none")
    >>> progress.start("synapse: files", 10, 0); progress.advance(10); progress.finish()
    """
    classes: Mapping[_Display, Callable[[], CountProgress]] = {
        "cell": CellCountProgress,
        "bars": BarCountProgress,
        "lines": LogCountProgress,
        "json": JsonProgress,
        "none": NoProgress,
    }
    return classes[_choose_display(kind)]()


def _choose_display(kind: str) -> _Display:
    """Return how progress is shown; nothing else looks for a notebook or a terminal."""
    if kind not in KINDS:
        message = f"Unknown progress display '{kind}'. Choose one of: {', '.join(KINDS)}."
        raise SelectionError(message, requested=kind, known=KINDS)
    if kind in {"lines", "json", "none"}:
        return cast(_Display, kind)
    if find_kernel_shell() is not None:
        return "cell"
    return "bars" if kind == "bars" or sys.stderr.isatty() else "lines"


def begin_request(kind: str) -> None:
    """Let the progress of a request have a line of its own in a notebook.

    Examples
    --------
    >>> begin_request("auto")
    """
    if _choose_display(kind) == "cell":
        cell.begin_request()


def add_note(kind: str, note: cell.Note) -> None:
    """Let what a request brought or wrote stay in a notebook in place of its progress, if there was any.

    `note` returns it as HTML and as text; it is only called where it is shown.

    Examples
    --------
    >>> add_note("auto", lambda: ("<b>Done.</b>", "Done."))
    """
    if _choose_display(kind) == "cell":
        cell.current_line().add_note(note)


class NoProgress:
    """Shows nothing."""

    def start(self, what: str, total: int | None, done: int) -> None:
        """Do nothing."""

    def advance(self, count: int) -> None:
        """Do nothing."""

    def set_source(self, mirror: str, connections: int) -> None:
        """Do nothing."""

    def set_scan_count(self, count: int) -> None:
        """Do nothing."""

    def finish(self) -> None:
        """Do nothing."""


class LogProgress:
    """Logs a line at the start, one every ten seconds, and one at the end."""

    def __init__(self) -> None:
        self._what, self._done, self._last_logged, self._scans = "", 0, 0.0, 0
        self._total: int | None = None

    def start(self, what: str, total: int | None, done: int) -> None:
        """Log the first line."""
        self._what, self._total, self._done, self._scans = what, total, done, 0
        _LOG.info("%s: %s", what, self._format_state())
        self._last_logged = time.monotonic()

    def advance(self, count: int) -> None:
        """Log a line if the last one is ten seconds old."""
        self._done += count
        if time.monotonic() - self._last_logged >= _SECONDS_BETWEEN_LINES:
            _LOG.info("%s: %s", self._what, self._format_state())
            self._last_logged = time.monotonic()

    def set_source(self, mirror: str, connections: int) -> None:
        """Do nothing, to keep the log short."""

    def set_scan_count(self, count: int) -> None:
        """Set the number of scans for the next line."""
        self._scans = count

    def finish(self) -> None:
        """Log the last line."""
        _LOG.info("%s: ended at %s", self._what, self._format_state())

    def _format_state(self) -> str:
        scans = f", {self._scans} scans stored" if self._scans else ""
        done = f"{self._done / 1e6:,.1f} MB"
        if not self._total:
            return f"{done}{scans}"
        return f"{done} of {self._total / 1e6:,.1f} MB ({self._done / self._total:.0%}){scans}"


class JsonProgress:
    """Writes one JSON object per line to standard error: ``start``, ``progress`` twice a second, and ``end``.

    Every event has ``event``, ``what``, ``done`` and ``total`` (bytes, or items where these are counted;
    ``total`` may be null), ``rate`` (per second since the start), ``left`` (seconds, or null), ``mirror``,
    ``connections``, and ``scans``, the number of images that were stored meanwhile.
    """

    def __init__(self) -> None:
        self._what, self._mirror, self._connections, self._scans = "", "", 0, 0
        self._total: int | None = None
        self._initial, self._done, self._started, self._last_written = 0, 0, 0.0, 0.0

    def start(self, what: str, total: int | None, done: int) -> None:
        """Write the first event."""
        self._what, self._total, self._initial, self._done = what, total, done, done
        self._mirror, self._connections, self._scans = "", 0, 0
        self._started = self._last_written = time.monotonic()
        self._write("start")

    def advance(self, count: int) -> None:
        """Write an event if the last one is half a second old."""
        self._done += count
        if time.monotonic() - self._last_written >= _SECONDS_BETWEEN_EVENTS:
            self._last_written = time.monotonic()
            self._write("progress")

    def set_source(self, mirror: str, connections: int) -> None:
        """Set mirror and connections for the next events."""
        self._mirror, self._connections = mirror, connections

    def set_scan_count(self, count: int) -> None:
        """Set the number of scans for the next events."""
        self._scans = count

    def finish(self) -> None:
        """Write the last event."""
        self._write("end")

    def _write(self, event: str) -> None:
        rate = (self._done - self._initial) / max(time.monotonic() - self._started, 1e-3)
        known = self._total is not None and rate > 0
        fields = {
            "event": event,
            "what": hide_people(self._what),
            "done": self._done,
            "total": self._total,
            "rate": round(rate),
            "left": round(((self._total or 0) - self._done) / rate, 1) if known else None,
            "mirror": self._mirror,
            "connections": self._connections,
            "scans": self._scans,
        }
        # ASCII, because an encoding that lacks letters of a name would put others in their place.
        sys.stderr.write(json.dumps(fields) + "\n")
        sys.stderr.flush()


class BarProgress:
    """Draws one bar per transfer on standard error, with bytes, rate and time left."""

    def __init__(self) -> None:
        self._bar: rich.progress.Progress | None = None
        self._task: rich.progress.TaskID | None = None

    def start(self, what: str, total: int | None, done: int) -> None:
        """Start a bar."""
        self._bar = _build_byte_bar()
        self._bar.start()
        self._task = self._bar.add_task(_printable(what), total=total, completed=done, via="", scans="")

    def advance(self, count: int) -> None:
        """Advance the bar."""
        if self._bar is not None and self._task is not None:
            self._bar.advance(self._task, count)

    def set_source(self, mirror: str, connections: int) -> None:
        """Show the mirror that the bytes come from, and the number of connections."""
        if self._bar is not None and self._task is not None:
            connection_count = "" if connections == 1 else f" x{connections}"
            self._bar.update(self._task, via=f"{mirror}{connection_count}")

    def set_scan_count(self, count: int) -> None:
        """Show the number of scans."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, scans=f"{count} scans" if count else "")

    def finish(self) -> None:
        """Stop the bar, which remains visible, and release the terminal."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = self._task = None


def _printable(text: str) -> str:
    """Replace the control characters that the name of a file may have; a Japanese space is none."""
    shown = hide_people(text)
    return "".join(letter if letter.isprintable() or letter == "\u3000" else "?" for letter in shown)


def _build_byte_bar() -> "rich.progress.Progress":
    import rich.console  # 40 ms that only a terminal needs
    import rich.progress
    import rich.table

    console = rich.console.Console(stderr=True)
    unwrapped = rich.table.Column(no_wrap=True)  # on a narrow terminal the bar shrinks first, then the name
    columns: list[rich.progress.ProgressColumn] = [
        rich.progress.TextColumn(
            "{task.description}", markup=False, table_column=rich.table.Column(overflow="fold")
        ),
        rich.progress.BarColumn(bar_width=None, table_column=rich.table.Column(min_width=4)),
        rich.progress.DownloadColumn(table_column=unwrapped),
        rich.progress.TransferSpeedColumn(table_column=unwrapped),
        rich.progress.TimeRemainingColumn(compact=True, table_column=unwrapped),
        rich.progress.TextColumn("{task.fields[via]}", table_column=unwrapped),
        rich.progress.TextColumn("{task.fields[scans]}", table_column=unwrapped),
    ]
    if console.width < _WIDTH_OF_ALL_COLUMNS:  # rich would cut them all: name, bar, bytes and time stay whole
        columns = [*columns[:3], columns[4]]
    if console.width < _WIDTH_WITH_TIME:
        columns = [columns[0], rich.progress.BarColumn(bar_width=6), columns[2]]
    return rich.progress.Progress(*columns, console=console)


class LogCountProgress:
    """Logs a line with counts every ten seconds, and one at the end."""

    def start(self, what: str, total: int | None, done: int) -> None:
        """Start a count."""
        self._what, self._total, self._done, self._initial = what, total, done, done
        self._started = self._last_logged = time.monotonic()

    def advance(self, count: int) -> None:
        """Log a line if the last one is ten seconds old."""
        self._done += count
        if time.monotonic() - self._last_logged >= _SECONDS_BETWEEN_COUNT_LINES:
            self._last_logged = time.monotonic()
            _LOG.info("%s: %s%s", self._what, self._format_state(), self._format_time_left())

    def finish(self) -> None:
        """Log the last line."""
        _LOG.info("%s: %s", self._what, self._format_state())

    def _format_state(self) -> str:
        return f"{self._done:,}" if self._total is None else f"{self._done:,} of {self._total:,}"

    def _format_time_left(self) -> str:
        """Format the time left at the rate so far; empty if it is unknown."""
        counted, elapsed = self._done - self._initial, time.monotonic() - self._started
        if self._total is None or not counted:
            return ""
        minutes = (self._total - self._done) * elapsed / counted / 60
        return f", about {max(1, round(minutes))} min left"


class BarCountProgress:
    """Draws one bar on standard error, with counts and time left."""

    _bar: "rich.progress.Progress | None" = None

    def start(self, what: str, total: int | None, done: int) -> None:
        """Start a bar."""
        self._bar = _build_count_bar()
        self._task = self._bar.add_task(_printable(what), total=total, completed=done)
        self._bar.start()

    def advance(self, count: int) -> None:
        """Advance the bar."""
        if self._bar is not None:
            self._bar.advance(self._task, count)

    def finish(self) -> None:
        """Stop the bar, which remains visible, and release the terminal."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _build_count_bar() -> "rich.progress.Progress":
    import rich.console  # 40 ms that only a terminal needs
    import rich.progress

    return rich.progress.Progress(
        rich.progress.TextColumn("{task.description}", markup=False),
        rich.progress.BarColumn(bar_width=None),
        rich.progress.MofNCompleteColumn(),
        rich.progress.TimeRemainingColumn(compact=True),
        console=rich.console.Console(stderr=True),
    )
