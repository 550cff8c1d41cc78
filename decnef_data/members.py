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

import errno
import gzip
import lzma
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from io import BufferedReader
from pathlib import PurePosixPath
from typing import Self

from decnef_data.errors import FormatError
from decnef_data.model import VerifiedFile

__all__ = ["LARGEST", "Member", "members"]

#: No larger member is read into memory; the largest file known of srpbs-fc has 47 MiB.
LARGEST = 4 * 2**30

_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_GZIP = b"\x1f\x8b"
_BLOCK = 512
_ENCRYPTED = 0x1


@dataclass(frozen=True, slots=True)
class Member:
    """One file inside an archive, or one file of a folder; readable until the next member is asked for."""

    path: str
    size: int
    _content: Callable[[], bytes]

    def read(self) -> bytes:
        """Read the whole member into memory."""
        return self._content()


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
            if not _is_junk(member.path):
                _refuse_twice(member.path, seen, file.path)
                yield member


def _members_of(file: VerifiedFile) -> Iterator[Member]:
    with file.location.open("rb") as opened:
        head = opened.read(_BLOCK)
    if head.startswith(_ZIP):
        return _of_zip(file)
    if _begins_tar(_unpacked_head(file) if head.startswith(_GZIP) else head):
        return _of_tar(file, gzipped=head.startswith(_GZIP))
    return iter((Member(_safe(file.path, file.path), file.size, partial(_whole, file)),))


def _whole(file: VerifiedFile) -> bytes:
    _refuse_large(file.path, file.size, file.path)
    return file.location.read_bytes()


