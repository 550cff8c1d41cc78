"""A selection as one Zarr store: the same for every reader, complete or absent, and only where it may go."""

import ctypes
import errno
import itertools
import json
import os
import subprocess
import sys
import uuid
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fsspec
import fsspec.core
import nibabel as nib
import numpy as np
import platformdirs
import pytest
import xarray as xr
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import decnef_data
import decnef_data.accessor
from decnef_data import AccessError, IntegrityError, SelectionError, to_zarr
from decnef_data.arrays import stack_lazily
from decnef_data.export_log import ExportLog
from decnef_data.exports.portable.arrays import PortableArray, region_shape
from decnef_data.exports.portable.destinations import StagedFolder, parse_destination
from tests import trees

LAW = settings(database=None, deadline=None, max_examples=40)


class Made:
    """A scan that is made when it is read."""

    def __init__(self, number: int, shape: tuple[int, ...]) -> None:
        self.number = number
        self.shape = shape

    def fill(self, key: tuple, out: NDArray) -> None:
        out[...] = (np.arange(np.prod(self.shape)).reshape(self.shape) * 31 + self.number)[key] % 3011


class Broken(Made):
    """A scan whose file is gone."""

    def fill(self, key: tuple, out: NDArray) -> None:
        message = "'vol_0003' no longer exists. Restore it, or adopt the folder again."
        raise IntegrityError(message, file="vol_0003")


def leaf(shape: tuple[int, ...] = (45, 5, 6, 7), scans: int = 3, broken: bool = False) -> xr.Dataset:
    slabs: list[Made] = [Made(number, shape) for number in range(scans)]
    if broken:
        slabs[-1] = Broken(9, shape)
    return xr.Dataset(
        {"bold": stack_lazily(slabs, ("scan", "time", "z", "y", "x"), "i2", shape)},
        {
            "subject": ("scan", [f"sub-{number:04d}" for number in range(scans)]),
            "site": ("scan", ["COI"] * scans),
            "age": ("scan", np.full(scans, 25.5, "f4"), {"units": "years"}),
            "affine": (("scan", "row", "column"), [np.eye(4)] * scans),
        },
        {
            "dataset": "srpbs-open",
            "synthetic": 1,
            "citation": "A. B. 2021",
            "terms": "Terms (version 1)",
        },
    )


def real_leaf(scans: int = 1, broken: bool = False) -> xr.Dataset:
    made = leaf(scans=scans, broken=broken)
    del made.attrs["synthetic"]
    return made


def files(place: Path) -> dict[str, bytes]:
    return {
        path.relative_to(place).as_posix(): path.read_bytes() for path in place.rglob("*") if path.is_file()
    }


def remote_files(address: str) -> dict[str, bytes]:
    system, root = fsspec.core.url_to_fs(address)
    found = system.find(root) if system.exists(root) else []
    return {path.partition(f"{root.strip('/')}/")[2]: system.cat_file(path) for path in found}


@pytest.fixture
def address() -> Iterator[str]:
    name = f"memory://{uuid.uuid4().hex}/own.zarr"
    yield name
    memory, folder = fsspec.filesystem("memory"), name.rpartition("/")[0]
    if memory.exists(folder):
        memory.rm(folder, recursive=True)


