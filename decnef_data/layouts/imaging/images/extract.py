"""Extraction of scans from an archive with an inventory: only the parts that contain them are read."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import google_crc32c
import numpy as np

from decnef_data.archives import Archive, SeekIndex
from decnef_data.errors import IntegrityError
from decnef_data.file_systems import require_free_space
from decnef_data.layouts.imaging.images.ingest import IngestContext, ScanStoreWriter
from decnef_data.layouts.imaging.inventory.scans import Scan

__all__ = ["compressed_size", "extract_scans"]

#: A store takes about a third of the size of the volumes; this fraction has to be free at the start.
_STORE_RATIO: Final = 0.5


@dataclass(frozen=True, slots=True, order=True)
class _MemberRange:
    """A file to extract, with its position in the decompressed archive."""

    offset: int
    size: int
    crc32c: int
    path: str
    scan_index: int


def extract_scans(context: IngestContext, scans: Sequence[Scan]) -> None:
    """Store scans of an archive with an inventory; only the parts that contain them are read.

    Raises
    ------
    IntegrityError
        The archive changed since its inventory was built.
    FormatError
        A scan cannot be read.
    OSError
        There is not enough disk space for the stores.
    """
    # In the order of the archive: a gzipped one is decompressed forward.
    ranges = sorted(_member_ranges(scans))
    size = sum(member_range.size for member_range in ranges)
    require_free_space(
        context.scan_cache.folder, int(size * _STORE_RATIO), f"the stores of {len(scans)} scans"
    )
    remaining = [scan.file_count for scan in scans]
    contents: list[dict[str, bytes]] = [{} for _ in scans]
    label = f"{context.archive.source.path}: {len(scans)} scans"
    context.progress.start(label, size, 0)
    try:
        with ScanStoreWriter(context.scan_cache, context.attrs) as writer:
            for member_range, content in _read_members(context.archive, ranges):
                context.progress.advance(len(content))
                contents[member_range.scan_index][member_range.path] = content
                remaining[member_range.scan_index] -= 1
                if not remaining[member_range.scan_index]:
                    writer.submit(scans[member_range.scan_index], contents[member_range.scan_index])
                    # The writer has them: the list must not keep them in memory.
                    contents[member_range.scan_index] = {}
                    context.progress.set_scan_count(writer.stored_count)
        context.progress.set_scan_count(writer.stored_count)  # with those that the writer waited for
        # Only after all others were stored, which a request without the damaged scan finds.
        for error in writer.failures.values():
            raise error
    finally:
        context.progress.finish()


def compressed_size(index: SeekIndex, scans: Sequence[Scan]) -> int:
    """Return how many bytes of an archive :func:`extract_scans` reads for these scans.

    Examples
    --------
    >>> compressed_size(SeekIndex(gzipped=False, size=10_000, unpacked=10_000), ())
    0
    """
    clusters = index.clusters(sorted(_member_ranges(scans)), _byte_range)
    ends = ((cluster[0].offset, cluster[-1].offset + cluster[-1].size) for cluster in clusters)
    return sum(index.compressed_end(stop) - index.point_before(start).bit // 8 for start, stop in ends)


def _byte_range(member_range: _MemberRange) -> tuple[int, int]:
    return member_range.offset, member_range.offset + member_range.size


def _member_ranges(scans: Sequence[Scan]) -> Iterator[_MemberRange]:
    for scan_index, scan in enumerate(scans):
        rows = (np.frombuffer(raw, "<i8").tolist() for raw in (scan.offsets, scan.file_sizes, scan.checksums))
        for offset, size, crc32c, path in zip(*rows, scan.files, strict=True):
            yield _MemberRange(offset, size, crc32c, path, scan_index)


def _read_members(archive: Archive, ranges: Sequence[_MemberRange]) -> Iterator[tuple[_MemberRange, bytes]]:
    if archive.index is None:
        raise ValueError("The archive has not been indexed yet.")
    for cluster in archive.index.clusters(ranges, _byte_range):
        with archive.open_range(cluster[0].offset, cluster[-1].offset + cluster[-1].size) as stream:
            previous, content = -1, b""
            for member_range in cluster:
                if member_range.offset != previous:  # a link is where the file is that it leads to
                    stream.seek(member_range.offset)
                    previous, content = member_range.offset, stream.read(member_range.size)
                if google_crc32c.value(content) != member_range.crc32c:
                    raise _changed_error(member_range.path, archive.source.path)
                yield member_range, content


def _changed_error(path: str, archive: str) -> IntegrityError:
    message = (
        f"'{path}' in '{archive}' has changed since the archive was indexed. "
        "Check the archive with `decnef_data.verify(NAME, deep=True)`, then download or adopt it again."
    )
    return IntegrityError(message, file=path)
