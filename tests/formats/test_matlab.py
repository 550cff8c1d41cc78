"""MATLAB files of every version, whole and damaged."""

import io
import re
import struct
import warnings
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

from decnef_data.errors import FormatError
from decnef_data.formats import mat5, matlab
from decnef_data.formats.matlab_parts import Items, flatten

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


@pytest.mark.parametrize("fields", [{"id": 1.0}, {"label": "x"}])
def test_a_struct_called_roi_without_a_table_of_regions(fields: dict[str, object]) -> None:
    assert matlab.read(saved({"X": VALUES, "ROI": fields}), "a.mat").keys() == {"X"}

    def fill(file: h5py.File) -> None:
        put(file, "X", VALUES)
        put(file.create_group("ROI"), next(iter(fields)), np.array([[1.0]]))

    assert matlab.read(hdf5(fill), "a.mat").keys() == {"X"}


# Parts


def parts(data: bytes) -> dict[str, object]:
    """The values in a file by name; of those that are not read, the class."""
    listed = matlab.read_parts(data, "a.mat")
    return {part.name: part.kind if part.values is None else part.values.tolist() for part in listed}


def put_cell(file: h5py.File, name: str, items: list[h5py.Reference]) -> h5py.Dataset:
    made = file.create_dataset(name, data=references(items), dtype=h5py.ref_dtype)
    made.attrs["MATLAB_class"] = np.bytes_("cell")
    return made


def put_sparse(file: h5py.File, name: str, values: np.ndarray) -> None:
    columns = scipy.sparse.csc_array(values)
    group = file.create_group(name)
    group.attrs["MATLAB_class"] = np.bytes_("double")
    group.attrs["MATLAB_sparse"] = np.uint64(len(values))
    group["jc"] = columns.indptr.astype("u8")
    if columns.nnz:  # MATLAB omits what is empty
        group["ir"], group["data"] = columns.indices.astype("u8"), columns.data


HOLED = np.where(VALUES > 0.5, VALUES, 0)


@pytest.mark.parametrize("values", [HOLED, np.zeros((3, 4)), np.ones((3, 4))])
def test_sparse_matrices(values: np.ndarray) -> None:
    sparse = scipy.sparse.csc_array(values)
    for options in ({"format": "4"}, {}, {"do_compression": True}):
        assert parts(saved({"X": sparse}, **options)) == {"X": values.tolist()}
    assert parts(hdf5(lambda file: put_sparse(file, "X", values))) == {"X": values.tolist()}


def test_sparse_logicals_and_complex_numbers_are_not_read() -> None:
    data = saved({"L": scipy.sparse.csc_array(HOLED > 0), "Z": scipy.sparse.csc_array(HOLED * 1j)})
    assert parts(data) == {"L": "logical sparse", "Z": "complex sparse"}


def test_a_sparse_matrix_too_large_to_be_unpacked_is_not_damage() -> None:
    data = saved({"W": scipy.sparse.csc_array((10**5, 10**5))})
    (part,) = matlab.read_parts(data, "a.mat")
    assert (part.kind, part.shape, part.count, part.values) == (
        "sparse float64",
        (10**5, 10**5),
        10**10,
        None,
    )


@pytest.mark.parametrize("row", [3, 2**31 - 1])
def test_a_sparse_matrix_whose_rows_lead_out_of_it_is_damage(row: int) -> None:
    # The reason is in the words of scipy, which change.
    message = r"^'a\.mat' is a damaged MATLAB file: .* must be < 3\. Download it again\.$"
    broken = scipy.sparse.csc_array(HOLED)
    broken.indices[2] = row
    with pytest.raises(FormatError, match=message):
        matlab.read_parts(saved({"X": broken}), "a.mat")

    def fill(file: h5py.File) -> None:
        put_sparse(file, "X", HOLED)
        file["X/ir"][2] = row

    with pytest.raises(FormatError, match=message):
        matlab.read_parts(hdf5(fill), "a.mat")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (([[1]], [[2]]), [("C", (2, 1))]),
        (([[1.0, 2.0]], [[3.0]]), [("C{1}", (1, 2)), ("C{2}", (1, 1))]),
        (([[1]], [[]]), [("C", (2, 1))]),
    ],
)
def test_a_cell_of_single_numbers_is_one_list_and_of_others_several_values(
    values: tuple[list[list[float]], ...], expected: list[tuple[str, tuple[int, ...]]]
) -> None:
    items = Items((len(values), 1), [np.array(value) for value in values])
    assert [(part.name, part.shape) for part in flatten("C", items)] == expected


