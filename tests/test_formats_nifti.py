"""Headers of NIfTI files as nibabel writes and ships them, in either byte order and version; and of damaged ones."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from decnef_data import FormatError
from decnef_data.formats import nifti

SHIPPED = Path(nib.__file__).parent / "tests" / "data"
AFFINE = np.diag([2.0, 3.0, 4.0, 1.0])


def read(path: Path) -> nifti.NiftiHeader:
    return nifti.read(nifti.read_header_bytes(path)[0], path.name)


@pytest.mark.parametrize(
    "name",
    [
        "anatomical.nii",
        "functional.nii",
        "example4d.nii.gz",
        "example_nifti2.nii.gz",
        "standard.nii.gz",
        "resampled_anat_moved.nii",
    ],
)
def test_what_nibabel_ships_reads_as_nibabel_reads_it(name: str) -> None:
    image, header = nib.load(SHIPPED / name), read(SHIPPED / name)
    assert header.shape == image.shape
    assert np.dtype(header.dtype) == image.get_data_dtype()
    assert header.offset == image.dataobj.offset
    assert (header.slope, header.inter) == (image.dataobj.slope, image.dataobj.inter)
    assert np.array_equal(np.frombuffer(header.affine, "<f8").reshape(4, 4), image.affine)
    assert nifti.read_header_bytes(SHIPPED / name)[1] == name.endswith(".gz")


@pytest.mark.parametrize(
    ("unit", "stated", "seconds"),
    [
        ("sec", 2.5, 2.5),
        ("msec", 2500, 2.5),
        ("usec", 2.5e6, 2.5),
        ("unknown", 2500, 2.5),
        ("sec", 2000, 2.0),
    ],
)
@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
def test_the_repetition_time_in_any_unit(kind: type, unit: str, stated: float, seconds: float) -> None:
    image = kind(np.zeros((2, 2, 2, 3), "i2"), AFFINE)
    image.header.set_xyzt_units("mm", unit)
    image.header["pixdim"][4] = stated
    assert nifti.read(image.to_bytes()[: nifti.HEADER_LENGTH], "a").repetition_time == pytest.approx(seconds)


@pytest.mark.parametrize("shape", [(2, 2, 2), (2, 2, 2, 3)])
def test_a_header_without_repetition_time(shape: tuple[int, ...]) -> None:
    image = nib.Nifti1Image(np.zeros(shape, "i2"), AFFINE)
    image.header["pixdim"][4] = 0
    assert np.isnan(nifti.read(image.to_bytes()[: nifti.HEADER_LENGTH], "a").repetition_time)


def test_dimensions_of_one_behind_time_are_none() -> None:
    image = nib.Nifti1Image(np.zeros((2, 3, 4, 5, 1), "i2"), AFFINE)
    header = nifti.read(image.to_bytes()[: nifti.HEADER_LENGTH], "a")
    assert (header.shape, header.nbytes) == ((2, 3, 4, 5), 240)


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("change", ["shape", "dtype", "scaling", "place"])
def test_the_signature_tells_what_matters_from_what_does_not(kind: type, change: str) -> None:
    def start(*, other: bool) -> bytes:
        shape = (2, 2, 3) if other and change == "shape" else (2, 2, 2)
        dtype = "i4" if other and change == "dtype" else "i2"
        affine = AFFINE * 2 if other and change == "place" else AFFINE
        image = kind(np.zeros(shape, dtype), affine)
        image.header["descrip"] = b"later" if other else b"first"
        if other and change == "scaling":
            image.header["scl_slope"] = 2.0
        data: bytes = image.header.binaryblock
        return data + bytes(4)

    same = kind(np.zeros((2, 2, 2), "i2"), AFFINE)
    same.header["descrip"] = b"another time"
    assert nifti.signature(start(other=False)) == nifti.signature(same.header.binaryblock)
    assert nifti.signature(start(other=False)) != nifti.signature(start(other=True))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "'a' is not a single-file NIfTI image. Download it again."),
        (b"not an image" * 100, "'a' is not a single-file NIfTI image. Download it again."),
        (
            (SHIPPED / "row_major.dconn.nii").read_bytes(),
            "'a' has the shape (1, 1, 1, 1, 10, 10), which is neither a volume nor a run. Download it again.",
        ),
    ],
)
def test_what_is_no_image_of_ours(data: bytes, said: str) -> None:
    with pytest.raises(FormatError) as caught:
        nifti.read(data[: nifti.HEADER_LENGTH], "a")
    assert str(caught.value) == said
    assert caught.value.file == "a"


def test_a_damaged_header() -> None:
    data = bytearray(nib.Nifti1Image(np.zeros((2, 2, 2), "i2"), AFFINE).to_bytes())
    data[70:72] = b"\x63\x63"
    with pytest.raises(FormatError, match=r"^'a' has a damaged header: data code 25443 not recognized"):
        nifti.read(bytes(data[: nifti.HEADER_LENGTH]), "a")


def test_colors_are_no_numbers() -> None:
    colors = np.zeros((2, 2, 2), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    with pytest.raises(FormatError, match="instead of one number per voxel"):
        nifti.read(nib.Nifti1Image(colors, AFFINE).to_bytes()[: nifti.HEADER_LENGTH], "a")


def test_a_damaged_gzip_file(tmp_path: Path) -> None:
    data = bytearray((SHIPPED / "example4d.nii.gz").read_bytes())
    data[20:40] = bytes(20)
    (tmp_path / "a.nii.gz").write_bytes(data)
    with pytest.raises(FormatError, match=r"^'a.nii.gz' is damaged: .*\. Download it again\.$"):
        nifti.read_header_bytes(tmp_path / "a.nii.gz")
