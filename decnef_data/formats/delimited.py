"""Lines of delimited text, split into cells, with quotation marks and letters that need folding.

A quotation mark that does not open and close a cell within its line is a letter, as in the tables of BIDS: it
must not join the rows of participants.
"""

import csv
import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from decnef_data.formats.cells import fold
from decnef_data.formats.encodings import format_lines
from decnef_data.model import Remark

__all__ = ["BLANKS", "SEPARATORS", "Line", "drop_blank", "parse_lines", "split_line"]

#: The separator that stands for runs of blanks.
BLANKS: Final = " "
#: The separators of cells in the order of preference, and their names.
SEPARATORS: Final = {
    "\t": "tabs",
    ",": "commas",
    ";": "semicolons",
    "|": "vertical bars",
    "\uff0c": "full-width commas",
    BLANKS: "blanks",
}
_RUN_OF_BLANKS: Final = re.compile(r"[ \t\u00a0\u3000]+")


class Line(NamedTuple):
    """The cells of one row, and the number of its (first) line."""

    number: int
    cells: list[str]


def parse_lines(
    text_lines: Sequence[str], separator: str, file: str, header: int | None = None
) -> tuple[list[Line], list[Remark]]:
    """Parse the lines of a text.

    Parameters
    ----------
    text_lines
        The lines.
    separator
        The separator of cells.
    file
        The name of the file, for remarks.
    header
        The index of the line with as many cells as all others should have, if there is one.

    Returns
    -------
    tuple
        One :class:`Line` for each line, but for cells that span lines; and the remarks.

    Examples
    --------
    >>> parse_lines(["age,note", '31,"tall, left"'], ",", "a.csv")[0][1].cells
    ['31', 'tall, left']
    """
    remarks: list[Remark] = []
    if any('"' in line for line in text_lines):
        lines, remarks = _parse_quoted_lines(text_lines, separator, file, header)
    else:
        unified = map(_unify_blanks, text_lines) if separator == BLANKS else text_lines
        lines = [Line(number, line.split(separator)) for number, line in enumerate(unified, start=1)]
    if all(fold(letter) == letter for letter in set("".join(text_lines))):
        return lines, remarks
    folded = [Line(number, list(map(fold, cells))) for number, cells in lines]
    return folded, [*remarks, *_fold_remarks(lines, folded, file)]


def split_line(line: str, separator: str) -> list[str]:
    """Return the cells of one line.

    Examples
    --------
    >>> split_line('31;"tall; left"', ";")
    ['31', 'tall; left']
    """
    return _split_quoted(line, separator) or _split(line, separator)


def drop_blank(lines: Sequence[Line]) -> list[Line]:
    """Return the lines without blank ones, and without rows of blank cells at the end.

    Such a row between others is kept: where the order of rows is the only link, it stands for a participant.

    Examples
    --------
    >>> drop_blank([Line(1, ["", ""]), Line(2, [""]), Line(3, ["31", "1"]), Line(4, ["", ""])])
    [Line(number=1, cells=['', '']), Line(number=3, cells=['31', '1'])]
    """
    rows = [line for line in lines if len(line.cells) > 1 or "".join(line.cells).strip()]
    while rows and not "".join(rows[-1].cells).strip():  # spreadsheets leave such rows
        rows.pop()
    return rows


def _split(line: str, separator: str) -> list[str]:
    return _unify_blanks(line).split(separator) if separator == BLANKS else line.split(separator)


def _unify_blanks(line: str) -> str:
    return _RUN_OF_BLANKS.sub(BLANKS, line).strip()


