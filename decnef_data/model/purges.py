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
class Purge:
    """That every copy of a dataset which this software made was removed, and when (UTC).

    ``untouched`` are the user's own copies, which it only forgot where they lie; ``record`` is the file in
    the configuration folder that says the same as this value.  ``shared`` is a copy in a cache that others
    keep, which is not touched either.
    """

    dataset: str
    date: datetime
    software: str
    root: Path
    removed: tuple[Removed, ...]
    untouched: tuple[Path, ...]
    record: Path
    shared: Path | None = None

    @property
    def size(self) -> int:
        """The bytes that were removed."""
        return sum(item.size for item in self.removed)
