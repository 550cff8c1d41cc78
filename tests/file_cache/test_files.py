"""Bytes get a final name only once verified; what is there is known by stat; nothing is lost by a kill."""

import hashlib
import logging
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest

from decnef_data.errors import IntegrityError
from decnef_data.file_cache import FileCache, claims, journal
from decnef_data.file_cache.claims import remove_unused_partials
from decnef_data.file_cache.part_map import PartMap, part_size
from decnef_data.model import Checksum, RemoteFile
from decnef_data.progress import create_progress
from tests.file_cache.arrivals import CONTENT, FILE, MD5, UNSTATED, arrive, fill, tree


def test_a_verified_file_gets_its_name_and_a_receipt(tmp_path: Path) -> None:
    files = FileCache(tmp_path)
    arrive(files)
    verified = files.find_verified("ds", "atr", FILE)
    assert verified is not None
    assert verified.location == tmp_path / "files/ds/folder/a.bin"
    assert verified.location.read_bytes() == CONTENT
    assert verified.checksums == (MD5,)
    assert verified.has_expected_checksum
    assert tree(tmp_path) == {"files/ds/folder/a.bin", "receipts/ds/atr.jsonl"}


def test_only_the_user_can_read_anything(tmp_path: Path) -> None:
    previous = os.umask(0)
    try:
        arrive(FileCache(tmp_path / "cache"))
    finally:
        os.umask(previous)
    for path in (tmp_path / "cache").rglob("*"):
        wanted = 0o700 if path.is_dir() else 0o600
        assert stat.S_IMODE(path.stat().st_mode) == wanted, path


def test_wrong_bytes_never_get_the_name(tmp_path: Path) -> None:
    files = FileCache(tmp_path)
    flipped = bytearray(CONTENT)
    flipped[1000] ^= 1
    with pytest.raises(IntegrityError) as raised:
        arrive(files, content=bytes(flipped))
    found = Checksum("md5", hashlib.md5(flipped).hexdigest())
    assert str(raised.value) == (
        f"The download of 'folder/a.bin' failed verification: expected {MD5}, received {found}. "
        "It was discarded; try again, or use another mirror."
    )
    assert not any(name.endswith((".part", ".bin")) for name in tree(tmp_path))


def test_a_short_file_never_gets_the_name(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError) as raised:
        arrive(FileCache(tmp_path), content=CONTENT[:-1])
    assert raised.value.found == f"{len(CONTENT) - 1} bytes"
    assert not (tmp_path / "files").exists()


def test_an_interrupted_file_is_taken_up(tmp_path: Path) -> None:
    files = FileCache(tmp_path)
    with files.open_partial("ds", "atr", FILE) as partial:
        fill(partial, stop=100_000)
    with files.open_partial("ds", "atr", FILE) as partial:
        assert partial.received == 100_000
        fill(partial, start=100_000)
        placed = files.finalize_partial("ds", "atr", partial)
    assert placed.location.read_bytes() == CONTENT


def test_an_interrupted_file_of_one_part_is_taken_up(tmp_path: Path) -> None:
    small = RemoteFile("folder/a.bin", 9000, None, "v1")
    files = FileCache(tmp_path)
    with files.open_partial("ds", "atr", small) as partial:
        assert partial.parts.count == 1
        fill(partial, CONTENT[:9000], stop=5000)
    with files.open_partial("ds", "atr", small) as partial:
        assert partial.received == 5000
        fill(partial, CONTENT[:9000], start=5000)
        placed = files.finalize_partial("ds", "atr", partial)
    assert placed.location.read_bytes() == CONTENT[:9000]


def test_parts_grow_with_the_file_so_that_their_number_is_limited() -> None:
    limit = 1 << 34
    assert [part_size(size) >> 20 for size in (1, limit, limit + 1, 2 * limit, 2 * limit + 1)] == [
        1,
        1,
        2,
        2,
        4,
    ]


def test_a_thread_that_hashes_stops_after_so_many_pieces(tmp_path: Path) -> None:
    with FileCache(tmp_path).open_partial("ds", "atr", FILE) as partial:
        fill(partial, stop=5 * 4096)
        assert partial.hasher.hash_available(2)
        assert partial.hasher.position == 2 * 4096
        assert partial.hasher.hash_available()
        assert partial.hasher.position == 5 * 4096
        assert not partial.hasher.hash_available()


