"""Grants the group of the cache folder read access to one dataset, which nothing else ever does."""

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from decnef_data.client.removal import Removal
from decnef_data.file_systems import restrict_access

__all__ = ["share_with_group"]

# Partial downloads and motion are of no use to others.
_SHARED_KINDS = frozenset({"file", "receipt", "store", "scans"})


def share_with_group(root: Path, top: Path, dataset: str) -> None:
    """Let the group read the files, receipts and stores of a dataset, and enter the folders that lead there.

    Parameters
    ----------
    root
        The root of the cache that has the dataset.
    top
        The cache folder, which is `root` or above it.
    dataset
        The name of the dataset.

    Raises
    ------
    OSError
        A mode could not be changed, as where a file belongs to another user: the group cannot read it.
    """
    items = (item.path for item in Removal(root, dataset).items() if item.kind in _SHARED_KINDS)
    paths = {path for item in items for path in (item, *_list_tree(item), *_folders_between(top, item))}
    for path in sorted(paths):
        mode = path.lstat().st_mode
        if not stat.S_ISLNK(mode):  # what it leads to may be anywhere
            read = stat.S_IRGRP | (stat.S_IXGRP if stat.S_ISDIR(mode) else 0)
            restrict_access(path, stat.S_IMODE(mode) | read)
            if path.lstat().st_mode & read != read:  # a mode that cannot be set is no error there
                message = "Its mode cannot be changed, so the group cannot read it. Ask its owner to share it"
                raise PermissionError(errno.EPERM, message, str(path))


def _list_tree(item: Path) -> Iterator[Path]:
    """Yield everything below a store; nothing if the item is a file."""
    for parent, folders, names in os.walk(item):
        yield from (Path(parent, name) for name in (*folders, *names))


def _folders_between(top: Path, item: Path) -> Iterator[Path]:
    return (parent for parent in item.parents if parent.is_relative_to(top))
