"""The cache of what is derived from one archive: inventory, seek index, tables, and stores of used scans.

All of it is in one folder, named after the checksum of the archive, so that deleting the folder deletes all
data of participants.  The inventory is written last, so that it never refers to missing files.  Names of
files are ASCII, whatever the names in the archive are: they have to be created in any locale.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import google_crc32c
import msgspec

from decnef_data.archives import SeekIndex
from decnef_data.atomic_files import write_atomic
from decnef_data.layouts.imaging import cached
from decnef_data.layouts.imaging.inventory.scans import INVENTORY_VERSION, Inventory, SavedTable, Scan
from decnef_data.model import FileCheck, VerifiedFile
from decnef_data.msgspec_support import DECODE_ERRORS
from decnef_data.stores import scan_store
from decnef_data.stores.zarr_groups import stored_name

if TYPE_CHECKING:
    from decnef_data.model import LocalCopy

__all__ = ["ScanCache", "store_name"]

_DESCRIPTION: Final = "about.json"
_INVENTORY: Final = "inventory"
_JOIN: Final = "join"
_INDEX: Final = "index"
_TABLES: Final = "tables"
#: Beside the labels, 48 bits: scans of one subject and kind do not share them by chance.
_DIGEST_LENGTH: Final = 12
#: Three labels of this length and the digest fit into the 255 bytes of a file name.
_PLAIN_LABEL: Final = re.compile(r"[A-Za-z0-9-]{1,60}")


def store_name(scan: Scan) -> str:
    """Return the name of the store of a scan, from its labels and a hash of its files.

    Examples
    --------
    >>> labels = {"subject": "sub-0001", "session": "", "kind": "t1w", "run": 1}
    >>> store_name(Scan(**labels, folder="a", file_names="b", file_sizes=b"", mtimes=b""))
    'sub-0001_t1w_c14cddc033f6'
    """
    # surrogatepass: names in an archive may have bytes that are no UTF-8.
    files = f"{scan.folder}/{scan.file_names}".encode("utf-8", "surrogatepass") + scan.file_sizes
    digest = hashlib.sha256(files).hexdigest()[:_DIGEST_LENGTH]
    labels = filter(None, (scan.subject, scan.session, scan.kind))
    plain = (label if _PLAIN_LABEL.fullmatch(label) else stored_name(label) for label in labels)
    return "_".join((*plain, digest))


@lru_cache(maxsize=64)  # the tables of a copy are a few, and are listed several times per request
def _file_crc32c(path: Path, _signature: tuple[int, ...]) -> int:
    return int(google_crc32c.value(path.read_bytes()))


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
        self._saved_tables: dict[str, SavedTable] = {}

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
        except (FileNotFoundError, *DECODE_ERRORS, KeyError):
            return None

    def load_inventory(self) -> Inventory | None:
        """Load the inventory of the archive, if the archive was read to its end and its tables are intact."""
        inventory = cached.read(self.folder / _INVENTORY, Inventory)
        if inventory is not None and self._is_usable(inventory):
            return inventory
        return self._shared.load_inventory() if self._shared else None

    def _is_usable(self, inventory: Inventory) -> bool:
        is_current = inventory.version == INVENTORY_VERSION
        return is_current and all(map(self._is_intact_table, inventory.tables))

    def _is_intact_table(self, table: SavedTable) -> bool:
        path = self.folder / _TABLES / table.file_name
        try:
            status = path.stat()
            signature = (status.st_ino, status.st_mtime_ns, status.st_size)
            return _file_crc32c(path, signature) == table.crc32c
        except FileNotFoundError:
            return False

    @property
    def join_path(self) -> Path:
        """The path of the file with the scans joined with the tables, which need not exist."""
        return self.folder / _JOIN

    @property
    def was_filled(self) -> bool:
        """Whether the archive was read to its end before, whatever became of the result."""
        return (self.folder / _INVENTORY).exists()

    def load_index(self) -> SeekIndex | None:
        """Load the seek index of the archive."""
        index = cached.read(self.folder / _INDEX, SeekIndex)
        return self._shared.load_index() if index is None and self._shared else index

    def save(self, inventory: Inventory, index: SeekIndex) -> None:
        """Save index and inventory; the inventory last, because it marks the cache as complete."""
        cached.write(self.folder / _INDEX, index)
        tables = tuple(self._saved_tables.values())
        listed = msgspec.structs.replace(inventory, tables=tables).with_digest()
        cached.write(self.folder / _INVENTORY, listed)
        self._remove_other_tables({table.file_name for table in tables})

    def save_table(self, path: str, data: bytes, offset: int = -1) -> None:
        """Save a table as it is in the archive, where it begins at `offset` of the decompressed bytes."""
        name, crc32c = stored_name(path), int(google_crc32c.value(data))
        table = SavedTable(path=path, file_name=name, crc32c=crc32c, offset=offset, size=len(data))
        write_atomic(self.folder / _TABLES / table.file_name, data)
        self._saved_tables[path] = table

    def _remove_other_tables(self, names: set[str]) -> None:
        """Remove the tables that an earlier version saved under other names."""
        for path in sorted((self.folder / _TABLES).rglob("*"), reverse=True):
            if path.is_dir():
                with suppress(OSError):  # another process saves tables
                    path.rmdir()
            elif path.relative_to(self.folder / _TABLES).as_posix() not in names:
                path.unlink(missing_ok=True)

    def list_tables(self, copy: "LocalCopy") -> tuple[VerifiedFile, ...]:
        """Return the saved tables as files of the copy."""
        tables: Iterable[SavedTable] = self._saved_tables.values()
        # While the archive is read, only this object knows its tables: the inventory is written last.
        if not tables:
            inventory = cached.read(self.folder / _INVENTORY, Inventory)
            if inventory is None or not self._is_usable(inventory):
                return self._shared.list_tables(copy) if self._shared else ()
            tables = inventory.tables
        located = (
            (table, self.folder / _TABLES / table.file_name)
            for table in sorted(tables, key=lambda table: table.path)
        )
        return tuple(
            VerifiedFile(
                table.path, location, location.stat().st_size, (), copy.mirror, has_expected_checksum=False
            )
            for table, location in located
        )

    def store_path(self, scan: Scan) -> Path:
        """Return the path of the store of a scan, which need not exist."""
        own_path = self.own_store_path(scan)
        if self._shared and not own_path.is_dir():
            shared_path = self._shared.own_store_path(scan)
            return shared_path if shared_path.is_dir() else own_path
        return own_path

    def own_store_path(self, scan: Scan) -> Path:
        """Return the path at which the store of a scan is written."""
        return scan_store.store_path(self.folder, store_name(scan))

    def missing_scans(self, scans: Iterable[Scan]) -> tuple[Scan, ...]:
        """Return the scans without an intact store."""
        return tuple(scan for scan in scans if not scan_store.is_intact(self.store_path(scan)))

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
        # A folder with files cannot be replaced: the archive was used at this place before.
        except OSError:
            if not self.folder.is_dir():
                raise
            self._merge_from(other)

    def _merge_from(self, other: "ScanCache") -> None:
        for name in sorted(scan_store.list_names(other.folder)):
            path = scan_store.store_path(self.folder, name)
            if not scan_store.is_intact(path):
                scan_store.remove(path)
                with suppress(OSError):  # another process was faster; a missing store is written again
                    scan_store.store_path(other.folder, name).rename(path)
        inventory, index = other.load_inventory(), other.load_index()
        if self.load_inventory() is None and inventory is not None and index is not None:
            for table in inventory.tables:
                content = (other.folder / _TABLES / table.file_name).read_bytes()
                self.save_table(table.path, content, table.offset)
            self.save(inventory, index)
