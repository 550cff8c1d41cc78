"""Lazy selection of the rows of datasets by subject, site and diagnosis."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from decnef_data.errors import SelectionError
from decnef_data.records.names import resolve_name

if TYPE_CHECKING:
    import xarray as xr

    from decnef_data.model import Selection, Site
    from decnef_data.records import Records

__all__ = ["select", "select_each"]

_MAX_NAMED = 3


def select(ds: "xr.Dataset", selection: "Selection", records: "Records") -> "xr.Dataset":
    """Select the requested rows of one dataset.

    Parameters
    ----------
    ds
        The dataset of a group; its rows keep their order.
    selection
        Its subjects, sites and diagnoses are used.
    records
        The catalog, for the names of sites and diagnoses.

    Returns
    -------
    xarray.Dataset
        As lazy as `ds`; without rows if no participant matches.

    Raises
    ------
    SelectionError
        A name is unknown, or a site occurs only pooled with others.

    Examples
    --------
    >>> import xarray as xr
    >>> from decnef_data.model import Selection
    >>> from decnef_data.records import Records
    >>> columns = {"subject": ["a", "b"], "site": ["SWA", "UTO"], "diagnosis": ["HC", "MDD"]}
    >>> ds = xr.Dataset(coords={name: ("subject", column) for name, column in columns.items()})
    >>> chosen = select(ds, Selection("srpbs-fc", diagnoses=("major depressive disorder",)), Records.load())
    >>> chosen["subject"].values.tolist()
    ['b']
    """
    return select_each({"": ds}, selection, records)[""]


def select_each(
    groups: "Mapping[str, xr.Dataset]", selection: "Selection", records: "Records"
) -> dict[str, "xr.Dataset"]:
    """Select the requested rows of several datasets; a name has to occur in only one of them.

    Parameters
    ----------
    groups
        The datasets by group; their rows keep their order.
    selection
        Its subjects, sites and diagnoses are used.
    records
        The catalog, for the names of sites and diagnoses.

    Returns
    -------
    dict
        A dataset for every group, including those without rows.

    Raises
    ------
    SelectionError
        A name is unknown to the catalog and to all datasets, or a site occurs only pooled with others.
    """
    resolved = {
        "subject": _resolve_subjects(selection.subjects, groups),
        "site": _resolve_sites(selection.sites, groups, records),
        "diagnosis": _resolve_diagnoses(selection.diagnoses, groups, records),
    }
    requested = {name: names for name, names in resolved.items() if names is not None}
    return {group: _select_rows(dataset, requested) for group, dataset in groups.items()}


def _select_rows(dataset: "xr.Dataset", requested: Mapping[str, Sequence[str]]) -> "xr.Dataset":
    if not requested:
        return dataset
    masks = [np.isin(dataset[name].values, list(names)) for name, names in requested.items()]
    return dataset.isel(subject=_as_slice(np.flatnonzero(np.logical_and.reduce(masks))))


def _as_slice(rows: NDArray[Any]) -> slice | NDArray[Any]:
    # Selecting a slice of mapped bytes gives a view, selecting a list of rows a copy.
    if rows.size and rows[-1] - rows[0] + 1 == rows.size:
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows


def _unique_values(groups: "Mapping[str, xr.Dataset]", name: str) -> set[str]:
    return {str(value) for dataset in groups.values() for value in np.unique(dataset[name].values)} - {""}


def _resolve_subjects(
    requested: Sequence[str] | None, groups: "Mapping[str, xr.Dataset]"
) -> Sequence[str] | None:
    if requested is None:
        return None
    known = _unique_values(groups, "subject")
    unknown = [subject for subject in requested if subject not in known]
    if unknown:
        raise _unknown_subject_error(unknown, sorted(known))
    return requested


def _unknown_subject_error(unknown: Sequence[str], known: Sequence[str]) -> SelectionError:
    start = "There is no subject" if len(unknown) == 1 else "There are no subjects"
    names = ", ".join(f"'{name}'" for name in unknown[:_MAX_NAMED])
    more = f" and {len(unknown) - _MAX_NAMED} more" if len(unknown) > _MAX_NAMED else ""
    near = get_close_matches(unknown[0], known, n=1)
    hint = (
        f"Did you mean '{near[0]}'?"
        if near
        else f"The first subject is '{known[0]}'."
        if known
        else "This copy contains no participants."
    )
    return SelectionError(f"{start} {names}{more}. {hint}", requested=unknown[0], known=known)


def _resolve_sites(
    requested: Sequence[str] | None, groups: "Mapping[str, xr.Dataset]", records: "Records"
) -> Sequence[str] | None:
    if requested is None:
        return None
    present = _unique_values(groups, "site")
    recorded = {name: site.code for site in records.sites for name in (site.code, *site.aliases)}
    known = {name: name for name in sorted(present)} | recorded
    codes = [resolve_name("site", name, known, known) for name in requested]
    for name, code in zip(requested, codes, strict=True):
        site = records.site(code)
        if site and code not in present and _is_pooled(site, groups):
            raise _pooled_site_error(name, site)
    return codes


def _is_pooled(site: "Site", groups: "Mapping[str, xr.Dataset]") -> bool:
    pooled = (
        (dataset["site"].values == "") & (dataset["institute"].values == site.institute)
        for dataset in groups.values()
    )
    return any(rows.any() for rows in pooled)


def _pooled_site_error(name: str, site: "Site") -> SelectionError:
    message = (
        f"Participants of site '{name}' are only available pooled with other sites of '{site.institute}'. "
        f"Fetch without sites, then select the rows whose institute is '{site.institute}'."
    )
    return SelectionError(message, requested=name, known=(site.institute,))


def _resolve_diagnoses(
    requested: Sequence[str] | None, groups: "Mapping[str, xr.Dataset]", records: "Records"
) -> Sequence[str] | None:
    if requested is None:
        return None
    codes = [code for code in records.codes if code.column == "diagnosis"]
    known = {label: label for label in sorted(_unique_values(groups, "diagnosis"))}
    known |= {text: code.label for code in codes for text in (code.title, code.title_ja, code.label) if text}
    return [resolve_name("diagnosis", name, known, known) for name in requested]
