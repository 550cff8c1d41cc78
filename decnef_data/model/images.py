"""Scans: the subject, kind and metadata of each scan, and the source of its bytes."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ExportSummary", "Image", "ImageSet", "ImageSource"]


class ImageSource(Protocol):
    """The source of a scan's bytes, e.g. the files of a folder or a store."""

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
        Values of the coordinates of the scan, by name.
    source
        Source of the bytes of the scan.
    """

    subject: str
    session: str
    kind: str
    run: int
    is_only_scan: bool
    folder: str
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
