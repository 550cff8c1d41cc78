"""How long a mirror is waited for: long while it cannot be reached, briefly while it answers in vain.

No test waits: a clock of its own advances by every delay.
"""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from decnef_data.errors import MirrorError
from decnef_data.file_cache import FileCache, part_map
from decnef_data.mirrors import Credentials, Remote, connect
from decnef_data.mirrors.http import session
from decnef_data.mirrors.synapse import service
from decnef_data.model import RemoteFile
from decnef_data.progress import create_progress
from decnef_data.transfer import concurrency, download, stream
from decnef_data.transfer.failover import MirrorFile, Transfer
from decnef_data.transfer.retry import Patience, RetryBudget
from tests import fault_matrix
from tests.fault_matrix import CONTENT, NAME, OTHER, PART
from tests.mirror_contract import dataset
from tests.retry_clock import Clock, replace_clock
from tests.servers import faults
from tests.servers.faults import Fault
from tests.servers.links import LinkServer
from tests.transfer.transfers import record

LIMIT = 30.0
HALF = len(CONTENT) // 2


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return replace_clock(monkeypatch)


@pytest.fixture(params=["one stream", "parts"])
def mode(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(part_map, "_MIN_PART_SIZE", PART)
    if request.param == "parts":
        monkeypatch.setattr(concurrency, "INITIAL_CONNECTIONS", 4)
        monkeypatch.setattr(download, "SMALL_FILE_SIZE", 0)
    return str(request.param)


def connected(server: LinkServer, folder: Path) -> tuple[Remote, RemoteFile]:
    credentials = Credentials(folder / "config")
    credentials.put("atr/srpbs-fc", server.link(CONTENT, name=NAME))
    remote = connect(record(), credentials)
    return remote, remote.find(dataset())[0]


def without_range(fault: Fault) -> Fault:
    return lambda request, proceed: fault(request.without("range", "if-range"), proceed)


IN_VAIN = {
    "a length that is not what is missing": (without_range(faults.shorter(HALF)), "instead of"),
    "the same bytes again": (without_range(faults.drop(HALF)), "aborted|ended the transfer"),
    "500": (faults.busy(500, None), "500, "),
    "bytes without an ETag": (
        faults.other_bytes(OTHER, **fault_matrix.NO_IDENTITY),
        "did not state the ETag",
    ),
}


@pytest.mark.parametrize("case", IN_VAIN)
def test_answers_in_vain_end_with_the_reason_of_the_host(
    case: str, mode: str, clock: Clock, tmp_path: Path
) -> None:
    fault, reason = IN_VAIN[case]
    with LinkServer() as server:
        remote, file = connected(server, tmp_path)
        server.faults.add(faults.drop(HALF if mode == "one stream" else PART))
        server.faults.add(fault, None)
        began = clock()
        with pytest.raises(MirrorError, match=reason):
            Transfer("ds", FileCache(tmp_path / "cache"), create_progress("none")).fetch(
                MirrorFile(remote, file)
            )
    assert clock() - began <= LIMIT


@pytest.mark.parametrize("case", IN_VAIN)
def test_a_stream_ends_likewise(case: str, clock: Clock, tmp_path: Path) -> None:
    fault, reason = IN_VAIN[case]
    with LinkServer() as server:
        remote, file = connected(server, tmp_path)
        server.faults.add(faults.drop(HALF))
        server.faults.add(fault, None)
        began = clock()
        with (
            pytest.raises(MirrorError, match=reason),
            stream.RemoteSource(remote, file).open() as pieces,
        ):
            b"".join(pieces)
    assert clock() - began <= LIMIT


def test_a_network_that_is_away_for_two_minutes_is_waited_for(
    mode: str, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reach: Callable[..., object] = session._get_once
    with LinkServer() as server:
        remote, file = connected(server, tmp_path)
        server.faults.add(faults.drop(HALF if mode == "one stream" else PART // 2))
        began = clock()

        def away(*arguments: object) -> object:
            if server.sent >= HALF and clock() - began < 120:
                raise MirrorError("'atr' could not be reached. Check the connection, or try again later.")
            return reach(*arguments)

        monkeypatch.setattr(session, "_get_once", away)
        transfer = Transfer("ds", FileCache(tmp_path / "cache"), create_progress("none"))
        found = transfer.fetch(MirrorFile(remote, file))
    assert found.location.read_bytes() == CONTENT


class TestRetryBudget:
    """The decisions alone."""

    def spent(self, clock: Clock, seconds: float, error: MirrorError, *, answered: bool) -> float:
        """Fail again and again, each attempt taking so many seconds; return how long that goes on."""
        budget = RetryBudget(Patience(clock))
        budget.record_progress()
        began = clock()
        while True:
            clock.sleep(seconds)
            if budget.next_delay(error, answered=answered) is None:
                return clock() - began

    @pytest.mark.parametrize("seconds", [0.0, 1.0, 4.0, 12.0])
    def test_answers_in_vain(self, clock: Clock, seconds: float) -> None:
        assert self.spent(clock, seconds, MirrorError("ended early"), answered=True) <= LIMIT
        assert self.spent(clock, seconds, MirrorError("busy", status=503), answered=False) <= LIMIT

    @pytest.mark.parametrize("seconds", [0.0, 10.0])
    def test_no_answer(self, clock: Clock, seconds: float) -> None:
        assert self.spent(clock, seconds, MirrorError("no answer"), answered=False) >= 240

    def test_an_answer_that_asks_for_time_gets_it(self, clock: Clock) -> None:
        asking = MirrorError("busy", status=503, retry_after=60.0)
        assert self.spent(clock, 0.0, asking, answered=False) >= 240

    def test_bytes_on_another_connection_are_progress(self, clock: Clock) -> None:
        patience = Patience(clock)
        failing, other = RetryBudget(patience), RetryBudget(patience)
        for _ in range(20):
            clock.sleep(5.0)
            other.record_progress()
            assert failing.next_delay(MirrorError("ended early"), answered=True) is not None


def test_synapse_that_fails_whatever_is_asked(
    clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import synapseclient.core.retry

    monkeypatch.setattr(synapseclient.core.retry, "doze", clock.sleep)
    monkeypatch.setattr(service, "time", SimpleNamespace(monotonic=clock, sleep=clock.sleep))
    with fault_matrix.bench("synapse", "one stream", tmp_path) as ready:
        (file,) = ready.remote.find(dataset())
        assert ready.api is not None
        ready.api.faults.add(
            lambda request, proceed: (
                faults.busy(500, None)(request, proceed) if "batch" in request.path else proceed(request)
            ),
            None,
        )
        began = clock()
        transfer = Transfer("ds", FileCache(tmp_path / "cache"), create_progress("none"))
        with pytest.raises(MirrorError, match=r"Synapse did not answer as expected.*500"):
            transfer.fetch(MirrorFile(ready.remote, file))
    assert clock() - began <= LIMIT
