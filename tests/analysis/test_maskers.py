"""Maskers of nilearn: what they return for the image of each scan, on one axis of regions."""

import pickle
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from numpy.typing import NDArray

from decnef_data import SelectionError, connectivity, timeseries, to_nifti
from tests import bold
from tests.bold import AFFINE, SCANS, SPACE, SUBJECTS, TIMES, atlas, dataset

maskers = pytest.importorskip("nilearn.maskers", reason="nilearn is not installed")

REPETITION_TIMES = (2.5, 2.0, 1.8)
NAMES = ["a", "b", "c", "d"]
LABELS = bold.labelled(3, 7, 12, 140)


@pytest.fixture(scope="module")
def leaf(voxels: NDArray) -> xr.Dataset:
    return dataset(voxels, scl_slope=("scan", [1.0, 0.5, 3.0]), scl_inter=("scan", [0.0, -4.0, 100.0]))


def inside() -> nib.Nifti1Image:
    """A mask of the voxels with a label."""
    return atlas((LABELS > 0).astype("u1"))


def make(kind: str, **options: Any) -> Any:
    """A masker that is not fitted."""
    match kind:
        case "labels":
            return maskers.NiftiLabelsMasker(
                atlas(LABELS), standardize=None, resampling_target=None, **{"labels": NAMES, **options}
            )
        case "maps":
            maps = np.random.default_rng(5).uniform(size=(3, *SPACE))
            return maskers.NiftiMapsMasker(atlas(maps), standardize=None, resampling_target=None, **options)
        case "spheres":
            seeds = [tuple(AFFINE[:3] @ [2, 2, 1, 1]), tuple(AFFINE[:3] @ [4, 3, 3, 1])]
            return maskers.NiftiSpheresMasker(seeds, radius=4, standardize=None, **options)
        case _:
            return maskers.NiftiMasker(inside(), standardize=None, **options)


KINDS = ("labels", "maps", "spheres", "voxels")


def theirs(masker: Any, leaf: xr.Dataset, scan: int, **options: Any) -> NDArray:
    """What the masker itself returns for the image of a scan."""
    masker.set_params(t_r=REPETITION_TIMES[scan])
    found: NDArray = masker.fit().transform(to_nifti(leaf, subject=SUBJECTS[scan]), **options)
    return found


class TestValues:
    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("options", [{}, {"low_pass": 0.1, "high_pass": 0.01, "detrend": True}])
    def test_they_are_those_of_the_masker_for_the_image_of_each_scan(
        self, leaf: xr.Dataset, kind: str, options: dict[str, Any]
    ) -> None:
        found = timeseries(leaf, make(kind, **options))["timeseries"]
        assert (found.dims, found.dtype) == (("scan", "time", "roi"), np.dtype("f8"))
        for scan in range(SCANS):
            np.testing.assert_array_equal(found[scan], theirs(make(kind, **options), leaf, scan))

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_fitted_masker_is_used_as_it_is_and_not_changed(self, leaf: xr.Dataset, kind: str) -> None:
        masker = make(kind, low_pass=0.1, t_r=9.0).fit()
        before = vars(masker).copy()
        found = timeseries(leaf, masker)["timeseries"].compute()
        assert vars(masker).keys() == before.keys()
        assert masker.t_r == 9.0
        np.testing.assert_array_equal(found[1], theirs(make(kind, low_pass=0.1), leaf, 1))
        unfitted = make(kind)
        timeseries(leaf, unfitted)["timeseries"].compute()
        assert not unfitted.__sklearn_is_fitted__()

    def test_confounds_and_kept_volumes_are_passed_on(self, leaf: xr.Dataset) -> None:
        rng = np.random.default_rng(4)
        tables = {
            subject: pd.DataFrame(rng.normal(size=(TIMES, 2)), columns=["csf", "wm"]) for subject in SUBJECTS
        }
        fd = dict.fromkeys(SUBJECTS, np.where(np.isin(np.arange(TIMES), [3, 30]), 0.9, 0.1))
        options = {"high_pass": 0.01, "detrend": True}
        found = timeseries(leaf, make("labels", **options), confounds=tables, fd=fd, max_fd=0.5)
        kept = found["kept"][0].to_numpy()
        assert np.flatnonzero(~kept).tolist() == [3, 30]
        for scan, subject in enumerate(SUBJECTS):
            expected = theirs(
                make("labels", **options),
                leaf,
                scan,
                confounds=tables[subject],
                sample_mask=np.flatnonzero(kept),
            )
            np.testing.assert_array_equal(found["timeseries"][scan][kept], expected)
            assert np.isnan(found["timeseries"][scan][~kept]).all()

    def test_our_means_are_those_of_its_labels(self, voxels: NDArray) -> None:
        found = timeseries(dataset(voxels), make("labels"))
        ours = timeseries(dataset(voxels), atlas(LABELS), names=NAMES)
        np.testing.assert_allclose(found["timeseries"], ours["timeseries"], rtol=1e-6)  # to_nifti keeps int16
        assert found["roi"].to_numpy().tolist() == ours["roi"].to_numpy().tolist() == NAMES
        assert found["label"].to_numpy().tolist() == ours["label"].to_numpy().tolist()

    def test_a_crop_stays_where_it_is(self, leaf: xr.Dataset) -> None:
        crop = leaf.assign_coords(x=np.arange(SPACE[2])).isel(x=slice(4, 0, -1))
        masker = maskers.NiftiSpheresMasker([tuple(AFFINE[:3] @ [2, 2, 1, 1])], radius=4, standardize=None)
        np.testing.assert_allclose(
            timeseries(crop, masker)["timeseries"], timeseries(leaf, masker)["timeseries"], rtol=1e-6
        )


