"""What the tables and the catalog say of the people of a matrix, as labelled columns.

A column that the catalog knows becomes a coordinate; every other is kept under the institute's prefix.
Where a table is silent, the cohorts of the catalog speak: the longest matching prefix, field by field.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

    from decnef_data.model import Cohort, Column, Dataset
    from decnef_data.records import Records

__all__ = ["CODES", "NUMBERS", "TEXTS", "People", "is_people", "numbers", "people_of", "slug", "values"]

#: Coordinates that hold a word, each with the text as printed beside it (``sex_code``).
CODES = ("diagnosis", "sex", "handedness")
#: Coordinates that hold text.
TEXTS = ("site", "institute", "scanner")
#: Coordinates that hold numbers, and their types.
NUMBERS: Mapping[str, str] = {"age": "f4", "protocol": "f4", "mean_fd": "f8"}

#: What tables print where nothing is known (compared without case); a column's record may add more.
_MISSING = frozenset({"", "n/a", "nan"})
_MISSING_NUMBER = -1000.0
_EXACT_IN_FLOAT32 = 2**24


@dataclass(frozen=True, slots=True)
class People:
    """The people of one matrix, one text a person: cells by coordinate, and all other cells by prefixed name.

    `headers` says what the table prints over each of the `others`; `unknown_codes` counts, by coded
    column, the cells that nothing explains.
    """

    known: Mapping[str, Sequence[str]]
    others: Mapping[str, Sequence[str]]
    headers: Mapping[str, str]
    unknown_codes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class _Said:
    """What the catalog says of a path: each field from the longest prefix that states it."""

    cohorts: tuple["Cohort", ...]

    def value(self, name: str) -> Any:
        stated = (getattr(cohort, name, None) for cohort in self.cohorts)
        return next((value for value in stated if value or value == 0), None)

    def text(self, name: str) -> str:
        value = self.value(name)
        return "" if value is None else str(value)


def is_people(path: str, table: "pd.DataFrame", records: "Records") -> bool:
    """Say whether a table may list people: it is called SUBINFO, or has a column that the catalog knows."""
    return "subinfo" in path.casefold() or any(_column(str(header), records) for header in table.columns)


def people_of(
    path: str, table: "pd.DataFrame", dataset: "Dataset", records: "Records", ids: int | None = None
) -> People:
    """Label the people of one matrix.

    Parameters
    ----------
    path
        The matrix, below the top folder.
    table
        Its table, as printed.
    dataset, records
        What the catalog knows.
    ids
        The column that names people, which is left out.

    Returns
    -------
    People
        One text a person in every column.
    """
    said = _Said(tuple(sorted(_applying(path, dataset), key=lambda cohort: -len(cohort.path))))
    columns = _Columns.of(table, records, ids)
    cells = {name: columns.cells(name, said.text(name)) for name in (*TEXTS, *NUMBERS)}
    institute = said.text("institute") or _folder(path)
    known: dict[str, Sequence[str]] = dict(cells)
    known["site"] = _sites(cells["site"], records)
    known["institute"] = [cell or institute for cell in cells["institute"]]
    for name in CODES:
        known[f"{name}_code"] = columns.cells(name)
        known[name] = _labels(known[f"{name}_code"], name, said, records)
    unknown = {name: _unexplained(known[f"{name}_code"], known[name]) for name in CODES}
    others = {f"{slug(institute, '_')}_{name}": cells for name, cells in columns.others.items()}
    headers = {f"{slug(institute, '_')}_{name}": header for name, header in columns.headers.items()}
    return People(known, others, headers, unknown)


def numbers(cells: Sequence[str], kind: str) -> NDArray[Any]:
    """Give `cells` as numbers of one type, NaN where there is none."""
    return np.array(list(map(_number, cells)), dtype=kind)


def values(cells: Sequence[str]) -> NDArray[Any]:
    """Give a column as numbers when every cell that says something is one, else as text.

    Examples
    --------
    >>> values(["3", "", "4.5"]).tolist(), values(["L", ""]).tolist()
    ([3.0, nan, 4.5], ['L', ''])
    """
    if not _are_numbers(cells):
        return np.array(cells, dtype=np.str_)
    exact = numbers(cells, "f8")
    # A date or a long number written as digits would lose its last ones in float32.
    return exact if (np.abs(exact) >= _EXACT_IN_FLOAT32).any() else exact.astype("f4")


def slug(text: str, joint: str) -> str:
    """Give `text` in lower case, its words (of any script) joined by `joint`.

    Examples
    --------
    >>> slug("Pain side (L/R)", "_")
    'pain_side_l_r'
    """
    return joint.join(re.findall(r"[^\W_]+", text.casefold()))


@dataclass(frozen=True, slots=True)
class _Columns:
    """A table's cells, missing ones blank, by coordinate, and all others by the slug of their header."""

    rows: int
    printed: Mapping[str, list[str]]
    others: Mapping[str, list[str]]
    headers: Mapping[str, str]

    @classmethod
    def of(cls, table: "pd.DataFrame", records: "Records", ids: int | None) -> "_Columns":
        printed: dict[str, list[str]] = {}
        others: dict[str, list[str]] = {}
        headers: dict[str, str] = {}
        grid = table.to_numpy()
        for place, header in enumerate(map(str, table.columns)):
            if place == ids:
                continue
            column = _column(header, records)
            cells = _present(grid[:, place], column)
            is_new = column is not None and column.name not in printed
            if column is not None and is_new:
                printed[column.name] = cells
            if column is None or not is_new or not _tells_all(column.name, cells):
                name = _unused(slug(header, "_") or f"column_{place + 1}", others)
                others[name], headers[name] = cells, header
        return cls(len(table), printed, others, headers)

    def cells(self, name: str, otherwise: str = "") -> list[str]:
        printed = self.printed.get(name)
        return [otherwise] * self.rows if printed is None else [cell or otherwise for cell in printed]


