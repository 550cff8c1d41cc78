"""Lazy arrays over files, mapped where they can be, stacks of them, and the matrix view of connectivity."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar, overload

import numpy as np
import xarray as xr
from decnef_data_catalog import examples
from numpy.typing import DTypeLike, NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

from decnef_data.arguments import checked
from decnef_data.errors import IntegrityError, SelectionError
from decnef_data.file_systems import map_file

__all__ = [
    "LazySlabs",
    "MappedArray",
    "Slab",
    "StackedArray",
    "apply_indexer",
    "edge_regions",
    "find_slab",
    "mark_texts",
    "memmap_variable",
    "stack_lazily",
    "to_matrix",
    "without_dask",
]

_Key = tuple[Any, ...]
_Item = TypeVar("_Item")
Verify = Callable[[NDArray[np.uint8] | None], None]


def memmap_variable(
    path: Path,
    dims: Sequence[str],
    dtype: DTypeLike,
    shape: Sequence[int],
    offset: int = 0,
    attrs: Mapping[str, Any] | None = None,
    verify: "Verify | None" = None,
    size: int | None = None,
) -> xr.Variable:
    """Return a lazy variable over the C-ordered bytes of a file, of which nothing is read yet.

    Parameters
    ----------
    path
        The file, which may be longer than the array.
    dims, shape
        The array's dimensions and their lengths.
    dtype
        The stored type, including its byte order.
    offset
        Where the array begins in the file, in bytes.
    attrs
        The variable's attributes.
    verify
        Called with the mapped bytes of the array before a read of at least half of it, and with ``None``
        where the file cannot be mapped; it must be picklable, and raise if the bytes are not the right ones.
    size
        The length of the file in bytes; ``None`` means that it is not known, and asked for.

    Returns
    -------
    xarray.Variable
        Integers and slices return read-only views of the file; its pickle holds only the path.  On a file
        system that cannot map files, the selected positions of the first dimension are read instead.

    Raises
    ------
    IntegrityError
        The file is shorter than the array needs.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "cube.bin")
    ...     _ = path.write_bytes(np.arange(6, dtype="<f4").tobytes())
    ...     memmap_variable(path, ("subject", "edge"), "<f4", (2, 3))[1].values.tolist()
    [3.0, 4.0, 5.0]
    """
    array = MappedArray(Path(path), np.dtype(dtype), tuple(shape), offset, verify)
    _require_bytes(array.path, offset + array.nbytes, size)
    # An empty file cannot be mapped, and an empty array needs none.
    data = indexing.LazilyIndexedArray(array) if array.nbytes else np.empty(array.shape, array.dtype)
    return xr.Variable(tuple(dims), data, dict(attrs or {}))


def _require_bytes(path: Path, needed: int, size: int | None = None) -> None:
    found = path.stat().st_size if size is None else size
    if found < needed:
        raise IntegrityError(
            f"'{path}' has {found} bytes, but {needed} are needed. Fetch the dataset again to rebuild it.",
            file=str(path),
            expected=str(needed),
            found=str(found),
        )


class MappedArray(BackendArray):
    """The bytes of a file as an array that xarray indexes lazily; its pickle holds only the path."""

    def __init__(
        self,
        path: Path,
        dtype: np.dtype[Any],
        shape: tuple[int, ...],
        offset: int,
        verify: Verify | None = None,
    ) -> None:
        self.path = path
        self.dtype = dtype
        self.shape = shape
        self.offset = offset
        self.verify = verify

    @property
    def nbytes(self) -> int:
        """The array's length in bytes."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_mapped"}

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return apply_indexer(key, self.shape, self._read_outer)

    def _read_outer(self, key: _Key) -> NDArray[Any]:
        mapped = self._mapped
        if self.verify is not None and self._selects_most(key):
            self.verify(None if mapped is None else mapped.reshape(-1).view(np.uint8))
        if mapped is not None:
            return _select(mapped, key)
        if not self.shape:
            return self._read_rows(np.zeros(1, np.intp)).reshape(())
        rows = np.atleast_1d(np.arange(self.shape[0])[key[0]])
        inner_key = (0 if isinstance(key[0], int | np.integer) else slice(None), *key[1:])
        return _select(self._read_rows(rows), inner_key)

    @cached_property
    def _mapped(self) -> NDArray[Any] | None:
        """The array over the mapped file, ``None`` on a file system that cannot map it."""
        try:
            mapped = map_file(self.path, self.offset + self.nbytes)
        except (FileNotFoundError, ValueError):  # it was removed or truncated after it was opened
            if self.verify is not None:
                self.verify(None)
            _require_bytes(self.path, self.offset + self.nbytes)
            raise
        return None if mapped is None else np.ndarray(self.shape, self.dtype, mapped, self.offset)

    def _selects_most(self, key: _Key) -> bool:
        """Return whether a key selects at least half of the array."""
        return 2 * math.prod(_selected_shape(key, self.shape)) >= math.prod(self.shape)

    def _read_rows(self, rows: NDArray[np.intp]) -> NDArray[Any]:
        """Read positions of the first dimension, those that are consecutive at once."""
        out = np.empty((rows.size, *self.shape[1:]), self.dtype)
        row_nbytes = out.itemsize * int(np.prod(self.shape[1:], dtype=np.int64))
        remaining = memoryview(out.reshape(-1).view(np.uint8))  # type: ignore[arg-type]  # stubs before Python 3.12
        with self.path.open("rb") as file:
            for run in np.split(rows, np.flatnonzero(np.diff(rows) != 1) + 1):
                part, remaining = remaining[: run.size * row_nbytes], remaining[run.size * row_nbytes :]
                file.seek(self.offset + int(run[0]) * row_nbytes if run.size else 0)
                if file.readinto(part) < len(part):
                    _require_bytes(self.path, self.offset + self.nbytes)
        out.flags.writeable = False  # as the views of a mapped file are
        return out


