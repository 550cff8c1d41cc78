"""MATLAB files of every version: their numeric matrices, and the regions of an atlas table.

Versions 4 to 7 are read by scipy, 7.3 (HDF5) by h5py and transposed to MATLAB's orientation.  :func:`read`
extracts only two-axis numeric variables and a struct ``ROI``: the atlas file also has a volume that would
unpack to a gigabyte.  :func:`read_parts` searches everything else for what may be a matrix.
"""

import struct
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import signature
from io import BytesIO
from itertools import islice
from math import prod
from typing import Any, Final

import numpy as np
import scipy.io
import scipy.sparse
from isal import isal_zlib
from numpy.typing import NDArray
from scipy.io.matlab import MatlabFunction, MatlabObject, MatlabOpaque

from decnef_data.errors import FormatError
from decnef_data.formats import mat5, mat73
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

__all__ = ["AtlasRegions", "is_matlab", "read", "read_parts"]

#: The struct of the atlas table whose fields ``id`` and ``name`` list the regions.
_REGIONS_STRUCT = "ROI"
_REGIONS_FIELDS = frozenset({"id", "name"})
#: More values than this are not searched for a matrix.
_MAX_PARTS = 100_000
_HDF5 = b"\x89HDF\r\n\x1a\n"
_V5_TEXT = b"MATLAB 5.0 MAT-file"
_MATRIX_AXES = 2
_CLASSES = {
    "double": "f8",
    "single": "f4",
    "int8": "i1",
    "uint8": "u1",
    "int16": "i2",
    "uint16": "u2",
    "int32": "i4",
    "uint32": "u4",
    "int64": "i8",
    "uint64": "u8",
}
#: Later versions of scipy warn unless the kind of sparse matrix is stated; earlier ones lack the option.
_HAS_OPTION: Final = "spmatrix" in signature(scipy.io.loadmat).parameters
_SPARSE_ARRAYS: Final[dict[str, Any]] = {"spmatrix": False} if _HAS_OPTION else {}
# What scipy and h5py raise on truncated files and flipped bits, found by tests/formats/test_matlab.py.
_DAMAGE_ERRORS: tuple[type[Exception], ...] = (
    mat5.DamagedFileError,
    scipy.io.matlab.MatReadError,
    UserWarning,
    RuntimeWarning,
    isal_zlib.IsalError,
    struct.error,
    OSError,
    EOFError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
    MemoryError,
)


@dataclass(frozen=True, slots=True)
class AtlasRegions:
    """The regions of an atlas, in the order of its table."""

    ids: tuple[int, ...]
    names: tuple[str, ...]


_Variables = dict[str, NDArray[Any] | AtlasRegions]


def is_matlab(data: bytes) -> bool:
    r"""Return whether `data` starts like a MATLAB file of any version.

    Parameters
    ----------
    data
        The bytes of a file, or its first 1024.

    Returns
    -------
    bool
        Whether :func:`read` will try to parse it.

    Examples
    --------
    >>> is_matlab(b"# 140 regions\n0.25 0.5\n")
    False
    """
    return _is_hdf5(data) or _is_v5(data) or _is_v4(data)


def read(data: bytes, file: str) -> _Variables:
    """Read the two-axis numeric variables of a MATLAB file, and its struct ``ROI``.

    Parameters
    ----------
    data
        The bytes of the file.
    file
        Its name, for errors.

    Returns
    -------
    dict
        Arrays by variable name, in MATLAB's orientation and with the class that MATLAB shows; ``ROI`` as
        `AtlasRegions`.

    Raises
    ------
    FormatError
        The bytes are not a MATLAB file, or it is damaged.

    Examples
    --------
    >>> from io import BytesIO
    >>> scipy.io.savemat(file := BytesIO(), {"X": np.array([[0.5, 0.25]])})
    >>> read(file.getvalue(), "a.mat")
    {'X': array([[0.5 , 0.25]])}
    """
    if not is_matlab(data):
        message = f"'{file}' is not a MATLAB file: it begins with {data[:8]!r}. Download it again."
        raise FormatError(message, file=file, location="byte 0")
    with _translate_errors(file):
        if _is_hdf5(data):
            return _read_hdf5(data)
        return _read_v5(data) if _is_v5(data) else _read_v4(data)


