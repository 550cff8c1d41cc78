"""Images that are odd: holes, parts of runs, pointers, other formats and headers, and equal T1 images."""

import gzip
import os
import shutil
import tarfile
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import decnef_data
from decnef_data import FetchError, FormatError
from decnef_data.formats import nifti
from decnef_data.layouts.imaging.images.voxels import FileScan
from decnef_data.layouts.imaging.inventory.files import FileEntry
from decnef_data.layouts.imaging.inventory.fingerprints import with_fingerprints
from decnef_data.layouts.imaging.inventory.scans import (
    MAX_MISSING,
    Inventory,
    Scan,
    find_scans,
    unread_problems,
)
from decnef_data.layouts.imaging.inventory.unread import find_unread
from decnef_data.layouts.imaging.join.remarks import list_remarks
from decnef_data.layouts.imaging.tables.participants import ParticipantTable
from decnef_data.model.account import Remark
from tests import trees

pytestmark = pytest.mark.usefixtures("cache")

RUN = "sub-0001/rsfmri"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """One run of twelve volumes, and a T1 image."""
    trees.run(tmp_path / "own" / RUN, trees.voxels(1, (*trees.SHAPE, 12)))
    trees.write(tmp_path / "own", {"sub-0001/t1/a.nii": t1w(1)})
    return tmp_path / "own"


def t1w(subject: int, shape: tuple[int, ...] = (6, 5, 4)) -> bytes:
    content: bytes = trees.image(trees.voxels(subject, shape)).to_bytes()
    return content


def bold(subject: int, repetition_time: float) -> bytes:
    image = trees.image(trees.voxels(subject, (*trees.SHAPE, 4)))
    image.header["pixdim"][4] = repetition_time
    content: bytes = image.to_bytes()
    return content


def scans_in(root: Path) -> tuple[tuple[Scan, ...], list[str]]:
    """Return the scans of a folder, and what is said of those that cannot be read."""
    paths = [path.relative_to(root).as_posix() for path in sorted(root.rglob("*")) if path.is_file()]
    entries = [
        FileEntry(path, (root / path).stat().st_size, (root / path).stat().st_mtime_ns) for path in paths
    ]
    scans, problems = find_scans(entries, lambda path: nifti.read_header_bytes(root / path))
    unread = unread_problems(find_unread(paths), scans)
    return scans, [problem.message for problem in (*problems, *unread)]


def remarks_of(root: Path, repetition_time: float = np.nan) -> dict[str, Remark]:
    """Return what is said of a folder whose participants are all of one site."""
    scans = with_fingerprints(root, scans_in(root)[0])
    paths = [path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()]
    inventory = Inventory(
        version=0, root="", folders={}, scans=scans, troubles=(), files=0, size=0, unread=find_unread(paths)
    )
    keys = sorted({(scan.subject, scan.session) for scan in scans})
    columns = {
        "_repetition_time": np.full(len(keys), repetition_time),
        "site": np.full(len(keys), "COI"),
        "subject": np.array([subject for subject, _ in keys]),
    }
    rows = {key: row for row, key in enumerate(keys)}
    participants = ParticipantTable(rows, columns, {}, np.ones(len(keys), bool), ())
    return {remark.rule: remark for remark in list_remarks(inventory, participants)}


def test_a_sound_copy_has_no_remarks(root: Path) -> None:
    trees.write(root, {"sub-0001/func_2/a_bold.nii": t1w(2, (*trees.SHAPE, 4))})
    assert remarks_of(root, 2.5)["repetition-time"].is_warning  # the headers of trees state one second
    assert remarks_of(root, 1.0) == {}


class TestHoles:
    def test_a_remark_names_runs_and_numbers(self, root: Path) -> None:
        for number in (0, 3, 4, 6, 8):
            (root / RUN / f"vol_{number:04d}").unlink()
        for subject in range(2, 6):
            shutil.copytree(root / "sub-0001", root / f"sub-000{subject}")
        (root / "sub-0002/rsfmri/vol_0003").write_bytes((root / RUN / "vol_0005").read_bytes())
        remark = remarks_of(root)["missing-volumes"]
        assert remark.message == (
            "Volumes are missing inside 5 runs: 'sub-0001/rsfmri' (3, 4, 6, …), 'sub-0002/rsfmri' (4, 6, 8), "
            "'sub-0003/rsfmri' (3, 4, 6, …), and 2 more. "
            "The coordinate 'volume' has the numbers of those that are there."
        )
        assert (remark.is_warning, remark.file) == (True, "")

    def test_a_single_run_is_the_file_of_the_remark(self, root: Path) -> None:
        (root / RUN / "vol_0003").unlink()
        remark = remarks_of(root)["missing-volumes"]
        assert remark.file == "sub-0001/rsfmri/vol_0000"
        assert remark.message.startswith("Volumes are missing inside 1 run: 'sub-0001/rsfmri' (3). ")

    def test_numbers_are_those_in_the_names(self, root: Path) -> None:
        (root / RUN / "vol_0000").unlink()
        (root / RUN / "vol_0003").unlink()
        (run, _), _ = scans_in(root)
        assert run.volume_numbers == (1, 2, 4, 5, 6, 7, 8, 9, 10, 11)

    def test_volumes_of_one_file_count_from_zero(self, root: Path) -> None:
        shutil.rmtree(root / RUN)
        trees.write(root, {f"{RUN}/a_bold.nii": t1w(1, (*trees.SHAPE, 3))})
        (run, _), _ = scans_in(root)
        assert run.volume_numbers == (0, 1, 2)


