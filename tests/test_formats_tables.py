"""Tables of every encoding and line end come out as printed, or say where they are wrong."""

import csv
import io
import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decnef_data.errors import FormatError
from decnef_data.formats import tables

TEXT = "年齢\tsex\r\n31\t男性\r\n\t\r\n 7 \tn/a\r\n"
ROWS = {"年齢": ["31", "", " 7 "], "sex": ["男性", "", "n/a"]}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932", "utf-16"])
@pytest.mark.parametrize("newline", ["\r\n", "\n", "\r"])
def test_encodings_and_line_ends(encoding: str, newline: str) -> None:
    table = tables.read(TEXT.replace("\r\n", newline).encode(encoding), "a.tsv")
    assert table.to_dict("list") == ROWS
    assert [dtype.kind for dtype in table.dtypes] == ["O", "O"]


def test_a_header_with_a_comma_in_a_table_of_tabs() -> None:
    table = tables.read(b"Diagnosis(Healthy=1, Depression=2)\tage\n1\t30\n", "a.tsv")
    assert list(table.columns) == ["Diagnosis(Healthy=1, Depression=2)", "age"]


def test_commas_and_quoted_cells() -> None:
    table = tables.read(b'"PANSS, total",note\n"2,500","two\nlines"\n', "a.csv")
    assert table.to_dict("list") == {"PANSS, total": ["2,500"], "note": ["two\nlines"]}


def test_two_columns_of_one_name_are_kept() -> None:
    table = tables.read(b"a\ta\n1\t2\n", "a.tsv")
    assert list(table.columns) == ["a", "a"]
    assert table.iloc[0].tolist() == ["1", "2"]


def test_no_newline_at_the_end_and_empty_rows_at_the_end() -> None:
    assert len(tables.read(b"a\tb\n1\t2", "a.tsv")) == 1
    assert len(tables.read(b"a\tb\n1\t2\n\t\n\n", "a.tsv")) == 1


def test_a_table_of_nobody() -> None:
    assert tables.read(b"a\tb\n", "a.tsv").shape == (0, 2)


CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)


@given(st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=6), st.sampled_from([",", "\t"]))
def test_what_csv_writes_is_read_back(rows: list[tuple[str, str, str]], delimiter: str) -> None:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows(
        [("h1", "h2", "h3"), *rows, ("x", "y", "z")]
    )
    table = tables.read(text.getvalue().encode(), "a.csv")
    assert [tuple(row) for row in table.to_numpy()] == [*rows, ("x", "y", "z")]


@pytest.fixture(autouse=True)
def _own_limit() -> Iterator[None]:
    """How long a cell may be is one number for the whole process, which other libraries change."""
    before = csv.field_size_limit(131_072)
    yield
    csv.field_size_limit(before)


@pytest.mark.parametrize(
    ("data", "message", "place"),
    [
        (
            b"a\tb\n1\t2\n1\t2\t3\n",
            "Row 3 of 'a.tsv' has 3 cells, but the header has 2. Fix the table, or download it again.",
            "row 3",
        ),
        (
            b"a\tb\n\n1\t2\n",
            "Row 2 of 'a.tsv' has 0 cells, but the header has 2. Fix the table, or download it again.",
            "row 2",
        ),
        (b"", "Row 1 of 'a.tsv' is missing or blank. Fix the table, or download it again.", "row 1"),
        (
            b"\t\n1\t2\n",
            "Row 1 of 'a.tsv' is missing or blank. Fix the table, or download it again.",
            "row 1",
        ),
        (
            b"age\n\x81\n",
            "'a.tsv' is not text in UTF-8, UTF-16 or cp932: see byte 4. Download it again.",
            "byte 4",
        ),
        (
            b"\xff\xfea",
            "'a.tsv' is not text in UTF-8, UTF-16 or cp932: see byte 2. Download it again.",
            "byte 2",
        ),
        (
            b"a\tb\n" + b"x" * 200_000 + b"\t1\n",
            (
                "Row 2 of 'a.tsv' cannot be read (field larger than field limit (131072)). "
                "Fix the table, or download it again."
            ),
            "row 2",
        ),
    ],
)
def test_errors_name_the_place(data: bytes, message: str, place: str) -> None:
    with pytest.raises(FormatError, match=f"^{re.escape(message)}$") as caught:
        tables.read(data, "a.tsv")
    assert (caught.value.file, caught.value.location) == ("a.tsv", place)
