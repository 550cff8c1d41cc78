"""Text tables exactly as printed: every cell is a string, an empty one ``""``, and no types are guessed."""

import csv
import io
from itertools import islice

import pandas as pd

from decnef_data.errors import FormatError

__all__ = ["read", "read_rows"]

_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def read(data: bytes, file: str) -> pd.DataFrame:
    r"""Read a table with one header row.

    Cells are separated by tabs if the header row has a tab, else by commas, and may be quoted; line ends may
    be of any kind.  The encoding is UTF-8 with or without a BOM, UTF-16 with a BOM, or else cp932.

    Parameters
    ----------
    data
        The bytes of the file.
    file
        Its name, for errors.

    Returns
    -------
    pandas.DataFrame
        Strings only (dtype object), with columns as printed, even if two have the same name.

    Raises
    ------
    FormatError
        The bytes are not text, there is no header, or a row and the header differ in length.

    Examples
    --------
    >>> read(b"age\tsex\r\n31\t\r\n", "a.tsv").to_dict("list")
    {'age': ['31'], 'sex': ['']}
    """
    text = _decode_text(data, file)
    header, *body = _parse_rows(text, file, next(iter(text.splitlines()), ""))
    for number, row in enumerate(body, start=2):
        if len(row) != len(header):
            raise _row_error(number, file, f"has {len(row)} cells, but the header has {len(header)}")
    return pd.DataFrame(body, columns=pd.Index(header, dtype=object), dtype=object)


def read_rows(data: bytes, file: str, max_rows: int | None = None) -> list[list[str]]:
    r"""Read a table without a header row, or with one of another length; the format is as for :func:`read`.

    Cells are separated by tabs if any row has a tab.  With `max_rows` at most that many rows are read.

    Raises
    ------
    FormatError
        The bytes are not text, or are empty.

    Examples
    --------
    >>> read_rows(b'protocols\r\nTR (s)\t"2,500"\t2.5', "a.tsv")
    [['protocols'], ['TR (s)', '2,500', '2.5']]
    """
    text = _decode_text(data, file)
    return _parse_rows(text, file, text, max_rows)


def _decode_text(data: bytes, file: str) -> str:
    try:
        if data.startswith(_UTF16):
            return data.decode("utf-16")
        return _decode_utf8(data) or data.decode("cp932")
    except UnicodeDecodeError as error:
        place = f"byte {error.start}"
        message = f"'{file}' is not text in UTF-8, UTF-16 or cp932: see {place}. Download it again."
        raise FormatError(message, file=file, location=place) from error


def _decode_utf8(data: bytes) -> str | None:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None


def _parse_rows(text: str, file: str, delimiter_sample: str, max_rows: int | None = None) -> list[list[str]]:
    # newline="" leaves line ends inside quoted cells to the csv module, which handles CRLF, LF and CR.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter="\t" if "\t" in delimiter_sample else ",")
    try:
        parsed = list(islice(reader, max_rows))
    except csv.Error as error:
        raise _row_error(reader.line_num, file, f"cannot be read ({error})") from error
    while parsed and _is_blank(parsed[-1]):  # spreadsheets leave empty rows at the end
        parsed.pop()
    if not parsed or _is_blank(parsed[0]):
        raise _row_error(1, file, "is missing or blank")
    return parsed


def _is_blank(row: list[str]) -> bool:
    return not any(cell.strip() for cell in row)


def _row_error(number: int, file: str, reason: str) -> FormatError:
    message = f"Row {number} of '{file}' {reason}. Fix the table, or download it again."
    return FormatError(message, file=file, location=f"row {number}")
