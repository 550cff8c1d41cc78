"""The member of an archive, and the source of an archive's bytes."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

__all__ = ["ByteSource", "LocalSource", "Member"]

_BLOCK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Member:
    """One file inside an archive, or one file of a folder; readable until the next member is requested.

    ``offset`` is where its content begins in the unpacked archive, if the archive can be read at any offset.
    """

    path: str
    size: int
    _content: Callable[[], bytes]
    offset: int | None = None
    mtime: float = 0

    def read(self) -> bytes:
        """Read the complete member into memory."""
        return self._content()


class ByteSource(Protocol):
    """The bytes of an archive, wherever it is stored."""

    @property
    def path(self) -> str:
        """The name of the archive."""

    def open(self, start: int = 0, stop: int | None = None) -> AbstractContextManager[Iterator[bytes]]:
        """Open the bytes from `start` to before `stop`, as an iterator of pieces."""


@dataclass(frozen=True, slots=True)
class LocalSource:
    """An archive on this machine.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "a.tar")
    ...     _ = path.write_bytes(b"0123456789")
    ...     with LocalSource("a.tar", path).open(2, 5) as pieces:
    ...         list(pieces)
    [b'234']
    """

    path: str
    location: Path

    @contextmanager
    def open(self, start: int = 0, stop: int | None = None) -> Iterator[Iterator[bytes]]:
        """Open the bytes from `start` to before `stop`, as an iterator of pieces."""
        with self.location.open("rb", buffering=0) as opened:
            opened.seek(start)
            yield _read_pieces(opened.read, None if stop is None else stop - start)


def _read_pieces(read: Callable[[int], bytes | None], remaining: int | None) -> Iterator[bytes]:
    while remaining is None or remaining > 0:
        piece = read(_BLOCK if remaining is None else min(_BLOCK, remaining))
        if not piece:
            return
        remaining = None if remaining is None else remaining - len(piece)
        yield piece
