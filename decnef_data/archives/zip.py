"""The members of a zip, by its own table of contents."""

import os
import re
import stat
import struct
import zipfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from isal import isal_zlib

from decnef_data.archives.links import Link, decode_target, resolve_links
from decnef_data.archives.members import Member
from decnef_data.archives.safety import (
    reject_oversized,
    repeated_member_error,
    repeated_members_remark,
    require_size,
    safe_path,
    trailing_bytes_error,
    translate_errors,
    unsafe_member_error,
)
from decnef_data.errors import FormatError
from decnef_data.model.account import Remark

__all__ = ["ZipTable", "is_document", "is_folder", "open_zip", "unreadable_method"]

_ENCRYPTED: Final = 0x1
#: The bit that marks a name as UTF-8 (APPNOTE, appendix D), and what names without it may be.
_UTF8_NAME: Final = 0x800
_OTHER_ENCODINGS: Final = ("utf-8", "cp932")
_JAPANESE: Final = re.compile(r"[\u3005\u3040-\u30ff\u4e00-\u9fff\uff01-\uff5e]{2,}")
#: The header before a member ends with the lengths of its name and of an extra field (APPNOTE 4.3.7).
_HEADER: Final = struct.Struct("<4s5H3I2H")
_READABLE: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA})
#: APPNOTE 4.4.5; Windows compresses what is larger than 2 GB with Deflate64.
_METHODS: Final = {9: "Deflate64", 93: "Zstandard", 95: "XZ", 98: "PPMd", 99: "AES encryption"}
#: Of the record that ends a zip: its signature, its size, and where the length of the comment is.
_END_MAGIC, _END_SIZE, _COMMENT_AT = b"PK\x05\x06", 22, 20
_MAX_COMMENT: Final = 65535
_MAX_LINK: Final = 4096


def is_document(names: Collection[str]) -> bool:
    """Return whether a zip with such members is a document or a program, not an archive of files.

    They are those of Office, OpenDocument and EPUB, those of numpy (``.npz``), and Java's.

    Examples
    --------
    >>> is_document(["[Content_Types].xml", "main.xml"]), is_document(["x.npy"]), is_document(["a.mat"])
    (True, True, False)
    """
    has_mark = any(
        name in {"[Content_Types].xml", "mimetype"} or name.startswith("META-INF/") for name in names
    )
    return has_mark or (bool(names) and all(name.endswith(".npy") for name in names))


def is_folder(info: zipfile.ZipInfo) -> bool:
    """Return whether a member is a folder; zipfile's own method fails at an empty name."""
    return info.filename.endswith("/")


def unreadable_method(info: zipfile.ZipInfo) -> str | None:
    """Return the name of the method that a member was packed with, if it cannot be unpacked here."""
    if info.flag_bits & _ENCRYPTED:
        return "encryption"
    if info.compress_type in _READABLE:
        return None
    return _METHODS.get(info.compress_type, f"method {info.compress_type}")


@contextmanager
def open_zip(location: Path, name: str) -> Iterator[zipfile.ZipFile]:
    """Open a zip and read its table of contents, with the names in their most plausible encoding."""
    with translate_errors(name):
        archive = zipfile.ZipFile(location)
        encoding = _guess_encoding(archive.infolist())
        if encoding is not None:
            # Opened again, because zipfile decodes all names when it opens a zip.
            archive.close()
            archive = zipfile.ZipFile(location, metadata_encoding=encoding)
    with archive:
        yield archive


def _guess_encoding(infos: Collection[zipfile.ZipInfo]) -> str | None:
    """Return the encoding of the names that are not marked as UTF-8, ``None`` if it is the standard's.

    The standard says code page 437; Windows writes the code page of its language, and some programs UTF-8.
    """
    unmarked = {info.orig_filename for info in infos if not info.flag_bits & _UTF8_NAME}
    # What zipfile decoded as code page 437 becomes the bytes again: that loses nothing.
    names = [name.encode("cp437") for name in unmarked if not name.isascii()]
    for encoding in _OTHER_ENCODINGS if names else ():
        try:
            text = "/".join(name.decode(encoding) for name in names)
        except UnicodeDecodeError:
            continue
        # By chance, an accented letter and the next are a Japanese letter, but hardly one of several.
        n_japanese = sum(map(len, _JAPANESE.findall(text)))
        if encoding == "utf-8" or 2 * n_japanese > sum(not letter.isascii() for letter in text):
            return encoding
    return None


