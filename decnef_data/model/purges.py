"""What a purge removed, as the record of a deletion."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Removed:
    """One thing that is gone; ``checksums`` where its bytes had been verified."""

    kind: str
    path: Path
    size: int
    checksums: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Exported:
    """That data were exported to a path of this machine, or an address elsewhere, and when (UTC)."""

    dataset: str
    destination: str
    date: datetime

    @property
    def elsewhere(self) -> bool:
        """Whether it is no path, so that nobody here can tell whether it is still there."""
        return not Path(self.destination).is_absolute()


@dataclass(frozen=True, slots=True)
class Purge:
    """That every copy of a dataset which this software made was removed, and when (UTC).

    ``untouched`` are the user's own copies, which it only forgot where they lie; ``record`` is the file in
    the configuration folder that says the same as this value.  ``shared`` is a copy in a cache that others
    keep, which is not touched either.  ``exported`` are copies that were taken out of the cache, which may
    have become parts of other things: they are named, for the user to remove.
    """

    dataset: str
    date: datetime
    software: str
    root: Path
    removed: tuple[Removed, ...]
    untouched: tuple[Path, ...]
    record: Path
    shared: Path | None = None
    exported: tuple[Exported, ...] = ()

    @property
    def size(self) -> int:
        """The bytes that were removed."""
        return sum(item.size for item in self.removed)
