"""One connection of a download: what it measures, and when it stops."""

from pathlib import Path

import pytest

from decnef_data.file_cache import part_map
from decnef_data.mirrors.http import session
from decnef_data.transfer.concurrency import ConnectionScaler
from decnef_data.transfer.ranges import ByteRange, RangeScheduler
from tests.fault_matrix import CONTENT, NAME, PART
from tests.servers.links import LinkServer
from tests.transfer.transfers import brought


@pytest.fixture
def in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A response is read in several chunks."""
    monkeypatch.setattr(session, "CHUNK_SIZE", PART)


@pytest.mark.usefixtures("in_chunks")
def test_the_latency_is_that_of_the_first_chunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    latencies: list[float] = []
    monkeypatch.setattr(ConnectionScaler, "record_latency", lambda _, seconds: latencies.append(seconds))
    with LinkServer() as server:
        assert brought(tmp_path, server.link(CONTENT, name=NAME)).read_bytes() == CONTENT
    assert len(latencies) == 1


@pytest.mark.usefixtures("in_chunks")
def test_a_connection_without_a_range_reads_no_further(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim, ranges = RangeScheduler.claim, []
    ended: list[ByteRange] = []

    def claim_once(scheduler: RangeScheduler, byte_range: ByteRange, count: int) -> int:
        """Let another connection have the rest of the first range after one chunk."""
        assert byte_range not in ended
        ranges.append(byte_range)
        if len(ranges) != 2:
            return claim(scheduler, byte_range, count)
        scheduler.shrink(0)
        taken = scheduler.acquire(None)
        assert taken is not None
        assert claim(scheduler, byte_range, count) == 0
        ended.append(byte_range)
        scheduler.release(taken)
        return 0

    monkeypatch.setattr(part_map, "_MIN_PART_SIZE", PART)
    monkeypatch.setattr(RangeScheduler, "claim", claim_once)
    with LinkServer() as server:
        assert brought(tmp_path, server.link(CONTENT, name=NAME)).read_bytes() == CONTENT
    assert ended
    assert ranges[-1] not in ended
