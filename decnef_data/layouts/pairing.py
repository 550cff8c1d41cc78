"""Which table describes the rows of which connectivity matrix.

No id links them: row order is the only link, so a wrong pair would go unnoticed for ever.  The rule:

1. The table that the catalog names for a matrix is its table, when the copy has it.
2. Else the candidates are the tables in the matrix's own folder; where it has none, those in the
   folder above, and so on up.
3. The table is the candidate with as many rows as the matrix.  Of several, it is the one whose name
   shares the most words with the matrix's (runs of letters and runs of digits, without case); two that
   share as many are an error that names both.
4. No candidate with another number of rows may share more words: then the numbers differ where the
   names agree, and that is an error too.
5. One table may describe several matrices, the same people in several atlases; within one atlas it
   describes only the matrix that shares the most words with it, and two that share as many are an error.

Every refusal is a FormatError that names the files, never a guess.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath

from decnef_data.errors import FormatError

__all__ = ["Rows", "pair"]


@dataclass(frozen=True, slots=True)
class Rows:
    """A file whose rows are people: a matrix of one atlas, or a table (``group`` is then empty).

    ``hint`` is the path of the table that the catalog names for a matrix.
    """

    path: str
    count: int
    group: str = ""
    hint: str | None = None

    @property
    def folder(self) -> str:
        """The folder it lies in, "" for none."""
        return self.path.rpartition("/")[0]


@lru_cache(maxsize=1024)
def _words(path: str) -> frozenset[str]:
    """Give the runs of letters and of digits in a file's name, without case and suffix."""
    return frozenset(re.findall(r"[^\W\d_]+|\d+", PurePosixPath(path).stem.casefold()))


def pair(matrices: Sequence[Rows], tables: Sequence[Rows]) -> Mapping[str, str | FormatError]:
    """Pair each matrix with its table, by the rule above.

    Parameters
    ----------
    matrices
        Every matrix of the copy.
    tables
        Every table of the copy that may list people.

    Returns
    -------
    Mapping
        By the path of each matrix, the path of its table, or the error that says why it has none.

    Examples
    --------
    >>> pair([Rows("a/x_1.mat", 2)], [Rows("a/info_1.tsv", 2), Rows("a/info_2.tsv", 3)])
    {'a/x_1.mat': 'a/info_1.tsv'}
    """
    chosen = {matrix: _choose(matrix, tables) for matrix in matrices}
    return {matrix.path: _outcome(matrix, choice, chosen) for matrix, choice in chosen.items()}


def _choose(matrix: Rows, tables: Sequence[Rows]) -> Rows | FormatError:
    hinted = [table for table in tables if table.path == matrix.hint]
    candidates = hinted or _nearest(matrix, tables)
    if not candidates:
        message = (
            f"'{matrix.path}' has no table of its {matrix.count} people beside it or in a folder above. "
            "Add the table, or leave the file out with strict=False."
        )
        return FormatError(message, file=matrix.path)
    return _best(matrix, candidates)


def _nearest(matrix: Rows, tables: Sequence[Rows]) -> list[Rows]:
    levels = matrix.folder.split("/") if matrix.folder else []
    for depth in range(len(levels), -1, -1):
        beside = [table for table in tables if table.folder == "/".join(levels[:depth])]
        if beside:
            return beside
    return []


def _best(matrix: Rows, candidates: Sequence[Rows]) -> Rows | FormatError:
    equal = _sharing_most(matrix, [table for table in candidates if table.count == matrix.count])
    other = _sharing_most(matrix, [table for table in candidates if table.count != matrix.count])
    if other and (not equal or _shared(matrix, other[0]) > _shared(matrix, equal[0])):
        return _counts_differ(matrix, other[0])
    if len(equal) > 1:
        return _ambiguous(matrix, equal)
    return equal[0]


def _sharing_most(rows: Rows, others: Sequence[Rows]) -> list[Rows]:
    most = max((_shared(rows, other) for other in others), default=0)
    return [other for other in others if _shared(rows, other) == most]


def _shared(one: Rows, other: Rows) -> int:
    return len(_words(one.path) & _words(other.path))


def _outcome(
    matrix: Rows, choice: Rows | FormatError, chosen: Mapping[Rows, Rows | FormatError]
) -> str | FormatError:
    if isinstance(choice, FormatError):
        return choice
    rivals = [rival for rival, table in chosen.items() if table == choice and rival.group == matrix.group]
    nearest = _sharing_most(choice, rivals)
    if choice.path == matrix.hint or nearest == [matrix]:
        return choice.path
    return _claimed(matrix, next(rival for rival in nearest if rival is not matrix), choice)


def _counts_differ(matrix: Rows, table: Rows) -> FormatError:
    message = (
        f"'{matrix.path}' has {matrix.count} rows but its table '{table.path}' has {table.count}. "
        "Row order is all that links them: download both again, or leave the file out with strict=False."
    )
    return FormatError(message, file=matrix.path, place=table.path)


def _ambiguous(matrix: Rows, tables: Sequence[Rows]) -> FormatError:
    names = " and ".join(f"'{table.path}'" for table in tables)
    message = (
        f"'{matrix.path}' could belong to {names}: all have {matrix.count} rows and names as near. "
        "Take away what is not its table, or leave the file out with strict=False."
    )
    return FormatError(message, file=matrix.path, place=tables[0].path)


def _claimed(matrix: Rows, rival: Rows, table: Rows) -> FormatError:
    message = (
        f"'{matrix.path}' and '{rival.path}' could both belong to '{table.path}', which has as many rows. "
        "Add the missing table, or leave the file out with strict=False."
    )
    return FormatError(message, file=matrix.path, place=table.path)
