"""Takes scans out of an archive that was walked before, reading no more of it than their places ask for."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from errno import ENOSPC
from pathlib import Path
from typing import Final

import google_crc32c
import numpy as np

from decnef_data.errors import IntegrityError
from decnef_data.layouts.ingesting import Ingest
from decnef_data.layouts.inventory import Scan
from decnef_data.layouts.storing import Storing
from decnef_data.members import Archive, SeekIndex

__all__ = ["extract", "packed"]

#: A store takes about a third of the volumes' size; this much of it must be free before one is begun.
_SHARE: Final = 0.5
_SPARE: Final = 64 << 20


@dataclass(frozen=True, slots=True, order=True)
class _Piece:
    """A file that is wanted, and where it lies in the unpacked archive."""

    place: int
    size: int
    crc32c: int
    path: str
    scan: int


def extract(ingest: Ingest, scans: Sequence[Scan]) -> None:
    """Store scans of an archive that was walked before, reading no more of it than their places ask for.

    Raises
    ------
    IntegrityError
        The archive is not what it was when it was walked.
    FormatError
        A scan cannot be read.
    OSError
        There is no room for the stores.
    """
    pieces = sorted(_pieces(scans))
    _require_room(ingest.shelf.folder, sum(piece.size for piece in pieces))
    left = [scan.count for scan in scans]
    held: list[dict[str, bytes]] = [{} for _ in scans]
    what = f"{ingest.archive.source.path}: {len(scans)} scans"
    ingest.progress.start(what, sum(piece.size for piece in pieces), 0)
    try:
        with Storing(ingest.shelf, ingest.attrs) as storing:
            for piece, content in _read(ingest.archive, pieces):
                ingest.progress.advance(len(content))
                held[piece.scan][piece.path] = content
                left[piece.scan] -= 1
                if not left[piece.scan]:
                    storing.put(scans[piece.scan], held[piece.scan])
                    held[piece.scan] = {}
                    ingest.progress.scans(storing.done)
        for error in storing.failed.values():
            raise error
    finally:
        ingest.progress.finish()


def packed(index: SeekIndex, scans: Sequence[Scan]) -> int:
    """Say how many bytes of an archive :func:`extract` would read for these scans.

    Examples
    --------
    >>> packed(SeekIndex(gzipped=False, size=10_000, unpacked=10_000), ())
    0
    """
    clusters = index.clusters(sorted(_pieces(scans)), _span)
    ends = ((cluster[0].place, cluster[-1].place + cluster[-1].size) for cluster in clusters)
    return sum(index.after(stop) - index.before(start).bit // 8 for start, stop in ends)


def _span(piece: _Piece) -> tuple[int, int]:
    return piece.place, piece.place + piece.size


def _pieces(scans: Sequence[Scan]) -> Iterator[_Piece]:
    for at, scan in enumerate(scans):
        rows = (np.frombuffer(raw, "<i8").tolist() for raw in (scan.places, scan.sizes, scan.sums))
        for place, size, crc32c, path in zip(*rows, scan.files, strict=True):
            yield _Piece(place, size, crc32c, path, at)


def _read(archive: Archive, pieces: Sequence[_Piece]) -> Iterator[tuple[_Piece, bytes]]:
    if archive.index is None:
        raise ValueError("The archive was not walked yet.")
    for cluster in archive.index.clusters(pieces, _span):
        with archive.opened(cluster[0].place, cluster[-1].place + cluster[-1].size) as stream:
            for piece in cluster:
                stream.seek(piece.place)
                content = stream.read(piece.size)
                if google_crc32c.value(content) != piece.crc32c:
                    raise _changed(piece.path, archive.source.path)
                yield piece, content


def _changed(path: str, archive: str) -> IntegrityError:
    message = (
        f"'{path}' in '{archive}' is not what it was when the archive was listed. "
        "Get the archive again, and clear what was made of the other with 'decnef cache clear'."
    )
    return IntegrityError(message, file=path)


def _require_room(folder: Path, size: int) -> None:
    there = next(place for place in (folder, *folder.parents) if place.exists())
    free, needed = shutil.disk_usage(there).free, int(size * _SHARE) + _SPARE
    if needed > free:
        message = (
            f"No room for the stores: about {needed / 1e6:,.0f} MB are needed, "
            f"{free / 1e6:,.0f} MB are free. "
            "Free some, select fewer people, or move the cache with DECNEF_DATA_DIR"
        )
        raise OSError(ENOSPC, message, str(there))
