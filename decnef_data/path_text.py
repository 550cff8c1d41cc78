r"""Paths as text that can be stored, compared and printed, also where a name is not UTF-8.

File systems accept any bytes as a name: an archive from a Japanese Windows, unpacked on Linux, leaves names
in code page 932.  Python shows them in a form that no JSON, log or terminal accepts.  Here such bytes are
written as ``\x95``, whatever the locale, and the path that the system knows is restored to open the file.
"""

import os
import re
import sys
from functools import lru_cache
from typing import Final

__all__ = ["escape_bytes", "escape_path", "unescape_path"]

#: What stands for one byte: one that is not UTF-8, or a backslash beside it.
_ESCAPE: Final = re.compile(rb"\\x(5c|[89a-f][0-9a-f])")
_IS_UTF8: Final = sys.getfilesystemencoding().casefold() == "utf-8"


def escape_path(path: str) -> str:
    r"""Return a path of the system as text: bytes that are not UTF-8 are escaped.

    A backslash beside them is escaped, too, and so is one in a name that looks as if it were escaped, so that
    no two paths have the same text.

    Examples
    --------
    >>> escape_path(os.fsdecode(b"SRPBS_\x95\x5c.tsv")), escape_path("sub-0001/vol_0001")
    ('SRPBS_\\x95\\x5c.tsv', 'sub-0001/vol_0001')
    """
    return path if path.isascii() and "\\x" not in path else escape_bytes(os.fsencode(path))


def escape_bytes(raw: bytes) -> str:
    r"""Return the bytes of a path, or of a name in an archive, as text.

    Examples
    --------
    >>> escape_bytes("年齢".encode()), escape_bytes("年齢".encode("cp932"))
    ('年齢', '\\x94N\\x97\\xee')
    """
    if not _ESCAPE.search(raw):
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            pass
    return raw.replace(b"\\", b"\\x5c").decode("utf-8", "backslashreplace")


@lru_cache(maxsize=4096)  # each call asks for the same paths again
def unescape_path(text: str) -> str:
    r"""Return the path of the system that :func:`escape_path` returned as text; others stay as they are.

    Examples
    --------
    >>> os.fsencode(unescape_path("SRPBS_\\x95\\x5c.tsv"))
    b'SRPBS_\x95\\.tsv'
    """
    if "\\x" not in text and (_IS_UTF8 or text.isascii()):
        return text
    raw = text.encode("utf-8", "surrogateescape")
    return os.fsdecode(_ESCAPE.sub(lambda escape: bytes((int(escape[1], 16),)), raw))
