"""Bytes of a file at a mirror are read from any offset, resumed where a connection breaks, and verified."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from decnef_data.errors import IntegrityError, MirrorError
from decnef_data.model import Checksum
from decnef_data.transfer.stream import HashingSource, RemoteSource
from tests import fault_matrix
from tests.fault_matrix import CONTENT, Bench
from tests.servers import faults


@pytest.fixture
def ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    fault_matrix.patient(monkeypatch, "one stream")
    with fault_matrix.bench("atr", "one stream", tmp_path) as bench:
        yield bench


def source(ready: Bench) -> RemoteSource:
    (file,) = ready.remote.find(fault_matrix.dataset())
    return RemoteSource(ready.remote, file)


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        ((), CONTENT),
        ((5,), CONTENT[5:]),
        ((10, 20), CONTENT[10:20]),
        ((0, len(CONTENT)), CONTENT),
        ((len(CONTENT) - 1,), CONTENT[-1:]),
        ((7, 7), b""),
    ],
)
def test_any_part_is_read(ready: Bench, span: tuple[int, ...], expected: bytes) -> None:
    opened = source(ready)
    with opened.open(*span) as pieces:
        assert b"".join(pieces) == expected


def test_a_file_of_unknown_size_is_read_to_its_end(ready: Bench) -> None:
    opened = source(ready)
    with RemoteSource(opened.remote, replace(opened.file, size=None)).open() as pieces:
        assert b"".join(pieces) == CONTENT


@pytest.mark.parametrize("start", [0, 1000])
def test_a_connection_that_breaks_is_resumed_at_the_byte(ready: Bench, start: int) -> None:
    opened = source(ready)
    ready.storage.faults.add(faults.drop(100_000))
    ready.storage.faults.add(faults.drop(5))
    before = len(ready.storage.requests)
    with opened.open(start) as pieces:
        assert b"".join(pieces) == CONTENT[start:]
    asked = [request.headers["Range"] for request in ready.storage.requests[before:]]
    assert asked[1:] == [f"bytes={start + 100_000}-", f"bytes={start + 100_005}-"]


def test_a_connection_that_always_breaks_ends_with_what_was_read(ready: Bench) -> None:
    opened = source(ready)
    ready.storage.faults.add(faults.drop(1000))
    ready.storage.faults.add(faults.drop(0), None)
    received: list[bytes] = []

    def read() -> None:
        with opened.open() as pieces:
            received.extend(pieces)

    with pytest.raises(MirrorError):
        read()
    assert b"".join(received) == CONTENT[:1000]


def test_what_was_read_is_verified_by_size_and_checksum(ready: Bench) -> None:
    hashing = HashingSource(source(ready))
    with hashing.open() as pieces:
        assert b"".join(pieces) == CONTENT
    assert hashing.size == len(CONTENT)
    assert hashing.verify() == Checksum("md5", hashlib.md5(CONTENT).hexdigest())
    ready.storage.faults.add(faults.drop(1000))
    with hashing.open() as pieces:
        next(pieces)
    assert 0 < hashing.size <= 1000
    with pytest.raises(IntegrityError, match=f"expected {len(CONTENT)} bytes, received {hashing.size} bytes"):
        hashing.verify()
