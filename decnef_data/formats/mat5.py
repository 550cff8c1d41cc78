"""The structure of MATLAB version 5 and 7 files, walked through before scipy's compiled reader sees them.

That reader trusts every tag: one flipped bit in a type or a count can end the process.  Here each element
is measured against the bytes that hold it, compressed ones are unpacked within a limit, and variables
that nobody asked for are left out unread.

The layout is that of "MAT-File Format" (The MathWorks), chapter 1.
"""

import struct
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass
from itertools import repeat
from math import prod

from isal import isal_zlib

__all__ = ["LARGEST", "Damage", "Variable", "checked"]

#: No variable is unpacked that says it is larger: a cube of all people in float64 has 0.13 GB.
LARGEST = 4 * 2**30

_HEADER = 128
_TAG = 8
_NUMBERS = {1: 1, 2: 1, 3: 2, 4: 2, 5: 4, 6: 4, 7: 4, 9: 8, 12: 8, 13: 8}
_LETTERS = {1: 1, 2: 1, 3: 2, 4: 2, 16: 1, 17: 2, 18: 4}
_INT8, _INT32, _UINT32, _MATRIX, _COMPRESSED = 1, 5, 6, 14, 15
_CLASSES = {1: "cell", 2: "struct", 4: "char"}
_NUMERIC = ("double", "single", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
_CLASSES |= dict(enumerate(_NUMERIC, start=6))
_MOST_AXES = 32
_COMPLEX, _LOGICAL = 0x800, 0x200
_PEEK = 1024


class Damage(Exception):  # noqa: N818  # it never leaves this package: matlab turns it into a FormatError
    """What is wrong, and where."""


@dataclass(frozen=True, slots=True)
class Variable:
    """What a variable's header says of it."""

    name: str
    shape: tuple[int, ...]
    kind: str


@dataclass(frozen=True, slots=True)
class _Bytes:
    """A run of bytes in one byte order, and the reading of tags out of it."""

    data: memoryview
    order: str

    def words(self, start: int, stop: int, kind: str = "I") -> tuple[int, ...]:
        return struct.unpack(f"{self.order}{(stop - start) // 4}{kind}", self.data[start:stop])

    def element(self, at: int, stop: int) -> "_Element":
        if at + _TAG > stop:
            raise Damage(f"an element at byte {at} is cut short")
        kind, size = self.words(at, at + _TAG)
        if kind >> 16:  # a small element keeps its content, of up to four bytes, in the tag itself
            return _Element(kind & 0xFFFF, at + 4, at + 4 + (kind >> 16), at + _TAG).within(at + _TAG)
        start = at + _TAG
        return _Element(kind, start, start + size, start + (size + 7) // 8 * 8).within(stop)


@dataclass(frozen=True, slots=True)
class _Element:
    """A tagged run of bytes: its type, where its content starts and stops, and where the next element is."""

    kind: int
    start: int
    stop: int
    next: int

    @property
    def size(self) -> int:
        return self.stop - self.start

    def within(self, stop: int) -> "_Element":
        if self.stop > stop:
            raise Damage(f"the element that starts at byte {self.start} is longer than what holds it")
        return self

    def of(self, kinds: Container[int]) -> "_Element":
        if self.kind not in kinds:
            raise Damage(
                f"the element that starts at byte {self.start} is of the unexpected type {self.kind}"
            )
        return self


@dataclass(frozen=True, slots=True)
class _Part:
    """The bytes of one variable of a file, with its tag, and whether they are compressed."""

    packed: bool
    data: memoryview


def checked(data: bytes, wanted: Callable[[Variable], bool]) -> tuple[bytes, tuple[Variable, ...]]:
    """Give a file that holds only the wanted variables of `data`, sound and unpacked.

    Parameters
    ----------
    data
        The bytes of a version 5 or 7 file.
    wanted
        Which variables to keep, by what their headers say.

    Returns
    -------
    tuple
        The bytes of a version 5 file, and what it holds.

    Raises
    ------
    Damage
        An element does not fit into the bytes that hold it, or is of an unexpected type.
    """
    order = ">" if data[126:128] == b"MI" else "<"
    parts = list(_parts(_Bytes(memoryview(data), order)))
    variables = [_variable_of(part, order) for part in parts]
    kept = [place for place, variable in enumerate(variables) if wanted(variable)]
    whole = [_sound(parts[place], order) for place in kept]
    if len(kept) < len(parts) or any(part.packed for part in parts):
        data = b"".join([data[:_HEADER], *whole])
    return data, tuple(variables[place] for place in kept)


def _variable_of(part: _Part, order: str) -> Variable:
    head = _Bytes(_unpacked(part.data, _PEEK) if part.packed else part.data, order)
    return _variable(head, _TAG, len(head.data))[0]


def _sound(part: _Part, order: str) -> memoryview:
    whole = _Bytes(_unpacked(part.data, LARGEST) if part.packed else part.data, order)
    _check_matrix(whole, whole.element(0, len(whole.data)).of({_MATRIX}))
    return whole.data


def _parts(file: _Bytes) -> Iterator[_Part]:
    at = _HEADER
    if len(file.data) <= at:
        raise Damage(f"it ends after {len(file.data)} bytes, before its first variable")
    while at < len(file.data):
        element = file.element(at, len(file.data)).of({_MATRIX, _COMPRESSED})
        packed = element.kind == _COMPRESSED
        yield _Part(packed, file.data[element.start if packed else at : element.stop])
        at = element.stop


def _unpacked(part: memoryview, limit: int) -> memoryview:
    unpacker = isal_zlib.decompressobj()
    content = unpacker.decompress(part, limit)
    if not unpacker.eof and (limit > _PEEK or len(content) < limit):
        reason = f"more than {limit} bytes" if len(content) == limit else "an unfinished stream"
        raise Damage(f"a compressed variable unpacks to {reason}")
    return memoryview(content)


def _variable(file: _Bytes, at: int, stop: int) -> tuple[Variable, int]:
    flags = file.element(at, stop).of({_UINT32})
    dims = file.element(flags.next, stop).of({_INT32})
    name = file.element(dims.next, stop).of({_INT8})
    shape = file.words(dims.start, dims.stop, "i")
    if flags.size != _TAG or dims.size % 4 or not 1 < len(shape) <= _MOST_AXES or min(shape) < 0:
        raise Damage(f"the variable that starts at byte {at} has no sound shape")
    kind = _kind(file.words(flags.start, flags.stop)[0])
    return Variable(bytes(file.data[name.start : name.stop]).decode("latin-1"), shape, kind), name.next


def _kind(flags: int) -> str:
    marks = "complex " * bool(flags & _COMPLEX) + "logical " * bool(flags & _LOGICAL)
    return marks + _CLASSES.get(flags & 0xFF, "unknown")


def _check_matrix(file: _Bytes, matrix: _Element) -> None:
    variable, at = _variable(file, matrix.start, matrix.stop)
    for count, kinds in _contents(file, variable, at, matrix.stop):
        at = _check_content(file, file.element(at, matrix.stop).of(kinds), count)
    if at < matrix.stop:
        raise Damage(f"the variable that starts at byte {matrix.start} is longer than its content")


def _contents(
    file: _Bytes, variable: Variable, at: int, stop: int
) -> Iterator[tuple[int | None, Mapping[int, int]]]:
    """Give each element after the header: how many items (None: any), of which types."""
    count = prod(variable.shape)
    match variable.kind.split():
        case ["cell"]:
            yield from repeat((None, {_MATRIX: 1}), count)
        case ["struct"]:
            yield 1, {_INT32: 4}
            length = file.element(at, stop)
            (letters,) = file.words(length.start, length.stop)
            yield None, {_INT8: 1}
            names = file.element(length.next, stop)
            if not 0 < letters <= names.size or names.size % letters:
                raise Damage(f"the fields of the struct at byte {at} have no sound names")
            yield from repeat((None, {_MATRIX: 1}), count * (names.size // letters))
        case ["char"]:
            yield None, _LETTERS
        case [*marks, kind] if kind in _NUMERIC:
            yield from repeat((count, _NUMBERS), 1 + ("complex" in marks))
        case _:
            raise Damage(f"the variable that starts at byte {at} is of a class that is not read")


def _check_content(file: _Bytes, element: _Element, count: int | None) -> int:
    if element.kind == _MATRIX:
        if element.size:
            _check_matrix(file, element)
        return element.stop
    item = {**_NUMBERS, **_LETTERS}[element.kind]
    if element.size % item or count not in {None, element.size // item}:
        raise Damage(f"the element that starts at byte {element.start} has no sound length")
    return element.next
