"""Stores against zarr, xarray, killed writers, full disks and damaged files."""

import errno
import hashlib
import json
import os
import pickle
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from decnef_data.arrays import memmap_variable
from decnef_data.errors import IntegrityError, SelectionError
from decnef_data.model import Checksum, FileCheck
from decnef_data.stores import Stores, staging, store_key

LAW = settings(database=None, deadline=None, max_examples=25)
KEY = "0123abcd"
# zarr 3.0 says this of vlen-utf8 whenever it reads text; later ones do not.
plain_reader = pytest.mark.filterwarnings("ignore:.*is currently not part in the Zarr format 3 specification")


def cube(rows: int = 6, edges: int = 10) -> xr.Dataset:
    generator = np.random.default_rng(rows)
    fc = generator.uniform(-1, 1, (rows, edges))
    fc[1] = np.nan
    people = {
        "subject": [f"one-{row:04d}" for row in range(1, rows + 1)],
        "site": ("subject", np.resize(["SWA", "", "東京", "Zürich"], rows)),
        "handedness": ("subject", np.full(rows, "")),
        "age": ("subject", generator.uniform(18, 80, rows).astype("f4"), {"units": "years"}),
        "mean_fd": ("subject", np.full(rows, np.nan), {"comment": "The release has none."}),
        "source_row": ("subject", np.arange(rows, dtype="i4")),
        "flipped": ("subject", np.zeros(rows, dtype=bool)),
    }
    regions = {"roi": ["L.CB", "R.CB", "VERM"], "roi_a": ("edge", np.resize(["L.CB", "R.CB"], edges))}
    return xr.Dataset(
        {"fc": (("subject", "edge"), fc, {"units": "1", "long_name": "Pearson r", "nan_rows": np.int64(1)})},
        coords={**people, **regions, "release": "2021"},
        attrs={"title": "A cube", "synthetic": True, "checksums": ["md5:00"]},
    )


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    return Stores(tmp_path / "cache" / "stores", memmap_variable)


@pytest.fixture
def published(stores: Stores) -> Path:
    return stores.publish(KEY, {"bal140": cube(), "roi93": cube(3, 4)}, {"title": "Two cubes", "people": 6})


def files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def leftovers(stores: Stores) -> list[str]:
    return sorted(path.name for path in stores.root.iterdir() if path.suffix != ".zarr")


def flip(path: Path, index: int = 0) -> None:
    content = bytearray(path.read_bytes())
    content[index] ^= 1
    path.write_bytes(content)


class TestKey:
    ONE, TWO = Checksum("md5", "1" * 32), Checksum("sha256", "2" * 64)

    def test_it_is_the_digest_of_sources_and_layout(self) -> None:
        text = f"md5:{'1' * 32}\nsha256:{'2' * 64}\nconnectivity\n3"
        assert store_key([self.TWO, self.ONE], "connectivity", 3) == hashlib.sha256(text.encode()).hexdigest()

    def test_anything_else_has_another_key(self) -> None:
        found = {
            store_key([self.ONE], "connectivity", 1),
            store_key([self.TWO], "connectivity", 1),
            store_key([self.ONE, self.TWO], "connectivity", 1),
            store_key([self.ONE], "connectivity", 2),
            store_key([self.ONE], "mri", 1),
        }
        assert len(found) == 5


