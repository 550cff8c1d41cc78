"""What is unusual about the rows of one atlas: missing, impossible, constant and equal values."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from decnef_data.layouts.column_remarks import count_noun
from decnef_data.model import Remark

__all__ = ["RowChecks", "check_rows", "row_remarks"]

#: A larger value is not a correlation; the millionth allows for rounding.
_MAX_ABS_R: Final = 1 + 1e-6
_THREADS: Final = 2
#: Rows that differ in one of this many columns are not compared any further.
_COMPARED_COLUMNS: Final = 8
_MAX_LISTED: Final = 3


@dataclass(frozen=True, slots=True, eq=False)
class RowChecks:
    """For each row: whether a value is missing, how many are outside [-1, 1], and whether all are equal.

    ``repeats`` has the rows that are equal to one above them, each with the first such row.
    """

    missing: NDArray[np.bool_]
    out_of_range: NDArray[np.intp]
    constant: NDArray[np.bool_]
    repeats: Mapping[int, int]


def check_rows(fc: NDArray[Any]) -> RowChecks:
    """Check every row of an array, participants by edges.

    Examples
    --------
    >>> checks = check_rows(np.array([[0.5, np.nan], [0.25, 2.0], [0.0, 0.0], [0.25, 2.0]]))
    >>> checks.missing.tolist(), checks.out_of_range.tolist(), checks.repeats
    ([True, False, False, False], [0, 1, 0, 1], {3: 1})
    """
    # Two passes find the few rows to be examined in detail: the extremes of a row with a NaN are NaN.
    with ThreadPoolExecutor(max_workers=_THREADS) as threads:
        high, low = threads.map(_row_extremes, (fc, fc), (np.max, np.min))
    missing, out_of_range = np.isnan(high), np.zeros(len(fc), np.intp)
    with np.errstate(invalid="ignore"):
        doubtful = np.flatnonzero(~((high <= _MAX_ABS_R) & (low >= -_MAX_ABS_R)))
        rows = fc[doubtful]
        out_of_range[doubtful] = (np.abs(rows) > _MAX_ABS_R).sum(axis=1)
        high[doubtful] = np.fmax.reduce(rows, axis=1)  # without NaN, unless there is nothing else
        low[doubtful] = np.fmin.reduce(rows, axis=1)
    constant = high == low
    return RowChecks(
        missing, out_of_range, constant, _find_repeats(fc, np.flatnonzero(~constant & ~np.isnan(high)))
    )


def _row_extremes(fc: NDArray[Any], reduce: Callable[..., NDArray[Any]]) -> NDArray[Any]:
    with np.errstate(invalid="ignore"):  # the setting is per thread
        return reduce(fc, axis=1)


def _find_repeats(fc: NDArray[Any], rows: NDArray[np.intp]) -> dict[int, int]:
    columns = np.unique(np.linspace(0, fc.shape[1] - 1, _COMPARED_COLUMNS, dtype=np.intp))
    candidates: dict[bytes, list[int]] = {}
    # Adding zero makes -0.0 and 0.0 the same bytes.
    for row, sample in zip(rows.tolist(), fc[np.ix_(rows, columns)] + 0, strict=True):
        candidates.setdefault(sample.tobytes(), []).append(row)
    repeats: dict[int, int] = {}
    for similar in candidates.values():
        if len(similar) > 1:
            repeats.update(_equal_rows(fc, similar))
    return dict(sorted(repeats.items()))


def _equal_rows(fc: NDArray[Any], rows: Sequence[int]) -> Iterator[tuple[int, int]]:
    firsts: dict[bytes, int] = {}
    for row in rows:
        first = firsts.setdefault(hashlib.sha256(fc[row] + 0).digest(), row)
        if first != row:
            yield row, first


def row_remarks(checks: RowChecks, sources: Sequence[tuple[str, int]]) -> Iterator[Remark]:
    """Yield what is unusual, by file.

    Parameters
    ----------
    checks
        The checks of all rows.
    sources
        The path of each matrix file and the number of its rows, in the order of the rows.

    Examples
    --------
    >>> checks = check_rows(np.array([[0.5, 0.25], [0.0, 0.0]]))
    >>> [remark.message.partition(".")[0] for remark in row_remarks(checks, [("a", 2)])]
    ["One value is in all edges of row 2 in 'a'"]
    """
    places = [(path, number) for path, count in sources for number in range(1, count + 1)]
    start = 0
    for path, count in sources:
        rows = slice(start, start + count)
        yield from _missing_remarks(path, checks.missing[rows])
        yield from _out_of_range_remarks(path, checks.out_of_range[rows])
        yield from _constant_remarks(path, checks.constant[rows])
        pairs = [
            (places[row], places[first])
            for row, first in checks.repeats.items()
            if rows.start <= row < rows.stop
        ]
        yield from _repeat_remarks(path, pairs)
        start += count


def _missing_remarks(path: str, missing: NDArray[np.bool_]) -> Iterator[Remark]:
    if missing.any():
        message = f"Values of {_list_rows(missing)} in '{path}' are missing. They are NaN in the result."
        yield Remark("missing-values", message, path, is_warning=False)


def _out_of_range_remarks(path: str, out_of_range: NDArray[np.intp]) -> Iterator[Remark]:
    count = int(out_of_range.sum())
    if count:
        message = (
            f"{count_noun(count, 'value')} of {_list_rows(out_of_range)} in '{path}' "
            f"{'is' if count == 1 else 'are'} outside [-1, 1], so not all values are Pearson correlations. "
            "Check them before averaging."
        )
        yield Remark("out-of-range", message, path)


def _constant_remarks(path: str, constant: NDArray[np.bool_]) -> Iterator[Remark]:
    if constant.any():
        message = (
            f"One value is in all edges of {_list_rows(constant)} in '{path}'. "
            "These are not the correlations of a participant: leave them out."
        )
        yield Remark("constant-rows", message, path)


def _repeat_remarks(path: str, pairs: Sequence[tuple[tuple[str, int], tuple[str, int]]]) -> Iterator[Remark]:
    if pairs:
        verb = "has" if len(pairs) == 1 else "have"
        examples = [
            f"row {number} as row {first}" + ("" if file == path else f" of '{file}'")
            for (_, number), (file, first) in pairs
        ]
        message = (
            f"{count_noun(len(pairs), 'row')} in '{path}' {verb} the same values as another row: "
            f"{_join(examples)}. One participant may be there twice."
        )
        yield Remark("equal-rows", message, path)


def _list_rows(mask: NDArray[Any]) -> str:
    """Return the numbers of the rows of a file for which a mask holds, counted from 1."""
    numbers = (np.flatnonzero(mask) + 1).tolist()
    return f"row{'s' if len(numbers) > 1 else ''} {_join(map(str, numbers))}"


def _join(items: Iterable[str]) -> str:
    texts = list(items)
    more = len(texts) - _MAX_LISTED
    last = f"{more} more" if more > 0 else texts.pop()
    return " and ".join(part for part in (", ".join(texts[:_MAX_LISTED]), last) if part)
