"""The structure of MATLAB version 5 and 7 files, validated before scipy's compiled reader parses them.

That reader trusts every tag: one flipped bit in a type or a count can end the process.  Here the length of
each element is checked against the bytes that contain it, compressed elements are unpacked up to a limit, and
variables that were not requested are left out unread.

The layout is that of "MAT-File Format" (The MathWorks), chapter 1.
"""

import struct
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass, replace
from itertools import repeat
from math import prod

from isal import isal_zlib

__all__ = ["MAX_VARIABLE_SIZE", "DamagedFileError", "VariableHeader", "extract_variables", "list_variables"]

#: Larger variables are not unpacked: the matrix of all participants in float64 has 0.13 GB.
MAX_VARIABLE_SIZE = 4 * 2**30

_FILE_HEADER_SIZE = 128
_TAG_SIZE = 8
_NUMERIC_SIZES = {1: 1, 2: 1, 3: 2, 4: 2, 5: 4, 6: 4, 7: 4, 9: 8, 12: 8, 13: 8}
_CHAR_SIZES = {1: 1, 2: 1, 3: 2, 4: 2, 16: 1, 17: 2, 18: 4}
_INT8, _INT32, _UINT32, _MATRIX, _COMPRESSED, _UTF8 = 1, 5, 6, 14, 15, 16
# Some writers use unsigned integers for dimensions, and UTF-8 for names; MATLAB reads both.
_COUNT_SIZES = {_INT32: 4, _UINT32: 4}
_NAME_SIZES = {_INT8: 1, _UTF8: 1}
_CLASSES = {1: "cell", 2: "struct", 3: "object", 4: "char", 5: "sparse", 16: "function", 17: "opaque"}
_NUMERIC_CLASSES = (
    "double",
    "single",
    "int8",
    "uint8",
    "int16",
    "uint16",
    "int32",
    "uint32",
    "int64",
    "uint64",
)
_CLASSES |= dict(enumerate(_NUMERIC_CLASSES, start=6))
_MAX_DIMS = 32
#: Texts and structs are allocated by their shape, however few bytes the file has for them.
_MAX_ITEMS = 2**26
_ALLOCATED_BY_SHAPE = frozenset({"char", "struct", "object"})
_COMPLEX, _LOGICAL = 0x800, 0x200
_MAX_ITEM_SIZE = 8
#: The flags, the shape and the name before the numbers of a matrix take far less.
_MAX_HEADER_SIZE = 4096
_PEEK_SIZE = 1024
#: Enough of a compressed variable for its header; the decompressor copies all that it is given and leaves.
_PEEK_INPUT_SIZE = 8192


class DamagedFileError(Exception):  # internal: the module matlab translates it into a FormatError
    """The file is damaged; the message says what is wrong, and where."""


@dataclass(frozen=True, slots=True)
class VariableHeader:
    """Name, shape and class of a variable, from its header, and its size in bytes once unpacked.

    An object of a class (``opaque``) has no shape in the file; a variable without a name holds the content of
    such objects, or the workspace of functions.
    """

    name: str
    shape: tuple[int, ...]
    kind: str
    size: int = 0


