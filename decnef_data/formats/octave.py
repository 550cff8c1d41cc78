"""Octave's text format: variables one after another, each after comments with its name, type and size.

Matrices with two or more axes are read.  Other variables are described, those inside a cell or struct too.
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from math import prod

import numpy as np
from numpy.typing import NDArray

from decnef_data.errors import FormatError
from decnef_data.formats import text_matrix
from decnef_data.formats.matlab_parts import Part

__all__ = ["is_octave", "read_parts"]

_NAME = re.compile(rb"[#%] name: (.*)")
_FIELD = re.compile(rb"[#%] (type|rows|columns|ndims): (.*)")
_START = re.compile(rb"(?:\s*[#%].*\n)*?[#%] name: .*\n[#%] type: ")
_MATRICES = frozenset({"matrix", "float matrix"})
#: Types that hold no matrix of their own.
_SMALL = frozenset(
    {"string", "sq_string", "scalar", "float scalar", "bool", "cell", "scalar struct", "struct"}
)

_Lines = list[tuple[int, bytes]]


def is_octave(data: bytes) -> bool:
    r"""Return whether `data` starts like a text file that Octave saved.

    Examples
    --------
    >>> is_octave(b"# Created by Octave 9.2\n# name: X\n# type: matrix\n"), is_octave(b"# 140 regions\n0.5\n")
    (True, False)
    """
    return _START.match(data) is not None


def read_parts(data: bytes, file: str) -> tuple[Part, ...]:
    r"""List the variables of a file, with the values of matrices.

    Parameters
    ----------
    data
        The bytes of the file.
    file
        Its name, for errors.

    Returns
    -------
    tuple
        The variables, in the order of the file.

    Raises
    ------
    FormatError
        A matrix has other numbers of rows or columns than stated, or a value that is not a number.

    Examples
    --------
    >>> text = b"# name: X\n# type: matrix\n# rows: 1\n# columns: 2\n 0.5 0.25\n"
    >>> [(part.name, part.values.tolist()) for part in read_parts(text, "a.mat")]
    [('X', [[0.5, 0.25]])]
    """
    return tuple(_read_variable(lines, file) for lines in _split_variables(data))


def _split_variables(data: bytes) -> Iterator[_Lines]:
    lines = [(number, line.strip()) for number, line in enumerate(data.splitlines(), start=1)]
    starts = [index for index, (_, line) in enumerate(lines) if _NAME.match(line)]
    for start, stop in pairwise([*starts, len(lines)]):
        yield [(number, line) for number, line in lines[start:stop] if line]


def _read_variable(lines: _Lines, file: str) -> Part:
    name = lines[0][1].partition(b": ")[2].decode("utf-8", "replace")
    fields = {key.decode(): value.decode("latin-1") for key, value in _find_fields(lines)}
    numbers = [(number, line) for number, line in lines if not line.startswith((b"#", b"%"))]
    kind = fields.get("type", "unknown").removeprefix("global ")
    if kind not in _MATRICES:
        shape = _stated_shape(fields)
        listed = sum(len(line.split()) for _, line in numbers)  # of a sparse matrix, fewer than it has
        return Part(name, kind, shape, 0 if kind in _SMALL else max(listed, prod(shape)))
    values = _read_stacked(numbers, file) if "ndims" in fields else _read_rows(numbers, fields, file)
    return Part.from_array(name, values.astype("f4") if kind == "float matrix" else values)


def _find_fields(lines: _Lines) -> Iterator[tuple[bytes, bytes]]:
    for _, line in lines:
        if match := _FIELD.fullmatch(line):
            yield match[1], match[2]


def _stated_shape(fields: dict[str, str]) -> tuple[int, ...]:
    sizes = [fields.get(key, "") for key in ("rows", "columns")]
    return tuple(int(size) for size in sizes) if all(size.isdecimal() for size in sizes) else ()


def _read_rows(lines: _Lines, fields: dict[str, str], file: str) -> NDArray[np.float64]:
    stated = _stated_shape(fields)
    # Without a line of numbers, only a matrix without elements is complete.
    values = text_matrix.parse_rows(lines, file) if lines else np.empty(stated if 0 in stated else (0, 0))
    if stated != values.shape:
        raise _size_error(file, stated, values.shape)
    return values


def _read_stacked(lines: _Lines, file: str) -> NDArray[np.float64]:
    # The sizes of all axes, then one number per line, the first axis fastest.
    sizes = lines[0][1].split() if lines else []
    stated = tuple(int(size) for size in sizes if size.isdigit())
    numbers = text_matrix.parse_rows(lines[1:], file).ravel() if lines[1:] else np.empty(0)
    if len(stated) != len(sizes) or prod(stated) != numbers.size:
        raise _size_error(file, stated, numbers.shape)
    return numbers.reshape(stated, order="F")


def _size_error(file: str, stated: tuple[int, ...], found: tuple[int, ...]) -> FormatError:
    expected, actual = (" x ".join(map(str, shape)) or "no" for shape in (stated, found))
    message = (
        f"'{file}' states {expected} numbers for a matrix, but contains {actual}. "
        "It may be truncated: download it again."
    )
    return FormatError(message, file=file)
