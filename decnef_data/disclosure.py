"""Decides whether rows about single people may be printed, and hides people in texts where they may not.

The variable ``DECNEF_ROWS`` decides.  Everything that prints people asks this module: errors, warnings and
logs, representations of values, tables and the command line.
"""

import logging
import os
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

__all__ = [
    "MIN_COUNT",
    "VARIABLE",
    "describe_invalid_choice",
    "get_logger",
    "hide_people",
    "hide_subjects",
    "hides_rows",
    "remember_ids",
]

VARIABLE: Final = "DECNEF_ROWS"
#: The smallest number of people that is printed where rows are not.
MIN_COUNT: Final = 5
_SHOWN: Final = frozenset({"", "always"})
_NEVER: Final = "never"
#: Ids of participants in paths and names of scans, in both forms of the traveling subjects, too.
_SUBJECT: Final = re.compile(r"(?<![0-9A-Za-z])(?:sub-[0-9A-Za-z]+|sub\d+|MP\d+)", re.IGNORECASE)
#: Ids of rows of connectivity; a key of one word and a number are also the name of a dataset.
_ROW: Final = re.compile(
    r"(?<![0-9A-Za-z-])([a-z][a-z0-9]*(?:-[a-z0-9]+)+-(?=\d{4})|[a-z][a-z0-9]*-(?=0\d{3}))\d{4}(?![0-9A-Za-z-])"
)
_FEW_PEOPLE: Final = re.compile(
    r"(?<![\w.,<-])[1-4] (?=(?:of the )?(?:people|person|participant|subject|patient|control))"
)


#: A part of an id, or of any other word.
_PART: Final = re.compile(r"[^\W_]+")
#: Shorter ids are numbers of anything else, too; they are replaced in quotes alone.
_MIN_ID_LENGTH: Final = 3
#: Ids of participants whose tables this process has read.
_ids: Final[set[str]] = set()


def hides_rows() -> bool:
    """Return whether rows about single people, and numbers of people below five, are hidden.

    A value that is not known hides them, too: a typing error must not show people.

    Returns
    -------
    bool
        Whether the environment variable ``DECNEF_ROWS`` is set to anything but ``always``.

    Examples
    --------
    >>> hides_rows()
    False
    """
    return os.environ.get(VARIABLE, "") not in _SHOWN


def describe_invalid_choice() -> str | None:
    """Return the message for a value of the variable that is not known, ``None`` if it is known.

    Examples
    --------
    >>> describe_invalid_choice() is None
    True
    """
    value = os.environ.get(VARIABLE, "")
    if value in _SHOWN or value == _NEVER:
        return None
    return f"{VARIABLE} is '{value}'. Set it to 'never' or 'always', or unset it."


def hide_subjects(text: str) -> str:
    """Replace the ids of participants in a path or the name of a scan.

    Examples
    --------
    >>> hide_subjects("SRPBS_OPEN/sub-0001/t1/defaced_mprage.nii")
    'SRPBS_OPEN/sub-*/t1/defaced_mprage.nii'
    """
    return _SUBJECT.sub("sub-*", text)


def hide_people(text: str) -> str:
    """Replace ids of participants and numbers of people below five, if rows are hidden.

    Parameters
    ----------
    text
        A text, such as a message that is printed.

    Returns
    -------
    str
        The text, or one without ids and small numbers if :func:`decnef_data.hides_rows` is true.

    Examples
    --------
    >>> hide_people("sub-0001")
    'sub-0001'
    """
    if not hides_rows():
        return text
    return _FEW_PEOPLE.sub(f"<{MIN_COUNT} ", _ROW.sub(r"\1*", _hide_known_ids(hide_subjects(text))))


def remember_ids(ids: Iterable[str]) -> None:
    """Remember ids of participants in any form, so that they are hidden in texts from now on.

    Examples
    --------
    >>> remember_ids(["NDAR123"])
    """
    _ids.update(ids)


def _hide_known_ids(text: str) -> str:
    known, spans, end = _ids_by_part(len(_ids)), [], 0
    for part in _PART.finditer(text):
        for name, offset in known.get(part[0], ()):
            start = part.start() - offset
            if start >= end and text.startswith(name, start) and _is_word(text, start, start + len(name)):
                end = start + len(name)
                spans.append((start, end))
                break
    for start, end in reversed(spans):
        text = f"{text[:start]}*{text[end:]}"
    return text


@lru_cache(maxsize=1)  # a number that differs means that ids were added
def _ids_by_part(_n_ids: int) -> Mapping[str, list[tuple[str, int]]]:
    """Return the ids, each with the offset of its longest part, by that part; longer ids first."""
    found: dict[str, list[tuple[str, int]]] = {}
    # A copy, because another thread may open a dataset and add its ids meanwhile.
    for name in sorted(_ids.copy(), key=len, reverse=True):
        parts = [] if _SUBJECT.fullmatch(name) else list(_PART.finditer(name))
        if parts:
            longest = max(parts, key=lambda part: len(part[0]))
            found.setdefault(longest[0], []).append((name, longest.start()))
    return found


def _is_word(text: str, start: int, end: int) -> bool:
    """Whether a part of a text is no part of a longer word, and in quotes if it is short."""
    before, after = text[max(0, start - 1) : start], text[end : end + 1]
    if end - start < _MIN_ID_LENGTH:
        return before == after and before in {"'", '"'}
    return not (before.isalnum() or after.isalnum())


def get_logger(name: str) -> logging.Logger:
    """Return the logger of a module, whose records show no people if rows are hidden.

    Examples
    --------
    >>> get_logger("decnef_data.example").name
    'decnef_data.example'
    """
    logger = logging.getLogger(name)
    # A filter of a logger is not asked about the records of those below it, so each has its own.
    logger.addFilter(_hide_people_in_record)
    return logger


def _hide_people_in_record(record: logging.LogRecord) -> bool:
    if hides_rows():
        record.msg, record.args = hide_people(record.getMessage()), ()
    return True
