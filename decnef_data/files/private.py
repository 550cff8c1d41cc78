"""Folders that only the user can open."""

from pathlib import Path


def private_folder(folder: Path) -> None:
    """Make `folder` and every missing folder above it with mode 0700; those that exist stay as they are."""
    if folder.is_dir():
        return
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)
