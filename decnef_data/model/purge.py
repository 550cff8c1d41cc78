"""The record of a purge: what was removed, what was kept, and when."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path


@dataclass(frozen=True, slots=True)
class RemovedItem:
    """One removed file or folder; it has ``checksums`` if its bytes had been verified."""

    kind: str
    path: Path
    size: int
    checksums: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ExportRecord:
    """An export of data to a path on this machine or to an address elsewhere, and its date (UTC)."""

    dataset: str
    destination: str
    date: datetime

    @property
    def is_remote(self) -> bool:
        """Whether the destination is not a local path, so that its existence cannot be checked."""
        return not Path(self.destination).is_absolute()


@dataclass(frozen=True, slots=True)
class PurgeRecord:
    """The removal of every copy of a dataset that this software made, and its date (UTC).

    ``untouched`` are the user's own copies: only their registration was removed.  ``record`` is the file in
    the configuration folder with the content of this value.  ``shared`` is a copy in a cache that others
    maintain, which is not touched either.  ``exported`` are copies that were exported from the cache and may
    be parts of other files by now: they are listed, for the user to remove.
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
        """The total size of what was removed, in bytes."""
        return sum(item.size for item in self.removed)
