"""Plain-text matrices: numbers separated by blanks, tabs or commas, one row per line, with ``#`` comments."""

import re

import numpy as np
from numpy.typing import NDArray

from decnef_data.errors import FormatError

__all__ = ["read"]

#: Bytes that cannot occur in a text of numbers: control characters except tab, line ends and form feed.
_BINARY = re.compile(rb"[\x00-\x08\x0e-\x1f]")


def read(data: bytes, file: str) -> NDArray[np.float64]:
    r"""Read a text of numbers as a matrix.

    Parameters
    ----------
    data
        The bytes of the file.
    file
        Its name, for errors.

    Returns
    -------
    numpy.ndarray
        Two axes, float64, rows as in the text.

    Raises
    ------
    FormatError
        The bytes are not text, a cell is not a number, or a row and the first row differ in length.

    Examples
    --------
    >>> read(b"# a comment\n0.25 -0.5\n1 NaN\n", "a.mat").tolist()
    [[0.25, -0.5], [1.0, nan]]
    """
    binary = _BINARY.search(data)
    if binary:
        place = f"byte {binary.start()}"
        message = (
            f"'{file}' is neither a MATLAB file nor a text file of numbers: see {place}. Download it again."
        )
        raise FormatError(message, file=file, location=place)
    lines = _numbered_lines(data)
    if not lines:
        message = f"'{file}' contains no numbers. Download it again."
        raise FormatError(message, file=file)
    return _parse_rows(lines, file)


def _numbered_lines(data: bytes) -> list[tuple[int, bytes]]:
    # latin-1 never fails, and comments (which may be in any encoding) are cut off before any number is read.
    stripped = (
        line.partition(b"#")[0].replace(b",", b" ").strip()
        for line in data.removeprefix(b"\xef\xbb\xbf").splitlines()
    )
    return [(number, line) for number, line in enumerate(stripped, start=1) if line]


def _parse_rows(lines: list[tuple[int, bytes]], file: str) -> NDArray[np.float64]:
    rows = []
    for number, line in lines:
        rows.append(_parse_row(line, number, file))
        if rows[-1].size != rows[0].size:
            problem = f"has {rows[-1].size} numbers, but the first row has {rows[0].size}"
            raise FormatError(
                f"Row {number} of '{file}' {problem}. Download it again.", file=file, location=f"row {number}"
            )
    return np.stack(rows)


def _parse_row(line: bytes, number: int, file: str) -> NDArray[np.float64]:
    try:
        return np.array(line.split(), dtype="S").astype(np.float64)
    except ValueError as error:
        message = f"Row {number} of '{file}' contains a value that is not a number. Download it again."
        raise FormatError(message, file=file, location=f"row {number}") from error