def adopt_open(tmp_path: Path) -> Path:
    return trees.srpbs_open(tmp_path / "copy")


def with_another_slope(tmp_path: Path) -> Path:
    """Return a copy with a run of gzipped volumes, of which one states another slope."""
    tree = adopt_open(tmp_path)
    folder = tree / "SRPBS_OPEN/data/sub-0001/rsfmri"
    for volume in list(folder.iterdir()):
        raw = bytearray(volume.read_bytes())
        if volume.name == "vol_0002":
            raw[112:116] = np.float32(3).tobytes()
        (folder / f"{volume.name}.nii.gz").write_bytes(gzip.compress(bytes(raw)))
        volume.unlink()
    return tree


def bold_of(group: str) -> xr.Dataset:
    return decnef_data.fetch_dataset("srpbs-open", group=group, progress="none")


class TestVolumeCoordinate:
    @pytest.mark.filterwarnings("ignore::decnef_data.DecnefDataWarning")
    def test_a_group_with_a_hole_has_it(self, tmp_path: Path) -> None:
        tree = adopt_open(tmp_path)
        (tree / "SRPBS_OPEN/data/sub-0001/rsfmri/vol_0001").unlink()
        decnef_data.adopt("srpbs-open", tree, progress="none")
        found = bold_of("COI/bold")
        volume = found["volume"]
        assert volume.dims == ("scan", "time")
        assert volume.dtype == np.int32
        # The run of sub-0003 has three volumes without a hole.
        assert volume.to_numpy().tolist() == [[0, 2, 3], [0, 1, 2]]
        assert volume.attrs["long_name"] == "number of the volume in the name of its file"
        assert bold_of("COI/bold_2")["volume"].dims == ("time",)
        assert found.isel(time=1)["volume"].to_numpy().tolist() == [2, 1]


class TestLongNumbers:
    @pytest.mark.filterwarnings("ignore::decnef_data.DecnefDataWarning")
    @pytest.mark.parametrize(
        ("first", "expected"),
        [(20150401000, 20150401000), (int("9" * 45 + "000"), int("9" * 15 + "000"))],
    )
    def test_volumes_that_times_name(self, tmp_path: Path, first: int, expected: int) -> None:
        tree = adopt_open(tmp_path)
        folder = tree / "SRPBS_OPEN/data/sub-0001/rsfmri"
        for number, path in zip((0, 1, 3, 4), sorted(folder.iterdir()), strict=False):
            path.rename(folder / f"vol_{first + number}")
        decnef_data.adopt("srpbs-open", tree, progress="none")
        tree_of_groups = decnef_data.fetch_dataset("srpbs-open", progress="none")
        found = [leaf.to_dataset() for leaf in tree_of_groups.leaves]
        volumes = [
            group["volume"]
            for group in found
            if group.get("volume", group["affine"]).dims == ("scan", "time")
        ]
        assert [expected + number for number in (0, 1, 3)] == volumes[0].to_numpy()[0, :3].tolist()

    def test_a_run_that_a_time_names(self, tmp_path: Path) -> None:
        tree = adopt_open(tmp_path)
        folder = tree / "SRPBS_OPEN/data/sub-0001/rsfmri"
        folder.rename(folder.with_name(f"rsfmri_run-{'7' * 60}"))
        decnef_data.adopt("srpbs-open", tree, progress="none")
        assert bold_of("COI/bold")["run"].to_numpy().tolist() == [1, 1]

    @pytest.mark.parametrize(("number", "run"), [(32_767, 32_767), (32_768, 1)])
    def test_a_number_that_16_bits_cannot_hold_is_no_number_of_a_run(
        self, tmp_path: Path, number: int, run: int
    ) -> None:
        trees.write(tmp_path, {f"sub-0001/func/sub-0001_task-rest_run-{number}_bold.nii": bold(1, 2.5)})
        assert [scan.run for scan in scans_in(tmp_path)[0]] == [run]


