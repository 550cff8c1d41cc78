"""Scans: subject, kind and metadata of each, and the source of its bytes."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ExportSummary", "Image", "ImageSet", "ImageSource"]


class ImageSource(Protocol):
    """The source of one scan's bytes: the files of a folder, a store, or anything else that has them."""

    def fill(self, key: tuple[Any, ...], out: "NDArray[Any]") -> None:
        """Read what `key` (an integer, slice or vector per dimension) selects of ``([time,] z, y, x)``."""

    def read_header(self) -> bytes:
        """Return the bytes before the voxels of the first file: its header, decompressed if it is gzipped."""

    def iter_originals(self) -> Iterator[tuple[str, bytes]]:
        """Yield the path and the bytes of every original file of the scan."""


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """One scan: ``kind`` is bold, t1w or fmap; ``shape`` is ``([time,] z, y, x)``, empty for field maps.

    ``file_names`` are its files in ``folder``, joined by ``/``, and ``file_sizes`` their sizes as 64-bit
    integers; ``dtype`` is as stored, with the byte order; ``is_only_scan`` is whether the session has no
    other scan of its kind.  ``metadata`` maps names of coordinates to what is known about the scan.
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
    """The scans of a selection; ``synthetic`` is whether they are a phantom's."""

    images: tuple[Image, ...]
    synthetic: bool


@dataclass(frozen=True, slots=True)
class ExportSummary:
    """What an export wrote to `folder`: the number of files, of existing files `skipped`, and of bytes."""

    folder: Path
    written: int
    skipped: int
    size: int
