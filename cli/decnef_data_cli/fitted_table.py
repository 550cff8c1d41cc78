"""Tables that fit the width they are printed at: ids are never cut, and columns that do not fit are named."""

from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Column, Table
from rich.text import Text

from decnef_data import hide_people
from decnef_data_cli.next_steps import rewrite

__all__ = ["Bar", "FittedTable", "build_table"]

#: A column of text is not made narrower than this; it is left out instead.
_MIN_TEXT = 14
_MIN_BAR, _MAX_BAR = 6, 30
#: Between two columns.
_PADDING = 2


class FittedTable(Table):
    """A table that leaves out its last columns where it does not fit, and names them below.

    Columns that are not wrapped keep their width; the first column is always shown.
    """

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Render the columns that fit, and a note on the others."""
        shown = self._fitting_columns(console, options)
        if len(shown) == len(self.columns):
            yield from super().__rich_console__(console, options)
            return
        # A copy: the same table can be printed again, at another width.
        narrowed = copy(self)
        narrowed.columns = shown
        yield from Table.__rich_console__(narrowed, console, options)
        hidden = ", ".join(str(column.header) for column in self.columns[len(shown) :])
        yield Text(f"Too narrow to show: {hidden}.", style="dim")

    def _fitting_columns(self, console: Console, options: ConsoleOptions) -> list[Column]:
        needed = [self._needed_width(console, options, column) + _PADDING for column in self.columns]
        count = len(self.columns)
        # No blanks follow the last column.
        while count > 1 and sum(needed[:count]) - _PADDING > options.max_width:
            count -= 1
        return self.columns[:count]

    def _needed_width(self, console: Console, options: ConsoleOptions, column: Column) -> int:
        cells = [column.header, *column.cells]
        unlimited = options.update(width=10_000)  # a cell measures at most the width it is offered
        natural = max(Measurement.get(console, unlimited, cell).maximum for cell in cells)
        if column.no_wrap:
            return natural
        return min(natural, _MIN_BAR if any(isinstance(cell, Bar) for cell in cells) else _MIN_TEXT)


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar as long as its share of the width that is left for it; a negative one is light."""

    share: float

    def __rich_measure__(self, _console: Console, options: ConsoleOptions) -> Measurement:
        """Return the least width of a column of bars, and the largest that is useful."""
        return Measurement(min(_MIN_BAR, options.max_width), min(_MAX_BAR, options.max_width))

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        """Render the bar."""
        filled = round(abs(self.share) * min(_MAX_BAR, options.max_width))
        yield Text("█" * filled, style="cyan") if self.share >= 0 else Text("░" * filled, style="magenta")


def build_table(columns: Iterable[str], rows: Iterable[Iterable[RenderableType]]) -> FittedTable:
    """Build a table; ``>`` before the name of a column aligns it to the right, ``!`` never breaks its cells.

    A number that is cut without an ellipsis would be a wrong number.
    """
    result = FittedTable(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)
    for column in columns:
        if column.startswith(">"):
            result.add_column(column[1:], justify="right", overflow="ellipsis", no_wrap=True)
        elif column.startswith("!"):
            result.add_column(column[1:], overflow="fold", no_wrap=True)
        else:
            result.add_column(column, overflow="fold")
    for row in rows:
        # As Text, because rich takes brackets in a string for markup, and leaves them out.
        result.add_row(*(Text(hide_people(rewrite(cell))) if isinstance(cell, str) else cell for cell in row))
    return result
