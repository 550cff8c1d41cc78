"""Progress of bytes and of counts as the line below the running cell of a notebook."""

import time

from decnef_data.display.cell import CellLine, current_line
from decnef_data.display.elements import human_size

__all__ = ["CellCountProgress", "CellProgress"]


class _CellTask:
    """A task whose progress is shown in the line of its request."""

    _line: CellLine | None = None

    def start(self, what: str, total: int | None, done: int) -> None:
        """Start a task, and show it."""
        self.finish()
        self._what, self._total, self._done, self._initial = what, total, done, done
        self._source, self._scans = "", 0
        self._started = time.monotonic()
        self._line = current_line()
        self._line.start_task()
        self._update()

    def advance(self, count: int) -> None:
        """Add what was done, and show it now and then."""
        if self._line is not None:
            self._done += count
            self._update()

    def finish(self) -> None:
        """End the task, whether or not it was successful."""
        if self._line is not None:
            self._line.finish_task(self._what, self._format_done())
            self._line = None

    def _update(self) -> None:
        if self._line is not None:
            # HTML permits no value above `max`, and more may come than was announced.
            share = min(self._done / self._total, 1.0) if self._total else None
            self._line.update(self._what, self._format_state(), share)

    def _format_state(self) -> str:
        parts = (self._format_done(), self._format_rate(), self._format_time_left(), self._source)
        return ", ".join(part for part in parts if part)

    def _format_done(self) -> str:
        raise NotImplementedError

    def _format_rate(self) -> str:
        return ""

    def _rate(self) -> float:
        # Without what was there before; and two readings of the clock may be equal.
        return (self._done - self._initial) / max(time.monotonic() - self._started, 1e-3)

    def _format_time_left(self) -> str:
        rate = self._rate()
        if not self._total or rate <= 0 or self._done >= self._total:
            return ""
        minutes, seconds = divmod(round((self._total - self._done) / rate), 60)
        return f"{minutes} min {seconds} s left" if minutes else f"{seconds} s left"


class CellProgress(_CellTask):
    """Shows one transfer at a time, with bytes, rate, time left and mirror."""

    def set_source(self, mirror: str, connections: int) -> None:
        """Show the mirror that the bytes come from, and the number of connections."""
        self._source = f"from {mirror}" if connections <= 1 else f"from {mirror} x{connections}"

    def set_scan_count(self, count: int) -> None:
        """Show the number of scans that were stored."""
        self._scans = count

    def _format_done(self) -> str:
        scans = f", {self._scans:,} scans stored" if self._scans else ""
        done = human_size(self._done)
        if not self._total:
            return f"{done}{scans}"
        return f"{done} of {human_size(self._total)} ({self._done / self._total:.0%}){scans}"

    def _format_rate(self) -> str:
        rate = self._rate()
        return f"{human_size(round(rate))}/s" if rate > 0 else ""


class CellCountProgress(_CellTask):
    """Shows one count at a time, with the time left."""

    def _format_done(self) -> str:
        return f"{self._done:,}" if self._total is None else f"{self._done:,} of {self._total:,}"
