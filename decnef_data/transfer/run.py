"""Download the files that one mirror lists, the small ones in parallel, each verified."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from decnef_data.archive_evidence import has_archive_suffix
from decnef_data.disclosure import get_logger
from decnef_data.errors import DecnefDataError, IntegrityError, MirrorError
from decnef_data.file_cache import FileCache
from decnef_data.mirrors import Remote
from decnef_data.model import Dataset, Progress, RemoteFile, VerifiedFile
from decnef_data.transfer.answers import FileChangedError
from decnef_data.transfer.concurrency import map_on_threads
from decnef_data.transfer.download import SMALL_FILE_SIZE
from decnef_data.transfer.failover import MirrorFile, Transfer

_LOG = get_logger(__name__)


@dataclass(slots=True)
class TransferRun:
    """One run through the mirrors: the listing of each, and those excluded for serving wrong bytes.

    ``other_mirrors`` returns the mirrors that can be asked for a part that another does not provide.
    ``approximate_size`` is that of the archive, where the record of any mirror has it.
    """

    dataset: Dataset
    files: FileCache
    progress: Progress
    other_mirrors: Callable[[], Sequence[Remote]]
    approximate_size: int | None = None
    _listings: dict[str, tuple[RemoteFile, ...]] = field(default_factory=dict)
    _excluded: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def is_excluded(self, mirror: str) -> bool:
        """Whether a mirror served wrong bytes."""
        return mirror in self._excluded

    def list_files(self, remote: Remote, *, refresh: bool = False) -> tuple[RemoteFile, ...]:
        """Return what a mirror lists, asking it once."""
        with self._lock:  # several threads ask at once when a mirror fails; one listing serves all
            if refresh or remote.name not in self._listings:
                self._listings[remote.name] = self._with_approximate_size(remote.find(self.dataset))
            return self._listings[remote.name]

    def _with_approximate_size(self, remote_files: tuple[RemoteFile, ...]) -> tuple[RemoteFile, ...]:
        """Return the listing; an archive without one gets the approximate size that another mirror has."""
        if len(remote_files) != 1 or remote_files[0].local is not None:
            return remote_files
        (file,) = remote_files
        return (replace(file, approximate_size=file.approximate_size or self.approximate_size),)

    def fetch_files(
        self, remote: Remote, is_wanted: Callable[[RemoteFile], bool] = lambda _file: True
    ) -> tuple[VerifiedFile, ...]:
        """Download the files that `remote` lists, or those `is_wanted`, except those in the cache.

        Raises as :meth:`~decnef_data.transfer.failover.Transfer.fetch` does.
        """
        remote_files = tuple(file for file in self.list_files(remote) if is_wanted(file))
        verified: dict[str, VerifiedFile] = {}
        for file in remote_files:
            names = (self.dataset.name, remote.name)
            # From the cheapest to the dearest: by receipts, then by hashing what has the name.
            cached = self.files.find_verified(*names, file)
            cached = cached or self.files.reuse_from_other_mirror(*names, file)
            cached = cached or self._transfer(remote, file, self.progress).recover(remote.name, file)
            if cached is not None:
                verified[file.path] = cached
        missing = [file for file in remote_files if file.path not in verified]
        small = [file for file in missing if file.size is not None and file.size <= SMALL_FILE_SIZE]
        if len(small) > 1:
            verified |= self._fetch_small_files(remote, small)
        for file in missing:
            if file.path not in verified:
                verified[file.path] = self._fetch_file(remote, file, self.progress)
        return tuple(verified[file.path] for file in remote_files)

    def _fetch_small_files(self, remote: Remote, small: list[RemoteFile]) -> dict[str, VerifiedFile]:
        """Download many small files over a few persistent connections, with one progress for all."""
        label, total = f"{len(small)} files", sum(file.size or 0 for file in small)
        self.progress.start(label, total, 0)
        remote.prepare(small)
        batch_progress = _BatchProgress(self.progress, remote.name)
        fetch_one = partial(self._fetch_file, remote, progress=batch_progress)
        try:
            results = map_on_threads(fetch_one, small, f"decnef-{remote.name}", batch_progress.flush)
        finally:
            remote.prepare(())
            batch_progress.flush(0)
            self.progress.finish()
        return dict(zip((file.path for file in small), results, strict=True))

    def _fetch_file(self, remote: Remote, file: RemoteFile, progress: Progress) -> VerifiedFile:
        transfer = self._transfer(remote, file, progress)
        while True:
            try:
                return transfer.fetch(MirrorFile(remote, file))
            except FileChangedError:
                log_args = (file.path, remote.name)
                _LOG.warning(
                    "'%s' changed at '%s' during the download; restarting from the beginning.", *log_args
                )
                return self._refetch_changed(transfer, remote, file)
            except IntegrityError as error:
                self._exclude_mirror(error.mirror or remote.name)
                if error.mirror in {None, remote.name}:
                    raise  # else another mirror sent the wrong bytes, which is excluded now

    def _transfer(self, remote: Remote, file: RemoteFile, progress: Progress) -> Transfer:
        is_archive = len(self.list_files(remote)) == 1 or has_archive_suffix(file.path)
        find_alternatives = partial(self._find_alternatives, remote)
        return Transfer(self.dataset.name, self.files, progress, find_alternatives, is_archive=is_archive)

    def _exclude_mirror(self, mirror: str) -> None:
        if mirror not in self._excluded:
            _LOG.warning(
                "Data from '%s' failed verification; this mirror is not used again in this run.", mirror
            )
        self._excluded.add(mirror)

    def _refetch_changed(self, transfer: Transfer, remote: Remote, file: RemoteFile) -> VerifiedFile:
        """Download the file that the mirror has now."""
        remote_files = self.list_files(remote, refresh=True)
        current = next((candidate for candidate in remote_files if candidate.path == file.path), None)
        try:
            if current is not None:
                return transfer.fetch(MirrorFile(remote, current))
        except FileChangedError:  # changed twice within one download: it will not settle
            pass
        message = f"'{file.path}' keeps changing at '{remote.name}'. Try again later, or use another mirror."
        raise MirrorError(message, mirror=remote.name)

    def _find_alternatives(self, failed: Remote, file: RemoteFile) -> Iterator[MirrorFile]:
        """Yield the same bytes at those other mirrors that can be asked."""
        for remote in self.other_mirrors():
            if remote.name == failed.name or remote.name in self._excluded:
                continue
            try:
                remote_files = self.list_files(remote)
            except DecnefDataError as error:
                _LOG.info("'%s' cannot provide '%s' either: %s", remote.name, file.path, error)
                continue
            yield from (
                MirrorFile(remote, candidate)
                for candidate in remote_files
                if MirrorFile(remote, candidate).has_same_bytes(file)
            )


class _BatchProgress:
    """Sums the progress of many transfers; only the thread that waits for them reports it."""

    def __init__(self, progress: Progress, mirror: str) -> None:
        self._progress, self._mirror = progress, mirror
        # Threads of several transfers add to the same count.
        self._lock = threading.Lock()
        self._count = 0

    def start(self, what: str, total: int | None, done: int) -> None:  # noqa: ARG002 - as in Progress
        self.advance(done)

    def advance(self, count: int) -> None:
        with self._lock:
            self._count += count

    def set_source(self, mirror: str, connections: int) -> None:
        pass

    def set_scan_count(self, count: int) -> None:
        pass

    def finish(self) -> None:
        pass

    def flush(self, connections: int) -> None:
        """Report the bytes received since the last call, and the number of connections."""
        with self._lock:
            count, self._count = self._count, 0
        if connections:
            self._progress.set_source(self._mirror, connections)
        if count:
            self._progress.advance(count)
