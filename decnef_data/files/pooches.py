"""Where pooch comes in: it gives a large verified file its place, and hands out the registry of the files."""

import os
import re
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from decnef_data.files.private import private_folder
from decnef_data.model import RemoteFile, VerifiedFile

if TYPE_CHECKING:
    import pooch

_ORPHAN: Final = re.compile(r"tmp[a-z0-9_]{8}")  # how tempfile, and so pooch, names its temporary files
_OLD: Final = 3600.0
_LARGE: Final = 1 << 20
_SETTLED: Final = 10.0  # pooch renames its temporary file at once
_placing: Final = threading.Lock()  # pooch's logger is one for all


def place(arrived: Path, folder: Path, path: str, size: int) -> None:
    """Move the verified file `arrived`, of `size` bytes, to ``folder/path``, by pooch's staging and renaming.

    The registry value is ``None`` because the bytes were verified as they came: with a hash, pooch
    would read them all once more.  At no moment is there nothing under a name that had something.
    A small one is renamed at once: pooch makes two temporary files for each, which thousands would feel.
    """
    location = folder / path
    private_folder(location.parent)
    if size >= _LARGE:
        import pooch

        keeper = pooch.create(path=folder, base_url="", registry={path: None})
        with _placing, _quiet():
            keeper.fetch(path, downloader=lambda _url, staged, _pooch: arrived.replace(staged))
        if not arrived.exists():
            return  # else pooch kept what it found: an older file, or what another process put there
    arrived.replace(location)


def registry(folder: Path, files: Iterable[VerifiedFile]) -> "pooch.Pooch":
    """Give the pooch that knows `files` by their checksums; it has no base URL, so it downloads nothing."""
    import pooch

    known = {file.path: str(file.checksums[0]) for file in files}
    return pooch.create(path=folder, base_url="", registry=known)


def reclaim(folder: Path, file: RemoteFile, place: Path) -> None:
    """Give the name `place` to what a process, killed while placing it, left in `folder` of a large `file`.

    It is verified again; of a file without a checksum it could not be.
    """
    if file.checksum is None or file.size is None or file.size < _LARGE:
        return
    for found, stat in _orphans(folder):
        if stat.st_size == file.size and time.time() - stat.st_ctime > _SETTLED:
            with suppress(FileNotFoundError):  # it was not left, only late
                found.rename(place)


def sweep(folder: Path) -> None:
    """Remove the temporary files that a killed process left; a living one's is a moment old."""
    for found, stat in _orphans(folder):
        if time.time() - stat.st_mtime > _OLD:
            found.unlink(missing_ok=True)


def _orphans(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """List pooch's temporary files, most of which are about to be renamed."""
    for found in folder.iterdir() if folder.is_dir() else ():
        if _ORPHAN.fullmatch(found.name):
            with suppress(FileNotFoundError):
                yield found, found.stat()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep pooch from announcing a download that already happened."""
    import pooch

    logger = pooch.get_logger()
    before = logger.disabled
    logger.disabled = True
    try:
        yield
    finally:
        logger.disabled = before
