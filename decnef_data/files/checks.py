"""Compares files with their receipts: by size and time, or byte by byte."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from decnef_data.errors import IntegrityError
from decnef_data.files.receipts import Journal
from decnef_data.model import Checksum, FileCheck, Progress, RemoteFile


def hashed(location: Path, algorithm: str, progress: Progress) -> tuple[Checksum, ...]:
    """Hash a file, telling how far it is."""
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


def verify(journal: Journal | None, *, deep: bool) -> Iterator[FileCheck]:
    """Compare every file of a copy with its receipt; files that were dropped on purpose are not missed."""
    if journal is None or journal.mark is None or journal.mark.state == "dropped":
        return
    for path in journal.mark.paths:
        yield check(journal, path, deep=deep)


def check(journal: Journal, path: str, *, deep: bool) -> FileCheck:
    """Compare one file with its receipt."""
    receipt = journal.receipts.get(path)
    location = journal.root / path
    if receipt is None or not location.exists():
        return FileCheck(path, "missing", f"'{location}' is not there.")
    if not deep:
        same = journal.unchanged(receipt)
        return FileCheck(path, "whole" if same else "changed", "" if same else "Its size or time changed.")
    expected = Checksum.parse(receipt.checksums[0])
    with location.open("rb") as stream:
        found = hashlib.file_digest(stream, expected.algorithm).hexdigest()
    same = found == expected.hexdigest
    return FileCheck(
        path, "whole" if same else "damaged", "" if same else f"{expected} expected, {found} found."
    )


def not_as_stated(file: RemoteFile, found: Checksum) -> IntegrityError:
    """Say that a file which lies here already is not the one that is stated."""
    message = (
        f"'{file.path}' is not what is stated of it: {file.checksum} expected, {found} found. Get it anew."
    )
    return IntegrityError(message, file=file.path, expected=str(file.checksum), found=str(found))
