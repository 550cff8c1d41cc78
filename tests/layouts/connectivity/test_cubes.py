"""Matrices and tables of all kinds become labelled arrays; what does not fit is omitted and reported."""

import io
import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import h5py
import msgspec
import numpy as np
import pytest
import scipy.io
import scipy.sparse
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from decnef_data.archives import Member, iter_members
from decnef_data.errors import FormatError, SelectionError
from decnef_data.formats.cells import parse_column
from decnef_data.layouts import LayoutResult, get_layout
from decnef_data.layouts.connectivity.pairing import ParticipantFile, pair_tables
from decnef_data.layouts.table_columns import slug
from decnef_data.model import Atlas, Cohort, Dataset, MatrixFile, VerifiedFile
from decnef_data.records import Records

RECORDS = Records.load()
#: Atlases of 4, 5 and 6 regions keep the matrices small; nothing in the layout knows the real sizes.
ATLASES = tuple(
    Atlas(
        name=f"A{rois}",
        group=f"a{rois}",
        rois=rois,
        edges=rois * (rois - 1) // 2,
        description=f"{rois} regions",
    )
    for rois in (4, 5, 6)
)
DATASET = msgspec.structs.replace(
    RECORDS.dataset("srpbs-fc"),
    atlases=(msgspec.structs.replace(ATLASES[0], roi_names={"4": "VERM"}), *ATLASES[1:]),
    matrices=(
        MatrixFile(path="UTO/known.mat", key="uto-known", variable="FC", table="UTO/hinted.tsv"),
        MatrixFile(path="ATR/a.mat", key="atr"),
    ),
    cohorts=(
        Cohort(
            path="ATR/",
            institute="ATR",
            sex_codes={"0": "male", "1": "female"},
            diagnosis_codes={"0": "HC", "2": "MDD"},
        ),
        Cohort(path="UTO/", institute="UTO", site="UTO", scanner="GE MR750w", protocol=8, diagnosis="HC"),
        Cohort(path="UTO/x_02", diagnosis="MDD"),
        Cohort(path="ShowaU/", institute="ShowaU", diagnosis_codes={"0": "HC", "2": "SSD"}),
    ),
)


def r(rows: int, edges: int = 6, seed: int = 0, kind: str = "f8") -> np.ndarray:
    return (np.random.default_rng(seed).integers(-1024, 1025, (rows, edges)) / 1024).astype(kind)


def mat(variables: Mapping[str, np.ndarray], **options: object) -> bytes:
    opened = io.BytesIO()
    scipy.io.savemat(opened, variables, **options)
    return opened.getvalue()


def table(rows: int, header: str = "Age", cell: str = "30") -> bytes:
    return "\n".join([header, *[cell] * rows, ""]).encode()


def squares(rows: np.ndarray) -> np.ndarray:
    """Symmetric matrices with `rows` below the diagonal, in MATLAB's order."""
    made = np.ones((len(rows), 4, 4))
    for one, row in zip(made, rows, strict=True):
        one.T[np.triu_indices(4, 1)] = row
        one[np.triu_indices(4, 1)] = row
    return made


def cell(*items: object) -> np.ndarray:
    made = np.empty((len(items), 1), object)
    made[:, 0] = items
    return made


def given_members(content: Mapping[str, bytes]) -> Iterator[Member]:
    return (Member(path, len(data), lambda data=data: data) for path, data in content.items())


def read(content: Mapping[str, bytes], dataset: Dataset = DATASET, top: str = "SRPBS_FC/") -> LayoutResult:
    return get_layout("connectivity").read(
        given_members({top + path: data for path, data in content.items()}), dataset, RECORDS
    )


def read_group(content: Mapping[str, bytes], group: str = "a4") -> xr.Dataset:
    result = read(content)
    assert result.report.problems == ()
    return result.groups[group]


def problems(content: Mapping[str, bytes]) -> list[str]:
    """What is said of `content` beside one matrix that is as it should be."""
    whole = {"Good/good.mat": mat({"X": r(1)}), "Good/SUBINFO.tsv": table(1)}
    result = read({**whole, **content})
    assert result.groups["a4"]["source_file"].values.tolist() == ["Good/good.mat"]
    return [str(problem) for problem in result.report.problems]


ONE = {"ATR/a.mat": mat({"X": r(2)}), "ATR/SUBINFO.tsv": table(2)}


# Matrices


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("form", ["v4", "v5", "v7", "v7.3", "text"])
def test_every_form_and_both_ways_round_are_bit_equal(form: str, *, transposed: bool) -> None:
    expected = r(2)
    stored = expected.T if transposed else expected
    opened = io.BytesIO()
    if form == "text":
        np.savetxt(opened, stored, fmt="%.17g", header="a comment")
    elif form == "v7.3":
        with h5py.File(opened, "w", userblock_size=512) as file:
            file["anything"] = stored.T
    else:
        options = {"format": "4"} if form == "v4" else {"do_compression": form == "v7"}
        scipy.io.savemat(opened, {"anything": stored}, **options)
    found = read_group({"ATR/a.mat": opened.getvalue(), "ATR/SUBINFO.tsv": table(2)})
    assert found["fc"].dims == ("subject", "edge")
    assert found["fc"].values.tobytes() == expected.tobytes()
    assert found["fc"].values.flags.c_contiguous


def test_atlases_are_told_apart_by_shape_and_listed_in_their_order() -> None:
    content = {f"ATR/m_{edges}.mat": mat({"v": r(3, edges)}) for edges in (15, 6, 10)}
    result = read({**content, "ATR/SUBINFO.tsv": table(3)})
    assert {group: dataset["fc"].shape for group, dataset in result.groups.items()} == {
        "a4": (3, 6),
        "a5": (3, 10),
        "a6": (3, 15),
    }
    assert result.report.problems == ()


def test_rows_stand_by_path_whatever_the_archive_does() -> None:
    content = {
        "B/b.mat": mat({"X": r(1, seed=1)}),
        "B/s.tsv": table(1),
        "A/a.mat": mat({"X": r(2)}),
        "A/s.tsv": table(2),
    }
    found = read_group(content)
    assert found["subject"].values.tolist() == ["a-a-0001", "a-a-0002", "b-b-0001"]
    assert found["source_file"].values.tolist() == ["A/a.mat", "A/a.mat", "B/b.mat"]
    assert found["source_row"].values.tolist() == [1, 2, 1]
    assert found["source_row"].dtype == np.int32
    assert found["fc"].values.tolist() == [*r(2).tolist(), *r(1, seed=1).tolist()]


