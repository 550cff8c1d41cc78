"""The inventory of an unpacked folder, kept beside the receipts, and the verification of files against it."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
import numpy as np

from decnef_data.atomic_files import write_atomic
from decnef_data.errors import FormatError, SelectionError
from decnef_data.file_tree import walk_files
from decnef_data.formats import nifti
from decnef_data.layouts.imaging import cached
from decnef_data.layouts.imaging.images.voxels import (
    gunzip,
    max_unpacked_size,
    require_header,
    require_length,
)
from decnef_data.layouts.imaging.inventory.files import FileEntry, list_entries, sort_files
from decnef_data.layouts.imaging.inventory.fingerprints import with_fingerprints
from decnef_data.layouts.imaging.inventory.paths import is_subject_folder
from decnef_data.layouts.imaging.inventory.scans import (
    INVENTORY_VERSION,
    Inventory,
    Scan,
    ScanProblem,
    find_scans,
    unread_problems,
)
from decnef_data.layouts.imaging.inventory.sidecar_files import StatusFunction, read_sidecars
from decnef_data.layouts.imaging.inventory.unread import find_unread
from decnef_data.model import FileCheck
from decnef_data.msgspec_support import DECODE_ERRORS
from decnef_data.path_text import escape_path, unescape_path

__all__ = ["build_inventory", "check_images", "load_inventory"]

_DIGEST_DECODER = msgspec.msgpack.Decoder(dict[str, bytes])


def _nothing_known(path: str) -> tuple[int, int] | None:
    del path
    return None


def load_inventory(
    root: Path,
    inventory_path: Path,
    *,
    known_status: StatusFunction = _nothing_known,
    follow_links: bool = False,
) -> Inventory:
    """Load the inventory in `inventory_path` if it is still that of `root`, else build it.

    When the folder of a subject is added or removed, the modification time of the folder above it changes;
    a change inside the folder of a subject is noticed when the file is opened, and that of a sidecar at once:
    `known_status` has the sizes and times of files that were just looked at.
    """
    existing = cached.read(inventory_path, Inventory)
    if existing is not None and _is_current(existing, root, known_status):
        return existing
    return build_inventory(root, inventory_path, follow_links=follow_links)


def build_inventory(root: Path, inventory_path: Path, *, follow_links: bool = False) -> Inventory:
    """List all files; headers are read where names, sizes or times are new.

    Images with the same content get the same fingerprint.

    Raises
    ------
    SelectionError
        `root` is not a folder.
    """
    if not root.is_dir():
        message = (
            f"'{root}' is not a folder. "
            "Unpack the archive, then run `decnef_data.adopt(NAME, PATH)` with the path of the folder."
        )
        raise SelectionError(message, requested=str(root))
    tree = walk_files(root, follow_links=follow_links)
    entries = list(list_entries(tree.folders))
    files = sort_files(entries, tree)
    previous = cached.read(inventory_path, Inventory)
    scans, problems = find_scans(
        files.images,
        lambda path: nifti.read_header_bytes(root / unescape_path(path)),
        # Another folder may have files of the same names, sizes and times.
        previous.scans if previous and previous.root == escape_path(str(root)) else (),
    )
    single = [entry for entry in entries if isinstance(entry, FileEntry)]
    unread = find_unread(entry.path for entry in single)
    inventory = Inventory(
        version=INVENTORY_VERSION,
        root=escape_path(str(root)),
        # Inside the folder of a subject, a change is noticed when the file is opened.
        folders={each.path: each.mtime_ns for each in tree.folders if not is_subject_folder(each.path)},
        scans=with_fingerprints(root, scans),
        troubles=(
            *problems,
            *(ScanProblem.of_image(image, error) for image, error in files.broken),
            *unread_problems(unread, scans),
        ),
        files=sum(len(folder.names) for folder in tree.folders),
        size=sum(sum(folder.sizes) for folder in tree.folders),
        other=files.other,
        unread=unread,
        sidecars=read_sidecars(
            single, lambda path: (root / unescape_path(path)).read_bytes(), of_folder=True
        ),
    ).with_digest()
    with suppress(OSError):  # with a read-only cache, the folder is listed every time
        cached.write(inventory_path, inventory)
    return inventory


def _is_current(inventory: Inventory, root: Path, known_status: StatusFunction) -> bool:
    if (inventory.version, inventory.root) != (INVENTORY_VERSION, escape_path(str(root))):
        return False
    try:
        for folder, mtime in inventory.folders.items():
            # Joined texts take a sixth of the time of paths, of which a release has thousands.
            if os.stat(f"{root}/{unescape_path(folder)}").st_mtime_ns != mtime:  # noqa: PTH116
                return False
        return inventory.sidecars.are_current(root, known_status)
    except OSError:
        return False


class _DigestFile:
    """The digests of files by path, in a separate file because only a deep check needs them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._digests = _read_digests(path)
        self.new_count = 0

    def __contains__(self, path: str) -> bool:
        return path in self._digests

    def matches(self, path: str, location: Path) -> bool:
        with location.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").digest()
        self.new_count += path not in self._digests
        # The first one is trusted: a folder has no checksums but those that were computed here.
        return self._digests.setdefault(path, digest) == digest

    def save(self) -> None:
        write_atomic(self._path, msgspec.msgpack.encode(self._digests))


