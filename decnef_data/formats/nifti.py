"""What the header of a NIfTI file says: how its voxels lie in the file, and where they lie in the head.

nibabel reads the header; the voxels themselves are mapped or inflated by whoever needs them.
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

__all__ = ["LENGTH", "Header", "head", "read", "restated", "signature"]

#: So many bytes from the start hold the longest header (NIfTI-2) and the word on extensions behind it.
LENGTH: Final = 544
_GZIP: Final = b"\x1f\x8b"
_SINGLE: Final = (b"n+1\0", b"n+2\0")
_NIFTI1_LENGTH: Final = 348
#: Seconds in a unit of time, by NIfTI's own name of the unit.
_SECONDS: Final = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}
#: A repetition time beyond this is stated in milliseconds, whatever the header says of its unit.
_LONGEST_TR: Final = 100.0
#: Where NIfTI-1 and NIfTI-2 say what every volume of a run must agree in: dimensions, type, voxel sizes,
#: offset, scaling, and place in the head.
_SPANS: Final = {
    1: ((0, 4), (40, 56), (70, 74), (76, 92), (108, 120), (252, 328)),
    2: ((0, 4), (12, 80), (104, 136), (168, 192), (344, 496)),
}


class Header(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """How the voxels of one file lie: ``shape`` is ``(x, y, z)`` or ``(x, y, z, t)``, the first the fastest.

    ``dtype`` is NumPy's name with the byte order of the file; ``slope`` and ``inter`` turn what is stored
    into what was measured; ``affine`` holds the 16 numbers (``<f8``) of the matrix from voxel to millimetre,
    row by row; ``repetition_time`` is in seconds, NaN where the header has none.
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
        """The length of all voxels."""
        return int(np.prod(self.shape, dtype=np.int64)) * np.dtype(self.dtype).itemsize


def head(path: Path) -> tuple[bytes, bool]:
    """Read what :func:`read` needs of a file, and whether the file is gzipped.

    Examples
    --------
    >>> import tempfile, gzip
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "a.nii.gz")
    ...     _ = path.write_bytes(gzip.compress(bytes(1000)))
    ...     start, gzipped = head(path)
    >>> len(start), gzipped
    (544, True)
    """
    with path.open("rb") as opened:
        start = opened.read(LENGTH)
        if not start.startswith(_GZIP):
            return start, False
        start += opened.read(16 * LENGTH)
    return inflated_head(start, path.name), True


def inflated_head(start: bytes, file: str) -> bytes:
    """Inflate the header out of the first bytes of a gzipped file."""
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(start, LENGTH)
    except zlib.error as error:
        message = f"'{file}' is damaged: {error}. Get it from its publisher again."
        raise FormatError(message, file=file) from error


def read(start: bytes, file: str) -> Header:
    """Read a header.

    Parameters
    ----------
    start
        The first ``LENGTH`` bytes of the file, inflated, or the whole of a shorter one.
    file
        Its name, for errors.

    Returns
    -------
    Header
        Of NIfTI-1 or NIfTI-2, in either byte order.

    Raises
    ------
    FormatError
        It is no NIfTI file of one piece, or has no three or four dimensions.

    Examples
    --------
    >>> image = nib.Nifti1Image(np.zeros((4, 5, 6), "i2"), np.eye(4))
    >>> read(image.to_bytes()[:LENGTH], "a").shape
    (4, 5, 6)
    """
    header = _parsed(start, file)
    shape = _squeezed(tuple(map(int, header.get_data_shape())))
    if len(shape) not in (3, 4) or 0 in shape:
        raise _refused(file, f"has the shape {shape}, not that of a volume or a run", "byte 40")
    slope, inter = _scaling(header, file)
    return Header(
        shape=shape,
        dtype=_dtype(header, file).str,
        offset=int(header["vox_offset"]),
        slope=1.0 if slope is None else float(slope),
        inter=0.0 if inter is None else float(inter),
        affine=header.get_best_affine().astype("<f8").tobytes(),
        repetition_time=_repetition_time(header),
        signature=signature(start),
    )


