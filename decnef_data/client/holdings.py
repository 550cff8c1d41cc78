"""What this machine holds of each dataset: files, partials and stores, of the data and of the phantom."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from decnef_data.files import Files
from decnef_data.model import CacheEntry, FileCheck

if TYPE_CHECKING:
    from decnef_data.layouts.shelves import Shelf
    from decnef_data.stores import Stores


@dataclass(frozen=True, slots=True)
class Holdings:
    """The files and stores below one root; ``synthetic`` where the root is the phantom's."""

    root: Path
    synthetic: bool

    def entries(self) -> Iterator[CacheEntry]:
        """List everything, files first."""
        for entry in Files(self.root).entries():
            yield replace(entry, synthetic=self.synthetic)
        for key, dataset, synthetic in self._stored():
            path = self._stores.path(key)
            yield CacheEntry(dataset, "store", path, _size(path), "", self.synthetic or synthetic)
        for shelf in self._shelves():
            size = _size(shelf.folder)
            yield CacheEntry(shelf.dataset() or "", "store", shelf.folder, size, "", self.synthetic)

    def checks(self, dataset: str, *, deep: bool) -> Iterator[FileCheck]:
        """Compare the stores of `dataset` with their manifests."""
        for key, stored, _ in self._stored():
            if stored == dataset:
                yield from _summary(f"{key}.zarr", tuple(self._stores.check(key, deep=deep)))
        for shelf in self._shelves(dataset):
            yield from _summary(shelf.folder.name, tuple(shelf.checks(deep=deep)))

    def mend(self, dataset: str) -> None:
        """Remove the stores of `dataset` that are not whole: they are made again when they are wanted."""
        for key, stored, _ in tuple(self._stored()):
            checks = self._stores.check(key, deep=True) if stored == dataset else ()
            if any(check.state != "whole" for check in checks):
                self._stores.remove(key)
        for shelf in self._shelves(dataset):
            shelf.mend()

    def clear(self, dataset: str) -> None:
        """Remove files, partials and stores of `dataset`; adopted files are only forgotten."""
        Files(self.root).clear(dataset)
        for key, stored, _ in tuple(self._stored()):
            if stored == dataset:
                self._stores.remove(key)
        for shelf in self._shelves(dataset):
            shelf.remove()

    def _shelves(self, dataset: str | None = None) -> "tuple[Shelf, ...]":
        """What was made of archives of images, of one dataset or of all."""
        folders = sorted((self.root / "stores").glob("*.scans"))
        if not folders:
            return ()
        from decnef_data.layouts.shelves import Shelf

        shelves = map(Shelf, folders)
        return tuple(shelf for shelf in shelves if dataset in {None, shelf.dataset()})

    @property
    def _stores(self) -> "Stores":
        from decnef_data.arrays import mapped
        from decnef_data.stores import Stores

        return Stores(self.root / "stores", mapped)

    def _stored(self) -> Iterator[tuple[str, str, bool]]:
        """Each store's key, and what its manifest says that it is."""
        if not (self.root / "stores").is_dir():
            return
        stores = self._stores
        for key, manifest in ((key, stores.manifest(key)) for key in stores.keys()):  # noqa: SIM118 - no mapping
            if manifest is not None:
                yield key, str(manifest.attrs["dataset"]), bool(manifest.attrs["synthetic"])


def _summary(name: str, checks: tuple[FileCheck, ...]) -> tuple[FileCheck, ...]:
    """One line for a whole store, else a line for each file that is not."""
    wrong = tuple(check for check in checks if check.state != "whole")
    return wrong or (FileCheck(name, "whole", f"{len(checks)} files"),)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