class TestCopies:
    @pytest.mark.parametrize("chunks", ["time", "volumes"])
    def test_a_leaf_is_the_same_to_xarray(self, tmp_path: Path, chunks: Any) -> None:
        to_zarr(leaf(), tmp_path / "own.zarr", chunks=chunks)
        for consolidated in (None, False):
            found = xr.open_zarr(tmp_path / "own.zarr", consolidated=consolidated, chunks=None)
            xr.testing.assert_identical(found, leaf().load())

    @pytest.mark.slow
    def test_a_tree_of_images_is_the_same(self, tmp_path: Path) -> None:
        adopted = trees.srpbs_open(tmp_path / "own")
        decnef_data.adopt("srpbs-open", adopted, data_dir=tmp_path / "cache", progress="none")
        tree = decnef_data.fetch_dataset("srpbs-open", data_dir=tmp_path / "cache", progress="none")
        assert "synthetic" not in tree.attrs
        to_zarr(tree, tmp_path / "all.zarr", chunks="time")
        for consolidated in (None, False):
            found = xr.open_datatree(
                tmp_path / "all.zarr", engine="zarr", consolidated=consolidated, chunks=None
            )
            assert found.identical(tree.map_over_datasets(xr.Dataset.load))
        one = zarr.open_group(tmp_path / "all.zarr", mode="r")["COI/bold/bold"]
        assert np.array_equal(one[1], tree["COI/bold"]["bold"][1].to_numpy())

    @pytest.mark.filterwarnings("ignore:Consolidated metadata is currently not part")
    def test_the_root_repeats_all_metadata_as_zarr_does(self, tmp_path: Path) -> None:
        tree = xr.DataTree.from_dict(
            {"/": xr.Dataset(attrs={"a": 1}), "/COI": leaf(), "/COI/rest": leaf(), "/KUT/rest": leaf()}
        )
        to_zarr(tree, tmp_path / "own.zarr")
        root = tmp_path / "own.zarr" / "zarr.json"
        written = json.loads(root.read_bytes())
        assert len(written["consolidated_metadata"]["metadata"]) == 19  # 15 arrays in 4 groups
        found = dict(zarr.open_group(tmp_path / "own.zarr", mode="r").members(max_depth=None))
        assert sorted(found) == sorted(written["consolidated_metadata"]["metadata"])
        root.write_text(
            json.dumps({"zarr_format": 3, "node_type": "group", "attributes": written["attributes"]})
        )
        zarr.consolidate_metadata(tmp_path / "own.zarr", zarr_format=3)
        assert json.loads(root.read_bytes()) == written

    def test_labels_with_the_same_bytes_are_told_apart_by_dtype_and_shape(self, tmp_path: Path) -> None:
        ages = np.array([1, 2, 3, 4], "i8")
        coords: dict[str, Any] = {
            "/one": {"age": ("subject", ages, {"units": "years"}), "site": ("subject", ["SWA"] * 4)},
            "/same": {"age": ("subject", ages, {"units": "months"}), "site": ("subject", ["SWA"] * 4)},
            "/floats": {"age": ("subject", ages.view("f8")), "site": ("subject", ["SWA"] * 3 + ["KUT"])},
            "/swapped": {"age": ("subject", ages.view(">i8"))},
            "/table": {"age": (("subject", "visit"), ages.reshape(2, 2)), "site": ("visit", ["SWA"] * 2)},
        }
        tree = xr.DataTree.from_dict(
            {"/": xr.Dataset(attrs={"synthetic": 1})}
            | {path: xr.Dataset(coords=each) for path, each in coords.items()}
        )
        to_zarr(tree, tmp_path / "own.zarr")
        assert xr.open_datatree(tmp_path / "own.zarr", engine="zarr", chunks=None).load().identical(tree)

    def test_a_branch_of_a_tree_is_the_root_of_its_copy(self, tmp_path: Path) -> None:
        tree = xr.DataTree.from_dict(
            {"/": xr.Dataset(attrs={"a": 1}), "/COI/bold": leaf(), "/KUT/bold": leaf()}
        )
        to_zarr(tree["COI"], tmp_path / "own.zarr")  # type: ignore[arg-type]  # a path gives a node or an array
        found = xr.open_datatree(tmp_path / "own.zarr", engine="zarr", chunks=None)
        assert sorted(found.children) == ["bold"]
        xr.testing.assert_identical(found["bold"].to_dataset().load(), leaf().load())

    def test_the_connectivity_cubes_are_the_same(self, tmp_path: Path, phantom_dir: Path) -> None:
        cube = decnef_data.fetch_dataset(
            "srpbs-fc", group="roi93", mirror="phantom", data_dir=phantom_dir, progress="none"
        )
        cube.decnef.to_zarr(tmp_path / "cube.zarr")
        found = xr.open_zarr(tmp_path / "cube.zarr", chunks=None)
        xr.testing.assert_identical(found.load(), cube.load())
        assert found.decnef.to_matrix().shape == (cube.sizes["subject"], 93, 93)

    def test_what_is_computed_is_copied_scan_by_scan(self, tmp_path: Path) -> None:
        labels = nib.Nifti1Image(np.arange(210, dtype="i2").reshape(7, 6, 5) % 4, np.eye(4))
        series = leaf().decnef.timeseries(labels, names=["a", "b", "c"])
        cube = series.decnef.connectivity()
        for name, made in (("series", series), ("cube", cube)):
            to_zarr(made, tmp_path / name)
            xr.testing.assert_identical(xr.open_zarr(tmp_path / name, chunks=None).load(), made.load())

    @pytest.mark.parametrize("chunks", ["time", "volumes"])
    def test_what_was_taken_along_is_worked_with_alike(self, tmp_path: Path, chunks: Any) -> None:
        to_zarr(leaf(), tmp_path / "own.zarr", chunks=chunks)
        labels = nib.Nifti1Image(np.arange(210, dtype="i2").reshape(7, 6, 5) % 4, np.eye(4))
        expected = decnef_data.connectivity(decnef_data.timeseries(leaf(), labels)).load()
        for opened in (xr.open_zarr(tmp_path / "own.zarr", chunks=None), xr.open_zarr(tmp_path / "own.zarr")):
            found = decnef_data.connectivity(decnef_data.timeseries(opened, labels))
            xr.testing.assert_identical(found.load(), expected)
            image = decnef_data.to_nifti(opened, subject="sub-0002")
            assert np.array_equal(image.dataobj, leaf()["bold"][2].to_numpy().T)

    def test_an_address_gets_the_same_bytes_as_a_folder(self, tmp_path: Path, address: str) -> None:
        to_zarr(leaf(), tmp_path / "own.zarr", chunks="time")
        to_zarr(leaf(), address, chunks="time")
        assert remote_files(address) == files(tmp_path / "own.zarr")
        xr.testing.assert_identical(xr.open_zarr(address, chunks=None).load(), leaf().load())

    def test_chunks_of_dask_make_no_difference(self, tmp_path: Path) -> None:
        pytest.importorskip("dask")
        to_zarr(leaf(), tmp_path / "plain.zarr")
        to_zarr(leaf().chunk({"time": 7, "z": 2}), tmp_path / "dask.zarr")
        assert files(tmp_path / "plain.zarr") == files(tmp_path / "dask.zarr")

    def test_a_file_address_is_a_folder(self, tmp_path: Path) -> None:
        to_zarr(leaf(scans=1), f"file://{tmp_path}/with%20blank.zarr")
        assert (tmp_path / "with blank.zarr/zarr.json").is_file()

    @LAW
    @given(data=st.data())
    def test_numbers_and_texts_of_every_type_and_shape(
        self, tmp_path_factory: Any, data: st.DataObject
    ) -> None:
        dtype = data.draw(
            st.sampled_from(["?", "i1", "<i2", ">i2", "u4", "i8", "f2", ">f4", "f8", "c8", "c16"])
        )
        shape = tuple(data.draw(st.lists(st.integers(0, 4), max_size=5)))
        chunks: Any = data.draw(st.sampled_from(["time", "volumes"]))
        rng = np.random.default_rng(data.draw(st.integers(0, 99)))
        values = (rng.normal(size=shape) * 100).astype(dtype)
        dims = ("scan", "time", "z", "y", "x")[: len(shape)]
        own = xr.Dataset({"own": (dims, values, {"n": 1}), "word": ((), "漢字")})
        place = tmp_path_factory.mktemp("any") / "own.zarr"
        to_zarr(own, place, chunks=chunks)
        xr.testing.assert_identical(xr.open_zarr(place, chunks=None, decode_cf=False).load(), own)