def read_parts(data: bytes, file: str) -> tuple[Part, ...]:
    """List everything in a MATLAB file, with the values that may be a matrix of connectivity.

    Slower than :func:`read`: structs, cells, sparse matrices and stacks of square matrices are unpacked.

    Parameters
    ----------
    data
        The bytes of the file.
    file
        Its name, for errors.

    Returns
    -------
    tuple
        The values by their names in MATLAB, such as ``data.FC``; those of large volumes, texts and objects
        are not read.

    Raises
    ------
    FormatError
        The file is damaged.

    Examples
    --------
    >>> from io import BytesIO
    >>> scipy.io.savemat(file := BytesIO(), {"data": {"FC": np.array([[0.5, 0.25]]), "note": "x"}})
    >>> [str(part) for part in read_parts(file.getvalue(), "a.mat")]
    ["'data.FC' (double 1 x 2)", "'data.note' (char)"]
    """
    with _translate_errors(file):
        parts = tuple(islice(_iter_parts(data), _MAX_PARTS + 1))
        if len(parts) > _MAX_PARTS:
            raise mat5.DamagedFileError(f"it contains more than {_MAX_PARTS} values")
    return parts


def _iter_parts(data: bytes) -> Iterator[Part]:
    if not _is_hdf5(data):
        yield from _read_scipy_parts(data)
        return
    with mat73.open_bytes(data) as h5_file:
        yield from mat73.read_parts(h5_file)


def _is_hdf5(data: bytes) -> bool:
    # MATLAB puts a text of 512 bytes before the HDF5 signature; plain HDF5 has none.
    return data.startswith(_HDF5) or data[512:520] == _HDF5


def _is_v5(data: bytes) -> bool:
    return data.startswith(_V5_TEXT) or data[124:128] in {b"\x00\x01IM", b"\x01\x00MI"}


def _is_v4(data: bytes) -> bool:
    # A version 4 header: M*1000 + O*100 + P*10 + T (M is 0 or 1 on all machines since the VAX), two
    # dimensions, whether imaginary, the name's length.
    return any(_is_v4_header(struct.unpack(f"{order}5i", data[:20])) for order in "<>" if len(data) >= 20)  # noqa: PLR2004  # the header's length


def _is_v4_header(header: tuple[int, ...]) -> bool:
    kind, rows, columns, imaginary, name_length = header
    machine, remainder = divmod(kind, 1000)
    unused, remainder = divmod(remainder, 100)
    precision, matrix = divmod(remainder, 10)
    in_range = machine in range(2) and unused == 0 and precision in range(6) and matrix in range(3)
    return in_range and min(rows, columns) >= 0 and imaginary in {0, 1} and name_length in range(1, 65)


def _read_v4(data: bytes) -> _Variables:
    return _read_scipy(data, [variable for variable in _list_v4(data) if _is_wanted(variable)])


def _list_v4(data: bytes) -> list[mat5.VariableHeader]:
    with _warnings_as_errors():
        return [mat5.VariableHeader(*entry) for entry in scipy.io.whosmat(_as_file(data))]


def _read_v5(data: bytes) -> _Variables:
    validated, variables = mat5.extract_variables(data, _is_wanted)
    return _read_scipy(validated, variables)


def _is_wanted(variable: mat5.VariableHeader) -> bool:
    is_matrix = len(variable.shape) == _MATRIX_AXES and variable.kind in _CLASSES
    # A variable without a name is no matrix, but what functions and objects consist of.
    return bool(variable.name) and (
        is_matrix or (variable.name, variable.kind) == (_REGIONS_STRUCT, "struct")
    )


def _read_scipy(data: bytes, wanted: Sequence[mat5.VariableHeader]) -> _Variables:
    names = [variable.name for variable in wanted]
    with _warnings_as_errors():
        loaded = scipy.io.loadmat(_as_file(data), variable_names=names, **_SPARSE_ARRAYS) if names else {}
    values = {variable.name: _convert_variable(loaded[variable.name], variable.kind) for variable in wanted}
    return {name: value for name, value in values.items() if value is not None}


def _convert_variable(loaded: Any, kind: str) -> NDArray[Any] | AtlasRegions | None:
    if kind not in _CLASSES:
        has_regions = set(loaded.dtype.names or ()) >= _REGIONS_FIELDS
        return _build_regions(loaded["id"], loaded["name"]) if has_regions else None
    # The list of a version 4 file does not say which matrices are complex.
    return None if loaded.dtype.kind == "c" else _convert_array(loaded, kind)


def _convert_array(array: NDArray[Any], kind: str) -> NDArray[Any]:
    # MATLAB stores doubles with integer values in fewer bytes; the user sees the class.
    return array.astype(_CLASSES[kind]) if array.dtype.kind in "iu" else array


