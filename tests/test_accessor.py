"""The accessor ``dataset.decnef``: the public functions as methods, registered by fetching or by one import."""

import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import xarray as xr

import decnef_data
from decnef_data import accessor
from tests import trees


def test_every_method_gives_what_the_function_of_its_name_gives() -> None:
    rng = np.random.default_rng(1)
    dataset = xr.Dataset(
        {"bold": (("scan", "time", "z", "y", "x"), rng.integers(0, 99, (2, 6, 4, 3, 3), dtype="i2"))},
        {"subject": ("scan", ["a", "b"]), "affine": (("scan", "row", "column"), [np.eye(4)] * 2)},
        {"citation": "A. B. 2021\nC. D. 2022"},
    )
    labels = nib.Nifti1Image(np.arange(36, dtype="i2").reshape(3, 3, 4) % 4, np.eye(4))
    found = dataset.decnef.to_nifti(subject="b")
    assert np.array_equal(found.dataobj, decnef_data.to_nifti(dataset, subject="b").dataobj)
    series = dataset.decnef.timeseries(labels, names=["one", "two", "three"])
    assert series.identical(decnef_data.timeseries(dataset, labels, names=["one", "two", "three"]))
    cube = series.decnef.connectivity()
    assert cube.identical(decnef_data.connectivity(series))
    assert cube.decnef.to_matrix().identical(decnef_data.to_matrix(cube))
    assert cube.decnef.cite() == "A. B. 2021\n\nC. D. 2022"
    assert (
        cube.decnef.splits("subject", stratify=None).name
        == decnef_data.splits(cube, "subject", stratify=None).name
    )


@pytest.mark.parametrize(
    "name", ["connectivity", "motion", "splits", "timeseries", "to_matrix", "to_nifti", "to_zarr"]
)
def test_every_function_of_arrays_is_a_method_with_the_same_parameters(name: str) -> None:
    _, *of_function = inspect.signature(getattr(decnef_data, name)).parameters.values()
    _, *of_method = inspect.signature(getattr(accessor.Accessor, name)).parameters.values()
    assert [(each.name, each.kind, each.default) for each in of_method] == [
        (each.name, each.kind, each.default) for each in of_function
    ]


def test_importing_the_module_again_does_not_warn() -> None:
    before = xr.Dataset.decnef
    importlib.reload(accessor)
    assert xr.Dataset.decnef is before


def test_fetching_registers_it_and_nibabel_waits_until_it_is_needed(phantom_dir: Path) -> None:
    code = (
        "import sys, xarray, decnef_data\n"
        "assert not hasattr(xarray.Dataset, 'decnef')\n"
        f"cube = decnef_data.fetch_dataset('srpbs-fc', group='roi93', mirror='phantom', progress='none', data_dir={str(phantom_dir)!r})\n"
        "assert cube.decnef.to_matrix().shape[1:] == (93, 93)\n"
        "assert 'nibabel' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_a_dataset_in_its_tree_has_it_too(tmp_path: Path) -> None:
    tree = trees.srpbs_open(tmp_path / "own")
    decnef_data.adopt("srpbs-open", tree, data_dir=tmp_path / "cache", progress="none")
    found = decnef_data.fetch_dataset("srpbs-open", data_dir=tmp_path / "cache", progress="none")
    image = found["COI/bold"].dataset.decnef.to_nifti(subject="sub-0002")
    assert np.array_equal(image.dataobj, trees.voxels(2, (*trees.SHAPE, 4)))
