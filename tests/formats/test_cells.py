"""Letters that look alike are one letter, and texts are numbers only where that is sure."""

import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from decnef_data.formats import cells


@pytest.mark.parametrize(
    ("printed", "folded"),
    [
        ("\u200bage\u00ad", "age"),
        ("sub\u2011\ufeff01", "sub\u201101"),
        ("Mean\u00a0FD", "Mean FD"),
        ("山田\u3000太郎", "山田 太郎"),
        ("\uff33\uff37\uff21\uff10\uff11", "SWA01"),
        ("\uff10\uff0e\uff15", "0.5"),
        ("健常者", "健常者"),
        ("ﾋﾛｼﾏ", "ﾋﾛｼﾏ"),
        ("㎜", "㎜"),
        ("㈱髙橋", "㈱髙橋"),
        ("x²", "x²"),
        ("か\u3099", "か\u3099"),
    ],
)
def test_folding(printed: str, folded: str) -> None:
    assert cells.fold(printed) == folded


@given(st.text())
def test_folding_twice_is_folding_once_and_leaves_ascii_alone(text: str) -> None:
    folded = cells.fold(text)
    assert cells.fold(folded) == folded
    assert not any(unicodedata.category(letter) == "Cf" for letter in folded)
    assert cells.fold(text.encode("ascii", "ignore").decode()) == text.encode("ascii", "ignore").decode()


def test_missing_cells_are_blank() -> None:
    printed = ["", " 31 ", "N/A", "nan", "-1000", "-1000.0", "999", "x"]
    assert cells.clean_cells(printed) == ["", "31", "", "", "", "", "999", "x"]
    assert cells.clean_cells(printed, missing=["999"])[-2:] == ["", "x"]


@pytest.mark.parametrize(
    ("printed", "number"),
    [("3", 3), (" 2.5 ", 2.5), ("-3e2", -300), ("1_0", None), ("2,5", None), ("", None)],
)
def test_numbers(printed: str, number: float | None) -> None:
    parsed = cells.parse_number(printed)
    assert np.isnan(parsed) if number is None else parsed == number


def test_a_column_of_ids_with_leading_zeros_stays_text() -> None:
    assert cells.parse_column(["007", "12", ""]).tolist() == ["007", "12", ""]
    assert cells.parse_column(["12", "-01"]).tolist() == ["12", "-01"]
    assert cells.parse_column(["0.5", "0", "-0.25", "10"]).tolist() == [0.5, 0, -0.25, 10]


def test_long_numbers_keep_their_digits() -> None:
    assert cells.parse_column(["20150401", "3"]).dtype == "f8"
    assert cells.parse_column(["2015", "3"]).dtype == "f4"


@pytest.mark.parametrize(
    ("column", "meaning"),
    [
        (["0,25", "1,5"], "decimal"),
        (["0,25", "1", "", "n/a", "1,5"], "decimal"),
        (["-0,5e3", "+1,0"], "decimal"),
        (["1,234", "0,567"], "decimal"),
        (["2,500", "3,200"], "ambiguous"),
        (["2,500", "31"], "ambiguous"),
        (["0,25", "1.5"], "none"),  # both signs
        (["1,2", "1", "2", "0"], "none"),  # lists of codes
        (["1,2", "x"], "none"),
        (["1,234,567"], "none"),
        (["1,", "2,5"], "none"),
        (["31", ""], "none"),
        ([], "none"),
    ],
)
def test_commas_are_decimal_only_in_whole_columns(column: list[str], meaning: str) -> None:
    assert cells.meaning_of_commas(column) == meaning


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=1))
def test_numbers_with_decimal_commas_are_read_back(numbers: list[float]) -> None:
    printed = [repr(number).replace(".", ",") for number in numbers]
    if cells.meaning_of_commas(printed) == "decimal":
        assert cells.parse_numbers(cells.replace_decimal_commas(printed), "f8").tolist() == numbers
