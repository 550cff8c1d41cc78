"""An archive is read at any offset with a small index, whatever program wrote its gzip stream."""

import gzip
import io
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from decnef_data.archives import Archive, LocalSource, SeekIndex, has_archive_name
from decnef_data.archives.forward_stream import ForwardStream, prefetch
from decnef_data.archives.gzip_index import IndexingDecompressor, SeekPoint, decompress_range
from decnef_data.errors import FormatError
from decnef_data.model.account import ArchiveAccount, Remark

SPACING = 1 << 18


def noise(size: int, seed: int = 1) -> bytes:
    """Bytes that deflate compresses to about a third, as it does images."""
    drawn = np.random.Generator(np.random.PCG64(seed)).normal(600, 30, size // 2)
    return drawn.astype("<i2").tobytes()


CONTENT = {
    f"SRPBS_OPEN/data/sub-{number:04d}/rsfmri/vol_0000": noise(400_000, number) for number in range(20)
}


def tar(content: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name, data in content.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), 7
            archive.addfile(info, io.BytesIO(data))
    return made.getvalue()


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def stored(data: bytes) -> bytes:
    """A gzip stream of blocks that are not compressed, as where compressed images are packed again."""
    return gzip.compress(data, 0, mtime=0)


def fixed(data: bytes) -> bytes:
    """A gzip stream of blocks whose codes are in no header, in which no point can be found."""
    packer = zlib.compressobj(6, zlib.DEFLATED, 31, 8, zlib.Z_FIXED)
    return packer.compress(data) + packer.flush()


def flushed(data: bytes) -> bytes:
    """A gzip stream that was flushed now and then, as pigz and servers do."""
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    made = b"".join(
        packer.compress(piece) + packer.flush(zlib.Z_SYNC_FLUSH) for piece in pieces(data, 100_000)
    )
    return made + packer.flush()


def joined(data: bytes) -> bytes:
    """Many gzip members one after another, as bgzip makes them, and zeros behind."""
    return b"".join(gzip.compress(piece, 6, mtime=0) for piece in pieces(data, 150_000)) + bytes(1000)


def padded(data: bytes) -> bytes:
    """A few gzip members with zeros between them, as of padded archives that were joined."""
    members = (gzip.compress(piece, 6, mtime=0) for piece in pieces(data, 1_300_000))
    return b"".join(member + bytes(9000) for member in members)


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "level 1": lambda data: gzip.compress(data, 1, mtime=0),
    "level 6": lambda data: gzip.compress(data, 6, mtime=0),
    "level 9": lambda data: gzip.compress(data, 9, mtime=0),
    "flushed": flushed,
    "joined": joined,
    "padded": padded,
    "stored": stored,
    "fixed": fixed,
    "plain": lambda data: data,
}


#: One packed as the release may be, one that could not be compressed, one that is not packed.
_QUICK = {"level 6", "padded", "stored", "plain"}


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=() if name in _QUICK else (pytest.mark.slow,)) for name in PACKERS],
)
def indexed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Archive, bytes]:
    data = tar(CONTENT)
    path = tmp_path_factory.mktemp("archive") / "a.tar.gz"
    path.write_bytes(PACKERS[request.param](data))
    archive = Archive(LocalSource(path.name, path), spacing=SPACING)
    found = {member.path: member.read() for member in archive.iter_members()}
    assert found == CONTENT
    return archive, data


@pytest.mark.slow
@given(data=st.data())
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_any_bytes_can_be_read_again(indexed: tuple[Archive, bytes], data: st.DataObject) -> None:
    archive, content = indexed
    start = data.draw(st.integers(0, len(content)))
    size = data.draw(st.integers(0, min(len(content) - start, 700_000)))
    assert archive.read(start, size) == content[start : start + size]


def test_members_have_their_offset_and_modification_time(indexed: tuple[Archive, bytes]) -> None:
    archive, content = indexed
    for member in archive.iter_members():
        assert member.offset is not None
        assert content[member.offset :].startswith(CONTENT[member.path])
        assert member.mtime == 7


