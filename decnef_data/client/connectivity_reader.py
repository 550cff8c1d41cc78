"""Read connectivity datasets: convert a copy to its store once, then open and select its groups."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pandas as pd

from decnef_data.archives import iter_members
from decnef_data.client.cache import open_stores
from decnef_data.client.readers import Reader, no_match_error, problem_attrs, raise_or_warn
from decnef_data.errors import FormatError, warn_user
from decnef_data.layouts import StoredLayout
from decnef_data.layouts.selection import resolve_group, select_each
from decnef_data.model import LocalCopy, Selection
from decnef_data.stores import Manifest, Stores, store_key

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["ConnectivityReader"]


def participant_table(datasets: "Mapping[str, xr.Dataset]") -> pd.DataFrame:
    """Return a table of every coordinate along ``subject``, with the name of the group in the first column.

    Text is text, numbers keep their dtype; a column that a group does not have is empty there.
    """
    tables = [_group_table(group, dataset) for group, dataset in datasets.items()]
    table = pd.concat(tables, ignore_index=True)
    texts = [
        str(name)
        for name, column in table.items()
        if column.dtype == object or pd.api.types.is_string_dtype(column)
    ]
    filled = table.assign(**{name: table[name].fillna("") for name in texts})
    if any(dataset.attrs.get("synthetic") for dataset in datasets.values()):
        filled.attrs["synthetic"] = 1
    return filled


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
        """Whether the copy's store exists."""
        return self._manifest(copy) is not None

    def stored_size(self, copy: LocalCopy) -> int | None:
        """Return the size of the copy's store in bytes, or ``None`` if there is no store."""
        manifest = self._manifest(copy)
        return None if manifest is None else manifest.size

    def store_path(self, copy: LocalCopy) -> Path:
        """Return where the copy's store is, or will be."""
        key = self._store_key(copy)
        return self._stores_with(key).path(key)

    def open(self, copy: LocalCopy, selection: Selection, *, strict: bool) -> "Mapping[str, xr.Dataset]":
        """Open the selected groups, converting the copy to its store first if there is none."""
        key = self._store_key(copy)
        manifest = self._stores_with(key).manifest(key) or self._build_store(key, copy)
        raise_or_warn(self.dataset.name, manifest.attrs, strict=strict)
        stores = self._stores_with(key)
        groups = {group: stores.open(key, group) for group in self._group_names(manifest.groups, selection)}
        selected = select_each(groups, selection, self.dataset, self.records)
        nonempty = {group: dataset for group, dataset in selected.items() if dataset.sizes["subject"]}
        if not nonempty:
            raise no_match_error(selection)
        _warn_out_of_range(self.dataset.name, nonempty)
        attrs = self._attrs(copy, manifest.attrs)
        return {group: dataset.assign_attrs(attrs) for group, dataset in nonempty.items()}

    def participants(self, copy: LocalCopy, selection: Selection, *, strict: bool) -> pd.DataFrame:
        """Return the selected participants as a table, one row per participant and group."""
        datasets = self.open(copy, selection, strict=strict)
        table = participant_table(datasets)
        samples = [dataset.attrs["sample"] for dataset in datasets.values() if "sample" in dataset.attrs]
        if samples:
            table.attrs["sample"] = "\n".join(samples)
        return table

    def _manifest(self, copy: LocalCopy) -> Manifest | None:
        key = self._store_key(copy)
        return self._stores_with(key).manifest(key)

    def _stores_with(self, key: str) -> Stores:
        """Return the stores that have `key`: the shared ones, used in place, else the user's own."""
        shared = None if self.shared is None else open_stores(self.shared)
        return shared if shared is not None and shared.manifest(key) is not None else open_stores(self.root)

    def _store_key(self, copy: LocalCopy) -> str:
        records = self.records
        # Only what the layout reads: a change of title or citation does not need a new store.
        dataset_meaning = (
            self.dataset.name,
            self.dataset.top_folder,
            self.dataset.atlases,
            self.dataset.matrices,
        )
        # The names by which a request selects do not change what is read.
        codes = tuple(msgspec.structs.replace(code, aliases=()) for code in records.codes)
        meaning = (*dataset_meaning, self.dataset.cohorts, records.columns, codes, records.sites)
        digest = hashlib.sha256(msgspec.json.encode(meaning)).hexdigest()
        return store_key(copy.checksums, f"{self.layout.name} {digest}", self.layout.version)

    def _build_store(self, key: str, copy: LocalCopy) -> Manifest:
        result = self.layout.read(iter_members(copy.files), self.dataset, self.records)
        attrs = {
            "dataset": self.dataset.name,
            "synthetic": result.synthetic,
            **problem_attrs(result.problems),
            "source_checksums": [str(checksum) for checksum in copy.checksums],
        }
        stores = open_stores(self.root)
        stores.publish(key, result.groups, attrs)
        manifest = stores.manifest(key)
        if manifest is None:  # removed by another process between these two lines
            raise FormatError(
                f"The store of '{self.dataset.name}' was removed while it was being opened. Try again."
            )
        return manifest

    def _group_names(self, available: tuple[str, ...], selection: Selection) -> tuple[str, ...]:
        if selection.group is None:
            return available
        return resolve_group(self.dataset.name, selection.group, available, self.records)


def _warn_out_of_range(name: str, datasets: "Mapping[str, xr.Dataset]") -> None:
    for group, dataset in datasets.items():
        if count := dataset.attrs.get("out_of_range"):
            message = (
                f"{count} values of '{name}/{group}' are outside [-1, 1], so not all values are Pearson "
                "correlations. Check them before averaging."
            )
            warn_user(message)