class TestAxis:
    def test_names_of_the_masker_or_given_or_labels(self, leaf: xr.Dataset) -> None:
        assert timeseries(leaf, make("labels"))["roi"].to_numpy().tolist() == NAMES
        assert timeseries(leaf, make("labels", labels=None))["roi"].to_numpy().tolist() == [3, 7, 12, 140]
        assert timeseries(leaf, make("maps"))["roi"].to_numpy().tolist() == [1, 2, 3]
        assert timeseries(leaf, make("maps"), names=["x", "y", "z"])["roi"].to_numpy().tolist() == [
            "x",
            "y",
            "z",
        ]
        names = {12: "l", 3: "i", 7: "j", 140: "m"}
        assert timeseries(leaf, make("labels"), names=names)["roi"].to_numpy().tolist() == [
            "i",
            "j",
            "l",
            "m",
        ]
        found = timeseries(leaf, make("labels"))
        assert set(map(str, found.coords)) == {
            "subject", "session", "run", "repetition_time", "volume", "roi", "label",
        }  # fmt: skip
        assert (
            found["timeseries"].attrs["long_name"]
            == "BOLD signal of each region, extracted by NiftiLabelsMasker"
        )

    def test_labels_choose_columns(self, leaf: xr.Dataset) -> None:
        found = timeseries(leaf, make("labels"), labels=[140, 5, 3], names=["d", "absent", "a"])
        complete = timeseries(leaf, make("labels"))["timeseries"]
        np.testing.assert_array_equal(found["timeseries"][..., [0, 2]], complete[..., [3, 0]])
        assert np.isnan(found["timeseries"][..., 1]).all()

    def test_regions_that_the_masker_loses_in_a_scan_keep_their_place(self, voxels: NDArray) -> None:
        """Resampling labels to each scan loses other regions in each of them."""
        regions = np.zeros(SPACE, "i2")
        regions[:, :, 0], regions[:, :, 1:5], regions[:, :, 5] = 3, 7, 12
        moved = np.stack([AFFINE] * SCANS)
        for scan, step in enumerate((0, 1, -1)):
            moved[scan, :3, 3] += step * AFFINE[:3, 0]  # one voxel along x: an outer region is outside
        leaf = dataset(voxels).assign_coords(affine=(("scan", "row", "column"), moved))
        masker = maskers.NiftiLabelsMasker(
            atlas(regions), labels=["left", "middle", "right"], standardize=None
        )
        series = timeseries(leaf, masker)
        with pytest.warns(UserWarning, match="Resampling|removed"):
            found = series["timeseries"].to_numpy()
        assert np.isnan(found).all(axis=1).tolist() == [
            [False] * 3,
            [True, False, False],
            [False, False, True],
        ]
        for scan, places in ((1, slice(3, 4)), (2, slice(2, 5))):
            assert places
            inside_scan = np.zeros(SPACE, "i2")
            step = {1: 1, 2: -1}[scan]
            inside_scan[:, :, max(0, -step) : SPACE[2] - max(0, step)] = regions[
                :, :, max(0, step) : SPACE[2] + min(0, step)
            ]
            for place, label in enumerate((3, 7, 12)):
                if (inside_scan == label).any():
                    np.testing.assert_allclose(
                        found[scan, :, place], bold.mean_of(voxels[scan], inside_scan, label), rtol=1e-6
                    )


