"""Odd images, exported and read back: every data type, byte order and header, with scaling and extensions."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

import decnef_data
from decnef_data.exports.scan_files import is_complete
from tests import trees

_TYPES = ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8", "c8", "c16")
_CLASSES = {1: nib.Nifti1Image, 2: nib.Nifti2Image}


def odd_images() -> Iterator[tuple[str, nib.Nifti1Image]]:
    """Yield 44 runs that differ in their data type, byte order, version, scaling, extensions and forms."""
    combinations = itertools.product(_TYPES, "<>", _CLASSES)
    usable = (each for each in combinations if not (each[1] == ">" and each[0] in {"i1", "u1"}))
    for number, (kind, order, version) in enumerate(usable, start=1):
        drawn = np.random.default_rng(number).integers(0, 100, (4, 5, 3, 6))
        values = (drawn + 1j * drawn[::-1] if kind[0] == "c" else drawn).astype(f"{order}{kind}")
        image = _CLASSES[version](
            values, np.diag([3, 3.5, 4, 1]), _CLASSES[version].header_class(endianness=order)
        )
        header = image.header
        header.set_data_dtype(values.dtype)
        header.set_xyzt_units("mm" if number % 2 else "unknown", "msec" if number % 3 else "sec")
        header["pixdim"][4] = 2000 if number % 3 else 2
        if number % 4 == 0:
            header.set_slope_inter(0.5, -3)
        if number % 5 == 0:
            header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"scanned once"))
        image.set_qform(image.affine, code=number % 3)
        image.set_sform(image.affine, code=(number + 1) % 3)
        yield f"sub-{number:04d}", image


def raw_bytes(image: nib.Nifti1Image) -> bytes:
    """Return a file with the voxels as they are: nibabel would scale them."""
    header = image.header.copy()
    extensions = 16 * -(-sum(each.get_sizeondisk() for each in header.extensions) // 16)
    header["vox_offset"] = header.single_vox_offset + extensions
    start = header.binaryblock
    flag = b"\1\0\0\0" if header.extensions else b"\0\0\0\0"
    content = start + flag
    for extension in header.extensions:
        size = extension.get_sizeondisk()
        numbers = np.array([size, extension.get_code()], f"{header.endianness}i4").tobytes()
        content += (
            numbers + extension.get_content().encode("latin-1")
            if isinstance(extension.get_content(), str)
            else numbers + extension.get_content()
        )
        content = content.ljust(len(start) + 4 + size, b"\0")
    content = content.ljust(int(header["vox_offset"]), b"\0")
    return content + np.asarray(image.dataobj).tobytes(order="F")


@pytest.fixture(scope="module")
def images() -> dict[str, nib.Nifti1Image]:
    return dict(odd_images())


@pytest.fixture(scope="module")
def tree(images: dict[str, nib.Nifti1Image], tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("odd") / "SRPBS_OPEN"
    people = "".join(f"{subject}\tCOI\t99\t0\t25\t1\t1\t2\n" for subject in images)
    trees.write(top, {"participants.tsv": trees.PEOPLE.splitlines(keepends=True)[0] + people})
    for subject, image in images.items():
        trees.write(top, {f"data/{subject}/rsfmri/run.nii": raw_bytes(image)})
    return top.parent


@pytest.mark.parametrize("compress", [True, False])
class TestOddImages:
    def test_there_are_enough(self, images: dict[str, nib.Nifti1Image], compress: bool) -> None:
        assert len(images) == 44

    def test_nibabel_reads_the_same(
        self,
        images: dict[str, nib.Nifti1Image],
        tree: Path,
        tmp_path: Path,
        compress: bool,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("DECNEF_DATA_DIR", str(tmp_path / "cache"))
        decnef_data.adopt("srpbs-open", tree, progress="none")
        decnef_data.export_bids("srpbs-open", tmp_path / "out", compress=compress, progress="none")
        suffix = ".nii.gz" if compress else ".nii"
        for subject in images:
            original = nib.load(tree / f"SRPBS_OPEN/data/{subject}/rsfmri/run.nii")
            found = nib.load(tmp_path / f"out/{subject}/func/{subject}_task-rest_bold{suffix}")
            assert type(found) is type(original)
            assert found.header.endianness == original.header.endianness
            assert found.get_data_dtype() == original.get_data_dtype()
            np.testing.assert_array_equal(found.dataobj.get_unscaled(), original.dataobj.get_unscaled())
            np.testing.assert_array_equal(np.asarray(found.dataobj), np.asarray(original.dataobj))
            np.testing.assert_array_equal(found.affine, original.affine)
            assert found.header["qform_code"] == original.header["qform_code"]
            assert found.header["sform_code"] == original.header["sform_code"]
            assert found.header.extensions == original.header.extensions
            assert found.header.get_zooms()[:3] == original.header.get_zooms()[:3]
            assert found.header.get_zooms()[3] == 2
            assert found.header.get_xyzt_units() == ("mm", "sec")


class TestComplete:
    def test_a_file_is_complete_by_its_size(self, tmp_path: Path) -> None:
        (tmp_path / "a.nii").write_bytes(b"1234")
        assert is_complete(tmp_path / "a.nii", 4)
        assert not is_complete(tmp_path / "a.nii", 5)
        assert not is_complete(tmp_path / "b.nii", 0)

    def test_a_compressed_file_by_the_size_at_its_end(self, tmp_path: Path) -> None:
        import gzip

        path, content = tmp_path / "a.nii.gz", gzip.compress(bytes(1000))
        path.write_bytes(content)
        assert is_complete(path, 1000)
        for damaged in (content[:-1], b"", b"\x1f\x8b", bytes(len(content))):
            path.write_bytes(damaged)
            assert not is_complete(path, 1000)
        assert not is_complete(tmp_path / "b.nii.gz", 1000)
