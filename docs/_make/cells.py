"""Draws tables and their cells in Markdown."""

from collections.abc import Iterable, Sequence

__all__ = ["Rows", "cell_of", "code", "table"]

Rows = Iterable[Sequence[object]]


def table(headers: str, rows: Rows) -> str:
    """Draw a table without its empty columns; a header that begins with ``>`` stands over numbers."""
    titles, cells = headers.split("|"), [[cell_of(cell) for cell in row] for row in rows]
    kept = [place for place in range(len(titles)) if any(line[place] for line in cells)]
    rules = ["--:" if title.startswith(">") else "---" for title in titles]
    lines = ([title.lstrip(">") for title in titles], rules, *cells)
    return "\n".join(f"| {' | '.join(line[place] for place in kept)} |" for line in lines)


def cell_of(value: object) -> str:
    """Write one value as it stands in a cell."""
    match value:
        case None | "" | () | {}:
            return ""
        case bool():
            return "yes" if value else "no"
        case int() | float():
            return f"{value:,}"
        case tuple():
            return ", ".join(map(cell_of, value))
    return str(value).replace("|", "\\|").replace("\n", " ")


def code(text: object) -> str:
    """Set something as code; nothing stays nothing."""
    return f"`{text}`" if text else ""
