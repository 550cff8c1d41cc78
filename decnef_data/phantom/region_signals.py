"""The fluctuations of the regions of a run, whose correlations are known.

The correlation of two regions is the sum of a base, of the subject, of the site's bias, of the effect of the
diagnosis, and of the run's own variation.  The series of a run have exactly these correlations, however few
volumes it has: uncorrelated series are mixed by the Cholesky factor of the correlations.  All of it is
computed with operations that IEEE 754 rounds alike on every machine, so no library's linear algebra is used.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import fsum, sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from decnef_data.errors import SelectionError
from decnef_data.phantom.head import REGION_NAMES
from decnef_data.phantom.random_stream import NORMAL_SD, RandomStream

__all__ = [
    "MIN_VOLUMES",
    "N_EDGES",
    "RunOrigin",
    "diagnosis_effect",
    "draw_series",
    "planted_correlations",
    "site_bias",
]

_N_REGIONS: Final = len(REGION_NAMES)
N_EDGES: Final = _N_REGIONS * (_N_REGIONS - 1) // 2
#: With fewer volumes, the series of so many regions cannot have any given correlations.
MIN_VOLUMES: Final = _N_REGIONS + 1
#: The standard deviations over edges of what is added to the base, in r.
_SITE_SD, _SUBJECT_SD, _DIAGNOSIS_SD, _RUN_SD = 0.07, 0.05, 0.03, 0.03
#: The share of a series that is left a volume later, before series are made uncorrelated.
_DECAY: Final = 0.75
#: The share of the variance of a region that no other region explains is at least this.
_MIN_OWN_VARIANCE: Final = 0.01

Edges = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class RunOrigin:
    """Whose run it is, and from where: ``name`` is that of the run, unlike any other."""

    name: str
    subject: str
    site: str
    diagnosis: str


def site_bias(site: str) -> Edges:
    """Return by how much a site shifts the correlation of each pair of regions.

    Pairs are in the order of the edges of srpbs-fc: the strict lower triangle, column after column.

    Examples
    --------
    >>> len(site_bias("SWA"))
    28
    """
    return _draw_edges(f"site bias of {site}", _SITE_SD)


def diagnosis_effect(diagnosis: str) -> Edges:
    """Return by how much the correlation of each pair of regions differs from that of healthy participants.

    Examples
    --------
    >>> set(diagnosis_effect("HC"))
    {0.0}
    """
    return (0.0,) * N_EDGES if diagnosis == "HC" else _draw_edges(f"effect of {diagnosis}", _DIAGNOSIS_SD)


def planted_correlations(origin: RunOrigin) -> Edges:
    """Return the correlation of each pair of regions in a run.

    Examples
    --------
    >>> all(abs(r) < 0.9 for r in planted_correlations(RunOrigin("one", "sub-0001", "SWA", "HC")))
    True
    """
    correlations, _ = _plan(origin)
    return correlations


@lru_cache(maxsize=1024)
def _plan(origin: RunOrigin) -> tuple[Edges, list[list[float]]]:
    """Return the correlations of a run and their Cholesky factor."""
    parts = (
        site_bias(origin.site),
        diagnosis_effect(origin.diagnosis),
        _draw_edges(f"connectivity of {origin.subject}", _SUBJECT_SD),
        _draw_edges(f"connectivity of run {origin.name}", _RUN_SD),
    )
    shifts = tuple(map(fsum, zip(*parts, strict=True)))
    for share in (1.0, 0.75, 0.5, 0.25, 0.0):  # not every sum is possible; that of each run by default is
        correlations = tuple(base + share * shift for base, shift in zip(_draw_base(), shifts, strict=True))
        factor = _cholesky(correlations)
        if factor is not None:
            break
    return correlations, factor or []


def draw_series(origin: RunOrigin, n_volumes: int) -> NDArray[np.float64]:
    """Draw the series ``(region, volume)`` of a run, each with mean 0 and standard deviation 1.

    Examples
    --------
    >>> series = draw_series(RunOrigin("one", "sub-0001", "SWA", "HC"), 12)
    >>> series.shape, [round(sd, 9) for sd in series.std(axis=1).tolist()] == [1.0] * 8
    ((8, 12), True)
    """
    if n_volumes < MIN_VOLUMES:
        message = (
            f"A run of {n_volumes} volumes is too short for {_N_REGIONS} regions. "
            f"Draw at least {MIN_VOLUMES}."
        )
        raise SelectionError(message, requested=str(n_volumes))
    _, factor = _plan(origin)
    basis = _draw_uncorrelated(f"series of {origin.name}", n_volumes)
    rows = [
        sum((weight * series for weight, series in zip(weights, basis, strict=False)), np.zeros(n_volumes))
        for weights in factor
    ]
    return np.stack(rows) * sqrt(n_volumes)


@lru_cache(maxsize=256)  # of sites, diagnoses and subjects, many times
def _draw_edges(name: str, sd: float) -> Edges:
    return tuple((RandomStream(name).normal_integers(N_EDGES) / NORMAL_SD * sd).tolist())


@lru_cache(maxsize=1)  # it is the same for all runs
def _draw_base() -> Edges:
    """Draw what all runs share: 0.1 to 0.25, and 0.35 for a region and its mirror image."""
    rng = RandomStream("base of regions")
    return tuple(
        0.35 if row == column + 1 and column % 2 == 0 else rng.normal_between(100, 250) / 1000
        for column in range(_N_REGIONS)
        for row in range(column + 1, _N_REGIONS)
    )


def _cholesky(correlations: Edges) -> list[list[float]] | None:
    """Return the rows of the lower factor of a matrix of correlations, or None if there is none."""
    column_starts = [column * (2 * _N_REGIONS - column - 1) // 2 - column - 1 for column in range(_N_REGIONS)]
    factor: list[list[float]] = []
    for row in range(_N_REGIONS):
        line: list[float] = []
        for column, above in enumerate(factor):
            explained = fsum(a * b for a, b in zip(line, above, strict=False))
            line.append((correlations[column_starts[column] + row] - explained) / above[column])
        own = 1 - fsum(weight * weight for weight in line)
        if own < _MIN_OWN_VARIANCE:
            return None
        factor.append([*line, sqrt(own)])
    return factor


def _draw_uncorrelated(name: str, n_volumes: int) -> list[NDArray[np.float64]]:
    """Draw one series for each region: slow, of mean 0 and length 1, and without correlation."""
    rng = RandomStream(name)
    found: list[NDArray[np.float64]] = []
    steps = rng.normal_integers(_N_REGIONS * n_volumes).reshape(n_volumes, _N_REGIONS) / NORMAL_SD
    slow = np.zeros_like(steps)
    for number, step in enumerate(steps):
        slow[number] = step + (slow[number - 1] * _DECAY if number else 0)
    constant = np.full(n_volumes, 1 / sqrt(n_volumes))
    for column in range(_N_REGIONS):
        series = slow[:, column]
        for other in (constant, *found):
            series = series - other * fsum((series * other).tolist())
        found.append(series / sqrt(fsum((series * series).tolist())))
    return found
