"""The cells of tables: letters that look alike are folded, and texts are parsed as numbers."""

import math
import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "are_numbers",
    "clean_cells",
    "fold",
    "has_leading_zeros",
    "meaning_of_commas",
    "parse_column",
    "parse_number",
    "parse_numbers",
    "replace_decimal_commas",
]

#: Cells that mean "missing" (compared without case); the record of a column may add more.
_MISSING: Final = frozenset({"", "n/a", "nan"})
#: What tables of ATR have in place of a missing number.
_MISSING_NUMBER: Final = -1000.0
_EXACT_IN_FLOAT32: Final = 2**24  # up to which float32 has every integer
_LEADING_ZERO: Final = re.compile(r"[-+]?0\d")
_INTEGER: Final = re.compile(r"[-+]?\d+")
_COMMA_NUMBER: Final = re.compile(r"[-+]?\d+,\d+(?:[eE][-+]?\d+)?")
_COMMA_THOUSANDS: Final = re.compile(r"[-+]?[1-9]\d{0,2},\d{3}")
#: The full-width forms of ASCII, and their distance from it.
_FULL_WIDTH: Final = range(0xFF01, 0xFF5F)
_FULL_WIDTH_OFFSET: Final = 0xFEE0


@lru_cache(maxsize=4096)  # a column repeats a few texts
def fold(text: str) -> str:
    r"""Return `text` without invisible letters, with ordinary blanks, and with ASCII for full-width letters.

    Nothing else changes: NFKC would also rewrite half-width katakana and units such as U+339C.

    Examples
    --------
    >>> fold("\u200b\uff33\uff37\uff21\u00a0\uff10\uff11\u00ad")
    'SWA 01'
    """
    return text if text.isascii() else "".join(map(_fold_letter, text))


def _fold_letter(letter: str) -> str:
    if ord(letter) in _FULL_WIDTH:
        return chr(ord(letter) - _FULL_WIDTH_OFFSET)
    category = unicodedata.category(letter)
    return "" if category == "Cf" else " " if category == "Zs" else letter


def clean_cells(cells: Iterable[str], missing: Iterable[str] = ()) -> list[str]:
    """Return the cells without blanks around them; those that mean "missing" are blank.

    Examples
    --------
    >>> clean_cells([" 31", "N/A", "-1000", "?"], missing=["?"])
    ['31', '', '', '']
    """
    missing_texts = _MISSING.union(text.casefold() for text in missing)
    printed = list(cells)
    cleaned = {cell: cell.strip() for cell in set(printed)}  # a column repeats a few texts
    for cell, stripped in cleaned.items():
        if stripped.casefold() in missing_texts or parse_number(stripped) == _MISSING_NUMBER:
            cleaned[cell] = ""
    return [cleaned[cell] for cell in printed]


@lru_cache(maxsize=4096)  # the same few hundred texts fill most cells
def parse_number(cell: str) -> float:
    """Return a cell as a number, NaN if it is not one.

    Examples
    --------
    >>> parse_number("2.5"), parse_number("1_0")
    (2.5, nan)
    """
    try:
        # Python takes '1_0' for 10.
        return float(cell) if "_" not in cell else math.nan
    except ValueError:
        return math.nan


def parse_numbers(cells: Sequence[str], dtype: str) -> NDArray[Any]:
    """Return `cells` as numbers of type `dtype`, NaN where a cell is not a number.

    Examples
    --------
    >>> parse_numbers(["3", "x"], "f4").tolist()
    [3.0, nan]
    """
    return np.array(list(map(parse_number, cells)), dtype=dtype)


def are_numbers(cells: Iterable[str]) -> bool:
    """Return whether every cell that is not blank is a number.

    Examples
    --------
    >>> are_numbers(["3", "", "4.5"]), are_numbers(["3", "L"])
    (True, False)
    """
    return not any(math.isnan(parse_number(cell)) for cell in set(cells) if cell)


def has_leading_zeros(cells: Iterable[str]) -> bool:
    """Return whether a cell has a zero before another digit, as ids have, so that its column must stay text.

    Examples
    --------
    >>> has_leading_zeros(["007", "12"]), has_leading_zeros(["0.5", "0", "10"])
    (True, False)
    """
    return any(_LEADING_ZERO.match(cell.strip()) for cell in set(cells))


def parse_column(cells: Sequence[str]) -> NDArray[Any]:
    """Return a column as numbers if every cell that is not blank is a number, else as text.

    Numbers with leading zeros are ids, which stay text.

    Examples
    --------
    >>> parse_column(["3", "", "4.5"]).tolist(), parse_column(["L", ""]).tolist()
    ([3.0, nan, 4.5], ['L', ''])
    >>> parse_column(["007", "12"]).tolist()
    ['007', '12']
    """
    if has_leading_zeros(cells) or not are_numbers(cells):
        return np.array(cells, dtype=np.str_)
    exact = parse_numbers(cells, "f8")
    # float32 would round the last digits of a date or another long number.
    return exact if (np.abs(exact) >= _EXACT_IN_FLOAT32).any() else exact.astype("f4")


def meaning_of_commas(cells: Iterable[str]) -> Literal["decimal", "ambiguous", "none"]:
    """Return what the commas in the numbers of a whole column mean.

    They are decimal if every cell is a number and at least half of the numbers have a comma: programs that
    write decimal commas write whole numbers without one.  They are ambiguous if they could all separate
    thousands, as in ``2,500``; and they mean nothing (``"none"``) in a column with other cells.

    Parameters
    ----------
    cells
        The cells of one column of one table.

    Examples
    --------
    >>> meaning_of_commas(["0,25", "1", "1,5", "n/a"]), meaning_of_commas(["2,500"])
    ('decimal', 'ambiguous')
    """
    numbers = [cell for cell in map(str.strip, cells) if cell.casefold() not in _MISSING]
    with_comma = [cell for cell in numbers if "," in cell]
    if not with_comma or 2 * len(with_comma) < len(numbers):
        return "none"
    if not all((_COMMA_NUMBER if "," in cell else _INTEGER).fullmatch(cell) for cell in numbers):
        return "none"
    return "ambiguous" if all(map(_COMMA_THOUSANDS.fullmatch, with_comma)) else "decimal"


def replace_decimal_commas(cells: Iterable[str]) -> list[str]:
    """Return the cells of a column with decimal points for decimal commas.

    Examples
    --------
    >>> replace_decimal_commas(["0,25", ""])
    ['0.25', '']
    """
    return [cell.replace(",", ".") for cell in cells]
