"""Export of scans as NIfTI: the original files bit for bit, or one compressed file per scan.

The header of a compressed file is corrected.  A file gets its name only once it is complete, and files that
exist are left unchanged, so that an interrupted export resumes.  At most a few volumes, or one original file,
are in memory.
"""

import os
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from decnef_data.atomic_files import make_private_folder, open_atomic
from decnef_data.errors import FormatError, IntegrityError, warn_user
from decnef_data.exports import bids
from decnef_data.formats import nifti
from decnef_data.model import ExportSummary, Image, Progress
from decnef_data.stores import staging

if TYPE_CHECKING:
    from decnef_data.model import Dataset, ImageSet

__all__ = ["Destination", "write_scans"]

_BLOCK_VOLUMES: Final = 20  # as many as a store has in one block
#: The level of isal that is both fast and small; zlib's fastest is as small, and seven times slower.
_ISAL_LEVEL, _ZLIB_LEVEL = 2, 1


@dataclass(frozen=True, slots=True)
class Destination:
    """Where scans are written, and how.

    ``original`` writes the original files under their own paths instead of one file per scan; with ``strict``
    a scan that cannot be read ends the export, otherwise it is left out with a warning.
    """

    folder: Path
    original: bool = False
    strict: bool = True


def write_scans(
    image_set: "ImageSet", dataset: "Dataset", destination: Destination, progress: Progress
) -> ExportSummary:
    """Write scans below a folder that only the user can access; finished files are left unchanged.

    Parameters
    ----------
    image_set
        The scans.
    dataset
        Their dataset.
    destination
        Where to write them, and how.
    progress
        The progress to update.

    Raises
    ------
    FormatError
        Two scans would have the same name, a path leads out of the folder, or (``strict``) a file cannot be
        read.
    """
    items = [ExportItem(image, destination.original) for image in image_set.images]
    _require_inside_folder(items)
    if not destination.original:
        _require_distinct_paths(items)
    make_private_folder(destination.folder)
    sizes = [item.size for item in items]
    progress.start(f"{dataset.name}: {len(items)} scans", sum(sizes), 0)
    with staging.staging_folder_with_cleanup(destination.folder) as stage:
        writer = _ScanWriter(destination, stage, progress, synthetic=image_set.synthetic)
        for name, text in () if destination.original else _accompanying_texts(image_set, dataset):
            writer.write_accompanying(name, text)
        for item, size in zip(items, sizes, strict=True):
            writer.write_item(item, size)
    if any(item.is_copied for item in items):
        os.sync()
    progress.finish()
    return ExportSummary(destination.folder, writer.written, writer.skipped, writer.size)


@dataclass(frozen=True, slots=True)
class ExportItem:
    """A scan, and whether its original files are written."""

    image: Image
    original: bool

    @property
    def target_paths(self) -> dict[str, str]:
        """Paths of its files in the export, by their original paths."""
        image = self.image
        if self.original:
            return {path: path for path in image.files}
        if image.kind != "fmap":
            return {image.files[0]: bids.scan_path(image)}
        folder = bids.scan_folder(image) + ("" if image.is_only_scan else f"/run-{image.run}")
        names = image.file_names.split("/")
        return {path: f"{folder}/{name}" for path, name in zip(image.files, names, strict=True)}

    @property
    def is_copied(self) -> bool:
        """Whether its files are copied unchanged; those of field maps always are."""
        return self.original or self.image.kind == "fmap"

    @property
    def file_sizes(self) -> list[int]:
        """Size of each original file in bytes."""
        return list(map(int, np.frombuffer(self.image.file_sizes, "<i8")))

    @property
    def size(self) -> int:
        """Number of bytes to read."""
        if self.is_copied:
            return sum(self.file_sizes)
        return int(np.prod(self.image.shape, dtype=np.int64)) * np.dtype(self.image.dtype).itemsize


def _require_inside_folder(items: Iterable[ExportItem]) -> None:
    """Refuse paths that lead out of the folder: an archive may contain any path."""
    for item in items:
        folder = item.image.folder
        if folder.startswith("/") or ".." in f"{folder}/{item.image.file_names}".split("/"):
            message = f"A file in '{folder}' would be written outside the export folder. Exclude that scan."
            raise FormatError(message, file=folder)


def _require_distinct_paths(items: Iterable[ExportItem]) -> None:
    counts = Counter(path for item in items for path in item.target_paths.values())
    duplicate = next((path for path, times in counts.items() if times > 1), None)
    if duplicate is not None:
        message = (
            f"Two scans would be written to the same file '{duplicate}'. "
            "Export them separately, or use original=True."
        )
        raise FormatError(message, file=duplicate)


