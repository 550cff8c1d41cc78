"""File systems that refuse what others do."""

import os
import stat

import pytest


def refuse_folders(monkeypatch: pytest.MonkeyPatch, code: int) -> list[str]:
    """Let the fsync of folders fail; return the list of what is synced, files and folders."""
    fsync, synced = os.fsync, []

    def of_files(descriptor: int) -> None:
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        synced.append("folder" if is_folder else "file")
        if is_folder:
            raise OSError(code, os.strerror(code))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", of_files)
    return synced
