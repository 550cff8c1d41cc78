"""The order of edges in a connectivity vector, and its conversion to and from the square matrix.

The release writes the strict lower triangle in MATLAB's column-major order, ``m(tril(true(n),-1))``:
(2,1), (3,1) … (n,1), (3,2) … .  In NumPy's terms that is ``column, row = np.triu_indices(n, k=1)``;
``np.tril_indices`` runs row by row and misplaces nearly every edge without any error.
"""

from math import isqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decnef_data.errors import FormatError

__all__ = ["count_rois", "edge_indices", "from_matrix", "to_matrix"]


def edge_indices(rois: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the two regions of every edge, counted from 0.

    Parameters
    ----------
    rois
        The number of regions.

    Returns
    -------
    tuple
        The column (the smaller index) and the row (the larger) of each edge, in order.

    Examples
    --------
    >>> [(int(a), int(b)) for a, b in zip(*edge_indices(4))]
    [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    """
    column, row = np.triu_indices(rois, k=1)
    return column, row


def count_rois(edges: int) -> int:
    """Return the number of regions that have `edges` edges between them.

    Parameters
    ----------
    edges
        The length of a connectivity vector.

    Returns
    -------
    int
        The number of regions.

    Raises
    ------
    FormatError
        No number of regions has that many edges.

    Examples
    --------
    >>> count_rois(9730), count_rois(4278), count_rois(6670)
    (140, 93, 116)
    """
    rois = (1 + isqrt(1 + 8 * max(edges, 0))) // 2
    if edges < 1 or rois * (rois - 1) // 2 != edges:
        message = (
            f"{edges} is not a number of edges: n regions have n * (n - 1) / 2. Pass complete rows of edges."
        )
        raise FormatError(message)
    return rois


def to_matrix(values: NDArray[Any], diagonal: float = 1.0) -> NDArray[Any]:
    """Convert edges to symmetric matrices.

    Parameters
    ----------
    values
        Edges along the last axis, in the order of :func:`edge_indices`.
    diagonal
        The value on the diagonal.

    Returns
    -------
    numpy.ndarray
        The same values with two axes of regions in place of the last; the dtype is kept.

    Examples
    --------
    >>> to_matrix(np.array([0.1, 0.2, 0.3])).tolist()
    [[1.0, 0.1, 0.2], [0.1, 1.0, 0.3], [0.2, 0.3, 1.0]]
    """
    rois = count_rois(values.shape[-1])
    column, row = edge_indices(rois)
    matrix = np.full((*values.shape[:-1], rois, rois), diagonal, dtype=values.dtype)
    matrix[..., row, column] = values
    matrix[..., column, row] = values
    return matrix


def from_matrix(matrix: NDArray[Any]) -> NDArray[Any]:
    """Convert square matrices to edges; only the strict lower triangle is read.

    Parameters
    ----------
    matrix
        Square matrices, with regions along the last two axes.

    Returns
    -------
    numpy.ndarray
        The edges along the last axis, in the order of :func:`edge_indices`.

    Examples
    --------
    >>> from_matrix(np.array([[1, 9, 9], [2, 1, 9], [3, 4, 1]])).tolist()
    [2, 3, 4]
    """
    if matrix.ndim < 2 or matrix.shape[-1] != matrix.shape[-2]:  # noqa: PLR2004  # a matrix has two axes
        message = (
            f"An array of shape {matrix.shape} is not a square matrix. Pass an array of regions by regions."
        )
        raise FormatError(message)
    column, row = edge_indices(matrix.shape[-1])
    edges: NDArray[Any] = matrix[..., row, column]
    return edges
