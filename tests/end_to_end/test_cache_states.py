"""A model of the cache: whatever order things happen in, every command says the same of it, and it is true."""

import hashlib
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import decnef_data
from decnef_data import SelectionError
from tests import small
from tests.servers.links import LinkServer

NAME = "SRPBS_FC.zip"
JOURNALS = {
    "empty": lambda _text: b"",
    "zeros": lambda text: bytes(len(text)),
    "no header": lambda text: text.replace(b'"root":', b'"r":'),
    "no receipts": lambda text: text.replace(b'"size":', b'"sizes":'),
    "torn": lambda text: text[: len(text) // 3],
}


class Cache(RuleBasedStateMachine):
    """One dataset in one cache, and what should be there.

    ``content`` is that of the archive: ``absent``, ``intact``, ``damaged``, or ``rotten`` if its size and time
    are as they were.  ``recorded`` is whether its receipt holds, ``hashed`` whether there is one, and ``known``
    whether it is recorded that there was a copy.
    """

    def __init__(self, folder: Path, archive: Path, server: LinkServer, patch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self.folder, self.server, self.patch = folder, server, patch
        self.expected = archive.read_bytes()
        self.moves = 0
        self.content, self.recorded, self.known, self.has_store = "absent", False, False, False
        self.hashed = False
        self.root = folder / "0"
        shutil.rmtree(folder, ignore_errors=True)
        self.use_root()

    def use_root(self) -> None:
        self.patch.setenv("DECNEF_DATA_DIR", str(self.root))

    @property
    def placed(self) -> Path:
        return self.root / "files/srpbs-fc" / NAME

    @property
    def is_complete(self) -> bool:
        """Whether a look at sizes and times says that everything is there."""
        return self.recorded and self.content in {"intact", "rotten"}

    def sent(self) -> bool:
        """Whether any of the archive was sent since the last call, but for a look at its beginning."""
        ranges = [request.headers.get("Range") for request in self.server.requests]
        self.server.requests.clear()
        return any(each not in {"bytes=0-0", "bytes=0-1023"} for each in ranges)

    # What people do

    @rule()
    def download(self) -> None:
        assert decnef_data.download("srpbs-fc", progress="none") == self.placed
        is_needed = not self.is_complete and self.content != "intact"
        assert self.sent() == is_needed
        self.content = "rotten" if self.is_complete and self.content == "rotten" else "intact"
        self.recorded = self.known = self.hashed = True

    @precondition(lambda self: self.content != "rotten")
    @rule()
    def fetch(self) -> None:
        is_needed = not self.is_complete and self.content != "intact"
        cube = decnef_data.fetch_dataset("srpbs-fc/bal140", progress="none")
        assert cube.sizes["subject"] == 15
        assert self.sent() == is_needed
        self.content, self.recorded, self.known, self.has_store = "intact", True, True, True
        self.hashed = True

    @rule()
    def repair(self) -> None:
        if not self.known:
            if not self.has_store:
                with pytest.raises(SelectionError):
                    decnef_data.verify("srpbs-fc", repair=True, progress="none")
            return
        assert decnef_data.verify("srpbs-fc", repair=True, progress="none").complete
        assert self.sent() == (self.content != "intact")
        self.content, self.recorded, self.hashed = "intact", True, True

    @rule(stores=st.booleans(), named=st.booleans())
    def clear(self, *, stores: bool, named: bool) -> None:
        name = "srpbs-fc" if named else None
        planned = decnef_data.clear_cache(name, stores=stores, dry_run=True)
        kinds = ["store"] * self.has_store + ["file"] * (self.content != "absent" and not stores)
        assert sorted(entry.kind for entry in planned.entries) == sorted(kinds)
        assert all(os.path.lexists(entry.path) for entry in planned.entries)
        assert decnef_data.clear_cache(name, stores=stores) == planned
        assert not any(os.path.lexists(entry.path) for entry in planned.entries)
        self.has_store = False
        if not stores:
            self.content, self.recorded, self.known, self.hashed = "absent", False, False, False
            assert [path for path in self.root.rglob("*") if path.is_file()] == []

    @precondition(lambda self: self.root.exists())
    @rule(how=st.sampled_from(["mv", "cp -a", "cp"]))
    def move(self, how: str) -> None:
        self.moves += 1
        source, self.root = self.root, self.folder / str(self.moves)
        if how == "mv":
            source.rename(self.root)
        else:
            shutil.copytree(source, self.root, copy_function=shutil.copy2 if how == "cp -a" else shutil.copy)
            if how == "cp":
                self.recorded = False
        self.use_root()

    # What happens

    @precondition(lambda self: self.content in {"intact", "rotten"})
    @rule(at=st.integers(0, 2**32), is_seen=st.booleans(), cut=st.booleans())
    def damage(self, at: int, *, is_seen: bool, cut: bool) -> None:
        before, content = self.placed.stat(), bytearray(self.placed.read_bytes())
        content[at % len(content)] ^= 1
        self.placed.write_bytes(content[:-1] if is_seen and cut else content)
        time = before.st_mtime_ns + (1 if is_seen else 0)
        os.utime(self.placed, ns=(time, time))
        is_mended = bytes(content) == self.expected and not (is_seen and cut)  # the same bit a second time
        self.content = "intact" if is_mended else "damaged" if is_seen or not self.recorded else "rotten"
        self.recorded = self.recorded and not is_seen

    @precondition(lambda self: self.content != "absent")
    @rule()
    def remove_by_hand(self) -> None:
        self.placed.unlink()
        self.content, self.recorded = "absent", False

    @precondition(lambda self: self.known)
    @rule(how=st.sampled_from(sorted(JOURNALS)))
    def lose_journal(self, how: str) -> None:
        (journal,) = (self.root / "receipts/srpbs-fc").glob("*.jsonl")
        journal.write_bytes(JOURNALS[how](journal.read_bytes()))
        if how != "no header":  # the receipts say enough
            self.recorded = self.hashed = False
            self.known = how == "no receipts"
            self.content = "damaged" if self.content == "rotten" else self.content

    # What every command says

    @invariant()
    def nothing_else_is_there(self) -> None:
        folder = self.root / "files/srpbs-fc"
        names = {path.name for path in folder.iterdir()} if folder.exists() else set()
        assert names <= {NAME, "TERMS", "CITATION"}
        assert (NAME in names) == (self.content != "absent")
        assert [path for path in (self.root / "partial").rglob("*") if path.is_file()] == []
        if self.content == "intact":
            assert self.placed.read_bytes() == self.expected

    @invariant()
    def all_agree(self) -> None:
        kinds = sorted(entry.kind for entry in decnef_data.cache().entries)
        assert kinds == ["file"] * self.is_complete + ["store"] * self.has_store
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DECNEF_OFFLINE", "1")
            assert (decnef_data.plan("srpbs-fc").mirror is not None) == self.is_complete
            if self.is_complete:
                assert decnef_data.download("srpbs-fc", progress="none") == self.placed
            else:
                with pytest.raises(SelectionError, match="There is no complete local copy"):
                    decnef_data.download("srpbs-fc", progress="none")
        self.verified()
        assert self.server.requests == []

    def verified(self) -> None:
        for deep in (False, True):
            try:
                checks: tuple[Any, ...] = decnef_data.verify("srpbs-fc", deep=deep).checks
            except SelectionError:
                checks = ()
            states = [check.state for check in checks if check.path == NAME]
            assert states == ([self.state(deep=deep)] if self.known else [])
            assert len(checks) == len(states) + self.has_store

    def state(self, *, deep: bool) -> str:
        if self.content == "absent":
            return "missing"
        if deep and self.hashed:
            return "intact" if self.content == "intact" else "damaged"
        return "intact" if self.recorded else "changed"


@pytest.mark.parametrize(
    ("examples", "steps"), [(12, 12), pytest.param(25, 20, marks=pytest.mark.slow)], ids=["quick", "thorough"]
)
def test_the_cache_is_as_its_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, examples: int, steps: int
) -> None:
    archive = small.archive(tmp_path / NAME)
    mirrors = tmp_path / "catalog/mirrors"
    mirrors.mkdir(parents=True)
    (mirrors / "atr.toml").write_text(
        "name = 'atr'\ntitle = 'ATR'\nprotocol = 'https'\norder = 3\n[[holdings]]\ndataset = 'srpbs-fc'\n"
        f"checksum = 'md5:{hashlib.md5(archive.read_bytes()).hexdigest()}'\n"
    )
    monkeypatch.setenv("DECNEF_CATALOG_DIR", str(mirrors.parent))
    decnef_data.accept("srpbs-fc")
    with LinkServer() as server:
        monkeypatch.setenv("DECNEF_ATR_LINK_SRPBS_FC", server.link(archive))
        run_state_machine_as_test(
            lambda: Cache(tmp_path / "caches", archive, server, monkeypatch),
            settings=settings(
                max_examples=examples,
                stateful_step_count=steps,
                deadline=None,
                derandomize=True,
                suppress_health_check=list(HealthCheck),
            ),
        )
