"""From images to connectivity, and a site to one zarr: ours against what a user would do instead.

Run with ``python tests/benchmarks/timeseries.py [--json]``; nilearn is needed.  The images are the phantom's
with real matrices and volume counts, in their unpacked layout.  Of every row, ours and theirs run in turn, so
that a busy moment of the machine hits both; medians are compared.  Times are warm: the files are in memory.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from shutil import rmtree

import nibabel as nib
import numpy as np
import xarray as xr
from nilearn.maskers import NiftiLabelsMasker
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from zarr.codecs import BloscCodec, Crc32cCodec

import decnef_data
from decnef_data import phantom

ROUNDS = 5
SUBJECTS = 24
REGIONS = 140
SCANS = 50


@dataclass(frozen=True)
class Row:
    """What was compared, in milliseconds."""

    what: str
    instead: str
    ours: float
    theirs: float

    @property
    def ratio(self) -> float:
        """How many times our time theirs is."""
        return self.theirs / self.ours


def compared(what: str, instead: str, ours: Callable[[], object], theirs: Callable[[], object]) -> Row:
    """Time both in turn after one run to warm up; take the median of each."""
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(ROUNDS + 1):
        for act, found in zip((ours, theirs), times, strict=True):
            start = time.perf_counter()
            act()
            if turn:
                found.append(1000 * (time.perf_counter() - start))
    return Row(what, instead, statistics.median(times[0]), statistics.median(times[1]))


def atlas(leaf: xr.Dataset) -> nib.Nifti1Image:
    """Regions as large as those of BAL-140, inside an ellipsoid of the size of a head."""
    shape = tuple(leaf.sizes[dim] for dim in ("x", "y", "z"))
    places = np.stack(np.meshgrid(*(np.linspace(-1, 1, length) for length in shape), indexing="ij"), axis=-1)
    inside = (places**2).sum(axis=-1) < 0.5
    seeds = places[inside][:: inside.sum() // REGIONS][:REGIONS]
    labels = np.zeros(shape, "i2")
    far = ((places[inside][:, np.newaxis] - seeds) ** 2).sum(axis=-1)
    labels[inside] = far.argmin(axis=1) + 1
    return nib.Nifti1Image(labels, leaf["affine"][0].to_numpy())


def series(folder: Path, leaf: xr.Dataset) -> list[Row]:
    """The series of every region of one run."""
    labels = atlas(leaf)
    merged = folder / "run.nii"
    nib.save(leaf.isel(scan=[0]).decnef.to_nifti(), merged)
    masker = NiftiLabelsMasker(labels, standardize=None, resampling_target=None)
    found = leaf.decnef.timeseries(labels)["timeseries"]

    def by_masks() -> NDArray[np.float64]:
        bold = np.asarray(nib.load(merged).dataobj).reshape(-1, leaf.sizes["time"])
        flat = np.asarray(labels.dataobj).reshape(-1)
        return np.stack([bold[flat == label].mean(axis=0) for label in range(1, REGIONS + 1)], axis=1)

    if not np.array_equal(found[0].to_numpy(), by_masks()):
        raise SystemExit("the series differ from plain means")
    if not np.allclose(found[0].to_numpy(), masker.fit_transform(str(merged)), rtol=1e-5):
        raise SystemExit("the series differ from those of nilearn")
    return [
        compared(
            "series of 140 regions, from 240 volumes",
            "NiftiLabelsMasker on one merged .nii",
            leaf.decnef.timeseries(labels)["timeseries"][0].to_numpy,
            lambda: masker.fit_transform(str(merged)),
        ),
        compared(
            "series of 140 regions, from 240 volumes",
            "a mask a region, numpy, merged .nii",
            leaf.decnef.timeseries(labels)["timeseries"][0].to_numpy,
            by_masks,
        ),
    ]


def correlations() -> list[Row]:
    """The connectivity of series in memory."""
    values = np.random.default_rng(1).normal(size=(SCANS, 240, REGIONS))
    made = xr.DataArray(values, dims=("scan", "time", "roi"))
    places = np.triu_indices(REGIONS, k=1)
    return [
        compared(
            f"connectivity of {SCANS} scans",
            "np.corrcoef, a scan at a time",
            decnef_data.connectivity(made)["fc"].to_numpy,
            lambda: np.stack([np.corrcoef(one.T)[places] for one in values]),
        )
    ]


def copies(folder: Path, leaf: xr.Dataset) -> list[Row]:
    """The runs of a site as one zarr."""
    blosc = BloscCodec(typesize=2, cname="zstd", clevel=3, shuffle="bitshuffle")
    coding = {
        "bold": {
            "chunks": (1, 20, *leaf["bold"].shape[2:]),
            "compressors": (blosc, Crc32cCodec()),
        }
    }

    def ours(chunks: str) -> None:
        rmtree(folder / "own.zarr", ignore_errors=True)
        leaf.decnef.to_zarr(folder / "own.zarr", chunks=chunks)

    def theirs() -> None:
        rmtree(folder / "theirs.zarr", ignore_errors=True)
        with warnings.catch_warnings(action="ignore"):  # of strings and of consolidated metadata
            leaf.copy().to_zarr(folder / "theirs.zarr", encoding=coding, zarr_format=3)

    runs = f"{leaf.sizes['scan']} runs ({leaf['bold'].nbytes >> 20} MiB)"
    return [
        compared(f"to_zarr, {chunks}, {runs}", "xarray's to_zarr, volumes", lambda: ours(chunks), theirs)  # noqa: B023
        for chunks in ("volumes", "time")
    ]


def largest(folder: Path) -> dict[str, int]:
    """The most memory, in MiB, that a process takes to copy one site and a tree of several."""
    code = (
        "import sys, decnef_data\n"
        "def most(): return next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM'))\n"
        "cache, sites, place, chunks = sys.argv[1:]\n"
        "data = decnef_data.fetch_dataset('srpbs-open', sites=sites.split(','), progress='none', data_dir=cache)\n"
        "opened = most()\n"
        "decnef_data.to_zarr(data, place, chunks=chunks)\n"
        "print(most(), opened)\n"
    )
    found: dict[str, int] = {}
    for sites in ("COI", "COI,SWA,KUT,UTO"):
        for chunks in ("volumes", "time"):
            place = folder / f"{sites}-{chunks}.zarr"
            arguments = (str(folder / "cache"), sites, str(place), chunks)
            done = subprocess.run(
                [sys.executable, "-c", code, *arguments], check=True, capture_output=True, text=True
            )
            found[f"{sites} {chunks}"], found["once opened"] = (int(one) >> 10 for one in done.stdout.split())
            rmtree(place)
    return found


def machine() -> dict[str, object]:
    """State what the figures were taken on."""
    versions = {name: version(name) for name in ("numpy", "nibabel", "nilearn", "xarray", "zarr")}
    load = os.getloadavg()[0]
    return {"cpus": os.cpu_count(), "load": round(load, 1), "python": platform.python_version(), **versions}


def main() -> None:
    """Measure, and print."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        planted = phantom.plant("srpbs-open", folder / "phantom", subjects=SUBJECTS, full_size=True)
        decnef_data.adopt("srpbs-open", planted, data_dir=folder / "cache", progress="none")
        leaf = decnef_data.fetch_dataset(
            "srpbs-open", group="COI/bold", data_dir=folder / "cache", progress="none"
        )
        rows = [*series(folder, leaf), *correlations(), *copies(folder, leaf)]
        memory = largest(folder)
    if "--json" in sys.argv:
        sys.stdout.write(
            json.dumps({"machine": machine(), "rows": [asdict(row) for row in rows], "MiB": memory})
        )
        return
    facts = ", ".join(f"{name} {value}" for name, value in machine().items())
    table = Table(
        title=f"Images, medians of {ROUNDS} runs in turn", caption=f"{facts}; largest memory: {memory}"
    )
    for heading in ("ours", "ms", "instead", "ms ", "times as fast"):
        table.add_column(heading, justify="left" if heading in {"ours", "instead"} else "right")
    for row in rows:
        table.add_row(row.what, f"{row.ours:.0f}", row.instead, f"{row.theirs:.0f}", f"{row.ratio:.1f}")
    Console(width=130).print(table)


if __name__ == "__main__":
    main()
