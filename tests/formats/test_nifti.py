"""Headers of NIfTI files as nibabel writes and ships them, in either byte order and version; and of damaged ones."""

import gzip
import logging
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from nibabel.spatialimages import HeaderDataError

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
        ("sec", 2.7, 2.7),
        ("sec", 0.8, 0.8),
        ("msec", 2500, 2.5),
        ("msec", 2700, 2.7),
        ("usec", 2.7e6, 2.7),
        ("unknown", 2700, 2.7),
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
    # Exactly: the number of 32 bits that is nearest to 2.7 is 2.700000047683716.
    assert nifti.read(image.to_bytes()[: nifti.HEADER_LENGTH], "a").repetition_time == seconds


def test_a_repetition_time_of_64_bits_keeps_all_of_its_digits() -> None:
    for time in (2.7000000001, 1e-300):
        image = nib.Nifti2Image(np.zeros((2, 2, 2, 3), "i2"), AFFINE)
        image.header["pixdim"][4] = time
        assert nifti.read(image.to_bytes()[: nifti.HEADER_LENGTH], "a").repetition_time == time
    image.header["pixdim"][4] = 1e300
    assert nifti.read(image.to_bytes()[: nifti.HEADER_LENGTH], "a").repetition_time == 1e297


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


@pytest.mark.parametrize("kind", [nib.Nifti1Header, nib.Nifti2Header])
def test_the_signature_has_every_byte_of_these_fields_and_no_other(kind: type) -> None:
    start = kind().binaryblock + bytes(4)
    fields = {name: kind.template_dtype.fields[name] for name in kind.template_dtype.names}
    of_run = {
        "sizeof_hdr", "dim", "datatype", "bitpix", "vox_offset", "scl_slope", "scl_inter", "qform_code", "sform_code",
        "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z", "srow_x", "srow_y", "srow_z",
    }  # fmt: skip
    expected = {
        byte for name in of_run for byte in range(fields[name][1], sum(_begin_and_size(*fields[name])))
    }
    begin, size = _begin_and_size(*fields["pixdim"])
    expected |= set(range(begin, begin + size // 2))  # the sizes of voxels, not the repetition time
    found = set()
    for byte in range(len(start)):
        changed = bytearray(start)
        changed[byte] ^= 1
        is_magic = fields["magic"][1] <= byte < sum(_begin_and_size(*fields["magic"]))
        if not is_magic and nifti.signature(bytes(changed)) != nifti.signature(start):
            found.add(byte)
    assert found == expected


def _begin_and_size(dtype: np.dtype[Any], begin: int, *_: object) -> tuple[int, int]:
    return begin, dtype.itemsize


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
    with pytest.raises(FormatError) as caught:
        nifti.read(bytes(data[: nifti.HEADER_LENGTH]), "a")
    assert str(caught.value) == (
        "'a' has a damaged header: datatype is 25443, which is not a data type. "
        "Download it again, or omit the scan with strict=False."
    )
    assert caught.value.location == "byte 70"


def test_a_header_without_its_length_and_without_dimensions() -> None:
    header = start_of(1)
    header["sizeof_hdr"], header["dim"] = 5, 0
    assert said_of(header) == (
        "'a' has a damaged header: sizeof_hdr is 5 instead of 348. "
        "Download it again, or omit the scan with strict=False."
    )


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


def start_of(version: int, byte_order: str = "<", shape: tuple[int, ...] = (4, 5, 6, 3)) -> Any:
    """A sound header: of a run with a repetition time, placed by its sform and its qform alike."""
    kind = nib.Nifti1Header if version == 1 else nib.Nifti2Header
    header = kind(endianness=byte_order)
    header.set_data_dtype("i2")
    header.set_data_shape(shape)
    header.set_zooms((2.0, 3.0, 4.0, 2.5)[: len(shape)])
    header.set_xyzt_units("mm", "sec")
    rotated = nib.affines.from_matvec(nib.eulerangles.euler2mat(0.1, 0.2, 0.3) * [2, 3, 4], [-30, -40, -50])
    header.set_qform(rotated, 1)
    header.set_sform(rotated, 1)
    header["magic"] = b"n+1" if version == 1 else b"n+2"
    header["vox_offset"] = 352 if version == 1 else 544
    return header


def read_start(header: Any) -> nifti.NiftiHeader:
    return nifti.read(header.binaryblock + bytes(4), "a")


def said_of(header: Any) -> str:
    with pytest.raises(FormatError) as caught:
        read_start(header)
    assert caught.value.file == "a"
    assert caught.value.location is not None
    return str(caught.value)


VERSIONS = pytest.mark.parametrize("version", [1, 2])


class TestPlace:
    """The position in space, by the qform where there is no sform."""

    @pytest.mark.parametrize("byte_order", ["<", ">"])
    @pytest.mark.parametrize("handedness", [1, -1, 0])
    @VERSIONS
    def test_by_the_qform_as_nibabel_computes_it(
        self, version: int, byte_order: str, handedness: int
    ) -> None:
        header = start_of(version, byte_order)
        header["sform_code"], header["pixdim"][0] = 0, handedness
        found = np.frombuffer(read_start(header).affine, "<f8").reshape(4, 4)
        header["pixdim"][0] = handedness or 1
        assert np.array_equal(found, header.get_qform())

    @VERSIONS
    def test_by_the_voxel_sizes_where_nothing_places_it(self, version: int) -> None:
        header = start_of(version)
        header["sform_code"] = header["qform_code"] = 0
        found = np.frombuffer(read_start(header).affine, "<f8").reshape(4, 4)
        assert np.array_equal(found, header.get_base_affine())

    @VERSIONS
    def test_a_quaternion_that_is_too_long_by_rounding(self, version: int) -> None:
        header = start_of(version)
        header["sform_code"] = 0
        header["quatern_b"], header["quatern_c"], header["quatern_d"] = 0.70710695, 0.70710695, 0
        found = np.frombuffer(read_start(header).affine, "<f8").reshape(4, 4)
        # Half a turn about the diagonal between x and y exchanges them, and inverts z.
        np.testing.assert_allclose(found[:3, :3], [[0, 3, 0], [2, 0, 0], [0, 0, -4]], atol=1e-12)
        assert found[:3, 3].tolist() == [-30, -40, -50]

    def test_a_quaternion_that_is_too_long_for_a_rotation(self) -> None:
        header = start_of(1)
        header["sform_code"] = 0
        header["quatern_b"], header["quatern_c"], header["quatern_d"] = 1, 0.5, 0
        assert said_of(header) == (
            "'a' has a damaged header: quatern_b is 1 beside 0.5 and 0, which is longer than a rotation can be. "
            "Download it again, or omit the scan with strict=False."
        )

    @pytest.mark.parametrize("form", ["sform_code", "qform_code"])
    @pytest.mark.parametrize("code", [6, 17])
    def test_a_code_that_is_none(self, form: str, code: int) -> None:
        header = start_of(1)
        header["sform_code"], header[form] = 0, code
        assert said_of(header) == (
            f"'a' has a damaged header: {form} is {code} instead of a number from 0 to 5. "
            "Download it again, or omit the scan with strict=False."
        )


class TestScaling:
    @pytest.mark.parametrize("slope", [0, np.nan, np.inf])
    def test_without_a_slope_values_are_not_scaled(self, slope: float) -> None:
        header = start_of(1)
        header["scl_slope"], header["scl_inter"] = slope, 7
        found = read_start(header)
        assert (found.slope, found.inter) == (1, 0)

    def test_a_slope_needs_an_intercept(self) -> None:
        header = start_of(1)
        header["scl_slope"], header["scl_inter"] = 2, np.nan
        assert said_of(header) == (
            "'a' has a damaged header: scl_inter is nan beside the slope 2. "
            "Download it again, or omit the scan with strict=False."
        )


class TestOffset:
    @pytest.mark.parametrize(("version", "first"), [(1, 352), (2, 544)])
    def test_one_inside_the_header_is_behind_it(self, version: int, first: int) -> None:
        for offset in (0, 16, first - 1, first, first + 16):
            header = start_of(version)
            header["vox_offset"] = offset
            assert read_start(header).offset == max(offset, first)

    @pytest.mark.parametrize("offset", [np.nan, np.inf, -np.inf, -1, 352.5])
    def test_one_that_is_none(self, offset: float) -> None:
        header = start_of(1)
        header["vox_offset"] = offset
        assert said_of(header) == (
            f"'a' has a damaged header: vox_offset is {offset:g}, which is not a position in the file. "
            "Download it again, or omit the scan with strict=False."
        )

    def test_a_rewritten_header_states_it(self) -> None:
        header = start_of(1)
        header["vox_offset"] = 0
        found = nifti.rewrite_header(header.binaryblock + bytes(4), "a", (4, 5, 6, 3), 2.5)
        assert nib.Nifti1Header(found[:348])["vox_offset"] == 352


@pytest.mark.parametrize(("seconds", "stated"), [(2.5, 2.5), (np.nan, 0)])
def test_a_rewritten_header_has_the_repetition_time_or_zero(seconds: float, stated: float) -> None:
    found = nifti.rewrite_header(start_of(1).binaryblock + bytes(4), "a", (4, 5, 6, 3), seconds)
    assert nib.Nifti1Header(found[:348])["pixdim"][4] == stated


class TestPointersAndOtherFormats:
    @pytest.mark.parametrize(
        ("start", "said"),
        [
            (
                b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
                "'a' is a Git LFS pointer, not the file itself. Run `git lfs pull` in its repository.",
            ),
            (
                b"/annex/objects/MD5E-s592--0123.nii\n",
                "'a' is a git-annex pointer, not the file itself. Run `git annex get` in its repository.",
            ),
            (
                bytes(128) + b"DICM" + bytes(400),
                "'a' is a DICOM file. Convert the series to NIfTI with dcm2niix, then adopt the folder again.",
            ),
            (
                (348).to_bytes(4, "little") + bytes(340) + b"ni1\0" + bytes(4),
                (
                    "'a' is one file of a pair (.hdr and .img). "
                    "Convert the pair to a NIfTI file in one piece (.nii), then adopt the folder again."
                ),
            ),
            (b"BZh91AY&SY", "'a' is compressed with bzip2. Decompress it, then adopt the folder again."),
            (
                b"\0\0\0\x01\0\0\x01\0" + bytes(600),
                "'a' is a FreeSurfer image. Convert it to NIfTI with mri_convert, then adopt the folder again.",
            ),
        ],
    )
    def test_is_named_with_its_remedy(self, start: bytes, said: str) -> None:
        with pytest.raises(FormatError) as caught:
            nifti.read(start[: nifti.HEADER_LENGTH], "a")
        assert str(caught.value) == said


@pytest.mark.parametrize("length", [1, 10, 347, 539])
def test_the_header_in_several_members(length: int) -> None:
    raw = start_of(2).binaryblock + bytes(1000)
    data = gzip.compress(raw[:length]) + gzip.compress(raw[length:])
    assert nifti.gunzip_header(data, "a") == raw[: nifti.HEADER_LENGTH]


def field_values(field: np.dtype[Any], random: np.random.Generator) -> list[bytes]:
    """Bytes of one number of a field: its boundary values, those of other fields, and random ones."""
    kind = field.newbyteorder("=")
    if kind.kind == "f":
        numbers = [0, -0.0, 1, -1, 0.5, 7, 352, 1e30, -1e30, np.nan, np.inf, -np.inf, np.finfo(kind).max]
    elif kind.kind in "iu":
        limits = np.iinfo(kind)
        bits = [1 << bit for bit in range(kind.itemsize * 8 - 1)]
        numbers = [0, 1, 7, 8, limits.min, limits.max, limits.max - 1, *bits]
        numbers += [-number for number in bits if limits.min < 0]
    else:
        numbers = []
    return [np.array(number, kind).astype(field).tobytes() for number in numbers] + [
        random.bytes(field.itemsize) for _ in range(8)
    ]


def read_or_name(start: bytes) -> nifti.NiftiHeader | str:
    try:
        return nifti.read(start, "a")
    except FormatError as error:
        return str(error)


def agrees_with_nibabel(start: bytes, version: int, found: nifti.NiftiHeader) -> bool:
    """Whether nibabel reads the same, where it reads the header at all."""
    kind = nib.Nifti1Header if version == 1 else nib.Nifti2Header
    logger = logging.getLogger("tests.silent")
    logger.disabled = True
    try:
        header = kind(start[: kind.sizeof_hdr], check=False)
        header.check_fix(logger, 40)
        shape = tuple(map(int, header.get_data_shape()))
        slope, inter = header.get_slope_inter()
        affine = header.get_best_affine()
    except (HeaderDataError, ValueError, KeyError, OverflowError):
        return True  # ours are the offset and the quaternion, which have tests of their own
    while len(shape) > 4 and shape[-1] == 1:
        shape = shape[:-1]
    return bool(
        found.shape == shape
        and np.dtype(found.dtype) == header.get_data_dtype()
        and found.offset == max(int(header["vox_offset"]), 352 if version == 1 else 544)
        and (found.slope, found.inter) == (1.0 if slope is None else slope, 0.0 if inter is None else inter)
        and np.array_equal(np.frombuffer(found.affine, "<f8").reshape(4, 4), affine)
    )


@pytest.mark.slow
@pytest.mark.parametrize("forms", [(1, 1), (0, 1), (0, 0)], ids=["sform", "qform", "sizes"])
@pytest.mark.parametrize("byte_order", ["<", ">"])
@VERSIONS
def test_any_value_of_any_field_is_read_right_or_named(
    version: int, byte_order: str, forms: tuple[int, int], capsys: pytest.CaptureFixture[str]
) -> None:
    random = np.random.default_rng(version)
    header = start_of(version, byte_order)
    header["sform_code"], header["qform_code"] = forms
    sound = header.binaryblock + bytes(4)
    n_read = n_named = 0
    for name in header.keys():  # noqa: SIM118 - not a dictionary
        field, place = header.structarr.dtype.fields[name]
        item = field.base if field.subdtype else field
        for index in range(field.itemsize // item.itemsize):
            begin = place + index * item.itemsize
            for value in field_values(item, random):
                start = sound[:begin] + value + sound[begin + item.itemsize :]
                found = read_or_name(start)
                if isinstance(found, str):
                    assert found.startswith("'a' ")
                    n_named += 1
                else:
                    assert agrees_with_nibabel(start, version, found), (name, index, value)
                    n_read += 1
    assert n_read > 500
    assert n_named > 100
    assert capsys.readouterr().err == ""