def _read_scipy_parts(data: bytes) -> Iterator[Part]:
    headers = mat5.list_variables(data) if _is_v5(data) else _list_v4(data)
    selected = [header.name for header in headers if _may_have_parts(header)]
    if _is_v5(data):
        data, _ = mat5.extract_variables(data, _may_have_parts)
    with _warnings_as_errors():
        loaded = (
            scipy.io.loadmat(_as_file(data), variable_names=selected, **_SPARSE_ARRAYS) if selected else {}
        )
    for header in headers:
        if header.name in loaded:
            value = loaded[header.name]
            is_array = header.kind in _CLASSES
            yield from flatten(
                header.name, _convert_array(value, header.kind) if is_array else _build_node(value)
            )
        else:
            yield _describe_variable(header)


def _may_have_parts(variable: mat5.VariableHeader) -> bool:
    is_matrix = variable.kind in {"double", "single"} and (
        len(variable.shape) == _MATRIX_AXES or is_stack(variable.shape)
    )
    has_parts = is_matrix or variable.kind in {"struct", "cell", "sparse"}
    return bool(variable.name) and has_parts and variable.size <= MAX_PART_SIZE


def _describe_variable(header: mat5.VariableHeader) -> Part:
    # Of what is not unpacked only the size is known; a number has at least four bytes there.
    is_packed = header.kind in {"opaque", "object", "function", "struct", "cell"} or not header.name
    count = header.size // 4 if is_packed else prod(header.shape) * (header.kind != "char")
    return Part(header.name or "content of objects", header.kind, header.shape, count)


def _build_node(loaded: Any) -> Node:
    if scipy.sparse.issparse(loaded):
        return _build_sparse(loaded)
    if isinstance(loaded, MatlabFunction | MatlabObject | MatlabOpaque) or not isinstance(loaded, np.ndarray):
        return Opaque("object", (), 0)
    if loaded.dtype.names is not None:
        return Fields({name: _build_field(loaded[name]) for name in loaded.dtype.names})
    if loaded.dtype.kind == "O":
        return Items(loaded.shape, [_build_node(item) for item in loaded.ravel(order="F")])
    return Opaque("char", (), 0) if loaded.dtype.kind == "U" else loaded


def _build_field(loaded: Any) -> Node:
    # One struct has one value per field, an array of structs a list of them.
    return _build_node(loaded.item()) if loaded.size == 1 else _build_node(loaded)


def _build_sparse(loaded: Any) -> Node:
    # As whole numbers are doubles that MATLAB stored in fewer bytes: there are no sparse integers.
    if loaded.dtype.kind not in "fiu" or prod(loaded.shape) * 8 > MAX_PART_SIZE:
        return Opaque(f"sparse {loaded.dtype.name}", loaded.shape, prod(loaded.shape))
    matrix = scipy.sparse.csc_array(loaded, dtype=np.float64)
    matrix.check_format(full_check=True)  # neither scipy's reader nor toarray checks the indices
    dense: NDArray[Any] = matrix.toarray()
    return dense


@contextmanager
def _warnings_as_errors() -> Iterator[None]:
    # scipy only warns about a damaged or duplicate variable, and returns a text in its place; numpy warns
    # about an impossible size.
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.simplefilter("error", RuntimeWarning)
        yield


def _as_file(data: bytes) -> Any:
    # scipy reads open files, as its documentation says; its stubs declare paths only.
    return BytesIO(data)


def _build_regions(ids: Any, names: Any) -> AtlasRegions:
    numbers = tuple(int(item) for item in _flatten(ids) if not isinstance(item, str))
    return AtlasRegions(numbers, tuple(str(item).strip() for item in _flatten(names)))


def _flatten(value: Any) -> Iterator[Any]:
    # A struct array has one field per region, a single struct one array or cell of all: both flatten alike.
    for item in np.ravel(value):
        if isinstance(item, np.ndarray):
            yield from _flatten(item) if item.size else ("",)  # an empty text
        else:
            yield item


def _read_hdf5(data: bytes) -> _Variables:
    with mat73.open_bytes(data) as h5_file:
        variables: _Variables = {**mat73.read_matrices(h5_file)}
        regions = mat73.read_regions(h5_file, _REGIONS_STRUCT)
    if regions is not None:
        variables[_REGIONS_STRUCT] = _build_regions(*regions)
    return variables


@contextmanager
def _translate_errors(file: str) -> Iterator[None]:
    try:
        yield
    except mat73.ForeignContentError as error:
        message = (
            f"'{file}' does not contain all of its values: {error}. Other files are not read. Save the "
            "values in the file itself, or omit it with strict=False."
        )
        raise FormatError(message, file=file) from error
    except _DAMAGE_ERRORS as error:
        message = f"'{file}' is a damaged MATLAB file: {error}. Download it again."
        raise FormatError(message, file=file) from error
