"""Judge whether bytes can be an archive: by how they begin, how they end, and how many there are."""

import gzip
import re
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import Final

__all__ = [
    "HEAD_SIZE",
    "describe_head",
    "find_problem",
    "has_archive_suffix",
    "has_damaged_member",
    "is_page",
    "is_plausible_size",
    "is_s3_error",
    "is_tar_header",
    "max_size",
]

#: Bytes from which the beginning is judged: a tar header, or the start of a page.
HEAD_SIZE: Final = 1024
#: How many times smaller or larger than recorded an archive may be: releases differ, error pages more so.
SIZE_FACTOR: Final = 10
_BLOCK: Final = 512
_GZIP_MAGIC: Final = b"\x1f\x8b\x08"
_ZIP_MAGICS: Final = (b"PK\x03\x04", b"PK\x05\x06")
_ARCHIVE_SUFFIX: Final = re.compile(r"\.(zip|tar|gz|tgz)$", re.IGNORECASE)
#: Kinds of text that hosts send in place of a file, by how they begin behind blanks and byte order mark.
_TEXTS: Final = (
    (
        "a web page",
        re.compile(
            rb"(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*<((!doctype\s+)?html|head|body)\b", re.IGNORECASE | re.DOTALL
        ),
    ),
    ("an XML document", re.compile(rb"<\?xml\b|<[A-Za-z][\w:]*[\s>/]")),
    ("a JSON document", re.compile(rb"\{\s*[\"}]|\[\s*[\[{\"\]]")),
)
_S3_ERROR: Final = re.compile(rb"\s*(<\?xml[^>]*>\s*)?<Error\b.*?<Code>", re.DOTALL)


def describe_head(head: bytes) -> str | None:
    r"""Return what begins with `head` instead of a zip, gzip or tar; ``None`` if one can begin so.

    Examples
    --------
    >>> describe_head(b"PK\x03\x04"), describe_head(b"<html>"), describe_head(b"")
    (None, 'a web page', 'an empty file')
    """
    if head.startswith((*_ZIP_MAGICS, _GZIP_MAGIC)) or is_tar_header(head[:_BLOCK]):
        return None
    if not head:
        return "an empty file"
    if not head.strip(b"\0"):
        return "a file of zeros"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    found = next((name for name, pattern in _TEXTS if pattern.match(text)), None)
    return found or "neither a zip nor a tar archive"


def is_page(head: bytes) -> bool:
    """Return whether bytes that begin with `head` are a web page, or an error of S3.

    Examples
    --------
    >>> is_page(b"<html>"), is_page(b"<note>")
    (True, False)
    """
    return describe_head(head) == "a web page" or is_s3_error(head)


def is_s3_error(head: bytes) -> bool:
    """Return whether bytes that begin with `head` are an error as S3 and its like word it, in XML.

    Examples
    --------
    >>> is_s3_error(b"<Error><Code>AccessDenied</Code></Error>")
    True
    """
    return _S3_ERROR.match(head) is not None


def is_tar_header(block: bytes) -> bool:
    """Return whether a block of bytes is the header of a tar.

    An old tar has no magic number, but every tar header has its own checksum.
    """
    try:
        tarfile.TarInfo.frombuf(block, tarfile.ENCODING, "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def is_plausible_size(size: int, recorded: int | None) -> bool:
    """Return whether an archive of about `recorded` bytes can have `size` bytes.

    Examples
    --------
    >>> is_plausible_size(0, 175_600_000), is_plausible_size(243, None)
    (False, True)
    """
    return recorded is None or recorded <= size * SIZE_FACTOR <= recorded * SIZE_FACTOR**2


def max_size(recorded: int | None) -> int | None:
    """Return how many bytes an archive of about `recorded` bytes can have at most.

    Examples
    --------
    >>> max_size(None) is None
    True
    """
    return None if recorded is None else recorded * SIZE_FACTOR


def has_archive_suffix(path: str) -> bool:
    """Return whether a file has the name of a zip, gzip or tar.

    Examples
    --------
    >>> has_archive_suffix("SRPBS_OPEN.tar.gz"), has_archive_suffix("SUBINFO.tsv")
    (True, False)
    """
    return _ARCHIVE_SUFFIX.search(path) is not None


def find_problem(location: Path, recorded_size: int | None, *, check_end: bool) -> str | None:
    """Return why the file at `location` cannot be an archive of about `recorded_size` bytes, or ``None``.

    With `check_end` a gzip is decompressed and the headers of a tar are read, because the file may have been
    cut.  The end of a zip is always checked: it is a table that costs nothing to find.
    """
    with location.open("rb") as stream:
        head = stream.read(HEAD_SIZE)
    found = describe_head(head)
    if found is not None:
        return f"it is {found}"
    size = location.stat().st_size
    if not is_plausible_size(size, recorded_size):
        return f"it has {size} bytes, but the catalog lists about {recorded_size}"
    if head.startswith(_ZIP_MAGICS):
        complete = zipfile.is_zipfile(location)
    elif not check_end:
        complete = True
    else:
        complete = _is_complete_gzip(location) if head.startswith(_GZIP_MAGIC) else _is_complete_tar(location)
    return None if complete else "it is cut short or damaged"


def has_damaged_member(location: Path) -> bool:
    """Return whether a member of the zip at `location` is damaged; ``False`` for other files."""
    with location.open("rb") as stream:
        if not stream.read(HEAD_SIZE).startswith(_ZIP_MAGICS):
            return False
    try:
        with zipfile.ZipFile(location) as archive:
            return archive.testzip() is not None
    except (zipfile.BadZipFile, zlib.error, EOFError):
        return True
    except (NotImplementedError, RuntimeError):  # a method or an encryption that is not read here
        return False


def _is_complete_gzip(location: Path) -> bool:
    """Return whether every member of a gzip ends with the checksum and the length of its content."""
    from isal import igzip, isal_zlib  # mirrors, which look at beginnings only, do not need it

    try:
        with igzip.open(location, "rb") as stream:
            while stream.read(1 << 20):
                pass
    except (EOFError, gzip.BadGzipFile, isal_zlib.IsalError, zlib.error):
        return False
    return True


def _is_complete_tar(location: Path) -> bool:
    """Return whether the members of a tar are followed by the two empty blocks that end it."""
    try:
        with tarfile.open(location, "r:") as archive:
            while archive.next() is not None:
                archive.members = []  # type: ignore[attr-defined]  # otherwise all of them stay in memory
            with location.open("rb") as stream:
                stream.seek(archive.offset)
                return stream.read(_BLOCK) == bytes(_BLOCK)
    except tarfile.TarError:
        return False
