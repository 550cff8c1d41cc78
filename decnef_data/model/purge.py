"""The record of a purge: what was removed, what was kept, and when."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path


@dataclass(frozen=True, slots=True)
class RemovedItem:
    """A removed file or folder.

    Attributes
    ----------
    kind
        Kind of the item, e.g. a file or a store.
    path
        Path of the item.
    size
        Size of the item in bytes.
    checksums
        Checksums of a verified file, as ``algorithm:hexdigest``.
    """

    kind: str
    path: Path
    size: int
    checksums: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ExportRecord:
    """An export of data.

    Attributes
    ----------
    dataset
        Name of the dataset.
    destination
        Path on this machine, or address elsewhere.
    date
        Date and time of the export (UTC).
    """

    dataset: str
    destination: str
    date: datetime

    @property
    def is_remote(self) -> bool:
        """Whether the destination is not on this machine, so that its existence cannot be checked."""
        # Exports to folders are recorded with their absolute paths.
        return not Path(self.destination).is_absolute()


@dataclass(frozen=True, slots=True)
class PurgeRecord:
    """The removal of every copy of a dataset that this software made.

    Attributes
    ----------
    dataset
        Name of the dataset.
    date
        Date and time of the removal (UTC).
    software
        Name and version of the software.
    root
        Cache folder.
    removed
        The removed files and folders.
    untouched
        Adopted copies of the user, which were unregistered but not removed.
    record
        File in the configuration folder with this record.
    shared
        Copy in a shared cache, which was not removed.
    exported
        Exported copies, for the user to remove; they may have become part of other files.
    """

    dataset: str
    date: datetime
    software: str
    root: Path
    removed: tuple[RemovedItem, ...]
    untouched: tuple[Path, ...]
    record: Path
    shared: Path | None = None
    exported: tuple[ExportRecord, ...] = ()

    @property
    def size(self) -> int:
        """The total size of the removed items, in bytes."""
        return sum(item.size for item in self.removed)
