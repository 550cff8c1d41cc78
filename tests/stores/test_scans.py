"""Stores of single scans against zarr, xarray, numpy, damaged files and killed writers."""

import gzip
import json
import pickle
import stat
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from decnef_data.errors import FormatError, IntegrityError
from decnef_data.stores import scan_store
from decnef_data.stores.scan_store import InMemoryFile, InMemoryScan, StoredScan

LAW = settings(database=None, deadline=None, max_examples=60)
ATTRS = {"subject": "sub-0001", "session": "", "run": 1, "affine": [1.0, 0.0], "title": "東京"}


def voxels(*shape: int, dtype: str = "<i2") -> np.ndarray:
    return np.random.default_rng(sum(shape)).integers(0, 200, shape).astype(dtype)


def volumes(values: np.ndarray, *, headers: int = 2, tail: bytes = b"end") -> tuple[InMemoryFile, ...]:
    """Make a run of 3-D files, of which every second has another header."""
    files = []
    for number, volume in enumerate(values):
        header = bytes([number % headers]) * 352
        content = header + volume.tobytes() + tail
        files.append(InMemoryFile(f"sub-0001/rsfmri/vol_{number:04d}", content, 352, volume.nbytes))
    return tuple(files)


def a_run(values: np.ndarray) -> InMemoryScan:
    return InMemoryScan("bold", values.shape, values.dtype.str, ATTRS, volumes(values))


def one_file(values: np.ndarray, kind: str, *, gzipped: bool = False) -> InMemoryScan:
    content = b"\1" * 352 + values.tobytes() + b"trailing"
    packed = gzip.compress(content) if gzipped else None
    file = InMemoryFile("sub-01/a.nii.gz" if gzipped else "sub-01/a.nii", content, 352, values.nbytes, packed)
    return InMemoryScan(kind, values.shape, values.dtype.str, ATTRS, (file,))


def came_as(source: InMemoryScan) -> list[tuple[str, bytes]]:
    return [
        (
            file.path,
            bytes(file.content) if file.compressed_content is None else bytes(file.compressed_content),
        )
        for file in source.files
    ]


def read(scan: StoredScan, shape: tuple[int, ...], dtype: str = "<i2") -> np.ndarray:
    out = np.zeros(shape, dtype)
    scan.fill((slice(None),) * len(shape), out)
    return out


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return scan_store.store_path(tmp_path / "0123.scans", "sub-0001_bold_1")


@pytest.fixture
def run() -> np.ndarray:
    return voxels(45, 4, 3, 2)


@pytest.fixture
def published(store: Path, run: np.ndarray) -> Path:
    scan_store.publish(store, a_run(run))
    return store


def message(store: Path, file: str, state: str) -> str:
    return (
        f"The store '{store}' is not intact: '{store.name}/{file}' is {state}. "
        "Fetch the dataset again to rebuild the store."
    )


