"""Paths of any bytes become text that can be stored and printed, and lead back to the file."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decnef_data.path_text import escape_path, unescape_path

#: A path of the system has any bytes but NUL.
PATHS = st.binary(min_size=1, max_size=40).map(lambda raw: raw.replace(b"\0", b"\\x5c"))
TRICKY = st.lists(
    st.sampled_from([b"\\", b"\\x5c", b"\\x95", b"x", b"5c", b"\x95", "表".encode(), b"/", b"a"]), max_size=8
)


@given(st.one_of(PATHS, TRICKY.map(b"".join)))
def test_text_leads_back_to_the_path(raw: bytes) -> None:
    text = escape_path(os.fsdecode(raw))
    assert text.encode().decode() == text  # it can be stored
    assert os.fsencode(unescape_path(text)) == raw


@given(TRICKY.map(b"".join), TRICKY.map(b"".join))
def test_no_two_paths_have_the_same_text(one: bytes, other: bytes) -> None:
    assert (escape_path(os.fsdecode(one)) == escape_path(os.fsdecode(other))) == (one == other)


@given(TRICKY.map(b"".join), TRICKY.map(b"".join))
def test_the_texts_of_a_folder_and_a_name_can_be_joined(folder: bytes, name: bytes) -> None:
    joined = "/".join(escape_path(os.fsdecode(part)) for part in (folder, name))
    assert os.fsencode(unescape_path(joined)) == b"/".join((folder, name))


@pytest.mark.parametrize("path", ["sub-0001/rsfmri/vol_0001", "全角　空白/年齢.tsv", "a\\b", "a\nb"])
def test_ordinary_paths_are_their_own_text(path: str) -> None:
    assert escape_path(path) == unescape_path(path) == path


def test_bytes_of_code_page_932() -> None:
    raw = "表.tsv".encode("cp932")
    assert escape_path(os.fsdecode(raw)) == r"\x95\x5c.tsv"
