"""One scan whose files are in memory: recognized, checked against its header, and ready to be stored."""

from collections.abc import Mapping
from typing import Any

from decnef_data.errors import FormatError
from decnef_data.formats import nifti
from decnef_data.layouts.inventory import Scan
from decnef_data.layouts.volumes import another, inflated
from decnef_data.stores.scans import HeldFile, HeldScan

__all__ = ["head", "held", "require_alike"]


def head(content: bytes, path: str) -> tuple[bytes, bool]:
    """Give what :func:`decnef_data.formats.nifti.read` needs of a file, and whether the file is gzipped.

    Examples
    --------
    >>> head(bytes(1000), "a")[1]
    False
    """
    gzipped = content[:2] == b"\x1f\x8b"
    start = content[: 17 * nifti.LENGTH] if gzipped else content[: nifti.LENGTH]
    return (nifti.inflated_head(start, path), True) if gzipped else (start, False)


def require_alike(scan: Scan, starts: Mapping[str, bytes]) -> None:
    """Refuse a volume whose header is not that of its run.

    Parameters
    ----------
    scan
        The run.
    starts
        The first bytes of each file that is not gzipped.

    Raises
    ------
    FormatError
        It names the volume, and in what it differs.
    """
    if scan.header is None or scan.gzipped:
        return
    for path in scan.files:
        if nifti.signature(starts[path]) != scan.header.signature:
            raise another(path, starts[path], scan.header, scan.files[0])


def held(scan: Scan, contents: Mapping[str, bytes], attrs: Mapping[str, Any]) -> HeldScan:
    """Make of a scan and the contents of its files what can be stored.

    Raises
    ------
    FormatError
        A file is damaged, or shorter than its header says.
    """
    files = tuple(_file(scan, path, contents[path]) for path in scan.files)
    whose = {"subject": scan.subject, "session": scan.session, "kind": scan.kind}
    about = {**attrs, "synthetic": scan.marked, **whose}
    return HeldScan(scan.kind, scan.shape, scan.header.dtype if scan.header else "", about, files)


def _file(scan: Scan, path: str, content: bytes) -> HeldFile:
    header = scan.header
    if header is None:
        return HeldFile(path, content)
    inside = inflated(content, path) if scan.gzipped else content
    if len(inside) < header.offset + header.nbytes:
        needed = header.offset + header.nbytes
        message = f"'{path}' ends after {len(inside)} bytes where its header asks for {needed}. Get it again."
        raise FormatError(message, file=path, place=f"byte {len(inside)}")
    return HeldFile(path, inside, header.offset, header.nbytes, content if scan.gzipped else None)