@pytest.mark.parametrize(
    ("kinds", "expected"), [(("f4", "f4"), "f4"), (("f4", "f8"), "f8"), (("f8", "f8"), "f8")]
)
def test_dtypes_are_kept_and_mixed_ones_widened(kinds: tuple[str, str], expected: str) -> None:
    content = {
        "A/a.mat": mat({"X": r(1, kind=kinds[0])}),
        "B/a.mat": mat({"X": r(1, kind=kinds[1])}),
        "SUBINFO.tsv": table(1),
    }
    content |= {"A/s.tsv": table(1), "B/s.tsv": table(1)}
    assert read_group(content)["fc"].dtype == np.dtype(expected)


def test_known_files_bear_the_key_of_their_record_wherever_the_copy_lies() -> None:
    for top in ("SRPBS_FC/", "", "my copy/", "x/srpbs_fc/"):
        result = read(ONE, top=top)
        assert result.groups["a4"]["subject"].values.tolist() == ["atr-0001", "atr-0002"]
        assert set(result.groups["a4"]["source_file"].values.tolist()) == {"ATR/a.mat"}


@pytest.mark.parametrize("top", ["SRPBS_FC/", "mine/srpbs_fc/", "mine/", ""])
@pytest.mark.parametrize("folder", ["ATR", "ATR/UTO"])
def test_institutes_are_known_in_any_folder(top: str, folder: str) -> None:
    content = {f"{folder}/b.mat": mat({"X": r(1)}), f"{folder}/SUBINFO.tsv": table(1)}
    assert read(content, top=top).groups["a4"]["institute"].values.tolist() == ["ATR"]


def test_a_stated_variable_and_table_win() -> None:
    content = {
        "UTO/known.mat": mat({"FC": r(2), "other": r(2, seed=1)}),
        "UTO/known_SUBINFO.tsv": table(2, cell="1"),
        "UTO/hinted.tsv": table(2, cell="2"),
    }
    result = read(content)
    found = result.groups["a4"]
    assert found["fc"].values.tolist() == r(2).tolist()
    assert found["age"].values.tolist() == [2, 2]
    assert [str(problem) for problem in result.report.problems] == [
        (
            "'UTO/known_SUBINFO.tsv' lists 2 participants, but no matrix belongs to it. "
            "Add the matrix, or omit the table with strict=False."
        )
    ]


def test_two_matrices_in_one_file() -> None:
    assert problems({"ATR/a.mat": mat({"X": r(2), "Y": r(2)}), "ATR/SUBINFO.tsv": table(2)}) == [
        (
            "'ATR/a.mat' can be read in more than one way: as 'X' (2 participants x 6 edges) or as 'Y' (2 participants x 6 edges). "
            "Name the variable to read in its catalog record, or omit the file with strict=False."
        )
    ]


def test_a_matrix_that_fits_both_ways() -> None:
    assert problems({"ATR/a.mat": mat({"X": r(6, 10)}), "ATR/SUBINFO.tsv": table(6)}) == [
        (
            "'ATR/a.mat' can be read in more than one way: as 'X' (6 participants x 10 edges) or as 'X' (10 participants x 6 edges). "
            "Name the variable to read in its catalog record, or omit the file with strict=False."
        )
    ]
    assert problems({"ATR/a.mat": mat({"X": r(6, 6)})})[0].startswith(
        "'ATR/a.mat' can be read in more than one way: as 'X' (6 participants x 6 edges) or as 'X' (6 participants x 6 edges)."
    )


def test_whole_numbers_are_no_matrix() -> None:
    content = {"ATR/a.mat": mat({"X": r(2), "labels": np.ones((2, 6), "i2")}), "ATR/SUBINFO.tsv": table(2)}
    assert read_group(content)["fc"].values.tolist() == r(2).tolist()


def test_a_known_or_wide_file_without_a_matrix() -> None:
    said = " Save the matrix as a variable of participants by edges, or omit the file with strict=False."
    assert problems({"ATR/a.mat": mat({"X": r(2, 7)})}) == [
        f"'ATR/a.mat' contains no matrix with 6 or 10 or 15 edges, only 'X' (double 2 x 7).{said}"
    ]
    assert problems({"ATR/a.mat": mat({"X": "text"})}) == [
        f"'ATR/a.mat' contains no matrix with 6 or 10 or 15 edges, only 'X' (char 1 x 4).{said}"
    ]
    assert problems({"ATR/b.mat": mat({"X": np.zeros((2, 1000))})}) == [
        f"'ATR/b.mat' contains no matrix with 6 or 10 or 15 edges, only 'X' (double 2 x 1000).{said}"
    ]


@pytest.mark.parametrize(
    ("variables", "listed"),
    [
        ({"data": {"FC": r(2, 7), "note": "x"}}, "'data.FC' (double 2 x 7), 'data.note' (char)"),
        ({"C": cell(r(1, 7), r(1, 8))}, "'C{1}' (double 1 x 7), 'C{2}' (double 1 x 8)"),
        ({"S": scipy.sparse.csc_array(r(2, 6) > 0)}, "'S' (logical sparse 2 x 6)"),
        ({"Z": r(2) * 1j}, "'Z' (complex double 2 x 6)"),
        ({"L": r(2) > 0}, "'L' (logical uint8 2 x 6)"),
        ({"I": np.ones((2, 6), "i2")}, "'I' (int16 2 x 6)"),
        ({"R": r(2, 16).reshape(2, 4, 4)}, "'R' (double 2 x 4 x 4)"),  # not symmetric
        ({"R": np.ones((4, 4, 2, 3))}, "'R' (double 4 x 4 x 2 x 3)"),  # sessions, or runs
        ({"P": np.ones((2, 1, 6))}, "'P' (double 2 x 1 x 6)"),
        (
            {f"X{number:02d}": r(2, 7) for number in range(12)},
            ", ".join(f"'X{number:02d}' (double 2 x 7)" for number in range(10)) + " and 2 more",
        ),
    ],
)
def test_a_file_whose_matrix_is_not_understood_says_what_is_in_it(
    variables: dict[str, object], listed: str
) -> None:
    assert problems({"X/b.mat": mat(variables), "X/SUBINFO.tsv": table(2)}) == [
        (
            f"'X/b.mat' contains no matrix with 6 or 10 or 15 edges, only {listed}. "
            "Save the matrix as a variable of participants by edges, or omit the file with strict=False."
        )
    ]


