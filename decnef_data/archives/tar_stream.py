"""The members of a tar in one forward pass; what can be resolved only at its end is collected meanwhile."""

import hashlib
import tarfile
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final, Self

from decnef_data.archive_evidence import is_tar_header
from decnef_data.archives.forward_stream import ForwardStream
from decnef_data.archives.links import Alias, Link, decode_target, resolve_links
from decnef_data.archives.members import Member
from decnef_data.archives.safety import (
    reject_oversized,
    repeated_member_error,
    require_size,
    safe_path,
    trailing_bytes_error,
    translate_errors,
    unsafe_member_error,
)
from decnef_data.errors import FormatError
from decnef_data.model.account import ArchiveAccount, Remark
from decnef_data.path_text import escape_bytes

__all__ = ["DeferredRead", "TarStream"]

_BLOCK: Final = 512
#: The label of a volume, and the folder of an incremental dump: neither has content.
_WITHOUT_CONTENT: Final = frozenset({b"V", b"D"})


class _StrictTarInfo(tarfile.TarInfo):
    """A tar header; tarfile takes a damaged or missing one for the archive's end, here it is an error."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> Self:
        try:
            return super().fromtarfile(archive)
        except tarfile.HeaderError as error:
            if isinstance(error, tarfile.EOFHeaderError):  # type: ignore[attr-defined]  # public, but typeshed lacks it
                raise
            raise tarfile.ReadError(str(error)) from error


@dataclass(frozen=True, slots=True, order=True)
class DeferredRead:
    """A range to read when the pass is over: for a link to a member, or to compare a repeated member.

    ``digest`` is that of the repeated member, and empty for a link.
    """

    offset: int
    size: int
    path: str
    mtime: float = 0
    digest: bytes = b""


class TarStream:
    """The members of the tars in a stream, one behind the other.

    Parameters
    ----------
    stream
        The unpacked bytes.
    file
        The name of the archive.
    report
        Called with the error of a member that is left out.
    """

    def __init__(self, stream: ForwardStream, file: str, report: Callable[[FormatError], None]) -> None:
        self._stream, self._file, self._report = stream, file, report
        # In arrays, because there are hundreds of thousands: a position by path, then offset and size.
        self._positions: dict[str, int] = {}
        self._offsets, self._sizes = array("q"), array("q")
        self._links: list[Link] = []
        self._repeats: list[DeferredRead] = []
        self._tar_count = 0
        self._trailing_size = 0

    def iter_members(self) -> Iterator[Member]:
        """Yield the members that are files, then read on to the end, where gzip has its checksum."""
        while self._tar_count == 0 or self._is_at_tar():
            self._tar_count += 1
            yield from self._iter_tar()
        with translate_errors(self._file):
            start = self._stream.tell()
            self._trailing_size = self._stream.drain()
        if self._trailing_size:
            self._report(trailing_bytes_error(self._file, start, self._trailing_size))

    @property
    def account(self) -> ArchiveAccount:
        """The members that are files or links, and the bytes behind the end, as far as was read."""
        n_members = len(self._positions) + len(self._repeats) + len(self._links)
        return ArchiveAccount(n_members, self._trailing_size)

    def deferred_reads(self) -> list[DeferredRead]:
        """Return what has to be read when the pass is over, in the order of the archive."""
        if not self._links and not self._repeats:
            return []
        aliases = resolve_links(self._links, self._positions, self._file, self._report)
        return sorted((*self._repeats, *map(self._read_of, aliases)))

    def remarks(self) -> Iterator[Remark]:
        """Yield what is unusual about the archive, but lost nothing that is known of."""
        if self._tar_count > 1:
            message = f"'{self._file}' consists of {self._tar_count} tars; the members of all were read."
            yield Remark("joined-archives", message, self._file, is_warning=False)
        if self._links:
            message = f"'{self._file}' has {len(self._links)} links, which were read as what they lead to."
            yield Remark("archive-links", message, self._file, is_warning=False)

    def _read_of(self, alias: Alias) -> DeferredRead:
        position = self._positions[alias.target]
        return DeferredRead(self._offsets[position], self._sizes[position], alias.path, alias.mtime)

    def _iter_tar(self) -> Iterator[Member]:
        with translate_errors(self._file):
            # Names that are not UTF-8 become text in _member_path, whatever the locale.
            archive = tarfile.open(  # noqa: SIM115  # closed below
                fileobj=self._stream,  # type: ignore[call-overload]  # tarfile only seeks forward and reads
                mode="r:",
                tarinfo=_StrictTarInfo,
                encoding="utf-8",
                errors="surrogateescape",
            )
        with archive:
            while (info := self._next_header(archive)) is not None:
                member = self._sort(info)
                if member is not None:
                    yield member
            with translate_errors(self._file):
                # Behind the last member, whether or not it was read.
                self._stream.seek(archive.offset)

    def _next_header(self, archive: tarfile.TarFile) -> tarfile.TarInfo | None:
        with translate_errors(self._file):
            info = archive.next()
        archive.members.clear()  # type: ignore[attr-defined]  # it would keep all of them; typeshed lacks the list
        return info

    def _is_at_tar(self) -> bool:
        """Skip the blocks that end a tar, and return whether another one follows."""
        with translate_errors(self._file):
            if not self._stream.skip_zeros(_BLOCK):
                return False
            position = self._stream.tell()
            is_tar = is_tar_header(self._stream.read(_BLOCK))
            self._stream.seek(position)
        return is_tar

    def _sort(self, info: tarfile.TarInfo) -> Member | None:
        """Return the member of a header if it is a new file; keep a link, and report what is neither."""
        if info.isdir() or info.type in _WITHOUT_CONTENT:
            return None
        try:
            path = _member_path(info, self._file)
            if not info.isreg():
                target = decode_target(_encode_name(info.linkname))
                self._links.append(Link(path, target, info.islnk(), float(info.mtime)))
                return None
            content = partial(self._read, info, path)
            if path in self._positions:
                self._keep_repeat(path, info.size, content)
                return None
        except FormatError as error:
            self._report(error)
            return None
        self._positions[path] = len(self._offsets)
        self._offsets.append(info.offset_data)
        self._sizes.append(info.size)
        return Member(path, info.size, content, info.offset_data, float(info.mtime))

    def _keep_repeat(self, path: str, size: int, content: Callable[[], bytes]) -> None:
        """Keep a digest of a repeated member: the first one is behind, and is read again at the end."""
        position = self._positions[path]
        if self._sizes[position] != size:
            raise repeated_member_error(path, self._file, self._file)
        digest = hashlib.sha256(content()).digest()
        self._repeats.append(DeferredRead(self._offsets[position], size, path, digest=digest))

    def _read(self, info: tarfile.TarInfo, path: str) -> bytes:
        reject_oversized(path, info.size, self._file)
        with translate_errors(self._file, path):
            self._stream.seek(info.offset_data)
            content = self._stream.read(info.size)
        return require_size(content, path, info.size, self._file)


def _member_path(info: tarfile.TarInfo, archive: str) -> str:
    name = escape_bytes(_encode_name(info.name))
    if info.issparse():
        remedy = "Unpack the archive with `tar -xf`, and adopt the folder."
        raise unsafe_member_error(name, archive, "a sparse file", remedy)
    if not (info.isreg() or info.issym() or info.islnk()):
        raise unsafe_member_error(name, archive, "a device")
    return safe_path(name, archive)


def _encode_name(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")