def test_a_journal_is_read_again_only_when_it_grew_or_was_replaced(tmp_path: Path) -> None:
    files = FileCache(tmp_path)
    arrive(files)
    first = files.journal("ds", "atr")
    assert first is not None
    assert files.journal("ds", "atr") is first
    arrive(files, RemoteFile("folder/b.bin", 1000, None, "v1"), content=CONTENT[:1000])
    second = files.journal("ds", "atr")
    assert second is not first
    assert second is not None
    assert set(second.receipts) == {"folder/a.bin", "folder/b.bin"}


def test_a_journal_that_did_not_change_is_decoded_once_in_a_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrive(FileCache(tmp_path))
    decoded: list[bytes] = []
    original = journal._decode_entries
    monkeypatch.setattr(journal, "_decode_entries", lambda data: decoded.append(data) or original(data))
    first, second = (FileCache(tmp_path).journal("ds", "atr") for _ in range(2))
    assert first is second
    assert len(decoded) == 1


def test_what_one_cache_records_does_not_change_what_another_has_read(tmp_path: Path) -> None:
    writer, reader = FileCache(tmp_path), FileCache(tmp_path)
    arrive(writer)
    read = reader.journal("ds", "atr")
    assert read is not None
    before = dict(read.receipts)
    arrive(writer, RemoteFile("folder/b.bin", 1000, None, "v1"), content=CONTENT[:1000])
    assert read.receipts == before
    now = FileCache(tmp_path).journal("ds", "atr")
    assert now is not None
    assert set(now.receipts) == {"folder/a.bin", "folder/b.bin"}


def test_a_part_that_a_power_cut_spoilt_is_received_again(tmp_path: Path) -> None:
    files = FileCache(tmp_path)
    with files.open_partial("ds", "atr", FILE) as partial:
        fill(partial, stop=partial.parts.step + 4096)
        step = partial.parts.step
    (left,) = tmp_path.rglob("*.part")
    with left.open("r+b") as file:
        file.seek(step // 2)
        file.write(bytes(4096))  # a block that never reached the disk
    with files.open_partial("ds", "atr", FILE) as partial:
        assert partial.hasher.position == 0
        assert not partial.hasher.hash_available()
        assert list(partial.parts.gaps()) == [(0, step), (step + 4096, len(CONTENT))]
        fill(partial, stop=step)
        fill(partial, start=step + 4096)
        assert files.finalize_partial("ds", "atr", partial).location.read_bytes() == CONTENT


def test_a_damaged_file_with_checksums_of_its_parts_becomes_a_partial(tmp_path: Path) -> None:
    files = FileCache(tmp_path)
    arrive(files)
    files.reopen_as_partial("ds", "atr", "folder/a.bin")
    assert not (tmp_path / "files/ds/folder/a.bin").exists()
    with files.open_partial("ds", "atr", FILE) as partial:
        assert partial.received == len(CONTENT)


def test_a_file_that_could_not_be_opened_is_removed(tmp_path: Path) -> None:
    files = FileCache(tmp_path)
    arrive(files)
    verified = files.find_verified("ds", "atr", FILE)
    assert verified is not None
    files.mark_unusable(files.mark_complete("ds", "atr", tmp_path / "files/ds", (verified,)))
    files.reopen_as_partial("ds", "atr", "folder/a.bin")
    assert tree(tmp_path) == {"receipts/ds/atr.jsonl"}


def test_a_file_without_a_receipt_or_outside_the_cache_stays(tmp_path: Path) -> None:
    files, own = FileCache(tmp_path / "cache"), tmp_path / "own" / "folder" / "a.bin"
    files.reopen_as_partial("ds", "atr", "folder/a.bin")
    arrive(files)
    files.reopen_as_partial("ds", "atr", "folder/b.bin")
    own.parent.mkdir(parents=True)
    own.write_bytes(CONTENT)
    files.register("ds", "folder", tmp_path / "own", (FILE,), create_progress("none"))
    files.reopen_as_partial("ds", "folder", "folder/a.bin")
    assert own.read_bytes() == CONTENT
    assert (tmp_path / "cache/files/ds/folder/a.bin").read_bytes() == CONTENT


def test_how_much_was_received_is_known_to_other_processes(tmp_path: Path) -> None:
    files = FileCache(tmp_path)
    assert files.received_bytes("ds", FILE) == 0
    with files.open_partial("ds", "atr", FILE) as partial:
        fill(partial, stop=100_000)
        partial.checkpoint(durable=True)
        assert 100_000 <= FileCache(tmp_path).received_bytes("ds", FILE) < len(CONTENT)


def test_a_checkpoint_marks_a_partial_as_active(tmp_path: Path) -> None:
    with FileCache(tmp_path).open_partial("ds", "atr", FILE) as partial:
        fill(partial, stop=4096)
        os.utime(partial.location, (0, 0))
        partial.checkpoint()
        assert partial.location.stat().st_mtime > 0


def test_a_restarted_file_begins_at_the_first_byte(tmp_path: Path) -> None:
    files = FileCache(tmp_path)
    with files.open_partial("ds", "atr", FILE) as partial:
        fill(partial, b"x" * len(CONTENT), stop=100_000)
        partial.restart()
        fill(partial)
        assert files.finalize_partial("ds", "atr", partial).location.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("first", "second", "mirror", "resumes"),
    [
        (FILE, FILE, "synapse", True),
        (UNSTATED, UNSTATED, "atr", True),
        (UNSTATED, UNSTATED, "synapse", False),
        (UNSTATED, RemoteFile("folder/a.bin", len(CONTENT), None, "v2"), "atr", False),
        (UNSTATED, RemoteFile("folder/a.bin", len(CONTENT) + 1, None, "v1"), "atr", False),
        (FILE, RemoteFile("folder/a.bin", len(CONTENT), Checksum("md5", "0" * 32), "v1"), "atr", False),
        (RemoteFile("folder/a.bin", 5000), RemoteFile("folder/a.bin", 5000), "atr", False),
    ],
)
def test_only_bytes_of_the_same_file_are_taken_up(
    tmp_path: Path, first: RemoteFile, second: RemoteFile, mirror: str, *, resumes: bool
) -> None:
    files = FileCache(tmp_path)
    with files.open_partial("ds", "atr", first) as partial:
        fill(partial, stop=4096)
    with files.open_partial("ds", mirror, second) as partial:
        assert (partial.received == 4096) is resumes


