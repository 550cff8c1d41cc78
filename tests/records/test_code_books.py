"""Tests of code books as mappings and as files."""

from typing import Any

import pytest

from decnef_data.errors import FormatError, SelectionError
from decnef_data.model import CodeBook
from decnef_data.records import Records
from decnef_data.records.code_books import parse_code_books, read_code_books

RECORDS = Records.load()
FC = RECORDS.dataset("srpbs-fc")
DIGEST = "AB" * 32


def test_headers_and_labels_are_spelled_as_the_catalog_does() -> None:
    codes = {
        "SRPBS_FC/OsakaU/": {"condition": {0: "healthy", "5": "Chronic Pain"}, "Site": {1: "osu", 2: "NKN"}},
        "OsakaU/SUBINFO.tsv": {"sha256": DIGEST, "sex_codes": {"1": "Male"}, "利き手": {"1": "right"}},
        "KPUM": "mri",
    }
    assert parse_code_books(codes, FC, RECORDS) == (
        CodeBook(
            path="OsakaU/SUBINFO.tsv",
            sha256=DIGEST.casefold(),
            sex_codes={"1": "male"},
            handedness_codes={"1": "right"},
        ),
        CodeBook(
            path="OsakaU",
            diagnosis_codes={"0": "HC", "5": "pain"},
            site_codes={"1": "OSU", "2": "NKN"},
        ),
        CodeBook(
            path="KPUM", diagnosis_codes="mri", sex_codes="mri", handedness_codes="mri", site_codes="mri"
        ),
    )


def test_a_key_that_names_a_dataset_has_the_books_of_that_one() -> None:
    codes = {"srpbs-fc": {"": {"sex": "mri"}}, "srpbs-open": {"participants.tsv": {"sex": {"0": "male"}}}}
    assert parse_code_books(codes, FC, RECORDS) == (CodeBook(sex_codes="mri"),)
    assert parse_code_books(codes, RECORDS.dataset("srpbs-open"), RECORDS) == (
        CodeBook(path="participants.tsv", sex_codes={"0": "male"}),
    )


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        ({"OsakaU": {"VAS": {"1": "HC"}}}, "'VAS' is not the header of a column of codes"),
        ({"OsakaU": {"age": {"1": "30"}}}, "'age' is not the header of a column of codes"),
        ({"OsakaU": {"condition": {"1": "deppression"}}}, "Did you mean 'MDD'"),
        ({"OsakaU": {"sex": {"1": "man"}}}, "There is no sex 'man'"),
        ({"OsakaU": {"site": {"1": "Osaka"}}}, "There is no site 'Osaka'"),
        ({"OsakaU": {"sex": "MRI tables"}}, "Code books are not a mapping: 'MRI tables'"),
        ({"OsakaU": 5}, "Code books are not a mapping: 5"),
        ({"OsakaU": {"sha256": "12"}}, "The sha256 of a code book is '12'"),
        ("everything", "Code books are not a mapping: 'everything'"),
    ],
)
def test_what_is_not_known_is_an_error(codes: Any, message: str) -> None:
    with pytest.raises(SelectionError, match=message):
        parse_code_books(codes, FC, RECORDS)


def test_a_file_has_the_same_content() -> None:
    text = "\ufeff[OsakaU]\ncondition = { 0 = 'HC', 5 = 'pain' }\nsex = 'mri'\n"
    assert read_code_books(text.encode(), "codes.toml", FC, RECORDS) == (
        CodeBook(path="OsakaU", diagnosis_codes={"0": "HC", "5": "pain"}, sex_codes="mri"),
    )


@pytest.mark.parametrize(
    "data",
    [b"[OsakaU", b"\xff\xfe", b"[OsakaU]\nsex = { 1 = 'man' }", b"OsakaU = 5", b"a = " + b"[" * 5000],
    ids=["bracket", "encoding", "label", "number", "depth"],
)
def test_a_file_that_is_not_valid_is_named(data: bytes) -> None:
    with pytest.raises(FormatError, match=r"'codes\.toml' is not a") as caught:
        read_code_books(data, "codes.toml", FC, RECORDS)
    assert caught.value.file == "codes.toml"
