"""The people of a report, one row per person and place, and their connectivity, from any form of the data."""

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from decnef_data.arrays import edge_regions
from decnef_data.combined_attrs import use_attrs
from decnef_data.errors import SelectionError

if TYPE_CHECKING:
    from decnef_data.model import Account

__all__ = [
    "NOT_STATED",
    "Cohort",
    "Connectivity",
    "pair_harmonized",
    "read_cohort",
    "read_connectivity",
    "read_people",
]

#: What a label is called that the data do not have.
NOT_STATED: Final = "not stated"
_ROW_DIMS: Final = ("subject", "scan")
#: Of several scans of a person at a place, these values are averaged; of others the first is taken.
_AVERAGED: Final = ("mean_fd", "mean_fd_computed", "fd_floor")
_TEXT_COLUMNS: Final = ("site", "institute", "diagnosis", "sex")
_NUMBER_COLUMNS: Final = ("age", *_AVERAGED)


@dataclass(frozen=True, slots=True, eq=False)
class Connectivity:
    """Connectivity ``(row, edge)``, read in blocks, with the place of each row.

    Attributes
    ----------
    fc
        Pearson r, with the dimension ``edge`` last.
    places, subjects
        The place and the person of each row; a person may have several.
    regions
        The names of the regions, in the order of the atlas.
    ends
        The indices of the two regions of each edge ``(2, edge)``.
    """

    fc: xr.DataArray
    places: NDArray[np.object_]
    subjects: NDArray[Any]
    regions: tuple[str, ...]
    ends: NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Cohort:
    """What a report is about.

    Attributes
    ----------
    people
        One row per person and place, with the columns ``place``, ``diagnosis`` and ``sex`` (text, never
        missing), ``age`` and the displacements (NaN where missing), and what else was stated of scans.
    attrs
        The attributes of the data.
    connectivity
        The connectivity, ``None`` of images.
    unharmonized, harmonized
        The connectivity of the same people before and after harmonization, ``None`` without.
    account
        What everything in the copy was used for, ``None`` if the data are not of a copy.
    is_selection
        Whether these are people whom a user selected, so that their number at a place is not published.
    """

    people: pd.DataFrame
    attrs: Mapping[str, Any]
    connectivity: Connectivity | None = None
    unharmonized: Connectivity | None = None
    harmonized: Connectivity | None = None
    account: "Account | None" = None
    is_selection: bool = False

    @property
    def is_synthetic(self) -> bool:
        """Whether the data are of a phantom."""
        return bool(self.attrs.get("synthetic"))


def read_cohort(data: xr.Dataset | xr.DataTree) -> tuple[pd.DataFrame, xr.Dataset | None, dict[str, Any]]:
    """Return the people of a Dataset or DataTree, its connectivity if any, and its attributes.

    Of several atlases the first is used, because nothing joins their people.

    Raises
    ------
    SelectionError
        The data have no people: neither a dimension ``subject`` nor ``scan``, nor a scan of one of them.
    """
    groups = list(_groups(data))
    connectivity = [group for group in groups if "fc" in group and "edge" in group["fc"].dims]
    if connectivity:
        groups = connectivity[:1]
    tables = [_rows(group) for group in groups]
    tables = [table for table in tables if table is not None]
    if not tables:
        raise SelectionError(
            "These data have no dimension 'subject' or 'scan', so a report has no people to show. Pass what "
            "fetch_dataset returns, or a selection of it.",
            requested="what",
        )
    # Attributes of the tree are those of all groups, so they win.
    rows = pd.concat(tables, ignore_index=True)
    if not len(rows):
        raise SelectionError("These data have no people. Select at least one.", requested="what")
    attrs = {str(name): value for name, value in {**groups[0].attrs, **data.attrs}.items()}
    attrs |= use_attrs([data.attrs, *(group.attrs for group in groups)])
    return read_people(rows), groups[0] if connectivity else None, attrs


def _groups(data: xr.Dataset | xr.DataTree) -> Iterator[xr.Dataset]:
    if isinstance(data, xr.Dataset):
        yield data
    else:
        yield from (node.to_dataset() for node in data.subtree if node.has_data)


def _rows(group: xr.Dataset) -> pd.DataFrame | None:
    """Return what a group states of each row, as columns."""
    dim = next((dim for dim in _ROW_DIMS if dim in group.dims), None)
    if dim is None:
        return None
    columns = {
        # Zarr's texts have a type of their own, which pandas does not know.
        str(name): coord.to_numpy().astype(object) if coord.dtype.kind == "T" else coord.to_numpy()
        for name, coord in group.coords.items()
        if coord.dims == (dim,)
    }
    # With an index: a group without a coordinate still has as many people.
    return pd.DataFrame(columns, index=range(group.sizes[dim]))


