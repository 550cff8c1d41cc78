"""Selected voxels stay where they are in space, and selected volumes when they were."""

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import decnef_data
from decnef_data import SelectionError, timeseries, to_nifti
from decnef_data.formats import nifti
from tests import trees

LAW = settings(database=None, deadline=None, max_examples=80)
SPACE = {"x": 7, "y": 6, "z": 5}
TIMES, REPETITION_TIME = 9, 2.5
AFFINE = np.array([[-3.0, 0.2, 0, 10], [0.1, 3, 0.1, -20], [0, 0.3, 4, -30], [0, 0, 0, 1]])


def scan_of(**coords: Any) -> xr.Dataset:
    """One scan whose voxels are their own positions in a complete volume."""
    x, y, z, time = np.indices((*SPACE.values(), TIMES))
    values = (((time * 10 + z) * 10 + y) * 10 + x).transpose(3, 2, 1, 0)
    numbers = {name: np.arange(length, dtype="i4") for name, length in SPACE.items()}
    return xr.Dataset(
        {"bold": (("time", "z", "y", "x"), values.astype("i2"))},
        {
            **numbers,
            "volume": ("time", np.arange(TIMES, dtype="i4")),
            "time": np.arange(TIMES) * REPETITION_TIME,
            "affine": (("row", "column"), AFFINE),
            "repetition_time": REPETITION_TIME,
            **coords,
        },
    )


def places(image: nib.Nifti1Image) -> NDArray:
    """The place in millimetres of every voxel of an image of one volume."""
    indices = np.indices(image.shape[:3]).reshape(3, -1)
    return nib.affines.apply_affine(image.affine, indices.T)


