"""What a seek index saves: requests, bytes and time, against reading the archive to its end.

Run with ``python tests/benchmarks/seek_index.py [--subjects N] [--archive FILE] [--rate MIB] [--json]``.  The
archive is the phantom's with real matrices and numbers of volumes.  One cache exports the index; a bare cache with
another configuration imports it by a link.  Requests and bytes are counted by the server of the tests; rates are
those of a server in a process of its own, whose line is as fast as ``--rate`` says, and ratios are to downloading
as many bytes from it with nothing else to do.
"""

import argparse
import json
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.request
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
from cube import machine

from decnef_data import Client, archive_evidence
from decnef_data.layouts.imaging.inventory.scans import Scan
from decnef_data.layouts.imaging.seek_index import file as seek_index_file
from decnef_data.phantom import imaging_files

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.servers.links import LinkServer

NAME, MIRROR = "srpbs-open", "atr"
STEP = 1 << 10


def packed(path: Path, subjects: int) -> None:
    """Pack the phantom like the release."""
    size = imaging_files.PhantomSize(subjects, full_size=True)
    with tarfile.open(path, "w:gz", compresslevel=6) as made:
        for name, data in imaging_files.generate_files(NAME, size):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            made.addfile(info, BytesIO(data))


def positions(archive: Path, unpacked: list[int]) -> list[int]:
    """Return how many compressed bytes are needed for each number of unpacked ones, in ascending order."""
    decompressor, produced, consumed, found = zlib.decompressobj(31), 0, 0, []
    wanted = iter(unpacked)
    following = next(wanted, None)
    with archive.open("rb") as file:
        while following is not None and (data := file.read(STEP)):
            while data:
                produced += len(decompressor.decompress(data))
                data = decompressor.unused_data if decompressor.eof else b""
                decompressor = zlib.decompressobj(31) if decompressor.eof else decompressor
            consumed = file.tell()
            while following is not None and produced >= following:
                found.append(consumed)
                following = next(wanted, None)
    return found


def span_of(scan: Scan) -> tuple[int, int]:
    """Return where the files of a scan begin and end in the unpacked archive."""
    offsets, sizes = (np.frombuffer(raw, "<i8") for raw in (scan.offsets, scan.file_sizes))
    return int(offsets.min()), int((offsets + sizes).max())


class Counter:
    """Counts the requests and the bytes of a server between two looks."""

    def __init__(self, server: LinkServer) -> None:
        self._server, self._requests, self._sent = server, 0, 0

    def take(self) -> tuple[int, int]:
        """Return what was added since the last look."""
        time.sleep(0.05)  # the server counts a body when it was sent
        requests, sent = len(self._server.requests), self._server.sent
        taken = requests - self._requests, sent - self._sent
        self._requests, self._sent = requests, sent
        return taken


@contextmanager
def fast_server(folder: Path, rate: float) -> Iterator[str]:
    """Serve a folder from another process, at so many MiB a second in all."""
    command = [sys.executable, "-m", "tests.servers.fast", str(folder), "--total-rate", str(rate)]
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as running:
        yield running.stdout.readline().strip()
        running.stdin.close()


def colleague(folder: Path, link: str) -> Client:
    """Return a client with an empty cache and a configuration of its own, logged in by a link."""
    client = Client(folder / "cache", config_dir=folder / "config")
    client.login(MIRROR, link, dataset=NAME)
    return client


def counted(folder: Path, archive: Path, index: Path) -> dict[str, object]:
    """Import the index and open scans one after the other; count what the server sent for each."""
    content = seek_index_file.read(index)
    spans = sorted((*span_of(scan), scan) for scan in content.inventory.scans if scan.kind != "fmap")
    places = sorted({place for start, stop, _ in spans for place in (start, stop)})
    compressed = dict(zip(places, positions(archive, places), strict=True))
    with LinkServer() as server:
        client = colleague(folder / "counted", server.link(archive))
        counter = Counter(server)
        counter.take()
        began = time.perf_counter()
        client.import_seek_index(index, accept_terms=True, progress="none")
        importing = time.perf_counter() - began, *counter.take()
        times = []
        for _ in range(4):
            began = time.perf_counter()
            people = client.participants(NAME, progress="none")
            times.append(time.perf_counter() - began)
        tree = counter.take()
        scans = []
        for start, stop, scan in spans:
            began = time.perf_counter()
            client.fetch_dataset(NAME, subjects=scan.subject, modalities=scan.kind, progress="none")
            seconds, (requests, sent) = time.perf_counter() - began, counter.take()
            own = compressed[stop] - compressed[start]
            scans.append(
                {"scan": f"{scan.subject} {scan.kind}", "requests": requests, "bytes": sent, "compressed": own,
                 "ratio": sent / own, "ms": 1000 * seconds}
            )  # fmt: skip
        began = time.perf_counter()
        found = client.fetch_dataset(NAME, progress="none")
        opening = time.perf_counter() - began
    return {
        "import": {"ms": 1000 * importing[0], "requests": importing[1], "bytes": importing[2]},
        "participants": {
            "rows": len(people),
            "first_ms": 1000 * times[0],
            "ms": 1000 * min(times),
            "requests": tree[0],
        },
        "tree": {"leaves": len(list(found.leaves)), "ms": 1000 * opening},
        "scans": scans,
    }


