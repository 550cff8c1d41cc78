"""Matrices of one atlas with the same values: copies of one file, whose participants are the same."""

from collections.abc import Collection, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from decnef_data.layouts.connectivity.matrices import FoundMatrix
from decnef_data.model import Remark

__all__ = ["find_repeats", "repeat_remark"]

_COMPARED_VALUES: Final = 64


def find_repeats(matrices: Sequence[FoundMatrix], recorded: Collection[str]) -> dict[str, str]:
    """Return the path of each matrix that repeats another one, with the path of that one.

    Of equal matrices, those whose paths the catalog records are kept; if there is none, the one in the fewest
    folders, and of several the first by path.

    Parameters
    ----------
    matrices
        The matrices of a copy.
    recorded
        The paths that the catalog records.
    """
    # By a few values first, so that matrices which differ are not compared completely.
    candidates: dict[object, list[FoundMatrix]] = {}
    for matrix in sorted(matrices, key=lambda one: (one.path not in recorded, one.path.count("/"), one.path)):
        key = (matrix.atlas.name, matrix.values.shape, _sample(matrix.values))
        candidates.setdefault(key, []).append(matrix)
    repeats: dict[str, str] = {}
    for similar in candidates.values():
        kept: list[FoundMatrix] = []
        for matrix in similar:
            first = next((other for other in kept if _are_equal(matrix.values, other.values)), None)
            # The catalog says that all recorded files are of the release, so none of them is left out.
            if first is None or matrix.path in recorded:
                kept.append(matrix)
            else:
                repeats[matrix.path] = first.path
    return repeats


def _sample(values: NDArray[Any]) -> tuple[np.dtype[Any], bytes]:
    """Return what equal matrices have in common: the dtype, and values along a diagonal."""
    step = max(1, values.shape[1] // _COMPARED_VALUES)
    columns = np.arange(0, values.shape[1], step)
    native = values.dtype.newbyteorder("=")
    return native, values[columns % len(values), columns].astype(native).tobytes()


def _are_equal(one: NDArray[Any], other: NDArray[Any]) -> bool:
    # Two matrices of zeros, or without any value, are not copies: they are reported row by row.
    with np.errstate(invalid="ignore"):
        varies = np.fmax.reduce(one, axis=None) > np.fmin.reduce(one, axis=None)
    return bool(varies and np.array_equal(one, other, equal_nan=True))


def repeat_remark(path: str, first: str, tables: tuple[str, str] | None = None) -> Remark:
    """Return the warning that a matrix is left out.

    Parameters
    ----------
    path, first
        The paths of the matrix and of the one that is kept.
    tables
        The paths of their tables, if these differ.

    Examples
    --------
    >>> repeat_remark("b/x.mat", "a/x.mat").message
    "'b/x.mat' has the same values as 'a/x.mat', and was not used. Remove one of the two."
    """
    message = f"'{path}' has the same values as '{first}', and was not used"
    if tables is None:
        return Remark("repeated-matrix", f"{message}. Remove one of the two.", path)
    own, used = tables
    message = f"{message}, nor was its table '{own}', which differs from '{used}'. Remove the wrong copy."
    return Remark("repeated-matrix-other-table", message, path)
