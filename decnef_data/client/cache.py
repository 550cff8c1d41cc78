"""List, check, repair and clear what is cached of each dataset: files, partial downloads and stores."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from decnef_data import transfer
from decnef_data.client.local_copies import last_use, list_cached_datasets
from decnef_data.client.removal import (
    Removal,
    cached_datasets,
    read_store_dataset,
    remove_items,
    unreadable_stores,
)
from decnef_data.client.synthetic_copies import is_synthetic
from decnef_data.errors import IntegrityError
from decnef_data.file_cache import FileCache
from decnef_data.mirrors import is_local
from decnef_data.model import CachedDataset, CacheEntry, FileCheck, Progress, RemovedItem
from decnef_data.model.sidecars import CITATION_FILE, TERMS_FILE
from decnef_data.transfer import DatasetLocation, MirrorSource

if TYPE_CHECKING:
    from decnef_data.client.readers import Reader
    from decnef_data.layouts.imaging.images.scan_cache import ScanCache
    from decnef_data.stores import Stores


#: The items of a removal that are entries of the cache.
_ENTRY_KINDS: Final[Mapping[str, Literal["file", "store"]]] = {
    "file": "file",
    "link": "file",
    "store": "store",
    "scans": "store",
    "unreadable store": "store",
}


@dataclass(frozen=True, slots=True)
class CacheContents:
    """The files and stores below one root; ``synthetic`` if the root is the phantom's."""

    root: Path
    synthetic: bool

    def entries(self) -> Iterator[CacheEntry]:
        """List everything, files first."""
        entries = (*FileCache(self.root).entries(), *self._store_entries())
        times = {
            name: last_use(self.root, name, [entry for entry in entries if entry.dataset == name])
            for name in {entry.dataset for entry in entries}
        }
        copies = {(entry.dataset, entry.mirror) for entry in entries}
        synthetic = {copy for copy in copies if self._is_synthetic(*copy)}
        for entry in entries:
            is_marked = entry.synthetic or (entry.dataset, entry.mirror) in synthetic
            yield replace(entry, synthetic=is_marked, last_used=times[entry.dataset])

    def _store_entries(self) -> Iterator[CacheEntry]:
        for key, dataset, synthetic in self._store_datasets():
            path, is_marked = self._stores.path(key), self.synthetic or synthetic
            yield CacheEntry(dataset or "", "store", path, _folder_size(path), "", is_marked)
        for scan_cache in self._scan_caches():
            size, inventory = _folder_size(scan_cache.folder), scan_cache.load_inventory()
            is_marked = inventory is not None and any(scan.synthetic for scan in inventory.scans)
            name = scan_cache.read_dataset() or ""
            yield CacheEntry(name, "store", scan_cache.folder, size, "", self.synthetic or is_marked)

    def synthetic_stores(self, dataset: str | None) -> Iterator[CacheEntry]:
        """Return the stores of one dataset or of all that were made from a phantom."""
        for entry in self._store_entries():
            if entry.synthetic and dataset in {None, entry.dataset}:
                yield entry

    def datasets(self) -> tuple[CachedDataset, ...]:
        """Return what there is of each dataset."""
        return list_cached_datasets(self.root, synthetic=self.synthetic)

    def _is_synthetic(self, dataset: str, mirror: str) -> bool:
        """Return whether the copy from a mirror is a phantom, wherever it is."""
        if self.synthetic:
            return True
        copy = FileCache(self.root).find_copy(dataset, mirror) if mirror else None
        return copy is not None and is_synthetic(copy)

    def check_stores(self, dataset: str, *, deep: bool) -> Iterator[FileCheck]:
        """Compare the stores of `dataset`, and those that may be of it, with their manifests."""
        for key, store_dataset, _ in self._store_datasets():
            if store_dataset in {dataset, None}:
                yield from _summarize_checks(f"{key}.zarr", tuple(self._stores.check(key, deep=deep)))
        for scan_cache in self._scan_caches(dataset):
            yield from _summarize_checks(scan_cache.folder.name, tuple(scan_cache.check_stores(deep=deep)))

    def repair(self, dataset: str) -> None:
        """Remove the stores of `dataset` that are not intact: they are rebuilt when they are needed."""
        for key, store_dataset, _ in self._store_datasets():
            checks = self._stores.check(key, deep=True) if store_dataset in {dataset, None} else ()
            if any(check.state != "intact" for check in checks):
                self._stores.remove(key)
        for scan_cache in self._scan_caches(dataset):
            scan_cache.repair()

    def removals(self, dataset: str | None) -> tuple[Removal, ...]:
        """Return the removals of one dataset or of all."""
        names = cached_datasets(self.root) if dataset is None else (dataset,)
        return tuple(Removal(self.root, name) for name in names)

    def describe(self, items: Iterable[tuple[str, RemovedItem]]) -> Iterator[CacheEntry]:
        """Yield the items of each dataset as entries, but for receipts and other small files of our own."""
        listed = {entry.path: entry for entry in self.entries()}
        for dataset, item in items:
            entry = listed.get(item.path)
            # The entry of a link has the size of what it leads to, which is not removed.
            if entry is not None and item.kind != "link":
                yield entry
            elif item.kind in _ENTRY_KINDS and item.path.name not in {TERMS_FILE, CITATION_FILE}:
                yield CacheEntry(dataset, _ENTRY_KINDS[item.kind], item.path, item.size, "", self.synthetic)

    def _scan_caches(self, dataset: str | None = None) -> "tuple[ScanCache, ...]":
        """Return the scan caches that were made from archives of images, of one dataset or of all."""
        folders = sorted((self.root / "stores").glob("*.scans"))
        if not folders:
            return ()
        from decnef_data.layouts.imaging.images.scan_cache import ScanCache

        scan_caches = map(ScanCache, folders)
        return tuple(scan_cache for scan_cache in scan_caches if dataset in {None, scan_cache.read_dataset()})

    @property
    def _stores(self) -> "Stores":
        # Imported here: listing a cache without stores needs neither numpy nor xarray.
        from decnef_data.arrays import memmap_variable
        from decnef_data.stores import Stores

        return Stores(self.root / "stores", memmap_variable)

    def _store_datasets(self) -> Iterator[tuple[str, str | None, bool]]:
        """Yield each store's key, and its dataset and whether it is synthetic, as in its manifest.

        The dataset is ``None`` if nothing of the manifest can be read.
        """
        if not (self.root / "stores").is_dir():
            return
        stores = self._stores
        for key in stores.keys():  # noqa: SIM118 - no mapping
            try:
                manifest = stores.manifest(key)
            except IntegrityError:
                yield key, read_store_dataset(stores.path(key)), self.synthetic
            else:
                if manifest is not None:
                    yield key, str(manifest.attrs["dataset"]), bool(manifest.attrs["synthetic"])


