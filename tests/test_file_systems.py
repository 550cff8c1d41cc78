"""Disks that cannot sync folders, set modes or map files are used nevertheless, and what they expose is said."""

import errno
import mmap
import os
import stat
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import decnef_data
from decnef_data import DecnefDataWarning, file_systems
from decnef_data.arrays import memmap_variable
from decnef_data.atomic_files import write_atomic
from decnef_data.file_cache import FileCache
from decnef_data.layouts.imaging import cached
from decnef_data.model import RemoteFile
from decnef_data.stores import Stores
from tests import small
from tests.poor_disks import refuse_folders

#: What an operating system answers for what a file system does not have.
UNSUPPORTED = (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EPERM, errno.EACCES)
KEY = "0123abcd"


def failing(code: int) -> Callable[..., None]:
    """A call of the operating system that always fails."""

    def fail(*arguments: object, **options: object) -> None:
        raise OSError(code, os.strerror(code))

    return fail


def cube() -> xr.Dataset:
    fc = np.random.default_rng(0).uniform(-1, 1, (6, 10))
    return xr.Dataset({"fc": (("subject", "edge"), fc)}, {"subject": [f"one-{row}" for row in range(6)]})


def download(files: FileCache, name: str) -> None:
    with files.open_partial("ds", "atr", RemoteFile(name, 6)) as partial:
        partial.write(0, b"voxels")
        files.finalize_partial("ds", "atr", partial)


def exposed(folder: Path) -> str:
    return (
        f"The disk of '{folder}' cannot keep files private, so other users may be able to read what is stored "
        "there. Use a folder on another disk; DECNEF_DATA_DIR or data_dir= sets that of the cache."
    )


@pytest.fixture(autouse=True)
def _no_disk_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_systems, "_exposed_disks", set())


