"""Other implementations of Zarr read the numbers of our stores: zarr-python, zarrs and tensorstore."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import zarr
from numpy.typing import NDArray

from decnef_data import to_zarr
from decnef_data.arrays import memmap_variable
from decnef_data.stores import Stores, scan_store
from decnef_data.stores.scan_store import InMemoryFile, InMemoryScan

Reader = Callable[[Path], NDArray[Any]]
RUN = np.random.default_rng(4).integers(0, 3000, (45, 5, 4, 3)).astype("<i2")


def with_zarr(path: Path) -> NDArray[Any]:
    return np.asarray(zarr.open_array(path, mode="r")[...])


def with_zarrs(path: Path) -> NDArray[Any]:
    pytest.importorskip("zarrs")
    with zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline", "codec_pipeline.strict": True}):
        return np.asarray(zarr.open_array(path, mode="r")[...])


def with_tensorstore(path: Path) -> NDArray[Any]:
    tensorstore = pytest.importorskip("tensorstore")
    spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": f"{path}/"}}
    return np.asarray(tensorstore.open(spec).result().read().result())


@pytest.fixture(params=[with_zarr, with_zarrs, with_tensorstore], ids=["zarr", "zarrs", "tensorstore"])
def read(request: pytest.FixtureRequest) -> Reader:
    reader: Reader = request.param
    return reader


def numbers() -> xr.Dataset:
    rng = np.random.default_rng(7)
    fc = rng.uniform(-1, 1, (6, 10))
    fc[2] = np.nan
    return xr.Dataset(
        {"fc": (("subject", "edge"), fc), "bold": (("scan", "time", "z", "y", "x"), RUN[None])},
        {
            "subject": ("subject", [f"sub-{row:04d}" for row in range(6)]),
            "age": ("subject", rng.uniform(18, 80, 6).astype("f4")),
            "flipped": ("subject", np.arange(6) % 2 == 0),
            "row": ("subject", np.arange(6, dtype=">i4")),
        },
        {"synthetic": 1},
    )


@pytest.mark.parametrize("chunk_bytes", [None, 100])
def test_the_store_of_a_cube(tmp_path: Path, read: Reader, chunk_bytes: int | None) -> None:
    arguments = {} if chunk_bytes is None else {"max_chunk_bytes": chunk_bytes}
    path = Stores(tmp_path, memmap_variable, **arguments).publish("0123", {"one": numbers()}, {})
    for name in ("fc", "age", "flipped", "row"):
        np.testing.assert_array_equal(read(path / "one" / name), numbers()[name].to_numpy())


@pytest.mark.parametrize("dtype", ["<i2", ">i2", "|u1", "<f4", ">f8"])
def test_the_store_of_a_scan(tmp_path: Path, read: Reader, dtype: str) -> None:
    values = RUN.astype(dtype)
    file = InMemoryFile("bold.nii", b"head" * 88 + values.tobytes(), 352, values.nbytes)
    store = scan_store.store_path(tmp_path, "sub-0001_bold_1")
    scan_store.publish(store, InMemoryScan("bold", values.shape, dtype, {"subject": "sub-0001"}, (file,)))
    np.testing.assert_array_equal(read(store / "bold"), values)


@pytest.mark.parametrize("shards", [None, "auto"])
@pytest.mark.parametrize("chunks", ["time", "volumes"])
def test_a_portable_store(tmp_path: Path, read: Reader, chunks: Any, shards: Any) -> None:
    to_zarr(numbers(), tmp_path / "own.zarr", chunks=chunks, shards=shards, progress="none")
    for name in ("fc", "bold", "age", "flipped", "row"):
        np.testing.assert_array_equal(read(tmp_path / "own.zarr" / name), numbers()[name].to_numpy())
