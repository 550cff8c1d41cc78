"""The people that a selection asks for, taken lazily out of leaves, or why it cannot be met."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from decnef_data.errors import SelectionError
from decnef_data.records.names import find

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
    leaves: "Mapping[str, xr.Dataset]", selection: "Selection", records: "Records"
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


def _values(leaves: "Mapping[str, xr.Dataset]", name: str) -> set[str]:
    return {str(value) for leaf in leaves.values() for value in np.unique(leaf[name].values)} - {""}


def _subjects(asked: Sequence[str] | None, leaves: "Mapping[str, xr.Dataset]") -> Sequence[str] | None:
    if asked is None:
        return None
    known = _values(leaves, "subject")
    unknown = [subject for subject in asked if subject not in known]
    if unknown:
        raise _no_subject(unknown, sorted(known))
    return asked


def _no_subject(unknown: Sequence[str], known: Sequence[str]) -> SelectionError:
    names = ", ".join(f"'{name}'" for name in unknown[:_NAMED])
    more = f" and {len(unknown) - _NAMED} more" if len(unknown) > _NAMED else ""
    near = get_close_matches(unknown[0], known, n=1)
    hint = (
        f"Did you mean '{near[0]}'?"
        if near
        else f"The first there is '{known[0]}'."
        if known
        else "Nobody is there."
    )
    return SelectionError(f"There is no subject {names}{more}. {hint}", asked=unknown[0], known=known)


def _sites(
    asked: Sequence[str] | None, leaves: "Mapping[str, xr.Dataset]", records: "Records"
) -> Sequence[str] | None:
    if asked is None:
        return None
    present = _values(leaves, "site")
    stated = {name: site.code for site in records.sites for name in (site.code, *site.aliases)}
    known = {name: name for name in sorted(present)} | stated
    codes = [find("site", name, known, known) for name in asked]
    for name, code in zip(asked, codes, strict=True):
        site = records.site(code)
        if site and code not in present and _is_pooled(site, leaves):
            raise _pooled(name, site)
    return codes


def _is_pooled(site: "Site", leaves: "Mapping[str, xr.Dataset]") -> bool:
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
    asked: Sequence[str] | None, leaves: "Mapping[str, xr.Dataset]", records: "Records"
) -> Sequence[str] | None:
    if asked is None:
        return None
    codes = [code for code in records.codes if code.column == "diagnosis"]
    known = {label: label for label in sorted(_values(leaves, "diagnosis"))}
    known |= {text: code.label for code in codes for text in (code.title, code.title_ja, code.label) if text}
    return [find("diagnosis", name, known, known) for name in asked]
