"""Whether a folder's images are still what they were when they were listed, and when they were hashed."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from decnef_data.files.private import write_whole
from decnef_data.model import FileCheck

if TYPE_CHECKING:
    from decnef_data.layouts.inventory import Inventory, Scan

__all__ = ["checks"]

_DIGESTS = msgspec.msgpack.Decoder(dict[str, bytes])


def checks(inventory: "Inventory", kept: Path, *, deep: bool) -> Iterator[FileCheck]:
    """Give one line for all images that are whole, else a line for each that is not.

    The first deep check records a digest of every file; later ones compare with it.

    Parameters
    ----------
    inventory
        What was listed.
    kept
        Where the inventory is kept; the digests are beside it.
    deep
        Whether to read every byte.
    """
    digests = _Digests(kept.with_suffix(".digests")) if deep else None
    files, wrong = 0, 0
    for scan in inventory.scans:
        for path, size, time in _files(scan):
            files += 1
            found = _checked(Path(inventory.root), path, (size, time), digests)
            if found is not None:
                wrong += 1
                yield found
    if digests is not None:
        digests.keep()
    yield from (FileCheck(trouble.file, "damaged", trouble.message) for trouble in inventory.troubles)
    if files and not wrong:
        new = f", {digests.new} hashed for the first time" if digests is not None else ""
        yield FileCheck("images", "whole", f"{files} files of {len(inventory.scans)} scans{new}")


class _Digests:
    """The digests of files, by path, in a file of their own: only a deep check needs them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known = _read(path)
        self.new = 0

    def agrees(self, path: str, location: Path) -> bool:
        with location.open("rb") as opened:
            found = hashlib.file_digest(opened, "sha256").digest()
        self.new += path not in self._known
        return self._known.setdefault(path, found) == found

    def keep(self) -> None:
        write_whole(self._path, msgspec.msgpack.encode(self._known))


def _read(path: Path) -> dict[str, bytes]:
    try:
        return _DIGESTS.decode(path.read_bytes())
    except (FileNotFoundError, msgspec.DecodeError):
        return {}


def _files(scan: "Scan") -> Iterator[tuple[str, int, int]]:
    sizes, times = (np.frombuffer(raw, "<i8").tolist() for raw in (scan.sizes, scan.times))
    return zip(scan.files, sizes, times, strict=True)


def _checked(root: Path, path: str, listed: tuple[int, int], digests: _Digests | None) -> FileCheck | None:
    location = root / path
    try:
        status = location.stat()
    except OSError:
        return FileCheck(path, "missing", f"'{location}' is not there.")
    if (status.st_size, status.st_mtime_ns) != listed:
        return FileCheck(path, "changed", "Its size or time changed.")
    if digests is not None and not digests.agrees(path, location):
        return FileCheck(path, "damaged", "Its bytes are not those that were hashed before.")
    return None
