"""Tables of text, exactly as printed: every cell a string, an empty one ``""``, nothing guessed."""

import csv
import io
from itertools import islice

import pandas as pd

from decnef_data.errors import FormatError

__all__ = ["read", "rows"]

_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def read(data: bytes, file: str) -> pd.DataFrame:
    r"""Read a table with one header row.

    Tabs part the cells where the header row has a tab, else commas; cells may be quoted; line ends
    may be of any kind; UTF-8 with or without its mark, UTF-16 with its mark, else cp932.

    Parameters
    ----------
    data
        The bytes of the file.
    file
        Its name, for errors.

    Returns
    -------
    pandas.DataFrame
        Strings only (dtype object), columns as printed, also where two are the same.

    Raises
    ------
    FormatError
        The bytes are no text, there is no header, or a row has another length than the header.

    Examples
    --------
    >>> read(b"age\tsex\r\n31\t\r\n", "a.tsv").to_dict("list")
    {'age': ['31'], 'sex': ['']}
    """
    text = _text(data, file)
    header, *body = _rows(text, file, next(iter(text.splitlines()), ""))
    for number, row in enumerate(body, start=2):
        if len(row) != len(header):
            raise _no_row(number, file, f"has {len(row)} cells where the header has {len(header)}")
    return pd.DataFrame(body, columns=pd.Index(header, dtype=object), dtype=object)


def rows(data: bytes, file: str, most: int | None = None) -> list[list[str]]:
    r"""Read a table that has no header row, or one of another length; cells and text are as for :func:`read`.

    Tabs part the cells where any row has a tab.  With `most` no more than so many rows are read.

    Raises
    ------
    FormatError
        The bytes are no text, or hold nothing.

    Examples
    --------
    >>> rows(b'protocols\r\nTR (s)\t"2,500"\t2.5', "a.tsv")
    [['protocols'], ['TR (s)', '2,500', '2.5']]
    """
    text = _text(data, file)
    return _rows(text, file, text, most)


def _text(data: bytes, file: str) -> str:
    try:
        if data.startswith(_UTF16):
            return data.decode("utf-16")
        return _utf8(data) or data.decode("cp932")
    except UnicodeDecodeError as error:
        place = f"byte {error.start}"
        message = f"'{file}' is text in neither UTF-8 nor cp932, see {place}. Download it again."
        raise FormatError(message, file=file, place=place) from error


def _utf8(data: bytes) -> str | None:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None


def _rows(text: str, file: str, tabbed: str, most: int | None = None) -> list[list[str]]:
    # newline="" leaves line ends inside quoted cells to the csv module, which knows CRLF, LF and CR.
    lines = csv.reader(io.StringIO(text, newline=""), delimiter="\t" if "\t" in tabbed else ",")
    try:
        found = list(islice(lines, most))
    except csv.Error as error:
        raise _no_row(lines.line_num, file, f"cannot be read ({error})") from error
    while found and _blank(found[-1]):  # spreadsheets leave empty rows at the end
        found.pop()
    if not found or _blank(found[0]):
        raise _no_row(1, file, "is no header")
    return found


def _blank(row: list[str]) -> bool:
    return not any(cell.strip() for cell in row)


def _no_row(number: int, file: str, reason: str) -> FormatError:
    message = f"Row {number} of '{file}' {reason}. Mend the table or download it again."
    return FormatError(message, file=file, place=f"row {number}")
