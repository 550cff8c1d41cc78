"""The confounds of a run: the requested columns of the table that fMRIPrep writes beside it.

The tables have hundreds of columns, of which few are read.  ``n/a`` is NaN: fMRIPrep writes it where there is
no value, such as the displacement of the first volume.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from sys import intern
from typing import Final

import numpy as np
from numpy.typing import NDArray

from decnef_data.errors import FormatError, SelectionError

__all__ = ["Confounds", "read_confounds", "resolve_columns"]

#: The column with the framewise displacement in mm.
_DISPLACEMENT: Final = "framewise_displacement"
_MISSING: Final = frozenset({"", "n/a", "nan"})
_WILDCARDS: Final = frozenset("*?[")
_MAX_LISTED: Final = 12


@dataclass(frozen=True, slots=True, eq=False)
class Confounds:
    """The requested columns of one table.

    ``header`` are the names of all its columns, ``columns`` the values of those that were requested, and
    ``mean_fd`` is the mean framewise displacement in mm of all volumes but the first, NaN if it is unknown.
    """

    header: tuple[str, ...]
    columns: Mapping[str, NDArray[np.float64]]
    n_rows: int
    mean_fd: float

    def values(self, names: Sequence[str]) -> NDArray[np.float64]:
        """Return the columns with these names, ``(row, name)``; NaN for one that the table does not have."""
        absent = np.full(self.n_rows, np.nan)
        columns = [self.columns.get(name, absent) for name in names]
        return np.stack(columns, axis=1) if columns else np.empty((self.n_rows, 0))


def read_confounds(data: bytes, file: str, requested: Sequence[str]) -> Confounds:
    r"""Read columns of a table of confounds.

    Parameters
    ----------
    data
        The bytes of the file.
    file
        Its name, for errors.
    requested
        Names of columns, and patterns such as ``cosine*``; those that the table does not have are left out.

    Raises
    ------
    FormatError
        It is empty or no text, a row has another number of cells than the header, or a requested cell is
        neither a number nor ``n/a``.

    Examples
    --------
    >>> table = b"csf\ttrans_x\tframewise_displacement\n0.5\t0\tn/a\n0.25\t1\t0.125\n"
    >>> confounds = read_confounds(table, "a.tsv", ["trans_*", "rot_z"])
    >>> confounds.values(["trans_x", "rot_z"]).tolist(), confounds.mean_fd
    ([[0.0, nan], [1.0, nan]], 0.125)
    """
    header, rows = _split(data, file)
    # The displacement is always read, because the mean of each run is a coordinate.
    wanted = {*_matching(requested, header), *({_DISPLACEMENT} & {*header})}
    places = [(place, name) for place, name in enumerate(header) if name in wanted]
    columns = {name: np.empty(len(rows)) for _, name in places}
    for row, line in enumerate(rows):
        cells = line.split("\t")
        if len(cells) != len(header):
            raise _damaged(file, row, f"has {len(cells)} cells instead of {len(header)}")
        for place, name in places:
            columns[name][row] = _parse_cell(cells[place], file, row, name)
    displacement = columns.get(_DISPLACEMENT, np.empty(0))[1:]
    mean = float(displacement.mean()) if displacement.size else math.nan
    return Confounds(header, columns, len(rows), mean)


def _split(data: bytes, file: str) -> tuple[tuple[str, ...], list[str]]:
    """Return the header and the lines of the rows."""
    try:
        # A table that a spreadsheet has saved may begin with a byte-order mark.
        lines = data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        message = f"'{file}' is not a table of text: {error.reason}. Run fMRIPrep again for this run."
        raise FormatError(message, file=file, location=f"byte {error.start}") from error
    header, *rows = [line for line in lines if line.strip()] or [""]
    if not header:
        message = f"'{file}' is empty. Run fMRIPrep again for this run."
        raise FormatError(message, file=file)
    return tuple(map(intern, header.split("\t"))), rows  # thousands of tables have the same names


def _matching(requested: Iterable[str], header: Sequence[str]) -> Iterator[str]:
    known = frozenset(header)
    for name in requested:
        if name in known:
            yield name
        elif not _WILDCARDS.isdisjoint(name):
            yield from (column for column in header if fnmatchcase(column, name))


def _parse_cell(cell: str, file: str, row: int, name: str) -> float:
    try:
        return float(cell)  # most cells are numbers
    except ValueError:
        if cell.strip().casefold() in _MISSING:
            return math.nan
        raise _damaged(file, row, f"has {cell[:20]!r} in the column '{name}'") from None


def _damaged(file: str, row: int, problem: str) -> FormatError:
    message = f"'{file}' is damaged: row {row + 1} {problem}. Run fMRIPrep again for this run."
    return FormatError(message, file=file, location=f"row {row + 1}")


def resolve_columns(requested: Sequence[str], headers: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """Return the requested columns in their order, with those that a pattern such as ``cosine*`` stands for.

    Parameters
    ----------
    requested
        Names and patterns.
    headers
        The headers of all tables; the columns of a pattern are in their order.

    Raises
    ------
    SelectionError
        No table has such a column.

    Examples
    --------
    >>> resolve_columns(["csf", "cosine*"], [("cosine00", "csf"), ("cosine00", "cosine01")])
    ('csf', 'cosine00', 'cosine01')
    """
    # Most tables of a folder have one of few headers, so each header is read once.
    known = list({name: None for header in dict.fromkeys(map(tuple, headers)) for name in header})
    columns: dict[str, None] = {}
    for request in requested:
        found = list(_matching([request], known))
        if not found:
            raise _unknown_column(request, known)
        columns.update(dict.fromkeys(found))
    return tuple(columns)


def _unknown_column(request: str, known: Sequence[str]) -> SelectionError:
    if not known:
        message = (
            f"There is no confound '{request}', because no run has a table of confounds. "
            "Leave them out with confounds=()."
        )
        return SelectionError(message, requested=request)
    more = f" and {len(known) - _MAX_LISTED} more" if len(known) > _MAX_LISTED else ""
    message = (
        f"No run has a confound '{request}'. The tables have {', '.join(known[:_MAX_LISTED])}{more}; "
        "leave confounds out with confounds=()."
    )
    return SelectionError(message, requested=request, known=known)