class TestChunks:
    """Of the real sizes, of which only one voxel is read."""

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("chunks", "bold"), [("time", (1, 244, 10, 8, 16)), ("volumes", (1, 20, 40, 64, 64))]
    )
    def test_series_are_in_small_blocks_and_volumes_whole(
        self, tmp_path: Path, chunks: Any, bold: tuple[int, ...]
    ) -> None:
        full = leaf((244, 40, 64, 64), scans=1)
        to_zarr(full, tmp_path / "own.zarr", chunks=chunks)
        array = zarr.open_group(tmp_path / "own.zarr", mode="r")["bold"]
        assert array.chunks == bold
        assert np.array_equal(array[0, :, 7, 33, 40], full["bold"][0, :, 7, 33, 40].to_numpy())
        codecs = json.loads((tmp_path / "own.zarr/bold/zarr.json").read_bytes())["codecs"]
        assert [codec["name"] for codec in codecs] == ["bytes", "blosc", "crc32c"]
        blosc = codecs[1]["configuration"]
        assert (blosc["cname"], blosc["clevel"], blosc["shuffle"]) == ("zstd", 3, "bitshuffle")

    def test_a_t1_is_one_chunk_a_person_and_a_cube_blocks_of_rows(self, tmp_path: Path) -> None:
        own = xr.Dataset(
            {
                "t1w": (("scan", "z", "y", "x"), np.zeros((2, 30, 20, 10), "i2")),
                "fc": (("subject", "edge"), np.zeros((300, 9730))),
            }
        )
        to_zarr(own, tmp_path / "own.zarr", chunks="time")
        found = zarr.open_group(tmp_path / "own.zarr", mode="r")
        assert (found["t1w"].chunks, found["fc"].chunks) == ((1, 30, 20, 10), (107, 9730))

    def test_a_changed_bit_is_noticed_by_any_reader(self, tmp_path: Path) -> None:
        to_zarr(leaf(scans=1), tmp_path / "own.zarr")
        path = tmp_path / "own.zarr/bold/c/0/1/0/0/0"
        content = bytearray(path.read_bytes())
        content[99] ^= 4
        path.write_bytes(content)
        with pytest.raises(ValueError, match="checksum"):
            zarr.open_group(tmp_path / "own.zarr", mode="r")["bold"][0, 30]