def test_two_at_once_do_not_touch_each_others_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # as on file systems without locks
    monkeypatch.setattr("decnef_data.file_cache.claims.flock", lambda *_: None)
    files = FileCache(tmp_path)
    with files.open_partial("ds", "atr", FILE) as one, files.open_partial("ds", "atr", FILE) as other:
        fill(one, stop=50_000)
        fill(other)
        files.finalize_partial("ds", "atr", other)
        fill(one, start=50_000)
        placed = files.finalize_partial("ds", "atr", one)
    assert placed.location.read_bytes() == CONTENT
    assert tree(tmp_path) == {"files/ds/folder/a.bin", "receipts/ds/atr.jsonl"}


@pytest.mark.slow
def test_a_second_process_waits_for_the_first(tmp_path: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[2]);"
        "from pathlib import Path; from tests.file_cache.arrivals import *;"
        "files = FileCache(Path(sys.argv[1]));\n"
        "with files.open_partial('ds', 'atr', FILE) as partial:\n"
        "    print('held', flush=True); sys.stdin.readline(); fill(partial)\n"
        "    files.finalize_partial('ds', 'atr', partial)\n"
    )
    root, pipe = str(Path(__file__).parents[2]), subprocess.PIPE

    def received_before() -> int:
        with FileCache(tmp_path).open_partial("ds", "atr", FILE) as partial:
            return partial.received

    with (
        ThreadPoolExecutor(1) as pool,
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), root], stdin=pipe, stdout=pipe) as first,
    ):
        assert first.stdin is not None
        assert first.stdout is not None
        assert first.stdout.readline() == b"held\n"
        second = pool.submit(received_before)
        assert not wait([second], timeout=0.5).done
        first.stdin.close()
        assert second.result(timeout=60) == 0
        assert FileCache(tmp_path).find_verified("ds", "atr", FILE) is not None
    assert first.returncode == 0


