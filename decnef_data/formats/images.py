"""Images of nibabel: one read from any format that it supports, and one built from an array."""

import logging
import os
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import nibabel as nib
import numpy as np
from nibabel import imageglobals
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError
from numpy.typing import NDArray

from decnef_data.errors import FormatError

__all__ = ["Volume", "build_image", "read_image", "set_form_codes"]

_N_SPATIAL_DIMS: Final = 3
#: What nibabel and the libraries below it raise for a damaged file; a wrong header may end in any of them.
_DAMAGED: Final = (
    ImageFileError, HeaderDataError, WrapStructError, EOFError, zlib.error,
    ValueError, KeyError, IndexError, TypeError, OverflowError, MemoryError,
)  # fmt: skip
#: Results of computations that NIfTI has no code for.
_NIFTI_DTYPES: Final = {"b1": "u1", "f2": "f4"}
_MAX_DESCRIPTION: Final = 79  # what NIfTI's field of 80 bytes holds with a zero at its end


@dataclass(frozen=True, slots=True, eq=False)
class Volume:
    """Voxels ``(x, y, z)`` or ``(x, y, z, map)``, the matrix to millimetres, and a name for errors."""

    values: NDArray[Any]
    affine: NDArray[np.float64]
    name: str


def read_image(source: Any) -> Volume:
    """Read an image with three dimensions, or with four, the last of which is longer than one.

    Parameters
    ----------
    source
        A path, or a nibabel image.

    Raises
    ------
    FormatError
        It is not an image that nibabel can read, or has another number of dimensions.

    Examples
    --------
    >>> read_image(nib.Nifti1Image(np.ones((4, 5, 6, 1), "u1"), np.eye(4))).values.shape
    (4, 5, 6)
    """
    name = Path(source).name if isinstance(source, str | os.PathLike) else _image_name(source)
    try:
        with _without_log_lines():
            img = nib.load(source) if isinstance(source, str | os.PathLike) else source
            values = np.asanyarray(img.dataobj)
            affine = np.asarray(img.affine, np.float64)
    except (*_DAMAGED, OSError) as error:
        # Of the system, not of the image; nibabel raises the first two without a number.
        if (
            isinstance(error, FileNotFoundError | PermissionError)
            or getattr(error, "errno", None) is not None
        ):
            raise
        message = (
            f"'{name}' cannot be read as an image: {error}. Use a format that nibabel reads, such as NIfTI."
        )
        raise FormatError(message, file=name) from error
    if set(values.shape[_N_SPATIAL_DIMS:]) == {1}:
        values = values.reshape(values.shape[:_N_SPATIAL_DIMS])
    if values.ndim not in {_N_SPATIAL_DIMS, _N_SPATIAL_DIMS + 1}:
        message = (
            f"'{name}' has the shape {values.shape}, but an image of regions has three dimensions, or four "
            "for several maps. Pass one of its parts."
        )
        raise FormatError(message, file=name)
    return Volume(values, affine, name)


@contextmanager
def _without_log_lines() -> Iterator[None]:
    """Keep nibabel from printing what it repairs in a header: its logger has a handler of its own."""
    here = threading.get_ident()

    def is_of_another_thread(record: logging.LogRecord) -> bool:
        return record.thread != here

    imageglobals.logger.addFilter(is_of_another_thread)
    try:
        yield
    finally:
        imageglobals.logger.removeFilter(is_of_another_thread)


def _image_name(img: Any) -> str:
    return Path(img.get_filename() or "in-memory image").name


def build_image(
    values: NDArray[Any], affine: NDArray[Any], repetition_time: float = float("nan"), description: str = ""
) -> Any:
    """Build an image from voxels in memory.

    Parameters
    ----------
    values
        The voxels ``(x, y, z)`` or ``(x, y, z, time)``; Booleans and half-precision numbers, which NIfTI does
        not have, are converted to ``uint8`` and ``float32``.
    affine
        The matrix from voxel to millimetre.
    repetition_time
        In seconds; NaN is unknown, which NIfTI writes as 0.
    description
        A text for the header, which has room for 79 characters.

    Returns
    -------
    nibabel.Nifti1Image
        The image, with units of millimetres and seconds.

    Examples
    --------
    >>> img = build_image(np.zeros((4, 5, 6, 7), "i2"), np.diag([3.0, 3.0, 4.0, 1.0]), 2.5)
    >>> img.header.get_zooms() == (3.0, 3.0, 4.0, 2.5), img.header.get_xyzt_units()
    (True, ('mm', 'sec'))
    """
    values = values.astype(_NIFTI_DTYPES.get(values.dtype.str[1:], values.dtype), copy=False)
    # 64-bit integers are refused without an explicit dtype.
    img = nib.Nifti1Image(values, affine, dtype=values.dtype)
    img.header["descrip"] = description.encode("ascii", "replace")[:_MAX_DESCRIPTION]
    has_time = values.ndim > _N_SPATIAL_DIMS
    if has_time:
        seconds = repetition_time if np.isfinite(repetition_time) else 0.0
        img.header.set_zooms((*img.header.get_zooms()[:_N_SPATIAL_DIMS], seconds))
    img.header.set_xyzt_units("mm", "sec" if has_time else None)
    return img


def set_form_codes(image: Any, qform_code: int, sform_code: int) -> None:
    """Set what the position in space of an image refers to; if both codes are 0, nothing changes.

    Parameters
    ----------
    image
        A NIfTI image, whose qform and sform become its affine.
    qform_code, sform_code
        The codes of NIfTI, from 0 to 5.

    Examples
    --------
    >>> image = build_image(np.zeros((4, 5, 6), "i2"), np.eye(4))
    >>> set_form_codes(image, 1, 0)
    >>> int(image.header["qform_code"]), int(image.header["sform_code"])
    (1, 0)
    """
    if qform_code or sform_code:  # without any, a reader would ignore the affine
        image.set_qform(image.affine, code=qform_code, update_affine=False)
        image.set_sform(image.affine, code=sform_code, update_affine=False)
