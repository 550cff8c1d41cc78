"""One scan's store: writing it, reading it, and restoring its files, against what a user would do instead.

Run with ``python tests/benchmarks/scans.py [--json]``.  For every row, ours and theirs run in turn, so that a
busy moment of the machine affects both; medians are compared.  Times are warm: the files are in memory.  The
images are the phantom's, with real matrices (64 x 64 x 40 voxels, 240 volumes); readers alternate between runs.
"""

import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from itertools import count, cycle
from pathlib import Path

import nibabel as nib
import numpy as np
import zarr
from cube import Row, machine, medians, show
from numpy.typing import NDArray

from decnef_data.exports import nifti
from decnef_data.layouts.imaging.images.voxels import FileScan
from decnef_data.layouts.imaging.inventory.files import FileEntry
from decnef_data.layouts.imaging.inventory.scans import find_scans
from decnef_data.model import Image, ImageSet
from decnef_data.phantom.region_signals import RunOrigin
from decnef_data.phantom.scans import Run as PhantomRun
from decnef_data.phantom.scans import Scanner, VoxelGrid, build_header, draw_volumes
from decnef_data.progress import create_progress
from decnef_data.records import Records
from decnef_data.stores import scan_store
from decnef_data.stores.scan_store import InMemoryFile, InMemoryScan, StoredScan

GRID, VOLUMES, RUNS = VoxelGrid((64, 64, 40), (3.3, 3.3, 4.0)), 240, 4
SHAPE = (VOLUMES, *GRID.shape[::-1])
ALL = (slice(None),) * 4
VOXEL = (slice(None), 20, 32, 32)


class Run:
    """One run in each of its forms: 240 plain files, one gzipped file, a store."""

    def __init__(self, folder: Path, number: int) -> None:
        self.name = f"sub-{number:04d}"
        origin = RunOrigin(self.name, self.name, "SWA", "HC")
        phantom_run = PhantomRun(origin, GRID, VOLUMES, Scanner(900, 1.0, 80), mean_fd=0.2)
        self.drawn = np.stack(list(draw_volumes(phantom_run)))
        self.folder = folder
        self.merged = folder / f"{self.name}.nii.gz"
        self.source = self._build_source()
        for file in self.source.files:
            (folder / file.path).parent.mkdir(parents=True, exist_ok=True)
            (folder / file.path).write_bytes(file.content)
        nib.save(nib.Nifti1Image(self.drawn.T, np.eye(4)), self.merged)
        scan_store.publish(scan_store.store_path(folder, self.name), self.source)
        self.stored = StoredScan(scan_store.store_path(folder, self.name))
        self.plain = self._find_plain()

    def _build_source(self) -> InMemoryScan:
        start = build_header(GRID)
        files = (
            InMemoryFile(f"{self.name}/rsfmri/vol_{at:04d}", start + volume.tobytes(), 352, volume.nbytes)
            for at, volume in enumerate(self.drawn)
        )
        return InMemoryScan("bold", SHAPE, "<i2", {"subject": self.name}, tuple(files))

    def _find_plain(self) -> FileScan:
        paths = [file.path for file in self.source.files]
        states = [(self.folder / path).stat() for path in paths]
        entries = [
            FileEntry(path, state.st_size, state.st_mtime_ns)
            for path, state in zip(paths, states, strict=True)
        ]
        ((scan,), _) = find_scans(
            entries, lambda path: (self.source.files[paths.index(path)].content[:544], False)
        )
        return FileScan(str(self.folder), scan, has_time=True)

    def image(self) -> Image:
        """Return the run as an export needs it."""
        sizes = np.full(VOLUMES, len(self.source.files[0].content), "<i8").tobytes()
        names = "/".join(f"vol_{at:04d}" for at in range(VOLUMES))
        facts = (True, f"{self.name}/rsfmri", names, sizes, SHAPE, "<i2", {"repetition_time": 2.5})
        return Image(self.name, "", "bold", 1, *facts, self.stored)


def each(runs: list[Run], act: Callable[[Run], object]) -> Callable[[], object]:
    """Return a function that calls `act` with the next run at every call."""
    turn = cycle(runs)
    return lambda: act(next(turn))


def from_store_or_files(
    source: StoredScan | FileScan, key: tuple = ALL, shape: tuple[int, ...] = SHAPE
) -> NDArray[np.int16]:
    out = np.empty(shape, "<i2")
    source.fill(key, out)
    return out


def by_numpy(run: Run) -> NDArray[np.int16]:
    """Read the 240 files with numpy, without any check."""
    files = run.source.files
    parts = [np.fromfile(run.folder / file.path, "<i2", offset=352) for file in files]
    return np.concatenate(parts).reshape(SHAPE)


