"""Mirrors bound to a lock: what they offer is what the lock states, or an error that names the difference."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from decnef_data import fetch, locks
from decnef_data.client.locking import wrong
from decnef_data.errors import IntegrityError
from decnef_data.fetch import Place, Source
from decnef_data.mirrors import Remote
from decnef_data.model import (
    Access,
    Body,
    Checksum,
    Copy,
    Dataset,
    Difference,
    Lock,
    LockedFile,
    Progress,
    RemoteFile,
)


def bring(place: Place, stated: Lock, progress: Progress) -> Copy:
    """Fetch exactly the lock's files, from the first mirror that has them.

    Raises
    ------
    IntegrityError
        What a mirror or an adopted copy has is not what the lock states; it says in what.
    AccessError, MirrorError, FetchError
        As :func:`decnef_data.fetch.fetch`.
    """
    pinned = (
        Source(source.record, Pinned(source.remote, place, stated, progress)) for source in place.sources
    )
    return fetch.fetch_anew(replace(place, sources=tuple(pinned)), progress)


@dataclass(frozen=True, slots=True)
class Pinned:
    """A mirror that offers the files of a dataset only where the lock states them."""

    remote: Remote
    place: Place
    stated: Lock
    progress: Progress

    @property
    def name(self) -> str:
        """The mirror's name."""
        return self.remote.name

    def ready(self, dataset: Dataset) -> bool:
        """Whether the mirror can be asked."""
        return self.remote.ready(dataset)

    def access(self, dataset: Dataset) -> Access:
        """Say what the mirror needs."""
        return self.remote.access(dataset)

    def open(self, file: RemoteFile, start: int = 0, stop: int | None = None) -> AbstractContextManager[Body]:
        """Open a file as the mirror does."""
        return self.remote.open(file, start, stop)

    def expect(self, files: Sequence[RemoteFile]) -> None:
        """Tell the mirror which files are opened next."""
        self.remote.expect(files)

    def find(self, dataset: Dataset) -> tuple[RemoteFile, ...]:
        """List the files, each with the size and a checksum of the lock, against which it is then verified.

        Raises
        ------
        IntegrityError
            The mirror lists other files, or states other sizes or checksums.
        """
        self._refuse_another_copy(dataset)
        listed = {file.path: file for file in self.remote.find(dataset)}
        offered = [_offered(file) for file in listed.values()]
        return tuple(
            self._as_stated(one, None if other is None else listed[other.path])
            for one, other in locks.pairs(self.stated.files, offered)
        )

    def _refuse_another_copy(self, dataset: Dataset) -> None:
        """Say in what the user's own copy differs before it is registered anew, which would forget it."""
        files = self.place.files
        journal = files.journal(dataset.name, self.name)
        if journal is None or journal.mark is None or journal.root == files.folder(dataset.name):
            return
        copy = journal.copy()
        if copy is None:
            message = (
                f"Your copy of '{dataset.name}' in '{journal.root}' changed since it was adopted. "
                f"Run `decnef adopt {dataset.name} PATH` again to have it compared with the lock."
            )
            raise IntegrityError(message, file=str(journal.root))
        for found in wrong(copy, self.place, self.stated, self.progress):
            raise _not_locked(found, f"your copy in '{copy.root}'", dataset.name)

    def _as_stated(self, one: LockedFile | None, file: RemoteFile | None) -> RemoteFile:
        if one is None or file is None or _contradicts(one, file):
            found = locks.difference(one, None if file is None else _offered(file))
            raise _not_locked(found, f"mirror '{self.name}'", self.stated.dataset)
        sums = [Checksum.parse(total) for total in one.checksums]
        agreed = file.checksum if file.checksum in sums else sums[-1]
        return replace(file, size=one.size, checksum=agreed)


def _offered(file: RemoteFile) -> LockedFile:
    sums = (str(file.checksum),) if file.checksum else ()
    return LockedFile(path=file.path, size=-1 if file.size is None else file.size, checksums=sums)


def _contradicts(one: LockedFile, file: RemoteFile) -> bool:
    """Whether what the mirror states, if it states anything, is other than what the lock does."""
    if file.size not in {None, one.size}:
        return True
    algorithms = {Checksum.parse(total).algorithm for total in one.checksums}
    stated = file.checksum
    return stated is not None and stated.algorithm in algorithms and str(stated) not in one.checksums


def _not_locked(found: Difference | None, where: str, dataset: str) -> IntegrityError:
    name, expected, there = (found.name, found.first, found.second) if found else ("", None, None)
    if there is None:
        what = f"The lock states '{name}', which is not in {where}."
    elif expected is None:
        what = f"The lock does not state '{name}', which is in {where}."
    else:
        what = f"'{name}' in {where} is not what the lock states: {expected} expected, {there} found."
    message = f"{what} Use another mirror or copy, or make a new lock with `decnef lock {dataset}`."
    return IntegrityError(message, file=name, expected=expected, found=there)
