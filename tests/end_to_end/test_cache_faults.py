"""Kills and poor disks: what is left of each is complete or not there, and the same command goes on from it.

The page ``docs/reference/cache-layout.md`` has a table with one row per case of this file.
"""

import errno
import hashlib
import os
import resource
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import decnef_data
from decnef_data.errors import DecnefDataError
from tests import forked, small
from tests.client.undeletable import undeletable
from tests.servers.links import LinkServer

NAME = "SRPBS_FC.zip"
PAGE = Path(__file__).parents[2] / "docs/reference/cache-layout.md"
#: What changes a disk: a process is killed just before one of these.
STEPS = ("fsync", "rename", "replace", "unlink", "rmdir", "mkdir", "write", "pwrite", "open")
Bench = tuple[Path, LinkServer, bytes]


def download() -> None:
    decnef_data.download("srpbs-fc", accept_terms=True, progress="none")


def fetch() -> None:
    decnef_data.fetch_dataset("srpbs-fc/bal140", accept_terms=True, progress="none")


def clear() -> None:
    decnef_data.clear_cache()


def purge() -> None:
    decnef_data.purge("srpbs-fc")


def counted(action: Callable[[], None], last: int) -> int:
    """Do something in this process, and kill it before its step number `last`; return the number of steps."""
    root, steps = os.environ["DECNEF_DATA_DIR"], 0

    def counting(function: Callable[..., Any], name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal steps
            is_read = name == "open" and not arguments[1] & os.O_CREAT
            is_elsewhere = isinstance(arguments[0], str | Path) and not str(arguments[0]).startswith(root)
            if not is_read and not is_elsewhere:
                if steps == last:
                    os.kill(os.getpid(), signal.SIGKILL)
                steps += 1
            return function(*arguments, **options)

        return call

    for name in STEPS:
        setattr(os, name, counting(getattr(os, name), name))
    action()
    return steps


def run_until(action: Callable[[], None], last: int) -> int | None:
    """Do something in a process of its own that dies before step `last`; return its steps if it does not."""
    code, steps = forked.call(counted, action, last)
    assert code == (-signal.SIGKILL if steps is None else 0)
    return steps  # type: ignore[no-any-return]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """A mirror, and an empty cache."""
    archive = small.archive(tmp_path / NAME)
    mirrors = tmp_path / "catalog/mirrors"
    mirrors.mkdir(parents=True)
    (mirrors / "atr.toml").write_text(
        "name = 'atr'\ntitle = 'ATR'\nprotocol = 'https'\norder = 3\n[[holdings]]\ndataset = 'srpbs-fc'\n"
        f"checksum = 'md5:{hashlib.md5(archive.read_bytes()).hexdigest()}'\n"
    )
    monkeypatch.setenv("DECNEF_CATALOG_DIR", str(mirrors.parent))
    monkeypatch.setenv("DECNEF_DATA_DIR", str(tmp_path / "cache"))
    with LinkServer() as server:
        monkeypatch.setenv("DECNEF_ATR_LINK_SRPBS_FC", server.link(archive))
        yield tmp_path / "cache", server, archive.read_bytes()


def files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


def assert_true(bench: Bench) -> None:
    """Whatever has its final name is complete, and everything that is listed is there."""
    root, _, content = bench
    placed = root / "files/srpbs-fc" / NAME
    assert not placed.exists() or placed.read_bytes() == content
    for entry in decnef_data.cache().entries:
        assert entry.path.exists()
        assert entry.kind != "file" or entry.path == placed
    try:
        checks = decnef_data.verify("srpbs-fc", deep=True).checks
    except decnef_data.SelectionError:
        checks = ()
    assert {check.state for check in checks} <= {"intact", "missing"}


def assert_usable(bench: Bench) -> None:
    """The same again succeeds, leaves nothing over, and everything can be removed."""
    root, _, content = bench
    fetch()
    assert (root / "files/srpbs-fc" / NAME).read_bytes() == content
    assert decnef_data.verify("srpbs-fc", deep=True).complete
    assert [path for path in files(root / "partial") if path.suffix == ".part"] == []
    clear()
    assert files(root) == set()


def kill_everywhere(
    bench: Bench, prepare: Callable[[], None], action: Callable[[], None], n_kills: int
) -> None:
    """Kill a process at `n_kills` of its steps, from the first on, each time from the same start.

    Threads do not always take as many steps: some are done before the last.
    """
    clear()
    prepare()
    total = run_until(action, -1)
    assert total is not None
    assert total > 5
    n_killed = 0
    for last in sorted({number * total // n_kills for number in range(n_kills)}):
        clear()
        prepare()
        n_killed += run_until(action, last) is None
        assert_true(bench)
        if action in {clear, purge}:
            action()
            assert files(bench[0]) == set()
        else:
            assert_usable(bench)
    assert n_killed >= 0.7 * min(n_kills, total)


def nothing() -> None:
    pass


def killed_download(bench: Bench, _: pytest.MonkeyPatch, n_kills: int) -> None:
    kill_everywhere(bench, nothing, download, n_kills)


def killed_conversion(bench: Bench, _: pytest.MonkeyPatch, n_kills: int) -> None:
    kill_everywhere(bench, download, fetch, n_kills)


def killed_clear(bench: Bench, _: pytest.MonkeyPatch, n_kills: int) -> None:
    kill_everywhere(bench, fetch, clear, n_kills)


def killed_purge(bench: Bench, _: pytest.MonkeyPatch, n_kills: int) -> None:
    kill_everywhere(bench, fetch, purge, n_kills)


def limited(size: int) -> tuple[str, int | None, str] | None:
    """Download in this process, on a disk that takes no file longer than `size`; return the error."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    try:
        download()
    except (OSError, DecnefDataError) as error:
        return type(error).__name__, error.errno if isinstance(error, OSError) else None, str(error)
    return None


def full_for_a_file(bench: Bench, _: pytest.MonkeyPatch, n_kills: int) -> None:
    root, _, content = bench
    for size in (0, 1, len(content) // 2, len(content) - 1):
        _, (name, code, message) = forked.call(limited, size)
        assert (name, code) == ("OSError", errno.EFBIG), message
        assert str(root) in message or "accepted.json" in message
        assert_true(bench)
    assert_usable(bench)


def full_for_the_journal(bench: Bench, patch: pytest.MonkeyPatch, n_kills: int) -> None:
    root, server, _ = bench
    decnef_data.accept("srpbs-fc")
    write = os.write

    def write_half(descriptor: int, data: bytes) -> int:
        if len(data) <= 20:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, data[:20])

    with patch.context() as full:
        full.setattr(os, "write", write_half)
        with pytest.raises(OSError, match="No space left") as raised:
            download()
    assert raised.value.filename == str(root / "receipts/srpbs-fc/atr.jsonl")
    assert_true(bench)
    server.requests.clear()
    download()
    assert [request.headers.get("Range") for request in server.requests] in [["bytes=0-0"], ["bytes=0-1023"]]
    assert_usable(bench)


def read_only(bench: Bench, _: pytest.MonkeyPatch, n_kills: int) -> None:
    root, _, _ = bench
    decnef_data.accept("srpbs-fc")
    root.mkdir()
    with undeletable(root):
        with pytest.raises(OSError, match=r"Read-only file system|Permission denied") as raised:
            download()
        assert str(raised.value.filename).startswith(str(root))
    download()
    with undeletable(root):
        download()
        assert decnef_data.verify("srpbs-fc", deep=True).complete
        with pytest.raises(OSError, match="Could not delete"):
            clear()
    assert_true(bench)
    assert_usable(bench)


def without_locks(bench: Bench, patch: pytest.MonkeyPatch, n_kills: int) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    patch.setattr("decnef_data.file_cache.claims.flock", refuse)
    download()
    assert_true(bench)
    assert_usable(bench)


def without_folder_syncs(bench: Bench, patch: pytest.MonkeyPatch, n_kills: int) -> None:
    from tests.poor_disks import refuse_folders

    refuse_folders(patch, errno.EINVAL)
    download()
    assert_true(bench)
    assert_usable(bench)


#: Each case as the page names it.
CASES = {
    "the process is killed during a download": killed_download,
    "the process is killed while a store is written": killed_conversion,
    "the process is killed during `decnef cache clear`": killed_clear,
    "the process is killed during `decnef purge`": killed_purge,
    "the disk is full, or takes no file so long": full_for_a_file,
    "the disk is full when the file is recorded": full_for_the_journal,
    "the disk is read-only": read_only,
    "the disk has no file locks": without_locks,
    "the disk cannot sync folders": without_folder_syncs,
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_left_is_complete_and_usable(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    CASES[case](bench, monkeypatch, 4)


@pytest.mark.slow
@pytest.mark.parametrize("case", [case for case in CASES if "killed" in case])
def test_what_more_kills_leave_is_complete_and_usable(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    CASES[case](bench, monkeypatch, 40)


def test_the_page_has_a_row_for_each_case() -> None:
    table = PAGE.read_text("utf-8").split("## Kills and disks")[1].split("\n## ")[0]
    rows = [line.split("|")[1].strip() for line in table.splitlines() if line.startswith("|")]
    assert rows[2:] == list(CASES)
