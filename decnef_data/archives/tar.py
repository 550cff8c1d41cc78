"""A tar archive: its members in one forward pass, then bytes at any offset by its index."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import chain

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
    raise_problem,
    reject_oversized,
    repeated_member_error,
    repeated_members_remark,
    require_size,
    trailing_bytes_error,
    translate_errors,
    warn_of_remark,
)
from decnef_data.archives.tar_stream import DeferredRead, TarStream
from decnef_data.errors import FormatError
from decnef_data.model.account import ArchiveAccount, Remark

__all__ = ["Archive"]


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
        #: The members and the bytes behind the end; known after all members were read once.
        self.account = ArchiveAccount()
        self._spacing = spacing

    def iter_members(
        self,
        on_progress: Callable[[int], None] = lambda _count: None,
        on_problem: Callable[[FormatError], None] | None = None,
        on_remark: Callable[[Remark], None] | None = None,
    ) -> Iterator[Member]:
        """Yield every member in the order of the archive, which has its index at the end.

        A link is yielded last, as the member that it leads to; members that occur twice with the same content
        are yielded once.

        Parameters
        ----------
        on_progress
            Called with the number of bytes read of the archive, by another thread.
        on_problem
            Called with the error of a member that is left out, because it is unsafe, a link that leads to no
            member, or another member of the same name; ``None`` raises it.
        on_remark
            Called with what is unusual about the archive; ``None`` warns of what may concern values.

        Raises
        ------
        FormatError
            The archive is damaged or truncated.
        """
        report, remark = on_problem or raise_problem, on_remark or warn_of_remark
        with self.source.open() as pieces:
            first = next(pieces, b"")
            counted = _report_progress(chain((first,), pieces), on_progress)
            gzipped = first.startswith(GZIP_MAGIC)
            stream = IndexingDecompressor(self._spacing) if gzipped else _UncompressedStream()
            # Decompressing releases the interpreter, so that a thread overlaps it with reading members.
            with prefetch(stream.decompress(counted)) as chunks:
                tars = TarStream(ForwardStream(chunks), self.source.path, report)
                yield from tars.iter_members()
        self.index = stream.index
        self.account = replace(
            tars.account, n_bytes_behind=tars.account.n_bytes_behind + stream.trailing_size
        )
        if stream.trailing_start is not None:
            report(trailing_bytes_error(self.source.path, stream.trailing_start, stream.trailing_size))
        for note in tars.remarks():
            remark(note)
        yield from self._iter_deferred(tars.deferred_reads(), report, remark)

    def _iter_deferred(
        self,
        reads: Sequence[DeferredRead],
        report: Callable[[FormatError], None],
        remark: Callable[[Remark], None],
    ) -> Iterator[Member]:
        """Yield the members that links lead to, and compare those that occur twice."""
        repeated = []
        for read, content in self._iter_ranges(reads):
            if not read.digest:
                yield Member(read.path, read.size, content, read.offset, read.mtime)
            elif hashlib.sha256(content()).digest() == read.digest:
                repeated.append(read.path)
            else:
                report(repeated_member_error(read.path, self.source.path, self.source.path))
        if repeated:
            remark(repeated_members_remark(repeated, self.source.path))

    def _iter_ranges(
        self, reads: Sequence[DeferredRead]
    ) -> Iterator[tuple[DeferredRead, Callable[[], bytes]]]:
        """Yield each range with a function that reads it, until the next one is requested."""
        for cluster in self._built_index.clusters(reads, lambda read: (read.offset, read.offset + read.size)):
            with self.open_range(cluster[0].offset, cluster[-1].offset + cluster[-1].size) as stream:
                reader = _RangeReader(stream, self.source.path)
                for read in cluster:
                    yield read, partial(reader.read, read)

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


class _RangeReader:
    """A reader of ranges in ascending order, of which several may be the same one."""

    def __init__(self, stream: ForwardStream, file: str) -> None:
        self._stream, self._file = stream, file
        self._offset, self._content = -1, b""

    def read(self, read: DeferredRead) -> bytes:
        reject_oversized(read.path, read.size, self._file)
        if read.offset != self._offset:
            with translate_errors(self._file, read.path):
                self._stream.seek(read.offset)
                content = self._stream.read(read.size)
            self._offset, self._content = read.offset, content
        return require_size(self._content, read.path, read.size, self._file)


class _UncompressedStream:
    """The counterpart of :class:`IndexingDecompressor` for a tar that is not compressed."""

    trailing_start: int | None = None  # the tar itself has what is behind its end
    trailing_size = 0

    def __init__(self) -> None:
        self._size = 0

    @property
    def index(self) -> SeekIndex:
        return SeekIndex(gzipped=False, size=self._size, unpacked=self._size)

    def decompress(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self._size += len(piece)
            yield piece
