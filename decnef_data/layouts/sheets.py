"""The tables of an image dataset: that of its people, that of its protocols, and all that name people."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from decnef_data.errors import FormatError
from decnef_data.formats import tables
from decnef_data.layouts import protocols
from decnef_data.layouts.people import CODES, NUMBERS, TEXTS, people_of, slug
from decnef_data.layouts.recognizing import place_of
from decnef_data.records import fold

if TYPE_CHECKING:
    import pandas as pd

    from decnef_data.layouts.protocols import Imaging
    from decnef_data.model import Dataset, VerifiedFile
    from decnef_data.records import Records

__all__ = ["Further", "Sheets", "further", "id_column", "key", "read_sheets", "tables_among"]

_SUFFIXES: Final = frozenset({".tsv", ".csv", ".txt"})
#: Headers over the names of people, the surest first.
_IDS: Final = ("participantid", "participantsid", "subjectid", "subject", "participant", "subid", "id")
_SUPPLEMENT: Final = re.compile(r"sup\D?(\d+)", re.IGNORECASE)
#: What a further table may say that the catalog has a name for.
_KNOWN: Final = (*(f"{name}_code" for name in CODES), *TEXTS, *NUMBERS)


@dataclass(frozen=True, slots=True, eq=False)
class Sheets:
    """The tables of a copy: that of its people, its protocols, all others by name; and what is no table."""

    people: "pd.DataFrame | None"
    protocols: Mapping[int, "Imaging"]
    others: Mapping[str, "pd.DataFrame"]
    problems: tuple[FormatError, ...]


@dataclass(frozen=True, slots=True)
class Further:
    """One column of a further table: its name with that of the table before it, and a cell a person."""

    name: str
    header: str
    cells: list[str]


def tables_among(files: Iterable["VerifiedFile"]) -> Iterator["VerifiedFile"]:
    """Give the tables among `files`; those inside a person's folder are of that scan, not of people."""
    for file in files:
        path = PurePosixPath(file.path)
        if path.suffix.casefold() in _SUFFIXES and not _is_ones_own(path):
            yield file


def read_sheets(files: Iterable["VerifiedFile"]) -> Sheets:
    """Read tables, as :func:`tables_among` gives them."""
    found: dict[str, pd.DataFrame] = {}
    stated: dict[int, Imaging] = {}
    problems: list[FormatError] = []
    for file in files:
        path = PurePosixPath(file.path)
        data = file.location.read_bytes()
        try:
            if protocols.is_protocols(tables.rows(data, file.path, protocols.NUMBERED)):
                stated.update(protocols.parse(tables.rows(data, file.path)))
            else:
                found[path.name] = tables.read(data, file.path)
        except FormatError as error:
            if path.suffix.casefold() != ".txt":  # prose, such as a README
                problems.append(error)
    name = _of_people(found)
    people = found.pop(name) if name else None
    return Sheets(people, stated, found, tuple(problems))


def _is_ones_own(path: PurePosixPath) -> bool:
    return place_of(f"{path.parent}/rsfmri/vol_0") is not None


def _of_people(found: Mapping[str, "pd.DataFrame"]) -> str | None:
    named = [name for name in found if fold(PurePosixPath(name).stem) in {"participants", "subjects"}]
    keyed = [name for name, table in found.items() if id_column(table) is not None]
    return next(iter(named), None) or max(keyed, key=lambda name: len(found[name]), default=None)


def id_column(table: "pd.DataFrame") -> int | None:
    """Find the column whose header says that it names people."""
    headers = [fold(str(header)) for header in table.columns]
    return next((headers.index(name) for name in _IDS if name in headers), None)


@lru_cache(maxsize=8192)  # every table names the same people
def key(name: str) -> str:
    """Give what of a name tells people apart: case, a leading ``sub-`` and zeros do not.

    Examples
    --------
    >>> key("sub-0012") == key("12"), key("MP012")
    (True, 'mp012')
    """
    bare = name.strip().casefold().removeprefix("sub").removeprefix("-")
    return bare.lstrip("0") or bare if bare.isdigit() else bare


def further(
    name: str, table: "pd.DataFrame", known: Mapping[str, int], dataset: "Dataset", records: "Records"
) -> list[Further] | None:
    """Read a further table by person, or give ``None`` where it names nobody of ours, or somebody twice.

    Parameters
    ----------
    name, table
        The table.
    known
        Where each person stands, by :func:`key`.
    dataset, records
        What the catalog knows.
    """
    at = _keyed(table, known)
    if at is None:
        return None
    found = people_of(name, table, dataset, records, at)
    places = [known.get(key(cell), -1) for cell in table.iloc[:, at].tolist()]
    printed = {column: found.known[column] for column in _KNOWN if any(found.known[column])}
    others = {column.lstrip("_"): cells for column, cells in found.others.items()}
    headers = {column.lstrip("_"): header for column, header in found.headers.items()}
    prefix = _prefix(name)
    return [
        Further(
            column if column == "mean_fd" else f"{prefix}_{column}",
            f"{headers.get(column, column)} ({name})",
            _placed(cells, places, len(known)),
        )
        for column, cells in {**others, **printed}.items()
    ]


def _keyed(table: "pd.DataFrame", known: Mapping[str, int]) -> int | None:
    """Find the column that names people of ours, each once."""
    named = id_column(table)
    places = [named] if named is not None else range(table.shape[1])
    for at in places:
        cells = [cell for cell in table.iloc[:, at].tolist() if cell.strip()]
        # A number may be anybody's: without a header that says so, only whole names count.
        fitting = [
            cell for cell in cells if key(cell) in known and (named is not None or "sub" in cell.casefold())
        ]
        if fitting and 2 * len(fitting) > len(cells) and len(set(map(key, cells))) == len(cells):
            return at
    return None


def _placed(cells: Sequence[str], places: Sequence[int], count: int) -> list[str]:
    row = [""] * count
    for cell, place in zip(cells, places, strict=True):
        if place >= 0:
            row[place] = cell
    return row


def _prefix(name: str) -> str:
    stem = PurePosixPath(name).stem
    supplement = _SUPPLEMENT.fullmatch(stem)
    return f"sup{supplement[1]}" if supplement else slug(stem, "_") or "table"
