"""The bytes of a mapped chunk are verified when most of them are read, and again when the file changes."""

import os
import pickle
import zlib
from collections.abc import Callable
from pathlib import Path

import google_crc32c
import numpy as np
import pytest
import xarray as xr

from decnef_data.arrays import memmap_variable
from decnef_data.errors import IntegrityError
from decnef_data.stores import Stores, stored_files

KEY = "0123abcd"
SHAPE = (40, 50)
CHUNK = "bal140/fc/c.0.0"


@pytest.fixture
def values() -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, SHAPE)


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    return Stores(tmp_path / "stores", memmap_variable)


@pytest.fixture
def blocks(tmp_path: Path) -> Stores:
    """Stores whose cubes are in chunks of fifteen rows."""
    return Stores(tmp_path / "blocks", memmap_variable, max_chunk_bytes=15 * SHAPE[1] * 8 + 1)


def publish(stores: Stores, values: np.ndarray) -> Path:
    return stores.publish(KEY, {"bal140": xr.Dataset({"fc": (("subject", "edge"), values)})}, {})


def flip(path: Path, *, keep_time: bool = True) -> None:
    """Change one bit; a failing disk does not change the modification time."""
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 4
    with path.open("r+b") as file:
        file.write(content)
    if keep_time:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


READS: dict[str, tuple[object, bool]] = {
    "everything": (np.s_[:], True),
    "half of the rows": (np.s_[:20], True),
    "half of the edges": (np.s_[:, ::2], True),
    "most rows, by a mask": (np.arange(40) % 4 > 0, True),
    "most rows, anywhere": (np.r_[39, 0:25], True),
    "one row": (3, False),
    "a few rows": (np.s_[:19], False),
    "one edge": (np.s_[:, 7], False),
    "half of the rows, of half of the edges": (np.s_[:20, ::2], False),
    "nothing": (np.s_[:0], False),
}


@pytest.mark.parametrize("what", READS)
def test_a_flipped_bit_is_noticed_by_a_read_of_most_of_the_chunk(
    stores: Stores, values: np.ndarray, what: str
) -> None:
    key, noticed = READS[what]
    flip(publish(stores, values) / CHUNK)
    fc = stores.open(KEY, "bal140")["fc"]
    if not noticed:
        assert fc[key].to_numpy().shape == values[key].shape
        return
    with pytest.raises(IntegrityError) as caught:
        fc[key].to_numpy()
    assert caught.value.file == f"{KEY}.zarr/{CHUNK}"
    with pytest.raises(IntegrityError, match="is damaged"):
        stores.open(KEY, "bal140")


def test_intact_bytes_are_verified_once_per_process(
    stores: Stores, values: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = publish(stores, values) / CHUNK
    lengths: list[int] = []
    original: Callable[[object], int] = google_crc32c.value

    def value(content: bytes) -> int:
        lengths.append(len(content))
        return original(content)

    monkeypatch.setattr(stored_files.google_crc32c, "value", value)

    def verified() -> int:
        return lengths.count(values.nbytes)

    fc = stores.open(KEY, "bal140")["fc"]
    fc[0].to_numpy()
    assert verified() == 0
    for _ in range(3):
        np.testing.assert_array_equal(fc.to_numpy(), values)
    np.testing.assert_array_equal(stores.open(KEY, "bal140")["fc"].to_numpy(), values)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fc)).to_numpy(), values)
    assert verified() == 1
    os.utime(path, ns=(0, 0))
    assert (fc.to_numpy() == values).all()
    assert verified() == 2
    copy = path.with_name("copy")
    copy.write_bytes(path.read_bytes())
    os.utime(copy, ns=(0, 0))
    copy.rename(path)
    assert (fc.to_numpy() == values).all()
    assert verified() == 3


def test_a_change_after_the_first_read_is_noticed_by_the_next(stores: Stores, values: np.ndarray) -> None:
    path = publish(stores, values) / CHUNK
    fc = stores.open(KEY, "bal140")["fc"]
    fc.to_numpy()
    flip(path, keep_time=False)
    with pytest.raises(IntegrityError, match="is damaged"):
        fc.to_numpy()


def test_a_truncated_chunk_is_an_error_and_not_the_end_of_the_process(
    stores: Stores, values: np.ndarray
) -> None:
    path = publish(stores, values) / CHUNK
    fc = stores.open(KEY, "bal140")["fc"]
    fc[0].to_numpy()
    os.truncate(path, 100)
    with pytest.raises(IntegrityError, match="is changed"):
        fc.to_numpy()


