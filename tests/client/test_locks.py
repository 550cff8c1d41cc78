"""Locks of what is here, and requests that a lock binds: the same bytes, or the difference by name."""

import hashlib
import os
import shutil
from dataclasses import replace
from html import escape
from pathlib import Path

import msgspec
import pytest
import xarray as xr

import decnef_data
from decnef_data import DecnefDataWarning, FetchError, IntegrityError, SelectionError
from decnef_data.client import locks
from decnef_data.file_cache import FileCache
from decnef_data.lockfile import compare_locks
from decnef_data.model import (
    Condition,
    LocalCopy,
    Lock,
    Requirement,
    SelectionFields,
    UsePolicy,
    VerifiedFile,
    strictest,
)
from decnef_data.model.data_use import NO_SOURCE
from decnef_data.records import Records, use_policy
from decnef_data.transfer import DatasetLocation
from tests import small
from tests.command import run
from tests.servers.links import LinkServer
from tests.servers.synapse import SynapseServer, project

pytestmark = pytest.mark.usefixtures("cache")

TITLE = "SRPBS Multi-disorder Connectivity Dataset"


def fetched(**changes: object) -> Path:
    return decnef_data.download("srpbs-fc", **{"accept_terms": True, "progress": "none", **changes})  # type: ignore[arg-type]


def locked(**changes: object) -> Lock:
    return decnef_data.lock("srpbs-fc", **{"progress": "none", **changes})  # type: ignore[arg-type]


def kept(stated: Lock, place: Path) -> Path:
    place.write_text(decnef_data.lock_text(stated), encoding="utf-8")
    return place


def other_bytes(stated: Lock) -> Lock:
    (file,) = stated.files
    sums = tuple(f"{total[:-4]}{'0000' if total[-4:] != '0000' else '1111'}" for total in file.checksums)
    return msgspec.structs.replace(stated, files=(msgspec.structs.replace(file, checksums=sums),))


def larger(stated: Lock) -> Lock:
    (file,) = stated.files
    return msgspec.structs.replace(stated, files=(msgspec.structs.replace(file, size=file.size + 1),))


class TestLocks:
    def test_names_every_file_by_size_and_two_checksums(self, links: LinkServer) -> None:
        path = fetched()
        (file,) = locked().files
        data = path.read_bytes()
        assert (file.path, file.size) == ("SRPBS_FC.zip", len(data))
        md5, sha256 = hashlib.md5(data).hexdigest(), hashlib.sha256(data).hexdigest()
        assert file.checksums == (f"md5:{md5}", f"sha256:{sha256}")

    def test_does_not_depend_on_the_mirror(
        self, links: LinkServer, synapse: SynapseServer, archive: Path, tmp_path: Path
    ) -> None:
        texts = set()
        for mirror in ("atr", "synapse"):
            fetched(mirror=mirror, data_dir=tmp_path / mirror)
            texts.add(decnef_data.lock_text(locked(data_dir=tmp_path / mirror)))
        decnef_data.adopt("srpbs-fc", archive, progress="none")
        texts.add(decnef_data.lock_text(locked()))
        assert len(texts) == 1

    def test_a_second_lock_reads_no_file(self, links: LinkServer, monkeypatch: pytest.MonkeyPatch) -> None:
        fetched()
        first = locked()
        monkeypatch.setattr(hashlib, "new", None)
        assert locked() == first
        assert decnef_data.verify("srpbs-fc").complete

    def test_of_a_copy_whose_files_were_dropped(self, links: LinkServer) -> None:
        decnef_data.fetch_dataset("srpbs-fc", accept_terms=True, keep_archive=False, progress="none")
        (file,) = locked().files
        assert [total.partition(":")[0] for total in file.checksums] == ["sha256"]

    def test_a_file_that_changed_behind_its_receipt(self, links: LinkServer) -> None:
        path = fetched()
        stat = path.stat()
        data = bytearray(path.read_bytes())
        data[0] ^= 1
        path.write_bytes(data)
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        with pytest.raises(IntegrityError) as raised:
            locked()
        assert str(raised.value).startswith(f"'{path}' has changed since it was verified: expected sha256:")

    def test_of_nothing(self, cache: Path) -> None:
        with pytest.raises(SelectionError) as raised:
            locked()
        assert str(raised.value) == (
            "There is no complete local copy of 'srpbs-fc' to lock. Run `decnef_data.download('srpbs-fc')` first."
        )

    def test_of_a_folder_whose_images_are_only_listed_says_so(self, tmp_path: Path) -> None:
        dataset = decnef_data.catalog().dataset("srpbs-open")
        listed = msgspec.structs.replace(dataset, hash_patterns=("*.tsv",))
        terms = Requirement("terms", "met", "")
        files = tuple(
            VerifiedFile(name, tmp_path, 1, (), "folder", has_expected_checksum=False) for name in "ab"
        )
        copy = LocalCopy("srpbs-open", "folder", tmp_path / "own", files)
        with pytest.warns(DecnefDataWarning) as warned:
            locks.warn_about_unhashed_files(
                DatasetLocation(listed, (), FileCache(tmp_path), lambda: terms), copy
            )
        assert str(warned[0].message) == (
            "The lock of 'srpbs-open' contains only the 2 files of your folder that were hashed. "
            "To lock all files, adopt the archive or download the dataset."
        )
        locks.warn_about_unhashed_files(
            DatasetLocation(listed, (), FileCache(tmp_path), lambda: terms), replace(copy, files=files[:1])
        )

    def test_keeps_the_selection_and_a_split(self, links: LinkServer) -> None:
        fetched()
        stated = locked(sites="SWA", group="bal140", split="f00d")
        assert (stated.selection.sites, stated.selection.group, stated.split) == (("SWA",), "bal140", "f00d")
        assert stated.layout.startswith("connectivity ")
        assert stated.software == f"decnef-data {decnef_data.__version__}"


