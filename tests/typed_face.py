"""What type checkers make of the face; checked by mypy, never run."""

from typing import assert_type

import pandas as pd
import xarray as xr

from decnef_data import fetch_dataset, participants


def tree() -> None:
    assert_type(fetch_dataset("srpbs-fc"), xr.DataTree)
    assert_type(fetch_dataset("srpbs-fc", sites=["SWA"], mirror="phantom"), xr.DataTree)


def leaf(name: str) -> None:
    assert_type(fetch_dataset("srpbs-fc", group="bal140"), xr.Dataset)
    assert_type(fetch_dataset(name, group="bal140"), xr.Dataset)


def either(name: str) -> None:
    assert_type(fetch_dataset("srpbs-fc/bal140"), xr.DataTree | xr.Dataset)
    assert_type(fetch_dataset(name), xr.DataTree | xr.Dataset)


def people() -> None:
    assert_type(participants("srpbs-fc"), pd.DataFrame)
