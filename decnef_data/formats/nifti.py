"""Headers of NIfTI files: the layout of the voxels in the file, and their position in space.

nibabel knows the fields and the codes; they are checked here, because nibabel repairs some headers in silence
and fails at others with errors of any class.  Callers map or decompress the voxels themselves.
"""

import math
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec
import nibabel as nib
import numpy as np
from nibabel.quaternions import quat2mat
from nibabel.spatialimages import HeaderDataError
from nibabel.volumeutils import shape_zoom_affine
from numpy.typing import NDArray

from decnef_data.errors import FormatError
from decnef_data.formats.pointers import require_content
from decnef_data.formats.unsupported import unsupported_image

__all__ = [
    "HEADER_LENGTH",
    "SIGNATURE_LENGTHS",
    "NiftiHeader",
    "form_codes",
    "read",
    "read_header_bytes",
    "rewrite_header",
    "signature",
]

#: Length of the longest header (NIfTI-2) and the extension flag behind it, in bytes.
HEADER_LENGTH: Final = 544
_GZIP: Final = b"\x1f\x8b"
_SINGLE_FILE_MAGIC: Final = {1: b"n+1\0", 2: b"n+2\0"}
_HEADER_CLASSES: Final = {1: nib.Nifti1Header, 2: nib.Nifti2Header}
#: Where voxels may begin in a file in one piece: behind the header and the extension flag.
_MIN_OFFSET: Final = {1: 352, 2: HEADER_LENGTH}
_MAX_DIMS: Final = 7
_XFORM_CODES: Final = range(6)
#: A quaternion may be longer than 1 by the rounding of its three numbers.
_QUATERNION_TOLERANCE: Final = 1e-4
#: Far above any length of a voxel in any unit; products of greater ones may be infinite.
_MAX_VOXEL_SIZE: Final = 1e9
_DATA_TYPES: Final = frozenset(nib.nifti1.data_type_codes.value_set())
#: Units of time in a second by NIfTI's code, which is in three bits of ``xyzt_units``; 0 is unknown.
_UNITS_PER_SECOND: Final = {0: 1.0, 8: 1.0, 16: 1e3, 24: 1e6}
_SPACE_BITS, _TIME_BITS, _SECOND_CODE = 0x07, 0x38, 8
_MILLIMETER_CODE: Final = 2
#: A longer repetition time is taken to be in milliseconds, whatever unit the header has.
_MAX_REPETITION_TIME: Final = 100.0
#: Byte ranges in NIfTI-1 and NIfTI-2 that must be the same in every volume of a run: dimensions, type, voxel
#: sizes, offset, scaling, and position in space.
_SIGNATURE_RANGES: Final = {
    1: ((0, 4), (40, 56), (70, 74), (76, 92), (108, 120), (252, 328)),
    2: ((0, 4), (12, 80), (104, 136), (168, 192), (344, 496)),
}
#: Where the codes of qform and sform are in a signature, and their width, by the length of the signature.
_FORM_CODES: Final = {128: (52, 2), 280: (128, 4)}
#: The lengths of what :func:`signature` returns of a header.
SIGNATURE_LENGTHS: Final = frozenset(_FORM_CODES)


