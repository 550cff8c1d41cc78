"""What each site adds to connectivity, estimated from travelers: persons who were scanned at several sites.

The runs of a traveler at a site are averaged.  Each average is the sum of a value of the traveler, the bias
of the site and noise; the values of the travelers are not penalized, the biases sum to zero over the sites,
and one penalty on their squares, chosen by generalized cross-validation, holds for all edges.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from decnef_data.errors import SelectionError, warn_user
from decnef_data.records import default_records

__all__ = ["InputError", "SiteBias", "Travels", "estimate_site_bias", "read_labels", "resolve_sites"]

_Values = NDArray[np.float64]

#: Fewer travelers than these at a site are reported.
_FEW_TRAVELERS: Final = 5
#: Candidates of the penalty, relative to the largest squared singular value of the design.
#: The first subtracts the differences as they are, the last nothing.
_CANDIDATES: Final = np.array([0.0, *np.geomspace(1e-5, 1e5, 2001), np.inf])
_MAX_LISTED: Final = 8


class InputError(SelectionError, ValueError):
    """Values, sites or travelers cannot be used; a ValueError too, as users of scikit-learn expect."""


@dataclass(frozen=True, slots=True)
class Travels:
    """The site and the traveler of each run; both are compared as text."""

    sites: tuple[str, ...]
    travelers: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.sites)

    def cells(self) -> dict[tuple[str, str], list[int]]:
        """Return the runs of each traveler at each site, of the travelers who were at several sites."""
        pairs = list(zip(self.travelers, self.sites, strict=True))
        n_sites = Counter(traveler for traveler, _ in set(pairs))
        cells: dict[tuple[str, str], list[int]] = {}
        for row, pair in enumerate(pairs):
            # Who was at one site shows no difference between sites.
            if n_sites[pair[0]] > 1:
                cells.setdefault(pair, []).append(row)
        return cells


@dataclass(frozen=True, slots=True, eq=False)
class SiteBias:
    """The bias of each site ``(site, edge)``, with standard errors, the penalty, and travelers by site."""

    sites: tuple[str, ...]
    shifts: _Values
    standard_errors: _Values
    shrinkage: float
    n_travelers: tuple[int, ...]

    def find(self, sites: Sequence[str]) -> NDArray[np.intp]:
        """Return the row of `shifts` for each of some sites.

        Raises
        ------
        InputError
            A site is empty, or had no travelers.
        """
        rows = {site: row for row, site in enumerate(self.sites)}
        _require_named(sites)
        missing = sorted(set(sites) - rows.keys())
        if missing:
            message = (
                f"No travelers were at site {_quote(missing)}, so the bias of that site is not known. "
                f"Exclude its rows, or use sites that have travelers: {', '.join(self.sites)}."
            )
            raise InputError(message, requested=missing[0], known=self.sites)
        return np.array([rows[site] for site in sites], dtype=np.intp)

    def subtract(self, values: _Values, sites: Sequence[str]) -> _Values:
        """Return values ``(row, edge)`` without the bias of the site of each row."""
        # The array of shifts becomes the result: a cube would be in memory three times.
        harmonized = self.shifts[self.find(sites)]
        return np.subtract(values, harmonized, out=harmonized)


def read_labels(labels: Any, name: str, n_rows: int) -> tuple[str, ...]:
    """Return one text for each row, empty where a label is missing.

    Raises
    ------
    InputError
        There is not one label for each row.

    Examples
    --------
    >>> read_labels([1, None, "SWA"], "site", 3)
    ('1', '', 'SWA')
    """
    array = np.asarray(labels, dtype=object)
    if array.shape != (n_rows,):
        found = f"{len(array)} values" if array.ndim == 1 else f"the shape {array.shape}"
        message = f"'{name}' has {found}, but X has {n_rows} rows. Pass one {name} for each row."
        raise InputError(message, requested=name)
    return tuple("" if missing else str(label) for label, missing in zip(array, pd.isna(array), strict=True))


def resolve_sites(sites: Sequence[str]) -> tuple[str, ...]:
    """Return sites under their codes, where the catalog has them under another name too.

    Examples
    --------
    >>> resolve_sites(["UTA", "SWA", "elsewhere"])
    ('UTO', 'SWA', 'elsewhere')
    """
    codes = {alias: site.code for site in default_records().sites for alias in site.aliases}
    return tuple(codes.get(site, site) for site in sites)


def estimate_site_bias(
    values: _Values, travels: Travels, shrinkage: float | str = "gcv", min_travelers: int = 2
) -> SiteBias:
    """Estimate the biases of the sites from the runs of travelers.

    Parameters
    ----------
    values
        Fisher z ``(run, edge)``, finite.
    travels
        The site and the traveler of each run.
    shrinkage
        The penalty on the squared biases, or ``"gcv"`` to choose it by generalized cross-validation.
    min_travelers
        The smallest number of travelers at a site.

    Raises
    ------
    InputError
        A site is empty, there are fewer than two sites, too few travelers at a site, or sites that no
        traveler links with the others; or the penalty cannot be chosen.

    Warns
    -----
    DecnefDataWarning
        A site had fewer than five travelers.
    """
    _require_named(travels.sites)
    cells = travels.cells()
    sites = tuple(sorted(set(travels.sites)))
    n_travelers = _count_travelers(sites, cells, min_travelers)
    averages, design = _average_cells(values, cells, sites)
    # One decomposition gives the biases by every penalty.
    left, lengths, right = np.linalg.svd(design, full_matrices=False)
    n_biases = len(sites) - 1  # they sum to zero
    left, squares, right = left[:, :n_biases], lengths[:n_biases] ** 2, right[:n_biases]
    projected = left.T @ averages
    # Rounding may leave less than nothing.
    residuals = np.maximum(_squares(averages) - _squares(projected), 0)
    # The value of each traveler takes a degree of freedom.
    n_free = len(cells) - len({traveler for traveler, _ in cells})
    if shrinkage == "gcv":
        _require_residuals(n_free - n_biases)
        powers = np.einsum("ke,ke->k", projected, projected)
        shrinkage = _choose_shrinkage(squares, powers, float(residuals.sum()), n_free)
    # With this prior on the biases the errors have this variance, of noise and of shrinkage together.
    variances = (right.T**2) @ (1 / (squares + float(shrinkage)))
    weights = np.sqrt(squares) / (squares + float(shrinkage))
    noise = np.sqrt(residuals / (n_free - n_biases)) if n_free > n_biases else np.full_like(residuals, np.nan)
    return SiteBias(
        sites,
        (right.T * weights) @ projected,
        np.outer(np.sqrt(variances), noise),
        float(shrinkage),
        n_travelers,
    )


def _squares(values: _Values) -> _Values:
    result: _Values = np.einsum("ke,ke->e", values, values)
    return result


def _count_travelers(
    sites: Sequence[str], cells: dict[tuple[str, str], list[int]], min_travelers: int
) -> tuple[int, ...]:
    """Count the travelers at each site, and refuse what cannot be estimated."""
    if len(sites) < 2:  # noqa: PLR2004 - a difference needs two
        message = (
            f"The travelers were at {len(sites)} site{'' if len(sites) == 1 else 's'} "
            f"({_quote(sites) or 'none'}), and a bias is a difference between sites. "
            "Pass the runs of travelers at two sites or more."
        )
        raise InputError(message, requested="site", known=sites)
    counts = Counter(site for _, site in cells)
    for site in sites:
        if counts[site] < min_travelers:
            raise InputError(_format_too_few(site, counts[site], cells, min_travelers), requested=site)
    _require_connected(sites, cells)
    few = [f"'{site}' ({counts[site]})" for site in sites if counts[site] < _FEW_TRAVELERS]
    if few:
        warn_user(
            f"Fewer than {_FEW_TRAVELERS} travelers were at site {', '.join(few)}, so that its bias is "
            "uncertain. Look at its standard errors, or leave the site out."
        )
    return tuple(counts[site] for site in sites)


def _format_too_few(
    site: str, count: int, cells: dict[tuple[str, str], list[int]], min_travelers: int
) -> str:
    found = sorted(traveler for traveler, place in cells if place == site)
    number = "No traveler" if not count else "1 traveler" if count == 1 else f"{count} travelers"
    listed = f" ({_quote(found)})" if found else ""
    return (
        f"{number}{listed} of another site {'was' if count < 2 else 'were'} at site '{site}', but "  # noqa: PLR2004
        f"min_travelers={min_travelers}. Leave the site out, or add travelers who were there and elsewhere."
    )


def _require_named(sites: Sequence[str]) -> None:
    count = sum(site == "" for site in sites)
    if count:
        message = (
            f"The site of {count} of {len(sites)} rows is '', as where a table pools its sites. "
            "Exclude these rows, or state the site of each."
        )
        raise InputError(message, requested="site")


def _require_connected(sites: Sequence[str], cells: dict[tuple[str, str], list[int]]) -> None:
    """Refuse sites whose differences no traveler shows."""
    linked, found = {sites[0]}, {sites[0]}
    while found:
        travelers = {traveler for traveler, site in cells if site in found}
        found = {site for traveler, site in cells if traveler in travelers} - linked
        linked |= found
    apart = sorted(set(sites) - linked)
    if apart:
        message = (
            f"No traveler links site {_quote(sorted(linked))} with site {_quote(apart)}, so that the "
            "difference of their biases is not known. Use one of these sets of sites."
        )
        raise InputError(message, requested=apart[0], known=sites)


def _require_residuals(n_residuals: int) -> None:
    if n_residuals < 1:
        message = (
            "Each site has too few travelers to choose the shrinkage by cross-validation. "
            "Pass a number as shrinkage, or add travelers."
        )
        raise InputError(message, requested="shrinkage")


def _average_cells(
    values: _Values, cells: dict[tuple[str, str], list[int]], sites: Sequence[str]
) -> tuple[_Values, _Values]:
    """Average the runs in each cell, and subtract the mean of each traveler from averages and design."""
    averaging = np.zeros((len(cells), len(values)))
    design = np.zeros((len(cells), len(sites)))
    travelers = np.array([traveler for traveler, _ in cells])
    for cell, ((_, site), runs) in enumerate(cells.items()):
        averaging[cell, runs] = 1 / len(runs)
        design[cell, sites.index(site)] = 1
    same = travelers[:, np.newaxis] == travelers
    centering = np.eye(len(cells)) - same / same.sum(axis=1)
    return centering @ averaging @ values, centering @ design


def _choose_shrinkage(squares: _Values, powers: _Values, residual: float, n_free: int) -> float:
    """Choose the penalty whose generalized cross-validation score, over all edges, is lowest."""
    candidates = _CANDIDATES * squares.max()
    removed = squares / (squares + candidates[:, np.newaxis])
    scores = (residual + (1 - removed) ** 2 @ powers) / (n_free - removed.sum(axis=1)) ** 2
    return float(candidates[np.argmin(scores)])


def _quote(names: Sequence[str]) -> str:
    more = ", …" if len(names) > _MAX_LISTED else ""
    return ", ".join(f"'{name}'" for name in names[:_MAX_LISTED]) + more
