"""What no member may be: a path that leads out, a link, the second of a name, a bomb, or damaged."""

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

__all__ = ["LARGEST", "is_junk", "refuse_large", "refuse_twice", "safe", "translated", "unsafe", "whole"]

#: No larger member is read into memory; the largest file known of srpbs-fc has 47 MiB.
LARGEST: Final = 4 * 2**30


def safe(name: str, archive: str) -> str:
    """Give the path that a member is named by, if it stays inside the folder."""
    path = PurePosixPath(name)
    drive = len(name) > 1 and name[1] == ":"
    if path.is_absolute() or ".." in path.parts or drive or not path.parts or "\0" in name:
        raise unsafe(name, archive, "a path that leaves the folder")
    return str(path)


def unsafe(name: str, archive: str, reason: str) -> FormatError:
    """Say why a member was not read."""
    message = (
        f"'{name}' in '{archive}' is {reason} and was not read. Get the archive from its publisher again."
    )
    return FormatError(message, file=archive, place=name)


def refuse_twice(path: str, seen: set[str], archive: str) -> None:
    """Refuse a name that was seen before, and remember it."""
    if path in seen:
        message = f"'{path}' comes twice, the second time in '{archive}'. Keep one of the two copies."
        raise FormatError(message, file=archive, place=path)
    seen.add(path)


def refuse_large(name: str, size: int, archive: str) -> None:
    """Refuse to read into memory what does not fit."""
    if size > LARGEST:
        message = (
            f"'{name}' in '{archive}' unpacks to {size} bytes, more than the {LARGEST} that fit. "
            "Get the archive from its publisher again."
        )
        raise FormatError(message, file=archive, place=name)


def whole(content: bytes, name: str, size: int, archive: str) -> bytes:
    """Give the content of a member if it has the size that was stated."""
    if len(content) != size:
        where = f"after {len(content)} of its {size} bytes"
        message = f"'{name}' in '{archive}' ends {where}. Download the archive again."
        raise FormatError(message, file=archive, place=f"{name}, byte {len(content)}")
    return content


def is_junk(path: str) -> bool:
    """Whether a file is what macOS leaves behind."""
    parts = PurePosixPath(path).parts
    return "__MACOSX" in parts or parts[-1].startswith("._") or parts[-1] == ".DS_Store"


# What zipfile, tarfile, gzip and isal raise on damaged bytes, found by tests/test_members.py.
_DAMAGE = (
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
def translated(archive: str, member: str | None = None) -> Iterator[None]:
    """Turn what libraries raise on damaged bytes into an error that names archive and member."""
    try:
        yield
    except _DAMAGE as error:
        raise _damaged(archive, member, error) from error
    except OSError as error:
        # A damaged zip asks for a seek to before its beginning, and bz2's own error has no number; all
        # else is the disk's trouble.
        if error.errno not in {errno.EINVAL, None}:
            raise
        raise _damaged(archive, member, error) from error


def _damaged(archive: str, member: str | None, error: Exception) -> FormatError:
    what = f"'{member}' in '{archive}'" if member else f"'{archive}'"
    message = f"{what} is damaged or cut short: {error}. Download the archive again."
    return FormatError(message, file=archive, place=member)
