"""A folder in which nothing can be written or deleted."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def undeletable(folder: Path) -> Iterator[None]:
    """Keep everyone, root included, from writing to a folder: by its modes, and for root by a mount over itself."""
    if os.geteuid() != 0:
        modes = {path: path.stat().st_mode for path in (folder, *folder.rglob("*")) if path.is_dir()}
        for path in modes:
            path.chmod(0o500)
        try:
            yield
        finally:
            for path, mode in modes.items():
                path.chmod(mode)
        return
    commands = (["mount", "--bind", folder, folder], ["mount", "-o", "remount,ro,bind", folder])
    for command in commands:
        if subprocess.run(command, capture_output=True, check=False).returncode:
            subprocess.run(["umount", "-l", folder], capture_output=True, check=False)
            pytest.skip("nothing can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)
