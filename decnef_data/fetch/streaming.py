"""Reads an archive where a mirror has it: any part of it, resumed when a connection is lost, nothing kept."""

import hashlib
import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from decnef_data.errors import IntegrityError, MirrorError
from decnef_data.fetch.retries import Patience
from decnef_data.files.partials import wrong
from decnef_data.mirrors import Remote
from decnef_data.model import Body, Checksum, RemoteFile

__all__ = ["Hashed", "RemoteSource"]

_AT_FIRST_SIGHT: Final = "sha256"


@dataclass(frozen=True, slots=True)
class RemoteSource:
    """A file at a mirror, as a source of bytes."""

    remote: Remote
    file: RemoteFile

    @property
    def path(self) -> str:
        """What the file is called."""
        return self.file.path

    @contextmanager
    def open(self, start: int = 0, stop: int | None = None) -> Iterator[Iterator[bytes]]:
        """Open the bytes from `start` to before `stop`.

        Raises
        ------
        AccessError, MirrorError
            The mirror does not give them.
        IntegrityError
            It has another file now.
        """
        with closing(self._pieces(start, self.file.size if stop is None else stop)) as pieces:
            yield pieces

    def _pieces(self, start: int, stop: int | None) -> Generator[bytes]:
        position, patience = start, Patience()
        while stop is None or position < stop:
            try:
                for piece in self._stretch(position, stop):
                    position += len(piece)
                    patience.progressed()
                    yield piece
                self._require_end(position, stop)
            except MirrorError as error:
                wait = patience.after(error)
                if wait is None:
                    raise
                time.sleep(wait)
            else:
                return

    def _stretch(self, position: int, stop: int | None) -> Iterator[bytes]:
        """Give what one connection brings, without what comes before `position`."""
        asked = None if stop == self.file.size else stop
        with self.remote.open(self.file, position, asked) as body:
            if None not in (body.identity, self.file.identity) and body.identity != self.file.identity:
                raise self._changed()
            yield from _cut(body, position, stop)

    def _require_end(self, position: int, stop: int | None) -> None:
        if stop is not None and position < stop:
            name = self.remote.name
            message = f"'{name}' ended '{self.path}' after {position} bytes. Try again later."
            raise MirrorError(message, mirror=name)

    def _changed(self) -> IntegrityError:
        message = f"'{self.path}' at '{self.remote.name}' is another file now. Fetch the dataset anew."
        return IntegrityError(message, file=self.path)


def _cut(body: Body, position: int, stop: int | None) -> Iterator[bytes]:
    """Give of what comes what lies between two places; it may begin before the first."""
    here = body.start
    for chunk in body.chunks:
        end = here + len(chunk)
        piece = chunk[max(0, position - here) : None if stop is None else max(0, stop - here)]
        here = end
        if piece:
            yield piece
        if stop is not None and here >= stop:
            return


@dataclass(slots=True)
class Hashed:
    """A source that is read once from its start, and summed as it passes; what is summed can be verified."""

    source: RemoteSource
    size: int = 0
    _digest: Any = field(default=None)

    @property
    def path(self) -> str:
        """What the file is called."""
        return self.source.path

    @contextmanager
    def open(self, start: int = 0, stop: int | None = None) -> Iterator[Iterator[bytes]]:
        """Open the bytes, which have to be all of them."""
        if start or stop is not None:
            raise ValueError("What is summed is read from its start to its end.")
        with self.source.open() as pieces:
            yield self._summed(pieces)

    def _summed(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        self.size, self._digest = 0, hashlib.new(self._algorithm)
        for piece in pieces:
            self._digest.update(piece)
            self.size += len(piece)
            yield piece

    @property
    def _algorithm(self) -> str:
        stated = self.source.file.checksum
        return stated.algorithm if stated else _AT_FIRST_SIGHT

    def verified(self) -> Checksum:
        """Give the checksum of what passed, if it is what was stated.

        Raises
        ------
        IntegrityError
            It is not.
        """
        file, found = self.source.file, Checksum(self._algorithm, self._digest.hexdigest())
        if file.size is not None and self.size != file.size:
            raise wrong(file.path, f"{file.size} bytes", f"{self.size} bytes")
        if file.checksum is not None and found != file.checksum:
            raise wrong(file.path, str(file.checksum), str(found))
        return found