def _select(values: NDArray[Any], key: _Key) -> NDArray[Any]:
    """Apply an orthogonal key."""
    # Integers and slices first, as a view; then one vector at a time, since numpy moves the axes
    # of a key that mixes integers and vectors to the front.
    out = values[tuple(slice(None) if _is_vector(part) else part for part in key)]
    kept = [part for part in key if not isinstance(part, int | np.integer)]
    for axis, part in enumerate(kept):
        if _is_vector(part):
            out = out[(slice(None),) * axis + (part,)]
    return np.asarray(out)


class Slab(Protocol):
    """One position along the first dimension of a stack, wherever its bytes are; it must be picklable."""

    def fill(self, key: tuple[Any, ...], out: NDArray[Any]) -> None:
        """Read what `key` (an integer, slice or vector per dimension) selects into `out`."""


class LazySlabs(Sequence[Slab], Generic[_Item]):
    """Slabs that are created on first access: a group has thousands, and few are read.

    Parameters
    ----------
    factory
        Creates a slab from an item.
    items
        One item per slab.

    Examples
    --------
    >>> slabs = LazySlabs(lambda number: f"the slab of {number}", range(3000))
    >>> slabs[2] is slabs[2], len(slabs)
    (True, 3000)
    """

    def __init__(self, factory: Callable[[_Item], Slab], items: Sequence[_Item]) -> None:
        self._factory, self._items = factory, items
        self._cache: dict[int, Slab] = {}

    def __len__(self) -> int:
        return len(self._items)

    @overload
    def __getitem__(self, index: int) -> Slab: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Slab]: ...
    def __getitem__(self, index: int | slice) -> Slab | Sequence[Slab]:
        if isinstance(index, slice):
            return tuple(map(self.__getitem__, range(*index.indices(len(self)))))
        found = self._cache.get(index)
        return (
            found if found is not None else self._cache.setdefault(index, self._factory(self._items[index]))
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return tuple, (tuple(self),)  # the factory may not be picklable, the slabs are


def stack_lazily(
    slabs: Sequence[Slab], dims: Sequence[str], dtype: DTypeLike, shape: Sequence[int]
) -> xr.Variable:
    """Stack arrays of one shape and type along a new first dimension, lazily.

    Parameters
    ----------
    slabs
        The sources of the arrays; nothing is read from them yet.
    dims
        The dimensions, that of the stack first.
    dtype, shape
        The type and shape of every slab.

    Returns
    -------
    xarray.Variable
        It prefers chunks of one slab each; the pickle of a selection holds only the slabs of that selection.

    Examples
    --------
    >>> class Ones:
    ...     def fill(self, key, out):
    ...         out[...] = 1
    >>> stack_lazily([Ones(), Ones()], ("scan", "time"), "i2", (3,))[:, 1].values.tolist()
    [1, 1]
    """
    array = StackedArray(slabs, np.dtype(dtype), (len(slabs), *shape))
    encoding = {"preferred_chunks": dict(zip(dims, (1, *shape), strict=True))}
    return xr.Variable(tuple(dims), _LazyStack(array), encoding=encoding)


class _LazyStack(indexing.LazilyIndexedArray):
    """A lazily indexed stack; its pickle holds only the slabs that its key selects."""

    __slots__ = ()

    def __reduce__(self) -> tuple[Any, ...]:
        first, *inner = self.key.tuple
        selected = np.atleast_1d(np.arange(len(self.array.slabs))[first]).tolist()
        slabs = tuple(map(self.array.slabs.__getitem__, selected))
        array = StackedArray(slabs, self.array.dtype, (len(slabs), *self.array.shape[1:]))
        kept = 0 if isinstance(first, int | np.integer) else slice(None)
        return _LazyStack, (array, type(self.key)((kept, *inner)))


def find_slab(variable: xr.Variable) -> Slab | None:
    """Return the slab that a variable is, if it is one position of a lazy stack with everything in it.

    Only an array of which nothing was computed, assigned, loaded or left out is still lazy in this way.

    Examples
    --------
    >>> class Ones:
    ...     def fill(self, key, out):
    ...         out[...] = 1
    >>> stack = stack_lazily([Ones()], ("scan", "time"), "i2", (3,))
    >>> [find_slab(part) is not None for part in (stack[0], stack[0].load(), stack[0][1:])]
    [True, False, False]
    """
    data = variable._data  # noqa: SLF001 - `data` would read it
    if not isinstance(data, _LazyStack):
        return None
    (first, *inner), lengths = data.key.tuple, data.array.shape[1:]
    is_complete = all(
        isinstance(part, slice) and part.indices(length) == (0, length, 1)
        for part, length in zip(inner, lengths, strict=True)
    )
    return data.array.slabs[first] if is_complete and isinstance(first, int | np.integer) else None


def without_dask(variable: xr.Variable) -> xr.Variable | None:
    """Return the lazy stack of which a dask array was made, ``None`` if the array is not just that.

    The name of a dask array stands for its content, and that of the array from which another one was made
    has a prefix (``dask.array.from_array``).
    """
    array: Any = variable.data
    stack = getattr(array.dask.get(f"original-{array.name}"), "array", None)
    if not isinstance(stack, _LazyStack) or (stack.shape, stack.dtype) != (array.shape, array.dtype):
        return None
    return xr.Variable(variable.dims, stack, variable.attrs, variable.encoding)


class StackedArray(BackendArray):
    """Arrays of one shape as one, which xarray indexes lazily; only the slabs that are needed are read."""

    def __init__(self, slabs: Sequence[Slab], dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
        self.slabs = slabs
        self.dtype = dtype
        self.shape = shape

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return apply_indexer(key, self.shape, self._read_outer)

    def _read_outer(self, key: _Key) -> NDArray[Any]:
        first, *inner = key
        positions = np.atleast_1d(np.arange(len(self.slabs))[first])
        out = np.empty((positions.size, *_selected_shape(inner, self.shape[1:])), self.dtype)
        if out.size:
            for row, index in enumerate(positions.tolist()):
                self.slabs[index].fill(tuple(inner), out[row, ...])  # a view, even of a single number
        return out[0] if isinstance(first, int | np.integer) else out


def _selected_shape(key: Sequence[Any], shape: Sequence[int]) -> list[int]:
    """Return the shape of what a key selects; an integer removes its dimension."""
    return [
        len(range(*part.indices(length))) if isinstance(part, slice) else len(part)
        for part, length in zip(key, shape, strict=True)
        if not isinstance(part, int | np.integer)
    ]


def apply_indexer(
    key: indexing.ExplicitIndexer, shape: tuple[int, ...], read_outer: Callable[[_Key], NDArray[Any]]
) -> Any:
    """Read what a key of any kind selects through a function of orthogonal keys."""
    if isinstance(key, indexing.VectorizedIndexer):
        return indexing.explicit_indexing_adapter(key, shape, indexing.IndexingSupport.OUTER, read_outer)
    # xarray's adapter fails on an empty slice of negative step, and reverses other slices after reading.
    return read_outer(key.tuple)


def _is_vector(part: object) -> bool:
    return isinstance(part, np.ndarray)


def mark_texts(dataset: xr.Dataset) -> xr.Dataset:
    """Have :meth:`xarray.Dataset.to_zarr` write text as text of any length; the dataset itself is returned.

    Text of a fixed length has no specification in Zarr 3, of which zarr warns.

    Examples
    --------
    >>> mark_texts(xr.Dataset(coords={"site": ("subject", ["SWA"])}))["site"].encoding
    {'dtype': <class 'object'>}
    """
    for variable in dataset.variables.values():
        if variable.dtype.kind == "U":
            variable.encoding["dtype"] = object
    return dataset


@checked
def to_matrix(dataset: xr.Dataset) -> xr.DataArray:
    """Return the condensed connectivity of a dataset as square symmetric matrices, lazily.

    Parameters
    ----------
    dataset
        A Dataset with ``fc (..., edge)`` and the two regions of each edge, ``roi_a`` and ``roi_b``.

    Returns
    -------
    xarray.DataArray
        ``fc (..., roi, roi_2)`` in the dtype of the edges, with diagonal 1; the regions are in the order of
        ``roi_a`` and ``roi_b``, which is that of the atlas.  It is lazy: only the edges that are needed are
        read.

    Raises
    ------
    SelectionError
        One of these variables is missing, two regions have the same name, or the edge of a pair of regions is
        missing or occurs more than once.

    Examples
    --------
    >>> cube = xr.Dataset(
    ...     {"fc": (("subject", "edge"), [[0.1, 0.2, 0.3]])},
    ...     {"roi_a": ("edge", ["a", "a", "b"]), "roi_b": ("edge", ["b", "c", "c"])},
    ... )
    >>> to_matrix(cube)[0].values.tolist()
    [[1.0, 0.1, 0.2], [0.1, 1.0, 0.3], [0.2, 0.3, 1.0]]
    """
    _require_cube(dataset)
    condensed = dataset["fc"].variable
    if condensed.dims[-1] != "edge":
        condensed = condensed.transpose(..., "edge")
    names, ends = edge_regions(dataset)
    square = indexing.LazilyIndexedArray(_SquareForm(condensed, _edge_of_cell(names, ends)))
    coords = {name: dataset.variables[name] for name in dataset["fc"].coords}
    kept = {name: coord for name, coord in coords.items() if "edge" not in coord.dims}
    matrix = xr.Variable((*condensed.dims[:-1], "roi", "roi_2"), square, condensed.attrs)
    result = mark_texts(xr.Dataset({"fc": matrix}, {**kept, "roi": names, "roi_2": names}))
    return result["fc"]


def _require_cube(dataset: xr.Dataset) -> None:
    absent = [name for name in ("fc", "roi_a", "roi_b") if name not in dataset.variables]
    if not absent and "edge" not in dataset["fc"].dims:
        absent = ["edge"]
    if absent:
        raise SelectionError(
            f"to_matrix needs connectivity data, but this dataset has no '{absent[0]}'. "
            f"Pass a group of {examples.CONNECTIVITY} with 'fc', 'edge', 'roi_a' and 'roi_b'.",
            requested="to_matrix",
        )


def edge_regions(dataset: xr.Dataset) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Return the names of the regions, and the indices of the two regions of each edge ``(2, edge)``.

    ``roi_a`` is the region that comes first in the atlas: the earlier a region is, the more often it is
    ``roi_a``, whatever the order of the edges.

    Examples
    --------
    >>> ends = {"roi_a": ("edge", ["b", "a", "a"]), "roi_b": ("edge", ["c", "c", "b"])}
    >>> names, numbers = edge_regions(xr.Dataset(coords=ends))
    >>> names.tolist(), numbers.tolist()
    (['a', 'b', 'c'], [[1, 0, 0], [2, 2, 1]])
    """
    ends = np.stack([np.atleast_1d(dataset[end].to_numpy()) for end in ("roi_a", "roi_b")])
    found, first, numbers = np.unique(ends.T.reshape(-1), return_index=True, return_inverse=True)
    numbers = numbers.reshape(-1, 2).T
    order = np.lexsort((first, -np.bincount(numbers[0], minlength=found.size)))
    position = np.empty_like(order)
    position[order] = np.arange(order.size)
    return found[order], position[numbers]


def _edge_of_cell(names: NDArray[Any], ends: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the position along ``edge`` of each cell of the matrix, -1 on the diagonal."""
    a, b = ends
    _require_distinct(names, ends)
    cells = np.full((names.size, names.size), -1, dtype=np.intp)
    cells[a, b] = cells[b, a] = np.arange(a.size)
    _require_pairs(cells)
    return cells


def _require_distinct(names: NDArray[Any], ends: NDArray[np.intp]) -> None:
    a, b = ends
    if (a == b).any():
        raise SelectionError(
            f"to_matrix identifies regions by name, but both regions of an edge are '{names[a[a == b][0]]}'. "
            "Use a unique name for each region in 'roi_a' and 'roi_b'.",
            requested="to_matrix",
        )
    # A number for each pair: np.unique of pairs takes three times as long as all else here.
    pairs, counts = np.unique(ends.min(axis=0) * names.size + ends.max(axis=0), return_counts=True)
    if (counts > 1).any():
        one, other = names[list(divmod(int(pairs[counts > 1][0]), names.size))]
        raise SelectionError(
            f"to_matrix needs one edge for every pair of regions, but '{one}' and '{other}' have several. "
            "Use a unique name for each region in 'roi_a' and 'roi_b', and each edge once.",
            requested="to_matrix",
        )


def _require_pairs(cells: NDArray[np.intp]) -> None:
    regions = len(cells)
    absent = (int((cells < 0).sum()) - regions) // 2
    if absent:
        raise SelectionError(
            f"to_matrix needs an edge for every pair of regions, but {absent} of the "
            f"{regions * (regions - 1) // 2} are not in this dataset. "
            "Call it before selecting edges, then select regions of the result.",
            requested="to_matrix",
        )


class _SquareForm(BackendArray):
    """The square form of a condensed variable whose last dimension is ``edge``."""

    def __init__(self, condensed: xr.Variable, cells: NDArray[np.intp]) -> None:
        self.condensed = condensed
        self.cells = cells
        self.shape = (*condensed.shape[:-1], *cells.shape)
        self.dtype = condensed.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return apply_indexer(key, self.shape, self._read_outer)

    def _read_outer(self, key: _Key) -> NDArray[Any]:
        *rows, i, j = key
        cells = self.cells[i][..., j]
        needed = np.zeros(self.condensed.shape[-1] + 1, dtype=bool)  # the diagonal's -1 marks the last
        needed[cells] = True
        columns = np.cumsum(needed)[cells] - 1
        read = np.ascontiguousarray(self.condensed[(*rows, _as_slice(np.flatnonzero(needed[:-1])))].values)
        out = _take_columns(read, columns.reshape(-1))
        out[..., np.flatnonzero(cells < 0)] = 1
        return out.reshape((*read.shape[:-1], *cells.shape))


def _as_slice(edges: NDArray[np.intp]) -> NDArray[np.intp] | slice:
    """Convert consecutive positions to a slice, which is read as a view."""
    if edges.size == 0:
        return slice(0, 1)  # only the diagonal: any column has the shape and type
    if int(edges[-1]) - int(edges[0]) + 1 == edges.size:
        return slice(int(edges[0]), int(edges[-1]) + 1)
    return edges


def _take_columns(read: NDArray[Any], columns: NDArray[np.intp]) -> NDArray[Any]:
    """Take columns row by row, ten times faster than scattering; indices past the end are clipped."""
    out = np.empty((*read.shape[:-1], columns.size), read.dtype)
    if read.size and columns.size:
        pairs = zip(read.reshape(-1, read.shape[-1]), out.reshape(-1, columns.size), strict=True)
        for source, target in pairs:
            np.take(source, columns, out=target, mode="clip")
    return out
