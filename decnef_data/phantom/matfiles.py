"""Writes MAT files byte for byte the same everywhere: versions 4, 5, 7 and 7.3, and plain text.

The layout of versions 4 to 7 follows "MAT-File Format" (The MathWorks), that of deflate RFC 1951, and of its
wrapping RFC 1950.  Compressed elements hold stored blocks, and runs of zeros in deflate's fixed code: what a
compressor makes of its input differs from one zlib to the next, these do not.
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from threading import get_ident
from zlib import adler32

import h5py
import numpy as np
from numpy.typing import NDArray

__all__ = [
    "MARK",
    "Array",
    "cell",
    "compressed",
    "double",
    "element",
    "header",
    "struct_of",
    "text",
    "v4",
    "v73",
]

#: Opens every MAT file that can carry a text.
MARK = "SYNTHETIC phantom"

_INT32, _UINT32, _DOUBLE, _MATRIX, _COMPRESSED, _UINT8, _UINT16, _INT8 = 5, 6, 9, 14, 15, 2, 4, 1
_CELL, _STRUCT, _CHAR = 1, 2, 4
_CLASSES = {"<f8": (6, _DOUBLE), "<f4": (7, 7), "|u1": (9, _UINT8)}
_STORED_MOST = 65535


Piece = bytes | memoryview | int


@dataclass(frozen=True, slots=True)
class Array:
    """A numeric array: its MATLAB dimensions, its type, and its bytes column by column, in pieces.

    A piece that is an integer stands for so many zero bytes.
    """

    dims: tuple[int, ...]
    dtype: str
    pieces: Iterable[Piece]

    @property
    def size(self) -> int:
        """Its bytes."""
        return int(np.prod(self.dims)) * np.dtype(self.dtype).itemsize


def header(version: str) -> bytes:
    """The 128 bytes that open a MAT file of version 5 and 7, and the user block of 7.3.

    Examples
    --------
    >>> header("5.0")[:46]
    b'MATLAB 5.0 MAT-file, SYNTHETIC phantom, no rea'
    """
    sentence = f"MATLAB {version} MAT-file, {MARK}, no real person's data, made by decnef-data"
    number = b"\x00\x02" if version == "7.3" else b"\x00\x01"
    return sentence.ljust(116).encode() + bytes(8) + number + b"IM"


def element(name: str, array: Array) -> Iterator[Piece]:
    """A variable of a version 5 file."""
    matlab_class, kind = _CLASSES[array.dtype]
    start = _head(matlab_class, array.dims, name) + struct.pack("<II", kind, array.size)
    padding = -array.size % 8
    yield struct.pack("<II", _MATRIX, len(start) + array.size + padding) + start
    yield from array.pieces
    yield bytes(padding)


def double(name: str, values: Sequence[float]) -> bytes:
    """A column of doubles, as a variable."""
    data = np.array(values, "<f8").tobytes()
    return _wrapped(_head(6, (len(values), 1), name) + _tagged(_DOUBLE, data))


def text(name: str, value: str) -> bytes:
    """A row of characters, as a variable."""
    return _wrapped(_head(_CHAR, (1, len(value)), name) + _tagged(_UINT16, value.encode("utf-16-le")))


def cell(name: str, values: Sequence[str]) -> bytes:
    """A column of texts, as a variable."""
    return _wrapped(_head(_CELL, (len(values), 1), name) + b"".join(text("", value) for value in values))


def struct_of(name: str, fields: dict[str, bytes]) -> bytes:
    """A structure of variables without a name, as a variable."""
    names = b"".join(field.encode().ljust(32, b"\x00") for field in fields)
    lengths = struct.pack("<HHi", _INT32, 4, 32)
    return _wrapped(
        _head(_STRUCT, (1, 1), name) + lengths + _tagged(_INT8, names) + b"".join(fields.values())
    )


def compressed(pieces: Iterable[Piece]) -> bytes:
    """One variable as a compressed element of version 7."""
    stream = b"".join(_zlib(pieces))
    return struct.pack("<II", _COMPRESSED, len(stream)) + stream


def v4(name: str, array: Array) -> Iterator[Piece]:
    """A double matrix as a variable of a version 4 file."""
    rows, columns = array.dims
    yield struct.pack("<5i", 0, rows, columns, 0, len(name) + 1) + name.encode() + b"\x00"
    yield from array.pieces


def v73(name: str, values: NDArray[np.float64]) -> bytes:
    """A whole version 7.3 file with one double matrix; `values` are as HDF5 keeps them, transposed.

    HDF5 1.14 and 2.0 write the same bytes when the format is bound to one version and no time is kept.
    """
    place = f"phantom of thread {get_ident()}"  # no file, but HDF5 refuses to have the same one open twice
    with h5py.File(
        place, "w", driver="core", backing_store=False, libver=("earliest", "v108"), userblock_size=512
    ) as file:
        dataset = file.create_dataset(name, data=values, dtype="<f8", track_times=False)
        dataset.attrs.create("MATLAB_class", np.bytes_("double"))
        file.flush()
        image: bytes = file.id.get_file_image()  # without its user block
    return header("7.3").ljust(512, b"\x00") + image


def _wrapped(content: bytes) -> bytes:
    return struct.pack("<II", _MATRIX, len(content)) + content


def _tagged(kind: int, data: bytes) -> bytes:
    return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8)


def _head(matlab_class: int, dims: tuple[int, ...], name: str) -> bytes:
    flags = struct.pack("<IIII", _UINT32, 8, matlab_class, 0)
    return flags + _tagged(_INT32, struct.pack(f"<{len(dims)}i", *dims)) + _tagged(_INT8, name.encode())


def _zlib(pieces: Iterable[Piece]) -> Iterator[bytes]:
    """A zlib stream whose every block begins and ends on a byte."""
    yield b"\x78\x01"
    checksum = 1
    for piece in pieces:
        if isinstance(piece, int):
            checksum = adler32(bytes(piece), checksum)
            yield _zeros(piece)
        else:
            checksum = adler32(piece, checksum)
            yield from _stored(piece)
    yield b"\x01\x00\x00\xff\xff" + struct.pack(">I", checksum)


def _stored(data: bytes | memoryview) -> Iterator[bytes]:
    view = memoryview(data).cast("B")
    for start in range(0, len(view), _STORED_MOST):
        block = view[start : start + _STORED_MOST]
        yield struct.pack("<BHH", 0, len(block), len(block) ^ 0xFFFF)
        yield bytes(block)


@cache
def _zeros(count: int) -> bytes:
    """A block of `count` zero bytes in deflate's fixed code, and an empty stored one that ends it on a byte.

    A zero, copies of it 258 at a time, and single zeros for what is left (RFC 1951, 3.2.6); 0 is written as
    00110000, a copy of length 258 from distance 1 as 11000101 00000, the end as 0000000.
    """
    copies, singles = divmod(count - 1, 258)
    bits = "010" + "00110000" + "1100010100000" * copies + "00110000" * singles + "0000000" + "000"
    bits += "0" * (-len(bits) % 8)
    return int(bits[::-1], 2).to_bytes(len(bits) // 8, "little") + b"\x00\x00\xff\xff"
