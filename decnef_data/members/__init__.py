r"""The members of verified files: an archive's content, or the file itself, seen alike in one streaming pass.

What a file is, its bytes say, not its name.  Member names come from strangers: nothing here writes to
disk, and a name that could leave a folder (absolute, ``..``, a link, a device) is refused outright, so
that no room above has to ask again.

>>> from decnef_data.model import VerifiedFile
>>> import tempfile, pathlib
>>> with tempfile.TemporaryDirectory() as folder:
...     path = pathlib.Path(folder, "a.tsv")
...     _ = path.write_bytes(b"age\n31\n")
...     file = VerifiedFile("a.tsv", path, 7, (), "folder", stated=False)
...     [(member.path, member.read()) for member in members([file])]
[('a.tsv', b'age\n31\n')]
"""

import gzip
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

from decnef_data.members.archives import Archive, is_archive
from decnef_data.members.guards import is_junk, refuse_large, refuse_twice, safe, translated
from decnef_data.members.points import SeekIndex
from decnef_data.members.tars import begins_tar
from decnef_data.members.values import LocalSource, Member, Source
from decnef_data.members.zips import of_zip
from decnef_data.model import VerifiedFile

__all__ = ["Archive", "LocalSource", "Member", "SeekIndex", "Source", "is_archive", "members"]

_ZIP: Final = (b"PK\x03\x04", b"PK\x05\x06")
_GZIP: Final = b"\x1f\x8b"
_BLOCK: Final = 512


def members(files: Sequence[VerifiedFile]) -> Iterator[Member]:
    """Give the members of `files` one after another, in the order they lie there.

    Parameters
    ----------
    files
        A zip, tar or gzipped tar gives its members; any other file is itself a member.

    Yields
    ------
    Member
        Readable until the next one is asked for.

    Raises
    ------
    FormatError
        The archive is damaged, or a name in it is unsafe or comes twice.
    """
    seen: set[str] = set()
    for file in files:
        for member in _members_of(file):
            if not is_junk(member.path):
                refuse_twice(member.path, seen, file.path)
                yield member


def _members_of(file: VerifiedFile) -> Iterator[Member]:
    with file.location.open("rb") as opened:
        head = opened.read(_BLOCK)
    if head.startswith(_ZIP):
        return of_zip(file)
    if begins_tar(_unpacked_head(file) if head.startswith(_GZIP) else head):
        return Archive(LocalSource(file.path, file.location)).walk()
    return iter((Member(safe(file.path, file.path), file.size, partial(_whole, file)),))


def _whole(file: VerifiedFile) -> bytes:
    refuse_large(file.path, file.size, file.path)
    return file.location.read_bytes()


def _unpacked_head(file: VerifiedFile) -> bytes:
    with translated(file.path), gzip.open(file.location) as opened:
        return opened.read(_BLOCK)