class TestFrozen:
    @pytest.fixture
    def lock(self, archive: Path, tmp_path: Path) -> Lock:
        decnef_data.adopt("srpbs-fc", archive, data_dir=tmp_path / "elsewhere", progress="none")
        return locked(data_dir=tmp_path / "elsewhere")

    @pytest.mark.parametrize("mirror", ["atr", "synapse"])
    def test_a_mirror_with_these_bytes_gives_them(
        self, lock: Lock, links: LinkServer, synapse: SynapseServer, tmp_path: Path, mirror: str
    ) -> None:
        path = fetched(lock=kept(lock, tmp_path / "a.lock"), mirror=mirror)
        assert f"md5:{hashlib.md5(path.read_bytes()).hexdigest()}" in lock.files[0].checksums

    def test_what_is_here_is_not_fetched_again(self, lock: Lock, links: LinkServer, tmp_path: Path) -> None:
        fetched()
        asked = len(links.requests)
        fetched(lock=kept(lock, tmp_path / "a.lock"))
        assert len(links.requests) == asked

    def test_a_mirror_that_states_other_bytes_is_not_even_asked_for_them(
        self, lock: Lock, synapse: SynapseServer, tmp_path: Path
    ) -> None:
        other = other_bytes(lock)
        with pytest.raises(IntegrityError) as raised:
            fetched(lock=kept(other, tmp_path / "a.lock"))
        assert str(raised.value) == (
            f"'SRPBS_FC.zip' in mirror 'synapse' does not match the lock: expected {other.files[0].checksums[0]}, "
            f"found {lock.files[0].checksums[0]}. "
            "Use another mirror or copy, or create a new lock with `decnef_data.lock('srpbs-fc')`."
        )
        assert synapse.issued == []

    def test_a_mirror_that_states_nothing_is_found_out_by_its_bytes(
        self, lock: Lock, links: LinkServer, cache: Path, tmp_path: Path
    ) -> None:
        with pytest.raises(
            IntegrityError, match=r"The download of 'SRPBS_FC\.zip' failed verification: expected sha256:"
        ):
            fetched(lock=kept(other_bytes(lock), tmp_path / "a.lock"))
        assert not (cache / "files/srpbs-fc/SRPBS_FC.zip").exists()

    def test_another_size_is_said_before_a_byte_moves(
        self, lock: Lock, links: LinkServer, tmp_path: Path
    ) -> None:
        size = lock.files[0].size
        with pytest.raises(IntegrityError) as raised:
            fetched(lock=kept(larger(lock), tmp_path / "a.lock"))
        assert str(raised.value) == (
            f"'SRPBS_FC.zip' in mirror 'atr' does not match the lock: expected {size + 1} bytes, "
            f"found {size} bytes. Use another mirror or copy, or create a new lock with `decnef_data.lock('srpbs-fc')`."
        )

    def test_the_next_mirror_is_asked(
        self, lock: Lock, archive: Path, links: LinkServer, tmp_path: Path
    ) -> None:
        changed = small.archive(tmp_path / "changed.zip", {"SRPBS_FC/README.txt": b"another release"})
        with SynapseServer(project(TITLE, changed)) as server:
            server.config(Path.home() / ".synapseConfig", server.token)
            path = fetched(lock=kept(lock, tmp_path / "a.lock"))
        assert path.read_bytes() == archive.read_bytes()

    def test_all_mirrors_differ_and_each_is_heard(
        self, lock: Lock, links: LinkServer, synapse: SynapseServer, tmp_path: Path
    ) -> None:
        with pytest.raises(FetchError) as raised:
            fetched(lock=kept(larger(lock), tmp_path / "a.lock"))
        assert [mirror for _, mirror, _ in raised.value.causes] == ["synapse", "atr"]
        assert raised.value.exit_code == 5

    def test_an_adopted_copy_that_differs_is_named_and_stays_adopted(
        self, lock: Lock, archive: Path, tmp_path: Path
    ) -> None:
        decnef_data.adopt("srpbs-fc", archive, progress="none")
        with pytest.raises(IntegrityError) as raised:
            fetched(lock=kept(larger(lock), tmp_path / "a.lock"))
        assert f"'SRPBS_FC.zip' in your copy in '{archive.parent}' does not match the lock" in str(
            raised.value
        )
        assert decnef_data.download("srpbs-fc", progress="none") == archive

    def test_an_adopted_copy_under_another_name_and_without_a_shared_checksum(
        self, lock: Lock, archive: Path, tmp_path: Path
    ) -> None:
        renamed = archive.rename(archive.with_name("mine.zip"))
        decnef_data.adopt("srpbs-fc", renamed, progress="none")
        (file,) = lock.files
        only_md5 = msgspec.structs.replace(file, checksums=file.checksums[:1])
        stated = msgspec.structs.replace(lock, files=(only_md5,))
        assert fetched(lock=kept(stated, tmp_path / "a.lock")) == renamed

    def test_an_adopted_copy_that_changed_is_to_be_adopted_again(
        self, lock: Lock, archive: Path, tmp_path: Path
    ) -> None:
        decnef_data.adopt("srpbs-fc", archive, progress="none")
        archive.write_bytes(b"no zip")
        with pytest.raises(IntegrityError) as raised:
            fetched(lock=kept(lock, tmp_path / "a.lock"))
        assert str(raised.value) == (
            f"Your copy of 'srpbs-fc' in '{archive.parent}' has changed since it was adopted. "
            "Run `decnef_data.adopt('srpbs-fc', PATH)` again to compare it with the lock."
        )

    def test_an_unpacked_folder_is_not_the_archive(self, lock: Lock, cache: Path, tmp_path: Path) -> None:
        decnef_data.adopt("srpbs-fc", small.folder(tmp_path / "tree"), progress="none")
        with pytest.raises(
            IntegrityError, match=r"The lock lists 'SRPBS_FC\.zip', which is not in your copy"
        ):
            fetched(lock=kept(lock, tmp_path / "a.lock"))

    def test_a_file_too_many(self, cache: Path, tmp_path: Path) -> None:
        tree = small.folder(tmp_path / "tree")
        decnef_data.adopt("srpbs-fc", tree, progress="none")
        stated = kept(locked(), tmp_path / "a.lock")
        assert fetched(lock=stated) == tree
        (tree / "SRPBS_FC" / "more.txt").write_text("more")
        decnef_data.adopt("srpbs-fc", tree, progress="none")
        with pytest.raises(
            IntegrityError, match=r"The lock does not list 'SRPBS_FC/more\.txt', which is in your"
        ):
            fetched(lock=stated)

    def test_without_downloading(self, lock: Lock, links: LinkServer, tmp_path: Path) -> None:
        stated = kept(lock, tmp_path / "a.lock")
        with pytest.raises(SelectionError) as raised:
            decnef_data.fetch_dataset("srpbs-fc", lock=stated, download=False)
        assert str(raised.value) == (
            "There is no local copy of 'srpbs-fc' that matches the lock. "
            "Run `decnef_data.download('srpbs-fc', lock=FILE)`."
        )

    def test_the_selection_is_the_locks(self, lock: Lock, archive: Path, tmp_path: Path) -> None:
        decnef_data.adopt("srpbs-fc", archive, progress="none")
        stated = kept(locked(sites="SWA"), tmp_path / "a.lock")
        tree = decnef_data.fetch_dataset("srpbs-fc", lock=stated, progress="none")
        assert set(tree["bal140"]["site"].to_numpy()) == {"SWA"}
        name = f"a.lock (sha256 {hashlib.sha256(stated.read_bytes()).hexdigest()})"
        assert {node.attrs["lock"] for node in tree.leaves} == {name}
        assert f", with the lock {name}." in tree["bal140"].to_dataset().decnef.describe().methods
        narrower = decnef_data.fetch_dataset("srpbs-fc", group="bal140", diagnoses="ASD", lock=stated)
        assert narrower.sizes["subject"] == 2
        with pytest.raises(SelectionError) as raised:
            decnef_data.fetch_dataset("srpbs-fc", sites="KUT", lock=stated)
        assert str(raised.value) == (
            "The lock is for sites 'SWA', not for 'KUT'. "
            "Omit sites, or create a lock of the selection you want."
        )

    def test_the_names_of_a_lock_may_be_spelled_in_any_way(
        self, lock: Lock, archive: Path, tmp_path: Path
    ) -> None:
        decnef_data.adopt("srpbs-fc", archive, progress="none")
        as_typed = SelectionFields(group="BAL140", sites=("swa",), diagnoses=("Healthy control",))
        stated = kept(msgspec.structs.replace(lock, selection=as_typed), tmp_path / "a.lock")
        tree = decnef_data.fetch_dataset("srpbs-fc", lock=stated, progress="none")
        assert (set(tree["bal140"].site.values), set(tree["bal140"].diagnosis.values)) == ({"SWA"}, {"HC"})
        same = decnef_data.fetch_dataset(
            "srpbs-fc", group="bal140", sites="Swa", lock=stated, progress="none"
        )
        assert same.identical(tree["bal140"].to_dataset())

    @pytest.mark.parametrize(
        ("selection", "message"),
        [
            (
                SelectionFields(n_subjects=-3),
                "n_subjects=-3 is less than 1. Use a whole number such as n_subjects=100.",
            ),
            (
                SelectionFields(where=(Condition(coordinate="age", minimum=9, maximum=3),)),
                "The age range from 9 to 3 is empty. Put the lower age first.",
            ),
        ],
    )
    def test_a_lock_with_a_selection_that_selects_nothing_is_refused(
        self, lock: Lock, tmp_path: Path, selection: SelectionFields, message: str
    ) -> None:
        stated = kept(msgspec.structs.replace(lock, selection=selection), tmp_path / "a.lock")
        with pytest.raises(SelectionError) as raised:
            decnef_data.fetch_dataset("srpbs-fc", lock=stated, progress="none")
        assert str(raised.value) == message

    def test_a_lock_of_something_else(self, lock: Lock, tmp_path: Path) -> None:
        with pytest.raises(SelectionError) as raised:
            decnef_data.download("srpbs-ts", lock=kept(lock, tmp_path / "a.lock"))
        assert str(raised.value) == (
            "The lock is for 'srpbs-fc', not for 'srpbs-ts'. Request 'srpbs-fc' or use another lock."
        )

    def test_data_and_phantom_are_not_mixed(self, lock: Lock, phantom_dir: Path, tmp_path: Path) -> None:
        fetched(mirror="phantom", data_dir=phantom_dir)
        stated = kept(locked(mirror="phantom", data_dir=phantom_dir), tmp_path / "p.lock")
        fetched(lock=stated, mirror="phantom", data_dir=phantom_dir)
        with pytest.raises(SelectionError) as raised:
            fetched(lock=stated)
        assert str(raised.value) == ("The lock is for synthetic data of 'srpbs-fc'. Use mirror 'phantom'.")
        with pytest.raises(SelectionError, match="Use mirror 'auto'"):
            fetched(lock=kept(lock, tmp_path / "a.lock"), mirror="phantom", data_dir=phantom_dir)

    def test_dropped_files_count_through_their_store(
        self, lock: Lock, links: LinkServer, tmp_path: Path
    ) -> None:
        decnef_data.fetch_dataset("srpbs-fc", accept_terms=True, keep_archive=False, progress="none")
        asked, stated = len(links.requests), kept(lock, tmp_path / "a.lock")
        decnef_data.fetch_dataset("srpbs-fc", lock=stated, progress="none")
        assert len(links.requests) == asked


