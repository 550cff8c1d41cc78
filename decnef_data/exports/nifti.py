"""Scans written out as NIfTI: the original files bit for bit, or one compressed file each, its header mended.

A file has its name only once all of it is there; those that are there are left, so that an export which was
stopped goes on.  No more than a few volumes, or one original file, is in memory.
"""

import os
import warnings
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np

from decnef_data.errors import DecnefDataWarning, FormatError, IntegrityError
from decnef_data.exports import bids
from decnef_data.files.private import private_folder
from decnef_data.formats import nifti
from decnef_data.model import Export, Image, Progress
from decnef_data.stores import staging

if TYPE_CHECKING:
    from decnef_data.model import Dataset, ImageSet

__all__ = ["Destination", "write"]

_VOLUMES: Final = 20  # what a store holds in one block
#: Of isal the level that is both fast and small; zlib's fastest is as small, and seven times as slow.
_ISAL, _ZLIB = 2, 1


@dataclass(frozen=True, slots=True)
class Destination:
    """Where scans are written to, and how.

    ``original`` is the files as they came, under their own paths, instead of a file a scan; ``strict``
    lets one that cannot be read end it, else it is left out with a warning.
    """

    folder: Path
    original: bool = False
    strict: bool = True


def write(chosen: "ImageSet", dataset: "Dataset", to: Destination, progress: Progress) -> Export:
    """Write scans below a folder, which is made for the user alone; finished files are left as they are.

    Parameters
    ----------
    chosen
        The scans.
    dataset
        What they are of.
    to
        Where to, and how.
    progress
        Who is told.

    Raises
    ------
    FormatError
        Two scans would have the same name, a path leads elsewhere, or (``strict``) a file cannot be read.
    """
    plan = [Item(image, to.original) for image in chosen.images]
    _require_inside(plan)
    if not to.original:
        _require_apart(plan)
    private_folder(to.folder)
    sizes = [item.size for item in plan]
    progress.start(f"{dataset.name}: {len(plan)} scans", sum(sizes), 0)
    with staging.staged(to.folder) as stage:
        writing = _Writing(to, stage, progress, synthetic=chosen.synthetic)
        for name, text in () if to.original else _beside(chosen, dataset):
            writing.text(name, text)
        for item, size in zip(plan, sizes, strict=True):
            writing.item(item, size)
    progress.finish()
    return Export(to.folder, writing.written, writing.kept, writing.size)


@dataclass(frozen=True, slots=True)
class Item:
    """A scan, and whether it is written as it came."""

    image: Image
    original: bool

    @property
    def paths(self) -> dict[str, str]:
        """The paths that its files will have, by the paths that they had."""
        image = self.image
        if self.original:
            return {path: path for path in image.files}
        if image.kind != "fmap":
            return {image.files[0]: bids.path_of(image)}
        folder = bids.folder_of(image) + ("" if image.alone else f"/run-{image.run}")
        names = image.names.split("/")
        return {path: f"{folder}/{name}" for path, name in zip(image.files, names, strict=True)}

    @property
    def as_it_came(self) -> bool:
        """Whether its files are copied: field maps always are."""
        return self.original or self.image.kind == "fmap"

    @property
    def lengths(self) -> list[int]:
        """The length of each file as it came."""
        return list(map(int, np.frombuffer(self.image.sizes, "<i8")))

    @property
    def size(self) -> int:
        """How many bytes are read."""
        if self.as_it_came:
            return sum(self.lengths)
        return int(np.prod(self.image.shape, dtype=np.int64)) * np.dtype(self.image.dtype).itemsize


def _require_inside(plan: Iterable[Item]) -> None:
    """Refuse a path that leads out of the folder: an archive may name any."""
    for item in plan:
        folder = item.image.folder
        if folder.startswith("/") or ".." in f"{folder}/{item.image.names}".split("/"):
            message = f"A file in '{folder}' would be written outside of the export. Leave that scan out."
            raise FormatError(message, file=folder)


def _require_apart(plan: Iterable[Item]) -> None:
    counts = Counter(path for item in plan for path in item.paths.values())
    twice = next((path for path, times in counts.items() if times > 1), None)
    if twice is not None:
        message = (
            f"Two scans would both be written to '{twice}'. Export them one by one, or with original=True."
        )
        raise FormatError(message, file=twice)


