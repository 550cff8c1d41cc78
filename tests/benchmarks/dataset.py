"""srpbs-fc from end to end, on the phantom: warm calls, archive to store, download; against what a user would do.

Run with ``python tests/benchmarks/dataset.py`` from the top of a checkout.  Of every row, ours and theirs run in
turn, and medians are compared.  The download comes from a server on this machine, by a link that expires.
"""

import gc
import io
import os
import shutil
import statistics
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pooch
import scipy.io
import xarray as xr
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[2]))

import decnef_data
from decnef_data.arrays import to_matrix
from tests.servers.links import LinkServer

EDGES = {9730: "bal140", 4278: "roi93", 6670: "aal116"}


@dataclass(frozen=True)
class Row:
    """What was compared, in milliseconds, and the most that ours may be."""

    what: str
    instead: str
    ours: float
    theirs: float
    most: float | None = None


def medians(
    ours: Callable[[], object],
    theirs: Callable[[], object],
    rounds: int,
    clear: Callable[[], object] = lambda: None,
) -> tuple[float, float]:
    """Time both in turn after one run to warm up; return the median of each in milliseconds.

    ``clear`` removes what was written before, outside the time: memory that a file leaves is quick to get again.
    """
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(rounds + 1):
        for act, found in zip((ours, theirs), times, strict=True):
            clear()
            gc.collect()
            start = time.perf_counter()
            act()
            if turn:
                found.append(1000 * (time.perf_counter() - start))
    return statistics.median(times[0]), statistics.median(times[1])


def matrix_of(data: bytes) -> NDArray[np.float64] | None:
    """Read one file of the archive with what it needs, knowing what it holds."""
    if data.startswith(b"#"):
        return np.loadtxt(io.BytesIO(data))
    if b"MATLAB 7.3" in data[:128]:
        with h5py.File(io.BytesIO(data)) as file:
            return np.asarray(next(value for value in file.values() if value.ndim == 2)).T
    found = (value for value in scipy.io.loadmat(io.BytesIO(data)).values() if isinstance(value, np.ndarray))
    return next((value for value in found if value.ndim == 2 and EDGES.keys() & set(value.shape)), None)


def loaded(archive: Path) -> dict[str, NDArray[np.float64]]:
    """Read each matrix from the archive, and concatenate them by atlas: no table, no pairing, no check."""
    parts: dict[str, list[NDArray[np.float64]]] = {name: [] for name in EDGES.values()}
    with zipfile.ZipFile(archive) as opened:
        for name in opened.namelist():
            if name.endswith(".mat") and "ROITBL" not in name:
                matrix = matrix_of(opened.read(name))
                if matrix is not None:
                    upright = matrix if matrix.shape[1] in EDGES else matrix.T
                    parts[EDGES[upright.shape[1]]].append(upright)
    return {name: np.concatenate(part) for name, part in parts.items()}


def loaded_and_written(archive: Path, folder: Path) -> None:
    """The same, made durable as raw bytes."""
    for name, values in loaded(archive).items():
        with (folder / name).open("wb") as file:
            file.write(memoryview(np.ascontiguousarray(values)).cast("B"))
            file.flush()
            os.fsync(file.fileno())


def opened_plainly(store: Path) -> xr.Dataset:
    """What a user of xarray does with the same store."""
    found = xr.open_zarr(store, group="bal140", chunks=None, consolidated=False)
    for coordinate in found.coords.values():
        coordinate.load()
    return found


def measure(folder: Path) -> list[Row]:
    """Measure everything, once."""
    cache = folder / "cache"

    def fetch() -> xr.Dataset:
        return decnef_data.fetch_dataset(
            "srpbs-fc", group="bal140", mirror="phantom", data_dir=cache, progress="none"
        )

    fetch()
    archive = decnef_data.download("srpbs-fc", mirror="phantom", data_dir=cache, progress="none")
    (store,) = (cache / "phantom/stores").glob("*.zarr")

    def clear() -> None:
        shutil.rmtree(store, ignore_errors=True)
        for name in EDGES.values():
            (folder / name).unlink(missing_ok=True)
        os.sync()  # neither waits for the deletion

    def whole() -> NDArray[np.float64]:
        return np.array(fetch()["fc"].values)

    rows = [
        Row("warm fetch_dataset", "12 ms", medians(fetch, lambda: None, 21)[0], 12, 1),
        Row(
            "warm fetch_dataset",
            "xr.open_zarr, coordinates loaded",
            *medians(fetch, lambda: opened_plainly(store), 21),
            0.25,
        ),
        Row(
            "archive to published store",
            "read, loadmat, concatenate, write, fsync",
            *medians(fetch, lambda: loaded_and_written(archive, folder), 7, clear),
            1.5,
        ),
        Row(
            "warm fetch and the whole cube",
            "loadmat of every file",
            *medians(whole, lambda: loaded(archive), 5),
        ),
        Row(
            "everyone's matrices, from a warm fetch",
            "the same, from loadmat",
            *medians(lambda: to_matrix(fetch()).values, lambda: squares(loaded(archive)["bal140"]), 3),
        ),
    ]
    return [*rows, downloaded(archive, folder)]


def squares(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Full matrices, as NumPy's indexing makes them."""
    column, row = np.triu_indices(140, k=1)
    made = np.ones((len(values), 140, 140))
    made[:, row, column] = made[:, column, row] = values
    return made


def downloaded(archive: Path, folder: Path) -> Row:
    """Download and verify, against pooch as it comes."""
    digest = pooch.file_hash(str(archive))
    with LinkServer() as server:
        link = server.link(archive, name="SRPBS_FC.zip")
        os.environ["DECNEF_ATR_LINK_SRPBS_FC"] = link

        def ours() -> None:
            shutil.rmtree(folder / "ours", ignore_errors=True)
            decnef_data.download(
                "srpbs-fc", mirror="atr", data_dir=folder / "ours", accept_terms=True, progress="none"
            )

        def theirs() -> None:
            shutil.rmtree(folder / "theirs", ignore_errors=True)
            pooch.get_logger().setLevel("WARNING")
            pooch.retrieve(link, digest, fname="SRPBS_FC.zip", path=folder / "theirs")

        return Row("download, sha256", "pooch.retrieve, sha256", *medians(ours, theirs, 3))


def table(rows: list[Row]) -> Table:
    """Lay the rows out."""
    made = Table(title="srpbs-fc on the phantom, milliseconds", box=None, pad_edge=False)
    for name in ("what", "instead", "ours", "theirs", "ratio", "at most"):
        made.add_column(name, justify="left" if name in {"what", "instead"} else "right")
    for row in rows:
        ratio, most = row.ours / row.theirs, "" if row.most is None else f"{row.most:g}"
        missed = row.most is not None and ratio > row.most
        made.add_row(
            row.what,
            row.instead,
            f"{row.ours:.1f}",
            f"{row.theirs:.1f}",
            f"{ratio:.2f}",
            f"{most}{' missed' if missed else ''}",
        )
    return made


def main() -> None:
    """Measure with a home and a cache of its own."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
            os.environ[name] = f"{folder}/home"
        Console(width=120).print(table(measure(Path(folder))))


if __name__ == "__main__":
    main()
