"""The people that a selection asks for, taken lazily out of leaves, or why it cannot be met."""

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from decnef_data.errors import SelectionError

if TYPE_CHECKING:
    import xarray as xr

    from decnef_data.model import Selection, Site
    from decnef_data.records import Records

__all__ = ["select", "select_each"]

_NAMED = 3


def select(ds: "xr.Dataset", selection: "Selection", records: "Records") -> "xr.Dataset":
    """Take the people of one leaf that a selection asks for.

    Parameters
    ----------
    ds
        A leaf; its rows keep their order.
    selection
        Only its subjects, sites and diagnoses matter here.
    records
        What the catalog calls sites and diagnoses.

    Returns
    -------
    xarray.Dataset
        As lazy as `ds`; empty where no one is all that was asked for.

    Raises
    ------
    SelectionError
        A name is unknown, or a site is only there pooled with others.
    """
    return select_each({"": ds}, selection, records)[""]


def select_each(
    leaves: Mapping[str, "xr.Dataset"], selection: "Selection", records: "Records"
) -> dict[str, "xr.Dataset"]:
    """Take the people of several leaves that a selection asks for; a name need be known to one leaf only.

    Parameters
    ----------
    leaves
        Leaves by group; their rows keep their order.
    selection
        Only its subjects, sites and diagnoses matter here.
    records
        What the catalog calls sites and diagnoses.

    Returns
    -------
    dict
        Every leaf, also one that is emptied.

    Raises
    ------
    SelectionError
        A name is unknown to the catalog and to all leaves, or a site is only there pooled with others.
    """
    wanted = {
        "subject": _subjects(selection.subjects, leaves),
        "site": _sites(selection.sites, leaves, records),
        "diagnosis": _diagnoses(selection.diagnoses, leaves, records),
    }
    asked = {name: names for name, names in wanted.items() if names is not None}
    return {group: _taken(leaf, asked) for group, leaf in leaves.items()}


def _taken(leaf: "xr.Dataset", asked: Mapping[str, Sequence[str]]) -> "xr.Dataset":
    if not asked:
        return leaf
    among = [np.isin(leaf[name].values, list(names)) for name, names in asked.items()]
    return leaf.isel(subject=_index(np.flatnonzero(np.logical_and.reduce(among))))


def _index(rows: NDArray[Any]) -> slice | NDArray[Any]:
    # A slice of mapped bytes is a view of them; a list of rows is a copy.
    if rows.size and rows[-1] - rows[0] + 1 == rows.size:
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows


def _values(leaves: Mapping[str, "xr.Dataset"], name: str) -> set[str]:
    return {str(value) for leaf in leaves.values() for value in np.unique(leaf[name].values)} - {""}


def _subjects(asked: Sequence[str] | None, leaves: Mapping[str, "xr.Dataset"]) -> Sequence[str] | None:
    if asked is None:
        return None
    known = _values(leaves, "subject")
    unknown = [subject for subject in asked if subject not in known]
    if unknown:
        raise _unknown("subject", unknown, sorted(known))
    return asked


def _sites(
    asked: Sequence[str] | None, leaves: Mapping[str, "xr.Dataset"], records: "Records"
) -> Sequence[str] | None:
    if asked is None:
        return None
    present = _values(leaves, "site")
    folded = {name.casefold(): name for name in present}
    sites = {name: records.site(name) for name in asked}
    unknown = [name for name, site in sites.items() if site is None and name.casefold() not in folded]
    if unknown:
        raise _unknown("site", unknown, sorted({*present, *_site_names(records)}))
    for name, site in sites.items():
        if site and site.code not in present and _is_pooled(site, leaves):
            raise _pooled(name, site)
    return [site.code if site else folded[name.casefold()] for name, site in sites.items()]


def _site_names(records: "Records") -> Iterable[str]:
    return (name for site in records.sites for name in (site.code, *site.aliases))


def _is_pooled(site: "Site", leaves: Mapping[str, "xr.Dataset"]) -> bool:
    pooled = (
        (leaf["site"].values == "") & (leaf["institute"].values == site.institute) for leaf in leaves.values()
    )
    return any(rows.any() for rows in pooled)


def _pooled(name: str, site: "Site") -> SelectionError:
    message = (
        f"The people of site '{name}' are there only pooled with those of other sites of '{site.institute}'. "
        f"Fetch without sites and keep the rows whose institute is '{site.institute}'."
    )
    return SelectionError(message, asked=name, known=(site.institute,))


def _diagnoses(
    asked: Sequence[str] | None, leaves: Mapping[str, "xr.Dataset"], records: "Records"
) -> Sequence[str] | None:
    if asked is None:
        return None
    codes = [code for code in records.codes if code.column == "diagnosis"]
    present = _values(leaves, "diagnosis")
    labels = {label.casefold(): label for label in present}
    labels |= {text.casefold(): code.label for code in codes for text in (code.title, code.label)}
    unknown = [name for name in asked if name.casefold() not in labels]
    if unknown:
        raise _unknown("diagnosis", unknown, sorted({*present, *(code.label for code in codes)}))
    return [labels[name.casefold()] for name in asked]


def _unknown(what: str, unknown: Sequence[str], known: Sequence[str]) -> SelectionError:
    names = ", ".join(f"'{name}'" for name in unknown[:_NAMED])
    more = f" and {len(unknown) - _NAMED} more" if len(unknown) > _NAMED else ""
    near = _near(unknown[0], known)
    hint = f"Did you mean '{near}'?" if near else f"Known are {', '.join(known[:_NAMED])} …"
    message = f"No {what} is called {names}{more}. {hint}"
    return SelectionError(message, asked=unknown[0], known=tuple(known))


def _near(name: str, known: Sequence[str]) -> str | None:
    folded = {other.casefold(): other for other in known}
    near = get_close_matches(name.casefold(), folded, n=1, cutoff=0.5)
    return folded[near[0]] if near else None