@dataclass(frozen=True, slots=True)
class _ByteReader:
    """Bytes in one byte order, from which words and tagged elements are read."""

    data: memoryview
    order: str

    def read_words(self, start: int, stop: int, kind: str = "I") -> tuple[int, ...]:
        return struct.unpack(f"{self.order}{(stop - start) // 4}{kind}", self.data[start:stop])

    def read_element(self, offset: int, stop: int) -> "_Element":
        if offset + _TAG_SIZE > stop:
            raise DamagedFileError(f"the element at byte {offset} is truncated")
        kind, size = self.read_words(offset, offset + _TAG_SIZE)
        if kind >> 16:  # a small element has its content, of up to four bytes, in the tag itself
            return _Element(
                kind & 0xFFFF, offset + 4, offset + 4 + (kind >> 16), offset + _TAG_SIZE
            ).require_within(offset + _TAG_SIZE)
        start = offset + _TAG_SIZE
        return _Element(kind, start, start + size, start + (size + 7) // 8 * 8).require_within(stop)


@dataclass(frozen=True, slots=True)
class _Element:
    """A tagged element: its type, the start and stop of its content, and the start of the next element."""

    kind: int
    start: int
    stop: int
    next_start: int

    @property
    def size(self) -> int:
        return self.stop - self.start

    def require_within(self, stop: int) -> "_Element":
        if self.stop > stop:
            raise DamagedFileError(f"the element at byte {self.start} extends beyond its container")
        return self

    def require_kind(self, kinds: Container[int]) -> "_Element":
        if self.kind not in kinds:
            raise DamagedFileError(f"the element at byte {self.start} has the unexpected type {self.kind}")
        return self


@dataclass(frozen=True, slots=True)
class _StoredVariable:
    """The bytes of one variable of a file, and whether they are compressed; if not, they include its tag."""

    compressed: bool
    data: memoryview


def extract_variables(
    data: bytes, is_wanted: Callable[[VariableHeader], bool]
) -> tuple[bytes, tuple[VariableHeader, ...]]:
    """Return a file with only the wanted variables of `data`, validated and unpacked.

    Parameters
    ----------
    data
        The bytes of a version 5 or 7 file.
    is_wanted
        Whether to keep a variable, given its header.

    Returns
    -------
    tuple
        The bytes of a version 5 file, and the headers of its variables.

    Raises
    ------
    DamagedFileError
        An element does not fit into the bytes that contain it, or has an unexpected type.
    """
    order = _byte_order(data)
    stored, variables = _read_variable_headers(data, order)
    selected = [index for index, variable in enumerate(variables) if is_wanted(variable)]
    contents = [_validate_variable(stored[index], variables[index], order) for index in selected]
    if len(selected) < len(stored) or any(item.compressed for item in stored):
        data = b"".join([data[:_FILE_HEADER_SIZE], *contents])
    return data, tuple(variables[index] for index in selected)


def list_variables(data: bytes) -> tuple[VariableHeader, ...]:
    """Return the headers of all variables of a version 5 or 7 file, those without a name too.

    Parameters
    ----------
    data
        The bytes of the file.

    Returns
    -------
    tuple
        The headers, in the order of the file.

    Raises
    ------
    DamagedFileError
        An element does not fit into the bytes that contain it, or has an unexpected type.
    """
    return tuple(_read_variable_headers(data, _byte_order(data))[1])


def _byte_order(data: bytes) -> str:
    return ">" if data[126:128] == b"MI" else "<"


def _read_variable_headers(data: bytes, order: str) -> tuple[list[_StoredVariable], list[VariableHeader]]:
    stored = list(_split_variables(_ByteReader(memoryview(data), order)))
    return stored, [_read_variable_header(item, order) for item in stored]


def _read_variable_header(stored: _StoredVariable, order: str) -> VariableHeader:
    beginning = stored.data[:_PEEK_INPUT_SIZE]
    reader = _ByteReader(
        _decompress(beginning, _PEEK_SIZE, beginning=True) if stored.compressed else stored.data, order
    )
    header, _ = _parse_variable_header(reader, _TAG_SIZE, len(reader.data))
    return replace(header, size=reader.read_words(0, _TAG_SIZE)[1])


def _validate_variable(stored: _StoredVariable, header: VariableHeader, order: str) -> memoryview:
    content = _decompress(stored.data, _require_size(header)) if stored.compressed else stored.data
    reader = _ByteReader(content, order)
    _check_matrix(reader, reader.read_element(0, len(reader.data)).require_kind({_MATRIX}))
    return reader.data


def _require_size(header: VariableHeader) -> int:
    """Return how many bytes a variable has with its tag, as its header states, if its shape can take them."""
    size = header.size + _TAG_SIZE
    *modifiers, kind = header.kind.split()
    if kind in _NUMERIC_CLASSES:
        n_bytes = prod(header.shape) * _MAX_ITEM_SIZE * (1 + ("complex" in modifiers))
        if size > n_bytes + _MAX_HEADER_SIZE:
            raise DamagedFileError(f"'{header.name}' states {size} bytes, which is more than its shape takes")
    if size > MAX_VARIABLE_SIZE:
        raise DamagedFileError(f"a compressed variable expands to more than {MAX_VARIABLE_SIZE} bytes")
    return size


def _split_variables(reader: _ByteReader) -> Iterator[_StoredVariable]:
    offset = _FILE_HEADER_SIZE
    if len(reader.data) <= offset:
        raise DamagedFileError(f"it ends after {len(reader.data)} bytes, before its first variable")
    while offset < len(reader.data):
        element = reader.read_element(offset, len(reader.data)).require_kind({_MATRIX, _COMPRESSED})
        compressed = element.kind == _COMPRESSED
        yield _StoredVariable(compressed, reader.data[element.start if compressed else offset : element.stop])
        offset = element.stop


def _decompress(compressed: memoryview, limit: int, *, beginning: bool = False) -> memoryview:
    """Decompress at most `limit` bytes: all that there are, or the beginning of more."""
    decompressor = isal_zlib.decompressobj()
    content = decompressor.decompress(compressed, limit)
    if not decompressor.eof and not (beginning and len(content) == limit):
        reason = f"expands to more than {limit} bytes" if len(content) == limit else "is truncated"
        raise DamagedFileError(f"a compressed variable {reason}")
    return memoryview(content)


def _parse_variable_header(reader: _ByteReader, offset: int, stop: int) -> tuple[VariableHeader, int]:
    flags = reader.read_element(offset, stop).require_kind({_UINT32})
    if flags.size != _TAG_SIZE:
        raise DamagedFileError(f"the variable at byte {offset} has invalid flags")
    kind = _class_name(reader.read_words(flags.start, flags.stop)[0])
    shape, name_start = ((), flags.next_start) if kind == "opaque" else _parse_shape(reader, flags, stop)
    name = reader.read_element(name_start, stop).require_kind(_NAME_SIZES)
    text = bytes(reader.data[name.start : name.stop]).decode("latin-1" if name.kind == _INT8 else "utf-8")
    return VariableHeader(text, shape, kind), name.next_start


def _parse_shape(reader: _ByteReader, flags: _Element, stop: int) -> tuple[tuple[int, ...], int]:
    dims = reader.read_element(flags.next_start, stop).require_kind(_COUNT_SIZES)
    shape = reader.read_words(dims.start, dims.stop, "i")
    if dims.size % 4 or not 1 < len(shape) <= _MAX_DIMS or min(shape) < 0:
        raise DamagedFileError(f"the variable at byte {flags.start - _TAG_SIZE} has an invalid shape")
    return shape, dims.next_start


def _class_name(flags: int) -> str:
    modifiers = "complex " * bool(flags & _COMPLEX) + "logical " * bool(flags & _LOGICAL)
    return modifiers + _CLASSES.get(flags & 0xFF, "unknown")


def _check_matrix(reader: _ByteReader, matrix: _Element) -> None:
    variable, offset = _parse_variable_header(reader, matrix.start, matrix.stop)
    if variable.kind in _ALLOCATED_BY_SHAPE and prod(variable.shape) > _MAX_ITEMS:
        raise DamagedFileError(f"the variable at byte {matrix.start} has an invalid shape")
    for count, kinds in _expected_elements(reader, variable, offset, matrix.stop):
        offset = _check_content(reader, reader.read_element(offset, matrix.stop).require_kind(kinds), count)
    if offset < matrix.stop:
        raise DamagedFileError(f"the variable at byte {matrix.start} is longer than its content")


_ExpectedElements = Iterator[tuple[int | None, Container[int]]]


def _expected_elements(
    reader: _ByteReader, variable: VariableHeader, offset: int, stop: int
) -> _ExpectedElements:
    """Yield the number of items (None: any) and the allowed types of each element after the header."""
    count = prod(variable.shape)
    match variable.kind.split():
        case ["cell"]:
            yield from repeat((None, {_MATRIX}), count)
        case ["struct"]:
            yield from _expected_fields(reader, count, offset, stop)
        case ["object"]:  # a struct after the name of its class
            yield None, _NAME_SIZES
            yield from _expected_fields(reader, count, reader.read_element(offset, stop).next_start, stop)
        case ["function"]:
            yield None, {_MATRIX}
        case ["opaque"]:  # the names of the type system and of the class
            yield from repeat((None, _NAME_SIZES), 2)
            yield None, {_MATRIX}
        case ["char"]:
            yield None, _CHAR_SIZES
        case [*modifiers, "sparse"]:  # the rows, where each column starts, and the values
            yield from repeat((None, _NUMERIC_SIZES), 3 + ("complex" in modifiers))
        case [*modifiers, kind] if kind in _NUMERIC_CLASSES:
            yield from repeat((count, _NUMERIC_SIZES), 1 + ("complex" in modifiers))
        case _:
            raise DamagedFileError(f"the variable at byte {offset} has an unsupported class")


def _expected_fields(reader: _ByteReader, count: int, offset: int, stop: int) -> _ExpectedElements:
    yield 1, _COUNT_SIZES
    length = reader.read_element(offset, stop)
    (name_length,) = reader.read_words(length.start, length.stop)
    yield None, _NAME_SIZES
    names = reader.read_element(length.next_start, stop)
    if name_length < 1 or names.size % name_length:
        raise DamagedFileError(f"the fields of the struct at byte {offset} have invalid names")
    yield from repeat((None, {_MATRIX}), count * (names.size // name_length))


def _check_content(reader: _ByteReader, element: _Element, count: int | None) -> int:
    if element.kind == _MATRIX:
        if element.size:
            _check_matrix(reader, element)
        return element.stop
    item_size = {**_NUMERIC_SIZES, **_CHAR_SIZES}[element.kind]
    if element.size % item_size or count not in {None, element.size // item_size}:
        raise DamagedFileError(f"the element at byte {element.start} has an invalid length")
    return element.next_start
