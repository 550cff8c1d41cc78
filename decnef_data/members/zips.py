"""The members of a zip, by its own table of contents."""

import stat
import zipfile
from collections.abc import Iterator
from functools import partial
from typing import Final

from decnef_data.members.guards import refuse_large, safe, translated, unsafe, whole
from decnef_data.members.values import Member
from decnef_data.model import VerifiedFile

__all__ = ["of_zip"]

_ENCRYPTED: Final = 0x1


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
    # Asking for the stated size, never for "all", bounds what a lying header can unpack to.
    with translated(file, info.filename), archive.open(info) as opened:
        content = opened.read(info.file_size) if info.file_size else opened.read()
    return whole(content, info.filename, info.file_size, file)
