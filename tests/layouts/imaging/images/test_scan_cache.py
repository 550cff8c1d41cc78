"""The cache folder of an archive: what it has itself, and what a shared one has."""

from pathlib import Path

from decnef_data.archives import SeekIndex
from decnef_data.layouts.imaging.images.scan_cache import ScanCache
from decnef_data.layouts.imaging.inventory.scans import INVENTORY_VERSION, Inventory


def saved(folder: Path, size: int) -> ScanCache:
    """A cache with an inventory without scans, and the index of a file of this size."""
    scan_cache = ScanCache(folder)
    inventory = Inventory(
        version=INVENTORY_VERSION, root="", folders={}, scans=(), troubles=(), files=0, size=0
    )
    scan_cache.save(inventory, SeekIndex(gzipped=False, size=size, unpacked=size))
    return scan_cache


def test_the_index_is_the_own_one_or_else_the_shared_one(tmp_path: Path) -> None:
    shared = saved(tmp_path / "shared.scans", 10)
    found = ScanCache(tmp_path / "own.scans", shared).load_index()
    assert found is not None
    assert found.size == 10
    saved(tmp_path / "own.scans", 20)
    found = ScanCache(tmp_path / "own.scans", shared).load_index()
    assert found is not None
    assert found.size == 20
    assert ScanCache(tmp_path / "none.scans").load_index() is None
