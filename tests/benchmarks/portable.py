"""`to_zarr` of a small selection, of cubes of connectivity and of runs, against xarray alone or an earlier version.

Run with ``python tests/benchmarks/portable.py [--against CHECKOUT] [--rounds 5] [--cases small,cubes,runs]
[--participants 400] [--runs 2] [--folder /dev/shm]``.  Each writer runs in processes of its own, in turn with the
others, and writes everything twice to warm up; the ratios are those of the medians to the first writer: xarray's own
`to_zarr` with the same chunks and codecs, which reads an array completely before it writes it, or the `to_zarr` of
``CHECKOUT``, a checkout of an earlier version.  The cubes have the published numbers of edges, and small are the
first 24 participants of them; a run has 240 volumes of 64 x 64 x 40 voxels, each of which is drawn when it is read.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from drawn_cube import cube
from numpy.typing import NDArray
from zarr.codecs import BloscCodec, Crc32cCodec

import decnef_data
from decnef_data.arrays import mark_texts, stack_lazily

EDGES = {"bal140": 9730, "roi93": 4278, "aal116": 6670}
SHAPE = (240, 40, 64, 64)
#: Writes in one process, of which the first two warm up.
WRITES = {"small": 12, "cubes": 5, "runs": 5}
Writer = Callable[[xr.DataTree, Path], object]


class Run:
    """A run whose values are made when they are read: a signal that varies little from voxel to voxel."""

    def __init__(self, number: int) -> None:
        self.number, self.shape = number, SHAPE
        self.volume = np.random.default_rng(number).normal(900, 40, SHAPE[1:])
        self.course = np.random.default_rng(1000 + number).normal(1, 0.01, SHAPE[0])

    def fill(self, key: tuple[slice, ...], out: NDArray[np.int16]) -> None:
        """Write the values of a region to `out`."""
        time_key, *space = key
        out[...] = self.course[time_key][:, None, None, None] * self.volume[tuple(space)]


def cubes(participants: int) -> xr.DataTree:
    """Return three cubes with the same people."""
    first = cube().isel(subject=slice(participants))
    return xr.DataTree.from_dict(
        {"/": xr.Dataset(attrs={"synthetic": 1})}
        | {f"/{name}": first.isel(edge=slice(edges)).load() for name, edges in EDGES.items()}
    )


def site(runs: int) -> xr.DataTree:
    """Return the runs of one site with the coordinates of people."""
    people = cube().isel(subject=slice(runs)).drop_dims("edge").drop_dims("roi").rename(subject="scan")
    bold = stack_lazily([Run(number) for number in range(runs)], ("scan", "time", "z", "y", "x"), "i2", SHAPE)
    images = xr.Dataset({"bold": bold}, people.coords).reset_index("scan")
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs={"synthetic": 1}), "/COI/bold": images})


def with_xarray(tree: xr.DataTree, place: Path) -> None:
    """Write a tree with xarray alone, in the same chunks and with the same codecs."""
    from decnef_data.exports.portable.arrays import chunk_shape

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
    "xarray": with_xarray,
    "earlier": lambda tree, place: decnef_data.to_zarr(tree, place, progress="none"),
    "to_zarr": lambda tree, place: decnef_data.to_zarr(tree, place, progress="none"),
    "shards": lambda tree, place: decnef_data.to_zarr(tree, place, shards="auto", progress="none"),
}


def write_once(options: argparse.Namespace) -> dict[str, Any]:
    """Write with one writer in this process; return what each copy took in milliseconds, and its files."""
    case, write = options.cases, WRITERS[options.once]
    tree = site(options.runs) if case == "runs" else cubes(24 if case == "small" else options.participants)
    taken: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        place = Path(folder, "copy.zarr")
        for _ in range(WRITES[case]):
            shutil.rmtree(place, ignore_errors=True)
            wall, processor = time.perf_counter(), time.process_time()
            write(tree, place)
            taken.append((1000 * (time.perf_counter() - wall), 1000 * (time.process_time() - processor)))
        sizes = [path.stat().st_size for path in place.rglob("*") if path.is_file()]
    return {"taken": taken[2:], "files": len(sizes), "bytes": sum(sizes)}


def run_child(options: argparse.Namespace, writer: str, case: str) -> dict[str, Any]:
    """Write in a process of its own, with the package of the checkout if the writer is the earlier one."""
    sizes = ["--participants", str(options.participants), "--runs", str(options.runs)]
    folder = ["--folder", str(options.folder)] if options.folder else []
    command = [sys.executable, __file__, "--once", writer, "--cases", case, *sizes, *folder]
    paths = [options.against, options.against / "catalog"] if writer == "earlier" else []
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}
    found = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    result: dict[str, Any] = json.loads(found.stdout)
    return result


def compare(options: argparse.Namespace) -> list[dict[str, object]]:
    """Measure all writers in turn; the first is the reference of the ratios."""
    writers = [name for name in WRITERS if name != ("xarray" if options.against else "earlier")]
    rows: list[dict[str, object]] = []
    for case in options.cases.split(","):
        found: Mapping[str, list[dict[str, Any]]] = {name: [] for name in writers}
        for _ in range(options.rounds):
            for name in writers:
                found[name].append(run_child(options, name, case))
        medians = {
            name: [
                statistics.median(column)
                for column in zip(*(t for r in parts for t in r["taken"]), strict=True)
            ]
            for name, parts in found.items()
        }
        for name, (wall, processor) in medians.items():
            reference = medians[writers[0]]
            rows.append({
                "case": case, "writer": name, "wall_ms": round(wall, 1), "processor_ms": round(processor, 1),
                "wall_ratio": round(wall / reference[0], 2),
                "processor_ratio": round(processor / reference[1], 2),
                "files": found[name][0]["files"], "MiB": found[name][0]["bytes"] >> 20,
            })  # fmt: skip
            if not options.json:
                print(*(f"{key} {value}" for key, value in rows[-1].items()), sep=", ", flush=True)
    return rows


def main() -> None:
    """Compare the writers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", type=Path, help="a checkout of an earlier version to compare with")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cases", default="small,cubes,runs")
    parser.add_argument("--participants", type=int, default=400, help="participants of the cubes")
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument(
        "--folder", type=Path, help="where the copies are written; the default is for temporary files"
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument(
        "--once", choices=list(WRITERS), help="write one case in this process, for the rounds"
    )
    options = parser.parse_args()
    if options.once:
        print(json.dumps(write_once(options)))
        return
    rows = compare(options)
    if options.json:
        print(json.dumps(rows))


if __name__ == "__main__":
    main()
