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
        "assert not hasattr(xarray.Dataset, 'decnef') and not hasattr(xarray.DataTree, 'decnef')\n"
        f"cube = decnef_data.fetch_dataset('srpbs-fc', group='roi93', mirror='phantom', progress='none', data_dir={str(phantom_dir)!r})\n"
        "assert cube.decnef.to_matrix().shape[1:] == (93, 93)\n"
        "assert xarray.DataTree(cube).decnef.cite() == cube.decnef.cite()\n"
        "assert 'nibabel' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_a_dataset_in_its_tree_has_it_too(tmp_path: Path) -> None:
    tree = trees.srpbs_open(tmp_path / "own")
    decnef_data.adopt("srpbs-open", tree, data_dir=tmp_path / "cache", progress="none")
    found = decnef_data.fetch_dataset("srpbs-open", data_dir=tmp_path / "cache", progress="none")
    image = found["COI/bold"].dataset.decnef.to_nifti(subject="sub-0002")
    assert np.array_equal(image.dataobj, trees.voxels(2, (*trees.SHAPE, 4)))


@pytest.fixture(scope="module")
def tree(phantom_dir: Path) -> xr.DataTree:
    return decnef_data.fetch_dataset(
        "srpbs-ts", sites=["ATT", "SWA"], mirror="phantom", data_dir=phantom_dir, progress="none"
    )


class TestTree:
    def test_all_scans_of_a_subject_are_found(self, tree: xr.DataTree) -> None:
        found = tree.decnef.sel(subject="sub-03")
        assert {group.path: group.sizes["scan"] for group in found.leaves} == {
            "/ATT/bold": 15, "/ATT/t1w": 5, "/SWA/bold": 3, "/SWA/t1w": 1,
        }  # fmt: skip
        for group in found.leaves:
            assert set(group["subject"].to_numpy().tolist()) == {"sub-03"}
            assert group.attrs == tree[group.path].attrs
        expected = tree["SWA/bold"].to_dataset()
        expected = expected.isel(scan=np.flatnonzero(expected["subject"] == "sub-03"))
        xr.testing.assert_identical(found["SWA/bold"].to_dataset(), expected)
        assert (found.attrs, type(found)) == (tree.attrs, xr.DataTree)
        assert not found["ATT/bold"].to_dataset()["bold"].variable._in_memory

    def test_several_subjects_sessions_and_runs(self, tree: xr.DataTree) -> None:
        found = tree.decnef.sel(["sub-03", "sub-05"], session="siteSWA", run=[1, 3])
        assert {group.path: group.sizes["scan"] for group in found.leaves} == {"/SWA/bold": 4, "/SWA/t1w": 2}
        alone = tree["SWA"].decnef.sel("sub-05")
        assert [group.path for group in alone.leaves] == ["/bold", "/t1w"]
        group = tree["SWA/bold"].to_dataset().decnef.sel("sub-05", run=2)
        assert group["run"].to_numpy().tolist() == [2]

    def test_a_row_of_connectivity_is_found_in_its_group(self, phantom_dir: Path) -> None:
        cubes = decnef_data.fetch_dataset("srpbs-fc", mirror="phantom", data_dir=phantom_dir, progress="none")
        subject = cubes["roi93/subject"].to_numpy()[3]
        found = cubes.decnef.sel(subject=subject)
        assert {group.path: dict(group.sizes) for group in found.leaves} == {
            "/roi93": {"subject": 1, "edge": 4278}
        }

    @pytest.mark.parametrize(
        ("wanted", "message"),
        [
            ({"subject": "sub-99"}, "There is no subject 'sub-99' in these data. Use decnef.participants() to list all participants."),
            ({"subject": ["sub-01", "sub-3"]}, "There is no subject 'sub-3' in these data. Use decnef.participants() to list all participants."),
            ({"run": 7}, "There is no run 7 in these data. Use decnef.participants() to list all participants."),
            ({"session": "siteSWA", "run": 1, "subject": []}, "An empty list selects nothing. Omit the argument or pass None to select all."),
            ({"subject": "sub-06", "session": "siteATTd3"}, ("No scan has subject 'sub-06', session 'siteATTd3' at once. "
             "Select by subject alone to see the sessions and runs.")),
        ],
    )  # fmt: skip
    def test_what_is_not_there_is_refused(
        self, tree: xr.DataTree, wanted: dict[str, object], message: str
    ) -> None:
        with pytest.raises(decnef_data.SelectionError) as raised:
            tree.decnef.sel(**wanted)
        assert str(raised.value) == message

    def test_data_without_people_are_refused(self) -> None:
        for data, kind in ((xr.Dataset({"a": ("x", [1])}), "dataset"), (xr.DataTree(), "tree")):
            for call in (data.decnef.participants, data.decnef.sel):
                with pytest.raises(decnef_data.SelectionError) as raised:
                    call()
                assert str(raised.value) == (
                    f"This {kind} has no dimension 'subject' or 'scan' with a coordinate 'subject', so it has no "
                    "participants. Pass what fetch_dataset returns, or a selection of it."
                )

    def test_the_methods_of_a_tree_are_those_of_a_dataset(self, tree: xr.DataTree) -> None:
        for name, method in inspect.getmembers(accessor.TreeAccessor, inspect.isfunction):
            if not name.startswith("_"):
                assert inspect.signature(getattr(accessor.Accessor, name)) == inspect.signature(method)
        assert tree.decnef.describe().table.loc[("all", "all people"), "people"] == 9

    @pytest.mark.parametrize("name", ["srpbs-fc", "srpbs-1600", "srpbs-open", "srpbs-ts"])
    def test_its_summary_has_a_line_per_group_of_at_most_80_columns(
        self, name: str, phantom_dir: Path
    ) -> None:
        found = decnef_data.fetch_dataset(name, mirror="phantom", data_dir=phantom_dir, progress="none")
        head, titles, *lines = repr(found.decnef).splitlines()
        assert head == f"<decnef: {found.attrs['title']}>"
        assert head.startswith("<decnef: SYNTHETIC")
        assert titles.split() == ["group", "rows", "participants", "each", "row"]
        assert [line.split()[0] for line in lines] == [group.path.strip("/") for group in found.leaves]
        assert max(map(len, (titles, *lines))) <= 80