class TestRoundTrip:
    def test_a_group_comes_back_identical_and_in_order(self, stores: Stores, published: Path) -> None:
        for group, written in {"bal140": cube(), "roi93": cube(3, 4)}.items():
            found = stores.open(KEY, group)
            xr.testing.assert_identical(found, written)
            assert list(found.variables) == list(written.variables)
            assert {name: found[name].dtype.kind for name in found} == {
                name: written[name].dtype.kind for name in written
            }

    def test_text_is_numpy_text_and_types_are_kept(self, stores: Stores, published: Path) -> None:
        found = stores.open(KEY, "bal140")
        kinds = {name: found[name].dtype.str for name in found.variables}
        assert kinds == {
            "fc": "<f8", "subject": "<U8", "site": "<U6", "handedness": "<U1", "age": "<f4", "mean_fd": "<f8",
            "source_row": "<i4", "flipped": "|b1", "roi": "<U4", "roi_a": "<U4", "release": "<U4",
        }  # fmt: skip

    def test_values_are_lazy_and_coordinates_are_not(self, stores: Stores, published: Path) -> None:
        found = stores.open(KEY, "bal140")
        assert not found["fc"].variable._in_memory
        assert all(coord.variable._in_memory for coord in found.coords.values())

    def test_coordinates_may_be_changed_in_memory(self, stores: Stores, published: Path) -> None:
        found = stores.open(KEY, "bal140")
        found["age"].to_numpy()[0] = 99
        assert stores.open(KEY, "bal140")["age"][0] == cube()["age"][0]

    def test_a_pickle_of_a_group_holds_the_path(self, stores: Stores) -> None:
        stores.publish(KEY, {"bal140": cube(20, 50_000)}, {})
        content = pickle.dumps(stores.open(KEY, "bal140")["fc"].variable)
        assert len(content) < 1500
        np.testing.assert_array_equal(pickle.loads(content).to_numpy(), cube(20, 50_000)["fc"].to_numpy())

    @pytest.mark.parametrize("dtype", [">f8", ">f4", "<f4", "<i2", "|u1", "|b1"])
    def test_any_byte_order_is_stored_as_the_values_it_means(self, stores: Stores, dtype: str) -> None:
        values = np.arange(6).reshape(2, 3).astype(dtype)
        path = stores.publish(KEY, {"one": xr.Dataset({"fc": (("x", "y"), values)})}, {})
        np.testing.assert_array_equal(stores.open(KEY, "one")["fc"].to_numpy(), values)
        assert stores.open(KEY, "one")["fc"].dtype == np.dtype(dtype).newbyteorder("<")
        np.testing.assert_array_equal(zarr.open_group(path, mode="r")["one/fc"][...], values)

    @pytest.mark.parametrize("dims", [{"subject": []}, {"edge": []}])
    def test_an_empty_cube_is_a_cube(self, stores: Stores, dims: dict[str, list]) -> None:
        stores.publish(KEY, {"one": cube().isel(dims)}, {})
        xr.testing.assert_identical(stores.open(KEY, "one"), cube().isel(dims))

    @LAW
    @given(
        texts=st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), max_size=9)
    )
    def test_every_text_comes_back(self, tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
        stores = Stores(tmp_path_factory.mktemp("law"), memmap_variable)
        written = xr.Dataset(coords={"note": ("subject", np.array(texts, dtype=str))})
        stores.publish(KEY, {"one": written}, {})
        assert stores.open(KEY, "one")["note"].to_numpy().tolist() == texts

    def test_a_lazy_cube_can_be_published_again(self, stores: Stores, published: Path) -> None:
        stores.publish("other", {"bal140": stores.open(KEY, "bal140").isel(subject=[2, 0])}, {})
        xr.testing.assert_identical(stores.open("other", "bal140"), cube().isel(subject=[2, 0]))

    @pytest.mark.parametrize("values", [["a", "", "bc"], np.array(["a", "", "bc"], dtype=object)])
    def test_text_of_any_kind_comes_back_as_numpy_text(self, stores: Stores, values: list[str]) -> None:
        stores.publish(KEY, {"one": xr.Dataset({"note": ("subject", values)})}, {})
        found = stores.open(KEY, "one")["note"].to_numpy()
        assert (found.dtype, found.tolist()) == (np.dtype("<U2"), ["a", "", "bc"])

    @pytest.mark.parametrize(
        "values", [np.array(["a", None], dtype=object), np.array(["2021-01-01"], dtype="datetime64[ns]")]
    )
    def test_what_is_neither_number_nor_text_is_refused(self, stores: Stores, values: np.ndarray) -> None:
        with pytest.raises(TypeError) as caught:
            stores.publish(KEY, {"one": xr.Dataset({"note": ("subject", values)})}, {})
        assert str(caught.value) == (
            f"A store can contain only numbers and text, but the {values.dtype} array has other values."
        )
        assert list(stores.root.iterdir()) == []

    def test_attributes_that_json_has_no_form_for_are_refused(self, stores: Stores) -> None:
        with pytest.raises(TypeError) as caught:
            stores.publish(KEY, {"bal140": cube()}, {"made": b"bytes"})
        assert str(caught.value) == (
            "The attribute value b'bytes' cannot be written as JSON. Convert it to text or numbers."
        )
        assert list(stores.root.iterdir()) == []


class TestFormat:
    @plain_reader
    def test_xarray_alone_reads_the_same(self, stores: Stores, published: Path) -> None:
        for group in ("bal140", "roi93"):
            plain = xr.open_zarr(published, group=group, chunks=None, consolidated=False)
            ours = stores.open(KEY, group)
            assert set(plain.coords) == set(ours.coords)
            assert plain.attrs == ours.attrs
            for name in ours.variables:
                np.testing.assert_array_equal(
                    plain[name].to_numpy().astype(ours[name].dtype), ours[name].to_numpy()
                )
                assert plain[name].attrs == ours[name].attrs

    @plain_reader
    def test_zarr_alone_reads_the_same(self, stores: Stores, published: Path) -> None:
        group = zarr.open_group(published, mode="r")
        assert sorted(name for name, _ in group.groups()) == ["bal140", "roi93"]
        assert (group.attrs["title"], group.attrs["people"]) == ("Two cubes", 6)
        ours = stores.open(KEY, "bal140")
        assert sorted(group["bal140"].array_keys()) == sorted(ours.variables)
        for name in ours.variables:
            found = np.asarray(group[f"bal140/{name}"][...]).astype(ours[name].dtype)
            np.testing.assert_array_equal(found, ours[name].to_numpy())

    @plain_reader
    def test_xarray_reads_the_tree_without_a_warning(self, published: Path) -> None:
        tree = xr.open_datatree(published, engine="zarr", consolidated=False, chunks=None)
        assert set(tree.children) == {"bal140", "roi93"}

    def test_the_cube_is_one_raw_buffer_and_four_bytes(self, published: Path) -> None:
        metadata = json.loads((published / "bal140/fc/zarr.json").read_bytes())
        assert metadata["chunk_grid"]["configuration"]["chunk_shape"] == [6, 10]
        assert [codec["name"] for codec in metadata["codecs"]] == ["bytes", "crc32c"]
        assert metadata["fill_value"] == "NaN"
        assert (published / "bal140/fc/c.0.0").read_bytes()[:-4] == cube()["fc"].to_numpy().tobytes()

    def test_a_chunk_of_nothing_but_missing_values_is_written(self, published: Path) -> None:
        assert (published / "bal140/mean_fd/c.0").stat().st_size == 6 * 8 + 4
        assert (published / "bal140/handedness/c.0").stat().st_size == 4 + 6 * 4 + 4

    def test_only_the_owner_may_look(self, stores: Stores, published: Path) -> None:
        for path in (stores.root.parent, stores.root, published, *published.rglob("*")):
            mode = stat.S_IMODE(path.stat().st_mode)
            assert mode == (0o700 if path.is_dir() else 0o600), path

    @plain_reader
    def test_a_large_cube_is_blocks_of_whole_rows(self, tmp_path: Path) -> None:
        stores = Stores(tmp_path, memmap_variable, max_chunk_bytes=3 * 80)
        written = cube(8, 10)
        path = stores.publish(KEY, {"bal140": written}, {})
        blocks = sorted((path / "bal140/fc").glob("c*"))
        assert [block.relative_to(path).as_posix() for block in blocks] == [
            f"bal140/fc/c.{row}.0" for row in range(4)
        ]
        assert {block.stat().st_size for block in blocks} == {2 * 80 + 4}
        found = stores.open(KEY, "bal140")
        assert not found["fc"].variable._in_memory
        xr.testing.assert_identical(found, written)
        np.testing.assert_array_equal(found["fc"][[6, 1], 2:5], written["fc"][[6, 1], 2:5])
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(found))["fc"], written["fc"])
        assert stores.manifest(KEY).arrays["bal140/fc"] == 4

    def test_a_row_above_the_limit_is_a_block(self, tmp_path: Path) -> None:
        stores = Stores(tmp_path, memmap_variable, max_chunk_bytes=8)
        path = stores.publish(KEY, {"bal140": cube(3, 4)}, {})
        assert len(list((path / "bal140/fc").glob("c*"))) == 3
        assert len(list((path / "bal140/age").glob("c*"))) == 1


