"""The command ``decnef harmonize`` reads two Zarr stores and writes a third, as the function does."""

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from decnef_data_cli.app import app
from typer.testing import CliRunner

import decnef_data
from tests.analysis.cubes import small


@pytest.fixture
def stores(tmp_path: Path) -> list[str]:
    """The people and the travelers as stores, and a place for the result."""
    paths = [str(tmp_path / f"{name}.zarr") for name in ("cube", "traveled", "out")]
    for data, path in zip(small(), paths[:2], strict=True):
        decnef_data.to_zarr(data, path, progress="none")
    return paths


def test_the_result_is_that_of_the_function(stores: list[str]) -> None:
    done = CliRunner().invoke(app, ["harmonize", *stores])
    assert done.exit_code == 0, done.output
    assert done.stdout == f"{stores[2]}\n"
    assert "Harmonized 3 rows with 2 sites, shrinkage " in done.stderr
    expected = decnef_data.harmonize(*small())
    with xr.open_zarr(stores[2]) as written:
        np.testing.assert_array_equal(written.fc, expected.fc)
        assert written.attrs["harmonized"] == expected.attrs["harmonized"]


def test_the_shrinkage_can_be_stated_and_the_mark_printed(stores: list[str]) -> None:
    done = CliRunner().invoke(app, ["harmonize", *stores, "--shrinkage", "2.5", "--json", "--quiet"])
    assert done.exit_code == 0, done.output
    mark = json.loads(done.stdout)
    assert (mark["shrinkage"], mark["sites"], mark["n_travelers"]) == (2.5, ["SWA", "UTO"], [5, 5])


def test_an_unknown_shrinkage_is_refused(stores: list[str]) -> None:
    done = CliRunner().invoke(app, ["harmonize", *stores, "--shrinkage", "much"])
    assert done.exit_code == 2
    assert "is neither" in done.stderr
    assert not Path(stores[2]).exists()


def test_what_cannot_be_harmonized_writes_nothing(stores: list[str]) -> None:
    done = CliRunner().invoke(app, ["harmonize", stores[1], stores[1], stores[2]])
    assert done.exit_code == 2
    assert "among the people" in done.stderr
    assert not Path(stores[2]).exists()


def test_a_store_that_is_missing_is_an_error_without_a_traceback(stores: list[str]) -> None:
    done = CliRunner().invoke(app, ["harmonize", f"{stores[0]}x", *stores[1:]])
    assert done.exit_code != 0
    assert "Traceback" not in done.output
    assert not Path(stores[2]).exists()