class TestFarNumbers:
    @pytest.mark.parametrize("number", ["9" * 49, "20150401"])
    def test_a_number_far_from_the_others_is_no_volume(self, tmp_path: Path, number: str) -> None:
        # Listing the numbers between would take all memory.
        tree = adopt_open(tmp_path)
        name = f"SRPBS_OPEN/data/sub-0001/rsfmri/vol_{number}"
        shutil.copy(tree / "SRPBS_OPEN/data/sub-0001/rsfmri/vol_0001", tree / name)
        decnef_data.adopt("srpbs-open", tree, progress="none")
        with pytest.raises(FormatError, match=f"'{name}' has a number far from that of") as caught:
            decnef_data.fetch_dataset("srpbs-open", progress="none")
        assert caught.value.file == name
        with pytest.warns(decnef_data.DecnefDataWarning, match=name):
            decnef_data.fetch_dataset("srpbs-open", progress="none", strict=False)

    @pytest.mark.parametrize(("n_missing", "n_scans"), [(MAX_MISSING, 1), (MAX_MISSING + 1, 0)])
    def test_no_more_volumes_are_missing_than_a_seek_index_may_state(
        self, root: Path, n_missing: int, n_scans: int
    ) -> None:
        (root / RUN / "vol_0011").rename(root / RUN / f"vol_{11 + n_missing}")
        runs = [scan for scan in scans_in(root)[0] if scan.kind == "bold"]
        assert [len(scan.missing_numbers) for scan in runs] == [n_missing] * n_scans


class TestParts:
    @pytest.mark.parametrize("name", ["vol_0003.nii", "v_0003", "vol_0003_1", "xvol_0099"])
    def test_a_volume_of_another_name(self, root: Path, name: str) -> None:
        (root / RUN / "vol_0003").rename(root / RUN / name)
        remark = remarks_of(root)["split-series"]
        assert remark.message == (
            f"Differing names split 1 run in two: it seems that '{RUN}/{name}' to '{RUN}/vol_0000' belongs. "
            "Give all volumes of a run names of one form, then adopt the copy again."
        )
        assert (remark.is_warning, remark.file) == (True, f"{RUN}/{name}")

    def test_a_gzipped_half(self, root: Path) -> None:
        for number in range(6):
            volume = root / RUN / f"vol_{number:04d}"
            (root / RUN / f"vol_{number:04d}.nii.gz").write_bytes(gzip.compress(volume.read_bytes()))
            volume.unlink()
        assert "split-series" in remarks_of(root)

    @pytest.mark.parametrize("first", [0, 1])
    def test_the_last_volumes_of_another_name(self, root: Path, first: int) -> None:
        for number in reversed(range(12)):
            stem = "vol" if number < 10 else "v"
            (root / RUN / f"vol_{number:04d}").rename(root / RUN / f"{stem}_{first + number:04d}")
        assert "split-series" in remarks_of(root)

    def test_two_runs_in_one_folder_are_two(self, root: Path) -> None:
        trees.run(root / "other", trees.voxels(2, (*trees.SHAPE, 12)))
        for volume in (root / "other").iterdir():
            volume.rename(root / RUN / volume.name.replace("vol", "second"))
        assert remarks_of(root) == {}


class TestRepetitionTime:
    def test_that_of_a_header_differs(self, root: Path) -> None:
        trees.write(root, {"sub-0002/func/a_bold.nii": t1w(2, (*trees.SHAPE, 4))})
        remark = remarks_of(root, 2.5)["repetition-time"]
        assert remark.message == (
            "The repetition time in the header of 1 run differs from the stated one: "
            "'sub-0002/func/a_bold.nii' (1 s instead of 2.5 s). "
            "The coordinate 'repetition_time' has the one of the protocol or sidecar."
        )
        assert remarks_of(root, 1.0009) == {}
        assert remarks_of(root) == {}  # no protocol states one

    def test_those_of_one_site_differ_while_no_table_states_one(self, root: Path) -> None:
        for subject, seconds in ((2, 2.0), (3, 2.0), (4, 2.5)):
            trees.write(root, {f"sub-000{subject}/func/a_bold.nii": bold(subject, seconds)})
        remark = remarks_of(root)["repetition-time-of-site"]
        assert remark.message == (
            "The repetition time in the header of 1 run differs from that of other runs of the site, "
            "while no table states it: 'sub-0004/func/a_bold.nii' (2.5 s instead of 2 s). "
            "Compare the files with the originals."
        )
        assert (remark.is_warning, remark.file) == (True, "sub-0004/func/a_bold.nii")

    def test_of_two_runs_that_differ_both_are_named(self, root: Path) -> None:
        for subject, seconds in ((2, 2.0), (3, 0.0)):
            trees.write(root, {f"sub-000{subject}/func/a_bold.nii": bold(subject, seconds)})
        assert remarks_of(root)["repetition-time-of-site"].message.partition(": ")[2] == (
            "'sub-0002/func/a_bold.nii' (2 s instead of none), 'sub-0003/func/a_bold.nii' (none instead of 2 s). "
            "Compare the files with the originals."
        )
        trees.write(root, {"sub-0003/func/a_bold.nii": bold(3, 2.0)})
        assert remarks_of(root) == {}