class TestManifest:
    def test_it_states_every_file(self, stores: Stores, published: Path) -> None:
        manifest = stores.manifest(KEY)
        found = {path.relative_to(published).as_posix(): path.stat().st_size for path in files_of(published)}
        root = found.pop("zarr.json")
        assert {path: file.size for path, file in manifest.files.items()} == found
        assert manifest.size == sum(found.values())
        assert root < 20_000

    def test_it_states_what_is_inside_and_what_wrote_it(self, stores: Stores, published: Path) -> None:
        manifest = stores.manifest(KEY)
        assert (manifest.key, manifest.format, manifest.groups) == (KEY, 1, ("bal140", "roi93"))
        assert manifest.attrs == {"title": "Two cubes", "people": 6}
        assert manifest.array_names("roi93") == tuple(cube().variables)
        assert set(manifest.arrays.values()) == {1}
        assert manifest.software["zarr"] == zarr.__version__
        assert set(manifest.software) == {"decnef-data", "zarr", "xarray", "numpy"}

    def test_there_is_none_where_there_is_no_store(self, stores: Stores) -> None:
        assert stores.manifest(KEY) is None
        assert stores.find(KEY) is None
        assert stores.keys() == ()

    def test_groups_and_keys_are_those_published(self, stores: Stores, published: Path) -> None:
        stores.publish("0000", {"aal116": cube()}, {})
        assert stores.keys() == ("0000", KEY)
        assert stores.manifest(KEY).groups == ("bal140", "roi93")
        assert stores.path(KEY) == published

    def test_a_group_that_is_not_there_is_named_with_those_that_are(
        self, stores: Stores, published: Path
    ) -> None:
        with pytest.raises(SelectionError) as caught:
            stores.open(KEY, "aal116")
        assert (
            str(caught.value)
            == f"The store '{published}' has no group 'aal116'. Available groups: 'bal140', 'roi93'."
        )
        assert (caught.value.requested, caught.value.known) == ("aal116", ("bal140", "roi93"))

    def test_a_store_that_is_not_there_is_named(self, stores: Stores) -> None:
        with pytest.raises(SelectionError) as caught:
            stores.open(KEY, "bal140")
        assert str(caught.value) == f"There is no store '{stores.path(KEY)}'. Fetch the dataset to create it."


