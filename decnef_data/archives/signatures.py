"""Recognize the kind of a file by its first bytes, and an archive's name where no bytes are at hand."""

import re
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Final

from isal import isal_zlib

from decnef_data.archive_evidence import is_tar_header
from decnef_data.archives.gzip_index import GZIP_MAGIC

__all__ = [
    "HEAD_SIZE",
    "has_archive_name",
    "is_readable_file",
    "is_unfinished_name",
    "kind_of",
]

#: Bytes from which a kind is told: enough for the first block of a gzipped tar.
HEAD_SIZE: Final = 16 << 10
_BLOCK: Final = 512
_SIGNATURES: Final = {
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",
    GZIP_MAGIC: "gzip",
    b"\xfd7zXZ\0": "xz",
    b"BZh": "bzip2",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x04\x22\x4d\x18": "lz4",
    b"LZIP": "lzip",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!\x1a\x07": "rar",
}
_ARCHIVE_NAME: Final = re.compile(r"\.(tar\.gz|tgz|tar)$", re.IGNORECASE)
#: What a browser adds to a name: the number of a second copy, and Safari's suffix.
_BROWSER_ADDITION: Final = re.compile(r" \(\d+\)|\.download$", re.IGNORECASE)
_UNFINISHED_NAME: Final = re.compile(
    r"\.(partial|aspx|aspera-ckpt|crdownload|part|filepart|aria2)$", re.IGNORECASE
)


def kind_of(head: bytes) -> str | None:
    r"""Return the kind of a file that begins with `head`: ``"zip"``, ``"tar"``, ``"tar.gz"``, ``"gzip"``, ...

    Examples
    --------
    >>> import gzip
    >>> kind_of(gzip.compress(b"age")), kind_of(b"7z\xbc\xaf\x27\x1c"), kind_of(b"age")
    ('gzip', '7z', None)
    """
    # First: a tar begins with the name of its first member, which may look like another signature.
    if is_tar_header(head[:_BLOCK]):
        return "tar"
    kind = next((kind for magic, kind in _SIGNATURES.items() if head.startswith(magic)), None)
    if kind == "gzip" and is_tar_header(_decompress_block(head)):
        return "tar.gz"
    return kind


def is_readable_file(path: Path, *, random_access: bool = False) -> bool:
    """Return whether a file is an archive that can be read, at any offset if necessary, whatever its name is.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "a.tar")
    ...     _ = path.write_bytes(b"age")
    ...     is_readable_file(path)
    False
    """
    with path.open("rb") as opened:
        kind = kind_of(opened.read(HEAD_SIZE))
    return kind in {"tar", "tar.gz"} or (kind == "zip" and not random_access)


def has_archive_name(name: str) -> bool:
    """Return whether a file that is not at hand has the name of a tar: the query of a link does not count.

    Examples
    --------
    >>> has_archive_name("SRPBS_OPEN.tar.gz?X-Amz-Expires=60"), has_archive_name("SRPBS_OPEN.tar (1).gz")
    (True, True)
    """
    return _ARCHIVE_NAME.search(_BROWSER_ADDITION.sub("", name.partition("?")[0])) is not None


def is_unfinished_name(name: str) -> bool:
    """Return whether a program gives such a name to a download that it has not finished.

    Examples
    --------
    >>> is_unfinished_name("SRPBS_OPEN.tar.gz.partial")
    True
    """
    return _UNFINISHED_NAME.search(name) is not None


def _decompress_block(head: bytes) -> bytes:
    with suppress(isal_zlib.IsalError):
        block: bytes = isal_zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(head, _BLOCK)
        return block
    return b""