def _column(header: str, records: "Records") -> "Column | None":
    # "Mean FD (mm)" is looked up whole, then without what stands in brackets.
    found = records.column(header) or records.column(re.sub(r"\s*[(\[].*$", "", header))
    return found if found and found.name in {*CODES, *TEXTS, *NUMBERS} else None


def _present(cells: Iterable[str], column: "Column | None") -> list[str]:
    missing = _MISSING.union(text.casefold() for text in column.missing) if column else _MISSING
    printed = list(cells)
    kept = {cell: cell.strip() for cell in set(printed)}  # a column says the same few things over and over
    for cell, bare in kept.items():
        if bare.casefold() in missing or _number(bare) == _MISSING_NUMBER:
            kept[cell] = ""
    return [kept[cell] for cell in printed]


def _tells_all(name: str, cells: Sequence[str]) -> bool:
    # A cell such as "30-35" is no age: the column is then kept as printed, too.
    return name not in NUMBERS or _are_numbers(cells)


def _unused(name: str, taken: Mapping[str, Any]) -> str:
    names = (name, *(f"{name}_{number}" for number in range(2, len(taken) + 2)))
    return next(name for name in names if name not in taken)


@lru_cache(maxsize=4096)  # the same few hundred texts fill most cells
def _number(cell: str) -> float:
    try:
        return float(cell) if "_" not in cell else np.nan
    except ValueError:
        return np.nan


def _are_numbers(cells: Iterable[str]) -> bool:
    """Whether every cell that says something is a number."""
    return not any(math.isnan(_number(cell)) for cell in set(cells) if cell)


def _applying(path: str, dataset: "Dataset") -> Iterator["Cohort"]:
    return (cohort for cohort in dataset.cohorts if path.startswith(cohort.path))


def _folder(path: str) -> str:
    return path.split("/", maxsplit=1)[0] if "/" in path else ""


def _sites(cells: Sequence[str], records: "Records") -> list[str]:
    found = {cell: records.site(cell) if cell else None for cell in set(cells)}
    codes = {cell: site.code if site else cell for cell, site in found.items()}
    return [codes[cell] for cell in cells]


def _labels(codes: Sequence[str], name: str, said: _Said, records: "Records") -> list[str]:
    stated = said.value(f"{name}_codes") or {}
    words = _words(name, records)
    meaning = {
        code: _meaning(code, name, stated, records) or words.get(code.casefold(), "") for code in set(codes)
    }
    otherwise = said.text(name)
    return [meaning[code] if code else otherwise for code in codes]


def _meaning(code: str, name: str, stated: Mapping[str, str], records: "Records") -> str:
    number = _number(code)
    whole = str(int(number)) if number.is_integer() else code
    if stated or not number.is_integer():
        return stated.get(code, stated.get(whole, ""))
    return records.label(name, int(number)) or ""


def _words(name: str, records: "Records") -> dict[str, str]:
    """Labels and titles, which some tables print in place of codes; M, F, R, L, too, where they are clear."""
    codes = [code for code in records.codes if code.column == name]
    initials = Counter(code.label[0].casefold() for code in codes)
    words = {
        code.label[0].casefold(): code.label for code in codes if initials[code.label[0].casefold()] == 1
    }
    full = {text.casefold(): code.label for code in codes for text in (code.title, code.label)}
    return full if name == "diagnosis" else {**words, **full}


def _unexplained(codes: Sequence[str], labels: Sequence[str]) -> int:
    counts = Counter(zip(codes, labels, strict=True))
    return sum(count for (code, label), count in counts.items() if code and not label)