@pytest.mark.parametrize("pieces", [1, 40, 130])
def test_a_killed_process_leaves_something_to_resume(tmp_path: Path, pieces: int) -> None:
    code = (
        "import sys, time; sys.path.insert(0, sys.argv[2]);"
        "from pathlib import Path; from tests.file_cache.arrivals import *;"
        "files = FileCache(Path(sys.argv[1]));\n"
        "with files.open_partial('ds', 'atr', FILE) as partial:\n"
        "    for at in range(0, len(CONTENT) - 4096, 4096):\n"
        "        partial.write(at, CONTENT[at : at + 4096]); time.sleep(0.002)\n"
        "        partial.checkpoint()\n"
        "        print('kept', flush=True)\n"
        "    time.sleep(300)\n"
    )
    root = str(Path(__file__).parents[2])
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path), root], stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        for _ in range(pieces):
            assert writer.stdout.readline() == b"kept\n"
        writer.send_signal(signal.SIGKILL)
    files = FileCache(tmp_path)
    assert files.find_verified("ds", "atr", FILE) is None
    assert not (tmp_path / "files").exists()
    with files.open_partial("ds", "atr", FILE) as partial:
        assert partial.received >= 4096 * pieces
        fill(partial, start=partial.received)
        assert files.finalize_partial("ds", "atr", partial).location.read_bytes() == CONTENT
    assert tree(tmp_path) == {"files/ds/folder/a.bin", "receipts/ds/atr.jsonl"}


def test_no_room_is_said_before_the_first_byte(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    vast = RemoteFile("vast.tar.gz", free * 2, MD5, "v1")
    with pytest.raises(
        OSError, match=r"Not enough disk space for the download: [\d,]+ MB are needed"
    ) as raised:
        arrive(FileCache(tmp_path), vast)
    assert raised.value.filename == str(tmp_path / "partial/ds")


def test_a_disk_that_takes_no_file_so_long_is_known_before_the_first_byte(tmp_path: Path) -> None:
    code = (
        "import resource, signal, sys; sys.path.insert(0, sys.argv[2]);"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000));"
        "from pathlib import Path; from tests.file_cache.arrivals import *;"
        "arrive(FileCache(Path(sys.argv[1])))\n"
    )
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), root], capture_output=True, text=True, check=False
    )
    assert (
        "OSError: [Errno 27] File too large: 1.3 MB of 'folder/a.bin' remain to be downloaded. "
        "Free some disk space, and rerun the command to resume: "
        f"'{tmp_path}/partial/ds/folder/a.bin."
    ) in done.stderr
    assert not (tmp_path / "files").exists()


def test_a_changed_or_removed_file_is_not_found(tmp_path: Path) -> None:
    files = FileCache(tmp_path)
    arrive(files)
    location = tmp_path / "files/ds/folder/a.bin"
    os.utime(location, (1, 1))
    assert files.find_verified("ds", "atr", FILE) is None
    location.unlink()
    assert files.find_verified("ds", "atr", FILE) is None


def test_what_the_mirror_now_states_decides(tmp_path: Path) -> None:
    files = FileCache(tmp_path)
    arrive(files, UNSTATED)
    assert files.find_verified("ds", "atr", UNSTATED) is not None
    assert files.find_verified("ds", "atr", RemoteFile("folder/a.bin", len(CONTENT), None, "v2")) is None
    assert files.find_verified("ds", "atr", RemoteFile("folder/a.bin", 1, None, "v1")) is None
    assert files.find_verified("ds", "atr", RemoteFile("folder/a.bin", len(CONTENT), MD5, "v2")) is None


def test_a_file_without_its_time_is_recovered_with_the_checksums_of_its_parts(tmp_path: Path) -> None:
    files = FileCache(tmp_path)
    arrive(files)
    journal = files.journal("ds", "atr")
    assert journal is not None
    before = journal.receipts["folder/a.bin"]
    assert before.parts is not None
    os.utime(tmp_path / "files/ds/folder/a.bin", (1, 1))
    found = files.recover("ds", "atr", FILE, create_progress("none"))
    assert found == files.find_verified("ds", "atr", FILE)
    assert found is not None
    journal = files.journal("ds", "atr")
    assert journal is not None
    assert journal.receipts["folder/a.bin"].parts == before.parts


def test_what_is_not_a_file_is_not_recovered(tmp_path: Path) -> None:
    files = FileCache(tmp_path)
    assert files.recover("ds", "atr", FILE, create_progress("none")) is None
    (tmp_path / "files/ds/folder/a.bin").mkdir(parents=True)
    assert files.recover("ds", "atr", FILE, create_progress("none")) is None
    (tmp_path / "files/ds/folder/a.bin").rmdir()
    os.mkfifo(tmp_path / "files/ds/folder/a.bin")
    assert files.recover("ds", "atr", FILE, create_progress("none")) is None


