"""What type checkers make of the face; checked by mypy, never run."""

from pathlib import Path
from typing import Any, assert_type

import pandas as pd
import xarray as xr

import decnef_data
from decnef_data import connectivity, fetch_dataset, participants, timeseries, to_matrix, to_zarr
from decnef_data.model import DataUse


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


def groups_of_people() -> None:
    table = participants("srpbs-fc", group="bal140")
    assert_type(decnef_data.match(table, on="age", within=None).table, pd.DataFrame)
    assert_type(decnef_data.leakage(table, decnef_data.splits(table, by="institute")), pd.DataFrame)
    assert_type(decnef_data.leakage(table, [([0], [1])]), pd.DataFrame)


def series() -> None:
    found = timeseries(fetch_dataset("srpbs-open", group="COI/bold"), "atlas.nii.gz", names={1: "L.CB"})
    assert_type(found, xr.Dataset)
    images = {("sub-0001", "COI"): "own.nii.gz"}
    assert_type(timeseries(found, images, labels=[1], clean={"low_pass": 0.1}, max_fd=0.5), xr.Dataset)
    assert_type(connectivity(found["timeseries"]), xr.Dataset)
    assert_type(to_matrix(connectivity(found)), xr.DataArray)


def results_of_others() -> None:
    assert_type(decnef_data.open_derivatives("srpbs-open", Path("fmriprep"), space="T1w"), xr.DataTree)
    assert_type(decnef_data.label([0.5], "srpbs-open", subject=["sub-0001"], run=[1]), xr.Dataset)
    assert_type(decnef_data.label(0.5, "srpbs-ts", subject="sub-01", session="siteSWA"), xr.Dataset)


def harmonized() -> None:
    found, traveled, truth = decnef_data.synthetic_travelers()
    assert_type(truth, xr.Dataset)
    assert_type(decnef_data.harmonize(found, traveled, shrinkage=4.5), xr.Dataset)
    estimator = decnef_data.TravelingSubjects("gcv", min_travelers=3)
    assert_type(estimator.fit([[0.5]], site=["SWA"], traveler=["a"]), decnef_data.TravelingSubjects)


def pages() -> None:
    assert_type(decnef_data.report("srpbs-fc", "page.html", harmonized="harmonized.zarr"), Path)
    assert_type(decnef_data.report(decnef_data.fetch_dataset("srpbs-open"), Path("page.html")), Path)


def copies() -> None:
    to_zarr(fetch_dataset("srpbs-open"), "open.zarr", chunks="time")
    to_zarr(fetch_dataset("srpbs-fc", group="bal140"), Path("cube.zarr"))
    to_zarr(fetch_dataset("srpbs-open"), "open.zarr", chunks="space")  # type: ignore[arg-type]  # no such layout


def combined() -> None:
    parts = [fetch_dataset("srpbs-fc", group=group) for group in ("bal140", "roi93")]
    assert_type(decnef_data.combine_attrs([part.attrs for part in parts]), dict[str, Any])
    assert_type(xr.concat(parts, "subject", combine_attrs=decnef_data.combine_attrs), xr.Dataset)
    tier = decnef_data.catalog().data_use_of(decnef_data.catalog().dataset("srpbs-fc"))
    assert_type(tier, DataUse | None)


def names() -> None:
    assert_type(decnef_data.__version__, str)
    decnef_data.fetch_datasets("srpbs-fc")  # type: ignore[attr-defined]  # no such name


def raised(error: decnef_data.SelectionError) -> decnef_data.DecnefDataError:
    return error
