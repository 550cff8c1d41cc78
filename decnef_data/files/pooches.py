"""Where pooch comes in: it gives a verified file its place, and hands out the registry of the files."""

import re
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from decnef_data.files.private import private_folder
from decnef_data.model import VerifiedFile

if TYPE_CHECKING:
    import pooch

_ORPHAN: Final = re.compile(r"tmp[a-z0-9_]{8}")  # how tempfile, and so pooch, names its temporary files
_OLD: Final = 3600.0
_placing: Final = threading.Lock()  # pooch's logger is one for all


def place(arrived: Path, folder: Path, path: str) -> None:
    """Move the verified file `arrived` to ``folder/path``, by pooch's own staging and renaming.

    The registry value is ``None`` because the bytes were verified as they came: with a hash, pooch
    would read them all once more.
    """
    import pooch

    location = folder / path
    private_folder(location.parent)
    location.unlink(missing_ok=True)  # pooch keeps what it finds; what lay here is not what was asked for
    keeper = pooch.create(path=folder, base_url="", registry={path: None})
    with _placing, _quiet():
        keeper.fetch(path, downloader=lambda _url, staged, _pooch: arrived.replace(staged))
    if arrived.exists():  # another process had put its own there meanwhile, which pooch kept
        arrived.replace(location)


def registry(folder: Path, files: Iterable[VerifiedFile]) -> "pooch.Pooch":
    """Give the pooch that knows `files` by their checksums; it has no base URL, so it downloads nothing."""
    import pooch

    known = {file.path: str(file.checksums[0]) for file in files}
    return pooch.create(path=folder, base_url="", registry=known)


def sweep(folder: Path) -> None:
    """Remove the temporary files that a killed process left; a living one's is seconds old."""
    for found in folder.iterdir() if folder.is_dir() else ():
        if _ORPHAN.fullmatch(found.name) and time.time() - found.stat().st_mtime > _OLD:
            found.unlink(missing_ok=True)


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
