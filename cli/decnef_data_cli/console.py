"""Output of the commands: tables and lines for users, JSON for programs."""

import dataclasses
import json
import math
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sized
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from decnef_data import hide_people
from decnef_data_cli.next_steps import rewrite

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.segment import Segment
    from rich.table import Table

    from decnef_data_cli.fitted_table import FittedTable

__all__ = [
    "MAX_ROWS",
    "grid",
    "human_size",
    "human_time",
    "panel",
    "pluralize",
    "print_block",
    "print_csv",
    "print_json",
    "print_records",
    "print_result",
    "print_rich",
    "print_sentence",
    "print_wrapped",
    "section",
    "shorten_digests",
    "table",
    "table_title",
    "to_jsonable",
    "wrap_command",
]

#: The largest number of rows shown of a table whose length has no limit.
MAX_ROWS = 20
_UNKNOWN = "unknown"
_NON_BREAKING = "\0"  # a space at which no line is broken; texts that are printed never contain it
#: How Python shows the bytes of a path that are not text (surrogateescape, PEP 383).
_NOT_TEXT = re.compile("[\udc80-\udcff]")
_FIRST_BYTE = 0xDC00  # what PEP 383 adds to the value of the byte
_IDEOGRAPHIC_SPACE = "\u3000"  # in names and headers from Japan; Python counts it as unprintable
_UNLIMITED = 100_000  # characters; wider than any row of ours
_UNIT_BASE = 1000  # decimal units, as disks and download pages count


def human_time(seconds: float) -> str:
    """Format a duration in its two largest units.

    Examples
    --------
    >>> human_time(42), human_time(7_300), human_time(300_000)
    ('42 s', '2 h 1 min', '3 d 11 h')
    """
    units = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
    index = next((position for position, (_, size) in enumerate(units) if seconds >= size), 3)
    name, size = units[index]
    remainder = seconds % size // units[index + 1][1] if index < len(units) - 1 else 0
    remainder_text = f" {remainder:.0f} {units[index + 1][0]}" if remainder else ""
    return f"{seconds // size:.0f} {name}{remainder_text}"


def human_size(size: int | None) -> str:
    """Format a number of bytes in the largest decimal unit that fits.

    Examples
    --------
    >>> human_size(175_600_000), human_size(999), human_size(None)
    ('175.6 MB', '999 B', 'unknown')
    """
    if size is None:
        return _UNKNOWN
    amount = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        # Compared as it is printed: 999.96 kB is 1.0 MB, and not 1000.0 kB.
        if round(amount, 1) < _UNIT_BASE:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= _UNIT_BASE
    return f"{amount:.1f} TB"