@pytest.mark.slow
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_any_bytes_of_any_gzip_members_can_be_read_again(data: st.DataObject) -> None:
    content = b"".join(noise(data.draw(st.integers(0, 100_000)), seed) for seed in range(4))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(content)), max_size=6)))
    packed = b"".join(
        gzip.compress(content[start:stop], data.draw(st.sampled_from([0, 1, 6])))
        + bytes(data.draw(st.sampled_from([0, 0, 1, 700])))
        for start, stop in zip([0, *cuts], [*cuts, len(content)], strict=True)
    )
    decompressor = IndexingDecompressor(1 << 15)
    step = data.draw(st.sampled_from([1000, 1 << 16, 1 << 18]))
    assert b"".join(decompressor.decompress(pieces(packed, step))) == content
    source = InMemorySource(packed)
    for _ in range(5):
        start = data.draw(st.integers(0, len(content)))
        stop = data.draw(st.integers(start, len(content)))
        assert b"".join(decompress_range(source, decompressor.index, start, stop)) == content[start:stop]


@pytest.mark.parametrize("padding", [0, 1, 700])
def test_a_member_begins_where_its_point_says(padding: int) -> None:
    contents = [noise(size, size) for size in (3000, 2, 5000, 4000)]
    members = [gzip.compress(content, 6, mtime=0) + bytes(padding) for content in contents]
    decompressor = IndexingDecompressor(spacing=1)
    assert b"".join(decompressor.decompress(iter([b"".join(members)]))) == b"".join(contents)
    begins = [(8 * sum(map(len, members[:index])), sum(map(len, contents[:index]))) for index in range(4)]
    assert [(point.bit, point.byte) for point in decompressor.index.points] == begins
    assert decompressor.index.size == sum(map(len, members))
    for start, stop in ((0, 3002), (2999, 3001), (3000, 3002), (3001, 8003), (8002, 12002)):
        found = decompress_range(InMemorySource(b"".join(members)), decompressor.index, start, stop)
        assert b"".join(found) == b"".join(contents)[start:stop]


