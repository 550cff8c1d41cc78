"""The mean series of regions: exact, lazy by scan, on the grid of the scans or not at all."""

import pickle
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

import decnef_data
from decnef_data import SelectionError, timeseries
from decnef_data.analysis.regions import RegionVoxels
from decnef_data.arrays import stack_lazily
from tests import trees
from tests.analysis.slabs import RecordingSlab

LAW = settings(database=None, deadline=None, max_examples=60)
SCANS, TIMES, SPACE = 3, 45, (4, 5, 6)  # more volumes than are held at a time
AFFINE = np.array([[-3.0, 0, 0, 10], [0, 3, 0.1, -20], [0, 0, 4, -30], [0, 0, 0, 1]])


def bold_dataset(bold: Any, **coords: Any) -> xr.Dataset:
    named = {"subject": ("scan", [f"sub-{number:04d}" for number in range(1, SCANS + 1)])}
    affine = ("affine", (("scan", "row", "column"), np.stack([AFFINE] * SCANS)))
    variable = bold if isinstance(bold, xr.Variable) else (("scan", "time", "z", "y", "x"), bold)
    return xr.Dataset({"bold": variable}, {**named, **dict([affine]), **coords}, {"dataset": "srpbs-open"})


def atlas(labels: NDArray, affine: NDArray = AFFINE) -> nib.Nifti1Image:
    """An image of labels (z, y, x)."""
    return nib.Nifti1Image(labels.transpose(), affine, dtype=labels.dtype)


def means_by_mask(bold: NDArray, labels: NDArray) -> NDArray:
    """The same means, computed with one mask per label."""
    return np.stack(
        [bold[..., labels == label].mean(axis=-1, dtype=np.float64) for label in np.unique(labels) if label],
        axis=-1,
    )


@pytest.fixture(scope="module")
def bold() -> NDArray:
    return np.random.default_rng(1).integers(-500, 3000, (SCANS, TIMES, *SPACE), dtype="i2")


@pytest.fixture(scope="module")
def labels() -> NDArray:
    return np.random.default_rng(2).choice(np.array([0, 3, 7, 12, 140], "i2"), SPACE)


