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

from decnef_data.members.guards import refuse_large, safe, translated, unsafe, whole
from decnef_data.members.values import Member
from decnef_data.model import VerifiedFile

__all__ = ["of_zip"]

_ENCRYPTED: Final = 0x1
#: What stands before a member ends with the lengths of its name and of an extra field (APPNOTE 4.3.7).
_HEADER: Final = struct.Struct("<4s5H3I2H")


def of_zip(file: VerifiedFile) -> Iterator[Member]:
    """Give the members in the order of the table; all names are looked at before the first is given."""
    with translated(file.path):
        archive = zipfile.ZipFile(file.location)
    with archive:
        inside = [info for info in archive.infolist() if not info.is_dir()]
        names = [_name(info, file.path) for info in inside]
        for info, name in zip(inside, names, strict=True):
            yield Member(name, info.file_size, partial(_unzip, archive, info, file.path))


def _name(info: zipfile.ZipInfo, archive: str) -> str:
    if stat.S_IFMT(info.external_attr >> 16) not in {0, stat.S_IFREG}:
        raise unsafe(info.filename, archive, "a link or device")
    if info.flag_bits & _ENCRYPTED:
        raise unsafe(info.filename, archive, "encrypted")
    return safe(info.filename.replace("\\", "/"), archive)


def _unzip(archive: zipfile.ZipFile, info: zipfile.ZipInfo, file: str) -> bytes:
    refuse_large(info.filename, info.file_size, file)
    with translated(file, info.filename), archive.open(info) as opened:
        if info.compress_type == zipfile.ZIP_STORED:
            content = _stored(archive, info)
        else:
            # Asking for the stated size, never for "all", bounds what a lying header can unpack to.
            content = opened.read(info.file_size) if info.file_size else opened.read()
    return whole(content, info.filename, info.file_size, file)


def _stored(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """Read a member that lies as it is, whose header zipfile has just compared with its table of contents.

    zipfile sums with zlib, which takes longer than all reading; matrices are compressed in themselves.
    """
    with Path(str(archive.filename)).open("rb") as opened:
        opened.seek(info.header_offset)
        *_, name, extra = _HEADER.unpack(opened.read(_HEADER.size))
        opened.seek(name + extra, os.SEEK_CUR)
        content = opened.read(info.file_size)
    if len(content) == info.file_size and isal_zlib.crc32(content) != info.CRC:
        raise zipfile.BadZipFile(f"Bad CRC-32 for file {info.filename!r}")
    return content
