"""Time series, connectivity and export of a site to Zarr, compared with what a user would do instead.

Run with ``python tests/benchmarks/timeseries.py [--json]``; nilearn is needed.  The images are the phantom's
with real matrix sizes and volume counts, in their unpacked layout.  In every row both run in turn, so that a
busy moment of the machine affects both; medians are compared.  Times are warm: the files are in memory.
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
SCANS = 1625


@dataclass(frozen=True)
class Row:
    """What was compared, with both times in milliseconds."""

    what: str
    instead: str
    ours: float
    theirs: float

    @property
    def ratio(self) -> float:
        """Their time divided by ours."""
        return self.theirs / self.ours


def compare(what: str, instead: str, ours: Callable[[], object], theirs: Callable[[], object]) -> Row:
    """Time both in turn after one warm-up run; return the median of each."""
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(ROUNDS + 1):
        for function, result in zip((ours, theirs), times, strict=True):
            start = time.perf_counter()
            function()
            if turn:
                result.append(1000 * (time.perf_counter() - start))
    return Row(what, instead, statistics.median(times[0]), statistics.median(times[1]))


def atlas(dataset: xr.Dataset) -> nib.Nifti1Image:
    """Build regions as large as those of BAL-140, inside an ellipsoid as large as a head."""
    shape = tuple(dataset.sizes[dim] for dim in ("x", "y", "z"))
    positions = np.stack(
        np.meshgrid(*(np.linspace(-1, 1, length) for length in shape), indexing="ij"), axis=-1
    )
    inside = (positions**2).sum(axis=-1) < 0.5
    seeds = positions[inside][:: inside.sum() // REGIONS][:REGIONS]
    labels = np.zeros(shape, "i2")
    distances = ((positions[inside][:, np.newaxis] - seeds) ** 2).sum(axis=-1)
    labels[inside] = distances.argmin(axis=1) + 1
    return nib.Nifti1Image(labels, dataset["affine"][0].to_numpy())


def series(folder: Path, dataset: xr.Dataset) -> list[Row]:
    """Compare the time series of all regions of one run."""
    labels = atlas(dataset)
    merged = folder / "run.nii"
    nib.save(dataset.isel(scan=[0]).decnef.to_nifti(), merged)
    masker = NiftiLabelsMasker(labels, standardize=None, resampling_target=None)
    result = dataset.decnef.timeseries(labels)["timeseries"]

    def by_masks() -> NDArray[np.float64]:
        bold = np.asarray(nib.load(merged).dataobj).reshape(-1, dataset.sizes["time"])
        flat = np.asarray(labels.dataobj).reshape(-1)
        return np.stack([bold[flat == label].mean(axis=0) for label in range(1, REGIONS + 1)], axis=1)

    if not np.array_equal(result[0].to_numpy(), by_masks()):
        raise SystemExit("the series differ from plain means")
    if not np.allclose(result[0].to_numpy(), masker.fit_transform(str(merged)), rtol=1e-5):
        raise SystemExit("the series differ from those of nilearn")
    return [
        compare(
            "series of 140 regions, from 240 volumes",
            "NiftiLabelsMasker on one merged .nii",
            dataset.decnef.timeseries(labels)["timeseries"][0].to_numpy,
            lambda: masker.fit_transform(str(merged)),
        ),
        compare(
            "series of 140 regions, from 240 volumes",
            "a mask a region, numpy, merged .nii",
            dataset.decnef.timeseries(labels)["timeseries"][0].to_numpy,
            by_masks,
        ),
    ]


def correlations() -> list[Row]:
    """Compare the connectivity of time series in memory, of as many scans as srpbs-fc has participants."""
    values = np.random.default_rng(1).normal(size=(SCANS, 240, REGIONS))
    series_array = xr.DataArray(values, dims=("scan", "time", "roi"))
    positions = np.triu_indices(REGIONS, k=1)
    return [
        compare(
            f"connectivity of {SCANS} scans",
            "np.corrcoef, a scan at a time",
            decnef_data.connectivity(series_array)["fc"].to_numpy,
            lambda: np.stack([np.corrcoef(one.T)[positions] for one in values]),
        )
    ]


def copies(folder: Path, dataset: xr.Dataset) -> list[Row]:
    """Compare the export of the runs of a site to one Zarr store."""
    blosc = BloscCodec(typesize=2, cname="zstd", clevel=3, shuffle="bitshuffle")
    coding = {
        "bold": {
            "chunks": (1, 20, *dataset["bold"].shape[2:]),
            "compressors": (blosc, Crc32cCodec()),
        }
    }

    def ours(chunks: str) -> None:
        rmtree(folder / "own.zarr", ignore_errors=True)
        dataset.decnef.to_zarr(folder / "own.zarr", chunks=chunks)

    def theirs() -> None:
        rmtree(folder / "theirs.zarr", ignore_errors=True)
        with warnings.catch_warnings(action="ignore"):  # about strings and consolidated metadata
            dataset.copy().to_zarr(folder / "theirs.zarr", encoding=coding, zarr_format=3)

    runs = f"{dataset.sizes['scan']} runs ({dataset['bold'].nbytes >> 20} MiB)"
    return [
        compare(f"to_zarr, {chunks}, {runs}", "xarray's to_zarr, volumes", lambda: ours(chunks), theirs)  # noqa: B023
        for chunks in ("volumes", "time")
    ]


def peak_memory(folder: Path) -> dict[str, int]:
    """Measure the peak memory, in MiB, of copying one site and a tree of several sites."""
    code = (
        "import sys, decnef_data\n"
        "def most(): return next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM'))\n"
        "cache, sites, place, chunks = sys.argv[1:]\n"
        "data = decnef_data.fetch_dataset('srpbs-open', sites=sites.split(','), progress='none', data_dir=cache)\n"
        "opened = most()\n"
        "decnef_data.to_zarr(data, place, chunks=chunks)\n"
        "print(most(), opened)\n"
    )
    result: dict[str, int] = {}
    for sites in ("COI", "COI,SWA,KUT,UTO"):
        for chunks in ("volumes", "time"):
            place = folder / f"{sites}-{chunks}.zarr"
            arguments = (str(folder / "cache"), sites, str(place), chunks)
            done = subprocess.run(
                [sys.executable, "-c", code, *arguments], check=True, capture_output=True, text=True
            )
            result[f"{sites} {chunks}"], result["once opened"] = (
                int(one) >> 10 for one in done.stdout.split()
            )
            rmtree(place)
    return result


def machine() -> dict[str, object]:
    """Return a description of the machine and the versions used."""
    versions = {name: version(name) for name in ("numpy", "nibabel", "nilearn", "xarray", "zarr")}
    load = os.getloadavg()[0]
    return {"cpus": os.cpu_count(), "load": round(load, 1), "python": platform.python_version(), **versions}


def main() -> None:
    """Run the benchmarks and print the results."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        tree = phantom.write_imaging_phantom(
            "srpbs-open", folder / "phantom", n_subjects=SUBJECTS, full_size=True
        )
        decnef_data.adopt("srpbs-open", tree, data_dir=folder / "cache", progress="none")
        dataset = decnef_data.fetch_dataset(
            "srpbs-open", group="COI/bold", data_dir=folder / "cache", progress="none"
        )
        rows = [*series(folder, dataset), *correlations(), *copies(folder, dataset)]
        memory = peak_memory(folder)
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