class TestDamage:
    FC = "bal140/fc/c.0.0"

    def message(self, store: Path, file: str, state: str) -> str:
        return (
            f"The store '{store}' is not intact: '{KEY}.zarr/{file}' is {state}. "
            "Fetch the dataset again to rebuild the store."
        )

    def states(self, stores: Stores, *, deep: bool) -> dict[str, str]:
        return {check.path: check.state for check in stores.check(KEY, deep=deep) if check.state != "intact"}

    @pytest.mark.parametrize("deep", [True, False])
    def test_a_whole_store_is_whole_file_by_file(self, stores: Stores, published: Path, deep: bool) -> None:
        checks = stores.check(KEY, deep=deep)
        assert {check.state for check in checks} == {"intact"}
        expected = {f"{KEY}.zarr/{path.relative_to(published).as_posix()}" for path in files_of(published)}
        assert {check.path for check in checks} == expected - {f"{KEY}.zarr/zarr.json"}

    @pytest.mark.parametrize("file", [FC, "roi93/age/c.0", "bal140/site/zarr.json", "bal140/zarr.json"])
    def test_a_missing_file_is_an_error_at_opening(self, stores: Stores, published: Path, file: str) -> None:
        (published / file).unlink()
        for act in (
            lambda: stores.open(KEY, "bal140"),
            lambda: stores.manifest(KEY),
            lambda: stores.find(KEY),
        ):
            with pytest.raises(IntegrityError) as caught:
                act()
            assert str(caught.value) == self.message(published, file, "missing")
            assert caught.value.file == f"{KEY}.zarr/{file}"
        assert (
            self.states(stores, deep=False)
            == self.states(stores, deep=True)
            == {f"{KEY}.zarr/{file}": "missing"}
        )

    @pytest.mark.parametrize("size", [0, 100])
    def test_a_file_of_another_size_is_an_error_at_opening(
        self, stores: Stores, published: Path, size: int
    ) -> None:
        os.truncate(published / self.FC, size)
        with pytest.raises(IntegrityError) as caught:
            stores.open(KEY, "bal140")
        assert str(caught.value) == self.message(published, self.FC, "changed")
        found = [check for check in stores.check(KEY, deep=True) if check.state != "intact"]
        detail = f"It has {size} bytes, but 484 were written."
        assert found == [FileCheck(f"{KEY}.zarr/{self.FC}", "changed", detail)]

    @pytest.mark.parametrize("file", [FC, "roi93/age/c.0", "bal140/site/zarr.json"])
    @pytest.mark.parametrize("index", [0, -1])
    def test_one_changed_bit_is_found_by_a_deep_check_only(
        self, stores: Stores, published: Path, file: str, index: int
    ) -> None:
        flip(published / file, index)
        assert self.states(stores, deep=False) == {}
        assert self.states(stores, deep=True) == {f"{KEY}.zarr/{file}": "damaged"}

    def test_two_chunks_that_changed_places_are_found(self, stores: Stores) -> None:
        store = stores.publish(KEY, {"bal140": cube().assign_coords(also=("subject", np.arange(6.0)))}, {})
        one, other = store / "bal140/also/c.0", store / "bal140/mean_fd/c.0"
        first, second = one.read_bytes(), other.read_bytes()
        one.write_bytes(second)
        other.write_bytes(first)
        assert self.states(stores, deep=True) == {
            f"{KEY}.zarr/bal140/also/c.0": "damaged",
            f"{KEY}.zarr/bal140/mean_fd/c.0": "damaged",
        }

    def test_a_changed_bit_of_a_coordinate_is_an_error_at_opening(
        self, stores: Stores, published: Path
    ) -> None:
        flip(published / "bal140/age/c.0", 3)
        with pytest.raises(IntegrityError) as caught:
            stores.open(KEY, "bal140")
        assert str(caught.value) == self.message(published, "bal140/age/c.0", "damaged")
        for act in (lambda: stores.open(KEY, "roi93"), lambda: stores.manifest(KEY)):  # the store is marked
            with pytest.raises(IntegrityError, match=r"'0123abcd\.zarr/bal140/age/c\.0' is damaged"):
                act()
        assert self.states(stores, deep=False) == {f"{KEY}.zarr/bal140/age/c.0": "damaged"}
        assert stores.publish(KEY, {"bal140": cube()}, {}) == published
        assert self.states(stores, deep=True) == {}

    @pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"attributes": null}', b"\xff\xfe"])
    def test_an_unreadable_manifest_is_a_damaged_store(
        self, stores: Stores, published: Path, content: bytes
    ) -> None:
        (published / "zarr.json").write_bytes(content)
        with pytest.raises(IntegrityError) as caught:
            stores.manifest(KEY)
        assert str(caught.value) == self.message(published, "zarr.json", "damaged")
        assert [(check.path, check.state) for check in stores.check(KEY, deep=False)] == [
            (f"{KEY}.zarr/zarr.json", "damaged")
        ]

    def test_a_changed_manifest_is_a_damaged_store(self, stores: Stores, published: Path) -> None:
        root = published / "zarr.json"
        root.write_text(root.read_text().replace(r"\"size\":484", r"\"size\":485"))
        with pytest.raises(IntegrityError) as caught:
            stores.manifest(KEY)
        assert str(caught.value) == self.message(published, "zarr.json", "damaged")

    def test_a_store_without_a_manifest_is_not_whole(self, stores: Stores, published: Path) -> None:
        (published / "zarr.json").unlink()
        with pytest.raises(IntegrityError) as caught:
            stores.open(KEY, "bal140")
        assert str(caught.value) == self.message(published, "zarr.json", "missing")

    def test_checking_no_store_says_so(self, stores: Stores) -> None:
        assert stores.check(KEY, deep=True) == (
            FileCheck(f"{KEY}.zarr", "missing", "The store does not exist."),
        )

    def test_publishing_again_repairs_a_damaged_store(self, stores: Stores, published: Path) -> None:
        (published / self.FC).unlink()
        assert stores.publish(KEY, {"bal140": cube()}, {}) == published
        xr.testing.assert_identical(stores.open(KEY, "bal140"), cube())
        assert leftovers(stores) == []


