"""The members of a tar, one after another, out of a stream that only goes forward."""

import tarfile
from collections.abc import Iterator
from functools import partial
from typing import Self

from decnef_data.members.guards import refuse_large, safe, translated, unsafe, whole
from decnef_data.members.streams import Unpacked
from decnef_data.members.values import Member

__all__ = ["begins_tar", "in_tar"]


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


def begins_tar(block: bytes) -> bool:
    """Whether a block of bytes is the header of a tar.

    An old tar has no magic number, but every tar header carries its own checksum.
    """
    try:
        tarfile.TarInfo.frombuf(block, tarfile.ENCODING, "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def in_tar(stream: Unpacked, file: str) -> Iterator[Member]:
    """Give the members of the tar that `stream` is, then read what is behind its end."""
    with translated(file):
        # A name that is not UTF-8 must still be text that can be stored and printed.
        archive = tarfile.open(  # noqa: SIM115  # closed below
            fileobj=stream,  # type: ignore[call-overload]  # it seeks forward and reads, which is all that is asked of it
            mode="r:",
            tarinfo=_Header,
            errors="backslashreplace",
        )
    with archive:
        while (info := _next(archive, file)) is not None:
            if not info.isdir():
                content = partial(_content, stream, info, file)
                yield Member(_name(info, file), info.size, content, info.offset_data, float(info.mtime))
    with translated(file):
        stream.drain()


def _next(archive: tarfile.TarFile, file: str) -> tarfile.TarInfo | None:
    with translated(file):
        info = archive.next()
    archive.members.clear()  # type: ignore[attr-defined]  # it would remember all; typeshed lacks the list
    return info


def _name(info: tarfile.TarInfo, archive: str) -> str:
    if info.issparse():
        raise unsafe(info.name, archive, "stored with holes")
    if not info.isreg():
        raise unsafe(info.name, archive, "a link or device")
    return safe(info.name, archive)


def _content(stream: Unpacked, info: tarfile.TarInfo, file: str) -> bytes:
    refuse_large(info.name, info.size, file)
    with translated(file, info.name):
        stream.seek(info.offset_data)
        content = stream.read(info.size)
    return whole(content, info.name, info.size, file)
