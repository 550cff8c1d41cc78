"""A seek index: exported from one cache, imported into a bare one that has its own link to the same archive."""

import hashlib
import random
import shutil
import stat
import subprocess
import tarfile
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
import pytest
import xarray as xr

import decnef_data
from decnef_data import (
    AccessError,
    Client,
    DecnefDataError,
    FormatError,
    IntegrityError,
    MirrorError,
    SelectionError,
)
from decnef_data.layouts.imaging.images.scan_cache import ScanCache
from decnef_data.layouts.imaging.seek_index import file as seek_index_file
from decnef_data.phantom import write_imaging_phantom
from tests import trees
from tests.command import run
from tests.servers import faults
from tests.servers.links import LinkServer
from tests.servers.synapse import SynapseServer, project

NAME, ARCHIVE = "srpbs-open", "SRPBS_OPEN.tar.gz"


def noise(size: int, seed: int) -> bytes:
    """Bytes that hardly compress, so that blocks are short."""
    return random.Random(seed).randbytes(size)


def write_archive(
    tree: Path, path: Path, *, kind: str = "w:gz", padding: int = 300_000, last: str = "/"
) -> Path:
    """Pack a tree with a large file that is not an image beside each run, as real archives are large.

    Tables come first, but for those whose names begin with `last`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    files = [file for file in tree.rglob("*") if file.is_file()]
    files.sort(key=lambda file: (file.name.startswith(last), "data" in file.parts, str(file)))
    with tarfile.open(path, kind) as made:
        for number, file in enumerate(files):
            name = file.relative_to(tree).as_posix()
            made.add(file, name)
            if padding and name.endswith("vol_0000"):
                info = tarfile.TarInfo(f"{name.rpartition('/')[0]}/other_{number}.bin")
                info.size = padding
                made.addfile(info, BytesIO(noise(padding, number)))
    return path


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    tree = trees.srpbs_open(tmp_path / "tree")
    return write_archive(tree, tmp_path / "own" / ARCHIVE)


class Account:
    """One person: a cache, a configuration, and a link of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.client = Client(folder / "cache", config_dir=folder / "config")

    def log_in(self, link: str) -> None:
        self.client.login("atr", link, dataset=NAME)

    def fetch(self, **asked: Any) -> xr.DataTree:
        return self.client.fetch_dataset(NAME, progress="none", **asked)

    def import_index(self, path: Path, **asked: Any) -> decnef_data.model.SeekIndexSummary:
        return self.client.import_seek_index(path, **{"accept_terms": True, "progress": "none", **asked})

    @property
    def data_files(self) -> list[Path]:
        """Everything in the cache; nothing is there before an import, and after one that was refused."""
        return [path for path in (self.folder / "cache").rglob("*") if path.is_file()]


@pytest.fixture
def owner(tmp_path: Path, archive: Path) -> Account:
    account = Account(tmp_path / "owner")
    account.client.adopt(NAME, archive, progress="none")
    return account


@pytest.fixture
def index(owner: Account, tmp_path: Path) -> Path:
    return owner.client.export_seek_index(NAME, tmp_path / "open.idx", progress="none").path


@pytest.fixture
def server() -> Iterator[LinkServer]:
    with LinkServer() as made:
        yield made


@pytest.fixture
def colleague(tmp_path: Path, server: LinkServer, archive: Path) -> Account:
    account = Account(tmp_path / "colleague")
    account.log_in(server.link(archive))
    return account


def assert_same(found: xr.DataTree, expected: xr.DataTree) -> None:
    assert [node.path for node in found.leaves] == [node.path for node in expected.leaves]
    for nodes in zip(found.leaves, expected.leaves, strict=True):
        ours, theirs = (node.to_dataset().drop_attrs() for node in nodes)
        xr.testing.assert_identical(ours.load(), theirs.load())


