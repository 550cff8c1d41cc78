r"""The members of verified files: an archive's content, or the file itself, read alike in one streaming pass.

The kind of a file is known by its bytes, not by its name.  Member names are untrusted: nothing here writes
to disk, and a name that could leave a folder (absolute, ``..``, a link, a device) is always refused, so
that no package above has to check again.

>>> from decnef_data.model import VerifiedFile
>>> import tempfile, pathlib
>>> with tempfile.TemporaryDirectory() as folder:
...     path = pathlib.Path(folder, "a.tsv")
...     _ = path.write_bytes(b"age\n31\n")
...     file = VerifiedFile("a.tsv", path, 7, (), "folder", has_expected_checksum=False)
...     [(member.path, member.read()) for member in iter_members([file])]
[('a.tsv', b'age\n31\n')]
"""

import gzip
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

from decnef_data.archives.gzip_index import GZIP_MAGIC, SeekIndex
from decnef_data.archives.members import ByteSource, LocalSource, Member
from decnef_data.archives.safety import (
    is_junk,
    reject_duplicate,
    reject_oversized,
    safe_path,
    translate_errors,
)
from decnef_data.archives.tar import Archive, is_archive, is_tar_header
from decnef_data.archives.zip import iter_zip_members
from decnef_data.model import VerifiedFile

__all__ = ["Archive", "ByteSource", "LocalSource", "Member", "SeekIndex", "is_archive", "iter_members"]

_ZIP_MAGIC: Final = (b"PK\x03\x04", b"PK\x05\x06")
_BLOCK: Final = 512


def iter_members(files: Sequence[VerifiedFile]) -> Iterator[Member]:
    """Yield the members of `files` one after another, in their order in the files.

    Parameters
    ----------
    files
        A zip, tar or gzipped tar has its members; any other file is itself a member.

    Yields
    ------
    Member
        Readable until the next one is requested.

    Raises
    ------
    FormatError
        The archive is damaged, or a name in it is unsafe or occurs twice.
    """
    seen: set[str] = set()
    for file in files:
        for member in _iter_file_members(file):
            if not is_junk(member.path):
                reject_duplicate(member.path, seen, file.path)
                yield member


def _iter_file_members(file: VerifiedFile) -> Iterator[Member]:
    with file.location.open("rb") as opened:
        head = opened.read(_BLOCK)
    if head.startswith(_ZIP_MAGIC):
        return iter_zip_members(file)
    if is_tar_header(_decompressed_head(file) if head.startswith(GZIP_MAGIC) else head):
        return Archive(LocalSource(file.path, file.location)).iter_members()
    return iter((Member(safe_path(file.path, file.path), file.size, partial(_read_file, file)),))


def _read_file(file: VerifiedFile) -> bytes:
    reject_oversized(file.path, file.size, file.path)
    return file.location.read_bytes()


def _decompressed_head(file: VerifiedFile) -> bytes:
    with translate_errors(file.path), gzip.open(file.location) as opened:
        return opened.read(_BLOCK)
