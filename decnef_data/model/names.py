"""Names and paths that somebody else chose, and that may become files of the cache."""

import hashlib
import re
from typing import Final

__all__ = ["is_checksum", "is_file_name", "is_relative_path"]

#: The length of a name that common file systems allow, in bytes.
_MAX_NAME: Final = 255
_FORBIDDEN: Final = re.compile(r"[/\\:\x00-\x1f\x7f-\x9f]")


def is_file_name(name: str) -> bool:
    """Return whether a name is that of a file or folder on any system, which cannot lead anywhere else.

    Examples
    --------
    >>> is_file_name("SRPBS_FC.zip"), is_file_name("../a"), is_file_name("C:a"), is_file_name("")
    (True, False, False, False)
    """
    is_short = 0 < len(name.encode("utf-8", "surrogatepass")) <= _MAX_NAME
    return is_short and name not in {".", ".."} and not _FORBIDDEN.search(name)


def is_relative_path(path: str) -> bool:
    """Return whether a path, with forward slashes, stays below the folder that it is relative to.

    Examples
    --------
    >>> is_relative_path("ATR/HC/a.mat"), is_relative_path("/etc/passwd"), is_relative_path("a/../../b")
    (True, False, False)
    """
    # Files of the user have such a path, too, so that it may have letters that no record should have.
    return "\0" not in path and not {"", ".", ".."} & set(path.split("/"))


def is_checksum(text: str) -> bool:
    """Return whether a text is a checksum: an algorithm that Python always has, and digits of its length.

    Examples
    --------
    >>> is_checksum("md5:d41d8cd98f00b204e9800998ecf8427e"), is_checksum("md5:d41d"), is_checksum("crc:00")
    (True, False, False)
    """
    algorithm, _, digest = text.casefold().partition(":")
    if algorithm not in hashlib.algorithms_guaranteed:
        return False
    length = 2 * hashlib.new(algorithm, usedforsecurity=False).digest_size
    return length > 0 and re.fullmatch(rf"[0-9a-f]{{{length}}}", digest) is not None
