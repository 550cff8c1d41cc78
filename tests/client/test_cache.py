"""A cache tells the truth about itself: where it was moved, when its journal is lost, and when it is cleared."""

import errno
import hashlib
import os
import re
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import decnef_data
from decnef_data import AccessError, DecnefDataWarning, SelectionError
from tests import small, trees
from tests.client.undeletable import undeletable
from tests.command import run
from tests.servers.links import LinkServer

NAME = "SRPBS_FC.zip"


@pytest.fixture
def links(
    request: pytest.FixtureRequest, cache: Path, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[LinkServer]:
    """A mirror that provides the archive, which was downloaded; with the parameter True it states an MD5."""
    catalog = archive.parent / "catalog"
    (catalog / "mirrors").mkdir(parents=True)
    md5 = hashlib.md5(archive.read_bytes()).hexdigest()
    checksum = f"checksum = 'md5:{md5}'\n" if getattr(request, "param", False) else ""
    (catalog / "mirrors/atr.toml").write_text(
        "name = 'atr'\ntitle = 'ATR'\nprotocol = 'https'\norder = 3\n[[holdings]]\n"
        f"dataset = 'srpbs-fc'\n{checksum}"
    )
    monkeypatch.setenv("DECNEF_CATALOG_DIR", str(catalog))
    with LinkServer() as server:
        monkeypatch.setenv("DECNEF_ATR_LINK_SRPBS_FC", server.link(archive))
        decnef_data.download("srpbs-fc", accept_terms=True, progress="none")
        server.requests.clear()
        yield server


def sent(server: LinkServer) -> list[str | None]:
    """The ranges that were asked for, but for the first bytes, by which a link is looked at."""
    ranges = [request.headers.get("Range") for request in server.requests]
    return [each for each in ranges if each not in {"bytes=0-0", "bytes=0-1023"}]


def written_by_0_1_0(root: Path) -> None:
    """Let the journals name the folder of the files in full, as before version 0.2."""
    for journal in (root / "receipts").rglob("*.jsonl"):
        relative = f'"root":"files/{journal.parent.name}"'
        text = journal.read_text("utf-8")
        assert relative in text
        journal.write_text(
            text.replace(relative, f'"root":"{root}/files/{journal.parent.name}"'), encoding="utf-8"
        )


def files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


MOVES: dict[str, Callable[[Path, Path], object]] = {
    "mv": lambda source, destination: source.rename(destination),
    "cp -a": lambda source, destination: subprocess.run(["cp", "-a", source, destination], check=True),
}


class TestMoved:
    """The same cache at another place."""

    @pytest.mark.parametrize("old", [False, True], ids=["relative", "absolute"])
    @pytest.mark.parametrize("move", MOVES)
    def test_everything_agrees_that_it_is_complete(
        self, links: LinkServer, cache: Path, monkeypatch: pytest.MonkeyPatch, move: str, *, old: bool
    ) -> None:
        if old:
            written_by_0_1_0(cache)
        moved = cache.with_name("moved")
        MOVES[move](cache, moved)
        monkeypatch.setenv("DECNEF_DATA_DIR", str(moved))
        (entry,) = decnef_data.cache().entries
        assert (entry.kind, entry.path, entry.mirror) == ("file", moved / "files/srpbs-fc" / NAME, "atr")
        plan = decnef_data.plan("srpbs-fc")
        assert (plan.download_size, plan.mirror) == (0, "atr")
        for deep in (False, True):
            assert decnef_data.verify("srpbs-fc", deep=deep).complete
        assert decnef_data.download("srpbs-fc", progress="none") == entry.path
        assert links.requests == []
        assert decnef_data.lock("srpbs-fc", progress="none").files[0].size == entry.size
        monkeypatch.setenv("DECNEF_OFFLINE", "1")
        assert decnef_data.download("srpbs-fc", progress="none") == entry.path
        (purged,) = (item for item in decnef_data.purge("srpbs-fc").removed if item.path == entry.path)
        assert purged.checksums
        assert files(moved) == set()
        assert (cache / "files/srpbs-fc" / NAME).exists() is (move == "cp -a")

    @pytest.mark.parametrize("old", [False, True], ids=["relative", "absolute"])
    def test_it_is_cleared_where_it_is_now(
        self, links: LinkServer, cache: Path, monkeypatch: pytest.MonkeyPatch, *, old: bool
    ) -> None:
        if old:
            written_by_0_1_0(cache)
        moved = cache.with_name("moved")
        shutil.copytree(cache, moved)
        monkeypatch.setenv("DECNEF_DATA_DIR", str(moved))
        before = files(cache)
        assert {entry.kind for entry in decnef_data.clear_cache("srpbs-fc").entries} == {"file"}
        assert (files(moved), files(cache)) == (set(), before)

    def test_a_copy_that_others_mounted_elsewhere_is_used(
        self, links: LinkServer, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        written_by_0_1_0(cache)
        mounted = cache.rename(cache.with_name("mounted"))
        monkeypatch.setenv("DECNEF_SHARED_DATA_DIR", str(mounted))
        monkeypatch.setenv("DECNEF_DATA_DIR", str(cache.with_name("mine")))
        assert decnef_data.download("srpbs-fc", progress="none") == mounted / "files/srpbs-fc" / NAME
        assert decnef_data.verify("srpbs-fc", deep=True).complete
        assert links.requests == []

    def test_an_adopted_copy_stays_where_it_is(
        self, cache: Path, archive: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        decnef_data.adopt("srpbs-fc", archive, progress="none")
        monkeypatch.setenv("DECNEF_DATA_DIR", str(cache.rename(cache.with_name("moved"))))
        assert decnef_data.download("srpbs-fc", progress="none") == archive
        assert [entry.kind for entry in decnef_data.cache().entries] == ["adopted"]

    def test_an_adopted_copy_of_a_folder_named_like_that_of_a_cache_stays_where_it_is(
        self, cache: Path, links: LinkServer, tmp_path: Path
    ) -> None:
        own = tmp_path / "other/files/srpbs-fc" / NAME
        own.parent.mkdir(parents=True)
        shutil.copyfile(cache / "files/srpbs-fc" / NAME, own)
        decnef_data.adopt("srpbs-fc", own, progress="none")
        assert decnef_data.download("srpbs-fc", mirror="folder", progress="none") == own
        assert own in {entry.path for entry in decnef_data.cache().entries if entry.kind == "adopted"}


class TestRegistry:
    """What pooch is given: the folder of the files and their true checksums, wherever the copy is."""

    def test_an_adopted_archive_is_in_its_own_folder(self, cache: Path, archive: Path) -> None:
        decnef_data.adopt("srpbs-fc", archive, progress="none")
        files = decnef_data.registry("srpbs-fc")
        assert files.registry == {NAME: f"sha256:{hashlib.sha256(archive.read_bytes()).hexdigest()}"}
        assert Path(files.fetch(NAME)) == archive

    def test_an_adopted_folder_has_all_of_its_files(self, cache: Path, tmp_path: Path) -> None:
        decnef_data.adopt("srpbs-fc", small.folder(tmp_path / "mine"), progress="none")
        files = decnef_data.registry("srpbs-fc")
        assert set(files.registry) == set(small.members())
        for name, content in small.members().items():
            assert Path(files.fetch(name)) == tmp_path / "mine" / name
            assert (tmp_path / "mine" / name).read_bytes() == content

    def test_names_are_those_on_disk(self, cache: Path, tmp_path: Path) -> None:
        own, name = small.folder(tmp_path / "mine"), b"SRPBS_FC/notes_\x94\x4e.txt"  # code page 932
        try:
            Path(own, os.fsdecode(name)).write_bytes(b"noted")
        except OSError:
            pytest.skip("this file system accepts only names in UTF-8")
        decnef_data.adopt("srpbs-fc", own, progress="none")
        files = decnef_data.registry("srpbs-fc")
        assert name in set(map(os.fsencode, files.registry))
        assert Path(files.fetch(os.fsdecode(name))).read_bytes() == b"noted"

    def test_images_that_were_not_hashed_cannot_be_in_it(self, cache: Path, tmp_path: Path) -> None:
        own = trees.srpbs_open(tmp_path / "mine")
        decnef_data.adopt("srpbs-open", own, progress="none")
        with pytest.raises(SelectionError) as caught:
            decnef_data.registry("srpbs-open")
        assert str(caught.value) == (
            f"A registry lists checksums, but the images in '{own}' were listed without hashing them. "
            "Adopt the archive of 'srpbs-open' instead, or open the folder with fetch_dataset."
        )

    def test_a_shared_copy_is_in_the_shared_folder(
        self, links: LinkServer, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DECNEF_SHARED_DATA_DIR", str(cache.rename(cache.with_name("shared"))))
        files = decnef_data.registry("srpbs-fc")
        assert Path(files.fetch(NAME)) == cache.with_name("shared") / "files/srpbs-fc" / NAME

    @pytest.mark.parametrize("mirror", ["auto", "atr"])
    def test_files_that_were_removed_are_not_in_it(self, links: LinkServer, cache: Path, mirror: str) -> None:
        decnef_data.fetch_dataset("srpbs-fc", keep_archive=False, progress="none")
        assert not (cache / "files/srpbs-fc" / NAME).exists()
        assert decnef_data.registry("srpbs-fc", mirror=mirror).registry == {}


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _text: b"",
    "zeros": lambda text: bytes(len(text)),
    "noise": lambda text: bytes(byte ^ 0xA5 for byte in text),
    "cut": lambda text: text[: len(text) // 2],
    "no header": lambda text: b"\n".join(text.splitlines()[2:]) + b"\n",
    "garbled header": lambda text: text.replace(b'"type":"root"', b'"type":"r\xfft"'),
    "garbled receipt": lambda text: text.replace(b'"type":"file"', b'"type":"f\x00le"'),
    "changed checksum": lambda text: text.replace(b'"md5:', b'"md5;').replace(b'"sha256:', b'"sha256;'),
    "changed algorithm": lambda text: text.replace(b'"md5:', b'"md6:').replace(b'"sha256:', b'"sha257:'),
    "changed digest": lambda text: re.sub(rb'"(md5|sha256):.', rb'"\1:x', text),
    "changed time": lambda text: text.replace(b'"mtime_ns":1', b'"mtime_ns":2'),
    "no checksums": lambda text: text.replace(b'"checksums":[', b'"checksums":[],"x":['),
    "not UTF-8": lambda text: text.replace(b'"mark"', b'"ma\x80k"'),
}


STATED = pytest.mark.parametrize("links", [False, True], ids=["unstated", "stated"], indirect=True)


class TestLostJournal:
    """A journal that is empty or garbled, beside a file that is not."""

    @pytest.mark.parametrize(
        ("links", "damage"),
        [*((False, damage) for damage in DAMAGES), (True, "empty"), (True, "changed digest")],
        indirect=["links"],
    )
    def test_the_file_is_hashed_once_and_not_fetched(
        self, links: LinkServer, cache: Path, monkeypatch: pytest.MonkeyPatch, damage: str
    ) -> None:
        (journal,) = (cache / "receipts/srpbs-fc").glob("*.jsonl")
        placed = cache / "files/srpbs-fc" / NAME
        before, text = placed.stat(), journal.read_bytes()
        journal.write_bytes(DAMAGES[damage](text))
        assert journal.read_bytes() != text
        assert decnef_data.download("srpbs-fc", progress="none") == placed
        assert sent(links) == []
        assert (placed.stat().st_ino, placed.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
        assert decnef_data.verify("srpbs-fc", deep=True).complete
        links.requests.clear()
        journal_size = journal.stat().st_size
        assert decnef_data.download("srpbs-fc", progress="none") == placed
        assert links.requests == []
        assert journal.stat().st_size == journal_size
        monkeypatch.setenv("DECNEF_OFFLINE", "1")
        assert [entry.path for entry in decnef_data.cache().entries] == [placed]
        assert decnef_data.download("srpbs-fc", progress="none") == placed

    @STATED
    def test_a_copy_without_its_times_is_hashed_and_not_fetched(self, links: LinkServer, cache: Path) -> None:
        placed = cache / "files/srpbs-fc" / NAME
        os.utime(placed, (1, 1))
        assert decnef_data.download("srpbs-fc", progress="none") == placed
        assert sent(links) == []
        assert decnef_data.verify("srpbs-fc").complete

    @pytest.mark.parametrize("lost", [False, True], ids=["journal", "no journal"])
    def test_other_bytes_of_another_size_are_fetched_anew(
        self, links: LinkServer, cache: Path, archive: Path, *, lost: bool
    ) -> None:
        placed = cache / "files/srpbs-fc" / NAME
        placed.write_bytes(archive.read_bytes()[:-1])  # as of someone who copies the file there by hand
        if lost:
            shutil.rmtree(cache / "receipts")
        assert decnef_data.download("srpbs-fc", progress="none") == placed
        assert sent(links) != []
        assert placed.read_bytes() == archive.read_bytes()

    @STATED
    def test_other_bytes_of_the_same_size_are_fetched_anew(
        self, links: LinkServer, cache: Path, archive: Path
    ) -> None:
        placed = cache / "files/srpbs-fc" / NAME
        placed.write_bytes(archive.read_bytes()[::-1])
        assert decnef_data.download("srpbs-fc", progress="none") == placed
        assert sent(links) != []
        assert placed.read_bytes() == archive.read_bytes()

    def test_what_cannot_be_the_archive_is_fetched_anew_where_no_checksum_is_expected(
        self, links: LinkServer, cache: Path, archive: Path
    ) -> None:
        placed = cache / "files/srpbs-fc" / NAME
        placed.write_bytes(bytes(archive.stat().st_size))
        shutil.rmtree(cache / "receipts")
        assert decnef_data.download("srpbs-fc", progress="none") == placed
        assert sent(links) != []
        assert placed.read_bytes() == archive.read_bytes()

    def test_a_file_that_its_mirror_changed_is_fetched_anew(
        self, links: LinkServer, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "newer").mkdir()
        newer = small.archive(tmp_path / "newer" / NAME)
        content = bytearray(newer.read_bytes())
        content[5000] ^= 1
        newer.write_bytes(content)
        os.utime(cache / "files/srpbs-fc" / NAME, (1, 1))
        monkeypatch.setenv("DECNEF_ATR_LINK_SRPBS_FC", links.link(newer))
        assert decnef_data.download("srpbs-fc", progress="none").read_bytes() == content
        assert sent(links) != []


def give_away(link: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """Let a link belong to somebody else, or, as only root can, let us be somebody else; return its owner."""
    if os.geteuid() == 0:
        os.lchown(link, 12345, 12345)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: link.lstat().st_uid + 1)
    return link.lstat().st_uid


class TestClear:
    """What is said to be removed is gone."""

    @pytest.fixture
    def filled(self, links: LinkServer, cache: Path) -> Path:
        """A cache with a file, its store, and synthetic data."""
        decnef_data.fetch_dataset("srpbs-fc/bal140", progress="none")
        synthetic = cache / "phantom/files/srpbs-fc/SRPBS_FC-synthetic.zip"
        synthetic.parent.mkdir(parents=True)
        synthetic.write_bytes(b"synthetic")
        return cache

    def test_everything_goes(self, filled: Path) -> None:
        planned = decnef_data.clear_cache(dry_run=True)
        before = files(filled)
        assert sorted((entry.kind, entry.synthetic) for entry in planned.entries) == [
            ("file", False),
            ("file", True),
            ("store", False),
        ]
        assert files(filled) == before
        assert decnef_data.clear_cache() == planned
        assert files(filled) == set()

    def test_stores_alone_are_removed_and_come_back(self, filled: Path, links: LinkServer) -> None:
        removed = decnef_data.clear_cache("srpbs-fc", stores=True)
        assert {entry.kind for entry in removed.entries} == {"store"}
        assert list((filled / "stores").glob("*.zarr")) == []
        assert decnef_data.verify("srpbs-fc", deep=True).complete
        decnef_data.fetch_dataset("srpbs-fc/bal140", progress="none")
        assert links.requests == []

    def test_synthetic_data_alone_are_removed(self, filled: Path) -> None:
        removed = decnef_data.clear_cache(synthetic=True)
        assert [entry.synthetic for entry in removed.entries] == [True]
        assert files(filled / "phantom") == set()
        assert decnef_data.verify("srpbs-fc", deep=True).complete

    @pytest.mark.parametrize("part", ["", "files", "files/srpbs-fc", "stores", "receipts"])
    def test_a_part_that_is_a_link_to_another_disk_is_emptied(
        self, filled: Path, tmp_path: Path, part: str
    ) -> None:
        disk = tmp_path / "disk"
        (filled / part).rename(disk)
        (filled / part).symlink_to(disk)
        assert {entry.kind for entry in decnef_data.clear_cache("srpbs-fc").entries} == {"file", "store"}
        assert files(disk) == set()
        assert (filled / part).is_symlink()
        assert decnef_data.cache().entries == ()

    def test_a_file_below_a_link_goes_and_what_is_not_ours_stays(self, cache: Path, tmp_path: Path) -> None:
        from decnef_data.file_cache import FileCache
        from tests.file_cache.arrivals import arrive

        disk, folder = tmp_path / "disk", cache / "files/ds/folder"
        folder.parent.mkdir(parents=True)
        disk.mkdir()
        (disk / "thesis.txt").write_text("mine")
        folder.symlink_to(disk)
        arrive(FileCache(cache))
        assert (disk / "a.bin").exists()
        with pytest.warns(DecnefDataWarning) as caught:
            removed = decnef_data.clear_cache()
        assert [str(each.message) for each in caught] == [
            f"'{folder}' was a link. '{disk}', to which it leads, was not removed."
        ]
        assert folder / "a.bin" in {entry.path for entry in removed.entries}
        assert files(disk) == {disk / "thesis.txt"}
        assert files(cache) == set()

    def test_a_file_that_is_a_link_is_not_said_to_free_space(self, filled: Path, tmp_path: Path) -> None:
        placed, elsewhere = filled / "files/srpbs-fc" / NAME, tmp_path / "elsewhere.zip"
        placed.rename(elsewhere)
        placed.symlink_to(elsewhere)
        with pytest.warns(DecnefDataWarning, match="was a link"):
            removed = decnef_data.clear_cache("srpbs-fc")
        (entry,) = (entry for entry in removed.entries if entry.path == placed)
        assert entry.size < 1000
        assert elsewhere.exists()
        assert not placed.is_symlink()

    @pytest.mark.parametrize("part", ["files", "files/srpbs-fc", "stores", "partial", "receipts"])
    def test_a_link_of_somebody_else_is_named_and_not_followed(
        self, filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
    ) -> None:
        disk = tmp_path / "disk"
        (filled / part).rename(disk) if (filled / part).exists() else disk.mkdir()
        (filled / part).symlink_to(disk)
        owner = give_away(filled / part, monkeypatch)
        before = files(disk) | files(filled)
        for remove in (decnef_data.clear_cache, decnef_data.purge):
            with pytest.raises(AccessError) as raised:
                remove("srpbs-fc")
            assert str(raised.value) == (
                f"The link '{filled / part}' belongs to another user (id {owner}), so it was not followed and "
                "nothing was removed. Remove the link, then rerun the command."
            )
        assert files(disk) | files(filled) == before

    def test_a_link_of_somebody_else_inside_a_dataset_is_removed_alone(
        self, filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        victim = tmp_path / "victim"
        victim.mkdir()
        (victim / "thesis.txt").write_text("mine")
        (filled / "files/srpbs-fc/more").symlink_to(victim)
        give_away(filled / "files/srpbs-fc/more", monkeypatch)
        with pytest.warns(DecnefDataWarning, match="was a link"):
            decnef_data.clear_cache("srpbs-fc")
        assert files(victim) == {victim / "thesis.txt"}

    def test_changed_files_and_unreadable_stores_go_and_are_named(self, filled: Path) -> None:
        placed = filled / "files/srpbs-fc" / NAME
        placed.write_bytes(b"damaged")
        (store,) = (filled / "stores").glob("*.zarr")
        (store / "zarr.json").write_bytes(b"{")
        assert store in {entry.path for entry in decnef_data.cache().entries}
        assert [
            check.path for check in decnef_data.verify("srpbs-fc").checks if check.state == "damaged"
        ] == [f"{store.name}/zarr.json"]
        removed = decnef_data.clear_cache()
        assert {placed, store} <= {entry.path for entry in removed.entries}
        assert files(filled) == set()

    def test_an_adopted_copy_inside_the_cache_stays(self, cache: Path) -> None:
        own = cache / "files/srpbs-fc/mine" / NAME
        own.parent.mkdir(parents=True)
        small.archive(own)
        decnef_data.adopt("srpbs-fc", own, progress="none")
        os.utime(own, (1, 1))  # and so does one that has changed
        decnef_data.clear_cache("srpbs-fc")
        assert files(cache) == {own}

    def test_a_copy_that_was_adopted_beside_the_cache_is_unregistered(self, cache: Path) -> None:
        own = small.archive(cache.parent / NAME)
        decnef_data.adopt("srpbs-fc", own, progress="none")
        assert [entry.kind for entry in decnef_data.clear_cache().entries] == ["adopted"]
        assert decnef_data.cache().entries == ()
        assert files(cache) == set()
        assert own.exists()

    def test_a_disk_that_cannot_be_written_is_an_error(self, filled: Path) -> None:
        with undeletable(filled / "files"):
            told = run("cache", "clear", "srpbs-fc", "--yes", "--json")
        assert told.code == 74
        left = [entry for entry in told.json["entries"] if not entry["synthetic"]]
        assert {entry["kind"] for entry in left} == {"store"}
        assert (filled / "files/srpbs-fc" / NAME).exists()
        assert list((filled / "stores").glob("*.zarr")) == []
        assert decnef_data.verify("srpbs-fc", deep=True).complete  # the receipts are there as well
        with undeletable(filled / "files"):
            told = run("cache", "clear", "srpbs-fc", "--yes")
        assert told.code == 74
        assert told.out.splitlines()[-1].startswith("0 B removed from ")
        problem = r"error: Could not delete 3 of 4 items \((Read-only|Permission)[^)]*\); 0 were removed\."
        assert re.match(problem, told.err)
        assert told.err.rstrip().endswith(f"'{filled / 'files/srpbs-fc'}/CITATION'")

    def test_a_purge_of_what_cannot_be_deleted_is_an_error(self, filled: Path) -> None:
        with undeletable(filled / "files"), pytest.raises(OSError, match="Could not delete") as raised:
            decnef_data.purge("srpbs-fc")
        assert raised.value.errno in {errno.EROFS, errno.EACCES}
        assert decnef_data.clear_cache("srpbs-fc", dry_run=True).entries != ()


class TestTheCommand:
    """``decnef cache clear``."""

    @pytest.mark.parametrize("arguments", [(), ("srpbs-fc",), ("--stores",), ("--synthetic",)])
    def test_it_refuses_without_an_answer(
        self, links: LinkServer, cache: Path, arguments: tuple[str, ...]
    ) -> None:
        decnef_data.fetch_dataset("srpbs-fc/bal140", progress="none")
        (cache / "phantom/files/srpbs-fc").mkdir(parents=True)
        (cache / "phantom/files/srpbs-fc/a").write_bytes(b"a")
        before = files(cache)
        told = run("cache", "clear", *arguments, typed="y\n")  # no terminal
        command = " ".join(("decnef cache clear", *arguments))
        assert (told.code, told.out) == (2, "")
        assert told.err == f"error: Nothing was removed. Run `{command}` and answer y, or add --yes.\n"
        assert files(cache) == before
        shown = run("cache", "clear", *arguments, "--dry-run")
        assert shown.code == 0
        assert "to remove from" in shown.out
        assert shown.err == f"Nothing was removed. Run `{command}` to remove it.\n"
        assert files(cache) == before
        assert run("cache", "clear", *arguments, "--yes").code == 0
        assert files(cache) < before

    def test_the_options_say_what_is_removed(self, links: LinkServer, cache: Path) -> None:
        decnef_data.fetch_dataset("srpbs-fc/bal140", progress="none")
        removed = run("cache", "clear", "--stores", "--yes", "--json").json["entries"]
        assert [entry["kind"] for entry in removed] == ["store"]
        assert run("cache", "clear", "--synthetic", "--yes", "--json").json["entries"] == []


def test_a_damaged_download_is_repaired_rather_than_removed(links: LinkServer, cache: Path) -> None:
    placed = cache / "files/srpbs-fc" / NAME
    content = placed.read_bytes()
    placed.write_bytes(content[:-1])
    told = run("verify", "srpbs-fc")
    assert told.code == 5
    assert told.err == (
        "error: 1 of 1 files of 'srpbs-fc' are not intact. "
        "Run `decnef verify srpbs-fc --repair`, which rebuilds stores and downloads only damaged parts.\n"
    )
    assert run("verify", "srpbs-fc", "--repair").code == 0
    assert placed.read_bytes() == content


def test_a_repair_records_the_times_of_intact_files(links: LinkServer, cache: Path) -> None:
    os.utime(cache / "files/srpbs-fc" / NAME, (1, 1))
    assert not decnef_data.verify("srpbs-fc").complete
    assert decnef_data.verify("srpbs-fc", repair=True).complete
    assert decnef_data.verify("srpbs-fc").complete
    assert links.requests == []


class TestShared:
    """A cache that others fill and that cannot be written."""

    @pytest.mark.parametrize("place", ["DECNEF_SHARED_DATA_DIR", "DECNEF_DATA_DIR"])
    def test_it_is_read_and_verified_and_never_written(
        self, links: LinkServer, cache: Path, monkeypatch: pytest.MonkeyPatch, place: str
    ) -> None:
        expected = decnef_data.fetch_dataset("srpbs-fc/bal140", progress="none").load()
        shared = cache.rename(cache.with_name("shared"))
        monkeypatch.setenv("DECNEF_DATA_DIR", str(cache.with_name("mine")))
        monkeypatch.setenv(place, str(shared))
        before = {path: path.lstat() for path in (shared, *shared.rglob("*"))}
        with undeletable(shared):
            for offline in ("0", "1"):
                monkeypatch.setenv("DECNEF_OFFLINE", offline)
                found = decnef_data.fetch_dataset("srpbs-fc/bal140", progress="none")
                assert found.identical(expected)
                assert decnef_data.download("srpbs-fc", progress="none") == shared / "files/srpbs-fc" / NAME
                for deep in (False, True):
                    assert decnef_data.verify("srpbs-fc", deep=deep).complete
                assert len(decnef_data.participants("srpbs-fc/bal140", progress="none")) == 15
                assert decnef_data.plan("srpbs-fc").download_size == 0
                assert run("cache", "list").code == 0
        assert links.requests == []
        after = {path: path.lstat() for path in (shared, *shared.rglob("*"))}
        assert {path: (found.st_mtime_ns, found.st_size) for path, found in after.items()} == {
            path: (found.st_mtime_ns, found.st_size) for path, found in before.items()
        }

    @pytest.mark.parametrize("shared", [False, True])
    def test_the_group_can_read_it_only_on_purpose(
        self, links: LinkServer, cache: Path, shared: bool
    ) -> None:
        decnef_data.fetch_dataset("srpbs-fc/bal140", progress="none")
        (cache / "files/srpbs-ts").mkdir(mode=0o700)
        (cache / "files/srpbs-ts/other").touch(mode=0o600)
        arguments = ("--shared",) if shared else ()
        previous = os.umask(0)
        try:
            assert run("download", "srpbs-fc", "--quiet", *arguments).code == 0
            decnef_data.verify("srpbs-fc", deep=True)
        finally:
            os.umask(previous)
        granted = {path for path in (cache, *cache.rglob("*")) if path.stat().st_mode & stat.S_IRGRP}
        (store,) = (cache / "stores").glob("*.zarr")
        expected = {cache, cache / "files", cache / "receipts", cache / "stores", store, *store.rglob("*")}
        for folder in (cache / "files/srpbs-fc", cache / "receipts/srpbs-fc"):
            expected |= {folder, *folder.rglob("*")}
        expected -= {cache / "receipts/srpbs-fc/last-use"}  # of no use to others
        assert granted == (expected if shared else set())
        for path in granted:
            assert stat.S_IMODE(path.stat().st_mode) == (0o750 if path.is_dir() else 0o640)

    def test_a_file_that_cannot_be_shared_is_an_error(
        self, links: LinkServer, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        decnef_data.download("srpbs-fc", progress="none")
        chmod = os.chmod

        def refuse(path: Path | int, mode: int) -> None:
            if str(path).endswith(NAME):
                raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
            chmod(path, mode)

        monkeypatch.setattr(os, "chmod", refuse)
        result = run("download", "srpbs-fc", "--shared", "--quiet")
        assert result.code == 74
        assert result.err.startswith(
            "error: Its mode cannot be changed, so the group cannot read it. Ask its owner to share it"
        )
        chmod(cache / "files/srpbs-fc" / NAME, 0o640)  # as its owner shared it
        assert run("download", "srpbs-fc", "--shared", "--quiet").code == 0
