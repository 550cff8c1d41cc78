"""An image per scan on one axis of regions, maps of weights, and regions that a scan does not have."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from decnef_data import SelectionError, connectivity, timeseries, to_matrix
from decnef_data.analysis.regions import RegionVoxels, RegionWeights
from decnef_data.analysis.scan_keys import find_value, format_scan, scan_keys
from tests import bold
from tests.bold import AFFINE, SCANS, SPACE, SUBJECTS, atlas, dataset, mean_of

LAW = settings(database=None, deadline=None, max_examples=40)
#: Each of the first two people has lost another region; the third has all.
OF_EACH = ((3, 7, 12), (3, 12, 140), (3, 7, 12, 140))


@pytest.fixture(scope="module")
def labels() -> list[NDArray]:
    return [bold.labelled(*numbers, seed=number) for number, numbers in enumerate(OF_EACH)]


def expected_series(voxels: NDArray, labels: list[NDArray], axis: tuple[int, ...]) -> NDArray:
    series = np.full((len(voxels), voxels.shape[1], len(axis)), np.nan)
    for scan, (values, own) in enumerate(zip(voxels, labels, strict=True)):
        for place, label in enumerate(axis):
            if (own == label).any():
                series[scan, :, place] = mean_of(values, own, label)
    return series


class TestImagePerScan:
    @pytest.mark.parametrize(
        "key",
        [
            lambda subject: subject,
            lambda subject: (subject, "COI"),
            lambda subject: (subject, "COI", 1),
        ],
    )
    def test_a_mapping_by_subject_session_and_run(
        self, voxels: NDArray, labels: list[NDArray], key: Callable[[str], Any]
    ) -> None:
        images = {key(subject): atlas(own) for subject, own in zip(SUBJECTS, labels, strict=True)}
        found = timeseries(dataset(voxels), {**images, "sub-0009": "not read"})
        axis = (3, 7, 12, 140)
        assert found["roi"].to_numpy().tolist() == found["label"].to_numpy().tolist() == list(axis)
        assert np.array_equal(
            found["timeseries"].to_numpy(), expected_series(voxels, labels, axis), equal_nan=True
        )
        counts = [[int((own == label).sum()) for label in axis] for own in labels]
        assert found["n_voxels"].dims == ("scan", "roi")
        assert found["n_voxels"].to_numpy().tolist() == counts
        assert counts[0][3] == counts[1][1] == 0

    def test_a_function_of_a_scan(self, voxels: NDArray, labels: list[NDArray], tmp_path: Path) -> None:
        for subject, own in zip(SUBJECTS, labels, strict=True):
            nib.save(atlas(own), tmp_path / f"{subject}.nii.gz")
        seen = []

        def find(scan: xr.Dataset) -> Path:
            seen.append((scan["session"].item(), "scan" in scan.dims, scan["bold"].dims))
            return tmp_path / f"{scan['subject'].item()}.nii.gz"

        found = timeseries(dataset(voxels), find)
        assert seen == [("COI", False, ("time", "z", "y", "x"))] * SCANS
        in_memory = dict(zip(SUBJECTS, map(atlas, labels), strict=True))
        xr.testing.assert_identical(found, timeseries(dataset(voxels), in_memory))

    def test_each_scan_may_have_its_own_grid(self, voxels: NDArray, labels: list[NDArray]) -> None:
        moved = np.stack([AFFINE] * SCANS)
        moved[:, :3, 3] += np.outer(range(SCANS), [1, 2, 3])
        leaf = dataset(voxels).assign_coords(affine=(("scan", "row", "column"), moved))
        images = {
            subject: atlas(own, affine) for subject, own, affine in zip(SUBJECTS, labels, moved, strict=True)
        }
        axis = (3, 7, 12, 140)
        assert np.array_equal(
            timeseries(leaf, images)["timeseries"].to_numpy(),
            expected_series(voxels, labels, axis),
            equal_nan=True,
        )
        with pytest.raises(SelectionError) as caught:
            timeseries(leaf, {**images, "sub-0002": images["sub-0001"]})
        assert str(caught.value) == (
            "'in-memory image' (6 x 5 x 4 voxels of 3 x 3 x 4.001 mm, origin 10, -20, -30) is not on the grid of "
            "1 of the 1 scans, first that of 'sub-0002' "
            "(6 x 5 x 4 voxels of 3 x 3 x 4.001 mm, origin 11, -18, -27, up to 3.74 mm apart). "
            "Resample it to the scan with interpolation='nearest', or select scans that are on its grid."
        )

    def test_one_image_of_several_scans_is_read_once(
        self, voxels: NDArray, labels: list[NDArray], tmp_path: Path
    ) -> None:
        path = tmp_path / "atlas.nii"
        nib.save(atlas(labels[2]), path)
        found = timeseries(dataset(voxels), lambda _: Path(path))
        slabs = found["timeseries"].variable._data.array.slabs  # type: ignore[union-attr]
        assert len({id(slab.signals.regions) for slab in slabs}) == 1

    def test_one_scan_alone(self, voxels: NDArray, labels: list[NDArray]) -> None:
        single = timeseries(dataset(voxels).isel(scan=1), {"sub-0002": atlas(labels[1])}, labels=[7, 3])
        assert single["timeseries"].dims == ("time", "roi")
        assert single["n_voxels"].to_numpy().tolist() == [0, int((labels[1] == 3).sum())]
        assert np.array_equal(single["timeseries"][:, 1].to_numpy(), mean_of(voxels[1], labels[1], 3))

    def test_dask_and_a_pickle_give_the_same(self, voxels: NDArray, labels: list[NDArray]) -> None:
        pytest.importorskip("dask")
        images = dict(zip(SUBJECTS, map(atlas, labels), strict=True))
        expected = timeseries(dataset(voxels), images).compute()
        for chunks in ({"scan": 1, "time": 20}, {"scan": 2, "x": 3}):
            found = timeseries(dataset(voxels).chunk(chunks), images)
            assert found["timeseries"].chunks is not None
            xr.testing.assert_identical(found.compute(), expected)
        xr.testing.assert_identical(pickle.loads(pickle.dumps(timeseries(dataset(voxels), images))), expected)
        single, in_memory = (
            timeseries(leaf.isel(scan=0), images)["timeseries"]
            for leaf in (dataset(voxels).chunk(), dataset(voxels))
        )
        xr.testing.assert_identical(single.compute(), in_memory.compute())


class TestWhatIsMissing:
    def test_a_scan_without_an_image(self, voxels: NDArray, labels: list[NDArray]) -> None:
        with pytest.raises(SelectionError) as caught:
            timeseries(dataset(voxels), {"sub-0001": atlas(labels[0])})
        assert str(caught.value) == (
            "labels_img= has no value for 'sub-0002', session 'COI'. "
            "Add the key 'sub-0002', ('sub-0002', 'COI') or ('sub-0002', 'COI', 1)."
        )

    def test_what_is_no_image(self, voxels: NDArray) -> None:
        with pytest.raises(SelectionError) as caught:
            timeseries(dataset(voxels), lambda _: None)
        assert str(caught.value) == (
            "The value of labels_img= for 'sub-0001', session 'COI' is neither a path nor a nibabel image. "
            "Use a path, or an image of nibabel."
        )

    def test_labels_beside_maps(self, voxels: NDArray, labels: list[NDArray]) -> None:
        images = [atlas(labels[0]), atlas(np.ones((2, *SPACE))), atlas(labels[2])]
        with pytest.raises(SelectionError) as caught:
            timeseries(dataset(voxels), dict(zip(SUBJECTS, images, strict=True)))
        assert str(caught.value) == (
            "Some scans have a label image and others have maps. Use images of one kind for all scans."
        )

    def test_labels_that_no_image_has(self, voxels: NDArray, labels: list[NDArray]) -> None:
        with pytest.raises(SelectionError) as caught:
            timeseries(dataset(voxels), atlas(labels[2]), labels=[4, 5])
        assert str(caught.value) == (
            "None of the labels 4, 5 is in the images. Use some of their labels: 3, 7, 12, 140."
        )

    def test_a_label_without_a_name(self, voxels: NDArray, labels: list[NDArray]) -> None:
        images = dict(zip(SUBJECTS, map(atlas, labels), strict=True))
        with pytest.raises(SelectionError) as caught:
            timeseries(dataset(voxels), images, names={3: "a", 7: "b", 12: "c"})
        assert str(caught.value) == (
            "Label 140 of the image has no name. Name every label except 0, or omit names=."
        )


class TestOneAxis:
    def test_labels_state_the_axis_and_its_order(self, voxels: NDArray, labels: list[NDArray]) -> None:
        found = timeseries(dataset(voxels), atlas(labels[0]), labels=[140, 7, 3], names=["d", "b", "a"])
        assert found["label"].to_numpy().tolist() == [140, 7, 3]
        assert found["roi"].to_numpy().tolist() == ["d", "b", "a"]
        assert found["n_voxels"].dims == ("roi",)
        assert found["n_voxels"].to_numpy().tolist() == [0, (labels[0] == 7).sum(), (labels[0] == 3).sum()]
        expected = expected_series(voxels, [labels[0]] * SCANS, (140, 7, 3))
        assert np.array_equal(found["timeseries"].to_numpy(), expected, equal_nan=True)

    def test_names_by_label_state_the_axis_too(self, voxels: NDArray, labels: list[NDArray]) -> None:
        names = {140: "d", 3: "a", 7: "b", 12: "c", 0: "background"}
        alone = [timeseries(dataset(voxels), atlas(own), names=names) for own in labels]
        assert [each["roi"].to_numpy().tolist() for each in alone] == [["a", "b", "c", "d"]] * SCANS
        assert [each["n_voxels"].to_numpy().tolist().index(0) for each in alone[:2]] == [3, 1]

    def test_a_region_outside_of_a_crop_stays_on_the_axis(self, voxels: NDArray) -> None:
        labels = np.zeros(SPACE, "i2")
        labels[:, :, 0], labels[:, :, 3], labels[:, :, 4] = 3, 7, 12
        crop = dataset(voxels).assign_coords(x=np.arange(SPACE[2])).isel(x=slice(1, 5))
        found = timeseries(crop, atlas(labels), names=["left", "middle", "right"])
        assert found["roi"].to_numpy().tolist() == ["left", "middle", "right"]
        assert found["n_voxels"].to_numpy().tolist() == [0, 20, 20]
        expected = expected_series(voxels, [labels] * SCANS, (3, 7, 12))
        expected[..., 0] = np.nan
        assert np.array_equal(found["timeseries"].to_numpy(), expected, equal_nan=True)

    @LAW
    @given(
        lost=st.lists(st.sets(st.sampled_from([3, 7, 12, 140]), max_size=3), min_size=SCANS, max_size=SCANS)
    )
    def test_whatever_regions_are_lost_no_edge_moves(self, lost: list[set[int]]) -> None:
        """Two people who each lost another region share the edges of the regions that both have."""
        values, complete = bold.voxels(times=8), bold.labelled(3, 7, 12, 140)
        own = [np.where(np.isin(complete, list(absent)), 0, complete) for absent in lost]
        images = dict(zip(SUBJECTS, map(atlas, own), strict=True))
        names = {3: "a", 7: "b", 12: "c", 140: "d"}
        found = connectivity(timeseries(dataset(values), images, names=names))
        matrices = to_matrix(found).to_numpy()
        for scan, absent in enumerate(lost):
            series = [mean_of(values[scan], complete, label) for label in (3, 7, 12, 140)]
            expected = np.corrcoef(series)
            gone = [place for place, label in enumerate((3, 7, 12, 140)) if label in absent]
            expected[gone] = expected[:, gone] = np.nan
            np.fill_diagonal(expected, 1)
            np.testing.assert_allclose(matrices[scan], expected, rtol=0, atol=1e-12)
            assert found["n_nan"][scan] == len(gone)

    def test_two_people_who_lost_other_regions_are_not_joined_edge_to_wrong_edge(
        self, voxels: NDArray, labels: list[NDArray]
    ) -> None:
        images = dict(zip(SUBJECTS[:2], map(atlas, labels[:2]), strict=True))
        cube = connectivity(timeseries(dataset(voxels).isel(scan=[0, 1]), images))
        edges = list(zip(cube["roi_a"].to_numpy().tolist(), cube["roi_b"].to_numpy().tolist(), strict=True))
        for scan, own in enumerate(labels[:2]):
            for place, (one, other) in enumerate(edges):
                found = float(cube["fc"][scan, place])
                if (own == one).any() and (own == other).any():
                    series = [mean_of(voxels[scan], own, label) for label in (one, other)]
                    assert found == pytest.approx(np.corrcoef(series)[0, 1], abs=1e-12)
                else:
                    assert np.isnan(found)
        assert cube["n_nan"].to_numpy().tolist() == [1, 1]
        assert "n_voxels" not in cube.variables


class TestMaps:
    @pytest.fixture
    def maps(self) -> NDArray:
        weights = np.random.default_rng(5).uniform(size=(3, *SPACE)).astype("f4")
        weights[weights < 0.4] = 0
        return weights

    def test_the_signal_is_the_weighted_mean(self, voxels: NDArray, maps: NDArray) -> None:
        found = timeseries(dataset(voxels), atlas(maps), names=["a", "b", "c"])
        expected = np.stack(
            [
                np.average(
                    voxels.reshape(SCANS, -1, maps[0].size), axis=-1, weights=each.reshape(-1).astype("f8")
                )
                for each in maps
            ],
            axis=-1,
        )
        np.testing.assert_allclose(found["timeseries"].to_numpy(), expected, rtol=1e-13)
        assert found["label"].to_numpy().tolist() == [1, 2, 3]
        assert found["n_voxels"].to_numpy().tolist() == [int((each > 0).sum()) for each in maps]
        assert found["timeseries"].attrs["long_name"] == (
            "mean BOLD signal of each region, weighted by its map: sum(weight * signal) / sum(weight)"
        )

    def test_of_maps_that_are_0_or_1_it_is_the_mean_of_labels(self, voxels: NDArray) -> None:
        labels = bold.labelled(1, 2, 3)
        maps = np.stack([labels == label for label in (1, 2, 3)]).astype("u1")
        np.testing.assert_allclose(
            timeseries(dataset(voxels), atlas(maps))["timeseries"],
            timeseries(dataset(voxels), atlas(labels))["timeseries"],
            rtol=1e-14,
        )

    def test_nan_is_outside_and_missing_voxels_matter_where_they_have_a_weight(
        self, voxels: NDArray, maps: NDArray
    ) -> None:
        stored = voxels.astype("f4")
        inside = tuple(np.argwhere((maps[1] > 0) & (maps[0] == 0))[0])
        stored[(0, 4, *inside)] = np.nan
        outside = np.where(maps == 0, np.nan, maps)
        found = timeseries(dataset(stored), atlas(outside))["timeseries"].to_numpy()
        assert {place[2] for place in np.argwhere(np.isnan(found)).tolist()} == {1} | (
            {2} if maps[2][inside] else set()
        )
        expected = timeseries(dataset(stored), atlas(maps))["timeseries"].to_numpy()
        assert np.array_equal(found, expected, equal_nan=True)

    def test_an_empty_map_and_a_chosen_axis(self, voxels: NDArray, maps: NDArray) -> None:
        empty = np.concatenate([maps, np.zeros((1, *SPACE), "f4")])
        found = timeseries(dataset(voxels), atlas(empty))
        assert found["n_voxels"].to_numpy()[3] == 0
        assert np.isnan(found["timeseries"][..., 3]).all()
        chosen = timeseries(dataset(voxels), atlas(empty), labels=[4, 2, 9])
        assert np.isnan(chosen["timeseries"][..., [0, 2]]).all()
        np.testing.assert_array_equal(chosen["timeseries"][..., 1], found["timeseries"][..., 1])

    def test_on_a_crop_the_weights_are_those_of_its_voxels(self, voxels: NDArray, maps: NDArray) -> None:
        crop = dataset(voxels).assign_coords(x=np.arange(SPACE[2])).isel(x=slice(5, 1, -1))
        found = timeseries(crop, atlas(maps))["timeseries"].to_numpy()
        inside = maps[..., 2:6].astype("f8")
        expected = np.einsum("stzyx,mzyx->stm", voxels[..., 2:6].astype("f8"), inside) / inside.sum(
            axis=(1, 2, 3)
        )
        np.testing.assert_allclose(found, expected, rtol=1e-13)

    @pytest.mark.parametrize(("wrong", "shown"), [(-0.5, "-0.5"), (np.inf, "inf")])
    def test_what_is_no_weight_is_an_error(
        self, voxels: NDArray, maps: NDArray, wrong: float, shown: str
    ) -> None:
        bad = maps.copy()
        bad[1, 0, 0, 0] = wrong
        with pytest.raises(SelectionError) as caught:
            timeseries(dataset(voxels), atlas(bad))
        assert str(caught.value) == (
            f"Map 2 of 'in-memory image' contains {shown}, which is not a weight: weights are finite and not "
            "negative. Pass nilearn's NiftiMapsMasker, which fits such maps by least squares."
        )

    def test_maps_on_another_grid_are_resampled_otherwise(self, voxels: NDArray, maps: NDArray) -> None:
        with pytest.raises(
            SelectionError, match="Resample it to the scan with interpolation='continuous', or"
        ):
            timeseries(dataset(voxels), atlas(maps, np.eye(4)))


class TestRooms:
    @LAW
    @given(chosen=st.lists(st.integers(1, 9), unique=True, min_size=1))
    def test_regions_on_an_axis_are_those_of_their_labels(self, chosen: list[int]) -> None:
        labels = bold.labelled(1, 2, 5, 7)
        volume = np.random.default_rng(3).normal(size=SPACE)
        for regions in (
            RegionVoxels.from_labels(labels),
            RegionWeights.from_maps([(labels == label) * 1.0 for label in range(1, 8)]),
        ):
            found = regions.with_labels(np.array(chosen))
            expected = [
                volume[labels == label].mean() if (labels == label).any() else np.nan for label in chosen
            ]
            np.testing.assert_allclose(found.means(volume), expected, rtol=1e-12)
            assert found.counts.tolist() == [int((labels == label).sum()) for label in chosen]

    def test_the_most_exact_key_wins(self) -> None:
        values = {"sub": 1, ("sub", "COI"): 2, ("sub", "COI", 3): 3}
        keys = [("sub", "COI", 3), ("sub", "COI", 1), ("sub", "SWA", 3)]
        assert [find_value(values, key, "fd") for key in keys] == [3, 2, 1]

    def test_scans_without_sessions_and_runs(self) -> None:
        found = scan_keys(xr.Dataset(coords={"subject": ("scan", ["a", "b"])}))
        assert found == [("a", "", 1), ("b", "", 1)]
        assert [format_scan(key) for key in (found[0], ("a", "COI", 2))] == [
            "'a'",
            "'a', session 'COI', run 2",
        ]
