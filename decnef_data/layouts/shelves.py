"""What is made of one archive: its inventory, its index, its tables, and a store for each scan in use.

All of it lies in one folder, named after the archive's checksum: whoever purges that purges everything that
images or tables of people went into.  The inventory is written last, so that it never speaks of what is not
there yet.
"""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from decnef_data.files.private import write_whole
from decnef_data.layouts import kept
from decnef_data.layouts.inventory import VERSION, Inventory, Scan
from decnef_data.members import SeekIndex
from decnef_data.model import FileCheck, VerifiedFile
from decnef_data.stores import scans as stores

if TYPE_CHECKING:
    from decnef_data.model import Copy

__all__ = ["Shelf", "name_of"]

_ABOUT: Final = "about.json"
_INVENTORY: Final = "inventory"
_INDEX: Final = "index"
_TABLES: Final = "tables"
_NAMED: Final = 12


def name_of(scan: Scan) -> str:
    """Name a scan's store by whose it is, and by which files went into it.

    Examples
    --------
    >>> about = {"subject": "sub-0001", "session": "", "kind": "t1w", "run": 1, "folder": "a", "names": "b"}
    >>> name_of(Scan(**about, sizes=b"", times=b""))
    'sub-0001_t1w_c14cddc033f6'
    """
    files = f"{scan.folder}/{scan.names}".encode() + scan.sizes
    digest = hashlib.sha256(files).hexdigest()[:_NAMED]
    return "_".join(filter(None, (scan.subject, scan.session, scan.kind, digest)))


class Shelf:
    """The folder of one archive.

    Parameters
    ----------
    folder
        Where it is, or will be.
    shared
        A shelf of the same archive that others keep, and that is only read.

    Examples
    --------
    >>> Shelf(Path("nowhere")).inventory() is None
    True
    """

    def __init__(self, folder: Path, shared: "Shelf | None" = None) -> None:
        self.folder = folder
        self._shared = shared

    def describe(self, dataset: str) -> None:
        """Say what the shelf is of, before anything is put on it."""
        if self.dataset() != dataset:
            write_whole(self.folder / _ABOUT, msgspec.json.encode({"dataset": dataset}))

    def dataset(self) -> str | None:
        """Give what it is of."""
        try:
            return str(
                msgspec.json.decode((self.folder / _ABOUT).read_bytes(), type=dict[str, str])["dataset"]
            )
        except (FileNotFoundError, msgspec.DecodeError, KeyError):
            return None

    def inventory(self) -> Inventory | None:
        """Give the inventory of the archive, if it was walked to its end."""
        found = kept.read(self.folder / _INVENTORY, Inventory)
        if found is not None and found.version == VERSION:
            return found
        return self._shared.inventory() if self._shared else None

    def index(self) -> SeekIndex | None:
        """Give the places that the archive can be read from."""
        found = kept.read(self.folder / _INDEX, SeekIndex)
        return self._shared.index() if found is None and self._shared else found

    def keep(self, inventory: Inventory, index: SeekIndex) -> None:
        """Keep what a walk found; from now on the archive counts as walked."""
        kept.write(self.folder / _INDEX, index)
        kept.write(self.folder / _INVENTORY, inventory)

    def keep_table(self, path: str, data: bytes) -> None:
        """Keep a table as the archive has it."""
        write_whole(self.folder / _TABLES / path, data)

    def tables(self, copy: "Copy") -> tuple[VerifiedFile, ...]:
        """Give the tables that were kept, as if they were files of the copy."""
        root = self.folder / _TABLES
        if self._shared and not root.is_dir():
            return self._shared.tables(copy)
        found = sorted(path for path in root.rglob("*") if path.is_file())
        return tuple(_as_file(path, root, copy.mirror) for path in found)

    def place(self, scan: Scan) -> Path:
        """Where the scan's store is, or will be."""
        own = stores.place(self.folder, name_of(scan))
        if self._shared and not own.is_dir():
            shared = stores.place(self._shared.folder, name_of(scan))
            return shared if shared.is_dir() else own
        return own

    def missing(self, scans: Iterable[Scan]) -> tuple[Scan, ...]:
        """Give those scans that have no store yet."""
        there = stores.names(self.folder)
        there |= stores.names(self._shared.folder) if self._shared else set()
        return tuple(scan for scan in scans if name_of(scan) not in there)

    def checks(self, *, deep: bool) -> Iterator[FileCheck]:
        """Check every file of every store here."""
        for name in sorted(stores.names(self.folder)):
            yield from stores.check(stores.place(self.folder, name), deep=deep)

    def mend(self) -> None:
        """Remove the stores that are not whole: they are made again when they are wanted."""
        for name in stores.names(self.folder):
            place = stores.place(self.folder, name)
            if any(check.state != "whole" for check in stores.check(place, deep=True)):
                stores.remove(place)

    def remove(self) -> None:
        """Remove everything at once."""
        stores.remove(self.folder)

    def take(self, other: "Shelf") -> None:
        """Take over what lies on another shelf of the same archive, of the same disk."""
        self.folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            other.folder.rename(self.folder)
        except OSError:
            if not self.folder.is_dir():
                raise
            self._merge(other)

    def _merge(self, other: "Shelf") -> None:
        for name in sorted(stores.names(other.folder) - stores.names(self.folder)):
            with suppress(OSError):  # another was quicker; what is missing is made again
                stores.place(other.folder, name).rename(stores.place(self.folder, name))
        if self.inventory() is None:
            below = other.folder / _TABLES
            for table in sorted(path for path in below.rglob("*") if path.is_file()):
                self.keep_table(table.relative_to(below).as_posix(), table.read_bytes())
            for name in (_INDEX, _INVENTORY):
                (other.folder / name).rename(self.folder / name)


def _as_file(path: Path, root: Path, mirror: str) -> VerifiedFile:
    name = path.relative_to(root).as_posix()
    return VerifiedFile(name, path, path.stat().st_size, (), mirror, stated=False)
