"""Prints values: tables and lines for people, JSON for programs."""

import dataclasses
import json
import re
import sys
from collections.abc import Iterable, Mapping, Sized
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table
    from rich.text import Text

__all__ = [
    "SHOWN",
    "ask",
    "draw",
    "emit",
    "grid",
    "human_size",
    "human_time",
    "note",
    "panel",
    "plain",
    "say",
    "section",
    "short",
    "some",
    "table",
    "tell",
]

#: How many rows a person is shown of a table that may have any number.
SHOWN = 20
_UNKNOWN = "unknown"
_GLUE = "\0"  # a blank that no line is broken at; no text that is shown holds one
_STEP = 1000  # decimal units, as disks and download pages count


def human_time(seconds: float) -> str:
    """Write a length of time as one reads it.

    Examples
    --------
    >>> human_time(42), human_time(7_300), human_time(300_000)
    ('42 s', '2 h 1 min', '3 d 11 h')
    """
    units = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
    place = next((at for at, (_, size) in enumerate(units) if seconds >= size), 3)
    name, size = units[place]
    rest = seconds % size // units[place + 1][1] if place < len(units) - 1 else 0
    behind = f" {rest:.0f} {units[place + 1][0]}" if rest else ""
    return f"{seconds // size:.0f} {name}{behind}"


def human_size(size: int | None) -> str:
    """Write a number of bytes in the unit a person would use.

    Examples
    --------
    >>> human_size(175_600_000), human_size(999), human_size(None)
    ('175.6 MB', '999 B', 'unknown')
    """
    if size is None:
        return _UNKNOWN
    amount = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if round(amount, 1) < _STEP:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= _STEP
    return f"{amount:.1f} TB"


def short(text: str) -> str:
    """Leave out the end of every long digest: JSON has them whole.

    Examples
    --------
    >>> short(f"stores/{'0123456789abcdef' * 4}.zarr")
    'stores/0123456789ab….zarr'
    """
    return re.sub(r"\b([0-9a-f]{12})[0-9a-f]{52}\b", r"\1…", text)


def plain(value: Any) -> Any:
    """Turn records and values into what JSON knows: dates in ISO form, paths as text, nothing left out.

    Examples
    --------
    >>> plain({"path": Path("a") / "b", "dates": (date(2021, 8, 30),)})
    {'path': 'a/b', 'dates': ['2021-08-30']}
    """
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    names = _field_names(type(value))
    return {name: plain(getattr(value, name)) for name in names} if names else value


def _field_names(kind: type) -> tuple[str, ...]:
    """Name the fields of a dataclass or record, and the questions its properties answer."""
    if dataclasses.is_dataclass(kind):
        fields = tuple(field.name for field in dataclasses.fields(kind))
    else:
        fields = tuple(getattr(kind, "__struct_fields__", ()))
    properties = (name for name, item in vars(kind).items() if isinstance(item, property))
    return (*fields, *properties) if fields else ()


def emit(value: Any) -> None:
    """Print `value` as JSON, in letters that stdout can carry."""
    unicode = (sys.stdout.encoding or "").lower().replace("-", "").startswith("utf8")
    say(json.dumps(plain(value), indent=2, ensure_ascii=not unicode, allow_nan=False))


def say(text: str) -> None:
    """Print a result as it is: never wrapped, never colored."""
    sys.stdout.write(f"{text}\n")


def tell(text: str) -> None:
    """Print a result that is a sentence: a terminal breaks it between words, anything else gets it whole."""
    _speak(text, stderr=False)


def note(text: str) -> None:
    """Print what is no result, on stderr; a leading ``error:`` or ``warning:`` stands out on a terminal."""
    _speak(text, stderr=True)


def _speak(text: str, *, stderr: bool) -> None:
    from rich.text import Text

    printer = console(stderr=stderr)
    shown = "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in text)
    line = Text(broken(shown, printer.width) if printer.is_terminal else shown)
    line.highlight_regex(r"^error:", "bold red")
    line.highlight_regex(r"^warning:", "bold yellow")
    printer.print(line, soft_wrap=True)


def broken(text: str, width: int) -> str:
    """Break lines between words, never inside a command: what stands in backticks is to be copied.

    Examples
    --------
    >>> print(broken("error: No copy is here. Run `decnef download srpbs-fc`.", 40))
    error: No copy is here. Run
    `decnef download srpbs-fc`.
    """
    import textwrap

    glued = re.sub(r"`[^`\n]*`", lambda found: found[0].replace(" ", _GLUE), text)
    lines = (
        textwrap.fill(
            line,
            width,
            subsequent_indent=line[: len(line) - len(line.lstrip())],
            break_long_words=False,
            break_on_hyphens=False,
        )
        for line in glued.split("\n")
    )
    return "\n".join(lines).replace(_GLUE, " ")


def ask(question: str, *, unattended: bool) -> bool:
    """Ask on a terminal for y or N; without one the answer is `unattended`."""
    if not sys.stdin.isatty():
        return unattended
    return typer.confirm(question, default=False, err=True)


def draw(*pieces: "RenderableType") -> None:
    """Print tables and texts on stdout as wide as the terminal; a ``no_wrap`` text stays one line."""
    printer = console()
    for piece in pieces:
        # A path that is cut in two cannot be copied.
        printer.print(piece, soft_wrap=bool(getattr(piece, "no_wrap", False)))


def console(*, stderr: bool = False) -> "Console":
    """Make a console for what stdout or stderr is now; rich itself minds NO_COLOR and pipes."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, emoji=False)


def section(title: str, body: "RenderableType") -> "RenderableType":
    """Set `body` under a title, and a blank line under both."""
    from rich.console import Group
    from rich.text import Text

    return Group(Text(title, style="bold"), body, Text())


def some(title: str, rows: Sized) -> str:
    """Title a table that shows its first rows only."""
    return title if len(rows) <= SHOWN else f"{title}: {SHOWN} of {len(rows):,}; --json has all"


def table(*columns: str, rows: Iterable[Iterable["str | Text"]]) -> "Table":
    """Make a table; a column whose name begins with ``>`` is aligned to the right."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    made = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)
    for column in columns:
        right = column.startswith(">")
        made.add_column(
            column.lstrip(">"), justify="right" if right else "left", overflow="fold", no_wrap=right
        )
    for row in rows:
        made.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in row))
    return made


def panel(title: str, rows: Iterable[tuple[str, str]]) -> "RenderableType":
    """Frame named values as the help frames its options."""
    from rich.panel import Panel

    return Panel(grid(rows), title=title, title_align="left", border_style="dim")


def grid(rows: Iterable[tuple[str, str]]) -> "Table":
    """Make a list of named values."""
    from rich.table import Table
    from rich.text import Text

    made = Table.grid(padding=(0, 2, 0, 0))
    made.add_column(style="dim", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in rows:
        made.add_row(name, Text(value))
    return made
