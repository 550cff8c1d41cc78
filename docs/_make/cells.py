"""Formats tables and their cells in Markdown."""

from collections.abc import Iterable, Sequence

__all__ = ["Rows", "code", "format_cell", "table"]

Rows = Iterable[Sequence[object]]


def table(headers: str, rows: Rows) -> str:
    """Format a table without its empty columns; ``>`` before a header aligns its column to the right."""
    titles, cells = headers.split("|"), [[format_cell(cell) for cell in row] for row in rows]
    kept = [place for place in range(len(titles)) if any(line[place] for line in cells)]
    rules = ["--:" if title.startswith(">") else "---" for title in titles]
    lines = ([title.lstrip(">") for title in titles], rules, *cells)
    return "\n".join(f"| {' | '.join(line[place] for place in kept)} |" for line in lines)


def format_cell(value: object) -> str:
    """Format one value for a cell."""
    match value:
        case None | "" | () | {}:
            return ""
        case bool():
            return "yes" if value else "no"
        case int() | float():
            return f"{value:,}"
        case tuple():
            return ", ".join(map(format_cell, value))
    return str(value).replace("|", "\\|").replace("\n", " ")


def code(text: object) -> str:
    """Format a text as code; an empty one stays empty."""
    return f"`{text}`" if text else ""
