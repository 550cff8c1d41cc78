"""Private folders and files (modes 0700 and 0600); files are written completely or not at all."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkstemp
from typing import BinaryIO

from decnef_data.file_systems import keep_private, sync_file


def make_private_folder(folder: Path) -> None:
    """Create `folder` and its missing parents with mode 0700; existing folders keep their mode."""
    if os.path.isdir(folder):  # noqa: PTH112 - called for every file
        return
    missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    for parent in reversed(missing):
        parent.mkdir(mode=0o700, exist_ok=True)


@contextmanager
def open_atomic(path: Path, is_equivalent: Callable[[], bool] | None = None) -> Iterator[BinaryIO]:
    """Open a temporary file with mode 0600 that is renamed to `path` once it is complete and on the disk.

    `is_equivalent` checks whether a file that already has the name is as good.  If so, that file stays:
    another process may have been faster, and what was read from its file remains valid.
    """
    make_private_folder(path.parent)
    descriptor, name = mkstemp(prefix=f".{path.name}.", dir=path.parent)  # 0600
    try:
        keep_private(descriptor, 0o600, path.parent)
        with os.fdopen(descriptor, "w+b") as file:
            yield file
            sync_file(file)  # before the rename, which must not reach the disk first
        _publish(Path(name), path, is_equivalent)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _publish(temporary: Path, path: Path, is_equivalent: Callable[[], bool] | None) -> None:
    if is_equivalent is not None:
        with suppress(OSError):  # the name is taken, or the filesystem has no hard links
            path.hardlink_to(temporary)
    if is_equivalent is None or not is_equivalent():
        temporary.replace(path)
    temporary.unlink(missing_ok=True)


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file with mode 0600, completely or not at all."""
    with open_atomic(path) as file:
        file.write(data)