def _scaling(header: Any, file: str) -> tuple[float | None, float | None]:
    try:
        slope, inter = header.get_slope_inter()
    except HeaderDataError as error:
        raise _refused(file, f"has a damaged header: {error}", "byte 112") from error
    return slope, inter


def restated(start: bytes, file: str, shape: tuple[int, ...], repetition_time: float) -> bytes:
    """Write the header of a file for as many volumes, the rest of it as it is.

    Parameters
    ----------
    start
        What lies before the voxels: the header, and whatever extends it.
    file
        Its name, for errors.
    shape
        ``(x, y, z)`` or ``(x, y, z, t)``, as it shall be.
    repetition_time
        In seconds; NaN states none.

    Examples
    --------
    >>> volume = nib.Nifti1Image(np.zeros((4, 5, 6), "i2"), np.eye(4)).to_bytes()[:352]
    >>> run = read(restated(volume, "a", (4, 5, 6, 240), 2.5), "a")
    >>> run.shape, run.repetition_time
    ((4, 5, 6, 240), 2.5)
    """
    header = _parsed(start, file, check=False)
    if tuple(header.get_data_shape()) != shape:
        header.set_data_shape(shape)
    if len(shape) > 3:  # noqa: PLR2004 - space
        header["pixdim"][4] = 0.0 if np.isnan(repetition_time) else repetition_time
        header.set_xyzt_units(header.get_xyzt_units()[0], "sec")
    restated: bytes = header.binaryblock
    return restated + start[len(restated) :]


def signature(start: bytes) -> bytes:
    """Gather the bytes of a header that every volume of a run has in common.

    Examples
    --------
    >>> one, other = (nib.Nifti1Image(np.full((2, 2, 2), value, "i2"), np.eye(4)) for value in (1, 2))
    >>> other.header["descrip"] = b"scanned later"
    >>> signature(one.to_bytes()[:LENGTH]) == signature(other.to_bytes()[:LENGTH])
    True
    """
    version = 1 if _NIFTI1_LENGTH in (start[0] | start[1] << 8, start[3] | start[2] << 8) else 2
    return b"".join(start[begin:end] for begin, end in _SPANS[version])


def _parsed(start: bytes, file: str, *, check: bool = True) -> Any:
    magic = next((magic for magic in (start[344:348], start[4:8]) if magic in _SINGLE), None)
    if magic is None:
        raise _refused(file, "is no NIfTI file of one piece", "byte 0")
    kind = nib.Nifti1Header if magic == _SINGLE[0] else nib.Nifti2Header
    try:
        return kind(start[: kind.template_dtype.itemsize], check=check)
    except (HeaderDataError, WrapStructError) as error:
        raise _refused(file, f"has a damaged header: {error}", "byte 0") from error


def _dtype(header: Any, file: str) -> np.dtype[Any]:
    dtype: np.dtype[Any] = header.get_data_dtype()
    if dtype.kind not in "iufc":
        raise _refused(file, f"holds '{dtype}', not one number a voxel", "byte 70")
    return dtype


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Leave out dimensions of one behind the fourth; a volume may also be a run of one."""
    while len(shape) > 4 and shape[-1] == 1:  # noqa: PLR2004 - space and time
        shape = shape[:-1]
    return shape


def _repetition_time(header: Any) -> float:
    stated = float(header["pixdim"][4]) if int(header["dim"][0]) > 3 else 0.0  # noqa: PLR2004 - space
    if not np.isfinite(stated) or stated <= 0:
        return float("nan")
    seconds = stated * _SECONDS.get(header.get_xyzt_units()[1], 1.0)
    return seconds / 1000 if seconds > _LONGEST_TR else seconds


def _refused(file: str, what: str, place: str) -> FormatError:
    return FormatError(f"'{file}' {what}. Get it from its publisher again.", file=file, place=place)
