"""Of many threads one works at a time, and none blocks another while it waits."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from fcntl import LOCK_EX, flock
from pathlib import Path
from types import SimpleNamespace

import pytest

from decnef_data.cooperative import CooperativeLock, blocking_section
from decnef_data.file_cache import FileCache
from decnef_data.mirrors import Remote
from decnef_data.mirrors.http import session
from decnef_data.model import VerifiedFile
from decnef_data.progress import create_progress
from decnef_data.transfer.run import TransferRun
from tests import numbered, remotes
from tests.mirror_contract import dataset
from tests.servers.faults import busy, together
from tests.servers.synapse import SynapseServer

COUNT = 24
AT_ONCE = 8


class TestCooperativeLock:
    """The lock itself."""

    def test_one_works_at_a_time_and_those_that_wait_do_not_count(self) -> None:
        lock, met = CooperativeLock(), threading.Barrier(AT_ONCE, timeout=20)
        inside, most = 0, 0

        def work(_: int) -> None:
            nonlocal inside, most
            for _ in range(50):
                with lock.hold():
                    inside += 1
                    most = max(most, inside)
                    time.sleep(0)
                    inside -= 1
                    with blocking_section():
                        met.wait()  # all threads are in the section at once, or the barrier breaks

        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(work, range(AT_ONCE)))
        assert most == 1

    def test_a_section_is_left_with_the_lock_and_may_be_nested(self) -> None:
        lock = CooperativeLock()
        with lock.hold():
            with blocking_section(), blocking_section():
                assert not lock._lock.locked()
            assert lock._lock.locked()
        assert not lock._lock.locked()

    def test_an_error_gives_it_back(self) -> None:
        lock = CooperativeLock()
        with pytest.raises(KeyError), lock.hold(), blocking_section():
            raise KeyError
        with lock.hold(), blocking_section():
            assert not lock._lock.locked()

    def test_idle_is_the_time_that_no_thread_uses(self) -> None:
        lock = CooperativeLock()
        time.sleep(0.05)
        assert lock.idle_seconds >= 0.05
        with lock.hold():
            used = lock.idle_seconds
            time.sleep(0.05)
            assert lock.idle_seconds == used
            with blocking_section():
                time.sleep(0.05)
        assert lock.idle_seconds >= used + 0.05

    def test_a_section_without_a_lock_does_nothing(self) -> None:
        with blocking_section():
            pass


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SynapseServer]:
    with SynapseServer(numbered.project(tmp_path, COUNT), lifetime=900) as made:
        yield made


@pytest.fixture
def remote(server: SynapseServer, tmp_path: Path) -> Remote:
    return remotes.synapse(server, numbered.PROJECT, tmp_path)


def fetch(remote: Remote, cache: Path) -> tuple[VerifiedFile, ...]:
    return TransferRun(dataset(), FileCache(cache), create_progress("none"), lambda: ()).fetch_files(remote)


def assert_all(found: tuple[VerifiedFile, ...]) -> None:
    assert [one.location.read_bytes() for one in found] == [
        numbered.content(number) for number in range(COUNT)
    ]


class TestFiles:
    """Small files, each of which waits for something."""

    @pytest.mark.parametrize("at", [None, 0, 1000], ids=["answers", "first bytes", "more bytes"])
    def test_many_are_waited_for_at_once(
        self, server: SynapseServer, remote: Remote, tmp_path: Path, at: int | None
    ) -> None:
        barrier = threading.Barrier(AT_ONCE, timeout=20)
        server.storage.faults.add(together(barrier, at), None)
        assert_all(fetch(remote, tmp_path / "cache"))
        assert not barrier.broken

    def test_busy_hosts_are_waited_for_at_once(
        self, server: SynapseServer, remote: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        met, delays = threading.Barrier(AT_ONCE, timeout=60), list[float]()

        def sleep(seconds: float) -> None:
            delays.append(seconds)
            met.wait()  # as many threads sleep at once, or the barrier breaks

        monkeypatch.setattr(session, "time", SimpleNamespace(**vars(time) | {"sleep": sleep}))
        server.storage.faults.add(busy(503, retry_after=1), COUNT)
        assert_all(fetch(remote, tmp_path / "cache"))
        assert delays == [1] * COUNT

    def test_one_that_another_process_writes_keeps_no_other_waiting(
        self, remote: Remote, tmp_path: Path
    ) -> None:
        partials = tmp_path / "cache/partial/srpbs-fc"
        partials.mkdir(parents=True)
        with ThreadPoolExecutor(1) as pool, (partials / "000.bin.lock").open("w") as lock:
            flock(lock, LOCK_EX)
            coming = pool.submit(fetch, remote, tmp_path / "cache")
            until = time.monotonic() + 30
            while len(list((tmp_path / "cache").glob("files/srpbs-fc/*.bin"))) < COUNT - 1:
                assert time.monotonic() < until
                time.sleep(0.05)
            assert not coming.done()
            lock.close()
            assert_all(coming.result(timeout=30))