def _summarize_checks(name: str, checks: tuple[FileCheck, ...]) -> tuple[FileCheck, ...]:
    """Return one check for an intact store, else one check per file that is not intact."""
    failed = tuple(check for check in checks if check.state != "intact")
    return failed or (FileCheck(name, "intact", f"{len(checks)} files"),)


def _folder_size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def clear(
    parts: Iterable[CacheContents],
    dataset: str | None,
    *,
    stores: bool = False,
    synthetic: bool = False,
    dry_run: bool,
) -> tuple[CacheEntry, ...]:
    """Remove one dataset or all, or only their stores, from parts of the cache; return what was removed.

    Adopted copies are unregistered.  With `synthetic`, only phantoms and the stores of adopted phantoms are
    removed, and everything that was adopted stays.

    Raises
    ------
    AccessError
        A link on the way belongs to another user; nothing was removed.
    OSError
        Something could not be deleted.
    """
    items: list[RemovedItem] = []
    entries: list[CacheEntry] = []
    removals: list[Removal] = []
    for part in parts:
        if synthetic and not part.synthetic:
            entries += (kept := tuple(part.synthetic_stores(dataset)))
            items += (RemovedItem("store", entry.path, entry.size) for entry in kept)
            continue
        part_removals = part.removals(dataset)
        part_items = [
            (removal.dataset, item)
            for removal in part_removals
            for item in (removal.store_items() if stores else removal.items())
        ]
        # Which dataset they are of is unknown, so they go only with everything.
        part_items += [("", item) for item in unreadable_stores(part.root) if dataset is None]
        adopted = (entry for entry in part.entries() if entry.kind == "adopted" and not stores)
        entries += (entry for entry in adopted if dataset in {None, entry.dataset})
        entries += part.describe(part_items)
        items += (item for _, item in part_items)
        removals += part_removals
    if not dry_run:
        remove_items(items)
        for removal in removals:
            removal.remove_empty_folders()
    return tuple(entries)


def verify_copies(
    location: DatasetLocation, contents: CacheContents, build_reader: "Callable[[], Reader]", *, deep: bool
) -> Iterator[FileCheck]:
    """Compare the files of each mirror's copy, then the stores, with their recorded checksums."""
    for source in location.sources:
        mirror = source.record.name
        for check in _verify_copy(location, mirror, build_reader, deep=deep):
            yield replace(check, mirror=mirror)
    yield from contents.check_stores(location.dataset.name, deep=deep)


def _verify_copy(
    location: DatasetLocation, mirror: str, build_reader: "Callable[[], Reader]", *, deep: bool
) -> Iterator[FileCheck]:
    name = location.dataset.name
    yield from location.files.verify(name, mirror, deep=deep)
    # The images of an adopted folder have no receipts: its inventory has their sizes and times.
    copy = location.files.find_copy(name, mirror) if location.dataset.has_unhashed_files else None
    yield from build_reader().check_files(copy, deep=deep) if copy else ()


def repair_files(location: DatasetLocation, progress: Progress) -> None:
    """Download again the damaged files of every downloaded copy; adopted copies are left as they are.

    Intact files whose time has changed, such as those of a cache that was copied, are recorded as they are.
    Raises as :func:`decnef_data.transfer.fetch_from_mirrors` does.
    """
    for source in location.sources:
        damaged = tuple(_damaged_paths(location, source))
        for path in damaged:
            location.files.reopen_as_partial(location.dataset.name, source.record.name, path)
        if damaged:
            transfer.fetch_from_mirrors(
                replace(location, sources=_sources_starting_with(location, source)), progress
            )


def _damaged_paths(location: DatasetLocation, source: MirrorSource) -> Iterator[str]:
    name, mirror = location.dataset.name, source.record.name
    journal = location.files.journal(name, mirror)
    if journal is None or journal.status is None or journal.status.state == "dropped":
        return
    if journal.root != location.files.folder(name):
        return
    # Bytes can change without the size and the time, as on a failing disk.
    for check in location.files.verify(name, mirror, deep=True):
        if check.state == "intact":
            location.files.renew_receipt(name, mirror, check.path)
        else:
            yield check.path


def _sources_starting_with(location: DatasetLocation, source: MirrorSource) -> tuple[MirrorSource, ...]:
    """Return the mirror that the files came from, then the others that can provide them as well."""
    # What is on this machine would be registered in place, and the damaged copy stay as it is.
    others = (other for other in location.sources if other is not source and not is_local(other.record))
    return (source, *others)