class TestRoundTrip:
    @pytest.mark.parametrize("dtype", ["<i2", ">i2", "|u1", "<f4", ">f8", "<u4", ">i8", "<c8", ">c16"])
    @pytest.mark.parametrize("length", [1, 20, 45])
    def test_voxels_and_files_come_back(self, store: Path, dtype: str, length: int) -> None:
        values = voxels(length, 5, 4, 3, dtype=dtype)
        source = a_run(values)
        scan_store.publish(store, source)
        scan = StoredScan(store)
        native = np.dtype(dtype).newbyteorder("=").str
        np.testing.assert_array_equal(read(scan, values.shape, native), values)
        assert list(scan.iter_originals()) == came_as(source)
        assert scan.attrs == ATTRS
        np.testing.assert_array_equal(zarr.open_group(store, mode="r")["bold"][...], values)

    @pytest.mark.parametrize("gzipped", [False, True])
    def test_one_file_of_a_whole_run_does_too(self, store: Path, run: np.ndarray, gzipped: bool) -> None:
        source = one_file(run, "bold", gzipped=gzipped)
        scan_store.publish(store, source)
        scan = StoredScan(store)
        np.testing.assert_array_equal(read(scan, run.shape), run)
        assert list(scan.iter_originals()) == came_as(source)
        assert scan.read_header() == b"\1" * 352

    @pytest.mark.parametrize("kind", ["memoryview", "bytearray", "array"])
    def test_files_may_be_held_in_any_buffer(self, store: Path, run: np.ndarray, kind: str) -> None:
        make = {
            "memoryview": memoryview,
            "bytearray": bytearray,
            "array": lambda source: np.frombuffer(source, "u1"),
        }
        files = tuple(
            InMemoryFile(file.path, make[kind](file.content), file.voxel_offset, file.voxel_nbytes)
            for file in volumes(run)
        )
        scan_store.publish(store, InMemoryScan("bold", run.shape, "<i2", ATTRS, files))
        assert list(StoredScan(store).iter_originals()) == came_as(a_run(run))

    def test_a_structural_image_is_cut_into_slabs(self, store: Path) -> None:
        values = voxels(200, 256, 200)
        scan_store.publish(store, one_file(values, "t1w"))
        stored = zarr.open_group(store, mode="r")["t1w"]
        assert (stored.shape, stored.chunks) == ((200, 256, 200), (81, 256, 200))
        np.testing.assert_array_equal(read(StoredScan(store), values.shape), values)

    def test_field_maps_are_kept_as_files(self, store: Path) -> None:
        files = (
            InMemoryFile("sub-0001/fmap/phase.nii", b"phase" * 99),
            InMemoryFile("sub-0001/fmap/empty", b""),
        )
        source = InMemoryScan("fmap", (), "", ATTRS, files)
        scan_store.publish(store, source)
        scan = StoredScan(store)
        assert list(scan.iter_originals()) == came_as(source)
        with pytest.raises(FormatError) as caught:
            scan.fill((), np.empty(()))
        assert (
            str(caught.value)
            == f"'{store}' contains separate files, not an array. Read the files one by one."
        )

    def test_a_file_beside_the_image_is_kept_too(self, store: Path, run: np.ndarray) -> None:
        files = (*volumes(run), InMemoryFile("sub-0001/rsfmri/note.txt", b"not an image"))
        scan_store.publish(store, InMemoryScan("bold", run.shape, "<i2", ATTRS, files))
        assert list(StoredScan(store).iter_originals())[-1] == ("sub-0001/rsfmri/note.txt", b"not an image")

    def test_headers_that_are_alike_are_kept_once(self, published: Path) -> None:
        kept = zarr.open_group(published, mode="r")["surroundings"]
        assert kept.shape == (2 * 352 + len(b"end"),)

    def test_originals_may_be_left_in_the_middle(self, published: Path) -> None:
        scan = StoredScan(published)
        assert next(scan.iter_originals()) == next(scan.iter_originals())

    def test_a_store_that_is_there_stays(self, published: Path, run: np.ndarray) -> None:
        before = (published / "zarr.json").stat().st_ino
        scan_store.publish(published, a_run(run + 1))
        assert (published / "zarr.json").stat().st_ino == before
        np.testing.assert_array_equal(read(StoredScan(published), run.shape), run)


def parts(length: int) -> st.SearchStrategy[int | slice | np.ndarray]:
    positions = st.integers(-length, length - 1)
    steps = st.sampled_from([None, 1, 2, -1, -3, 7])
    return st.one_of(
        positions,
        st.builds(slice, st.none() | positions, st.none() | positions, steps),
        st.lists(positions, max_size=5).map(lambda chosen: np.array(chosen, dtype=np.intp)),
    )


SHAPE = (45, 5, 4, 3)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = scan_store.store_path(tmp_path_factory.mktemp("law"), "run")
    scan_store.publish(store, a_run(voxels(*SHAPE, dtype=">i2")))
    return store


class TestReading:
    @LAW
    @given(key=st.tuples(*(parts(length) for length in SHAPE)))
    def test_any_key_selects_what_numpy_does(self, stored: Path, key: tuple) -> None:
        expected = voxels(*SHAPE, dtype="<i2")
        chosen = [np.atleast_1d(np.arange(n)[part]) for part, n in zip(key, SHAPE, strict=True)]
        shape = [len(c) for c, part in zip(chosen, key, strict=True) if not isinstance(part, int)]
        source = np.full((2, *shape), -1, "<i2")
        StoredScan(stored).fill(key, source[0, ...])
        np.testing.assert_array_equal(source[0], expected[np.ix_(*chosen)].reshape(shape))
        assert (source[1] == -1).all()

    def test_only_the_blocks_that_are_needed_are_read(self, published: Path, run: np.ndarray) -> None:
        scan = StoredScan(published)
        scan.fill((0, 0, 0, 0), np.empty((), "<i2"))
        for number in (0, 2):
            (published / f"bold/c.{number}.0.0.0").unlink()
        out = np.empty((20, 4, 3, 2), "<i2")
        scan.fill((slice(20, 40), *(slice(None),) * 3), out)
        np.testing.assert_array_equal(out, run[20:40])

    def test_making_one_looks_at_nothing_and_it_pickles_as_a_path(self, published: Path) -> None:
        scan = StoredScan(published)
        scan.fill((0, 0, 0, 0), np.empty((), "<i2"))
        assert len(pickle.dumps(scan)) < 300
        assert pickle.loads(pickle.dumps(scan)).attrs == ATTRS
        StoredScan(Path("nowhere"))

    def test_it_stacks_to_a_lazy_variable(self, published: Path, run: np.ndarray) -> None:
        from decnef_data.arrays import stack_lazily

        dims = ("scan", "time", "z", "y", "x")
        variable = stack_lazily([StoredScan(published)] * 2, dims, "<i2", run.shape)
        np.testing.assert_array_equal(variable[1, ::-3, :, [1, 0]], run[::-3, :, [1, 0]])


