"""Scans that are stored while others come: what is held in memory, and for how long."""

import threading
import weakref
from pathlib import Path

import numpy as np
import pytest

from decnef_data.layouts import storing
from decnef_data.layouts.inventory import Entry, Scan, survey
from decnef_data.layouts.shelves import Shelf
from decnef_data.layouts.storing import Storing
from decnef_data.stores import scans, staging
from decnef_data.stores.scans import HeldFile, HeldScan
from tests import trees

SHAPE = (6, 5, 4)


def coming(subject: int) -> tuple[Scan, dict[str, bytes]]:
    """A T1 image of one person, as an archive gives it."""
    path = f"SRPBS_OPEN/data/sub-{subject:04d}/t1/defaced_mprage.nii"
    content = trees.image(trees.voxels(subject, SHAPE)).to_bytes()
    (scan,), _ = survey([Entry(path, len(content), 0)], lambda _path: (content[:544], False))
    return scan, {path: content}


def test_a_scan_is_let_go_before_the_disk_is_waited_for(tmp_path: Path) -> None:
    content = np.zeros(352 + 48, np.uint8)
    kept = weakref.ref(content)
    shape, attrs = (1, 4, 3, 2), {"subject": "sub-0001"}
    made = [HeldScan("bold", shape, "<i2", attrs, (HeldFile("vol_0000", content, 352, 48),))]
    del content
    place = scans.place(tmp_path, "sub-0001_bold_1")
    with scans.publishing(place, made.pop()):
        assert kept() is None
        assert not place.exists()
    assert scans.check(place, deep=True)
    assert all(check.state == "whole" for check in scans.check(place, deep=True))


def test_a_slow_disk_holds_up_no_scan_that_fits_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = coming(1), coming(2)
    monkeypatch.setattr(storing, "_HELD", len(next(iter(one[1].values()))))  # there is room for one
    moved, disk, waiting = staging.moved, threading.Event(), threading.Semaphore(0)

    def slowly(stage: Path, place: Path) -> bool:
        waiting.release()
        assert disk.wait(60)
        return moved(stage, place)

    monkeypatch.setattr(staging, "moved", slowly)
    shelf = Shelf(tmp_path / "0123.scans")
    with Storing(shelf, {}) as stored:
        stored.put(*one)
        stored.put(*other)
        assert all(waiting.acquire(timeout=60) for _ in range(2))
        assert stored.done == 0
        disk.set()
    assert stored.done == 2
    assert not shelf.missing((one[0], other[0]))


def test_one_that_is_held_holds_up_the_next_that_does_not_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = coming(1), coming(2)
    monkeypatch.setattr(storing, "_HELD", len(next(iter(one[1].values()))))
    write, going_on, given = scans.write, threading.Event(), threading.Event()

    def slowly(*given: object) -> None:
        assert going_on.wait(60)
        write(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(scans, "write", slowly)
    with Storing(Shelf(tmp_path / "0123.scans"), {}) as stored:
        stored.put(*one)

        def give() -> None:
            stored.put(*other)
            given.set()

        thread = threading.Thread(target=give)
        thread.start()
        assert not given.wait(0.3)
        going_on.set()
        thread.join(60)
        assert given.is_set()
    assert stored.done == 2


def test_what_cannot_be_stored_is_named_and_holds_up_nobody(tmp_path: Path) -> None:
    scan, contents = coming(1)
    short = {path: content[:-8] for path, content in contents.items()}
    with Storing(Shelf(tmp_path / "0123.scans"), {}) as stored:
        stored.put(scan, short)
        stored.put(*coming(2))
    assert [str(error) for error in stored.failed.values()] == [
        f"'{scan.files[0]}' ends after 584 bytes where its header asks for 592. Get it again."
    ]
    assert stored.done == 1
