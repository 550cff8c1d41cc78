"""Remove from the cache data that were not used for some time: stores before the files they are made from.

What users adopted, partial downloads, results of motion, and datasets that a process downloads stay.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from decnef_data.client.cache import CacheContents
from decnef_data.client.removal import Removal, remove_items
from decnef_data.file_cache import FileCache
from decnef_data.file_cache.journal import ADOPTED_MIRROR
from decnef_data.model import CacheEntry, RemovedItem

__all__ = ["Pruner"]

_FIRST: Final = datetime.min.replace(tzinfo=UTC)  # what has no time goes first


@dataclass(frozen=True, slots=True)
class _Unit:
    """Entries that are removed together: the stores of a dataset, or its files."""

    contents: CacheContents
    dataset: str
    kind: str
    entries: tuple[CacheEntry, ...]

    @property
    def size(self) -> int:
        return sum(entry.size for entry in self.entries)

    @property
    def last_used(self) -> datetime:
        return max((entry.last_used or _FIRST for entry in self.entries), default=_FIRST)

    def items(self) -> Iterator[RemovedItem]:
        """Return what is removed with the entries: stores, or files with their receipts and indexes."""
        removal = Removal(self.contents.root, self.dataset)
        if self.kind == "store":
            yield from removal.store_items()
            return
        # The journal of an adopted copy registers it, and holds no data.
        adopted = self.contents.root / "receipts" / self.dataset / f"{ADOPTED_MIRROR}.jsonl"
        for item in removal.file_items():
            if item.kind not in {"partial", "motion"} and item.path != adopted:
                yield item


@dataclass(frozen=True, slots=True)
class Pruner:
    """Removes from parts of the cache what was last used before an age, and what is beyond a size."""

    parts: tuple[CacheContents, ...]
    max_age: timedelta | None
    max_size: int | None

    def select(self) -> tuple[CacheEntry, ...]:
        """Return the entries that would be removed, the least recently used first."""
        return tuple(entry for unit in self._selected() for entry in unit.entries)

    def execute(self) -> tuple[CacheEntry, ...]:
        """Remove them, and return what was removed.

        Raises
        ------
        AccessError
            A link on the way belongs to another user; nothing was removed.
        OSError
            Something could not be deleted; everything else was removed.
        """
        units = self._selected()
        remove_items([item for unit in units for item in unit.items()])
        for unit in units:
            Removal(unit.contents.root, unit.dataset).remove_empty_folders()
        return tuple(entry for unit in units for entry in unit.entries)

    def _selected(self) -> tuple[_Unit, ...]:
        entries = {part.root: tuple(part.entries()) for part in self.parts}
        units = [unit for part in self.parts for unit in _removable_units(part, entries[part.root])]
        # Of one dataset the stores go first: they can be built again from the files, and not the reverse.
        units.sort(key=lambda unit: (unit.last_used, unit.kind != "store"))
        excess = self._excess(entry for listed in entries.values() for entry in listed)
        selected: list[_Unit] = []
        now = datetime.now(UTC)
        for unit in units:
            if excess > 0 or (self.max_age is not None and now - unit.last_used > self.max_age):
                selected.append(unit)
                excess -= unit.size
        return tuple(selected)

    def _excess(self, entries: Iterable[CacheEntry]) -> int:
        """Return how many bytes the cache is larger than it may be."""
        # Adopted files take no space in the cache.
        total = sum(entry.size for entry in entries if entry.kind != "adopted")
        return 0 if self.max_size is None else total - self.max_size


def _removable_units(contents: CacheContents, entries: Iterable[CacheEntry]) -> Iterator[_Unit]:
    listed = tuple(entries)
    for dataset in sorted({entry.dataset for entry in listed if entry.dataset}):
        if FileCache(contents.root).is_being_downloaded(dataset):
            continue
        own = [entry for entry in listed if entry.dataset == dataset]
        stores = tuple(entry for entry in own if entry.kind == "store")
        files = tuple(entry for entry in own if entry.kind == "file")
        if stores and not _is_being_written(contents.root / "stores"):
            yield _Unit(contents, dataset, "store", stores)
        if files:
            yield _Unit(contents, dataset, "file", files)


def _is_being_written(folder: Path) -> bool:
    """Return whether a running process writes a store in `folder`."""
    from decnef_data.stores import staging  # loads xarray

    # What killed processes left is removed first: it would look as if they were still writing.
    staging.remove_orphans(folder)
    return any(folder.glob(".staging-*"))
