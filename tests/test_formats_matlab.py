"""MATLAB files of every version, whole and damaged."""

import io
import re
import struct
import zlib
from collections.abc import Callable
from contextlib import suppress

import h5py
import numpy as np
import pytest
import scipy.io
from hypothesis import given, settings
from hypothesis import strategies as st

from decnef_data.errors import FormatError
from decnef_data.formats import mat5, matlab

VALUES = np.arange(12, dtype="f8").reshape(3, 4) / 8
FIELDS = [("id", object), ("name", object)]
REGIONS = np.array([(1, "S.C._left"), (2, "L.CB")], dtype=FIELDS)


def saved(variables: dict[str, object], **options: object) -> bytes:
    opened = io.BytesIO()
    scipy.io.savemat(opened, variables, **options)
    return opened.getvalue()


def hdf5(fill: Callable[[h5py.File], None], *, userblock: bool = True) -> bytes:
    """What MATLAB writes with ``-v7.3``: HDF5 after a text of 512 bytes."""
    opened = io.BytesIO()
    with h5py.File(opened, "w", userblock_size=512 if userblock else 0) as file:
        fill(file)
    data = bytearray(opened.getvalue())
    if userblock:
        data[:128] = b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM"
    return bytes(data)


def put(file: h5py.File, name: str, values: np.ndarray, kind: str = "double") -> h5py.Dataset:
    made = file.create_dataset(name, data=np.ascontiguousarray(values.T))  # HDF5's axes are MATLAB's reversed
    made.attrs["MATLAB_class"] = np.bytes_(kind)
    return made


def put_text(file: h5py.File, name: str, text: str) -> h5py.Reference:
    return put(file, name, np.array([[ord(letter) for letter in text]], "u2"), "char").ref


def references(values: list[h5py.Reference]) -> np.ndarray:
    return np.array([values], dtype=h5py.ref_dtype)


def struct_array(file: h5py.File) -> None:
    """``ROI(1).id``, ``ROI(1).name``, ``ROI(2).id`` …: every field is a list of references."""
    put(file, "X", VALUES)
    group = file.create_group("ROI")
    ids = [put(file, f"#refs#/i{number}", np.array([[float(number)]])).ref for number in (1, 2)]
    names = [put_text(file, f"#refs#/n{number}", text) for number, text in enumerate(("S.C._left", "L.CB"))]
    group.create_dataset("id", data=references(ids), dtype=h5py.ref_dtype)
    group.create_dataset("name", data=references(names), dtype=h5py.ref_dtype)


def scalar_struct(file: h5py.File) -> None:
    """``ROI.id`` a vector, ``ROI.name`` a cell."""
    group = file.create_group("ROI")
    put(group, "id", np.array([[1.0, 2.0]]))
    names = [put_text(file, f"#refs#/n{number}", text) for number, text in enumerate(("S.C._left", "L.CB"))]
    group.create_dataset("name", data=references(names), dtype=h5py.ref_dtype)


VERSIONS = {
    "v4": saved({"X": VALUES}, format="4"),
    "v5": saved({"X": VALUES, "ROI": REGIONS, "note": "text", "MAP": np.zeros((2, 2, 2))}),
    "v7": saved(
        {"X": VALUES, "ROI": REGIONS, "note": "text", "MAP": np.zeros((2, 2, 2))}, do_compression=True
    ),
    "v7.3": hdf5(struct_array),
}


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_gives_the_same_matrix(version: str) -> None:
    assert matlab.is_matlab(VERSIONS[version])
    read = matlab.read(VERSIONS[version], "a.mat")
    assert read["X"].dtype == "f8"
    assert read["X"].tolist() == VALUES.tolist()


@pytest.mark.parametrize("version", ["v5", "v7", "v7.3"])
def test_regions_of_a_struct_array(version: str) -> None:
    read = matlab.read(VERSIONS[version], "a.mat")
    assert set(read) == {"X", "ROI"}
    assert read["ROI"] == matlab.AtlasRegions((1, 2), ("S.C._left", "L.CB"))


