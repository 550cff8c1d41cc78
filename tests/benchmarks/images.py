"""The speed of images: reading them in place, ingesting an archive, and opening many scans.

Run with ``python tests/benchmarks/images.py [read|ingest|open|today|grow] [--subjects N] [--grown N] [--json]``.
Ours and theirs run in turn and medians are compared.  Times are warm: the files are in memory.  The images
are those of the phantom with real matrices and numbers of volumes; with ``--grown``, the drawn subjects are
repeated under other names.
"""

import argparse
import hashlib
import json
import resource
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict
from io import BytesIO
from pathlib import Path

import nibabel as nib
import numpy as np
import xarray as xr
from cube import ROUNDS, Row, machine, medians, show
from isal import igzip
from numcodecs import Blosc

import decnef_data
from decnef_data.layouts.imaging import cached
from decnef_data.layouts.imaging.inventory.files import FileEntry
from decnef_data.layouts.imaging.inventory.scans import INVENTORY_VERSION, Inventory, find_scans
from decnef_data.phantom import imaging_files

NAME = "srpbs-open"
STORED = 20
INGESTS = 5
#: An ingest, in a process of its own, timed after imports.
INGEST = """
import json, sys, time
import dask.array, decnef_data, decnef_data.client.image_reader, decnef_data.layouts.imaging.layout  # xarray imports dask if it is there
decnef_data.adopt("srpbs-open", sys.argv[1], data_dir=sys.argv[2], progress="none")
wall, cpu = time.perf_counter(), time.process_time()
tree = decnef_data.fetch_dataset("srpbs-open", data_dir=sys.argv[2], progress="none")
took = time.perf_counter() - wall
status = open("/proc/self/status").read().split()  # getrusage would include the process that started it
print(json.dumps({"wall": took, "cpu": time.process_time() - cpu,
                  "peak": int(status[status.index("VmHWM:") + 1]) * 1024}))
"""


#: The first opening in a process, timed after imports.
OPEN = """
import sys, time
import dask.array, decnef_data, decnef_data.client.image_reader, decnef_data.layouts.imaging.layout, decnef_data.mirrors.synapse.mirror, xarray
decnef_data.fetch_dataset
xarray.DataTree.from_dict({"/a": xarray.Dataset({"a": ("a", [1])})})
began = time.perf_counter()
decnef_data.fetch_dataset("srpbs-1600", data_dir=sys.argv[1], progress="none")
print(1000 * (time.perf_counter() - began))
"""


