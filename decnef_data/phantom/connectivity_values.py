"""Connectivity values of known composition, on a grid, computed from integers only."""

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from decnef_data.formats.edges import edge_indices
from decnef_data.phantom.effects import EFFECTS, FACTOR_SHIFT, GRID, NETWORKS, NOISE_SHIFT, roi_network
from decnef_data.phantom.participants import Participant
from decnef_data.phantom.random_stream import RandomStream

__all__ = ["draw_edge_values", "effect_edges"]

#: Largest absolute value, in steps of the grid (0.98): the sums very rarely come near it.
_MAX_STEPS = 32112


@cache
def effect_edges(number: int, rois: int) -> NDArray[np.intp]:
    """Return the edges that effect `number` of :data:`EFFECTS` shifts.

    Examples
    --------
    >>> len(effect_edges(0, 140)) == 16 * 15 // 2
    True
    """
    networks = np.array([roi_network(roi, rois) for roi in range(rois)])
    one, other = EFFECTS[number].networks
    column, row = edge_indices(rois)
    forward = (networks[column] == one) & (networks[row] == other)
    reverse = (networks[column] == other) & (networks[row] == one)
    return np.flatnonzero(forward | reverse)


def draw_edge_values(name: str, participants: Sequence[Participant], rois: int) -> NDArray[np.int32]:
    """Draw values ``(edge, participant)`` in grid steps, the same for the same `name` and participants.

    Examples
    --------
    >>> draw_edge_values("no participants", (), 140).shape
    (9730, 0)
    """
    rng = RandomStream(f"values of {name}")
    column, row = edge_indices(rois)
    factors = rng.normal_integers(rois * len(participants), shift=FACTOR_SHIFT).reshape(
        rois, len(participants)
    )
    values = rng.normal_integers(len(column) * len(participants), shift=NOISE_SHIFT).reshape(
        len(column), len(participants)
    )
    values += _draw_base_values(rois)[:, np.newaxis]
    values += factors[column]
    values += factors[row]
    for number, effect in enumerate(EFFECTS):
        values[effect_edges(number, rois)] += np.array(
            [effect.shift(participant) for participant in participants], np.int32
        )
    return np.clip(values, -_MAX_STEPS, _MAX_STEPS, out=values)


@cache
def _draw_base_values(rois: int) -> NDArray[np.int32]:
    """Draw the values that all participants share.

    They are 0.28 to 0.34 within a network, -0.12 to 0.2 between networks, and 0.1 more for mirrored regions.
    """
    rng = RandomStream(f"base of {rois}")
    network = np.arange(rois) * len(NETWORKS) // rois
    levels = np.zeros((len(NETWORKS), len(NETWORKS)), np.int32)
    for one in range(len(NETWORKS)):
        for other in range(one):
            levels[one, other] = levels[other, one] = rng.normal_between(-12 * GRID // 100, 20 * GRID // 100)
        levels[one, one] = rng.normal_between(28 * GRID // 100, 34 * GRID // 100)
    column, row = edge_indices(rois)
    mirrored = np.where((column % 2 == 0) & (row == column + 1), np.int32(GRID // 10), np.int32(0))
    base: NDArray[np.int32] = levels[network[column], network[row]]
    return base + mirrored + rng.normal_integers(len(column), shift=7)