@pytest.mark.parametrize(
    "names", [np.array(["S.C._left", "L.CB"], dtype=object), np.array(["S.C._left", "L.CB     "])]
)
def test_regions_of_one_struct_with_a_cell_or_a_padded_text(names: np.ndarray) -> None:
    read = matlab.read(saved({"ROI": {"id": np.array([[1], [2]]), "name": names}}), "a.mat")
    assert read["ROI"] == matlab.AtlasRegions((1, 2), ("S.C._left", "L.CB"))


def test_regions_of_one_struct_in_hdf5() -> None:
    assert matlab.read(hdf5(scalar_struct), "a.mat") == {
        "ROI": matlab.AtlasRegions((1, 2), ("S.C._left", "L.CB"))
    }


def test_hdf5_without_the_text_before_it() -> None:
    read = matlab.read(hdf5(lambda file: file.create_dataset("X", data=VALUES.T), userblock=False), "a.mat")
    assert read["X"].tolist() == VALUES.tolist()


def test_hdf5_leaves_out_what_is_no_matrix() -> None:
    def fill(file: h5py.File) -> None:
        put(file, "text", np.array([[104, 105]], "u2"), "char")
        put(file, "flags", np.array([[1, 0]], "u1"), "logical")
        put(file, "cube", np.zeros((2, 2, 2)))
        put(file, "nothing", np.array([[0.0, 0.0]])).attrs["MATLAB_empty"] = 1

    assert matlab.read(hdf5(fill), "a.mat") == {}


@pytest.mark.parametrize("kind", ["f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"])
@pytest.mark.parametrize("compressed", [False, True])
def test_classes_keep_their_type(kind: str, *, compressed: bool) -> None:
    read = matlab.read(saved({"X": np.array([[1, 2]], kind)}, do_compression=compressed), "a.mat")
    assert (read["X"].dtype, read["X"].tolist()) == (np.dtype(kind), [[1, 2]])


def test_whole_numbers_that_matlab_packed_are_doubles_again() -> None:
    # MATLAB writes a double 1 2 as two bytes; scipy's writer never does, so the tags are laid by hand.
    header = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"
    flags = struct.pack("<4I", 6, 8, 6, 0)
    dims = struct.pack("<2I2i", 5, 8, 1, 2)
    name = struct.pack("<2H4s", 1, 1, b"X")
    numbers = struct.pack("<2H4s", 2, 2, b"\x01\x02")
    body = flags + dims + name + numbers
    read = matlab.read(header + struct.pack("<2I", 14, len(body)) + body, "a.mat")
    assert (read["X"].dtype, read["X"].tolist()) == (np.dtype("f8"), [[1.0, 2.0]])


def test_big_endian_files() -> None:
    header = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x01\x00MI"
    body = (
        struct.pack(">4I", 6, 8, 6, 0) + struct.pack(">2I2i", 5, 8, 1, 2) + struct.pack(">2H4s", 1, 1, b"X")
    )
    body += struct.pack(">2I2d", 9, 16, 0.5, -0.25)
    read = matlab.read(header + struct.pack(">2I", 14, len(body)) + body, "a.mat")
    assert read["X"].tolist() == [[0.5, -0.25]]


def test_complex_and_logical_matrices_are_left_out() -> None:
    data = saved(
        {
            "Z": np.array([[1j, 2]]),
            "L": np.array([[True, False]]),
            "S": {"a": 1},
            "C": np.array([1, "a"], object),
        }
    )
    assert matlab.read(data, "a.mat") == {}


def test_what_is_no_matlab_file() -> None:
    message = "'a.mat' is not a MATLAB file: it begins with b'# a text'. Download it again."
    with pytest.raises(FormatError, match=f"^{re.escape(message)}$"):
        matlab.read(b"# a text\n1 2\n", "a.mat")


def compressed(content: bytes) -> bytes:
    packed = zlib.compress(content)
    return VERSIONS["v5"][:128] + struct.pack("<2I", 15, len(packed)) + packed


def part(flags: int = 6, shape: tuple[int, ...] = (1, 2), rest: bytes = b"") -> bytes:
    body = struct.pack("<4I", 6, 8, flags, 0)
    body += struct.pack(f"<2I{len(shape)}i", 5, 4 * len(shape), *shape) + b"\0" * (-4 * len(shape) % 8)
    body += struct.pack("<2H4s", 1, 1, b"X") + rest
    return struct.pack("<2I", 14, len(body)) + body


