"""Entries of catalogs in the order in which they were read, and the records of each kind."""

from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Any

from decnef_data.records.compiled import read_compiled
from decnef_data.records.grading import grade_entries
from decnef_data.records.load import RecordEntry, read_entries
from decnef_data.records.validate import validate_entries


@cache
def packaged_entries() -> tuple[RecordEntry, ...]:
    """Return the entries of the packaged catalog."""
    # Records are frozen, so that a process reads the packaged ones only once.
    folder = files("decnef_data_catalog")
    return read_compiled(folder) or tuple(read_entries(folder))


def unique_entries(entries: Iterable[RecordEntry]) -> tuple[RecordEntry, ...]:
    """Return the last entry of each key, in the place of the first."""
    # A dictionary keeps the place of a key whose value is replaced: the order of the package stays.
    return tuple({entry.key: entry for entry in entries}.values())


def records_by_kind(entries: tuple[RecordEntry, ...]) -> dict[str, tuple[Any, ...]]:
    """Return the records of each kind with their grades; mirrors in the order they are tried.

    Raises
    ------
    CatalogError
        A record is inconsistent.
    """
    validate_entries(entries)
    kinds: dict[str, list[Any]] = {}
    for entry in grade_entries(entries):
        kinds.setdefault(entry.kind, []).append(entry.record)
    kinds.get("mirrors", []).sort(key=lambda mirror: mirror.order)
    kinds["fact_records"] = kinds.pop("facts", [])  # Records.facts() has the values of all records
    return {kind: tuple(records) for kind, records in kinds.items()}
