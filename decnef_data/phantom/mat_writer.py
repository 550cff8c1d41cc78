"""MAT files of versions 4, 5, 7 and 7.3, encoded to the same bytes on every machine.

The layout of versions 4 to 7 follows "MAT-File Format" (The MathWorks), that of deflate RFC 1951, and of its
wrapping RFC 1950.  Compressed elements hold stored blocks, and runs of zeros in deflate's fixed code: the
output of a compressor differs between versions of zlib, these do not.
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
    "SYNTHETIC_MARK",
    "NumericArray",
    "compress_variable",
    "encode_array",
    "encode_cell",
    "encode_doubles",
    "encode_struct",
    "encode_text",
    "encode_v4",
    "encode_v73_file",
    "file_header",
]

#: The text at the start of every MAT file that can carry one.
SYNTHETIC_MARK = "SYNTHETIC phantom"

_INT32, _UINT32, _DOUBLE, _MATRIX, _COMPRESSED, _UINT8, _UINT16, _INT8 = 5, 6, 9, 14, 15, 2, 4, 1
_CELL, _STRUCT, _CHAR = 1, 2, 4
_CLASSES = {"<f8": (6, _DOUBLE), "<f4": (7, 7), "|u1": (9, _UINT8)}
# The length of a block that deflate stores has 16 bits.
_MAX_STORED_BLOCK = 65535


Piece = bytes | memoryview | int


@dataclass(frozen=True, slots=True)
class NumericArray:
    """A numeric array: its MATLAB dimensions, its type, and its bytes column by column, in pieces.

    A piece that is an integer stands for that many zero bytes.
    """

    dims: tuple[int, ...]
    dtype: str
    pieces: Iterable[Piece]

    @property
    def size(self) -> int:
        """Its length in bytes."""
        return int(np.prod(self.dims)) * np.dtype(self.dtype).itemsize


def file_header(version: str) -> bytes:
    """Return the first 128 bytes of a MAT file of version 5 or 7, and of the user block of 7.3.

    Examples
    --------
    >>> file_header("5.0")[:46]
    b'MATLAB 5.0 MAT-file, SYNTHETIC phantom, no rea'
    """
    description = f"MATLAB {version} MAT-file, {SYNTHETIC_MARK}, no real person's data, made by decnef-data"
    version_bytes = b"\x00\x02" if version == "7.3" else b"\x00\x01"
    return description.ljust(116).encode() + bytes(8) + version_bytes + b"IM"


def encode_array(name: str, array: NumericArray) -> Iterator[Piece]:
    """Encode a variable of a version 5 file."""
    matlab_class, kind = _CLASSES[array.dtype]
    start = _variable_header(matlab_class, array.dims, name) + struct.pack("<II", kind, array.size)
    padding = -array.size % 8
    yield struct.pack("<II", _MATRIX, len(start) + array.size + padding) + start
    yield from array.pieces
    yield bytes(padding)


def encode_doubles(name: str, values: Sequence[float]) -> bytes:
    """Encode a column of doubles as a variable."""
    data = np.array(values, "<f8").tobytes()
    return _matrix_element(_variable_header(6, (len(values), 1), name) + _data_element(_DOUBLE, data))


def encode_text(name: str, value: str) -> bytes:
    """Encode a row of characters as a variable."""
    return _matrix_element(
        _variable_header(_CHAR, (1, len(value)), name) + _data_element(_UINT16, value.encode("utf-16-le"))
    )


def encode_cell(name: str, values: Sequence[str]) -> bytes:
    """Encode a column of texts as a variable."""
    return _matrix_element(
        _variable_header(_CELL, (len(values), 1), name) + b"".join(encode_text("", value) for value in values)
    )


def encode_struct(name: str, fields: dict[str, bytes]) -> bytes:
    """Encode a struct of unnamed variables as a variable."""
    names = b"".join(field.encode().ljust(32, b"\x00") for field in fields)
    lengths = struct.pack("<HHi", _INT32, 4, 32)
    return _matrix_element(
        _variable_header(_STRUCT, (1, 1), name)
        + lengths
        + _data_element(_INT8, names)
        + b"".join(fields.values())
    )


def compress_variable(pieces: Iterable[Piece]) -> bytes:
    """Encode one variable as a compressed element of version 7."""
    stream = b"".join(_zlib_stream(pieces))
    return struct.pack("<II", _COMPRESSED, len(stream)) + stream


def encode_v4(name: str, array: NumericArray) -> Iterator[Piece]:
    """Encode a double matrix as a variable of a version 4 file."""
    rows, columns = array.dims
    yield struct.pack("<5i", 0, rows, columns, 0, len(name) + 1) + name.encode() + b"\x00"
    yield from array.pieces


def encode_v73_file(name: str, values: NDArray[np.float64]) -> bytes:
    """Encode a version 7.3 file with one double matrix; `values` are transposed, as HDF5 stores them.

    HDF5 1.14 and 2.0 write the same bytes if the format is bound to one version and times are not recorded.
    """
    # Not a file on disk, but HDF5 refuses to open the same name twice.
    file_name = f"phantom of thread {get_ident()}"
    with h5py.File(
        file_name, "w", driver="core", backing_store=False, libver=("earliest", "v108"), userblock_size=512
    ) as file:
        dataset = file.create_dataset(name, data=values, dtype="<f8", track_times=False)
        dataset.attrs.create("MATLAB_class", np.bytes_("double"))
        file.flush()
        image: bytes = file.id.get_file_image()  # without the user block
    return file_header("7.3").ljust(512, b"\x00") + image


def _matrix_element(content: bytes) -> bytes:
    return struct.pack("<II", _MATRIX, len(content)) + content


def _data_element(kind: int, data: bytes) -> bytes:
    return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8)


def _variable_header(matlab_class: int, dims: tuple[int, ...], name: str) -> bytes:
    flags = struct.pack("<IIII", _UINT32, 8, matlab_class, 0)
    return (
        flags
        + _data_element(_INT32, struct.pack(f"<{len(dims)}i", *dims))
        + _data_element(_INT8, name.encode())
    )


def _zlib_stream(pieces: Iterable[Piece]) -> Iterator[bytes]:
    """Yield a zlib stream in which every block begins and ends on a byte boundary."""
    yield b"\x78\x01"
    checksum = 1
    for piece in pieces:
        if isinstance(piece, int):
            checksum = adler32(bytes(piece), checksum)
            yield _zero_block(piece)
        else:
            checksum = adler32(piece, checksum)
            yield from _stored_blocks(piece)
    yield b"\x01\x00\x00\xff\xff" + struct.pack(">I", checksum)


def _stored_blocks(data: bytes | memoryview) -> Iterator[bytes]:
    view = memoryview(data).cast("B")
    for start in range(0, len(view), _MAX_STORED_BLOCK):
        block = view[start : start + _MAX_STORED_BLOCK]
        yield struct.pack("<BHH", 0, len(block), len(block) ^ 0xFFFF)
        yield bytes(block)


@cache
def _zero_block(count: int) -> bytes:
    """Encode `count` zero bytes in deflate's fixed code, and an empty stored block for byte alignment.

    A zero, copies of it 258 at a time, and single zeros for the rest (RFC 1951, 3.2.6); 0 is written as
    00110000, a copy of length 258 from distance 1 as 11000101 00000, the end as 0000000.
    """
    copies, singles = divmod(count - 1, 258)
    bits = "010" + "00110000" + "1100010100000" * copies + "00110000" * singles + "0000000" + "000"
    bits += "0" * (-len(bits) % 8)
    return int(bits[::-1], 2).to_bytes(len(bits) // 8, "little") + b"\x00\x00\xff\xff"
