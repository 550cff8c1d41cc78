"""The one writer of images: one file per scan, compressed or not, or the original files bit for bit.

A file gets its name only once it is complete.  At most a few volumes, or one original file, are in memory.
"""

import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from isal import isal_zlib

from decnef_data.atomic_files import link_or_copy, open_atomic
from decnef_data.errors import IntegrityError
from decnef_data.formats import nifti

if TYPE_CHECKING:
    from decnef_data.model import Image, Progress

__all__ = ["ScanFiles", "file_sizes", "voxel_size"]

#: The level of isal that is both fast and small: level 3 saves 2 % at most, and takes up to three times as
#: long (`tests/benchmarks/bids.py`).  zlib's fastest is as small, and seven times slower.
_ISAL_LEVEL: Final = 2
_GZIP: Final = b"\x1f\x8b"
#: The last four bytes of a gzip file are the size of its content, modulo this (RFC 1952).
_MODULUS: Final = 1 << 32


def file_sizes(image: "Image") -> list[int]:
    """Return the size of each original file of a scan in bytes."""
    return list(map(int, np.frombuffer(image.file_sizes, "<i8")))


def voxel_size(image: "Image") -> int:
    """Return the size of all voxels of a scan in bytes."""
    return int(np.prod(image.shape, dtype=np.int64)) * np.dtype(image.dtype).itemsize


@dataclass(slots=True)
class ScanFiles:
    """Writes scans below a folder through a staging folder on the same disk, and counts what it writes.

    With ``durable``, each image survives a power cut as soon as it has its name; else the caller syncs them
    together.
    """

    folder: Path
    stage: Path
    progress: "Progress"
    durable: bool = True
    written: int = field(default=0, init=False)
    skipped: int = field(default=0, init=False)
    size: int = field(default=0, init=False)

    def save_text(self, path: str, text: str, below: Path | None = None) -> None:
        """Write a small file, unless it is there with the same content."""
        self.save_bytes(path, text.encode(), below)

    def save_bytes(
        self, path: str, content: bytes, below: Path | None = None, *, durable: bool | None = None
    ) -> None:
        """Write a small file, unless it is there with the same content."""
        target = (below or self.folder) / path
        if not (_has_size(target, len(content)) and target.read_bytes() == content):
            self.publish(path, [content], below, durable=durable)

    def link(self, origin: Path, path: str, below: Path | None = None) -> None:
        """Make a file the same file as another one, or a copy where the file system has no hard links.

        A file of the same size that is there is left unchanged.
        """
        target, size = (below or self.folder) / path, origin.stat().st_size
        if _has_size(target, size):
            self.skip(size)
            return
        link_or_copy(origin, target, staging=self.stage)
        self.count(size)
        self.progress.advance(size)

    def write_image(self, image: "Image", path: str, below: Path | None = None) -> None:
        """Write a run or a T1 image as one file, compressed if its name ends with ``.gz``.

        A complete file that is there is left unchanged.

        Parameters
        ----------
        image
            The scan.
        path
            Its path.
        below
            The folder to write to, if it is not the folder of the export: one that is renamed later.

        Raises
        ------
        FormatError, IntegrityError
            A file of the scan cannot be read, or differs from the others of its run.
        """
        header = _build_header(image)
        target = (below or self.folder) / path
        if is_complete(target, len(header) + voxel_size(image)):
            self.skip(voxel_size(image))
            return
        pieces = _image_bytes(image, header, self.progress)
        self.count(self.publish(path, _compress(pieces) if path.endswith(".gz") else pieces, below))
        # What the file system has, not what was passed to it, decides whether a later export skips the file.
        if not is_complete(target, len(header) + voxel_size(image)):
            message = f"'{target}' is incomplete after it was written. Check the disk, then export again."
            raise IntegrityError(message, file=str(target))

    def copy_originals(self, image: "Image", paths: Mapping[str, str]) -> None:
        """Write the original files of a scan; those that are there with their size are left unchanged.

        Parameters
        ----------
        image
            The scan.
        paths
            The path of each original file in the export, by its original path.
        """
        expected_sizes = zip(paths.values(), file_sizes(image), strict=True)
        is_present = [_has_size(self.folder / path, length) for path, length in expected_sizes]
        self.skipped += sum(is_present)
        # Not even the first is restored: that decompresses blocks of the store.
        if all(is_present):
            self.progress.advance(sum(file_sizes(image)))
            return
        for (path, content), present in zip(image.source.iter_originals(), is_present, strict=True):
            if not present:
                # A run may be hundreds of small files: they are synced together, at the end.
                self.count(self.publish(paths[path], [content], durable=False))
            self.progress.advance(len(content))

    def count(self, size: int) -> None:
        """Count a written file."""
        self.written += 1
        self.size += size

    def skip(self, size: int) -> None:
        """Count a file of that many bytes that was there before."""
        self.skipped += 1
        self.progress.advance(size)

    def publish(
        self,
        path: str,
        pieces: Iterable[bytes | memoryview],
        below: Path | None = None,
        *,
        durable: bool | None = None,
    ) -> int:
        """Write a file and return its size."""
        is_durable = self.durable if durable is None else durable
        with open_atomic((below or self.folder) / path, staging=self.stage, durable=is_durable) as file:
            return sum(map(file.write, pieces))