HALVES = struct.pack("<2I2d", 9, 16, 0.5, 0.5)
ROI = struct.pack("<2H4s", 1, 3, b"ROI")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (VERSIONS["v5"][:128], "it ends after 128 bytes, before its first variable"),
        (VERSIONS["v5"][:130], "the element at byte 128 is truncated"),
        (VERSIONS["v5"][:200], "the element at byte 136 extends beyond its container"),
        (
            VERSIONS["v5"][:128] + struct.pack("<2I", 9, 0),
            "the element at byte 136 has the unexpected type 9",
        ),
        (
            VERSIONS["v5"][:128] + part(shape=(2,), rest=HALVES),
            "the variable at byte 8 has an invalid shape",
        ),
        (
            VERSIONS["v5"][:128] + part(rest=struct.pack("<2I", 9, 12) + HALVES[8:]),
            "the element at byte 56 has an invalid length",
        ),
        (
            VERSIONS["v5"][:128] + part(shape=(1, 3), rest=HALVES),
            "the element at byte 56 has an invalid length",
        ),
        (
            VERSIONS["v5"][:128] + part(rest=HALVES * 2),
            "the variable at byte 8 is longer than its content",
        ),
        (
            compressed(part(rest=HALVES))[:-4],
            "the element at byte 136 extends beyond its container",
        ),
        (compressed(b""), "the element at byte 8 is truncated"),
    ],
)
def test_damage_says_where(data: bytes, reason: str) -> None:
    with pytest.raises(FormatError) as caught:
        matlab.read(data, "a.mat")
    assert str(caught.value) == f"'a.mat' is a damaged MATLAB file: {reason}. Download it again."
    assert caught.value.file == "a.mat"
    assert isinstance(caught.value.__cause__, mat5.DamagedFileError)


def test_an_unfinished_stream() -> None:
    packed = zlib.compress(part(rest=HALVES))[:-6]
    data = VERSIONS["v5"][:128] + struct.pack("<2I", 15, len(packed)) + packed
    reason = "a compressed variable is truncated"
    with pytest.raises(FormatError) as caught:
        matlab.read(data, "a.mat")
    assert str(caught.value) == f"'a.mat' is a damaged MATLAB file: {reason}. Download it again."


def test_a_bomb_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mat5, "MAX_VARIABLE_SIZE", 10_000)
    data = saved({"X": np.zeros((10, 10_000))}, do_compression=True)
    with pytest.raises(FormatError) as caught:
        matlab.read(data, "a.mat")
    reason = "a compressed variable expands to more than 10000 bytes"
    assert str(caught.value) == f"'a.mat' is a damaged MATLAB file: {reason}. Download it again."
    huge = hdf5(lambda file: file.create_dataset("X", shape=(100, 100_000), dtype="f8", chunks=True))
    with pytest.raises(FormatError, match=r"'/X' expands to 80000000 bytes, which is too large"):
        matlab.read(huge, "a.mat")


def test_a_variable_named_twice_is_damage() -> None:
    data = VERSIONS["v5"][:128] + part(rest=HALVES) * 2
    with pytest.raises(FormatError, match=r'Duplicate variable name "X"'):
        matlab.read(data, "a.mat")


@pytest.mark.parametrize("version", VERSIONS)
@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_damaged_bytes_are_a_format_error_or_still_readable(version: str, data: st.DataObject) -> None:
    whole = bytearray(VERSIONS[version])
    for _ in range(data.draw(st.integers(0, 3))):
        place = data.draw(st.integers(0, len(whole) - 1))
        whole[place] ^= 1 << data.draw(st.integers(0, 7))
    cut = data.draw(st.one_of(st.just(len(whole)), st.integers(0, len(whole))))
    with suppress(FormatError):  # any other error, or a warning, fails
        read = matlab.read(bytes(whole[:cut]), "a.mat")
        assert all(isinstance(value, np.ndarray | matlab.AtlasRegions) for value in read.values())
