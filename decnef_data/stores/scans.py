"""Stores of one scan each: a run, a T1 image or a set of field maps, published whole or not at all.

They lie side by side in one folder, ``<name>.zarr`` each, and everybody's zarr opens them.  The files that
a scan came as can be written again from its store.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from decnef_data.errors import FormatError, IntegrityError
from decnef_data.model import FileCheck
from decnef_data.stores import manifests, originals, staging
from decnef_data.stores.blocks import Blocks, Form, write
from decnef_data.stores.damage import not_whole
from decnef_data.stores.manifests import Manifest
from decnef_data.stores.originals import HeldFile

__all__ = [
    "HeldFile",
    "HeldScan",
    "StoredScan",
    "check",
    "names",
    "place",
    "publish",
    "publishing",
    "remove",
    "sweep",
]

_SUFFIX: Final = ".zarr"
_VOLUMES: Final = 20
_SLAB: Final = 1 << 23
_DIMS: Final[Mapping[str, tuple[str, ...]]] = {"bold": ("time", "z", "y", "x"), "t1w": ("z", "y", "x")}


@dataclass(frozen=True, slots=True, eq=False)
class HeldScan:
    """A whole scan in memory, as it came.

    ``kind`` is ``"bold"``, ``"t1w"``, or anything else for files that are no array.  ``shape`` is
    ``([time,] z, y, x)`` and ``dtype`` NumPy's name with the byte order of the files; the voxels of
    ``files``, one after another, are the array.  ``attrs`` is whatever JSON can hold.

    Examples
    --------
    >>> volume = HeldFile("sub-0001/rsfmri/vol_0000", bytes(352 + 48), begins=352, length=48)
    >>> HeldScan("bold", (1, 4, 3, 2), "<i2", {"subject": "sub-0001"}, (volume,)).form.nbytes
    48
    """

    kind: str
    shape: tuple[int, ...]
    dtype: str
    attrs: Mapping[str, object]
    files: tuple[HeldFile, ...]

    @property
    def form(self) -> Form | None:
        """How the voxels are stored, if the scan is an array."""
        if self.kind not in _DIMS:
            return None
        dtype = np.dtype(self.dtype)
        plane = int(np.prod(self.shape[1:], dtype=np.int64)) * dtype.itemsize
        rows = _VOLUMES if self.kind == "bold" else max(1, _SLAB // plane)
        return Form(_DIMS[self.kind], self.shape, dtype, min(rows, self.shape[0]))


def place(folder: Path, name: str) -> Path:
    """Where the store of that name is, or would be.

    Examples
    --------
    >>> place(Path("0123.scans"), "sub-0001_bold_1").name
    'sub-0001_bold_1.zarr'
    """
    return folder / f"{name}{_SUFFIX}"


def publish(place: Path, held: HeldScan) -> None:
    """Write a scan beside its place, then move it there whole; a store that is there already stays.

    Parameters
    ----------
    place
        Where the store will be; :func:`place` names it.
    held
        The scan.

    Raises
    ------
    FormatError
        The files do not hold the voxels that the shape asks for, or of a type that zarr does not have.

    Examples
    --------
    >>> import tempfile
    >>> volumes = (HeldFile(f"vol_{at}", bytes([at] * 30), begins=6, length=24) for at in range(3))
    >>> run = HeldScan("bold", (3, 4, 3, 2), "u1", {"subject": "sub-0001"}, tuple(volumes))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     publish(Path(folder, "run.zarr"), run)
    ...     scan = StoredScan(Path(folder, "run.zarr"))
    ...     series = np.empty(3, "u1")
    ...     scan.fill((slice(None), 0, 0, 0), series)
    ...     series.tolist(), [path for path, _ in scan.originals()]
    ([0, 1, 2], ['vol_0', 'vol_1', 'vol_2'])
    """
    with publishing(place, held):
        pass


@contextmanager
def publishing(place: Path, held: HeldScan) -> Iterator[None]:
    """Publish a scan as :func:`publish` does, in two steps: inside the context its files are needed no more.

    Leaving it waits for the disk, which takes as long as the next scan takes to come.
    """
    if place.is_dir():
        yield
        return
    form = held.form
    if form is not None:
        _require_voxels(held, form)
    with staging.stage(place.parent) as stage, staging.naming(stage):
        arrays = originals.keep(stage, held.files)
        if form is not None:
            write(stage / held.kind, form, [file.voxels for file in held.files], {})
            arrays = (held.kind, *arrays)
        attrs = held.attrs
        del held
        yield
        manifests.seal(stage, Manifest.of(place.stem, stage, {"": arrays}, attrs))
        staging.moved(stage, place)


def _require_voxels(held: HeldScan, form: Form) -> None:
    first = held.files[0].path
    found = sum(len(file.voxels) for file in held.files)
    if not form.is_known:
        message = (
            f"'{first}' holds numbers of the type '{form.dtype}', which zarr does not have. "
            "Unpack the archive, and run `decnef adopt` with the folder."
        )
        raise FormatError(message, file=first)
    if found != form.nbytes:
        message = (
            f"'{first}' and the files beside it hold {found} bytes of voxels where their shape asks for "
            f"{form.nbytes}. Get them again."
        )
        raise FormatError(message, file=first)


class StoredScan:
    """A scan in its store: making one looks at nothing, and it pickles as a path.

    Parameters
    ----------
    path
        The store.
    """

    __slots__ = ("_blocks", "_manifest", "path")

    def __init__(self, path: Path) -> None:
        self.path = path
        self._manifest: Manifest | None = None
        self._blocks: Blocks | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return StoredScan, (self.path,)

    @property
    def attrs(self) -> dict[str, Any]:
        """What was given with the scan."""
        return self._known().attrs

    def fill(self, key: tuple[Any, ...], out: NDArray[Any]) -> None:
        """Read what `key` (an integer, slice or vector a dimension) selects into `out`.

        Raises
        ------
        IntegrityError
            There is no store, or it is not as it was written: nothing is ever read as zeros.
        FormatError
            The scan is no array.
        """
        if self._blocks is None:
            image = self._image()
            if image is None:
                message = f"'{self.path}' holds files that are no array. List them as they are."
                raise FormatError(message, file=str(self.path))
            self._blocks = Blocks(self.path, image)
        self._blocks.fill(key, out)

    def start(self) -> bytes:
        """Give what lies before the voxels of the first original file, which is its header."""
        self._known()
        return originals.start(self.path)

    def originals(self) -> Iterator[tuple[str, bytes]]:
        """Give the path and the bytes of every file that the scan came as, one after another."""
        yield from originals.originals(self.path, self._image())

    def _image(self) -> str | None:
        return next((name for name in self._known().arrays if name in _DIMS), None)

    def _known(self) -> Manifest:
        if self._manifest is None:
            self._manifest = _manifest(self.path)
        return self._manifest


def _manifest(store: Path) -> Manifest:
    if not store.is_dir():
        message = f"There is no store '{store}'. Fetch the dataset again to make it."
        raise IntegrityError(message, file=str(store))
    manifest = manifests.load(store)
    for found in manifests.checks(store, manifest, deep=False):
        if found.state != "whole":
            raise not_whole(store, found)
    return manifest


def names(folder: Path) -> set[str]:
    """Give the names of all scans that are stored in a folder; none where there is no folder.

    Examples
    --------
    >>> names(Path("nowhere"))
    set()
    """
    try:
        with os.scandir(folder) as found:
            return {entry.name.removesuffix(_SUFFIX) for entry in found if entry.name.endswith(_SUFFIX)}
    except FileNotFoundError:
        return set()


def remove(place: Path) -> int:
    """Remove a store, or a folder of them, at once, and give the bytes freed."""
    return staging.removed(place)


def sweep(folder: Path) -> None:
    """Remove what processes that have died were writing in a folder."""
    staging.sweep(folder)


def check(place: Path, *, deep: bool) -> tuple[FileCheck, ...]:
    """Check each file of a store: its size, and if `deep` its bytes, against what was written."""
    return manifests.examined(place, deep=deep)
