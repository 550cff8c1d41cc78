"""Read any part of an archive directly from a mirror, resuming lost connections, without storing it."""

import hashlib
import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from decnef_data.errors import IntegrityError, MirrorError
from decnef_data.file_cache.partial import download_mismatch_error
from decnef_data.mirrors import Remote
from decnef_data.model import Body, Checksum, RemoteFile
from decnef_data.transfer.answers import AnswerCheck, FileChangedError, StartOverError, is_identified
from decnef_data.transfer.retry import RetryBudget

__all__ = ["HashingSource", "RemoteSource"]

_DEFAULT_ALGORITHM: Final = "sha256"


@dataclass(frozen=True, slots=True)
class RemoteSource:
    """A file at a mirror, as a source of bytes.

    With ``requires_ranges``, a mirror that sends a file only from its beginning is an error: reading a part
    would download all that is before it.
    """

    remote: Remote
    file: RemoteFile
    requires_ranges: bool = False

    @property
    def path(self) -> str:
        """The path of the file."""
        return self.file.path

    @contextmanager
    def open(self, start: int = 0, stop: int | None = None) -> Iterator[Iterator[bytes]]:
        """Open the bytes from `start` to before `stop`.

        Raises
        ------
        AccessError, MirrorError
            The mirror does not provide them.
        IntegrityError
            The mirror has another file now.
        """
        # The generator is closed with its user, and with it the connection.
        with closing(self._read_resuming(start, self.file.size if stop is None else stop)) as pieces:
            yield pieces

    def _read_resuming(self, start: int, stop: int | None) -> Generator[bytes]:
        position, retry_budget = start, RetryBudget()
        answers = AnswerCheck(self.remote.name, self.file)
        requested_stop = None if stop == self.file.size else stop
        while stop is None or position < stop:
            answered = False
            try:
                with self.remote.open(self.file, position, requested_stop) as body:
                    answered = True
                    self._require_same_file(body, answers, is_resumed=position > start)
                    if self.requires_ranges and body.start != position:
                        raise self._no_ranges_error()
                    for piece in _clip(body, position, stop):
                        position += len(piece)
                        retry_budget.record_progress()
                        yield piece
                self._require_complete(position, stop)
            except MirrorError as error:
                delay = retry_budget.next_delay(error, answered=answered)
                if delay is None:
                    raise
                time.sleep(delay)
            else:
                return

    def _require_same_file(self, body: Body, answers: AnswerCheck, *, is_resumed: bool) -> None:
        """Raise an error about an answer of another file: the bytes that were read cannot be taken back."""
        try:
            answers.require_same_file(body)
        except (FileChangedError, StartOverError):
            raise self._changed_error() from None
        if is_resumed and not is_identified(self.file):
            raise self._unidentified_error()

    def _require_complete(self, position: int, stop: int | None) -> None:
        if stop is not None and position < stop:
            name = self.remote.name
            message = (
                f"'{name}' closed the connection after {position} bytes of '{self.path}'. Try again later."
            )
            raise MirrorError(message, mirror=name)

    def _no_ranges_error(self) -> MirrorError:
        """Build the error; its status says that another try does not help."""
        name = self.remote.name
        message = (
            f"'{name}' sends '{self.path}' only from its beginning, because it supports no ranges or does "
            "not identify the file. Use another mirror, or download the complete archive."
        )
        return MirrorError(message, mirror=name, status=200)

    def _unidentified_error(self) -> MirrorError:
        name = self.remote.name
        message = (
            f"The transfer of '{self.path}' was interrupted and cannot be resumed, because '{name}' does not "
            "identify the file. Download the complete archive, or use another mirror."
        )
        return MirrorError(message, mirror=name, status=200)

    def _changed_error(self) -> IntegrityError:
        message = f"'{self.path}' has changed at '{self.remote.name}'. Download the dataset again."
        return IntegrityError(message, file=self.path)


def _clip(body: Body, position: int, stop: int | None) -> Iterator[bytes]:
    """Yield the bytes of `body` between `position` and `stop`; it may begin before `position`."""
    offset = body.start
    for chunk in body.chunks:
        end = offset + len(chunk)
        piece = chunk[max(0, position - offset) : None if stop is None else max(0, stop - offset)]
        offset = end
        if piece:
            yield piece
        if stop is not None and offset >= stop:
            return


@dataclass(slots=True)
class HashingSource:
    """A source that is read once from its start and hashed while it is read, so that it can be verified."""

    source: RemoteSource
    size: int = 0
    _digest: Any = field(default=None)

    @property
    def path(self) -> str:
        """The path of the file."""
        return self.source.path

    @contextmanager
    def open(self, start: int = 0, stop: int | None = None) -> Iterator[Iterator[bytes]]:
        """Open the complete file, or a part of it once it was read from start to end."""
        is_part = bool(start) or stop is not None
        if is_part and self._digest is None:
            raise ValueError("A source that is hashed must be read from start to end.")
        with self.source.open(start, stop) as pieces:
            yield pieces if is_part else self._hash_pieces(pieces)

    def _hash_pieces(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        self.size, self._digest = 0, hashlib.new(self._algorithm)
        for piece in pieces:
            self._digest.update(piece)
            self.size += len(piece)
            yield piece

    @property
    def _algorithm(self) -> str:
        expected = self.source.file.checksum
        return expected.algorithm if expected else _DEFAULT_ALGORITHM

    def verify(self) -> Checksum:
        """Return the checksum of what was read, if it is the expected one.

        Raises
        ------
        IntegrityError
            The size or the checksum is not the expected one.
        """
        file, found = self.source.file, Checksum(self._algorithm, self._digest.hexdigest())
        if file.size is not None and self.size != file.size:
            raise download_mismatch_error(file.path, f"{file.size} bytes", f"{self.size} bytes")
        if file.checksum is not None and found != file.checksum:
            raise download_mismatch_error(file.path, str(file.checksum), str(found))
        return found
