"""Remove every copy of a dataset that this software made, and keep a record of the removal."""

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from decnef_data.atomic_files import write_atomic
from decnef_data.client.cache import open_stores
from decnef_data.client.resolve import shared_root
from decnef_data.export_log import ExportLog
from decnef_data.file_cache import FileCache
from decnef_data.model import PurgeRecord, RemovedItem

if TYPE_CHECKING:
    from decnef_data.layouts.imaging.scan_cache import ScanCache

_DISTRIBUTION: Final = "decnef-data"
#: The folders below a root with one subfolder per dataset, and the kind of what they contain.
_FOLDER_KINDS: Final = {"files": "file", "partial": "partial", "receipts": "receipt", "index": "index"}
_RECORDS_FOLDER: Final = "purges"


@dataclass(frozen=True, slots=True)
class Purger:
    """Removes one dataset from some roots of the cache; ``config`` is where the record goes."""

    dataset: str
    roots: tuple[Path, ...]
    config: Path

    def plan(self) -> PurgeRecord:
        """List what would be removed; ``record`` is the path that the record would have."""
        removed = tuple(item for root in self.roots for item in _removable_items(root, self.dataset))
        untouched = tuple(
            dict.fromkeys(path for root in self.roots for path in _adopted_paths(root, self.dataset))
        )
        now = datetime.now(UTC).replace(microsecond=0)
        record = self.config / _RECORDS_FOLDER / f"{now:%Y%m%dT%H%M%SZ}-{self.dataset}.json"
        software = f"{_DISTRIBUTION} {version(_DISTRIBUTION)}"
        purge = PurgeRecord(self.dataset, now, software, self.roots[0], removed, untouched, record)
        exported = ExportLog(self.config).existing_exports(self.dataset)
        return replace(purge, shared=_shared_copy(self.roots[0], self.dataset), exported=exported)

    def execute(self) -> PurgeRecord:
        """Remove everything that is listed, and write the record.

        Raises
        ------
        OSError
            Something could not be removed; nothing is recorded, and the next purge removes the rest.
        """
        purge = self.plan()
        for item in purge.removed:
            _remove(item)
        for root in self.roots:
            _remove_empty_folders(root, self.dataset)
        record = msgspec.json.format(msgspec.json.encode(purge, enc_hook=str)) + b"\n"
        write_atomic(purge.record, record)
        return purge


def _shared_copy(root: Path, dataset: str) -> Path | None:
    """Return the folder of a copy in a shared cache, which this machine uses in place."""
    shared = shared_root()
    folder = None if shared in {None, root} else FileCache(shared or root).folder(dataset)
    return folder if folder is not None and folder.exists() else None


def _removable_items(root: Path, dataset: str) -> Iterator[RemovedItem]:
    checksums = dict(_recorded_checksums(root, dataset))
    adopted_paths = {entry_path for entry_path, adopted in _list_entries(root, dataset) if adopted}
    for folder, kind in _FOLDER_KINDS.items():
        for path in _list_files(root / folder / dataset):
            if path not in adopted_paths:
                yield RemovedItem(kind, path, path.lstat().st_size, checksums.get(path, ()))
    yield from _removable_stores(root, dataset)


def _list_files(folder: Path) -> Iterator[Path]:
    """Yield every file below a folder, and every symbolic link, which is not followed."""
    for parent, folders, names in os.walk(folder):
        links = [name for name in folders if Path(parent, name).is_symlink()]
        yield from (Path(parent, name) for name in sorted((*names, *links)))


def _list_entries(root: Path, dataset: str) -> Iterator[tuple[Path, bool]]:
    for entry in FileCache(root).entries():
        if entry.dataset == dataset and entry.kind != "partial":
            yield entry.path, entry.kind == "adopted"


def _adopted_paths(root: Path, dataset: str) -> Iterator[Path]:
    """Yield the paths of the user's own copies: an archive, or the folder of many files."""
    location = FileCache(root).adopted_paths().get(dataset)
    if location is not None and location.parent != FileCache(root).folder(dataset):
        yield location


def _recorded_checksums(root: Path, dataset: str) -> Iterator[tuple[Path, tuple[str, ...]]]:
    for path in sorted((root / "receipts" / dataset).glob("*.jsonl")):
        journal = FileCache(root).journal(dataset, path.stem)
        for receipt in journal.receipts.values() if journal else ():
            if journal is not None and journal.is_unchanged(receipt):
                yield journal.root / receipt.path, receipt.checksums


def _removable_stores(root: Path, dataset: str) -> Iterator[RemovedItem]:
    """Yield the stores of the dataset, and those that are too damaged to read which dataset they are of."""
    for store in sorted((root / "stores").glob("*.zarr")):
        owner = _store_dataset(store)
        if owner in {dataset, None}:
            kind = "store" if owner else "unreadable store"
            yield RemovedItem(kind, store, sum(path.lstat().st_size for path in _list_files(store)))
    for store in sorted((root / "stores").glob("*.scans")):
        owner = _scan_cache(store).read_dataset()
        if owner in {dataset, None}:
            kind = "scans" if owner else "unreadable store"
            yield RemovedItem(kind, store, sum(path.lstat().st_size for path in _list_files(store)))


def _scan_cache(folder: Path) -> "ScanCache":
    from decnef_data.layouts.imaging.scan_cache import ScanCache

    return ScanCache(folder)


def _store_dataset(store: Path) -> str | None:
    try:
        return str(json.loads((store / "zarr.json").read_bytes())["attributes"]["dataset"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _remove(item: RemovedItem) -> None:
    if item.path.suffix == ".zarr" and item.path.is_dir():
        open_stores(item.path.parent.parent).remove(item.path.stem)
    elif item.path.suffix == ".scans" and item.path.is_dir():
        _scan_cache(item.path).remove()
    else:
        item.path.unlink(missing_ok=True)


def _remove_empty_folders(root: Path, dataset: str) -> None:
    """Remove the folders of the dataset that are empty now."""
    for folder in _FOLDER_KINDS:
        for path, _, _ in os.walk(root / folder / dataset, topdown=False):
            with suppress(OSError):  # it contains files of the user
                Path(path).rmdir()