def _begins_tar(block: bytes) -> bool:
    # An old tar has no magic number, but every tar header carries its own checksum.
    try:
        tarfile.TarInfo.frombuf(block, tarfile.ENCODING, "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def _unpacked_head(file: VerifiedFile) -> bytes:
    with _translated(file.path), gzip.open(file.location) as opened:
        return opened.read(_BLOCK)


def _of_zip(file: VerifiedFile) -> Iterator[Member]:
    with _translated(file.path):
        archive = zipfile.ZipFile(file.location)
    with archive:
        inside = [info for info in archive.infolist() if not info.is_dir()]
        names = [_zip_name(info, file.path) for info in inside]
        for info, name in zip(inside, names, strict=True):
            yield Member(name, info.file_size, partial(_unzip, archive, info, file.path))


def _zip_name(info: zipfile.ZipInfo, archive: str) -> str:
    if stat.S_IFMT(info.external_attr >> 16) not in {0, stat.S_IFREG}:
        raise _unsafe(info.filename, archive, "a link or device")
    if info.flag_bits & _ENCRYPTED:
        raise _unsafe(info.filename, archive, "encrypted")
    return _safe(info.filename.replace("\\", "/"), archive)


def _unzip(archive: zipfile.ZipFile, info: zipfile.ZipInfo, file: str) -> bytes:
    _refuse_large(info.filename, info.file_size, file)
    # Asking for the stated size, never for "all", bounds what a lying header can unpack to.
    with _translated(file, info.filename), archive.open(info) as opened:
        content = opened.read(info.file_size) if info.file_size else opened.read()
    return _whole_content(content, info.filename, info.file_size, file)


class _Header(tarfile.TarInfo):
    """A tar header; tarfile takes a damaged or missing one for the archive's end, here it is an error."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> Self:
        try:
            return super().fromtarfile(archive)
        except tarfile.HeaderError as error:
            if isinstance(error, tarfile.EOFHeaderError):  # type: ignore[attr-defined]  # public, but typeshed lacks it
                raise
            raise tarfile.ReadError(str(error)) from error


def _of_tar(file: VerifiedFile, *, gzipped: bool) -> Iterator[Member]:
    # gzip's own reader checks the sum at the end of the stream; tarfile's "r|gz" never does.
    with gzip.open(file.location) if gzipped else file.location.open("rb") as stream:
        with _translated(file.path):
            # A name that is not UTF-8 must still be text that can be stored and printed.
            archive = tarfile.open(  # noqa: SIM115  # closed below
                fileobj=stream, mode="r|", tarinfo=_Header, errors="backslashreplace"
            )
        with archive:
            yield from _in_tar(archive, file.path)
            _drain(stream, file.path)


def _in_tar(archive: tarfile.TarFile, file: str) -> Iterator[Member]:
    while (info := _next(archive, file)) is not None:
        if not info.isdir():
            yield Member(_tar_name(info, file), info.size, partial(_untar, archive, info, file))


def _next(archive: tarfile.TarFile, file: str) -> tarfile.TarInfo | None:
    with _translated(file):
        info = archive.next()
    archive.members.clear()  # type: ignore[attr-defined]  # a stream would remember all; typeshed lacks the list
    return info


def _drain(stream: gzip.GzipFile | BufferedReader, file: str) -> None:
    with _translated(file):
        while stream.read(2**20):
            pass


def _tar_name(info: tarfile.TarInfo, archive: str) -> str:
    if not info.isreg():
        raise _unsafe(info.name, archive, "a link or device")
    return _safe(info.name, archive)


def _untar(archive: tarfile.TarFile, info: tarfile.TarInfo, file: str) -> bytes:
    _refuse_large(info.name, info.size, file)
    with _translated(file, info.name):
        opened = archive.extractfile(info)
        content = b"" if opened is None else opened.read()
    return _whole_content(content, info.name, info.size, file)


def _whole_content(content: bytes, name: str, size: int, archive: str) -> bytes:
    if len(content) != size:
        where = f"after {len(content)} of its {size} bytes"
        message = f"'{name}' in '{archive}' ends {where}. Download the archive again."
        raise FormatError(message, file=archive, place=f"{name}, byte {len(content)}")
    return content


def _safe(name: str, archive: str) -> str:
    path = PurePosixPath(name)
    drive = len(name) > 1 and name[1] == ":"
    if path.is_absolute() or ".." in path.parts or drive or not path.parts or "\0" in name:
        raise _unsafe(name, archive, "a path that leaves the folder")
    return str(path)


def _unsafe(name: str, archive: str, reason: str) -> FormatError:
    message = (
        f"'{name}' in '{archive}' is {reason} and was not read. Get the archive from its publisher again."
    )
    return FormatError(message, file=archive, place=name)


def _refuse_twice(path: str, seen: set[str], archive: str) -> None:
    if path in seen:
        message = f"'{path}' comes twice, the second time in '{archive}'. Keep one of the two copies."
        raise FormatError(message, file=archive, place=path)
    seen.add(path)


def _refuse_large(name: str, size: int, archive: str) -> None:
    if size > LARGEST:
        message = (
            f"'{name}' in '{archive}' unpacks to {size} bytes, more than the {LARGEST} that fit. "
            "Get the archive from its publisher again."
        )
        raise FormatError(message, file=archive, place=name)


def _is_junk(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return "__MACOSX" in parts or parts[-1].startswith("._") or parts[-1] == ".DS_Store"


# What zipfile, tarfile and gzip raise on damaged bytes, found by tests/test_members.py.
_DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    gzip.BadGzipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    struct.error,
)


@contextmanager
def _translated(archive: str, member: str | None = None) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        raise _damaged(archive, member, error) from error
    except OSError as error:
        # A seek to before the beginning is what a damaged zip asks for; all else is the disk's trouble.
        if error.errno != errno.EINVAL:
            raise
        raise _damaged(archive, member, error) from error


def _damaged(archive: str, member: str | None, error: Exception) -> FormatError:
    what = f"'{member}' in '{archive}'" if member else f"'{archive}'"
    message = f"{what} is damaged or cut short: {error}. Download the archive again."
    return FormatError(message, file=archive, place=member)