def remove_modes(monkeypatch: pytest.MonkeyPatch, code: int | None) -> None:
    """Let every file be open to everyone, as on FAT: setting a mode fails, or has no effect if `code` is ``None``."""
    chmod, mkdir, open_file = os.chmod, os.mkdir, os.open

    def make_folder(path: str, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        mkdir(path, mode, dir_fd=dir_fd)
        chmod(path, 0o777)

    def open_for_all(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        descriptor = open_file(path, flags, mode, dir_fd=dir_fd)
        if flags & os.O_CREAT:
            chmod(descriptor, 0o777)
        return descriptor

    def ignore(*arguments: object, **options: object) -> None:
        pass

    functions = {
        "mkdir": make_folder,
        "open": open_for_all,
        "chmod": ignore if code is None else failing(code),
    }
    for name, function in functions.items():
        monkeypatch.setattr(os, name, function)


@pytest.fixture(params=[None, *UNSUPPORTED], ids=lambda code: errno.errorcode.get(code, "ignored"))
def _foreign_disk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    remove_modes(monkeypatch, request.param)


class TestSyncing:
    def test_a_file_is_complete_on_the_disk(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        found: list[bytes] = []
        monkeypatch.setattr(os, "fsync", lambda descriptor: found.append(os.pread(descriptor, 100, 0)))
        with (tmp_path / "file").open("w+b") as file:
            file.write(b"voxels")
            file_systems.sync_file(file)
            file_systems.sync_file(file.fileno())
        assert found == [b"voxels", b"voxels"]

    @pytest.mark.parametrize("code", [*UNSUPPORTED, errno.EBADF, errno.EISDIR], ids=errno.errorcode.get)
    def test_a_disk_without_it_for_folders_is_used(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
    ) -> None:
        synced = refuse_folders(monkeypatch, code)
        stores = Stores(tmp_path / "stores", memmap_variable)
        stores.publish(KEY, {"bal140": cube()}, {})
        xr.testing.assert_identical(stores.open(KEY, "bal140"), cube())
        assert {"file", "folder"} == set(synced)

    def test_a_folder_that_cannot_be_opened_is_passed_over(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os, "open", failing(errno.EACCES))
        file_systems.sync_folder(tmp_path)

    @pytest.mark.parametrize(
        "code", [errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EROFS], ids=errno.errorcode.get
    )
    def test_a_disk_that_fails_is_an_error(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
    ) -> None:
        refuse_folders(monkeypatch, code)
        with pytest.raises(OSError, match=os.strerror(code)) as caught:
            file_systems.sync_folder(tmp_path)
        assert caught.value.errno == code

    @pytest.mark.parametrize("code", [errno.EIO, errno.EINVAL], ids=errno.errorcode.get)
    def test_a_file_that_is_not_on_the_disk_is_an_error(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
    ) -> None:
        monkeypatch.setattr(os, "fsync", failing(code))
        with pytest.raises(OSError, match=os.strerror(code)):
            write_atomic(tmp_path / "file", b"voxels")
        with pytest.raises(OSError, match=os.strerror(code)):
            Stores(tmp_path, memmap_variable).publish(KEY, {"bal140": cube()}, {})
        assert list(tmp_path.iterdir()) == []

    def test_a_missing_folder_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            file_systems.sync_folder(tmp_path / "nowhere")


class TestModes:
    def test_other_users_are_excluded(self, tmp_path: Path) -> None:
        path = tmp_path / "file"
        path.touch()
        path.chmod(0o644)
        assert not file_systems.is_private(path)
        file_systems.keep_private(path, 0o600, tmp_path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        with path.open() as file:
            assert file_systems.is_private(file.fileno())

    def test_a_disk_that_fails_is_an_error(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "chmod", failing(errno.EIO))
        with pytest.raises(OSError, match=os.strerror(errno.EIO)):
            file_systems.restrict_access(tmp_path, 0o700)

    @pytest.mark.usefixtures("_foreign_disk")
    def test_a_store_is_published_and_that_others_can_read_it_is_said_once(self, tmp_path: Path) -> None:
        stores = Stores(tmp_path / "stores", memmap_variable)
        with pytest.warns(DecnefDataWarning) as caught:
            stores.publish(KEY, {"bal140": cube()}, {})
        assert [str(one.message) for one in caught] == [exposed(stores.root)]
        stores.publish("4567", {"bal140": cube()}, {})
        xr.testing.assert_identical(stores.open(KEY, "bal140"), cube())

    @pytest.mark.usefixtures("_foreign_disk")
    def test_a_file_is_downloaded_and_that_others_can_read_it_is_said_once(self, tmp_path: Path) -> None:
        files = FileCache(tmp_path)
        with pytest.warns(DecnefDataWarning) as caught:
            download(files, "a.bin")
        download(files, "b.bin")
        assert [str(one.message) for one in caught] == [exposed(tmp_path / "partial" / "ds")]
        assert (tmp_path / "files/ds/b.bin").read_bytes() == b"voxels"

    @pytest.mark.usefixtures("_foreign_disk")
    def test_a_file_is_written_and_that_others_can_read_it_is_said_once(self, tmp_path: Path) -> None:
        with pytest.warns(DecnefDataWarning) as caught:
            write_atomic(tmp_path / "a", b"labels")
        write_atomic(tmp_path / "b", b"labels")
        assert [str(one.message) for one in caught] == [exposed(tmp_path)]
        assert (tmp_path / "b").read_bytes() == b"labels"

    @pytest.mark.parametrize("code", UNSUPPORTED, ids=errno.errorcode.get)
    def test_what_is_private_without_setting_a_mode_is_not_mentioned(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
    ) -> None:
        monkeypatch.setattr(os, "chmod", failing(code))
        previous = os.umask(0o077)
        try:
            Stores(tmp_path / "stores", memmap_variable).publish(KEY, {"bal140": cube()}, {})
        finally:
            os.umask(previous)


class TestMapping:
    @pytest.fixture(params=[errno.ENODEV, errno.EINVAL, errno.ENOSYS, errno.ENOMEM], ids=errno.errorcode.get)
    def _unmappable(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(mmap, "mmap", failing(request.param))

    def test_a_file_is_mapped_read_only(self, tmp_path: Path) -> None:
        path = tmp_path / "file"
        path.write_bytes(b"voxels")
        mapped = file_systems.map_file(path, 3)
        assert mapped is not None
        with mapped:
            assert mapped[:] == b"vox"
            with pytest.raises(TypeError):
                mapped[0] = 0

    @pytest.mark.usefixtures("_unmappable")
    def test_what_cannot_be_mapped_is_read(self, tmp_path: Path) -> None:
        stores = Stores(tmp_path, memmap_variable)
        large = cube().isel(edge=np.zeros(30000, int))
        stores.publish(KEY, {"bal140": large}, {})
        found = stores.open(KEY, "bal140")
        assert not found["fc"].variable._in_memory
        xr.testing.assert_identical(found, large)
        assert {check.state for check in stores.check(KEY, deep=True)} == {"intact"}

    @pytest.mark.usefixtures("_unmappable")
    def test_a_damaged_file_that_cannot_be_mapped_is_found(self, tmp_path: Path) -> None:
        stores = Stores(tmp_path, memmap_variable)
        stores.publish(KEY, {"bal140": cube().isel(edge=np.zeros(30000, int))}, {})
        with (stores.path(KEY) / "bal140/fc/c.0.0").open("r+b") as file:
            file.write(b"x")
        damaged = [check.path for check in stores.check(KEY, deep=True) if check.state != "intact"]
        assert damaged == [f"{KEY}.zarr/bal140/fc/c.0.0"]

    @pytest.mark.usefixtures("_unmappable")
    def test_a_derived_value_that_cannot_be_mapped_is_read(self, tmp_path: Path) -> None:
        cached.write(tmp_path / "value", {"scans": [1, 2]})
        assert cached.read(tmp_path / "value", dict[str, list[int]]) == {"scans": [1, 2]}
        (tmp_path / "value").write_bytes(b"")
        assert cached.read(tmp_path / "value", dict[str, list[int]]) is None

    def test_a_missing_or_empty_file_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            file_systems.map_file(tmp_path / "nowhere")
        (tmp_path / "empty").touch()
        with pytest.raises(ValueError, match="cannot mmap an empty file"):
            file_systems.map_file(tmp_path / "empty")


def test_connectivity_is_the_same_on_the_poorest_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive, options = small.archive(tmp_path / "a.zip"), {"progress": "none"}
    decnef_data.adopt("srpbs-fc", archive, data_dir=tmp_path / "good", **options)
    expected = decnef_data.fetch_dataset("srpbs-fc", data_dir=tmp_path / "good", **options).load()
    remove_modes(monkeypatch, errno.EPERM)
    refuse_folders(monkeypatch, errno.EINVAL)
    monkeypatch.setattr(mmap, "mmap", failing(errno.ENODEV))
    decnef_data.adopt("srpbs-fc", archive, data_dir=tmp_path / "poor", **options)
    with pytest.warns(DecnefDataWarning) as caught:
        found = decnef_data.fetch_dataset("srpbs-fc", data_dir=tmp_path / "poor", **options)
    assert found.identical(expected)
    assert [str(one.message) for one in caught] == [exposed(tmp_path / "poor" / "stores")]