class Bench:
    """A phantom of `subjects` participants, unpacked and packed, and a cache."""

    def __init__(self, folder: Path, subjects: int) -> None:
        self.folder, self.subjects = folder, subjects
        self.tree = folder / "tree"
        self.archive = folder / "SRPBS_OPEN.tar.gz"
        self.cache = folder / "cache"
        for path, data in imaging_files.generate_files(
            NAME, imaging_files.PhantomSize(subjects, full_size=True)
        ):
            (self.tree / path).parent.mkdir(parents=True, exist_ok=True)
            (self.tree / path).write_bytes(data)
        packed(self.archive, self.files())

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Yield every file, in the order of paths."""
        for path in sorted(path for path in self.tree.rglob("*") if path.is_file()):
            yield path.relative_to(self.tree).as_posix(), path.read_bytes()

    def grown(self, archive: Path, subjects: int) -> int:
        """Pack `subjects` participants: the drawn ones repeatedly, under the names of others in the tables."""
        people = sorted((self.tree / "SRPBS_OPEN/data").iterdir())
        listed = (self.tree / "SRPBS_OPEN/participants.tsv").read_text().splitlines()[1:]
        names = [line.split("\t")[0] for line in listed][:subjects]

        def files() -> Iterator[tuple[str, bytes]]:
            for path, data in self.files():
                if "/data/" not in path:
                    yield path, data
            for at, name in enumerate(names):
                drawn = people[at % len(people)]
                for path in sorted(path for path in drawn.rglob("*") if path.is_file()):
                    yield f"SRPBS_OPEN/data/{name}/{path.relative_to(drawn).as_posix()}", path.read_bytes()

        packed(archive, files())
        return len(names)


def packed(path: Path, files: Iterator[tuple[str, bytes]]) -> None:
    """Pack files like the release."""
    with igzip.open(path, "wb", compresslevel=2) as stream, tarfile.open(fileobj=stream, mode="w") as made:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            made.addfile(info, BytesIO(data))


def longest_group(bench: Bench) -> xr.Dataset:
    """Open the group with the longest runs, from the unpacked folder."""
    decnef_data.adopt(NAME, bench.tree, data_dir=bench.cache / "tree", progress="none")
    tree = decnef_data.fetch_dataset(NAME, data_dir=bench.cache / "tree", modalities="bold", progress="none")
    return max((node.to_dataset() for node in tree.leaves), key=lambda group: group.sizes["time"])


def read(bench: Bench) -> list[Row]:
    """Read one run, and the series of one voxel, from the unpacked folder."""
    found = longest_group(bench)
    subject = str(found["subject"][0].item())
    volumes = sorted((bench.tree / f"SRPBS_OPEN/data/{subject}/rsfmri").iterdir())

    def by_nibabel() -> np.ndarray:
        images = (nib.Nifti1Image.from_bytes(path.read_bytes()) for path in volumes)
        return np.stack([np.asanyarray(image.dataobj) for image in images])

    def voxel_by_nibabel() -> np.ndarray:
        images = (nib.Nifti1Image.from_bytes(path.read_bytes()) for path in volumes)
        return np.array([image.dataobj[32, 32, 20] for image in images])

    def by_numpy() -> np.ndarray:
        return np.stack([np.fromfile(path, "<i2", offset=352) for path in volumes])

    def voxel_by_numpy() -> np.ndarray:
        offset = 352 + 2 * ((20 * 64 + 32) * 64 + 32)
        return np.array([np.fromfile(path, "<i2", 1, offset=offset)[0] for path in volumes])

    def run() -> np.ndarray:
        return np.asarray(found["bold"][0].values)

    def voxel() -> np.ndarray:
        return np.asarray(found["bold"][0, :, 20, 32, 32].values)

    assert np.array_equal(run().reshape(len(volumes), -1), by_numpy())
    assert np.array_equal(voxel(), voxel_by_nibabel())
    rows = []
    for what, ours, nibabel, numpy, factor in (
        ("one run", run, by_nibabel, by_numpy, 5),
        ("one voxel's series", voxel, voxel_by_nibabel, voxel_by_numpy, 10),
    ):
        mine, theirs = medians(ours, nibabel)
        rows.append(
            Row(
                what,
                "nibabel, file by file",
                mine,
                theirs,
                f"at least {factor}x faster",
                mine * factor <= theirs,
            )
        )
        mine, theirs = medians(ours, numpy)
        rows.append(
            Row(what, "numpy, file by file", mine, theirs, "at most 1.3x + 1 ms", mine <= 1.3 * theirs + 1)
        )
    return rows


def minimal_work(archive: Path) -> tuple[float, float]:
    """Decompress, compress and hash an archive on one thread; return processor seconds and unpacked size."""
    codec = Blosc("zstd", 3, Blosc.BITSHUFFLE, 1 << 20)
    began = time.process_time()
    digest = hashlib.sha256()
    with archive.open("rb") as opened:
        while block := opened.read(1 << 20):
            digest.update(block)
    size = 0
    with igzip.open(archive, "rb") as stream:
        while block := stream.read(STORED * 64 * 64 * 40 * 2):
            codec.encode(np.frombuffer(block[: len(block) // 2 * 2], "<i2"))
            size += len(block)
    return time.process_time() - began, size


def ingested(archive: Path, cache: Path) -> dict[str, float]:
    """Ingest all scans of an archive, in a separate process with a separate cache."""
    shutil.rmtree(cache, ignore_errors=True)
    command = [sys.executable, "-c", INGEST, str(archive), str(cache)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout))


def ingest(bench: Bench) -> list[Row]:
    """Time the way from the archive to a store for each scan, and measure its memory."""
    ours, theirs, peaks = [], [], []
    for _ in range(INGESTS):
        theirs.append(minimal_work(bench.archive)[0])
        took = ingested(bench.archive, bench.cache / "archive")
        ours.append(took["wall"])
        peaks.append(took["peak"])
    wall, half = statistics.median(ours) * 1000, statistics.median(theirs) * 500
    index = next((bench.cache / "archive/stores").glob("*.scans/index")).stat().st_size
    size = bench.archive.stat().st_size
    return [
        Row(
            "archive to stores, ms",
            "inflate + compress + hash, / 2",
            wall,
            half,
            "at most 1.3x",
            wall <= 1.3 * half,
        ),
        Row("peak memory, MiB", "600 MiB", max(peaks) / 2**20, 600, "under 600", max(peaks) < 600 * 2**20),
        Row("index, bytes", "0.2 % of the archive", index, size * 0.002, "under", index < size * 0.002),
    ]


def opened(bench: Bench) -> list[Row]:
    """Open all participants of srpbs-1600 with an invented inventory; there are no images."""
    from decnef_data.phantom.imaging_tables import draw_participant_rows

    root = bench.folder / "everybody"
    for path, data in imaging_files.generate_files("srpbs-1600", imaging_files.PhantomSize(1)):
        if "/data/" not in path:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(data)
    (root / "SRPBS_1600/data").mkdir()
    volume = next(data for path, data in bench.files() if path.endswith("vol_0000"))
    cache = bench.cache / "everybody"
    decnef_data.adopt("srpbs-1600", root, data_dir=cache, progress="none")
    kept = next((cache / "receipts").rglob("*.inventory"))
    entries = [
        FileEntry(f"SRPBS_1600/data/{person.subject}/{name}", len(volume), 0)
        for person in draw_participant_rows("srpbs-1600")
        for name in ("t1/defaced_mprage.nii", *(f"rsfmri/vol_{number:04d}" for number in range(240)))
    ]
    scans, problems = find_scans(entries, lambda path: (moved(volume[:544], path), False))
    import msgspec

    known = cached.read(kept, Inventory)
    assert known is not None
    everybody = msgspec.structs.replace(known, scans=scans, troubles=problems, version=INVENTORY_VERSION)
    cached.write(kept, everybody)

    def ours() -> object:
        return decnef_data.fetch_dataset("srpbs-1600", data_dir=cache, progress="none")

    count = sum(
        node.sizes["scan"]
        for node in decnef_data.fetch_dataset("srpbs-1600", data_dir=cache, progress="none").leaves
    )
    mine, _ = medians(ours, lambda: None)
    what = f"open {count} scans of 1627 people"
    command = [sys.executable, "-c", OPEN, str(cache)]
    runs = (subprocess.run(command, check=True, capture_output=True, text=True) for _ in range(ROUNDS))
    first = statistics.median(float(run.stdout) for run in runs)
    return [
        Row(f"{what}, first in a process", "150 ms", first, 150, "at most 150 ms", first <= 150),
        Row(f"{what}, again", "150 ms", mine, 150, "at most 150 ms", mine <= 150),
    ]


def moved(start: bytes, path: str) -> bytes:
    """Change the position in the scanner, which differs between participants."""
    header = nib.Nifti1Header(start[:348])
    header["srow_x"][3] = zlib.crc32(path.encode()) % 4096 / 16
    header_bytes: bytes = header.binaryblock
    return header_bytes + start[348:]


def today(bench: Bench) -> list[Row]:
    """Compare with today's usual way: unpack, rename, join volumes to a run, compress."""
    plain = bench.folder / "today"

    def theirs() -> None:
        shutil.rmtree(plain, ignore_errors=True)
        plain.mkdir()
        subprocess.run(["tar", "xzf", str(bench.archive), "-C", str(plain)], check=True)
        for folder in sorted(plain.glob("*/data/*/rsfmri")):
            volumes = sorted(folder.iterdir())
            for volume in volumes:
                volume.rename(volume.with_name(f"{volume.name}.nii"))
            run = nib.concat_images(sorted(folder.iterdir()))
            nib.save(run, folder.parent / "bold.nii.gz")

    began = time.perf_counter()
    theirs()
    other = time.perf_counter() - began
    mine = ingested(bench.archive, bench.cache / "archive")["wall"]
    unpacked = sum(path.stat().st_size for path in plain.rglob("*") if path.is_file())
    stores = sum(path.stat().st_size for path in (bench.cache / "archive").rglob("*") if path.is_file())
    shutil.rmtree(plain)
    return [
        Row("archive to something to open, ms", "tar xzf, rename, concat, gzip", mine * 1000, other * 1000),
        Row("disk, MB", "the same", stores / 1e6, unpacked / 1e6),
        Row("disk, MB", "the archive", stores / 1e6, bench.archive.stat().st_size / 1e6),
    ]


