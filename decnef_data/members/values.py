"""What a member of an archive is, and where the bytes of an archive come from."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

__all__ = ["LocalSource", "Member", "Source"]

_BLOCK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Member:
    """One file inside an archive, or one file of a folder; readable until the next member is asked for.

    ``place`` is the byte of the unpacked archive that its content begins at, where that can be returned to.
    """

    path: str
    size: int
    _content: Callable[[], bytes]
    place: int | None = None
    mtime: float = 0

    def read(self) -> bytes:
        """Read the whole member into memory."""
        return self._content()


class Source(Protocol):
    """The bytes of an archive, wherever it lies."""

    @property
    def path(self) -> str:
        """What the archive is called."""

    def open(self, start: int = 0, stop: int | None = None) -> AbstractContextManager[Iterator[bytes]]:
        """Open the bytes from `start` to before `stop`, given in pieces."""


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
        """Open the bytes from `start` to before `stop`."""
        with self.location.open("rb", buffering=0) as opened:
            opened.seek(start)
            yield _pieces(opened.read, None if stop is None else stop - start)


def _pieces(read: Callable[[int], bytes | None], left: int | None) -> Iterator[bytes]:
    while left is None or left > 0:
        piece = read(_BLOCK if left is None else min(_BLOCK, left))
        if not piece:
            return
        left = None if left is None else left - len(piece)
        yield piece