class TestPublishing:
    def test_a_store_that_is_there_is_never_touched(self, stores: Stores, published: Path) -> None:
        before = {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in files_of(published)}
        lazy = stores.open(KEY, "bal140")
        assert stores.publish(KEY, {"bal140": cube()}, {"title": "The loser"}) == published
        assert {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in files_of(published)} == before
        assert stores.manifest(KEY).attrs["title"] == "Two cubes"
        assert leftovers(stores) == []
        xr.testing.assert_identical(lazy, cube())

    def test_an_open_cube_outlives_its_removal(self, stores: Stores, published: Path) -> None:
        lazy = stores.open(KEY, "bal140")
        lazy["fc"][0, 0].to_numpy()
        size = sum(path.stat().st_size for path in files_of(published))
        assert stores.remove(KEY) == size
        assert list(stores.root.iterdir()) == []
        xr.testing.assert_identical(lazy, cube())

    def test_removing_nothing_frees_nothing(self, stores: Stores, published: Path) -> None:
        assert stores.remove("other") == 0
        assert Stores(published / "nowhere", memmap_variable).remove(KEY) == 0

    def test_a_failed_writing_leaves_nothing(self, stores: Stores) -> None:
        with pytest.raises(TypeError):
            stores.publish(KEY, {"bal140": cube(), "roi93": cube().assign_attrs(made=b"bytes")}, {})
        assert list(stores.root.iterdir()) == []

    def test_a_file_in_the_way_stays_an_oserror_with_its_path(self, stores: Stores) -> None:
        stores.root.mkdir(parents=True)
        stores.path(KEY).write_text("in the way")
        with pytest.raises(NotADirectoryError) as caught:
            stores.publish(KEY, {"bal140": cube()}, {})
        assert str(stores.root) in str(caught.value.filename)
        assert stores.path(KEY).read_text() == "in the way"
        assert leftovers(stores) == []


