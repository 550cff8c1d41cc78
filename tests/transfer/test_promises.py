"""What the page on transfers promises, over real servers: parts, memory, mirrors, waiting, offline, read-only."""

import hashlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest

import decnef_data
from decnef_data.errors import AccessError, IntegrityError, MirrorError
from decnef_data.file_cache import FileCache, PartMap, part_map
from decnef_data.mirrors import Credentials, Remote, connect
from decnef_data.mirrors.http import session
from decnef_data.mirrors.synapse import service
from decnef_data.progress import create_progress
from decnef_data.transfer import download
from decnef_data.transfer.concurrency import ConnectionScaler
from decnef_data.transfer.retry import RetryBudget
from decnef_data.transfer.run import TransferRun
from tests import numbered, remotes
from tests.benchmarks.transfer import serving
from tests.fault_matrix import CONTENT, NAME, PART
from tests.mirror_contract import dataset
from tests.resume_elsewhere import continued
from tests.servers import faults
from tests.servers.faults import Proceed
from tests.servers.links import LinkServer
from tests.servers.local import Answer, Request
from tests.servers.synapse import SynapseServer, Throttle
from tests.transfer.transfers import MD5, brought, record

MIB = 1 << 20
ROOT = Path(__file__).parents[2]


class Watching:
    """A progress that remembers over how many connections the bytes came."""

    def __init__(self) -> None:
        self.connections: list[int] = []

    def start(self, what: str, total: int | None, done: int) -> None: ...

    def advance(self, count: int) -> None: ...

    def set_source(self, mirror: str, connections: int) -> None:
        self.connections.append(connections)

    def set_scan_count(self, count: int) -> None: ...

    def finish(self) -> None: ...


def sparse(folder: Path, size: int) -> str:
    """A file of zeros behind the beginning of a zip, which takes no room; gives its MD5."""
    folder.mkdir(exist_ok=True)
    with (folder / NAME).open("wb") as made:
        made.write(b"PK\x03\x04")
        made.truncate(size)
    with (folder / NAME).open("rb") as stream:
        return hashlib.file_digest(stream, "md5").hexdigest()


def refusing(*parts: int) -> Callable[[Request, Proceed], Answer]:
    """Have none of some parts, ever."""
    starts = tuple(f"bytes={part * PART}-" for part in parts)

    def fault(request: Request, proceed: Proceed) -> Answer:
        asked = request.headers.get("Range", "")
        return faults.busy(404)(request, proceed) if asked.startswith(starts) else proceed(request)

    return fault


