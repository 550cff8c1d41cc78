"""Stores of one scan each: a run, a T1 image or a set of field maps, published completely or not at all.

They are in one folder, ``<name>.zarr`` each, and any zarr reader opens them.  The original files of a scan
can be restored from its store.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from decnef_data.errors import FormatError
from decnef_data.file_systems import require_free_space
from decnef_data.model import FileCheck
from decnef_data.stores import bit_exact, staging
from decnef_data.stores.bit_exact import InMemoryFile
from decnef_data.stores.compressed_blocks import BlockedArray, BlockShape, write_blocks
from decnef_data.stores.manifest import (
    Manifest,
    check_store,
    is_intact,
    load_intact_manifest,
    move_store_into_place,
    write_manifest,
)
from decnef_data.stores.stored_files import DamagedStoreError, StoredFiles

__all__ = [
    "InMemoryFile",
    "InMemoryScan",
    "StoredScan",
    "check",
    "is_intact",
    "list_names",
    "publish",
    "publish_in_two_steps",
    "remove",
    "remove_orphans",
    "store_path",
]

_SUFFIX: Final = ".zarr"
_VOLUMES: Final = 20
_SLAB: Final = 1 << 23
_DIMS: Final[Mapping[str, tuple[str, ...]]] = {"bold": ("time", "z", "y", "x"), "t1w": ("z", "y", "x")}


@dataclass(frozen=True, slots=True, eq=False)
class InMemoryScan:
    """A complete scan in memory, as it came.

    ``kind`` is ``"bold"``, ``"t1w"``, or anything else for files that are not an array.  ``shape`` is
    ``([time,] z, y, x)`` and ``dtype`` NumPy's name with the byte order of the files; the voxels of
    ``files``, concatenated, are the array.  ``attrs`` is anything that JSON can hold.

    Examples
    --------
    >>> volume = InMemoryFile("sub-0001/rsfmri/vol_0000", bytes(352 + 48), 352, 48)
    >>> InMemoryScan("bold", (1, 4, 3, 2), "<i2", {"subject": "sub-0001"}, (volume,)).block_shape.nbytes
    48
    """

    kind: str
    shape: tuple[int, ...]
    dtype: str
    attrs: Mapping[str, object]
    files: tuple[InMemoryFile, ...]

    @property
    def nbytes(self) -> int:
        """The bytes of all files, in memory and as they came, which the store does not exceed."""
        return sum(len(file.content) + len(file.compressed_content or b"") for file in self.files)

    @property
    def block_shape(self) -> BlockShape | None:
        """How the voxels are stored, if the scan is an array."""
        if self.kind not in _DIMS:
            return None
        dtype = np.dtype(self.dtype)
        plane = int(np.prod(self.shape[1:], dtype=np.int64)) * dtype.itemsize
        rows = _VOLUMES if self.kind == "bold" else max(1, _SLAB // plane)
        return BlockShape(_DIMS[self.kind], self.shape, dtype, min(rows, self.shape[0]))


def store_path(folder: Path, name: str) -> Path:
    """Return the path of the store of that name.

    Examples
    --------
    >>> store_path(Path("0123.scans"), "sub-0001_bold_1").name
    'sub-0001_bold_1.zarr'
    """
    return folder / f"{name}{_SUFFIX}"


def publish(path: Path, scan: InMemoryScan) -> None:
    """Write a scan to a staging folder, then move it into place; an intact store that is there stays.

    Parameters
    ----------
    path
        The path of the store, from :func:`store_path`.
    scan
        The scan.

    Raises
    ------
    FormatError
        The files have another size than the shape, or a type that zarr does not support.

    Examples
    --------
    >>> import tempfile
    >>> volumes = [InMemoryFile(f"vol_{n}", bytes([n] * 30), 6, 24) for n in range(3)]
    >>> run = InMemoryScan("bold", (3, 4, 3, 2), "u1", {"subject": "sub-0001"}, tuple(volumes))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     publish(Path(folder, "run.zarr"), run)
    ...     scan = StoredScan(Path(folder, "run.zarr"))
    ...     series = np.empty(3, "u1")
    ...     scan.fill((slice(None), 0, 0, 0), series)
    ...     series.tolist(), [path for path, _ in scan.iter_originals()]
    ([0, 1, 2], ['vol_0', 'vol_1', 'vol_2'])
    """
    with publish_in_two_steps(path, scan):
        pass


@contextmanager
def publish_in_two_steps(path: Path, scan: InMemoryScan) -> Iterator[None]:
    """Publish a scan as :func:`publish` does, in two steps: inside the context its files are not needed.

    Leaving the context waits for the disk, which takes about as long as the next scan takes to arrive.
    """
    if is_intact(path):
        yield
        return
    block_shape = scan.block_shape
    if block_shape is not None:
        _require_voxels(scan, block_shape)
    require_free_space(path.parent, scan.nbytes, f"the store '{path.name}'")
    with staging.staging_folder(path.parent) as stage, staging.add_path_to_errors(stage):
        arrays = bit_exact.write_originals(stage, scan.files)
        if block_shape is not None:
            write_blocks(stage / scan.kind, block_shape, [file.voxels for file in scan.files], {})
            arrays = (scan.kind, *arrays)
        attrs = scan.attrs
        del scan  # its memory is free while the context lasts
        yield
        write_manifest(stage, Manifest.from_store(path.stem, stage, {"": arrays}, attrs))
        move_store_into_place(stage, path)


def _require_voxels(scan: InMemoryScan, block_shape: BlockShape) -> None:
    first = scan.files[0].path
    found = sum(len(file.voxels) for file in scan.files)
    if not block_shape.is_zarr_dtype:
        message = (
            f"'{first}' has the data type '{block_shape.dtype}', which Zarr does not support. "
            "Unpack the archive, then run `decnef_data.adopt(NAME, PATH)` with the path of the folder."
        )
        raise FormatError(message, file=first)
    if found != block_shape.nbytes:
        message = (
            f"'{first}' and the other files of its scan contain {found} bytes of voxels, but their shape "
            f"requires {block_shape.nbytes}. Download them again."
        )
        raise FormatError(message, file=first)


class StoredScan:
    """A scan in its store; creating one reads nothing, and its pickle holds only what it was created with.

    Parameters
    ----------
    path
        The store.
    source
        What identifies the files that the store was made of, and their content; blank if that is not known.
    """

    __slots__ = ("_blocks", "_manifest", "path", "source")

    def __init__(self, path: Path, source: str = "") -> None:
        self.path = path
        self.source = source
        self._manifest: Manifest | None = None
        self._blocks: BlockedArray | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return StoredScan, (self.path, self.source)

    @property
    def attrs(self) -> dict[str, Any]:
        """The attributes that were published with the scan."""
        return self._load_manifest().attrs

    @property
    def volumes_per_read(self) -> int:
        """How many volumes are best read at once: those of one block."""
        return _VOLUMES

    def fill(self, key: tuple[Any, ...], out: NDArray[Any]) -> None:
        """Read what `key` (an integer, slice or vector per dimension) selects into `out`.

        Raises
        ------
        DamagedStoreError
            There is no store, or it is not as it was written: a missing block is not read as zeros.
        FormatError
            The scan is not an array.
        """
        if self._blocks is None:
            image = self._image_array_name()
            if image is None:
                message = f"'{self.path}' contains separate files, not an array. Read the files one by one."
                raise FormatError(message, file=str(self.path))
            self._blocks = BlockedArray(self._files(), image)
        self._blocks.fill(key, out)

    def read_header(self) -> bytes:
        """Return what is before the voxels of the first original file, which is its header."""
        return bit_exact.read_header(self._files())

    def iter_originals(self) -> Iterator[tuple[str, bytes]]:
        """Yield the path and the bytes of every original file of the scan."""
        yield from bit_exact.iter_originals(self._files(), self._image_array_name())

    def find_uncompressed(self) -> Path | None:
        """Return nothing: a store has no original file."""
        return None

    def _image_array_name(self) -> str | None:
        return next((name for name in self._load_manifest().arrays if name in _DIMS), None)

    def _files(self) -> StoredFiles:
        return self._load_manifest().stored_files(self.path)

    def _load_manifest(self) -> Manifest:
        if self._manifest is None:
            found = load_intact_manifest(self.path)
            if found is None:
                message = f"There is no store '{self.path}'. Fetch the dataset again to create it."
                raise DamagedStoreError(message, file=str(self.path))
            self._manifest, _ = found
        return self._manifest


def list_names(folder: Path) -> set[str]:
    """Return the names of all scans stored in a folder; none if there is no folder.

    Examples
    --------
    >>> list_names(Path("nowhere"))
    set()
    """
    try:
        with os.scandir(folder) as entries:
            return {entry.name.removesuffix(_SUFFIX) for entry in entries if entry.name.endswith(_SUFFIX)}
    except FileNotFoundError:
        return set()


def remove(path: Path) -> int:
    """Remove a store, or a folder of stores, at once, and return the bytes freed."""
    return staging.remove_folder(path)


def remove_orphans(folder: Path) -> None:
    """Remove the staging folders of dead processes in a folder."""
    staging.remove_orphans(folder)


def check(path: Path, *, deep: bool) -> tuple[FileCheck, ...]:
    """Check the size of each file of a store, and if `deep` its checksum."""
    return check_store(path, deep=deep)
