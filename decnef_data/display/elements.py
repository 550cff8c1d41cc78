"""Tables and pages in HTML, and the text in their cells: sizes, counts, links and paths."""

import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape, unescape
from pathlib import Path
from typing import Final, Literal

from decnef_data.disclosure import hide_people
from decnef_data.kernel import find_kernel_shell

__all__ = [
    "CellClass",
    "count_text",
    "html_link",
    "html_page",
    "html_properties",
    "html_table",
    "html_text",
    "human_size",
    "mime_bundle",
    "omitted_note",
    "path_html",
    "short_path",
    "synthetic_badge",
]

_STYLE_ELEMENT: Final = re.compile(r"<style>.*?</style>", re.DOTALL)
_LINE_END: Final = re.compile(r"<br>|</(?:h4|tr|p|div)>")
_CELL_END: Final = re.compile(r"</(?:td|th)>")
_TAG: Final = re.compile(r"<[^>]*>")
CellClass = Literal["", "number"]
_UNIT_BASE: Final = 1000  # decimal units, as disks and download pages count
#: Only borders and widths: notebooks have light and dark themes with text colors of their own.
_STYLE: Final = (
    "<style>.decnef{line-height:1.4}.decnef table{border-collapse:collapse;margin:.3em 0 1em}"
    ".decnef th,.decnef td{text-align:left!important;vertical-align:top;padding:.25em .9em .25em 0;"
    "border-bottom:1px solid rgba(128,128,128,.35);white-space:normal}"
    ".decnef tbody th{font-weight:normal}"
    ".decnef .number{text-align:right!important;font-variant-numeric:tabular-nums;white-space:nowrap}"
    ".decnef .still{opacity:.8}.decnef h4{margin:.6em 0 .2em}"
    ".decnef .text{white-space:pre-line;max-width:48em}"
    ".decnef .badge{border:1px solid currentColor;border-radius:.2em;padding:0 .3em;font-weight:bold}"
    ".decnef a{color:inherit;text-decoration:underline}"
    ".decnef code,.decnef .still{white-space:nowrap}</style>"
)


def human_size(size: int | None) -> str:
    """Format a number of bytes in a readable unit.

    Examples
    --------
    >>> human_size(175_600_000), human_size(999), human_size(None)
    ('175.6 MB', '999 B', 'unknown')
    """
    if size is None:
        return "unknown"
    amount = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if round(amount, 1) < _UNIT_BASE:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= _UNIT_BASE
    return f"{amount:.1f} TB"


def count_text(count: int, noun: str) -> str:
    """Format a count with its noun, whose plural has an "s".

    Examples
    --------
    >>> count_text(1, "file"), count_text(1410, "file")
    ('1 file', '1,410 files')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def short_path(path: Path) -> str:
    """Format a path on this machine, below the home folder as ``~``."""
    try:
        return (Path("~") / path.relative_to(Path.home())).as_posix()
    except (ValueError, RuntimeError):  # elsewhere, or there is no home folder
        return str(path)


def path_html(path: Path) -> str:
    """Format a path on this machine as HTML."""
    return f"<code>{escape(short_path(path))}</code>"


def html_link(url: str, text: str) -> str:
    """Format a link to a web page; any other URL of a record is shown as text."""
    shown = escape(text)
    # The URL of a catalog of the user's may also be `javascript:`.
    return f"<a href='{escape(url)}' target='_blank'>{shown}</a>" if url.startswith("https://") else shown


def synthetic_badge(*, synthetic: bool) -> str:
    """Return the badge of synthetic data, or nothing."""
    return " <span class='badge'>SYNTHETIC</span>" if synthetic else ""


def omitted_note(count: int, attribute: str) -> str:
    """Format how many items are left out, and the attribute that has all."""
    return f"<p class='still'>and {count:,} more; see <code>.{attribute}</code></p>" if count > 0 else ""


def html_properties(rows: Iterable[tuple[str, str]]) -> str:
    """Format a table of names, and values that are HTML already."""
    cells = (f"<tr><th scope='row'>{escape(name)}</th><td>{value}</td></tr>" for name, value in rows)
    return f"<table><tbody>{''.join(cells)}</tbody></table>"


def html_table(head: Sequence[str], rows: Iterable[Sequence[str]], classes: Sequence[CellClass] = ()) -> str:
    """Format a table; the cells are HTML already."""
    top = "".join(_cells("th scope='col'", "th", head, classes))
    body = "".join(f"<tr>{''.join(_cells('td', 'td', row, classes))}</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def _cells(start: str, end: str, texts: Sequence[str], classes: Sequence[CellClass]) -> Iterator[str]:
    for text, name in zip(texts, (*classes, *("" for _ in texts)), strict=False):
        attribute = f" class='{name}'" if name else ""
        yield f"<{start}{attribute}>{text}</{end}>"


def html_page(parts: Iterable[str]) -> str:
    """Format parts, which are HTML already, with their style."""
    # In one place, so that no page can forget it.
    return f"{_STYLE}<div class='decnef'>{hide_people(''.join(parts))}</div>"


def mime_bundle(html: str) -> dict[str, str]:
    """Return what a saved notebook keeps of a value: its HTML, and the same as text in place of its repr.

    The repr of a value has everything, also names of files and ids of participants.  At a terminal it stays.

    Examples
    --------
    >>> mime_bundle("<h4>Cache</h4>")
    {}
    """
    return {"text/html": html, "text/plain": html_text(html)} if find_kernel_shell() else {}


def html_text(html: str) -> str:
    """Return the text of a page, with a line for each row of a table.

    Examples
    --------
    >>> print(html_text(html_page(["<h4>Cache: 5 &lt; 6</h4>", html_table(["a", "b"], [["1", "2"]])])))
    Cache: 5 < 6
    a  b
    1  2
    """
    text = _CELL_END.sub("  ", _LINE_END.sub("\n", _STYLE_ELEMENT.sub("", html)))
    lines = (line.rstrip() for line in unescape(_TAG.sub("", text)).splitlines())
    return "\n".join(lines).strip()