def test_a_newer_file_takes_the_place_of_the_older(tmp_path: Path) -> None:
    files = FileCache(tmp_path)
    arrive(files)
    newer = CONTENT[::-1]
    stated = RemoteFile("folder/a.bin", len(newer), Checksum("md5", hashlib.md5(newer).hexdigest()), "v2")
    arrive(files, stated, content=newer)
    assert (tmp_path / "files/ds/folder/a.bin").read_bytes() == newer
    assert files.find_verified("ds", "atr", FILE) is None


def test_an_unstated_checksum_is_recorded_at_first_sight_and_later_compared(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = FileCache(tmp_path)
    with caplog.at_level(logging.INFO, "decnef_data"):
        arrive(files, UNSTATED)
        arrive(files, FILE, "synapse")
    sha = Checksum("sha256", hashlib.sha256(CONTENT).hexdigest())
    verified = files.find_verified("ds", "synapse", FILE)
    assert verified is not None
    assert verified.checksums == (MD5, sha)
    assert [record.getMessage() for record in caplog.records] == [
        f"'folder/a.bin' from 'atr' has no expected checksum; the computed checksum {sha} was recorded.",
        "'folder/a.bin' from 'synapse' matches the copy from another mirror.",
    ]


def test_a_contradiction_between_mirrors_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    files = FileCache(tmp_path)
    arrive(files, RemoteFile("folder/a.bin", 3, None, "v1"), content=b"abc")
    with caplog.at_level(logging.WARNING, "decnef_data"):
        arrive(files, FILE, "synapse")
    assert [record.getMessage() for record in caplog.records] == [
        "'folder/a.bin' from 'synapse' differs from the copy from another mirror."
    ]


def test_a_copy_is_whole_only_when_it_was_completed(tmp_path: Path) -> None:
    files = FileCache(tmp_path)
    arrive(files)
    assert files.find_copy("ds", "atr") is None
    verified = files.find_verified("ds", "atr", FILE)
    assert verified is not None
    files.mark_complete("ds", "atr", files.folder("ds"), (verified,))
    assert files.find_copy("ds", "atr") is not None
    verified.location.unlink()
    assert files.find_copy("ds", "atr") is None


def test_the_files_of_a_copy_are_made_when_asked_for_and_equal_what_was_placed(tmp_path: Path) -> None:
    files = FileCache(tmp_path)
    listed = tuple(RemoteFile(f"data/{number}.bin", len(CONTENT), FILE.checksum) for number in range(3))
    for file in listed:
        arrive(files, file)
    placed = tuple(file for each in listed if (file := files.find_verified("ds", "atr", each)))
    files.mark_complete("ds", "atr", files.folder("ds"), placed)
    copy = FileCache(tmp_path).find_copy("ds", "atr")
    assert copy is not None
    assert (len(copy.files), copy.files[-1], copy.files[1:]) == (3, placed[2], placed[1:])
    assert copy.files == placed
    assert hash(copy.files) == hash(placed)
    assert copy.files != placed[:2]
    assert [file.location.read_bytes() for file in copy.files] == [CONTENT] * 3


def test_the_size_and_time_of_a_file_are_known_where_they_were_just_compared(tmp_path: Path) -> None:
    files = FileCache(tmp_path)
    arrive(files)
    verified = files.find_verified("ds", "atr", FILE)
    assert verified is not None
    files.mark_complete("ds", "atr", files.folder("ds"), (verified,))
    copy, found = files.find_copy("ds", "atr"), verified.location.stat()
    assert copy is not None
    assert copy.known_status(FILE.path) == (found.st_size, found.st_mtime_ns)
    assert copy.known_status("another.bin") is None
    files.drop(copy)
    dropped = files.find_copy("ds", "atr")
    assert dropped is not None
    assert dropped.known_status(FILE.path) is None


def test_a_dropped_copy_is_remembered(tmp_path: Path) -> None:
    files = FileCache(tmp_path)
    arrive(files)
    verified = files.find_verified("ds", "atr", FILE)
    assert verified is not None
    files.drop(files.mark_complete("ds", "atr", files.folder("ds"), (verified,)))
    copy = files.find_copy("ds", "atr")
    assert copy is not None
    assert copy.files_removed
    assert copy.checksums == (MD5,)
    assert not verified.location.exists()


def test_a_file_that_was_verified_while_it_was_streamed_is_remembered(tmp_path: Path) -> None:
    files = FileCache(tmp_path)
    files.record_streamed("ds", "atr", FILE, len(CONTENT), (MD5,))
    copy = files.find_copy("ds", "atr")
    assert copy is not None
    assert (copy.files_removed, copy.checksums, copy.files[0].size) == (True, (MD5,), len(CONTENT))
    assert files.remote_file_of(copy) == RemoteFile(FILE.path, len(CONTENT), MD5, "v1")
    assert files.find_verified("ds", "atr", FILE) is None
    # It has no time: whatever appears under its name is another file.
    place = files.folder("ds") / FILE.path
    place.parent.mkdir(parents=True)
    place.write_bytes(CONTENT)
    assert files.find_verified("ds", "atr", FILE) is None


def test_a_torn_line_of_the_journal_is_passed_over(tmp_path: Path) -> None:
    files = FileCache(tmp_path)
    arrive(files)
    with (tmp_path / "receipts/ds/atr.jsonl").open("ab") as journal:
        journal.write(b'{"type":"file","path":"oth')
    assert files.find_verified("ds", "atr", FILE) is not None
    other = RemoteFile("b.bin", len(CONTENT), MD5, "v1")
    arrive(files, other)
    assert files.find_verified("ds", "atr", other) is not None


def test_files_are_registered_in_place(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "a.bin").write_bytes(CONTENT)

    def state() -> tuple[int, ...]:  # all but when it was read, which verifying does
        found = (own / "a.bin").stat()
        return found.st_ino, found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns

    before = state()
    files = FileCache(tmp_path / "cache")
    listed = [RemoteFile("a.bin", len(CONTENT), None, "x", local=own / "a.bin")]
    copy = files.register("ds", "folder", own, listed, create_progress("none"))
    assert files.find_copy("ds", "folder") == copy
    assert files.adopted_paths() == {"ds": own / "a.bin"}
    assert state() == before
    assert [entry.kind for entry in files.entries()] == ["adopted"]
    files.drop(copy)
    assert (own / "a.bin").exists()


def test_a_registered_file_that_is_not_as_stated_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"abc")
    listed = [RemoteFile("a.bin", 3, MD5, "x", local=tmp_path / "a.bin")]
    with pytest.raises(IntegrityError) as raised:
        FileCache(tmp_path / "cache").register("ds", "folder", tmp_path, listed, create_progress("none"))
    found = hashlib.md5(b"abc").hexdigest()
    assert (
        str(raised.value)
        == f"The checksum of 'a.bin' does not match: expected {MD5}, found md5:{found}. Download it again."
    )