class TestRegions:
    @pytest.mark.parametrize(
        ("shape", "chunk"),
        [
            ((5, 244, 40, 64, 64), (1, 20, 40, 64, 64)),
            ((5, 244, 40, 64, 64), (1, 244, 10, 8, 16)),
            ((2, 1200, 72, 104, 90), (1, 1200, 9, 7, 6)),
            ((1625, 9730), (107, 9730)),
            ((3, 7), (2, 4)),
        ],
    )
    def test_they_are_whole_chunks_that_fit_in_memory_and_cover_all_once(
        self, shape: tuple[int, ...], chunk: tuple[int, ...]
    ) -> None:
        slabs = [Made(number, shape[1:]) for number in range(shape[0])]
        own = stack_lazily(slabs, "abcde"[: len(shape)], "i2", shape[1:])
        memory = zarr.storage.MemoryStore()
        made = zarr.create_array(memory, name="own", shape=shape, dtype="i2", chunks=chunk)
        array = PortableArray(made.async_array if hasattr(made, "async_array") else made._async_array, own)
        found = list(array.regions())
        for region in found:
            assert 2 * np.prod([one.stop - one.start for one in region]) <= 1 << 27
            for one, length, whole in zip(region, chunk, shape, strict=True):
                assert one.start % length == 0
                assert one.stop % length == 0 or one.stop == whole
        chunks = [
            tuple(range(one.start, one.stop, length) for one, length in zip(region, chunk, strict=True))
            for region in found
        ]
        covered = [place for ranges in chunks for place in itertools.product(*ranges)]
        assert len(covered) == len(set(covered)) == len(list(array.keys()))


class TestWholeOrNot:
    def test_nothing_is_left_of_a_copy_that_failed(self, tmp_path: Path) -> None:
        with pytest.raises(IntegrityError) as caught:
            to_zarr(leaf(broken=True), tmp_path / "own.zarr")
        assert str(caught.value) == "'vol_0003' no longer exists. Restore it, or adopt the folder again."
        assert list(tmp_path.iterdir()) == []

    def test_at_an_address_a_copy_that_failed_does_not_open(self, address: str) -> None:
        with pytest.raises(IntegrityError):
            to_zarr(leaf(broken=True), address)
        assert "zarr.json" not in remote_files(address)
        with pytest.raises(FileNotFoundError):
            xr.open_zarr(address)

    @pytest.mark.slow
    def test_a_killed_copy_is_not_there_and_the_next_one_clears_up(self, tmp_path: Path) -> None:
        code = (
            "import os, signal, sys, numpy as np, xarray as xr, decnef_data\n"
            "from decnef_data.arrays import stack_lazily\n"
            "class Killing:\n"
            "    def __init__(self, last): self.last = last\n"
            "    def fill(self, key, out):\n"
            "        if self.last: os.kill(os.getpid(), signal.SIGKILL)\n"
            "        out[...] = 1\n"
            "shape = (20, 40, 64, 64)\n"
            "slabs = [Killing(number == 44) for number in range(45)]\n"
            "bold = stack_lazily(slabs, ('scan', 'time', 'z', 'y', 'x'), 'i2', shape)\n"
            "decnef_data.to_zarr(xr.Dataset({'bold': bold}), sys.argv[1])\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "own.zarr")], check=False, timeout=120
        )
        assert done.returncode == -9
        (left,) = tmp_path.iterdir()
        assert left.name.startswith(".staging-")
        # Two threads copy three regions of 20 scans: one is done before the last begins, either of the two.
        assert {"0", "20"}.intersection(path.name for path in (left / "bold/c").iterdir())
        to_zarr(leaf(scans=1), tmp_path / "own.zarr")
        assert [path.name for path in tmp_path.iterdir()] == ["own.zarr"]

    def test_what_is_there_is_left_alone(self, tmp_path: Path, address: str) -> None:
        (tmp_path / "own.zarr").write_text("mine")
        with pytest.raises(FileExistsError) as caught:
            to_zarr(leaf(), tmp_path / "own.zarr")
        assert str(caught.value) == (
            f"[Errno 17] The destination exists; choose another one, or remove it: '{tmp_path / 'own.zarr'}'"
        )
        to_zarr(leaf(scans=1), address)
        with pytest.raises(FileExistsError):
            to_zarr(leaf(scans=1), address)

    def test_it_is_for_its_owner_alone(self, tmp_path: Path) -> None:
        to_zarr(leaf(scans=1), tmp_path / "deep/down/own.zarr")
        place = tmp_path / "deep/down/own.zarr"
        assert {path.stat().st_mode & 0o077 for path in (place, *place.rglob("*"))} == {0}


