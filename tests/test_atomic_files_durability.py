"""A power cut leaves no name without its bytes: every writer syncs a file before its rename, and its folder after."""

import hashlib
import os
import stat
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from decnef_data.arrays import memmap_variable
from decnef_data.atomic_files import append_private, open_atomic, write_atomic
from decnef_data.file_cache import FileCache
from decnef_data.mirror_index.journal import write_index
from decnef_data.mirror_index.model import IndexHeader
from decnef_data.model import Checksum, RemoteFile
from decnef_data.stores import Stores
from decnef_data.stores.staging import move_into_place, staging_folder

CONTENT = bytes(range(256)) * 5000
FILE = RemoteFile("folder/a.bin", len(CONTENT), Checksum("md5", hashlib.md5(CONTENT).hexdigest()), "v1")


class Disk:
    """What a power cut would leave: what was synced, and which names were given too early or not synced."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._sizes: dict[int, int] = {}
        #: Names whose file, or a file or folder in it, was not completely on the disk when it got the name.
        self.early: list[str] = []
        #: Names that a power cut may undo, by their folder.
        self.undone: dict[str, int] = {}
        fsync = os.fsync

        def synced(descriptor: int) -> None:
            fsync(descriptor)
            found = os.fstat(descriptor)
            self._sizes[found.st_ino] = found.st_size
            if stat.S_ISDIR(found.st_mode):
                self.undone = {name: folder for name, folder in self.undone.items() if folder != found.st_ino}

        monkeypatch.setattr(os, "fsync", synced)
        for name in ("rename", "replace"):
            monkeypatch.setattr(os, name, self._renaming(getattr(os, name)))

    def holds(self, path: Path) -> bool:
        """Return whether all of a file, or a folder and what is in it, is on the disk."""
        found = path.stat()
        if not path.is_dir():
            return self._sizes.get(found.st_ino) == found.st_size
        return found.st_ino in self._sizes and all(map(self.holds, path.iterdir()))

    def _renaming(self, rename: Callable[..., None]) -> Callable[..., None]:
        def renamed(source: Path, target: Path) -> None:
            if not self.holds(Path(source)):
                self.early.append(Path(target).name)
            rename(source, target)
            self.undone[Path(target).name] = Path(target).parent.stat().st_ino

        return renamed


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def publish_store(folder: Path) -> None:
    fc = np.random.default_rng(0).uniform(-1, 1, (6, 10))
    cube = xr.Dataset({"fc": (("subject", "edge"), fc)}, {"subject": [f"one-{row}" for row in range(6)]})
    Stores(folder, memmap_variable).publish("0123abcd", {"bal140": cube}, {})


def publish_folder(folder: Path) -> None:
    with staging_folder(folder) as stage:
        (stage / "one" / "two").mkdir(parents=True)
        for name in ("a", "one/b", "one/two/c"):
            (stage / name).write_bytes(b"voxels")
        assert move_into_place(stage, folder / "store")


def write_indexes(folder: Path) -> None:
    for day in (1, 2):
        header = IndexHeader(
            mirror="synapse",
            protocol="synapse",
            address="syn1",
            started=f"2026-11-0{day}T00:00:00+00:00",
            finished=f"2026-11-0{day}T00:01:00+00:00",
            calls=1,
        )
        write_index(folder / "synapse.jsonl", header, ())


def write_staged(folder: Path) -> None:
    with open_atomic(folder / "sub" / "file", staging=folder) as file:
        file.write(b"labels")


def download(folder: Path, content: bytes = CONTENT) -> None:
    files = FileCache(folder)
    file = RemoteFile("folder/a.bin", len(content), Checksum("md5", hashlib.md5(content).hexdigest()), "v1")
    with files.open_partial("ds", "atr", file) as partial:
        for start in range(0, len(content), 65536):
            partial.write(start, content[start : start + 65536])
        files.mark_complete("ds", "atr", folder / "files/ds", (files.finalize_partial("ds", "atr", partial),))


@pytest.mark.parametrize(
    "write",
    [
        lambda folder: write_atomic(folder / "new" / "file", b"labels"),
        write_staged,
        publish_store,
        publish_folder,
        write_indexes,
    ],
    ids=["file", "staged file", "store", "staged folder", "index"],
)
def test_bytes_are_on_the_disk_before_the_name_and_the_name_after(
    write: Callable[[Path], None], tmp_path: Path, disk: Disk
) -> None:
    write(tmp_path)
    assert (disk.early, disk.undone) == ([], {})


@pytest.mark.parametrize("size", [1000, 1 << 20], ids=["renamed directly", "by pooch"])
def test_a_download_is_on_the_disk_before_its_name(size: int, tmp_path: Path, disk: Disk) -> None:
    # The name may be undone: the partial is then there under its former name, and is verified again.
    download(tmp_path, CONTENT[:size])
    assert (tmp_path / "files/ds/folder/a.bin").stat().st_size == size
    assert disk.early == []


def test_an_index_is_on_the_disk_before_the_previous_one_loses_its_name(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[tuple[str, bool]] = []
    replace = os.replace

    def replaced(source: Path, target: Path) -> None:
        found.append((Path(target).name, all(map(disk.holds, tmp_path.glob(".synapse.jsonl.*")))))
        replace(source, target)

    write_indexes(tmp_path)
    monkeypatch.setattr(os, "replace", replaced)
    write_indexes(tmp_path)
    names = ["synapse.before.jsonl", "synapse.jsonl"] * 2
    assert found == [(name, True) for name in names]


def test_a_receipt_and_what_a_copy_consists_of_are_on_the_disk(tmp_path: Path, disk: Disk) -> None:
    download(tmp_path)
    journal = tmp_path / "receipts/ds/atr.jsonl"
    assert journal.read_bytes().count(b"\n") > 2
    assert disk.holds(journal)


def test_the_receipts_of_small_files_alone_may_be_lost(tmp_path: Path, disk: Disk) -> None:
    journal = tmp_path / "receipts/ds/atr.jsonl"
    for name, size, survives in (
        ("first", 1000, True),  # with the header
        ("small", 1000, False),
        ("large", len(CONTENT), True),  # with the checksums of its parts
    ):
        content = CONTENT[:size]
        file = RemoteFile(name, size, Checksum("md5", hashlib.md5(content).hexdigest()), "v1")
        files = FileCache(tmp_path)
        with files.open_partial("ds", "atr", file) as partial:
            partial.write(0, content)
            files.finalize_partial("ds", "atr", partial)
        assert disk.holds(journal) is survives, name


def test_a_journal_may_leave_out_what_can_be_repeated(tmp_path: Path, disk: Disk) -> None:
    append_private(tmp_path / "journal", b"one\n")
    append_private(tmp_path / "journal", b"two\n", durable=False)
    assert not disk.holds(tmp_path / "journal")
    append_private(tmp_path / "journal", b"three\n")
    assert disk.holds(tmp_path / "journal")


@pytest.mark.parametrize("durable", [False, True])
def test_a_checkpoint_is_on_the_disk_if_it_is_durable(tmp_path: Path, disk: Disk, *, durable: bool) -> None:
    with FileCache(tmp_path).open_partial("ds", "atr", FILE) as partial:
        partial.write(0, CONTENT[:4096])
        partial.checkpoint(durable=durable)
        assert disk.holds(partial.location) is durable


def test_the_record_of_a_disk_finds_what_is_missing(tmp_path: Path, disk: Disk) -> None:
    (tmp_path / "a").write_bytes(b"labels")
    (tmp_path / "a").rename(tmp_path / "b")
    assert (disk.early, list(disk.undone)) == (["b"], ["b"])
