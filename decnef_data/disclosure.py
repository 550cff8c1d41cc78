"""Decides whether rows about single people may be printed, and hides people in texts where they may not.

The variable ``DECNEF_ROWS`` decides.  Everything that prints people asks this module: errors, warnings and
logs, representations of values, tables and the command line.
"""

import logging
import os
import re
from typing import Final

__all__ = [
    "MIN_COUNT",
    "VARIABLE",
    "describe_invalid_choice",
    "get_logger",
    "hide_people",
    "hide_subjects",
    "hides_rows",
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


def hides_rows() -> bool:
    """Return whether rows about single people, and numbers of people below five, are hidden.

    A value that is not known hides them, too: a typing error must not show people.

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

    Examples
    --------
    >>> hide_people("sub-0001")
    'sub-0001'
    """
    if not hides_rows():
        return text
    return _FEW_PEOPLE.sub(f"<{MIN_COUNT} ", _ROW.sub(r"\1*", hide_subjects(text)))


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
