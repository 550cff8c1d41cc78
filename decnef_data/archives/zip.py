"""The members of a zip, by its own table of contents."""

import os
import stat
import struct
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

from isal import isal_zlib

from decnef_data.archives.members import Member
from decnef_data.archives.safety import (
    reject_oversized,
    require_size,
    safe_path,
    translate_errors,
    unsafe_member_error,
)
from decnef_data.model import VerifiedFile

__all__ = ["iter_zip_members"]

_ENCRYPTED: Final = 0x1
#: The header before a member ends with the lengths of its name and of an extra field (APPNOTE 4.3.7).
_HEADER: Final = struct.Struct("<4s5H3I2H")


def iter_zip_members(file: VerifiedFile) -> Iterator[Member]:
    """Yield the members in the order of the table; all names are checked before the first is yielded."""
    with translate_errors(file.path):
        archive = zipfile.ZipFile(file.location)
    with archive:
        entries = [info for info in archive.infolist() if not info.is_dir()]
        names = [_member_path(info, file.path) for info in entries]
        for info, name in zip(entries, names, strict=True):
            yield Member(name, info.file_size, partial(_read_member, archive, info, file.path))


def _member_path(info: zipfile.ZipInfo, archive: str) -> str:
    if stat.S_IFMT(info.external_attr >> 16) not in {0, stat.S_IFREG}:
        raise unsafe_member_error(info.filename, archive, "a link or device")
    if info.flag_bits & _ENCRYPTED:
        raise unsafe_member_error(info.filename, archive, "encrypted")
    return safe_path(info.filename.replace("\\", "/"), archive)


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, file: str) -> bytes:
    reject_oversized(info.filename, info.file_size, file)
    with translate_errors(file, info.filename), archive.open(info) as opened:
        if info.compress_type == zipfile.ZIP_STORED:
            content = _read_stored(archive, info)
        else:
            # Reading the stated size, never "all", bounds what a wrong header can unpack to.
            content = opened.read(info.file_size) if info.file_size else opened.read()
    return require_size(content, info.filename, info.file_size, file)


def _read_stored(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """Read an uncompressed member, whose header zipfile has just compared with its table of contents.

    zipfile computes the CRC with zlib, which takes longer than all reading; matrices are compressed already.
    """
    with Path(str(archive.filename)).open("rb") as opened:
        opened.seek(info.header_offset)
        *_, name, extra = _HEADER.unpack(opened.read(_HEADER.size))
        opened.seek(name + extra, os.SEEK_CUR)
        content = opened.read(info.file_size)
    if len(content) == info.file_size and isal_zlib.crc32(content) != info.CRC:
        raise zipfile.BadZipFile(f"Bad CRC-32 for file {info.filename!r}")
    return content
