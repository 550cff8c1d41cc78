"""Many small files are worked on by many threads at once, none of which keeps another waiting."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from fcntl import LOCK_EX, flock
from pathlib import Path
from types import SimpleNamespace

import pytest

from decnef_data.file_cache import FileCache
from decnef_data.mirrors import Remote
from decnef_data.mirrors.http import session
from decnef_data.model import VerifiedFile
from decnef_data.progress import create_progress
from decnef_data.transfer.concurrency import MAX_THREADS, map_on_threads
from decnef_data.transfer.run import TransferRun
from tests import numbered, remotes
from tests.mirror_contract import dataset
from tests.servers.faults import busy, together
from tests.servers.synapse import SynapseServer

COUNT = 24
AT_ONCE = 8


def ignore(_threads: int) -> None:
    """Ignore the number of threads."""


class TestMapOnThreads:
    """The threads themselves."""

    def test_results_come_in_the_order_of_the_items(self) -> None:
        def work(number: int) -> int:
            time.sleep(0.001 * (number % 3))
            return number * 2

        assert map_on_threads(work, range(100), "test", ignore) == [number * 2 for number in range(100)]

    def test_no_items_have_no_results(self) -> None:
        assert map_on_threads(abs, [], "test", ignore) == []

    def test_as_many_items_as_may_be_are_waited_for_at_once(self) -> None:
        met, reported = threading.Barrier(MAX_THREADS, timeout=30), list[int]()
        map_on_threads(lambda _: met.wait(), range(MAX_THREADS), "test", reported.append)  # or it breaks
        assert max(reported) <= MAX_THREADS

    def test_the_first_failure_is_raised_and_the_other_items_are_not_begun(self) -> None:
        begun: list[int] = []

        def work(number: int) -> None:
            begun.append(number)
            if number == 5:
                raise KeyError(number)
            time.sleep(0.01)

        with pytest.raises(KeyError, match="5"):
            map_on_threads(work, range(10_000), "test", ignore)
        assert len(begun) < 1000
        running = [thread.name for thread in threading.enumerate()]
        assert not any(name.startswith("test") for name in running)

    def test_an_interruption_begins_no_other_item(self) -> None:
        begun, working = list[int](), threading.Event()

        def work(number: int) -> None:
            begun.append(number)
            working.wait(30)

        def interrupt(_threads: int) -> None:
            working.set()
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            map_on_threads(work, range(1000 * MAX_THREADS), "test", interrupt)
        assert len(begun) < 100 * MAX_THREADS


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