class TestValues:
    def test_they_are_exactly_the_means_by_label(self, bold: NDArray, labels: NDArray) -> None:
        found = timeseries(bold_dataset(bold), atlas(labels))
        series = found["timeseries"]
        assert (series.dims, series.dtype) == (("scan", "time", "roi"), np.dtype("f8"))
        assert np.array_equal(series.to_numpy(), means_by_mask(bold, labels))
        assert found["roi"].to_numpy().tolist() == found["label"].to_numpy().tolist() == [3, 7, 12, 140]
        assert found["n_voxels"].to_numpy().tolist() == [
            int((labels == one).sum()) for one in (3, 7, 12, 140)
        ]

    @pytest.mark.parametrize("dtype", ["u1", ">i2", "u2", "i4", "u4", "i8", "f4", ">f4", "f8"])
    def test_of_every_type_of_voxel(self, bold: NDArray, labels: NDArray, dtype: str) -> None:
        stored = np.abs(bold % 200).astype(dtype) + (0.25 if "f" in dtype else 0)
        found = timeseries(bold_dataset(stored.astype(dtype)), atlas(labels))["timeseries"].to_numpy()
        np.testing.assert_allclose(
            found, means_by_mask(stored, labels), rtol=1e-14 if dtype != "f4" else 1e-7
        )

    def test_the_scaling_of_each_scan_is_applied_once(self, bold: NDArray, labels: NDArray) -> None:
        slope, inter = np.array([1.0, 0.5, 3.0]), np.array([0.0, -4.0, 100.0])
        leaf = bold_dataset(bold, scl_slope=("scan", slope), scl_inter=("scan", inter))
        found = timeseries(leaf, atlas(labels))
        expected = means_by_mask(
            bold * slope[:, None, None, None, None] + inter[:, None, None, None, None], labels
        )
        np.testing.assert_allclose(found["timeseries"].to_numpy(), expected, rtol=1e-14)
        assert not {"scl_slope", "scl_inter"} & set(found.variables)

    @LAW
    @given(data=st.data())
    def test_whatever_the_labels_are(self, data: st.DataObject) -> None:
        labels = data.draw(arrays.arrays("i4", (2, 3, 4), elements=st.integers(-3, 5)))
        voxels = data.draw(arrays.arrays("i2", (2, 2, 3, 4)))
        if labels.any():
            found = RegionVoxels.from_labels(labels).means(voxels)
            assert np.array_equal(found, means_by_mask(voxels, labels), equal_nan=True)

    def test_a_missing_voxel_makes_its_region_missing(self, bold: NDArray, labels: NDArray) -> None:
        stored = bold.astype("f4")
        stored[1, 2].flat[int(np.flatnonzero(labels == 7)[0])] = np.nan
        found = timeseries(bold_dataset(stored), atlas(labels))["timeseries"].to_numpy()
        assert np.argwhere(np.isnan(found)).tolist() == [[1, 2, 1]]

    def test_nilearn_finds_the_same(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        maskers = pytest.importorskip("nilearn.maskers", reason="nilearn is not installed")
        monkeypatch.setenv("DECNEF_DATA_DIR", str(tmp_path / "cache"))
        decnef_data.adopt("srpbs-open", trees.srpbs_open(tmp_path / "own"), progress="none")
        leaf = decnef_data.fetch_dataset("srpbs-open", group="COI/bold", progress="none")
        labels = nib.Nifti1Image(trees.voxels(3, trees.SHAPE).astype("i2") % 6, trees.AFFINE)
        masker = maskers.NiftiLabelsMasker(labels, standardize=None, resampling_target=None)
        found = leaf.decnef.timeseries(labels)
        for place, subject in enumerate(("sub-0001", "sub-0002")):
            theirs = masker.fit_transform(leaf.decnef.to_nifti(subject=subject))
            np.testing.assert_allclose(found["timeseries"][place].to_numpy(), theirs, rtol=1e-6)  # float32


class TestLaziness:
    @pytest.fixture
    def scans(self, bold: NDArray) -> list[RecordingSlab]:
        return [RecordingSlab(one) for one in bold]

    @pytest.fixture
    def leaf(self, scans: list[RecordingSlab]) -> xr.Dataset:
        return bold_dataset(stack_lazily(scans, ("scan", "time", "z", "y", "x"), "i2", (TIMES, *SPACE)))

    def test_nothing_is_read_until_a_scan_is_asked_for(
        self, leaf: xr.Dataset, scans: list[RecordingSlab], bold: NDArray, labels: NDArray
    ) -> None:
        found = timeseries(leaf, atlas(labels))
        assert [one.read for one in scans] == [[], [], []]
        assert np.array_equal(found["timeseries"][1].to_numpy(), means_by_mask(bold[1], labels))
        assert [len(one.read) for one in scans] == [0, 3, 0]  # 45 volumes, 20 at a time

    def test_only_the_volumes_that_are_asked_for_are_read(
        self, leaf: xr.Dataset, scans: list[RecordingSlab], bold: NDArray, labels: NDArray
    ) -> None:
        found = timeseries(leaf, atlas(labels))["timeseries"]
        expected = means_by_mask(bold, labels)
        assert np.array_equal(found[0, 5].to_numpy(), expected[0, 5])
        assert np.array_equal(found[2, 3:9, 1].to_numpy(), expected[2, 3:9, 1])
        assert np.array_equal(found[1, [30, 2, 2], [3, 0]].to_numpy(), expected[1][[30, 2, 2]][:, [3, 0]])
        assert next(key[0] for one in scans for key in one.read) == slice(5, 6, 1)
        assert found[0, 5:5].to_numpy().shape == (0, 4)
        assert np.array_equal(found[0, ::-7].to_numpy(), expected[0, ::-7])

    def test_leaving_out_volumes_first_stays_lazy(
        self, leaf: xr.Dataset, scans: list[RecordingSlab], bold: NDArray, labels: NDArray
    ) -> None:
        found = timeseries(leaf.isel(time=slice(4, None)), atlas(labels))
        assert not any(one.read for one in scans)
        assert np.array_equal(found["timeseries"].to_numpy(), means_by_mask(bold[:, 4:], labels))

    def test_one_scan_alone_has_no_dimension_of_scans(
        self, leaf: xr.Dataset, scans: list[RecordingSlab], bold: NDArray, labels: NDArray
    ) -> None:
        found = timeseries(leaf.isel(scan=2), atlas(labels))
        assert not any(one.read for one in scans)
        assert found["timeseries"].dims == ("time", "roi")
        assert found["subject"].item() == "sub-0003"
        assert np.array_equal(found["timeseries"].to_numpy(), means_by_mask(bold[2], labels))

    def test_turned_dimensions_are_turned_back(
        self, leaf: xr.Dataset, bold: NDArray, labels: NDArray
    ) -> None:
        found = timeseries(leaf.transpose("x", "y", "z", "time", "scan", ...), atlas(labels))
        assert np.array_equal(found["timeseries"].to_numpy(), means_by_mask(bold, labels))

    def test_it_survives_a_pickle(self, bold: NDArray, labels: NDArray) -> None:
        again = pickle.loads(pickle.dumps(timeseries(bold_dataset(bold), atlas(labels))))
        assert np.array_equal(again["timeseries"].to_numpy(), means_by_mask(bold, labels))

    def test_chunks_of_dask_stay_chunks_of_dask(self, bold: NDArray, labels: NDArray) -> None:
        pytest.importorskip("dask")
        slope = ("scan", np.array([1.0, 0.5, 3.0]))
        for chunks in ({"scan": 1, "time": 20}, {"scan": 2, "time": 7, "z": 3, "x": 1}):
            chunked = bold_dataset(bold, scl_slope=slope).chunk(chunks)
            found = timeseries(chunked, atlas(labels))["timeseries"]
            assert found.chunks is not None
            assert found.chunks[0][0] == chunks["scan"]
            expected = timeseries(bold_dataset(bold, scl_slope=slope), atlas(labels))["timeseries"]
            assert np.array_equal(found.to_numpy(), expected.to_numpy())
            single = timeseries(chunked.isel(scan=1), atlas(labels))["timeseries"]
            assert np.array_equal(single.to_numpy(), expected[1].to_numpy())


class TestCoordinates:
    def test_those_of_the_scans_are_kept_and_those_of_voxels_are_not(
        self, bold: NDArray, labels: NDArray
    ) -> None:
        leaf = bold_dataset(bold, diagnosis=("scan", ["HC", "MDD", "HC"]), plane=("z", np.arange(SPACE[0])))
        found = timeseries(leaf, atlas(labels))
        assert set(map(str, found.coords)) == {"subject", "diagnosis", "roi", "label", "n_voxels"}
        assert found.attrs == {"dataset": "srpbs-open"}

    @pytest.mark.parametrize(
        "names", [["a", "b", "c", "d"], {7: "b", 3: "a", 140: "d", 12: "c", 0: "background"}]
    )
    def test_names_become_the_regions(self, bold: NDArray, labels: NDArray, names: Any) -> None:
        found = timeseries(bold_dataset(bold), atlas(labels), names=names)
        assert found["roi"].to_numpy().tolist() == ["a", "b", "c", "d"]
        assert found["label"].to_numpy().tolist() == [3, 7, 12, 140]
        assert np.array_equal(
            found["timeseries"].sel(roi="c").to_numpy(),
            means_by_mask(bold, np.where(labels == 12, 1, 0))[..., 0],
        )

    def test_names_that_do_not_fit_are_an_error(self, bold: NDArray, labels: NDArray) -> None:
        with pytest.raises(SelectionError) as caught:
            timeseries(bold_dataset(bold), atlas(labels), names={3: "a", 7: "b"})
        assert str(caught.value) == (
            "Label 12 of the image has no name. Name every label except 0, or omit names=."
        )
        with pytest.raises(SelectionError) as caught:
            timeseries(bold_dataset(bold), atlas(labels), names=["a"])
        assert str(caught.value) == (
            "The image has 4 labels, but 1 names were passed. "
            "Pass one name per label, in ascending order of the labels, or a mapping from label to name."
        )


class TestGrids:
    def test_another_shape_is_an_error_that_names_both(self, bold: NDArray, labels: NDArray) -> None:
        with pytest.raises(SelectionError) as caught:
            timeseries(bold_dataset(bold), atlas(labels[:3]))
        assert str(caught.value) == (
            "'in-memory image' (6 x 5 x 3 voxels of 3 x 3 x 4.001 mm, origin 10, -20, -30) is not on the grid of "
            "3 of the 3 scans, first that of 'sub-0001' (6 x 5 x 4 voxels of 3 x 3 x 4.001 mm, origin 10, -20, -30). "
            "Resample it to the scan with interpolation='nearest', or select scans that are on its grid."
        )

    def test_another_place_of_some_scans_is_an_error_that_counts_them(
        self, bold: NDArray, labels: NDArray
    ) -> None:
        leaf = bold_dataset(bold)
        leaf["affine"][1:, 0, 3] += np.array([2.5, 1.0])
        with pytest.raises(SelectionError) as caught:
            timeseries(leaf, atlas(labels))
        assert str(caught.value) == (
            "'in-memory image' (6 x 5 x 4 voxels of 3 x 3 x 4.001 mm, origin 10, -20, -30) is not on the grid of "
            "2 of the 3 scans, first that of 'sub-0002' "
            "(6 x 5 x 4 voxels of 3 x 3 x 4.001 mm, origin 12.5, -20, -30, up to 2.5 mm apart). "
            "Resample it to the scan with interpolation='nearest', or select scans that are on its grid."
        )
        kept = timeseries(leaf.isel(scan=[0]), atlas(labels))["timeseries"]
        assert np.array_equal(kept.to_numpy(), means_by_mask(bold[:1], labels))

    @pytest.mark.parametrize(
        "change", [np.diag([-1.0, 1, 1, 1]), np.eye(4)[[1, 0, 2, 3]], np.diag([1.01, 1, 1, 1])]
    )
    def test_a_flip_a_turn_and_a_zoom_are_other_places(
        self, bold: NDArray, labels: NDArray, change: NDArray
    ) -> None:
        with pytest.raises(SelectionError, match="is not on the grid of 3 of the 3 scans"):
            timeseries(bold_dataset(bold), atlas(labels, AFFINE @ change))

    def test_a_scan_that_states_no_place_lies_on_no_grid(self, bold: NDArray, labels: NDArray) -> None:
        leaf = bold_dataset(bold)
        leaf["affine"][2] = np.nan
        with pytest.raises(
            SelectionError, match="is not on the grid of 1 of the 3 scans, first that of 'sub-0003'"
        ):
            timeseries(leaf, atlas(labels))

    def test_rounding_is_no_other_place(self, bold: NDArray, labels: NDArray) -> None:
        moved = AFFINE.astype("f4").astype("f8")
        moved[:3, 3] += 0.001
        found = timeseries(bold_dataset(bold), atlas(labels, moved))["timeseries"]
        assert np.array_equal(found.to_numpy(), means_by_mask(bold, labels))


class TestLabels:
    def test_whole_numbers_kept_as_floats_are_labels(self, bold: NDArray, labels: NDArray) -> None:
        found = timeseries(bold_dataset(bold), atlas(labels.astype("f4")))
        assert np.array_equal(found["timeseries"].to_numpy(), means_by_mask(bold, labels))
        assert found["label"].dtype == np.dtype("i8")

    def test_nan_is_the_background(self, bold: NDArray, labels: NDArray) -> None:
        outside = np.where(labels == 0, np.nan, labels.astype("f4"))
        found = timeseries(bold_dataset(bold), atlas(outside))
        assert np.array_equal(found["timeseries"].to_numpy(), means_by_mask(bold, labels))

    @pytest.mark.parametrize(("wrong", "shown"), [(2.5, "2.5"), (np.inf, "inf")])
    def test_other_numbers_are_none(self, bold: NDArray, labels: NDArray, wrong: float, shown: str) -> None:
        weights = labels.astype("f4")
        weights[1, 2, 3] = wrong
        with pytest.raises(SelectionError) as caught:
            timeseries(bold_dataset(bold), atlas(weights))
        assert str(caught.value) == (
            f"'in-memory image' contains {shown}, which is not a label: labels are integers. "
            "Pass the original atlas, or resample it with interpolation='nearest'."
        )

    def test_a_selection_without_scans_is_an_error(self, bold: NDArray, labels: NDArray) -> None:
        none = bold_dataset(bold).isel(scan=slice(0))
        with pytest.raises(SelectionError) as caught:
            timeseries(none, atlas(labels))
        assert str(caught.value) == "This dataset has no scans. Select at least one."

    def test_an_image_without_regions_is_an_error(self, bold: NDArray, labels: NDArray) -> None:
        with pytest.raises(SelectionError) as caught:
            timeseries(bold_dataset(bold), atlas(labels * 0))
        assert str(caught.value) == (
            "'in-memory image' contains only the background label 0. Pass an image with labelled regions."
        )

    def test_a_t1_has_no_series(self, labels: NDArray) -> None:
        leaf = xr.Dataset(
            {"t1w": (("z", "y", "x"), np.zeros(SPACE))}, {"affine": (("row", "column"), AFFINE)}
        )
        with pytest.raises(SelectionError) as caught:
            timeseries(leaf, atlas(labels))
        assert str(caught.value) == (
            "This dataset has no 'bold' images. Fetch a group with images, such as group='COI/bold'."
        )
