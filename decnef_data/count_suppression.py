"""Decides which numbers of people to hide, so that neither they nor sums show fewer than five people."""

from collections.abc import Collection, Hashable, Iterable, Mapping
from fractions import Fraction
from typing import Final, TypeVar

from decnef_data.disclosure import MIN_COUNT, hides_rows

__all__ = ["format_count", "hidden_counts"]

#: With such a number hidden beside them, a sum leaves the numbers 1 to 4 open.
_COVER: Final = 2 * MIN_COUNT - 1
_Key = TypeVar("_Key", bound=Hashable)
#: The keys of the parts of a sum, and that of the sum if it is among the numbers.
_Line = tuple[tuple[_Key, ...], _Key | None]


def format_count(count: int, *, is_hidden: bool = False) -> str:
    """Format a number of people; a small one is not shown if rows are hidden.

    Examples
    --------
    >>> format_count(1410), format_count(3), format_count(20, is_hidden=True)
    ('1,410', '3', 'hidden')
    """
    if (is_hidden or hides_rows()) and 0 < count < MIN_COUNT:
        return f"<{MIN_COUNT}"
    return "hidden" if is_hidden else f"{count:,}"


def hidden_counts(
    counts: Mapping[_Key, int],
    sums: Iterable[tuple[Collection[_Key], _Key | None]],
    *,
    is_protected: bool | None = None,
    hides_sums: bool = False,
) -> frozenset[_Key]:
    """Return which numbers of people to hide: those below five, and others so that no sum shows them.

    Parameters
    ----------
    counts
        The numbers of people by any key.
    sums
        What adds up: the keys of the parts, and the key of their sum, ``None`` if it is not among `counts`
        but known from elsewhere.
    is_protected
        Whether to hide any; ``None`` means that ``DECNEF_ROWS`` decides.
    hides_sums
        Whether to hide a sum before another part of it, where parts are worth more.

    Returns
    -------
    frozenset
        The keys of the hidden numbers; none if rows may be shown.

    Examples
    --------
    >>> hidden_counts({"HC": 3, "ASD": 20, "all": 23}, [(("HC", "ASD"), "all")])
    frozenset()
    """
    if not (hides_rows() if is_protected is None else is_protected):
        return frozenset()
    lines = [(tuple(sorted(parts, key=lambda key: (counts[key], str(key)))), total) for parts, total in sums]
    lines = _without_known(counts, lines)
    hidden = {key for key, count in counts.items() if 0 < count < MIN_COUNT}
    while True:
        # What follows from several sums is looked for when each sum alone shows nothing: then less is hidden.
        more = _keys_to_hide(counts, lines, hidden, (), hides_sums)
        exposed = () if more else {key for key in _determined(lines, hidden) if counts[key] < MIN_COUNT}
        if exposed:
            # If the sums with such a number have nothing left to hide, one of the others has.
            more = _keys_to_hide(counts, lines, hidden, exposed, hides_sums)
            more = more or _keys_to_hide(counts, lines, hidden, hidden, hides_sums)[:1]
        if not more:
            return frozenset(hidden)
        hidden.update(more)


def _without_known(counts: Mapping[_Key, int], lines: Iterable[_Line[_Key]]) -> list[_Line[_Key]]:
    """Return the sums without the numbers that are known sums themselves, which hide nothing."""
    lines = [(tuple(key for key in parts if counts[key]), total) for parts, total in lines]
    known = {parts[0] for parts, total in lines if total is None and len(parts) == 1}
    return [(tuple(key for key in parts if key not in known), total) for parts, total in lines]


def _keys_to_hide(
    counts: Mapping[_Key, int],
    lines: Iterable[_Line[_Key]],
    hidden: Collection[_Key],
    exposed: Collection[_Key],
    hides_sums: bool,
) -> list[_Key]:
    found = (_next_hidden(counts, line, hidden, exposed, hides_sums) for line in lines)
    return [key for key in found if key is not None]


def _next_hidden(
    counts: Mapping[_Key, int],
    line: _Line[_Key],
    hidden: Collection[_Key],
    exposed: Collection[_Key],
    hides_sums: bool,
) -> _Key | None:
    """Return a number that is to be hidden, too, because the others of the sum would show a hidden one."""
    parts, total = line
    keys = [*parts, *([] if total is None else [total])]
    inside = [key for key in keys if key in hidden]
    is_covered = len(inside) > 1 and any(counts[key] >= _COVER for key in inside)
    if not inside or (is_covered and not any(key in exposed for key in inside)):
        return None
    outside = [key for key in keys if key not in hidden and counts[key]]
    covering = [key for key in outside if counts[key] >= _COVER]
    if hides_sums and total in covering:
        return total
    return next(iter(covering or reversed(outside)), None)


def _determined(lines: Iterable[_Line[_Key]], hidden: Collection[_Key]) -> Collection[_Key]:
    """Return the hidden numbers that follow from the others, by elimination over all sums."""
    solved: dict[_Key, dict[_Key, Fraction]] = {}
    for parts, total in lines:
        # Exact numbers: a coefficient that rounding keeps from 0 would hide that a number is determined.
        row = {key: Fraction(1) for key in parts if key in hidden}
        if total in hidden and total is not None:
            row[total] = Fraction(-1)
        for key, known in solved.items():
            row = _subtract(row, known, row.get(key, Fraction(0)))
        if row:
            pivot, factor = next(iter(row.items()))
            row = {key: value / factor for key, value in row.items()}
            solved = {
                key: _subtract(known, row, known.get(pivot, Fraction(0))) for key, known in solved.items()
            }
            solved[pivot] = row
    return {key for key, row in solved.items() if len(row) == 1}


def _subtract(
    row: Mapping[_Key, Fraction], other: Mapping[_Key, Fraction], factor: Fraction
) -> dict[_Key, Fraction]:
    """Return a row less a multiple of another, without zeros."""
    keys = dict.fromkeys([*row, *other])
    values = {key: row.get(key, Fraction(0)) - factor * other.get(key, Fraction(0)) for key in keys}
    return {key: value for key, value in values.items() if value}