class Recorded(zarr.storage.MemoryStore):
    """A store of another package, which notes each key that is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[str] = []

    async def set(self, key: str, value: Any, byte_range: Any = None) -> None:
        self.written.append(key)
        await super().set(key, value, byte_range)


class Foreign(zarr.storage.WrapperStore):
    """A store that may be anywhere."""


def refuse_flags(*_: object) -> int:
    """Do as renameat2 does on a file system that knows no flags."""
    ctypes.set_errno(errno.EINVAL)
    return -1


class TestStores:
    def test_a_zip_file_is_complete_private_and_alone(self, tmp_path: Path) -> None:
        to_zarr(real_leaf(scans=3), tmp_path / "deep/own.zip", chunks="time")
        assert [path.name for path in (tmp_path / "deep").iterdir()] == ["own.zip"]
        assert (tmp_path / "deep/own.zip").stat().st_mode & 0o777 == 0o600
        with zarr.storage.ZipStore(tmp_path / "deep/own.zip") as opened:
            found = xr.open_zarr(opened, chunks=None).load()
        xr.testing.assert_identical(found, real_leaf(scans=3).load())
        (noted,) = ExportLog(platformdirs.user_config_path("decnef-data")).existing_exports("srpbs-open")
        assert noted.destination == str(tmp_path / "deep/own.zip")
        with pytest.raises(FileExistsError):
            to_zarr(leaf(), tmp_path / "deep/own.zip")

    @pytest.mark.parametrize("library", [None, object(), SimpleNamespace(renameat2=refuse_flags)])
    def test_a_zip_file_replaces_nothing_where_the_file_system_has_no_links(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: object
    ) -> None:
        place = tmp_path / "own.zip"

        tried: list[Path] = []

        def refuse(path: Path, _other: Path) -> None:
            tried.append(path)
            if len(tried) == 1:  # between the test and the renaming
                path.write_text("of another process")
            raise PermissionError(errno.EPERM, "no links")

        monkeypatch.setattr(Path, "hardlink_to", refuse)
        if library is not None:  # of another system, or on a file system that cannot do this
            monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: library)
        with pytest.raises(FileExistsError, match="The destination exists"):
            to_zarr(leaf(), place)
        assert place.read_text() == "of another process"
        place.unlink()
        to_zarr(leaf(), place)
        assert tried == [place, place]
        assert [path.name for path in tmp_path.iterdir()] == ["own.zip"]
        with zipfile.ZipFile(place) as opened:
            assert "zarr.json" in opened.namelist()

    @pytest.mark.skipif(sys.platform != "linux", reason="no other system has renameat2")
    def test_a_zip_file_without_links_is_never_empty(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object) -> None:
            raise PermissionError(errno.EPERM, "refused")

        def end(*_: object) -> None:
            pytest.fail("a process that is killed here leaves an empty file under the name")

        monkeypatch.setattr(Path, "hardlink_to", refuse)
        monkeypatch.setattr(Path, "replace", end)
        to_zarr(leaf(), tmp_path / "own.zip")
        assert [path.name for path in tmp_path.iterdir()] == ["own.zip"]
        with zipfile.ZipFile(tmp_path / "own.zip") as opened:
            assert "zarr.json" in opened.namelist()

    def test_an_empty_zip_file_is_removed_if_it_cannot_be_replaced(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object) -> None:
            raise PermissionError(errno.EPERM, "refused")

        monkeypatch.setattr(Path, "hardlink_to", refuse)
        monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: object())  # a system without renameat2
        monkeypatch.setattr(Path, "replace", refuse)
        with pytest.raises(PermissionError, match="refused"):
            to_zarr(leaf(), tmp_path / "own.zip")
        assert list(tmp_path.iterdir()) == []

    def test_nothing_is_left_of_a_zip_file_that_failed(self, tmp_path: Path) -> None:
        with pytest.raises(IntegrityError):
            to_zarr(leaf(broken=True), tmp_path / "own.zip")
        assert list(tmp_path.iterdir()) == []

    def test_a_zip_file_that_another_process_made_meanwhile_stays(self, tmp_path: Path) -> None:
        place = tmp_path / "own.zip"

        class Meanwhile(Made):
            def fill(self, key: tuple, out: NDArray) -> None:
                place.write_text("theirs")
                super().fill(key, out)

        own = xr.Dataset({"own": stack_lazily([Meanwhile(1, (3,))], ("scan", "time"), "i2", (3,))})
        with pytest.raises(FileExistsError):
            to_zarr(own, place)
        assert place.read_text() == "theirs"
        assert list(tmp_path.iterdir()) == [place]

    def test_a_store_in_memory_is_no_copy_elsewhere(self) -> None:
        memory = zarr.storage.MemoryStore()
        to_zarr(real_leaf(scans=3), memory)
        xr.testing.assert_identical(xr.open_zarr(memory, chunks=None).load(), real_leaf(scans=3).load())
        assert ExportLog(platformdirs.user_config_path("decnef-data")).existing_exports("srpbs-open") == ()
        with pytest.raises(FileExistsError, match="choose another one, or remove it: 'MemoryStore'"):
            to_zarr(leaf(), memory)

    def test_a_store_in_a_folder_is_that_folder(self, tmp_path: Path) -> None:
        to_zarr(leaf(), tmp_path / "first.zarr")
        to_zarr(leaf(), zarr.storage.LocalStore(tmp_path / "second.zarr"))
        assert files(tmp_path / "first.zarr") == files(tmp_path / "second.zarr")
        assert {path.stat().st_mode & 0o077 for path in (tmp_path / "second.zarr").rglob("*")} == {0}

    def test_stores_are_where_their_files_are(self, tmp_path: Path) -> None:
        (tmp_path / ".git").mkdir()
        with pytest.raises(AccessError, match="is inside the Git checkout"):
            to_zarr(real_leaf(), zarr.storage.ZipStore(tmp_path / "own.zip", mode="w"))
        with pytest.raises(AccessError, match=r"'memory:///own\.zarr' is on another machine"):
            to_zarr(real_leaf(), zarr.storage.FsspecStore.from_url("memory://own.zarr"))
        with pytest.raises(AccessError, match="'zarr://Foreign' is on another machine"):
            to_zarr(real_leaf(), Foreign(zarr.storage.MemoryStore()))
        local = zarr.storage.FsspecStore.from_url(f"file://{tmp_path}/own.zarr")
        assert parse_destination(local).location == str(tmp_path / "own.zarr")

    def test_a_store_that_cannot_be_written_is_refused(self) -> None:
        with pytest.raises(SelectionError) as caught:
            to_zarr(leaf(), zarr.storage.MemoryStore(read_only=True))
        assert str(caught.value) == "'MemoryStore' is read-only. Open it for writing."

    @pytest.mark.parametrize("shards", [None, "auto"])
    def test_each_key_is_written_once_and_the_root_last(self, shards: Any) -> None:
        store = Recorded()
        tree = xr.DataTree.from_dict({"/": xr.Dataset(attrs={"a": 1}), "/COI/bold": leaf()})
        to_zarr(tree, store, shards=shards)
        assert len(store.written) == len(set(store.written))
        metadata = [key.endswith("zarr.json") for key in store.written]
        assert metadata == sorted(metadata)
        assert store.written[-1] == "zarr.json"


class TestShards:
    @pytest.mark.parametrize("chunks", ["time", "volumes"])
    def test_a_shard_holds_chunks_that_are_read_one_by_one(self, tmp_path: Path, chunks: Any) -> None:
        to_zarr(leaf(), tmp_path / "plain.zarr", chunks=chunks)
        to_zarr(leaf(), tmp_path / "shards.zarr", chunks=chunks, shards="auto")
        found = xr.open_zarr(tmp_path / "shards.zarr", chunks=None)
        xr.testing.assert_identical(found.load(), leaf().load())
        plain, sharded = (
            zarr.open_array(tmp_path / f"{name}.zarr/bold", mode="r") for name in ("plain", "shards")
        )
        assert sharded.chunks == plain.chunks
        assert sum(name.startswith("bold/c/") for name in files(tmp_path / "shards.zarr")) == 1

    def test_a_shard_is_no_larger_than_what_is_read_at_a_time(self) -> None:
        series = xr.Variable(tuple("abcde"), np.broadcast_to(np.int16(0), (5, 244, 40, 64, 64)))
        shape = region_shape(series, (1, 244, 10, 8, 16))
        assert 2 * np.prod(shape) <= 1 << 27
        assert shape == (1, 244, 40, 64, 64)

    def test_another_sharding_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(SelectionError) as caught:
            to_zarr(leaf(), tmp_path / "own.zarr", shards="all")  # type: ignore[arg-type]  # on purpose
        assert str(caught.value) == "There is no sharding 'all'. Valid names: 'auto'."


class TestWhereItMayGo:
    @pytest.fixture
    def real(self) -> xr.Dataset:
        return real_leaf()

    def test_not_into_a_checkout_unless_insisted(self, tmp_path: Path, real: xr.Dataset) -> None:
        (tmp_path / "repo/.git").mkdir(parents=True)
        place = tmp_path / "repo/data/own.zarr"
        with pytest.raises(AccessError) as caught:
            to_zarr(real, place)
        assert str(caught.value) == (
            f"'{place}' is inside the Git checkout '{tmp_path / 'repo'}', and the terms of 'srpbs-open' do not permit "
            "sharing its data. Export to a private folder, or add --i-may-share (i_may_share=True) if you have permission."
        )
        assert not place.parent.exists()
        real.decnef.to_zarr(place, i_may_share=True)
        assert place.is_dir()

    def test_not_to_an_address_unless_insisted(self, address: str, real: xr.Dataset) -> None:
        tree = xr.DataTree.from_dict({"/": xr.Dataset(), "/COI/bold": real})
        for data in (real, tree):
            with pytest.raises(
                AccessError, match="is on another machine, and the terms of 'srpbs-open' do not permit"
            ):
                to_zarr(data, address)
        assert remote_files(address) == {}
        to_zarr(real, address, i_may_share=True)
        assert "zarr.json" in remote_files(address)

    def test_people_without_the_name_of_a_dataset_are_held_back_too(self, real: xr.Dataset) -> None:
        with pytest.raises(AccessError) as caught:
            to_zarr(real.drop_attrs(), "s3://bucket/own.zarr")
        assert str(caught.value) == (
            "'s3://bucket/own.zarr' is on another machine, and these participants' data have no attribute "
            "'dataset', so their terms cannot be checked. Keep the attribute, or add i_may_share=True if you have permission."
        )

    def test_where_copies_went_is_noted_even_if_only_a_part_arrived(
        self, tmp_path: Path, address: str
    ) -> None:
        real = real_leaf(scans=3, broken=True)
        to_zarr(real.isel(scan=[0]), f"file://{tmp_path}/own.zarr")
        to_zarr(leaf(scans=1), tmp_path / "phantom.zarr")
        with pytest.raises(IntegrityError):
            to_zarr(real, address, i_may_share=True)
        noted = ExportLog(platformdirs.user_config_path("decnef-data")).existing_exports("srpbs-open")
        assert [one.destination for one in noted] == [str(tmp_path / "own.zarr"), address]

    def test_a_phantom_and_what_is_about_nobody_go_anywhere(self, address: str) -> None:
        to_zarr(xr.Dataset({"mean": ("edge", [0.5])}), address + "/a")
        to_zarr(leaf(scans=1), address + "/b")
        assert {"a/zarr.json", "b/zarr.json"} <= remote_files(address).keys()


class TestErrors:
    def test_no_password_of_an_address_comes_out(self) -> None:
        url = "sftp://me:hidden-word@host/own.zarr?sig=hidden-word"
        with pytest.raises(AccessError) as caught:
            to_zarr(real_leaf(), url)
        assert "'sftp://host/own.zarr' is on another machine" in str(caught.value)
        assert "hidden" not in f"{caught.value} {caught.value.__dict__} {parse_destination(url)!r}"

    def test_another_chunking_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(SelectionError) as caught:
            to_zarr(leaf(), tmp_path / "own.zarr", chunks="volume")  # type: ignore[arg-type]  # on purpose
        assert str(caught.value) == "There is no chunking 'volume'. Did you mean 'volumes'?"

    @pytest.mark.parametrize(
        ("values", "dtype"),
        [
            (np.array(["2026-01-01"], "datetime64[ns]"), "datetime64[ns]"),
            (np.array([1], np.longdouble), "float128"),
            (np.array([{"a": 1}], object), "object"),
        ],
    )
    @pytest.mark.parametrize("coordinate", [True, False])
    def test_other_values_have_no_form(
        self, tmp_path: Path, values: NDArray, dtype: str, coordinate: bool
    ) -> None:
        own = xr.Dataset({"scanned": ("scan", values)})
        with pytest.raises(SelectionError) as caught:
            to_zarr(own.set_coords("scanned") if coordinate else own, tmp_path / "own.zarr")
        assert str(caught.value) == (
            f"'scanned' has the dtype {dtype}, but a portable Zarr store can contain only numbers and text. "
            "Remove it with drop_vars, or convert it to numbers or text."
        )
        assert list(tmp_path.iterdir()) == []

    def test_who_waits_is_told(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        own = leaf()
        with caplog.at_level("INFO", "decnef_data.progress"):
            to_zarr(own, tmp_path / "own.zarr", progress="lines")
        first, last = (record.getMessage() for record in (caplog.records[0], caplog.records[-1]))
        whole = f"{own['bold'].nbytes / 1e6:,.1f} MB"
        assert first == f"{tmp_path}/own.zarr: 0.0 MB of {whole} (0%)"
        assert last == f"{tmp_path}/own.zarr: ended at {whole} of {whole} (100%)"

    def test_a_progress_that_is_none_is_refused_before_anything_is_written(self, tmp_path: Path) -> None:
        with pytest.raises(SelectionError, match="Unknown progress display 'loud'"):
            to_zarr(leaf(), tmp_path / "own.zarr", progress="loud")
        assert list(tmp_path.iterdir()) == []

    def test_an_address_without_fsspec_says_what_to_install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "fsspec.core", None)
        with pytest.raises(SelectionError) as caught:
            to_zarr(leaf(), "memory://own.zarr")
        assert str(caught.value) == (
            "Writing to the URL 'memory://own.zarr' requires fsspec. Install it with `pip install fsspec`."
        )


class TestCluster:
    @pytest.mark.slow
    def test_two_processes_write_the_same_bytes_as_threads(
        self, dask_client: Any, tmp_path: Path, phantom_dir: Path
    ) -> None:
        tree = decnef_data.fetch_dataset(
            "srpbs-open", sites=["COI", "KUT"], mirror="phantom", data_dir=phantom_dir, progress="none"
        )
        for chunks in ("time", "volumes"):
            to_zarr(tree, tmp_path / f"{chunks}-threads.zarr", chunks=chunks)
            to_zarr(tree, tmp_path / f"{chunks}-cluster.zarr", chunks=chunks, client=dask_client)
            assert files(tmp_path / f"{chunks}-threads.zarr") == files(tmp_path / f"{chunks}-cluster.zarr")
        ran = dask_client.run(os.getpid)
        assert len(set(ran.values()) - {os.getpid()}) == 2

    @pytest.mark.slow
    def test_dask_arrays_and_cubes_too(self, dask_client: Any, tmp_path: Path, phantom_dir: Path) -> None:
        cube = decnef_data.fetch_dataset(
            "srpbs-fc", group="roi93", mirror="phantom", data_dir=phantom_dir, progress="none"
        )
        to_zarr(cube, tmp_path / "threads.zarr")
        to_zarr(cube, tmp_path / "cluster.zarr", client=dask_client)
        to_zarr(cube.chunk({"subject": 100}), tmp_path / "dask.zarr", client=dask_client)
        assert (
            files(tmp_path / "threads.zarr")
            == files(tmp_path / "cluster.zarr")
            == files(tmp_path / "dask.zarr")
        )

    def test_chunks_that_went_elsewhere_are_noticed(self, dask_client: Any, address: str) -> None:
        own = xr.Dataset({"mean": ("edge", np.arange(5.0))})
        with pytest.raises(IntegrityError) as caught:
            to_zarr(own, address, client=dask_client)  # every process has a memory of its own
        assert str(caught.value) == (
            "1 of 1 chunks were not written, starting with 'mean/c/0'. "
            "Choose a destination that every worker of the cluster can access."
        )

    def test_no_worker_writes_to_a_zip_file(self, dask_client: Any, tmp_path: Path) -> None:
        with pytest.raises(SelectionError) as caught:
            to_zarr(leaf(), tmp_path / "own.zip", client=dask_client)
        assert str(caught.value) == (
            f"The workers of a cluster cannot write to the zip file '{tmp_path}/own.zip'. "
            "Choose a folder, or leave out client."
        )

    def test_an_error_of_a_worker_arrives_whole_and_leaves_nothing(
        self, dask_client: Any, tmp_path: Path
    ) -> None:
        adopted = trees.srpbs_open(tmp_path / "own")
        decnef_data.adopt("srpbs-open", adopted, data_dir=tmp_path / "cache", progress="none")
        found = decnef_data.fetch_dataset(
            "srpbs-open", group="COI/bold", data_dir=tmp_path / "cache", progress="none"
        )
        gone = adopted / "SRPBS_OPEN/data/sub-0002/rsfmri/vol_0003"
        gone.unlink()
        with pytest.raises(IntegrityError) as caught:
            to_zarr(found, tmp_path / "out/own.zarr", client=dask_client)
        assert str(caught.value) == (f"'{gone}' no longer exists. Restore it, or adopt the folder again.")
        assert list((tmp_path / "out").iterdir()) == []

    def test_who_is_late_makes_no_folder_again(self, tmp_path: Path) -> None:
        values = np.arange(5.0)
        made = zarr.create_array(zarr.storage.MemoryStore(), name="own", shape=(5,), chunks=(5,), dtype="f8")
        late = zarr.AsyncArray(
            made.metadata, zarr.storage.StorePath(StagedFolder(tmp_path / "given-up"), "own")
        )
        with pytest.raises(FileNotFoundError, match="given-up"):
            PortableArray(late, xr.Variable("edge", values)).copy_region((slice(0, 5),))
        assert list(tmp_path.iterdir()) == []


def test_a_store_that_was_opened_can_be_copied(tmp_path: Path) -> None:
    cube = xr.Dataset({"fc": (("subject", "edge"), [[0.5], [0.25]])}, {"site": ("subject", ["SWA", "é"])})
    to_zarr(cube, tmp_path / "first.zarr", progress="none")
    with xr.open_zarr(tmp_path / "first.zarr", chunks=None) as opened:
        to_zarr(opened, tmp_path / "second.zarr", progress="none")
    with xr.open_zarr(tmp_path / "second.zarr", chunks=None) as copied:
        assert copied.site.to_numpy().tolist() == ["SWA", "é"]
        assert copied.fc.to_numpy().tolist() == [[0.5], [0.25]]
