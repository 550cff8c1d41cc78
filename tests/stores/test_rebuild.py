"""Derived stores that were damaged or removed are rebuilt from their source, and that is said."""

import errno
import json
import logging
import os
import shutil
import stat
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import decnef_data
from decnef_data import IntegrityError, SelectionError
from decnef_data.stores import stored_files
from tests import small, trees
from tests.servers.links import LinkServer

pytestmark = pytest.mark.usefixtures("cache")

SUBJECT = "sub-0001"


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    """Change one bit, and the modification time with it, as another program does."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def garble(path: Path) -> None:
    path.write_bytes(b"{" * path.stat().st_size)


def remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


#: What is damaged, in a store that has an array at ``ARRAY``, and how.
Damage = tuple[str, Callable[[Path], object]]
AT_OPENING: dict[str, Damage] = {
    "chunk missing": ("ARRAY/c.0*", remove),
    "chunk truncated": ("ARRAY/c.0*", truncate),
    "chunk empty": ("ARRAY/c.0*", lambda path: path.write_bytes(b"")),
    "manifest missing": ("zarr.json", remove),
    "manifest truncated": ("zarr.json", truncate),
    "manifest garbled": ("zarr.json", garble),
    "manifest with a flipped bit": ("zarr.json", flip),
    "manifest nested": ("zarr.json", lambda path: path.write_bytes(b"[" * 20_000)),
    "metadata missing": ("ARRAY/zarr.json", remove),
    "array missing": ("ARRAY", remove),
    "array replaced by a file": ("ARRAY", lambda path: (remove(path), path.write_text("no folder"))),
    "store emptied": ("", lambda path: [remove(item) for item in path.iterdir()]),
}
ON_READING: dict[str, Damage] = {
    "chunk with a flipped bit": ("ARRAY/c.0*", flip),
}
METADATA: dict[str, Damage] = {
    "metadata garbled": ("ARRAY/zarr.json", garble),
    "metadata with a flipped bit": ("ARRAY/zarr.json", flip),
}


def apply(damage: Damage, store: Path, array: str) -> None:
    pattern, act = damage
    (found,) = store.glob(pattern.replace("ARRAY", array)) if pattern else (store,)
    act(found)


class Cube:
    """The store of srpbs-fc, and its values."""

    array = "bal140/fc"

    def __init__(self, tmp_path: Path) -> None:
        (tmp_path / "own").mkdir()
        decnef_data.adopt("srpbs-fc", small.archive(tmp_path / "own" / "SRPBS_FC.zip"), progress="none")

    def open(self) -> xr.DataArray:
        return decnef_data.fetch_dataset("srpbs-fc", group="bal140", progress="none")["fc"]

    @staticmethod
    def store(cache: Path) -> Path:
        (found,) = (cache / "stores").glob("*.zarr")
        return found


def tar_of_scans(tmp_path: Path) -> Path:
    tree = trees.srpbs_open(tmp_path / "tree")
    archive = tmp_path / "SRPBS_OPEN.tar"
    with tarfile.open(archive, "w") as made:
        made.add(tree / "SRPBS_OPEN", "SRPBS_OPEN")
    return archive


class Scans:
    """The stores of the scans of a tar of srpbs-open, and the values of one run."""

    array = "bold"

    def __init__(self, tmp_path: Path) -> None:
        decnef_data.adopt("srpbs-open", tar_of_scans(tmp_path), progress="none")

    def open(self) -> xr.DataArray:
        asked: dict[str, Any] = {"subjects": SUBJECT, "modalities": "bold", "progress": "none"}
        tree = decnef_data.fetch_dataset("srpbs-open", **asked)
        return tree["COI/bold"].to_dataset()["bold"]

    @staticmethod
    def store(cache: Path) -> Path:
        (found,) = (cache / "stores").glob("*.scans/*_bold_*.zarr")
        return found


Stored = Cube | Scans


@pytest.fixture(params=[Cube, Scans])
def stored(request: pytest.FixtureRequest, tmp_path: Path, cache: Path) -> Stored:
    return request.param(tmp_path)


@pytest.fixture
def warnings_logged(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], list[str]]]:
    def messages() -> list[str]:
        return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]

    caplog.set_level(logging.WARNING, "decnef_data")
    return messages


class TestAtOpening:
    @pytest.mark.parametrize("kind", AT_OPENING)
    def test_the_same_call_rebuilds_it_and_says_so(
        self, stored: Stored, cache: Path, kind: str, warnings_logged: Callable[[], list[str]]
    ) -> None:
        expected = stored.open().to_numpy().copy()
        assert warnings_logged() == []
        apply(AT_OPENING[kind], stored.store(cache), stored.array)
        np.testing.assert_array_equal(stored.open().to_numpy(), expected)
        (said,) = warnings_logged()
        assert "not intact" in said
        assert "rebuilt from" in said
        np.testing.assert_array_equal(stored.open().to_numpy(), expected)
        assert len(warnings_logged()) == 1

    @pytest.mark.parametrize("kind", METADATA)
    def test_so_does_damaged_metadata_of_a_cube(
        self, tmp_path: Path, cache: Path, kind: str, warnings_logged: Callable[[], list[str]]
    ) -> None:
        cube = Cube(tmp_path)
        expected = cube.open().to_numpy().copy()
        for array in ("bal140/fc", "bal140/age", "bal140"):
            apply(METADATA[kind], cube.store(cache), array)
            np.testing.assert_array_equal(cube.open().to_numpy(), expected)
        assert len(warnings_logged()) == 3

    def test_so_does_a_coordinate_with_a_flipped_bit(
        self, tmp_path: Path, cache: Path, warnings_logged: Callable[[], list[str]]
    ) -> None:
        cube = Cube(tmp_path)
        expected = cube.open()["age"].to_numpy()
        apply(("ARRAY/c.0*", flip), cube.store(cache), "bal140/age")
        np.testing.assert_array_equal(cube.open()["age"].to_numpy(), expected)
        name = f"{cube.store(cache).name}/bal140/age/c.0"
        assert warnings_logged() == [
            f"'srpbs-fc': the store is not intact ('{name}' is damaged), and is rebuilt from the verified files."
        ]

    def test_a_removed_store_is_built_again(self, stored: Stored, cache: Path) -> None:
        expected = stored.open().to_numpy().copy()
        shutil.rmtree(stored.store(cache))
        np.testing.assert_array_equal(stored.open().to_numpy(), expected)

    def test_participants_and_accounts_rebuild_too(self, tmp_path: Path, cache: Path) -> None:
        cube = Cube(tmp_path)
        cube.open()
        people = decnef_data.participants("srpbs-fc", progress="none")
        apply(AT_OPENING["chunk missing"], cube.store(cache), cube.array)
        assert decnef_data.participants("srpbs-fc", progress="none").equals(people)
        apply(AT_OPENING["manifest garbled"], cube.store(cache), cube.array)
        assert decnef_data.doctor("srpbs-fc").account is not None


class TestOnReading:
    @pytest.mark.parametrize("kind", ON_READING)
    def test_the_error_says_what_to_do_and_doing_it_helps(
        self, stored: Stored, cache: Path, kind: str, warnings_logged: Callable[[], list[str]]
    ) -> None:
        expected = stored.open().to_numpy().copy()
        store = stored.store(cache)
        lazy = stored.open()
        apply(ON_READING[kind], store, stored.array)
        with pytest.raises(IntegrityError) as caught:
            lazy.to_numpy()
        (chunk,) = store.glob(f"{stored.array}/c.0*")
        name = f"{store.name}/{chunk.relative_to(store).as_posix()}"
        assert str(caught.value) == (
            f"The store '{store}' is not intact: '{name}' is damaged. Fetch the dataset again to rebuild the store."
        )
        np.testing.assert_array_equal(stored.open().to_numpy(), expected)
        assert len(warnings_logged()) == 1

    @pytest.mark.parametrize("kind", METADATA)
    def test_metadata_of_a_scan(self, tmp_path: Path, cache: Path, kind: str) -> None:
        scans = Scans(tmp_path)
        expected = scans.open().to_numpy()
        apply(METADATA[kind], scans.store(cache), scans.array)
        with pytest.raises(IntegrityError, match="Fetch the dataset again to rebuild the store"):
            scans.open().to_numpy()
        np.testing.assert_array_equal(scans.open().to_numpy(), expected)

    @pytest.mark.parametrize("act", [remove, truncate])
    def test_a_chunk_that_goes_after_the_opening(
        self, stored: Stored, cache: Path, act: Callable[[Path], None]
    ) -> None:
        stored.open()
        lazy = stored.open()
        apply(("ARRAY/c.0*", act), stored.store(cache), stored.array)
        with pytest.raises(IntegrityError, match="Fetch the dataset again to rebuild the store"):
            lazy.to_numpy()
        assert np.isfinite(stored.open().to_numpy()).all()

    def test_deep_verification_and_the_mark_agree(self, tmp_path: Path, cache: Path) -> None:
        cube = Cube(tmp_path)
        lazy = cube.open()
        assert decnef_data.verify("srpbs-fc").complete
        apply(ON_READING["chunk with a flipped bit"], cube.store(cache), cube.array)
        with pytest.raises(IntegrityError):
            lazy.to_numpy()
        cube.open()
        assert decnef_data.verify("srpbs-fc", deep=True).complete

    def test_another_process_rebuilds_it_too(
        self, stored: Stored, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        expected = stored.open().to_numpy().copy()
        lazy = stored.open()
        apply(ON_READING["chunk with a flipped bit"], stored.store(cache), stored.array)
        with pytest.raises(IntegrityError):
            lazy.to_numpy()
        monkeypatch.setattr(stored_files, "_unwritten_marks", {})
        monkeypatch.setattr(stored_files, "_verified_chunks", {})
        np.testing.assert_array_equal(stored.open().to_numpy(), expected)


class TestWithoutSource:
    @pytest.fixture
    def dropped(self, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LinkServer]:
        with LinkServer() as server:
            archive = small.archive(tmp_path / "SRPBS_FC.zip")
            monkeypatch.setenv("DECNEF_ATR_LINK_SRPBS_FC", server.link(archive))
            decnef_data.fetch_dataset("srpbs-fc", keep_archive=False, accept_terms=True, progress="none")
            server.requests.clear()
            yield server

    def test_the_files_are_downloaded_again_in_the_same_call(self, dropped: LinkServer, cache: Path) -> None:
        apply(AT_OPENING["chunk missing"], Cube.store(cache), Cube.array)
        found = decnef_data.fetch_dataset("srpbs-fc", group="bal140", keep_archive=False, progress="none")
        assert found.sizes["subject"] == 15
        assert dropped.requests
        assert not list((cache / "files").rglob("*.zip"))

    def test_where_nothing_may_be_downloaded_the_error_says_what_to_run(
        self, dropped: LinkServer, cache: Path
    ) -> None:
        apply(("ARRAY/c.0*", flip), Cube.store(cache), "bal140/age")
        with pytest.raises(IntegrityError) as caught:
            decnef_data.fetch_dataset("srpbs-fc", download=False, progress="none")
        name = f"{Cube.store(cache).name}/bal140/age/c.0"
        assert str(caught.value) == (
            f"The store of 'srpbs-fc' is not intact ('{name}' is damaged), and the files that it was built "
            "from were not kept. Run `decnef_data.download('srpbs-fc')` to download them again."
        )
        assert decnef_data.download("srpbs-fc", progress="none").is_file()
        assert decnef_data.fetch_dataset("srpbs-fc", group="bal140", progress="none")["age"].notnull().all()

    def test_one_that_is_seen_to_be_damaged_before_the_opening_is_said(
        self, dropped: LinkServer, cache: Path, warnings_logged: Callable[[], list[str]]
    ) -> None:
        apply(AT_OPENING["chunk missing"], Cube.store(cache), Cube.array)
        with pytest.raises(SelectionError, match=r"Run `decnef_data\.download\('srpbs-fc'\)`"):
            decnef_data.fetch_dataset("srpbs-fc", download=False, progress="none")
        name = f"{Cube.store(cache).name}/bal140/fc/c.0.0"
        assert warnings_logged()[0] == (
            f"'srpbs-fc': the store is not intact ('{name}' is missing), and the files that it was built from "
            "were not kept."
        )

    def test_a_scan_without_its_archive_says_so(
        self, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        archive = tar_of_scans(tmp_path)
        with LinkServer() as server:
            monkeypatch.setenv("DECNEF_ATR_LINK_SRPBS_OPEN", server.link(archive))
            asked: dict[str, Any] = {"subjects": SUBJECT, "keep_archive": False, "progress": "none"}
            expected = decnef_data.fetch_dataset("srpbs-open", accept_terms=True, **asked)["COI/bold"]["bold"]
            store = Scans.store(cache)
            apply(AT_OPENING["chunk missing"], store, Scans.array)
            with pytest.raises(IntegrityError) as caught:
                decnef_data.fetch_dataset("srpbs-open", download=False, **asked)
            assert str(caught.value).startswith(
                f"The store '{store}' is not intact, and the archive that it was built from was not kept. "
                "Run `decnef_data.download('srpbs-open')` to download it again. "
            )
            found = decnef_data.fetch_dataset("srpbs-open", **asked)["COI/bold"]["bold"]
            np.testing.assert_array_equal(found.to_numpy(), expected.to_numpy())


class TestScanCache:
    """What else is derived from an archive: the list of scans, the index, and the tables."""

    @pytest.mark.parametrize("act", [flip, truncate, remove, garble])
    @pytest.mark.parametrize("pattern", ["inventory", "tables/*participants*", "index"])
    def test_it_is_made_again_from_the_archive(
        self, tmp_path: Path, cache: Path, pattern: str, act: Callable[[Path], None]
    ) -> None:
        scans = Scans(tmp_path)
        expected = scans.open()
        people = decnef_data.participants("srpbs-open", progress="none")
        (folder,) = (cache / "stores").glob("*.scans")
        (found,) = folder.glob(pattern)
        act(found)
        assert decnef_data.participants("srpbs-open", progress="none").equals(people)
        xr.testing.assert_identical(scans.open().load(), expected.load())
        fetched = decnef_data.fetch_dataset("srpbs-open", subjects="sub-0002", progress="none")
        assert fetched["COI/bold"].to_dataset()["subject"].to_numpy().tolist() == ["sub-0002"]


class TestShared:
    """A shared cache is read in place, and not repaired."""

    def test_a_damaged_shared_store_is_replaced_by_one_of_the_user(
        self, stored: Stored, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        expected = stored.open().to_numpy().copy()
        shared = tmp_path / "shared"
        shutil.copytree(cache, shared)
        shutil.rmtree(cache / "stores")
        monkeypatch.setenv("DECNEF_SHARED_DATA_DIR", str(shared))
        np.testing.assert_array_equal(stored.open().to_numpy(), expected)
        assert not (cache / "stores").exists()
        apply(AT_OPENING["chunk missing"], stored.store(shared), stored.array)
        before = {path: path.stat().st_mtime_ns for path in shared.rglob("*")}
        np.testing.assert_array_equal(stored.open().to_numpy(), expected)
        assert {path: path.stat().st_mtime_ns for path in shared.rglob("*")} == before
        assert stored.store(cache).is_dir()

    def test_one_that_cannot_be_marked_is_remembered_by_the_process(
        self, stored: Stored, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        expected = stored.open().to_numpy().copy()
        shared = tmp_path / "shared"
        shutil.copytree(cache, shared)
        shutil.rmtree(cache / "stores")
        monkeypatch.setenv("DECNEF_SHARED_DATA_DIR", str(shared))
        lazy = stored.open()
        apply(ON_READING["chunk with a flipped bit"], stored.store(shared), stored.array)

        def refuse(path: Path, content: bytes) -> None:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

        monkeypatch.setattr(stored_files, "write_atomic", refuse)
        with pytest.raises(IntegrityError):
            lazy.to_numpy()
        np.testing.assert_array_equal(stored.open().to_numpy(), expected)
        assert stored.store(cache).is_dir()
        assert not (stored.store(shared) / ".damaged").exists()


class TestCommands:
    """What lists, checks and removes stores does so whatever their state."""

    @pytest.mark.parametrize("kind", ["chunk missing", "manifest garbled"])
    def test_a_damaged_store(self, stored: Stored, cache: Path, kind: str) -> None:
        name = "srpbs-fc" if isinstance(stored, Cube) else "srpbs-open"
        stored.open()
        apply(AT_OPENING[kind], stored.store(cache), stored.array)
        assert "store" in {entry.kind for entry in decnef_data.cache().entries}
        assert decnef_data.plan(name).store_exists is False
        assert not decnef_data.verify(name).complete
        decnef_data.verify(name, repair=True)
        assert decnef_data.verify(name).complete
        stored.open()
        apply(AT_OPENING[kind], stored.store(cache), stored.array)
        decnef_data.clear_cache()
        assert not list((cache / "stores").glob("*"))


def test_no_message_advises_clearing_for_a_store(cache: Path) -> None:
    for folder in ("stores", "layouts"):
        for path in (Path(decnef_data.__file__).parent / folder).rglob("*.py"):
            assert "cache clear" not in path.read_text("utf-8"), path


def test_the_mark_names_the_file_and_is_private(tmp_path: Path, cache: Path) -> None:
    cube = Cube(tmp_path)
    lazy = cube.open()
    apply(ON_READING["chunk with a flipped bit"], cube.store(cache), cube.array)
    with pytest.raises(IntegrityError):
        lazy.to_numpy()
    mark = cube.store(cache) / ".damaged"
    assert mark.read_text() == "bal140/fc/c.0.0"
    assert stat.S_IMODE(mark.stat().st_mode) == 0o600
    assert json.loads((cube.store(cache) / "zarr.json").read_bytes())["node_type"] == "group"
