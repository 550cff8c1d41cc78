"""Attributes of datasets are text or numbers, so that netCDF and every other format can store them."""

import json
from collections.abc import Iterator
from html import escape
from importlib.util import find_spec
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import xarray as xr

import decnef_data
from tests import small, trees
from tests.command import run

pytestmark = pytest.mark.readers

DATASETS = ("srpbs-fc", "srpbs-1600", "srpbs-open", "srpbs-ts")
#: The libraries by which xarray writes trees as netCDF, by their names in Python.
TREE_ENGINES = ("h5netcdf", "netCDF4")
ENGINES = ("scipy", *TREE_ENGINES)


def attributes(data: xr.Dataset | xr.DataTree) -> Iterator[tuple[str, object]]:
    """Every attribute of the nodes and of their variables and coordinates, with where it is."""
    nodes = data.subtree if isinstance(data, xr.DataTree) else (data,)
    for node in nodes:
        yield from node.attrs.items()
        for name, variable in node.variables.items():
            yield from ((f"{name}.{key}", value) for key, value in variable.attrs.items())


def others(data: xr.Dataset | xr.DataTree) -> dict[str, object]:
    """The attributes that are neither text nor numbers; a bool is an int in Python, but not in netCDF."""
    return {
        name: value
        for name, value in attributes(data)
        if isinstance(value, bool) or not isinstance(value, str | int | float | np.number)
    }