def check_images(inventory: Inventory, inventory_path: Path, *, deep: bool) -> Iterator[FileCheck]:
    """Yield one check for all images if they are intact, else one for each that is not.

    The first deep check records a digest of every file; later ones compare with it.  The inventory names the
    files that a deep check finds damaged, so that their scans are not opened.

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
    # A deep check reads all files itself, so that one that was repaired is intact again.
    known = {} if deep else {problem.file: problem.message for problem in inventory.damaged}
    file_count, failure_count = 0, 0
    damaged: dict[int, ScanProblem] = {}  # the first problem of each scan
    for number, scan in enumerate(inventory.scans):
        for path, size, time in _list_scan_files(scan):
            file_count += 1
            location = Path(unescape_path(f"{inventory.root}/{path}"))
            check = _check_status(path, location, (size, time))
            if check is None and path in known:
                check = FileCheck(path, "damaged", known[path])
            if check is None and digests is not None:
                check = _check_content(scan, path, location, digests)
            if check is not None:
                failure_count += 1
                if check.state == "damaged":
                    problem = ScanProblem(scan.subject, scan.kind, path, _damage_message(path, check.detail))
                    damaged.setdefault(number, problem)
                yield check
    if digests is not None:
        digests.save()
        found = tuple(damaged.values())
        if inventory.damaged != found:
            with suppress(OSError):  # a cache that may only be read
                changed = msgspec.structs.replace(inventory, damaged=found)
                cached.write(inventory_path, changed.with_digest())
    yield from (FileCheck(problem.file, "damaged", problem.message) for problem in inventory.troubles)
    if file_count and not failure_count:
        new = f", {digests.new_count} checksums recorded for the first time" if digests is not None else ""
        yield FileCheck("images", "intact", f"{file_count} files of {len(inventory.scans)} scans{new}")


def _damage_message(path: str, detail: str) -> str:
    named = detail if path in detail else f"'{path}' is damaged: {detail}"
    remedy = "Once it is restored, run `decnef_data.verify(NAME, deep=True)`"
    return f"{named} {remedy}; until then, strict=False omits the scan."


def _read_digests(path: Path) -> dict[str, bytes]:
    try:
        return _DIGEST_DECODER.decode(path.read_bytes())
    except (FileNotFoundError, *DECODE_ERRORS):
        return {}


def _list_scan_files(scan: Scan) -> Iterator[tuple[str, int, int]]:
    sizes, times = (np.frombuffer(raw, "<i8").tolist() for raw in (scan.file_sizes, scan.mtimes))
    return zip(scan.files, sizes, times, strict=True)


def _check_status(path: str, location: Path, expected: tuple[int, int]) -> FileCheck | None:
    try:
        status = location.stat()
    except OSError:
        return FileCheck(path, "missing", f"'{location}' does not exist.")
    if (status.st_size, status.st_mtime_ns) != expected:
        return FileCheck(path, "changed", "The size or modification time changed.")
    return None


def _check_content(scan: Scan, path: str, location: Path, digests: _DigestFile) -> FileCheck | None:
    """Compare the header of a file with that of its scan, and its digest with the recorded one.

    A gzipped image without a digest is decompressed, which verifies the checksum that it contains.
    """
    try:
        if scan.header is not None:
            # Once: afterwards, the digest shows any change, and reading is cheaper than decompressing.
            if scan.gzipped and path not in digests:
                content = gunzip(location.read_bytes(), path, max_unpacked_size(scan))
                require_length(scan.header, path, len(content))
            # Before the digest, because this error names the field that differs.
            require_header(scan, path, nifti.read_header_bytes(location)[0])
    except FormatError as error:
        return FileCheck(path, "damaged", str(error))
    if not digests.matches(path, location):
        return FileCheck(path, "damaged", "The checksum differs from the recorded one.")
    return None
