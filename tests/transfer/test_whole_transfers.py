"""Transfers end with one right file and nothing else: whoever is killed, waits, fills up, or sets the clock."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import decnef_data
from decnef_data.errors import AccessError, MirrorError, SelectionError
from decnef_data.file_cache import FileCache, PartMap
from decnef_data.file_cache.part_map import crc32c
from decnef_data.mirrors import Credentials, connect
from decnef_data.model import Checksum, RemoteFile
from decnef_data.progress import create_progress
from decnef_data.transfer import concurrency
from decnef_data.transfer.concurrency import ConnectionScaler
from decnef_data.transfer.ranges import ByteRange, RangeScheduler
from decnef_data.transfer.run import TransferRun
from tests import fault_matrix, forked, numbered, remotes
from tests.fault_matrix import CONTENT, NAME, PART
from tests.mirror_contract import dataset
from tests.servers import faults
from tests.servers.links import LinkServer
from tests.servers.synapse import SynapseServer, Throttle
from tests.transfer.transfers import MD5, bring_logging, brought, record

ROOT = Path(__file__).parents[2]
BRING = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests.transfer.transfers import bring_logging
bring_logging(Path(sys.argv[2]), sys.argv[3])
"""


def start(folder: Path, link: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", BRING, str(ROOT), str(folder), link]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def fork(folder: Path, link: str, **options: bool) -> BaseProcess:
    """Start to bring it without the time that importing takes, in which nothing could be killed."""
    return forked.start(partial(bring_logging, **options), folder, link, output=folder / "said")


def assert_kept(said: bytes, link: str) -> None:
    """The link is a key, and no process says it, whatever becomes of it."""
    assert link.partition("?")[2].encode() not in said
    assert b"X-Amz-Signature" not in said


def tree(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


WHOLE = {f"files/srpbs-fc/{NAME}", "receipts/srpbs-fc/atr.jsonl"}


def wait_for_bytes(folder: Path) -> None:
    """Wait until a partial file below the folder records bytes as received."""
    until = time.monotonic() + 60
    while not any(received_bytes(path) for path in folder.rglob("*.part")):
        assert time.monotonic() < until
        time.sleep(0.01)


def received_bytes(partial: Path) -> int:
    """Return how many bytes a partial file records as received; 0 while it records nothing."""
    parts = PartMap(len(CONTENT), PART)
    return parts.received if parts.load(partial.read_bytes()[len(CONTENT) :]) else 0


class TestKills:
    """Killed at any moment, run again: the right file, little of it twice, nothing left over."""

    @pytest.mark.parametrize("times", [8, pytest.param(50, marks=pytest.mark.slow)])
    def test_at_random_moments(self, tmp_path: Path, times: int) -> None:
        chance = random.Random(times)
        with LinkServer(rate=1.5e6) as server:
            link = server.link(CONTENT, name=NAME)
            for number in range(times):
                n_before = len(server.requests)
                process = fork(tmp_path, link)
                until = time.monotonic() + 60
                # Starting may take longer than all of the transfer: most are killed after their first request.
                while number % 4 and len(server.requests) == n_before and process.is_alive():
                    assert time.monotonic() < until
                    time.sleep(0.01)
                process.join(chance.uniform(0, 0.3))
                process.kill()
                process.join()
                assert_kept((tmp_path / "said").read_bytes(), link)
                named = tmp_path / "cache/files/srpbs-fc" / NAME
                if named.exists():
                    assert named.read_bytes() == CONTENT
                    named.unlink()
                    (tmp_path / "cache/receipts/srpbs-fc/atr.jsonl").unlink(missing_ok=True)
            server.rate = None
            for orphan in tmp_path.rglob(
                "tmp????????"
            ):  # killed while pooch renamed it; swept once it is old
                os.utime(orphan, (1, 1))
            assert brought(tmp_path, link).read_bytes() == CONTENT
        assert tree(tmp_path / "cache") == WHOLE

    @pytest.mark.slow
    @pytest.mark.usefixtures("in_parts")
    def test_at_most_a_part_of_each_connection_is_fetched_twice(self, tmp_path: Path) -> None:
        with LinkServer(rate=1e5) as server:
            link = server.link(CONTENT, name=NAME)
            with start(tmp_path, link) as process:
                wait_for_bytes(tmp_path)
                process.send_signal(signal.SIGKILL)
            (found,) = tmp_path.rglob("*.part")
            sent = sum(1 for request in server.requests if request.status == 206)
            assert received_bytes(found) >= max((sent - 1 - 2 * 4) * PART, 1)
            server.rate = None
            assert brought(tmp_path, link).read_bytes() == CONTENT

    @pytest.mark.slow
    def test_by_the_keyboard(self, tmp_path: Path) -> None:
        with LinkServer(rate=2e5) as server:
            with start(tmp_path, server.link(CONTENT, name=NAME)) as process:
                wait_for_bytes(tmp_path)
                process.send_signal(signal.SIGINT)
                process.wait(60)
            (found,) = tmp_path.rglob("*.part")
            assert 0 < received_bytes(found) < len(CONTENT)  # it did not wait for the rest


class TestTogether:
    """Processes that share a cache."""

    @pytest.mark.slow
    @pytest.mark.parametrize("has_locks", [True, False], ids=["locks", "no locks"])
    def test_eight_at_once_end_with_one_file(self, tmp_path: Path, has_locks: bool) -> None:
        with LinkServer(rate=4e6) as server:
            link = server.link(CONTENT, name=NAME)
            processes = [fork(tmp_path, link, has_locks=has_locks) for _ in range(8)]
            for process in processes:
                process.join(60)
            said = (tmp_path / "said").read_bytes()
            assert [process.exitcode for process in processes] == [0] * 8, said.decode()
            assert_kept(said, link)
        assert (tmp_path / "cache/files/srpbs-fc" / NAME).read_bytes() == CONTENT
        assert tree(tmp_path / "cache") == WHOLE
        journal = FileCache(tmp_path / "cache").journal("srpbs-fc", "atr")
        assert journal is not None
        assert journal.verified_file(NAME) is not None

    @pytest.mark.slow
    @pytest.mark.usefixtures("in_parts")
    def test_who_waits_sees_how_far_it_is(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        with LinkServer(rate=3e5) as server:
            link = server.link(CONTENT, name=NAME)
            with start(tmp_path, link) as process:
                while not list(tmp_path.rglob("*.part")):
                    time.sleep(0.01)
                credentials = Credentials(tmp_path / "config")
                run = TransferRun(
                    dataset(), FileCache(tmp_path / "cache"), create_progress("json"), lambda: ()
                )
                (found,) = run.fetch_files(connect(record(), credentials))
                assert process.wait(30) == 0
        assert found.location.read_bytes() == CONTENT
        events = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
        assert [event["event"] for event in events][:1] == ["start"]
        assert any(event["event"] == "progress" and event["done"] > 0 for event in events)
        assert events[-1]["event"] == "end"


class TestDisks:
    """Disks that are full, and caches that cannot be written."""

    @pytest.mark.usefixtures("in_parts")
    def test_one_that_fills_midway(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        small = tmp_path / "small"
        small.mkdir()
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=1600k", "tmpfs", str(small)],
            capture_output=True,
            check=False,
        )
        if mounted.returncode:
            pytest.skip("no small file system can be mounted here")
        try:
            monkeypatch.setattr("decnef_data.file_systems._RESERVED_SPACE", 0)
            with LinkServer() as server:
                link = server.link(CONTENT, name=NAME)
                server.faults.add(lambda request, proceed: proceed(request))
                server.faults.add(lambda request, proceed: _filling(small, request, proceed), None)
                with pytest.raises(
                    OSError, match=r"No space left on device: [\d.]+ MB of 'SRPBS_FC\.zip' remain"
                ) as raised:
                    brought(small, link)
                assert "rerun the command to resume" in str(raised.value)
                assert not (small / "cache/files").exists()
                (small / "filler").unlink()
                server.faults.clear()
                before = len(server.requests)
                assert brought(small, link).read_bytes() == CONTENT
                assert len(server.requests) - before < 18
        finally:
            subprocess.run(["umount", "-l", str(small)], check=True)

    @pytest.mark.usefixtures("in_parts")
    def test_a_clock_that_is_set_wrong(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with LinkServer() as server:
            link = server.link(CONTENT, name=NAME)
            server.faults.add(lambda request, proceed: proceed(request))
            server.faults.add(faults.drop(PART // 2))
            monkeypatch.setattr(time, "time", lambda: 86400.0)
            assert brought(tmp_path, link).read_bytes() == CONTENT
        assert tree(tmp_path / "cache") == WHOLE


def _filling(folder: Path, request: object, proceed: object) -> object:
    try:
        with (folder / "filler").open("wb") as filler:
            while filler.write(b"x" * 4096):
                filler.flush()
    except OSError:
        pass
    return proceed(request)  # type: ignore[operator]


class TestMirrors:
    """Two mirrors that state the same checksum, and one that asks for care."""

    @pytest.mark.usefixtures("in_parts")
    def test_what_one_cannot_give_is_asked_of_the_other(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        with LinkServer() as one, LinkServer() as two:
            credentials = Credentials(tmp_path / "config")
            credentials.put("atr/srpbs-fc", one.link(CONTENT, name=NAME))
            credentials.put("other/srpbs-fc", two.link(CONTENT, name=NAME))
            remotes = [connect(record(name=name), credentials) for name in ("atr", "other")]
            run = TransferRun(
                dataset(), FileCache(tmp_path / "cache"), create_progress("none"), lambda: remotes
            )
            run.list_files(remotes[0])
            for _ in range(6):
                one.faults.add(lambda request, proceed: proceed(request))
            one.faults.add(faults.busy(404), None)
            (found,) = run.fetch_files(remotes[0])
        assert found.location.read_bytes() == CONTENT
        assert (
            sum(request.status == 206 for request in two.requests) <= 14
        )  # six came, and at most four were on their way
        assert (
            "'atr' could not provide all of 'SRPBS_FC.zip', requesting the rest from 'other': " in caplog.text
        )

    def test_one_that_serves_wrong_bytes_is_named_and_not_asked_again(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        with LinkServer() as one:
            credentials = Credentials(tmp_path / "config")
            credentials.put("atr/srpbs-fc", one.link(CONTENT, name=NAME))
            remote = connect(record(), credentials)
            run = TransferRun(
                dataset(), FileCache(tmp_path / "cache"), create_progress("none"), lambda: [remote]
            )
            run.list_files(remote)
            one.faults.add(faults.flip(5), None)
            with pytest.raises(decnef_data.IntegrityError):
                run.fetch_files(remote)
            assert (
                list(
                    run._find_alternatives(
                        connect(record(name="other"), credentials), run.list_files(remote)[0]
                    )
                )
                == []
            )
        assert (
            "Data from 'atr' failed verification; this mirror is not used again in this run." in caplog.text
        )
        assert tree(tmp_path / "cache") == set()

    @pytest.mark.usefixtures("in_parts")
    def test_all_parts_of_a_file_come_by_one_link_of_synapse(self, tmp_path: Path) -> None:
        with fault_matrix.bench("synapse", "parts", tmp_path) as ready:
            run = TransferRun(dataset(), FileCache(tmp_path / "cache"), create_progress("none"), lambda: ())
            run.fetch_files(ready.remote)
            assert len({tuple(request.query.items()) for request in ready.storage.requests}) == 1
            assert len(ready.storage.requests) == 16

    def test_many_files_of_synapse_within_its_limits(self, tmp_path: Path) -> None:
        with SynapseServer(numbered.project(tmp_path, 60), throttle=Throttle(), lifetime=900) as server:
            server.latency = 0.01
            remote = remotes.synapse(server, numbered.PROJECT, tmp_path)
            found = TransferRun(
                dataset(), FileCache(tmp_path / "cache"), create_progress("none"), lambda: ()
            ).fetch_files(remote)
            assert len(found) == len(server.issued) == 60
            assert all(
                one.location.read_bytes() == numbered.content(number) for number, one in enumerate(found)
            )
            assert not [request for request in server.requests if request.status == 429]
            batches = [request for request in server.requests if request.path.endswith("/fileHandle/batch")]
            assert len(batches) == 1
            assert server.storage.connections <= 32
        assert {name for name in tree(tmp_path / "cache") if not name.startswith("files/")} == {
            "receipts/srpbs-fc/synapse.jsonl"
        }


class TestTheFace:
    """What people meet: repair, offline, a shared cache, events."""

    @pytest.fixture
    def ready(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_parts: None) -> Iterator[LinkServer]:
        monkeypatch.setenv("DECNEF_DATA_DIR", str(tmp_path / "cache"))
        catalog = tmp_path / "catalog/mirrors"
        catalog.mkdir(parents=True)
        (catalog / "atr.toml").write_text(
            "name = 'atr'\ntitle = 'ATR'\nprotocol = 'https'\norder = 3\n[[holdings]]\n"
            f"dataset = 'srpbs-fc'\nchecksum = 'md5:{MD5}'\n"
        )
        monkeypatch.setenv("DECNEF_CATALOG_DIR", str(catalog.parent))
        with LinkServer() as server:
            monkeypatch.setenv("DECNEF_ATR_LINK_SRPBS_FC", server.link(CONTENT, name=NAME))
            yield server

    def test_a_repair_fetches_only_the_parts_that_are_wrong(self, ready: LinkServer) -> None:
        path = decnef_data.download("srpbs-fc", mirror="atr", accept_terms=True, progress="none")
        spoilt = bytearray(CONTENT)
        spoilt[5 * PART + 7] ^= 1
        spoilt[11 * PART] ^= 1
        path.write_bytes(spoilt)
        before = len(ready.requests)
        assert not decnef_data.verify("srpbs-fc", mirror="atr").complete
        assert decnef_data.verify("srpbs-fc", mirror="atr", repair=True, progress="none").complete
        assert path.read_bytes() == CONTENT
        asked = [request.headers["Range"] for request in ready.requests[before:]]
        ours = [f"bytes={part * PART}-{(part + 1) * PART - 1}" for part in (5, 11)]
        assert sorted(asked) == sorted(["bytes=0-1023", *ours])

    def test_a_repair_of_what_is_whole_asks_nobody(self, ready: LinkServer) -> None:
        decnef_data.download("srpbs-fc", mirror="atr", accept_terms=True, progress="none")
        before = len(ready.requests)
        assert decnef_data.verify("srpbs-fc", mirror="atr", repair=True).complete
        assert len(ready.requests) == before

    def test_offline_nothing_is_asked_and_what_is_missing_is_said(
        self, ready: LinkServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ready.faults.add(lambda request, proceed: proceed(request))
        for _ in range(4):
            ready.faults.add(lambda request, proceed: proceed(request))
        ready.faults.add(faults.busy(404), None)
        with pytest.raises(MirrorError):
            decnef_data.download("srpbs-fc", mirror="atr", accept_terms=True, progress="none")
        before = len(ready.requests)
        monkeypatch.setenv("DECNEF_OFFLINE", "1")
        with pytest.raises(
            SelectionError,
            match=r"of 'srpbs-fc' \(downloaded so far: \d\.\d MB in partial downloads\)\. Unset DECNEF_OFFLINE",
        ):
            decnef_data.download("srpbs-fc", progress="none")
        with pytest.raises(MirrorError) as raised:
            decnef_data.login("atr", "https://host.example/a.zip", dataset="srpbs-fc")
        assert (
            str(raised.value)
            == "'atr' was not contacted because DECNEF_OFFLINE is set. Unset it and log in again."
        )
        assert not [needed for needed in decnef_data.access("srpbs-fc") if needed.granted]
        assert decnef_data.plan("srpbs-fc").mirror is None
        assert len(ready.requests) == before
        monkeypatch.setenv("DECNEF_OFFLINE", "0")
        ready.faults.clear()
        assert decnef_data.download("srpbs-fc", mirror="atr", progress="none").exists()
        monkeypatch.setenv("DECNEF_OFFLINE", "1")
        assert decnef_data.download("srpbs-fc", progress="none").read_bytes() == CONTENT

    def test_a_shared_cache_is_used_where_it_lies_and_never_written(
        self, ready: LinkServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        decnef_data.download("srpbs-fc", mirror="atr", accept_terms=True, progress="none")
        shared = (tmp_path / "cache").rename(tmp_path / "shared")
        before = {path: path.stat() for path in shared.rglob("*")}
        for path in [shared, *shared.rglob("*")]:
            path.chmod(0o500 if path.is_dir() else 0o400)
        monkeypatch.setenv("DECNEF_SHARED_DATA_DIR", str(shared))
        monkeypatch.setenv("DECNEF_DATA_DIR", str(tmp_path / "own"))
        asked = len(ready.requests)
        found = decnef_data.download("srpbs-fc", progress="none")
        assert found == shared / "files/srpbs-fc" / NAME
        assert len(ready.requests) == asked
        assert set(shared.rglob("*")) == set(before)
        for path, stat in before.items():
            assert (path.stat().st_size, path.stat().st_mtime_ns) == (stat.st_size, stat.st_mtime_ns)


def test_an_access_error_ends_a_transfer_at_once(tmp_path: Path, in_parts: None) -> None:
    with LinkServer() as server:
        link = server.link(CONTENT, name=NAME)
        server.advance(7200)
        with pytest.raises(AccessError):
            brought(tmp_path, link)


def test_events_are_lines_of_json(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("decnef_data.progress._SECONDS_BETWEEN_EVENTS", 0.0)
    progress = create_progress("json")
    progress.start("a.zip", 100, 20)
    progress.set_source("atr", 4)
    progress.advance(80)
    progress.finish()
    first, second, last = map(json.loads, capsys.readouterr().err.splitlines())
    assert (first["event"], first["done"], first["total"], first["left"]) == ("start", 20, 100, None)
    assert (second["event"], second["done"], second["mirror"], second["connections"]) == (
        "progress",
        100,
        "atr",
        4,
    )
    assert (last["event"], last["left"]) == ("end", 0.0)


class TestConnectionScaler:
    """How many connections are wanted."""

    def test_a_cap_for_each_connection_wants_them_all(self) -> None:
        scaler, sent = ConnectionScaler(0.0), 0
        for tick in range(1, 20):
            sent += 20 * scaler.target
            scaler.update(float(tick), sent << 20, hashing_behind=False)
        assert scaler.target == concurrency.MAX_CONNECTIONS

    def test_a_cap_for_all_together_wants_one(self) -> None:
        scaler = ConnectionScaler(0.0)
        wanted = [scaler.update(float(tick), tick * 100 << 20, hashing_behind=False) for tick in range(1, 9)]
        assert wanted == [4, 1, 1, 1, 1, 1, 1, 1]

    def test_none_are_added_while_the_hashing_is_behind(self) -> None:
        scaler = ConnectionScaler(0.0)
        assert {
            scaler.update(float(tick), tick * 900 << 20, hashing_behind=True) for tick in range(1, 9)
        } == {1}

    @pytest.mark.parametrize(
        ("rate", "remaining", "connections", "size"),
        [(10, 10_000, 1, 40), (40, 10_000, 4, 40), (100, 60, 1, 30), (100, 10_000, 1, 256)],
        ids=["four seconds", "four seconds of each connection", "half a share", "the limit"],
    )
    def test_a_request_lasts_a_few_seconds(
        self, rate: int, remaining: int, connections: int, size: int
    ) -> None:
        scaler = ConnectionScaler(0.0)
        scaler.update(1.0, rate << 20, hashing_behind=True)
        scaler.target = connections
        assert scaler.request_size(remaining << 20) == size << 20

    def test_a_host_that_refuses_is_asked_less(self) -> None:
        scaler = ConnectionScaler(0.0)
        scaler.update(1.0, 20 << 20, hashing_behind=False)
        scaler.back_off()
        assert scaler.update(2.0, 100 << 20, hashing_behind=False) == 2

    def test_after_a_while_more_are_tried_again(self) -> None:
        scaler = ConnectionScaler(0.0)
        assert [
            scaler.update(now, int(now) * 100 << 20, hashing_behind=False) for now in (1.0, 2.0, 20.0, 40.0)
        ] == [
            4,
            1,
            1,
            4,
        ]


def test_another_connection_takes_the_second_half_of_what_is_left() -> None:
    ranges = RangeScheduler(PartMap(800, 100))
    first = ranges.acquire(None)
    assert first is not None
    second = ranges.acquire(None, min_split_size=1)
    assert second is not None
    assert ((first.start, first.stop), (second.start, second.stop)) == ((0, 400), (400, 800))
    ranges.claim(first, 200)
    third = ranges.acquire(None, min_split_size=1)
    assert third is not None
    assert (third.start, third.stop) == (600, 800)


def test_ranges_that_are_given_back_side_by_side_are_one() -> None:
    ranges = RangeScheduler(PartMap(40, 10))
    first, _, third, fourth = (ranges.acquire(10) for _ in range(4))
    for byte_range in (first, third, fourth):
        assert byte_range is not None
        ranges.release(byte_range)
    found = [ranges.acquire(None), ranges.acquire(None)]
    assert [(each.start, each.stop) for each in found if each] == [(0, 10), (20, 40)]
    assert ranges.acquire(None) is None


class Parts(RuleBasedStateMachine):
    """The part map, its ranges and the saved map on disk, compared with a set of bytes."""

    @initialize(size=st.integers(1, 300), step=st.integers(1, 50))
    def begin(self, size: int, step: int) -> None:
        self.content = bytes(random.Random(size).randbytes(size))
        self.parts = PartMap(size, step)
        self.ranges = RangeScheduler(self.parts)
        self.here: set[int] = set()
        self.running: list[ByteRange] = []
        self.disk = self.parts.encode()

    @rule(most=st.one_of(st.none(), st.integers(1, 120)), least=st.one_of(st.none(), st.integers(0, 100)))
    def take(self, most: int | None, least: int | None) -> None:
        byte_range = self.ranges.acquire(most, min_split_size=least)
        if byte_range is not None:
            assert not self.here & set(range(byte_range.start, byte_range.stop))
            for other in self.running:
                assert byte_range.start >= other.stop or byte_range.stop <= other.position
            self.running.append(byte_range)

    @precondition(lambda self: self.running)
    @rule(data=st.data(), count=st.integers(1, 80))
    def write(self, data: st.DataObject, count: int) -> None:
        byte_range = data.draw(st.sampled_from(self.running))
        at = byte_range.position
        granted = self.ranges.claim(byte_range, count)
        assert granted <= count
        done = 0
        while done < granted:
            index = (at + done) // self.parts.step
            until = min(at + granted, self.parts.bounds(index)[1])
            self.parts.add(at + done, self.content[at + done : until])
            done = until - at
        assert not self.here & set(range(at, at + granted))
        self.here |= set(range(at, at + granted))

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        byte_range = data.draw(st.sampled_from(self.running))
        self.running.remove(byte_range)
        self.ranges.release(byte_range)

    @rule(most=st.integers(1, 60))
    def trim(self, most: int) -> None:
        self.ranges.shrink(most)

    @rule(data=st.data())
    def spoil(self, data: st.DataObject) -> None:
        index = data.draw(st.integers(0, self.parts.count - 1))
        owned = any(
            byte_range.start < self.parts.bounds(index)[1] and byte_range.stop > self.parts.bounds(index)[0]
            for byte_range in self.running
        )
        if self.parts.is_part_complete(index) and not owned:
            self.parts.invalidate(index)
            self.ranges.invalidate(index)
            self.here -= set(range(*self.parts.bounds(index)))

    @rule()
    def save(self) -> None:
        self.disk = self.parts.encode()

    @rule(torn=st.integers(0, 400))
    def killed(self, torn: int) -> None:
        """What was saved last is what is known; a torn end is not known, and nothing else is."""
        saved = PartMap(self.parts.size, self.parts.step)
        assert saved.load(self.disk)
        partly = PartMap(self.parts.size, self.parts.step)
        if partly.load(self.disk[:torn]):
            assert all(
                length in {0, whole} for length, whole in zip(partly.lengths, saved.lengths, strict=True)
            )
        self.parts.lengths, self.parts.crcs = list(saved.lengths), list(saved.crcs)
        self.ranges = RangeScheduler(self.parts)
        self.running = []
        self.here = {
            index * self.parts.step + offset
            for index, length in enumerate(saved.lengths)
            for offset in range(length)
        }

    @invariant()
    def the_map_is_the_set(self) -> None:
        if not hasattr(self, "parts"):
            return
        assert self.parts.received == len(self.here)
        assert self.parts.is_complete is (len(self.here) == self.parts.size)
        missing = {byte for start, stop in self.parts.gaps() for byte in range(start, stop)}
        assert missing == set(range(self.parts.size)) - self.here
        front = self.parts.contiguous_end(0)
        assert set(range(front)) <= self.here
        assert front == self.parts.size or front not in self.here
        for index, length in enumerate(self.parts.lengths):
            start = self.parts.bounds(index)[0]
            assert self.parts.crcs[index] == crc32c(self.content[start : start + length])


Parts.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestPartMap = Parts.TestCase


@pytest.mark.parametrize("size", [1, PART, PART + 1, 10 * PART])
def test_a_receipt_keeps_the_checksums_of_the_parts(size: int) -> None:
    made = PartMap(size, PART)
    for index in range(made.count):
        start, stop = made.bounds(index)
        made.add(start, bytes(stop - start))
    text = made.encode_checksums()
    again = PartMap.from_checksums(text, size)
    assert (again is None) is (made.count == 1)
    assert again is None or (again.crcs, again.is_complete) == (made.crcs, True)


def test_a_file_of_a_size_that_nobody_tells(tmp_path: Path) -> None:
    class Untold:
        name = "atr"

        def __init__(self) -> None:
            self.times = 0

        def open(self, file: RemoteFile, start: int = 0, stop: int | None = None) -> object:
            from contextlib import nullcontext

            from decnef_data.model import Body

            self.times += 1
            if self.times == 1:
                return nullcontext(Body(0, _breaking(CONTENT[:1000]), identity="v1"))
            return nullcontext(Body(start, iter([CONTENT[start:]]), identity="v1"))

    from decnef_data.transfer.failover import MirrorFile, Transfer

    file = RemoteFile("a.bin", None, Checksum("md5", MD5), "v1")
    transfer = Transfer("ds", FileCache(tmp_path), create_progress("none"))
    found = transfer.fetch(MirrorFile(Untold(), file))  # type: ignore[arg-type]
    assert found.location.read_bytes() == CONTENT


def _breaking(first: bytes) -> Iterator[bytes]:
    yield first
    raise MirrorError("broke off")
