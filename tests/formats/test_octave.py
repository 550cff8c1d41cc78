"""Text files that Octave saves: what is read, what is only described, and what is damage."""

import re

import numpy as np
import pytest

from decnef_data.errors import FormatError
from decnef_data.formats import octave

HEADER = "# Created by Octave 9.2.0, Mon Jun 03 12:00:00 2024 UTC <user@host>\n"
MATRIX = "# name: X\n# type: matrix\n# rows: 2\n# columns: 3\n 0.5 -0.25 1\n NaN 0 1e-3\n\n\n"


def read(text: str) -> dict[str, object]:
    """The values in a text by name; of those that are not read, the type."""
    listed = octave.read_parts(text.encode(), "a.mat")
    return {part.name: part.kind if part.values is None else part.values for part in listed}


@pytest.mark.parametrize(
    "text",
    [HEADER + MATRIX, MATRIX, (HEADER + MATRIX).replace("#", "%"), (HEADER + MATRIX).replace("\n", "\r\n")],
)
def test_a_matrix(text: str) -> None:
    assert octave.is_octave(text.encode())
    assert np.array_equal(read(text)["X"], [[0.5, -0.25, 1], [np.nan, 0, 1e-3]], equal_nan=True)


def test_single_precision_and_globals() -> None:
    single = MATRIX.replace("type: matrix", "type: float matrix")
    assert read(single)["X"].dtype == "f4"
    assert read(MATRIX.replace("type: matrix", "type: global matrix"))["X"].dtype == "f8"


def test_more_axes_than_two() -> None:
    stack = np.arange(12.0).reshape(3, 2, 2)
    numbers = "\n".join(f" {value}" for value in stack.ravel(order="F"))
    assert np.array_equal(
        read(f"{HEADER}# name: R\n# type: matrix\n# ndims: 3\n 3 2 2\n{numbers}\n")["R"], stack
    )


def test_a_matrix_without_elements() -> None:
    empty = MATRIX.partition(" 0.5")[0].replace("rows: 2", "rows: 0")
    assert read(empty)["X"].shape == (0, 3)


def test_other_variables_are_described() -> None:
    text = (
        f"{HEADER}# name: note\n# type: string\n# elements: 1\n# length: 2\nhi\n\n\n"
        "# name: n\n# type: scalar\n3\n\n\n"
        "# name: L\n# type: bool matrix\n# rows: 1\n# columns: 2\n 1 0\n\n\n"
        f"# name: C\n# type: cell\n# rows: 1\n# columns: 1\n{MATRIX.replace('name: X', 'name: <cell-element>')}"
        "# name: S\n# type: sparse matrix\n# nnz: 1\n# rows: 2\n# columns: 3\n1 1 0.5\n"
    )
    listed = octave.read_parts(text.encode(), "a.mat")
    assert [(part.name, part.kind, part.shape, part.count) for part in listed] == [
        ("note", "string", (), 0),
        ("n", "scalar", (), 0),
        ("L", "bool matrix", (1, 2), 2),
        ("C", "cell", (1, 1), 0),
        ("<cell-element>", "double", (2, 3), 6),
        ("S", "sparse matrix", (2, 3), 6),
    ]


def test_two_matrices_are_not_one() -> None:
    found = read(HEADER + MATRIX + MATRIX.replace("name: X", "name: Y"))
    assert [value.shape for value in found.values()] == [(2, 3), (2, 3)]


@pytest.mark.parametrize(
    "text", ["", "# a comment\n0.5 0.25\n", "1 2\n# name: X\n# type: matrix\n", "# name: X\n0.5\n"]
)
def test_other_texts(text: str) -> None:
    assert not octave.is_octave(text.encode())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            MATRIX.replace("rows: 2", "rows: 3"),
            "'a.mat' states 3 x 3 numbers for a matrix, but contains 2 x 3. It may be truncated: download it again.",
        ),
        (
            MATRIX.replace("# rows: 2\n", ""),
            "'a.mat' states no numbers for a matrix, but contains 2 x 3. It may be truncated: download it again.",
        ),
        (
            "# name: X\n# type: matrix\n",
            "'a.mat' states no numbers for a matrix, but contains 0 x 0. It may be truncated: download it again.",
        ),
        (
            MATRIX.partition(" 0.5")[0],
            "'a.mat' states 2 x 3 numbers for a matrix, but contains 0 x 0. It may be truncated: download it again.",
        ),
        (
            "# name: R\n# type: matrix\n# ndims: 3\n 1 1 2\n 0.5\n",
            "'a.mat' states 1 x 1 x 2 numbers for a matrix, but contains 1. It may be truncated: download it again.",
        ),
        (
            HEADER + MATRIX.replace("1e-3", "NA"),
            (
                "Row 7 of 'a.mat' contains 'NA', which is not a number. "
                "Correct it (NaN stands for a missing value), or omit the file with strict=False."
            ),
        ),
    ],
)
def test_errors_name_the_place(text: str, message: str) -> None:
    with pytest.raises(FormatError, match=f"^{re.escape(message)}$"):
        octave.read_parts(text.encode(), "a.mat")