def timed(folder: Path, archive: Path, index: Path, rate: float) -> dict[str, object]:
    """Time a first scan, the largest site and all scans by the index, against a download and the walk."""
    content = seek_index_file.read(index)
    first = content.inventory.scans[0]
    with fast_server(archive.parent, rate) as url:
        link = f"{url}/{archive.name}"
        client = colleague(folder / "timed", link)
        client.import_seek_index(index, accept_terms=True, progress="none")
        subjects = {scan.subject for scan in content.inventory.scans}
        people = client.participants(NAME, progress="none")
        site = people["site"][people["subject"].isin(subjects)].value_counts().index[0]
        scan_s = seconds(client, subjects=first.subject, modalities="t1w")
        found = {}
        for what, selection in (("site", {"sites": site}), ("all", {})):
            other = colleague(folder / what, link)
            other.import_seek_index(index, accept_terms=True, progress="none")
            taken, size = seconds(other, **selection), bytes_of(other, content, **selection)
            plain = plain_seconds(link, size)
            found[what] = {"bytes": size, "s": taken, "plain_s": plain, "of_rate": plain / taken}
        walker = colleague(folder / "walker", link)
        walk_s = seconds(
            walker, subjects=first.subject, modalities="t1w", keep_archive=False, accept_terms=True
        )
    return {**found, "first scan": {"s": scan_s, "walk_s": walk_s, "ratio": walk_s / scan_s}}


def seconds(client: Client, **selection: object) -> float:
    """Return how long it takes to fetch a selection."""
    began = time.perf_counter()
    client.fetch_dataset(NAME, **selection, progress="none")
    return time.perf_counter() - began


def plain_seconds(link: str, size: int) -> float:
    """Return how long it takes to download so many bytes, and to do nothing with them."""
    began = time.perf_counter()
    request = urllib.request.Request(link, headers={"Range": f"bytes=0-{size - 1}"})
    with urllib.request.urlopen(request) as body:
        while body.read(1 << 20):
            pass
    return time.perf_counter() - began


def bytes_of(client: Client, content: seek_index_file.SeekIndexFile, **selection: object) -> int:
    """Return how many bytes of the archive the scans of a selection are."""
    subjects = set(client.participants(NAME, **selection, progress="none")["subject"])
    scans = (scan for scan in content.inventory.scans if scan.subject in subjects and scan.kind != "fmap")
    places, index = map(span_of, scans), content.index
    return sum(index.compressed_end(stop) - index.point_before(start).bit // 8 for start, stop in places)


def main() -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--subjects", type=int, default=24)
    parser.add_argument("--archive", type=Path)
    parser.add_argument(
        "--rate", type=float, default=12.0, help="MiB a second of the line (default: 100 Mbit/s)"
    )
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    archive_evidence.SIZE_FACTOR = 10**9  # the catalog's archive is far larger
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        archive = options.archive or folder / "own" / "SRPBS_OPEN.tar.gz"
        if options.archive is None:
            archive.parent.mkdir()
            packed(archive, options.subjects)
        owner = Client(folder / "owner", config_dir=folder / "owner-config")
        owner.adopt(NAME, archive, progress="none")
        began = time.perf_counter()
        owner.participants(NAME, progress="none")
        walk = time.perf_counter() - began
        began = time.perf_counter()
        summary = owner.export_seek_index(NAME, folder / "open.idx", progress="none")
        result = {
            "machine": machine(),
            "archive": archive.stat().st_size,
            "walk_s": walk,
            "export": {
                "s": time.perf_counter() - began, "bytes": summary.size, "scans": summary.n_scans,
                "points": summary.n_points, "share": summary.size / summary.archive_size,
            },
            **counted(folder, archive, summary.path),
            **timed(folder, archive, summary.path, options.rate),
        }  # fmt: skip
    if options.json:
        print(json.dumps(result, indent=1, default=str))
        return
    scans = result.pop("scans")
    for name, value in result.items():
        print(f"{name}: {value}")
    worst = max(scans, key=lambda scan: scan["ratio"])
    print(f"scans: {len(scans)}, at most {max(scan['requests'] for scan in scans)} requests")
    for kind in ("t1w", "bold"):
        ratios = sorted(scan["ratio"] for scan in scans if scan["scan"].endswith(kind))
        print(
            f"  {kind}: bytes / compressed bytes {ratios[0]:.3f} to {ratios[-1]:.3f}, median {ratios[len(ratios) // 2]:.3f}"
        )
    print(f"  worst: {worst}")


if __name__ == "__main__":
    main()
