"""Recognition of connectivity matrices among the values of a file, by the sizes of the catalog's atlases.

Rows of edges are one matrix with a row per participant.  A stack of symmetric matrices of regions, with the
participants first or last, becomes such rows, in the edge order of the release.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from decnef_data.formats import edges

if TYPE_CHECKING:
    from decnef_data.formats.matlab_parts import Part
    from decnef_data.model import Atlas

__all__ = ["FoundMatrix", "find_rows", "find_stacks", "may_contain_matrix"]

#: How far the two triangles of a correlation matrix may differ by rounding.
_MAX_ASYMMETRY = 1e-6
_MATRIX_AXES, _STACK_AXES = 2, 3


@dataclass(frozen=True, slots=True, eq=False)
class FoundMatrix:
    """A matrix, participants by edges."""

    path: str
    variable: str
    atlas: "Atlas"
    values: NDArray[Any]

    def __str__(self) -> str:
        """Return the name of the variable and the shape of the matrix."""
        return f"'{self.variable}' ({len(self.values)} participants x {self.atlas.edges} edges)"


def find_rows(path: str, parts: Iterable["Part"], atlases: Sequence["Atlas"]) -> list[FoundMatrix]:
    """Return every reading of two-axis values as rows of edges, in both orientations."""
    return [
        FoundMatrix(path, part.name, atlas, oriented)
        for part in parts
        if part.values is not None and part.values.ndim == _MATRIX_AXES and part.values.size
        # The catalog does not say how a file is oriented; a shape that fits both ways is an error later.
        for oriented in (part.values, part.values.T)
        for atlas in atlases
        if oriented.shape[1] == atlas.edges
    ]


def find_stacks(path: str, parts: Iterable["Part"], atlases: Sequence["Atlas"]) -> list[FoundMatrix]:
    """Return every reading of values as symmetric matrices of regions, of one participant or more."""
    return [
        FoundMatrix(path, part.name, atlas, edges.from_matrix(stack))
        for part in parts
        if part.values is not None and part.values.size
        for stack in _orient_stacks(part.values)
        for atlas in atlases
        if stack.shape[1:] == (atlas.rois, atlas.rois) and _is_symmetric(stack)
    ]


def may_contain_matrix(part: "Part", atlases: Sequence["Atlas"]) -> bool:
    """Return whether values that were not recognized may be edges: there are enough for one participant.

    Arrays of three axes or more are volumes, unless one axis is that of edges, or two are those of regions.
    """
    if len(part.shape) <= _MATRIX_AXES:
        return part.count >= min(atlas.edges for atlas in atlases)
    return any(
        atlas.edges in part.shape or (atlas.rois, atlas.rois) in pairwise(part.shape) for atlas in atlases
    )


def _orient_stacks(values: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    """Return the arrays of participants by two axes of regions that an array may be."""
    if values.ndim == _MATRIX_AXES:
        return (values[np.newaxis],)
    return (values, np.moveaxis(values, -1, 0)) if values.ndim == _STACK_AXES else ()


def _is_symmetric(stack: NDArray[Any]) -> bool:
    transposed = np.swapaxes(stack, 1, 2)
    # A region without signal is NaN in its row and in its column.
    return bool(np.allclose(stack, transposed, rtol=0, atol=_MAX_ASYMMETRY, equal_nan=True))