#: Kind (machine, 0, precision, matrix), rows, columns, whether imaginary, length of the name.
V4_HEADERS = [(0, 1, 1, 0, 1), (1000, 1, 1, 1, 64), (1052, 0, 0, 0, 2)]
NO_V4_HEADERS = [
    (-1, 1, 1, 0, 1), (2000, 1, 1, 0, 1), (100, 1, 1, 0, 1), (60, 1, 1, 0, 1), (3, 1, 1, 0, 1),
    (0, -1, 1, 0, 1), (0, 1, -1, 0, 1), (0, 1, 1, -1, 1), (0, 1, 1, 2, 1), (0, 1, 1, 0, 0), (0, 1, 1, 0, 65),
]  # fmt: skip


@pytest.mark.parametrize("order", "<>")
def test_version_4_is_known_by_its_header(order: str) -> None:
    for header in V4_HEADERS:
        assert matlab._is_v4(struct.pack(f"{order}5i", *header)), header
        assert not matlab._is_v4(struct.pack(f"{order}5i", *header)[:19]), header
    assert not any(matlab._is_v4(struct.pack(f"{order}5i", *header)) for header in NO_V4_HEADERS)


def test_a_struct_whose_names_have_no_length_is_damaged() -> None:
    length = struct.pack("<2HI", 5, 4, 2)
    data = saved({"S": {"a": 1.0}})
    assert data.count(length) == 1
    message = "'a.mat' is a damaged MATLAB file: the fields of the struct at byte 48 have invalid names. Download it again."
    with pytest.raises(FormatError, match=f"^{re.escape(message)}$"):
        matlab.read_parts(data.replace(length, struct.pack("<2HI", 5, 4, 0)), "a.mat")


def test_fields_of_structs() -> None:
    data = saved({"data": {"FC": VALUES, "note": "x", "deep": {"R": HOLED}}, "n": 3.0})
    expected = {"data.FC": VALUES.tolist(), "data.deep.R": HOLED.tolist(), "n": [[3.0]]}
    assert parts(data) == {**expected, "data.note": "char"}

    def fill(file: h5py.File) -> None:
        put(file, "data/FC", VALUES)
        put(file, "data/deep/R", HOLED)
        put(file, "n", np.array([[3.0]]))
        put_text(file, "data/note", "x")

    assert parts(hdf5(fill)) == {**expected, "data.note": "char"}


@pytest.mark.parametrize("column", [False, True])
def test_a_cell_of_rows_is_a_matrix(*, column: bool) -> None:
    rows = [row[:, None] if column else row[None] for row in VALUES]
    cell = np.empty((3, 1), object)
    cell[:, 0] = rows
    assert parts(saved({"C": cell})) == {"C": VALUES.tolist()}

    def fill(file: h5py.File) -> None:
        items = [put(file, f"#refs#/{number}", row).ref for number, row in enumerate(rows)]
        put_cell(file, "C", items)

    assert parts(hdf5(fill)) == {"C": VALUES.tolist()}


def test_an_array_of_structs_with_a_row_each_is_a_matrix() -> None:
    people = np.array([(row[None], "x") for row in VALUES], dtype=[("FC", object), ("name", object)])
    assert parts(saved({"S": people})) == {"S.FC": VALUES.tolist(), "S.name": "cell"}


