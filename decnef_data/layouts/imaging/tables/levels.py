"""The labels of codes that the sidecar of a table states: ``Levels`` of BIDS, by header and code."""

import json
from collections.abc import Iterator, Mapping

from decnef_data.model import Remark

__all__ = ["Levels", "is_table_sidecar", "parse_levels", "sidecar_of_table", "unreadable_levels_remarks"]

#: The label of each code, by the header of the column.
Levels = Mapping[str, Mapping[str, str]]


def sidecar_of_table(path: str) -> str:
    """Return the path of the sidecar of a table, "" for a file that has none.

    Examples
    --------
    >>> sidecar_of_table("phenotype/scales.tsv"), sidecar_of_table("README.txt")
    ('phenotype/scales.json', '')
    """
    # BIDS has tables of participants and scales as TSV only.
    return f"{path[:-4]}.json" if path.endswith(".tsv") else ""


def is_table_sidecar(path: str) -> bool:
    """Return whether a file among the tables of a copy and their sidecars is a sidecar."""
    return path.endswith(".json")


def parse_levels(content: bytes) -> tuple[Levels, str]:
    """Return the levels of a sidecar, and the reason why it cannot be read.

    A level is a text, or an object with a description.  Columns without levels are left out.

    Examples
    --------
    >>> parse_levels(b'{"sex": {"Levels": {"1": "male", "2": {"Description": "female"}}}, "age": {}}')
    ({'sex': {'1': 'male', '2': 'female'}}, '')
    >>> parse_levels(b"[]")
    ({}, 'not an object of JSON')
    """
    try:
        # Not msgspec: tools on Windows write a byte order mark.
        columns = json.loads(content)
    except (ValueError, RecursionError):
        return {}, "not JSON"
    if not isinstance(columns, dict):
        return {}, "not an object of JSON"
    found = {
        header: dict(_labels(column["Levels"]))
        for header, column in columns.items()
        if isinstance(column, dict) and isinstance(column.get("Levels"), dict)
    }
    return {header: labels for header, labels in found.items() if labels}, ""


def _labels(levels: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for code, level in levels.items():
        label = level.get("Description") if isinstance(level, dict) else level
        if isinstance(label, str) and label.strip():
            # A label is a value of a coordinate: one line, whatever the sidecar has.
            yield code.strip(), " ".join(label.split())


def unreadable_levels_remarks(path: str, reason: str) -> Iterator[Remark]:
    """Yield a warning for a sidecar that cannot be read."""
    if reason:
        message = f"The sidecar '{path}' of a table cannot be read: {reason}. Correct it, or remove it."
        yield Remark("unreadable-sidecar", message, path)
