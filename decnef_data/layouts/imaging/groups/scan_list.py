"""Scans with the rows of their participants and what their names and headers say, as columns."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from decnef_data.formats.nifti import form_codes
from decnef_data.layouts.imaging.inventory.paths import task_of

if TYPE_CHECKING:
    from decnef_data.layouts.imaging.inventory.scans import Scan
    from decnef_data.layouts.imaging.tables.participants import ParticipantTable

__all__ = ["HeaderColumns", "ScanList", "header_times"]

_IDENTITY = np.eye(4, dtype="<f8").tobytes()


@dataclass(frozen=True, slots=True, eq=False)
class HeaderColumns:
    """One value for each scan, those of field maps without meaning.

    ``affines`` are of shape (scan, 4, 4) and ``form_codes`` (qform, sform) of shape (scan, 2); ``slopes`` and
    ``inters`` scale voxels.  ``times`` are repetition times in seconds, NaN if unknown; ``n_volumes`` counts
    the volumes in the files and ``n_missing`` those that are missing between them.
    """

    affines: NDArray[np.float64]
    form_codes: NDArray[np.int16]
    slopes: NDArray[np.float64]
    inters: NDArray[np.float64]
    times: NDArray[np.float64]
    n_volumes: NDArray[np.int32]
    n_missing: NDArray[np.int32]

    @classmethod
    def of(cls, scans: Sequence["Scan"]) -> "HeaderColumns":
        """Return the columns of scans."""
        headers = [scan.header for scan in scans]
        affines = b"".join(header.affine if header else _IDENTITY for header in headers)
        codes = [form_codes(header.signature) if header else (0, 0) for header in headers]
        return cls(
            # A copy: an array over bytes is read-only.
            np.frombuffer(affines, "<f8").astype("f8").reshape(-1, 4, 4),
            np.array(codes, dtype="i2").reshape(-1, 2),
            np.array([header.slope if header else 1.0 for header in headers], dtype="f8"),
            np.array([header.inter if header else 0.0 for header in headers], dtype="f8"),
            header_times(scans),
            np.array([scan.volume_count for scan in scans], dtype="i4"),
            np.array([len(scan.missing_numbers) for scan in scans], dtype="i4"),
        )

    def take(self, indices: NDArray[np.intp]) -> "HeaderColumns":
        """Return the columns of some of the scans."""
        return HeaderColumns(*[getattr(self, column.name)[indices] for column in fields(self)])


@dataclass(frozen=True, slots=True, eq=False)
class ScanList:
    """Scans, the row of each in the table of participants, and what their headers say.

    ``tasks`` are the labels of tasks in the names of files in BIDS.
    """

    scans: Sequence["Scan"]
    rows: NDArray[np.intp]
    tasks: NDArray[np.str_]
    headers: HeaderColumns

    @classmethod
    def of(cls, scans: Sequence["Scan"], participants: "ParticipantTable") -> "ScanList":
        """Return the list of scans of known participants."""
        tasks = np.array([task_of(scan.file_names) for scan in scans], dtype=np.str_)
        return cls(scans, participants.rows_of(scans), tasks, HeaderColumns.of(scans))

    def take(self, indices: NDArray[np.intp]) -> "ScanList":
        """Return some of the scans."""
        scans = [self.scans[index] for index in indices.tolist()]
        return ScanList(scans, self.rows[indices], self.tasks[indices], self.headers.take(indices))


def header_times(scans: Iterable["Scan | None"]) -> NDArray[Any]:
    """Return the repetition times in the headers of scans in seconds, NaN if there is none."""
    return np.array(
        [scan.header.repetition_time if scan and scan.header else math.nan for scan in scans], "f8"
    )