class TestExport:
    def test_its_first_lines_say_what_it_is(self, index: Path) -> None:
        first, *_ = index.read_bytes().split(b"\n{", 1)
        assert first.decode() == (
            "decnef-data seek index, format 1\n"
            "This file has bytes of images of participants of 'srpbs-open': protect it like the data.\n"
            "Only people with their own access to the dataset may have it.  Keep it out of repositories,\n"
            "and delete it when you delete the data.\n"
            "Terms: Terms of use of the SRPBS datasets open to registered users, version 1 "
            "https://bicr-resource.atr.jp\n"
            f"Archive: {ARCHIVE}, {(index.parent / 'own' / ARCHIVE).stat().st_size} bytes"
        )

    def test_that_of_a_phantom_is_synthetic(self, tmp_path: Path) -> None:
        tree = write_imaging_phantom(NAME, tmp_path / "tree", n_subjects=1)
        other = Account(tmp_path / "other")
        other.client.adopt(NAME, write_archive(tree, tmp_path / ARCHIVE, padding=0), progress="none")
        summary = other.client.export_seek_index(NAME, tmp_path / "open.idx", progress="none")
        assert summary.synthetic
        _, second, *_ = (tmp_path / "open.idx").read_bytes().split(b"\n", 2)
        assert second == (
            b"SYNTHETIC data (a digital phantom), and no bytes of people.  The next lines are for real data."
        )

    def test_only_the_user_can_read_it_and_it_is_recorded(self, owner: Account, index: Path) -> None:
        assert stat.S_IMODE(index.stat().st_mode) == 0o600
        (item,) = (item for item in owner.client.purge(NAME, dry_run=True).removed if item.path == index)
        assert (item.kind, item.size) == ("seek index", index.stat().st_size)

    def test_tables_are_not_in_it(self, owner: Account, tmp_path: Path) -> None:
        """Not even the part of a table that is in the window of the scan behind it."""
        tree = trees.srpbs_open(tmp_path / "long")
        lines = "".join(f"sub-{number}\tSECRET{number * 7919 % 100_000}\n" for number in range(20_000))
        (tree / "SRPBS_OPEN/sup9.tsv").write_text(f"participant_id\tcode\n{lines}")
        archive = write_archive(tree, tmp_path / "long" / ARCHIVE)
        owner.client.adopt(NAME, archive, progress="none")
        path = owner.client.export_seek_index(NAME, tmp_path / "a.idx", progress="none").path
        assert b"sub-0001" in path.read_bytes()
        found = seek_index_file.read(path)
        assert {table.path.rpartition("/")[2] for table in found.inventory.tables} >= {"sup9.tsv", "sup2.tsv"}
        windows = [zlib.decompress(point.window) for point in found.index.points if point.window]
        assert len(windows) > 1
        for text in (b"SECRET", b"BDI-II", b"\tCOI\t5"):
            assert not any(text in content for content in (path.read_bytes(), *windows))

    def test_a_checkout_is_refused(self, owner: Account, tmp_path: Path) -> None:
        subprocess.run(["git", "init", "--quiet", tmp_path / "repository"], check=True)
        path = tmp_path / "repository" / "open.idx"
        with pytest.raises(AccessError) as caught:
            owner.client.export_seek_index(NAME, path, progress="none")
        assert str(caught.value) == (
            f"'{path}' is inside the Git checkout '{tmp_path / 'repository'}', and the terms of 'srpbs-open' do "
            "not permit sharing its data. Export to a private folder, or add --i-may-share (i_may_share=True) "
            "if you have permission."
        )
        assert not path.exists()
        assert owner.client.export_seek_index(NAME, path, i_may_share=True, progress="none").path == path

    @pytest.mark.parametrize("destination", ["s3://bucket/open.idx", "host:open.idx"])
    def test_another_machine_is_refused(self, owner: Account, destination: str) -> None:
        with pytest.raises(AccessError, match="is on another machine"):
            owner.client.export_seek_index(NAME, destination, progress="none")
        with pytest.raises(
            SelectionError, match=r"is on another machine\. Export to a local folder, then copy it\.$"
        ):
            owner.client.export_seek_index(NAME, destination, i_may_share=True, progress="none")

    def test_another_file_is_kept(self, owner: Account, tmp_path: Path, index: Path) -> None:
        (tmp_path / "notes.txt").write_text("mine")
        with pytest.raises(SelectionError) as caught:
            owner.client.export_seek_index(NAME, tmp_path / "notes.txt", progress="none")
        assert str(caught.value) == (
            f"'{tmp_path / 'notes.txt'}' exists and is not a seek index. Specify another file."
        )
        before = index.read_bytes()
        owner.client.export_seek_index(NAME, index, progress="none")
        assert index.read_bytes() == before

    def test_a_dataset_without_an_archive_is_refused(self, tmp_path: Path, owner: Account) -> None:
        client = Client(tmp_path / "other", config_dir=tmp_path / "config")
        with pytest.raises(
            SelectionError, match=r"^There is no local copy of 'srpbs-open', and a seek index"
        ):
            client.export_seek_index(NAME, tmp_path / "a.idx", progress="none")
        client.adopt(NAME, tmp_path / "tree", progress="none")
        with pytest.raises(SelectionError, match=r"^There is only an unpacked copy of 'srpbs-open', and a"):
            client.export_seek_index(NAME, tmp_path / "a.idx", progress="none")
        with pytest.raises(SelectionError, match=r"^'srpbs-fc' has no images, so it has no seek index\."):
            client.export_seek_index("srpbs-fc", tmp_path / "a.idx", progress="none")
        assert not (tmp_path / "a.idx").exists()

    def test_an_archive_that_changed_is_told(self, owner: Account, archive: Path, tmp_path: Path) -> None:
        owner.client.participants(NAME, progress="none")
        state = archive.stat()
        (store,) = (tmp_path / "owner/cache/stores").glob("*.scans")
        cache = ScanCache(store)
        found, points = cache.load_inventory(), cache.load_index()
        assert found is not None
        assert points is not None
        cache._saved_tables = {table.path: table for table in found.tables}
        cache.save(found, msgspec.structs.replace(points, unpacked=points.unpacked + 512))
        assert archive.stat() == state
        with pytest.raises(
            IntegrityError, match=rf"^'{ARCHIVE}' unpacks to \d+ bytes, but to \d+ when it was indexed\."
        ):
            owner.client.export_seek_index(NAME, tmp_path / "a.idx", progress="none")

    def test_a_cache_of_an_earlier_version_is_read_again(
        self, owner: Account, archive: Path, tmp_path: Path, index: Path
    ) -> None:
        (store,) = (tmp_path / "owner/cache/stores").glob("*.scans")
        cache = ScanCache(store)
        found, points = cache.load_inventory(), cache.load_index()
        assert found is not None
        assert points is not None
        cache._saved_tables = {
            table.path: msgspec.structs.replace(table, offset=-1, size=0) for table in found.tables
        }
        cache.save(found, points)
        owner.client.export_seek_index(NAME, tmp_path / "again.idx", progress="none")
        again, first = (seek_index_file.read(path).inventory for path in (tmp_path / "again.idx", index))
        assert msgspec.msgpack.encode(again) == msgspec.msgpack.encode(first)  # a NaN is no other NaN

    def test_of_an_archive_that_was_not_kept_it_has_the_points_of_the_first_pass(
        self, colleague: Account, server: LinkServer, tmp_path: Path, archive: Path
    ) -> None:
        colleague.fetch(subjects="sub-0001", keep_archive=False, accept_terms=True)
        before = server.sent
        summary = colleague.client.export_seek_index(NAME, tmp_path / "a.idx", progress="none")
        assert (summary.per_scan, summary.n_points) == (False, 1)
        assert server.sent - before < archive.stat().st_size / 10
        header = seek_index_file.read(tmp_path / "a.idx").header
        assert (header.archive.mirror, header.archive.identity) == ("atr", server.objects[ARCHIVE].etag)