def read_people(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row per person and place, with the columns that a report needs.

    Examples
    --------
    >>> rows = pd.DataFrame({"subject": ["a", "a"], "site": ["SWA", ""], "institute": ["", "KyotoU"]})
    >>> read_people(rows)[["place", "diagnosis"]].values.tolist()
    [['SWA', 'not stated'], ['KyotoU', 'not stated']]
    """
    table = rows.reset_index(drop=True).copy()
    if "subject" not in table:
        table["subject"] = [str(number) for number in range(len(table))]
    for name in _TEXT_COLUMNS:
        text = table[name].astype(object) if name in table else pd.Series("", table.index, dtype=object)
        table[name] = text.where(text.notna() & (text != ""), "").astype(str)
    for name in _NUMBER_COLUMNS:
        values = table[name] if name in table else pd.Series(np.nan, table.index)
        # Texts such as '20-29' of a table of one's own are no numbers to summarize.
        table[name] = pd.to_numeric(values, errors="coerce").astype("float64")
    table["place"] = label_places(table["site"].to_numpy(), table["institute"].to_numpy())
    for name in ("diagnosis", "sex"):
        table[name] = table[name].where(table[name] != "", NOT_STATED)
    first = [name for name in table.columns if name not in {"subject", "place", *_AVERAGED}]
    grouped = table.groupby(["subject", "place"], sort=False)
    # Not the first known value of each column: the row would be put together from several scans.
    people = grouped[first].first(skipna=False).join(grouped[list(_AVERAGED)].mean())
    return people.reset_index()


def label_places(sites: NDArray[Any], institutes: NDArray[Any]) -> NDArray[np.object_]:
    """Return the site of each row, or its institute where sites are pooled."""
    sites, institutes = sites.astype(object), institutes.astype(object)
    places = np.where(sites != "", sites, institutes)
    named: NDArray[np.object_] = np.where(places != "", places, NOT_STATED)
    return named


def read_connectivity(group: xr.Dataset) -> Connectivity:
    """Return the connectivity of a group, with the place of each row.

    Raises
    ------
    SelectionError
        The edges do not have their two regions.
    """
    if not {"roi_a", "roi_b"} <= set(group.variables):
        raise SelectionError(
            "The connectivity has no coordinates 'roi_a' and 'roi_b', which say what its edges are. "
            "Pass a Dataset of fetch_dataset, connectivity or label.",
            requested="roi_a",
        )
    # Lazily: a cube is read in blocks, by `sum_edges`.
    fc = group["fc"].transpose(..., "edge")
    dim = fc.dims[0]
    names, ends = edge_regions(group)
    regions = tuple(map(str, names.tolist()))
    sites, institutes = (_row_texts(group, name, dim) for name in ("site", "institute"))
    return Connectivity(fc, label_places(sites, institutes), _subjects(group, fc), regions, ends)


def _row_texts(group: xr.Dataset, name: str, dim: Hashable) -> NDArray[Any]:
    if name not in group.coords or group[name].dims != (dim,):
        return np.full(group.sizes[dim], "", dtype=object)
    values = pd.Series(group[name].to_numpy().astype(object))
    # As `read_people` has it, by whose places the rows are counted.
    return values.where(values.notna(), "").astype(str).to_numpy()


def pair_harmonized(before: xr.Dataset, after: xr.Dataset) -> tuple[Connectivity, Connectivity]:
    """Return the connectivity of the people who are in both, in the same order, before and after.

    Raises
    ------
    SelectionError
        The second is not harmonized, has other edges, or none of the same people.
    """
    if not after.attrs.get("harmonized"):
        raise SelectionError(
            "The data given as harmonized= have no attribute 'harmonized', so nothing says that they are. "
            "Pass what decnef_data.harmonize returns.",
            requested="harmonized",
        )
    first, second = read_connectivity(before), read_connectivity(after)
    if first.regions != second.regions or not np.array_equal(first.ends, second.ends):
        raise SelectionError(
            "The harmonized connectivity has other regions or edges, or another order of them. Pass "
            "what decnef_data.harmonize returns for these people.",
            requested="harmonized",
        )
    rows, others = _pair_rows(first.subjects, second.subjects)
    places, subjects = first.places[rows], first.subjects[rows]
    return (
        Connectivity(_take(first.fc, rows), places, subjects, first.regions, first.ends),
        Connectivity(_take(second.fc, others), places, subjects, first.regions, first.ends),
    )


def _pair_rows(people: NDArray[Any], others: NDArray[Any]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return which rows are of the same people; those of people with several rows must all be the same."""
    if np.array_equal(people, others):
        return np.arange(people.size), np.arange(people.size)
    are_unique = np.unique(people).size == people.size and np.unique(others).size == others.size
    common, rows, other_rows = np.intersect1d(people, others, return_indices=True)
    if not (are_unique and common.size):
        raise SelectionError(
            "The harmonized connectivity has none of the people of the report ('subject'), or people with "
            "several rows in another order. Pass what decnef_data.harmonize returns for these people.",
            requested="harmonized",
        )
    # In the order of the first, of which a slice may be read.
    order = np.argsort(rows)
    return rows[order], other_rows[order]


def _subjects(group: xr.Dataset, fc: xr.DataArray) -> NDArray[Any]:
    if "subject" in group.coords:
        return np.array(group["subject"].to_numpy().tolist(), dtype=str)
    n_rows = fc.sizes[fc.dims[0]]
    return np.array([f"{number} of {n_rows}" for number in range(n_rows)])  # so that others do not match


def _take(fc: xr.DataArray, rows: NDArray[np.intp]) -> xr.DataArray:
    """Return some rows; all of them as they are, because reading a slice is faster than reading rows."""
    dim = fc.dims[0]
    if np.array_equal(rows, np.arange(fc.sizes[dim])):
        return fc
    return fc.isel({dim: rows})