def _accompanying_texts(image_set: "ImageSet", dataset: "Dataset") -> Iterator[tuple[str, str]]:
    maps = [image for image in image_set.images if image.kind == "fmap"]
    yield from bids.top_level_files(dataset, synthetic=image_set.synthetic, field_maps=bool(maps)).items()
    folders = dict.fromkeys(bids.scan_folder(image) for image in maps)
    yield from ((f"{folder}/{bids.NOTE_NAME}", bids.FIELD_MAP_NOTE) for folder in folders)


class _ScanWriter:
    """Writes files to a staging folder, and moves each to its place once it is complete."""

    def __init__(self, destination: Destination, stage: Path, progress: Progress, *, synthetic: bool) -> None:
        self.folder = destination.folder
        self.strict = destination.strict
        self.stage = stage
        self.progress = progress
        self.synthetic = synthetic
        self.written = self.skipped = self.size = 0

    def write_accompanying(self, name: str, text: str) -> None:
        """Write a small file unless it exists."""
        if not (self.folder / name).exists():
            self._publish(name, [text.encode()])

    def write_item(self, item: ExportItem, size: int) -> None:
        """Write a scan, or warn why it is left out."""
        try:
            (self._copy_files if item.is_copied else self._write_image)(item, size)
        except (FormatError, IntegrityError) as error:
            if self.strict:
                raise
            warn_user(f"Omitted from the export: {error}")

    def _copy_files(self, item: ExportItem, size: int) -> None:
        """Write the original files of a scan."""
        paths = item.target_paths
        expected_sizes = zip(paths.values(), item.file_sizes, strict=True)
        is_present = [_has_size(self.folder / path, length) for path, length in expected_sizes]
        self.skipped += sum(is_present)
        if all(is_present):
            self.progress.advance(size)
            return
        for (path, content), present in zip(item.image.source.iter_originals(), is_present, strict=True):
            if not present:
                # A run may be hundreds of small files: they are synced together, at the end.
                self._count_written(self._publish(paths[path], [content], durable=False))
            self.progress.advance(len(content))

    def _write_image(self, item: ExportItem, size: int) -> None:
        """Write a run or a T1 image as one file with a sidecar."""
        ((source_path, path),) = item.target_paths.items()
        if (self.folder / path).exists():
            self.skipped += 1
            self.progress.advance(size)
            return
        sidecar = bids.format_sidecar(item.image, synthetic=self.synthetic)
        self._publish(f"{path.removesuffix('.nii.gz')}.json", [sidecar.encode()])
        pieces = _compress(_image_bytes(item.image, source_path, self.progress))
        self._count_written(self._publish(path, pieces))

    def _count_written(self, size: int) -> None:
        self.written += 1
        self.size += size

    def _publish(self, path: str, pieces: Iterable[bytes], *, durable: bool = True) -> int:
        with open_atomic(self.folder / path, staging=self.stage, durable=durable) as file:
            return sum(map(file.write, pieces))


def _has_size(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except FileNotFoundError:
        return False


def _image_bytes(image: Image, source_path: str, progress: Progress) -> Iterator[bytes]:
    """Yield the header of the complete scan, then its voxels, some volumes at a time."""
    header = image.source.read_header()
    seconds = image.metadata.get("repetition_time", float("nan"))
    yield nifti.rewrite_header(header, source_path, image.shape[::-1], seconds)
    dtype = np.dtype(image.dtype)
    for key, shape in _block_keys(image.shape):
        out = np.empty(shape, dtype.newbyteorder("="))
        image.source.fill(key, out)
        content = out.astype(dtype, copy=False).tobytes()
        progress.advance(len(content))
        yield content


def _block_keys(shape: Sequence[int]) -> Iterator[tuple[tuple[slice, ...], tuple[int, ...]]]:
    """Yield the blocks of a scan along its first dimension; a T1 image, as large as a few volumes, is one."""
    rows = _BLOCK_VOLUMES if len(shape) > 3 else shape[0]  # noqa: PLR2004 - space
    for start in range(0, shape[0], rows):
        stop = min(start + rows, shape[0])
        yield (slice(start, stop), *(slice(None) for _ in shape[1:])), (stop - start, *shape[1:])


def _compress(pieces: Iterable[bytes]) -> Iterator[bytes]:
    stream = _new_compressor()
    for piece in pieces:
        yield stream.compress(piece)
    yield stream.flush()


def _new_compressor() -> Any:
    """Return a gzip compressor without a name and a time, so that the same scan gives the same file."""
    try:
        from isal import isal_zlib
    except ImportError:
        return zlib.compressobj(_ZLIB_LEVEL, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    return isal_zlib.compressobj(_ISAL_LEVEL, zlib.DEFLATED, zlib.MAX_WBITS | 16)
