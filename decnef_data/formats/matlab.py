"""MATLAB files of every version: their numeric matrices, and the regions that an atlas table names.

Versions 4 to 7 are read by scipy, 7.3 (HDF5) by h5py and turned back into MATLAB's orientation.  Only
two-axis numeric variables and a struct ``ROI`` are taken out: the atlas file also holds a volume that
would unpack to a gigabyte.
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

__all__ = ["Regions", "is_matlab", "read"]

#: The struct of the atlas table whose fields ``id`` and ``name`` say what the regions are.
_REGIONS = "ROI"
_HDF5 = b"\x89HDF\r\n\x1a\n"
_TEXT_OF_5 = b"MATLAB 5.0 MAT-file"
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


@dataclass(frozen=True, slots=True)
class Regions:
    """The regions of an atlas as its table lists them."""

    ids: tuple[int, ...]
    names: tuple[str, ...]


_Found = dict[str, NDArray[Any] | Regions]


def is_matlab(data: bytes) -> bool:
    r"""Say whether `data` begins as a MATLAB file of any version does.

    Parameters
    ----------
    data
        The bytes of a file, or its first 1024.

    Returns
    -------
    bool
        Whether :func:`read` will try.

    Examples
    --------
    >>> is_matlab(b"# 140 regions\n0.25 0.5\n")
    False
    """
    return _is_hdf5(data) or _is_5(data) or _is_4(data)


def read(data: bytes, file: str) -> _Found:
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
        Arrays by variable name in MATLAB's orientation, of the class that MATLAB shows; ``ROI`` as `Regions`.

    Raises
    ------
    FormatError
        The bytes are no MATLAB file, or a damaged one.

    Examples
    --------
    >>> from io import BytesIO
    >>> scipy.io.savemat(opened := BytesIO(), {"X": np.array([[0.5, 0.25]])})
    >>> read(opened.getvalue(), "a.mat")
    {'X': array([[0.5 , 0.25]])}
    """
    if not is_matlab(data):
        message = f"'{file}' is no MATLAB file: it begins with {data[:8]!r}. Download it again."
        raise FormatError(message, file=file, place="byte 0")
    with _translated(file):
        if _is_hdf5(data):
            return _read_hdf5(data)
        return _read_5(data) if _is_5(data) else _read_4(data)


def _is_hdf5(data: bytes) -> bool:
    # MATLAB puts a text of 512 bytes before the HDF5 signature; plain HDF5 has none.
    return data.startswith(_HDF5) or data[512:520] == _HDF5


def _is_5(data: bytes) -> bool:
    return data.startswith(_TEXT_OF_5) or data[124:128] in {b"\x00\x01IM", b"\x01\x00MI"}


def _is_4(data: bytes) -> bool:
    # A version 4 header: M*1000 + O*100 + P*10 + T (M is 0 or 1 on all machines since the VAX), two
    # dimensions, whether imaginary, the name's length.
    return any(_is_header_4(struct.unpack(f"{order}5i", data[:20])) for order in "<>" if len(data) >= 20)  # noqa: PLR2004  # the header's length


def _is_header_4(header: tuple[int, ...]) -> bool:
    kind, rows, columns, imaginary, letters = header
    machine, rest = divmod(kind, 1000)
    unused, rest = divmod(rest, 100)
    precision, matrix = divmod(rest, 10)
    in_range = machine in range(2) and unused == 0 and precision in range(6) and matrix in range(3)
    return in_range and min(rows, columns) >= 0 and imaginary in {0, 1} and letters in range(1, 65)


def _read_4(data: bytes) -> _Found:
    with _warnings_as_errors():
        listed = [mat5.Variable(*entry) for entry in scipy.io.whosmat(_opened(data))]
    return _read_scipy(data, [variable for variable in listed if _is_wanted(variable)])


def _read_5(data: bytes) -> _Found:
    sound, variables = mat5.checked(data, _is_wanted)
    return _read_scipy(sound, variables)