class TestEqualImages:
    def test_a_t1_image_and_a_run_of_another_participant(self, root: Path) -> None:
        shutil.copytree(root / "sub-0001", root / "sub-0002")
        remark = remarks_of(root)["equal-images"]
        assert remark.message == (
            "Images that should differ are equal: 'sub-0001/rsfmri/vol_0000' and 'sub-0002/rsfmri/vol_0000', "
            "'sub-0001/t1/a.nii' and 'sub-0002/t1/a.nii'. "
            "Find out whose they are, then replace or remove the others."
        )
        assert (remark.is_warning, remark.file) == (True, "sub-0001/rsfmri/vol_0000")

    def test_sessions_of_one_participant_may_share_a_t1_image(self, root: Path) -> None:
        for session in ("a", "b"):
            trees.write(root, {f"sub-0002/ses-{session}/anat/T1w.nii": t1w(2)})
            trees.write(root, {f"sub-0003/ses-{session}/func/rest_bold.nii": bold(3, 2.0)})
        assert remarks_of(root)["equal-images"].message.startswith(
            "Images that should differ are equal: "
            "'sub-0003/ses-a/func/rest_bold.nii' and 'sub-0003/ses-b/func/rest_bold.nii'. "
        )

    def test_two_of_one_session_in_a_file_of_its_own_each(self, root: Path) -> None:
        trees.write(root, {"sub-0001/t1/b.nii.gz": gzip.compress(t1w(1))})
        assert "'sub-0001/t1/a.nii' and 'sub-0001/t1/b.nii.gz'" in remarks_of(root)["equal-images"].message
        trees.write(root, {"sub-0001/t1/b.nii.gz": gzip.compress(t1w(2))})
        assert remarks_of(root) == {}


class TestBytesBehindVoxels:
    def test_a_file_longer_than_its_header_says(self, root: Path) -> None:
        trees.write(root, {"sub-0002/t1/a.nii": t1w(2) + bytes(7)})
        remark = remarks_of(root)["bytes-behind-voxels"]
        assert remark.message == (
            "Files are longer than their headers say, by bytes behind the voxels: 'sub-0002/t1/a.nii' (7 bytes). "
            "Compare the files with the originals: the size in their headers may be wrong."
        )
        assert (remark.is_warning, remark.file) == (True, "sub-0002/t1/a.nii")

    def test_a_gzipped_file_has_another_length(self, root: Path) -> None:
        trees.write(root, {"sub-0002/t1/a.nii.gz": gzip.compress(t1w(2), 0) + bytes(7)})
        assert remarks_of(root) == {}