def by_nibabel(path: Path) -> NDArray[np.int16]:
    return np.asarray(nib.load(path).dataobj)


def by_nibabel_one_by_one(run: Run) -> NDArray[np.int16]:
    """Read 240 volumes with nibabel, which refuses their names: it gets their content instead."""
    files = run.source.files
    images = (nib.Nifti1Image.from_bytes((run.folder / file.path).read_bytes()) for file in files)
    return np.stack([np.asarray(image.dataobj) for image in images], axis=3)


def by_zarr(run: Run, key: tuple = ALL) -> NDArray[np.int16]:
    return zarr.open_group(run.stored.path, mode="r")["bold"][key]


def require_same(runs: list[Run]) -> None:
    """Exit if a reader returns wrong values: their times would mean nothing."""
    for run in runs:
        ways = (
            from_store_or_files(run.stored),
            from_store_or_files(run.plain),
            by_numpy(run),
            by_nibabel(run.merged).T,
            by_zarr(run),
        )
        if not all(np.array_equal(run.drawn, way) for way in ways):
            raise SystemExit(f"{run.name} is not read alike")
        if [*run.stored.iter_originals()] != [(file.path, file.content) for file in run.source.files]:
            raise SystemExit(f"{run.name} does not come out as it went in")


def row(
    what: str, ours: Callable[[], object], instead: str, theirs: Callable[[], object], wanted: float = 0
) -> Row:
    mine, other = medians(ours, theirs)
    met = mine <= wanted * other if wanted else None
    return Row(what, instead, mine, other, f"<= {wanted:g}" if wanted else "", met)


def reading(runs: list[Run]) -> list[Row]:
    volume, voxel = (100, *ALL[1:]), VOXEL
    whole = each(runs, lambda run: from_store_or_files(run.stored))
    return [
        row("one run from its store", whole, "its 240 files, checked",
            each(runs, lambda run: from_store_or_files(run.plain)), 3),
        row("one run from its store", whole, "its 240 files by numpy, unchecked", each(runs, by_numpy)),
        row("one run from its store", whole, "nibabel on .nii.gz",
            each(runs, lambda run: by_nibabel(run.merged)), 0.5),
        row("one run from its store", whole, "nibabel on 240 files", each(runs, by_nibabel_one_by_one)),
        row("one run from its store", whole, "zarr on the same store", each(runs, by_zarr)),
        row("one volume from its store", each(runs, lambda run: from_store_or_files(run.stored, volume, SHAPE[1:])),
            "zarr on the same store", each(runs, lambda run: by_zarr(run, volume))),
        row("one voxel's series from its store", each(runs, lambda run: from_store_or_files(run.stored, voxel, SHAPE[:1])),
            "zarr on the same store", each(runs, lambda run: by_zarr(run, voxel))),
    ]  # fmt: skip


def writing(runs: list[Run], folder: Path) -> list[Row]:
    numbers = count()

    def compressed(run: Run) -> None:
        data = np.stack([np.frombuffer(file.content, "<i2", offset=352) for file in run.source.files])
        nib.save(nib.Nifti1Image(data.reshape(SHAPE).T, np.eye(4)), folder / f"{next(numbers)}.nii.gz")

    def exported(run: Run) -> None:
        to = nifti.Destination(folder / f"out-{next(numbers)}")
        dataset = Records.load().dataset("srpbs-open")
        nifti.write_scans(ImageSet((run.image(),), synthetic=True), dataset, to, create_progress("none"))

    return [
        row("a store published from memory", each(runs, lambda run: scan_store.publish(folder / f"{next(numbers)}.zarr", run.source)),
            "nibabel saving .nii.gz", each(runs, compressed)),
        row("a store exported as .nii.gz", each(runs, exported), "nibabel saving .nii.gz", each(runs, compressed)),
    ]  # fmt: skip


def measure(folder: Path) -> list[Row]:
    runs = [Run(folder, number) for number in range(1, RUNS + 1)]
    require_same(runs)
    return [*reading(runs), *writing(runs, folder)]


def share(folder: Path) -> float:
    """Return the size of a store relative to that of its voxels."""
    size = sum(
        path.stat().st_size for path in scan_store.store_path(folder, "sub-0001").rglob("*") if path.is_file()
    )
    return size / (2 * int(np.prod(SHAPE)))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        measured = measure(Path(scratch))
        stored = share(Path(scratch))
    if "--json" in sys.argv:
        found = [{**asdict(one), "ratio": round(one.ratio, 3)} for one in measured]
        print(json.dumps({"machine": machine(), "stored": round(stored, 3), "rows": found}))
    else:
        show(measured, f"One scan's store, {stored:.2f} of its voxels' size")
