"""Read connectivity datasets: convert a copy to its store once, then open and select its groups."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pandas as pd

from decnef_data.archives import iter_members
from decnef_data.arrays import edge_regions, memmap_variable
from decnef_data.client.code_books import codes_attrs, warn_about_unused_books
from decnef_data.client.readers import (
    Reader,
    announce,
    announce_stored,
    no_match_error,
    report_attrs,
    stored_account,
)
from decnef_data.disclosure import get_logger
from decnef_data.errors import FormatError
from decnef_data.file_tree import FileTree, walk_files
from decnef_data.layouts import MemberLog, StoredLayout
from decnef_data.layouts.account import add_tree, link_remarks
from decnef_data.layouts.code_books import CodeBooks
from decnef_data.layouts.selection import resolve_group, select_each
from decnef_data.model import Account, Finding, LocalCopy, Selection, warning_messages
from decnef_data.model.sidecars import CODES_FILE
from decnef_data.records import Records
from decnef_data.records.participant_frame import participant_frame
from decnef_data.stores import DamagedStoreError, OpenStore, Stores, store_key

if TYPE_CHECKING:
    import xarray as xr

    from decnef_data.model import CodeBook

__all__ = ["ConnectivityReader"]

_LOG = get_logger(__name__)


def participant_table(datasets: "Mapping[str, xr.Dataset]", records: Records) -> pd.DataFrame:
    """Return a table of every coordinate along ``subject``, with the name of the group in the first column.

    A column that a group does not have is missing there.
    """
    tables = [_group_table(group, dataset) for group, dataset in datasets.items()]
    table = participant_frame(pd.concat(tables, ignore_index=True), records)
    if any(dataset.attrs.get("synthetic") for dataset in datasets.values()):
        table.attrs["synthetic"] = 1
    return table


def _group_table(group: str, dataset: "xr.Dataset") -> pd.DataFrame:
    columns = {
        str(name): coordinate.to_numpy()
        for name, coordinate in dataset.coords.items()
        if coordinate.dims == ("subject",)
    }
    return pd.DataFrame({"group": group, **columns})


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectivityReader(Reader):
    """Opens the copies of a dataset whose layout reads them completely into a store."""

    layout: StoredLayout

    def is_stored(self, copy: LocalCopy) -> bool:
        """Whether the copy's store exists, and is intact as far as opening it would notice."""
        try:
            return self._find_store(self._store_key(copy)) is not None
        except DamagedStoreError as error:
            if copy.files_removed:  # else opening rebuilds it
                _LOG.warning(
                    "'%s': the store is not intact ('%s' is %s), and the files that it was built from were "
                    "not kept.",
                    self.dataset.name, error.file, error.found,
                )  # fmt: skip
            return False

    def stored_size(self, copy: LocalCopy) -> int | None:
        """Return the size of the copy's store in bytes, or ``None`` if there is no store."""
        store = self._find_store(self._store_key(copy))
        return None if store is None else store.manifest.size

    def store_path(self, copy: LocalCopy) -> Path:
        """Return where the copy's store is, or will be."""
        key = self._store_key(copy)
        store = None
        with suppress(DamagedStoreError):  # it will be built again at the same place
            store = self._find_store(key)
        return Stores(self.root / "stores", memmap_variable).path(key) if store is None else store.path

    def open(self, copy: LocalCopy, selection: Selection, *, strict: bool) -> "Mapping[str, xr.Dataset]":
        """Open the selected groups, converting the copy to its store first if there is none."""
        stored, groups = self._read_store(copy, lambda available: self._group_names(available, selection))
        if len(copy.files) > 1:  # a folder may have more than the files of the copy
            tree = _walk_folder(copy)
            remarks = link_remarks(tree.leading_out, tree.dangling, tree.unreadable)
            announce(self.dataset.name, (), warning_messages(remarks), strict=strict)
        books = self.with_stored_books(copy, selection).codes
        if books is None:
            announce_stored(self.dataset.name, stored, strict=strict)
        else:
            groups, account = self._relabel(groups, stored_account(stored), books)
            announce_stored(self.dataset.name, stored, strict=strict, warnings=account.warnings())
            files = {path for group in groups.values() for path in group["source_file"].to_numpy().tolist()}
            warn_about_unused_books(selection.codes or (), account, sorted(files), self.dataset)
        # The group was chosen when the store was read: without other conditions, nothing is copied.
        if selection != Selection(selection.dataset, group=selection.group):
            groups = select_each(groups, selection, self.dataset, self.records)
        nonempty = {group: dataset for group, dataset in groups.items() if dataset.sizes["subject"]}
        if not nonempty:
            raise no_match_error(selection)
        attrs = {**self._attrs(copy, stored), **(codes_attrs(books) if books else {})}
        for dataset in nonempty.values():
            dataset.attrs.update(attrs)  # made for this call: copying each would take a sixth of its time
        return nonempty

    def participants(self, copy: LocalCopy, selection: Selection, *, strict: bool) -> pd.DataFrame:
        """Return the selected participants as a table, one row per participant and group."""
        datasets = self.open(copy, selection, strict=strict)
        table = participant_table(datasets, self.records)
        samples = [dataset.attrs["sample"] for dataset in datasets.values() if "sample" in dataset.attrs]
        if samples:
            table.attrs["sample"] = "\n".join(samples)
        return table

    def account(self, copy: LocalCopy) -> Account:
        """Return what every file, row, column and cell of the copy was used for when its store was built.

        What else is in a folder does not change its store, and is listed now.
        """
        books = self.stored_books(copy)
        stored, groups = self._read_store(copy, lambda available: available if books else ())
        account = stored_account(stored)
        if books:
            _, account = self._relabel(groups, account, books)
        return add_tree(account, _walk_folder(copy))

    def examine(self, copy: LocalCopy) -> Iterator[Finding]:
        """Compare the edges and regions of each atlas in the store with the records."""
        _, groups = self._read_store(copy, lambda available: available)
        for atlas in self.dataset.atlases:
            group = groups.get(atlas.group)
            n_edges = 0 if group is None else group.sizes["edge"]
            n_rois = 0 if group is None else len(edge_regions(group)[0])
            for name, expected, found in (("edges", atlas.edges, n_edges), ("rois", atlas.rois, n_rois)):
                what = f"{name} of '{atlas.group}'"
                grade = atlas.grade_of(name)
                yield Finding(what, str(expected), str(found), agrees=expected == found, grade=grade)

    def _relabel(
        self, groups: "Mapping[str, xr.Dataset]", account: Account, books: "Sequence[CodeBook]"
    ) -> "tuple[dict[str, xr.Dataset], Account]":
        # Imported here, because most copies are read without code books.
        from decnef_data.layouts.connectivity.relabel import relabel

        return relabel(groups, account, CodeBooks(books), self.dataset, self.records)

    def _read_store(
        self, copy: LocalCopy, choose_groups: "Callable[[tuple[str, ...]], tuple[str, ...]]"
    ) -> "tuple[Mapping[str, Any], dict[str, xr.Dataset]]":
        """Return the attributes of the copy's store, and groups of it.

        The store is built if there is none, and rebuilt if it is damaged, which its groups may show as well.
        """
        key = self._store_key(copy)

        def read(store: OpenStore) -> "tuple[Mapping[str, Any], dict[str, xr.Dataset]]":
            groups = choose_groups(store.manifest.groups)
            return store.manifest.attrs, {group: store.group(group) for group in groups}

        try:
            return read(self._find_store(key) or self._build_store(key, copy))
        except DamagedStoreError as error:
            self._require_source(copy, error)
            _LOG.warning(
                "'%s': the store is not intact ('%s' is %s), and is rebuilt from the verified files.",
                self.dataset.name, error.file, error.found,
            )  # fmt: skip
        # Outside the handler, and not in a loop: a new store that is damaged as well shows a failing disk.
        return read(self._build_store(key, copy))

    def _require_source(self, copy: LocalCopy, error: DamagedStoreError) -> None:
        if not copy.files_removed:
            return
        name = self.dataset.name
        message = (
            f"The store of '{name}' is not intact ('{error.file}' is {error.found}), and the files that it "
            f"was built from were not kept. Run `decnef_data.download('{name}')` to download them again."
        )
        raise DamagedStoreError(message, file=error.file, found=error.found) from error

    def _find_store(self, key: str) -> OpenStore | None:
        """Open the user's own store of that key, else the intact one of the shared cache, used in place."""
        damage = None
        try:
            own = Stores(self.root / "stores", memmap_variable).find(key)
        except DamagedStoreError as error:
            own, damage = None, error  # raised only where the shared cache has none
        if own is None and self.shared is not None:
            with suppress(DamagedStoreError):
                own = Stores(self.shared / "stores", memmap_variable).find(key)
        if own is None and damage is not None:
            raise damage
        return own

    def _store_key(self, copy: LocalCopy) -> str:
        # The labels of a store come from the records: with other records, it is another store.
        layout = f"{self.layout.name} {_digest_of_meaning(self.records, self.dataset.name)}"
        return store_key(copy.checksums, layout, self.layout.version)

    def _build_store(self, key: str, copy: LocalCopy) -> OpenStore:
        log = MemberLog(is_archive=len(copy.files) == 1)
        members = iter_members(copy.files, log.problems.append, log.junk.append, log.remarks.append)
        result = self.layout.read(members, self.dataset, self.records, log)
        attrs = {
            "dataset": self.dataset.name,
            "synthetic": result.synthetic,
            **report_attrs(result.report),
            "source_checksums": [str(checksum) for checksum in copy.checksums],
        }
        stores = Stores(self.root / "stores", memmap_variable)
        stores.publish(key, result.groups, attrs)
        # Opened as any later call opens it, so that the first result is no different.
        store = stores.find(key)
        if store is None:  # removed by another process between these two lines
            raise FormatError(
                f"The store of '{self.dataset.name}' was removed while it was being opened. Try again."
            )
        return store

    def _group_names(self, available: tuple[str, ...], selection: Selection) -> tuple[str, ...]:
        if selection.group is None:
            return available
        if selection.group in available:
            return (selection.group,)
        return resolve_group(self.dataset.name, selection.group, available, self.records)


@lru_cache(maxsize=8)  # it is asked for at each call, and encodes a hundred records
def _digest_of_meaning(records: Records, name: str) -> str:
    """Return a digest of what the layout reads of the records.

    A change of title or citation needs no new store, and neither do the names by which a request selects.
    """
    dataset = records.dataset(name)
    dataset_meaning = (
        dataset.name,
        dataset.top_folder,
        dataset.atlases,
        dataset.matrices,
        dataset.coordinates,
        dataset.known_files,
    )
    codes = tuple(msgspec.structs.replace(code, aliases=()) for code in records.codes)
    meaning = (*dataset_meaning, dataset.cohorts, records.columns, codes, records.sites)
    return hashlib.sha256(msgspec.json.encode(meaning)).hexdigest()


def _walk_folder(copy: LocalCopy) -> FileTree:
    """Return what is in the folder of a copy besides its files; nothing for an archive."""
    if len(copy.files) == 1 or not copy.root.is_dir():
        return FileTree()
    tree = walk_files(copy.root, follow_links=copy.follow_links)
    if (copy.root / CODES_FILE).is_file():  # no file of the copy, so that editing it needs no new store
        tree.set_aside.setdefault("code-books", []).append(CODES_FILE)
    return tree