class TestOtherFormats:
    @pytest.mark.parametrize(
        ("names", "said"),
        [
            (
                ("vol_0000.hdr", "vol_0000.img"),
                (
                    "'sub-0001/rsfmri/vol_0000.hdr' (and 1 more file in its folder) is one file of a pair "
                    "(.hdr and .img). Convert the pair to a NIfTI file in one piece (.nii), "
                    "then adopt the folder again."
                ),
            ),
            (
                ("a.dcm",),
                "'sub-0001/rsfmri/a.dcm' is a DICOM file. Convert the series to NIfTI with dcm2niix, then adopt the folder again.",
            ),
            (
                ("run.nii.bz2",),
                "'sub-0001/rsfmri/run.nii.bz2' is compressed with bzip2. Decompress it, then adopt the folder again.",
            ),
        ],
    )
    def test_in_place_of_a_run(self, root: Path, names: tuple[str, ...], said: str) -> None:
        shutil.rmtree(root / RUN)
        trees.write(root, {f"{RUN}/{name}": b"whatever" for name in names})
        scans, problems = scans_in(root)
        assert [scan.kind for scan in scans] == ["t1w"]
        assert problems == [said]

    def test_in_place_of_a_t1_image(self, root: Path) -> None:
        (root / "sub-0001/t1/a.nii").rename(root / "sub-0001/t1/a.mgz")
        assert scans_in(root)[1] == [
            "'sub-0001/t1/a.mgz' is a FreeSurfer image. Convert it to NIfTI with mri_convert, then adopt the folder again."
        ]

    def test_beside_a_run(self, root: Path) -> None:
        (root / RUN / "vol_0003").rename(root / RUN / "vol_0003.gz")
        assert scans_in(root)[1] == []
        found = remarks_of(root)
        assert found["unread-images"].message == (
            "'sub-0001/rsfmri/vol_0003.gz' is compressed with gzip, but its name does not end with .nii.gz. "
            "Decompress it, then adopt the folder again."
        )
        assert found["unread-images"].is_warning

    def test_in_another_folder_of_the_session(self, root: Path) -> None:
        trees.write(root, {f"sub-0001/rest_dicom/{number}.dcm": b"" for number in range(3)})
        assert not remarks_of(root)["unread-images"].is_warning

    @pytest.mark.parametrize("name", ["physio.tsv.gz", "notes.txt", "a.json", "log.gz"])
    def test_what_is_no_image(self, root: Path, name: str) -> None:
        trees.write(root, {f"{RUN}/{name}": b""})
        assert remarks_of(root) == {}


