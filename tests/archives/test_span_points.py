"""Points and ends at known spans: each span is read alone, from hardly more than its own bytes."""

import gzip
import io
import random
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decnef_data import FormatError, IntegrityError
from decnef_data.archives import Archive, LocalSource, SeekIndex
from decnef_data.archives.gzip_index import IndexingDecompressor
from decnef_data.archives.sampled_windows import find_other_window, sample_windows
from decnef_data.archives.span_points import build_span_index, without_windows

Spans = list[tuple[int, int]]


@dataclass
class CountingSource:
    """Bytes in memory, with the ranges of them that were read."""

    content: bytes
    path: str = "a.tar.gz"
    ranges: list[tuple[int, int]] = field(default_factory=list)

    @contextmanager
    def open(self, start: int = 0, stop: int | None = None) -> Iterator[Iterator[bytes]]:
        last = len(self.content) if stop is None else min(stop, len(self.content))
        self.ranges.append((start, last))
        yield (self.content[at : min(at + (1 << 20), last)] for at in range(start, last, 1 << 20))


def text(size: int, seed: int) -> bytes:
    """Letters, which compress to about half of their length, like images."""
    return bytes(random.Random(seed).choices(b"abcdefghijklmnop", k=size))


def index_of(content: bytes) -> SeekIndex:
    decompressor = IndexingDecompressor()
    for _ in decompressor.decompress(iter([content])):
        pass
    return decompressor.index


def spans_of(sizes: list[int]) -> Spans:
    spans, start = [], 0
    for size in sizes:
        spans.append((start, start + size))
        start += size
    return spans


def assert_read_alone(packed: bytes, plain: bytes, spans: Spans, slack: int) -> SeekIndex:
    """Each span has its bytes, from one range that is at most so much longer than its share of the archive."""
    source = CountingSource(packed)
    index = build_span_index(source, index_of(packed), spans)
    for start, stop in spans:
        source.ranges.clear()
        assert Archive(source, index).read(start, stop - start) == plain[start:stop]
        read = sum(end - begin for begin, end in source.ranges)
        share = len(zlib.compress(plain[start:stop], 6))
        assert read <= share + slack
    return index


def test_each_span_is_read_alone() -> None:
    plain = text(12_000_000, 1)
    spans = spans_of([3_000_000, 100, 2_500_000, 500, 4_000_000, 900_000])
    index = assert_read_alone(gzip.compress(plain, 6), plain, spans, slack=160_000)
    assert len(index.points) >= 4
    assert len(index.ends) == len(spans)


def test_a_span_behind_a_long_run_of_zeros_has_its_point() -> None:
    """What compresses a thousandfold is over in a few compressed bytes: no search before it would be in time."""
    plain = text(2_000_000, 1) + bytes(30_000_000) + text(2_000_000, 2)
    spans = [(0, 2_000_000), (32_000_000, 34_000_000)]
    assert_read_alone(gzip.compress(plain, 6), plain, spans, slack=160_000)


def test_what_does_not_compress() -> None:
    plain = random.Random(3).randbytes(3_000_000)
    assert_read_alone(
        gzip.compress(plain, 6), plain, spans_of([1_000_000, 700_000, 1_300_000]), slack=400_000
    )


@pytest.mark.parametrize("padding", [0, 1024])
def test_several_gzip_members(padding: int) -> None:
    parts = [text(700_000, seed) for seed in range(6)]
    packed = b"".join(gzip.compress(part, 6) + bytes(padding) for part in parts)
    plain = b"".join(parts)
    spans = spans_of([700_000, 700_000, 1_400_000, 300_000, 400_000, 700_000])
    index = assert_read_alone(packed, plain, spans, slack=300_000)
    assert sum(point.begins_member for point in index.points) >= 3


@settings(max_examples=25)
@given(
    sizes=st.lists(st.integers(1, 600_000), min_size=1, max_size=8),
    seed=st.integers(0, 1000),
    level=st.sampled_from([1, 6, 9]),
    zeros=st.integers(0, 2_000_000),
)
def test_any_spans_of_any_stream(sizes: list[int], seed: int, level: int, zeros: int) -> None:
    spans = spans_of(sizes)
    half = spans[-1][1] // 2
    plain = text(half, seed) + bytes(zeros) + text(spans[-1][1] - half, seed + 1)
    packed = gzip.compress(plain, level)
    source = CountingSource(packed)
    index = build_span_index(source, index_of(packed), spans)
    for start, stop in spans:
        assert Archive(source, index).read(start, stop - start) == plain[start:stop]
    assert list(index.ends) == sorted(index.ends)