class TestConnections:
    """As many as the scaler chooses, whose choices TestConnectionScaler shows."""

    @contextmanager
    def ready(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
    ) -> Iterator[tuple[TransferRun, Remote, LinkServer]]:
        def choose(scaler: ConnectionScaler, *_: float, **_options: bool) -> int:
            scaler.target = count
            return count

        monkeypatch.setattr(ConnectionScaler, "update", choose)
        monkeypatch.setattr(download, "SMALL_FILE_SIZE", 0)
        monkeypatch.setattr(part_map, "_MIN_PART_SIZE", PART)
        with LinkServer() as server:
            credentials = Credentials(tmp_path / "config")
            credentials.put("atr/srpbs-fc", server.link(CONTENT, name=NAME))
            remote = connect(record(), credentials)
            run = TransferRun(dataset(), FileCache(tmp_path / "cache"), create_progress("none"), lambda: ())
            run.list_files(remote)
            server.requests.clear()
            yield run, remote, server

    def test_sixteen_are_open_at_the_same_time(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with self.ready(tmp_path, monkeypatch, 16) as (run, remote, server):
            # None of the first sixteen requests is answered before all have arrived.
            server.faults.add(faults.together(threading.Barrier(16, timeout=60)), 16)
            (found,) = run.fetch_files(remote)
        assert found.location.read_bytes() == CONTENT

    def test_one_receives_the_complete_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with self.ready(tmp_path, monkeypatch, 1) as (run, remote, server):
            (found,) = run.fetch_files(remote)
            assert len(server.requests) == 1
        assert found.location.read_bytes() == CONTENT


CHILD = """
import os, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from tests.transfer.transfers import brought, record
import tests.transfer.transfers as t
t.MD5 = sys.argv[4]
t.record.__defaults__ = (sys.argv[4], "atr")
from decnef_data.transfer import concurrency
concurrency._GROWTH_FACTOR = int(sys.argv[5])
def most():  # not what getrusage tells: that knows the process it was started by, too
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
def read(): return int(Path("/proc/self/io").read_text().split()[1])
before = read()
brought(sys.argv[2], sys.argv[3])
print(most(), read() - before)
"""


def child(tmp_path: Path, size: int, *rate: str, factor: int = 4) -> tuple[float, int]:
    """Bring a file in a process of its own; gives its peak in MiB, and how many bytes it read from files.

    With a `factor` of 1 no connection is added to the first.
    """
    md5 = sparse(tmp_path / f"source-{size}", size)
    with serving("tests.servers.fast", str(tmp_path / f"source-{size}"), *rate) as url:
        command = [sys.executable, "-c", CHILD, str(ROOT), str(tmp_path / f"to-{size}"), f"{url}/{NAME}", md5]
        command.append(str(factor))
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return int(said[0]) / 1024, int(said[1])


LINUX = pytest.mark.skipif(
    not Path("/proc/self/io").exists(), reason="only Linux tells what a process read and held"
)


@pytest.mark.slow
@LINUX
def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    capped = ("--rate", "12", "--latency", "0.01")
    small, large = (child(tmp_path, mib * MIB, *capped)[0] for mib in (64, 320))
    assert large - small < 48, (small, large)
    assert large < 300


@pytest.mark.slow
@LINUX
def test_a_finished_download_is_not_read_a_second_time(tmp_path: Path) -> None:
    assert child(tmp_path, 96 * MIB, factor=1)[1] < 24 * MIB


class TestResuming:
    """From what is here, whoever gives the rest."""

    @pytest.mark.usefixtures("in_parts")
    def test_by_a_new_link_where_the_old_one_expired(self, tmp_path: Path) -> None:
        with LinkServer() as server:
            link = server.link(CONTENT, name=NAME, lifetime=3600)
            for _ in range(9):
                server.faults.add(lambda request, proceed: proceed(request))
            server.faults.add(
                lambda request, proceed: [server.advance(7200), faults.busy(403)(request, proceed)][1]
            )
            with pytest.raises(AccessError):
                brought(tmp_path, link)
            before = len(server.requests)
            assert brought(tmp_path, server.link(CONTENT, name=NAME)).read_bytes() == CONTENT
            assert len(server.requests) - before <= 1 + 16 - 8 + 4

    @pytest.mark.usefixtures("in_parts")
    def test_what_a_power_cut_spoilt_is_fetched_again_and_nothing_else(self, tmp_path: Path) -> None:
        with LinkServer() as server:
            link = server.link(CONTENT, name=NAME)
            server.faults.add(refusing(12), None)
            with pytest.raises(decnef_data.DecnefDataError):
                brought(tmp_path, link)
            (left,) = tmp_path.rglob("*.part")
            kept = PartMap(len(CONTENT), PART)
            data = bytearray(left.read_bytes())
            assert kept.load(bytes(data[len(CONTENT) :]))
            spoilt = next(index for index in range(kept.count) if kept.is_part_complete(index))
            data[spoilt * PART : (spoilt + 1) * PART] = bytes(PART)  # blocks that never reached the disk
            left.write_bytes(data)
            server.faults.clear()
            before = len(server.requests)
            assert brought(tmp_path, link).read_bytes() == CONTENT
            asked = {request.headers["Range"] for request in server.requests[before:]}
        here = {
            f"bytes={part * PART}-{(part + 1) * PART - 1}"
            for part in range(16)
            if kept.is_part_complete(part)
        }
        assert asked & here == {f"bytes={spoilt * PART}-{(spoilt + 1) * PART - 1}"}


class TestSeveralMirrors:
    """That state the same checksum."""

    @contextmanager
    def ready(self, tmp_path: Path) -> Iterator[tuple[TransferRun, list[Remote], list[LinkServer]]]:
        with LinkServer() as one, LinkServer() as two:
            credentials = Credentials(tmp_path / "config")
            credentials.put("atr/srpbs-fc", one.link(CONTENT, name=NAME))
            credentials.put("other/srpbs-fc", two.link(CONTENT, name=NAME))
            remotes = [connect(record(name=name), credentials) for name in ("atr", "other")]
            run = TransferRun(
                dataset(), FileCache(tmp_path / "cache"), create_progress("none"), lambda: remotes
            )
            for remote in remotes:
                run.list_files(remote)
            yield run, remotes, [one, two]

    @pytest.mark.usefixtures("in_parts")
    def test_each_of_which_lacks_a_part(self, tmp_path: Path) -> None:
        with self.ready(tmp_path) as (run, remotes, (one, two)):
            one.faults.add(refusing(3), None)
            two.faults.add(refusing(9), None)
            (found,) = run.fetch_files(remotes[0])
        assert found.location.read_bytes() == CONTENT

    @pytest.mark.usefixtures("in_parts")
    def test_one_that_helps_out_with_wrong_bytes_is_named_and_dropped(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        with self.ready(tmp_path) as (run, remotes, (one, two)):
            lacking = refusing(3)
            one.faults.add(
                lambda request, proceed: (
                    proceed if run.is_excluded("other") else partial(lacking, proceed=proceed)
                )(request),
                None,
            )
            two.faults.add(faults.flip(5), None)
            (found,) = run.fetch_files(remotes[0])
            assert run.is_excluded("other")
            assert not run.is_excluded("atr")
        assert found.location.read_bytes() == CONTENT
        assert (
            "Data from 'other' failed verification; this mirror is not used again in this run." in caplog.text
        )

    def test_wrong_bytes_bear_the_name_of_the_mirror(self, tmp_path: Path) -> None:
        with self.ready(tmp_path) as (run, remotes, (one, _)):
            one.faults.add(faults.flip(5), None)
            with pytest.raises(IntegrityError) as raised:
                run.fetch_files(remotes[0])
        assert raised.value.mirror == "atr"


class TestWaiting:
    """As long as a host asks, and never more than Synapse takes."""

    @pytest.mark.slow
    def test_as_late_as_retry_after_asks(self, tmp_path: Path) -> None:
        with LinkServer() as server:
            link = server.link(CONTENT, name=NAME)
            server.faults.add(lambda request, proceed: proceed(request))
            server.faults.add(faults.busy(429, 2))
            began = time.monotonic()
            assert brought(tmp_path, link).read_bytes() == CONTENT
            assert time.monotonic() - began >= 2
            assert len(server.requests) == 3

    def test_ever_longer_with_jitter_and_not_for_ever(self) -> None:
        budget, waits = RetryBudget(), []
        while (wait := budget.next_delay(MirrorError("no answer"))) is not None:
            waits.append(wait)
        assert sum(waits[:-1]) < 8 <= sum(waits)
        for number, wait in enumerate(waits):
            assert 0.5 * 0.5 * 2**number <= wait <= 1.5 * 0.5 * 2**number
        budget.record_progress()
        assert budget.next_delay(MirrorError("busy", status=503, retry_after=100.0)) == 100
        assert budget.next_delay(MirrorError("busy", status=503, retry_after=86400.0)) is None
        assert budget.next_delay(MirrorError("refused", status=403)) is None

    def test_a_host_that_never_takes_the_connection(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(session, "TIMEOUTS", (0.3, 5.0))
        with ExitStack() as stack:
            host = stack.enter_context(socket.socket())
            host.bind(("127.0.0.1", 0))
            host.listen(0)
            for _ in range(4):  # who fills the queue; whoever comes later is not answered at all
                waiting = stack.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex(host.getsockname())
            credentials = Credentials(tmp_path / "config")
            credentials.put("atr/srpbs-fc", f"http://127.0.0.1:{host.getsockname()[1]}/{NAME}")
            began = time.monotonic()
            with pytest.raises(MirrorError, match="ConnectTimeout"):
                connect(record(), credentials).find(dataset())
            assert time.monotonic() - began < 5

    @pytest.mark.slow
    def test_within_the_limits_of_synapse(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(service, "_MAX_REQUESTS", 12)
        monkeypatch.setattr(
            service, "_PERIOD_SECONDS", 1.2
        )  # the host's second is shorter than ours, as on the way
        # Room for the three that may be under way when the period ends: a busy machine delays them.
        throttle = Throttle(concurrent=3, requests=12 + 3, seconds=1.0)
        with SynapseServer(numbered.project(tmp_path, 25), throttle=throttle, lifetime=900) as server:
            server.latency = 0.005
            remote = remotes.synapse(server, numbered.PROJECT, tmp_path)
            began = time.monotonic()
            found = TransferRun(
                dataset(), FileCache(tmp_path / "cache"), create_progress("none"), lambda: ()
            ).fetch_files(remote)
            assert len(found) == 25
            asked = [request.status for request in server.requests]
            assert 429 not in asked
            assert time.monotonic() - began >= (len(asked) - 1) // 12 * 1.2


#: Any socket that is made, name that is looked up or connection that is begun is an event of the interpreter's.
OFFLINE = """
import os, sys
def seen(event, _):
    if event.startswith("socket."):
        os.write(2, event.encode()); os._exit(77)
sys.addaudithook(seen)
import decnef_data
"""
CALLS = [
    "decnef_data.download('srpbs-fc', progress='none')",
    "decnef_data.fetch_dataset('srpbs-fc', progress='none')",
    "decnef_data.fetch_dataset('srpbs-open', progress='none')",
    "decnef_data.participants('srpbs-fc')",
    "decnef_data.plan('srpbs-fc')",
    "decnef_data.access('srpbs-fc')",
    "decnef_data.verify('srpbs-fc', repair=True)",
    "decnef_data.login('atr', 'https://host.example/a.zip', dataset='srpbs-fc')",
]


class TestOffline:
    """No socket, whatever is asked."""

    def run(self, *calls: str, **environment: str) -> str:
        tried = "".join(
            f"try:\n    {call}\nexcept decnef_data.DecnefDataError as error:\n    print(error)\n"
            for call in calls
        )
        env = {
            **os.environ,
            "DECNEF_ATR_LINK_SRPBS_FC": "http://127.0.0.1:9/a.zip",
            "SYNAPSE_AUTH_TOKEN": "a-token",
            **environment,
        }
        command = [sys.executable, "-c", f"{OFFLINE}{tried}"]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def test_by_the_environment(self) -> None:
        said = self.run(*CALLS, DECNEF_OFFLINE="1").splitlines()
        assert said[0] == (
            "There is no complete local copy of 'srpbs-fc'. "
            "Unset DECNEF_OFFLINE, then run `decnef_data.download('srpbs-fc')`."
        )

    @pytest.mark.slow
    def test_by_the_call(self) -> None:
        said = self.run("decnef_data.fetch_dataset('srpbs-fc', download=False)")
        assert (
            said == "There is no complete local copy of 'srpbs-fc'. Run `decnef_data.download('srpbs-fc')`.\n"
        )


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Mount a folder over itself so that nobody, root included, can write to it."""
    folder.mkdir(parents=True, exist_ok=True)
    commands = (["mount", "--bind", folder, folder], ["mount", "-o", "remount,ro,bind", folder])
    for command in commands:
        if subprocess.run(command, capture_output=True, check=False).returncode:
            subprocess.run(["umount", "-l", folder], capture_output=True, check=False)
            pytest.skip("nothing can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


class TestReadOnly:
    """Places that cannot be written."""

    @pytest.fixture
    def server(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LinkServer]:
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

    def test_a_cache_of_ones_own_is_named(
        self, server: LinkServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        decnef_data.accept("srpbs-fc")
        monkeypatch.setenv("DECNEF_DATA_DIR", str(tmp_path / "cache"))
        with read_only(tmp_path / "cache"), pytest.raises(OSError, match="Read-only file system") as raised:
            decnef_data.download("srpbs-fc", mirror="atr", progress="none")
        assert str(raised.value.filename).startswith(str(tmp_path / "cache"))

    def test_a_shared_cache_is_used_where_it_lies(
        self, server: LinkServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shared = tmp_path / "shared"
        monkeypatch.setenv("DECNEF_DATA_DIR", str(shared))
        decnef_data.download("srpbs-fc", mirror="atr", accept_terms=True, progress="none")
        monkeypatch.setenv("DECNEF_DATA_DIR", str(tmp_path / "own"))
        monkeypatch.setenv("DECNEF_SHARED_DATA_DIR", str(shared))
        asked = len(server.requests)
        with read_only(shared):
            found = decnef_data.download("srpbs-fc", mirror="atr", progress="none")
            assert found.read_bytes() == CONTENT
            assert decnef_data.verify("srpbs-fc", mirror="atr", deep=True).complete
        assert found.is_relative_to(shared)
        assert len(server.requests) == asked


def test_the_page_names_every_field_of_an_event(capsys: pytest.CaptureFixture[str]) -> None:
    progress = create_progress("json")
    progress.start("a", 1, 0)
    progress.finish()
    fields = set(json.loads(capsys.readouterr().err.splitlines()[0]))
    page = (ROOT / "docs/reference/transfers.md").read_text("utf-8")
    table = page.split("## Progress for programs")[1].split("## ")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    assert {name.strip(" `") for row in rows for name in row.split(",")} == fields


@pytest.mark.slow
# The part that is left at 256 MiB is several times what may be sent twice.
@pytest.mark.parametrize("mib", [24, 256])
def test_a_killed_download_is_continued_from_the_other_mirror(tmp_path: Path, mib: int) -> None:
    came = continued(tmp_path, mib * MIB, 0.4, max(1, 3 * mib / 256) * MIB, ("--progress", "none"))
    assert came.right
    assert came.others == ()
    assert came.kept >= 0.4 * came.size
    assert came.sent <= came.size - came.kept + 20 * MIB  # at most a part of each connection twice
