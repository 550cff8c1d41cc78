"""A tar or a gzipped tar, wherever its bytes are: walked once from its start, later read at any place."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import PurePosixPath
from typing import Final

from decnef_data.members.guards import translated
from decnef_data.members.gzips import Inflating, inflated
from decnef_data.members.points import SPACING, SeekIndex
from decnef_data.members.streams import Unpacked, ahead
from decnef_data.members.tars import in_tar
from decnef_data.members.values import Member, Source

__all__ = ["Archive", "is_archive"]

_GZIP: Final = b"\x1f\x8b"
_SUFFIXES: Final = (".tar.gz", ".tgz", ".tar")


def is_archive(path: str) -> bool:
    """Whether a file is named as an archive that can be walked, and read at any place.

    Examples
    --------
    >>> is_archive("SRPBS_OPEN.tar.gz"), is_archive("participants.tsv")
    (True, False)
    """
    return PurePosixPath(path).name.casefold().endswith(_SUFFIXES)


class Archive:
    """An archive of one source.

    Parameters
    ----------
    source
        Where its bytes come from.
    index
        From where it can be unpacked, once it was walked.
    spacing
        How many compressed bytes lie between two points of a new index at least.

    Examples
    --------
    >>> import io, tarfile, tempfile, pathlib
    >>> from decnef_data.members.values import LocalSource
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "a.tar.gz")
    ...     with tarfile.open(path, "w:gz") as made:
    ...         info = tarfile.TarInfo("a.tsv")
    ...         info.size = 3
    ...         made.addfile(info, io.BytesIO(b"age"))
    ...     archive = Archive(LocalSource("a.tar.gz", path))
    ...     places = [(member.place, member.size) for member in archive.walk()]
    ...     archive.read(*places[0])
    b'age'
    """

    def __init__(self, source: Source, index: SeekIndex | None = None, spacing: int = SPACING) -> None:
        self.source = source
        self.index = index
        self._spacing = spacing

    def walk(self, told: Callable[[int], None] = lambda _count: None) -> Iterator[Member]:
        """Give every member in the order they lie there; at the end the archive has its index.

        Parameters
        ----------
        told
            Is called with how many bytes of the archive were read, by another thread.

        Raises
        ------
        FormatError
            The archive is damaged or cut short, or a name in it is unsafe.
        """
        with self.source.open() as pieces:
            first = next(pieces, b"")
            counted = _counted(chain((first,), pieces), told)
            stream = _Plain() if not first.startswith(_GZIP) else Inflating(self._spacing)
            with ahead(stream.pieces(counted)) as unpacked:
                yield from in_tar(Unpacked(unpacked), self.source.path)
        self.index = stream.index

    @contextmanager
    def opened(self, start: int, stop: int) -> Iterator[Unpacked]:
        """Open the unpacked bytes from `start` to before `stop`, which are read forward.

        Raises
        ------
        FormatError
            The archive is not the one that was walked.
        """
        with ahead(self._inflated(start, stop)) as pieces:
            yield Unpacked(pieces, start)

    def read(self, place: int, size: int) -> bytes:
        """Read `size` unpacked bytes from `place` on."""
        return b"".join(self._inflated(place, place + size))

    def _inflated(self, start: int, stop: int) -> Iterator[bytes]:
        with translated(self.source.path):
            yield from inflated(self.source, self._known, start, stop)

    @property
    def _known(self) -> SeekIndex:
        if self.index is None:
            raise ValueError("The archive was not walked yet.")
        return self.index


def _counted(pieces: Iterator[bytes], told: Callable[[int], None]) -> Iterator[bytes]:
    for piece in pieces:
        yield piece
        told(len(piece))


class _Plain:
    """A stream whose bytes lie as they are."""

    def __init__(self) -> None:
        self._size = 0

    @property
    def index(self) -> SeekIndex:
        return SeekIndex(gzipped=False, size=self._size, unpacked=self._size)

    def pieces(self, stored: Iterator[bytes]) -> Iterator[bytes]:
        for piece in stored:
            self._size += len(piece)
            yield piece
