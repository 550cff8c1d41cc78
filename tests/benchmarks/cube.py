"""The connectivity store's speed: opening and reading it, against what a user would do instead.

Run with ``python tests/benchmarks/cube.py [--json]``.  For every row, ours and theirs run in turn, so that
a busy moment of the machine affects both; medians are compared.  Times are warm: the files are in memory.
The size is the real one (1625 participants, 9730 edges, float64), the values are synthetic.
"""

import json
import os
import pickle
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import scipy.io
import xarray as xr
from drawn_cube import EDGES, PARTICIPANTS, REGIONS, cube
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.spatial.distance import squareform

from decnef_data.arrays import memmap_variable, to_matrix
from decnef_data.stores import Stores, open_store, stored_files

ROUNDS = 11
FILES = 20
SITE = slice(500, 630)
SOMEONE, SOME_EDGE = 777, 4321
KEY = "0" * 64


@dataclass(frozen=True)
class Row:
    """One comparison in milliseconds, and its requirement."""

    what: str
    instead: str
    ours: float
    theirs: float
    wanted: str = ""
    met: bool | None = None

    @property
    def ratio(self) -> float:
        """Our time divided by theirs."""
        return self.ours / self.theirs


def medians(ours: Callable[[], object], theirs: Callable[[], object]) -> tuple[float, float]:
    """Time both in turn after a warm-up; return the median of each in milliseconds."""
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(ROUNDS + 1):
        for act, found in zip((ours, theirs), times, strict=True):
            start = time.perf_counter()
            act()
            if turn:
                found.append(1000 * (time.perf_counter() - start))
    return statistics.median(times[0]), statistics.median(times[1])


def open_with_xarray(path: Path) -> xr.Dataset:
    """Open the store and load its coordinates, as a user of xarray does."""
    found = xr.open_zarr(path, group="bal140", chunks=None, consolidated=False)
    for coord in found.coords.values():
        coord.load()
    return found


def write_mat_files(folder: Path, fc: NDArray[np.float64]) -> list[Path]:
    """Write the values as the dataset is published: one MAT file per institute."""
    paths = [folder / f"{part:02d}.mat" for part in range(FILES)]
    for path, part in zip(paths, np.array_split(fc, FILES), strict=True):
        scipy.io.savemat(path, {"X": part})
    return paths


def write_raw(path: Path, values: NDArray[np.float64]) -> None:
    """Write an array durably with the fewest calls."""
    with path.open("wb") as file:
        file.write(memoryview(values).cast("B"))
        file.flush()
        os.fsync(file.fileno())


def opening(stores: Stores) -> list[Row]:
    """Measure opening a published store."""
    path = stores.path(KEY)

    def read() -> None:
        open_store._read_group.cache_clear()  # else the coordinates are in memory
        stores.open(KEY, "bal140")

    ours, theirs = medians(read, lambda: open_with_xarray(path))
    again = medians(lambda: stores.open(KEY, "bal140"), lambda: open_with_xarray(path))
    return [
        Row("open again", "xr.open_zarr, .load()", *again, "at most 0.25x", again[0] <= 0.25 * again[1]),
        Row(
            "open, coordinates read", "xr.open_zarr, .load()", ours, theirs, "at most 3x", ours <= 3 * theirs
        ),
        Row("open, coordinates read", "60 ms", ours, 60.0, "at most 60 ms", ours <= 60),
    ]


def reading(found: xr.Dataset, memory: NDArray[np.float64]) -> list[Row]:
    """Measure reading from an open dataset, with the result copied."""
    fc = found["fc"]
    scattered = np.sort(np.random.default_rng(130).choice(PARTICIPANTS, 130, replace=False))
    one_site = (np.arange(PARTICIPANTS) >= SITE.start) & (np.arange(PARTICIPANTS) < SITE.stop)
    keys = {
        "whole cube": (slice(None), "at most 1.3x"),
        "130 people in a row": (SITE, "at most 2x"),
        "one site, by a mask": (one_site, "at most 2x"),
        "130 people anywhere": (scattered, "at most 2x"),
        "one person": (SOMEONE, "at most 0.5 ms more"),
        "one edge": ((slice(None), SOME_EDGE), "at most 0.5 ms more"),
    }
    rows = [_compared(what, fc, memory, key, wanted) for what, (key, wanted) in keys.items()]
    # xarray slices every coordinate along with the values; without them the time is that of the store.
    wanted = "at most 0.5 ms more"
    return [
        *rows,
        _compared("one person, values alone", fc.variable, memory, SOMEONE, wanted),
        _compared("one edge, values alone", fc.variable, memory, (slice(None), SOME_EDGE), wanted),
    ]


