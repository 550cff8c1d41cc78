"""The cache of what is derived from one archive: inventory, seek index, tables, and stores of used scans.

All of it is in one folder, named after the checksum of the archive, so that deleting the folder deletes all
data of participants.  The inventory is written last, so that it never refers to missing files.
"""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from decnef_data.archives import SeekIndex
from decnef_data.atomic_files import write_atomic
from decnef_data.layouts.imaging import cached
from decnef_data.layouts.imaging.inventory import INVENTORY_VERSION, Inventory, Scan
from decnef_data.model import FileCheck, VerifiedFile
from decnef_data.stores import scan_store

if TYPE_CHECKING:
    from decnef_data.model import LocalCopy

__all__ = ["ScanCache", "store_name"]

_DESCRIPTION: Final = "about.json"
_INVENTORY: Final = "inventory"
_INDEX: Final = "index"
_TABLES: Final = "tables"
_DIGEST_LENGTH: Final = 12


def store_name(scan: Scan) -> str:
    """Return the name of the store of a scan, from its labels and a hash of its files.

    Examples
    --------
    >>> labels = {"subject": "sub-0001", "session": "", "kind": "t1w", "run": 1}
    >>> store_name(Scan(**labels, folder="a", file_names="b", file_sizes=b"", mtimes=b""))
    'sub-0001_t1w_c14cddc033f6'
    """
    files = f"{scan.folder}/{scan.file_names}".encode() + scan.file_sizes
    digest = hashlib.sha256(files).hexdigest()[:_DIGEST_LENGTH]
    return "_".join(filter(None, (scan.subject, scan.session, scan.kind, digest)))


class ScanCache:
    """The cache folder of one archive.

    Parameters
    ----------
    folder
        The folder, which need not exist.
    shared
        The cache of the same archive in a shared data folder, which is only read.

    Examples
    --------
    >>> ScanCache(Path("nowhere")).load_inventory() is None
    True
    """

    def __init__(self, folder: Path, shared: "ScanCache | None" = None) -> None:
        self.folder = folder
        self._shared = shared

    def write_dataset(self, dataset: str) -> None:
        """Record the name of the dataset, before anything else is written."""
        if self.read_dataset() != dataset:
            write_atomic(self.folder / _DESCRIPTION, msgspec.json.encode({"dataset": dataset}))

    def read_dataset(self) -> str | None:
        """Return the name of the dataset, ``None`` if there is none."""
        try:
            return str(
                msgspec.json.decode((self.folder / _DESCRIPTION).read_bytes(), type=dict[str, str])["dataset"]
            )
        except (FileNotFoundError, msgspec.DecodeError, KeyError):
            return None

    def load_inventory(self) -> Inventory | None:
        """Load the inventory of the archive, if the archive was read to its end."""
        inventory = cached.read(self.folder / _INVENTORY, Inventory)
        if inventory is not None and inventory.version == INVENTORY_VERSION:
            return inventory
        return self._shared.load_inventory() if self._shared else None

    def load_index(self) -> SeekIndex | None:
        """Load the seek index of the archive."""
        index = cached.read(self.folder / _INDEX, SeekIndex)
        return self._shared.load_index() if index is None and self._shared else index

    def save(self, inventory: Inventory, index: SeekIndex) -> None:
        """Save index and inventory; the inventory last, because it marks the cache as complete."""
        cached.write(self.folder / _INDEX, index)
        cached.write(self.folder / _INVENTORY, inventory)

    def save_table(self, path: str, data: bytes) -> None:
        """Save a table as it is in the archive."""
        write_atomic(self.folder / _TABLES / path, data)

    def list_tables(self, copy: "LocalCopy") -> tuple[VerifiedFile, ...]:
        """Return the saved tables as files of the copy."""
        root = self.folder / _TABLES
        if self._shared and not root.is_dir():
            return self._shared.list_tables(copy)
        paths = sorted(path for path in root.rglob("*") if path.is_file())
        return tuple(_verified_file(path, root, copy.mirror) for path in paths)

    def store_path(self, scan: Scan) -> Path:
        """Return the path of the store of a scan, which need not exist."""
        own_path = scan_store.store_path(self.folder, store_name(scan))
        if self._shared and not own_path.is_dir():
            shared_path = scan_store.store_path(self._shared.folder, store_name(scan))
            return shared_path if shared_path.is_dir() else own_path
        return own_path

    def missing_scans(self, scans: Iterable[Scan]) -> tuple[Scan, ...]:
        """Return the scans without a store."""
        stored = scan_store.list_names(self.folder)
        stored |= scan_store.list_names(self._shared.folder) if self._shared else set()
        return tuple(scan for scan in scans if store_name(scan) not in stored)

    def check_stores(self, *, deep: bool) -> Iterator[FileCheck]:
        """Check every file of every store."""
        for name in sorted(scan_store.list_names(self.folder)):
            yield from scan_store.check(scan_store.store_path(self.folder, name), deep=deep)

    def repair(self) -> None:
        """Remove damaged stores, which are written again on request."""
        for name in scan_store.list_names(self.folder):
            path = scan_store.store_path(self.folder, name)
            if any(check.state != "intact" for check in scan_store.check(path, deep=True)):
                scan_store.remove(path)

    def remove(self) -> None:
        """Remove the folder."""
        scan_store.remove(self.folder)

    def move_from(self, other: "ScanCache") -> None:
        """Move the content of another cache of the same archive, on the same file system, to this one."""
        self.folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            other.folder.rename(self.folder)
        except OSError:
            if not self.folder.is_dir():
                raise
            self._merge_from(other)

    def _merge_from(self, other: "ScanCache") -> None:
        for name in sorted(scan_store.list_names(other.folder) - scan_store.list_names(self.folder)):
            with suppress(OSError):  # another process was faster; a missing store is written again
                scan_store.store_path(other.folder, name).rename(scan_store.store_path(self.folder, name))
        if self.load_inventory() is None:
            other_tables = other.folder / _TABLES
            for table in sorted(path for path in other_tables.rglob("*") if path.is_file()):
                self.save_table(table.relative_to(other_tables).as_posix(), table.read_bytes())
            for name in (_INDEX, _INVENTORY):
                (other.folder / name).rename(self.folder / name)


def _verified_file(path: Path, root: Path, mirror: str) -> VerifiedFile:
    name = path.relative_to(root).as_posix()
    return VerifiedFile(name, path, path.stat().st_size, (), mirror, has_expected_checksum=False)
