"""Moves one file from the mirrors into the cache: resumed after anything, verified before it has a name."""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from decnef_data.errors import AccessError, IntegrityError, MirrorError
from decnef_data.fetch.receiving import Receiving
from decnef_data.files import Files, Partial
from decnef_data.mirrors import Remote
from decnef_data.model import Progress, RemoteFile, VerifiedFile

_LOG = logging.getLogger(__name__)


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

        What a mirror cannot give is asked of the next that states the same checksum, and so on in turn
        while that brings something.  Wrong bytes are fetched once more from the first byte, for a proxy
        or a disk may have spoilt them: from one mirror alone, so that it is known whose they are.

        Raises
        ------
        AccessError, MirrorError
            No mirror gives the file; what came so far stays and is resumed.
        ChangedError
            The mirror has another file now.
        IntegrityError
            The bytes were wrong twice; its ``mirror`` served them.
        OSError
            The disk is full or refuses; what came so far stays.
        """
        gave: list[Offer] = []
        try:
            return self._arrive(offer, gave)
        except IntegrityError as error:
            _LOG.warning("%s Trying once more.", error)
        last = gave[-1] if gave else offer
        try:
            return self._arrive(offer, [], alone=last)
        except IntegrityError as error:
            error.mirror = last.remote.name
            raise

    def _arrive(self, offer: Offer, gave: list[Offer], alone: Offer | None = None) -> VerifiedFile:
        name, file = offer.remote.name, offer.file
        with self._waiting(file) as waiting, self.files.partial(self.dataset, name, file, waiting) as partial:
            waiting.over()
            arrived = self.files.held(self.dataset, name, file)  # while we waited for another process
            if arrived is not None:
                partial.location.unlink(missing_ok=True)  # of no use any more
                return arrived
            self.progress.start(file.path, file.size, partial.size)
            try:
                self._receive(
                    partial, gave, (lambda: self._turns(offer)) if alone is None else lambda: [alone]
                )
            except IntegrityError:
                partial.restart()
                raise
            finally:
                self.progress.finish()
            return self.files.place(self.dataset, name, partial)

    def _receive(self, partial: Partial, gave: list[Offer], mirrors: Callable[[], Iterable[Offer]]) -> None:
        """Ask for what is missing, of one after the other, until one gives the rest or none gives any."""
        errors: list[tuple[Offer, AccessError | MirrorError]] = []
        before = -1
        while partial.size > before:
            before, asked = partial.size, len(errors)
            for offer in mirrors():
                self._turned(errors, offer)
                receiving = Receiving(offer.remote, offer.file, partial, self.progress)
                try:
                    return receiving.run()
                except (AccessError, MirrorError) as error:
                    errors.append((offer, error))
                finally:
                    gave += [offer] if receiving.received else []
            if len(errors) - asked <= 1:  # nobody else can help out
                break
        raise errors[0][1]

    def _turns(self, offer: Offer) -> Iterator[Offer]:
        """The mirror that lists the file and, only once it failed, those that may help out."""
        yield offer
        yield from self.elsewhere(offer.file)

    def _turned(self, errors: list[tuple[Offer, AccessError | MirrorError]], now: Offer) -> None:
        if errors:
            failed, error = errors[-1]
            told = (failed.remote.name, failed.file.path, now.remote.name, error)
            _LOG.warning("'%s' could not give all of '%s', the rest is asked of '%s': %s", *told)

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
