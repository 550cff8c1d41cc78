"""The values inside MATLAB variables: fields of structs, cells, sparse matrices and stacks of matrices.

Every version of MATLAB's files, and Octave's text, become the same few nodes; :func:`flatten` lists their
values under the names that MATLAB uses, such as ``data.FC`` and ``C{2}``.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["MAX_PART_SIZE", "Fields", "Items", "Node", "Opaque", "Part", "flatten", "is_stack"]

#: Larger variables are not unpacked in search of a matrix: all participants in full matrices have 0.26 GB.
MAX_PART_SIZE = 2**30
_STACK_AXES = 3
_CLASSES = {"f8": "double", "f4": "single", "b1": "logical", "c16": "complex double", "c8": "complex single"}


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One value inside a MATLAB file.

    Attributes
    ----------
    name
        Its name in MATLAB, such as ``data.FC``.
    kind
        The class that MATLAB shows.
    shape
        Its shape in MATLAB's orientation.
    count
        The most numbers that it may contain.
    values
        Its values, if they may be a matrix of connectivity: floating-point numbers.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    count: int
    values: NDArray[Any] | None = None

    @classmethod
    def from_array(cls, name: str, values: NDArray[Any]) -> "Part":
        """Return an array as a part."""
        kind = _CLASSES.get(values.dtype.str[1:], values.dtype.name)
        return cls(name, kind, values.shape, values.size, values if values.dtype.kind == "f" else None)

    def __str__(self) -> str:
        """Return the name, the class and the shape."""
        return f"'{self.name}' ({' '.join([self.kind, ' x '.join(map(str, self.shape))]).strip()})"


@dataclass(frozen=True, slots=True, eq=False)
class Fields:
    """A struct: its values by field."""

    values: Mapping[str, "Node"]


@dataclass(frozen=True, slots=True, eq=False)
class Items:
    """A cell, or one field of an array of structs: its items in MATLAB's order."""

    shape: tuple[int, ...]
    values: Sequence["Node"]


@dataclass(frozen=True, slots=True)
class Opaque:
    """A value that is not read: a text, an object, a volume; ``count`` is that of its part."""

    kind: str
    shape: tuple[int, ...]
    count: int


Node = NDArray[Any] | Fields | Items | Opaque


def is_stack(shape: Sequence[int]) -> bool:
    """Return whether an array of this shape may be a stack of square matrices, along its first or last axis.

    Examples
    --------
    >>> is_stack((235, 140, 140)), is_stack((140, 140, 235)), is_stack((91, 109, 91))
    (True, True, False)
    """
    return len(shape) == _STACK_AXES and (shape[0] == shape[1] or shape[1] == shape[2])


def flatten(name: str, node: Node) -> Iterator[Part]:
    """List the values inside a variable.

    A cell of row vectors, or of square matrices, of one shape is one value: a matrix, or a stack.

    Parameters
    ----------
    name
        The name of the variable.
    node
        Its content.

    Yields
    ------
    Part
        One per value, at least one.

    Examples
    --------
    >>> rows = Items((2, 1), [np.array([[0.5, 0.25]]), np.array([[1.0, 0.75]])])
    >>> [part.values.tolist() for part in flatten("C", rows)]
    [[[0.5, 0.25], [1.0, 0.75]]]
    """
    match node:
        case Fields(values) if values:
            for field, value in values.items():
                yield from flatten(f"{name}.{field}", value)
        case Fields():
            yield Part(name, "struct", (), 0)
        case Items():
            yield from _flatten_items(name, node)
        case Opaque():
            yield Part(name, node.kind, node.shape, node.count)
        case _:
            yield Part.from_array(name, node)


def _flatten_items(name: str, items: Items) -> Iterator[Part]:
    stacked = _stack(items)
    if stacked is not None:
        yield Part(name, "cell", stacked.shape, stacked.size, stacked)
    elif all(_is_plain(value) for value in items.values):
        yield Part(name, "cell", items.shape, len(items.values))
    else:
        for number, value in enumerate(items.values, start=1):
            yield from flatten(f"{name}{{{number}}}", value)


def _stack(items: Items) -> NDArray[Any] | None:
    """Return the rows or square matrices of a list of participants as one array, ``None`` if it is none."""
    arrays = [value for value in items.values if isinstance(value, np.ndarray) and value.dtype.kind in "fiu"]
    # Items along two axes, such as participants by sessions, are not one list.
    if not len(arrays) == len(items.values) == max(items.shape) > 1:
        return None
    # Doubles without fractions may be stored as integers, but integers alone are indices or labels.
    is_matrix = len({array.shape for array in arrays}) == 1 and any(
        array.dtype.kind == "f" for array in arrays
    )
    rows, columns = arrays[0].shape if is_matrix and arrays[0].ndim == 2 else (0, -1)  # noqa: PLR2004  # a matrix has two axes
    if rows != columns and 1 in {rows, columns}:
        return np.stack([array.ravel() for array in arrays])
    return np.stack(arrays) if rows == columns > 1 else None


def _is_plain(value: Node) -> bool:
    """Return whether a value is a single number, empty or a text: a cell of these is one list."""
    return (isinstance(value, Opaque) and value.count == 0) or (
        isinstance(value, np.ndarray) and value.size < 2  # noqa: PLR2004  # one number
    )