def _is_wanted(variable: mat5.Variable) -> bool:
    is_matrix = len(variable.shape) == _MATRIX_AXES and variable.kind in _CLASSES
    return is_matrix or (variable.name, variable.kind) == (_REGIONS, "struct")


def _read_scipy(data: bytes, wanted: Sequence[mat5.Variable]) -> _Found:
    names = [variable.name for variable in wanted]
    with _warnings_as_errors():
        loaded = scipy.io.loadmat(_opened(data), variable_names=names) if names else {}
    return {variable.name: _value(loaded[variable.name], variable.kind) for variable in wanted}


def _value(loaded: Any, kind: str) -> NDArray[Any] | Regions:
    if kind not in _CLASSES:
        return _regions(loaded["id"], loaded["name"])
    # MATLAB stores a double that holds whole numbers in fewer bytes; the class is what the user sees.
    array: NDArray[Any] = loaded
    return array.astype(_CLASSES[kind]) if array.dtype.kind in "iu" else array


@contextmanager
def _warnings_as_errors() -> Iterator[None]:
    # scipy only warns of a damaged or twice-named variable, and gives a text in its place; of a size that
    # no file has, numpy warns.
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.simplefilter("error", RuntimeWarning)
        yield


def _opened(data: bytes) -> Any:
    # scipy reads open files, as its documentation says; its stubs know paths only.
    return BytesIO(data)


def _regions(ids: Any, names: Any) -> Regions:
    numbers = tuple(int(leaf) for leaf in _leaves(ids) if not isinstance(leaf, str))
    return Regions(numbers, tuple(str(leaf).strip() for leaf in _leaves(names)))


def _leaves(value: Any) -> Iterator[Any]:
    # A struct array holds one field a region, a single struct one array or cell of all: both unfold alike.
    for item in np.ravel(value):
        if isinstance(item, np.ndarray):
            yield from _leaves(item) if item.size else ("",)  # an empty text
        else:
            yield item


def _read_hdf5(data: bytes) -> _Found:
    # The low-level call reads the bytes in place: no temporary file, no Python callbacks.
    with h5py.File(h5py.h5f.open_file_image(data)) as opened:
        found: _Found = {name: item[()].T for name, item in opened.items() if _is_matrix(item)}
        if isinstance(opened.get(_REGIONS), h5py.Group):
            found[_REGIONS] = _regions_hdf5(opened)
    return found


def _is_matrix(item: Any) -> bool:
    if not isinstance(item, h5py.Dataset) or item.ndim != _MATRIX_AXES or "MATLAB_empty" in item.attrs:
        return False
    if item.nbytes > mat5.LARGEST:
        raise mat5.Damage(f"'{item.name}' unpacks to {item.nbytes} bytes")
    kind = item.attrs.get("MATLAB_class", b"double")
    return item.dtype.kind in "fiu" and (kind.decode() if isinstance(kind, bytes) else kind) in _CLASSES


def _regions_hdf5(opened: Any) -> Regions:
    group = opened[_REGIONS]
    ids = [value for part in _parts(opened, group["id"]) for value in np.ravel(part[()])]
    names = [text for part in _parts(opened, group["name"]) for text in _texts(part)]
    return _regions(np.array(ids), np.array(names))


def _parts(opened: Any, item: Any) -> Iterator[Any]:
    if item.dtype.kind != "O":
        yield item
        return
    for reference in np.ravel(item[()].T):
        yield from _parts(opened, opened[reference])


def _texts(part: Any) -> list[str]:
    # Characters are UTF-16 units; HDF5's axes are MATLAB's reversed, so each column here is one text.
    units = np.atleast_2d(part[()].T).astype("<u2")
    return [row.tobytes().decode("utf-16-le") for row in units]


# What scipy and h5py raise on truncated files and flipped bits, found by tests/test_formats_matlab.py.
_DAMAGE: tuple[type[Exception], ...] = (
    mat5.Damage,
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


@contextmanager
def _translated(file: str) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        message = f"'{file}' is a damaged MATLAB file: {error}. Download it again."
        raise FormatError(message, file=file) from error
