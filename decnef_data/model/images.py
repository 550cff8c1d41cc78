"""Scans: the subject, kind and metadata of each scan, and the source of its bytes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from decnef_data.model.values import VerifiedFile

__all__ = ["Export", "ExportSource", "ExportSummary", "Image", "ImageSet", "ImageSource"]


class ImageSource(Protocol):
    """The source of a scan's bytes, e.g. the files of a folder or a store."""

    @property
    def volumes_per_read(self) -> int:
        """How many volumes are best read at once."""

    def fill(self, key: tuple[Any, ...], out: "NDArray[Any]") -> None:
        """Read the selected voxels into `out`.

        Parameters
        ----------
        key
            An integer, slice or vector of indices for each of the dimensions ``([time,] z, y, x)``.
        out
            Array of the resulting shape.
        """

    def read_header(self) -> bytes:
        """Return the header of the first file (the bytes before its voxels), decompressed."""

    def iter_originals(self) -> Iterator[tuple[str, bytes]]:
        """Yield the path and the bytes of every original file of the scan."""

    def find_uncompressed(self) -> Path | None:
        """Return the only file of the scan if it is on this machine, uncompressed and unchanged."""


# Compared by identity: metadata have no hash, and NaN in them is not equal to itself.
@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """One scan.

    Attributes
    ----------
    subject
        Id of the subject.
    session
        Label of the session; empty if the dataset has no sessions.
    kind
        ``bold``, ``t1w`` or ``fmap``.
    run
        Number of the run.
    is_only_scan
        Whether the session has no other scan of this kind.
    folder
        Folder of the files, relative to the dataset.
    file_names
        Names of the files in `folder`, joined by ``/``.
    file_sizes
        Sizes of the files in bytes, as little-endian 64-bit integers.
    shape
        Shape of the voxels, ``([time,] z, y, x)``; empty for field maps.
    dtype
        Data type of the stored voxels, with its byte order.
    metadata
        Values of the coordinates of the scan, by name; ``grade_`` and the name of a value from the catalog
        has its grade.
    source
        Source of the bytes of the scan.
    """

    subject: str
    session: str
    kind: str
    run: int
    is_only_scan: bool
    folder: str
    # A dataset has hundreds of thousands of files: one text and one array of bytes per scan are small.
    file_names: str
    file_sizes: bytes
    shape: tuple[int, ...]
    dtype: str
    metadata: dict[str, Any]
    source: ImageSource

    @property
    def files(self) -> tuple[str, ...]:
        """The paths of the files, in order."""
        return tuple(f"{self.folder}/{name}" for name in self.file_names.split("/"))


@dataclass(frozen=True, slots=True)
class ImageSet:
    """The scans of a selection.

    Attributes
    ----------
    images
        The scans.
    synthetic
        Whether the scans are synthetic.
    """

    images: tuple[Image, ...]
    synthetic: bool


@dataclass(frozen=True, slots=True)
class ExportSummary:
    """The result of an export.

    Attributes
    ----------
    folder
        Folder of the exported files.
    written
        Number of files written.
    skipped
        Number of files that already existed and were left unchanged.
    size
        Number of bytes written.
    """

    folder: Path
    written: int
    skipped: int
    size: int


@dataclass(frozen=True, slots=True)
class ExportSource:
    """What a BIDS dataset is made of.

    Attributes
    ----------
    images
        Selected scans.
    participants
        Table of the selected participants, one row for each participant and session.
    documents
        Tables and documents of the release, without those in the folders of subjects.
    headers
        Headers of columns as printed, with their files, by column.
    versions
        Versions of the release at the mirror.
    """

    images: ImageSet
    participants: "pd.DataFrame"
    documents: "tuple[VerifiedFile, ...]"
    headers: Mapping[str, str] = field(default_factory=dict)
    versions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Export:
    """The result of an export to BIDS; the numbers of participants and runs are those in the folder.

    Attributes
    ----------
    folder
        Folder of the dataset.
    written
        Number of images and field maps written.
    skipped
        Number of images and field maps that already existed and were left unchanged.
    size
        Number of bytes written.
    n_participants
        Number of participants in the tables.
    n_subjects
        Number of participants with images.
    n_runs
        Number of runs.
    t1w_only
        Participants with a T1 image and no run.
    slice_timing
        Which slice timing the sidecars have: ``known``, ``inferred`` or ``omit``.
    """

    folder: Path
    written: int
    skipped: int
    size: int
    n_participants: int
    n_subjects: int
    n_runs: int
    t1w_only: tuple[str, ...]
    slice_timing: str
