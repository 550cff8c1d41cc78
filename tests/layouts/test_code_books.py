"""Tests of the meaning of codes: what a book, the catalog, a header or a word states, and what stays unknown."""

import pytest

from decnef_data.layouts.code_books import CodeBooks, StatedMeaning, decode_column
from decnef_data.model import CodeBook
from decnef_data.records import Records

RECORDS = Records.load()


def decoded(name: str, cells: str, **stated: object) -> tuple[list[str], str]:
    found = decode_column(name, cells.split("|"), StatedMeaning(**stated), RECORDS)  # type: ignore[arg-type]
    return list(found.labels), found.code_book


@pytest.mark.parametrize(
    ("name", "cells"),
    [("diagnosis", "0|1|2|3|99"), ("sex", "1|2|1.0"), ("handedness", "1|2|0"), ("site", "1|2|A")],
)
def test_codes_of_the_mri_tables_are_never_borrowed(name: str, cells: str) -> None:
    found = decode_column(name, cells.split("|"), StatedMeaning(), RECORDS)
    assert set(found.labels) == {""}
    assert found.undecoded == set(cells.split("|"))
    assert found.code_book == ""


def test_they_hold_for_their_own_tables_and_where_a_book_says_so() -> None:
    own, elsewhere = CodeBooks(mri=True), CodeBooks((CodeBook(path="KPUM", diagnosis_codes="mri"),))
    assert decoded("diagnosis", "0|3|5.0", books=own) == (["HC", "OCD", "pain"], "mri")
    assert decoded("diagnosis", "0|3|5.0", books=elsewhere) == (["HC", "OCD", "pain"], "mri")
    assert decoded("sex", "1|2", books=elsewhere) == (["", ""], "")


@pytest.mark.parametrize(
    ("name", "header", "cells", "labels"),
    [
        ("diagnosis", "Diagnosis(Healthy=1, Depression=2)", "1|2|2.0", ["HC", "MDD", "MDD"]),
        ("diagnosis", "dx [0: HC; 5: chronic pain]", "0|5", ["", ""]),  # "chronic" alone is no diagnosis
        ("diagnosis", "dx [0: HC; 5: pain]", "0|5|6", ["HC", "pain", ""]),
        ("sex", "性別(1:男,2:女)", "1|2", ["male", "female"]),
        ("sex", "Sex (M=0 / F=1)", "0|1", ["male", "female"]),
        ("handedness", "Hand (R=1, L=-1)", "1|-1", ["right", "left"]),
        ("site", "site (OSU=1, NKN=2)", "1|2|3", ["OSU", "NKN", ""]),
        ("sex", "Sex (years)", "1|2", ["", ""]),
        ("sex", "Sex (at birth) (M=1, F=2)", "1|2", ["male", "female"]),
        ("sex", "Sex (male=female)", "1|2", ["", ""]),
    ],
)
def test_a_header_may_state_them(name: str, header: str, cells: str, labels: list[str]) -> None:
    assert decoded(name, cells, header=header) == (labels, "header" if any(labels) else "")


def test_words_need_no_book() -> None:
    assert decoded("sex", "男|F|Male|1") == (["male", "female", "male", ""], "")
    assert decoded("site", "kfu|UTA|Elsewhere") == (["KPM", "UTO", ""], "")


def test_an_unknown_word_for_a_site_is_shown_in_tables_of_images_alone() -> None:
    found = decode_column("site", ["COI", "Elsewhere"], StatedMeaning(CodeBooks(mri=True)), RECORDS)
    assert (found.labels, found.undecoded) == (["COI", "Elsewhere"], {"Elsewhere"})


def test_the_path_states_the_diagnosis_of_blank_cells_and_of_one_code_for_all() -> None:
    assert decoded("diagnosis", "|3|3", default="OCD") == (["OCD"] * 3, "path")
    assert decoded("diagnosis", "|3|0", default="OCD") == (["OCD", "", ""], "")
    assert decoded("diagnosis", "|", default="OCD") == (["OCD", "OCD"], "")


def test_labels_other_than_that_of_the_path_are_named() -> None:
    found = decode_column("diagnosis", ["OCD", "healthy control"], StatedMeaning(default="OCD"), RECORDS)
    assert (found.labels, found.others) == (["OCD", "HC"], ("HC",))


def test_a_book_precedes_the_catalog_and_the_catalog_a_header() -> None:
    header = "Diagnosis(Healthy=1, Depression=2)"
    recorded = {"1": "ASD", "2": "SSD"}
    books = CodeBooks((CodeBook(diagnosis_codes={"1": "pain"}),))
    assert decoded("diagnosis", "1|2", header=header) == (["HC", "MDD"], "header")
    assert decoded("diagnosis", "1|2", header=header, recorded=recorded) == (["ASD", "SSD"], "catalog")
    found = decoded("diagnosis", "1|2", header=header, recorded=recorded, books=books)
    assert found == (["pain", ""], "codes")  # a code that a stated book lacks is not borrowed


def test_books_are_for_one_file_or_folder_or_for_the_bytes_of_a_table() -> None:
    digest = "0" * 64
    books = CodeBooks(
        (
            CodeBook(path="A/t.tsv", sha256=digest, sex_codes={"1": "female"}),
            CodeBook(path="A", sex_codes={"1": "male"}),
        )
    )
    assert books.of_table(["A/t.tsv"], digest).codes_of("sex") == {"1": "female"}
    assert books.of_table(["A/t.tsv"], "1" * 64).codes_of("sex") == {"1": "male"}
    assert books.of_table(["B/t.tsv", "A/m.mat"], digest).codes_of("sex") == {"1": "male"}
    assert books.of_table(["AB/t.tsv"], digest).codes_of("sex") is None