@pytest.mark.parametrize("padding", [0, 700])
def test_members_are_read_one_after_the_other_from_any_block(padding: int) -> None:
    # The last byte of its length, behind the first member, is not zero.
    contents = [noise(1_300_000) + bytes(1 << 24), noise(1000)]
    packed = b"".join(gzip.compress(content, 6, mtime=0) + bytes(padding) for content in contents)
    decompressor = IndexingDecompressor(SPACING // 2)
    content, boundary = b"".join(decompressor.decompress(iter([packed]))), len(contents[0])
    blocks = [point for point in decompressor.index.points if 0 < point.byte < boundary]
    assert len({point.bit % 8 for point in blocks}) > 1
    for block in blocks:
        index = msgspec.structs.replace(decompressor.index, points=(SeekPoint(0, 0), block))
        found = decompress_range(InMemorySource(packed), index, boundary - 5, boundary + 5)
        assert b"".join(found) == content[boundary - 5 : boundary + 5]


@dataclass(frozen=True)
class InMemorySource:
    """The bytes of an archive in memory."""

    data: bytes
    path: str = "a.tar.gz"

    @contextmanager
    def open(self, start: int = 0, stop: int | None = None) -> Iterator[Iterator[bytes]]:
        yield pieces(self.data[start:stop], 5000)


def test_bytes_behind_the_last_gzip_member_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    packed = gzip.compress(tar({"x/a": b"1"}), mtime=0)
    path.write_bytes(packed + bytes(20) + b"<html>")
    problems: list[FormatError] = []
    archive = Archive(LocalSource(path.name, path))
    assert [member.path for member in archive.iter_members(on_problem=problems.append)] == ["x/a"]
    assert archive.account == ArchiveAccount(n_members=1, n_bytes_behind=6)
    assert [str(problem) for problem in problems] == [
        (
            f"'a.tar.gz' has 6 bytes behind its end, from byte {len(packed) + 20}, which belong to no member. "
            "Compare its size and checksum with those that its publisher states."
        )
    ]


def linked(*links: tuple[bytes, str, str]) -> bytes:
    """A tar of images and of links, each behind the images."""
    made = io.BytesIO(tar(CONTENT))
    with tarfile.open(fileobj=made, mode="a") as archive:
        for kind, name, target in links:
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.mtime = kind, target, 9
            archive.addfile(info)
    return made.getvalue()


@pytest.mark.parametrize("pack", [lambda data: gzip.compress(data, 1), lambda data: data])
def test_a_link_has_the_content_and_the_offset_of_its_target(
    pack: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    names = list(CONTENT)
    path = tmp_path / "a.tar.gz"
    path.write_bytes(
        pack(
            linked(
                (tarfile.LNKTYPE, "b/late", names[15]),
                (tarfile.LNKTYPE, "b/early", names[2]),
                (tarfile.SYMTYPE, "b/same", f"../{names[2]}"),
                (tarfile.LNKTYPE, names[3], names[3]),
            )
        )
    )
    archive = Archive(LocalSource(path.name, path), spacing=SPACING)
    remarks: list[Remark] = []
    members = [
        (member.path, member.read(), member.offset)
        for member in archive.iter_members(on_remark=remarks.append)
    ]
    assert archive.account == ArchiveAccount(n_members=len(CONTENT) + 4)
    offsets = {name: offset for name, _, offset in members}
    targets = {"b/early": names[2], "b/same": names[2], "b/late": names[15]}
    assert [name for name, _, _ in members] == [*CONTENT, *targets]
    assert {name: content for name, content, _ in members} == CONTENT | {
        name: CONTENT[target] for name, target in targets.items()
    }
    assert {name: offsets[name] for name in targets} == {
        name: offsets[target] for name, target in targets.items()
    }
    assert [(remark.rule, remark.is_warning, remark.message) for remark in remarks] == [
        ("archive-links", False, "'a.tar.gz' has 4 links, which were read as what they lead to.")
    ]


def test_there_are_points_where_blocks_can_be_found(
    indexed: tuple[Archive, bytes], request: pytest.FixtureRequest
) -> None:
    archive, content = indexed
    assert archive.index is not None
    packed = archive.index.size
    assert archive.index.unpacked == len(content)
    assert list(archive.index.points) == sorted(archive.index.points, key=lambda point: point.bit)
    possible = packed // SPACING
    hidden = not archive.index.gzipped or request.node.callspec.params["indexed"] == "fixed"
    expected = 0 if hidden or not possible else possible // 2 - 1
    assert expected <= len(archive.index.points) - 1 <= possible


def test_bytes_that_look_like_stored_blocks_are_not_taken_for_them(tmp_path: Path) -> None:
    lure = b"\x00\x05\x00\xfa\xff12345"
    content = {f"lure-{number}": lure * 80_000 for number in range(3)}
    path = tmp_path / "a.tar.gz"
    path.write_bytes(stored(tar(content)))
    archive = Archive(LocalSource(path.name, path), spacing=SPACING)
    offsets = []
    for member in archive.iter_members():
        assert member.read() == content[member.path]
        offsets.append(member.offset)
    for offset in offsets:
        assert offset is not None
        assert archive.read(offset + 100_000, len(lure)) == lure


def test_a_source_gives_the_bytes_that_are_asked_for_and_no_more(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"0123456789")
    for start, stop, expected in ((2, 5, b"234"), (0, None, b"0123456789"), (7, None, b"789"), (4, 4, b"")):
        with LocalSource("a", path).open(start, stop) as pieces:
            assert b"".join(pieces) == expected


def test_the_index_of_a_tar_that_is_not_compressed_has_its_size(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(tar({"a": b"content"}))
    archive = Archive(LocalSource(path.name, path))
    assert [member.path for member in archive.iter_members()] == ["a"]
    assert archive.index is not None
    assert (archive.index.size, archive.index.unpacked) == (path.stat().st_size, path.stat().st_size)


def test_an_index_survives_serialization(indexed: tuple[Archive, bytes]) -> None:
    archive, content = indexed
    kept = msgspec.msgpack.decode(msgspec.msgpack.encode(archive.index), type=SeekIndex)
    assert kept == archive.index
    again = Archive(archive.source, kept)
    assert again.read(len(content) - 1000, 900) == content[-1000:-100]


@pytest.mark.slow
def test_an_index_of_the_usual_spacing_is_under_two_thousandths(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress(tar({"vol_0000": noise(60_000_000)}), 1))
    archive = Archive(LocalSource(path.name, path))
    assert [member.path for member in archive.iter_members()] == ["vol_0000"]
    assert archive.index is not None
    assert len(archive.index.points) > 1
    assert len(msgspec.msgpack.encode(archive.index)) < path.stat().st_size * 0.002


@pytest.mark.slow
def test_no_more_is_read_than_from_the_point_before_to_the_point_behind(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress(tar(CONTENT), 6))
    archive = Archive(LocalSource(path.name, path), spacing=SPACING)
    offsets = {member.path: member.offset for member in archive.iter_members()}
    source = Counting(archive.source)
    again = Archive(source, archive.index)
    name = "SRPBS_OPEN/data/sub-0010/rsfmri/vol_0000"
    offset = offsets[name]
    assert offset is not None
    assert again.read(offset, len(CONTENT[name])) == CONTENT[name]
    assert source.count < path.stat().st_size / 4


class Counting:
    """A source that counts what is read of it."""

    def __init__(self, source: object) -> None:
        self.source, self.count, self.path = source, 0, "a.tar.gz"

    def open(self, start: int = 0, stop: int | None = None) -> object:
        assert stop is not None
        self.count += stop - start
        return self.source.open(start, stop)  # type: ignore[attr-defined]


@pytest.mark.slow
def test_another_archive_than_the_index_was_made_of(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress(tar(CONTENT), 6))
    archive = Archive(LocalSource(path.name, path), spacing=SPACING)
    size = sum(member.size for member in archive.iter_members())
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    with pytest.raises(FormatError) as caught:
        archive.read(size - 1000, 1000)
    assert str(caught.value).startswith("'a.tar.gz' is damaged or truncated: ")
    assert str(caught.value).endswith("Download the archive again.")


def test_a_sparse_member_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as archive:
        info = tarfile.TarInfo("x/a")
        info.type = tarfile.GNUTYPE_SPARSE
        archive.addfile(info)
    with pytest.raises(FormatError) as caught:
        list(Archive(LocalSource(path.name, path)).iter_members())
    assert (
        str(caught.value)
        == "'x/a' in 'a.tar' is a sparse file and was not read. Unpack the archive with `tar -xf`, and adopt the folder."
    )


def test_points_are_found_by_the_byte_that_is_wanted() -> None:
    index = SeekIndex(
        gzipped=True,
        size=100,
        unpacked=400,
        points=(SeekPoint(0, 0), SeekPoint(203, 100), SeekPoint(404, 200)),
    )
    assert [index.point_before(byte).byte for byte in (0, 99, 100, 199, 399)] == [0, 0, 100, 100, 200]
    assert [index.compressed_end(byte) for byte in (1, 100, 101, 200, 201)] == [26, 26, 51, 51, 100]


def test_names_of_archives() -> None:
    names = (
        "a/B.TAR.GZ", "a.tgz", "a.tar", "a.tar.gz?X-Amz-Date=1&b=.zip", "a.tar (1).gz", "a (2).tar.gz",
        "a.tar.gz.download",
    )  # fmt: skip
    assert all(has_archive_name(name) for name in names)
    assert not any(has_archive_name(name) for name in ("a.zip", "vol_0000", "a?b=.tar", "a.nii.gz"))


def test_what_another_thread_raises_is_raised_here() -> None:
    def failing() -> Iterator[bytes]:
        yield b"a"
        raise EOFError("it ends")

    with prefetch(failing()) as made, pytest.raises(EOFError, match=r"^it ends$"):
        assert list(made) == [b"a"]


def test_who_stops_early_is_not_waited_for() -> None:
    made = []

    def endless() -> Iterator[bytes]:
        while True:
            made.append(1)
            yield b"a"

    with prefetch(endless(), depth=2) as taken:
        assert next(taken) == b"a"
    assert len(made) < 10


def test_a_stream_goes_forward_and_a_piece_back() -> None:
    stream = ForwardStream(pieces(bytes(range(100)), 10), start=1000)
    assert stream.seekable()
    assert (stream.seek(1035), stream.read(2)) == (1035, b"\x23\x24")
    assert (stream.seek(1028), stream.read(14)) == (1028, bytes(range(28, 42)))
    assert (stream.seek(1005), stream.read(40)) == (1005, bytes(range(5, 45)))
    with pytest.raises(ValueError, match=r"^Seeking backward is not supported\.$"):
        stream.seek(999)
    with pytest.raises(ValueError, match=r"^Only seeking from the start is supported\.$"):
        stream.seek(0, 2)
    assert (stream.seek(5000), stream.tell(), stream.read(3)) == (1100, 1100, b"")
