"""Moves one file from a mirror into the cache: resumed after a drop, verified before it has a name."""

import logging
import time
from typing import Final

from decnef_data.errors import IntegrityError, MirrorError
from decnef_data.files import Files, Partial
from decnef_data.mirrors import Remote
from decnef_data.model import Progress, RemoteFile, VerifiedFile

_LOG = logging.getLogger(__name__)
#: Seconds to wait after each try in a row that brought nothing.
_WAITS: Final = (0.5, 1.0, 2.0)
_PASSING: Final = frozenset({408, 425, 429, 500, 502, 503, 504})


def transfer(
    remote: Remote, dataset: str, file: RemoteFile, files: Files, progress: Progress
) -> VerifiedFile:
    """Bring `file` into the cache, from where an earlier try left off.

    Wrong bytes are fetched once more from the first byte, for a proxy or a disk may have spoilt them.

    Raises
    ------
    AccessError, MirrorError
        The mirror does not give the file; what came so far stays and is resumed.
    IntegrityError
        The bytes were wrong twice.
    OSError
        The disk is full or refuses; what came so far stays.
    """
    try:
        return _arrive(remote, dataset, file, files, progress)
    except IntegrityError as error:
        _LOG.warning("%s Trying once more.", error)
        return _arrive(remote, dataset, file, files, progress)


def _arrive(remote: Remote, dataset: str, file: RemoteFile, files: Files, progress: Progress) -> VerifiedFile:
    with files.partial(dataset, remote.name, file) as partial:
        arrived = files.held(dataset, remote.name, file)  # while we waited for another process
        if arrived is not None:
            return arrived
        progress.start(file.path, file.size, partial.size)
        try:
            _receive(remote, file, partial, progress)
        finally:
            progress.finish()
        return files.place(dataset, remote.name, partial)


def _receive(remote: Remote, file: RemoteFile, partial: Partial, progress: Progress) -> None:
    """Ask for the rest until it is here; give up when several tries in a row bring nothing."""
    waits = iter(_WAITS)
    whole = partial.complete
    while not whole:
        before = partial.size
        try:
            whole = _ask(remote, file, partial, progress)
        except MirrorError as error:
            waits = iter(_WAITS) if partial.size > before else waits
            wait = next(waits, None)
            if wait is None or not _passes(error):
                raise
            _LOG.info("%s Resuming at byte %d in %.1f s.", error, partial.size, wait)
            time.sleep(wait)


def _ask(remote: Remote, file: RemoteFile, partial: Partial, progress: Progress) -> bool:
    with remote.open(file, start=partial.size) as body:
        if body.start != partial.size:
            progress.advance(body.start - partial.size)
        partial.write(body, progress.advance)
        expected = body.size if file.size is None else file.size
    if expected is not None and partial.size < expected:
        message = (
            f"'{remote.name}' closed the connection at byte {partial.size} of {expected} of '{file.path}'."
        )
        raise MirrorError(message, mirror=remote.name)
    return True


def _passes(error: MirrorError) -> bool:
    """Whether waiting may help: no answer, a cut answer, or a status that says so."""
    return error.status is None or error.status in _PASSING