def test_verifying_tells_whole_changed_missing_and_damaged(tmp_path: Path) -> None:
    files = FileCache(tmp_path)
    arrive(files)
    verified = files.find_verified("ds", "atr", FILE)
    assert verified is not None
    files.mark_complete("ds", "atr", files.folder("ds"), (verified,))

    def states(*, deep: bool) -> list[str]:
        return [check.state for check in files.verify("ds", "atr", deep=deep)]

    assert (states(deep=False), states(deep=True)) == (["intact"], ["intact"])
    times = verified.location.stat()
    verified.location.write_bytes(CONTENT[:-1] + b"x")
    os.utime(verified.location, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert (states(deep=False), states(deep=True)) == (["intact"], ["damaged"])
    os.utime(verified.location, (1, 1))
    assert states(deep=False) == ["changed"]
    verified.location.unlink()
    assert states(deep=True) == ["missing"]


def test_the_registry_of_pooch_has_the_true_checksums(tmp_path: Path) -> None:
    files = FileCache(tmp_path)
    arrive(files)
    verified = files.find_verified("ds", "atr", FILE)
    assert verified is not None
    files.mark_complete("ds", "atr", files.folder("ds"), (verified,))
    pooch = files.registry("ds", "atr")
    assert pooch.registry == {"folder/a.bin": str(MD5)}
    assert Path(pooch.fetch("folder/a.bin")).read_bytes() == CONTENT


def test_who_finds_that_another_process_was_quicker_leaves_nothing_behind(tmp_path: Path) -> None:
    location = tmp_path / "files/ds/folder/a.bin"
    location.parent.mkdir(parents=True)
    location.write_bytes(CONTENT)
    arrive(FileCache(tmp_path))
    assert tree(tmp_path) == {"files/ds/folder/a.bin", "receipts/ds/atr.jsonl"}


@pytest.mark.parametrize("size", [2, 1 << 20], ids=["small", "large"])
def test_a_name_that_had_a_file_always_has_one(tmp_path: Path, size: int) -> None:
    files = FileCache(tmp_path)
    arrive(files)
    location, over, absent = tmp_path / "files/ds/folder/a.bin", threading.Event(), 0

    def watch() -> None:
        nonlocal absent
        while not over.is_set():
            absent += not location.exists()

    watcher = threading.Thread(target=watch)
    watcher.start()
    for number in range(30):
        newer = b"%02d" % number * (size // 2)
        stated = RemoteFile("folder/a.bin", len(newer), Checksum("md5", hashlib.md5(newer).hexdigest()))
        arrive(files, stated, content=newer)
    over.set()
    watcher.join()
    assert absent == 0


def test_what_was_left_while_it_was_placed_is_not_fetched_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "files/ds/folder"
    folder.mkdir(parents=True)
    (folder / "tmpabcd1234").write_bytes(CONTENT)
    files = FileCache(tmp_path)
    with files.open_partial("ds", "atr", FILE) as partial:
        assert partial.received == 0  # its process may be about to rename it
    monkeypatch.setattr("decnef_data.file_cache.pooch_bridge._RENAME_GRACE", 0.0)
    with files.open_partial("ds", "atr", FILE) as partial:
        assert partial.received == len(CONTENT)
        files.finalize_partial("ds", "atr", partial)
    assert tree(tmp_path) == {"files/ds/folder/a.bin", "receipts/ds/atr.jsonl"}


def test_a_partial_is_named_after_its_host(tmp_path: Path) -> None:
    host = "".join(letter for letter in socket.gethostname() if letter.isascii() and letter.isalnum())
    name = claims.claim_partial(tmp_path / "a.bin", "0123456789abcdef").name
    assert name.startswith(f"a.bin.0123456789abcdef.{host or 'host'}-{os.getpid()}-")


@pytest.mark.parametrize("damage", ["", "4", "4:", "4:0000", '4:00000000000000"', "0:000000000000000", "x:0"])
def test_damaged_checksums_of_parts_are_none(damage: str) -> None:
    assert PartMap.from_checksums("4:000000000000000", 10) is not None
    assert PartMap.from_checksums(damage, 10) is None


def test_only_a_file_of_several_parts_has_checksums_of_parts() -> None:
    assert PartMap(16, 16).encode_checksums() is None
    assert PartMap(17, 16).encode_checksums() is not None


def test_a_number_that_another_process_has_by_now_keeps_no_partial(tmp_path: Path) -> None:
    files = FileCache(tmp_path)
    with files.open_partial("ds", "atr", FILE) as partial:
        fill(partial, stop=4096)
    (left,) = (tmp_path / "partial/ds/folder").glob("*.part")
    owned = left.rename(
        left.with_name(left.name.replace(".part", f".{claims._host_name()}-{os.getppid()}-1.part"))
    )
    with files.open_partial("ds", "atr", FILE) as partial:
        assert partial.received == 0
    os.utime(owned, (1, 1))
    with files.open_partial("ds", "atr", FILE) as partial:
        assert partial.received == 4096


def test_left_over_temporary_files_are_swept(tmp_path: Path) -> None:
    folder = tmp_path / "files/ds/folder"
    folder.mkdir(parents=True)
    old, young = folder / "tmpabcd1234", folder / "tmpzzzz9999"
    old.touch()
    young.touch()
    os.utime(old, (1, 1))
    arrive(FileCache(tmp_path))
    assert not old.exists()
    assert young.exists()


def test_another_hosts_partial_is_left_alone_until_it_is_old(tmp_path: Path) -> None:
    files = FileCache(tmp_path)
    with files.open_partial("ds", "atr", FILE) as partial:
        fill(partial, stop=4096)
    (mine,) = (tmp_path / "partial/ds/folder").glob("*.part")
    theirs = mine.with_name(mine.name.replace(".part", ".elsewhere-1-1.part"))
    mine.rename(theirs)
    with files.open_partial("ds", "atr", FILE) as partial:
        assert partial.received == 0
    remove_unused_partials(tmp_path / "partial/ds/folder/a.bin")
    assert theirs.exists()
    os.utime(theirs, (1, 1))
    with files.open_partial("ds", "atr", FILE) as partial:
        assert partial.received == 4096
