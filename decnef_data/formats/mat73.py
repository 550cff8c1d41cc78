"""MATLAB files of version 7.3, which are HDF5: their matrices, atlas tables, and parts of other variables.

HDF5's axes are MATLAB's reversed.  Structs are groups, cells are arrays of references, and a sparse matrix is
a group of ``data``, ``ir`` and ``jc`` with the attribute ``MATLAB_sparse``.

HDF5 lets a file show the content of other files: as links, as virtual datasets and as external storage.
MATLAB writes none of these, and none is followed: a file of a stranger would be read from anywhere.
"""

from collections.abc import Iterator
from math import prod
from typing import Any

import h5py
import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from decnef_data.formats import mat5
from decnef_data.formats.matlab_parts import (
    MAX_PART_SIZE,
    Fields,
    Items,
    Node,
    Opaque,
    Part,
    flatten,
    is_stack,
)

__all__ = ["ForeignContentError", "open_bytes", "read_matrices", "read_parts", "read_regions"]

_MATRIX_AXES = 2
#: The most that deflate can compress, and what may be missing in the file altogether.
_MAX_RATIO, _MAX_FILLED = 1032, 2**16
_NUMERIC_CLASSES = frozenset(
    {"double", "single", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"}
)
_TEXT_CLASSES = frozenset({"char", "string"})
#: Groups that hold what references refer to, and the content of objects, begin with this.
_HIDDEN = "#"
_REFERENCED, _OBJECTS = "#refs#", "#subsystem#"


class ForeignContentError(Exception):  # internal: the module matlab translates it into a FormatError
    """An item is not in the file itself; the message says where it is."""


def open_bytes(data: bytes) -> Any:
    """Open the bytes of a file in place: no temporary file, no Python callbacks."""
    return h5py.File(h5py.h5f.open_file_image(data))


def read_matrices(h5_file: Any) -> dict[str, NDArray[Any]]:
    """Read the two-axis numeric variables, in MATLAB's orientation."""
    return {name: item[()].T for name, item in _members(h5_file) if _is_matrix(item)}


def read_regions(h5_file: Any, name: str) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """Read the fields ``id`` and ``name`` of a struct, ``None`` if the file has none with both."""
    group = _open_member(h5_file, name) if name in list(h5_file) else None
    if not isinstance(group, h5py.Group) or not {"id", "name"} <= set(group):
        return None
    columns = {field: list(_dereference(h5_file, _open_member(group, field))) for field in ("id", "name")}
    ids = [value for array in columns["id"] for value in np.ravel(array[()])]
    names = [text for array in columns["name"] for text in _decode_texts(array)]
    return np.array(ids), np.array(names)


def read_parts(h5_file: Any) -> Iterator[Part]:
    """List the values inside all variables; those that cannot be a matrix are described, not read."""
    reader = _NodeReader(h5_file)
    for name, item in _members(h5_file):
        yield from flatten(name, reader.read(item))
    if _OBJECTS in list(h5_file):  # h5py's own test opens what a link leads to
        yield Part("content of objects", "opaque", (), _count_referenced(h5_file))


def _count_referenced(h5_file: Any) -> int:
    # Which of all that is referred to belongs to the objects is not documented.
    group = _open_member(h5_file, _REFERENCED) if _REFERENCED in list(h5_file) else {}
    referenced = (_open_member(group, name) for name in group)
    return sum(int(item.size) for item in referenced if isinstance(item, h5py.Dataset) and item.shape)


def _members(group: Any) -> Iterator[tuple[str, Any]]:
    return ((name, _open_member(group, name)) for name in group if not name.startswith(_HIDDEN))


def _open_member(group: Any, name: str) -> Any:
    """Open a member of a group that is in this file, under a name of its own."""
    link = group.get(name, getlink=True)
    if isinstance(link, h5py.ExternalLink):
        raise ForeignContentError(f"{name!r} is a link to the file {link.filename!r}")
    if not isinstance(link, h5py.HardLink):
        raise ForeignContentError(f"{name!r} is a link to {link.path!r}")
    return _require_own(group[name])


def _require_own(item: Any) -> Any:
    """Require that the values of a dataset are in this file, and as many as it can hold."""
    if isinstance(item, h5py.Dataset):
        if item.is_virtual:
            files = sorted({source.file_name for source in item.virtual_sources()})
            raise ForeignContentError(f"{item.name!r} is composed of the files {files}")
        if item.external:
            raise ForeignContentError(f"the values of {item.name!r} are in the file {item.external[0][0]!r}")
        # HDF5 fills what is not stored with zeros, so that a short file can have an array of any shape.
        if item.nbytes > _MAX_RATIO * item.id.get_storage_size() + _MAX_FILLED:
            raise mat5.DamagedFileError(
                f"{item.name!r} states {item.nbytes} bytes, which is more than the file can hold"
            )
    return item


def _is_matrix(item: Any) -> bool:
    if not isinstance(item, h5py.Dataset) or item.ndim != _MATRIX_AXES or "MATLAB_empty" in item.attrs:
        return False
    if item.nbytes > mat5.MAX_VARIABLE_SIZE:
        raise mat5.DamagedFileError(f"'{item.name}' expands to {item.nbytes} bytes, which is too large")
    return item.dtype.kind in "fiu" and _class_name(item) in _NUMERIC_CLASSES


def _class_name(item: Any, default: str = "double") -> str:
    kind = item.attrs.get("MATLAB_class", default)
    return kind.decode() if isinstance(kind, bytes) else str(kind)


def _dereference(h5_file: Any, item: Any) -> Iterator[Any]:
    if item.dtype.kind != "O":
        yield item
        return
    for reference in np.ravel(item[()].T):
        yield from _dereference(h5_file, _require_own(h5_file[reference]))


def _decode_texts(array: Any) -> list[str]:
    # Characters are UTF-16 units; HDF5's axes are MATLAB's reversed, so each column here is one text.
    units = np.atleast_2d(array[()].T).astype("<u2")
    return [row.tobytes().decode("utf-16-le") for row in units]


class _NodeReader:
    """Converts groups and datasets to nodes, each of them once, however often it is referred to."""

    def __init__(self, h5_file: Any) -> None:
        self._file = h5_file
        self._nodes: dict[Any, Node | None] = {}

    def read(self, item: Any) -> Node:
        """Return the node of a group or dataset."""
        if item.id not in self._nodes:
            self._nodes[item.id] = None
            self._nodes[item.id] = self._read(item)
        node = self._nodes[item.id]
        if node is None:
            raise mat5.DamagedFileError(f"'{item.name}' contains itself")
        return node

    def _read(self, item: Any) -> Node:
        if isinstance(item, h5py.Group):
            if "MATLAB_sparse" in item.attrs:
                return _read_sparse(item)
            return Fields({name: self.read(member) for name, member in _members(item)})
        if not isinstance(item, h5py.Dataset) or item.shape is None:
            return Opaque("empty", (), 0)
        if "MATLAB_empty" in item.attrs:
            return Opaque(_class_name(item), tuple(map(int, np.ravel(item[()])[:32])), 0)
        if item.dtype.kind == "O" and h5py.check_ref_dtype(item.dtype) is h5py.Reference:
            references = np.ravel(item[()].T, order="F")
            return Items(
                item.shape[::-1], [self.read(_require_own(self._file[reference])) for reference in references]
            )
        return self._read_array(item)

    def _read_array(self, item: Any) -> Node:
        kind, shape = _class_name(item), item.shape[::-1]
        is_matrix = len(shape) == _MATRIX_AXES or is_stack(shape)
        if kind in _NUMERIC_CLASSES and item.dtype.kind == "f" and is_matrix and item.nbytes <= MAX_PART_SIZE:
            values: NDArray[Any] = item[()].T
            return values
        if kind in _TEXT_CLASSES or item.dtype.kind in "SOV":
            return Opaque(kind if "MATLAB_class" in item.attrs else "text", shape, 0)
        return Opaque(kind, shape, prod(shape))


def _read_sparse(group: Any) -> Node:
    kind = _class_name(group)
    arrays = {name: _open_member(group, name) for name in ("jc", "ir", "data") if name in list(group)}
    rows, starts = int(group.attrs["MATLAB_sparse"]), arrays["jc"][()].ravel().astype("i8")
    shape = (rows, len(starts) - 1)
    if kind != "double" or prod(shape) * 8 > MAX_PART_SIZE:
        return Opaque(f"sparse {kind}", shape, prod(shape))
    # MATLAB omits both if every value is zero.
    indices = arrays["ir"][()].ravel().astype("i8") if "ir" in arrays else np.empty(0, "i8")
    values = arrays["data"][()].ravel() if "data" in arrays else np.empty(0)
    stored = int(starts[-1])
    matrix = scipy.sparse.csc_array((values[:stored], indices[:stored], starts), shape=shape)
    matrix.check_format(full_check=True)  # toarray does not check the indices
    dense: NDArray[Any] = matrix.toarray()
    return dense