class TestFormat:
    def test_zarr_and_xarray_open_it_without_a_warning(self, published: Path, run: np.ndarray) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = xr.open_zarr(published, consolidated=False, chunks=None)
            np.testing.assert_array_equal(found["bold"], run)
        assert found["bold"].dims == ("time", "z", "y", "x")
        assert found.attrs["title"] == "東京"

    def test_the_metadata_say_how_it_is_stored(self, store: Path) -> None:
        scan_store.publish(store, a_run(voxels(45, 4, 3, 2, dtype=">i2")))
        metadata = json.loads((store / "bold/zarr.json").read_bytes())
        assert metadata["chunk_grid"]["configuration"]["chunk_shape"] == [20, 4, 3, 2]
        assert metadata["codecs"] == [
            {"name": "bytes", "configuration": {"endian": "big"}},
            {
                "name": "blosc",
                "configuration": {
                    "typesize": 2, "cname": "zstd", "clevel": 3, "shuffle": "bitshuffle", "blocksize": 1048576,
                },
            },
            {"name": "crc32c"},
        ]  # fmt: skip

    def test_a_block_of_zeros_is_written(self, store: Path) -> None:
        scan_store.publish(store, a_run(np.zeros((40, 4, 3, 2), "<i2")))
        assert sorted(path.name for path in (store / "bold").glob("c.*")) == ["c.0.0.0.0", "c.1.0.0.0"]

    def test_only_the_owner_may_look(self, published: Path) -> None:
        for path in (published.parent, published, *published.rglob("*")):
            assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path

    def test_it_names_what_the_arrays_are_for(self, published: Path) -> None:
        group = zarr.open_group(published, mode="r")
        about = {name: dict(array.attrs) for name, array in group.arrays()}
        assert about == {
            "bold": {},
            "surroundings": {
                "long_name": "bytes before and after the voxels of the original files, without duplicates"
            },
            "files": {"long_name": "JSON: path of each original file, and the location of its bytes"},
        }


class TestDamage:
    @pytest.mark.parametrize("file", ["bold/c.1.0.0.0", "files/c.0", "surroundings/zarr.json", "zarr.json"])
    def test_a_missing_file_is_an_error_before_anything_is_read(self, published: Path, file: str) -> None:
        (published / file).unlink()
        scan = StoredScan(published)
        acts = (
            lambda: scan.fill((0, 0, 0, 0), np.empty((), "<i2")),
            lambda: scan.attrs,
            lambda: [*scan.iter_originals()],
        )
        for act in acts:
            with pytest.raises(IntegrityError) as caught:
                act()
            assert str(caught.value) == message(published, file, "missing")

    def test_a_block_that_vanishes_later_is_an_error_too(self, published: Path) -> None:
        scan = StoredScan(published)
        scan.fill((0, 0, 0, 0), np.empty((), "<i2"))
        (published / "bold/c.2.0.0.0").unlink()
        with pytest.raises(IntegrityError) as caught:
            read(scan, (45, 4, 3, 2))
        assert str(caught.value) == message(published, "bold/c.2.0.0.0", "missing")

    @pytest.mark.parametrize("at", [20, -1])
    def test_a_changed_byte_is_an_error(self, published: Path, at: int) -> None:
        path = published / "bold/c.2.0.0.0"
        content = bytearray(path.read_bytes())
        content[at] ^= 1
        path.write_bytes(content)
        for act in (
            lambda: read(StoredScan(published), (45, 4, 3, 2)),
            lambda: [*StoredScan(published).iter_originals()],
        ):
            with pytest.raises(IntegrityError) as caught:
                act()
            assert str(caught.value) == message(published, "bold/c.2.0.0.0", "damaged")

    def test_a_store_that_is_not_there_says_what_to_do(self, store: Path) -> None:
        with pytest.raises(IntegrityError) as caught:
            read(StoredScan(store), (45, 4, 3, 2))
        assert str(caught.value) == f"There is no store '{store}'. Fetch the dataset again to create it."

    def test_voxels_that_are_not_there_are_refused(self, store: Path, run: np.ndarray) -> None:
        source = InMemoryScan("bold", (46, 4, 3, 2), "<i2", ATTRS, volumes(run))
        with pytest.raises(FormatError) as caught:
            scan_store.publish(store, source)
        assert str(caught.value) == (
            "'sub-0001/rsfmri/vol_0000' and the other files of its scan contain 2160 bytes of voxels, "
            "but their shape requires 2208. Download them again."
        )
        assert not store.parent.exists()

    def test_a_type_that_zarr_does_not_have_is_refused(self, store: Path) -> None:
        values = np.zeros((1, 2, 2, 2), np.longdouble)
        with pytest.raises(FormatError) as caught:
            scan_store.publish(store, a_run(values))
        assert str(caught.value) == (
            "'sub-0001/rsfmri/vol_0000' has the data type 'float128', which Zarr does not support. "
            "Unpack the archive, then run `decnef_data.adopt(NAME, PATH)` with the path of the folder."
        )


