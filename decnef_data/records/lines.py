"""The lines of the entries of a TOML file, which no parser of TOML reports."""

import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

__all__ = ["find_line", "locate_entries"]


def locate_entries(text: str) -> dict[str, int]:
    r"""Return the number of the line of each entry of a valid TOML file, by its location.

    Examples
    --------
    >>> lines = locate_entries("[[sites]]\ncode = 'XYZ'\n\n[[sites]]\ncode = 'ABC'\n")
    >>> lines["$.sites[1]"], lines["$.sites[1].code"]
    (4, 5)
    """
    found, tables = {"$": 1}, Counter[str]()
    table = "$"
    # TOML ends lines with \n or \r\n alone; splitlines() would also split at other separators in a text.
    for start, source, is_header in _statements(text.replace("\r\n", "\n").split("\n")):
        parsed = tomllib.loads(source)
        if is_header:
            table = _enter(parsed, tables)
            found.setdefault(table, start)
        else:
            for location in _flatten(parsed, table):
                found.setdefault(location, start)
    return found


def find_line(lines: Mapping[str, int], location: str) -> int:
    """Return the line of the entry at a location, or of the nearest one around it.

    Examples
    --------
    >>> find_line({"$": 1, "$.sites[0]": 4}, "$.sites[0].code")
    4
    """
    while location not in lines and location != "$":
        location = location[: max(location.rfind("."), location.rfind("["), 1)]
    return lines.get(location, 1)


def _statements(lines: Sequence[str]) -> Iterator[tuple[int, str, bool]]:
    """Yield the number of the first line, the text, and whether it is the header of a table."""
    start = 0
    while start < len(lines):
        # A value is complete where it can be parsed; only texts and lists have several lines.
        stop = next(
            (end for end in range(start + 1, len(lines) + 1) if _is_toml("\n".join(lines[start:end]))),
            len(lines),
        )
        yield start + 1, "\n".join(lines[start:stop]), lines[start].lstrip().startswith("[")
        start = stop


def _is_toml(text: str) -> bool:
    try:
        tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return False
    return True


def _enter(header: Mapping[str, Any], tables: Counter[str]) -> str:
    """Return the location of the table that a header begins, and count it if it is one of a list."""
    location, value = "$", header
    while value:
        ((name, inner),) = value.items()
        location = f"{location}.{name}"
        if isinstance(inner, list):
            tables[location] += 1
            return f"{location}[{tables[location] - 1}]"
        # Below a list of tables, a header means the last one of the list.
        if location in tables:
            location = f"{location}[{tables[location] - 1}]"
        value = inner
    return location


def _flatten(value: object, location: str) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield f"{location}.{name}"
            yield from _flatten(inner, f"{location}.{name}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield f"{location}[{index}]"
            yield from _flatten(inner, f"{location}[{index}]")
