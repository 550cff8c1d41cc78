"""Connectivity values with a known make-up, on a grid, from integers alone."""

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from decnef_data.phantom.draws import Draws
from decnef_data.phantom.effects import EFFECTS, FACTOR_SHIFT, GRID, NETWORKS, NOISE_SHIFT, network_of
from decnef_data.phantom.people import Person

__all__ = ["matrix", "on_effect", "pairs"]

#: No value is farther from 0, in steps of the grid (0.98): the sums very rarely come near.
_LIMIT = 32112


@cache
def pairs(rois: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Column and row of each edge: the strict lower triangle, column by column.

    Examples
    --------
    >>> [edge.tolist() for edge in pairs(3)]
    [[0, 0, 1], [1, 2, 2]]
    """
    column, row = np.triu_indices(rois, k=1)
    return column, row


@cache
def on_effect(number: int, rois: int) -> NDArray[np.intp]:
    """The edges that effect `number` of :data:`EFFECTS` shifts.

    Examples
    --------
    >>> len(on_effect(0, 140)) == 16 * 15 // 2
    True
    """
    networks = np.array([network_of(roi, rois) for roi in range(rois)])
    one, other = EFFECTS[number].networks
    column, row = pairs(rois)
    there = (networks[column] == one) & (networks[row] == other)
    back = (networks[column] == other) & (networks[row] == one)
    return np.flatnonzero(there | back)


def matrix(name: str, people: Sequence[Person], rois: int) -> NDArray[np.int32]:
    """Values (edge, person) in steps of the grid, the same for the same `name` and people.

    Examples
    --------
    >>> matrix("nobody", (), 140).shape
    (9730, 0)
    """
    draws = Draws(f"values of {name}")
    column, row = pairs(rois)
    factors = draws.bells(rois * len(people), shift=FACTOR_SHIFT).reshape(rois, len(people))
    values = draws.bells(len(column) * len(people), shift=NOISE_SHIFT).reshape(len(column), len(people))
    values += _base(rois)[:, np.newaxis]
    values += factors[column]
    values += factors[row]
    for number, effect in enumerate(EFFECTS):
        values[on_effect(number, rois)] += np.array([effect.shift(person) for person in people], np.int32)
    return np.clip(values, -_LIMIT, _LIMIT, out=values)


@cache
def _base(rois: int) -> NDArray[np.int32]:
    """What all share: 0.28 to 0.34 within a network, -0.12 to 0.2 between, 0.1 more for mirrored regions."""
    draws = Draws(f"base of {rois}")
    network = np.arange(rois) * len(NETWORKS) // rois
    levels = np.zeros((len(NETWORKS), len(NETWORKS)), np.int32)
    for one in range(len(NETWORKS)):
        for other in range(one):
            levels[one, other] = levels[other, one] = draws.between(-12 * GRID // 100, 20 * GRID // 100)
        levels[one, one] = draws.between(28 * GRID // 100, 34 * GRID // 100)
    column, row = pairs(rois)
    mirrored = np.where((column % 2 == 0) & (row == column + 1), np.int32(GRID // 10), np.int32(0))
    base: NDArray[np.int32] = levels[network[column], network[row]]
    return base + mirrored + draws.bells(len(column), shift=7)
