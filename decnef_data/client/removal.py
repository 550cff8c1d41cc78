"""What the cache holds of a dataset, and its removal item by item.

Adopted copies stay, and so does what links lead to.  The folders of the cache may be links themselves, of the
user or of root: they are emptied.
"""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from decnef_data.errors import AccessError, warn_user
from decnef_data.file_cache import FileCache
from decnef_data.file_cache.journal import ADOPTED_MIRROR
from decnef_data.model import RemovedItem
from decnef_data.model.names import is_relative_path

if TYPE_CHECKING:
    from decnef_data.file_cache.journal import ReceiptJournal
    from decnef_data.layouts.imaging.images.scan_cache import ScanCache

__all__ = ["Removal", "cached_datasets", "read_store_dataset", "remove_items", "unreadable_stores"]

#: The folders below a root with one subfolder per dataset, and the kind of what they contain.
_FOLDER_KINDS: Final = {
    "files": "file",
    "partial": "partial",
    "motion": "motion",
    "index": "index",
    "receipts": "receipt",
}
_STORES: Final = "stores"


@dataclass(frozen=True, slots=True)
class Removal:
    """The removal of one dataset below one root of the cache."""

    root: Path
    dataset: str

    def items(self) -> Iterator[RemovedItem]:
        """List everything but adopted copies, whether or not it is still as it was verified.

        Raises
        ------
        AccessError
            A link on the way belongs to another user.
        """
        yield from self.file_items()
        yield from self.store_items()

    def file_items(self) -> Iterator[RemovedItem]:
        """List files, partial downloads, indexes and receipts; raise as :meth:`items` does."""
        checksums = dict(self._recorded_checksums())
        adopted_roots = tuple(self._adopted_roots())
        for folder, kind in _FOLDER_KINDS.items():
            _require_own_links(self.root, folder, self.dataset)
            # The time of the last use is not an item: it holds no data.
            stamp = FileCache(self.root).use_stamp(self.dataset)
            paths = tuple(path for path in _list_files(self.root / folder / self.dataset) if path != stamp)
            # Those behind a link go before the link does.
            behind_links = tuple(self._files_behind_links(set(paths))) if kind == "file" else ()
            for path in (*behind_links, *paths):
                if not any(path.is_relative_to(root) for root in adopted_roots):
                    found_kind = "link" if path.is_symlink() else kind
                    yield RemovedItem(found_kind, path, path.lstat().st_size, checksums.get(path, ()))

    def store_items(self) -> Iterator[RemovedItem]:
        """List the stores; raise as :meth:`items` does."""
        return (item for owner, item in _stores(self.root) if owner == self.dataset)

    def remove_empty_folders(self) -> None:
        """Remove the folders of the dataset that are empty now, but for the time of the last use."""
        stamp = FileCache(self.root).use_stamp(self.dataset)
        with suppress(OSError):
            if os.listdir(stamp.parent) == [stamp.name]:  # noqa: PTH208 - names are enough
                stamp.unlink()
        for folder in _FOLDER_KINDS:
            # Innermost first, so that a folder is empty once those in it are gone.
            for path, _, _ in os.walk(self.root / folder / self.dataset, topdown=False):
                with suppress(OSError):  # it contains files of the user
                    Path(path).rmdir()

    def _journals(self) -> "Iterator[ReceiptJournal]":
        for path in sorted((self.root / "receipts" / self.dataset).glob("*.jsonl")):
            journal = FileCache(self.root).journal(self.dataset, path.stem)
            if journal is not None:
                yield journal

    def _adopted_roots(self) -> Iterator[Path]:
        """Yield the folders of adopted copies that are inside the folder of the dataset."""
        folder = FileCache(self.root).folder(self.dataset)
        roots = (journal.root for journal in self._journals() if journal.mirror == ADOPTED_MIRROR)
        return (root for root in roots if root.is_relative_to(folder) and root != folder)

    def _recorded_checksums(self) -> Iterator[tuple[Path, tuple[str, ...]]]:
        for journal in self._journals():
            for receipt in journal.receipts.values():
                if journal.is_unchanged(receipt):  # others may have replaced it
                    yield journal.location(receipt.path), receipt.checksums

    def _files_behind_links(self, listed: set[Path]) -> Iterator[Path]:
        """Yield the verified files of the dataset below a link to a folder: the rest there is not ours."""
        folder = FileCache(self.root).folder(self.dataset)
        journals = (journal for journal in self._journals() if journal.root == folder)
        recorded = ((journal, path) for journal in journals for path in journal.receipts)
        paths = dict.fromkeys(journal.location(path) for journal, path in recorded if is_relative_path(path))
        for path in paths:
            if path not in listed and os.path.lexists(path):
                _require_own_links(folder, *path.relative_to(folder).parts[:-1])
                yield path


