"""Names and paths that somebody else chose, and that may become files of the cache."""

import hashlib
import re
from pathlib import PurePosixPath
from typing import Final

__all__ = ["is_checksum", "is_file_name", "is_relative_path", "is_shown", "shorten_file_name"]

#: The length of a name that common file systems allow, in bytes.
_MAX_NAME: Final = 255
#: The length to which names are shortened: partial downloads have the same name with a suffix.
_SHORTENED: Final = 200
_MAX_SUFFIX: Final = 16
#: Separators of paths on any system, the colon of a drive or stream on Windows, and control characters.
_FORBIDDEN: Final = re.compile(r"[/\\:\x00-\x1f\x7f-\x9f]")


def is_file_name(name: str) -> bool:
    """Return whether a name is that of a file or folder on any system, which cannot lead anywhere else.

    Examples
    --------
    >>> is_file_name("SRPBS_FC.zip"), is_file_name("../a"), is_file_name("C:a"), is_file_name("")
    (True, False, False, False)
    """
    # The limit is in bytes, of which a Japanese letter has three; names in archives can have surrogates.
    is_short = 0 < len(name.encode("utf-8", "surrogatepass")) <= _MAX_NAME
    return is_short and name not in {".", ".."} and not _FORBIDDEN.search(name)


def is_shown(letter: str) -> bool:
    r"""Return whether a letter of a name can be shown: no control character, and nothing that is not text.

    Examples
    --------
    >>> is_shown("年"), is_shown("\u3000"), is_shown("\x1b"), is_shown("\udc95")
    (True, True, False, False)
    """
    return letter.isprintable() or letter == "\u3000"  # a Japanese space, which Python counts as unprintable


def shorten_file_name(name: str) -> str:
    """Return a name that is no longer than file systems allow: the rest of a long one becomes a digest.

    Examples
    --------
    >>> shorten_file_name("SRPBS_FC.zip"), shorten_file_name("表" * 120 + ".tar.gz")[-23:]
    ('SRPBS_FC.zip', '表表表表表表表~f1fd6228.tar.gz')
    """
    encoded = name.encode("utf-8", "surrogatepass")
    if len(encoded) <= _SHORTENED:
        return name
    suffix = "".join(PurePosixPath(name).suffixes[-2:])
    # A long name with dots has suffixes that are none, which could be too long themselves.
    suffix = suffix if len(suffix.encode("utf-8", "surrogatepass")) <= _MAX_SUFFIX else ""
    ending = f"~{hashlib.sha256(encoded).hexdigest()[:8]}{suffix}"
    # The cut may be within a letter, whose bytes are left out.
    return encoded[: _SHORTENED - len(ending.encode())].decode("utf-8", "ignore") + ending


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
    # Systems in FIPS mode refuse MD5 without this; SHAKE has no length of its own.
    length = 2 * hashlib.new(algorithm, usedforsecurity=False).digest_size
    return length > 0 and re.fullmatch(rf"[0-9a-f]{{{length}}}", digest) is not None
