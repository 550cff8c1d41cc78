"""From fetching to connectivity of a whole site: the same bytes without dask, on its threads and in its workers."""

import os
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import xarray as xr

import decnef_data

pytest.importorskip("nilearn", reason="nilearn is not installed")
dask = pytest.importorskip("dask")

#: The runs of the phantom have 12 volumes, too few for the filter of nilearn's default order.
FILTER = {"high_pass": 0.05, "butterworth__order": 1}
NAMES = {1: "left low", 2: "right low", 3: "left high", 4: "right high", 5: "absent"}


def own_atlas(scan: xr.Dataset) -> nib.Nifti1Image:
    """Labels of four regions on the grid of one scan."""
    x, _, z = np.indices([scan.sizes[dim] for dim in "xyz"])
    labels = 1 + (2 * x >= scan.sizes["x"]) + 2 * (2 * z >= scan.sizes["z"])
    return nib.Nifti1Image(labels.astype("i2"), scan["affine"].to_numpy())


def site(phantom_dir: Path, regions: Any, chunks: Any) -> xr.Dataset:
    """Fetch a site, and compute its connectivity from scrubbed and filtered series."""
    scans = decnef_data.fetch_dataset(
        "srpbs-ts", group="COI/bold", mirror="phantom", data_dir=phantom_dir, progress="none", chunks=chunks
    )
    rng = np.random.default_rng(1)
    fd = xr.DataArray(rng.uniform(0, 0.6, (scans.sizes["scan"], scans.sizes["time"])), dims=("scan", "time"))
    drift = {
        subject: rng.normal(size=scans.sizes["time"]) for subject in set(scans["subject"].to_numpy().tolist())
    }
    options: dict[str, Any] = {"clean": FILTER} if regions is own_atlas else {}
    series = decnef_data.timeseries(
        scans, regions, names=NAMES, confounds=drift, fd=fd, max_fd=0.5, **options
    )
    return decnef_data.connectivity(series)


def masker(phantom_dir: Path) -> Any:
    from nilearn.maskers import NiftiLabelsMasker

    scans = decnef_data.fetch_dataset(
        "srpbs-ts", group="COI/bold", mirror="phantom", data_dir=phantom_dir, progress="none"
    )
    return NiftiLabelsMasker(
        own_atlas(scans.isel(scan=0)),
        standardize=None,
        resampling_target=None,
        high_pass=0.05,
        clean_args={"butterworth__order": 1},
    )


def contents(cube: xr.Dataset) -> dict[str, bytes]:
    return {name: cube[name].to_numpy().tobytes() for name in ("fc", "n_nan", "n_constant", "n_kept")}


@pytest.mark.parametrize("kind", ["atlas", "masker"])
def test_threads_give_the_same_bytes_as_no_dask(phantom_dir: Path, kind: str) -> None:
    regions = own_atlas if kind == "atlas" else masker(phantom_dir)
    expected = site(phantom_dir, regions, None).compute()
    assert expected["fc"].shape == (27, 10)
    assert expected["n_nan"].to_numpy().tolist() == [1] * 27
    assert np.isfinite(expected["fc"].to_numpy()).sum() == 27 * 6
    assert len(set(expected["n_kept"].to_numpy().tolist())) > 1
    for chunks in ({}, {"scan": 5}, "auto"):
        lazy = site(phantom_dir, regions, chunks)
        assert lazy["fc"].chunks is not None
        assert contents(lazy.compute(scheduler="threads", num_workers=2)) == contents(expected)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["atlas", "masker"])
def test_two_workers_give_the_same_bytes_too(dask_client: Any, phantom_dir: Path, kind: str) -> None:
    regions = own_atlas if kind == "atlas" else masker(phantom_dir)
    ran = dask_client.run(os.getpid)
    assert len(set(ran.values()) - {os.getpid()}) == 2
    found = dask_client.gather(dask_client.compute(site(phantom_dir, regions, {})))
    assert contents(found) == contents(site(phantom_dir, regions, None).compute())
