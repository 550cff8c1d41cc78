"""Warnings of what harmonization leaves: protocols in a site, unequal variances and indefinite matrices."""

import math
from collections.abc import Sequence
from itertools import chain
from typing import Final

import numpy as np
from numpy.typing import NDArray

from decnef_data.errors import warn_user
from decnef_data.records import default_records

__all__ = ["warn_of_indefinite", "warn_of_protocols", "warn_of_variances"]

#: Sites of fewer people have no variance worth comparing.
_MIN_PEOPLE: Final = 10
#: Standard deviations that differ by this factor are reported.
_UNEQUAL: Final = 1.5
#: Smaller differences are due to rounding.
_ROUNDING: Final = 1e-6
#: Added to the diagonal: a correlation matrix of few volumes has eigenvalues of 0, give or take rounding.
_TOLERANCE: Final = 1e-6
#: So many matrices are checked; all of them would take longer than the rest.
_MAX_CHECKED: Final = 50


def warn_of_protocols(
    people: tuple[Sequence[str], Sequence[str]], travelers: tuple[Sequence[str], Sequence[str]]
) -> None:
    """Warn of sites of the people with several protocols, since one bias is subtracted from all their scans.

    Parameters
    ----------
    people
        The site and the protocol of each row, ``""`` where none is stated.  Those of the catalog count for
        such rows.
    travelers
        The same of the travelers, where only stated protocols count.
    """
    found: dict[str, set[str]] = {site: set() for site in people[0]}
    for site, protocol in chain(zip(*people, strict=True), zip(*travelers, strict=True)):
        if site in found and protocol:
            found[site].add(protocol.removesuffix(".0"))  # a number of a column with missing values
    for site in {site for site, protocol in zip(*people, strict=True) if not protocol}:
        found[site] |= {str(known.number) for known in default_records().protocols if site in known.sites}
    several = [
        f"'{site}' ({', '.join(sorted(found[site], key=lambda name: (len(name), name)))})"
        for site in sorted(found)
        if len(found[site]) > 1
    ]
    if several:
        warn_user(
            f"There are several protocols at site {', '.join(several)}, and one bias is subtracted from all "
            "scans of a site. If they differ, harmonize the people of one protocol only, and state it as the "
            "coordinate 'protocol'."
        )


def warn_of_variances(z: NDArray[np.float64], sites: Sequence[str]) -> None:
    """Warn if Fisher z ``(row, edge)`` varies far more within one site than within another."""
    labels = np.array(sites)
    spreads = {
        site: _standard_deviation(z[labels == site])
        for site in sorted(set(sites))
        if np.count_nonzero(labels == site) >= _MIN_PEOPLE
    }
    if not spreads:
        return
    least, most = min(spreads, key=spreads.__getitem__), max(spreads, key=spreads.__getitem__)
    if spreads[most] > _UNEQUAL * spreads[least] + _ROUNDING:
        warn_user(
            f"The standard deviation of Fisher z within site '{most}' is {spreads[most]:.2g}, and "
            f"{spreads[least]:.2g} within site '{least}': harmonization does not correct variances. Look for "
            "the cause in the people, the length of the scans and head motion before you compare these sites."
        )


def _standard_deviation(rows: NDArray[np.float64]) -> float:
    """Return the root of the mean variance of the edges, without a second copy of the rows."""
    mean = rows.mean(axis=0)
    squares = np.einsum("ke,ke->", rows, rows) - len(rows) * (mean @ mean)
    return math.sqrt(max(squares, 0) / ((len(rows) - 1) * rows.shape[1]))


def warn_of_indefinite(before: NDArray[np.float64], after: NDArray[np.float64]) -> None:
    """Warn if a matrix, of up to 50, was positive semidefinite and no longer is."""
    n_regions = (1 + math.isqrt(1 + 8 * before.shape[1])) // 2
    # A selection of edges makes no matrix.
    if n_regions * (n_regions - 1) // 2 != before.shape[1]:
        return
    # Spread over all rows, in which sites often follow each other.
    rows = np.unique(np.linspace(0, max(len(after) - 1, 0), _MAX_CHECKED).astype(np.intp))[: len(after)]
    if np.any(_are_semidefinite(before[rows], n_regions) & ~_are_semidefinite(after[rows], n_regions)):
        warn_user(
            "A matrix of correlations is no longer positive semidefinite after harmonization. Before "
            "methods that need this, such as tangent space, project the matrices to the nearest that is."
        )


def _are_semidefinite(edges: NDArray[np.float64], n_regions: int) -> NDArray[np.bool_]:
    """Return whether all pivots of each matrix are positive, by elimination in all of them together.

    The threads of a Cholesky factorization wait for each other far longer than one of this size takes.
    """
    upper = np.triu_indices(n_regions, k=1)
    matrices = np.zeros((len(edges), n_regions, n_regions))
    matrices[:, *upper] = matrices[:, *upper[::-1]] = edges
    matrices[:, range(n_regions), range(n_regions)] = 1 + _TOLERANCE
    valid = np.ones(len(edges), np.bool_)
    for first in range(n_regions):
        pivots = matrices[:, first, first]
        valid &= pivots > 0
        # One that is not semidefinite goes on with zeros, because all go through the steps together.
        rows = matrices[:, first, first + 1 :] / np.sqrt(np.where(valid, pivots, np.inf))[:, np.newaxis]
        matrices[:, first + 1 :, first + 1 :] -= rows[:, :, np.newaxis] * rows[:, np.newaxis]
    return valid
