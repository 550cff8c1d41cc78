"""One line below the running cell of a notebook: progress while tasks run, then what came of them.

Tasks that follow each other in one request share the line, so that neither many scans nor a download that is
verified and unpacked fill a saved notebook.  The line is replaced in place, which takes no widget.
"""

import threading
import time
from collections.abc import Callable
from html import escape
from typing import Any, Final

from decnef_data.disclosure import hide_subjects
from decnef_data.display.elements import count_text, html_page
from decnef_data.kernel import find_kernel_shell, show

__all__ = ["CellLine", "begin_request", "current_line"]

_SECONDS_BETWEEN_UPDATES: Final = 0.2
#: What a request wrote or brought here, as HTML and as text.
Note = Callable[[], tuple[str, str]]


class CellLine:
    """The line of one request in one cell.  Threads may report to it; the one that reports last is shown."""

    def __init__(self, cell: int | None) -> None:
        self.cell = cell
        self._handle: Any | None = None
        self._notes: list[Note] = []
        self._lock = threading.Lock()  # dask computes several scans at once
        self._started = self._last_drawn = time.monotonic()
        self._tasks = self._running = 0

    def start_task(self) -> None:
        """Count a task that starts; the time of the line begins with the first."""
        with self._lock:
            if self._tasks == 0:
                self._started = time.monotonic()
            self._tasks, self._running, self._last_drawn = self._tasks + 1, self._running + 1, 0.0

    def update(self, what: str, state: str, share: float | None) -> None:
        """Show how far a task is, at most five times a second; `share` is between 0 and 1, if it is known."""
        with self._lock:
            if time.monotonic() - self._last_drawn < _SECONDS_BETWEEN_UPDATES:
                return
            self._last_drawn = time.monotonic()
            name = hide_subjects(what)  # the notebook may be saved meanwhile
            value = "" if share is None else f" value='{share:.3f}'"
            bar = f"<progress max='1'{value} aria-label='{escape(name, quote=True)}'></progress>"
            self._show(f"<div>{bar} {escape(name)}: {escape(state)}</div>", f"{name}: {state}")

    def finish_task(self, what: str, state: str) -> None:
        """End a task; after the last one the notes stay, or else how long the tasks took."""
        with self._lock:
            self._running -= 1
            if self._running > 0:
                return
            if self._notes:
                self._show_notes()
                return
            seconds = _format_seconds(time.monotonic() - self._started)
            ended = (
                f"{hide_subjects(what)}: {state}, ended after {seconds}."
                if self._tasks == 1
                else f"{count_text(self._tasks, 'task')} ended after {seconds}."
            )
            self._show(f"<div class='still'>{escape(ended)}</div>", ended)

    def add_note(self, note: Note) -> None:
        """Keep `note` for the end; it is shown only if there was any progress to see."""
        with self._lock:
            self._notes.append(note)
            if self._tasks and not self._running:
                self._show_notes()

    def _show_notes(self) -> None:
        notes = [note() for note in self._notes]
        self._show("".join(f"<div>{html}</div>" for html, _ in notes), "\n".join(text for _, text in notes))

    def _show(self, html: str, text: str) -> None:
        self._handle = show(html_page([html]), text, self._handle)


_current: CellLine | None = None


def begin_request() -> None:
    """Let the progress that follows have a line of its own; the line of an earlier request stays."""
    global _current  # noqa: PLW0603 - there is one running cell in a process
    _current = None


def current_line() -> CellLine:
    """Return the line of the current request, or a new one in another cell."""
    global _current  # noqa: PLW0603
    cell = getattr(find_kernel_shell(), "execution_count", None)
    if _current is None or _current.cell != cell:
        _current = CellLine(cell)
    return _current


def _format_seconds(seconds: float) -> str:
    """Format a duration.

    Examples
    --------
    >>> _format_seconds(0.25), _format_seconds(75), _format_seconds(7300)
    ('0.2 s', '1 min 15 s', '2 h 1 min')
    """
    if seconds < 60:  # noqa: PLR2004
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"  # noqa: PLR2004
