"""Folders and files that only the user can open, the files whole or not at all."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkstemp
from typing import BinaryIO


def private_folder(folder: Path) -> None:
    """Make `folder` and every missing folder above it with mode 0700; those that exist stay as they are."""
    if os.path.isdir(folder):  # noqa: PTH112 - asked for every file
        return
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)


@contextmanager
def whole(path: Path, there: Callable[[], bool] | None = None) -> Iterator[BinaryIO]:
    """Open a file with mode 0600 that gets the name `path` once it is whole and on the disk.

    With `there`, which says whether the file that has the name is as good, that one stays: another process
    may have been quicker, and what was read of its file still holds.
    """
    private_folder(path.parent)
    descriptor, name = mkstemp(prefix=f".{path.name}.", dir=path.parent)  # 0600
    try:
        with os.fdopen(descriptor, "w+b") as opened:
            yield opened
            opened.flush()
            os.fsync(descriptor)
        _name(Path(name), path, there)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _name(made: Path, path: Path, there: Callable[[], bool] | None) -> None:
    if there is not None:
        with suppress(OSError):  # the name is taken, or there are no hard links here
            path.hardlink_to(made)
    if there is None or not there():
        made.replace(path)
    made.unlink(missing_ok=True)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, for the user alone."""
    with whole(path) as opened:
        opened.write(data)
