"""Scans exported as NIfTI, from a folder and from stores: bit for bit, and as nibabel reads them."""

import gzip
import json
import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import decnef_data
from decnef_data import AccessError, DecnefDataWarning, FormatError, IntegrityError, SelectionError
from decnef_data.client import Client
from decnef_data.client.options import FetchOptions
from decnef_data.client.request import DataRequest
from decnef_data.exports import nifti
from decnef_data.model import ExportSummary, Image, ImageSet, Selection
from decnef_data.progress import create_progress
from decnef_data.stores import scan_store
from decnef_data.stores.scan_store import InMemoryFile, InMemoryScan, StoredScan
from tests import trees
from tests.command import run

# The images that nibabel ships, and those with default headers, do not have the repetition time of the protocol.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*The repetition time in the header:decnef_data.DecnefDataWarning"),
    pytest.mark.usefixtures("cache"),
]
SHIPPED = Path(nib.__file__).parent / "tests" / "data"


def split_volumes(path: Path) -> Iterator[bytes]:
    """Split a run into files of one volume each, as scanners write them: nibabel would rescale each."""
    content = path.read_bytes()
    header = nib.Nifti1Header(content[:348])
    begins, (*space, count) = int(header["vox_offset"]), header.get_data_shape()
    header.set_data_shape(space)
    length = (len(content) - begins) // count
    for number in range(count):
        start = begins + number * length
        yield header.binaryblock + content[348:begins] + content[start : start + length]


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """The small tree, with real files of nibabel's among it: 4-D, gzipped, NIfTI-2, and as volumes."""
    tree = trees.srpbs_open(tmp_path / "own")
    data = tree / "SRPBS_OPEN" / "data"
    for subject, name in (("sub-0008", "functional.nii"), ("sub-0007", "example4d.nii.gz")):
        shutil.rmtree(data / subject / "rsfmri", ignore_errors=True)
        (data / subject / "rsfmri").mkdir()
        shutil.copy(SHIPPED / name, data / subject / "rsfmri" / name)
    (data / "sub-0003/t1/defaced_mprage.nii").unlink()
    first_volume = nib.load(SHIPPED / "example_nifti2.nii.gz").slicer[..., :1]
    nib.save(first_volume, data / "sub-0003/t1/defaced_mprage.nii.gz")
    shutil.copy(SHIPPED / "anatomical.nii", data / "sub-0002/t1/defaced_mprage.nii")
    shutil.rmtree(data / "sub-0001/rsfmri")
    (data / "sub-0001/rsfmri").mkdir()
    for number, volume in enumerate(split_volumes(SHIPPED / "functional.nii")):
        (data / f"sub-0001/rsfmri/vol_{number:04d}").write_bytes(volume)
    people = (tree / "SRPBS_OPEN/participants.tsv").read_text()
    (tree / "SRPBS_OPEN/participants.tsv").write_text(people.replace("KUT\t13\t", "KUT\t\t"))
    decnef_data.adopt("srpbs-open", tree, progress="none")
    return tree


def select_images(**asked: Any) -> ImageSet:
    selection = Selection("srpbs-open", **asked)
    request = DataRequest.create(Client.default()._resolver, selection, FetchOptions(progress="none"))
    return request.acquire().images()


def as_stored(image: Image, folder: Path) -> Image:
    """Write a scan to a store, as if read from an archive, and return it from there."""
    place = scan_store.store_path(folder, f"{image.subject}_{image.kind}_{image.run}")
    if place.exists():  # made for an earlier test, of the same files
        return replace(image, source=StoredScan(place))
    files = []
    for path, content in image.source.iter_originals():
        plain = gzip.decompress(content) if path.endswith(".gz") else content
        begins, length = 0, 0
        if image.shape:
            begins = len(image.source.read_header())
            each = int(np.prod(image.shape)) * np.dtype(image.dtype).itemsize // len(image.files)
            length = each
        files.append(InMemoryFile(path, plain, begins, length, content if plain is not content else None))
    scan_store.publish(
        place, InMemoryScan(image.kind, image.shape, image.dtype, dict(image.metadata), tuple(files))
    )
    return replace(image, source=StoredScan(place))


@pytest.fixture(scope="module")
def store_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stores")


@pytest.fixture(params=["folder", "stores"])
def images(request: pytest.FixtureRequest, own: Path, store_folder: Path) -> ImageSet:
    """The same scans from their folder, and from stores written from it."""
    found = select_images()
    if request.param == "folder":
        return found
    return replace(found, images=tuple(as_stored(image, store_folder) for image in found.images))