class TestImport:
    def test_the_same_images_open_without_a_walk(
        self, index: Path, owner: Account, colleague: Account, server: LinkServer, archive: Path
    ) -> None:
        requests, sent = len(server.requests), server.sent
        summary = colleague.import_index(index)
        assert (summary.dataset, summary.archive, summary.n_scans) == (NAME, ARCHIVE, 11)
        assert (summary.archive_size, summary.per_scan) == (archive.stat().st_size, True)
        # The archive's head, three samples, and the tables; nothing else.
        asked = server.requests[requests:]
        assert [exchange.status for exchange in asked] == [206] * 5
        requests, sent = len(server.requests), server.sent
        colleague.client.participants(NAME, progress="none")
        assert (len(server.requests), server.sent) == (requests, sent)
        colleague.fetch(subjects="sub-0001", modalities="bold")
        assert len(server.requests) - requests <= 3
        assert all("Range" in exchange.headers for exchange in server.requests)
        assert_same(colleague.fetch(), owner.fetch())
        assert_same(colleague.fetch(download=False), owner.fetch())
        assert not list((colleague.folder / "cache/files").rglob("*.gz"))

    def test_tables_that_are_far_apart_are_read_apart(self, tmp_path: Path, server: LinkServer) -> None:
        tree = trees.srpbs_open(tmp_path / "tree")
        archive = write_archive(tree, tmp_path / "own" / ARCHIVE, last="participants")
        owner, colleague = Account(tmp_path / "owner"), Account(tmp_path / "colleague")
        owner.client.adopt(NAME, archive, progress="none")
        owner.client.export_seek_index(NAME, tmp_path / "a.idx", progress="none")
        colleague.log_in(server.link(archive))
        requests, sent = len(server.requests), server.sent
        colleague.import_index(tmp_path / "a.idx")
        assert len(server.requests) - requests == 1 + 3 + 2
        assert server.sent - sent < archive.stat().st_size / 4
        xr.testing.assert_identical(
            owner.client.participants(NAME, progress="none").to_xarray(),
            colleague.client.participants(NAME, progress="none").to_xarray(),
        )

    def test_a_tar_that_is_not_compressed(self, tmp_path: Path, server: LinkServer) -> None:
        archive = write_archive(
            trees.srpbs_open(tmp_path / "tree"), tmp_path / "own/SRPBS_OPEN.tar", kind="w"
        )
        owner, colleague = Account(tmp_path / "owner"), Account(tmp_path / "colleague")
        owner.client.adopt(NAME, archive, progress="none")
        owner.client.export_seek_index(NAME, tmp_path / "a.idx", progress="none")
        colleague.log_in(server.link(archive))
        sent = server.sent
        assert colleague.import_index(tmp_path / "a.idx").per_scan
        assert_same(colleague.fetch(subjects="sub-0002"), owner.fetch(subjects="sub-0002"))
        assert server.sent - sent < archive.stat().st_size / 4

    def test_it_is_purged_with_the_dataset(self, index: Path, colleague: Account, tmp_path: Path) -> None:
        own = Path(shutil.copy(index, tmp_path / "colleague.idx"))
        colleague.import_index(own)
        colleague.fetch(subjects="sub-0001")
        purged = colleague.client.purge(NAME)
        assert "seek index" in {item.kind for item in purged.removed}
        assert not own.exists()
        assert index.exists()
        assert not list((colleague.folder / "cache/stores").glob("*"))
        with pytest.raises(SelectionError, match=r"^There is no complete local copy of 'srpbs-open'"):
            colleague.fetch(download=False)

    def test_terms_come_first(self, index: Path, colleague: Account) -> None:
        with pytest.raises(AccessError, match=r"^The terms of 'srpbs-open' have not been accepted yet"):
            colleague.import_index(index, accept_terms=False)
        assert colleague.data_files == []

    def test_without_a_link_nothing_opens(self, index: Path, tmp_path: Path) -> None:
        stranger = Account(tmp_path / "stranger")
        with pytest.raises(AccessError, match=r"^No mirror can provide 'srpbs-open' yet"):
            stranger.import_index(index)
        with pytest.raises(AccessError, match=r"^'atr' cannot provide 'srpbs-open' yet"):
            stranger.import_index(index, mirror="atr")
        assert stranger.data_files == []

    def test_an_expired_link_is_told(self, index: Path, colleague: Account, server: LinkServer) -> None:
        server.advance(7200)
        with pytest.raises(AccessError, match=r"^The link for 'srpbs-open' (expired|has expired)"):
            colleague.import_index(index)
        assert colleague.data_files == []

    def test_without_a_connection_it_is_refused(
        self, index: Path, colleague: Account, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DECNEF_OFFLINE", "1")
        with pytest.raises((AccessError, MirrorError)):
            colleague.import_index(index)

    @pytest.mark.parametrize("fault", [faults.ignore_range(), faults.refuse_range()])
    def test_a_mirror_without_ranges_is_refused(
        self, index: Path, colleague: Account, server: LinkServer, fault: faults.Fault, archive: Path
    ) -> None:
        server.faults.add(fault, times=None)
        with pytest.raises(MirrorError) as caught:
            colleague.import_index(index)
        assert str(caught.value) == (
            f"'atr' sends '{ARCHIVE}' only from its beginning, because it supports no ranges or does not identify "
            "the file. Use another mirror, or download the complete archive."
        )
        assert colleague.data_files == []

    def test_a_mirror_that_does_not_identify_the_file_is_refused(
        self, index: Path, colleague: Account, server: LinkServer
    ) -> None:
        server.anonymous = True
        with pytest.raises(MirrorError, match="does not identify the file"):
            colleague.import_index(index)

    def test_another_size_is_another_archive(
        self, index: Path, colleague: Account, server: LinkServer, archive: Path
    ) -> None:
        colleague.log_in(server.link(archive.read_bytes() + bytes(512), name=ARCHIVE))
        size = archive.stat().st_size
        with pytest.raises(IntegrityError) as caught:
            colleague.import_index(index)
        assert str(caught.value) == (
            f"The archive has {size + 512} bytes, but the seek index was made from another '{ARCHIVE}' ({size}). "
            "Use the index of this archive, or download the dataset without one."
        )
        assert colleague.data_files == []

    @pytest.mark.parametrize("place", [0.27, 0.63, 0.9999])
    def test_other_bytes_of_the_same_size_are_another_archive(
        self, index: Path, colleague: Account, server: LinkServer, archive: Path, place: float
    ) -> None:
        content = bytearray(archive.read_bytes())
        content[int(len(content) * place)] ^= 1
        colleague.log_in(server.link(bytes(content), name=ARCHIVE))
        with pytest.raises(
            IntegrityError,
            match=rf"^The archive has other bytes \d+ to \d+, but the seek index was made from another '{ARCHIVE}'",
        ):
            colleague.import_index(index)
        assert colleague.data_files == []

    def test_another_etag_of_the_same_mirror_is_another_archive(
        self, colleague: Account, server: LinkServer, tmp_path: Path, archive: Path
    ) -> None:
        colleague.fetch(subjects="sub-0001", keep_archive=False, accept_terms=True)
        colleague.client.export_seek_index(NAME, tmp_path / "a.idx", progress="none")
        server.put(ARCHIVE, archive, etag='"uploaded-again"')
        other = Account(tmp_path / "other")
        other.log_in(server.sign(ARCHIVE, 3600, name=ARCHIVE))
        with pytest.raises(
            IntegrityError, match=r"^The archive at 'atr' is \"uploaded-again\", but the seek index"
        ):
            other.import_index(tmp_path / "a.idx")

    def test_the_checksum_that_synapse_states_decides(
        self, index: Path, tmp_path: Path, archive: Path, owner: Account
    ) -> None:
        title, content = "SRPBS Multi-disorder MRI Dataset (unrestricted)", seek_index_file.read(index)
        paths = {}
        for name, md5 in (("same", hashlib.md5(archive.read_bytes()).hexdigest()), ("other", "0" * 32)):
            described = msgspec.structs.replace(content.header.archive, checksums=(f"md5:{md5}",))
            header = msgspec.structs.replace(content.header, archive=described)
            paths[name] = tmp_path / f"{name}.idx"
            seek_index_file.write(paths[name], msgspec.structs.replace(content, header=header))
        colleague = Account(tmp_path / "colleague")
        with SynapseServer(project(title, archive.parent)) as synapse:
            synapse.config(Path.home() / ".synapseConfig", synapse.token)
            with pytest.raises(
                IntegrityError, match=r"^The archive has the checksum md5:[0-9a-f]{32}, but the"
            ):
                colleague.import_index(paths["other"], mirror="synapse")
            assert not list((colleague.folder / "cache").rglob("*.scans"))
            colleague.import_index(paths["same"], mirror="synapse")
            found = colleague.fetch(subjects="sub-0001")
        assert_same(found, owner.fetch(subjects="sub-0001"))

    def test_a_table_that_changed_is_told(self, index: Path, colleague: Account, tmp_path: Path) -> None:
        content = seek_index_file.read(index)
        tables = tuple(msgspec.structs.replace(table, crc32c=1) for table in content.inventory.tables)
        inventory = msgspec.structs.replace(content.inventory, tables=tables)
        seek_index_file.write(tmp_path / "a.idx", msgspec.structs.replace(content, inventory=inventory))
        with pytest.raises(IntegrityError, match=r"is not the table that the seek index lists\."):
            colleague.import_index(tmp_path / "a.idx")
        assert colleague.data_files == []

    def test_a_scan_that_changed_is_told_when_it_is_read(
        self, index: Path, colleague: Account, tmp_path: Path
    ) -> None:
        content = seek_index_file.read(index)
        scans = tuple(
            msgspec.structs.replace(scan, checksums=bytes(len(scan.checksums)))
            for scan in content.inventory.scans
        )
        inventory = msgspec.structs.replace(content.inventory, scans=scans)
        seek_index_file.write(tmp_path / "a.idx", msgspec.structs.replace(content, inventory=inventory))
        colleague.import_index(tmp_path / "a.idx")
        with pytest.raises(IntegrityError, match="has changed since the archive was indexed"):
            colleague.fetch(subjects="sub-0001")

    def test_an_archive_on_this_machine_needs_no_link(
        self, index: Path, tmp_path: Path, archive: Path, owner: Account
    ) -> None:
        other = Account(tmp_path / "other")
        other.client.adopt(NAME, archive, progress="none")
        summary = other.import_index(index, accept_terms=False)
        assert (summary.n_scans, summary.synthetic) == (11, False)
        assert_same(other.fetch(), owner.fetch())

    def test_on_the_command_line(
        self,
        owner: Account,
        server: LinkServer,
        archive: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("DECNEF_DATA_DIR", str(tmp_path / "first"))
        decnef_data.adopt(NAME, archive, progress="none")
        done = run("seek-index", "export", NAME, str(tmp_path / "open.idx"))
        assert (done.code, done.out.strip()) == (0, str(tmp_path / "open.idx"))
        assert "It has bytes of images: protect it like the data, and delete it with them." in " ".join(
            done.err.split()
        )
        monkeypatch.setenv("DECNEF_DATA_DIR", str(tmp_path / "second"))
        monkeypatch.setenv("DECNEF_ATR_LINK_SRPBS_OPEN", server.link(archive))
        refused = run("seek-index", "import", str(tmp_path / "open.idx"), "--quiet")
        assert (refused.code, "decnef accept srpbs-open" in refused.err) == (3, True)
        done = run("seek-index", "import", str(tmp_path / "open.idx"), "--accept-terms")
        assert (done.code, done.out.strip()) == (0, NAME)
        assert "with 11 scans" in done.err
        shown = run("purge", NAME, "--dry-run").out
        assert "1 seek index file" in shown
        assert run("purge", NAME, "--yes").code == 0
        assert not (tmp_path / "open.idx").exists()


class TestBeside:
    """``open.idx`` beside ``open.tar.gz``, on a disk that several people read."""

    @pytest.fixture
    def shared(self, archive: Path, index: Path, tmp_path: Path) -> Iterator[Path]:
        folder = tmp_path / "shared"
        folder.mkdir()
        shutil.copy(archive, folder / "open.tar.gz")
        shutil.copy(index, folder / "open.idx")
        folder.chmod(0o500)
        yield folder
        folder.chmod(0o700)

    def test_it_is_used_instead_of_a_walk(
        self, shared: Path, tmp_path: Path, owner: Account, caplog: pytest.LogCaptureFixture
    ) -> None:
        reader = Account(tmp_path / "reader")
        reader.client.adopt(NAME, shared / "open.tar.gz", progress="none")
        with caplog.at_level("INFO", "decnef_data"):
            assert_same(reader.fetch(), owner.fetch())
        assert f"'srpbs-open': the list of scans is that of '{shared / 'open.idx'}'." in caplog.messages
        assert not any("listed" in message for message in caplog.messages)
        assert (shared / "open.idx").exists()
        reader.client.purge(NAME)
        assert (shared / "open.idx").exists()

    def test_of_another_archive_it_is_not_used(
        self, shared: Path, tmp_path: Path, owner: Account, caplog: pytest.LogCaptureFixture
    ) -> None:
        shared.chmod(0o700)
        tree = trees.srpbs_open(tmp_path / "changed")
        write_archive(tree, shared / "open.tar.gz", padding=310_000)
        reader = Account(tmp_path / "reader")
        reader.client.adopt(NAME, shared / "open.tar.gz", progress="none")
        with caplog.at_level("INFO", "decnef_data"):
            assert_same(reader.fetch(), owner.fetch())
        (warning,) = (record for record in caplog.records if record.levelname == "WARNING")
        assert warning.getMessage().startswith(
            f"'{shared / 'open.idx'}' is not used, and the archive is read to its end instead: The archive has "
        )

    def test_a_damaged_one_is_not_used(
        self, shared: Path, tmp_path: Path, owner: Account, caplog: pytest.LogCaptureFixture
    ) -> None:
        shared.chmod(0o700)
        content = bytearray((shared / "open.idx").read_bytes())
        content[-40] ^= 1
        (shared / "open.idx").write_bytes(content)
        reader = Account(tmp_path / "reader")
        reader.client.adopt(NAME, shared / "open.tar.gz", progress="none")
        with caplog.at_level("WARNING", "decnef_data"):
            assert_same(reader.fetch(), owner.fetch())
        assert any("is damaged or incomplete" in message for message in caplog.messages)

    def test_another_file_of_that_name_is_nothing(
        self, shared: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        shared.chmod(0o700)
        (shared / "open.idx").write_bytes(b"an index of another program")
        reader = Account(tmp_path / "reader")
        reader.client.adopt(NAME, shared / "open.tar.gz", progress="none")
        with caplog.at_level("INFO", "decnef_data"):
            reader.client.participants(NAME, progress="none")
        assert not any("open.idx" in message for message in caplog.messages)


def test_a_file_of_another_kind_or_version_is_refused(
    tmp_path: Path, index: Path, colleague: Account
) -> None:
    path = tmp_path / "a.idx"
    for content in (b"", b"PK\x03\x04", b"decnef-data seek", index.read_bytes()[1:]):
        path.write_bytes(content)
        with pytest.raises(FormatError) as caught:
            colleague.import_index(path)
        assert str(caught.value) == (
            f"'{path}' is not a seek index. Specify a file that `decnef seek-index export` wrote."
        )
    path.write_bytes(index.read_bytes().replace(b"format 1", b"format 2", 1))
    with pytest.raises(FormatError) as caught:
        colleague.import_index(path)
    assert str(caught.value) == (
        f"'{path}' is a seek index that this version cannot read. Export it again with this version."
    )
    with pytest.raises(FileNotFoundError):
        colleague.import_index(tmp_path / "missing.idx")


def test_an_index_of_another_layout_or_dataset_is_refused(
    tmp_path: Path, index: Path, colleague: Account
) -> None:
    content = seek_index_file.read(index)
    for changes, expected in (
        ({"layout": "mri-0"}, FormatError),
        ({"dataset": "srpbs-1600"}, AccessError),
        ({"dataset": "unknown-dataset"}, SelectionError),
        ({"dataset": "srpbs-fc"}, DecnefDataError),
    ):
        header = msgspec.structs.replace(content.header, **changes)
        seek_index_file.write(tmp_path / "a.idx", msgspec.structs.replace(content, header=header))
        with pytest.raises(expected):
            colleague.import_index(tmp_path / "a.idx")
        assert colleague.data_files == []
