"""Images as nibabel has them: a volume of whatever it reads, and one made of voxels and where they lie."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from decnef_data.errors import FormatError

__all__ = ["Volume", "image", "volume"]

_SPACE: Final = 3
_LONGEST: Final = 79  # what NIfTI's field of 80 bytes holds with a zero at its end


@dataclass(frozen=True, slots=True, eq=False)
class Volume:
    """Voxels ``(x, y, z)``, the matrix from voxel to millimetre, and what to call it in an error."""

    values: NDArray[Any]
    affine: NDArray[np.float64]
    name: str


def volume(source: Any) -> Volume:
    """Read an image of three dimensions.

    Parameters
    ----------
    source
        A path, or an image of nibabel.

    Raises
    ------
    FormatError
        It is no image that nibabel reads, or has more than one volume.

    Examples
    --------
    >>> volume(nib.Nifti1Image(np.ones((4, 5, 6, 1), "u1"), np.eye(4))).values.shape
    (4, 5, 6)
    """
    name = Path(source).name if isinstance(source, str | os.PathLike) else _named(source)
    try:
        opened = nib.load(source) if isinstance(source, str | os.PathLike) else source
        values = np.asanyarray(opened.dataobj)
    except (ImageFileError, HeaderDataError, EOFError) as error:
        message = f"'{name}' cannot be read as an image: {error}. Give one that nibabel reads, such as NIfTI."
        raise FormatError(message, file=name) from error
    values = values.reshape(values.shape[:_SPACE]) if set(values.shape[_SPACE:]) == {1} else values
    if values.ndim != _SPACE:
        message = f"'{name}' has the shape {values.shape}, not that of one volume. Give one volume of it."
        raise FormatError(message, file=name)
    return Volume(values, np.asarray(opened.affine, np.float64), name)


def _named(opened: Any) -> str:
    return Path(opened.get_filename() or "the image in memory").name


def image(
    values: NDArray[Any], affine: NDArray[Any], repetition_time: float = float("nan"), about: str = ""
) -> Any:
    """Make an image of voxels in memory.

    Parameters
    ----------
    values
        The voxels ``(x, y, z)`` or ``(x, y, z, time)``.
    affine
        From voxel to millimetre.
    repetition_time
        In seconds; NaN is unknown, which NIfTI writes as 0.
    about
        A word on it for the header, which has room for 79 letters.

    Returns
    -------
    nibabel.Nifti1Image
        With units of millimetres and seconds.

    Examples
    --------
    >>> made = image(np.zeros((4, 5, 6, 7), "i2"), np.diag([3.0, 3.0, 4.0, 1.0]), 2.5)
    >>> made.header.get_zooms() == (3.0, 3.0, 4.0, 2.5), made.header.get_xyzt_units()
    (True, ('mm', 'sec'))
    """
    made = nib.Nifti1Image(values, affine, dtype=values.dtype)  # of 64-bit integers it wants to hear it
    made.header["descrip"] = about.encode("ascii", "replace")[:_LONGEST]
    timed = values.ndim > _SPACE
    if timed:
        seconds = repetition_time if np.isfinite(repetition_time) else 0.0
        made.header.set_zooms((*made.header.get_zooms()[:_SPACE], seconds))
    made.header.set_xyzt_units("mm", "sec" if timed else None)
    return made
