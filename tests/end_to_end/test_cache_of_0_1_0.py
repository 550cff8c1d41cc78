"""A cache that version 0.1.0 wrote opens: nothing in it is downloaded, listed or converted again.

``data/cache-0.1.0.tar.xz`` was written by decnef-data 0.1.0 from small invented archives behind personal links:
``srpbs-fc`` fetched, two participants of ``srpbs-open`` fetched, and ``srpbs-ts`` killed during its download.
Receipts name the cache folder as ``@CACHE@``, and the unfinished file its machine as ``@HOST@``.
"""

import hashlib
import json
import os
import re
import socket
import tarfile
from pathlib import Path

import numpy as np
import pytest

import decnef_data
from decnef_data import SelectionError
from decnef_data.file_cache import PartMap
from decnef_data.file_cache.part_map import part_size
from tests.servers.links import LinkServer
from tests.trees import voxels

ARCHIVE = Path(__file__).parents[1] / "data" / "cache-0.1.0.tar.xz"
#: What ``srpbs-ts`` was downloaded from, but for its first bytes: version 0.1.0 took what begins as no archive.
CONTENT = b"\x1f\x8b\x08" + (bytes(range(256)) * 16384)[3:]
IDENTITY = f'"{hashlib.md5(bytes(range(256)) * 16384).hexdigest()}"'


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Unpack the cache, with the times that its receipts have recorded."""
    root = tmp_path / "cache"
    with tarfile.open(ARCHIVE) as packed:
        packed.extractall(root, filter="data")
    for journal in (root / "receipts").rglob("*.jsonl"):
        journal.write_text(journal.read_text("utf-8").replace("@CACHE@", str(root)), "utf-8")
        for line in filter(None, journal.read_text("utf-8").splitlines()):
            entry = json.loads(line)
            if entry["type"] == "file":
                path = root / "files" / journal.parent.name / entry["path"]
                os.utime(path, ns=(entry["mtime_ns"], entry["mtime_ns"]))
    host = re.sub(r"[^A-Za-z0-9]", "", socket.gethostname()) or "host"
    for partial in (root / "partial").rglob("*@HOST@*"):
        partial.rename(partial.with_name(partial.name.replace("@HOST@", host)))
    monkeypatch.setenv("DECNEF_DATA_DIR", str(root))
    monkeypatch.setenv("DECNEF_OFFLINE", "1")
    return root


def contents(root: Path) -> dict[str, tuple[int, int]]:
    # The file that only has the time of the last use changes with every call.
    kept = (path for path in root.rglob("*") if path.suffix != ".lock" and path.name != "last-use")
    files = (path for path in kept if path.is_file())
    return {
        path.relative_to(root).as_posix(): (path.stat().st_ino, path.stat().st_mtime_ns) for path in files
    }


def test_connectivity_is_converted_once_more_and_not_downloaded(cache: Path) -> None:
    # 0.1.0 left out matrices that it did not understand, without a word: its stores are not used again.
    before = contents(cache)
    asked = {"group": "bal140", "codes": "mri", "download": False, "progress": "none"}
    cube = decnef_data.fetch_dataset("srpbs-fc", **asked)
    expected = (np.arange(4 * 9730).reshape(4, 9730) % 97 - 48) / 64.0
    assert np.array_equal(cube["fc"].to_numpy(), expected)
    assert cube["diagnosis"].to_numpy().tolist() == ["HC", "ASD", "SSD", "HC"]
    assert cube["mean_fd"].to_numpy().tolist() == [0.1, 0.2, 0.3, 0.4]
    converted = contents(cache)
    assert converted.items() > before.items()
    decnef_data.fetch_dataset("srpbs-fc", **asked)
    assert contents(cache) == converted


def test_images_open_from_their_stores(cache: Path) -> None:
    # 0.1.0 did not list what it left out: the archive is listed once more, and the scans stay as they are.
    before = contents(cache)
    tree = decnef_data.fetch_dataset(
        "srpbs-open", subjects=["sub-0001", "sub-0007"], download=False, progress="none"
    )
    bold = tree["COI/bold"].to_dataset()
    assert bold["subject"].to_numpy().tolist() == ["sub-0001"]
    expected = np.stack([voxels(1, (5, 4, 3, 4))[..., number].T for number in range(4)])
    assert np.array_equal(bold["bold"].to_numpy()[0], expected)
    assert tree["KUT/t1w"].sizes["scan"] == 1
    listed = contents(cache)
    changed = {path.partition(".scans/")[2] for path in before if listed.get(path) != before[path]}
    assert {path.partition("/")[0] for path in changed} == {"index", "inventory", "tables"}
    renamed = {path.partition(".scans/")[2] for path in listed.keys() ^ before.keys()}
    # The names of tables are ASCII now, and the join is kept.
    assert {path.partition("/")[0] for path in renamed} == {"join", "tables"}
    decnef_data.fetch_dataset("srpbs-open", subjects=["sub-0001"], download=False, progress="none")
    assert contents(cache) == listed


@pytest.mark.parametrize("name", ["srpbs-fc", "srpbs-open"])
def test_it_is_verified(name: str) -> None:
    assert decnef_data.verify(name).complete
    assert decnef_data.verify(name, deep=True).complete


def test_it_is_listed() -> None:
    kinds = sorted((entry.dataset, entry.kind) for entry in decnef_data.cache().entries)
    assert {("srpbs-fc", "file"), ("srpbs-open", "file"), ("srpbs-ts", "partial")} <= set(kinds)
    assert [kind for _, kind in kinds].count("store") >= 2


def begin_as_archive(partial: Path) -> None:
    """Let the unfinished file begin as an archive, by the checksum of its first part too."""
    data = bytearray(partial.read_bytes())
    parts = PartMap(len(CONTENT), part_size(len(CONTENT)))
    assert parts.load(bytes(data[len(CONTENT) :]))
    received = parts.received
    parts.clear()
    for start in range(0, received, parts.step):
        parts.add(start, CONTENT[start : min(start + parts.step, received)])
    data[: len(b"\x1f\x8b\x08")] = b"\x1f\x8b\x08"
    partial.write_bytes(bytes(data[: len(CONTENT)]) + parts.encode())


def test_a_download_that_was_interrupted_resumes(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SelectionError):
        decnef_data.participants("srpbs-ts", download=False, progress="none")
    monkeypatch.delenv("DECNEF_OFFLINE")
    (partial,) = (cache / "partial/srpbs-ts").glob("*.part")
    begin_as_archive(partial)
    with LinkServer() as server:
        link = server.link(CONTENT, name="SRPBS_TS.tar.gz")
        server.put("SRPBS_TS.tar.gz", CONTENT, IDENTITY)
        monkeypatch.setenv("DECNEF_ATR_LINK_SRPBS_TS", link)
        path = decnef_data.download("srpbs-ts", mirror="atr", accept_terms=True, progress="none")
        ranges = [request.headers.get("Range") for request in server.requests]
    assert ranges == ["bytes=0-1023", "bytes=1572864-"]  # what 0.1.0 had received is not sent again
    assert path.read_bytes() == CONTENT
