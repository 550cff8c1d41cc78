"""Tells of several files at once: one progress and one line, not one a file."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from decnef_data.model import Progress, RemoteFile, VerifiedFile

_LOG = logging.getLogger("decnef_data.files")


@contextmanager
def together(progress: Progress, files: Sequence[RemoteFile]) -> Iterator[Progress]:
    """Tell `progress` of all the files as one; of a single file, as it is."""
    if len(files) == 1:
        yield progress
        return
    progress.start(f"verifying {len(files):,} files", sum(file.size or 0 for file in files), 0)
    try:
        yield _Within(progress)
    finally:
        progress.finish()


def say_first_sight(mirror: str, files: Sequence[VerifiedFile]) -> None:
    """Say whose checksums nobody stated."""
    unstated = [file for file in files if not file.stated]
    if len(unstated) == 1:
        told = (unstated[0].path, mirror, unstated[0].checksums[0])
        _LOG.info("'%s': '%s' states no checksum; %s is recorded at first sight.", *told)
    elif unstated:
        told_all = (mirror, f"{len(unstated):,}")
        _LOG.info("'%s' states no checksums; those of %s files are recorded at first sight.", *told_all)


class _Within:
    """Passes on how much was done, of one file among many."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def start(self, what: str, total: int | None, done: int) -> None:
        """Say nothing: the whole has begun."""

    def advance(self, count: int) -> None:
        """Pass it on."""
        self._progress.advance(count)

    def via(self, mirror: str, connections: int) -> None:
        """Say nothing: the files are on this machine."""

    def scans(self, count: int) -> None:
        """Say nothing: they are not counted here."""

    def finish(self) -> None:
        """Say nothing: the whole has not ended."""