def test_a_tar_is_read_by_its_members(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    contents = {f"{seed}.bin": text(400_000 * (seed + 1), seed) for seed in range(4)}
    with tarfile.open(path, "w:gz") as made:
        for name, content in contents.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            made.addfile(info, io.BytesIO(content))
    archive = Archive(LocalSource("a.tar.gz", path))
    members = [(member.path, member.offset or 0, member.size) for member in archive.iter_members()]
    assert archive.index is not None
    counted: list[int] = []
    spans = [(offset, offset + size) for _, offset, size in members]
    index = build_span_index(archive.source, archive.index, spans, on_progress=counted.append)
    assert sum(counted) == path.stat().st_size == index.size
    kept = msgspec.msgpack.decode(msgspec.msgpack.encode(index), type=SeekIndex)
    for name, offset, size in members:
        assert Archive(archive.source, kept).read(offset, size) == contents[name]


def test_no_spans_are_no_points() -> None:
    packed = gzip.compress(text(1_000_000, 1))
    index = build_span_index(CountingSource(packed), index_of(packed), [])
    assert (len(index.points), index.ends) == (1, ())


def test_another_archive_is_told() -> None:
    packed, other = gzip.compress(b"age" * 1000), gzip.compress(b"age" * 1001)
    with pytest.raises(
        IntegrityError, match=r"^'a\.tar\.gz' unpacks to 3003 bytes, but to 3000 when it was indexed\."
    ):
        build_span_index(CountingSource(other), index_of(packed), [])


def test_a_damaged_archive_is_told() -> None:
    packed = bytearray(gzip.compress(text(1_000_000, 1)))
    index = index_of(bytes(packed))
    packed[len(packed) // 2] ^= 255
    with pytest.raises(FormatError, match=r"^'a\.tar\.gz' is damaged or truncated"):
        build_span_index(CountingSource(bytes(packed)), index, [(0, 1000)])


def test_no_window_has_hidden_bytes() -> None:
    """A table just before a scan: the scan is read from a block before the table."""
    table = bytes(random.Random(7).choices(b"0123456789", k=400_000))
    plain = text(2_000_000, 1) + table + text(2_000_000, 2) + table + text(1_000_000, 3)
    packed = gzip.compress(plain, 6)
    spans = [(0, 2_000_000), (2_000_000, 2_400_000), (2_400_000, 4_400_000), (4_800_000, 5_800_000)]
    hidden = [(2_000_000, 2_400_000), (4_400_000, 4_800_000)]
    shown = build_span_index(CountingSource(packed), index_of(packed), spans)
    index = build_span_index(CountingSource(packed), index_of(packed), spans, hidden)

    def digits(points: SeekIndex) -> int:
        windows = [zlib.decompress(point.window) for point in points.points if point.window]
        return sum(byte in b"0123456789" for window in windows for byte in window)

    assert digits(shown) > 0
    assert digits(index) == 0
    assert len(index.points) > 1
    assert without_windows(shown, hidden).points == tuple(
        point for point in shown.points if point in index.points
    )
    for start, stop in spans:
        assert Archive(CountingSource(packed), index).read(start, stop - start) == plain[start:stop]


class TestSampledWindows:
    def test_the_last_one_is_at_the_end(self) -> None:
        content = random.Random(1).randbytes(200_000)
        windows = sample_windows(CountingSource(content), len(content))
        assert [window.stop - window.start for window in windows] == [16 << 10] * 3
        assert windows[-1].stop == len(content)
        assert find_other_window(CountingSource(content), windows) is None

    def test_a_changed_byte_in_any_is_found(self) -> None:
        content = random.Random(1).randbytes(200_000)
        windows = sample_windows(CountingSource(content), len(content))
        for window in windows:
            changed = bytearray(content)
            changed[window.stop - 1] ^= 1
            assert find_other_window(CountingSource(bytes(changed)), windows) == window

    def test_an_archive_that_is_shorter_is_another_one(self) -> None:
        content = random.Random(1).randbytes(20_000)
        windows = sample_windows(CountingSource(content), len(content))
        assert find_other_window(CountingSource(content[:-1]), windows) is not None
