"""24 people of a phantom with real matrices, through an index that another cache made: requests and bytes."""

import tarfile
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from decnef_data import Client
from decnef_data.layouts.imaging.inventory.scans import Scan
from decnef_data.layouts.imaging.seek_index import file as seek_index_file
from decnef_data.phantom import imaging_files
from tests.servers.links import LinkServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

NAME, PEOPLE = "srpbs-open", 24
#: Of a first scan: requests, and bytes of the archive in relation to its own compressed bytes.
MAX_REQUESTS, MAX_RATIO = 3, 1.2


def write_archive(path: Path) -> None:
    """Pack the phantom as it is packed in the release, with runs of few volumes."""
    size = imaging_files.PhantomSize(PEOPLE, full_size=True, n_volumes=20)
    with tarfile.open(path, "w:gz", compresslevel=6) as made:
        for name, data in imaging_files.generate_files(NAME, size):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            made.addfile(info, BytesIO(data))


def span_of(scan: Scan) -> tuple[int, int]:
    offsets, sizes = (np.frombuffer(raw, "<i8") for raw in (scan.offsets, scan.file_sizes))
    return int(offsets.min()), int((offsets + sizes).max())


def compressed_positions(archive: Path, unpacked: list[int]) -> dict[int, int]:
    """Return how many compressed bytes are needed for each number of unpacked ones, which ascend."""
    decompressor, produced, found = zlib.decompressobj(31), 0, {}
    with archive.open("rb") as file:
        for byte in unpacked:
            while produced < byte:
                produced += len(decompressor.decompress(file.read(1 << 10)))
            found[byte] = file.tell()
    return found


def test_requests_and_bytes(tmp_path: Path) -> None:
    archive = tmp_path / "SRPBS_OPEN.tar.gz"
    write_archive(archive)
    owner = Client(tmp_path / "owner", config_dir=tmp_path / "owner-config")
    owner.adopt(NAME, archive, progress="none")
    summary = owner.export_seek_index(NAME, tmp_path / "open.idx", progress="none")
    assert summary.size < summary.archive_size / 250
    content = seek_index_file.read(summary.path)
    scans = [scan for scan in content.inventory.scans if scan.kind != "fmap"]
    assert len({scan.subject for scan in scans}) == PEOPLE
    compressed = compressed_positions(archive, sorted({byte for scan in scans for byte in span_of(scan)}))
    with LinkServer() as server:
        client = Client(tmp_path / "bare", config_dir=tmp_path / "bare-config")
        client.login("atr", server.link(archive), dataset=NAME)
        requests, sent = len(server.requests), server.sent
        client.import_seek_index(summary.path, accept_terms=True, progress="none")
        # The archive's head, three samples, and the tables.
        assert len(server.requests) - requests == 1 + 3 + 1
        assert server.sent - sent < 200_000
        requests = len(server.requests)
        assert client.participants(NAME, progress="none").equals(owner.participants(NAME, progress="none"))
        assert len(server.requests) == requests
        for scan in scans:
            requests, sent = len(server.requests), server.sent
            client.fetch_dataset(NAME, subjects=scan.subject, modalities=scan.kind, progress="none")
            start, stop = span_of(scan)
            asked = sum(
                _requested(exchange.headers["Range"], summary.archive_size)
                for exchange in server.requests[requests:]
            )
            assert len(server.requests) - requests <= MAX_REQUESTS
            assert asked <= MAX_RATIO * (compressed[stop] - compressed[start])
            assert server.sent - sent <= asked
        ours = client.fetch_dataset(NAME, download=False, progress="none")
    theirs = owner.fetch_dataset(NAME, progress="none")
    assert [node.path for node in ours.leaves] == [node.path for node in theirs.leaves]
    for nodes in zip(ours.leaves, theirs.leaves, strict=True):
        found, expected = (node.to_dataset().drop_attrs().isel(scan=[0]) for node in nodes)
        assert found.identical(expected)


def _requested(header: str, size: int) -> int:
    """Return the number of bytes of a range; one to the end of the file has no last byte."""
    first, last = header.removeprefix("bytes=").split("-")
    return (int(last) + 1 if last else size) - int(first)
