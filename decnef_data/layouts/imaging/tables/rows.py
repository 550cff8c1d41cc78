"""The rows of a table by participant and session; what rows of one participant contradict is blank."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from decnef_data.disclosure import remember_ids
from decnef_data.layouts.column_remarks import count_noun
from decnef_data.layouts.imaging.inventory.paths import normalize_session, normalize_subject
from decnef_data.model import Remark
from decnef_data.records import normalize_name

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ParticipantRows", "index_rows", "name_subjects"]

_SESSION_HEADERS: Final = ("sessionid", "session", "ses")
_MAX_NAMED: Final = 3
#: A participant and a session; the session is "" where a row holds for all of them.
_Key = tuple[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class ParticipantRows:
    """The rows of a table, with at most one for each participant and session.

    ``subjects`` has the printed id of each participant, in the order of the table, and ``rows`` the row of
    ``frame`` for each participant and session.  ``sources`` has the participant and session of each row of
    the table, ``None`` for one without an id.
    """

    frame: pd.DataFrame
    subjects: Mapping[str, str]
    rows: Mapping[_Key, int]
    sources: Sequence[_Key | None]
    remarks: tuple[Remark, ...]

    def row_of(self, subject: str, session: str) -> int:
        """Return the row of a participant and session, else the one for all sessions, else -1."""
        key = (normalize_subject(subject), normalize_session(session))
        return self.rows.get(key, self.rows.get((key[0], ""), -1))


def index_rows(file: str, frame: pd.DataFrame, id_index: int) -> ParticipantRows:
    """Index the rows of a table by participant, and by session if it has a column of sessions.

    Rows of one participant and session that agree become one.  A cell on which they differ is blank, and a
    remark names it.

    Parameters
    ----------
    file
        The path of the table, for remarks.
    frame
        The cells as text.
    id_index
        The index of the column of participant ids.

    Examples
    --------
    >>> table = pd.DataFrame({"id": ["sub-01", "sub-01"], "age": ["30", "30"], "site": ["A", "B"]})
    >>> indexed = index_rows("participants.tsv", table, 0)
    >>> indexed.frame.to_dict("list")
    {'id': ['sub-01'], 'age': ['30'], 'site': ['']}
    >>> indexed.remarks[0].message  # doctest: +ELLIPSIS
    "Rows of 'sub-01' in 'participants.tsv' differ in the column 'site'. The values were left out; ..."
    """
    grid = frame.to_numpy(dtype=object)
    # So that no message or report that leaves this machine has them.
    remember_ids(map(str.strip, grid[:, id_index].tolist()))
    session_index = _find_session_column(frame, id_index)
    sources = _row_keys(grid, id_index, session_index)
    unique = {key for key in sources if key is not None}
    if session_index is None and len(unique) == len(sources):  # as in the release: nothing to merge
        ids = [cell.strip() for cell in grid[:, id_index].tolist()]
        subjects = {key[0]: name for key, name in zip(sources, ids, strict=True) if key is not None}
        rows = {key: row for row, key in enumerate(sources) if key is not None}
        return ParticipantRows(frame, subjects, rows, sources, ())
    members: dict[_Key, list[int]] = {}
    by_subject: dict[str, list[int]] = {}
    for position, key in enumerate(sources):
        if key is not None:
            members.setdefault(key, []).append(position)
            by_subject.setdefault(key[0], []).append(position)
    conflicts: dict[int, list[str]] = {}
    cells = [_merge(grid, positions, id_index, conflicts) for positions in members.values()]
    row_by_key = {key: row for row, key in enumerate(members)}
    for subject, positions in by_subject.items():
        if (subject, "") not in row_by_key:
            # For the sessions that no row names; values that change from session to session are no conflict.
            row_by_key[subject, ""] = len(cells)
            cells.append(_merge(grid, positions, id_index, {}))
    return ParticipantRows(
        pd.DataFrame(cells, columns=frame.columns, dtype=object),
        {subject: grid[positions[0]][id_index].strip() for subject, positions in by_subject.items()},
        row_by_key,
        sources,
        (*_conflict_remarks(file, frame, conflicts), *_missing_id_remarks(file, sources, grid)),
    )


def _find_session_column(frame: pd.DataFrame, id_index: int) -> int | None:
    headers = [normalize_name(str(header)) for header in frame.columns]
    # The ids may be in a column with such a header, which has no sessions then.
    found = (headers.index(name) for name in _SESSION_HEADERS if name in headers)
    return next((index for index in found if index != id_index), None)


def _row_keys(grid: "NDArray[Any]", id_index: int, session_index: int | None) -> list[_Key | None]:
    """Return the participant and session of each row, ``None`` for a row without an id."""
    ids = grid[:, id_index].tolist()
    sessions = [""] * len(ids) if session_index is None else map(normalize_session, grid[:, session_index])
    pairs = zip(ids, sessions, strict=True)
    return [(normalize_subject(name), session) if name.strip() else None for name, session in pairs]


def _merge(
    grid: "NDArray[Any]", positions: Sequence[int], id_index: int, conflicts: dict[int, list[str]]
) -> list[str]:
    """Return the cells on which rows agree, blank cells apart; add the ids of those that differ by column."""
    if len(positions) == 1:
        only: list[str] = grid[positions[0]].tolist()
        return only
    merged = []
    for index, column in enumerate(grid[positions].T):
        values = list(dict.fromkeys(cell for cell in column.tolist() if cell.strip()))
        # The ids may differ in their spelling, such as "sub-01" and "1".
        if len({value.strip() for value in values}) > 1 and index != id_index:
            conflicts.setdefault(index, []).append(grid[positions[0]][id_index].strip())
            values = []
        merged.append(values[0] if values else "")
    return merged


def name_subjects(subjects: Sequence[str]) -> str:
    """Return the first three of several participants, and how many more there are.

    Examples
    --------
    >>> name_subjects(["sub-01", "sub-02", "sub-03", "sub-04"])
    "'sub-01', 'sub-02', 'sub-03' and 1 more"
    """
    more = f" and {len(subjects) - _MAX_NAMED} more" if len(subjects) > _MAX_NAMED else ""
    return ", ".join(f"'{subject}'" for subject in subjects[:_MAX_NAMED]) + more


def _conflict_remarks(
    file: str, frame: pd.DataFrame, conflicts: Mapping[int, Sequence[str]]
) -> Iterator[Remark]:
    for index, subjects in sorted(conflicts.items()):
        header = str(frame.columns[index])
        message = (
            f"Rows of {name_subjects(subjects)} in '{file}' differ in the column '{header}'. "
            "The values were left out; correct the table."
        )
        yield Remark("conflicting-rows", message, file, header)


def _missing_id_remarks(file: str, sources: Sequence[_Key | None], grid: "NDArray[Any]") -> Iterator[Remark]:
    missing = [
        position
        for position, key in enumerate(sources)
        if key is None and any(cell.strip() for cell in grid[position])
    ]
    if missing:
        numbers = ", ".join(str(position + 1) for position in missing[:_MAX_NAMED])
        more = ", …" if len(missing) > _MAX_NAMED else ""
        message = (
            f"{count_noun(len(missing), 'row')} of '{file}' without an id of a participant "
            f"{'was' if len(missing) == 1 else 'were'} left out: {numbers}{more} below the header."
        )
        yield Remark("rows-without-id", message, file)