class TestFolder:
    def test_names_are_those_of_whole_stores(self, published: Path, run: np.ndarray) -> None:
        scan_store.publish(scan_store.store_path(published.parent, "other"), a_run(run))
        (published.parent / ".staging-1-x-y").mkdir()
        assert scan_store.list_names(published.parent) == {"sub-0001_bold_1", "other"}
        assert scan_store.list_names(published.parent / "nowhere") == set()

    def test_what_dead_processes_left_is_swept(self, published: Path) -> None:
        from decnef_data.stores import staging

        dead = published.parent / f".staging-{2**22 + 1}-{staging._machine_id()}-x"
        dead.mkdir()
        scan_store.remove_orphans(published.parent)
        assert [path.name for path in published.parent.iterdir()] == [published.name]

    def test_one_store_or_all_can_be_removed(self, published: Path, run: np.ndarray) -> None:
        scan_store.publish(scan_store.store_path(published.parent, "other"), a_run(run))
        size = sum(path.stat().st_size for path in published.rglob("*") if path.is_file())
        assert scan_store.remove(published) == size
        assert scan_store.list_names(published.parent) == {"other"}
        assert scan_store.remove(published.parent) > 0
        assert not published.parent.exists()
        assert scan_store.remove(published) == 0

    @pytest.mark.parametrize("deep", [False, True])
    def test_a_check_names_every_file(self, published: Path, deep: bool) -> None:
        found = scan_store.check(published, deep=deep)
        files = {
            path.relative_to(published.parent).as_posix() for path in published.rglob("*") if path.is_file()
        }
        assert {check.path for check in found} == files - {f"{published.name}/zarr.json"}
        assert {check.state for check in found} == {"intact"}

    def test_a_deep_check_finds_a_changed_byte(self, published: Path) -> None:
        path = published / "bold/c.1.0.0.0"
        content = bytearray(path.read_bytes())
        content[9] ^= 1
        path.write_bytes(content)
        assert {check.state for check in scan_store.check(published, deep=False)} == {"intact"}
        states = {check.path: check.state for check in scan_store.check(published, deep=True)}
        assert states[f"{published.name}/bold/c.1.0.0.0"] == "damaged"

    def test_a_check_of_nothing_says_so(self, store: Path) -> None:
        assert [(check.path, check.state) for check in scan_store.check(store, deep=True)] == [
            (store.name, "missing")
        ]


WRITER = """
import sys
from itertools import count
from pathlib import Path
import numpy as np
from decnef_data.stores import scan_store
from decnef_data.stores.scan_store import InMemoryFile, InMemoryScan

values = np.random.default_rng(0).integers(0, 900, (60, 20, 32, 32)).astype("<i2")
files = tuple(
    InMemoryFile(f"vol_{at:04d}", bytes(352) + one.tobytes(), 352, one.nbytes) for at, one in enumerate(values)
)
scan = InMemoryScan("bold", values.shape, "<i2", {"run": 1}, files)
folder, first = Path(sys.argv[1]), int(sys.argv[2])
print("ready", flush=True)
for number in count(first):
    scan_store.publish(scan_store.store_path(folder, f"scan_{number:05d}"), scan)
"""


class TestKilled:
    KILLS = 8

    @pytest.mark.slow
    def test_a_killed_writer_leaves_whole_stores_and_no_others(self, tmp_path: Path) -> None:
        folder = tmp_path / "0123.scans"
        delays = np.random.default_rng(3).uniform(0.0, 0.4, self.KILLS).tolist()
        orphans = 0
        for attempt, delay in enumerate(delays):
            self.kill(folder, attempt * 1000, delay)
            orphans += len(list(folder.glob(".staging-*")))
            for name in scan_store.list_names(folder):
                assert {
                    one.state for one in scan_store.check(scan_store.store_path(folder, name), deep=True)
                } == {"intact"}
        assert orphans > 0  # else no kill met the writing
        scan_store.remove_orphans(folder)
        assert [path.name for path in folder.iterdir() if path.suffix != ".zarr"] == []

    def kill(self, folder: Path, first: int, delay: float) -> None:
        command = [sys.executable, "-c", WRITER, str(folder), str(first)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout.readline() == "ready\n"
            time.sleep(delay)
            writer.kill()
