"""Matrices in plain text, comments and all."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from decnef_data.errors import FormatError
from decnef_data.formats import text_matrix


def test_comments_blanks_and_separators() -> None:
    data = b"\xef\xbb\xbf# \x83\x7f not UTF-8\r\n\r\n0.5 -1e-3\tNaN # here too\r\n1, 2, 3\r\n"
    assert np.array_equal(text_matrix.read(data, "a.mat"), [[0.5, -0.001, np.nan], [1, 2, 3]], equal_nan=True)


def test_one_row_is_a_matrix() -> None:
    assert text_matrix.read(b"1 2 3", "a.mat").shape == (1, 3)


@given(
    arrays(
        np.float64, st.tuples(st.integers(1, 4), st.integers(1, 6)), elements=st.floats(allow_infinity=False)
    )
)
def test_what_is_printed_exactly_is_read_exactly(matrix: np.ndarray) -> None:
    text = "\n".join(" ".join(repr(float(value)) for value in row) for row in matrix)
    assert np.array_equal(text_matrix.read(text.encode(), "a.mat"), matrix, equal_nan=True)


@pytest.mark.parametrize(
    ("data", "message", "place"),
    [
        (b"", "'a.mat' contains no numbers. Download it again.", None),
        (b"# only this\n", "'a.mat' contains no numbers. Download it again.", None),
        (
            b"1 2\n\n3\n",
            (
                "Row 3 of 'a.mat' has 1 numbers, but the first row has 2. "
                "Correct it (NaN stands for a missing value), or omit the file with strict=False."
            ),
            "row 3",
        ),
        (
            b"1 2\n\n3",
            "Row 3 of 'a.mat' has 1 numbers, but the first row has 2. It may be truncated: download it again.",
            "row 3",
        ),
        (
            b"1 2\x00",
            "'a.mat' is neither a MATLAB file nor a text file of numbers: see byte 3. Download it again.",
            "byte 3",
        ),
        (
            b"1 2\n3 two\n",
            (
                "Row 2 of 'a.mat' contains 'two', which is not a number. "
                "Correct it (NaN stands for a missing value), or omit the file with strict=False."
            ),
            "row 2",
        ),
        (
            b"1 2\n3 NA\n",
            (
                "Row 2 of 'a.mat' contains 'NA', which is not a number. "
                "Correct it (NaN stands for a missing value), or omit the file with strict=False."
            ),
            "row 2",
        ),
        (
            "0.5 \u7d50\u5408\n".encode() + b"1 2\n",
            (
                "Row 1 of 'a.mat' contains '\u7d50\u5408', which is not a number. "
                "Correct it (NaN stands for a missing value), or omit the file with strict=False."
            ),
            "row 1",
        ),
        (
            b"0.5;" * 20,
            (
                "Row 1 of 'a.mat' contains '0.5;0.5;0.5;0.5;0.5;\u2026', which is not a number. "
                "Correct it (NaN stands for a missing value), or omit the file with strict=False."
            ),
            "row 1",
        ),
        (
            b"\xef\xbb\xbf\n<!DOCTYPE html><p>Log in",
            "'a.mat' is a web page, not a matrix. Open it to see what it says, and download it again.",
            None,
        ),
    ],
)
def test_errors_name_the_place(data: bytes, message: str, place: str | None) -> None:
    with pytest.raises(FormatError, match=f"^{re.escape(message)}$") as caught:
        text_matrix.read(data, "a.mat")
    assert (caught.value.file, caught.value.location) == ("a.mat", place)
