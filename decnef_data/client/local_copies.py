"""What is on this machine of each dataset: a complete copy or a part, how much, and when it was last used."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from decnef_data.client.removal import Removal, cached_datasets
from decnef_data.client.synthetic_copies import is_synthetic
from decnef_data.errors import AccessError
from decnef_data.file_cache import FileCache
from decnef_data.model import CachedDataset, CacheEntry, LocalCopy, RemovedItem

__all__ = ["last_use", "list_cached_datasets"]

_FILE_KINDS: Final = frozenset({"file", "link", "partial"})


def list_cached_datasets(root: Path, *, synthetic: bool) -> tuple[CachedDataset, ...]:
    """Return what is below one root of the cache, which is `synthetic` if it is the phantoms'."""
    entries = tuple(FileCache(root).entries())
    found = (
        _cached_dataset(
            root, name, [entry for entry in entries if entry.dataset == name], synthetic=synthetic
        )
        for name in cached_datasets(root)
    )
    return tuple(each for each in found if each is not None)


def _cached_dataset(
    root: Path, name: str, entries: Sequence[CacheEntry], *, synthetic: bool
) -> CachedDataset | None:
    """Return what is of one dataset below `root`, or ``None`` if there is nothing to open or resume."""
    files, removal = FileCache(root), Removal(root, name)
    items = list(_data_items(removal))
    if not entries and not items:
        return None
    has_stores = any(item.kind not in _FILE_KINDS for item in items)
    copies = [copy for mirror in files.mirrors(name) if (copy := files.find_copy(name, mirror))]
    opened = [copy for copy in copies if has_stores or not copy.files_removed]
    adopted = [entry for entry in entries if entry.kind == "adopted"]
    return CachedDataset(
        name,
        "partial" if not opened else "adopted" if adopted else "complete",
        sum(item.size for item in items),
        synthetic or any(map(is_synthetic, copies)),
        last_use(root, name, entries),
        _adopted_path(copies) if adopted else None,
    )


def _data_items(removal: Removal) -> Iterator[RemovedItem]:
    """Yield the files, partial downloads and stores of a dataset; none behind a link of another user."""
    with suppress(AccessError):
        yield from (item for item in removal.file_items() if item.kind in _FILE_KINDS)
        yield from removal.store_items()


def last_use(root: Path, dataset: str, entries: Iterable[CacheEntry]) -> datetime | None:
    """Return when a dataset was last opened or downloaded; before that was recorded, when it was stored.

    Access times of the file system are not used: most systems update them daily or never.
    """
    times = [time for time in (FileCache(root).last_use(dataset),) if time is not None]
    if not times:
        times = list(_storage_times(entries))
    return datetime.fromtimestamp(max(times), UTC).replace(microsecond=0) if times else None


def _storage_times(entries: Iterable[CacheEntry]) -> Iterator[float]:
    for entry in entries:
        with suppress(OSError):
            yield entry.path.stat().st_ctime


def _adopted_path(copies: Iterable[LocalCopy]) -> Path | None:
    for copy in copies:
        return copy.files[0].location if len(copy.files) == 1 else copy.root
    return None
