"""Checks that refuse a member: an unsafe path, a link, a duplicate name, a bomb, or damage."""

import errno
import gzip
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import Final

from isal import isal_zlib

from decnef_data.errors import FormatError

__all__ = [
    "MAX_MEMBER_SIZE",
    "is_junk",
    "reject_duplicate",
    "reject_oversized",
    "require_size",
    "safe_path",
    "translate_errors",
    "unsafe_member_error",
]

#: A larger member is not read into memory; the largest known file of srpbs-fc has 47 MiB.
MAX_MEMBER_SIZE: Final = 4 * 2**30


def safe_path(name: str, archive: str) -> str:
    """Return the normalized path of a member, if it stays inside the folder."""
    path = PurePosixPath(name)
    drive = len(name) > 1 and name[1] == ":"
    if path.is_absolute() or ".." in path.parts or drive or not path.parts or "\0" in name:
        raise unsafe_member_error(name, archive, "a path outside the archive's folder")
    return str(path)


def unsafe_member_error(name: str, archive: str, reason: str) -> FormatError:
    """Return the error that says why a member was not read."""
    message = (
        f"'{name}' in '{archive}' is {reason} and was not read. "
        "Download the archive from its publisher again."
    )
    return FormatError(message, file=archive, location=name)


def reject_duplicate(path: str, seen: set[str], archive: str) -> None:
    """Raise an error if a name was seen before, and remember it."""
    if path in seen:
        message = f"'{path}' occurs twice, the second time in '{archive}'. Keep only one of the two copies."
        raise FormatError(message, file=archive, location=path)
    seen.add(path)


def reject_oversized(name: str, size: int, archive: str) -> None:
    """Raise an error if a member is too large to be read into memory."""
    if size > MAX_MEMBER_SIZE:
        message = (
            f"'{name}' in '{archive}' unpacks to {size} bytes, more than the limit of {MAX_MEMBER_SIZE}. "
            "Download the archive from its publisher again."
        )
        raise FormatError(message, file=archive, location=name)


def require_size(content: bytes, name: str, size: int, archive: str) -> bytes:
    """Return the content of a member if it has the size that the archive states."""
    if len(content) != size:
        where = f"after {len(content)} of {size} bytes"
        message = f"'{name}' in '{archive}' ends {where}. Download the archive again."
        raise FormatError(message, file=archive, location=f"{name}, byte {len(content)}")
    return content


def is_junk(path: str) -> bool:
    """Return whether a file is one that macOS adds to archives."""
    parts = PurePosixPath(path).parts
    return "__MACOSX" in parts or parts[-1].startswith("._") or parts[-1] == ".DS_Store"


# What zipfile, tarfile, gzip and isal raise on damaged bytes, found by tests/test_archives_members.py.
_DAMAGE_ERRORS = (
    zipfile.BadZipFile,
    tarfile.TarError,
    gzip.BadGzipFile,
    zlib.error,
    isal_zlib.IsalError,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    struct.error,
)


@contextmanager
def translate_errors(archive: str, member: str | None = None) -> Iterator[None]:
    """Translate what libraries raise on damaged bytes into an error that names archive and member."""
    try:
        yield
    except _DAMAGE_ERRORS as error:
        raise _damage_error(archive, member, error) from error
    except OSError as error:
        # A damaged zip leads to a seek to before its beginning, and bz2's own error has no number; all
        # others are errors of the disk.
        if error.errno not in {errno.EINVAL, None}:
            raise
        raise _damage_error(archive, member, error) from error


def _damage_error(archive: str, member: str | None, error: Exception) -> FormatError:
    what = f"'{member}' in '{archive}'" if member else f"'{archive}'"
    message = f"{what} is damaged or truncated: {error}. Download the archive again."
    return FormatError(message, file=archive, location=member)