def test_files_too_small_for_a_participant_and_volumes_are_set_aside() -> None:
    volumes = {"MAP": np.ones((4, 5, 4, 3)), "mask": np.ones((7, 5, 7), "u1")}
    assert problems({"X/b.mat": mat({"settings": r(1, 5), "note": "a long text", "when": 1.0})}) == []
    assert problems({"X/b.mat": mat(volumes)}) == []


def test_the_file_of_an_atlas_may_have_anything_beside_its_regions() -> None:
    names = np.array(["a", "b", "c", "d"], object)
    distances = squares(r(1))[0]
    atlas = mat({"ROI": {"id": np.arange(1.0, 5), "name": names}, "D": distances, "LAB": {"all": r(3, 8)}})
    assert problems({"X/b.mat": atlas}) == []
    assert regions(read_group({**ONE, "X/b.mat": atlas})) == names.tolist()
    wide = mat({"ROI": {"id": np.arange(1.0, 5), "name": names}, "X": np.zeros((2, 1000))})
    assert problems({"X/b.mat": wide}) == [
        (
            "'X/b.mat' contains no matrix with 6 or 10 or 15 edges, only 'X' (double 2 x 1000). "
            "Save the matrix as a variable of participants by edges, or omit the file with strict=False."
        )
    ]


# Matrices inside other variables