def test_a_cell_of_squares_is_a_stack() -> None:
    squares = np.arange(12.0).reshape(3, 2, 2) / 8
    cell = np.empty(3, object)
    cell[:] = list(squares)
    assert parts(saved({"C": cell})) == {"C": squares.tolist()}


def test_cells_that_are_no_list_of_participants_are_listed_one_by_one() -> None:
    uneven = np.array([VALUES[:1], VALUES[1:, :3]], object)
    grid = np.empty((2, 2), object)  # participants by sessions: the order of rows would be a guess
    grid[:] = [[VALUES[:1], VALUES[1:2]], [VALUES[:1], VALUES[2:]]]
    single = np.empty((1, 1), object)
    single[0, 0] = VALUES
    listed = parts(saved({"U": uneven, "G": grid, "O": single}))
    assert list(listed) == ["U{1}", "U{2}", "G{1}", "G{2}", "G{3}", "G{4}", "O{1}"]
    assert (listed["G{2}"], listed["O{1}"]) == (VALUES[:1].tolist(), VALUES.tolist())


def test_a_row_without_fractions_in_a_cell_is_a_row() -> None:
    cell = np.empty(2, object)  # as scipy reads what MATLAB stores in fewer bytes
    cell[:] = [VALUES[:1], np.zeros((1, 4), "u1")]
    assert parts(saved({"C": cell})) == {"C": [VALUES[0].tolist(), [0.0] * 4]}
    cell[:] = [np.ones((1, 4), "u1"), np.zeros((1, 4), "u1")]
    assert parts(saved({"C": cell})) == {"C{1}": "uint8", "C{2}": "uint8"}


@pytest.mark.parametrize("compressed", [False, True])
def test_stacks_of_squares_are_read_and_volumes_are_not(*, compressed: bool) -> None:
    data = saved(
        {"people": np.ones((3, 2, 2)), "last": np.ones((2, 2, 3)), "MAP": np.ones((2, 3, 2)), "Z": [[1j]]},
        do_compression=compressed,
    )
    expected = {"people": np.ones((3, 2, 2)).tolist(), "last": np.ones((2, 2, 3)).tolist(), "MAP": "double"}
    assert parts(data) == {**expected, "Z": "complex double"}

    def fill(file: h5py.File) -> None:
        put(file, "last", np.ones((2, 2, 3)))
        put(file, "MAP", np.ones((2, 3, 2)))
        put(file, "people", np.ones((3, 2, 2)))

    assert parts(hdf5(fill)) == expected


def test_what_octave_saves_as_hdf5() -> None:
    def fill(file: h5py.File) -> None:
        file["X/type"] = np.bytes_("matrix")
        file["X/value"] = VALUES.T

    assert parts(hdf5(fill, userblock=False)) == {"X.type": "text", "X.value": VALUES.tolist()}


def test_groups_that_contain_themselves_are_damage() -> None:
    def fill(file: h5py.File) -> None:
        group = file.create_group("X")
        group["again"] = group

    with pytest.raises(FormatError, match=r"^'a.mat' is a damaged MATLAB file: '/X/again' contains itself\."):
        matlab.read_parts(hdf5(fill), "a.mat")


def _external_link(file: h5py.File, name: str, other: Path) -> None:
    file[name] = h5py.ExternalLink(str(other), "X")


def _soft_link(file: h5py.File, name: str, _other: Path) -> None:
    put(file, "own", VALUES)
    file[name] = h5py.SoftLink("/own")


def _lost_link(file: h5py.File, name: str, _other: Path) -> None:
    file[name] = h5py.SoftLink("/nowhere")


def _virtual_dataset(file: h5py.File, name: str, other: Path) -> None:
    layout = h5py.VirtualLayout(VALUES.T.shape, VALUES.dtype)
    layout[:] = h5py.VirtualSource(str(other), "X", VALUES.T.shape)
    file.create_virtual_dataset(name, layout)


