"""Scans that are stored while others are read: what is held in memory, and for how long."""

import tarfile
import threading
import weakref
from pathlib import Path

import numpy as np
import pytest

from decnef_data.archives import Archive, LocalSource
from decnef_data.layouts.imaging.images import ingest
from decnef_data.layouts.imaging.images.extract import extract_scans
from decnef_data.layouts.imaging.images.ingest import IngestContext, ScanStoreWriter, ingest_archive
from decnef_data.layouts.imaging.images.scan_cache import ScanCache
from decnef_data.layouts.imaging.inventory.files import FileEntry
from decnef_data.layouts.imaging.inventory.scans import Inventory, Scan, find_scans
from decnef_data.stores import scan_store, staging
from decnef_data.stores.scan_store import InMemoryFile, InMemoryScan
from tests import trees

SHAPE = (6, 5, 4)


def t1_scan(subject: int) -> tuple[Scan, dict[str, bytes]]:
    """A T1 image of one subject, as it is in an archive."""
    path = f"SRPBS_OPEN/data/sub-{subject:04d}/t1/defaced_mprage.nii"
    content = trees.image(trees.voxels(subject, SHAPE)).to_bytes()
    (scan,), _ = find_scans([FileEntry(path, len(content), 0)], lambda _path: (content[:544], False))
    return scan, {path: content}


def test_a_scan_is_let_go_before_the_disk_is_waited_for(tmp_path: Path) -> None:
    content = np.zeros(352 + 48, np.uint8)
    kept = weakref.ref(content)
    shape, attrs = (1, 4, 3, 2), {"subject": "sub-0001"}
    made = [InMemoryScan("bold", shape, "<i2", attrs, (InMemoryFile("vol_0000", content, 352, 48),))]
    del content
    place = scan_store.store_path(tmp_path, "sub-0001_bold_1")
    with scan_store.publish_in_two_steps(place, made.pop()):
        assert kept() is None
        assert not place.exists()
    assert scan_store.check(place, deep=True)
    assert all(check.state == "intact" for check in scan_store.check(place, deep=True))


def test_a_slow_disk_holds_up_no_scan_that_fits_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = t1_scan(1), t1_scan(2)
    # There is room for one.
    monkeypatch.setattr(ingest, "_MAX_PENDING_BYTES", len(next(iter(one[1].values()))))
    move_into_place, disk, waiting = staging.move_into_place, threading.Event(), threading.Semaphore(0)

    def slowly(stage: Path, path: Path) -> bool:
        waiting.release()
        assert disk.wait(60)
        return move_into_place(stage, path)

    monkeypatch.setattr(staging, "move_into_place", slowly)
    scan_cache = ScanCache(tmp_path / "0123.scans")
    with ScanStoreWriter(scan_cache, {}) as writer:
        writer.submit(*one)
        writer.submit(*other)
        assert all(waiting.acquire(timeout=60) for _ in range(2))
        assert writer.stored_count == 0
        disk.set()
    assert writer.stored_count == 2
    assert not scan_cache.missing_scans((one[0], other[0]))


def test_one_that_is_held_holds_up_the_next_that_does_not_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = t1_scan(1), t1_scan(2)
    monkeypatch.setattr(ingest, "_MAX_PENDING_BYTES", len(next(iter(one[1].values()))))
    write, resumed, submitted = scan_store.write_blocks, threading.Event(), threading.Event()

    def slowly(*args: object) -> None:
        assert resumed.wait(60)
        write(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(scan_store, "write_blocks", slowly)
    with ScanStoreWriter(ScanCache(tmp_path / "0123.scans"), {}) as writer:
        writer.submit(*one)

        def submit() -> None:
            writer.submit(*other)
            submitted.set()

        thread = threading.Thread(target=submit)
        thread.start()
        assert not submitted.wait(0.3)
        resumed.set()
        thread.join(60)
        assert submitted.is_set()
    assert writer.stored_count == 2


def test_what_cannot_be_stored_is_named_and_holds_up_nobody(tmp_path: Path) -> None:
    scan, contents = t1_scan(1)
    short = {path: content[:-8] for path, content in contents.items()}
    with ScanStoreWriter(ScanCache(tmp_path / "0123.scans"), {}) as writer:
        writer.submit(scan, short)
        writer.submit(*t1_scan(2))
    assert [str(error) for error in writer.failures.values()] == [
        f"'{scan.files[0]}' ends after 584 bytes, but its header requires 592. Download it again."
    ]
    assert writer.stored_count == 1


class _EveryScan:
    """A filter that lets every scan pass."""

    def add_table(self, path: str) -> None:
        pass

    def __call__(self, scan: Scan) -> bool:
        return True


class _Display:
    """A progress display that keeps what it was told."""

    def __init__(self) -> None:
        self.total: int | None = None
        self.done = self.n_finished = self.n_scans = 0

    def start(self, what: str, total: int | None, done: int) -> None:
        self.total, self.done = total, done

    def advance(self, count: int) -> None:
        assert count >= 0
        self.done += count

    def set_source(self, mirror: str, connections: int) -> None:
        pass

    def set_scan_count(self, count: int) -> None:
        assert not self.n_finished
        self.n_scans = count

    def finish(self) -> None:
        self.n_finished += 1


def _ingest(tmp_path: Path, display: _Display) -> tuple[Inventory, int]:
    """Read an archive of the small tree; return its inventory and its size."""
    path = tmp_path / "a.tar.gz"
    with tarfile.open(path, "w:gz") as made:
        made.add(trees.srpbs_open(tmp_path / "own") / "SRPBS_OPEN", "SRPBS_OPEN", filter=_from_2017)
    size = path.stat().st_size
    archive, scan_cache = Archive(LocalSource("a.tar.gz", path)), ScanCache(tmp_path / "0123.scans")
    context = IngestContext(archive, scan_cache, {}, display)
    return ingest_archive(context, _EveryScan(), size, compute_fingerprints=False)[0], size


def _from_2017(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.mtime = 1_500_000_000
    return member


def test_progress_ends_at_the_size_of_the_archive(tmp_path: Path) -> None:
    display = _Display()
    _, size = _ingest(tmp_path, display)
    assert (display.total, display.done, display.n_finished) == (size, size, 1)


def test_progress_ends_at_the_number_of_scans_that_were_stored(tmp_path: Path) -> None:
    display = _Display()
    inventory, _ = _ingest(tmp_path, display)
    assert display.n_scans == len(inventory.scans) == len(list((tmp_path / "0123.scans").glob("*.zarr"))) > 1


def test_progress_of_extraction_ends_at_the_number_of_scans(tmp_path: Path) -> None:
    inventory, _ = _ingest(tmp_path, _Display())
    archive = Archive(LocalSource("a.tar.gz", tmp_path / "a.tar.gz"))
    assert list(archive.iter_members()) != []
    display = _Display()
    context = IngestContext(archive, ScanCache(tmp_path / "4567.scans"), {}, display)
    extract_scans(context, inventory.scans)
    assert display.n_scans == len(inventory.scans)


def test_scans_have_the_times_of_the_members_in_nanoseconds(tmp_path: Path) -> None:
    inventory, _ = _ingest(tmp_path, _Display())
    times = b"".join(scan.mtimes for scan in inventory.scans)
    assert set(np.frombuffer(times, "<i8").tolist()) == {1_500_000_000_000_000_000}