WRITER = """
import os, sys, traceback
from pathlib import Path
import numpy as np
import xarray as xr
from decnef_data.arrays import memmap_variable
from decnef_data.stores import Stores

people = {f"note_{number}": ("subject", np.resize(["yes", "no", ""], 400)) for number in range(12)}
fc = np.arange(400 * 5000, dtype=float).reshape(400, 5000)
groups = {"bal140": xr.Dataset({"fc": (("subject", "edge"), fc)}, coords=people)}
print("ready", flush=True)
for line in sys.stdin:
    what, which, *root = line.rstrip("\\n").split(" ", 2)
    if what == "wait":
        print(os.waitstatus_to_exitcode(os.waitpid(int(which), 0)[1]), flush=True)
        continue
    writer = os.fork()  # one that has imported everything, so that the kill meets the writing
    if not writer:
        status = 1
        try:
            Stores(Path(*root), memmap_variable).publish(which, groups, {"title": "Killed"})
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    print(writer, flush=True)
"""


class Writers:
    """Processes that publish, to be killed."""

    def __init__(self) -> None:
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
        self._parent = subprocess.Popen(
            [sys.executable, "-c", WRITER],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
        )  # fmt: skip
        assert self._line() == "ready"

    def _line(self) -> str:
        return self._parent.stdout.readline().strip()

    def _tell(self, line: str) -> str:
        self._parent.stdin.write(f"{line}\n")
        self._parent.stdin.flush()
        return self._line()

    def start(self, stores: Stores, key: str) -> int:
        return int(self._tell(f"publish {key} {stores.root}"))

    def wait(self, writer: int) -> int:
        return int(self._tell(f"wait {writer}"))

    def close(self) -> None:
        self._parent.stdin.close()
        self._parent.wait(60)
        self._parent.stdout.close()


@pytest.fixture(scope="module")
def writers() -> Iterator[Writers]:
    found = Writers()
    yield found
    found.close()