def _parse_quoted_lines(
    text_lines: Sequence[str], separator: str, file: str, header: int | None
) -> tuple[list[Line], list[Remark]]:
    joined = _parse_strictly(text_lines, separator)
    has_header = header is not None
    if 0 < len(joined) < len(text_lines) and _is_safely_joined(joined, separator, has_header=has_header):
        return joined, [_spanning_remark(joined, file)]
    quoted: list[list[str] | None] = [line.cells for line in joined]
    if len(joined) != len(text_lines):
        quoted = [_split_quoted(line, separator) for line in text_lines]
    width = None if header is None else len(quoted[header] or _split(text_lines[header], separator))
    chosen = [
        _choose_cells(line, cells, separator, width) for line, cells in zip(text_lines, quoted, strict=True)
    ]
    stray = [number for number, (_, is_stray) in enumerate(chosen, start=1) if is_stray]
    lines = [Line(number, cells) for number, (cells, _) in enumerate(chosen, start=1)]
    return lines, [_stray_remark(stray, file)] if stray else []


def _parse_strictly(text_lines: Sequence[str], separator: str) -> list[Line]:
    """Parse the lines of a properly quoted file, whose cells may span lines; no line of any other file."""
    unified = map(_unify_blanks, text_lines) if separator == BLANKS else text_lines
    reader = csv.reader((f"{line}\n" for line in unified), delimiter=separator, strict=True)
    rows, number = [], 1
    try:
        for cells in reader:
            rows.append(Line(number, cells))
            number = reader.line_num + 1
    except csv.Error:
        return []
    return rows


def _is_safely_joined(rows: Sequence[Line], separator: str, *, has_header: bool) -> bool:
    """Return whether no cell that spans lines can have the rows of other participants in it.

    It then has no separator in it and, below a header, all rows have as many cells as that.
    """
    widths = {len(row.cells) for row in drop_blank(rows)}
    spanning = [cell for row in rows for cell in row.cells if "\n" in cell]
    return (
        separator != BLANKS
        and not any(separator in cell for cell in spanning)
        and (len(widths) == 1 or not has_header)
    )


def _split_quoted(line: str, separator: str) -> list[str] | None:
    """Return the cells of a line, ``None`` if a quotation mark opens a cell that does not end in the line."""
    if '"' not in line:
        return _split(line, separator)
    unified = _unify_blanks(line) if separator == BLANKS else line
    try:
        return next(csv.reader([unified], delimiter=separator, strict=True), [])
    except csv.Error:
        return None


def _choose_cells(
    line: str, quoted: list[str] | None, separator: str, width: int | None
) -> tuple[list[str], bool]:
    """Return the cells of a line, and whether a quotation mark is a letter of one, as in tables of BIDS."""
    if quoted is not None and ('"' not in line or len(quoted) == width):
        return quoted, False
    literal = list(map(_remove_quotes, _split(line, separator)))
    return (literal, True) if quoted is None or len(literal) == width else (quoted, False)


def _remove_quotes(cell: str) -> str:
    inner = cell[1:-1]
    return inner if cell == f'"{inner}"' and '"' not in inner else cell


def _spanning_remark(rows: Sequence[Line], file: str) -> Remark:
    spanning = [row.number for row in rows if any("\n" in cell for cell in row.cells)]
    place = format_lines(spanning)
    message = f"'{file}' has quoted cells that span lines, from {place}. Each was read as one cell."
    return Remark("cell-over-lines", message, file)


def _stray_remark(stray: Sequence[int], file: str) -> Remark:
    message = (
        f"'{file}' has a quotation mark that does not open and close a cell: see {format_lines(stray)}. "
        "It was read as a letter, and each line as a row."
    )
    return Remark("stray-quote", message, file)


def _fold_remarks(lines: Sequence[Line], folded: Sequence[Line], file: str) -> list[Remark]:
    count = sum(
        old != new
        for line, other in zip(lines, folded, strict=True)
        if line != other
        for old, new in zip(line.cells, other.cells, strict=True)
    )
    if not count:
        return []
    cells = "1 cell" if count == 1 else f"{count} cells"
    message = (
        f"{cells} of '{file}' had invisible letters, full-width letters or special blanks. "
        "They were read as ordinary text."
    )
    return [Remark("folded-letters", message, file, is_warning=False)]
