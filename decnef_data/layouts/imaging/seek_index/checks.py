"""Checks of an inventory and a seek index that somebody else made: every number, path and window in them.

What passes them may still be of another archive: each file that is read has a checksum of its own.
"""

import zlib
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final

import msgspec
import numpy as np

from decnef_data.archives import SeekIndex
from decnef_data.archives.gzip_index import WINDOW_SIZE, SeekPoint
from decnef_data.archives.safety import MAX_MEMBER_SIZE
from decnef_data.formats import nifti
from decnef_data.layouts.imaging.inventory.paths import parse_image_path
from decnef_data.layouts.imaging.inventory.scans import MAX_MISSING, MAX_RUN, Inventory, SavedTable, Scan
from decnef_data.model.names import is_relative_path

__all__ = ["find_problem"]

#: Bytes of a number in an inventory; the largest size whose sum with another one still has 64 bits.
_NUMBER_SIZE: Final = 8
_MAX_SIZE: Final = 1 << 60
#: A scan that claims more would fill the memory when it is opened.
_MAX_VOXEL_BYTES: Final = 1 << 40


def find_problem(size: int, inventory: Inventory, index: SeekIndex) -> str | None:
    """Return what cannot be true of an archive of `size` bytes, as the end of a sentence, or ``None``.

    Examples
    --------
    >>> from decnef_data.layouts.imaging.inventory.scans import INVENTORY_VERSION
    >>> nothing = Inventory(
    ...     version=INVENTORY_VERSION, root="", folders={}, scans=(), troubles=(), files=0, size=0
    ... )
    >>> find_problem(10_240, nothing, SeekIndex(gzipped=False, size=512, unpacked=512))
    'the points of another archive'
    """
    if index.size != size or not 0 <= index.unpacked <= _MAX_SIZE:
        return "the points of another archive"
    if not _are_possible_points(index) or not _are_possible_ends(index):
        return "impossible seek points"
    if not all(map(_is_possible_window, index.points)):
        return "a damaged window"
    if not all(_is_possible_table(table, index.unpacked) for table in inventory.tables):
        return "an impossible table"
    if not all(_is_possible_scan(scan, index.unpacked) for scan in inventory.scans):
        return "an impossible scan"
    return None if _has_possible_rest(inventory) else "an impossible list of files"


def _has_possible_rest(inventory: Inventory) -> bool:
    """Return whether all other numbers are counts or sizes, and each sidecar has its content."""
    rest = msgspec.structs.replace(inventory, scans=(), folders={})
    indices, contents = inventory.sidecars.indices.values(), inventory.sidecars.contents
    return (
        not inventory.folders
        # -1 is an offset that is not known.
        and all(-1 <= number <= _MAX_SIZE for number in _iter_integers(msgspec.to_builtins(rest)))
        and all(0 <= index < len(contents) for index in indices)
    )


def _iter_integers(value: Any) -> Iterator[int]:
    """Yield every whole number in containers, however deep; contents of sidecars may have any."""
    if isinstance(value, int):
        yield value
    elif isinstance(value, dict):
        yield from (
            number for key, each in value.items() if key != "contents" for number in _iter_integers(each)
        )
    elif isinstance(value, (list, tuple)):
        yield from (number for each in value for number in _iter_integers(each))


def _are_possible_points(index: SeekIndex) -> bool:
    points = index.points
    return (
        bool(points)
        # Otherwise the files before the first point could not be reached.
        and (points[0].bit, points[0].byte) == (0, 0)
        and points[-1].bit <= 8 * index.size
        and points[-1].byte <= index.unpacked
        and all(one.bit < other.bit and one.byte <= other.byte for one, other in pairwise(points))
    )


def _are_possible_ends(index: SeekIndex) -> bool:
    pairs = ((0, 0), *index.ends, (index.unpacked, index.size))
    return all(one[0] <= other[0] and one[1] <= other[1] for one, other in pairwise(pairs))


def _is_possible_window(point: SeekPoint) -> bool:
    """Return whether a window is as long as it has to be, without decompressing more of it than that."""
    # A member of gzip begins at a whole byte, and needs no window.
    if point.begins_member:
        return point.bit % 8 == 0
    decompressor = zlib.decompressobj()
    try:
        window = decompressor.decompress(point.window, WINDOW_SIZE + 1)
    except zlib.error:
        return False
    return len(window) == WINDOW_SIZE and decompressor.eof


def _is_possible_table(table: SavedTable, unpacked: int) -> bool:
    return (
        is_relative_path(table.path)
        and 0 <= table.offset <= unpacked
        and 0 <= table.size <= unpacked - table.offset
        and table.size <= MAX_MEMBER_SIZE
    )


def _is_possible_scan(scan: Scan, unpacked: int) -> bool:
    n_files = scan.file_names.count("/") + 1
    columns = (scan.file_sizes, scan.mtimes, scan.offsets, scan.checksums)
    if any(len(column) != n_files * _NUMBER_SIZE for column in columns):
        return False
    offsets, sizes = (np.frombuffer(column, "<i8") for column in (scan.offsets, scan.file_sizes))
    is_inside = offsets.min() >= 0 and sizes.min() >= 0 and sizes.max() <= min(unpacked, MAX_MEMBER_SIZE)
    return (
        0 <= scan.run <= MAX_RUN
        and len(scan.missing_numbers) <= MAX_MISSING
        and all(0 <= number <= _MAX_SIZE for number in scan.missing_numbers)
        and all(map(is_relative_path, scan.files))
        and _has_own_labels(scan)
        # In this order: a sum of numbers that were not checked may overflow its 64 bits.
        and bool(is_inside and offsets.max() <= unpacked and (offsets + sizes).max() <= unpacked)
        and _has_possible_header(scan)
    )


def _has_own_labels(scan: Scan) -> bool:
    """Return whether the labels of a scan are those that its first path has."""
    parsed = parse_image_path(scan.files[0])
    labels = (scan.subject, scan.session, scan.kind, scan.folder)
    return parsed is not None and labels == (parsed.subject, parsed.session, parsed.kind, parsed.folder)


def _has_possible_header(scan: Scan) -> bool:
    """Return whether the header can be that of its kind of scan; the files are compared with it when read."""
    header = scan.header
    if header is None:
        return scan.kind == "fmap"
    try:
        # As floats, whose products do not overflow.
        voxels = np.prod([*map(float, header.shape)]) * np.dtype(header.dtype).itemsize
    # NumPy parses the text of a dtype: "f4,(" is a SyntaxError.
    except (TypeError, ValueError, SyntaxError):
        return False
    return (
        scan.kind != "fmap"
        and len(header.shape) in {3, 4}
        and min(header.shape) > 0
        and bool(voxels <= _MAX_VOXEL_BYTES)
        and 0 <= header.offset <= _MAX_SIZE
        and len(header.affine) == 16 * _NUMBER_SIZE
        and len(header.signature) in nifti.SIGNATURE_LENGTHS
        and np.dtype(header.dtype).kind in "iufc"
    )