def first_reading(stores: Stores) -> list[Row]:
    """Measure the first complete read in a process, which verifies the chunk, with the file newly mapped."""
    path, shape = stores.path(KEY) / "bal140/fc/c.0.0", (PARTICIPANTS, EDGES)
    found = stores.open(KEY, "bal140")["fc"].variable
    state = pickle.dumps(found)

    def ours(act: Callable[[NDArray[np.float64]], object]) -> None:
        stored_files._verified_chunks.clear()
        act(pickle.loads(state).values)

    def theirs(act: Callable[[NDArray[np.float64]], object]) -> None:
        act(np.memmap(path, "<f8", "r", 0, shape))

    acts: dict[str, Callable[[NDArray[np.float64]], object]] = {"copied": np.array, "summed": np.sum}
    rows = []
    for name, act in acts.items():
        mine, other = medians(partial(ours, act), partial(theirs, act))
        what = f"whole cube, first in a process, {name}"
        # A sum takes less than any checksum; what the store promises is the time to a copy in memory.
        wanted = ("at most 1.5x", mine <= 1.5 * other) if name == "copied" else ("", None)
        rows.append(Row(what, "np.memmap", mine, other, *wanted))
    return rows


def _compared(
    what: str, fc: xr.DataArray | xr.Variable, memory: NDArray[np.float64], key: object, wanted: str
) -> Row:
    ours, theirs = medians(lambda: np.array(fc[key].values), lambda: np.array(memory[key]))
    most = {"at most 1.3x": 1.3 * theirs, "at most 2x": 2 * theirs}.get(wanted, theirs + 0.5)
    return Row(what, "np.memmap", ours, theirs, wanted, ours <= most)


def instead(stores: Stores, found: xr.Dataset, folder: Path) -> list[Row]:
    """Measure what must be done every time without a store."""
    fc = found["fc"].values
    paths = write_mat_files(folder, fc)
    matrix = to_matrix(found)
    upper = np.triu_indices(REGIONS, k=1)

    def loaded() -> NDArray[np.float64]:
        return np.concatenate([scipy.io.loadmat(path)["X"] for path in paths])

    def scattered() -> NDArray[np.float64]:
        out = np.ones((PARTICIPANTS, REGIONS, REGIONS))
        out[:, upper[0], upper[1]] = out[:, upper[1], upper[0]] = fc
        return out

    return [
        Row("open, whole cube", "scipy.io.loadmat x20", *medians(lambda: _all_of(stores), loaded)),
        Row(
            "one person's matrix", "squareform", *medians(lambda: matrix[9].values, lambda: squareform(fc[9]))
        ),
        Row("everyone's matrices", "numpy, both triangles", *medians(lambda: matrix.values, scattered)),
    ]


def _all_of(stores: Stores) -> NDArray[np.float64]:
    values: NDArray[np.float64] = stores.open(KEY, "bal140")["fc"].values.copy()
    return values


def publishing(folder: Path, written: xr.Dataset) -> list[Row]:
    """Measure writing a store, against writing only its values."""
    stores = Stores(folder / "again", memmap_variable)
    values = written["fc"].values

    def publish() -> None:
        stores.publish(KEY, {"bal140": written}, {})
        stores.remove(KEY)

    return [
        Row(
            "publish, then remove",
            "file.write, fsync",
            *medians(publish, lambda: write_raw(folder / "raw", values)),
        )
    ]


def measure(folder: Path) -> list[Row]:
    """Measure everything once."""
    stores, written = Stores(folder / "stores", memmap_variable), cube()
    path = stores.publish(KEY, {"bal140": written}, {})
    memory = np.memmap(path / "bal140/fc/c.0.0", "<f8", "r", 0, (PARTICIPANTS, EDGES))
    found = stores.open(KEY, "bal140")
    rows = [
        *opening(stores),
        *first_reading(stores),
        *reading(found, memory),
        *instead(stores, found, folder),
    ]
    return [*rows, *publishing(folder, written)]


def machine() -> dict[str, object]:
    """Return what the times were measured on."""
    versions = {name: version(name) for name in ("numpy", "pandas", "xarray", "zarr", "scipy")}
    load = os.getloadavg()[0]
    return {"cpus": os.cpu_count(), "load": round(load, 1), "python": platform.python_version(), **versions}


def show(rows: list[Row], about: str = "The cube") -> None:
    """Print the rows as a table."""
    facts = ", ".join(f"{name} {value}" for name, value in machine().items())
    table = Table(title=f"{about}, medians of {ROUNDS} runs in turn", caption=facts)
    for heading in ("ours", "ms", "instead", "ms ", "ratio", "wanted", ""):
        table.add_column(heading, justify="right" if heading.strip() in {"ms", "ratio"} else "left")
    for row in rows:
        verdict = {None: "", True: "met", False: "MISSED"}[row.met]
        times = f"{row.ours:.2f}", row.instead, f"{row.theirs:.2f}", f"{row.ratio:.2f}"
        table.add_row(row.what, *times, row.wanted, verdict)
    Console().print(table)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        measured = measure(Path(scratch))
    if "--json" in sys.argv:
        rows = [{**asdict(row), "ratio": round(row.ratio, 3)} for row in measured]
        print(json.dumps({"machine": machine(), "rows": rows}))
    else:
        show(measured)
