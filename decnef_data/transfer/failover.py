"""Download one file into the cache, from several mirrors if needed; resumed, and verified at the end."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from decnef_data.archive_evidence import HEAD_SIZE, describe_head, find_problem, is_page
from decnef_data.disclosure import get_logger
from decnef_data.errors import AccessError, IntegrityError, MirrorError
from decnef_data.file_cache import FileCache, Partial
from decnef_data.mirrors import Remote
from decnef_data.model import Progress, RemoteFile, VerifiedFile
from decnef_data.transfer.answers import AnswerCheck, StartOverError
from decnef_data.transfer.download import RangeDownload

# A file that changes again and again on the mirror would otherwise be begun for ever.
_MAX_RESTARTS: Final = 3
_LOG = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class MirrorFile:
    """A file as one mirror lists it."""

    remote: Remote
    file: RemoteFile

    def has_same_bytes(self, file: RemoteFile) -> bool:
        """Whether both mirrors list the same checksum and size."""
        own = self.file
        return file.checksum is not None and (file.checksum, file.size) == (own.checksum, own.size)


def _no_alternatives(_file: RemoteFile) -> Iterator[MirrorFile]:
    return iter(())


@dataclass(frozen=True, slots=True)
class Transfer:
    """Downloads files of one dataset.

    ``find_alternatives`` finds the same file at other mirrors; it is called only when a mirror fails.
    ``is_archive`` is whether the files have to be archives, which is checked where no checksum is expected.
    """

    dataset: str
    files: FileCache
    progress: Progress
    find_alternatives: Callable[[RemoteFile], Iterator[MirrorFile]] = _no_alternatives
    is_archive: bool = False

    def fetch(self, mirror_file: MirrorFile) -> VerifiedFile:
        """Download a file into the cache, resuming an earlier attempt.

        What a mirror does not provide is requested from the next one that lists the same checksum, in turn,
        as long as any bytes arrive.  After a checksum mismatch the file is downloaded once more from the
        first byte, because a proxy or a disk may have corrupted it: from one mirror alone, so that the
        source of wrong bytes is known.

        Raises
        ------
        AccessError, MirrorError
            No mirror provides the file; the bytes received so far stay and are resumed.
        FileChangedError
            The mirror has another file now.
        IntegrityError
            The bytes were wrong twice, or are not those of an archive; ``mirror`` names who served them.
        OSError
            The disk is full or fails; the bytes received so far stay.
        """
        served: list[MirrorFile] = []
        try:
            return self._fetch_once(mirror_file, served)
        except IntegrityError as error:
            _LOG.warning("%s Retrying once.", error)
        suspect = served[-1] if served else mirror_file
        try:
            return self._fetch_once(mirror_file, [], only=suspect)
        except IntegrityError as error:
            error.mirror = suspect.remote.name
            raise

    def recover(self, mirror: str, file: RemoteFile) -> VerifiedFile | None:
        """Return the file that is in place without a valid receipt, as :meth:`.FileCache.recover` does.

        Without an expected checksum it has to be what a download is accepted as, too.
        """
        return self.files.recover(
            self.dataset, mirror, file, self.progress, lambda location: not self._find_problem(file, location)
        )

    def _fetch_once(
        self, mirror_file: MirrorFile, served: list[MirrorFile], only: MirrorFile | None = None
    ) -> VerifiedFile:
        name, file = mirror_file.remote.name, mirror_file.file
        with (
            _WaitProgress(self, file) as wait_progress,
            self.files.open_partial(self.dataset, name, file, wait_progress) as partial,
        ):
            wait_progress.finish()
            # Another process may have finished the file while this one waited for its lock.
            existing = self.files.find_verified(self.dataset, name, file)
            if existing is not None:
                partial.location.unlink(missing_ok=True)
                return existing
            self.progress.start(file.path, file.size, partial.received)
            try:
                self._download(
                    partial,
                    served,
                    (lambda: self._failover_order(mirror_file)) if only is None else lambda: [only],
                )
            except IntegrityError:
                # Not after other errors, whose bytes are right and are resumed.
                partial.restart()
                raise
            finally:
                self.progress.finish()
            return self.files.finalize_partial(
                self.dataset, name, partial, lambda location: self._require_plausible(file, location, name)
            )

    def _download(
        self, partial: Partial, served: list[MirrorFile], candidates: Callable[[], Iterable[MirrorFile]]
    ) -> None:
        """Download the missing bytes from one mirror after the other, until complete or none sends any."""
        errors: list[tuple[MirrorFile, AccessError | MirrorError]] = []
        previous_size = -1
        while partial.received > previous_size:
            previous_size, error_count = partial.received, len(errors)
            for mirror_file in candidates():
                self._log_failover(errors, mirror_file)
                try:
                    return self._download_from(mirror_file, partial, served)
                except (AccessError, MirrorError) as error:
                    errors.append((mirror_file, error))
            if len(errors) - error_count <= 1:  # there is no other mirror to ask
                break
        # That of the mirror that was asked first, which is the preferred one.
        raise errors[0][1]

    def _download_from(self, mirror_file: MirrorFile, partial: Partial, served: list[MirrorFile]) -> None:
        """Download the missing bytes from one mirror, or all again if its answers do not fit together."""
        remote, file = mirror_file.remote, mirror_file.file
        for attempt in range(1 + _MAX_RESTARTS):
            answers = AnswerCheck(remote.name, file, is_resumed=partial.received > 0)
            download = RangeDownload(remote, file, partial, self.progress, answers)
            # One answer after the other: those of several connections may not fit together.
            if attempt:
                download.use_single_connection()
            try:
                return download.run()
            except StartOverError:
                _LOG.warning(
                    "'%s' may have changed at '%s'; restarting from the beginning.", file.path, remote.name
                )
            finally:
                served += [mirror_file] if download.received_size else []
            partial.restart()
            self.progress.finish()
            self.progress.start(file.path, file.size, 0)
        message = (
            f"'{remote.name}' does not send '{file.path}' in one piece, and does not identify it so that the "
            "pieces could be put together. Try again later, or use another mirror."
        )
        raise MirrorError(message, mirror=remote.name)

    def _require_plausible(self, file: RemoteFile, location: Path, mirror: str) -> None:
        """Raise an error if a file without an expected checksum cannot be what it was listed as."""
        problem = self._find_problem(file, location)
        if problem is not None:
            message = (
                f"'{file.path}' from '{mirror}' cannot be what the catalog lists: {problem}. "
                "It was discarded; request a new link, or use another mirror."
            )
            raise IntegrityError(message, file=file.path, expected="an archive", found=problem, mirror=mirror)

    def _find_problem(self, file: RemoteFile, location: Path) -> str | None:
        """Return why a file without an expected checksum cannot be what it was listed as, or ``None``."""
        if file.checksum is not None:
            return None
        if self.is_archive:
            return find_problem(location, file.approximate_size, check_end=file.size is None)
        return _page_problem(file.path, location)

    def _failover_order(self, mirror_file: MirrorFile) -> Iterator[MirrorFile]:
        """Yield the mirror that lists the file and, only once it failed, those with the same file."""
        yield mirror_file
        yield from self.find_alternatives(mirror_file.file)

    def _log_failover(
        self, errors: list[tuple[MirrorFile, AccessError | MirrorError]], successor: MirrorFile
    ) -> None:
        if errors:
            failed, error = errors[-1]
            log_args = (failed.remote.name, failed.file.path, successor.remote.name, error)
            _LOG.warning("'%s' could not provide all of '%s', requesting the rest from '%s': %s", *log_args)


def _page_problem(path: str, location: Path) -> str | None:
    """Return what was sent in place of a file that is not an archive, unless it may be such a page itself."""
    with location.open("rb") as stream:
        head = stream.read(HEAD_SIZE)
    is_markup = path.lower().endswith((".html", ".htm", ".xml"))
    return f"it is {describe_head(head)}" if is_page(head) and not is_markup else None


class _WaitProgress:
    """Reports the progress of another process with a file, while this one waits for it."""

    def __init__(self, transfer: Transfer, file: RemoteFile) -> None:
        self._transfer, self._file = transfer, file
        self._reported: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.finish()

    def __call__(self) -> None:
        received = self._transfer.files.received_bytes(self._transfer.dataset, self._file)
        if self._reported is None:
            self._transfer.progress.start(self._file.path, self._file.size, 0)
            self._reported = 0
        if received > self._reported:
            self._transfer.progress.advance(received - self._reported)
            self._reported = received

    def finish(self) -> None:
        if self._reported is not None:
            self._transfer.progress.finish()
            self._reported = None
