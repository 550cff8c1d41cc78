"""Pairing of connectivity matrices with the tables that describe their rows.

They share no id: the order of rows is the only link, so a wrong pair would never be noticed.  The rule:

1. The table that the catalog records for a matrix is its table, if the copy has it.
2. Otherwise the candidates are the tables in the folder of the matrix; if there are none, those in the
   folder above, and so on.
3. The table is the candidate with as many rows as the matrix.  Of several, it is the one whose name
   shares the most words with that of the matrix (runs of letters and runs of digits, without case); a tie is
   an error that names both.
4. No candidate with a different number of rows may share more words: the names would then agree where the
   numbers differ, which is an error, too.
5. One table may describe several matrices: the same participants in several atlases.  Within one atlas it
   describes only the matrix that shares the most words with it; a tie is an error.

Every refusal is a FormatError that names the files, never a guess.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath

from decnef_data.errors import FormatError

__all__ = ["ParticipantFile", "pair_tables"]


@dataclass(frozen=True, slots=True)
class ParticipantFile:
    """A file with one row per participant: a matrix of one atlas, or a table (``atlas`` is then empty).

    ``hint`` is the path of the table that the catalog records for a matrix.
    """

    path: str
    count: int
    atlas: str = ""
    hint: str | None = None

    @property
    def folder(self) -> str:
        """The folder of the file, "" for none."""
        return self.path.rpartition("/")[0]


@lru_cache(maxsize=1024)  # each matrix is compared with each table of its folder
def _name_words(path: str) -> frozenset[str]:
    """Return the runs of letters and of digits in the name of a file, without case and suffix."""
    # Runs of digits are apart, so that N82 and 82 have the number in common.
    return frozenset(re.findall(r"[^\W\d_]+|\d+", PurePosixPath(path).stem.casefold()))


def pair_tables(
    matrices: Sequence[ParticipantFile], tables: Sequence[ParticipantFile]
) -> Mapping[str, str | FormatError]:
    """Pair each matrix with its table, by the rule above.

    Parameters
    ----------
    matrices
        Every matrix of the copy.
    tables
        Every table of the copy that may list participants.

    Returns
    -------
    Mapping
        By the path of each matrix, the path of its table, or the error why it has none.

    Examples
    --------
    >>> tables = [ParticipantFile("a/info_1.tsv", 2), ParticipantFile("a/info_2.tsv", 3)]
    >>> pair_tables([ParticipantFile("a/x_1.mat", 2)], tables)
    {'a/x_1.mat': 'a/info_1.tsv'}
    """
    choices = {matrix: _choose_table(matrix, tables) for matrix in matrices}
    return {matrix.path: _resolve_choice(matrix, choice, choices) for matrix, choice in choices.items()}


def _choose_table(
    matrix: ParticipantFile, tables: Sequence[ParticipantFile]
) -> ParticipantFile | FormatError:
    recorded = [table for table in tables if table.path == matrix.hint]
    candidates = recorded or _nearest_tables(matrix, tables)
    if not candidates:
        message = (
            f"'{matrix.path}' has no table of its {matrix.count} participants in its folder or one above. "
            "Add the table, or omit the file with strict=False."
        )
        return FormatError(message, file=matrix.path)
    return _best_match(matrix, candidates)


def _nearest_tables(matrix: ParticipantFile, tables: Sequence[ParticipantFile]) -> list[ParticipantFile]:
    levels = matrix.folder.split("/") if matrix.folder else []
    # Up to the top: an institute may have one table above the folders of its diagnoses.
    for depth in range(len(levels), -1, -1):
        siblings = [table for table in tables if table.folder == "/".join(levels[:depth])]
        if siblings:
            return siblings
    return []


def _best_match(
    matrix: ParticipantFile, candidates: Sequence[ParticipantFile]
) -> ParticipantFile | FormatError:
    same_count = _most_similar(matrix, [table for table in candidates if table.count == matrix.count])
    other_count = _most_similar(matrix, [table for table in candidates if table.count != matrix.count])
    # Checked before the tie, because wrong counts point to the files that do not belong together.
    if other_count and (
        not same_count
        or _count_shared_words(matrix, other_count[0]) > _count_shared_words(matrix, same_count[0])
    ):
        return _count_mismatch_error(matrix, other_count[0])
    if len(same_count) > 1:
        return _ambiguity_error(matrix, same_count)
    return same_count[0]


def _most_similar(file: ParticipantFile, others: Sequence[ParticipantFile]) -> list[ParticipantFile]:
    most = max((_count_shared_words(file, other) for other in others), default=0)
    return [other for other in others if _count_shared_words(file, other) == most]


def _count_shared_words(one: ParticipantFile, other: ParticipantFile) -> int:
    return len(_name_words(one.path) & _name_words(other.path))


def _resolve_choice(
    matrix: ParticipantFile,
    choice: ParticipantFile | FormatError,
    choices: Mapping[ParticipantFile, ParticipantFile | FormatError],
) -> str | FormatError:
    if isinstance(choice, FormatError):
        return choice
    rivals = [rival for rival, table in choices.items() if table == choice and rival.atlas == matrix.atlas]
    nearest = _most_similar(choice, rivals)
    if choice.path == matrix.hint or nearest == [matrix]:
        return choice.path
    return _conflict_error(matrix, next(rival for rival in nearest if rival is not matrix), choice)


def _count_mismatch_error(matrix: ParticipantFile, table: ParticipantFile) -> FormatError:
    message = (
        f"'{matrix.path}' has {matrix.count} rows, but its table '{table.path}' has {table.count}. "
        "Rows are matched by order alone. Download both files again, or omit the file with strict=False."
    )
    return FormatError(message, file=matrix.path, location=table.path)


def _ambiguity_error(matrix: ParticipantFile, tables: Sequence[ParticipantFile]) -> FormatError:
    names = " and ".join(f"'{table.path}'" for table in tables)
    message = (
        f"'{matrix.path}' matches {names} equally well: all have {matrix.count} rows and similar names. "
        "Remove the wrong tables, or omit the file with strict=False."
    )
    return FormatError(message, file=matrix.path, location=tables[0].path)


def _conflict_error(matrix: ParticipantFile, rival: ParticipantFile, table: ParticipantFile) -> FormatError:
    message = (
        f"'{matrix.path}' and '{rival.path}' both match '{table.path}', which has the same number of rows. "
        "Add the missing table, or omit the file with strict=False."
    )
    return FormatError(message, file=matrix.path, location=table.path)