class NiftiHeader(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The layout of the voxels in a file: ``shape`` is ``(x, y, z)`` or ``(x, y, z, t)``, the first fastest.

    ``dtype`` is NumPy's name with the byte order of the file; ``slope`` and ``inter`` turn stored values into
    measured ones; ``affine`` has the 16 numbers (``<f8``) of the matrix from voxel to millimetre, row by row;
    ``repetition_time`` is in seconds, NaN if the header has none.
    """

    shape: tuple[int, ...]
    dtype: str
    offset: int
    slope: float
    inter: float
    affine: bytes
    repetition_time: float
    signature: bytes

    @property
    def nbytes(self) -> int:
        """Length of all voxels in bytes."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


def read_header_bytes(path: Path) -> tuple[bytes, bool]:
    """Read the bytes of a file that :func:`read` needs, and return whether the file is gzipped.

    Examples
    --------
    >>> import tempfile, gzip
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "a.nii.gz")
    ...     _ = path.write_bytes(gzip.compress(bytes(1000)))
    ...     start, gzipped = read_header_bytes(path)
    >>> len(start), gzipped
    (544, True)
    """
    with path.open("rb", buffering=0) as stream:
        start = stream.read(HEADER_LENGTH)
        if not start.startswith(_GZIP):
            return start, False
        start += stream.read(16 * HEADER_LENGTH)
    return gunzip_header(start, path.name), True


def gunzip_header(start: bytes, file: str) -> bytes:
    """Decompress the header from the first bytes of a gzipped file, which may have several members."""
    header = b""
    try:
        while start and len(header) < HEADER_LENGTH:
            stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
            header += stream.decompress(start, HEADER_LENGTH - len(header))
            start = stream.unused_data
    except zlib.error as error:
        message = f"'{file}' is damaged: {error}. Download it again."
        raise FormatError(message, file=file) from error
    return header


def read(start: bytes, file: str) -> NiftiHeader:
    """Parse a header.

    Parameters
    ----------
    start
        The first ``HEADER_LENGTH`` bytes of the file, decompressed, or all bytes of a shorter one.
    file
        Its name, for errors.

    Returns
    -------
    NiftiHeader
        The header of a NIfTI-1 or NIfTI-2 file, in either byte order.

    Raises
    ------
    FormatError
        It is not a single-file NIfTI, or does not have three or four dimensions.

    Examples
    --------
    >>> image = nib.Nifti1Image(np.zeros((4, 5, 6), "i2"), np.eye(4))
    >>> read(image.to_bytes()[:HEADER_LENGTH], "a").shape
    (4, 5, 6)
    """
    fields = _parse_fields(start, file)
    shape = _read_shape(fields)
    slope, inter = _read_scaling(fields)
    return NiftiHeader(
        shape=shape,
        dtype=_read_dtype(fields).str,
        offset=_read_offset(fields),
        slope=slope,
        inter=inter,
        affine=_read_affine(fields, shape).astype("<f8").tobytes(),
        repetition_time=_read_repetition_time(fields),
        signature=signature(start),
    )


def rewrite_header(start: bytes, file: str, shape: tuple[int, ...], repetition_time: float) -> bytes:
    """Return the header of a file with another shape and repetition time, otherwise unchanged.

    Lengths without a unit get the unit millimetre.

    Parameters
    ----------
    start
        The bytes before the voxels: the header and its extensions.
    file
        Its name, for errors.
    shape
        The new shape, ``(x, y, z)`` or ``(x, y, z, t)``.
    repetition_time
        In seconds; NaN is unknown.

    Examples
    --------
    >>> volume = nib.Nifti1Image(np.zeros((4, 5, 6), "i2"), np.eye(4)).to_bytes()[:352]
    >>> run = read(rewrite_header(volume, "a", (4, 5, 6, 240), 2.5), "a")
    >>> run.shape, run.repetition_time
    ((4, 5, 6, 240), 2.5)
    """
    fields = _parse_fields(start, file)
    header = _HEADER_CLASSES[fields.version](fields.record.tobytes(), fields.byte_order, check=False)
    if tuple(header.get_data_shape()) != shape:
        try:
            header.set_data_shape(shape)
        except HeaderDataError as error:
            raise fields.error("dim", f"too short for the shape {shape} of all volumes") from error
    units = fields["xyzt_units"]
    if not units & _SPACE_BITS:  # every reader takes unknown lengths to be in millimetres
        header["xyzt_units"] = units | _MILLIMETER_CODE
    if len(shape) > 3:  # noqa: PLR2004 - space
        header["pixdim"][4] = 0.0 if np.isnan(repetition_time) else repetition_time
        header["xyzt_units"] = (units & _SPACE_BITS or _MILLIMETER_CODE) | _SECOND_CODE
    if fields["vox_offset"] < _MIN_OFFSET[fields.version]:
        header["vox_offset"] = _MIN_OFFSET[fields.version]
    rewritten: bytes = header.binaryblock
    return rewritten + start[len(rewritten) :]


def signature(start: bytes) -> bytes:
    """Return the bytes of a header that all volumes of a run have in common.

    Examples
    --------
    >>> one, other = (nib.Nifti1Image(np.full((2, 2, 2), value, "i2"), np.eye(4)) for value in (1, 2))
    >>> other.header["descrip"] = b"scanned later"
    >>> signature(one.to_bytes()[:HEADER_LENGTH]) == signature(other.to_bytes()[:HEADER_LENGTH])
    True
    """
    return b"".join(start[begin:end] for begin, end in _SIGNATURE_RANGES[_version(start) or 1])


def form_codes(signature: bytes) -> tuple[int, int]:
    """Return the codes of the qform and sform: what the position in space refers to; 0 for an invalid code.

    Parameters
    ----------
    signature
        What :func:`signature` returns of a header that :func:`read` accepts.

    Examples
    --------
    >>> image = nib.Nifti1Image(np.zeros((2, 2, 2), "i2"), np.eye(4))
    >>> image.set_qform(np.eye(4), code=1)
    >>> form_codes(signature(image.to_bytes()[:HEADER_LENGTH]))
    (1, 2)
    """
    start, width = _FORM_CODES[len(signature)]
    return _decode_form_codes(signature[start : start + 2 * width], width)


@cache  # a release has a few
def _decode_form_codes(raw: bytes, width: int) -> tuple[int, int]:
    both_orders = (np.frombuffer(raw, f"{order}i{width}").tolist() for order in "<>")
    codes = max(both_orders, key=lambda codes: sum(code in _XFORM_CODES for code in codes))
    qform, sform = (code if code in _XFORM_CODES else 0 for code in codes)
    return qform, sform


def _version(start: bytes) -> int | None:
    """Return the version of the header of a single-file image, ``None`` if it is not such a header."""
    if start[344:348] == _SINGLE_FILE_MAGIC[1]:
        return 1
    return 2 if start[4:8] == _SINGLE_FILE_MAGIC[2] else None


@dataclass(frozen=True, slots=True, eq=False)
class _Fields:
    """The fields of a header as Python's numbers, and the name of its file for errors."""

    record: Any
    version: int
    byte_order: str
    file: str

    def __getitem__(self, name: str) -> Any:
        return self.record[name].tolist()

    @classmethod
    def parse(cls, start: bytes, version: int, byte_order: str, file: str) -> "_Fields":
        return cls(np.frombuffer(start, _record_dtype(version, byte_order), 1)[0], version, byte_order, file)

    def error(self, name: str, problem: str) -> FormatError:
        message = (
            f"'{self.file}' has a damaged header: {name} is {problem}. "
            "Download it again, or omit the scan with strict=False."
        )
        place = f"byte {self.record.dtype.fields[name][1]}"
        return FormatError(message, file=self.file, location=place)


@cache  # an inventory parses thousands of headers
def _record_dtype(version: int, byte_order: str) -> np.dtype[Any]:
    dtype: np.dtype[Any] = _HEADER_CLASSES[version].template_dtype.newbyteorder(byte_order)
    return dtype


def _parse_fields(start: bytes, file: str) -> _Fields:
    version = _version(start)
    if version is None:
        require_content(start, file)
        what = unsupported_image(file, start) or "is not a single-file NIfTI image. Download it again."
        raise FormatError(f"'{file}' {what}", file=file, location="byte 0")
    dtype = _HEADER_CLASSES[version].template_dtype
    if len(start) < dtype.itemsize:
        message = (
            f"'{file}' ends after {len(start)} bytes, but its header has {dtype.itemsize}. Download it again."
        )
        raise FormatError(message, file=file, location=f"byte {len(start)}")
    length = _HEADER_CLASSES[version].sizeof_hdr
    # Either field tells the byte order; the length is more certain, but some programs do not write it.
    if start[:4] == length.to_bytes(4, "little"):
        return _Fields.parse(start, version, "<", file)
    fields = [_Fields.parse(start, version, order, file) for order in "<>"]
    found = [one for one in fields if one["sizeof_hdr"] == length] or [
        one for one in fields if 1 <= one["dim"][0] <= _MAX_DIMS
    ]
    if not found:
        raise fields[0].error("sizeof_hdr", f"{fields[0]['sizeof_hdr']} instead of {length}")
    return found[0]


def _read_shape(fields: _Fields) -> tuple[int, ...]:
    n_dims, *lengths = fields["dim"]
    if not 1 <= n_dims <= _MAX_DIMS:
        raise fields.error("dim", f"{[n_dims, *lengths]}, which begins with no number from 1 to 7")
    shape = _squeeze_shape(tuple(lengths[:n_dims]))
    if len(shape) not in (3, 4) or min(shape) < 1:
        message = (
            f"'{fields.file}' has the shape {shape}, which is neither a volume nor a run. Download it again."
        )
        raise FormatError(message, file=fields.file, location="byte 40")
    return shape


def _squeeze_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Remove dimensions of length 1 after the fourth; a run may have a single volume."""
    while len(shape) > 4 and shape[-1] == 1:  # noqa: PLR2004 - space and time
        shape = shape[:-1]
    return shape


def _read_dtype(fields: _Fields) -> np.dtype[Any]:
    code = fields["datatype"]
    if code not in _DATA_TYPES:
        raise fields.error("datatype", f"{code}, which is not a data type")
    dtype: np.dtype[Any] = nib.nifti1.data_type_codes.dtype[code].newbyteorder(fields.byte_order)
    if dtype.kind not in "iufc":
        message = (
            f"'{fields.file}' has the data type '{dtype}' instead of one number per voxel. Download it again."
        )
        raise FormatError(message, file=fields.file, location="byte 70")
    return dtype


def _read_offset(fields: _Fields) -> int:
    """Return where voxels begin: behind the header where the field says less, as other readers do."""
    offset = fields["vox_offset"]
    if not (math.isfinite(offset) and offset >= 0 and int(offset) == offset):
        raise fields.error("vox_offset", f"{offset:g}, which is not a position in the file")
    return max(int(offset), _MIN_OFFSET[fields.version])


def _read_scaling(fields: _Fields) -> tuple[float, float]:
    """Return slope and intercept; a slope that is zero or not finite means that values are not scaled."""
    slope, inter = fields["scl_slope"], fields["scl_inter"]
    if slope == 0 or not math.isfinite(slope):
        return 1.0, 0.0
    if not math.isfinite(inter):
        raise fields.error("scl_inter", f"{inter:g} beside the slope {slope:g}")
    return slope, inter


def _read_affine(fields: _Fields, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the matrix from voxel to millimetre: of the sform, else the qform, else the voxel sizes."""
    forms = {"sform_code": _sform_affine, "qform_code": _qform_affine}
    for form in forms:
        if fields[form] not in _XFORM_CODES:
            raise fields.error(form, f"{fields[form]} instead of a number from 0 to 5")
    for form, read_form in forms.items():
        if fields[form]:
            return read_form(fields)
    affine: NDArray[np.float64] = shape_zoom_affine(shape[:3], _voxel_sizes(fields), x_flip=True)
    return affine


def _sform_affine(fields: _Fields) -> NDArray[np.float64]:
    rows = [_require_finite(fields, f"srow_{axis}") for axis in "xyz"]
    return np.array([*rows, [0.0, 0.0, 0.0, 1.0]])


def _qform_affine(fields: _Fields) -> NDArray[np.float64]:
    """Compute the matrix of a qform, "method 2" of the standard (nifti1.h)."""
    quaternion = [_require_finite(fields, f"quatern_{part}") for part in "bcd"]
    translation = [_require_finite(fields, f"qoffset_{axis}") for axis in "xyz"]
    handedness = fields["pixdim"][0]
    if handedness < 0 and handedness != -1:
        raise fields.error("pixdim", f"{handedness:g} at its start instead of 1 or -1")
    b, c, d = np.array(quaternion, np.longdouble)
    rest = 1.0 - (b * b + c * c + d * d)
    if rest < -_QUATERNION_TOLERANCE:
        raise fields.error(
            "quatern_b", f"{b:g} beside {c:g} and {d:g}, which is longer than a rotation can be"
        )
    # A number that rounding alone made differ from 0 is 0; quat2mat divides by the length.
    a = np.sqrt(rest) if rest >= _HEADER_CLASSES[fields.version].quaternion_threshold else np.longdouble(0)
    sizes = _voxel_sizes(fields) * [1, 1, handedness if handedness == -1 else 1]
    affine = np.eye(4)
    affine[:3, :3] = quat2mat([a, b, c, d]) * sizes
    affine[:3, 3] = translation
    return affine


def _voxel_sizes(fields: _Fields) -> NDArray[np.float64]:
    """Return the lengths of a voxel in millimetres; 0 means 1, as other readers take it."""
    sizes: NDArray[np.float64] = np.abs(_require_finite(fields, "pixdim")[1:4])
    if sizes.max() > _MAX_VOXEL_SIZE:
        raise fields.error("pixdim", f"{sizes.tolist()}, which is not the size of a voxel")
    sizes[sizes == 0] = 1.0
    return sizes


def _require_finite(fields: _Fields, name: str) -> Any:
    values = fields[name]
    used = values[1:4] if name == "pixdim" else values
    if not all(map(math.isfinite, used if isinstance(used, list) else [used])):
        raise fields.error(name, f"{values}, which is not finite")
    return values


def _read_repetition_time(fields: _Fields) -> float:
    header_value = fields["pixdim"][4] if fields["dim"][0] > 3 else 0.0  # noqa: PLR2004 - space
    if not math.isfinite(header_value) or header_value <= 0:
        return math.nan
    units: float = _UNITS_PER_SECOND.get(fields["xyzt_units"] & _TIME_BITS, math.nan)
    time = _as_decimal(header_value)
    return time / (1000 * units) if time / units > _MAX_REPETITION_TIME else time / units


def _as_decimal(value: float) -> float:
    """Return the number with the fewest digits that is stored as `value` in 32 bits: 2.7, not 2.70000005."""
    with np.errstate(over="ignore"):  # NIfTI-2 has 64 bits
        stored = np.float32(value)
    return float(str(stored)) if float(stored) == value else value
