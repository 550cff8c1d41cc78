"""Whether a copy is a phantom, wherever it is and whatever it is called: every phantom marks itself.

A folder has a marker file, an archive a marker file among its first members, and every image and matrix of a
phantom says so in its header.
"""

import gzip
import os
import zlib
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Final

from decnef_data.archives import Member, is_readable_file, iter_members
from decnef_data.errors import FormatError
from decnef_data.file_cache.journal import ADOPTED_MIRROR
from decnef_data.layouts.account import MARKER_FILE
from decnef_data.model import LocalCopy, VerifiedFile
from decnef_data.phantom import ARCHIVE_SHA256

__all__ = ["is_synthetic"]

_MARK: Final = b"SYNTHETIC"
_HEADER_SIZE: Final = 4096
#: How much of an archive is read at most: the marks of a phantom are in its first small files.
_MAX_MEMBERS: Final = 64
_MAX_BYTES: Final = 8_000_000


def is_synthetic(copy: LocalCopy) -> bool:
    """Return whether the files of a copy are a phantom; of files that were not kept, the checksum decides."""
    # The archives that this version generates are known without opening them.
    known = {f"sha256:{digest}" for digest in ARCHIVE_SHA256.values()}
    files = copy.files[:1]
    if any(str(checksum) in known for file in files for checksum in file.checksums):
        return True
    if copy.files_removed:
        return False
    archive = files[0].location if len(copy.files) == 1 and is_readable_file(files[0].location) else None
    return _has_marker_file(copy.root) if archive is None else _is_marked_file(archive)


def _has_marker_file(folder: Path) -> bool:
    """Return whether the folder of the data, or that above it, has the marker file."""
    return (folder / MARKER_FILE).exists() or any(folder.glob(f"*/{MARKER_FILE}"))


def _is_marked_file(path: Path) -> bool:
    try:
        status = path.stat()
    except OSError:
        return False
    return _is_marked_archive(os.fspath(path), status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=64)  # archives that a user adopts are few
def _is_marked_archive(path: str, _mtime_ns: int, size: int) -> bool:
    """Return whether the first members of a file are marked; it is read once, until it changes."""
    file = VerifiedFile(Path(path).name, Path(path), size, (), ADOPTED_MIRROR, has_expected_checksum=False)
    with suppress(FormatError, OSError, EOFError, zlib.error):  # damage is reported where the data are read
        return any(map(_is_marked, _first_members(file)))
    return False


def _first_members(file: VerifiedFile) -> Iterator[Member]:
    n_bytes = 0
    members = iter_members([file], lambda _error: None, on_remark=lambda _remark: None)
    for position, member in enumerate(members):
        n_bytes += member.size
        if position >= _MAX_MEMBERS or n_bytes > _MAX_BYTES:
            return
        yield member


def _is_marked(member: Member) -> bool:
    if PurePosixPath(member.path).name == MARKER_FILE:
        return True
    if not member.path.endswith((".nii", ".nii.gz", ".img", ".hdr", ".mat")):
        return False
    start = member.read()
    if start.startswith(b"\x1f\x8b"):
        start = gzip.decompress(start)
    return _MARK in start[:_HEADER_SIZE]
