"""The order of edges, proved against MATLAB's own definition."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decnef_data.errors import FormatError
from decnef_data.formats import edges


def matlab_order(rois: int) -> list[tuple[int, int]]:
    """``[row, column] = find(tril(true(n), -1))``: down each column in turn, below the diagonal, from 1."""
    order = []
    for column in range(1, rois + 1):
        for row in range(1, rois + 1):
            if row > column:
                order.append((row, column))  # noqa: PERF401  # as MATLAB walks, step by step, to be read beside it
    return order


def matlab_vector(matrix: np.ndarray) -> list[float]:
    """``m(tril(true(n), -1))``."""
    return [matrix[row - 1, column - 1] for row, column in matlab_order(len(matrix))]


@pytest.mark.parametrize("rois", range(3, 141))
def test_pairs_are_those_of_the_definition_and_both_ways_undo_each_other(rois: int) -> None:
    order = matlab_order(rois)
    roi_a, roi_b = edges.edge_indices(rois)
    assert [(row + 1, column + 1) for column, row in zip(roi_a, roi_b, strict=True)] == order
    numbered = np.arange(len(order), dtype="f8")
    square = edges.to_matrix(numbered, diagonal=1.0)
    assert [square[row - 1, column - 1] for row, column in order] == numbered.tolist()
    assert [square[column - 1, row - 1] for row, column in order] == numbered.tolist()
    assert (np.diagonal(square) == 1).all()
    assert edges.from_matrix(square).tolist() == numbered.tolist()


def test_first_edges_of_the_published_order() -> None:
    roi_a, roi_b = edges.edge_indices(140)
    named = [(int(row) + 1, int(column) + 1) for column, row in zip(roi_a, roi_b, strict=True)]
    assert named[:2] == [(2, 1), (3, 1)]
    assert named[138:140] == [(140, 1), (3, 2)]
    assert named[-1] == (140, 139)


def test_tril_indices_would_be_wrong() -> None:
    roi_a, roi_b = edges.edge_indices(140)
    row, column = np.tril_indices(140, k=-1)
    assert np.mean((roi_a != column) | (roi_b != row)) > 0.99


@given(st.integers(3, 140), st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_from_matrix_takes_what_the_definition_takes(rois: int, seed: int) -> None:
    matrix = np.random.default_rng(seed).standard_normal(
        (rois, rois)
    )  # not symmetric: the upper half must not count
    assert edges.from_matrix(matrix).tolist() == matlab_vector(matrix)


@given(st.integers(3, 140), st.integers(0, 2**32 - 1), st.sampled_from(["f4", "f8"]))
@settings(max_examples=40, deadline=None)
def test_to_matrix_is_symmetric_and_undone_by_the_definition(rois: int, seed: int, kind: str) -> None:
    values = np.random.default_rng(seed).standard_normal((2, rois * (rois - 1) // 2)).astype(kind)
    matrix = edges.to_matrix(values)
    assert matrix.dtype == values.dtype
    assert (matrix == matrix.swapaxes(1, 2)).all()
    assert (np.diagonal(matrix, axis1=1, axis2=2) == 1).all()
    for vector, square in zip(values, matrix, strict=True):
        assert matlab_vector(square) == vector.tolist()
    assert (edges.from_matrix(matrix) == values).all()


def test_to_matrix_takes_another_diagonal() -> None:
    assert edges.to_matrix(np.array([0.5, 0.25, 0.125]), diagonal=0.0).trace() == 0


@given(st.integers(2, 300))
def test_rois_of_undoes_counting(rois: int) -> None:
    assert edges.count_rois(rois * (rois - 1) // 2) == rois


@pytest.mark.parametrize("count", [-1, 0, 2, 9729, 9731])
def test_rois_of_refuses_what_is_no_triangle(count: int) -> None:
    message = (
        f"{count} is not a number of edges: n regions have n * (n - 1) / 2. Pass complete rows of edges."
    )
    with pytest.raises(FormatError, match=f"^{re.escape(message)}$"):
        edges.count_rois(count)


def test_from_matrix_refuses_what_is_not_square() -> None:
    message = "An array of shape (2, 3) is not a square matrix. Pass an array of regions by regions."
    with pytest.raises(FormatError, match=f"^{re.escape(message)}$"):
        edges.from_matrix(np.zeros((2, 3)))
