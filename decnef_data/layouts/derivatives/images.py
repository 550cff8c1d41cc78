"""The images of one derived run: its header, checked against the length of its file, and its mask."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from decnef_data.errors import FormatError
from decnef_data.formats import nifti
from decnef_data.layouts.derivatives.folder import DerivativeFile
from decnef_data.layouts.imaging.images.voxels import FileScan, gunzip, max_unpacked_size, require_length
from decnef_data.layouts.imaging.inventory.scans import Scan
from decnef_data.msgspec_support import DECODE_ERRORS
from decnef_data.path_text import unescape_path

__all__ = ["DerivedLabels", "MaskScan", "read_repetition_time", "read_scan", "unreadable_error"]

#: A gzip file ends with the length of its content modulo this.
_LENGTH_MODULUS: Final = 1 << 32
_LENGTH_BYTES: Final = 4
_REPETITION_TIME: Final = "RepetitionTime"


@dataclass(frozen=True, slots=True)
class DerivedLabels:
    """The subject, session and run of a derived image, as the copy of the dataset spells them."""

    subject: str
    session: str
    run: int


def read_scan(root: str, file: DerivativeFile, labels: DerivedLabels) -> Scan:
    """Read the header of an image, and compare the length of the file with it.

    Parameters
    ----------
    root
        The folder to which the path of the file is relative, as text.
    file
        A run or a mask.
    labels
        Whose it is.

    Raises
    ------
    FormatError
        The file is damaged, truncated, or no image of this kind.
    """
    location = Path(unescape_path(f"{root}/{file.path}"))
    try:
        status = location.stat()
        start, gzipped = nifti.read_header_bytes(location)
    except OSError as error:
        raise unreadable_error(file.path, location, error) from None
    kind = file.name.kind
    header = nifti.read(start, file.path)
    scan = Scan(
        subject=labels.subject,
        session=labels.session,
        # A scan has no kind for masks; that of a single volume is the one that fits.
        kind="bold" if kind == "bold" else "t1w",
        run=labels.run,
        folder=file.folder,
        file_names=file.file_name,
        file_sizes=status.st_size.to_bytes(8, "little"),
        mtimes=status.st_mtime_ns.to_bytes(8, "little"),
        header=header,
        gzipped=gzipped,
    )
    if kind == "mask" and scan.volume_count > 1:
        message = (
            f"'{file.path}' has {scan.volume_count} volumes, but a mask has one. "
            "Run fMRIPrep again for this run."
        )
        raise FormatError(message, file=file.path, location="dim")
    _require_complete(scan, header, location)
    return scan


def unreadable_error(path: str, location: Path, error: OSError) -> FormatError:
    """Return the error for a file that cannot be opened; it may be a link of DataLad without its content."""
    if location.is_symlink():
        message = (
            f"'{path}' is a link that leads nowhere. Get the file that it stands for, such as with "
            "`datalad get`."
        )
    else:
        message = f"'{path}' cannot be read: {error.strerror}. Make it readable for you."
    return FormatError(message, file=path)


def _require_complete(scan: Scan, header: nifti.NiftiHeader, location: Path) -> None:
    """Require that the content of a file is as long as its header says; a gzipped one is rarely unpacked."""
    path, size = scan.files[0], scan.size
    if not scan.gzipped:
        require_length(header, path, size)
        return
    needed = header.offset + header.nbytes
    with location.open("rb") as file:
        file.seek(-min(_LENGTH_BYTES, size), os.SEEK_END)
        stated = int.from_bytes(file.read(), "little")
        # A truncated file ends in compressed bytes, which are this number by chance only.
        if stated == needed % _LENGTH_MODULUS:
            return
        # It is truncated, has bytes behind its voxels, or consists of several parts.
        file.seek(0)
        require_length(header, path, len(gunzip(file.read(), path, max_unpacked_size(scan))))


def read_repetition_time(root: str, file: DerivativeFile | None, header: nifti.NiftiHeader | None) -> float:
    """Return the repetition time in seconds of a sidecar, or else of the header; NaN if neither states it.

    Raises
    ------
    FormatError
        The sidecar is not JSON, or its repetition time is not a positive number.
    """
    sidecar: Mapping[str, Any] = {}
    if file is not None:
        try:
            content = Path(unescape_path(f"{root}/{file.path}")).read_bytes()
            sidecar = msgspec.json.decode(content, type=dict)
        except OSError as error:
            raise unreadable_error(file.path, Path(unescape_path(f"{root}/{file.path}")), error) from None
        except DECODE_ERRORS as error:
            message = f"'{file.path}' is not a JSON object. Run fMRIPrep again for this run."
            raise FormatError(message, file=file.path) from error
    stated = sidecar.get(_REPETITION_TIME)
    if stated is None:
        return float("nan") if header is None else header.repetition_time
    if isinstance(stated, bool) or not isinstance(stated, int | float) or not 0 < stated < np.inf:
        path = "" if file is None else file.path
        message = (
            f"'{path}' has the {_REPETITION_TIME} {stated!r}, which is not a time in seconds. Correct it."
        )
        raise FormatError(message, file=path, location=_REPETITION_TIME)
    return float(stated)


class MaskScan:
    """The mask of one run as a slab of a stack: true where the image is not zero.

    Parameters
    ----------
    root
        The folder to which the path of the scan is relative, as text.
    scan
        The mask.
    """

    __slots__ = ("dtype", "image")

    def __init__(self, root: str, scan: Scan) -> None:
        self.image = FileScan(root, scan, has_time=False)
        self.dtype = np.dtype(scan.header.dtype if scan.header else "u1").newbyteorder("=")

    def fill(self, key: tuple[Any, ...], out: NDArray[Any]) -> None:
        """Read the voxels that `key` selects into `out`."""
        values = np.empty(out.shape, self.dtype)
        self.image.fill(key, values)
        np.not_equal(values, 0, out=out)
