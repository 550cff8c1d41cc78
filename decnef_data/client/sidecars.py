"""Writes the terms and citation beside data, with a section for each dataset that a folder has data of."""

import errno
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from typing import Final

from decnef_data.atomic_files import make_private_folder, open_atomic
from decnef_data.client.citations import format_citations
from decnef_data.errors import warn_user
from decnef_data.model import Citation, Dataset, LocalCopy
from decnef_data.model.sidecars import (
    CITATION_FILE,
    MARKER_LINE,
    MARKER_LINE_0_1_0,
    SECTION_BREAK,
    TERMS_FILE,
)
from decnef_data.records import Records
from decnef_data.records.terms_text import format_terms

__all__ = ["write_sidecars", "write_texts"]

# Writing two small files takes milliseconds, on a slow network disk seconds.
_LOCK_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.05
#: How the files begin that this package wrote, which alone are replaced.
_OWN_STARTS: Final = (MARKER_LINE.encode(), MARKER_LINE_0_1_0.encode())


def write_sidecars(
    copy: LocalCopy, dataset: Dataset, records: Records, citations: Sequence[Citation]
) -> None:
    """Write terms and citation into the folder of `copy`, unless the dataset has a file of that name."""
    reserved = {file.path.partition("/")[0] for file in copy.files}
    write_texts(copy.root, dataset, records, citations, frozenset(reserved))


def write_texts(
    folder: Path,
    dataset: Dataset,
    records: Records,
    citations: Sequence[Citation],
    reserved: frozenset[str] = frozenset(),
) -> None:
    """Write terms and citation into a folder, except files whose names are `reserved`.

    What is written there of other datasets stays: the folder has data of several, with all their terms.  So
    does a file of the user, of which a warning is issued.
    """
    texts = {TERMS_FILE: format_terms(dataset, records), CITATION_FILE: _citation_text(dataset, citations)}
    make_private_folder(folder)
    with _locked_folder(folder):
        for name in texts.keys() - reserved:
            _write_section(folder / name, texts[name])


@contextmanager
def _locked_folder(folder: Path) -> Iterator[None]:
    """Wait until no other process writes these files, if the file system has locks.

    Raises
    ------
    TimeoutError
        Another process has held the lock for a minute.
    """
    # The folder itself is locked, so that no lock file stays beside the data.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        _wait_for_lock(descriptor, folder)
        yield
    finally:
        os.close(descriptor)  # the lock ends with it


def _wait_for_lock(descriptor: int, folder: Path) -> None:
    # The files are small: whoever holds the lock for so long was stopped, or waits for its disk.
    last = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            # Without blocking, so that a process that was stopped holds up others for a minute, not for ever.
            return flock(descriptor, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= last:
                message = (
                    f"Another process has kept the terms and citation there locked for {_LOCK_SECONDS:g} "
                    "seconds. Continue or end it, then repeat the request"
                )
                raise TimeoutError(errno.ETIMEDOUT, message, str(folder)) from None
        except OSError:  # no locks: what others wrote is noticed before the file is replaced
            return None
        time.sleep(_POLL_SECONDS)


class _ChangedError(Exception):
    """Another process wrote the file while it was read and written again."""


def _write_section(path: Path, text: str) -> None:
    """Write the section of a dataset into a file; what another process writes meanwhile is read again."""
    while True:
        before = _read(path)
        if before and not before.startswith(_OWN_STARTS):
            message = (
                f"'{path}' is a file of yours, and was left as it is. Rename it and repeat the request, so "
                "that terms and citation are beside the data."
            )
            warn_user(message)
            return
        content = _with_other_datasets(before, text)
        if content == before:
            return
        with suppress(_ChangedError), open_atomic(path) as file:
            file.write(content)
            # As late as possible: without locks, what another process writes after this is lost.
            if _read(path) != before:
                raise _ChangedError


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _with_other_datasets(before: bytes | None, text: str) -> bytes:
    """Return a file with a section for each dataset, of which the first line is its title."""
    title = text.partition("\n")[0]
    marker, _, body = (before or b"").decode(errors="replace").partition("\n\n")
    sections = body.split(SECTION_BREAK) if marker == MARKER_LINE else []
    titles = [section.partition("\n")[0] for section in sections]
    if title in titles:
        sections[titles.index(title)] = text
    else:
        sections.append(text)
    return f"{MARKER_LINE}\n\n{SECTION_BREAK.join(sections)}".encode()


def _citation_text(dataset: Dataset, citations: Sequence[Citation]) -> str:
    texts, bibtex = format_citations(citations, "text"), format_citations(citations, "bibtex")
    return f"{dataset.title}\nPlease cite these works when you use the data:\n\n{texts}\n\n{bibtex}\n"
