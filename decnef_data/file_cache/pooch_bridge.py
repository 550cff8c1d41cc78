"""The use of pooch: it moves a large verified file into place, and holds the registry of the files."""

import os
import re
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from decnef_data.atomic_files import make_private_folder
from decnef_data.model import RemoteFile, VerifiedFile
from decnef_data.path_text import unescape_path

if TYPE_CHECKING:
    import pooch

_ORPHAN_NAME: Final = re.compile(r"tmp[a-z0-9_]{8}")  # the names of tempfile, and so of pooch
_ORPHAN_AGE: Final = 3600.0
_MIN_POOCH_SIZE: Final = 1 << 20
_RENAME_GRACE: Final = 10.0  # pooch renames its temporary file at once
_POOCH_LOCK: Final = threading.Lock()  # all threads share pooch's logger, which is silenced meanwhile


def move_into_place(verified_path: Path, folder: Path, path: str, size: int) -> None:
    """Move the verified file `verified_path`, of `size` bytes, to ``folder/path`` through pooch.

    The registry value is ``None`` because the bytes were verified as they were received: with a hash,
    pooch would read them all once more.  A file that is replaced is there until the new one is.
    A small file is renamed directly: pooch creates two temporary files for each, which is slow for thousands.
    """
    location = folder / path
    make_private_folder(location.parent)
    if size >= _MIN_POOCH_SIZE:
        import pooch

        file_pooch = pooch.create(path=folder, base_url="", registry={path: None})
        with _POOCH_LOCK, _silence_pooch():
            file_pooch.fetch(path, downloader=lambda _url, staged, _pooch: verified_path.replace(staged))
        if not verified_path.exists():
            return  # otherwise pooch kept what it found: an older file, or one that another process placed
    verified_path.replace(location)


def registry(folder: Path, files: Iterable[VerifiedFile]) -> "pooch.Pooch":
    """Return a pooch with the checksums of `files`; it has no base URL, so it downloads nothing."""
    import pooch

    checksums = {unescape_path(file.path): str(file.checksums[0]) for file in files}
    return pooch.create(path=folder, base_url="", registry=checksums)


def recover_orphan(folder: Path, file: RemoteFile, destination: Path) -> None:
    """Rename to `destination` what a process that was killed while it placed a large `file` left in `folder`.

    It is verified again, which is impossible for a file without a checksum.
    """
    if file.checksum is None or file.size is None or file.size < _MIN_POOCH_SIZE:
        return
    for orphan, stat in _list_orphans(folder):
        if stat.st_size == file.size and time.time() - stat.st_ctime > _RENAME_GRACE:
            with suppress(FileNotFoundError):  # its process was only slow, and renamed it
                orphan.rename(destination)


def remove_orphans(folder: Path) -> None:
    """Remove the temporary files of killed processes; that of a running one is moments old."""
    for orphan, stat in _list_orphans(folder):
        if time.time() - stat.st_mtime > _ORPHAN_AGE:
            orphan.unlink(missing_ok=True)


def _list_orphans(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield pooch's temporary files, most of which are about to be renamed."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if _ORPHAN_NAME.fullmatch(path.name):
            with suppress(FileNotFoundError):
                yield path, path.stat()


@contextmanager
def _silence_pooch() -> Iterator[None]:
    """Keep pooch from announcing a download that already happened."""
    import pooch

    logger = pooch.get_logger()
    was_disabled = logger.disabled
    logger.disabled = True
    try:
        yield
    finally:
        logger.disabled = was_disabled