class ZipTable:
    """The table of contents of an open zip.

    Parameters
    ----------
    archive
        The open zip.
    file
        Its name.
    report
        Called with the error of a member that is left out.
    """

    def __init__(self, archive: zipfile.ZipFile, file: str, report: Callable[[FormatError], None]) -> None:
        self._archive, self._file, self._report = archive, file, report
        self._entries: dict[str, zipfile.ZipInfo] = {}
        self._links: list[Link] = []
        self._repeated: list[str] = []

    def iter_members(self, remark: Callable[[Remark], None]) -> Iterator[Member]:
        """Yield the members in the order of the table, then the links; all names are checked before."""
        self._report_outside_bytes()
        for info in self._archive.infolist():
            if not is_folder(info):
                try:
                    self._sort(info)
                except FormatError as error:
                    self._report(error)
        aliases = resolve_links(self._links, self._entries, self._file, self._report)
        for note in self._remarks():
            remark(note)
        for name, info in self._entries.items():
            yield Member(name, info.file_size, partial(self._read, info))
        for alias in aliases:
            info = self._entries[alias.target]
            yield Member(alias.path, info.file_size, partial(self._read, info))

    def _sort(self, info: zipfile.ZipInfo) -> None:
        """Add a file or a link to those that are yielded."""
        # Unix writes the mode there, other systems zero.
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in {0, stat.S_IFREG, stat.S_IFLNK}:
            raise unsafe_member_error(info.filename, self._file, "a device")
        _require_method(info, self._file)
        name = safe_path(info.filename.replace("\\", "/"), self._file)
        first = self._entries.get(name)
        if kind == stat.S_IFLNK:
            self._links.append(Link(name, self._read_target(info)))
        elif first is None:
            self._entries[name] = info
        elif (first.file_size, first.CRC) == (info.file_size, info.CRC):
            self._repeated.append(name)
        else:
            raise repeated_member_error(name, self._file, self._file)

    def _read_target(self, info: zipfile.ZipInfo) -> str:
        if info.file_size > _MAX_LINK:
            raise unsafe_member_error(info.filename, self._file, "a link whose target is too long")
        return decode_target(self._read(info))

    def _remarks(self) -> Iterator[Remark]:
        if self._repeated:
            yield repeated_members_remark(self._repeated, self._file)
        encoding = self._archive.metadata_encoding  # type: ignore[attr-defined]  # public, but typeshed lacks it
        if encoding is not None:
            message = f"The names in '{self._file}' are not marked as UTF-8, and were read as {encoding}."
            yield Remark("guessed-encoding", message, self._file, is_warning=False)
        if self._links:
            message = f"'{self._file}' has {len(self._links)} links, which were read as what they lead to."
            yield Remark("archive-links", message, self._file, is_warning=False)

    def _report_outside_bytes(self) -> None:
        """Report bytes before the first member, as of a zip that others follow, and behind its end."""
        starts = [info.header_offset for info in self._archive.infolist()]
        before = min(starts, default=0)
        if before:
            message = (
                f"'{self._file}' has {before} bytes before its first member, which its table of contents "
                "does not list. If it is several zip files in one, unpack each of them, and adopt the folder."
            )
            self._report(FormatError(message, file=self._file, location="byte 0"))
        with Path(str(self._archive.filename)).open("rb") as opened:
            size = opened.seek(0, os.SEEK_END)
            start = opened.seek(max(0, size - _MAX_COMMENT - _END_SIZE))
            tail = opened.read()
        end = _find_end(tail)
        # Zeros behind the end are padding.
        if end is not None and tail[end:].strip(b"\0"):
            self._report(trailing_bytes_error(self._file, start + end, size - start - end))

    def _read(self, info: zipfile.ZipInfo) -> bytes:
        reject_oversized(info.filename, info.file_size, self._file)
        with translate_errors(self._file, info.filename), self._archive.open(info) as opened:
            if info.compress_type == zipfile.ZIP_STORED:
                content = _read_stored(self._archive, info)
            else:
                # Reading the stated size, never "all", bounds what a wrong header can unpack to.
                content = opened.read(info.file_size) if info.file_size else opened.read()
        return require_size(content, info.filename, info.file_size, self._file)


def _require_method(info: zipfile.ZipInfo, file: str) -> None:
    method = unreadable_method(info)
    if method == "encryption":
        remedy = "Unpack the archive with its password, and adopt the folder."
        raise unsafe_member_error(info.filename, file, "encrypted", remedy)
    if method:
        remedy = "Unpack the archive with 7-Zip or `unzip`, and adopt the folder."
        raise unsafe_member_error(info.filename, file, f"compressed with {method}", remedy)


def _find_end(tail: bytes) -> int | None:
    """Return where a zip ends: behind its last record and the comment that this states."""
    position = tail.rfind(_END_MAGIC)
    if position < 0 or position + _END_SIZE > len(tail):
        return None
    (comment,) = struct.unpack_from("<H", tail, position + _COMMENT_AT)
    return position + _END_SIZE + int(comment)


def _read_stored(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """Read an uncompressed member, whose header zipfile has just compared with its table of contents.

    zipfile computes the CRC with zlib, which takes longer than all reading; matrices are compressed already.
    """
    with Path(str(archive.filename)).open("rb") as opened:
        # Python allocates as many bytes as are requested, whatever the file has.
        if info.header_offset + info.file_size > os.fstat(opened.fileno()).st_size:
            raise zipfile.BadZipFile(f"its header states {info.file_size} bytes, which it does not have")
        opened.seek(info.header_offset)
        *_, name, extra = _HEADER.unpack(opened.read(_HEADER.size))
        opened.seek(name + extra, os.SEEK_CUR)
        content = opened.read(info.file_size)
    if len(content) == info.file_size and isal_zlib.crc32(content) != info.CRC:
        raise zipfile.BadZipFile(f"Bad CRC-32 for file {info.filename!r}")
    return content