class TestProcesses:
    KILLS = 14

    def test_a_killed_writer_leaves_a_whole_store_or_none(self, stores: Stores, writers: Writers) -> None:
        begun = time.perf_counter()
        assert writers.wait(writers.start(stores, "unharmed")) == 0
        duration = time.perf_counter() - begun
        outcomes = [self.outcome(stores, writers, attempt, duration) for attempt in range(self.KILLS)]
        assert set(outcomes) <= {"whole", "none"}
        assert "none" in outcomes
        stores.publish(KEY, {"bal140": cube()}, {})
        assert leftovers(stores) == []

    def outcome(self, stores: Stores, writers: Writers, attempt: int, duration: float) -> str:
        writer = writers.start(stores, f"{attempt}")
        time.sleep(duration * attempt / (self.KILLS - 2))
        os.kill(writer, signal.SIGKILL)
        assert writers.wait(writer) in {0, -signal.SIGKILL}
        if stores.manifest(f"{attempt}") is None:
            return "none"
        assert {check.state for check in stores.check(f"{attempt}", deep=True)} == {"intact"}
        fc = stores.open(f"{attempt}", "bal140")["fc"].to_numpy()
        return "whole" if (fc.ravel() == np.arange(fc.size)).all() else "wrong"

    def test_writers_of_one_store_do_not_harm_each_other(self, stores: Stores, writers: Writers) -> None:
        several = [writers.start(stores, KEY) for _ in range(4)]
        assert [writers.wait(writer) for writer in several] == [0, 0, 0, 0]
        assert {check.state for check in stores.check(KEY, deep=True)} == {"intact"}
        assert leftovers(stores) == []

    @pytest.mark.slow
    def test_a_disk_that_takes_no_more_stays_an_oserror_with_its_path(self, tmp_path: Path) -> None:
        script = (
            "import resource, sys; from pathlib import Path; import numpy as np; import xarray as xr\n"
            "from decnef_data.arrays import memmap_variable; from decnef_data.stores import Stores\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))\n"
            "cube = xr.Dataset({'fc': (('subject', 'edge'), np.zeros((100, 1000)))})\n"
            "try: Stores(Path(sys.argv[1]), memmap_variable).publish('big', {'bal140': cube}, {})\n"
            "except OSError as error: print(error.errno, error.filename)"
        )
        done = subprocess.run(
            [sys.executable, "-c", script, str(tmp_path / "stores")],
            check=True,
            capture_output=True,
            text=True,
        )
        code, _, path = done.stdout.strip().partition(" ")
        assert int(code) == errno.EFBIG
        assert Path(path).is_relative_to(tmp_path / "stores")
        assert list((tmp_path / "stores").iterdir()) == []


class TestSweeping:
    def orphan(self, root: Path, pid: int, machine: str, age: float = 0) -> Path:
        folder = root / f".staging-{pid}-{machine}-{'0' * 32}"
        (folder / "bal140").mkdir(parents=True)
        os.utime(folder, (time.time() - age, time.time() - age))
        return folder

    def dead(self) -> int:
        done = subprocess.Popen([sys.executable, "-c", ""])
        done.wait()
        return done.pid

    def test_what_a_dead_process_left_is_swept(self, tmp_path: Path) -> None:
        orphan = self.orphan(tmp_path, self.dead(), staging._machine_id())
        staging.remove_orphans(tmp_path)
        assert not orphan.exists()

    def test_what_a_living_process_writes_is_left(self, tmp_path: Path) -> None:
        own = self.orphan(tmp_path, os.getpid(), staging._machine_id(), age=1e7)
        foreign = self.orphan(tmp_path, 1, staging._machine_id(), age=1e7)
        staging.remove_orphans(tmp_path)
        assert own.exists()
        assert foreign.exists()

    @pytest.mark.parametrize(("days", "left"), [(6, True), (8, False)])
    def test_another_machines_is_swept_when_old(self, tmp_path: Path, days: int, left: bool) -> None:
        orphan = self.orphan(tmp_path, self.dead(), "ffffffff", age=days * 86400)
        staging.remove_orphans(tmp_path)
        assert orphan.exists() is left

    def test_a_name_of_no_known_form_is_swept_when_old(self, tmp_path: Path) -> None:
        for name, age in {".staging-": 0, ".staging-x": 8 * 86400}.items():
            (tmp_path / name).mkdir()
            os.utime(tmp_path / name, (time.time() - age, time.time() - age))
        staging.remove_orphans(tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == [".staging-"]

    def test_nothing_else_is_swept(self, stores: Stores, published: Path) -> None:
        (stores.root / "notes.txt").write_text("mine")
        stores.publish("other", {"bal140": cube()}, {})
        assert leftovers(stores) == ["notes.txt"]
        assert stores.keys() == (KEY, "other")
