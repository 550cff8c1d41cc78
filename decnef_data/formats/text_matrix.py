"""Plain-text matrices: numbers separated by blanks, tabs or commas, one row per line, with ``#`` comments."""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from decnef_data.errors import FormatError

__all__ = ["parse_rows", "read"]

#: Bytes that cannot occur in a text of numbers: control characters except tab, line ends and form feed.
_BINARY = re.compile(rb"[\x00-\x08\x0e-\x1f]")
#: What is often saved in place of a matrix, by its first characters.
_OTHER_CONTENTS = {
    b"<!doctype html": "a web page",
    b"<html": "a web page",
    b"<?xml": "an XML document",
    b"{": "a JSON document",
}
# Of a cell that a message quotes: what is no number may be a page of text.
_MAX_CELL_LENGTH = 20
_REMEDY = "Correct it (NaN stands for a missing value), or omit the file with strict=False."


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
    _require_numbers(data, file)
    lines = _numbered_lines(data)
    if not lines:
        message = f"'{file}' contains no numbers. Download it again."
        raise FormatError(message, file=file)
    return parse_rows(lines, file, is_complete=data.endswith((b"\n", b"\r")))


def _require_numbers(data: bytes, file: str) -> None:
    beginning = data[:64].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    content = next((text for start, text in _OTHER_CONTENTS.items() if beginning.startswith(start)), None)
    if content:
        message = f"'{file}' is {content}, not a matrix. Open it to see what it says, and download it again."
        raise FormatError(message, file=file)
    if binary := _BINARY.search(data):
        place = f"byte {binary.start()}"
        message = (
            f"'{file}' is neither a MATLAB file nor a text file of numbers: see {place}. Download it again."
        )
        raise FormatError(message, file=file, location=place)


def _numbered_lines(data: bytes) -> list[tuple[int, bytes]]:
    # latin-1 never fails, and comments (which may be in any encoding) are cut off before any number is read.
    stripped = (
        line.partition(b"#")[0].replace(b",", b" ").strip()
        for line in data.removeprefix(b"\xef\xbb\xbf").splitlines()
    )
    return [(number, line) for number, line in enumerate(stripped, start=1) if line]


def parse_rows(
    lines: Sequence[tuple[int, bytes]], file: str, *, is_complete: bool = True
) -> NDArray[np.float64]:
    """Parse lines of numbers, which all must have the same length.

    Parameters
    ----------
    lines
        At least one line without comments, each after its number in the file.
    file
        The name of the file, for errors.
    is_complete
        Whether the last line has its end, without which the file is probably truncated.

    Returns
    -------
    numpy.ndarray
        One row per line.

    Raises
    ------
    FormatError
        A value is not a number, or a row and the first row differ in length.

    Examples
    --------
    >>> parse_rows([(1, b"0.25 -0.5"), (3, b"1 NaN")], "a.mat").tolist()
    [[0.25, -0.5], [1.0, nan]]
    """
    rows: list[NDArray[np.float64]] = []
    for number, line in lines:
        rows.append(_parse_row(line, number, file))
        if rows[-1].size != rows[0].size:
            is_truncated = not is_complete and number == lines[-1][0]
            remedy = "It may be truncated: download it again." if is_truncated else _REMEDY
            problem = f"has {rows[-1].size} numbers, but the first row has {rows[0].size}"
            message = f"Row {number} of '{file}' {problem}. {remedy}"
            raise FormatError(message, file=file, location=f"row {number}")
    return np.stack(rows)


def _parse_row(line: bytes, number: int, file: str) -> NDArray[np.float64]:
    cells = line.split()
    try:
        return np.array(cells, dtype="S").astype(np.float64)
    except ValueError as error:
        problem = f"contains {_first_text(cells)}, which is not a number"
        message = f"Row {number} of '{file}' {problem}. {_REMEDY}"
        raise FormatError(message, file=file, location=f"row {number}") from error


def _first_text(cells: Sequence[bytes]) -> str:
    """Return the first cell that is not a number, in quotes."""
    text = next(cell for cell in cells if not _is_number(cell)).decode("utf-8", "replace")
    return f"'{text}'" if len(text) <= _MAX_CELL_LENGTH else f"'{text[:_MAX_CELL_LENGTH]}…'"


def _is_number(cell: bytes) -> bool:
    try:
        np.array([cell], dtype="S").astype(np.float64)
    except ValueError:
        return False
    return True
