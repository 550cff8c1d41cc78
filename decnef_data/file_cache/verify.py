"""Verifies files: against their receipts, by size and time or by checksum, and against expected checksums."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from decnef_data.disclosure import get_logger
from decnef_data.errors import IntegrityError
from decnef_data.file_cache.journal import ReceiptJournal
from decnef_data.model import Checksum, FileCheck, Progress, RemoteFile, VerifiedFile

_LOG = get_logger(__name__)


def hash_file(location: Path, algorithm: str, progress: Progress) -> tuple[Checksum, ...]:
    """Return the checksum of a file, reporting progress."""
    digest = hashlib.new(algorithm, usedforsecurity=False)
    progress.start(f"verifying {location.name}", location.stat().st_size, 0)
    try:
        with location.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
                progress.advance(len(block))
    finally:
        progress.finish()
    return (Checksum(algorithm, digest.hexdigest()),)


def verify_copy(journal: ReceiptJournal | None, *, deep: bool) -> Iterator[FileCheck]:
    """Compare every file of a copy with its receipt; files dropped on purpose do not count as missing."""
    if journal is None or journal.status is None or journal.status.state == "dropped":
        return
    for path in journal.status.paths:
        check = _with_basis(_check_file(journal, path, deep=deep), journal)
        # It has the bytes that were received, which were wrong from the start.
        is_unusable = check.state == "intact" and journal.status.state == "unusable"
        yield replace(check, state="damaged", detail="It could not be opened.") if is_unusable else check


def _check_file(journal: ReceiptJournal, path: str, *, deep: bool) -> FileCheck:
    receipt = journal.receipts.get(path)
    location = journal.location(path)
    if not location.exists():
        return FileCheck(path, "missing", f"'{location}' does not exist.")
    if receipt is None:
        return FileCheck(path, "changed", "Its receipt is damaged, so that its checksum is unknown.")
    if not deep:
        matches = journal.is_unchanged(receipt)
        return FileCheck(
            path,
            "intact" if matches else "changed",
            "" if matches else "Its size or modification time has changed.",
        )
    expected = Checksum.parse(receipt.checksums[0])
    with location.open("rb") as stream:
        found = hashlib.file_digest(stream, expected.algorithm).hexdigest()
    matches = found == expected.hexdigest
    return FileCheck(
        path, "intact" if matches else "damaged", "" if matches else f"Expected {expected}, found {found}."
    )


def _with_basis(check: FileCheck, journal: ReceiptJournal) -> FileCheck:
    """Return a check with the recorded checksums, and where the first of them is from."""
    receipt = journal.receipts.get(check.path)
    if receipt is None:
        return check
    return replace(check, checksums=receipt.checksums, basis="expected" if receipt.stated else "first sight")


def local_mismatch_error(file: RemoteFile, found: Checksum) -> IntegrityError:
    """Return the error for a local file that does not have its expected checksum."""
    message = (
        f"The checksum of '{file.path}' does not match: expected {file.checksum}, found {found}. "
        "Download it again."
    )
    return IntegrityError(message, file=file.path, expected=str(file.checksum), found=str(found))


@contextmanager
def combined_progress(progress: Progress, files: Sequence[RemoteFile]) -> Iterator[Progress]:
    """Report several files to `progress` as one task; a single file reports itself."""
    if len(files) == 1:
        yield progress
        return
    progress.start(f"verifying {len(files):,} files", sum(file.size or 0 for file in files), 0)
    try:
        yield _NestedProgress(progress)
    finally:
        progress.finish()


def log_unverified_checksum(mirror: str, files: Sequence[VerifiedFile]) -> None:
    """Log the files that had no expected checksum."""
    unverified = [file for file in files if not file.has_expected_checksum]
    if len(unverified) == 1:
        message = "'%s' from '%s' has no expected checksum; the computed checksum %s was recorded."
        _LOG.info(message, unverified[0].path, mirror, unverified[0].checksums[0])
    elif unverified:
        message = "'%s' lists no checksums; the computed checksums of %s files were recorded."
        _LOG.info(message, mirror, f"{len(unverified):,}")


class _NestedProgress:
    """The progress of one file among many: it only forwards the bytes that were read."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def start(self, what: str, total: int | None, done: int) -> None:
        """Do nothing: the task has started already."""

    def advance(self, count: int) -> None:
        """Report `count` bytes to the common task."""
        self._progress.advance(count)

    def set_source(self, mirror: str, connections: int) -> None:
        """Do nothing: the files are on this machine."""

    def set_scan_count(self, count: int) -> None:
        """Do nothing: scans are not counted here."""

    def finish(self) -> None:
        """Do nothing: the other files follow."""
