"""Checks that refuse a member, and their messages: an unsafe path, a duplicate name, a bomb, or damage."""

import errno
import gzip
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import Final

from isal import isal_zlib

from decnef_data.errors import FormatError, warn_user
from decnef_data.model.account import Remark
from decnef_data.name_rules import rule_of_path

__all__ = [
    "MAX_MEMBER_SIZE",
    "is_junk",
    "raise_problem",
    "reject_oversized",
    "repeated_member_error",
    "repeated_members_remark",
    "require_size",
    "safe_path",
    "trailing_bytes_error",
    "translate_errors",
    "unsafe_member_error",
    "warn_of_remark",
]

#: A larger member is not read into memory; the largest known file of srpbs-fc has 47 MiB.
MAX_MEMBER_SIZE: Final = 4 * 2**30


def safe_path(name: str, archive: str) -> str:
    """Return the normalized path of a member, if it stays inside the folder."""
    if not name:
        raise unsafe_member_error(name, archive, "a member without a name")
    path = PurePosixPath(name)
    drive = len(name) > 1 and name[1] == ":"
    if path.is_absolute() or ".." in path.parts or drive or not path.parts or "\0" in name:
        raise unsafe_member_error(name, archive, "a path outside the archive's folder")
    return str(path)


def unsafe_member_error(
    name: str, archive: str, reason: str, remedy: str = "Download the archive from its publisher again."
) -> FormatError:
    """Return the error that says why a member was not read."""
    message = f"'{name}' in '{archive}' is {reason} and was not read. {remedy}"
    return FormatError(message, file=archive, location=name)


def raise_problem(error: FormatError) -> None:
    """Raise the error of a member: the default where the caller does not collect errors."""
    raise error


def warn_of_remark(remark: Remark) -> None:
    """Warn of a remark: the default where the caller does not collect remarks."""
    if remark.is_warning:
        warn_user(remark.message)


def repeated_member_error(path: str, first: str, second: str) -> FormatError:
    """Return the error of two members with one path and different content, each in its archive."""
    where = f"in '{first}'" if first == second else f"in '{first}' and in '{second}'"
    message = f"'{path}' occurs twice {where} with different content. Keep only one of the two copies."
    return FormatError(message, file=second, location=path)


def repeated_members_remark(paths: Sequence[str], archive: str) -> Remark:
    """Return the remark about members that occur twice with the same content."""
    message = (
        f"'{archive}' repeats {len(paths)} files with the same content, for example '{paths[0]}'. "
        "The first of each was used."
    )
    return Remark("repeated-members", message, archive, is_warning=False)


def trailing_bytes_error(archive: str, start: int, count: int) -> FormatError:
    """Return the error of bytes behind the end that are neither padding nor another archive."""
    message = (
        f"'{archive}' has {count} bytes behind its end, from byte {start}, which belong to no member. "
        "Compare its size and checksum with those that its publisher states."
    )
    return FormatError(message, file=archive, location=f"byte {start}")


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
    """Return whether a rule sets a member aside by its name, or by that of a folder in its path."""
    return rule_of_path(path) is not None


# What zipfile, tarfile, gzip and isal raise on damaged bytes, found by tests/archives/test_members.py.
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
    OverflowError,
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
