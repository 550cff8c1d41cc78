"""The tables of a BIDS dataset: participants, sessions, scans and clinical scales, each with its description.

They are derived from the record of all parts and the images in the folder, so that an export in parts has the
tables of one export of everything.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from decnef_data.exports.bids.columns import Columns
from decnef_data.exports.bids.names import format_label
from decnef_data.exports.bids.sidecars import format_json

if TYPE_CHECKING:
    import pandas as pd

    from decnef_data.exports.bids.record import SubjectRecord
    from decnef_data.records import Records

__all__ = ["Tables", "duplicates", "format_cells", "shared_groups"]

_MISSING: Final = "n/a"
_IDS: Final = {
    "participant_id": {"Description": "Id of the participant."},
    "session_id": {"Description": "Label of the session."},
}
_SCANS: Final = {
    "filename": {"Description": "Path of the scan, relative to the folder of this table."},
    "source": {
        "Description": "Path of the first original file of the scan, as distributed. That an image was "
        "defaced is stated by the name of its file and by nothing else."
    },
    "duplicate_of": {
        "Description": "Path of a scan of another session that is the same image, relative to the dataset."
    },
}
_MEASUREMENT_TOOL: Final = (
    "Clinical scales in '{table}.tsv' of the release, under the names of their columns there. Scales of the "
    "same name in other tables may have other ranges."
)


def format_cells(table: "pd.DataFrame") -> list[dict[str, str]]:
    """Return the cells of each row as text, by column; missing values are blank.

    Examples
    --------
    >>> import pandas as pd
    >>> format_cells(pd.DataFrame({"subject": ["sub-0001"], "age": [34.0], "mean_fd": [float("nan")]}))
    [{'subject': 'sub-0001', 'age': '34', 'mean_fd': ''}]
    """
    columns = {str(name): [*map(_format_cell, table[name].to_numpy())] for name in table.columns}
    return [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]


def _format_cell(value: Any) -> str:
    if isinstance(value, str):
        # A tab or a line break within a cell would end it.
        return " ".join(value.split())
    number = float(value)
    if math.isnan(number):
        return ""
    return f"{number:.0f}" if number.is_integer() else str(value)  # in the precision of the column


def shared_groups(subjects: Iterable["SubjectRecord"], paths: Iterable[str]) -> dict[str, str]:
    """Return the group of each T1 image that other sessions have, too: the name of the first of them.

    Parameters
    ----------
    subjects
        The records of the subjects.
    paths
        The paths of images.
    """
    groups = {
        (subject.subject, f"ses-{format_label(session)}"): cells["t1w_shared"]
        for subject in subjects
        for session, cells in subject.sessions.items()
        if cells.get("t1w_shared")
    }
    # Without sessions, the second part is `anat` or `func`, which no group has.
    parts = ((path, path.split("/")) for path in paths)
    return {
        path: groups[subject, session]
        for path, (subject, session, *rest) in parts
        # Of several T1 images of a session, none is known to be the shared one.
        if (subject, session) in groups and rest[0] == "anat" and "_run-" not in path
    }


def duplicates(groups: Mapping[str, str]) -> dict[str, str]:
    """Return the first image of its group for each image that is another one.

    Examples
    --------
    >>> duplicates({"sub-01/ses-b/b.nii": "one", "sub-01/ses-a/a.nii": "one", "c.nii": "other"})
    {'sub-01/ses-b/b.nii': 'sub-01/ses-a/a.nii'}
    """
    # Backwards, so that the first path of a group is the one that stays.
    first = {groups[path]: path for path in sorted(groups, reverse=True)}
    return {path: first[group] for path, group in sorted(groups.items()) if first[group] != path}


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables of a dataset.

    Parameters
    ----------
    subjects
        The records of all subjects.
    images
        The paths of all images.
    headers
        Headers of columns as printed.
    records
        The catalog.
    """

    subjects: Sequence["SubjectRecord"]
    images: Sequence[str]
    headers: Mapping[str, str]
    records: "Records"

    def format(self) -> Iterator[tuple[str, str]]:
        """Yield the path and the text of each table and of its description."""
        rows = [row for subject in self.subjects for row in subject.sessions.values()]
        columns = Columns(rows, self.headers, self.records)
        yield from self._participants(columns)
        yield from self._phenotype(columns)
        if columns.has_sessions:
            yield from self._sessions(columns)
        yield from self._scans()

    def _participants(self, columns: Columns) -> Iterator[tuple[str, str]]:
        names = columns.of_participants()
        # Also those without images: a row without a folder is valid, a folder without a row is not.
        lines = [[subject.subject, *_cells_of_person(subject, names)] for subject in self.subjects]
        yield "participants.tsv", _format_table(["participant_id", *names], lines)
        described = {"participant_id": _IDS["participant_id"], **columns.describe(names)}
        yield "participants.json", format_json(described)

    def _phenotype(self, columns: Columns) -> Iterator[tuple[str, str]]:
        ids = ["participant_id", *(["session_id"] if columns.has_sessions else [])]
        for table, printed in columns.of_phenotype().items():
            lines = [
                [subject.subject, *_session_ids(session), *cells]
                for subject in self.subjects
                for session, row in subject.sessions.items()
                if any(cells := [row.get(name, "") for name in printed])
            ]
            yield f"phenotype/{table}.tsv", _format_table([*ids, *printed.values()], lines)
            tool = {"Description": _MEASUREMENT_TOOL.format(table=table)}
            described = {**{name: _IDS[name] for name in ids}, **columns.describe(printed, printed)}
            yield f"phenotype/{table}.json", format_json({"MeasurementToolMetadata": tool, **described})

    def _sessions(self, columns: Columns) -> Iterator[tuple[str, str]]:
        names = columns.of_sessions()
        for subject in self.subjects:
            lines = [
                [*_session_ids(session), *(cells.get(name, "") for name in names)]
                for session, cells in subject.sessions.items()
                if session
            ]
            if lines:
                path = f"{subject.subject}/{subject.subject}_sessions.tsv"
                yield path, _format_table(["session_id", *names], lines)
        described = {"session_id": _IDS["session_id"], **columns.describe(names)}
        yield "sessions.json", format_json(described)

    def _scans(self) -> Iterator[tuple[str, str]]:
        same = duplicates(shared_groups(self.subjects, self.images))
        names = [name for name in _SCANS if same or name != "duplicate_of"]
        sources = {path: source for subject in self.subjects for path, source in subject.sources.items()}
        lines: dict[str, list[list[str]]] = {}
        for path in self.images:
            folder = path.rsplit("/", 2)[0]
            cells = [
                path.removeprefix(f"{folder}/"), sources.get(path.partition(".")[0], ""), same.get(path, "")
            ]  # fmt: skip
            lines.setdefault(folder, []).append(cells[: len(names)])
        for folder, rows in lines.items():
            yield f"{folder}/{folder.replace('/', '_')}_scans.tsv", _format_table(names, rows)
        yield "scans.json", format_json({name: _SCANS[name] for name in names})


def _cells_of_person(subject: "SubjectRecord", names: Iterable[str]) -> list[str]:
    """Return the cells of a person; blank where the sessions differ."""
    rows = list(subject.sessions.values())
    values = ({row.get(name, "") for row in rows} for name in names)
    return [next(iter(cells)) if len(cells) == 1 else "" for cells in values]


def _session_ids(session: str) -> list[str]:
    return [f"ses-{format_label(session)}"] if session else []


def _format_table(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    # BIDS does not permit blank cells.
    rows = [list(header), *([cell or _MISSING for cell in line] for line in lines)]
    return "".join("\t".join(row) + "\n" for row in rows)
