"""Digests of a few windows of an archive, in which another archive of the same size differs.

The last one has the checksum that gzip computes of everything that was packed.
"""

import hashlib
from typing import Final

import msgspec

from decnef_data.archives.members import ByteSource

__all__ = ["SampledWindow", "find_other_window", "sample_windows"]

_SIZE: Final = 16 << 10
#: Where the windows end, as fractions of the archive: far from what every tar begins and ends with.
_PLACES: Final = ((3, 11), (7, 11), (11, 11))


class SampledWindow(msgspec.Struct, frozen=True, array_like=True):
    """The bytes of an archive from ``start`` to before ``stop``, and their sha256 in hexadecimal."""

    start: int
    stop: int
    sha256: str


def sample_windows(source: ByteSource, size: int) -> tuple[SampledWindow, ...]:
    """Read the windows of an archive of `size` bytes.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from decnef_data.archives.members import LocalSource
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "a.tar")
    ...     _ = path.write_bytes(bytes(100))
    ...     [(window.start, window.stop) for window in sample_windows(LocalSource("a.tar", path), 100)]
    [(0, 27), (0, 63), (0, 100)]
    """
    stops = (size * part // whole for part, whole in _PLACES)
    places = ((max(stop - _SIZE, 0), stop) for stop in stops)
    return tuple(SampledWindow(start, stop, _digest(source, start, stop)) for start, stop in places)


def find_other_window(source: ByteSource, windows: tuple[SampledWindow, ...]) -> SampledWindow | None:
    """Return the first window that has other bytes in an archive, ``None`` if all are the same.

    Examples
    --------
    >>> from decnef_data.archives.members import LocalSource
    >>> from pathlib import Path
    >>> find_other_window(LocalSource("a.tar", Path("a.tar")), ()) is None
    True
    """
    different = (each for each in windows if _digest(source, each.start, each.stop) != each.sha256)
    return next(different, None)


def _digest(source: ByteSource, start: int, stop: int) -> str:
    digest = hashlib.sha256()
    with source.open(start, stop) as pieces:
        for piece in pieces:
            digest.update(piece)
    return digest.hexdigest()