def cached_datasets(root: Path) -> tuple[str, ...]:
    """Return the names of the datasets of which there is anything below `root`."""
    folders = (path for folder in _FOLDER_KINDS for path in (root / folder).glob("*") if path.is_dir())
    names = {path.name for path in folders} | {owner for owner, _ in _stores(root) if owner is not None}
    return tuple(sorted(names))


def unreadable_stores(root: Path) -> tuple[RemovedItem, ...]:
    """List the stores that are too damaged to read which dataset they are of."""
    return tuple(item for owner, item in _stores(root) if owner is None)


def remove_items(items: Sequence[RemovedItem]) -> None:
    """Remove every item that can be removed, receipts last, and only those of a complete removal.

    Warns
    -----
    DecnefDataWarning
        An item was a link: what it leads to is still there.

    Raises
    ------
    OSError
        Some could not be deleted; it names the first of them.
    """
    failures: list[tuple[RemovedItem, OSError]] = []
    n_removed = 0
    # Sorting is stable: the files behind a link stay before it.
    for item in sorted(items, key=lambda each: each.kind == "receipt"):
        if failures and item.kind == "receipt":
            break  # the receipts say what is still there
        try:
            _remove(item)
            n_removed += 1
        except OSError as error:
            failures.append((item, error))
    if failures:
        item, cause = failures[0]
        message = (
            f"Could not delete {len(failures)} of {len(items)} items ({cause.strerror}); {n_removed} were "
            "removed. Resolve this, then rerun the command"
        )
        raise OSError(cause.errno, message, str(cause.filename or item.path)) from cause


def _remove(item: RemovedItem) -> None:
    # First, because a link to a folder is a folder as well.
    if item.path.is_symlink():
        target = item.path.resolve()
        item.path.unlink()
        if target.is_file() or (target.is_dir() and any(target.iterdir())):
            warn_user(f"'{item.path}' was a link. '{target}', to which it leads, was not removed.")
    elif item.path.is_dir():
        from decnef_data.stores import staging  # which loads xarray

        staging.remove_folder(item.path)
    else:
        # Another process may have removed it.
        item.path.unlink(missing_ok=True)


def _require_own_links(folder: Path, *names: str) -> None:
    """Raise unless every link from `folder` down the folders `names` is the user's or root's."""
    for path in (folder.joinpath(*names[:depth]) for depth in range(len(names) + 1)):
        # A link that another user placed could lead the removal anywhere.
        owner = path.lstat().st_uid if path.is_symlink() else 0
        if owner not in {os.geteuid(), 0}:
            message = (
                f"The link '{path}' belongs to another user (id {owner}), so it was not followed and nothing "
                "was removed. Remove the link, then rerun the command."
            )
            raise AccessError(message)


def _list_files(folder: Path) -> Iterator[Path]:
    """Yield every file below a folder, and every symbolic link, which is not followed."""
    for parent, folders, names in os.walk(folder):
        links = [name for name in folders if Path(parent, name).is_symlink()]
        yield from (Path(parent, name) for name in sorted((*names, *links)))


def _stores(root: Path) -> Iterator[tuple[str | None, RemovedItem]]:
    """Yield each store and the dataset it is of, or ``None`` where that cannot be read."""
    _require_own_links(root, _STORES)
    for kind, pattern, read_dataset in (
        ("store", "*.zarr", read_store_dataset),
        ("scans", "*.scans", lambda path: _scan_cache(path).read_dataset()),
    ):
        for store in sorted((root / _STORES).glob(pattern)):
            owner = read_dataset(store)
            files = (store,) if store.is_symlink() else _list_files(store)
            size = sum(path.lstat().st_size for path in files)
            yield owner, RemovedItem(kind if owner else "unreadable store", store, size)


def _scan_cache(folder: Path) -> "ScanCache":
    # Their inventory is decoded by a module that loads nibabel, so only where there is one.
    from decnef_data.layouts.imaging.images.scan_cache import ScanCache

    return ScanCache(folder)


def read_store_dataset(store: Path) -> str | None:
    """Return the dataset of a store, also of a damaged one, or ``None`` if that cannot be read."""
    try:
        return str(json.loads((store / "zarr.json").read_bytes())["attributes"]["dataset"])
    # json raises the last for text that is nested too deep.
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