FOUR = r(4)
FORMS: dict[str, dict[str, object]] = {
    "sparse": {"X": scipy.sparse.csc_array(FOUR)},
    "sparse, transposed": {"X": scipy.sparse.csc_array(FOUR.T)},
    "a field": {"data": {"FC": FOUR, "note": "x", "id": np.arange(4.0)}},
    "a field of a field": {"data": {"bal": {"FC": FOUR.T}}},
    "a cell of rows": {"C": cell(*(row[None] for row in FOUR))},
    "a cell of columns": {"C": cell(*(row[:, None] for row in FOUR))},
    "a cell of squares": {"C": cell(*squares(FOUR))},
    "a cell with one matrix": {"C": cell(FOUR)},
    "an array of structs": {"S": np.array([(row[None],) for row in FOUR], dtype=[("FC", object)])},
    "people first": {"R": squares(FOUR[:3])},
    "people last": {"R": np.moveaxis(squares(FOUR[:3]), 0, -1)},
    "as many people as regions, first": {"R": squares(FOUR)},
    "as many people as regions, last": {"R": np.moveaxis(squares(FOUR), 0, -1)},
    "one person": {"R": squares(FOUR[:1])[0]},
    "a stack in a field": {"data": {"R": squares(FOUR).astype("f4")}},
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("compressed", [False, True])
def test_matrices_inside_other_variables_are_bit_equal(form: str, *, compressed: bool) -> None:
    rows = {"people first": 3, "people last": 3, "one person": 1}.get(form, 4)
    data = mat({**FORMS[form], "note": "x"}, do_compression=compressed)
    found = read_group({"X/a.mat": data, "X/SUBINFO.tsv": table(rows)})
    assert found["fc"].values.tolist() == FOUR[:rows].tolist()
    assert found["source_row"].values.tolist() == list(range(1, rows + 1))


def test_an_edge_without_a_value_is_the_same_on_both_sides_of_a_square() -> None:
    rows = FOUR.copy()
    rows[1, 2] = np.nan
    content = {"X/a.mat": mat({"R": squares(rows)}), "X/SUBINFO.tsv": table(4)}
    np.testing.assert_array_equal(read(content).groups["a4"]["fc"].values, rows)


def test_matrices_of_octave() -> None:
    header = "# Created by Octave 9.2.0\n# name: other\n# type: scalar\n3\n\n\n"
    numbers = "\n".join(" ".join(map(repr, row)) for row in FOUR.tolist())
    text = f"{header}# name: X\n# type: matrix\n# rows: 4\n# columns: 6\n{numbers}\n\n\n"
    content = {"X/a.mat": text.encode(), "X/SUBINFO.tsv": table(4)}
    assert read_group(content)["fc"].values.tolist() == FOUR.tolist()


def test_two_of_octaves_matrices_are_not_joined() -> None:
    block = "# name: {}\n# type: matrix\n# rows: 1\n# columns: 6\n 0 0 0 0 0 0\n\n\n"
    text = block.format("X") + block.format("Y")
    assert problems({"X/a.mat": text.encode(), "X/SUBINFO.tsv": table(2)}) == [
        (
            "'X/a.mat' can be read in more than one way: as 'X' (1 participants x 6 edges) or as 'Y' (1 participants x 6 edges). "
            "Name the variable to read in its catalog record, or omit the file with strict=False."
        )
    ]


def test_a_plain_variable_is_read_before_what_is_inside_others() -> None:
    variables = {"X": r(2), "S": scipy.sparse.csc_array(r(2, seed=1)), "data": {"Z": r(2, seed=2)}}
    found = read_group({"X/a.mat": mat(variables), "X/SUBINFO.tsv": table(2)})
    assert found["fc"].values.tolist() == r(2).tolist()


def test_a_stated_variable_is_found_inside_others() -> None:
    sparse = {"FC": scipy.sparse.csc_array(r(2)), "X": r(2, seed=1)}
    content = {"UTO/known.mat": mat(sparse), "UTO/hinted.tsv": table(2)}
    assert read_group(content)["fc"].values.tolist() == r(2).tolist()


def test_a_stack_that_fits_both_ways() -> None:
    said = problems({"X/a.mat": mat({"R": np.ones((4, 4, 4))}), "X/SUBINFO.tsv": table(4)})
    assert said == [
        (
            "'X/a.mat' can be read in more than one way: as 'R' (4 participants x 6 edges) or as 'R' (4 participants x 6 edges). "
            "Name the variable to read in its catalog record, or omit the file with strict=False."
        )
    ]


def test_many_ways_to_read_a_file_are_not_all_listed() -> None:
    grid = np.empty((6, 2), object)  # participants by sessions
    for index in np.ndindex(6, 2):
        grid[index] = r(1)
    (said,) = problems({"X/a.mat": mat({"C": grid}), "X/SUBINFO.tsv": table(6)})
    assert said.endswith(
        " or as 'C{10}' (1 participants x 6 edges) and in 2 other ways. "
        "Name the variable to read in its catalog record, or omit the file with strict=False."
    )


def test_a_pointer_in_place_of_a_matrix() -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 18345000\n"
    assert problems({"X/a.mat": pointer, "X/SUBINFO.tsv": table(2)}) == [
        "'X/a.mat' is a Git LFS pointer, not the file itself. Run `git lfs pull` in its repository."
    ]


def test_unreadable_files_are_left_out_one_by_one() -> None:
    damaged = mat({"X": r(2)})[:-8]
    said = problems({"ATR/a.mat": damaged, "ATR/b.mat": b"", "ATR/SUBINFO.tsv": b"age\0sex\n"})
    assert said == [
        "'ATR/a.mat' is a damaged MATLAB file: the element at byte 136 extends beyond its container. Download it again.",
        "'ATR/b.mat' contains no numbers. Download it again.",
        (
            "'ATR/SUBINFO.tsv' is not a text file: byte 3 is NUL, as in binary files and UTF-16 without a BOM. "
            "Save it as text in UTF-8, or omit it with strict=False."
        ),
    ]


def test_a_member_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as made:
        for name, data in {**ONE, "ATR/b.mat": b"1 2 3 4 5 6"}.items():
            made.writestr(f"SRPBS_FC/{name}", data)
    archive.write_bytes(archive.read_bytes().replace(b"1 2 3 4 5 6", b"1 2 3 4 5 7"))
    file = VerifiedFile("a.zip", archive, archive.stat().st_size, (), "folder", has_expected_checksum=True)
    result = get_layout("connectivity").read(iter_members([file]), DATASET, RECORDS)
    assert [str(problem) for problem in result.report.problems] == [
        (
            "'SRPBS_FC/ATR/b.mat' in 'a.zip' is damaged or truncated: Bad CRC-32 for file 'SRPBS_FC/ATR/b.mat'. "
            "Download the archive again."
        )
    ]
    assert result.groups["a4"].sizes["subject"] == 2


def test_the_same_file_twice() -> None:
    content = {
        "SRPBS_FC/ATR/a.mat": ONE["ATR/a.mat"],
        "SRPBS_FC/ATR/SUBINFO.tsv": table(2),
        "copy/SRPBS_FC/ATR/a.mat": b"",
    }
    result = get_layout("connectivity").read(given_members(content), DATASET, RECORDS)
    assert [str(problem) for problem in result.report.problems] == [
        "'ATR/a.mat' occurs twice in this copy. Remove one of the two."
    ]
    files = result.report.account.files
    assert (files.n_found, files.n_used, files.n_unreadable) == (3, 2, 1)


def test_no_matrix_at_all() -> None:
    with pytest.raises(FormatError) as caught:
        read({"README.txt": b"hello"})
    assert str(caught.value) == (
        "No matrix with 6 or 10 or 15 edges could be read from this copy of 'srpbs-fc'. Check that the files belong to this dataset."
    )
    with pytest.raises(FormatError) as caught:
        read({"ATR/a.mat": b""})
    assert str(caught.value) == (
        "No matrix with 6 or 10 or 15 edges could be read from this copy of 'srpbs-fc'. "
        "Problem 1 of 1: 'ATR/a.mat' contains no numbers. Download it again."
    )
    assert isinstance(caught.value.__cause__, FormatError)


def test_rows_with_nan_are_kept_and_counted() -> None:
    holed = r(3)
    holed[0] = np.nan
    holed[2, 1] = np.nan
    found = read_group({"ATR/a.mat": mat({"X": holed}), "ATR/s.tsv": table(3)})
    assert np.array_equal(found["fc"].values, holed, equal_nan=True)
    assert (found.attrs["nan_rows"], found.attrs["out_of_range"]) == (2, 0)
    assert found["fc"].attrs == {"long_name": "functional connectivity (Pearson r)", "units": "1"}


def test_what_is_no_correlation_is_counted_and_loses_its_name() -> None:
    fisher = np.array([[1 + 2e-6, -1.5, np.nan, 0, 0, np.inf], [1 + 1e-7, -1, 1, 0, 0, 0]])
    found = read_group({"ATR/a.mat": mat({"X": fisher}), "ATR/s.tsv": table(2)})
    assert (found.attrs["nan_rows"], found.attrs["out_of_range"]) == (1, 3)
    assert found["fc"].attrs == {
        "long_name": "functional connectivity",
        "units": "1",
        "comment": "3 values are outside [-1, 1], so not all values are Pearson r",
    }


def remarks(result: LayoutResult) -> list[tuple[str, str, bool]]:
    """What is said of the values of matrices, without what is said of their tables."""
    found = result.report.account.remarks
    return [(one.rule, one.message, one.is_warning) for one in found if one.file.endswith(".mat")]


def test_unusual_rows_are_named() -> None:
    values = r(9)
    values[0, 2] = np.nan
    values[1:6] = 0.5
    values[1, 0] = np.nan  # the other values are equal nevertheless
    values[6, 1:3] = 1.5, -np.inf
    values[8] = values[7]
    assert remarks(read({"ATR/a.mat": mat({"X": values}), "ATR/s.tsv": table(9)})) == [
        (
            "missing-values",
            "Values of rows 1 and 2 in 'ATR/a.mat' are missing. They are NaN in the result.",
            False,
        ),
        (
            "out-of-range",
            (
                "2 values of row 7 in 'ATR/a.mat' are outside [-1, 1], so not all values are Pearson correlations. "
                "Check them before averaging."
            ),
            True,
        ),
        (
            "constant-rows",
            (
                "One value is in all edges of rows 2, 3, 4 and 2 more in 'ATR/a.mat'. "
                "These are not the correlations of a participant: leave them out."
            ),
            True,
        ),
        (
            "equal-rows",
            (
                "1 row in 'ATR/a.mat' has the same values as another row: row 9 as row 8. "
                "One participant may be there twice."
            ),
            True,
        ),
    ]


def test_rows_without_any_value_are_missing_and_nothing_else() -> None:
    found = remarks(read({"ATR/a.mat": mat({"X": np.full((2, 6), np.nan)}), "ATR/s.tsv": table(2)}))
    assert [rule for rule, _, _ in found] == ["missing-values"]


def test_equal_rows_of_two_files() -> None:
    values = r(5)
    values[0, 0] = 0.0
    others = np.vstack([r(1, seed=1), values[:4]])
    others[1, 0] = -0.0
    found = remarks(
        read({
            "ATR/a.mat": mat({"X": values}), "ATR/s.tsv": table(5),
            "B/b.mat": mat({"X": others}), "B/s.tsv": table(5),
        })
    )  # fmt: skip
    assert found == [
        (
            "equal-rows",
            (
                "4 rows in 'B/b.mat' have the same values as another row: row 2 as row 1 of 'ATR/a.mat', "
                "row 3 as row 2 of 'ATR/a.mat', row 4 as row 3 of 'ATR/a.mat' and 1 more. "
                "One participant may be there twice."
            ),
            True,
        )
    ]


def test_rows_that_agree_in_the_columns_compared_first_are_compared_in_full() -> None:
    values = np.repeat(r(1, 15), 3, axis=0)
    values[1, 1] += 0.25
    content = {"ATR/a.mat": mat({"X": values}), "ATR/s.tsv": table(3)}
    assert [message.partition(". ")[0] for _, message, _ in remarks(read(content))] == [
        "1 row in 'ATR/a.mat' has the same values as another row: row 3 as row 1"
    ]


# Copies


def test_a_copy_of_a_matrix_in_another_folder_is_left_out_with_its_table() -> None:
    result = read({**ONE, "A/copy/a.mat": mat({"Y": r(2)}), "A/copy/SUBINFO.tsv": table(2)})
    assert result.report.problems == ()
    assert result.groups["a4"]["source_file"].values.tolist() == ["ATR/a.mat"] * 2  # its path is recorded
    assert remarks(result) == [
        (
            "repeated-matrix",
            "'A/copy/a.mat' has the same values as 'ATR/a.mat', and was not used. Remove one of the two.",
            True,
        )
    ]
    files = result.report.account.files
    assert (files.n_found, files.n_used) == (4, 2)
    assert [(group.rule, group.examples) for group in files.set_aside] == [
        ("repeated-matrix", ("A/copy/a.mat", "A/copy/SUBINFO.tsv"))
    ]
    rows = {table.file: table.rows for table in result.report.account.tables}
    assert (rows["A/copy/SUBINFO.tsv"].n_found, rows["A/copy/SUBINFO.tsv"].n_merged) == (2, 2)


def test_a_copy_whose_table_says_something_else() -> None:
    result = read({**ONE, "A/copy/a.mat": mat({"X": r(2)}), "A/copy/SUBINFO.tsv": table(2, cell="31")})
    assert result.groups["a4"]["age"].values.tolist() == [30, 30]
    assert remarks(result) == [
        (
            "repeated-matrix-other-table",
            (
                "'A/copy/a.mat' has the same values as 'ATR/a.mat', and was not used, nor was its table "
                "'A/copy/SUBINFO.tsv', which differs from 'ATR/SUBINFO.tsv'. Remove the wrong copy."
            ),
            True,
        )
    ]


def test_of_copies_that_no_record_has_the_one_in_the_fewest_folders_is_used() -> None:
    matrix = {"b.mat": mat({"X": r(2)}), "SUBINFO.tsv": table(2)}
    content = {folder + name: data for folder in ("#1/B/", "B/", "C/") for name, data in matrix.items()}
    result = read({**content, "B/b (1).mat": mat({"X": np.asfortranarray(r(2).T)})})
    assert result.report.problems == ()
    assert set(result.groups["a4"]["source_file"].values) == {"B/b (1).mat"}
    assert [message.partition("'")[2].partition("'")[0] for _, message, _ in remarks(result)] == [
        "B/b.mat", "C/b.mat", "#1/B/b.mat",
    ]  # fmt: skip


def test_two_matrices_that_the_catalog_records_are_both_used() -> None:
    result = read({**ONE, "UTO/known.mat": mat({"FC": r(2)}), "UTO/hinted.tsv": table(2)})
    assert result.groups["a4"].sizes["subject"] == 4
    assert [rule for rule, _, _ in remarks(result)] == ["equal-rows"]


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_matrices_of_one_value_are_no_copies(value: float) -> None:
    same = mat({"X": np.full((2, 6), value)})
    result = read({"ATR/a.mat": same, "ATR/s.tsv": table(2), "B/b.mat": same, "B/s.tsv": table(2)})
    assert result.groups["a4"].sizes["subject"] == 4


def test_matrices_that_agree_in_part_are_no_copies() -> None:
    values = r(2, 15)
    values[1, 0] += 0.25
    content = {"ATR/a.mat": mat({"X": r(2, 15)}), "ATR/s.tsv": table(2)}
    result = read({**content, "B/b.mat": mat({"X": values}), "B/s.tsv": table(2)})
    assert result.groups["a6"].sizes["subject"] == 4


# Regions


def roi_table(names: list[str]) -> bytes:
    return mat(
        {"ROI": np.array([(i, n) for i, n in enumerate(names, 1)], dtype=[("id", object), ("name", object)])}
    )


def test_regions_are_numbered_where_the_copy_has_no_names() -> None:
    found = read_group(ONE)
    assert regions(found) == ["roi_001", "roi_002", "roi_003", "VERM"]
    assert found["roi_a"].values.tolist() == [
        "roi_001",
        "roi_001",
        "roi_001",
        "roi_002",
        "roi_002",
        "roi_003",
    ]
    assert found["roi_b"].values.tolist() == ["roi_002", "roi_003", "VERM", "roi_003", "VERM", "VERM"]
    assert (found["roi_a"].dims, found["roi_b"].dims) == (("edge",), ("edge",))
    assert set(found.sizes) == {"subject", "edge"}


def test_regions_are_named_by_the_copy() -> None:
    found = read_group({**ONE, "anywhere/ROITBL_BAL.mat": roi_table(["L.a", "", "L.c", "L.d"])})
    assert regions(found) == ["L.a", "roi_002", "L.c", "L.d"]


def test_regions_stand_by_their_numbers_where_these_count() -> None:
    fields = [("id", object), ("name", object)]
    shuffled = np.array([(2, "b"), (1, "a"), (4, "d"), (3, "c")], dtype=fields)
    assert regions(read_group({**ONE, "t.mat": mat({"ROI": shuffled})})) == ["a", "b", "c", "d"]
    labels = np.array([(12, "a"), (11, "b"), (14, "c"), (13, "d")], dtype=fields)
    assert regions(read_group({**ONE, "t.mat": mat({"ROI": labels})})) == ["a", "b", "c", "d"]


def regions(cube: xr.Dataset) -> list[str]:
    """The names of the regions in the order of the edges, which is that of the atlas."""
    return list(dict.fromkeys([*cube["roi_a"].values.tolist(), *cube["roi_b"].values.tolist()]))


def test_two_tables_that_name_regions_differently() -> None:
    content = {"one.mat": roi_table(["a", "b", "c", "d"]), "two.mat": roi_table(["a", "b", "c", "e"])}
    assert problems(content) == [
        "'one.mat' and 'two.mat' name the regions of A4 differently. Keep only the one that belongs to this copy."
    ]
    content["two.mat"] = content["one.mat"]
    assert problems(content) == []


# People


def people(header: str, *rows: str, path: str = "ATR/a.mat") -> xr.Dataset:
    folder = path.rpartition("/")[0]
    text = "\n".join([header, *rows]).replace("|", "\t").encode()
    return read_group({path: mat({"X": r(len(rows))}), f"{folder}/SUBINFO.tsv": text})


def listed(found: xr.Dataset, *names: str) -> list[list[object]]:
    return [found[name].values.tolist() for name in names]


def test_coordinates_are_always_there_and_typed() -> None:
    found = people("note|x", "a|b")
    texts = (
        "diagnosis",
        "sex",
        "handedness",
        "diagnosis_code",
        "sex_code",
        "handedness_code",
        "site",
        "institute",
        "scanner",
    )
    assert {found[name].dtype.kind for name in (*texts, "subject", "source_file", "roi_a")} == {"U"}
    assert listed(found, *texts) == [[""], [""], [""], [""], [""], [""], [""], ["ATR"], [""]]
    assert {name: found[name].dtype for name in ("age", "protocol", "mean_fd")} == {
        "age": "f4",
        "protocol": "f4",
        "mean_fd": "f8",
    }
    assert np.isnan([found[name].item() for name in ("age", "protocol", "mean_fd")]).all()
    assert found["mean_fd"].attrs["comment"] == "missing in the release for 1 of 1 participants"
    assert found["mean_fd"].attrs["units"] == "mm"


def test_codes_become_words_and_stay_beside_them() -> None:
    found = people("diag|sex|Hand", "2|0|right", "0|1|2", "2.0||0", path="ATR/a.mat")
    assert listed(found, "diagnosis", "diagnosis_code") == [["MDD", "HC", "MDD"], ["2", "0", "2.0"]]
    assert listed(found, "sex", "sex_code") == [["male", "female", ""], ["0", "1", ""]]  # ATR's own codes
    # Handedness has no stated codes: those of the MRI tables are not borrowed.
    assert listed(found, "handedness", "handedness_code") == [["right", "", ""], ["right", "2", "0"]]


def test_words_and_initials_in_place_of_codes() -> None:
    found = people(
        "Diagnosis|Sex|Hand", "hc|M|R", "Major depressive disorder|female|L", "SSD|F|right", path="X/a.mat"
    )
    assert listed(found, "diagnosis", "sex", "handedness") == [
        ["HC", "MDD", "SSD"],
        ["male", "female", "female"],
        ["right", "left", "right"],
    ]
    assert found["diagnosis_code"].values.tolist() == ["hc", "Major depressive disorder", "SSD"]


def test_codes_without_a_meaning_are_kept_and_counted() -> None:
    found = people("Diagnosis|Sex", "2|1", "1|7", "x|2", path="ShowaU/a.mat")
    assert listed(found, "diagnosis", "diagnosis_code") == [["SSD", "", ""], ["2", "1", "x"]]
    assert found.attrs["unknown_diagnosis_codes"] == 2
    assert found.attrs["unknown_sex_codes"] == 3
    assert found.attrs["unknown_handedness_codes"] == 0


def test_the_longest_prefix_speaks_where_the_table_is_silent() -> None:
    found = people("Diagnosis|Site", "|", "4|KUT", path="UTO/x_02.mat")
    # The path states the diagnosis of all, whatever the only code of the table is.
    assert listed(found, "diagnosis", "diagnosis_code") == [["MDD", "MDD"], ["", "4"]]
    assert listed(found, "site", "institute", "scanner", "protocol") == [
        ["UTO", "KUT"],
        ["UTO", "UTO"],
        ["GE MR750w", "GE MR750w"],
        [8, 8],
    ]
    assert people("Age", "1", path="UTO/x_03.mat")["diagnosis"].values.tolist() == ["HC"]


def test_sites_have_the_codes_of_the_catalog_and_unknown_ones_none() -> None:
    found = people("Site", "kfu", "UTA", "Elsewhere", "n/a", path="X/a.mat")
    assert listed(found, "site", "site_code") == [
        ["KPM", "UTO", "", ""],
        ["kfu", "UTA", "Elsewhere", ""],
    ]
    assert set(found["institute"].values.tolist()) == {"X"}


def test_missing_values_in_every_spelling() -> None:
    missing = ["", "n/a", "N/A", "NaN", "-1000", "-1000.0", " "]
    found = people(
        "Age|FD|Sex|VAS|side", *(f"{cell}|{cell}|{cell}|{cell}|{cell}" for cell in missing), "30|0.1|1|2|L"
    )
    for name in ("age", "mean_fd", "atr_vas"):
        assert np.isnan(found[name].values[:-1]).all()
        assert not np.isnan(found[name].values[-1])
    assert listed(found, "sex_code", "atr_side") == [[""] * 7 + ["1"], [""] * 7 + ["L"]]
    assert found["mean_fd"].attrs["comment"] == "missing in the release for 7 of 8 participants"


def test_every_other_column_is_kept_under_its_institute() -> None:
    found = people(
        "SF-MPQ2|Pain side (L/R)|SF MPQ2||Subject|Long", "1.5|L|3||0007|20150401", "2|R|4||0008|20150403"
    )
    assert listed(found, "atr_sf_mpq2", "atr_pain_side_l_r", "atr_sf_mpq2_2") == [
        [1.5, 2],
        ["L", "R"],
        [3, 4],
    ]
    assert found["atr_sf_mpq2"].dtype == "f4"
    assert found["atr_sf_mpq2"].attrs == {"long_name": "SF-MPQ2"}
    assert "atr_column_4" not in found  # it has neither a header nor a cell
    assert listed(found, "atr_long") == [[20150401, 20150403]]  # float32 would round them
    assert found["atr_long"].dtype == "f8"


def test_a_second_column_of_one_meaning_and_a_cell_that_is_no_number_are_kept_as_printed() -> None:
    found = people("Age|FD|meanFD", "30-35|0.1|0.2", "40|0.3|0.4")
    assert listed(found, "atr_age", "atr_meanfd") == [
        ["30-35", "40"],
        [pytest.approx(0.2), pytest.approx(0.4)],
    ]
    assert np.isnan(found["age"].values[0])
    assert found["age"].values[1] == 40
    assert found["mean_fd"].values.tolist() == [0.1, 0.3]


def test_a_number_that_a_column_cannot_have_is_missing_and_kept_as_printed() -> None:
    cells = ["0|0", "120|500", "-0.5|0.1", "120.5|0.1", "30|-0.1", "inf|0.1", "31|0.1"]
    found = people("Age|FD", *cells)
    nan = pytest.approx(np.nan, nan_ok=True)
    assert found["age"].values.tolist() == [0, 120, nan, nan, 30, nan, 31]
    assert found["mean_fd"].values.tolist() == [0, 500, 0.1, 0.1, nan, 0.1, 0.1]
    assert listed(found, "atr_age") == [[0, 120, -0.5, 120.5, 30, np.inf, 31]]


def test_headers_are_found_without_what_stands_in_brackets() -> None:
    assert people("Age (at scan, in years)|x", "30|y")["age"].values.tolist() == [30]


def test_institutes_have_columns_of_their_own() -> None:
    content = {
        "A/a.mat": mat({"X": r(1)}),
        "A/SUBINFO.tsv": table(1, "VAS", "80"),
        "B/b.mat": mat({"X": r(1, seed=1)}),
        "B/SUBINFO.tsv": table(1, "VAS", "3"),
    }
    found = read_group(content)
    assert found["a_vas"].values[0] == 80
    assert np.isnan(found["a_vas"].values[1])
    assert found["b_vas"].values[1] == 3


def test_files_that_are_no_tables_of_people_are_passed_over() -> None:
    extra = {"README.txt": b"one, two\nthree\n", "ATR/protocols.tsv": b"TR\n2.5\n", "ATR/notes.pdf": b"%PDF"}
    assert read_group({**ONE, **extra}).sizes["subject"] == 2


def test_the_mark_of_a_phantom() -> None:
    assert not read(ONE).synthetic
    assert read({**ONE, "SYNTHETIC.txt": b"nobody real"}).synthetic
    marked = mat({"X": r(2)})
    assert read({**ONE, "ATR/a.mat": b"MATLAB 5.0 MAT-file SYNTHETIC".ljust(116) + marked[116:]}).synthetic
    assert not read({**ONE, "ATR/notes.txt": b"SYNTHETIC"}).synthetic


def test_nothing_warns() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read({**ONE, "ATR/a.mat": mat({"X": np.full((2, 6), np.nan)})})


@given(st.lists(st.sampled_from(["", "1", "2.5", "-3e2", "x", "1_0"])))
def test_a_column_is_numbers_only_when_every_cell_is(cells: list[str]) -> None:
    read_back = parse_column(cells)
    assert read_back.dtype.kind == ("U" if {"x", "1_0"} & set(cells) else "f")
    if read_back.dtype.kind == "U":
        assert read_back.tolist() == cells


def test_slugs_keep_every_script() -> None:
    assert slug("UTO/UTO_GEMR750W_30_93ROI/x", "-") == "uto-uto-gemr750w-30-93roi-x"
    assert slug("平均 FD", "_") == "平均_fd"


# Pairing


def test_a_table_of_another_length() -> None:
    assert problems({"ATR/a.mat": mat({"X": r(2)}), "ATR/SUBINFO.tsv": table(3)}) == [
        (
            "'ATR/a.mat' has 2 rows, but its table 'ATR/SUBINFO.tsv' has 3. "
            "Rows are matched by order alone. Download both files again, or omit the file with strict=False."
        )
    ]


def test_no_table() -> None:
    whole = {"Good/good.mat": mat({"X": r(1)}), "Good/SUBINFO.tsv": table(1)}
    result = read({**whole, "ATR/a.mat": mat({"X": r(2)})})
    assert [str(problem) for problem in result.report.problems] == [
        (
            "'ATR/a.mat' has no table of its 2 participants in its folder or one above. "
            "Add the table, or omit the file with strict=False."
        )
    ]
    assert result.report.problems[0].file == "ATR/a.mat"


def test_a_table_of_participants_that_no_matrix_fits() -> None:
    said = " Add the matrix, or omit the table with strict=False."
    assert problems({"X/SUBINFO.tsv": table(3)}) == [
        f"'X/SUBINFO.tsv' lists 3 participants, but no matrix belongs to it.{said}"
    ]
    assert problems({"X/people.csv": b"who,Diagnosis (0: HC)\na,0\nb,1\n"}) == [
        f"'X/people.csv' lists 2 participants, but no matrix belongs to it.{said}"
    ]


def test_tables_without_a_matrix_that_are_no_loss() -> None:
    assert problems({"X/sites.tsv": b"Site\tScanner\nCOI\tVerio\n"}) == []  # of sites, not of participants
    copied = {"X/a_b.mat": mat({"X": r(2)}), "X/SUBINFO_a_b.tsv": table(2), "X/SUBINFO_a.csv": table(2)}
    assert read_group(copied).sizes["subject"] == 2  # the second table is equal to the one that is used


def test_two_tables_as_near() -> None:
    found = pair_tables(
        [ParticipantFile("A/m.mat", 2, "a4")],
        [ParticipantFile("A/one.tsv", 2), ParticipantFile("A/two.tsv", 2), ParticipantFile("A/three.tsv", 3)],
    )
    assert str(found["A/m.mat"]) == (
        "'A/m.mat' matches 'A/one.tsv' and 'A/two.tsv' equally well: all have 2 rows and similar names. "
        "Remove the wrong tables, or omit the file with strict=False."
    )


@pytest.mark.parametrize(
    ("matrix", "tables", "expected"),
    [
        ("A/x.mat", ["A/s.tsv", "s.tsv"], "A/s.tsv"),  # its own folder first
        ("A/B/x.mat", ["A/s.tsv", "s.tsv", "A/C/s.tsv"], "A/s.tsv"),  # then the folder above
        ("A/B/x.mat", ["s.tsv"], "s.tsv"),
        ("x.mat", ["s.tsv"], "s.tsv"),
        (
            "A/SWA_FC_N2.mat",
            ["A/SUBINFO_SWA_N2.tsv", "A/SUBINFO_KUT_N2.tsv"],
            "A/SUBINFO_SWA_N2.tsv",
        ),  # shared words
        ("A/x.mat", ["A/s.tsv", "A/nine.tsv:9"], "A/s.tsv"),  # the row count
    ],
)
def test_the_rule_of_pairing(matrix: str, tables: list[str], expected: str) -> None:
    made = [ParticipantFile(name.partition(":")[0], int(name.partition(":")[2] or 2)) for name in tables]
    assert pair_tables([ParticipantFile(matrix, 2, "a4")], made) == {matrix: expected}


def test_files_whose_names_differ_by_their_code_only() -> None:
    codes = {"00": 5, "01": 3, "02": 3, "99": 4}
    matrices = [ParticipantFile(f"U/UTO_30_{code}_BAL_COR.mat", count, "a4") for code, count in codes.items()]
    tables = [ParticipantFile(f"U/SUBINFO_UTO_30_{code}.tsv", count) for code, count in codes.items()]
    assert pair_tables(matrices, tables) == {
        f"U/UTO_30_{code}_BAL_COR.mat": f"U/SUBINFO_UTO_30_{code}.tsv" for code in codes
    }


def test_a_name_that_agrees_where_the_count_does_not_is_no_guess() -> None:
    tables = [ParticipantFile("U/SUBINFO_UTO_01.tsv", 4), ParticipantFile("U/SUBINFO_UTO_02.tsv", 3)]
    found = pair_tables([ParticipantFile("U/UTO_01.mat", 3, "a4")], tables)
    assert str(found["U/UTO_01.mat"]).startswith(
        "'U/UTO_01.mat' has 3 rows, but its table 'U/SUBINFO_UTO_01.tsv' has 4."
    )


def test_one_table_for_the_same_people_in_several_atlases() -> None:
    matrices = [ParticipantFile(f"U/UTO_{group}.mat", 2, group) for group in ("a4", "a5", "a6")]
    assert set(pair_tables(matrices, [ParticipantFile("U/SUBINFO.tsv", 2)]).values()) == {"U/SUBINFO.tsv"}


def test_one_table_for_two_matrices_of_one_atlas() -> None:
    found = pair_tables(
        [ParticipantFile("U/a.mat", 2, "a4"), ParticipantFile("U/b.mat", 2, "a4")],
        [ParticipantFile("U/SUBINFO.tsv", 2)],
    )
    assert [str(error) for error in found.values()] == [
        f"'U/{one}.mat' and 'U/{other}.mat' both match 'U/SUBINFO.tsv', which has the same number of rows. "
        "Add the missing table, or omit the file with strict=False."
        for one, other in ("ab", "ba")
    ]


def test_the_nearer_of_two_matrices_keeps_the_table() -> None:
    found = pair_tables(
        [ParticipantFile("U/x_01.mat", 2, "a4"), ParticipantFile("U/x_02.mat", 2, "a4")],
        [ParticipantFile("U/SUBINFO_02.tsv", 2)],
    )
    assert found["U/x_02.mat"] == "U/SUBINFO_02.tsv"
    assert str(found["U/x_01.mat"]).startswith("'U/x_01.mat' and 'U/x_02.mat' both match 'U/SUBINFO_02.tsv'")


def test_a_hint_wins_where_the_table_is_there_and_may_be_shared() -> None:
    matrices = [
        ParticipantFile("A/a.mat", 2, "a4", "B/s.tsv"),
        ParticipantFile("A/b.mat", 2, "a4", "B/s.tsv"),
        ParticipantFile("A/c.mat", 2, "a4", "B/gone.tsv"),
    ]
    tables = [ParticipantFile("A/c_table.tsv", 2), ParticipantFile("B/s.tsv", 2)]
    assert pair_tables(matrices, tables) == {
        "A/a.mat": "B/s.tsv",
        "A/b.mat": "B/s.tsv",
        "A/c.mat": "A/c_table.tsv",
    }


NAMES = st.sampled_from(["a_1", "a_2", "b_1", "UTO_00", "UTO_01"])
COUNTS = st.integers(1, 3)


@given(st.dictionaries(NAMES, COUNTS), st.dictionaries(NAMES, COUNTS), st.randoms(use_true_random=False))
def test_pairs_have_equal_counts_and_depend_on_no_order(
    matrices: dict[str, int], tables: dict[str, int], random: object
) -> None:
    these = [ParticipantFile(f"A/{name}.mat", count, "a4") for name, count in matrices.items()]
    those = [ParticipantFile(f"A/SUBINFO_{name}.tsv", count) for name, count in tables.items()]
    found = pair_tables(these, those)
    shuffled = those[::-1]
    again = pair_tables(these[::-1], shuffled)
    counts = {table.path: table.count for table in those}
    for matrix in these:
        table = found[matrix.path]
        if isinstance(table, str):
            assert counts[table] == matrix.count
            assert again[matrix.path] == table
        else:
            assert isinstance(again[matrix.path], FormatError)
    taken = [table for table in found.values() if isinstance(table, str)]
    assert len(taken) == len(set(taken))


# The layout


def test_a_layout_that_is_not_built() -> None:
    message = (
        "This version cannot open the layout 'attic' (supported: 'bids', 'connectivity', 'mri', 'traveling'). "
        "Upgrade decnef-data, install the package that has the layout, or download the original files with "
        "decnef_data.download."
    )
    with pytest.raises(SelectionError, match=f"^{re.escape(message)}$") as caught:
        get_layout("attic")
    assert (caught.value.requested, caught.value.known) == (
        "attic",
        ("bids", "connectivity", "mri", "traveling"),
    )


def test_the_layout_has_a_name_and_a_version() -> None:
    assert (get_layout("connectivity").name, get_layout("connectivity").version) == ("connectivity", 4)
