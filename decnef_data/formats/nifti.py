"""Headers of NIfTI files: the layout of the voxels in the file, and their position in space.

nibabel reads the header; callers map or decompress the voxels themselves.
"""

import zlib
from pathlib import Path
from typing import Any, Final

import msgspec
import nibabel as nib
import numpy as np
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError

from decnef_data.errors import FormatError

__all__ = ["HEADER_LENGTH", "NiftiHeader", "read", "read_header_bytes", "rewrite_header", "signature"]

#: Length of the longest header (NIfTI-2) and the extension flag behind it, in bytes.
HEADER_LENGTH: Final = 544
_GZIP: Final = b"\x1f\x8b"
_SINGLE_FILE_MAGIC: Final = (b"n+1\0", b"n+2\0")
_NIFTI1_LENGTH: Final = 348
#: Seconds in a unit of time, by NIfTI's name of the unit.
_SECONDS: Final = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}
#: A longer repetition time is taken to be in milliseconds, whatever unit the header has.
_MAX_REPETITION_TIME: Final = 100.0
#: Byte ranges in NIfTI-1 and NIfTI-2 that must be the same in every volume of a run: dimensions, type, voxel
#: sizes, offset, scaling, and position in space.
_SIGNATURE_RANGES: Final = {
    1: ((0, 4), (40, 56), (70, 74), (76, 92), (108, 120), (252, 328)),
    2: ((0, 4), (12, 80), (104, 136), (168, 192), (344, 496)),
}


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
        return int(np.prod(self.shape, dtype=np.int64)) * np.dtype(self.dtype).itemsize


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
    with path.open("rb") as stream:
        start = stream.read(HEADER_LENGTH)
        if not start.startswith(_GZIP):
            return start, False
        start += stream.read(16 * HEADER_LENGTH)
    return gunzip_header(start, path.name), True


def gunzip_header(start: bytes, file: str) -> bytes:
    """Decompress the header from the first bytes of a gzipped file."""
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(start, HEADER_LENGTH)
    except zlib.error as error:
        message = f"'{file}' is damaged: {error}. Download it again."
        raise FormatError(message, file=file) from error


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
    header = _parse_header(start, file)
    shape = _squeeze_shape(tuple(map(int, header.get_data_shape())))
    if len(shape) not in (3, 4) or 0 in shape:
        raise _format_error(file, f"has the shape {shape}, which is neither a volume nor a run", "byte 40")
    slope, inter = _scale_factors(header, file)
    return NiftiHeader(
        shape=shape,
        dtype=_voxel_dtype(header, file).str,
        offset=int(header["vox_offset"]),
        slope=1.0 if slope is None else float(slope),
        inter=0.0 if inter is None else float(inter),
        affine=header.get_best_affine().astype("<f8").tobytes(),
        repetition_time=_repetition_time(header),
        signature=signature(start),
    )


def _scale_factors(header: Any, file: str) -> tuple[float | None, float | None]:
    try:
        slope, inter = header.get_slope_inter()
    except HeaderDataError as error:
        raise _format_error(file, f"has a damaged header: {error}", "byte 112") from error
    return slope, inter


def rewrite_header(start: bytes, file: str, shape: tuple[int, ...], repetition_time: float) -> bytes:
    """Return the header of a file with another shape and repetition time, otherwise unchanged.

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
    header = _parse_header(start, file, check=False)
    if tuple(header.get_data_shape()) != shape:
        header.set_data_shape(shape)
    if len(shape) > 3:  # noqa: PLR2004 - space
        header["pixdim"][4] = 0.0 if np.isnan(repetition_time) else repetition_time
        header.set_xyzt_units(header.get_xyzt_units()[0], "sec")
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
    version = 1 if _NIFTI1_LENGTH in (start[0] | start[1] << 8, start[3] | start[2] << 8) else 2
    return b"".join(start[begin:end] for begin, end in _SIGNATURE_RANGES[version])


def _parse_header(start: bytes, file: str, *, check: bool = True) -> Any:
    magic = next((magic for magic in (start[344:348], start[4:8]) if magic in _SINGLE_FILE_MAGIC), None)
    if magic is None:
        raise _format_error(file, "is not a single-file NIfTI image", "byte 0")
    kind = nib.Nifti1Header if magic == _SINGLE_FILE_MAGIC[0] else nib.Nifti2Header
    try:
        return kind(start[: kind.template_dtype.itemsize], check=check)
    except (HeaderDataError, WrapStructError) as error:
        raise _format_error(file, f"has a damaged header: {error}", "byte 0") from error


def _voxel_dtype(header: Any, file: str) -> np.dtype[Any]:
    dtype: np.dtype[Any] = header.get_data_dtype()
    if dtype.kind not in "iufc":
        raise _format_error(file, f"has the data type '{dtype}' instead of one number per voxel", "byte 70")
    return dtype


def _squeeze_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Remove dimensions of length 1 after the fourth; a run may have a single volume."""
    while len(shape) > 4 and shape[-1] == 1:  # noqa: PLR2004 - space and time
        shape = shape[:-1]
    return shape


def _repetition_time(header: Any) -> float:
    header_value = float(header["pixdim"][4]) if int(header["dim"][0]) > 3 else 0.0  # noqa: PLR2004 - space
    if not np.isfinite(header_value) or header_value <= 0:
        return float("nan")
    seconds = header_value * _SECONDS.get(header.get_xyzt_units()[1], 1.0)
    return seconds / 1000 if seconds > _MAX_REPETITION_TIME else seconds


def _format_error(file: str, problem: str, place: str) -> FormatError:
    return FormatError(f"'{file}' {problem}. Download it again.", file=file, location=place)
