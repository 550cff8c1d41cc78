"""`to_zarr` of three cubes of connectivity and of one site's images, with and without shards, and by xarray alone.

Run with ``python tests/benchmarks/portable.py [--rounds 5] [--folder /dev/shm]``.  The writers run in turn, and the
median of each is divided by that of xarray's own `to_zarr` with the same chunks and codecs, which reads an array
completely before it writes it.  The cubes have the published sizes (1625 participants; 9730, 4278 and 6670 edges);
the site has ten runs of 240 volumes of 64 x 64 x 40 voxels, each of which is drawn when it is read.
"""

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import xarray as xr
from cube import cube
from numpy.typing import NDArray
from zarr.codecs import BloscCodec, Crc32cCodec

import decnef_data
from decnef_data.arrays import mark_texts, stack_lazily
from decnef_data.exports.portable.arrays import chunk_shape

EDGES = {"bal140": 9730, "roi93": 4278, "aal116": 6670}
RUNS, SHAPE = 10, (240, 40, 64, 64)
Writer = Callable[[xr.DataTree, Path], object]


class Run:
    """A run whose values are made when they are read: a signal that varies little from voxel to voxel."""

    def __init__(self, number: int) -> None:
        self.number, self.shape = number, SHAPE
        self.volume = np.random.default_rng(number).normal(900, 40, SHAPE[1:])
        self.course = np.random.default_rng(RUNS + number).normal(1, 0.01, SHAPE[0])

    def fill(self, key: tuple[slice, ...], out: NDArray[np.int16]) -> None:
        """Write the values of a region to `out`."""
        time_key, *space = key
        out[...] = self.course[time_key][:, None, None, None] * self.volume[tuple(space)]


def cubes() -> xr.DataTree:
    """Return three cubes with the people of the first."""
    first = cube()
    return xr.DataTree.from_dict(
        {"/": xr.Dataset(attrs={"synthetic": 1})}
        | {f"/{name}": first.isel(edge=slice(edges)).load() for name, edges in EDGES.items()}
    )


def site() -> xr.DataTree:
    """Return the runs of one site with the coordinates of people."""
    people = cube().isel(subject=slice(RUNS)).drop_dims("edge").drop_dims("roi").rename(subject="scan")
    bold = stack_lazily([Run(number) for number in range(RUNS)], ("scan", "time", "z", "y", "x"), "i2", SHAPE)
    images = xr.Dataset({"bold": bold}, people.coords).reset_index("scan")
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs={"synthetic": 1}), "/COI/bold": images})


def with_xarray(tree: xr.DataTree, place: Path) -> None:
    """Write a tree with xarray alone, in the same chunks and with the same codecs."""
    for node in tree.subtree:
        dataset = mark_texts(node.to_dataset().copy())
        coding = {
            name: {
                "chunks": variable.shape if name in dataset.coords else chunk_shape(variable, "volumes"),
                "compressors": (
                    BloscCodec(
                        cname="zstd", clevel=3, shuffle="bitshuffle", typesize=variable.dtype.itemsize
                    ),
                    Crc32cCodec(),
                ),
            }
            for name, variable in dataset.variables.items()
            if variable.dtype.kind in "biuf"
        }
        dataset.to_zarr(place, group=node.path, encoding=coding, zarr_format=3, consolidated=False, mode="a")


WRITERS: dict[str, Writer] = {
    "xarray's to_zarr": with_xarray,
    "to_zarr": lambda tree, place: decnef_data.to_zarr(tree, place, progress="none"),
    "to_zarr, shards": lambda tree, place: decnef_data.to_zarr(tree, place, shards="auto", progress="none"),
}


def compare(writers: Mapping[str, Writer], rounds: int, folder: Path) -> None:
    """Print the medians of all writers for both trees; the first is the reference of the ratios."""
    for what, tree in (("three cubes", cubes()), (f"{RUNS} runs", site())):
        taken: dict[str, list[tuple[float, float]]] = {name: [] for name in writers}
        for turn in range(rounds + 1):
            for name, write in writers.items():
                place = folder / "copy.zarr"
                shutil.rmtree(place, ignore_errors=True)
                wall, processor = time.perf_counter(), time.process_time()
                write(tree, place)
                if turn:  # the first warms up
                    taken[name].append((time.perf_counter() - wall, time.process_time() - processor))
        files = {}
        for name, write in writers.items():
            shutil.rmtree(place, ignore_errors=True)
            write(tree, place)
            found = [path.stat().st_size for path in place.rglob("*") if path.is_file()]
            files[name] = f"{len(found)} files, {sum(found) >> 20} MiB"
        reference = [statistics.median(times) for times in zip(*taken[next(iter(writers))], strict=True)]
        for name, times in taken.items():
            wall, processor = (statistics.median(one) for one in zip(*times, strict=True))
            print(
                f"{what:12} {name:18} {wall:6.2f} s ({wall / reference[0]:.2f}), "
                f"processor {processor:6.2f} s ({processor / reference[1]:.2f}), {files[name]}"
            )


def main() -> None:
    """Compare the writers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--folder", type=Path, help="where the copies are written; the default is for temporary files"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        compare(WRITERS, options.rounds, Path(folder))


if __name__ == "__main__":
    main()