class TestLaziness:
    def test_nothing_is_read_until_a_scan_is_asked_for(self, leaf: xr.Dataset, voxels: NDArray) -> None:
        from decnef_data.arrays import stack_lazily
        from tests.analysis.slabs import RecordingSlab

        slabs = [RecordingSlab(one) for one in voxels]
        lazy = stack_lazily(slabs, ("scan", "time", "z", "y", "x"), "i2", (TIMES, *SPACE))
        found = timeseries(leaf.assign(bold=lazy), make("labels"))
        cube = connectivity(found)
        assert [one.read for one in slabs] == [[], [], []]
        np.testing.assert_array_equal(found["timeseries"][1], theirs(make("labels"), leaf, 1))
        assert [len(one.read) for one in slabs] == [0, 1, 0]
        assert cube["fc"][2].shape == (6,)

    def test_dask_a_pickle_and_one_scan_give_the_same(self, leaf: xr.Dataset) -> None:
        pytest.importorskip("dask")
        masker = make("labels", low_pass=0.1)
        expected = timeseries(leaf, masker)
        for chunks in ({"scan": 1, "time": 20}, {"scan": 2, "x": 3}):
            found = timeseries(leaf.chunk(chunks), masker)
            assert found["timeseries"].chunks is not None
            xr.testing.assert_identical(found.compute(), expected.compute())
        xr.testing.assert_identical(pickle.loads(pickle.dumps(expected)).compute(), expected.compute())
        xr.testing.assert_identical(
            timeseries(leaf.isel(scan=1), masker).compute(), expected.isel(scan=1).compute()
        )


class TestErrors:
    def test_a_masker_that_needs_images_has_to_be_fitted_first(self, leaf: xr.Dataset) -> None:
        with pytest.raises(SelectionError) as caught:
            timeseries(leaf, maskers.NiftiMasker(standardize=None))
        assert str(caught.value).startswith("This NiftiMasker cannot be fitted without images: ")
        assert str(caught.value).endswith(
            ". Fit it first, or give it a mask or an atlas, so that all scans have the same regions."
        )

    def test_it_cleans_itself(self, leaf: xr.Dataset) -> None:
        with pytest.raises(SelectionError) as caught:
            timeseries(leaf, make("labels"), clean={"low_pass": 0.1})
        assert str(caught.value) == (
            "clean= cannot be used with a masker, which cleans the series. Set the parameters of the masker."
        )

    def test_a_filter_needs_a_repetition_time_of_the_scan_or_the_masker(self, leaf: xr.Dataset) -> None:
        unknown = leaf.drop_vars("repetition_time")
        with pytest.raises(
            SelectionError, match="which is unknown for 3 of the 3 scans, first that of 'sub-0001'"
        ):
            timeseries(unknown, make("labels", low_pass=0.1))
        found = timeseries(unknown, make("labels", low_pass=0.1, t_r=2.0))["timeseries"]
        np.testing.assert_array_equal(found[1], theirs(make("labels", low_pass=0.1), leaf, 1))

    def test_an_image_that_it_refuses_names_the_scan(self, leaf: xr.Dataset) -> None:
        elsewhere = leaf.copy(deep=True)
        elsewhere["affine"][1, 0, 3] += 50
        found = timeseries(elsewhere, make("labels"))["timeseries"]
        assert np.isfinite(found[0]).all()
        with pytest.raises(SelectionError) as caught:
            found[1].to_numpy()
        assert str(caught.value).startswith(
            "NiftiLabelsMasker cannot transform the scan 'sub-0002', session 'COI': "
        )
        assert str(caught.value).endswith(". Change the masker, or exclude this scan.")

    def test_anything_that_transforms_an_image_is_a_masker(self, leaf: xr.Dataset) -> None:
        class Mean:
            def fit(self) -> "Mean":
                return self

            def transform(self, image: Any) -> NDArray:
                values = np.asarray(image.dataobj)
                return np.stack([values.mean(axis=(0, 1, 2)), values.max(axis=(0, 1, 2))], axis=-1)

        found = timeseries(leaf, Mean())["timeseries"]
        assert found.shape == (SCANS, TIMES, 2)
        np.testing.assert_array_equal(found[2], Mean().transform(to_nifti(leaf, subject="sub-0003")))
