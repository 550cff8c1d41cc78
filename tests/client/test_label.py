"""Values computed elsewhere under the labels of a dataset: whose they are, their forms, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import decnef_data
from decnef_data import SelectionError
from tests import trees

#: What the small tree has, whose headers state no repetition time, and what it has not.
pytestmark = pytest.mark.filterwarnings("ignore:'srpbs-open':decnef_data.DecnefDataWarning")
PAIR = ("sub-0002", "sub-0007")
CODED = ("diagnosis", "sex", "handedness", "site")
SERIES = np.random.default_rng(5).normal(size=(2, 12, 4))
MATRICES = np.stack([np.corrcoef(series.T) for series in SERIES])


@pytest.fixture(autouse=True)
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DECNEF_DATA_DIR", str(tmp_path / "cache"))
    tree = trees.srpbs_open(tmp_path / "own")
    decnef_data.adopt("srpbs-open", tree, progress="none")
    return tree


def label(values: Any, *, subject: Any = PAIR, **arguments: Any) -> xr.Dataset:
    return decnef_data.label(values, "srpbs-open", subject=subject, **arguments)


def refused(values: Any, **arguments: Any) -> str:
    with pytest.raises(SelectionError) as error:
        label(values, **arguments)
    return str(error.value)


class TestCoordinates:
    def test_names_values_and_types_are_those_of_the_data(self) -> None:
        images = decnef_data.fetch_dataset("srpbs-open", progress="none")
        of_images = {"affine", "field_maps", "qform_code", "sform_code", "n_volumes", "n_dummies_removed"}
        for subject, group in (("sub-0002", "COI/bold"), ("sub-0007", "KUT/bold")):
            leaf = images[group].to_dataset()
            (place,) = np.flatnonzero(leaf.subject == subject)
            expected = leaf.isel(scan=[place])
            found = label([0.5], subject=[subject])
            names = [name for name in expected.coords if expected[name].dims[:1] == ("scan",)]
            shared = [name for name in names if name not in of_images]
            assert {
                "site",
                "institute",
                "diagnosis",
                "age",
                "mean_fd",
                "sup2_bdi_ii",
                "repetition_time",
            } <= set(shared)
            assert list(found.coords) == shared
            assert [name for name in shared if not expected[name].variable.equals(found[name].variable)] == []
            assert [found[name].dtype for name in shared] == [expected[name].dtype for name in shared]
            described = [name for name in shared if name != "mean_fd"]  # it counts the scans of the leaf
            assert [found[name].attrs for name in described] == [expected[name].attrs for name in described]

    def test_attributes_are_those_of_the_data(self) -> None:
        data = decnef_data.fetch_dataset("srpbs-open", group="COI/bold", progress="none")
        assert label([1, 2]).attrs == data.attrs

    def test_the_order_is_that_of_the_values(self) -> None:
        found = label([7.0, 2.0], subject=["sub-0007", "sub-0002"])
        assert found.subject.to_numpy().tolist() == ["sub-0007", "sub-0002"]
        assert found.site.to_numpy().tolist() == ["KUT", "COI"]
        assert found.value.to_numpy().tolist() == [7.0, 2.0]

    @pytest.mark.parametrize("subject", ["sub-0002", "SUB-0002", "sub-2", "0002", "2", " sub-0002 "])
    def test_ids_are_compared_as_those_of_tables_are(self, subject: str) -> None:
        assert label(0.5, subject=subject).subject.item() == "sub-0002"

    def test_a_participant_without_images_has_labels_too(self) -> None:
        assert label(0.5, subject="sub-0008").site.item() == "KUT"

    def test_one_scan_has_no_dimension_of_scans(self) -> None:
        found = label(SERIES[0], subject="sub-0002")
        assert found.timeseries.dims == ("time", "roi")
        assert found.diagnosis.dims == ()
        assert found.diagnosis.item() == "MDD"

    def test_the_synthetic_data_mark_the_result(self, phantom_dir: Path) -> None:
        found = decnef_data.label(
            [1, 2], "srpbs-open", subject=["sub-0872", "sub-1132"], mirror="phantom", data_dir=phantom_dir
        )
        assert found.attrs["synthetic"] == 1
        assert found.attrs["title"].startswith("SYNTHETIC ")

    def test_without_a_copy_nothing_is_downloaded(self) -> None:
        with pytest.raises(SelectionError, match="There is no complete local copy of 'srpbs-1600'"):
            decnef_data.label([1], "srpbs-1600", subject=["sub-0001"])


class TestIds:
    def test_an_unknown_one(self) -> None:
        assert refused([1, 2], subject=["sub-0002", "sub-9999"]) == (
            "There is no participant 'sub-9999' in 'srpbs-open'. Run `decnef_data.participants('srpbs-open')` to list all "
            "participants."
        )

    @pytest.mark.parametrize("subject", ["", " ", "sub-"])
    def test_a_blank_one(self, subject: str) -> None:
        assert refused([1], subject=[subject]).startswith(
            f"There is no participant '{subject}' in 'srpbs-open'."
        )

    def test_one_of_another_dataset(self) -> None:
        subject = "uto-99-0027"  # of srpbs-fc
        assert refused([1], subject=[subject]).startswith(
            f"There is no participant '{subject}' in 'srpbs-open'."
        )

    @pytest.mark.parametrize("second", ["sub-0002", "sub-2"])
    def test_one_that_occurs_twice(self, second: str) -> None:
        assert refused([1, 2, 3], subject=["sub-0002", "sub-0001", second]) == (
            "'sub-0002/run-1' occurs twice, for scans 1 and 3. Pass every subject, session and run once."
        )

    def test_a_run_that_is_not_there(self) -> None:
        assert refused([1, 2], run=[1, 2]) == (
            "'sub-0007' has no run 2 in 'srpbs-open', only 1. Correct run=."
        )

    @pytest.mark.parametrize(("name", "given"), [("session", ["", "", ""]), ("run", [1])])
    def test_as_many_sessions_and_runs_as_subjects(self, name: str, given: list[Any]) -> None:
        assert refused([1, 2], **{name: given}) == (
            f"{name}= has {len(given)} entries, but subject= has 2. Pass one for each scan, or one for all."
        )

    def test_nobody(self) -> None:
        assert refused([], subject=[]) == (
            "There is no subject. Pass the id of one subject, or one for each scan."
        )

    def test_a_group_of_images(self) -> None:
        with pytest.raises(SelectionError) as error:
            decnef_data.label([1], "srpbs-open/COI", subject=["sub-0001"])
        assert str(error.value) == (
            "'COI' is a group of 'srpbs-open', but participants are those of all groups. "
            "Pass 'srpbs-open', and select groups of the result."
        )


class TestTravelingSubjects:
    @pytest.fixture(autouse=True)
    def _phantom(self, phantom_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DECNEF_DATA_DIR", str(phantom_dir))

    @staticmethod
    def label(values: Any, **arguments: Any) -> xr.Dataset:
        return decnef_data.label(values, "srpbs-ts", mirror="phantom", **arguments)

    def test_sessions_are_named_with_or_without_their_prefix(self) -> None:
        found = self.label(
            [1, 2, 3], subject=["sub-01"] * 3, session=["siteATTd1", "ATTd2", "SWA"], run=[1, 1, 3]
        )
        assert found.session.to_numpy().tolist() == ["siteATTd1", "siteATTd2", "siteSWA"]
        assert found.site.to_numpy().tolist() == ["ATT", "ATT", "SWA"]
        assert found.run.to_numpy().tolist() == [1, 1, 3]

    def test_a_session_is_needed_where_there_are_several(self) -> None:
        with pytest.raises(SelectionError) as error:
            self.label([1], subject=["sub-01"])
        assert str(error.value) == (
            "'sub-01' has several sessions in 'srpbs-ts': 'siteATTd1', 'siteATTd2', 'siteATTd3', 'siteATTd4', "
            "'siteATTd5', 'siteATV', 'siteCOI', 'siteHKH', 'siteHUH', 'siteKPM', 'siteKUS', 'siteKUT', "
            "'siteSWA', 'siteUTO', 'siteYC1', 'siteYC2'. Pass one of them with session=."
        )

    def test_a_session_that_is_not_there(self) -> None:
        with pytest.raises(
            SelectionError, match="'sub-01' has no session 'siteCIN' in 'srpbs-ts': 'siteATTd1'"
        ):
            self.label([1], subject=["sub-01"], session="siteCIN")

    def test_one_session_for_all(self) -> None:
        found = self.label([1, 2], subject=["sub-01", "sub-02"], session="siteSWA")
        assert found.session.to_numpy().tolist() == ["siteSWA", "siteSWA"]


class TestMatricesOfTheRelease:
    """srpbs-fc has ids of its own, for the rows of its matrices."""

    IDS = ("uto-99-0027", "uto-99-0001")

    @pytest.fixture(autouse=True)
    def _phantom(self, phantom_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DECNEF_DATA_DIR", str(phantom_dir))

    def test_the_group_is_found_by_the_ids(self) -> None:
        found = decnef_data.label([0.5, 0.25], "srpbs-fc", subject=self.IDS, mirror="phantom")
        cube = decnef_data.fetch_dataset("srpbs-fc", group="bal140", subjects=self.IDS, mirror="phantom")
        expected = cube.sel(subject=list(self.IDS))
        names = [name for name in expected.coords if expected[name].dims == ("subject",)]
        assert found.value.dims == ("subject",)
        assert set(found.coords) == set(names)
        assert [name for name in names if not expected[name].variable.equals(found[name].variable)] == []
        of_matrices = {"atlas", "nan_rows", "out_of_range", *(f"unknown_{name}_codes" for name in CODED)}
        assert found.attrs == {
            name: value for name, value in expected.attrs.items() if name not in of_matrices
        }

    def test_an_unknown_id(self) -> None:
        with pytest.raises(SelectionError) as error:
            decnef_data.label([1, 2], "srpbs-fc/bal140", subject=[self.IDS[0], "sub-0001"], mirror="phantom")
        assert str(error.value) == (
            "There is no participant 'sub-0001' in the group 'bal140' of 'srpbs-fc'. Run "
            "`decnef_data.participants('srpbs-fc')` to list all participants."
        )

    def test_an_id_that_occurs_twice(self) -> None:
        with pytest.raises(SelectionError) as error:
            decnef_data.label([1, 2], "srpbs-fc", subject=[self.IDS[0]] * 2, mirror="phantom")
        assert str(error.value) == f"'{self.IDS[0]}' occurs twice. Pass every subject once."

    def test_there_are_no_sessions(self) -> None:
        with pytest.raises(SelectionError) as error:
            decnef_data.label([1], "srpbs-fc", subject=self.IDS[:1], session="SWA", mirror="phantom")
        assert str(error.value) == "'srpbs-fc' has neither sessions nor runs. Leave out session= and run=."


class TestMatrices:
    def test_they_become_edges_in_the_order_of_the_release(self) -> None:
        found = label(MATRICES)
        assert found.fc.dims == ("scan", "edge")
        series = xr.DataArray(SERIES, dims=("scan", "time", "roi"))
        ours = decnef_data.connectivity(series)
        np.testing.assert_allclose(found.fc, ours.fc, rtol=0, atol=1e-14)
        for name in ("roi_a", "roi_b"):
            assert found[name].variable.equals(ours[name].variable)
        column_major = MATRICES[0].T[np.triu(np.ones((4, 4), bool), 1)]
        np.testing.assert_array_equal(found.fc[0], column_major)

    def test_they_become_matrices_again(self) -> None:
        again = decnef_data.to_matrix(label(MATRICES))
        np.testing.assert_allclose(again, MATRICES, rtol=0, atol=1e-14)
        assert again.site.to_numpy().tolist() == ["COI", "KUT"]

    @pytest.mark.parametrize("values", [list(MATRICES), MATRICES.tolist(), MATRICES.astype("f4")])
    def test_lists_and_types(self, values: Any) -> None:
        found = label(values, dims=["roi", "roi_2"])
        np.testing.assert_allclose(found.fc, label(MATRICES).fc, atol=1e-7)
        assert found.fc.dtype == np.asarray(values).dtype

    def test_names_of_regions_are_kept(self) -> None:
        names = ["a", "b", "c", "d"]
        array = xr.DataArray(
            MATRICES, dims=("scan", "roi", "roi_2"), coords={"roi": names, "roi_2": names}, name="pcorr"
        )
        found = label(array)
        assert found.roi_a.to_numpy().tolist() == ["a", "a", "a", "b", "b", "c"]
        np.testing.assert_array_equal(decnef_data.to_matrix(found).sel(roi="d", roi_2="b"), MATRICES[:, 3, 1])

    def test_names_of_rows_and_columns_agree(self) -> None:
        coords = {"roi": ["a", "b", "c", "d"], "roi_2": ["b", "a", "c", "d"]}
        array = xr.DataArray(MATRICES, dims=("scan", "roi", "roi_2"), coords=coords)
        assert refused(array) == (
            "The rows and columns of the matrices have different names. Sort both alike."
        )

    def test_the_result_of_this_package_is_labelled_as_it_is(self) -> None:
        ours = decnef_data.connectivity(xr.DataArray(SERIES, dims=("scan", "time", "roi")))
        found = label(ours)
        np.testing.assert_array_equal(found.fc, ours.fc)
        assert found.roi_a.variable.equals(ours.roi_a.variable)
        assert found.n_nan.to_numpy().tolist() == [0, 0]
        assert decnef_data.to_matrix(found).shape == (2, 4, 4)

    def test_edges_are_named_on_request_alone(self) -> None:
        edges = label(MATRICES).fc.to_numpy()
        found = label(edges, dims="edge")
        np.testing.assert_allclose(decnef_data.to_matrix(found), MATRICES, atol=1e-14)
        assert refused(edges) == (
            "It is not certain what the dimensions (6,) of each scan are. "
            'Name them, such as with dims=["time", "roi"], dims=["roi", "roi_2"] or dims=["edge"].'
        )

    def test_a_number_that_is_none_of_edges(self) -> None:
        assert refused(np.zeros((2, 7)), dims="edge") == (
            "7 is not a number of edges: n regions have n * (n - 1) / 2. Pass complete rows of edges."
        )

    def test_one_that_is_not_symmetric(self) -> None:
        matrices = MATRICES.copy()
        matrices[1, 0, 2] += 0.01
        message = (
            "The matrix of scan 2 of 2 is not symmetric, so that edges would lose half of it. "
            "Use other names of dimensions to keep it, such as dims=['source', 'target']."
        )
        assert refused(matrices, dims=["roi", "roi_2"]) == message
        assert refused(matrices).startswith("It is not certain what the dimensions (4, 4) of each scan are.")
        assert label(matrices, dims=["source", "target"]).value.dims == ("scan", "source", "target")

    def test_rounding_is_not_an_asymmetry(self) -> None:
        noise = np.random.default_rng(1).normal(scale=1e-12, size=MATRICES.shape)
        assert label(MATRICES + noise).fc.dims == ("scan", "edge")

    def test_a_region_without_signal(self) -> None:
        matrices = MATRICES.copy()
        matrices[0, 2] = matrices[0, :, 2] = np.nan
        assert np.isnan(label(matrices).fc.to_numpy()).sum() == 3

    @pytest.mark.parametrize("diagonal", [1.0, 0.0, np.inf, np.nan])
    def test_a_diagonal_without_information(self, diagonal: float) -> None:
        matrices = MATRICES.copy()
        matrices[:, range(4), range(4)] = diagonal
        assert label(matrices).fc.shape == (2, 6)

    def test_a_diagonal_that_edges_would_lose(self) -> None:
        covariances = np.stack([np.cov(series.T) for series in SERIES])
        assert refused(covariances) == (
            "The diagonals of the matrices are neither 1 nor 0, so that edges alone would lose them. "
            "Use other names of dimensions to keep the matrices, such as dims=['source', 'target']."
        )

    def test_one_that_is_not_square(self) -> None:
        assert refused(np.zeros((2, 3, 4)), dims=["roi", "roi_2"]) == (
            "The matrices have 3 rows and 4 columns. Pass square matrices."
        )

    def test_matrices_of_nilearn(self) -> None:
        connectome = pytest.importorskip("nilearn.connectome")
        measure = connectome.ConnectivityMeasure(kind="correlation", standardize="zscore_sample")
        theirs = measure.fit_transform(list(SERIES))
        np.testing.assert_allclose(decnef_data.to_matrix(label(theirs)), theirs, atol=1e-12)


class TestSeriesAndMeasures:
    def test_series_are_correlated_by_this_package(self) -> None:
        found = label(SERIES)
        assert found.timeseries.dims == ("scan", "time", "roi")
        cube = found.decnef.connectivity()
        np.testing.assert_allclose(cube.fc, label(MATRICES).fc, atol=1e-14)
        assert cube.diagnosis.to_numpy().tolist() == found.diagnosis.to_numpy().tolist()

    def test_square_series_are_not_taken_for_matrices(self) -> None:
        assert refused(SERIES[:, :4]).startswith(
            "It is not certain what the dimensions (4, 4) of each scan are."
        )
        assert label(SERIES[:, :4], dims=["time", "roi"]).timeseries.shape == (2, 4, 4)

    def test_columns_of_a_table_become_variables(self) -> None:
        table = pd.DataFrame({"gradient": [0.5, 0.25], "n": [3, 4], "rater": ["A", None], "x": [1, None]})
        found = label(table)
        assert {name: found[name].dtype.kind for name in found.data_vars} == {
            "gradient": "f", "n": "i", "rater": "U", "x": "f",
        }  # fmt: skip
        assert found.rater.to_numpy().tolist() == ["A", ""]
        assert found.gradient.dims == ("scan",)

    def test_the_index_of_a_table_names_its_subjects(self) -> None:
        table = pd.DataFrame({"gradient": [0.5, 0.25]}, index=["sub-0007", "sub-0002"])
        assert refused(table) == (
            "The values of 'sub-0002' are those of 'sub-0007' by the index of the table. "
            "Pass the subjects in the order of the values."
        )
        assert label(table.iloc[::-1]).gradient.to_numpy().tolist() == [0.25, 0.5]

    def test_a_column_of_subjects_is_compared(self) -> None:
        table = pd.DataFrame({"subject": ["sub-2", "sub-7"], "gradient": [0.5, 0.25]})
        assert label(table).subject.to_numpy().tolist() == ["sub-0002", "sub-0007"]
        assert "by the column 'subject'" in refused(table.iloc[::-1])

    def test_a_column_is_not_a_coordinate(self) -> None:
        assert refused(pd.DataFrame({"age": [1, 2]})) == (
            "The values have a variable 'age', which is a coordinate of the dataset. Rename it."
        )

    def test_a_column_that_is_there_twice(self) -> None:
        assert refused(pd.DataFrame([[1, 2], [3, 4]], columns=["a", "a"])) == (
            "The table has the column 'a' twice. Rename one of them."
        )

    def test_a_coordinate_of_subjects_is_compared(self) -> None:
        array = xr.DataArray([1.0, 2.0], dims="subject", coords={"subject": ["sub-0007", "sub-0002"]})
        assert refused(array) == (
            "The values of 'sub-0002' are those of 'sub-0007' by the coordinate 'subject'. "
            "Pass the subjects in the order of the values."
        )
        assert label(array[::-1]).value.to_numpy().tolist() == [2.0, 1.0]

    def test_one_subject_of_all_scans_is_compared(self) -> None:
        array = xr.DataArray([1.0, 2.0], dims="scan", coords={"subject": "sub-0002"})
        assert refused(array) == (
            "The values of 'sub-0007' are those of 'sub-0002' by the coordinate 'subject'. "
            "Pass the subjects in the order of the values."
        )

    def test_coordinates_that_differ_are_refused(self) -> None:
        array = xr.DataArray([1.0, 2.0], dims="scan", coords={"site": ("scan", ["SWA", "KUT"])})
        assert refused(array) == (
            "The coordinate 'site' of the values differs from that of the dataset. "
            "Remove it with values.drop_vars('site')."
        )
        assert label(array.assign_coords(site=("scan", ["COI", "KUT"]))).value.to_numpy().tolist() == [
            1.0,
            2.0,
        ]

    def test_one_scan_of_the_data_has_its_labels_already(self) -> None:
        leaf = decnef_data.fetch_dataset("srpbs-open", group="COI/bold", progress="none")
        scan = leaf.bold.mean("time").isel(scan=1)
        found = label(scan, subject="sub-0002")
        np.testing.assert_array_equal(found.bold, scan)
        assert found.site.item() == "COI"
        assert refused(scan, subject="sub-0001").startswith(
            "The values of 'sub-0001' are those of 'sub-0002'"
        )

    def test_other_coordinates_and_attributes_are_kept(self) -> None:
        array = xr.DataArray(
            np.ones((2, 3)), dims=("scan", "band"), coords={"band": ["slow4", "slow5", "all"]}, name="alff",
            attrs={"units": "1"},
        )  # fmt: skip
        found = label(array)
        assert found.alff.band.to_numpy().tolist() == ["slow4", "slow5", "all"]
        assert found.alff.attrs == {"units": "1"}

    def test_dask_stays_lazy(self) -> None:
        dask_array = pytest.importorskip("dask.array")
        found = label(dask_array.from_array(SERIES, chunks=(1, -1, -1)))
        assert found.timeseries.chunks is not None
        np.testing.assert_array_equal(found.timeseries, SERIES)


class TestWhatDoesNotFit:
    def test_another_number_of_values(self) -> None:
        assert refused([1, 2, 3]) == (
            "The values have 3 entries along their first axis, but there are 2 subjects. "
            "Pass one of each per scan, in the same order."
        )
        assert refused(pd.DataFrame({"a": [1]})) == (
            "The values have 1 rows, but there are 2 subjects. Pass one of each per scan, in the same order."
        )
        assert refused(xr.DataArray([1, 2, 3], dims="scan")).startswith(
            "The values have 3 positions along 'scan'"
        )

    def test_arrays_of_several_shapes(self) -> None:
        assert refused([np.zeros((4, 2)), np.zeros((5, 2))]) == (
            "The arrays have different shapes ((4, 2), (5, 2)). Label those of one shape at a time."
        )

    @pytest.mark.parametrize("dims", [["time"], ["time", "time"], ["scan", "roi"], ["time", "roi", "x"]])
    def test_other_numbers_of_dimensions(self, dims: list[str]) -> None:
        assert refused(SERIES, dims=dims) == (
            f"dims={dims} does not name the 2 dimensions of each scan, of the shape (12, 4). "
            "Pass one name for each, without the dimension of the scans."
        )

    def test_names_for_what_has_names(self) -> None:
        array = xr.DataArray(SERIES, dims=("scan", "time", "roi"))
        assert refused(array, dims=["time", "roi"]) == (
            "dims= is for arrays without names, and a DataArray has names. Rename its dimensions instead."
        )

    def test_xarray_data_without_scans(self) -> None:
        assert refused(xr.DataArray(SERIES, dims=("case", "time", "roi"))) == (
            "The values have no dimension 'scan' (case, time, roi). "
            "Rename the dimension of the scans, such as with values.rename(case='scan')."
        )

    def test_what_is_neither_a_number_nor_text(self) -> None:
        assert refused([{"a": 1}, {"b": 2}]) == (
            "'value' has values of the type 'object'. Convert them to numbers or text."
        )
