"""Zarr stores: published whole or not at all, keyed by their content, opened lazily, never changed."""

import hashlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import xarray as xr

from decnef_data.errors import IntegrityError, SelectionError
from decnef_data.model import Checksum, FileCheck
from decnef_data.stores import cubes, manifests, staging
from decnef_data.stores.chunks import Mapper
from decnef_data.stores.damage import not_whole
from decnef_data.stores.manifests import Manifest

__all__ = ["Manifest", "Mapper", "Stores", "key"]


def key(checksums: Iterable[Checksum], layout: str, version: int) -> str:
    """Name a store by what it is made from: the same sources read the same way have one store.

    Parameters
    ----------
    checksums
        Those of the source files, in any order.
    layout, version
        What reads the files, and which version of it.

    Returns
    -------
    str
        A sha256 in hexadecimal.

    Examples
    --------
    >>> key([Checksum("md5", "d41d8cd98f00b204e9800998ecf8427e")], "connectivity", 1)[:12]
    '2405500cba32'
    """
    parts = [*sorted(str(checksum) for checksum in checksums), layout, str(version)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


class Stores:
    """The stores below one folder, ``<key>.zarr`` each.

    Parameters
    ----------
    root
        The folder; made, for the user alone, when something is first published there.
    mapper
        Lays a lazy variable over the bytes of a file.
    block
        Arrays above this many bytes are written in blocks of whole rows, each below it.

    Examples
    --------
    >>> import tempfile
    >>> from decnef_data.arrays import mapped
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     stores = Stores(Path(folder, "stores"), mapped)
    ...     cube = xr.Dataset({"fc": (("subject", "edge"), [[0.5, 0.25]])})
    ...     _ = stores.publish("0123", {"bal140": cube}, {"title": "An example"})
    ...     stores.open("0123", "bal140")["fc"].values.tolist()
    [[0.5, 0.25]]
    """

    def __init__(self, root: Path, mapper: Mapper, *, block: int = cubes.BLOCK) -> None:
        self.root = root
        self._mapper = mapper
        self._block = block

    def path(self, key: str) -> Path:
        """Where the store of that key is, or would be."""
        return self.root / f"{key}.zarr"

    def publish(self, key: str, groups: Mapping[str, xr.Dataset], attrs: Mapping[str, object]) -> Path:
        """Write a store beside its place, then move it there whole.

        A whole store that is already there stays, and is the one returned; a damaged one is replaced.
        `attrs` go to the root group.
        """
        with staging.staged(self.root) as stage, staging.naming(stage):
            arrays = cubes.write_groups(stage, groups, self._block)
            manifests.seal(stage, Manifest.of(key, stage, arrays, attrs))
            self._settle(stage, key)
        return self.path(key)

    def _settle(self, stage: Path, key: str) -> None:
        if staging.moved(stage, self.path(key)) or self._is_whole(key):
            return
        self.remove(key)
        staging.moved(stage, self.path(key))

    def _is_whole(self, key: str) -> bool:
        with suppress(IntegrityError):
            return self.manifest(key) is not None
        return False

    def manifest(self, key: str) -> Manifest | None:
        """Give what a store holds, or ``None`` where there is none.

        Raises
        ------
        IntegrityError
            The store is there, and a file of it is missing or has another size.
        """
        store = self.path(key)
        if not store.is_dir():
            return None
        manifest = manifests.load(store)
        for check in manifests.checks(store, manifest, deep=False):
            if check.state != "whole":
                raise not_whole(store, check)
        return manifest

    def open(self, key: str, group: str) -> xr.Dataset:
        """Open one group: its coordinates are read and checked, its arrays mapped.

        Raises
        ------
        SelectionError
            There is no such store or group.
        IntegrityError
            The store is not whole, or a coordinate does not have the bytes that were written.
        """
        manifest = self.manifest(key)
        if manifest is None:
            raise SelectionError(
                f"There is no store '{self.path(key)}'. Fetch the dataset to make it.",
                asked=key,
                known=self.keys(),
            )
        if group not in manifest.groups:
            groups = ", ".join(f"'{name}'" for name in manifest.groups)
            raise SelectionError(
                f"The store '{self.path(key)}' has no group '{group}'. Ask for one of {groups}.",
                asked=group,
                known=manifest.groups,
            )
        return cubes.read(self.path(key), group, manifest.arrays_of(group), self._mapper)

    def groups(self, key: str) -> tuple[str, ...]:
        """Give the names of a store's groups; none where there is no store."""
        manifest = self.manifest(key)
        return manifest.groups if manifest else ()

    def keys(self) -> tuple[str, ...]:
        """Give the keys of all stores, sorted."""
        return tuple(sorted(path.stem for path in self.root.glob("*.zarr")))

    def remove(self, key: str) -> int:
        """Remove a store at once, whole or not, and give the bytes freed."""
        return staging.removed(self.path(key))

    def check(self, key: str, *, deep: bool) -> tuple[FileCheck, ...]:
        """Check each file of a store: its size, and if `deep` its bytes, against what was written."""
        return manifests.examined(self.path(key), deep=deep)