def pluralize(number: int, noun: str) -> str:
    """Format a count with its noun, which gets an ``s`` unless there is one.

    Examples
    --------
    >>> pluralize(1, "file"), pluralize(2_000, "file")
    ('1 file', '2,000 files')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def shorten_digests(text: str) -> str:
    """Shorten every sha256 in `text` to 12 digits; JSON output has the complete digests.

    Examples
    --------
    >>> shorten_digests(f"stores/{'0123456789abcdef' * 4}.zarr")
    'stores/0123456789ab….zarr'
    """
    return re.sub(r"\b([0-9a-f]{12})[0-9a-f]{52}\b", r"\1…", text)


def to_jsonable(value: Any) -> Any:
    """Convert records and values to JSON types: dates in ISO form, paths as text, all fields and properties.

    Infinity and NaN, which JSON does not have, become ``None``: an infinite limit is no limit.

    Examples
    --------
    >>> to_jsonable({"path": Path("a") / "b", "dates": (date(2021, 8, 30),)})
    {'path': 'a/b', 'dates': ['2021-08-30']}
    """
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, date):  # datetime is a subclass
        return value.isoformat()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): to_jsonable(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [to_jsonable(item) for item in value]
    names = _field_names(type(value))
    return {name: to_jsonable(getattr(value, name)) for name in names} if names else value


def _field_names(kind: type) -> tuple[str, ...]:
    """Return the names of the fields of a dataclass or record, then those of its properties."""
    if dataclasses.is_dataclass(kind):
        fields = tuple(field.name for field in dataclasses.fields(kind))
    else:
        fields = tuple(getattr(kind, "__struct_fields__", ()))
    attributes = (item for base in reversed(kind.__mro__) for item in vars(base).items())
    properties = dict.fromkeys(name for name, item in attributes if isinstance(item, property))
    return (*fields, *properties) if fields else ()


def print_json(value: Any) -> None:
    """Print `value` as JSON, escaping non-ASCII characters unless stdout is UTF-8 and they are text."""
    unicode = (sys.stdout.encoding or "").lower().replace("-", "").startswith("utf8")
    jsonable = _hide_people_in(to_jsonable(value))
    # By default json writes NaN, which is not JSON and which most other parsers refuse.
    text = json.dumps(jsonable, indent=2, ensure_ascii=not unicode, allow_nan=False)
    # The bytes of a path that are not text cannot be written as UTF-8; escaped they are ASCII.
    is_text = not _NOT_TEXT.search(text)
    print_result(text if is_text else json.dumps(jsonable, indent=2, allow_nan=False))


def _hide_people_in(value: Any) -> Any:
    """Hide people in every text of a value in JSON types, also in keys."""
    if isinstance(value, str):
        return hide_people(value)
    if isinstance(value, Mapping):
        return {hide_people(key): _hide_people_in(item) for key, item in value.items()}
    return [_hide_people_in(item) for item in value] if isinstance(value, list) else value


def print_result(text: str) -> None:
    """Print a result: never wrapped, never colored, and unchanged unless it goes to a terminal."""
    shown = hide_people(text)
    line = f"{_printable_lines(shown) if sys.stdout.isatty() else shown}\n"
    if _NOT_TEXT.search(line):  # a path in another encoding, which a script has to get back
        # Text that is still in the buffer above would come after the bytes.
        sys.stdout.flush()
        sys.stdout.buffer.write(os.fsencode(line))
    else:
        sys.stdout.write(line)


def print_csv(frame: "pd.DataFrame") -> None:
    """Print a table as CSV in UTF-8, whatever the locale; control characters are replaced by ``?``."""
    # A copy with its own columns: cells are replaced below, and the table is the caller's.
    printable = frame.rename(columns=lambda name: replace_unprintable(str(name)))
    texts = [position for position, kind in enumerate(printable.dtypes) if kind.kind in "OU"]
    for position in texts:
        # By position: two headers can become the same once control characters are replaced.
        cells = printable.iloc[:, position]
        shown = [replace_unprintable(cell) if isinstance(cell, str) else cell for cell in cells]
        printable.isetitem(position, shown)
    sys.stdout.flush()
    sys.stdout.buffer.write(printable.to_csv(index=False).encode())


def print_records(frame: "pd.DataFrame") -> None:
    """Print a table as a JSON list of its rows; numbers of 32 bits have no more digits than they store."""
    decimals = {
        # The shortest text that is the same float32: 0.1, and not 0.10000000149011612.
        str(name): column.to_numpy().astype(str).astype(float)
        for name, column in frame.items()
        if column.dtype == "float32"
    }
    records = frame.assign(**decimals)
    # ASCII, because the encoding of stdout may lack letters of names.
    print_result(records.to_json(orient="records", date_format="iso", force_ascii=True, indent=2))


def print_sentence(text: str) -> None:
    """Print a result that is a sentence: wrapped between words on a terminal, one line otherwise."""
    print_wrapped(rewrite(text), stderr=False)


def print_wrapped(text: str, *, stderr: bool) -> None:
    """Print a text; a terminal wraps it, and highlights a leading ``error:`` or ``warning:``."""
    from rich.text import Text

    output = create_console(stderr=stderr)
    printable = _printable_lines(hide_people(text))
    line = Text(wrap_text(printable, output.width) if output.is_terminal else printable)
    line.highlight_regex(r"^error:", "bold red")
    line.highlight_regex(r"^warning:", "bold yellow")
    # Wrapped already, and never within a command; rich would wrap once more.
    output.print(line, soft_wrap=True)


def replace_unprintable(text: str) -> str:
    r"""Replace control characters by ``?``: a file name or an error text must not move the cursor.

    The bytes of a path that are not text are escaped.

    Examples
    --------
    >>> replace_unprintable("a\x1b[2Jb"), replace_unprintable("\udc95.tsv")
    ('a?[2Jb', '\\x95.tsv')
    """
    return text if text.isprintable() else "".join(map(_replace_letter, text))


def _replace_letter(letter: str) -> str:
    if _NOT_TEXT.match(letter):
        return f"\\x{ord(letter) - _FIRST_BYTE:02x}"
    return letter if letter.isprintable() or letter == _IDEOGRAPHIC_SPACE else "?"


def _printable_lines(text: str) -> str:
    # splitlines() would drop form feeds and other separators, which are to be replaced as well.
    return "\n".join(map(replace_unprintable, text.split("\n")))


def wrap_text(text: str, width: int) -> str:
    """Wrap lines between words, but never inside backticks, which enclose a command to be copied.

    Examples
    --------
    >>> print(wrap_text("error: No local copy. Run `decnef download srpbs-fc`.", 40))
    error: No local copy. Run
    `decnef download srpbs-fc`.
    """
    import textwrap

    protected = re.sub(r"`[^`\n]*`", lambda match: match[0].replace(" ", _NON_BREAKING), text)
    lines = (
        textwrap.fill(
            line,
            width,
            subsequent_indent=line[: len(line) - len(line.lstrip())],
            # Paths, addresses and names such as srpbs-fc are copied, and stay in one piece.
            break_long_words=False,
            break_on_hyphens=False,
        )
        for line in protected.split("\n")
    )
    return "\n".join(lines).replace(_NON_BREAKING, " ")


def print_rich(*pieces: "RenderableType") -> None:
    """Print tables and texts on stdout at the width of the terminal; a ``no_wrap`` text stays on one line.

    Off a terminal, where ``COLUMNS`` is not set, a table is as wide as its cells.
    """
    for piece in pieces:
        output = create_console()
        output.width = _natural_width(output, piece)
        # A path that is broken over two lines cannot be copied.
        output.print(_Printable(piece), soft_wrap=bool(getattr(piece, "no_wrap", False)))


def _natural_width(output: "Console", piece: "RenderableType") -> int:
    """Return the width of the terminal; off a terminal, the width that a table needs."""
    from rich.measure import Measurement
    from rich.panel import Panel
    from rich.text import Text

    # Off a terminal rich takes the width of another stream's, or 80: tables in files would be cut.
    if output.is_terminal or "COLUMNS" in os.environ or isinstance(piece, (Text, Panel)):
        return output.width
    # Only tables: a text, or a frame with one, would be as wide as its longest line.
    unlimited = output.options.update(width=_UNLIMITED)
    return max(output.width, Measurement.get(output, unlimited, piece).maximum)


@dataclasses.dataclass(frozen=True, slots=True)
class _Printable:
    """A table or text without control characters but those that rich adds, whatever the names in it."""

    piece: "RenderableType"

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "Iterator[Segment]":
        from rich.segment import Segment

        for segment in console.render(self.piece, options):
            is_own = segment.control is not None
            yield segment if is_own else Segment(_printable_lines(hide_people(segment.text)), segment.style)


def create_console(*, stderr: bool = False) -> "Console":
    """Create a console for the current stdout or stderr; rich itself honors NO_COLOR and pipes."""
    from rich.console import Console

    # Otherwise rich colors numbers, and replaces :name: in a cell by an emoji.
    return Console(stderr=stderr, highlight=False, emoji=False)


def wrap_command(line: str, width: int) -> str:
    r"""Break a command line before its options where it is too long, so that it can still be copied and run.

    Examples
    --------
    >>> print(wrap_command("decnef plan srpbs-open --site KUT --modality bold", 40))
    decnef plan srpbs-open --site KUT \
        --modality bold
    """
    parts = re.split(r" (?=--|[<>])", line)
    lines = [parts[0]]
    for part in parts[1:]:
        if len(f"{lines[-1]} {part} \\") <= width:
            lines[-1] += f" {part}"
        else:
            lines.append(f"    {part}")
    return " \\\n".join(lines)


def print_block(title: str, text: str) -> None:
    """Print lines below a title, exactly as they are."""
    from rich.text import Text

    print_rich(Text(f" {title}", style="bold"), Text(f"{text}\n", no_wrap=True))


def section(title: str, body: "RenderableType") -> "RenderableType":
    """Return `body` below a title and above a blank line."""
    from rich.console import Group
    from rich.text import Text

    return Group(Text(title, style="bold"), body, Text())


def table_title(title: str, rows: Sized) -> str:
    """Return the title of a table, with a note if only its first rows are shown."""
    return (
        title if len(rows) <= MAX_ROWS else f"{title} (first {MAX_ROWS} of {len(rows):,}; use --json for all)"
    )


def table(*columns: str, rows: "Iterable[Iterable[RenderableType]]") -> "FittedTable":
    """Build a table; names that begin with ``>`` are of numbers, those with ``!`` of ids, never cut."""
    from decnef_data_cli.fitted_table import build_table  # loads rich

    return build_table(columns, rows)


def panel(title: str, rows: Iterable[tuple[str, str]]) -> "RenderableType":
    """Return named values in a frame like that of the options in the help."""
    from rich.panel import Panel

    return Panel(grid(rows), title=title, title_align="left", border_style="dim")


def grid(rows: Iterable[tuple[str, str]]) -> "Table":
    """Build a two-column list of named values."""
    from rich.table import Table
    from rich.text import Text

    result = Table.grid(padding=(0, 2, 0, 0))
    result.add_column(style="dim", no_wrap=True)
    result.add_column(overflow="fold")  # an ellipsis would cut addresses and paths, which are copied
    for name, value in rows:
        # As Text: rich takes brackets in a string for markup.
        result.add_row(name, Text(hide_people(rewrite(value))))
    return result
