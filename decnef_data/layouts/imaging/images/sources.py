"""What identifies the files of a scan and their content, without reading them."""

import hashlib

from decnef_data.layouts.imaging.inventory.scans import Scan

__all__ = ["scan_source"]


def scan_source(place: str, scan: Scan) -> str:
    """Return what identifies the files of a scan and their content, without reading them.

    Members of an archive have checksums; files of a folder have sizes and modification times, by which they
    are known to be those that were listed.

    Parameters
    ----------
    place
        The folder of the files, or the name of the cache of the archive, which contains its checksum.
    scan
        The scan.

    Examples
    --------
    >>> import msgspec
    >>> labels = {"subject": "sub-0001", "session": "", "kind": "t1w", "run": 1}
    >>> scan = Scan(**labels, folder="a", file_names="b", file_sizes=bytes(8), mtimes=bytes(8))
    >>> scan_source("/data", scan) == scan_source("/data", msgspec.structs.replace(scan, mtimes=b"later..."))
    False
    """
    is_member = bool(scan.checksums)
    names = "\0".join((place, scan.folder, scan.file_names, "crc32c" if is_member else "mtime"))
    digest = hashlib.sha256(names.encode("utf-8", "surrogatepass"))
    # Names have no NUL, and their number gives the length of what follows: no two scans are the same text.
    digest.update(b"\0" + scan.file_sizes + (scan.checksums if is_member else scan.mtimes))
    return digest.hexdigest()
