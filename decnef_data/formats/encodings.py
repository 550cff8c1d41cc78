"""The encodings of text files: UTF-8, UTF-16 with a BOM, cp932 (Shift JIS), EUC-JP and ISO-2022-JP.

Text that is not UTF-8 is decoded in every encoding of Japanese, and the most plausible reading is used.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from decnef_data.errors import FormatError
from decnef_data.formats.pointers import require_content
from decnef_data.model import Remark

__all__ = ["DecodedText", "decode", "format_lines"]

_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")
#: In the order of preference, if two readings are equally plausible.
_CANDIDATES: Final = ("utf-8", "cp932", "euc_jp")
_NAMES: Final = {
    "utf-8": "UTF-8",
    "utf-16": "UTF-16",
    "cp932": "cp932 (Shift JIS)",
    "euc_jp": "EUC-JP",
    "iso2022_jp": "ISO-2022-JP",
}
_REPLACEMENT: Final = "\ufffd"
#: What Python's cp932 returns for bytes that the encoding does not define.
_UNDEFINED_IN_CP932: Final = dict.fromkeys((0x80, 0xA0, 0xF8F0, 0xF8F1, 0xF8F2, 0xF8F3), _REPLACEMENT)
#: How implausible the letters are that each pattern finds: 3 for a byte that cannot be decoded.  Other
#: encodings, read as cp932, have half-width katakana; a damaged byte among Latin letters gives one kanji.
_IMPLAUSIBLE: Final = (
    (re.compile("\ufffd"), 3),
    (re.compile("[\ue000-\uf8ff\x80-\x9f]"), 4),
    (re.compile("[\uff61-\uff9f]"), 1),
    (re.compile("(?<=[A-Za-z])[\uff61-\uff9f]|[\uff61-\uff9f](?=[A-Za-z])"), 2),
    (re.compile("(?<![^\x00-\x7f])[\uff61-\uff9f](?![^\x00-\x7f])"), 2),
    (
        re.compile(
            "(?<=[A-Za-z_])[\u2e80-\uff60](?![^\x00-\x7f])|(?<![^\x00-\x7f])[\u2e80-\uff60](?=[A-Za-z_])"
        ),
        4,
    ),
)
#: Letters of Japanese: bytes of other encodings are hardly ever one in UTF-8.
_JAPANESE: Final = re.compile("[\u3000-\u9fff\uff00-\uff5f]")
_JAPANESE_IN_UTF8: Final = -2
#: Control characters that no text has; tabs, line ends, form feeds, and the escapes of ISO-2022-JP occur.
_CONTROLS: Final = bytes({*range(32), 0x7F} - {*b"\t\n\v\f\r\x1a\x1b"})
#: Bytes that are never a part of a letter in these encodings.
_WORD_END: Final = re.compile(rb"[\t\r\n,;]")
_LINE_END: Final = re.compile(r"\r*\n|\r")
#: With more damaged letters than this, and more than one in so many, a file is not text.
_MAX_DAMAGE: Final = 3
_TEXT_PER_CONTROL: Final = 10
_MAX_NAMED_LINES: Final = 5

#: How files of other kinds begin (in lower case), and what they are.
_OTHER_KINDS: Final = {
    b"pk\x03\x04": "a ZIP archive or an Excel workbook",
    b"\xd0\xcf\x11\xe0": "an old Excel or Word file",
    b"\x1f\x8b": "a gzip file",
    b"%pdf-": "a PDF file",
    b"<!doctype html": "a web page",
    b"<html": "a web page",
}


@dataclass(frozen=True, slots=True)
class DecodedText:
    """The text of a file without BOMs; its lines, however they end; the encoding; and what was guessed."""

    lines: tuple[str, ...]
    encoding: str
    remarks: tuple[Remark, ...]


def decode(data: bytes, file: str) -> DecodedText:
    r"""Decode the bytes of a text file.

    Bytes that cannot be decoded become U+FFFD, and a remark names their lines.

    Parameters
    ----------
    data
        The bytes of the file.
    file
        Its name, for errors and remarks.

    Returns
    -------
    DecodedText
        The lines of the text.

    Raises
    ------
    FormatError
        The file is empty, is not text, or is a pointer to another file.

    Examples
    --------
    >>> decode("年齢\r\n31\r\n".encode("euc_jp"), "a.tsv").lines
    ('年齢', '31')
    """
    _require_text(data, file)
    encoding, text = _choose_encoding(data)
    text = text.lstrip("\ufeff").rstrip("\x1a")
    if not text.strip():
        raise FormatError(f"'{file}' is empty. Download it again, or omit it with strict=False.", file=file)
    lines = _split_lines(text)
    damage: list[Remark] = []
    if _REPLACEMENT in text:
        repaired = _decode_damaged_lines(lines, data, encoding)
        lines = [repaired.get(index, line) for index, line in enumerate(lines)]
        damage = _damage_remarks(lines, sorted(repaired), encoding, file)
    _require_letters(lines, file)
    return DecodedText(tuple(lines), encoding, (*_encoding_remarks(encoding, file), *damage))


def format_lines(numbers: Sequence[int]) -> str:
    """Return the numbers of lines for a message: at most five are named.

    Examples
    --------
    >>> format_lines([3]), format_lines([1, 2, 3, 4, 5, 6, 7])
    ('line 3', 'lines 1, 2, 3, 4, 5 and 2 more')
    """
    named = ", ".join(map(str, numbers[:_MAX_NAMED_LINES]))
    rest = f" and {len(numbers) - _MAX_NAMED_LINES} more" if len(numbers) > _MAX_NAMED_LINES else ""
    return f"{'line' if len(numbers) == 1 else 'lines'} {named}{rest}"


def _require_text(data: bytes, file: str) -> None:
    require_content(data, file)
    beginning = data[:64].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    kind = next((kind for start, kind in _OTHER_KINDS.items() if beginning.startswith(start)), None)
    if kind:
        raise _not_text_error(file, f"it is {kind}")
    if b"\0" in data and not data.startswith(_UTF16):
        raise _not_text_error(
            file, f"byte {data.index(0)} is NUL, as in binary files and UTF-16 without a BOM"
        )


def _not_text_error(file: str, reason: str) -> FormatError:
    message = (
        f"'{file}' is not a text file: {reason}. Save it as text in UTF-8, or omit it with strict=False."
    )
    return FormatError(message, file=file)


def _choose_encoding(data: bytes) -> tuple[str, str]:
    if data.startswith(_UTF16):
        return "utf-16", data.decode("utf-16", "replace")
    if b"\x1b$" in data and (text := _decode_strictly(data, "iso2022_jp")) is not None:
        return "iso2022_jp", text
    if (text := _decode_strictly(data, "utf-8")) is not None:
        return "utf-8", text
    # A table repeats a few words: each is judged once.
    words = {word: count for word, count in Counter(_WORD_END.split(data)).items() if not word.isascii()}
    encoding = min(_CANDIDATES, key=lambda name: _count_implausible(words, name))
    return encoding, _decode_leniently(data, encoding)


def _count_implausible(words: Mapping[bytes, int], encoding: str) -> int:
    readings = [(_decode_leniently(word, encoding), count) for word, count in words.items()]
    score = sum(count * _implausibility(text) for text, count in readings)
    if encoding == "utf-8":
        score += _JAPANESE_IN_UTF8 * sum(count * len(_JAPANESE.findall(text)) for text, count in readings)
    return score


def _decode_strictly(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return None


def _decode_leniently(data: bytes, encoding: str) -> str:
    text = data.decode(encoding, "replace")
    return text.translate(_UNDEFINED_IN_CP932) if encoding == "cp932" else text


def _implausibility(text: str) -> int:
    return sum(weight * len(pattern.findall(text)) for pattern, weight in _IMPLAUSIBLE)


def _split_lines(text: str) -> list[str]:
    # Text that was written twice in text mode has "\r\r\n" at its line ends.
    unified = text.replace("\r\n", "\n")
    lines = _LINE_END.split(unified) if "\r" in unified else unified.split("\n")
    return lines if lines[-1] else lines[:-1]


def _decode_damaged_lines(lines: Sequence[str], data: bytes, encoding: str) -> dict[int, str]:
    """Return the damaged lines that are sound in another encoding, as in files that were joined, by index."""
    if encoding == "utf-16":
        return {}
    original_lines = re.split(rb"\r*\n|\r", data)
    readings = (
        (index, _decode_strictly(original_lines[index], other))
        for index, line in enumerate(lines)
        if _REPLACEMENT in line
        for other in _CANDIDATES
        if other != encoding
    )
    return {index: text for index, text in readings if text is not None and not _implausibility(text)}


def _require_letters(lines: Sequence[str], file: str) -> None:
    text = "".join(lines)
    encoded = text.encode("utf-8", "replace")
    count = len(encoded) - len(encoded.translate(None, _CONTROLS)) + text.count(_REPLACEMENT)
    if count > max(_MAX_DAMAGE, len(text) // _TEXT_PER_CONTROL):
        raise _not_text_error(file, f"{count} of its bytes cannot be letters in any known encoding")


def _encoding_remarks(encoding: str, file: str) -> list[Remark]:
    if encoding in {"utf-8", "utf-16"}:
        return []
    message = f"'{file}' is not in UTF-8, and was read as {_NAMES[encoding]}, the most plausible encoding."
    return [Remark("guessed-encoding", message, file, is_warning=False)]


def _damage_remarks(lines: Sequence[str], repaired: Sequence[int], encoding: str, file: str) -> list[Remark]:
    remarks = []
    if repaired:
        place = format_lines([index + 1 for index in repaired])
        message = (
            f"'{file}' is in {_NAMES[encoding]}, but {place} in another encoding. Check the letters there."
        )
        remarks.append(Remark("mixed-encodings", message, file))
    damaged = [number for number, line in enumerate(lines, start=1) if _REPLACEMENT in line]
    if damaged:
        message = (
            f"'{file}' has bytes that cannot be decoded as {_NAMES[encoding]}: see {format_lines(damaged)}. "
            f"Each was read as '{_REPLACEMENT}'."
        )
        remarks.append(Remark("undecodable-bytes", message, file))
    return remarks
