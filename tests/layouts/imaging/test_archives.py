"""Archives of images: read once, stored by selection, read again by range, streamed without being kept."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import decnef_data
from decnef_data import (
    AccessError,
    DecnefDataWarning,
    FormatError,
    IntegrityError,
    MirrorError,
    SelectionError,
)
from decnef_data.layouts.imaging.images.scan_cache import ScanCache
from decnef_data.mirrors import Credentials, connect
from decnef_data.model import Holding, Mirror
from decnef_data.phantom import imaging_files as phantom
from decnef_data.phantom import write_imaging_phantom
from decnef_data.records import Records
from decnef_data.stores import scan_store
from decnef_data.transfer.stream import HashingSource, RemoteSource
from tests import trees
from tests.command import run
from tests.servers import faults
from tests.servers.links import LinkServer
from tests.servers.synapse import SynapseServer, project

pytestmark = pytest.mark.usefixtures("cache")

ROOT = Path(__file__).parents[3]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return trees.srpbs_open(tmp_path / "tree")


def packed(tree: Path, path: Path, *, last: str = "", kind: str = "w:gz") -> Path:
    """Pack a tree; what begins with `last` comes at the end."""
    files = sorted((file for file in tree.rglob("*") if file.is_file()), key=str)
    names = [file.relative_to(tree).as_posix() for file in files]
    names.sort(key=lambda name: bool(last) and name.rpartition("/")[2].startswith(last))
    path.parent.mkdir(exist_ok=True)
    with tarfile.open(path, kind) as made:
        for name in names:
            made.add(tree / name, name)
    return path


def packed_in_order(tree: Path, path: Path, order: tuple[str, ...]) -> Path:
    """Pack the files below ``SRPBS_OPEN`` whose paths begin with each of the texts, in that order."""
    files = sorted((file for file in tree.rglob("*") if file.is_file()), key=str)
    names = [file.relative_to(tree).as_posix() for file in files]
    path.parent.mkdir(exist_ok=True)
    with tarfile.open(path, "w:gz") as made:
        for start in order:
            for name in names:
                if name.startswith(f"SRPBS_OPEN/{start}"):
                    made.add(tree / name, name)
    return path


@pytest.fixture
def archive(tree: Path, tmp_path: Path) -> Path:
    return packed(tree, tmp_path / "own" / "SRPBS_OPEN.tar.gz")


@pytest.fixture
def adopted(archive: Path) -> Path:
    decnef_data.adopt("srpbs-open", archive, progress="none")
    return archive


def fetch(**asked: Any) -> xr.DataTree:
    return decnef_data.fetch_dataset("srpbs-open", progress="none", **asked)


def scan_cache_folder(cache: Path) -> Path:
    (found,) = (cache / "stores").glob("*.scans")
    return found


def stored(cache: Path) -> list[str]:
    return sorted(path.name.rpartition("_")[0] for path in scan_cache_folder(cache).glob("*.zarr"))


@pytest.fixture
def expected(tree: Path, tmp_path: Path) -> xr.DataTree:
    """The same images, opened from the folder, in a cache of their own."""
    decnef_data.adopt("srpbs-open", tree, data_dir=tmp_path / "other", progress="none")
    return fetch(data_dir=tmp_path / "other")


def assert_same(found: xr.DataTree, expected: xr.DataTree) -> None:
    assert [node.path for node in found.leaves] == [node.path for node in expected.leaves]
    for one, other in zip(found.leaves, expected.leaves, strict=True):
        left, right = one.to_dataset(), other.to_dataset()
        for name in right.variables:
            assert np.array_equal(
                left[name].to_numpy(), right[name].to_numpy(), equal_nan=left[name].dtype.kind == "f"
            )


class TestFromAnArchive:
    @pytest.mark.parametrize("kind", ["w:gz", "w"])
    def test_it_is_what_the_folder_is(
        self, kind: str, tree: Path, tmp_path: Path, expected: xr.DataTree
    ) -> None:
        name = "SRPBS_OPEN.tar.gz" if kind == "w:gz" else "SRPBS_OPEN.tar"
        decnef_data.adopt("srpbs-open", packed(tree, tmp_path / "own" / name, kind=kind), progress="none")
        assert_same(fetch(), expected)

    def test_only_what_is_selected_is_stored(self, adopted: Path, cache: Path) -> None:
        fetch(subjects=["sub-0002"], modalities=["bold"])
        assert stored(cache) == ["sub-0002_bold"]
        fetch(sites=["KUT"], modalities="t1w")
        assert stored(cache) == ["sub-0002_bold", "sub-0007_t1w", "sub-0008_t1w"]

    @pytest.mark.parametrize(
        "asked", [{"sites": ["COI"]}, {"diagnoses": "MDD"}, {"subjects": "sub-0007"}, {"group": "KUT/bold"}]
    )
    @pytest.mark.parametrize("last", ["", "participants"])
    def test_wherever_the_table_is_the_selection_is_the_same(
        self, asked: dict[str, Any], last: str, tree: Path, tmp_path: Path, cache: Path
    ) -> None:
        decnef_data.adopt("srpbs-open", packed(tree, tmp_path / "own/a.tar.gz", last=last), progress="none")
        fetch(**asked)
        people = {"sites": (1, 2, 3), "diagnoses": (2, 3), "subjects": (7,), "group": (7,)}[next(iter(asked))]
        kinds = ("bold",) if "group" in asked else ("bold", "t1w")
        assert stored(cache) == [f"sub-000{number}_{kind}" for number in people for kind in kinds]

    @pytest.mark.parametrize("order", [("participants", "data", "sup2"), ("sup2", "participants", "data")])
    def test_wherever_a_supplement_is_the_selection_is_the_same(
        self, order: tuple[str, ...], tree: Path, tmp_path: Path, cache: Path
    ) -> None:
        own = packed_in_order(tree, tmp_path / "own/a.tar.gz", order)
        decnef_data.adopt("srpbs-open", own, progress="none")
        with pytest.warns(DecnefDataWarning) as caught:
            fetch(where={"sup2_bdi_ii": (20, None)})
        assert [str(warning.message) for warning in caught] == [
            "'srpbs-open': 4 participants who may match have no sup2_bdi_ii."
        ]
        assert stored(cache) == ["sub-0002_bold", "sub-0002_t1w"]

    @pytest.mark.parametrize(
        ("asked", "expected"),
        [
            ({"n_subjects": 2}, ["sub-0003_bold", "sub-0003_t1w", "sub-0008_t1w"]),
            # The tables do not tell that sub-0008 has no run.
            ({"n_subjects": 2, "modalities": "bold"}, ["sub-0003_bold", "sub-0007_bold"]),
            (
                {"n_subjects": 1, "where": {"n_volumes": 4}, "group": "coi/bold"},
                ["sub-0001_bold", "sub-0003_bold"],
            ),
            (
                {"where": {"n_volumes": 3}, "modalities": "bold"},
                [f"sub-000{number}_bold" for number in (1, 2, 3, 7)],
            ),
        ],
    )
    def test_a_sample_is_stored_as_far_as_the_tables_tell(
        self, asked: dict[str, Any], expected: list[str], tree: Path, tmp_path: Path, cache: Path
    ) -> None:
        own = packed_in_order(tree, tmp_path / "own/a.tar.gz", ("participants", "sup2", "data"))
        decnef_data.adopt("srpbs-open", own, progress="none")
        fetch(**asked)
        assert stored(cache) == expected

    def test_an_unknown_subject_is_an_error_before_the_images_are_read(
        self, tree: Path, tmp_path: Path, cache: Path
    ) -> None:
        own = packed_in_order(tree, tmp_path / "own/a.tar.gz", ("participants", "data"))
        decnef_data.adopt("srpbs-open", own, progress="none")
        with pytest.raises(SelectionError, match=r"^There is no subject 'sub-9'"):
            fetch(subjects="sub-9")
        assert not list((cache / "stores").glob("*.scans/inventory"))

    def test_an_archive_that_changed_is_noticed_by_its_sums(self, tree: Path, tmp_path: Path) -> None:
        own = packed(tree, tmp_path / "own" / "SRPBS_OPEN.tar", kind="w")
        decnef_data.adopt("srpbs-open", own, progress="none")
        fetch(subjects="sub-0001")
        before = own.stat()
        content = bytearray(own.read_bytes())
        place = content.index(b"sub-0008/t1/defaced_mprage.nii") // 512 * 512 + 512 + 400
        content[place] ^= 1
        own.write_bytes(content)
        os.utime(own, ns=(before.st_atime_ns, before.st_mtime_ns))  # as a failing disk does it
        with pytest.raises(IntegrityError) as caught:
            fetch(subjects="sub-0008")
        assert str(caught.value) == (
            "'SRPBS_OPEN/data/sub-0008/t1/defaced_mprage.nii' in 'SRPBS_OPEN.tar' has changed since the archive was "
            "indexed. Check the archive with `decnef_data.verify(NAME, deep=True)`, then download or adopt it again."
        )

    def test_a_volume_of_another_run_is_named(self, tree: Path, tmp_path: Path, cache: Path) -> None:
        wrong = trees.image(trees.voxels(1, trees.SHAPE))
        wrong.header["scl_slope"], wrong.header["scl_inter"], wrong.header["vox_offset"] = 2, 0, 352
        volume = tree / "SRPBS_OPEN/data/sub-0001/rsfmri/vol_0002"
        volume.write_bytes(bytes(wrong.header.binaryblock) + bytes(4) + volume.read_bytes()[352:])
        decnef_data.adopt("srpbs-open", packed(tree, tmp_path / "own/a.tar.gz"), progress="none")
        said = (
            "'SRPBS_OPEN/data/sub-0001/rsfmri/vol_0002' does not belong to its run: its slope differs from that of "
            "'SRPBS_OPEN/data/sub-0001/rsfmri/vol_0000'. Download it again, or omit the scan with strict=False (in a folder, after `decnef_data.verify(NAME, deep=True)`)."
        )
        with pytest.raises(FormatError) as caught:
            fetch(sites="COI")
        assert str(caught.value) == said
        with pytest.warns(DecnefDataWarning, match="vol_0002' does not belong to its run"):
            found = fetch(sites="COI", strict=False)
        assert found["COI/bold"]["subject"].to_numpy().tolist() == ["sub-0002"]

    def test_files_that_lie_scattered_are_found_together(
        self, tree: Path, tmp_path: Path, expected: xr.DataTree
    ) -> None:
        path = tmp_path / "own" / "a.tar.gz"
        path.parent.mkdir()
        files = sorted(
            (file for file in tree.rglob("*") if file.is_file()), key=lambda file: (file.name, str(file))
        )
        with tarfile.open(path, "w:gz") as made:
            for file in files:
                made.add(file, file.relative_to(tree).as_posix())
        decnef_data.adopt("srpbs-open", path, progress="none")
        assert_same(fetch(), expected)

    def test_people_of_an_archive(self, adopted: Path, cache: Path) -> None:
        people = decnef_data.participants("srpbs-open", progress="none")
        assert people["subject"].tolist() == [f"sub-000{number}" for number in (1, 2, 3, 7, 8)]
        assert people["bold"].tolist() == [1, 1, 1, 1, 0]
        assert stored(cache) == []

    def test_original_files_come_back_bit_for_bit(self, adopted: Path, tree: Path, tmp_path: Path) -> None:
        decnef_data.export_nifti(
            "srpbs-open", tmp_path / "out", original=True, progress="none", i_may_share=True
        )
        for path in (tree / "SRPBS_OPEN/data").rglob("*"):
            if path.is_file() and path.name != ".DS_Store":
                assert (tmp_path / "out" / path.relative_to(tree)).read_bytes() == path.read_bytes()

    def test_everything_is_for_the_user_alone(self, adopted: Path, cache: Path) -> None:
        fetch()
        for path in cache.rglob("*"):
            assert path.stat().st_mode & 0o077 == 0, path

    def test_opening_reads_no_image(self, adopted: Path, cache: Path) -> None:
        fetch()
        for path in scan_cache_folder(cache).glob("*.zarr/*/c.*.0.0"):
            path.write_bytes(bytes(path.stat().st_size))
        opened = fetch()
        with pytest.raises(IntegrityError):
            opened["COI/bold"]["bold"][0].to_numpy()
        assert fetch()["COI/bold"]["bold"][0].to_numpy().any()

    def test_a_zip_says_what_to_do(self, tmp_path: Path) -> None:
        own = tmp_path / "SRPBS_OPEN.zip"
        shutil.make_archive(str(own.with_suffix("")), "zip", trees.srpbs_open(tmp_path / "z"))
        with pytest.raises(FormatError) as caught:
            decnef_data.adopt("srpbs-open", own, progress="none")
        assert str(caught.value) == (
            f"'{own}' is a zip, and images are read only from folders, tar and tar.gz archives. "
            "Unpack it with `unzip SRPBS_OPEN.zip`, then run `decnef_data.adopt('srpbs-open', PATH)` "
            "with the path of the folder."
        )

    def test_hard_links_have_the_image_that_they_lead_to(
        self, tree: Path, tmp_path: Path, cache: Path
    ) -> None:
        images = sorted((tree / "SRPBS_OPEN/data").glob("sub-*/t1/*.nii"))
        images[1].unlink()
        images[1].hardlink_to(images[0])
        path = tmp_path / "own" / "a.tar.gz"
        path.parent.mkdir()
        with tarfile.open(path, "w:gz") as made:
            made.add(tree / "SRPBS_OPEN", "SRPBS_OPEN")
            assert any(info.islnk() for info in made.getmembers())
        decnef_data.adopt("srpbs-open", path, progress="none")
        first, second = (image.parts[-3] for image in images[:2])
        # First all scans, while the archive is read; then from the index that was built.
        for _ in range(2):
            with pytest.warns(DecnefDataWarning, match="are equal"):
                found = fetch(subjects=[first, second], strict=False)
            read = {
                str(subject): leaf["t1w"][scan].to_numpy()
                for leaf in found.leaves
                if "t1w" in leaf
                for scan, subject in enumerate(leaf["subject"].to_numpy())
            }
            assert read.keys() == {first, second}
            assert np.array_equal(read[first], read[second])
            for store in scan_cache_folder(cache).glob("*.zarr"):
                shutil.rmtree(store)


LINK = "DECNEF_ATR_LINK_SRPBS_OPEN"
GONE = "files/srpbs-open/SRPBS_OPEN.tar.gz"


@pytest.fixture
def links(archive: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LinkServer]:
    with LinkServer() as server:
        monkeypatch.setenv(LINK, server.link(archive))
        yield server


def passing(**asked: Any) -> xr.DataTree:
    return fetch(keep_archive=False, accept_terms=True, mirror="atr", **asked)


KILLED = """
import sys
sys.path.insert(0, sys.argv[1])
import decnef_data
from decnef_data import archive_evidence
archive_evidence.SIZE_FACTOR = 10**9  # the archive of the test is far smaller than that of the catalog
decnef_data.fetch_dataset("srpbs-open", progress="none", keep_archive=sys.argv[2] == "keep", accept_terms=True)
"""


class TestEveryPhantom:
    """The phantoms, packed as the releases are, are what their folders are."""

    @pytest.mark.parametrize(
        ("dataset", "form"),
        [
            ("srpbs-open", "bids"),
            ("srpbs-1600", "bids"),
            pytest.param("srpbs-ts", "bids", marks=pytest.mark.slow),
            pytest.param("srpbs-ts", "flat", marks=pytest.mark.slow),
        ],
    )
    def test_an_archive_is_what_the_folder_is(self, dataset: str, form: str, tmp_path: Path) -> None:
        tree = write_imaging_phantom(dataset, tmp_path / "tree", n_subjects=3, variant=form)
        top = dataset.upper().replace("-", "_")
        archive = packed(tree, tmp_path / "own" / f"{top}.tar.gz", last="participants")
        decnef_data.adopt(dataset, tree, data_dir=tmp_path / "other", progress="none")
        decnef_data.adopt(dataset, archive, progress="none")
        found = decnef_data.fetch_dataset(dataset, progress="none")
        assert_same(found, decnef_data.fetch_dataset(dataset, data_dir=tmp_path / "other", progress="none"))
        assert found.attrs["synthetic"] == 1
        decnef_data.export_nifti(dataset, tmp_path / "out", original=True, progress="none", i_may_share=True)
        for path in tree.rglob("*.nii*"):
            assert (tmp_path / "out" / path.relative_to(tree)).read_bytes() == path.read_bytes()
        assert all(finding for finding in decnef_data.doctor(dataset).findings)


class TestSharedAndTogether:
    """A cache that others keep, and processes that do the same at once."""

    def test_a_shared_shelf_is_used_in_place(
        self, links: LinkServer, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        passing(subjects="sub-0001", data_dir=tmp_path / "shared")
        before = sorted(path for path in (tmp_path / "shared").rglob("*") if path.is_file())
        monkeypatch.setenv("DECNEF_SHARED_DATA_DIR", str(tmp_path / "shared"))
        found = fetch(subjects="sub-0001", download=False)
        assert np.array_equal(
            found["COI/bold"]["bold"][0].to_numpy().T, trees.voxels(1, (*trees.SHAPE, trees.VOLUMES[1]))
        )
        assert not list(cache.glob("stores/*"))
        passing(subjects="sub-0002")
        assert stored(cache) == ["sub-0002_bold", "sub-0002_t1w"]
        assert fetch(subjects=["sub-0001", "sub-0002"], download=False)["COI/bold"].sizes["scan"] == 2
        assert sorted(path for path in (tmp_path / "shared").rglob("*") if path.is_file()) == before

    @pytest.mark.slow
    def test_four_at_once_end_with_the_same(
        self, links: LinkServer, cache: Path, expected: xr.DataTree
    ) -> None:
        command = [sys.executable, "-c", KILLED, str(ROOT), "pass"]
        processes = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(4)]
        for process in processes:
            _, said = process.communicate(timeout=120)
            assert process.returncode == 0, said.decode()
        assert_same(fetch(download=False), expected)
        assert len(list((cache / "stores").iterdir())) == 1

    def test_a_shelf_takes_over_what_another_lacks(
        self, links: LinkServer, cache: Path, tmp_path: Path
    ) -> None:
        passing(subjects="sub-0001")
        passing(subjects="sub-0002", data_dir=tmp_path / "other")
        own, other = ScanCache(scan_cache_folder(cache)), ScanCache(scan_cache_folder(tmp_path / "other"))
        (own.folder / "inventory").unlink()
        own.move_from(other)
        assert stored(cache) == ["sub-0001_bold", "sub-0001_t1w", "sub-0002_bold", "sub-0002_t1w"]
        assert own.load_inventory() is not None
        assert own.load_index() is not None

    def test_a_mirror_that_has_it_no_more(
        self, links: LinkServer, archive: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        passing(subjects="sub-0001")
        monkeypatch.delenv(LINK)
        with pytest.raises(AccessError) as caught:
            fetch(subjects="sub-0002", accept_terms=True)
        assert str(caught.value) == (
            "No accessible mirror has the archive that the scans of 'srpbs-open' were extracted from. "
            "Run `decnef_data.access('srpbs-open')` to see what each mirror requires, or `decnef_data.clear_cache('srpbs-open')` "
            "to start again."
        )
        monkeypatch.setenv(LINK, links.link(archive.read_bytes() + bytes(9), name="SRPBS_OPEN.tar.gz"))
        with pytest.raises(AccessError, match=r"^No accessible mirror has the archive"):
            fetch(subjects="sub-0002", accept_terms=True)
        monkeypatch.setenv(LINK, "https://127.0.0.1:9/SRPBS_OPEN.tar.gz")
        with pytest.raises(MirrorError, match=r"^'https://127\.0\.0\.1:9' could not be reached"):
            fetch(subjects="sub-0002", accept_terms=True)


class TestFilesOfAMirror:
    """A mirror that has the files one by one."""

    @pytest.fixture
    def synapse(self, tree: Path) -> Iterator[SynapseServer]:
        title = "SRPBS Multi-disorder MRI Dataset (unrestricted)"
        with SynapseServer(project(title, tree)) as server:
            server.config(Path.home() / ".synapseConfig", server.token)
            yield server

    def test_only_those_selected_come(
        self, synapse: SynapseServer, cache: Path, expected: xr.DataTree
    ) -> None:
        found = fetch(sites="KUT", modalities="t1w", accept_terms=True)
        assert found["KUT/t1w"]["subject"].to_numpy().tolist() == ["sub-0007", "sub-0008"]
        images = [
            path.name for path in (cache / "files").rglob("*") if path.is_file() and "data" in path.parts
        ]
        assert images == ["defaced_mprage.nii"] * 2
        issued = len(synapse.issued)
        fetch(sites="KUT", modalities="t1w")
        assert len(synapse.issued) == issued
        more = fetch(subjects="sub-0007", accept_terms=True)
        assert sorted(node.path for node in more.leaves) == ["/KUT/bold", "/KUT/t1w"]
        assert_same(fetch(accept_terms=True), expected)

    @pytest.mark.parametrize("earlier", [(), ("sub-0001", "sub-0002")])
    @pytest.mark.parametrize(
        ("asked", "expected"),
        [
            ({"n_subjects": 2, "modalities": "t1w"}, [3, 8]),
            ({"n_subjects": 2, "modalities": "bold"}, [3, 7]),
            ({"n_subjects": 1, "modalities": "bold", "stratify": "site"}, [3]),
            ({"n_subjects": 1, "group": "COI/bold"}, [1]),
            ({"n_subjects": 1, "where": {"n_volumes": 4}, "modalities": "bold"}, [7]),
        ],
    )
    def test_a_sample_is_the_same_whatever_was_downloaded_before(
        self, synapse: SynapseServer, earlier: tuple[str, ...], asked: dict[str, Any], expected: list[int]
    ) -> None:
        if earlier:
            fetch(subjects=earlier, accept_terms=True)
        found = fetch(**asked, accept_terms=True)
        parts = [node.to_dataset() for node in found.leaves] if isinstance(found, xr.DataTree) else [found]
        subjects = {subject for part in parts for subject in part["subject"].to_numpy().tolist()}
        assert subjects == {f"sub-000{number}" for number in expected}

    def test_what_is_not_here_is_said(self, synapse: SynapseServer) -> None:
        fetch(subjects="sub-0008", accept_terms=True)
        with pytest.raises(SelectionError, match=r"^There is no complete local copy of 'srpbs-open'"):
            fetch(subjects="sub-0001", download=False)
        assert fetch(subjects="sub-0008", download=False)["KUT/t1w"].sizes["scan"] == 1

    def test_what_a_shared_cache_lacks_is_said_and_downloaded(
        self, synapse: SynapseServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expected: xr.DataTree
    ) -> None:
        shared = tmp_path / "shared"
        fetch(subjects="sub-0008", accept_terms=True, data_dir=shared)
        before = sorted(path for path in shared.rglob("*") if path.is_file())
        monkeypatch.setenv("DECNEF_SHARED_DATA_DIR", str(shared))
        issued = len(synapse.issued)
        assert fetch(subjects="sub-0008", download=False)["KUT/t1w"].sizes["scan"] == 1
        assert len(synapse.issued) == issued
        with pytest.raises(SelectionError, match=r"^There is no complete local copy of 'srpbs-open'"):
            fetch(download=False)
        fetch(subjects="sub-0001", accept_terms=True)
        assert fetch(subjects="sub-0001", download=False)["COI/t1w"].sizes["scan"] == 1
        assert_same(fetch(accept_terms=True), expected)
        assert sorted(path for path in shared.rglob("*") if path.is_file()) == before

    def test_a_damaged_listing_is_made_again(
        self, synapse: SynapseServer, cache: Path, expected: xr.DataTree
    ) -> None:
        fetch(subjects="sub-0008", accept_terms=True)
        (cache / "receipts/srpbs-open/synapse.listing").write_bytes(b'["SRPBS_OPEN/part')
        with pytest.raises(SelectionError, match=r"^There is no complete local copy of 'srpbs-open'"):
            fetch(subjects="sub-0001", download=False)
        assert_same(fetch(accept_terms=True), expected)


class TestAsItComes:
    """``keep_archive=False``: the archive passes, the scans stay."""

    def test_it_is_what_the_folder_is_and_nothing_else_is_kept(
        self, links: LinkServer, cache: Path, expected: xr.DataTree
    ) -> None:
        assert_same(passing(), expected)
        assert not (cache / GONE).exists()
        assert not list((cache / "stores").glob(".staging-*"))
        assert_same(fetch(download=False), expected)

    def test_what_is_missing_comes_by_ranges(self, links: LinkServer, cache: Path) -> None:
        passing(subjects="sub-0001")
        asked = len(links.requests)
        passing(subjects="sub-0002")
        assert stored(cache) == ["sub-0001_bold", "sub-0001_t1w", "sub-0002_bold", "sub-0002_t1w"]
        assert not (cache / GONE).exists()
        assert len(links.requests) > asked

    def test_what_is_missing_is_said_where_nothing_may_be_downloaded(self, links: LinkServer) -> None:
        passing(subjects="sub-0001")
        assert fetch(subjects="sub-0001", download=False)["COI/bold"].sizes["scan"] == 1
        with pytest.raises(SelectionError) as caught:
            fetch(subjects="sub-0002", download=False)
        assert str(caught.value) == (
            "Part of the selection from 'srpbs-open' is not available locally, and its archive was not kept. "
            "Allow downloading, or select only data that are available locally."
        )

    def test_an_archive_that_is_damaged_leaves_nothing(
        self, archive: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        content = bytearray(archive.read_bytes())
        content[len(content) // 2] ^= 1
        with LinkServer() as server:
            monkeypatch.setenv(LINK, server.link(bytes(content), name="SRPBS_OPEN.tar.gz"))
            with pytest.raises(IntegrityError) as caught:
                passing()
        assert str(caught.value).startswith("'SRPBS_OPEN.tar.gz' is damaged or truncated: ")
        assert not [path for path in cache.rglob("*") if path.is_file() and path.suffix != ".lock"]

    def test_a_dropped_connection_is_resumed(self, links: LinkServer, expected: xr.DataTree) -> None:
        links.faults.add(faults.drop(5000))
        assert_same(passing(), expected)

    def test_wrong_bytes_are_known_by_the_checksum_that_is_stated(
        self, links: LinkServer, archive: Path
    ) -> None:
        holding = Holding(dataset="srpbs-open", checksum=f"md5:{'0' * 32}")
        mirror = Mirror(name="atr", title="ATR", protocol="https", order=1, holdings=(holding,))
        remote = connect(mirror, Credentials(Path("config")))
        (file,) = remote.find(Records.load().dataset("srpbs-open"))
        passing_by = HashingSource(RemoteSource(remote, file))
        with passing_by.open() as pieces:
            assert b"".join(pieces) == archive.read_bytes()
        with pytest.raises(IntegrityError) as caught:
            passing_by.verify()
        with passing_by.open(10, 20) as pieces:  # once it was hashed, parts of it can be read again
            assert b"".join(pieces) == archive.read_bytes()[10:20]
        found = hashlib.md5(archive.read_bytes()).hexdigest()
        assert str(caught.value) == (
            f"The download of 'SRPBS_OPEN.tar.gz' failed verification: expected md5:{'0' * 32}, received md5:{found}. "
            "It was discarded; try again, or use another mirror."
        )
        with (
            pytest.raises(ValueError, match=r"^A source that is hashed must be read from start to end\.$"),
            HashingSource(RemoteSource(remote, file)).open(1),
        ):
            pass

    def test_a_file_that_changed_meanwhile_is_told(
        self, links: LinkServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        mirror = Mirror(
            name="atr", title="ATR", protocol="https", order=1, holdings=(Holding(dataset="srpbs-open"),)
        )
        remote = connect(mirror, Credentials(Path("config")))
        (file,) = remote.find(Records.load().dataset("srpbs-open"))
        monkeypatch.setenv(LINK, links.link(bytes(5000), name="SRPBS_OPEN.tar.gz"))
        with (
            pytest.raises(IntegrityError, match=r"^'SRPBS_OPEN\.tar\.gz' has changed at 'atr'"),
            RemoteSource(remote, file).open(10, 20) as pieces,
        ):
            list(pieces)

    def test_terms_come_first(self, links: LinkServer) -> None:
        with pytest.raises(AccessError, match=r"^The terms of 'srpbs-open' have not been accepted yet"):
            fetch(keep_archive=False, mirror="atr")

    def test_on_the_command_line(self, links: LinkServer, cache: Path) -> None:
        done = run(
            "download", "srpbs-open", "--site", "COI", "--subject", "sub-0002", "--modality", "bold",
            "--no-keep-archive", "--accept-terms", "--quiet",
        )  # fmt: skip
        assert (done.code, done.out.strip()) == (0, str(scan_cache_folder(cache)))
        assert stored(cache) == ["sub-0002_bold"]

    def test_the_cost_is_said_before_and_after(self, links: LinkServer, archive: Path) -> None:
        before = decnef_data.plan("srpbs-open", mirror="atr", keep_archive=False)
        size = archive.stat().st_size
        assert (before.download_size, before.required_disk, before.store_exists) == (size, size, False)
        assert before.estimated
        some = decnef_data.plan("srpbs-open", mirror="atr", keep_archive=False, subjects=("a", "b"))
        assert (some.download_size, some.store_size) == (size, -(-size * 2 // 1410))
        shown = run("plan", "srpbs-open", "--mirror", "atr", "--no-keep-archive").out
        assert "at most about" in shown
        assert "exactly known once the archive is read" in " ".join(shown.split())
        passing(subjects="sub-0001")
        here = decnef_data.plan("srpbs-open", subjects="sub-0001", keep_archive=False)
        assert (here.download_size, here.required_disk, here.store_exists, here.estimated) == (
            0,
            0,
            True,
            False,
        )
        assert [planned.file.size for planned in here.files] == [0]
        more = decnef_data.plan("srpbs-open", subjects="sub-0003", keep_archive=False)
        images = 3 * (352 + 5 * 4 * 3 * 2) + 352 + 6 * 5 * 4 * 2
        assert (more.download_size, more.required_disk, more.store_exists) == (
            archive.stat().st_size,
            images,
            False,
        )
        shown = run("download", "srpbs-open", "--subject", "sub-0003", "--no-keep-archive", "--dry-run").out
        assert "at 2 MB/s" in shown

    def test_all_of_it_is_listed_verified_and_purged(self, links: LinkServer, cache: Path) -> None:
        passing(subjects="sub-0001")
        (entry,) = [entry for entry in decnef_data.cache().entries if entry.kind == "store"]
        assert (entry.dataset, entry.path) == ("srpbs-open", scan_cache_folder(cache))
        assert decnef_data.verify("srpbs-open", deep=True).complete
        (chunk,) = scan_cache_folder(cache).glob("sub-0001_t1w_*/t1w/c.0.0.0")
        chunk.write_bytes(chunk.read_bytes()[:-1] + b"x")
        assert not decnef_data.verify("srpbs-open", deep=True).complete
        removed = decnef_data.purge("srpbs-open").removed
        assert {item.kind for item in removed} >= {"scans", "receipt"}
        assert not [path for path in cache.rglob("*") if path.is_file() and "clients" not in path.parts]

    def test_clearing_removes_the_scans(self, links: LinkServer, cache: Path) -> None:
        passing(subjects="sub-0001")
        run("cache", "clear", "srpbs-open", "--yes")
        assert not list((cache / "stores").glob("*.scans"))


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of a phantom of the real matrices, of two people, which tests only read."""
    path = tmp_path_factory.mktemp("full") / "SRPBS_OPEN.tar.gz"
    phantom.write_tar_gz(
        path, phantom.generate_files("srpbs-open", phantom.PhantomSize(2, full_size=True)), level=1
    )
    return path


