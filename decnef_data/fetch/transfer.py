"""Moves one file from the mirrors into the cache: resumed after anything, verified before it has a name."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from decnef_data.errors import AccessError, IntegrityError, MirrorError
from decnef_data.fetch.receiving import Receiving
from decnef_data.files import Files, Partial
from decnef_data.mirrors import Remote
from decnef_data.model import Progress, RemoteFile, VerifiedFile

_LOG = logging.getLogger(__name__)
_TRIES: Final = 2


@dataclass(frozen=True, slots=True)
class Offer:
    """A file as one mirror lists it."""

    remote: Remote
    file: RemoteFile

    def same(self, file: RemoteFile) -> bool:
        """Whether it is the same bytes by what both mirrors state of them."""
        mine = self.file
        return file.checksum is not None and (file.checksum, file.size) == (mine.checksum, mine.size)


def _nowhere(_file: RemoteFile) -> Iterator[Offer]:
    return iter(())


@dataclass(frozen=True, slots=True)
class Transfer:
    """What it takes to bring files of one dataset here.

    ``elsewhere`` finds the same file at other mirrors; it is asked only when a mirror fails.
    """

    dataset: str
    files: Files
    progress: Progress
    elsewhere: Callable[[RemoteFile], Iterator[Offer]] = _nowhere

    def bring(self, offer: Offer) -> VerifiedFile:
        """Bring a file into the cache, from where an earlier try left off.

        What a mirror cannot give is asked of the next that states the same checksum.  Wrong bytes are
        fetched once more from the first byte, for a proxy or a disk may have spoilt them; then the
        mirror is dropped.

        Raises
        ------
        AccessError, MirrorError
            No mirror gives the file; what came so far stays and is resumed.
        ChangedError
            The mirror has another file now.
        IntegrityError
            The bytes were wrong twice.
        OSError
            The disk is full or refuses; what came so far stays.
        """
        for left in reversed(range(_TRIES)):
            try:
                return self._arrive(offer)
            except IntegrityError as error:
                if not left:
                    raise
                _LOG.warning("%s Trying once more.", error)
        raise AssertionError("Every try returns or raises.")

    def _arrive(self, offer: Offer) -> VerifiedFile:
        name, file = offer.remote.name, offer.file
        with self._waiting(file) as waiting, self.files.partial(self.dataset, name, file, waiting) as partial:
            waiting.over()
            arrived = self.files.held(self.dataset, name, file)  # while we waited for another process
            if arrived is not None:
                return arrived
            self.progress.start(file.path, file.size, partial.size)
            try:
                self._receive(offer, partial)
            except IntegrityError:
                partial.restart()
                raise
            finally:
                self.progress.finish()
            return self.files.place(self.dataset, name, partial)

    def _receive(self, offer: Offer, partial: Partial) -> None:
        """Ask for what is missing, of one mirror after the other until one gives it."""
        others: Iterator[Offer] | None = None
        first: AccessError | MirrorError | None = None
        asked: Offer | None = offer
        while asked is not None:
            try:
                Receiving(asked.remote, asked.file, partial, self.progress).run()
            except (AccessError, MirrorError) as error:
                first = first or error
                others = self.elsewhere(offer.file) if others is None else others
                failed, asked = asked, next(others, None)
                if asked is not None:
                    told = (failed.remote.name, offer.file.path, asked.remote.name, error)
                    _LOG.warning("'%s' could not give all of '%s', the rest is asked of '%s': %s", *told)
            else:
                return
        if first is not None:
            raise first

    @contextmanager
    def _waiting(self, file: RemoteFile) -> Iterator["_Waiting"]:
        waiting = _Waiting(self, file)
        try:
            yield waiting
        finally:
            waiting.over()


class _Waiting:
    """Tells how far another process is with a file, while we wait for it."""

    def __init__(self, transfer: Transfer, file: RemoteFile) -> None:
        self._transfer, self._file = transfer, file
        self._seen: int | None = None

    def __call__(self) -> None:
        here = self._transfer.files.arriving(self._transfer.dataset, self._file)
        if self._seen is None:
            self._transfer.progress.start(self._file.path, self._file.size, 0)
            self._seen = 0
        if here > self._seen:
            self._transfer.progress.advance(here - self._seen)
            self._seen = here

    def over(self) -> None:
        if self._seen is not None:
            self._transfer.progress.finish()
            self._seen = None
