"""One scan as an image: which one, its voxels, its place in the head, and its repetition time."""

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import xarray as xr

import decnef_data
from decnef_data import FormatError, SelectionError, to_nifti
from decnef_data.formats.images import build_image, read_image
from tests import trees


@pytest.fixture
def adopted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DECNEF_DATA_DIR", str(tmp_path / "cache"))
    tree = trees.srpbs_open(tmp_path / "own")
    decnef_data.adopt("srpbs-open", tree, progress="none")
    return tree / "SRPBS_OPEN" / "data"


def fetch(group: str, **asked: Any) -> xr.Dataset:
    return decnef_data.fetch_dataset("srpbs-open", group=group, progress="none", **asked)


def sessions() -> xr.Dataset:
    """Four scans of two people."""
    return xr.Dataset(
        {"bold": (("scan", "time", "z", "y", "x"), np.zeros((4, 2, 2, 2, 2), "i2"))},
        {
            "subject": ("scan", ["MP001", "MP001", "MP001", "MP002"]),
            "session": ("scan", ["ATV", "ATV", "COI", "ATV"]),
            "run": ("scan", np.array([1, 2, 1, 1], "i2")),
            "affine": (("scan", "row", "column"), [np.eye(4)] * 4),
        },
    )


class TestImages:
    def test_a_run_is_what_nibabel_reads_of_its_volumes_with_the_repetition_time(self, adopted: Path) -> None:
        found = to_nifti(fetch("COI/bold"), subject="sub-0002")
        volumes = sorted((adopted / "sub-0002/rsfmri").iterdir())
        read = [nib.Nifti1Image.from_bytes(path.read_bytes()) for path in volumes]
        assert np.array_equal(found.dataobj, np.stack([one.dataobj for one in read], axis=-1))
        assert np.array_equal(found.affine, read[0].affine)
        assert found.get_data_dtype() == np.dtype("<i2")
        np.testing.assert_allclose(found.header.get_zooms(), (3, 3, 4, 2.5))
        assert found.header.get_xyzt_units() == ("mm", "sec")
        assert found.header["descrip"].item() == b"srpbs-open sub-0002 1"

    def test_it_can_be_saved_and_read_again(self, adopted: Path, tmp_path: Path) -> None:
        found = to_nifti(fetch("COI/bold"), subject="sub-0001")
        nib.save(found, tmp_path / "run.nii.gz")
        again = nib.load(tmp_path / "run.nii.gz")
        assert np.array_equal(again.dataobj, trees.voxels(1, (*trees.SHAPE, 4)))
        assert float(again.header["pixdim"][4]) == 2.5

    def test_a_t1_has_three_dimensions(self, adopted: Path) -> None:
        found = to_nifti(fetch("KUT/t1w"), subject="sub-0008")
        assert np.array_equal(found.dataobj, trees.voxels(8, (6, 5, 4)))
        assert found.header.get_xyzt_units()[0] == "mm"

    def test_a_scaling_is_applied_as_nibabel_does(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DECNEF_DATA_DIR", str(tmp_path / "cache"))
        tree = trees.srpbs_open(tmp_path / "own")
        path = tree / "SRPBS_OPEN/data/sub-0001/t1/defaced_mprage.nii"
        scaled = trees.image(trees.voxels(1, (6, 5, 4)))
        scaled.header.set_slope_inter(0.1, -7)
        content = bytearray(scaled.to_bytes())
        content[112:120] = np.array([0.1, -7], "<f4").tobytes()  # nibabel resets them when it writes
        path.write_bytes(bytes(content))
        decnef_data.adopt("srpbs-open", tree, progress="none")
        leaf = fetch("COI/t1w")
        expected = nib.load(path).dataobj
        assert expected.slope == pytest.approx(0.1)
        assert np.array_equal(to_nifti(leaf, subject="sub-0001").dataobj, np.asarray(expected))
        other = to_nifti(leaf, subject="sub-0002")
        assert other.get_data_dtype() == np.dtype("i2")

    def test_an_unknown_repetition_time_is_written_as_none(self) -> None:
        made = build_image(np.zeros((2, 2, 2, 3), "i8"), np.eye(4))
        assert (made.header.get_zooms()[3], made.get_data_dtype()) == (0, np.dtype("i8"))

    def test_what_is_synthetic_says_so_in_its_header(self) -> None:
        leaf = sessions().assign_attrs(synthetic=1, dataset="srpbs-ts")
        found = to_nifti(leaf, subject="MP002")
        assert found.header["descrip"].item() == b"SYNTHETIC srpbs-ts MP002 ATV 1"

    def test_chunks_of_dask_make_no_difference(self, adopted: Path) -> None:
        pytest.importorskip("dask")
        found = to_nifti(fetch("COI/bold", chunks={"time": 1}), subject="sub-0001")
        assert np.array_equal(found.dataobj, trees.voxels(1, (*trees.SHAPE, 4)))


class TestWhichScan:
    def test_session_and_run_choose_among_several(self) -> None:
        leaf = sessions()
        leaf["bold"][2] = 5
        assert to_nifti(leaf, subject="MP001", session="COI").get_fdata().max() == 5
        assert to_nifti(leaf, session="ATV", run=2).get_fdata().max() == 0

    def test_a_leaf_of_one_scan_needs_no_name_and_a_single_scan_none_either(self) -> None:
        leaf = sessions().isel(scan=[3])
        assert to_nifti(leaf).shape == to_nifti(leaf.isel(scan=0)).shape == (2, 2, 2, 2)
        assert to_nifti(leaf.isel(scan=0), subject="MP002").shape == (2, 2, 2, 2)

    @pytest.mark.parametrize(
        ("asked", "message"),
        [
            (
                {"subject": "MP009"},
                "This group has no scan with subject='MP009'. It has scans of MP001, MP002.",
            ),
            (
                {"subject": "MP002", "run": 2},
                "This group has no scan with subject='MP002' and run=2. It has scans of MP001, MP002.",
            ),
            (
                {"subject": "MP001", "session": "ATV"},
                "2 scans of this group have subject='MP001' and session='ATV'. Select one: run=1, run=2.",
            ),
            (
                {"session": "ATV"},
                "3 scans of this group have session='ATV'. Select one: subject='MP001' run=1, subject='MP001' run=2, subject='MP002' run=1.",
            ),
        ],
    )
    def test_none_and_several_are_errors_that_say_what_there_is(self, asked: Any, message: str) -> None:
        with pytest.raises(SelectionError) as caught:
            to_nifti(sessions(), **asked)
        assert str(caught.value) == message

    def test_of_many_scans_some_are_named(self) -> None:
        leaf = xr.concat([sessions()] * 3, "scan")
        with pytest.raises(SelectionError, match=r"This group has 12 scans\. Select one: .* and 4 more\.$"):
            to_nifti(leaf)

    def test_a_group_without_scans_is_an_error(self) -> None:
        with pytest.raises(SelectionError) as caught:
            to_nifti(sessions().isel(scan=slice(0)))
        assert str(caught.value) == "This group has no scans. Select at least one."

    def test_a_single_scan_of_somebody_else_is_not_given(self) -> None:
        with pytest.raises(SelectionError) as caught:
            to_nifti(sessions().isel(scan=0), subject="MP002")
        assert str(caught.value) == "This group has no scan with subject='MP002'. It has scans of MP001."

    def test_a_coordinate_that_was_dropped_cannot_choose(self) -> None:
        with pytest.raises(SelectionError) as caught:
            to_nifti(sessions().drop_vars("run"), run=1)
        assert str(caught.value) == "This group has no coordinate 'run' to select by. Omit run=."

    @pytest.mark.parametrize(
        ("leaf", "message"),
        [
            (
                xr.Dataset({"fc": (("subject", "edge"), [[0.5]])}),
                "This dataset has no 'bold' or 't1w' images. Fetch a group with images, such as group='COI/bold'.",
            ),
            (
                sessions().isel(z=0),
                "'bold' no longer has 'z'. Pass the group as it was fetched.",
            ),
            (
                sessions().drop_vars("affine"),
                "'bold' no longer has 'affine'. Pass the group as it was fetched.",
            ),
        ],
    )
    def test_what_is_no_leaf_of_images_is_an_error(self, leaf: xr.Dataset, message: str) -> None:
        with pytest.raises(SelectionError) as caught:
            to_nifti(leaf, subject="MP002")
        assert str(caught.value) == message


class TestVolumes:
    def test_a_path_and_an_image_are_read_alike(self, tmp_path: Path) -> None:
        made = nib.Nifti1Image(np.arange(24, dtype="i2").reshape(2, 3, 4), trees.AFFINE)
        nib.save(made, tmp_path / "atlas.nii.gz")
        assert read_image(made).name == "atlas.nii.gz"  # where it was saved
        for source in (tmp_path / "atlas.nii.gz", str(tmp_path / "atlas.nii.gz"), made):
            read = read_image(source)
            assert np.array_equal(read.values, made.dataobj)
            assert np.array_equal(read.affine, trees.AFFINE)
        assert read_image(nib.Nifti1Image(made.dataobj, None)).name == "in-memory image"

    def test_what_is_no_image_is_an_error(self, tmp_path: Path) -> None:
        (tmp_path / "atlas.nii").write_text("regions")
        with pytest.raises(FormatError) as caught:
            read_image(tmp_path / "atlas.nii")
        assert str(caught.value).startswith("'atlas.nii' cannot be read as an image: ")
        assert str(caught.value).endswith(". Use a format that nibabel reads, such as NIfTI.")

    def test_several_maps_are_an_image_and_further_dimensions_are_an_error(self) -> None:
        assert read_image(nib.Nifti1Image(np.zeros((2, 3, 4, 5)), np.eye(4))).values.shape == (2, 3, 4, 5)
        assert read_image(nib.Nifti1Image(np.zeros((2, 3, 4, 1)), np.eye(4))).values.shape == (2, 3, 4)
        for shape in ((2, 3, 4, 5, 6), (2, 3)):
            with pytest.raises(FormatError) as caught:
                read_image(nib.Nifti1Image(np.zeros(shape), np.eye(4)))
            assert str(caught.value) == (
                f"'in-memory image' has the shape {shape}, but an image of regions has three dimensions, or four "
                "for several maps. Pass one of its parts."
            )

    def test_a_path_that_is_not_there_stays_an_oserror(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            read_image(tmp_path / "absent.nii")