def write(images: ImageSet, folder: Path, **how: Any) -> ExportSummary:
    dataset = decnef_data.catalog().dataset("srpbs-open")
    return nifti.write_scans(images, dataset, nifti.Destination(folder, **how), create_progress("none"))


def files_below(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def scan_files(tree: Path) -> dict[str, bytes]:
    found = files_below(tree)
    return {path: content for path, content in found.items() if "/data/" in path and ".DS_Store" not in path}


class TestOriginals:
    def test_every_file_is_written_bit_for_bit(self, images: ImageSet, own: Path, tmp_path: Path) -> None:
        made = write(images, tmp_path / "out", original=True)
        expected = scan_files(own)
        assert files_below(tmp_path / "out") == expected
        assert made == ExportSummary(tmp_path / "out", len(expected), 0, sum(map(len, expected.values())))

    def test_all_are_on_the_disk_at_the_end(
        self, images: ImageSet, own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        synced: list[dict[str, bytes]] = []
        monkeypatch.setattr(os, "sync", lambda: synced.append(files_below(tmp_path / "out")))
        write(images, tmp_path / "out", original=True)
        assert synced == [scan_files(own)]

    def test_files_that_are_there_are_left_and_others_are_written(
        self, images: ImageSet, own: Path, tmp_path: Path
    ) -> None:
        write(images, tmp_path / "out", original=True)
        expected = scan_files(own)
        gone, short, *others = expected
        (tmp_path / "out" / gone).unlink()
        (tmp_path / "out" / short).write_bytes(b"cut short")
        before = {path: (tmp_path / "out" / path).stat().st_mtime_ns for path in others}
        made = write(images, tmp_path / "out", original=True)
        assert (made.written, made.skipped) == (2, len(others))
        assert files_below(tmp_path / "out") == expected
        assert {path: (tmp_path / "out" / path).stat().st_mtime_ns for path in others} == before

    def test_a_path_that_leads_out_is_refused(self, images: ImageSet, tmp_path: Path) -> None:
        bad = replace(images.images[0], folder="../sub-0001")
        with pytest.raises(FormatError) as caught:
            write(replace(images, images=(bad,)), tmp_path / "out", original=True)
        assert str(caught.value) == (
            "A file in '../sub-0001' would be written outside the export folder. Exclude that scan."
        )
        assert not (tmp_path / "out").exists()


def assert_same(found: Path, original: nib.Nifti1Image) -> None:
    image = nib.load(found)
    assert type(image) is type(original)
    np.testing.assert_array_equal(image.affine, original.affine)
    np.testing.assert_array_equal(image.get_fdata(), original.get_fdata())
    assert image.get_data_dtype() == original.get_data_dtype()
    assert image.header.extensions == original.header.extensions
    assert image.header.get_zooms()[:3] == original.header.get_zooms()[:3]


class TestRuns:
    def test_each_scan_is_a_file_with_its_name(self, images: ImageSet, tmp_path: Path) -> None:
        made = write(images, tmp_path / "out")
        assert list(files_below(tmp_path / "out")) == [
            ".bidsignore", "README", "dataset_description.json",
            "sub-0001/anat/sub-0001_T1w.json", "sub-0001/anat/sub-0001_T1w.nii.gz",
            "sub-0001/fmap/NOTE.txt", "sub-0001/fmap/data_0000.nii", "sub-0001/fmap/phase.nii",
            "sub-0001/func/sub-0001_task-rest_bold.json", "sub-0001/func/sub-0001_task-rest_bold.nii.gz",
            "sub-0002/anat/sub-0002_T1w.json", "sub-0002/anat/sub-0002_T1w.nii.gz",
            "sub-0002/fmap/NOTE.txt", "sub-0002/fmap/fieldmap212APs006a2001.nii",
            "sub-0002/func/sub-0002_task-rest_bold.json", "sub-0002/func/sub-0002_task-rest_bold.nii.gz",
            "sub-0003/anat/sub-0003_T1w.json", "sub-0003/anat/sub-0003_T1w.nii.gz",
            "sub-0003/func/sub-0003_task-rest_bold.json", "sub-0003/func/sub-0003_task-rest_bold.nii.gz",
            "sub-0007/anat/sub-0007_T1w.json", "sub-0007/anat/sub-0007_T1w.nii.gz",
            "sub-0007/func/sub-0007_task-rest_bold.json", "sub-0007/func/sub-0007_task-rest_bold.nii.gz",
            "sub-0008/anat/sub-0008_T1w.json", "sub-0008/anat/sub-0008_T1w.nii.gz",
            "sub-0008/func/sub-0008_task-rest_bold.json", "sub-0008/func/sub-0008_task-rest_bold.nii.gz",
        ]  # fmt: skip
        assert (made.written, made.skipped) == (13, 0)

    @pytest.mark.parametrize(
        ("subject", "name"),
        [("sub-0001", "functional.nii"), ("sub-0008", "functional.nii"), ("sub-0007", "example4d.nii.gz")],
    )
    def test_a_real_run_is_as_nibabel_reads_it(
        self, images: ImageSet, tmp_path: Path, subject: str, name: str
    ) -> None:
        write(images, tmp_path / "out")
        found = tmp_path / f"out/{subject}/func/{subject}_task-rest_bold.nii.gz"
        original = nib.load(SHIPPED / name)
        assert_same(found, original)

    def test_the_header_states_the_repetition_time_of_the_protocol(
        self, images: ImageSet, tmp_path: Path
    ) -> None:
        write(images, tmp_path / "out")
        for subject in ("sub-0001", "sub-0002", "sub-0003", "sub-0007"):
            header = nib.load(tmp_path / f"out/{subject}/func/{subject}_task-rest_bold.nii.gz").header
            assert (header.get_zooms()[3], header.get_xyzt_units()[1]) == (2.5, "sec")

    def test_without_a_protocol_it_is_that_of_the_header(self, images: ImageSet, tmp_path: Path) -> None:
        write(images, tmp_path / "out")
        path = tmp_path / "out/sub-0008/func/sub-0008_task-rest_bold"
        own = nib.load(SHIPPED / "functional.nii").header.get_zooms()[3]
        stated = json.loads(path.with_suffix(".json").read_text()).get("RepetitionTime", 0.0)
        assert nib.load(f"{path}.nii.gz").header.get_zooms()[3] == pytest.approx(stated)
        assert stated == pytest.approx(own)

    def test_where_nothing_states_it_nothing_does(self, images: ImageSet, tmp_path: Path) -> None:
        (image,) = (one for one in images.images if (one.subject, one.kind) == ("sub-0008", "bold"))
        write(ImageSet((replace(image, metadata={}),), synthetic=False), tmp_path / "out")
        path = tmp_path / "out/sub-0008/func/sub-0008_task-rest_bold"
        assert "RepetitionTime" not in json.loads(path.with_suffix(".json").read_text())
        assert nib.load(f"{path}.nii.gz").header.get_zooms()[3] == 0

    def test_either_byte_order_gives_the_values_of_the_files(self, images: ImageSet, tmp_path: Path) -> None:
        write(images, tmp_path / "out")
        found = nib.load(tmp_path / "out/sub-0002/func/sub-0002_task-rest_bold.nii.gz")
        assert found.header.endianness == ">"
        np.testing.assert_array_equal(np.asarray(found.dataobj), trees.voxels(2, (*trees.SHAPE, 4)))
        np.testing.assert_array_equal(found.affine, trees.AFFINE)

    @pytest.mark.parametrize(
        ("subject", "name"), [("sub-0002", "anatomical.nii"), ("sub-0003", "example_nifti2.nii.gz")]
    )
    def test_a_structural_image_is_the_original_compressed(
        self, images: ImageSet, tmp_path: Path, subject: str, name: str
    ) -> None:
        write(images, tmp_path / "out")
        found = tmp_path / f"out/{subject}/anat/{subject}_T1w.nii.gz"
        original = (SHIPPED / name).read_bytes()
        if name == "anatomical.nii":
            assert gzip.decompress(found.read_bytes()) == original
        image = nib.load(SHIPPED / name)  # of the one that is a series, the first is the structural image
        assert_same(found, image if image.ndim == 3 else image.slicer[..., 0])

    def test_what_is_known_lies_beside(self, images: ImageSet, tmp_path: Path) -> None:
        write(images, tmp_path / "out")
        said = json.loads((tmp_path / "out/sub-0003/func/sub-0003_task-rest_bold.json").read_text())
        assert said == {
            "TaskName": "rest",
            "Site": "COI",
            "Institute": said["Institute"],
            "Scanner": "Verio.Dot",
            "Protocol": 5,
            "RepetitionTime": 2.5,
            "SourceFolder": "SRPBS_OPEN/data/sub-0003/rsfmri",
            "SourceFiles": ["vol_0000", "vol_0002"],
            "NumberOfSourceFiles": 3,
        }
        described = json.loads((tmp_path / "out/dataset_description.json").read_text())
        assert described["Name"] == "SRPBS Multi-disorder MRI Dataset (unrestricted)"
        assert (tmp_path / "out/.bidsignore").read_text() == "TERMS\nCITATION\n**/fmap/**\n"

    def test_field_maps_of_a_later_export_are_ignored_too(self, images: ImageSet, tmp_path: Path) -> None:
        runs = replace(images, images=tuple(image for image in images.images if image.kind == "bold"))
        write(runs, tmp_path / "out")
        write(images, tmp_path / "out")
        assert (tmp_path / "out/sub-0001/fmap/phase.nii").exists()
        assert "**/fmap/**" in (tmp_path / "out/.bidsignore").read_text().splitlines()

    def test_a_folder_has_the_scans_of_one_dataset(self, images: ImageSet, tmp_path: Path) -> None:
        folder = tmp_path / "out"
        write(replace(images, synthetic=True), folder)
        title = "SRPBS Multi-disorder MRI Dataset (unrestricted)"
        with pytest.raises(SelectionError) as caught:
            write(images, folder)  # the synthetic scans have the same names, and would stay
        assert str(caught.value) == (
            f"'{folder}' contains an export of 'SYNTHETIC phantom of {title}', whose scans could be confused "
            f"with those of '{title}'. Export to another folder."
        )
        assert write(replace(images, synthetic=True), folder).written == 0

    @pytest.mark.parametrize("content", ['{"Name": "Mine"}', '{"Name": 1}', "[]", "no JSON", ""])
    def test_a_description_of_the_user_stays(self, images: ImageSet, tmp_path: Path, content: str) -> None:
        (tmp_path / "out").mkdir()
        (tmp_path / "out/dataset_description.json").write_text(content)
        assert write(images, tmp_path / "out").written
        assert (tmp_path / "out/dataset_description.json").read_text() == content

    def test_discarded_volumes_are_stated_only_where_as_many_are_missing(
        self, images: ImageSet, tmp_path: Path
    ) -> None:
        write(images, tmp_path / "out")
        found = {
            path.name[:8]: json.loads(path.read_text()).get("NumberOfVolumesDiscardedByUser")
            for path in (tmp_path / "out").rglob("*_bold.json")
        }
        # Of 8 planned volumes, 4 were removed; the third run has lost another one.  The others have files of
        # nibabel, or no plan at all.
        assert found["sub-0002"] == 4
        assert [found[subject] for subject in ("sub-0001", "sub-0003", "sub-0007", "sub-0008")] == [None] * 4

    @pytest.mark.parametrize(("units", "factor"), [("sec", 1), ("msec", 1000), ("usec", 1_000_000)])
    def test_a_repetition_time_of_a_header_is_the_decimal_number_that_was_meant(
        self, own: Path, tmp_path: Path, units: str, factor: float
    ) -> None:
        place = own / "SRPBS_OPEN/data/sub-0008/rsfmri/functional.nii"
        image = nib.load(place)
        image.header.set_xyzt_units("mm", units)
        image.header["pixdim"][4] = 2.7 * factor  # in 32 bits
        nib.save(nib.Nifti1Image(np.asarray(image.dataobj), image.affine, image.header), place)
        decnef_data.adopt("srpbs-open", own, progress="none")
        write(select_images(subjects=("sub-0008",)), tmp_path / "out")
        text = (tmp_path / "out/sub-0008/func/sub-0008_task-rest_bold.json").read_text()
        assert '"RepetitionTime": 2.7,' in text

    def test_synthetic_data_have_no_identifier_of_the_real_data(
        self, images: ImageSet, tmp_path: Path
    ) -> None:
        write(images, tmp_path / "real")
        write(replace(images, synthetic=True), tmp_path / "synthetic")
        real, synthetic = (
            (tmp_path / name / "dataset_description.json").read_text() for name in ("real", "synthetic")
        )
        assert json.loads(real)["DatasetDOI"] == "doi:10.7303/syn22317081"
        assert "10.7303" not in synthetic
        assert "SYNTHETIC" in json.loads(synthetic)["Name"]

    def test_field_maps_are_as_they_came(self, images: ImageSet, own: Path, tmp_path: Path) -> None:
        write(images, tmp_path / "out")
        for name in ("phase.nii", "data_0000.nii"):
            came = own / "SRPBS_OPEN/data/sub-0001/fmap" / name
            assert (tmp_path / "out/sub-0001/fmap" / name).read_bytes() == came.read_bytes()
        assert (
            "Inspect the files before you use them" in (tmp_path / "out/sub-0001/fmap/NOTE.txt").read_text()
        )

    def test_the_same_scans_are_the_same_files_again(self, images: ImageSet, tmp_path: Path) -> None:
        write(images, tmp_path / "one")
        write(images, tmp_path / "two")
        assert files_below(tmp_path / "one") == files_below(tmp_path / "two")

    def test_finished_files_are_left(self, images: ImageSet, tmp_path: Path) -> None:
        write(images, tmp_path / "out")
        expected = files_below(tmp_path / "out")
        (tmp_path / "out/sub-0001/func/sub-0001_task-rest_bold.nii.gz").unlink()
        made = write(images, tmp_path / "out")
        assert (made.written, made.skipped) == (1, 12)
        assert files_below(tmp_path / "out") == expected

    def test_only_the_owner_may_look(self, images: ImageSet, tmp_path: Path) -> None:
        write(images, tmp_path / "out")
        for path in ((tmp_path / "out"), *(tmp_path / "out").rglob("*")):
            assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path

    def test_without_isal_it_is_the_same_content(
        self, images: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write(images, tmp_path / "one")
        monkeypatch.setitem(sys.modules, "isal", None)
        write(images, tmp_path / "two")
        name = "sub-0008/func/sub-0008_task-rest_bold.nii.gz"
        one, two = (gzip.decompress((tmp_path / each / name).read_bytes()) for each in ("one", "two"))
        assert one == two


class TestNames:
    @pytest.fixture
    def image(self, own: Path) -> Image:
        return select_images(subjects=("sub-0001",), modalities=("bold",)).images[0]

    def test_runs_and_sessions_are_named_where_there_are_several(self, image: Image, tmp_path: Path) -> None:
        several = [
            replace(image, subject="MP001", session="siteATTd1", run=number, is_only_scan=False)
            for number in (1, 2)
        ]
        write(ImageSet(tuple(several), synthetic=True), tmp_path / "out")
        found = [path for path in files_below(tmp_path / "out") if path.endswith(".nii.gz")]
        assert found == [
            "sub-MP001/ses-siteATTd1/func/sub-MP001_ses-siteATTd1_task-rest_run-1_bold.nii.gz",
            "sub-MP001/ses-siteATTd1/func/sub-MP001_ses-siteATTd1_task-rest_run-2_bold.nii.gz",
        ]
        said = json.loads((tmp_path / "out" / found[0].replace(".nii.gz", ".json")).read_text())
        assert said["Synthetic"] is True

    def test_two_scans_of_one_name_are_refused(self, image: Image, tmp_path: Path) -> None:
        with pytest.raises(FormatError) as caught:
            write(ImageSet((image, replace(image, subject="sub0001")), synthetic=False), tmp_path / "out")
        assert str(caught.value) == (
            "Two scans would be written to the same file 'sub-0001/func/sub-0001_task-rest_bold.nii.gz'. "
            "Export them separately, or use original=True."
        )

    def test_field_maps_of_several_folders_are_kept_apart(self, own: Path, tmp_path: Path) -> None:
        data = own / "SRPBS_OPEN/data/sub-0001"
        shutil.copytree(data / "fmap", data / "fmap2")
        decnef_data.adopt("srpbs-open", own, progress="none")
        write(select_images(subjects=("sub-0001",), modalities=("fmap",)), tmp_path / "out")
        found = [path for path in files_below(tmp_path / "out") if path.endswith("phase.nii")]
        assert found == ["sub-0001/fmap/run-1/phase.nii", "sub-0001/fmap/run-2/phase.nii"]


class TestTrouble:
    def damaged(self, own: Path) -> str:
        path = own / "SRPBS_OPEN/data/sub-0002/rsfmri/vol_0002"
        status, content = path.stat(), bytearray(path.read_bytes())
        content[70:72] = b"\0\x08"
        path.write_bytes(content)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        return f"'{path}' does not belong to its run: its dtype differs from that of 'SRPBS_OPEN/data/sub-0002/rsfmri/vol_0000'. Download it again, or omit the scan with strict=False (in a folder, after `decnef_data.verify(NAME, deep=True)`)."

    def test_a_scan_that_cannot_be_read_leaves_nothing_of_itself(self, own: Path, tmp_path: Path) -> None:
        message = self.damaged(own)
        with pytest.raises(FormatError) as caught:
            decnef_data.export_nifti("srpbs-open", tmp_path / "out", progress="none")
        assert str(caught.value) == message
        found = files_below(tmp_path / "out")
        assert "sub-0001/func/sub-0001_task-rest_bold.nii.gz" in found
        assert "sub-0002/func/sub-0002_task-rest_bold.nii.gz" not in found
        assert not list((tmp_path / "out").glob(".staging-*"))
        assert {"TERMS", "CITATION"} <= set(found)

    def test_unless_strict_it_is_left_out_with_a_warning(self, own: Path, tmp_path: Path) -> None:
        message = self.damaged(own)
        with pytest.warns(DecnefDataWarning) as caught:
            made = decnef_data.export_nifti("srpbs-open", tmp_path / "out", strict=False, progress="none")
        about_headers, omitted = [str(one.message) for one in caught]
        assert "The repetition time in the header" in about_headers
        assert omitted == f"Omitted from the export: {message}"
        assert made.written == 12

    def test_a_file_that_changed_is_not_written(self, own: Path, tmp_path: Path) -> None:
        path = own / "SRPBS_OPEN/data/sub-0002/t1/defaced_mprage.nii"
        path.write_bytes(path.read_bytes() + b"more")
        with pytest.raises(IntegrityError) as caught:
            decnef_data.export_nifti("srpbs-open", tmp_path / "out", original=True, progress="none")
        assert str(caught.value) == (
            f"'{path}' has changed since it was listed. If the change was intended, adopt the folder again."
        )


class TestVerb:
    def test_it_writes_what_is_selected_with_terms_and_citation(self, own: Path, tmp_path: Path) -> None:
        made = decnef_data.export_nifti(
            "srpbs-open", tmp_path / "out", subjects="sub-0001", modalities="bold", progress="none"
        )
        assert made.written == 1
        top = sorted(path.name for path in (tmp_path / "out").iterdir())
        assert top == [".bidsignore", "CITATION", "README", "TERMS", "dataset_description.json", "sub-0001"]
        assert "decnef purge srpbs-open" in (tmp_path / "out/TERMS").read_text()

    def test_originals_have_them_too(self, own: Path, tmp_path: Path) -> None:
        decnef_data.export_nifti("srpbs-open", tmp_path / "out", original=True, progress="none")
        assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
            "CITATION",
            "SRPBS_OPEN",
            "TERMS",
        ]

    def test_a_group_names_the_scans_too(self, own: Path, tmp_path: Path) -> None:
        made = decnef_data.export_nifti("srpbs-open/KUT/t1w", tmp_path / "out", progress="none")
        found = [path for path in files_below(tmp_path / "out") if path.endswith("T1w.nii.gz")]
        assert made.written == len(found) == 2

    @pytest.mark.parametrize("original", [True, False])
    def test_a_checkout_is_refused_before_anything_is_written(
        self, own: Path, tmp_path: Path, original: bool
    ) -> None:
        (tmp_path / "work/.git").mkdir(parents=True)
        destination = tmp_path / "work/out"
        with pytest.raises(AccessError) as caught:
            decnef_data.export_nifti("srpbs-open", destination, original=original, progress="none")
        assert str(caught.value) == (
            f"'{destination}' is inside the Git checkout '{tmp_path / 'work'}', and the terms of 'srpbs-open' "
            "do not permit sharing its data. Export to a private folder, or add --i-may-share "
            "(i_may_share=True) if you have permission."
        )
        assert not destination.exists()
        made = decnef_data.export_nifti(
            "srpbs-open", destination, original=original, i_may_share=True, progress="none"
        )
        assert made.written > 0

    def test_another_machine_is_refused(self, own: Path) -> None:
        with pytest.raises(AccessError):
            decnef_data.export_nifti("srpbs-open", "s3://bucket/out", progress="none")
        with pytest.raises(SelectionError) as caught:
            decnef_data.export_nifti("srpbs-open", "s3://bucket/out", i_may_share=True, progress="none")
        assert str(caught.value) == (
            "'s3://bucket/out' is on another machine. Export to a local folder, then copy it."
        )

    def test_a_dataset_without_images_says_so(self, tmp_path: Path) -> None:
        from tests import small

        decnef_data.adopt("srpbs-fc", small.archive(tmp_path / "SRPBS_FC.zip"), progress="none")
        with pytest.raises(SelectionError) as caught:
            decnef_data.export_nifti("srpbs-fc", tmp_path / "out", progress="none")
        assert str(caught.value) == (
            "'srpbs-fc' does not contain images. To get its original files, run `decnef_data.download('srpbs-fc')`."
        )

    def test_nobody_is_an_error(self, own: Path, tmp_path: Path) -> None:
        with pytest.raises(SelectionError) as caught:
            decnef_data.export_nifti(
                "srpbs-open", tmp_path / "out", subjects="sub-0003", modalities="fmap", progress="none"
            )
        assert str(caught.value) == (
            "No participants in 'srpbs-open' match subjects 'sub-0003', modalities 'fmap'. "
            "Run `decnef_data.participants('srpbs-open')` to list all participants."
        )


class TestPhantom:
    @pytest.mark.parametrize("name", ["srpbs-open", "srpbs-ts"])
    def test_it_is_marked_and_goes_anywhere(self, name: str, tmp_path: Path, phantom_dir: Path) -> None:
        (tmp_path / ".git").mkdir()
        out = tmp_path / "out"
        asked = {"mirror": "phantom", "data_dir": phantom_dir, "progress": "none"}
        made = decnef_data.export_nifti(name, out, **asked)
        assert made.written > 0
        assert not (out / "TERMS").exists()
        assert json.loads((out / "dataset_description.json").read_text())["Name"].startswith("SYNTHETIC")
        for path in out.rglob("*_bold.nii.gz"):
            image = nib.load(path)
            assert bytes(image.header["descrip"]).startswith(b"SYNTHETIC")
            assert image.header.get_zooms()[3] > 0
            assert image.ndim == 4


class TestCommand:
    def test_it_prints_the_folder(self, own: Path, tmp_path: Path) -> None:
        done = run("export", "nifti", "srpbs-open", str(tmp_path / "out"), "--subject", "sub-0001", "--quiet")
        assert (done.code, done.out) == (0, f"{tmp_path / 'out'}\n")
        again = run(
            "export",
            "nifti",
            "srpbs-open",
            str(tmp_path / "out"),
            "--subject",
            "sub-0001",
            "--json",
            "--quiet",
        )
        assert again.json == {"folder": str(tmp_path / "out"), "written": 0, "skipped": 4, "size": 0}

    def test_originals_and_sites(self, own: Path, tmp_path: Path) -> None:
        done = run("export", "nifti", "srpbs-open", str(tmp_path / "out"), "--site", "KUT", "--original")
        assert done.code == 0
        assert "Wrote 4 files, " in done.err
        assert (tmp_path / "out/SRPBS_OPEN/data/sub-0007").is_dir()
        assert not (tmp_path / "out/SRPBS_OPEN/data/sub-0001").exists()

    def test_a_checkout_ends_with_the_code_of_access(self, own: Path, tmp_path: Path) -> None:
        (tmp_path / "out/.git").mkdir(parents=True)
        assert run("export", "nifti", "srpbs-open", str(tmp_path / "out")).code == 3


class TestKilled:
    """A process that dies at any moment leaves whole files under their names, and the next one goes on."""

    @pytest.mark.slow
    def test_what_has_its_name_is_whole(self, own: Path, tmp_path: Path) -> None:
        out = tmp_path / "out"
        expected_at = tmp_path / "whole"
        decnef_data.export_nifti("srpbs-open", expected_at, progress="none")
        expected = files_below(expected_at)
        code = f"import decnef_data; decnef_data.export_nifti('srpbs-open', {str(out)!r}, progress='none')"
        for delay in self.delays():
            with subprocess.Popen([sys.executable, "-c", code]) as running:
                time.sleep(delay)
                running.kill()
            found = {
                path: held for path, held in files_below(out).items() if not path.startswith(".staging-")
            }
            assert all(expected[path] == held for path, held in found.items())
        decnef_data.export_nifti("srpbs-open", out, progress="none")
        assert files_below(out) == expected

    def delays(self) -> Iterator[float]:
        yield from np.linspace(0.6, 1.8, 5).tolist()
