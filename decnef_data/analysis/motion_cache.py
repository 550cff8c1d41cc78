"""Results of motion in the cache: one array per file, with a checksum."""

import zlib
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from decnef_data.atomic_files import write_atomic

__all__ = ["read_result", "write_result"]

_CHECKSUM_LENGTH: Final = 4


def read_result(path: Path, shape: tuple[int, ...]) -> NDArray[np.float64] | None:
    """Read an array of this shape, ``None`` if there is none or it is damaged."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    checksum, content = data[:_CHECKSUM_LENGTH], data[_CHECKSUM_LENGTH:]
    if checksum != _checksum(content) or len(content) != 8 * np.prod(shape):
        return None
    return np.frombuffer(content, "<f8").reshape(shape).astype(np.float64)


def write_result(path: Path, values: NDArray[np.float64]) -> None:
    """Write an array.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "one.poses")
    >>> write_result(path, np.ones((1, 2)))
    >>> read_result(path, (1, 2)).tolist()
    [[1.0, 1.0]]
    """
    content = values.astype("<f8").tobytes()
    write_atomic(path, _checksum(content) + content)


def _checksum(content: bytes) -> bytes:
    return zlib.crc32(content).to_bytes(_CHECKSUM_LENGTH, "little")