def elsewhere(archive: Path, cache: Path) -> xr.DataTree:
    """Open an archive in another cache, undisturbed."""
    decnef_data.adopt("srpbs-open", archive, data_dir=cache, progress="none")
    return fetch(data_dir=cache)


def whole_stores(cache: Path) -> int:
    """Count the stores that can be seen, each of which has to be whole."""
    found = list(cache.glob("stores/*.scans/*.zarr"))
    assert all(check.state == "intact" for path in found for check in scan_store.check(path, deep=True))
    return len(found)


@pytest.mark.slow
class TestKilled:
    """A process that is killed while it ingests leaves nothing partial to be seen."""

    @pytest.mark.parametrize("keep", ["keep", "pass"])
    def test_at_random_moments(
        self, keep: str, full: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with LinkServer(rate=None if keep == "keep" else 4e7) as server:
            if keep == "keep":
                decnef_data.adopt("srpbs-open", full, progress="none")
            else:
                monkeypatch.setenv(LINK, server.link(full))
            began = time.monotonic()
            reference = elsewhere(full, tmp_path / "reference")
            lasted = time.monotonic() - began
            counts = []
            for at in range(6):
                command = [sys.executable, "-c", KILLED, str(ROOT), keep]
                process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                time.sleep(1.0 + lasted * at / 6)
                process.send_signal(signal.SIGKILL)
                assert process.wait() in {-signal.SIGKILL, 0}
                counts.append(whole_stores(cache))
            if keep == "keep":
                assert counts == sorted(counts)
            assert_same(fetch(accept_terms=True, keep_archive=keep == "keep"), reference)
        assert not list((cache / "stores").glob("**/.staging-*"))

    def test_another_selection_asks_for_no_more_than_its_ranges(
        self, full: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        size = full.stat().st_size
        with LinkServer() as server:
            monkeypatch.setenv(LINK, server.link(full))
            second, first = sorted(phantom_people(full))  # the second has a T1 image alone
            passing(subjects=first)
            held = sum(path.stat().st_size for path in cache.rglob("*") if path.is_file())
            stores = sum(path.stat().st_size for path in cache.rglob("*.zarr/**/*") if path.is_file())
            assert held < stores + (64 << 20)
            before = server.sent
            passing(subjects=second)
            sent = server.sent - before
        # The index says where the image lies; the rest of the archive stays where it is.
        assert 0 < sent < size * 0.8


def phantom_people(archive: Path) -> set[str]:
    """Give the people of whom an archive has images."""
    with tarfile.open(archive) as opened:
        names = (name.split("/") for name in opened.getnames() if "/data/" in name)
        return {parts[2] for parts in names}