def true_places(image: nib.Nifti1Image) -> NDArray:
    """The same, from the positions in the complete volume that the values of the first volume are."""
    values = np.asarray(image.dataobj)[..., 0].reshape(-1).astype(int)
    return nib.affines.apply_affine(
        AFFINE, np.stack([values % 10, values // 10 % 10, values // 100 % 10], -1)
    )


class TestSpace:
    @LAW
    @given(slices=st.fixed_dictionaries({dim: st.slices(length) for dim, length in SPACE.items()}))
    def test_every_voxel_of_a_slice_keeps_its_place(self, slices: dict[str, slice]) -> None:
        selected = scan_of().isel(slices)
        if 0 in selected.sizes.values():
            with pytest.raises(
                SelectionError, match=r"^No voxels are selected along '[xyz]'\. Select at least"
            ):
                to_nifti(selected)
            return
        found = to_nifti(selected)
        np.testing.assert_allclose(places(found), true_places(found), atol=1e-9)

    def test_a_selection_of_a_selection_and_by_number(self) -> None:
        found = to_nifti(scan_of().isel(x=slice(6, 0, -1)).isel(x=slice(1, None, 2)).sel(z=slice(1, 3)))
        assert found.shape == (3, 6, 3, TIMES)
        np.testing.assert_allclose(places(found), true_places(found), atol=1e-9)

    @pytest.mark.parametrize(
        ("positions", "numbers"),
        [([0, 1, 3], "0, 1, 3"), ([0, 1, 2, 3, 4, 6], "0, 1, 2, 3, 4, …"), ([2, 2], "2, 2")],
    )
    def test_other_steps_are_an_error_that_says_what_to_do(self, positions: list[int], numbers: str) -> None:
        with pytest.raises(SelectionError) as caught:
            to_nifti(scan_of().isel(x=positions))
        assert str(caught.value) == (
            f"The voxels along 'x' are not equidistant: their numbers are {numbers}. "
            "Select them with a slice, such as isel(x=slice(0, None, 2))."
        )

    def test_the_centres_of_merged_voxels_are_between_them(self) -> None:
        found = to_nifti(scan_of().astype("f8").coarsen(x=2, boundary="trim").mean())
        np.testing.assert_allclose(found.affine[:, 0], AFFINE[:, 0] * 2)
        np.testing.assert_allclose(found.affine @ [0, 0, 0, 1], AFFINE @ [0.5, 0, 0, 1])

    def test_without_numbers_of_voxels_the_volumes_are_complete(self) -> None:
        plain = scan_of().drop_vars(["x", "y", "z", "volume", "time"]).isel(x=slice(2, 5))
        assert np.array_equal(to_nifti(plain).affine, AFFINE)


class TestTime:
    @pytest.mark.parametrize(
        ("times", "expected"),
        [
            (slice(None), 2.5),
            (slice(3, 7), 2.5),
            (slice(1, None, 2), 5.0),
            ([4], 2.5),
            ([0, 3, 6], 7.5),
        ],
    )
    def test_equidistant_volumes_have_their_own_repetition_time(self, times: Any, expected: float) -> None:
        found = to_nifti(scan_of().isel(time=times))
        assert found.header.get_zooms()[3] == expected

    def test_volumes_are_selected_by_seconds(self) -> None:
        found = to_nifti(scan_of().sel(time=slice(5, 15)))
        assert np.array_equal(np.asarray(found.dataobj)[0, 0, 0] // 1000, [2, 3, 4, 5, 6])

    @pytest.mark.parametrize(
        ("times", "numbers"), [([0, 2, 3], "0, 2, 3"), (slice(None, None, -4), "8, 4, 0"), ([1, 1], "1, 1")]
    )
    def test_others_are_an_error_that_says_what_to_do(self, times: Any, numbers: str) -> None:
        selected = scan_of().isel(time=times)
        with pytest.raises(SelectionError) as caught:
            to_nifti(selected)
        assert str(caught.value) == (
            f"The volumes do not follow each other at one interval: their numbers are {numbers}. "
            "Select consecutive ones with a slice, such as isel(time=slice(0, 10)), "
            "or remove the numbers with drop_vars('volume')."
        )
        assert to_nifti(selected.drop_vars("volume")).header.get_zooms()[3] == 2.5

    def test_large_numbers_of_volumes_are_exact(self) -> None:
        numbers = 999_999_999_999_999_000 + np.arange(0, 2 * TIMES, 2)
        assert to_nifti(scan_of(volume=("time", numbers))).header.get_zooms()[3] == 5.0


class TestForms:
    @pytest.mark.parametrize(("qform", "sform"), [(1, 1), (1, 0), (0, 4), (3, 2), (0, 0)])
    @pytest.mark.parametrize("order", ["<", ">"])
    def test_the_codes_of_the_files_go_back(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, qform: int, sform: int, order: str
    ) -> None:
        monkeypatch.setenv("DECNEF_DATA_DIR", str(tmp_path / "cache"))
        tree = trees.srpbs_open(tmp_path / "own")
        stored = trees.image(trees.voxels(8, (6, 5, 4)), f"{order}i2")
        stored.set_qform(trees.AFFINE, code=qform)
        stored.set_sform(trees.AFFINE, code=sform)
        (tree / "SRPBS_OPEN/data/sub-0008/t1/defaced_mprage.nii").write_bytes(stored.to_bytes())
        decnef_data.adopt("srpbs-open", tree, progress="none")
        leaf = decnef_data.fetch_dataset("srpbs-open", group="KUT/t1w", progress="none", subjects="sub-0008")
        assert (leaf["qform_code"].item(), leaf["sform_code"].item()) == (qform, sform)
        found = to_nifti(leaf.isel(x=slice(1, None)))
        expected = (qform, sform) if qform or sform else (0, 2)
        assert (int(found.header["qform_code"]), int(found.header["sform_code"])) == expected
        again = nib.Nifti1Image.from_bytes(found.to_bytes())
        np.testing.assert_allclose(again.affine, found.affine, atol=1e-4)

    @pytest.mark.parametrize(("header", "expected"), [(nib.Nifti1Header, (0, 4)), (nib.Nifti2Header, (0, 4))])
    @pytest.mark.parametrize("order", ["<", ">"])
    def test_an_invalid_code_is_unknown(self, header: Any, expected: tuple[int, int], order: str) -> None:
        made = header(endianness=order)
        made["qform_code"], made["sform_code"] = 258, 4
        made.set_data_shape((2, 2, 2))
        assert nifti.form_codes(nifti.signature(made.binaryblock + bytes(200))) == expected


class TestMaps:
    @pytest.mark.parametrize("dtype", ["f4", "f8"])
    def test_a_mean_goes_back_with_its_place_and_type(self, dtype: str) -> None:
        leaf = scan_of().astype(dtype)
        found = to_nifti(leaf.isel(x=slice(None, None, -1)).mean("time"))
        assert (found.shape, found.get_data_dtype()) == ((7, 6, 5), np.dtype(dtype))
        assert np.array_equal(found.dataobj, leaf["bold"].mean("time").transpose("x", "y", "z")[::-1])
        np.testing.assert_allclose(places(found)[0], AFFINE[:3] @ [6, 0, 0, 1])

    def test_a_map_may_have_a_name_of_its_own(self) -> None:
        leaf = scan_of().isel(y=slice(1, None))
        ratio = (leaf.mean("time") / leaf.std("time")).rename(bold="tsnr")
        found = to_nifti(ratio.assign(count=3))
        assert np.array_equal(found.dataobj, ratio["tsnr"].transpose("x", "y", "z"))
        np.testing.assert_allclose(found.affine @ [0, 0, 0, 1], AFFINE @ [0, 1, 0, 1])
        with pytest.raises(SelectionError, match=r"^This dataset has no 'bold' or 't1w' images\. "):
            to_nifti(ratio.assign(other=ratio["tsnr"]))

    @pytest.mark.parametrize(("dtype", "written"), [("?", "u1"), ("f2", "f4")])
    def test_types_that_nifti_does_not_have_are_widened(self, dtype: str, written: str) -> None:
        found = to_nifti((scan_of() > 3000).isel(time=0).astype(dtype))
        assert found.get_data_dtype() == np.dtype(written)
        assert found.header.get_xyzt_units()[0] == "mm"


class TestSeries:
    @pytest.fixture
    def labels(self) -> NDArray:
        """Labels (x, y, z), two regions that differ between left and right, inside a margin of a voxel."""
        labels = np.zeros(tuple(SPACE.values()), "i2")
        labels[1:3, 1:-1, 1:-1], labels[3:-1, 1:-1, 1:4] = 7, 3
        return labels

    @pytest.mark.parametrize(
        "selection",
        [
            {"x": slice(None, None, -1)},
            {"x": slice(None, None, -1), "y": slice(None, None, -1), "z": slice(None, None, -1)},
            {"x": slice(1, -1), "y": slice(-2, 0, -1), "z": slice(1, None)},
        ],
    )
    @pytest.mark.parametrize("lazily", [True, False])
    def test_a_flip_or_a_crop_around_the_regions_gives_the_same_series(
        self, labels: NDArray, selection: dict[str, slice], lazily: bool
    ) -> None:
        scan = scan_of() if lazily else scan_of().chunk() if pytest.importorskip("dask") else None
        assert scan is not None
        atlas = nib.Nifti1Image(labels, AFFINE)
        expected, found = timeseries(scan, atlas), timeseries(scan.isel(selection), atlas)
        xr.testing.assert_identical(found.compute(), expected.compute())
        assert expected["label"].to_numpy().tolist() == [3, 7]

    def test_a_region_keeps_the_voxels_that_are_selected(self, labels: NDArray) -> None:
        selected = scan_of().isel(x=slice(2, None, 2))
        found = timeseries(selected, nib.Nifti1Image(labels, AFFINE))
        inside = labels[2::2]
        assert found["n_voxels"].to_numpy().tolist() == [(inside == 3).sum(), (inside == 7).sum()]
        voxels = selected["bold"].transpose("time", "x", "y", "z").to_numpy()
        np.testing.assert_allclose(found["timeseries"][:, 0], voxels[:, inside == 3].mean(axis=1))

    def test_labels_of_the_crop_fit_the_crop_alone(self, labels: NDArray) -> None:
        crop = {"x": slice(2, 6)}
        atlas = nib.Nifti1Image(labels[2:6], to_nifti(scan_of().isel(crop)).affine)
        assert timeseries(scan_of().isel(crop), atlas)["n_voxels"].sum() == (labels[2:6] > 0).sum()
        with pytest.raises(SelectionError, match=r"is not on the grid of 1 of the 1 scans"):
            timeseries(scan_of(), atlas)

    def test_a_crop_beside_all_regions_is_an_error(self, labels: NDArray) -> None:
        with pytest.raises(SelectionError) as caught:
            timeseries(scan_of().isel(x=[0]), nib.Nifti1Image(labels, AFFINE))
        assert str(caught.value) == (
            "No region of 'in-memory image' is in the selected voxels. Select a larger part of the volumes."
        )

    def test_scans_that_are_a_voxel_apart_share_no_labels(self, labels: NDArray) -> None:
        moved = AFFINE.copy()
        moved[:3, 3] += moved[:3, 0]
        leaf = xr.concat(
            [scan_of(), scan_of().assign_coords(affine=(("row", "column"), moved))],
            "scan",
            coords="different",
            compat="equals",
        )
        with pytest.raises(SelectionError, match=r"is not on the grid of 1 of the 2 scans"):
            timeseries(leaf.isel(x=slice(1, 4)), nib.Nifti1Image(labels, AFFINE))

    def test_times_stay_with_the_series(self, labels: NDArray) -> None:
        found = timeseries(scan_of().isel(time=slice(1, None, 3)), nib.Nifti1Image(labels, AFFINE))
        assert found["time"].to_numpy().tolist() == [2.5, 10.0, 17.5]
        assert found["volume"].to_numpy().tolist() == [1, 4, 7]
        assert found["repetition_time"].item() == 7.5

    def test_series_of_volumes_that_are_not_equidistant_have_no_repetition_time(
        self, labels: NDArray
    ) -> None:
        atlas, attrs = nib.Nifti1Image(labels, AFFINE), {"units": "s"}
        times = ("scan", [2.5, 2.0], attrs)
        numbers = np.array([np.arange(TIMES), np.arange(TIMES) + (np.arange(TIMES) > 3)])
        leaf = xr.concat([scan_of(), scan_of()], "scan").drop_vars("time")
        holed = leaf.assign_coords(volume=(("scan", "time"), numbers), repetition_time=times)
        for selection, expected in ((slice(None), [2.5, np.nan]), (slice(4, None, 2), [5.0, 4.0])):
            found = timeseries(holed.isel(time=selection), atlas)["repetition_time"]
            np.testing.assert_array_equal(found, expected)
            assert found.attrs == attrs
        scrubbed = timeseries(scan_of().isel(time=[0, 1, 5]), atlas)
        assert np.isnan(scrubbed["repetition_time"])
        assert scrubbed["time"].to_numpy().tolist() == [0, 2.5, 12.5]


class TestGroups:
    @pytest.fixture
    def tree(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setenv("DECNEF_DATA_DIR", str(tmp_path / "cache"))
        return trees.srpbs_open(tmp_path / "own")

    def fetch(self, tree: Path, group: str, **options: Any) -> xr.Dataset:
        decnef_data.adopt("srpbs-open", tree, progress="none")
        return decnef_data.fetch_dataset("srpbs-open", group=group, progress="none", **options)

    def test_runs_have_seconds_volumes_and_voxels(self, tree: Path) -> None:
        found = self.fetch(tree, "COI/bold")
        assert set(found.indexes) == {"time", "z", "y", "x"}
        assert found["time"].to_numpy().tolist() == [0, 2.5, 5, 7.5]
        assert found["time"].attrs == {"long_name": "time since the first volume", "units": "s"}
        assert (found["volume"].dims, found["volume"].to_numpy().tolist()) == (("time",), [0, 1, 2, 3])
        assert {dim: found[dim].to_numpy().tolist() for dim in "xyz"} == {
            dim: list(range(length)) for dim, length in zip("xyz", trees.SHAPE, strict=True)
        }
        assert found["x"].attrs == {"long_name": "voxel index along x"}
        assert found.sel(time=slice(2, 6), x=slice(1, 2)).sizes["time"] == 2

    def test_a_t1_has_voxels_alone(self, tree: Path) -> None:
        found = self.fetch(tree, "KUT/t1w")
        assert set(found.indexes) == {"z", "y", "x"}
        assert not {"volume", "time"} & set(found.coords)

    @pytest.mark.parametrize("printed", ["", "n/a"])
    def test_without_a_repetition_time_there_are_volumes_alone(self, tree: Path, printed: str) -> None:
        table = trees.PROTOCOLS.replace("TR (s)\t2.5", f"TR (s)\t{printed}").replace("#\t5", "#\t77")
        people = trees.PEOPLE.replace("COI\t5", "COI\t77")  # the catalog has no such protocol
        trees.write(tree / "SRPBS_OPEN", {"MRI_protocols_rsMRI.tsv": table, "participants.tsv": people})
        found = self.fetch(tree, "COI/bold")
        assert np.isnan(found["repetition_time"]).all()
        assert "source" not in found["repetition_time"].attrs
        assert "time" not in found.coords
        assert found["volume"].to_numpy().tolist() == [0, 1, 2, 3]

    def test_a_repetition_time_that_the_table_lacks_is_that_of_the_catalog(self, tree: Path) -> None:
        table = trees.PROTOCOLS.replace("TR (s)\t2.5", "TR (s)\t")
        trees.write(tree / "SRPBS_OPEN", {"MRI_protocols_rsMRI.tsv": table})
        time = self.fetch(tree, "COI/bold")["repetition_time"]
        assert time.to_numpy().tolist() == [2.5, 2.5]
        assert (time.attrs["source"], time.attrs["grade"]) == ("catalog", "B")

    @pytest.mark.filterwarnings("ignore:'srpbs-open'. '.*' differs from the catalog")
    def test_scans_of_two_repetition_times_have_volumes_alone(self, tree: Path) -> None:
        top = tree / "SRPBS_OPEN"
        trees.write(top, {"participants.tsv": trees.PEOPLE.replace("sub-0002\tCOI\t5", "sub-0002\tCOI\t6")})
        table = trees.PROTOCOLS.replace('"2,500"', "2.4")
        trees.write(top, {"MRI_protocols_rsMRI.tsv": table})
        found = self.fetch(tree, "COI/bold")
        assert found["repetition_time"].to_numpy().tolist() == [2.5, 2.4]
        assert found["repetition_time"].attrs["source"] == "copy"
        assert "time" not in found.coords
        assert to_nifti(found.isel(time=slice(None, None, 2)), subject="sub-0002").header.get_zooms()[
            3
        ] == pytest.approx(4.8)

    @pytest.mark.filterwarnings("ignore:'srpbs-open'. '.*' differs from the catalog")
    def test_seconds_are_rounded_to_what_is_printed(self, tree: Path) -> None:
        table = trees.PROTOCOLS.replace("TR (s)\t2.5", "TR (s)\t0.8")
        trees.write(tree / "SRPBS_OPEN", {"MRI_protocols_rsMRI.tsv": table})
        found = self.fetch(tree, "COI/bold")
        assert found["time"].to_numpy().tolist() == [0, 0.8, 1.6, 2.4]

    @pytest.mark.filterwarnings("ignore::decnef_data.DecnefDataWarning")
    def test_a_run_with_a_hole_is_no_image_of_one_repetition_time(self, tree: Path) -> None:
        (tree / "SRPBS_OPEN/data/sub-0001/rsfmri/vol_0001").unlink()
        found = self.fetch(tree, "COI/bold", subjects=["sub-0001"])
        assert "time" not in found.coords
        with pytest.raises(SelectionError, match=r"their numbers are 0, 2, 3\. Select consecutive ones"):
            to_nifti(found)
        assert to_nifti(found.isel(time=slice(1, None))).header.get_zooms()[3] == 2.5

    def test_chunks_are_scans_unless_something_else_is_requested(self, tree: Path) -> None:
        pytest.importorskip("dask")
        whole = self.fetch(tree, "COI/bold")["bold"]
        assert whole.encoding["preferred_chunks"] == {"scan": 1, "time": 4, "z": 3, "y": 4, "x": 5}
        cases: list[tuple[Any, tuple[tuple[int, ...], ...]]] = [
            ({}, ((1, 1), (4,), (3,), (4,), (5,))),
            ("auto", ((2,), (4,), (3,), (4,), (5,))),
            ({"time": 3}, ((1, 1), (3, 1), (3,), (4,), (5,))),
            ({"scan": 2}, ((2,), (4,), (3,), (4,), (5,))),
        ]
        for chunks, expected in cases:
            found = self.fetch(tree, "COI/bold", chunks=chunks)
            assert found["bold"].chunks == expected, chunks
            assert found["subject"].chunks is None  # labels are in memory
            assert np.array_equal(found["bold"], whole)
        opened = xr.open_dataset("decnef://srpbs-open/COI/bold", engine="decnef", chunks={})
        assert opened["bold"].chunks == ((1, 1), (4,), (3,), (4,), (5,))

    def test_auto_does_not_cut_scans(self, tree: Path) -> None:
        dask = pytest.importorskip("dask")
        with dask.config.set({"array.chunk-size": "100B"}):
            found = self.fetch(tree, "COI/bold", chunks="auto")
        assert found["bold"].chunks == ((1, 1), (4,), (3,), (4,), (5,))
