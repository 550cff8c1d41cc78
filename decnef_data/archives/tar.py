"""A tar archive: its members in one forward pass, then bytes at any offset by its index."""

import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain
from pathlib import PurePosixPath
from typing import Final, Self

from decnef_data.archives.forward_stream import ForwardStream, prefetch
from decnef_data.archives.gzip_index import (
    GZIP_MAGIC,
    SPACING,
    IndexingDecompressor,
    SeekIndex,
    decompress_range,
)
from decnef_data.archives.members import ByteSource, Member
from decnef_data.archives.safety import (
    reject_oversized,
    require_size,
    safe_path,
    translate_errors,
    unsafe_member_error,
)

__all__ = ["Archive", "is_archive", "is_tar_header"]

_SUFFIXES: Final = (".tar.gz", ".tgz", ".tar")


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


def is_tar_header(block: bytes) -> bool:
    """Return whether a block of bytes is the header of a tar.

    An old tar has no magic number, but every tar header has its own checksum.
    """
    try:
        tarfile.TarInfo.frombuf(block, tarfile.ENCODING, "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def _iter_tar_members(stream: ForwardStream, file: str) -> Iterator[Member]:
    """Yield the members of the tar in `stream`, then read on to the end, where gzip has its checksum."""
    with translate_errors(file):
        # A name that is not UTF-8 must still be text that can be stored and printed.
        archive = tarfile.open(  # noqa: SIM115  # closed below
            fileobj=stream,  # type: ignore[call-overload]  # tarfile only seeks forward and reads
            mode="r:",
            tarinfo=_StrictTarInfo,
            errors="backslashreplace",
        )
    with archive:
        while (info := _next_header(archive, file)) is not None:
            if not info.isdir():
                content = partial(_read_member, stream, info, file)
                yield Member(
                    _member_path(info, file), info.size, content, info.offset_data, float(info.mtime)
                )
    with translate_errors(file):
        stream.drain()


def _next_header(archive: tarfile.TarFile, file: str) -> tarfile.TarInfo | None:
    with translate_errors(file):
        info = archive.next()
    archive.members.clear()  # type: ignore[attr-defined]  # it would keep all of them; typeshed lacks the list
    return info


def _member_path(info: tarfile.TarInfo, archive: str) -> str:
    if info.issparse():
        raise unsafe_member_error(info.name, archive, "a sparse file")
    if not info.isreg():
        raise unsafe_member_error(info.name, archive, "a link or device")
    return safe_path(info.name, archive)


def _read_member(stream: ForwardStream, info: tarfile.TarInfo, file: str) -> bytes:
    reject_oversized(info.name, info.size, file)
    with translate_errors(file, info.name):
        stream.seek(info.offset_data)
        content = stream.read(info.size)
    return require_size(content, info.name, info.size, file)


def is_archive(path: str) -> bool:
    """Return whether a file has the name of an archive that can be indexed, and then read at any offset.

    Examples
    --------
    >>> is_archive("SRPBS_OPEN.tar.gz"), is_archive("participants.tsv")
    (True, False)
    """
    return PurePosixPath(path).name.casefold().endswith(_SUFFIXES)


class Archive:
    """A tar or gzipped tar.

    Parameters
    ----------
    source
        The source of its bytes.
    index
        Where unpacking can start; known after all members were read once.
    spacing
        The least number of compressed bytes between two points of a new index.

    Examples
    --------
    >>> import io, tarfile, tempfile, pathlib
    >>> from decnef_data.archives.members import LocalSource
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "a.tar.gz")
    ...     with tarfile.open(path, "w:gz") as packed:
    ...         info = tarfile.TarInfo("a.tsv")
    ...         info.size = 3
    ...         packed.addfile(info, io.BytesIO(b"age"))
    ...     archive = Archive(LocalSource("a.tar.gz", path))
    ...     ranges = [(member.offset, member.size) for member in archive.iter_members()]
    ...     archive.read(*ranges[0])
    b'age'
    """

    def __init__(self, source: ByteSource, index: SeekIndex | None = None, spacing: int = SPACING) -> None:
        self.source = source
        self.index = index
        self._spacing = spacing

    def iter_members(self, on_progress: Callable[[int], None] = lambda _count: None) -> Iterator[Member]:
        """Yield every member in the order of the archive, which has its index at the end.

        Parameters
        ----------
        on_progress
            Called with the number of bytes read of the archive, by another thread.

        Raises
        ------
        FormatError
            The archive is damaged or truncated, or a name in it is unsafe.
        """
        with self.source.open() as pieces:
            first = next(pieces, b"")
            counted = _report_progress(chain((first,), pieces), on_progress)
            gzipped = first.startswith(GZIP_MAGIC)
            stream = IndexingDecompressor(self._spacing) if gzipped else _UncompressedStream()
            with prefetch(stream.decompress(counted)) as chunks:
                yield from _iter_tar_members(ForwardStream(chunks), self.source.path)
        self.index = stream.index

    @contextmanager
    def open_range(self, start: int, stop: int) -> Iterator[ForwardStream]:
        """Open the unpacked bytes from `start` to before `stop`, for reading forward.

        Raises
        ------
        FormatError
            The archive is not the one that was indexed.
        """
        with prefetch(self._decompress(start, stop)) as pieces:
            yield ForwardStream(pieces, start)

    def read(self, offset: int, size: int) -> bytes:
        """Read `size` unpacked bytes from `offset`."""
        return b"".join(self._decompress(offset, offset + size))

    def _decompress(self, start: int, stop: int) -> Iterator[bytes]:
        with translate_errors(self.source.path):
            yield from decompress_range(self.source, self._built_index, start, stop)

    @property
    def _built_index(self) -> SeekIndex:
        if self.index is None:
            raise ValueError("The archive has not been indexed yet.")
        return self.index


def _report_progress(pieces: Iterator[bytes], on_progress: Callable[[int], None]) -> Iterator[bytes]:
    for piece in pieces:
        yield piece
        on_progress(len(piece))


class _UncompressedStream:
    """The counterpart of :class:`IndexingDecompressor` for a tar that is not compressed."""

    def __init__(self) -> None:
        self._size = 0

    @property
    def index(self) -> SeekIndex:
        return SeekIndex(gzipped=False, size=self._size, unpacked=self._size)

    def decompress(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self._size += len(piece)
            yield piece