class TestDataUse:
    SECRET = UsePolicy.without_tier("secret")

    @pytest.fixture
    def lock(self, archive: Path) -> Lock:
        decnef_data.adopt("srpbs-fc", archive, progress="none")
        return locked(group="bal140")

    def opened(self, lock: Lock, place: Path) -> xr.Dataset:
        return decnef_data.fetch_dataset(
            "srpbs-fc", group="bal140", lock=kept(lock, place / "a.lock"), progress="none"
        )

    def test_a_lock_and_what_is_opened_with_it_state_it(self, lock: Lock, tmp_path: Path) -> None:
        opened = self.opened(lock, tmp_path)
        assert lock.data_use is not None
        assert UsePolicy.from_json(opened.attrs["data_use"]) == lock.data_use
        assert (opened.attrs["access_level"], lock.data_use.level) == ("restricted", "restricted")
        assert "[data_use]" in (tmp_path / "a.lock").read_text()
        html = lock._repr_html_()  # type: ignore[attr-defined]
        assert all(escape(text) in html for _, text in lock.data_use.describe())

    def test_the_stricter_holds_and_a_warning_says_so(self, lock: Lock, tmp_path: Path) -> None:
        stricter = msgspec.structs.replace(lock, data_use=strictest([policy_of_catalog(), self.SECRET]))
        with pytest.warns(DecnefDataWarning) as caught:
            opened = self.opened(stricter, tmp_path)
        assert [str(each.message) for each in caught] == [
            (
                "The conditions of use of 'srpbs-fc' in the lock differ from those in the catalog (only in the "
                "lock: access restricted, secret, redistribution unknown: no source states it; only in the "
                "catalog: access restricted). The stricter hold."
            )
        ]
        assert UsePolicy.from_json(opened.attrs["data_use"]) == stricter.data_use
        assert opened.attrs["access_level"] == "restricted, secret"

    def test_a_catalog_that_became_stricter_holds_too(
        self, lock: Lock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        looser = msgspec.structs.replace(lock, data_use=NO_SOURCE)
        with pytest.warns(DecnefDataWarning, match="only in the catalog: access restricted, purpose unknown"):
            opened = self.opened(looser, tmp_path)
        assert UsePolicy.from_json(opened.attrs["data_use"]) == policy_of_catalog()

    def test_what_is_downloaded_with_a_lock_has_the_conditions_of_both_beside_it(
        self, lock: Lock, links: LinkServer, tmp_path: Path
    ) -> None:
        stricter = kept(msgspec.structs.replace(lock, data_use=self.SECRET), tmp_path / "a.lock")
        with pytest.warns(DecnefDataWarning, match="only in the lock: access secret"):
            path = fetched(lock=stricter, data_dir=tmp_path / "other", mirror="atr")
        assert "- redistribution: unknown: no source states it" in (path.parent / "TERMS").read_text()

    def test_a_lock_without_it_still_opens(self, lock: Lock, tmp_path: Path) -> None:
        opened = self.opened(msgspec.structs.replace(lock, data_use=None), tmp_path)
        assert UsePolicy.from_json(opened.attrs["data_use"]) == policy_of_catalog()
        assert "data_use" not in (tmp_path / "a.lock").read_text()

    def test_a_difference_of_two_locks_is_no_difference_of_bytes(self, lock: Lock) -> None:
        compared = compare_locks(lock, msgspec.structs.replace(lock, data_use=NO_SOURCE))
        assert {each.what for each in compared} == {"data_use"}
        assert not any(each.bytes_differ for each in compared)
        assert compare_locks(lock, msgspec.structs.replace(lock, data_use=None)) == ()


def policy_of_catalog() -> UsePolicy:
    records = Records.load()
    return use_policy(records, records.dataset("srpbs-fc"))


class TestCommands:
    def test_lock_and_frozen_and_diff(self, links: LinkServer, cache: Path, tmp_path: Path) -> None:
        assert run("download", "srpbs-fc", "--accept-terms", "--quiet").code == 0
        told = run("lock", "srpbs-fc", "--site", "SWA", "--quiet")
        assert (told.code, told.err) == (0, "")
        place = tmp_path / "decnef.lock"
        place.write_text(told.out)
        assert told.out == decnef_data.lock_text(locked(sites="SWA"))
        assert run("lock", "srpbs-fc", "--json", "--quiet").json["size"] == locked().size
        same = run("diff", str(place), "--quiet")
        assert (same.code, same.out, same.err) == (0, "", "")
        assert run("diff", str(place)).err == f"'{place}' and 'srpbs-fc' do not differ.\n"
        shutil.rmtree(cache)
        again = run("download", "srpbs-fc", "--lock", str(place), "--quiet")
        assert again.out == f"{cache}/files/srpbs-fc/SRPBS_FC.zip\n"
        kept(larger(locked()), tmp_path / "other.lock")
        wrong = run(
            "download", "srpbs-fc", "--lock", str(tmp_path / "other.lock"), "--quiet", "--mirror", "atr"
        )
        assert (wrong.code, wrong.out) == (5, "")

    def test_a_difference_ends_with_five_and_says_what_to_do(self, archive: Path, tmp_path: Path) -> None:
        decnef_data.adopt("srpbs-fc", archive, progress="none")
        size = archive.stat().st_size
        place = kept(larger(locked(sites="SWA")), tmp_path / "decnef.lock")
        told = run("diff", str(place), "srpbs-fc")
        assert told.code == 5
        assert [line.rstrip() for line in told.out.splitlines() if str(tmp_path) not in line] == [
            "file SRPBS_FC.zip",
            f"    {size + 1} bytes",
            "  srpbs-fc:",
            f"    {size} bytes",
        ]
        assert told.err == (
            f"error: 1 file differs between '{place}' and 'srpbs-fc'. "
            "Run `decnef download NAME --lock FILE` to download the files of a lock file.\n"
        )
        found = run("diff", str(place), "srpbs-fc", "--json").json
        assert (found["same_bytes"], found["differences"][0]["name"]) == (False, "SRPBS_FC.zip")

    def test_two_locks_that_differ_in_circumstances_only(self, archive: Path, tmp_path: Path) -> None:
        decnef_data.adopt("srpbs-fc", archive, progress="none")
        one = kept(locked(sites="SWA"), tmp_path / "one.lock")
        other = kept(locked(), tmp_path / "other.lock")
        told = run("diff", str(one), str(other))
        assert (told.code, told.err) == (0, "")
        assert [line.strip() for line in told.out.splitlines()[::2]] == ["selection sites", "SWA", "all"]

    def test_neither_a_lock_nor_a_dataset(self, cache: Path) -> None:
        told = run("diff", "no-such-thing.lock")
        assert (told.code, told.out) == (2, "")