def _beside(chosen: "ImageSet", dataset: "Dataset") -> Iterator[tuple[str, str]]:
    maps = [image for image in chosen.images if image.kind == "fmap"]
    yield from bids.beside(dataset, synthetic=chosen.synthetic, field_maps=bool(maps)).items()
    folders = dict.fromkeys(bids.folder_of(image) for image in maps)
    yield from ((f"{folder}/{bids.NOTE}", bids.field_map_note()) for folder in folders)


class _Writing:
    """Writes files beside, and moves them to their names once they are whole."""

    def __init__(self, to: Destination, stage: Path, progress: Progress, *, synthetic: bool) -> None:
        self.folder = to.folder
        self.strict = to.strict
        self.stage = stage
        self.progress = progress
        self.synthetic = synthetic
        self.numbers = count()
        self.written = self.kept = self.size = 0

    def text(self, name: str, text: str) -> None:
        """Write a small file, unless there is one."""
        if not (self.folder / name).exists():
            self._place(name, [text.encode()])

    def item(self, item: Item, size: int) -> None:
        """Write a scan, or say why it is left out."""
        try:
            (self._originals if item.as_it_came else self._scan)(item, size)
        except (FormatError, IntegrityError) as error:
            if self.strict:
                raise
            warnings.warn(f"Left out of the export: {error}", DecnefDataWarning, stacklevel=5)

    def _originals(self, item: Item, size: int) -> None:
        """Write the files of a scan as they came."""
        paths = item.paths
        lengths = zip(paths.values(), item.lengths, strict=True)
        there = [_has(self.folder / path, length) for path, length in lengths]
        self.kept += sum(there)
        if all(there):
            self.progress.advance(size)
            return
        for (path, content), whole in zip(item.image.source.originals(), there, strict=True):
            if not whole:
                self._count(self._place(paths[path], [content]))
            self.progress.advance(len(content))

    def _scan(self, item: Item, size: int) -> None:
        """Write a run or a T1 image as one file, and what is known of it beside."""
        ((first, path),) = item.paths.items()
        if (self.folder / path).exists():
            self.kept += 1
            self.progress.advance(size)
            return
        self._place(f"{path.removesuffix('.nii.gz')}.json", [self._sidecar(item.image)])
        self._count(self._place(path, _compressed(_pieces(item.image, first, self.progress)), flush=True))

    def _sidecar(self, image: Image) -> bytes:
        return bids.sidecar(image, synthetic=self.synthetic).encode()

    def _count(self, size: int) -> None:
        self.written += 1
        self.size += size

    def _place(self, path: str, pieces: Iterable[bytes], *, flush: bool = False) -> int:
        target, staged = self.folder / path, self.stage / str(next(self.numbers))
        private_folder(target.parent)
        with staging.naming(target), open(staged, "xb", opener=_private) as file:
            size = sum(map(file.write, pieces))
            if flush:
                _flush(file)
        staged.replace(target)
        return size


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _flush(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _has(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except FileNotFoundError:
        return False


def _pieces(image: Image, first: str, progress: Progress) -> Iterator[bytes]:
    """Give the header of the whole scan, then its voxels, some volumes at a time."""
    start = image.source.start()
    seconds = image.about.get("repetition_time", float("nan"))
    yield nifti.restated(start, first, image.shape[::-1], seconds)
    dtype = np.dtype(image.dtype)
    for key, shape in _keys(image.shape):
        out = np.empty(shape, dtype.newbyteorder("="))
        image.source.fill(key, out)
        content = out.astype(dtype, copy=False).tobytes()
        progress.advance(len(content))
        yield content


def _keys(shape: Sequence[int]) -> Iterator[tuple[tuple[slice, ...], tuple[int, ...]]]:
    """Part a scan along its first dimension; a T1 image is as large as some volumes, and read at once."""
    rows = _VOLUMES if len(shape) > 3 else shape[0]  # noqa: PLR2004 - space
    for start in range(0, shape[0], rows):
        stop = min(start + rows, shape[0])
        yield (slice(start, stop), *(slice(None) for _ in shape[1:])), (stop - start, *shape[1:])


def _compressed(pieces: Iterable[bytes]) -> Iterator[bytes]:
    stream = _compressor()
    for piece in pieces:
        yield stream.compress(piece)
    yield stream.flush()


def _compressor() -> Any:
    """Write gzip without a name and a time, so that the same scan is the same file."""
    try:
        from isal import isal_zlib
    except ImportError:
        return zlib.compressobj(_ZLIB, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    return isal_zlib.compressobj(_ISAL, zlib.DEFLATED, zlib.MAX_WBITS | 16)
