"""How arrays are compressed and sealed: blosc with zstd over shuffled bits, then a crc32c."""

from typing import Any, Final

import google_crc32c
import numpy as np
from numcodecs import Blosc  # type: ignore[import-untyped, unused-ignore]  # only newer ones have types
from numpy.typing import NDArray

__all__ = ["CRC32C", "blosc", "frozen", "packed", "seal"]

CRC32C: Final = {"name": "crc32c"}
_LEVEL: Final = 3
#: What blosc compresses at a time: in pieces of this size a run takes less time to read, and less room.
_PIECE: Final = 1 << 20
_CRC: Final = 4


def blosc(itemsize: int) -> dict[str, Any]:
    """Give the metadata of the compression of numbers of this many bytes."""
    stated = {"cname": "zstd", "clevel": _LEVEL, "shuffle": "bitshuffle", "blocksize": _PIECE}
    return {"name": "blosc", "configuration": {"typesize": itemsize, **stated}}


def packed(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Compress numbers that lie in one piece."""
    return np.frombuffer(Blosc("zstd", _LEVEL, Blosc.BITSHUFFLE, _PIECE).encode(values), np.uint8)


def seal(content: bytes | NDArray[np.uint8]) -> bytes:
    """Give the four bytes that a chunk ends in."""
    sealed = content if isinstance(content, bytes) else frozen(content)
    return int(google_crc32c.value(sealed)).to_bytes(_CRC, "little")


def frozen(content: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Give the same memory, read-only: google_crc32c takes nothing else, and copies nothing."""
    view = content.view()
    view.flags.writeable = False
    return view
