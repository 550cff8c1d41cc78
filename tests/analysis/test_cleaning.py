"""Cleaning of series: nilearn's results, with the repetition time, confounds and volumes of each scan."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from decnef_data import FormatError, SelectionError, connectivity, timeseries
from tests import bold
from tests.bold import SCANS, SUBJECTS, TIMES, atlas, dataset

signal = pytest.importorskip("nilearn.signal", reason="nilearn is not installed")

LAW = settings(database=None, deadline=None, max_examples=40)
CONFOUNDS = ("trans_x", "csf", "framewise_displacement")
REPETITION_TIMES = (2.5, 2.0, 1.8)
BANDPASS = {"low_pass": 0.1, "high_pass": 0.01}


@pytest.fixture(scope="module")
def img() -> Any:
    return atlas(bold.labelled(3, 7, 12, 140))


@pytest.fixture(scope="module")
def confound() -> NDArray:
    """Values (scan, time, name) as fMRIPrep writes them: the first displacement is missing."""
    values = np.random.default_rng(3).normal(size=(SCANS, TIMES, len(CONFOUNDS)))
    values[..., 2] = np.abs(values[..., 2]) * 0.3
    values[:, 0, 2] = np.nan
    return values


@pytest.fixture(scope="module")
def leaf(voxels: NDArray, confound: NDArray) -> xr.Dataset:
    names = {"name": list(CONFOUNDS)}
    return dataset(voxels).assign(confound=(("scan", "time", "name"), confound)).assign_coords(names)


@pytest.fixture(scope="module")
def raw(leaf: xr.Dataset, img: Any) -> NDArray:
    values: NDArray = timeseries(leaf, img)["timeseries"].to_numpy()
    return values


class TestNilearn:
    @pytest.mark.parametrize(
        "options",
        [
            {},
            BANDPASS,
            {"high_pass": 0.01, "filter": "cosine"},
            {"standardize": "psc", "detrend": False},
            {"standardize": None, "detrend": True, "low_pass": 0.08},
            {**BANDPASS, "butterworth__order": 3},
        ],
    )
    @pytest.mark.parametrize("names", [None, ["trans_x", "csf"]])
    def test_the_series_are_those_of_nilearn_with_the_repetition_time_of_each_scan(
        self, leaf: xr.Dataset, img: Any, raw: NDArray, confound: NDArray, options: dict[str, Any], names: Any
    ) -> None:
        found = timeseries(leaf, img, clean=options, confounds=names)["timeseries"].to_numpy()
        for scan, seconds in enumerate(REPETITION_TIMES):
            regressors = None if names is None else confound[scan, :, :2]
            expected = signal.clean(raw[scan], confounds=regressors, t_r=seconds, **options)
            assert np.array_equal(found[scan], expected)
        assert not np.array_equal(found[0], raw[0])

    @pytest.mark.parametrize(("given", "passed"), [(True, "zscore_sample"), (False, None)])
    def test_booleans_of_standardize_are_what_nilearn_replaces_them_with(
        self, leaf: xr.Dataset, img: Any, raw: NDArray, given: bool, passed: str | None
    ) -> None:
        found = timeseries(leaf, img, clean={"standardize": given})["timeseries"].to_numpy()
        assert np.array_equal(found[0], signal.clean(raw[0], standardize=passed, t_r=2.5))

    @pytest.mark.parametrize("options", [{}, BANDPASS, {"high_pass": 0.01, "filter": "cosine"}])
    @pytest.mark.parametrize("removed", [[1, 2, 30], [5], [0, 1, 40], [58, 59], [0, 20, 57]])
    def test_of_the_volumes_that_are_kept(
        self,
        leaf: xr.Dataset,
        img: Any,
        raw: NDArray,
        confound: NDArray,
        options: dict[str, Any],
        removed: list[int],
    ) -> None:
        kept = np.ones(TIMES, bool)
        kept[removed] = False
        found = timeseries(
            leaf.assign_coords(kept=("time", kept)), img, confounds=["trans_x", "csf"], clean=options
        )
        for scan, seconds in enumerate(REPETITION_TIMES):
            expected = signal.clean(
                raw[scan],
                confounds=confound[scan, :, :2],
                sample_mask=np.flatnonzero(kept),
                t_r=seconds,
                **options,
            )
            series = found["timeseries"][scan].to_numpy()
            np.testing.assert_allclose(series[kept], expected, rtol=0, atol=1e-10)
            assert np.isnan(series[~kept]).all()

    @pytest.mark.parametrize("removed", [[5, TIMES - 6], [0, TIMES - 1], [2, 3]])
    def test_a_defect_of_nilearn_is_stated(self, leaf: xr.Dataset, img: Any, removed: list[int]) -> None:
        """nilearn does not interpolate a volume whose counterpart from the end is left out, too."""
        kept = np.ones((leaf.sizes["scan"], TIMES), bool)
        kept[0, removed] = False
        is_paired = bool((~kept & ~kept[:, ::-1]).any())
        dataset = leaf.assign_coords(kept=(("scan", "time"), kept))
        found = timeseries(dataset, img, clean=BANDPASS)["timeseries"]
        stated = (
            "before it filtered, nilearn did not interpolate all volumes that are left out, in 1 of "
            f"{len(kept)} scans: not those whose counterparts from the end of the run are left out, too"
        )
        assert found.attrs.get("comment", "") == (stated if is_paired else "")
        assert "comment" not in timeseries(dataset, img, clean={"detrend": True})["timeseries"].attrs

    @LAW
    @given(data=st.data())
    def test_whatever_is_left_out_the_result_is_that_of_nilearn(self, data: st.DataObject) -> None:
        from decnef_data.analysis.cleaning import Cleaning

        removed = data.draw(st.sets(st.integers(1, TIMES - 2), max_size=12))
        series = np.random.default_rng(data.draw(st.integers(0, 99))).normal(size=(TIMES, 2)).cumsum(axis=0)
        kept = np.array([volume not in removed for volume in range(TIMES)])
        found = Cleaning("'sub'", kept, None, dict(BANDPASS), 2.0).apply(series)
        mask = None if kept.all() else np.flatnonzero(kept)
        expected = signal.clean(series, sample_mask=mask, t_r=2.0, **BANDPASS)
        np.testing.assert_array_equal(found[kept], expected)

    def test_the_attribute_states_what_was_done(self, leaf: xr.Dataset, img: Any, tmp_path: Path) -> None:
        import nilearn

        found = timeseries(leaf, img, clean=BANDPASS, confounds=["csf"], max_fd=0.5)
        assert json.loads(found["timeseries"].attrs["cleaning"]) == {
            "nilearn.signal.clean": nilearn.__version__, **BANDPASS, "confounds": ["csf"],
        }  # fmt: skip
        assert "cleaning" not in timeseries(leaf, img)["timeseries"].attrs
        found.to_netcdf(tmp_path / "series.nc", engine="scipy")
        with xr.open_dataset(tmp_path / "series.nc", engine="scipy") as again:
            np.testing.assert_array_equal(again["timeseries"], found["timeseries"])

    def test_a_region_that_is_missing_stays_missing_and_leaves_the_others_alone(
        self, leaf: xr.Dataset, voxels: NDArray, img: Any, raw: NDArray
    ) -> None:
        found = timeseries(leaf, img, labels=[3, 5, 7, 12, 140], clean={**BANDPASS, "standardize": "psc"})
        series = found["timeseries"].to_numpy()
        assert np.isnan(series[..., 1]).all()
        expected = signal.clean(raw[0], t_r=2.5, **BANDPASS, standardize="psc")
        assert np.array_equal(series[0][:, [0, 2, 3, 4]], expected)

    def test_dask_a_pickle_and_one_scan_give_the_same(self, leaf: xr.Dataset, img: Any) -> None:
        pytest.importorskip("dask")
        options: dict[str, Any] = {"clean": BANDPASS, "confounds": ["csf"], "max_fd": 0.5}
        expected = timeseries(leaf, img, **options)
        for chunks in ({"scan": 1, "time": 20}, {"scan": 2, "x": 3}):
            found = timeseries(leaf.chunk(chunks), img, **options)
            assert found["timeseries"].chunks is not None
            xr.testing.assert_identical(found.compute(), expected.compute())
        xr.testing.assert_identical(pickle.loads(pickle.dumps(expected)).compute(), expected.compute())
        single = timeseries(leaf.isel(scan=1), img, **options)
        xr.testing.assert_identical(single.compute(), expected.isel(scan=1).compute())
        part = expected["timeseries"][2, [9, 3], 1:3].to_numpy()
        assert np.array_equal(part, expected["timeseries"].to_numpy()[2][[9, 3]][:, 1:3], equal_nan=True)


class TestConfounds:
    def test_at_least_one_is_named(self, leaf: xr.Dataset, img: Any) -> None:
        for group in (leaf, leaf.drop_vars("confound")):
            with pytest.raises(SelectionError) as caught:
                timeseries(group, img, confounds=[])
            assert str(caught.value) == (
                "confounds=[] names no confound. Name at least one, or omit confounds=."
            )

    def test_every_form_gives_the_same(
        self, leaf: xr.Dataset, img: Any, confound: NDArray, tmp_path: Path
    ) -> None:
        expected = timeseries(leaf, img, confounds=["trans_x", "csf"])["timeseries"].to_numpy()
        tables = [pd.DataFrame(values[:, :2], columns=list(CONFOUNDS[:2])) for values in confound]
        for subject, table in zip(SUBJECTS, tables, strict=True):
            table.to_csv(tmp_path / f"{subject}.tsv", sep="\t", index=False, na_rep="n/a")
        forms: list[Any] = [
            leaf["confound"].isel(name=[0, 1]),
            leaf["confound"].isel(name=[0, 1]).transpose("name", "time", "scan"),
            dict(zip(SUBJECTS, tables, strict=True)),
            {(subject, "COI", 1): table.to_numpy() for subject, table in zip(SUBJECTS, tables, strict=True)},
            {subject: tmp_path / f"{subject}.tsv" for subject in SUBJECTS},
        ]
        for form in forms:
            found = timeseries(leaf, img, confounds=form)["timeseries"].to_numpy()
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
        one = leaf.assign(motion=leaf["confound"].isel(name=0))
        np.testing.assert_array_equal(
            timeseries(one, img, confounds="motion")["timeseries"],
            timeseries(one, img, confounds=["trans_x"])["timeseries"],
        )
        np.testing.assert_array_equal(
            timeseries(one, img, confounds="confound")["timeseries"],
            timeseries(one, img, confounds=list(CONFOUNDS))["timeseries"],
        )

    def test_an_array_without_times_is_of_the_volumes_in_their_order(
        self, leaf: xr.Dataset, img: Any
    ) -> None:
        timed = leaf.assign_coords(time=np.arange(TIMES) * 2.5)
        bare = xr.DataArray(leaf["confound"].to_numpy()[..., :2], dims=("scan", "time", "name"))
        np.testing.assert_array_equal(
            timeseries(timed, img, confounds=bare)["timeseries"],
            timeseries(timed, img, confounds=["trans_x", "csf"])["timeseries"],
        )
        with pytest.raises(SelectionError) as caught:
            timeseries(timed, img, confounds=bare.assign_coords(time=np.arange(TIMES)))
        assert str(caught.value) == (
            "confounds= has other values of 'time' than the images. "
            "Select the same scans and volumes of both, in the same order."
        )

    def test_a_missing_first_value_is_the_second_as_in_nilearn(
        self, leaf: xr.Dataset, img: Any, raw: NDArray, confound: NDArray
    ) -> None:
        from nilearn.interfaces.fmriprep.load_confounds_utils import prepare_output

        found = timeseries(leaf, img, confounds=["framewise_displacement"])["timeseries"].to_numpy()
        _, table = prepare_output(
            pd.DataFrame(confound[0][:, [2]], columns=["framewise_displacement"]), demean=False
        )
        assert np.array_equal(found[0], signal.clean(raw[0], confounds=table.to_numpy(), t_r=2.5))

    def test_another_missing_value_is_an_error(self, leaf: xr.Dataset, img: Any) -> None:
        holed = leaf.copy(deep=True)
        holed["confound"][1, 7, 1] = np.nan
        with pytest.raises(SelectionError) as caught:
            timeseries(holed, img, confounds=["csf"])
        assert str(caught.value) == (
            "The confound 'csf' of 'sub-0002', session 'COI' has no value for volume 7. "
            "Omit this confound, or exclude this scan."
        )

    @pytest.mark.parametrize(
        ("form", "message"),
        [
            (
                ["csf", "gsr"],
                ("There is no confound 'gsr' for confounds=. This dataset has trans_x, csf, framewise_displacement; "
                "pass an array (scan, time, name), or a mapping from scan to table."),
            ),
            (
                {"sub-0001": np.zeros((TIMES, 2)), "sub-0002": np.zeros((TIMES - 1, 2)), "sub-0003": np.zeros(TIMES)},
                "confounds= has 59 rows for 'sub-0002', session 'COI', which has 60 volumes. Pass one row per volume.",
            ),
            (
                {subject: np.zeros((TIMES, 2, 2)) for subject in SUBJECTS},
                ("confounds= of 'sub-0001', session 'COI' has the shape (60, 2, 2). "
                "Pass one row per volume, and one column per name."),
            ),
            (
                {subject: pd.DataFrame({"word": ["x"] * TIMES}) for subject in SUBJECTS},
                ("confounds= of 'sub-0001', session 'COI' is not a table of numbers: could not convert string to float: "
                "'x'. Select numeric columns."),
            ),
            (
                xr.DataArray(np.zeros((SCANS, TIMES, 2, 2)), dims=("scan", "time", "one", "two")),
                ("confounds= has the dimensions (scan, time, one, two). "
                "Pass an array (scan, time), or (scan, time, name) for several columns."),
            ),
            (
                xr.DataArray(np.zeros((2, TIMES)), dims=("scan", "time")),
                ("confounds= has the length 2 along 'scan', the images have 3. "
                "Select the same scans and volumes of both."),
            ),
            (
                xr.DataArray(np.zeros((SCANS, TIMES)), {"subject": ("scan", SUBJECTS[::-1])}, ("scan", "time")),
                ("confounds= has other values of 'subject' than the images. "
                "Select the same scans and volumes of both, in the same order."),
            ),
        ],
    )  # fmt: skip
    def test_what_does_not_fit_is_an_error(self, leaf: xr.Dataset, img: Any, form: Any, message: str) -> None:
        with pytest.raises(SelectionError) as caught:
            timeseries(leaf, img, confounds=form)
        assert str(caught.value) == message

    def test_a_file_that_is_no_table_is_an_error(self, leaf: xr.Dataset, img: Any, tmp_path: Path) -> None:
        (tmp_path / "empty.tsv").write_text("")
        with pytest.raises(FormatError) as caught:
            timeseries(leaf, img, confounds=dict.fromkeys(SUBJECTS, os.fspath(tmp_path / "empty.tsv")))
        assert str(caught.value) == (
            "'empty.tsv' cannot be read as tab-separated values: No columns to parse from file. "
            "Pass a file such as fMRIPrep writes."
        )


class TestScrubbing:
    def test_volumes_above_the_limit_are_nan_and_marked(
        self, leaf: xr.Dataset, img: Any, raw: NDArray, confound: NDArray
    ) -> None:
        found = timeseries(leaf, img, max_fd=0.4)
        kept = ~(confound[..., 2] > 0.4)
        assert found["kept"].dims == ("scan", "time")
        assert np.array_equal(found["kept"], kept)
        assert found["n_kept"].to_numpy().tolist() == kept.sum(axis=1).tolist()
        assert len(set(kept.sum(axis=1).tolist())) > 1
        assert np.array_equal(found["timeseries"], np.where(kept[..., None], raw, np.nan), equal_nan=True)
        assert found["timeseries"].sizes["time"] == TIMES

    def test_every_form_of_the_displacement_gives_the_same(
        self, leaf: xr.Dataset, img: Any, confound: NDArray
    ) -> None:
        expected = timeseries(leaf, img, max_fd=0.4)
        displacement = confound[..., 2]
        forms: list[Any] = [
            "framewise_displacement",
            leaf["confound"].sel(name="framewise_displacement"),
            {subject: pd.Series(values) for subject, values in zip(SUBJECTS, displacement, strict=True)},
            {
                subject: pd.DataFrame(values, columns=list(CONFOUNDS))
                for subject, values in zip(SUBJECTS, confound, strict=True)
            },
        ]
        for form in forms:
            xr.testing.assert_identical(
                timeseries(leaf, img, fd=form, max_fd=0.4).compute(), expected.compute()
            )
        named = leaf.drop_vars("confound").assign_coords(fd=(("scan", "time"), displacement))
        found = timeseries(named, img, max_fd=0.4)
        xr.testing.assert_identical(found.drop_vars("fd").compute(), expected.compute())

    def test_volumes_that_were_left_out_before_stay_left_out(
        self, leaf: xr.Dataset, img: Any, confound: NDArray
    ) -> None:
        own = np.arange(TIMES) >= 4
        found = timeseries(leaf.assign_coords(kept=("time", own)), img, max_fd=0.4)
        assert found["kept"].dims == ("scan", "time")
        assert np.array_equal(found["kept"], own & ~(confound[..., 2] > 0.4))
        assert not np.array_equal(found["kept"][0], own)

    def test_connectivity_uses_the_kept_volumes_alone(self, leaf: xr.Dataset, img: Any) -> None:
        series = timeseries(leaf, img, max_fd=0.4, clean=BANDPASS, confounds=["csf"])
        cube = connectivity(series)
        column, row = np.triu_indices(4, k=1)
        for scan in range(SCANS):
            kept = series["timeseries"][scan].to_numpy()[series["kept"][scan].to_numpy()]
            assert 2 < len(kept) < TIMES
            expected = np.corrcoef(kept.T)[row, column]
            np.testing.assert_allclose(cube["fc"][scan], expected, rtol=0, atol=1e-13)
        assert cube["n_nan"].to_numpy().tolist() == [0] * SCANS
        assert "n_kept" in cube.coords
        assert "kept" not in cube.coords
        for other in (
            connectivity(series.chunk(scan=2)),
            pickle.loads(pickle.dumps(cube)),
            connectivity(series["timeseries"]),
        ):
            np.testing.assert_array_equal(other["fc"], cube["fc"])
            np.testing.assert_array_equal(other["n_nan"], cube["n_nan"])
        part = pickle.loads(pickle.dumps(cube.isel(scan=[2, 1])))
        np.testing.assert_array_equal(part["fc"], cube["fc"][[2, 1]])
        for single in (series.isel(scan=1), series.isel(scan=1).chunk()):
            np.testing.assert_array_equal(connectivity(single)["fc"], cube["fc"][1])
        np.testing.assert_array_equal(cube["fc"][[2, 0], 3].to_numpy(), cube["fc"].to_numpy()[[2, 0], 3])

    def test_a_volume_that_is_missing_for_another_reason_makes_its_edges_missing(
        self, leaf: xr.Dataset, img: Any
    ) -> None:
        series = timeseries(leaf, img, max_fd=0.4).compute()
        kept = int(np.flatnonzero(series["kept"][0])[3])
        series["timeseries"][0, kept, 2] = np.nan
        cube = connectivity(series)
        assert cube["n_nan"].to_numpy().tolist() == [1, 0, 0]

    @pytest.mark.parametrize("n_kept", [0, 1])
    @pytest.mark.parametrize("clean", [None, {"detrend": False, "standardize": None}])
    def test_a_scan_without_volumes_is_missing_and_the_others_are_not(
        self, leaf: xr.Dataset, img: Any, n_kept: int, clean: Any
    ) -> None:
        kept = np.ones((SCANS, TIMES), bool)
        kept[1, n_kept:] = False
        series = timeseries(leaf.assign_coords(kept=(("scan", "time"), kept)), img, clean=clean)
        for each in (series, series.chunk(scan=1)):
            cube = connectivity(each)
            assert np.isnan(cube["fc"]).any("edge").to_numpy().tolist() == [False, True, False]
            assert cube["n_nan"].to_numpy().tolist() == [0, 4, 0]
            assert cube["n_kept"].to_numpy().tolist() == [TIMES, n_kept, TIMES]

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"fd": "framewise_displacement"}, "fd= has no effect without a limit. Add max_fd=, such as max_fd=0.5 (mm)."),
            (
                {"max_fd": 0.5, "fd": dict.fromkeys(SUBJECTS, np.full(TIMES, np.nan))},
                ("The framewise displacement of 'sub-0001', session 'COI' is missing for 60 of 60 volumes. "
                "Exclude this scan, or pass fd= with its displacement."),
            ),
            (
                {"max_fd": 0.5, "fd": dict.fromkeys(SUBJECTS, np.zeros((TIMES, 2)))},
                ("fd= has 2 columns for 'sub-0001', session 'COI', but no 'framewise_displacement'. "
                "Pass one value per volume."),
            ),
        ],
    )  # fmt: skip
    def test_what_is_not_known_is_an_error(
        self, leaf: xr.Dataset, img: Any, options: Any, message: str
    ) -> None:
        with pytest.raises(SelectionError) as caught:
            timeseries(leaf, img, **options)
        assert str(caught.value) == message

    def test_a_dataset_without_displacement_is_an_error(self, leaf: xr.Dataset, img: Any) -> None:
        with pytest.raises(SelectionError) as caught:
            timeseries(leaf.drop_vars("confound"), img, max_fd=0.5)
        assert str(caught.value) == (
            "max_fd= needs the framewise displacement, and this dataset has no 'fd' and no 'confound'. "
            "Pass it as fd=, an array (scan, time) or a mapping from scan to series."
        )


class TestOptions:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"t_r": 2.0}, "clean= cannot contain 't_r', because the coordinate repetition_time states it. Omit 't_r'."),
            ({"sample_mask": [1]}, "clean= cannot contain 'sample_mask', because max_fd= states it. Omit 'sample_mask'."),
        ],
    )  # fmt: skip
    def test_what_is_stated_elsewhere_is_an_error(
        self, leaf: xr.Dataset, img: Any, options: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(SelectionError) as caught:
            timeseries(leaf, img, clean=options)
        assert str(caught.value) == message

    def test_an_unknown_option_is_an_error_that_lists_those_of_nilearn(
        self, leaf: xr.Dataset, img: Any
    ) -> None:
        with pytest.raises(SelectionError) as caught:
            timeseries(leaf, img, clean={"lowpass": 0.1})
        assert str(caught.value).startswith(
            "nilearn.signal.clean has no option 'lowpass' for clean=. Its options are "
        )
        assert {"low_pass", "high_pass", "standardize", "detrend"} <= set(caught.value.known)

    def test_what_nilearn_refuses_names_the_scan(self, leaf: xr.Dataset, img: Any) -> None:
        found = timeseries(leaf, img, clean={"low_pass": 0.01, "high_pass": 0.1})["timeseries"]
        with pytest.raises(SelectionError) as caught:
            found[1].to_numpy()
        assert str(caught.value).startswith(
            "nilearn cannot clean the series of 'sub-0002', session 'COI', with 60 volumes: "
        )
        assert str(caught.value).endswith(". Correct clean= or confounds=, or exclude this scan.")

    def test_a_filter_needs_the_repetition_time(self, leaf: xr.Dataset, img: Any, raw: NDArray) -> None:
        unknown = leaf.assign_coords(repetition_time=("scan", [2.5, np.nan, 1.8]))
        for options in (BANDPASS, {"filter": "cosine", "high_pass": 0.01}):
            with pytest.raises(SelectionError) as caught:
                timeseries(unknown, img, clean=options)
            assert str(caught.value) == (
                "A filter needs the repetition time, which is unknown for 1 of the 3 scans, first that of 'sub-0002', "
                "session 'COI'. Exclude these scans, or omit low_pass and high_pass."
            )
        without = timeseries(unknown.drop_vars("repetition_time"), img, clean={})["timeseries"].to_numpy()
        assert np.array_equal(without[1], signal.clean(raw[1], t_r=None))

    def test_every_second_volume_has_twice_the_repetition_time(
        self, leaf: xr.Dataset, img: Any, raw: NDArray
    ) -> None:
        half = timeseries(leaf.isel(time=slice(None, None, 2)), img, clean={"high_pass": 0.01})
        expected = signal.clean(raw[0][::2], high_pass=0.01, t_r=5.0)
        assert np.array_equal(half["timeseries"][0], expected)
        with pytest.raises(
            SelectionError, match="A filter needs the repetition time, which is unknown for 3 of the 3"
        ):
            timeseries(leaf.isel(time=[*range(30), *range(31, 60)]), img, clean=BANDPASS)


def test_without_nilearn_the_error_says_what_to_install(tmp_path: Path) -> None:
    script = """
import sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "nilearn":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
import importlib.util
real = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name == "nilearn" else real(name, package)
sys.meta_path.insert(0, Hidden())
import numpy as np
from tests import bold
import decnef_data
leaf, img = bold.dataset(bold.voxels(times=9)), bold.atlas(bold.labelled(3, 7))
class Masker:
    def fit(self): ...
    def transform(self, image): ...
print(decnef_data.timeseries(leaf, img)["timeseries"].shape)
for options in ({"clean": {}}, {"confounds": dict.fromkeys(bold.SUBJECTS, np.zeros(9))}, None):
    try:
        decnef_data.timeseries(leaf, *((img,) if options is not None else (Masker(),)), **(options or {}))
    except decnef_data.SelectionError as error:
        print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [
        "(3, 9, 2)",
        "clean= needs nilearn. Install it with: pip install 'decnef-data[analysis]'.",
        "confounds= needs nilearn. Install it with: pip install 'decnef-data[analysis]'.",
        "labels_img= needs nilearn. Install it with: pip install 'decnef-data[analysis]'.",
    ]
