"""The space for a store or a phantom is checked before its first byte is written."""

import errno
import shutil
import tarfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import xarray as xr

import decnef_data
from decnef_data.arrays import memmap_variable
from decnef_data.file_systems import require_free_space
from decnef_data.phantom import imaging_files, write_phantom
from decnef_data.stores import Stores, scan_store
from decnef_data.stores.scan_store import InMemoryFile, InMemoryScan
from tests import trees


class Usage(NamedTuple):
    """What shutil.disk_usage returns."""

    total: int
    used: int
    free: int


@pytest.fixture
def nearly_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**12, 10**12 - 70_000_000, 70_000_000))


def message(needed: int, purpose: str) -> str:
    return (
        f"Not enough disk space for {purpose}: {needed:,} MB are needed (plus a reserve of 67 MB), "
        "70 MB are free. Free some space, or move the cache with DECNEF_DATA_DIR"
    )


def test_the_error_has_the_folder_and_the_sums(nearly_full: None, tmp_path: Path) -> None:
    require_free_space(tmp_path, 2_000_000, "the store")
    folder = tmp_path / "not" / "there"
    with pytest.raises(OSError, match="Not enough") as caught:
        require_free_space(folder, 1_234_000_000, "the store")
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(folder))
    assert caught.value.strerror == message(1234, "the store")
    assert not folder.exists()


def test_a_store(nearly_full: None, tmp_path: Path) -> None:
    stores = Stores(tmp_path / "stores", memmap_variable)
    with pytest.raises(OSError, match="Not enough") as caught:
        stores.publish("0123", {"one": xr.Dataset({"fc": ("x", np.zeros(1_000_000))})}, {})
    assert caught.value.strerror == message(8, "the store '0123.zarr'")
    assert caught.value.filename == str(stores.root)
    assert not stores.root.exists()


def test_the_store_of_a_scan(nearly_full: None, tmp_path: Path) -> None:
    content = bytes(352 + 9_000_000)
    scan = InMemoryScan(
        "t1w", (300, 300, 100), "u1", {}, (InMemoryFile("sub-1/t1.nii", content, 352, 9_000_000),)
    )
    with pytest.raises(OSError, match="Not enough") as caught:
        scan_store.publish(tmp_path / "scans" / "one.zarr", scan)
    assert caught.value.strerror == message(9, "the store 'one.zarr'")
    assert not (tmp_path / "scans").exists()


def test_the_scans_of_an_archive_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DECNEF_DATA_DIR", str(tmp_path / "cache"))
    tree = trees.srpbs_open(tmp_path / "tree")
    archive = tmp_path / "own.tar"
    with tarfile.open(archive, "w") as made:
        made.add(tree / "SRPBS_OPEN", "SRPBS_OPEN")
    decnef_data.adopt("srpbs-open", archive, progress="none")
    decnef_data.participants("srpbs-open", progress="none")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**12, 10**12, 10))
    with pytest.raises(OSError, match=r"Not enough disk space for the stores of \d+ scans") as caught:
        decnef_data.fetch_dataset("srpbs-open", progress="none")
    assert caught.value.errno == errno.ENOSPC
    assert not list((tmp_path / "cache").rglob("*.zarr"))


@pytest.mark.parametrize("dataset", ["srpbs-fc", "srpbs-open", "srpbs-ts"])
def test_a_phantom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dataset: str) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**12, 10**12, 0))
    with pytest.raises(OSError, match=f"Not enough disk space for the phantom of '{dataset}'") as caught:
        write_phantom(dataset, tmp_path / "phantom")
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(tmp_path / "phantom"))
    assert not (tmp_path / "phantom").exists()


@pytest.mark.parametrize(
    ("dataset", "size"),
    [
        ("srpbs-open", imaging_files.PhantomSize(3)),
        ("srpbs-1600", imaging_files.PhantomSize(24)),
        ("srpbs-ts", imaging_files.PhantomSize(2)),
        ("srpbs-open", imaging_files.PhantomSize(1, full_size=True)),
    ],
)
def test_a_phantom_takes_no_more_than_what_is_checked(dataset: str, size: imaging_files.PhantomSize) -> None:
    assert sum(len(data) for _, data in imaging_files.generate_files(dataset, size)) <= size.max_bytes
