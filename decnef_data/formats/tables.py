"""Text tables exactly as printed: every cell is a string, an empty one ``""``, and no types are guessed.

A line is a row, and every line is accounted for: a row that is kept, a blank one, or one that is skipped with
a remark.  Everything that was guessed or repaired is a remark, too.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import PurePosixPath
from typing import Final, NamedTuple

import pandas as pd

from decnef_data.errors import FormatError
from decnef_data.formats.cells import fold, meaning_of_commas, replace_decimal_commas
from decnef_data.formats.delimited import BLANKS, SEPARATORS, Line, drop_blank, parse_lines, split_line
from decnef_data.formats.encodings import DecodedText, decode, format_lines
from decnef_data.model import Remark

__all__ = ["MAX_SIZE", "Rows", "Table", "read", "read_rows", "require_size"]

_STATED_SEPARATORS: Final = {".tsv": "\t", ".csv": ","}
#: A line of at least this many words, in a file without separators, is a sentence.
_SENTENCE_WORDS: Final = 4
_SAMPLE_ROWS: Final = 100
#: Bytes of the largest table that is read; those of the release have a thousandth of it.
MAX_SIZE: Final = 64 * 10**6
#: A line or column takes far more memory than its bytes: lines of nothing would fill it.
_MAX_LINES: Final = 10**6
_MAX_COLUMNS: Final = 10**4


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A table with one header row.

    Every line but the header is accounted for:
    ``n_rows_found == len(frame) + n_rows_blank + n_rows_skipped``.

    Attributes
    ----------
    frame
        Strings only (dtype object), with columns as printed, even if two have the same name.
    remarks
        What was guessed, repaired or lost.
    encoding
        The encoding of the text, by its name in Python.
    separator
        The separator of cells; a blank stands for runs of blanks.
    n_rows_found, n_rows_blank, n_rows_skipped
        The number of lines but the header, of blank ones (and of rows of blank cells at the end), and of rows
        that could not be read.
    n_rows_padded
        The number of rows of ``frame`` that had fewer cells than the header.
    sha256
        The SHA-256 of the file, in hexadecimal digits.
    """

    frame: pd.DataFrame
    remarks: tuple[Remark, ...]
    encoding: str
    separator: str
    n_rows_found: int
    n_rows_blank: int
    n_rows_skipped: int
    n_rows_padded: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a table without a header, in any length, without blank ones; and the remarks."""

    cells: list[list[str]]
    remarks: tuple[Remark, ...]
    encoding: str
    separator: str


class _Fitted(NamedTuple):
    """The rows with as many cells as the header, and the lines of those that were padded or skipped."""

    rows: list[list[str]]
    padded: list[int]
    skipped: list[int]


def read(data: bytes, file: str, is_known: Callable[[str], bool] | None = None) -> Table:
    r"""Read a table with one header row.

    Line ends may be of any kind.  Cells are separated by tabs, commas, semicolons, ``|``, full-width commas
    or runs of blanks: of those in the header, the one that gives the most known columns, else the first.
    Cells may be quoted; a quotation mark that does not close a cell within its line is a letter of the cell.
    Invisible and full-width letters are folded (see :func:`decnef_data.formats.cells.fold`), and decimal
    commas become points where a whole column has them.  Short rows are padded, and long ones are skipped.

    Parameters
    ----------
    data
        The bytes of the file.
    file
        Its name, for errors and remarks; the suffixes ``.tsv`` and ``.csv`` state a separator.
    is_known
        Returns whether a header is that of a known column.

    Returns
    -------
    Table
        The cells as text; what was guessed, repaired or skipped; and the numbers of rows.

    Raises
    ------
    FormatError
        The file is empty, is not text, is not a table, or is far larger than any table.

    Examples
    --------
    >>> table = read(b"age\tsex\r\n31\t\r\n\r\n", "a.tsv")
    >>> table.frame.to_dict("list"), table.n_rows_found, table.n_rows_blank
    ({'age': ['31'], 'sex': ['']}, 2, 1)
    """
    text = _decode_bounded(data, file)
    start = next(index for index, line in enumerate(text.lines) if line.strip() or "\t" in line)
    is_known_header = _normalize_headers(is_known)
    separator = _find_separator(text.lines[start:], is_known_header)
    lines, remarks = parse_lines(text.lines, separator, file, start)
    rows = drop_blank(lines)
    if not rows or not "".join(rows[0].cells).strip():
        raise _missing_header_error(start + 1, file)
    header, *body = rows
    fitted = _fit_rows(header.cells, body, separator)
    _require_table(rows, fitted, separator, file, is_known_header)
    columns, comma_remarks = _replace_commas(header.cells, fitted.rows, file)
    guessed = _separator_remarks(separator, header.cells, file)
    return Table(
        frame=pd.DataFrame(columns, columns=pd.Index(header.cells, dtype=object), dtype=object),
        remarks=(*text.remarks, *guessed, *remarks, *_row_remarks(fitted, separator, file), *comma_remarks),
        encoding=text.encoding,
        separator=separator,
        n_rows_found=len(lines) - 1,
        n_rows_blank=len(lines) - 1 - len(body),
        n_rows_skipped=len(fitted.skipped),
        n_rows_padded=len(fitted.padded),
        sha256=hashlib.sha256(data).hexdigest(),
    )


def read_rows(data: bytes, file: str, max_rows: int | None = None) -> Rows:
    r"""Read a table without a header row, or with one of another length; the format is as for :func:`read`.

    Cells are separated by what separates them in the most rows.  With `max_rows` at most that many rows are
    read.

    Raises
    ------
    FormatError
        The file is empty, is not text, or is far larger than any table.

    Examples
    --------
    >>> read_rows(b'protocols\r\nTR (s)\t"2,500"\t2.5', "a.tsv").cells
    [['protocols'], ['TR (s)', '2,500', '2.5']]
    """
    text = _decode_bounded(data, file)
    counts = {
        separator: sum(separator in line for line in text.lines[:_SAMPLE_ROWS])
        for separator in SEPARATORS
        if separator != BLANKS
    }
    separator = max(counts, key=counts.__getitem__)
    first_lines = list(islice(filter(str.strip, text.lines), max_rows))
    lines, remarks = parse_lines(text.lines if max_rows is None else first_lines, separator, file)
    rows = [line.cells for line in drop_blank(lines)]
    if not rows:
        raise _missing_header_error(1, file)
    return Rows(rows, (*text.remarks, *remarks), text.encoding, separator)


def require_size(size: int, file: str) -> None:
    """Raise an error if a file is too large for a table; called before it is read into memory.

    Examples
    --------
    >>> require_size(4096, "participants.tsv")
    """
    _require_at_most(size, MAX_SIZE, "bytes", file)


def _decode_bounded(data: bytes, file: str) -> DecodedText:
    """Decode a file of which neither the size nor the number of lines or columns is out of all proportion."""
    require_size(len(data), file)
    _require_at_most(max(data.count(b"\n"), data.count(b"\r")), _MAX_LINES, "lines", file)
    text = decode(data, file)
    long_lines = (line for line in text.lines if len(line) > _MAX_COLUMNS)
    widest = max((line.count(separator) for line in long_lines for separator in SEPARATORS), default=0)
    _require_at_most(widest, _MAX_COLUMNS, "columns", file)
    return text


def _require_at_most(count: int, limit: int, what: str, file: str) -> None:
    if count > limit:
        message = (
            f"'{file}' has {count} {what}, more than the limit of {limit} for a table. "
            "Fix it, or omit it with strict=False."
        )
        raise FormatError(message, file=file)


def _normalize_headers(is_known: Callable[[str], bool] | None) -> Callable[[str], bool]:
    return (lambda header: is_known(fold(header).strip())) if is_known else (lambda _: False)


def _find_separator(lines: Sequence[str], is_known: Callable[[str], bool]) -> str:
    """Return the separator of the header that gives the most known columns."""
    header = _join_header(lines)

    def count_known(separator: str) -> int:
        return sum(map(is_known, split_line(header, separator)))

    candidates = [separator for separator in SEPARATORS if separator != BLANKS and separator in header]
    if candidates == ["\t"] and count_known("\t"):
        return "\t"
    if len(header.split()) > 1 and count_known(BLANKS) > is_known(header):
        candidates += [BLANKS] if _has_equal_rows(lines) else []
    if len(candidates) > 1:
        return max(candidates, key=count_known)
    return candidates[0] if candidates else "\t"


def _join_header(lines: Sequence[str]) -> str:
    """Return the first line, and those that its quoted cells span: spreadsheets have headers of two lines."""
    counts = (sum(line.count('"') for line in lines[:n_lines]) for n_lines in range(1, _SAMPLE_ROWS))
    n_lines = next((n_lines for n_lines, count in enumerate(counts, start=1) if count % 2 == 0), 1)
    return "\n".join(lines[:n_lines])


def _has_equal_rows(lines: Sequence[str]) -> bool:
    """Return whether runs of blanks give most of the first rows as many cells as the header, unlike prose."""
    widths = [len(split_line(line, BLANKS)) for line in lines[:_SAMPLE_ROWS] if line.strip()]
    return 2 * widths.count(widths[0]) > len(widths)


def _fit_rows(header: Sequence[str], body: Sequence[Line], separator: str) -> _Fitted:
    """Make every row as long as the header: cells without a header must be blank, missing ones become so."""
    width = len(header)
    n_required = max(index for index, cell in enumerate(header, start=1) if cell.strip())
    fitted = _Fitted([], [], [])
    for number, cells in body:
        n_missing = width - len(cells)
        # Between blanks a missing cell cannot be seen: padding would shift the cells into other columns.
        if n_missing and (any(map(str.strip, cells[width:])) or (n_missing > 0 and separator == BLANKS)):
            fitted.skipped.append(number)
            continue
        if len(cells) < n_required:
            fitted.padded.append(number)
        fitted.rows.append([*cells[:width], *[""] * n_missing] if n_missing else cells)
    return fitted


def _require_table(
    lines: Sequence[Line], fitted: _Fitted, separator: str, file: str, is_known: Callable[[str], bool]
) -> None:
    header = lines[0].cells
    if any(map(is_known, header)):
        return
    n_misfits = len(fitted.padded) + len(fitted.skipped)
    is_one_column = len(header) == 1
    if is_one_column and 2 * _count_sentences(lines) > len(lines):
        raise _no_table_error("it consists of sentences", file)
    if (is_one_column or separator != "\t") and 2 * n_misfits >= len(lines):
        raise _no_table_error(f"{n_misfits} of its {len(lines) - 1} rows do not fit its header", file)


def _count_sentences(lines: Sequence[Line]) -> int:
    return sum(len(" ".join(line.cells).split()) >= _SENTENCE_WORDS for line in lines)


def _replace_commas(
    header: Sequence[str], rows: list[list[str]], file: str
) -> tuple[list[list[str]], list[Remark]]:
    """Write decimal points for the decimal commas of whole columns."""
    if not any("," in "".join(row) for row in rows):
        return rows, []
    columns, remarks = [list(cells) for cells in zip(*rows, strict=True)], []
    for index, cells in enumerate(columns):
        meaning = meaning_of_commas(cells)
        if meaning != "none":
            remarks.append(_comma_remark(meaning, header[index], cells, file))
        if meaning == "decimal":
            columns[index] = replace_decimal_commas(cells)
    return [list(cells) for cells in zip(*columns, strict=True)], remarks


def _comma_remark(meaning: str, header: str, cells: Sequence[str], file: str) -> Remark:
    example = next(cell.strip() for cell in cells if "," in cell)
    if meaning == "decimal":
        message = (
            f"Column '{header}' of '{file}' has decimal commas, such as '{example}'. "
            "They were read as decimal points."
        )
        return Remark("decimal-comma", message, file, header, is_warning=False)
    message = (
        f"Column '{header}' of '{file}' has commas that are either decimal or between thousands, such as "
        f"'{example}'. The cells were kept as printed; write them with points."
    )
    return Remark("ambiguous-comma", message, file, header)


def _separator_remarks(separator: str, header: Sequence[str], file: str) -> list[Remark]:
    stated = _STATED_SEPARATORS.get(PurePosixPath(file).suffix.casefold())
    if separator == stated or len(header) == 1:
        return []
    message = (
        f"The cells of '{file}' were read as separated by {SEPARATORS[separator]}, as its header suggests."
    )
    return [Remark("guessed-separator", message, file, is_warning=False)]


def _row_remarks(fitted: _Fitted, separator: str, file: str) -> list[Remark]:
    remarks = []
    if fitted.padded:
        message = (
            f"'{file}' has rows with fewer cells than its header: see {format_lines(fitted.padded)}. "
            "The missing cells were left blank."
        )
        remarks.append(Remark("padded-rows", message, file))
    if fitted.skipped:
        comparison = "another number of cells than" if separator == BLANKS else "more cells than"
        message = (
            f"'{file}' has rows with {comparison} its header: see {format_lines(fitted.skipped)}. "
            "They were not used."
        )
        remarks.append(Remark("skipped-rows", message, file))
    return remarks


def _missing_header_error(number: int, file: str) -> FormatError:
    message = f"Row {number} of '{file}' is missing or blank. Fix the table, or download it again."
    return FormatError(message, file=file, location=f"row {number}")


def _no_table_error(reason: str, file: str) -> FormatError:
    message = f"'{file}' is not a table: {reason}. Fix it, or omit it with strict=False."
    return FormatError(message, file=file)
