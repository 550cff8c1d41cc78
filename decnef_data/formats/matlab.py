"""MATLAB files of every version: their numeric matrices, and the regions of an atlas table.

Versions 4 to 7 are read by scipy, 7.3 (HDF5) by h5py and transposed to MATLAB's orientation.  Only two-axis
numeric variables and a struct ``ROI`` are extracted: the atlas file also has a volume that would unpack to a
gigabyte.
"""

import struct
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import h5py
import numpy as np
import scipy.io
from isal import isal_zlib
from numpy.typing import NDArray

from decnef_data.errors import FormatError
from decnef_data.formats import mat5

__all__ = ["AtlasRegions", "is_matlab", "read"]

#: The struct of the atlas table whose fields ``id`` and ``name`` list the regions.
_REGIONS_STRUCT = "ROI"
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
# What scipy and h5py raise on truncated files and flipped bits, found by tests/test_formats_matlab.py.
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
    with _warnings_as_errors():
        variables = [mat5.VariableHeader(*entry) for entry in scipy.io.whosmat(_as_file(data))]
    return _read_scipy(data, [variable for variable in variables if _is_wanted(variable)])


def _read_v5(data: bytes) -> _Variables:
    validated, variables = mat5.extract_variables(data, _is_wanted)
    return _read_scipy(validated, variables)


def _is_wanted(variable: mat5.VariableHeader) -> bool:
    is_matrix = len(variable.shape) == _MATRIX_AXES and variable.kind in _CLASSES
    return is_matrix or (variable.name, variable.kind) == (_REGIONS_STRUCT, "struct")


def _read_scipy(data: bytes, wanted: Sequence[mat5.VariableHeader]) -> _Variables:
    names = [variable.name for variable in wanted]
    with _warnings_as_errors():
        loaded = scipy.io.loadmat(_as_file(data), variable_names=names) if names else {}
    return {variable.name: _convert_variable(loaded[variable.name], variable.kind) for variable in wanted}


def _convert_variable(loaded: Any, kind: str) -> NDArray[Any] | AtlasRegions:
    if kind not in _CLASSES:
        return _build_regions(loaded["id"], loaded["name"])
    # MATLAB stores doubles with integer values in fewer bytes; the user sees the class.
    array: NDArray[Any] = loaded
    return array.astype(_CLASSES[kind]) if array.dtype.kind in "iu" else array


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
    # The low-level call reads the bytes in place: no temporary file, no Python callbacks.
    with h5py.File(h5py.h5f.open_file_image(data)) as h5_file:
        variables: _Variables = {name: item[()].T for name, item in h5_file.items() if _is_matrix(item)}
        if isinstance(h5_file.get(_REGIONS_STRUCT), h5py.Group):
            variables[_REGIONS_STRUCT] = _read_hdf5_regions(h5_file)
    return variables


def _is_matrix(item: Any) -> bool:
    if not isinstance(item, h5py.Dataset) or item.ndim != _MATRIX_AXES or "MATLAB_empty" in item.attrs:
        return False
    if item.nbytes > mat5.MAX_VARIABLE_SIZE:
        raise mat5.DamagedFileError(f"'{item.name}' expands to {item.nbytes} bytes, which is too large")
    kind = item.attrs.get("MATLAB_class", b"double")
    return item.dtype.kind in "fiu" and (kind.decode() if isinstance(kind, bytes) else kind) in _CLASSES


def _read_hdf5_regions(h5_file: Any) -> AtlasRegions:
    group = h5_file[_REGIONS_STRUCT]
    ids = [value for array in _dereference(h5_file, group["id"]) for value in np.ravel(array[()])]
    names = [text for array in _dereference(h5_file, group["name"]) for text in _decode_texts(array)]
    return _build_regions(np.array(ids), np.array(names))


def _dereference(h5_file: Any, item: Any) -> Iterator[Any]:
    if item.dtype.kind != "O":
        yield item
        return
    for reference in np.ravel(item[()].T):
        yield from _dereference(h5_file, h5_file[reference])


def _decode_texts(array: Any) -> list[str]:
    # Characters are UTF-16 units; HDF5's axes are MATLAB's reversed, so each column here is one text.
    units = np.atleast_2d(array[()].T).astype("<u2")
    return [row.tobytes().decode("utf-16-le") for row in units]


@contextmanager
def _translate_errors(file: str) -> Iterator[None]:
    try:
        yield
    except _DAMAGE_ERRORS as error:
        message = f"'{file}' is a damaged MATLAB file: {error}. Download it again."
        raise FormatError(message, file=file) from error
