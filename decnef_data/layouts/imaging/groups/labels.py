"""The labels of scans that are not in a copy: the participants by id and session, and the runs that it has.

Results computed elsewhere name their participants as the release does, as its BIDS form does, or with fewer
zeros; ids and sessions are compared as those of tables and folders are.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from decnef_data.layouts.imaging.groups.datasets import label_coords, repetition_times
from decnef_data.layouts.imaging.groups.scan_list import header_times
from decnef_data.layouts.imaging.inventory.paths import normalize_session, normalize_subject
from decnef_data.layouts.imaging.tables.participants import ParticipantTable

if TYPE_CHECKING:
    from decnef_data.layouts.imaging.inventory.scans import Scan

__all__ = ["ScanLabels"]

_Index = dict[str, list[int]]


# No slots: a cached property needs a dictionary.
@dataclass(frozen=True, eq=False)
class ScanLabels:
    """The participants of a copy and their runs.

    ``runs`` has the rest runs of each row of the participants by number; ``synthetic`` is whether the copy is
    a phantom.
    """

    participants: ParticipantTable
    runs: "Mapping[int, Mapping[int, Scan]]"
    synthetic: bool

    @classmethod
    def of_scans(
        cls, participants: ParticipantTable, scans: Iterable["Scan"], *, synthetic: bool
    ) -> "ScanLabels":
        """Build the labels from the scans of a copy."""
        runs: dict[int, dict[int, Scan]] = {}
        for scan in scans:
            if scan.kind == "bold":
                runs.setdefault(participants.rows[scan.subject, scan.session], {})[scan.run] = scan
        return cls(participants, runs, synthetic)

    def rows_of(self, subject: str) -> Sequence[int]:
        """Return the rows of a participant, one per session; none if the id is not known.

        The id as the dataset spells it comes first, then the name of a folder and the id that the table
        prints, then ids that differ in zeros.
        """
        exact, normal = subject.strip().casefold(), normalize_subject(subject)
        candidates = [
            *((exact, ids) for ids in self._exact_ids),
            *((normal, ids) for ids in self._normal_ids),
        ]
        return next((ids[name] for name, ids in candidates if name in ids), [])

    def row_of(self, rows: Sequence[int], session: str) -> int | None:
        """Return which of the rows of a participant is that of a session, ``None`` if that is not certain.

        A participant with one session needs no label, and one without labels may have any.
        """
        wanted = normalize_session(session)
        matches = [row for row in rows if wanted in self._sessions[row]]
        if len(matches) == 1:
            return matches[0]
        is_only = len(rows) == 1 and (not wanted or self._sessions[rows[0]] == {""})
        return rows[0] if is_only else None

    def run_of(self, row: int, run: int | None) -> int | None:
        """Return the number of a run, ``None`` if the copy does not have it or several may be meant.

        A run without a number is the only one of its session.  Where the copy has no images of a session, any
        run may be one of it.
        """
        known = self.runs.get(row, {})
        if run is None:
            return next(iter(known), 1) if len(known) <= 1 else None
        return run if not known or run in known else None

    def key_of(self, row: int) -> tuple[str, str]:
        """Return the subject and session by which ``participants.rows`` has a row."""
        return self._keys[row]

    def name_of(self, row: int, run: int | None = None) -> str:
        """Return the subject, the session if there is one, and the run as one text for messages."""
        columns = self.participants.columns
        parts = [str(columns["subject"][row]), str(columns["session"][row])]
        return "/".join([*filter(None, parts), *([] if run is None else [f"run-{run}"])])

    def coords(self, rows: Sequence[int], runs: Sequence[int]) -> dict[str, xr.Variable]:
        """Return the coordinates of scans that :func:`~decnef_data.fetch_dataset` gives along ``scan``."""
        indices = np.array(rows, dtype=np.intp)
        pairs = zip(rows, runs, strict=True)
        scans = [self.runs.get(row, {}).get(run) for row, run in pairs]
        times = repetition_times(header_times(scans), indices, self.participants)
        attrs = {"long_name": "repetition time", "units": "s", **times.attrs}
        return {
            **label_coords(runs, indices, self.participants),
            "repetition_time": xr.Variable("scan", times.seconds, attrs),
        }

    @cached_property
    def _keys(self) -> list[tuple[str, str]]:
        keys = [("", "")] * len(self.participants.is_listed)
        for key, row in self.participants.rows.items():
            keys[row] = key
        return keys

    @cached_property
    def _sessions(self) -> list[set[str]]:
        labels: NDArray[Any] = self.participants.columns["session"]
        pairs = zip(labels.tolist(), self._keys, strict=True)
        # Both: in the flat form of srpbs-ts, the folder of a session has no label, but the table has one.
        return [{normalize_session(label), normalize_session(key[1])} for label, key in pairs]

    @cached_property
    def _exact_ids(self) -> list[_Index]:
        return [_index(map(str.casefold, names)) for names in self._names]

    @cached_property
    def _normal_ids(self) -> list[_Index]:
        return [_index(map(normalize_subject, names)) for names in self._names]

    @property
    def _names(self) -> list[list[str]]:
        columns = self.participants.columns
        folders = [folder for folder, _ in self._keys]
        printed: list[str] = columns["table_subject"].tolist() if "table_subject" in columns else []
        return [columns["subject"].tolist(), folders, printed]


def _index(names: Iterable[str]) -> _Index:
    rows: _Index = {}
    for row, name in enumerate(names):
        if name:
            rows.setdefault(name, []).append(row)
    return rows