def _external_storage(file: h5py.File, name: str, other: Path) -> None:
    file.create_dataset(name, VALUES.T.shape, VALUES.dtype, external=[(str(other), 0, VALUES.nbytes)])


FOREIGN = [_external_link, _soft_link, _lost_link, _virtual_dataset, _external_storage]


class TestForeignContent:
    """A file of HDF5 can show the values of another file: none of these ways is followed."""

    @pytest.fixture
    def other(self, tmp_path: Path) -> Path:
        with h5py.File(tmp_path / "other.mat", "w") as other:
            other["X"] = VALUES.T
        return tmp_path / "other.mat"

    def assert_refused(self, fill: Callable[[h5py.File], None]) -> None:
        data = hdf5(fill)
        for read in (matlab.read, matlab.read_parts):
            with pytest.raises(
                FormatError, match=r"^'a\.mat' does not contain all of its values: "
            ) as caught:
                read(data, "a.mat")
            assert caught.value.file == "a.mat"

    @pytest.mark.parametrize("put_foreign", FOREIGN)
    def test_as_a_variable(self, other: Path, put_foreign: Callable[..., None]) -> None:
        self.assert_refused(lambda file: put_foreign(file, "X", other))

    @pytest.mark.parametrize("put_foreign", FOREIGN)
    @pytest.mark.parametrize("where", ["a struct", "the table of regions", "a sparse matrix"])
    def test_inside_a_variable(self, other: Path, put_foreign: Callable[..., None], where: str) -> None:
        def fill(file: h5py.File) -> None:
            if where == "a sparse matrix":
                put_sparse(file, "X", VALUES)
                del file["X/ir"]
                put_foreign(file, "X/ir", other)
            else:
                group = file.create_group("ROI" if where == "the table of regions" else "X")
                group["name"] = np.array([[65], [66]], "u2")
                put_foreign(file, f"{group.name}/id", other)

        data = hdf5(fill)
        with pytest.raises(FormatError, match="does not contain all of its values"):
            matlab.read_parts(data, "a.mat")
        if where == "the table of regions":
            with pytest.raises(FormatError, match="does not contain all of its values"):
                matlab.read(data, "a.mat")

    @pytest.mark.parametrize("put_foreign", [_virtual_dataset, _external_storage])
    def test_through_a_reference(self, other: Path, put_foreign: Callable[..., None]) -> None:
        def fill(file: h5py.File) -> None:
            file.create_group("#refs#")
            put_foreign(file, "#refs#/a", other)
            put_cell(file, "X", [file["#refs#/a"].ref])

        with pytest.raises(FormatError, match="'/#refs#/a'"):
            matlab.read_parts(hdf5(fill), "a.mat")

    def test_in_the_place_of_what_is_referred_to(self, other: Path) -> None:
        def fill(file: h5py.File) -> None:
            file.create_group("#subsystem#")
            file["#refs#"] = h5py.ExternalLink(str(other), "/")

        with pytest.raises(FormatError, match="'#refs#' is a link to the file"):
            matlab.read_parts(hdf5(fill), "a.mat")

    def test_the_names_of_files_are_no_text_for_a_terminal(self, tmp_path: Path) -> None:
        name = str(tmp_path / "\x1b]0;title\x07.mat")
        with pytest.raises(FormatError) as caught:
            matlab.read(hdf5(lambda file: _external_link(file, "X\x1b[2J", Path(name))), "a.mat")
        assert "\x1b" not in str(caught.value)