@pytest.fixture(scope="module")
def adopted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache of a small archive of matrices and a small folder of images, not marked as synthetic, for all tests."""
    folder = tmp_path_factory.mktemp("adopted")
    own = {"data_dir": folder / "cache", "progress": "none"}
    decnef_data.adopt("srpbs-fc", small.archive(folder / "SRPBS_FC.zip"), **own)
    decnef_data.adopt("srpbs-open", trees.srpbs_open(folder / "own"), **own)
    return folder / "cache"


@pytest.fixture
def connectivity(adopted: Path, monkeypatch: pytest.MonkeyPatch) -> xr.DataTree:
    monkeypatch.setenv("DECNEF_DATA_DIR", str(adopted))
    return decnef_data.fetch_dataset("srpbs-fc", progress="none")


@pytest.fixture
def images(adopted: Path, monkeypatch: pytest.MonkeyPatch) -> xr.DataTree:
    monkeypatch.setenv("DECNEF_DATA_DIR", str(adopted))
    return decnef_data.fetch_dataset("srpbs-open", progress="none")


@pytest.fixture(params=["connectivity", "images"])
def tree(request: pytest.FixtureRequest) -> xr.DataTree:
    return request.getfixturevalue(request.param)


class TestValues:
    @pytest.mark.parametrize("name", DATASETS)
    def test_those_of_a_phantom_are_text_or_numbers_and_synthetic_is_one(
        self, name: str, phantom_dir: Path
    ) -> None:
        tree = decnef_data.fetch_dataset(name, mirror="phantom", data_dir=phantom_dir, progress="none")
        assert others(tree) == {}
        table = decnef_data.participants(name, mirror="phantom", data_dir=phantom_dir, progress="none")
        marks = [*(node.attrs["synthetic"] for node in (tree, *tree.leaves)), table.attrs["synthetic"]]
        assert {(type(mark), mark) for mark in marks} == {(int, 1)}

    def test_those_of_real_data_are_text_or_numbers_without_synthetic(self, tree: xr.DataTree) -> None:
        assert others(tree) == {}
        assert "title" in tree.attrs
        assert {str(node.attrs["data_use"]) for node in tree.leaves} == {str(tree.attrs["data_use"])}
        assert [node.path for node in tree.subtree if "synthetic" in node.attrs] == []
        assert "synthetic" not in decnef_data.participants(tree.attrs["dataset"], progress="none").attrs

    def test_a_query_of_real_data_is_not_marked(self, images: xr.DataTree) -> None:
        found = decnef_data.query("srpbs-open")
        assert found.attrs["searched"] == ["srpbs-open"]
        assert "synthetic" not in found.attrs

    def test_checksums_have_one_file_per_line(self, images: xr.DataTree) -> None:
        lines = images.attrs["source_checksums"].split("\n")
        assert [line.partition(" ")[2] for line in lines] == [
            "SRPBS_OPEN/MRI_protocols_rsMRI.tsv",
            "SRPBS_OPEN/README.txt",
            "SRPBS_OPEN/participants.tsv",
            "SRPBS_OPEN/quality.csv",
            "SRPBS_OPEN/sup2.tsv",
        ]
        assert {line.partition(":")[0] for line in lines} == {"sha256"}

    def test_the_citation_has_one_work_per_line(self, images: xr.DataTree) -> None:
        records = decnef_data.catalog()
        works = [records.citation(key) for key in records.dataset("srpbs-open").citations]
        texts = [f"{work.text} ({work.when})" if work.when else work.text for work in works]
        assert images.attrs["citation"].split("\n") == texts
        assert any(work.when for work in works)

    def test_every_way_to_cite_says_the_same(self, images: xr.DataTree, tmp_path: Path) -> None:
        group = images["COI/bold"].to_dataset()
        cited = decnef_data.cite("srpbs-open")
        assert group.attrs["citation"].split("\n") == cited.split("\n\n")
        assert cited == decnef_data.cite(images) == decnef_data.cite(group) == images.decnef.cite()
        assert cited == images["COI"].decnef.cite() == group.decnef.cite()
        assert run("cite", "srpbs-open").out.strip() == cited
        page = decnef_data.report(images, tmp_path / "page.html", progress="none").read_text("utf-8")
        assert all(f"<li>{escape(work)}</li>" in page for work in cited.split("\n\n"))
        bibtex = decnef_data.cite("srpbs-open", style="bibtex")
        assert group.decnef.describe().bibtex == bibtex

    def test_a_citation_that_a_record_breaks_into_lines_is_one_line(
        self, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "catalog").mkdir()
        (tmp_path / "catalog/own.toml").write_text(
            "[[citations]]\nkey = 'tanaka2021'\ntext = '''\nA. B.\n  2021\n'''\nbibtex = ''\n"
        )
        monkeypatch.setenv("DECNEF_CATALOG_DIR", str(tmp_path / "catalog"))
        decnef_data.adopt("srpbs-fc", small.archive(tmp_path / "SRPBS_FC.zip"), progress="none")
        tree = decnef_data.fetch_dataset("srpbs-fc", progress="none")
        assert tree.attrs["citation"].split("\n")[0] == "A. B. 2021"


class TestFormats:
    @pytest.mark.parametrize("engine", ENGINES)
    def test_netcdf_reads_a_group_back(self, tree: xr.DataTree, tmp_path: Path, engine: str) -> None:
        pytest.importorskip(engine, reason=f"{engine} is not installed (pip install {engine})")
        for node in tree.leaves:
            group = node.to_dataset()
            group.to_netcdf(tmp_path / "group.nc", engine=engine.lower())
            with xr.open_dataset(tmp_path / "group.nc", engine=engine.lower()) as found:
                xr.testing.assert_identical(found.load(), group)
                assert found.attrs == group.attrs

    @pytest.mark.parametrize("engine", TREE_ENGINES)
    def test_netcdf_reads_a_tree_back(self, tree: xr.DataTree, tmp_path: Path, engine: str) -> None:
        pytest.importorskip(engine, reason=f"{engine} is not installed (pip install {engine})")
        tree.to_netcdf(tmp_path / "tree.nc", engine=engine.lower())
        with xr.open_datatree(tmp_path / "tree.nc", engine=engine.lower()) as found:
            xr.testing.assert_identical(found.load(), tree)

    @pytest.mark.parametrize("engine", ENGINES)
    def test_netcdf_reads_rows_of_a_phantom_back(
        self, phantom_dir: Path, tmp_path: Path, engine: str
    ) -> None:
        pytest.importorskip(engine, reason=f"{engine} is not installed (pip install {engine})")
        cube = decnef_data.fetch_dataset(
            "srpbs-fc", group="roi93", mirror="phantom", data_dir=phantom_dir, progress="none"
        ).isel(subject=slice(5))
        cube.to_netcdf(tmp_path / "cube.nc", engine=engine.lower())
        with xr.open_dataset(tmp_path / "cube.nc", engine=engine.lower()) as found:
            xr.testing.assert_identical(found.load(), cube)
            assert found.attrs["synthetic"] == 1
            assert found.decnef.cite() == cube.decnef.cite()

    @pytest.mark.parametrize("engine", TREE_ENGINES)
    def test_netcdf_4_has_names_of_coordinates_that_are_japanese(
        self, phantom_dir: Path, tmp_path: Path, engine: str
    ) -> None:
        pytest.importorskip(engine, reason=f"{engine} is not installed (pip install {engine})")
        cube = decnef_data.fetch_dataset(
            "srpbs-fc", group="bal140", mirror="phantom", data_dir=phantom_dir, progress="none"
        ).isel(subject=slice(5))
        assert "cinet_通し番号" in cube.coords
        cube.to_netcdf(tmp_path / "cube.nc", engine=engine.lower())
        with xr.open_dataset(tmp_path / "cube.nc", engine=engine.lower()) as found:
            xr.testing.assert_identical(found.load(), cube)

    @pytest.mark.parametrize("name", DATASETS)
    def test_every_phantom_is_written_by_xarray_and_read_back(
        self, name: str, phantom_dir: Path, tmp_path: Path
    ) -> None:
        sites = None if name == "srpbs-fc" else "COI"  # few groups, because each takes half a second
        tree = decnef_data.fetch_dataset(
            name, sites=sites, mirror="phantom", data_dir=phantom_dir, progress="none"
        )
        if name == "srpbs-fc":  # some of its people, so that the copies are small
            tree = tree.map_over_datasets(
                lambda group: group.isel(subject=slice(4)) if group.sizes else group
            )
        for engine in filter(find_spec, TREE_ENGINES):
            tree.to_netcdf(tmp_path / f"{engine}.nc", engine=engine.lower())
            with xr.open_datatree(tmp_path / f"{engine}.nc", engine=engine.lower()) as found:
                xr.testing.assert_identical(found.load(), tree)
        names: set[str] = set()
        for node in tree.leaves:
            group = node.to_dataset()
            names |= {str(each) for each in group.variables if not str(each).isascii()}
            group = group.drop_vars(names, errors="ignore")  # scipy writes Latin letters only
            group.to_netcdf(tmp_path / "scipy.nc", engine="scipy")
            with xr.open_dataset(tmp_path / "scipy.nc", engine="scipy") as found:
                xr.testing.assert_identical(found.load(), group)
        expected = {"srpbs-fc": {"cinet_通し番号", "kpum_番号"}, "srpbs-ts": set()}
        assert names == expected.get(name, {"sup5_bdi_ii_合計"})
        # Warnings are errors; zarr warns of consolidated metadata, whatever they are of.
        tree.to_zarr(tmp_path / "tree.zarr", consolidated=False)
        types = json.loads((tmp_path / "tree.zarr" / node.path.strip("/") / "subject/zarr.json").read_text())
        assert types["data_type"] == "string"

    def test_zarr_reads_a_tree_back(self, tree: xr.DataTree, tmp_path: Path) -> None:
        decnef_data.to_zarr(tree, tmp_path / "own.zarr", progress="none")
        found = xr.open_datatree(tmp_path / "own.zarr", engine="zarr", chunks=None)
        xr.testing.assert_identical(found.load(), tree)
        assert others(found) == {}


class TestResults:
    def test_those_of_an_analysis_are_text_or_numbers_and_netcdf_reads_them_back(
        self, images: xr.DataTree, tmp_path: Path
    ) -> None:
        bold = images["COI/bold"].to_dataset()
        labels = nib.Nifti1Image(np.arange(60).reshape(trees.SHAPE).astype("i2") % 4, trees.AFFINE)
        series = decnef_data.timeseries(bold, labels, names=["one", "two", "three"])
        cube = decnef_data.connectivity(series)
        for result in (series, cube, decnef_data.to_matrix(cube).to_dataset(name="matrix")):
            assert others(result) == {}
            result.to_zarr(tmp_path / "result.zarr", mode="w", consolidated=False)
            result.to_netcdf(tmp_path / "result.nc", engine="scipy")
            with xr.open_dataset(tmp_path / "result.nc", engine="scipy") as found:
                xr.testing.assert_identical(found.load(), result)
        assert cube.attrs == series.attrs == bold.attrs

    @pytest.mark.parametrize(("marks", "start"), [({}, ""), ({"synthetic": 1}, "SYNTHETIC ")])
    def test_the_header_of_an_image_says_synthetic_only_of_a_phantom(
        self, images: xr.DataTree, marks: dict[str, int], start: str
    ) -> None:
        bold = images["COI/bold"].to_dataset().assign_attrs(marks)
        header = decnef_data.to_nifti(bold, subject="sub-0001").header
        assert header["descrip"].item().decode() == f"{start}srpbs-open sub-0001 1"


class TestCopiesOfVersion010:
    """Version 0.1.0 saved lists, and ``synthetic`` as True or False."""

    @pytest.fixture
    def saved(self, images: xr.DataTree, tmp_path: Path) -> Path:
        old = {"synthetic": False, "citation": ["A. B. 2021", "C. D. 2022"], "source_versions": ["syn1.2"]}
        group = images["COI/bold"].to_dataset().assign_attrs(old)
        decnef_data.to_zarr(group, tmp_path / "saved.zarr", progress="none")
        return tmp_path / "saved.zarr"

    def test_are_cited(self, saved: Path) -> None:
        found = xr.open_zarr(saved, chunks=None)
        assert found.decnef.cite() == "A. B. 2021\n\nC. D. 2022"
        assert "Version syn1.2" in decnef_data.cite(found)

    def test_that_are_not_synthetic_are_not_marked_and_keep_their_terms(
        self, saved: Path, tmp_path: Path
    ) -> None:
        found = xr.open_zarr(saved, chunks=None)
        header = decnef_data.to_nifti(found, subject="sub-0001").header
        assert header["descrip"].item() == b"srpbs-open sub-0001 1"
        (tmp_path / "repository/.git").mkdir(parents=True)
        with pytest.raises(decnef_data.AccessError, match="do not permit"):
            decnef_data.to_zarr(found, tmp_path / "repository/copy.zarr", progress="none")
