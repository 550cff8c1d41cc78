"""Scans as they pass between rooms: whose, what they are, and where their bytes come from."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Export", "Image", "ImageSet", "Source"]


class Source(Protocol):
    """Where one scan's bytes come from: a folder's files, a store, or whatever else holds them."""

    def fill(self, key: tuple[Any, ...], out: "NDArray[Any]") -> None:
        """Read what `key` (an integer, slice or vector a dimension) selects of ``([time,] z, y, x)``."""

    def start(self) -> bytes:
        """Give what lies before the voxels of the first file: its header, inflated if it is gzipped."""

    def originals(self) -> Iterator[tuple[str, bytes]]:
        """Give path and bytes of every file that the scan came as, one after another."""


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """One scan: ``kind`` is bold, t1w or fmap, and ``shape`` ``([time,] z, y, x)``, empty for field maps.

    ``names`` are its files in ``folder``, joined by ``/``, and ``sizes`` how long each is, as 64-bit
    integers; ``dtype`` is as stored, with the byte order; ``alone`` says that the session has no other
    scan of its kind.  ``about`` is what is known of it, by the names of coordinates.
    """

    subject: str
    session: str
    kind: str
    run: int
    alone: bool
    folder: str
    names: str
    sizes: bytes
    shape: tuple[int, ...]
    dtype: str
    about: dict[str, Any]
    source: Source

    @property
    def files(self) -> tuple[str, ...]:
        """The paths of the files, in order."""
        return tuple(f"{self.folder}/{name}" for name in self.names.split("/"))


@dataclass(frozen=True, slots=True)
class ImageSet:
    """The scans that a selection chose, of a phantom or of people."""

    images: tuple[Image, ...]
    synthetic: bool


@dataclass(frozen=True, slots=True)
class Export:
    """What an export wrote below `folder`: files, those `kept` that were there before, and bytes."""

    folder: Path
    written: int
    kept: int
    size: int
