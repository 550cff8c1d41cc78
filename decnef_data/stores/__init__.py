"""Zarr stores: published completely or not at all, keyed by their content, opened lazily, never changed."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import xarray as xr

from decnef_data.errors import SelectionError
from decnef_data.file_systems import require_free_space
from decnef_data.model import Checksum, FileCheck
from decnef_data.stores import staging, zarr_groups
from decnef_data.stores.manifest import (
    Manifest,
    check_store,
    move_store_into_place,
    write_manifest,
)
from decnef_data.stores.open_store import Mapper, OpenStore
from decnef_data.stores.stored_files import DamagedStoreError

__all__ = ["DamagedStoreError", "Manifest", "Mapper", "OpenStore", "Stores", "store_key"]


def store_key(checksums: Iterable[Checksum], layout: str, version: int) -> str:
    """Return the key of a store: the same sources, read the same way, have one store.

    Parameters
    ----------
    checksums
        The checksums of the source files, in any order.
    layout, version
        The layout that reads the files, and its version.

    Returns
    -------
    str
        A sha256 in hexadecimal.

    Examples
    --------
    >>> store_key([Checksum("md5", "d41d8cd98f00b204e9800998ecf8427e")], "connectivity", 1)[:12]
    '2405500cba32'
    """
    parts = [*sorted(str(checksum) for checksum in checksums), layout, str(version)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


class Stores:
    """The stores below one folder, ``<key>.zarr`` each.

    Parameters
    ----------
    root
        The folder; created with access for the user only when something is first published there.
    mapper
        Returns a lazy variable over the bytes of a file.
    max_chunk_bytes
        Arrays above this many bytes are written in blocks of complete rows, each below it.

    Examples
    --------
    >>> import tempfile
    >>> from decnef_data.arrays import memmap_variable
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     stores = Stores(Path(folder, "stores"), memmap_variable)
    ...     cube = xr.Dataset({"fc": (("subject", "edge"), [[0.5, 0.25]])})
    ...     _ = stores.publish("0123", {"bal140": cube}, {"title": "An example"})
    ...     stores.open("0123", "bal140")["fc"].values.tolist()
    [[0.5, 0.25]]
    """

    def __init__(
        self, root: Path, mapper: Mapper, *, max_chunk_bytes: int = zarr_groups.MAX_CHUNK_BYTES
    ) -> None:
        self.root = root
        self._mapper = mapper
        self._max_chunk_bytes = max_chunk_bytes

    def path(self, key: str) -> Path:
        """Return the path of the store of that key."""
        return self.root / f"{key}.zarr"

    def publish(self, key: str, groups: Mapping[str, xr.Dataset], attrs: Mapping[str, object]) -> Path:
        """Write a store to a staging folder, then move it into place; return its path.

        An intact store that is already there stays, a damaged one is replaced.  `attrs` are those of the
        root group.

        Raises
        ------
        OSError
            The disk cannot hold the store, which is known before anything is written, or it failed.
        """
        size = sum(dataset.nbytes for dataset in groups.values())
        require_free_space(self.root, size, f"the store '{self.path(key).name}'")
        with staging.staging_folder_with_cleanup(self.root) as stage, staging.add_path_to_errors(stage):
            arrays = zarr_groups.write_groups(stage, groups, self._max_chunk_bytes)
            write_manifest(stage, Manifest.from_store(key, stage, arrays, attrs))
            move_store_into_place(stage, self.path(key))
        return self.path(key)

    def find(self, key: str) -> OpenStore | None:
        """Open a store, or return ``None`` if there is none.

        Raises
        ------
        DamagedStoreError
            The store is there, and a file of it is missing, has another size or was found damaged before.
        """
        return OpenStore.find(self.path(key), self._mapper)

    def manifest(self, key: str) -> Manifest | None:
        """Return the manifest of a store, or ``None`` if there is no store; raises as :meth:`find` does."""
        store = self.find(key)
        return None if store is None else store.manifest

    def open(self, key: str, group: str) -> xr.Dataset:
        """Open one group: its coordinates are read and verified, its arrays memory-mapped.

        Raises
        ------
        SelectionError
            There is no such store or group.
        DamagedStoreError
            The store is not intact, or a coordinate does not have its checksum.
        """
        store = self.find(key)
        if store is None:
            raise SelectionError(
                f"There is no store '{self.path(key)}'. Fetch the dataset to create it.",
                requested=key,
                known=self.keys(),
            )
        return store.group(group)

    def keys(self) -> tuple[str, ...]:
        """Return the keys of all stores, sorted."""
        return tuple(sorted(path.stem for path in self.root.glob("*.zarr")))

    def remove(self, key: str) -> int:
        """Remove a store at once, intact or not, and return the bytes freed."""
        return staging.remove_folder(self.path(key))

    def check(self, key: str, *, deep: bool) -> tuple[FileCheck, ...]:
        """Check the size of each file of a store, and if `deep` its checksum."""
        return check_store(self.path(key), deep=deep)