def test_values_stay_readable_when_their_store_is_removed(stores: Stores, values: np.ndarray) -> None:
    publish(stores, values)
    fc = stores.open(KEY, "bal140")["fc"]
    fc[0].to_numpy()
    stores.remove(KEY)
    np.testing.assert_array_equal(fc.to_numpy(), values)


def test_where_nothing_can_be_mapped(
    stores: Stores, values: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("decnef_data.arrays.map_file", lambda path, length=0: None)
    path = publish(stores, values) / CHUNK
    fc = stores.open(KEY, "bal140")["fc"]
    np.testing.assert_array_equal(fc.to_numpy(), values)
    flip(path, keep_time=False)
    with pytest.raises(IntegrityError, match="is damaged"):
        fc.to_numpy()


class TestLargeChunks:
    """From some size on, a second checksum is faster to verify; smaller ones and older stores have none."""

    @pytest.fixture(autouse=True)
    def _large(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(stored_files, "_LARGE", 1000)

    def test_a_flipped_bit_is_noticed_wherever_it_is(self, stores: Stores, values: np.ndarray) -> None:
        path = publish(stores, values) / CHUNK
        recorded = stores.manifest(KEY).files[CHUNK].crc32
        assert recorded == zlib.crc32(values.tobytes())
        content = path.read_bytes()
        for index in (0, len(content) // 2 - 1, len(content) // 2, len(content) - 5):
            damaged = bytearray(content)
            damaged[index] ^= 0x80
            assert not stores.manifest(KEY).files[CHUNK].has_values(np.frombuffer(damaged[:-4], np.uint8))
        flip(path)
        with pytest.raises(IntegrityError, match="is damaged"):
            stores.open(KEY, "bal140")["fc"].to_numpy()

    def test_a_store_without_it_is_verified_too(
        self, stores: Stores, values: np.ndarray, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(stored_files, "_LARGE", 10**9)
        path = publish(stores, values) / CHUNK
        assert stores.manifest(KEY).files[CHUNK].crc32 is None
        monkeypatch.setattr(stored_files, "_LARGE", 1000)
        np.testing.assert_array_equal(stores.open(KEY, "bal140")["fc"].to_numpy(), values)
        flip(path, keep_time=False)
        with pytest.raises(IntegrityError, match="is damaged"):
            stores.open(KEY, "bal140")["fc"].to_numpy()


class TestChunksOfRows:
    """A cube above the limit of a chunk."""

    @pytest.mark.parametrize("what", READS)
    def test_what_is_read_is_right(self, blocks: Stores, values: np.ndarray, what: str) -> None:
        store = publish(blocks, values)
        assert len(list((store / "bal140/fc").glob("c.*"))) == 3
        fc = blocks.open(KEY, "bal140")["fc"]
        key, _ = READS[what]
        np.testing.assert_array_equal(fc[key].to_numpy(), values[key])
        np.testing.assert_array_equal(fc[::-3, [4, 1]].to_numpy(), values[::-3][:, [4, 1]])
        pair = xr.DataArray([39, 2], dims="pair")
        np.testing.assert_array_equal(fc.isel(subject=pair, edge=pair).to_numpy(), values[[39, 2], [39, 2]])

    @pytest.mark.parametrize("number", [0, 1, 2])
    def test_a_flipped_bit_in_any_chunk_is_noticed(
        self, blocks: Stores, values: np.ndarray, number: int
    ) -> None:
        flip(publish(blocks, values) / f"bal140/fc/c.{number}.0")
        fc = blocks.open(KEY, "bal140")["fc"]
        with pytest.raises(IntegrityError) as caught:
            fc.to_numpy()
        assert caught.value.file == f"{KEY}.zarr/bal140/fc/c.{number}.0"

    def test_values_stay_readable_when_their_store_is_removed(
        self, blocks: Stores, values: np.ndarray
    ) -> None:
        publish(blocks, values)
        fc = blocks.open(KEY, "bal140")["fc"]
        fc[[0, 20, 39]].to_numpy()
        blocks.remove(KEY)
        np.testing.assert_array_equal(fc.to_numpy(), values)

    def test_a_chunk_that_is_missing_is_not_read_as_nan(self, blocks: Stores, values: np.ndarray) -> None:
        store = publish(blocks, values)
        fc = blocks.open(KEY, "bal140")["fc"]
        (store / "bal140/fc/c.1.0").unlink()
        with pytest.raises(IntegrityError, match="is missing"):
            fc.to_numpy()