class TestWhatIsNoScan:
    @pytest.mark.parametrize("volume", ["vol_0000", "vol_0007"])
    def test_a_pointer_in_place_of_a_volume(self, root: Path, volume: str) -> None:
        trees.write(root, {f"{RUN}/{volume}": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"})
        assert scans_in(root)[1] == [
            f"'{RUN}/{volume}' is a Git LFS pointer, not the file itself. Run `git lfs pull` in its repository."
        ]

    def test_a_pointer_in_place_of_a_field_map(self, root: Path) -> None:
        trees.write(root, {"sub-0001/fmap/a.nii": b"/annex/objects/MD5E-s592--0123.nii\n"})
        assert scans_in(root)[1] == [
            "'sub-0001/fmap/a.nii' is a git-annex pointer, not the file itself. Run `git annex get` in its repository."
        ]

    @pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
    def test_a_t1_image_of_several_volumes(self, root: Path, name: str) -> None:
        content = t1w(1, (6, 5, 4, 3))
        (root / "sub-0001/t1/a.nii").unlink()
        trees.write(root, {f"sub-0001/t1/{name}": gzip.compress(content) if "gz" in name else content})
        (said,) = scans_in(root)[1]
        assert said == (
            f"'sub-0001/t1/{name}' has 3 volumes, but a T1 image has one. "
            "Replace it by the volume to be used, or omit the scan with strict=False."
        )

    def test_a_header_that_promises_more_than_gzip_can_hold(self, root: Path) -> None:
        image = bytearray(t1w(1))
        image[42:48] = np.array([32767] * 3, "<i2").tobytes()
        content = gzip.compress(bytes(image))
        (root / "sub-0001/t1/a.nii").unlink()
        trees.write(root, {"sub-0001/t1/a.nii.gz": content})
        (said,) = scans_in(root)[1]
        assert said == (
            f"'sub-0001/t1/a.nii.gz' has {len(content)} bytes, which cannot contain the {32767**3 * 2 + 352} "
            "bytes that its header requires. Download it again."
        )

    def test_voxels_begin_behind_a_header_that_states_no_offset(self, root: Path) -> None:
        image = bytearray(t1w(1))
        image[108:112] = bytes(4)
        (root / "sub-0001/t1/a.nii").write_bytes(image)
        (_, scan), _ = scans_in(root)
        assert scan.header is not None
        assert scan.header.offset == 352


class TestFilesOfARun:
    def test_the_header_of_a_run_is_that_of_its_first_file(self, root: Path) -> None:
        for number in range(12):
            path = root / RUN / f"vol_{number:04d}"
            volume = bytearray(path.read_bytes())
            volume[148:150] = b"%02d" % number  # the description, which no two volumes need to share
            path.write_bytes(volume)
        (run, _), _ = scans_in(root)
        header = FileScan(str(root), run, has_time=True).read_header()
        assert header == (root / RUN / "vol_0000").read_bytes()[:352]

    def test_nothing_can_be_selected(self, root: Path) -> None:
        (run, _), _ = scans_in(root)
        scan, nothing = FileScan(str(root), run, has_time=True), slice(0, 0)
        for key in ((0, nothing, 0, 0), (0, 0, nothing, 0), (0, 0, 0, nothing), (nothing, 0, 0, 0)):
            scan.fill(key, np.empty((0,), "i2"))
        scan.fill((0, nothing, np.array([0, 2]), 0), np.empty((0, 2), "i2"))

    def test_a_volume_of_another_header_is_not_kept_open(self, root: Path) -> None:
        (run, _), _ = scans_in(root)
        volume = root / RUN / "vol_0000"
        content, status = bytearray(volume.read_bytes()), volume.stat()
        content[112:116] = np.float32(3).tobytes()
        volume.write_bytes(content)
        os.utime(volume, ns=(status.st_atime_ns, status.st_mtime_ns))
        before = len(list(Path("/dev/fd").iterdir()))
        with pytest.raises(FormatError, match="its slope differs"):
            FileScan(str(root), run, has_time=True).read_header()
        assert len(list(Path("/dev/fd").iterdir())) <= before


class TestDeepVerification:
    def checks(self) -> dict[str, tuple[str, str]]:
        found = decnef_data.verify("srpbs-open", deep=True).checks
        return {check.path: (check.state, check.detail) for check in found if check.state != "intact"}

    def test_a_volume_of_another_header(self, tmp_path: Path) -> None:
        tree = adopt_open(tmp_path)
        path = "SRPBS_OPEN/data/sub-0001/rsfmri/vol_0002"
        raw = bytearray((tree / path).read_bytes())
        raw[112:116] = np.float32(3).tobytes()
        (tree / path).write_bytes(raw)
        decnef_data.adopt("srpbs-open", tree, progress="none")
        said = (
            f"'{path}' does not belong to its run: its slope differs from that of "
            "'SRPBS_OPEN/data/sub-0001/rsfmri/vol_0000'. Download it again, or omit the scan with strict=False (in a folder, after `decnef_data.verify(NAME, deep=True)`)."
        )
        assert self.checks() == self.checks() == {path: ("damaged", said)}

    @pytest.mark.parametrize(
        ("damage", "said"), [("cut", "it is truncated"), ("flipped", None), ("short", None)]
    )
    def test_a_damaged_gzip_file_at_the_first_time_and_later(
        self, tmp_path: Path, damage: str, said: str | None
    ) -> None:
        tree = adopt_open(tmp_path)
        path = "SRPBS_OPEN/data/sub-0001/t1/a.nii.gz"
        raw = trees.image(np.random.default_rng(1).integers(0, 99, (12, 10, 8))).to_bytes()
        data = bytearray(gzip.compress(raw[:-10] if damage == "short" else raw))
        if damage == "flipped":
            data[len(data) // 2] ^= 0xFF
        (tree / path).with_name("defaced_mprage.nii").unlink()
        (tree / path).write_bytes(data[:-20] if damage == "cut" else data)
        decnef_data.adopt("srpbs-open", tree, progress="none")
        first = self.checks()
        assert list(first) == [path]
        assert first[path][0] == "damaged"
        assert first == self.checks()
        if said:
            assert first[path][1] == f"'{path}' is damaged: {said}. Download it again."

    def test_gzipped_volumes_of_another_header(self, tmp_path: Path) -> None:
        tree = with_another_slope(tmp_path)
        decnef_data.adopt("srpbs-open", tree, progress="none")
        assert list(self.checks()) == ["SRPBS_OPEN/data/sub-0001/rsfmri/vol_0002.nii.gz"]
        with pytest.raises(FormatError, match="its slope differs from that of"):
            bold_of("COI/bold")["bold"][0].load()


def member_per_half(content: bytes) -> bytes:
    half = len(content) // 2
    return gzip.compress(content[:half]) + gzip.compress(content[half:])


def with_crc(content: bytes, wanted: int) -> bytes:
    """Change the last four bytes of a content so that it has a wanted CRC-32."""
    head = content[:-4]
    # CRC-32 is affine in the last four bytes: solve for them bit by bit.
    base = zlib.crc32(head + bytes(4))
    columns = [zlib.crc32(head + (1 << bit).to_bytes(4, "little")) ^ base for bit in range(32)]
    return head + solve(columns, base ^ wanted).to_bytes(4, "little")


def solve(columns: list[int], wanted: int) -> int:
    """Return the bits that select columns whose sum modulo 2 is `wanted`."""
    rows: dict[int, tuple[int, int]] = {}
    for index, column in enumerate(columns):
        value, selected = column, 1 << index
        while value and (lead := value.bit_length()) in rows:
            value, selected = value ^ rows[lead][0], selected ^ rows[lead][1]
        if value:
            rows[value.bit_length()] = (value, selected)
    chosen = 0
    while wanted:
        value, selected = rows[wanted.bit_length()]
        wanted, chosen = wanted ^ value, chosen ^ selected
    return chosen


class TestFingerprints:
    def fingerprints(self, root: Path, images: dict[str, bytes]) -> list[str]:
        trees.write(root, {f"{name.partition('.')[0]}/t1/{name}": data for name, data in images.items()})
        scans, problems = scans_in(root)
        assert problems == []
        found = with_fingerprints(root, scans)
        return [scan.fingerprint for scan in found]

    def test_the_same_content_however_it_is_compressed(self, tmp_path: Path) -> None:
        same = t1w(1)
        one, *others, last = self.fingerprints(
            tmp_path,
            {
                "sub-1.nii": same,
                "sub-2.nii.gz": gzip.compress(same, 9),
                "sub-3.nii.gz": gzip.compress(same, 1, mtime=1),
                "sub-4.nii.gz": member_per_half(same),
                "sub-5.nii.gz": gzip.compress(same) + bytes(16),
                "sub-6.nii": t1w(2),
            },
        )
        assert one != ""
        assert set(others) == {one}
        assert last not in {"", one}  # no other one begins like it

    def test_other_content_with_the_same_trailer_is_not_the_same(self, tmp_path: Path) -> None:
        one = t1w(1, (96, 96, 80))
        changed = bytearray(one)
        changed[-100] ^= 1
        other = with_crc(bytes(changed), zlib.crc32(one))
        first, second = gzip.compress(one), gzip.compress(other)
        assert one != other
        assert first[-8:] == second[-8:]
        fingerprints = self.fingerprints(tmp_path, {"sub-1.nii.gz": first, "sub-2.nii.gz": second})
        assert len(set(fingerprints)) == 2
        assert "" not in fingerprints

    def test_the_last_voxel_counts(self, tmp_path: Path) -> None:
        one = t1w(1, (96, 96, 80))
        other = one[:-1] + bytes([one[-1] ^ 1])
        assert len(set(self.fingerprints(tmp_path, {"sub-1.nii": one, "sub-2.nii": other}))) == 2

    def test_a_damaged_image_is_like_no_other(self, tmp_path: Path) -> None:
        damaged = gzip.compress(t1w(1))[:-12]
        images = {"sub-1.nii": t1w(1), "sub-2.nii.gz": damaged, "sub-3.nii.gz": damaged}
        whole, *others = self.fingerprints(tmp_path, images)
        assert whole != ""
        assert others == ["", ""]

    def test_an_image_whose_header_no_other_has_is_not_read(self, tmp_path: Path) -> None:
        images = {"sub-1.nii": t1w(1), "sub-2.nii": t1w(2, (7, 5, 4))}
        assert self.fingerprints(tmp_path, images) == ["", ""]

    def test_more_than_a_sample_is_read_only_where_samples_are_the_same(self, tmp_path: Path) -> None:
        one, other = t1w(1, (96, 96, 80)), t1w(2, (96, 96, 80))
        late = one[:-1] + bytes([one[-1] ^ 1])
        images = {"sub-1.nii": one, "sub-2.nii": late, "sub-3.nii": other}
        first, second, third = self.fingerprints(tmp_path, images)
        assert first.partition("-")[0] == second.partition("-")[0] != third
        assert first != second
        assert "-" not in third

    def test_an_image_that_comes_later_is_compared_with_those_known(self, tmp_path: Path) -> None:
        trees.write(tmp_path, {f"sub-{subject}/t1/a.nii": t1w(subject) for subject in (1, 2)})
        known = with_fingerprints(tmp_path, scans_in(tmp_path)[0])
        trees.write(tmp_path, {"sub-3/t1/a.nii": t1w(1)})
        later = scans_in(tmp_path)[0][-1]
        one, other, third = with_fingerprints(tmp_path, (*known, later))
        assert one.fingerprint == third.fingerprint != other.fingerprint
        assert other == known[1]
        assert with_fingerprints(tmp_path, (one, other, third)) == (one, other, third)

    def test_it_is_kept_as_long_as_a_file_does_not_change(self, tmp_path: Path) -> None:
        trees.write(tmp_path, {f"sub-{subject}/t1/a.nii": t1w(1) for subject in (1, 2)})
        scans = with_fingerprints(tmp_path, scans_in(tmp_path)[0])
        paths = [path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.rglob("*.nii"))]
        stats = {path: (tmp_path / path).stat() for path in paths}
        entries = [FileEntry(path, stats[path].st_size, stats[path].st_mtime_ns) for path in paths]
        again, _ = find_scans(entries, lambda path: nifti.read_header_bytes(tmp_path / path), scans)
        assert [scan.fingerprint for scan in again] == [scan.fingerprint for scan in scans] != ["", ""]


@pytest.mark.parametrize("printed", ["sub-0003", "0003", "3"])
def test_a_participant_without_a_readable_image_is_reported(tmp_path: Path, printed: str) -> None:
    tree = adopt_open(tmp_path)
    table = tree / "SRPBS_OPEN/participants.tsv"
    table.write_text(table.read_text("utf-8").replace("sub-0003", printed), "utf-8")
    for image in (tree / "SRPBS_OPEN/data/sub-0003").glob("*/*"):
        image.write_bytes(bytes(400))
    decnef_data.adopt("srpbs-open", tree, progress="none")
    with pytest.raises(FetchError, match="2 files of 'srpbs-open' cannot be read"):
        decnef_data.fetch_dataset("srpbs-open", sites=["COI"], progress="none")


def test_a_second_t1_image_of_a_session(tmp_path: Path) -> None:
    tree = adopt_open(tmp_path)
    trees.write(tree, {"SRPBS_OPEN/data/sub-0001/t1/second.nii": t1w(77)})
    decnef_data.adopt("srpbs-open", tree, progress="none")
    folder = "SRPBS_OPEN/data/sub-0001/t1"
    said = (
        "'srpbs-open': More than one T1 image in a session of 'srpbs-open': 'sub-0001' "
        f"('{folder}/defaced_mprage.nii'; '{folder}/second.nii'). "
        "Move those that should not be used out of the copy."
    )
    with pytest.warns(decnef_data.DecnefDataWarning) as caught:
        decnef_data.fetch_dataset("srpbs-open", progress="none")
    assert [str(warning.message) for warning in caught] == [said]


class TestArchive:
    """What is said of a folder is said of an archive, too."""

    def said(self, tree: Path, tmp_path: Path) -> list[str]:
        with tarfile.open(tmp_path / "SRPBS_OPEN.tar.gz", "w:gz") as archive:
            archive.add(tree / "SRPBS_OPEN", "SRPBS_OPEN")
        decnef_data.adopt("srpbs-open", tmp_path / "SRPBS_OPEN.tar.gz", progress="none")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            decnef_data.fetch_dataset("srpbs-open", progress="none", strict=False)
        return [str(warning.message).removeprefix("Omitted from 'srpbs-open': ") for warning in caught]

    def test_a_pointer_in_place_of_a_volume(self, tmp_path: Path) -> None:
        tree = adopt_open(tmp_path)
        path = "SRPBS_OPEN/data/sub-0001/rsfmri/vol_0002"
        (tree / path).write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
        assert self.said(tree, tmp_path) == [
            f"'{path}' is a Git LFS pointer, not the file itself. Run `git lfs pull` in its repository."
        ]

    def test_equal_images(self, tmp_path: Path) -> None:
        tree = adopt_open(tmp_path)
        images = [f"SRPBS_OPEN/data/sub-000{subject}/t1/defaced_mprage.nii" for subject in (1, 2)]
        shutil.copy(tree / images[0], tree / images[1])
        (said,) = self.said(tree, tmp_path)
        assert said == (
            f"'srpbs-open': Images that should differ are equal: '{images[0]}' and '{images[1]}'. "
            "Find out whose they are, then replace or remove the others."
        )

    def test_another_format(self, tmp_path: Path) -> None:
        tree = adopt_open(tmp_path)
        path = "SRPBS_OPEN/data/sub-0001/t1/defaced_mprage"
        (tree / f"{path}.nii").rename(tree / f"{path}.mgz")
        (said,) = self.said(tree, tmp_path)
        assert said == (
            f"'{path}.mgz' is a FreeSurfer image. "
            "Convert it to NIfTI with mri_convert, then adopt the folder again."
        )

    def test_a_gzipped_volume_of_another_header(self, tmp_path: Path) -> None:
        tree = with_another_slope(tmp_path)
        (said,) = self.said(tree, tmp_path)
        assert said == (
            "'SRPBS_OPEN/data/sub-0001/rsfmri/vol_0002.nii.gz' does not belong to its run: its slope differs from "
            "that of 'SRPBS_OPEN/data/sub-0001/rsfmri/vol_0000.nii.gz'. "
            "Download it again, or omit the scan with strict=False (in a folder, after `decnef_data.verify(NAME, deep=True)`)."
        )
