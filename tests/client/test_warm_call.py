"""What a warm call does once: counted, because a test of its time would be one of the machine's load."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import decnef_data
from tests import small, trees
from tests.benchmarks.warm_call import Counts, counted
from tests.servers.links import LinkServer

MAX_FILES = 20
#: Of images, whose scans are joined with their tables, and selected.
MAX_FILES_OF_IMAGES = 38


@pytest.fixture
def adopted(cache: Path, tmp_path: Path) -> Path:
    (tmp_path / "own").mkdir()
    archive = small.archive(tmp_path / "own" / "SRPBS_FC.zip")
    decnef_data.adopt("srpbs-fc", archive, progress="none")
    return archive


def group() -> xr.Dataset:
    return decnef_data.fetch_dataset("srpbs-fc", group="bal140", progress="none")


def tree() -> xr.DataTree:
    return decnef_data.fetch_dataset("srpbs-fc", progress="none")


def count_warm(call: Callable[[], object]) -> Counts:
    """Return what the third call does: the first builds the store, the second finds what is derived from it."""
    call()
    call()
    with counted() as counts:
        call()
    return counts


def the_store(cache: Path) -> Path:
    (store,) = (cache / "stores").glob("*.zarr")
    return store


@pytest.mark.usefixtures("adopted")
@pytest.mark.parametrize("call", [group, tree])
def test_the_store_is_opened_once(call: Callable[[], object], cache: Path) -> None:
    stats, opens = count_warm(call).of_store(the_store(cache))
    files = {
        path.relative_to(the_store(cache)).as_posix()
        for path in the_store(cache).rglob("*")
        if path.is_file()
    }
    assert set(stats) == files - {"zarr.json"}  # it is read, which is enough
    assert set(stats.values()) == {1}
    assert opens == {"zarr.json": 1, ".damaged": 1}


@pytest.mark.usefixtures("adopted")
def test_the_first_call_of_a_process_reads_each_file_once(cache: Path) -> None:
    group()
    from decnef_data.stores import open_store

    open_store._read_group.cache_clear()
    with counted() as counts:
        group()
    stats, opens = counts.of_store(the_store(cache))
    assert max(stats.values()) == 1
    assert max(opens.values()) == 1
    assert opens.keys() > {"zarr.json", "bal140/zarr.json", "bal140/age/zarr.json", "bal140/age/c.0"}
    assert "bal140/fc/c.0.0" not in opens


@pytest.fixture
def _no_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a script: where another test has imported IPython, a request looks for a cell to show itself in."""
    monkeypatch.delitem(sys.modules, "IPython", raising=False)


@pytest.mark.usefixtures("adopted", "_no_kernel")
def test_little_code_runs() -> None:
    counts = count_warm(group)
    assert len(counts.files) <= MAX_FILES, " ".join(sorted(counts.files))


@pytest.mark.usefixtures("cache", "_no_kernel")
def test_little_code_runs_for_a_downloaded_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with LinkServer() as server:
        link = server.link(small.archive(tmp_path / "SRPBS_FC.zip"))
        monkeypatch.setenv("DECNEF_ATR_LINK_SRPBS_FC", link)
        decnef_data.download("srpbs-fc", accept_terms=True, progress="none")
    counts = count_warm(group)
    assert len(counts.files) <= MAX_FILES, " ".join(sorted(counts.files))


@pytest.mark.usefixtures("cache", "_no_kernel")
def test_little_code_runs_for_images(tmp_path: Path) -> None:
    decnef_data.adopt("srpbs-open", trees.srpbs_open(tmp_path / "SRPBS_OPEN"), progress="none")
    counts = count_warm(lambda: decnef_data.fetch_dataset("srpbs-open", progress="none"))
    assert len(counts.files) <= MAX_FILES_OF_IMAGES, " ".join(sorted(counts.files))


@pytest.mark.usefixtures("adopted")
def test_what_a_user_changes_is_not_seen_by_the_next_call() -> None:
    first = group()
    first["age"].values[:] = -1
    first.attrs["title"] = first["fc"].attrs["units"] = first["age"].attrs["units"] = "changed"
    first["site"].attrs["new"] = 1
    second = group()
    assert (second["age"].to_numpy() > 0).all()
    assert "changed" not in {second.attrs["title"], second["fc"].attrs["units"], second["age"].attrs["units"]}
    assert "new" not in second["site"].attrs


@pytest.mark.usefixtures("adopted")
def test_a_coordinate_that_changed_between_two_calls_is_found(
    cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ages = group()["age"].to_numpy()
    chunk = the_store(cache) / "bal140/age/c.0"
    content = bytearray(chunk.read_bytes())
    content[0] ^= 1
    chunk.write_bytes(content)
    assert np.array_equal(group()["age"].to_numpy(), ages)
    assert "is rebuilt from the verified files" in caplog.text
