"""The inventory of an unpacked folder, kept beside the receipts, and the verification of files against it."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
import numpy as np

from decnef_data.atomic_files import write_atomic
from decnef_data.errors import SelectionError
from decnef_data.formats import nifti
from decnef_data.layouts.imaging import cached
from decnef_data.layouts.imaging.inventory import (
    INVENTORY_VERSION,
    FileEntry,
    Inventory,
    Scan,
    find_scans,
    with_fingerprint,
)
from decnef_data.layouts.imaging.paths import is_junk, is_subject_folder
from decnef_data.model import FileCheck

__all__ = ["build_inventory", "check_images", "list_files", "load_inventory"]

_DIGEST_DECODER = msgspec.msgpack.Decoder(dict[str, bytes])


def load_inventory(root: Path, inventory_path: Path, *, compute_fingerprints: bool = False) -> Inventory:
    """Load the inventory in `inventory_path` if it is still that of `root`, else build it.

    When the folder of a subject is added or removed, the modification time of the folder above it changes;
    a change inside the folder of a subject is noticed when the file is opened.
    """
    existing = cached.read(inventory_path, Inventory)
    if existing is not None and _is_current(existing, root):
        return existing
    return build_inventory(root, inventory_path, compute_fingerprints=compute_fingerprints)


def build_inventory(root: Path, inventory_path: Path, *, compute_fingerprints: bool = False) -> Inventory:
    """List all files; headers are read where names, sizes or times are new.

    With `compute_fingerprints`, T1 images with the same content get the same fingerprint.

    Raises
    ------
    SelectionError
        `root` is not a folder.
    """
    if not root.is_dir():
        message = (
            f"'{root}' is not a folder. "
            "Unpack the archive, then run `decnef adopt` with the path of the folder."
        )
        raise SelectionError(message, requested=str(root))
    folder_mtimes: dict[str, int] = {}
    entries = list(list_files(str(root), folder_mtimes))
    previous = cached.read(inventory_path, Inventory)
    scans, problems = find_scans(
        entries,
        lambda path: nifti.read_header_bytes(root / path),
        previous.scans if previous and previous.root == str(root) else (),
    )
    inventory = Inventory(
        version=INVENTORY_VERSION,
        root=str(root),
        folders=folder_mtimes,
        scans=tuple(_add_fingerprint(root, scan) for scan in scans) if compute_fingerprints else scans,
        troubles=problems,
        files=len(entries),
        size=sum(entry.size for entry in entries),
    )
    with suppress(OSError):  # with a read-only cache, the folder is listed every time
        cached.write(inventory_path, inventory)
    return inventory


def list_files(root: str, folder_mtimes: dict[str, int], subfolder: str = "") -> Iterator[FileEntry]:
    """List the files, and add the modification times of folders outside those of subjects to `folder_mtimes`.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as root:
    ...     _ = Path(root, "participants.tsv").write_text("participant_id")
    ...     [entry.path for entry in list_files(root, {})]
    ['participants.tsv']
    """
    if not subfolder or not is_subject_folder(subfolder):
        folder_mtimes[subfolder] = os.stat(f"{root}/{subfolder}").st_mtime_ns  # noqa: PTH116 - a path of text
    with os.scandir(f"{root}/{subfolder}") as listing:
        entries = sorted(
            (entry for entry in listing if not is_junk(entry.name)), key=lambda entry: entry.name
        )
    for entry in entries:
        path = f"{subfolder}/{entry.name}" if subfolder else entry.name
        if entry.is_dir(follow_symlinks=False):  # a link may point to a folder above
            yield from list_files(root, folder_mtimes, path)
        elif entry.is_file():
            status = entry.stat()
            yield FileEntry(path, status.st_size, status.st_mtime_ns)


def _add_fingerprint(root: Path, scan: Scan) -> Scan:
    if scan.kind != "t1w" or scan.fingerprint:
        return scan
    with (root / scan.files[0]).open("rb") as file:

        def read(start: int, count: int) -> bytes:
            file.seek(start)
            return file.read(count)

        return with_fingerprint(scan, read)


def _is_current(inventory: Inventory, root: Path) -> bool:
    if (inventory.version, inventory.root) != (INVENTORY_VERSION, str(root)):
        return False
    try:
        return all((root / folder).stat().st_mtime_ns == mtime for folder, mtime in inventory.folders.items())
    except OSError:
        return False


class _DigestFile:
    """The digests of files by path, in a separate file because only a deep check needs them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._digests = _read_digests(path)
        self.new_count = 0

    def matches(self, path: str, location: Path) -> bool:
        with location.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").digest()
        self.new_count += path not in self._digests
        return self._digests.setdefault(path, digest) == digest

    def save(self) -> None:
        write_atomic(self._path, msgspec.msgpack.encode(self._digests))


def check_images(inventory: Inventory, inventory_path: Path, *, deep: bool) -> Iterator[FileCheck]:
    """Yield one check for all images if they are intact, else one for each that is not.

    The first deep check records a digest of every file; later ones compare with it.

    Parameters
    ----------
    inventory
        The inventory of the folder.
    inventory_path
        The file of the inventory; the digests are beside it.
    deep
        Whether to read every byte.
    """
    digests = _DigestFile(inventory_path.with_suffix(".digests")) if deep else None
    file_count, failure_count = 0, 0
    for scan in inventory.scans:
        for path, size, time in _list_scan_files(scan):
            file_count += 1
            check = _check_file(Path(inventory.root), path, (size, time), digests)
            if check is not None:
                failure_count += 1
                yield check
    if digests is not None:
        digests.save()
    yield from (FileCheck(problem.file, "damaged", problem.message) for problem in inventory.troubles)
    if file_count and not failure_count:
        new = f", {digests.new_count} checksums recorded for the first time" if digests is not None else ""
        yield FileCheck("images", "intact", f"{file_count} files of {len(inventory.scans)} scans{new}")


def _read_digests(path: Path) -> dict[str, bytes]:
    try:
        return _DIGEST_DECODER.decode(path.read_bytes())
    except (FileNotFoundError, msgspec.DecodeError):
        return {}


def _list_scan_files(scan: Scan) -> Iterator[tuple[str, int, int]]:
    sizes, times = (np.frombuffer(raw, "<i8").tolist() for raw in (scan.file_sizes, scan.mtimes))
    return zip(scan.files, sizes, times, strict=True)


def _check_file(
    root: Path, path: str, expected: tuple[int, int], digests: _DigestFile | None
) -> FileCheck | None:
    location = root / path
    try:
        status = location.stat()
    except OSError:
        return FileCheck(path, "missing", f"'{location}' does not exist.")
    if (status.st_size, status.st_mtime_ns) != expected:
        return FileCheck(path, "changed", "The size or modification time changed.")
    if digests is not None and not digests.matches(path, location):
        return FileCheck(path, "damaged", "The checksum differs from the recorded one.")
    return None
