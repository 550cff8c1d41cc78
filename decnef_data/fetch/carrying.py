"""Carries a listing out: every file from one mirror, the small ones many at a time, each verified."""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from decnef_data.errors import DecnefDataError, IntegrityError, MirrorError
from decnef_data.fetch.crew import Crew
from decnef_data.fetch.receiving import SMALL
from decnef_data.fetch.transfer import Offer, Transfer
from decnef_data.fetch.troubles import ChangedError
from decnef_data.files import Files
from decnef_data.mirrors import Remote
from decnef_data.model import Dataset, Progress, RemoteFile, VerifiedFile
from decnef_data.turns import aside

_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class Run:
    """One run through the mirrors: what each listed, and which served wrong bytes and is asked no more.

    ``others`` are the mirrors that may help out where one cannot give a part.
    """

    dataset: Dataset
    files: Files
    progress: Progress
    others: Callable[[], Sequence[Remote]]
    _listed: dict[str, tuple[RemoteFile, ...]] = field(default_factory=dict)
    _dropped: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def dropped(self, mirror: str) -> bool:
        """Whether a mirror served wrong bytes."""
        return mirror in self._dropped

    def listed(self, remote: Remote, *, anew: bool = False) -> tuple[RemoteFile, ...]:
        """Give what a mirror lists, asking it once."""
        with self._lock:
            if anew or remote.name not in self._listed:
                self._listed[remote.name] = remote.find(self.dataset)
            return self._listed[remote.name]

    def bring(
        self, remote: Remote, wanted: Callable[[RemoteFile], bool] = lambda _file: True
    ) -> tuple[VerifiedFile, ...]:
        """Bring the files that `remote` lists, or those `wanted`; what is here already is left as it is.

        Raises as :meth:`Transfer.bring` does.
        """
        listed = tuple(file for file in self.listed(remote) if wanted(file))
        verified = {file.path: held for file in listed if (held := self._held(remote, file))}
        missing = [file for file in listed if file.path not in verified]
        small = [file for file in missing if file.size is not None and file.size <= SMALL]
        if len(small) > 1:
            verified |= self._together(remote, small)
        for file in missing:
            if file.path not in verified:
                verified[file.path] = self._one(remote, file, self.progress)
        return tuple(verified[file.path] for file in listed)

    def _held(self, remote: Remote, file: RemoteFile) -> VerifiedFile | None:
        name = self.dataset.name
        return self.files.held(name, remote.name, file) or self.files.agreed(name, remote.name, file)

    def _together(self, remote: Remote, small: list[RemoteFile]) -> dict[str, VerifiedFile]:
        """Bring many small files over a few kept-alive connections, under one progress."""
        what, total = f"{len(small)} files", sum(file.size or 0 for file in small)
        self.progress.start(what, total, 0)
        remote.expect(small)
        told = _Together(self.progress, remote.name)
        work = partial(self._one, remote, progress=told)
        try:
            found = Crew(work, small, f"decnef-{remote.name}").run(told.tell)
        finally:
            remote.expect(())
            told.tell(0)
            self.progress.finish()
        return dict(zip((file.path for file in small), found, strict=True))

    def _one(self, remote: Remote, file: RemoteFile, progress: Progress) -> VerifiedFile:
        transfer = Transfer(self.dataset.name, self.files, progress, partial(self._elsewhere, remote))
        while True:
            try:
                return transfer.bring(Offer(remote, file))
            except ChangedError:
                told = (file.path, remote.name)
                _LOG.warning("'%s' changed at '%s' while it came: it is fetched anew.", *told)
                return self._again(transfer, remote, file)
            except IntegrityError as error:
                self._drop(error.mirror or remote.name)
                if error.mirror in {None, remote.name}:
                    raise  # else it was one that helped out, and is asked no more

    def _drop(self, mirror: str) -> None:
        if mirror not in self._dropped:
            _LOG.warning("'%s' served wrong bytes and is not asked again in this run.", mirror)
        self._dropped.add(mirror)

    def _again(self, transfer: Transfer, remote: Remote, file: RemoteFile) -> VerifiedFile:
        """Bring the file that the mirror has now."""
        with aside():
            listed = self.listed(remote, anew=True)
        now = next((one for one in listed if one.path == file.path), None)
        try:
            if now is not None:
                return transfer.bring(Offer(remote, now))
        except ChangedError:
            pass
        message = f"'{file.path}' keeps changing at '{remote.name}'. Try again later, or from another mirror."
        raise MirrorError(message, mirror=remote.name)

    def _elsewhere(self, asked: Remote, file: RemoteFile) -> Iterator[Offer]:
        """Find the same bytes at the other mirrors, as far as those can be asked."""
        for remote in self.others():
            if remote.name == asked.name or remote.name in self._dropped:
                continue
            try:
                with aside():
                    listed = self.listed(remote)
            except DecnefDataError as error:
                _LOG.info("'%s' cannot help out with '%s': %s", remote.name, file.path, error)
                continue
            yield from (Offer(remote, one) for one in listed if Offer(remote, one).same(file))


class _Together:
    """Gathers what many transfers tell; only the thread that waits for them passes it on."""

    def __init__(self, progress: Progress, mirror: str) -> None:
        self._progress, self._mirror = progress, mirror
        self._lock = threading.Lock()
        self._count = 0

    def start(self, what: str, total: int | None, done: int) -> None:  # noqa: ARG002 - a Progress is told them
        self.advance(done)

    def advance(self, count: int) -> None:
        with self._lock:
            self._count += count

    def via(self, mirror: str, connections: int) -> None:
        pass

    def scans(self, count: int) -> None:
        pass

    def finish(self) -> None:
        pass

    def tell(self, connections: int) -> None:
        """Pass on what came since, over how many connections."""
        with self._lock:
            count, self._count = self._count, 0
        if connections:
            self._progress.via(self._mirror, connections)
        if count:
            self._progress.advance(count)