def opaque(name: bytes, class_name: bytes) -> bytes:
    """A variable of a class such as ``datetime``, as MATLAB lays it out: an id into a variable without name."""
    words = b"".join(
        struct.pack("<2I", 1, len(text)) + text.ljust(-(-len(text) // 8) * 8, b"\0")
        for text in (name, b"MCOS", class_name)
    )
    ids = struct.pack("<2I6I", 6, 24, 0xDD000000, 2, 1, 1, 1, 1)
    inner = struct.pack("<4I2I2i2I", 6, 8, 13, 0, 5, 8, 6, 1, 1, 0) + ids
    body = struct.pack("<4I", 6, 8, 17, 0) + words + struct.pack("<2I", 14, len(inner)) + inner
    return struct.pack("<2I", 14, len(body)) + body


@pytest.mark.parametrize("class_name", [b"datetime", b"string", b"table"])
def test_objects_are_not_read_and_not_damage(class_name: bytes) -> None:
    content = struct.pack("<4I2I2i2I2I", 6, 8, 9, 0, 5, 8, 1, 40, 1, 0, 2, 40) + bytes(40)
    hidden = struct.pack("<2I", 14, len(content)) + content
    data = saved({"X": VALUES}) + opaque(b"when", class_name) + hidden
    assert matlab.read(data, "a.mat").keys() == {"X"}
    assert parts(data) == {"X": VALUES.tolist(), "when": "opaque", "content of objects": "uint8"}

    def fill(file: h5py.File) -> None:
        put(file, "X", VALUES)
        made = put(file, "when", np.ones((1, 6), "u4"), class_name.decode())
        made.attrs["MATLAB_object_decode"] = np.int32(3)
        put(file, "#refs#/a", VALUES)
        file["#subsystem#/MCOS"] = references([file["#refs#/a"].ref])

    found = matlab.read_parts(hdf5(fill), "a.mat")
    assert [(part.name, part.count) for part in found if part.values is None][-1] == (
        "content of objects",
        12,
    )
    assert matlab.read(hdf5(fill), "a.mat").keys() == {"X"}


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


#: Types of elements that may hold numbers, and those that may hold letters, with the bytes of each item.
NUMBERS = {1: 1, 2: 1, 3: 2, 4: 2, 5: 4, 6: 4, 7: 4, 9: 8, 12: 8, 13: 8}
LETTERS = {1: 1, 2: 1, 3: 2, 4: 2, 16: 1, 17: 2, 18: 4}


@pytest.mark.parametrize(
    ("flags", "kind", "size"),
    [*((6, *each) for each in NUMBERS.items()), *((4, *each) for each in LETTERS.items())],
)
def test_items_of_every_type_have_their_size(flags: int, kind: int, size: int) -> None:
    def file_of(n_bytes: int) -> bytes:
        element = struct.pack("<2I", kind, n_bytes) + bytes(-(-n_bytes // 8) * 8)
        return VERSIONS["v5"][:128] + part(flags, (1, 3), element)

    _, (found,) = mat5.extract_variables(file_of(3 * size), lambda _: True)
    assert (found.name, found.shape) == ("X", (1, 3))
    if size > 1:
        with pytest.raises(mat5.DamagedFileError, match="has an invalid length"):
            mat5.extract_variables(file_of(3 * size - 1), lambda _: True)


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
    huge = hdf5(lambda file: file.create_dataset("X", data=np.zeros((100, 100))))
    with pytest.raises(FormatError, match=r"'/X' expands to 80000 bytes, which is too large"):
        matlab.read(huge, "a.mat")


def test_a_variable_named_twice_is_damage() -> None:
    data = VERSIONS["v5"][:128] + part(rest=HALVES) * 2
    with pytest.raises(FormatError, match=r'Duplicate variable name "X"'):
        matlab.read(data, "a.mat")


def cell(*items: object) -> np.ndarray:
    made = np.empty((len(items), 1), object)
    made[:, 0] = items
    return made


def nested_file(file: h5py.File) -> None:
    struct_array(file)
    put_sparse(file, "S", HOLED)
    put(file, "data/FC", VALUES)
    put_cell(file, "C", [put(file, f"#refs#/c{number}", row[None]).ref for number, row in enumerate(VALUES)])


NESTED: dict[str, object] = {
    "S": scipy.sparse.csc_array(HOLED),
    "L": scipy.sparse.csc_array(HOLED > 0),
    "data": {"FC": VALUES, "note": "text", "deep": {"R": np.ones((2, 2, 2))}, "none": np.zeros((0, 0))},
    "C": cell(*(row[None] for row in VALUES)),
    "M": cell("a", cell(1.0, VALUES), np.ones((2, 2), "i2")),
}
DAMAGED = {
    **VERSIONS,
    "v5 with parts": saved(NESTED) + opaque(b"when", b"datetime"),
    "v7 with parts": saved(NESTED, do_compression=True),
    "v7.3 with parts": hdf5(nested_file),
}


@pytest.mark.parametrize("version", DAMAGED)
@given(data=st.data())
@settings(max_examples=100, deadline=None, derandomize=True, database=None)
def test_damaged_bytes_are_a_format_error_or_still_readable(version: str, data: st.DataObject) -> None:
    whole = bytearray(DAMAGED[version])
    for _ in range(data.draw(st.integers(0, 3))):
        place = data.draw(st.integers(0, len(whole) - 1))
        whole[place] ^= 1 << data.draw(st.integers(0, 7))
    cut = data.draw(st.one_of(st.just(len(whole)), st.integers(0, len(whole))))
    with suppress(FormatError):  # any other error, or a warning, fails
        read = matlab.read(bytes(whole[:cut]), "a.mat")
        assert all(isinstance(value, np.ndarray | matlab.AtlasRegions) for value in read.values())
    with suppress(FormatError):
        matlab.read_parts(bytes(whole[:cut]), "a.mat")


# The files that scipy tests its own reader with, made by many versions of MATLAB

SCIPY_FILES = sorted((Path(scipy.io.__file__).parent / "matlab/tests/data").glob("*.mat"))


def read_with_scipy(data: bytes) -> dict[str, object] | None:
    """What scipy reads, ``None`` if it refuses the file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # functions and objects, which scipy does not support
        try:
            return scipy.io.loadmat(io.BytesIO(data))
        except Exception:  # noqa: BLE001  # scipy raises many kinds
            return None


@pytest.mark.skipif(not SCIPY_FILES, reason="this scipy is installed without the files of its tests")
def test_every_file_that_scipy_reads_is_read_alike() -> None:
    wanted = {path: read_with_scipy(path.read_bytes()) for path in SCIPY_FILES}
    read = {path: variables for path, variables in wanted.items() if variables is not None}
    assert len(read) > 90
    for path, variables in read.items():
        found = matlab.read(path.read_bytes(), path.name)  # a FormatError fails
        numeric = {
            name: value
            for name, value in variables.items()
            if isinstance(value, np.ndarray) and value.ndim == 2 and value.dtype.kind in "fiu"
        }
        hidden = {"__function_workspace__"}
        logical = {"testbools"}  # scipy returns logicals as the bytes they are stored in
        assert set(found) == set(numeric) - hidden - logical, path.name
        for name, value in found.items():
            assert np.array_equal(value, numeric[name], equal_nan=True), (path.name, name)


@pytest.mark.skipif(not SCIPY_FILES, reason="this scipy is installed without the files of its tests")
def test_the_parts_of_every_file_that_scipy_reads_are_listed() -> None:
    for path in SCIPY_FILES:
        variables = read_with_scipy(path.read_bytes())
        if variables is None:
            continue
        names = {re.split(r"[.{]", part.name)[0] for part in matlab.read_parts(path.read_bytes(), path.name)}
        expected = {name for name in variables if not name.startswith("__")} | {"content of objects"}
        assert names <= expected | {"parabola", "sqr", "nCf"}, path.name
        for name, value in variables.items():
            if scipy.sparse.issparse(value) and value.dtype.kind == "f":
                (part,) = (one for one in matlab.read_parts(path.read_bytes(), path.name) if one.name == name)
                assert part.values is not None
                assert np.array_equal(part.values, value.toarray())