def grow(bench: Bench, subjects: int) -> list[Row]:
    """Measure how ingestion, memory and opening grow with the number of participants."""
    archive = bench.folder / "grown" / "SRPBS_OPEN.tar.gz"
    archive.parent.mkdir()
    count = bench.grown(archive, subjects)
    few = ingested(bench.archive, bench.cache / "archive")
    many = ingested(archive, bench.cache / "grown")
    ours, theirs = (
        medians(
            lambda cache=cache: decnef_data.fetch_dataset(NAME, data_dir=cache, progress="none"), lambda: None
        )[0]
        for cache in (bench.cache / "grown", bench.cache / "archive")
    )
    what, instead = f"{count} people", f"{bench.subjects} people"
    return [
        Row(f"{what}: archive to stores, ms", instead, many["wall"] * 1000, few["wall"] * 1000),
        Row(f"{what}: processor time, ms", instead, many["cpu"] * 1000, few["cpu"] * 1000),
        Row(f"{what}: peak memory, MiB", instead, many["peak"] / 2**20, few["peak"] / 2**20),
        Row(
            f"{what}: archive, MB", instead, archive.stat().st_size / 1e6, bench.archive.stat().st_size / 1e6
        ),
        Row(f"{what}: open, ms", instead, ours, theirs),
    ]


def main() -> None:
    """Measure the named sections, by default all except ``grow``."""
    parser = argparse.ArgumentParser()
    parser.add_argument("sections", nargs="*", default=["read", "ingest", "open", "today"])
    parser.add_argument("--subjects", type=int, default=24)
    parser.add_argument("--grown", type=int, default=240)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    known: dict[str, Callable[[Bench], list[Row]]] = {
        "read": read, "ingest": ingest, "open": opened, "today": today,
        "grow": lambda bench: grow(bench, given.grown),
    }  # fmt: skip
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        bench = Bench(Path(folder), given.subjects)
        rows = [row for name in given.sections for row in known[name](bench)]
    if given.json:
        print(
            json.dumps(
                {"machine": machine(), "rows": [{**asdict(row), "ratio": row.ratio} for row in rows]},
                indent=1,
            )
        )
    else:
        show(rows, f"Images (of ingests {INGESTS})")
    print(
        f"{given.subjects} people; peak of this process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB"
    )


if __name__ == "__main__":
    main()