def is_complete(path: Path, size: int) -> bool:
    """Return whether a file is complete, by its size or by that at the end of a gzip file.

    Parameters
    ----------
    path
        The file, which need not exist.
    size
        The number of bytes, decompressed.
    """
    # Not by decompressing it: an export that resumes looks at every file.
    if path.suffix != ".gz":
        return _has_size(path, size)
    try:
        with path.open("rb") as file:
            start = file.read(2)
            file.seek(-4, 2)
            end = file.read(4)
    except OSError:  # there is none, or it is shorter
        return False
    return start == _GZIP and int.from_bytes(end, "little") == size % _MODULUS


def _has_size(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except FileNotFoundError:
        return False


def _build_header(image: "Image") -> bytes:
    """Return the header of the complete scan."""
    seconds = image.metadata.get("repetition_time", float("nan"))
    return nifti.rewrite_header(image.source.read_header(), image.files[0], image.shape[::-1], seconds)


def _image_bytes(image: "Image", header: bytes, progress: "Progress") -> Iterator[bytes | memoryview]:
    """Yield the header of the complete scan, then its voxels, some volumes at a time."""
    yield header
    dtype = np.dtype(image.dtype)
    # Whoever takes a block writes it before asking for the next, so one buffer serves all of them.
    buffer = np.empty(0, np.uint8)
    for key, shape in _block_keys(image):
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        buffer = buffer if buffer.nbytes >= size else np.empty(size, np.uint8)
        out = buffer[:size].view(dtype.newbyteorder("=")).reshape(shape)
        image.source.fill(key, out)
        # The header is that of the files, so its voxels have to be in their byte order, too.
        if not dtype.isnative:
            out.byteswap(inplace=True)
        progress.advance(size)
        yield buffer[:size].data


def _block_keys(image: "Image") -> Iterator[tuple[tuple[slice, ...], tuple[int, ...]]]:
    """Yield the blocks of a scan along its first dimension; a T1 image, as large as a few volumes, is one."""
    shape = image.shape
    rows = image.source.volumes_per_read if image.kind == "bold" else shape[0]
    for start in range(0, shape[0], rows):
        stop = min(start + rows, shape[0])
        yield (slice(start, stop), *(slice(None) for _ in shape[1:])), (stop - start, *shape[1:])


def _compress(pieces: Iterable[bytes | memoryview]) -> Iterator[bytes]:
    # 16 more bits of the window: with the header of gzip, but no name and time, which would differ each time.
    stream = isal_zlib.compressobj(_ISAL_LEVEL, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    for piece in pieces:
        yield stream.compress(piece)
    yield stream.flush()
