"""Tables of every encoding, separator and line end come out as printed, and what was guessed or lost is reported."""

import contextlib
import csv
import io
import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decnef_data.errors import FormatError
from decnef_data.formats import tables
from decnef_data.formats.cells import fold
from decnef_data.formats.encodings import decode
from decnef_data.formats.tables import Table
from decnef_data.model import Remark

TEXT = "年齢\tsex\r\n31\t男性\r\n\t\r\n 7 \tn/a\r\n"
ROWS = {"年齢": ["31", "", " 7 "], "sex": ["男性", "", "n/a"]}
KNOWN = {"age", "sex", "年齢", "性別", "participant_id", "diagnosis(healthy=1, depression=2)", "mean fd"}


def is_known(header: str) -> bool:
    return header.casefold() in KNOWN


def read(text: str | bytes, file: str = "a.tsv") -> Table:
    data = text.encode() if isinstance(text, str) else text
    table = tables.read(data, file, is_known)
    assert table.n_rows_found == len(table.frame) + table.n_rows_blank + table.n_rows_skipped
    return table


def cells(table: Table) -> list[list[str]]:
    return [list(table.frame.columns), *table.frame.to_numpy().tolist()]


def rules(table: Table) -> list[str]:
    return [remark.rule for remark in table.remarks]


def warnings_of(table: Table) -> list[str]:
    return [remark.message for remark in table.remarks if remark.is_warning]


# Encodings


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932", "euc_jp", "utf-16", "iso2022_jp"])
@pytest.mark.parametrize("newline", ["\r\n", "\n", "\r", "\r\r\n"])
def test_encodings_and_line_ends(encoding: str, newline: str) -> None:
    table = read(TEXT.replace("\r\n", newline).encode(encoding))
    assert table.frame.to_dict("list") == ROWS
    assert [dtype.kind for dtype in table.frame.dtypes] == ["O", "O"]
    assert (table.encoding, table.n_rows_found, table.n_rows_blank) == (
        encoding.removesuffix("-sig"),
        3,
        0,
    )
    assert rules(table) == ([] if encoding.startswith("utf") else ["guessed-encoding"])


def test_mixed_line_ends_and_blank_lines() -> None:
    table = read("\n\nage\tsex\r\n31\t1\n\r\n   \n32\t2\r33\t1\r\r\n\n")
    assert cells(table) == [["age", "sex"], ["31", "1"], ["32", "2"], ["33", "1"]]
    assert (table.n_rows_found, table.n_rows_blank, table.remarks) == (8, 5, ())


@pytest.mark.parametrize("n_boms", [1, 2])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be"])
def test_byte_order_marks(n_boms: int, encoding: str) -> None:
    assert cells(read(("\ufeff" * n_boms + "age\tsex\n31\t1\n").encode(encoding))) == [
        ["age", "sex"],
        ["31", "1"],
    ]


def test_the_end_mark_of_dos() -> None:
    assert cells(read("age\tsex\r\n31\t1\r\n\x1a")) == [["age", "sex"], ["31", "1"]]


def test_a_guessed_encoding_is_reported() -> None:
    assert read("年齢\tsex\n31\t男\n".encode("euc_jp")).remarks == (
        Remark(
            "guessed-encoding",
            "'a.tsv' is not in UTF-8, and was read as EUC-JP, the most plausible encoding.",
            "a.tsv",
            is_warning=False,
        ),
    )


@pytest.mark.parametrize("encoding", ["utf-8", "cp932", "euc_jp"])
@pytest.mark.parametrize(
    "word", ["男", "女性", "健常者", "広島大学", "うつ病", "コントロール", "30歳", "ＳＷＡ病院"]
)
def test_each_encoding_of_japanese_is_told_by_one_word(encoding: str, word: str) -> None:
    text = f"participant_id\tnote\nsub-01\t{word}\n"
    assert decode(text.encode(encoding), "a.tsv").lines == tuple(text.splitlines())


@pytest.mark.parametrize("encoding", ["utf-8", "cp932", "euc_jp"])
@pytest.mark.parametrize("bad", [b"\xff", b"\x80"])
def test_one_bad_byte_is_named_with_its_line(encoding: str, bad: bytes) -> None:
    text = "年齢\tsex\tnote\n31\t男性\tX\n32\t女性\t-\n"
    table = read(text.encode(encoding).replace(b"X", bad))
    assert cells(table)[1:] == [["31", "男性", "\ufffd"], ["32", "女性", "-"]]
    name = {"utf-8": "UTF-8", "cp932": "cp932 (Shift JIS)", "euc_jp": "EUC-JP"}[encoding]
    assert warnings_of(table) == [
        f"'a.tsv' has bytes that cannot be decoded as {name}: see line 2. Each was read as '\ufffd'."
    ]


@pytest.mark.parametrize("index", range(len("participant_id\tage\tsex\nsub-01\t31\t1\n")))
def test_a_flipped_high_bit_is_never_a_letter_of_another_encoding(index: int) -> None:
    data = bytearray(b"participant_id\tage\tsex\nsub-01\t31\t1\n")
    data[index] ^= 0x80
    assert decode(bytes(data), "a.tsv").encoding == "utf-8"
    assert [remark.rule for remark in decode(bytes(data), "a.tsv").remarks] == ["undecodable-bytes"]


def test_lines_in_two_encodings() -> None:
    table = read("年齢\tsex\n31\t男性\n".encode() + "32\t女性\n".encode("cp932"))
    assert cells(table)[1:] == [["31", "男性"], ["32", "女性"]]
    assert warnings_of(table) == [
        "'a.tsv' is in UTF-8, but line 3 in another encoding. Check the letters there."
    ]


def test_a_letter_that_was_lost_before() -> None:
    assert warnings_of(read("age\tsex\n31\t\ufffd\n")) == [
        "'a.tsv' has bytes that cannot be decoded as UTF-8: see line 2. Each was read as '\ufffd'."
    ]


def test_invisible_and_full_width_letters_are_folded() -> None:
    table = read("\u200bage\t\u00a0sex\t\uff2eote\n\uff13\uff11\t1\u00ad\t健常者\n")
    assert cells(table) == [["age", " sex", "Note"], ["31", "1", "健常者"]]
    assert table.remarks == (
        Remark(
            "folded-letters",
            "5 cells of 'a.tsv' had invisible letters, full-width letters or special blanks. "
            "They were read as ordinary text.",
            "a.tsv",
            is_warning=False,
        ),
    )


# Separators


@pytest.mark.parametrize(
    ("separator", "name"),
    [
        ("\t", "tabs"),
        (",", "commas"),
        (";", "semicolons"),
        ("|", "vertical bars"),
        ("\uff0c", "full-width commas"),
        ("  ", "blanks"),
        ("\u3000", "blanks"),
    ],
)
def test_separators(separator: str, name: str) -> None:
    table = read(separator.join(["age", "sex"]) + "\n" + separator.join(["31", "1"]) + "\n", "a.txt")
    assert cells(table) == [["age", "sex"], ["31", "1"]]
    assert table.remarks == (
        Remark(
            "guessed-separator",
            f"The cells of 'a.txt' were read as separated by {name}, as its header suggests.",
            "a.txt",
            is_warning=False,
        ),
    )


@pytest.mark.parametrize(("separator", "file"), [("\t", "a.tsv"), (",", "A.CSV")])
def test_the_separator_that_the_suffix_states_is_not_a_guess(separator: str, file: str) -> None:
    assert read(f"age{separator}sex\n31{separator}1\n", file).remarks == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "Diagnosis(Healthy=1, Depression=2)\tage\n1\t30\n",
            [["Diagnosis(Healthy=1, Depression=2)", "age"], ["1", "30"]],
        ),
        ("age;sex;a,b,c,d\n30;1;x\n", [["age", "sex", "a,b,c,d"], ["30", "1", "x"]]),
        ("age|sex|a\tb\n30|1|x\n", [["age", "sex", "a\tb"], ["30", "1", "x"]]),
        ("Mean FD\n0.1\n", [["Mean FD"], ["0.1"]]),
        ("Mean FD\tage\n0.1\t30\n", [["Mean FD", "age"], ["0.1", "30"]]),
        ("x,y;z\n1,2;3\n", [["x", "y;z"], ["1", "2;3"]]),  # none is known: the first
        ("age sex\n31 1\n32 2\n", [["age", "sex"], ["31", "1"], ["32", "2"]]),
        ("subject name\nA B\n", [["subject name"], ["A B"]]),
    ],
)
def test_the_separator_is_the_one_that_gives_known_columns(text: str, expected: list[list[str]]) -> None:
    assert cells(read(text)) == expected


def test_without_known_columns_the_first_separator_in_the_header_counts() -> None:
    assert list(tables.read(b"age;a,b\n1;2,3\n", "a.csv").frame.columns) == ["age;a", "b"]
    assert list(tables.read(b"age sex\n1 2\n", "a.csv").frame.columns) == ["age sex"]


# Quotes


def test_cells_of_a_quoted_file() -> None:
    table = read('"PANSS, total",note,age\n"2,500","say ""no""",31\n,"",""\n', "a.csv")
    assert cells(table) == [["PANSS, total", "note", "age"], ["2,500", 'say "no"', "31"]]
    assert table.n_rows_blank == 1


def test_a_stray_quote_does_not_join_lines() -> None:
    table = read(
        'participant_id\tage\tnote\nsub-01\t30\t"tall\nsub-02\t31\tok\nsub-03\t32\t"short\nsub-04\t33\t"x"\n'
    )
    assert cells(table)[1:] == [
        ["sub-01", "30", '"tall'],
        ["sub-02", "31", "ok"],
        ["sub-03", "32", '"short'],
        ["sub-04", "33", "x"],
    ]
    assert warnings_of(table) == [
        (
            "'a.tsv' has a quotation mark that does not open and close a cell: see lines 2, 4. "
            "It was read as a letter, and each line as a row."
        )
    ]


def test_quotes_that_could_join_the_rows_of_participants_do_not() -> None:
    table = read(
        'participant_id,age,note\nsub-01,30,"tall\nsub-02,31,ok\nsub-03,32,short"\nsub-04,33,x\n', "a.csv"
    )
    assert [row[0] for row in cells(table)[1:]] == ["sub-01", "sub-02", "sub-03", "sub-04"]
    assert rules(table) == ["stray-quote"]


def test_a_quoted_cell_that_spans_lines_without_a_separator_in_it_is_one_cell() -> None:
    table = read('"age\n(years)",note\n31,"two\n\nlines"\n32,\n', "a.csv")
    assert cells(table) == [["age\n(years)", "note"], ["31", "two\n\nlines"], ["32", ""]]
    assert table.remarks == (
        Remark(
            "cell-over-lines",
            "'a.csv' has quoted cells that span lines, from lines 1, 3. Each was read as one cell.",
            "a.csv",
        ),
    )


def test_quotes_around_a_separator_that_are_letters() -> None:
    table = read('age\tsize\tnote\n31\t"5\t6"\n32\t7\tx\n')
    assert cells(table)[1:] == [["31", '"5', '6"'], ["32", "7", "x"]]
    assert rules(table) == ["stray-quote"]


def test_quotes_inside_a_cell_are_letters() -> None:
    table = read('age\tsize\n31\t5" tall\n32\ta "b" c\n')
    assert cells(table)[1:] == [["31", '5" tall'], ["32", 'a "b" c']]
    assert table.remarks == ()


def test_a_cell_may_be_long() -> None:
    limit = csv.field_size_limit()
    text = "x" * (limit + 1)
    assert cells(read(f'age\tnote\n31\t{text}\n32\t"{text}"\n'))[1:] == [["31", text], ["32", text]]


# Rows


def test_two_columns_of_one_name_are_kept() -> None:
    assert cells(read("a\ta\n1\t2\n")) == [["a", "a"], ["1", "2"]]


def test_a_table_without_rows() -> None:
    table = read("a\tb\n")
    assert (table.frame.shape, table.n_rows_found) == ((0, 2), 0)


def test_a_row_of_blank_cells_is_kept_but_at_the_end() -> None:
    table = read("age\tsex\n31\t1\n\t\n33\t1\n\t\n\n\t\t\n")
    assert cells(table)[1:] == [["31", "1"], ["", ""], ["33", "1"]]
    assert (table.n_rows_found, table.n_rows_blank, table.remarks) == (6, 3, ())


def test_short_rows_are_padded_and_named() -> None:
    table = read("age\tsex\tnote\n" + "31\t1\n" * 7 + "32\t2\tx\n33\n")
    assert cells(table)[1:] == [["31", "1", ""]] * 7 + [["32", "2", "x"], ["33", "", ""]]
    assert table.n_rows_padded == 8
    assert table.remarks == (
        Remark(
            "padded-rows",
            "'a.tsv' has rows with fewer cells than its header: see lines 2, 3, 4, 5, 6 and 3 more. "
            "The missing cells were left blank.",
            "a.tsv",
        ),
    )


def test_long_rows_are_skipped_and_named() -> None:
    table = read("age\tsex\n31\t1\t\t \n32\t2\t\tx\n33\t1\n")
    assert cells(table)[1:] == [["31", "1"], ["33", "1"]]
    assert table.n_rows_skipped == 1
    assert table.remarks == (
        Remark(
            "skipped-rows",
            "'a.tsv' has rows with more cells than its header: see line 3. They were not used.",
            "a.tsv",
        ),
    )


def test_columns_without_a_header_may_be_missing() -> None:
    table = read("age\tsex\t\t\n31\t1\n32\t2\t\t\n33\t1\tx\n")
    assert cells(table)[1:] == [["31", "1", "", ""], ["32", "2", "", ""], ["33", "1", "x", ""]]
    assert table.remarks == ()


def test_between_blanks_a_short_row_cannot_be_padded() -> None:
    table = read("age  sex  note\n31   1    x\n32   y\n33   2    z\n", "a.txt")
    assert cells(table)[1:] == [["31", "1", "x"], ["33", "2", "z"]]
    assert warnings_of(table) == [
        "'a.txt' has rows with another number of cells than its header: see line 3. They were not used."
    ]


# Commas in numbers


def test_decimal_commas_of_a_whole_column() -> None:
    table = read("age;FD;codes\n31;0,25;1,2\n32;1;x\n33;1,5;\n", "a.txt")
    assert cells(table)[1:] == [["31", "0.25", "1,2"], ["32", "1", "x"], ["33", "1.5", ""]]
    assert table.remarks[-1] == Remark(
        "decimal-comma",
        "Column 'FD' of 'a.txt' has decimal commas, such as '0,25'. They were read as decimal points.",
        "a.txt",
        "FD",
        is_warning=False,
    )


def test_commas_that_could_separate_thousands_stay() -> None:
    table = read("age\tTR\n31\t2,500\n32\t2,000\n")
    assert cells(table)[1:] == [["31", "2,500"], ["32", "2,000"]]
    assert table.remarks == (
        Remark(
            "ambiguous-comma",
            "Column 'TR' of 'a.tsv' has commas that are either decimal or between thousands, such as '2,500'. "
            "The cells were kept as printed; write them with points.",
            "a.tsv",
            "TR",
        ),
    )


# Rows without a header


@pytest.mark.parametrize("separator", ["\t", ",", ";", "|", "\uff0c"])
def test_rows_of_any_length(separator: str) -> None:
    lines = [["rsfMRI (EPI)"], ["Protocol #", "1", "2"], ["TR (s)", '"2,500"', "2.5"], ["Eyes", '"a', "b"]]
    rows = tables.read_rows("\r\r\n".join(map(separator.join, lines)).encode(), "a.tsv")
    assert rows.cells == [*lines[:2], ["TR (s)", "2,500", "2.5"], lines[3]]
    assert rows.separator == separator


def test_rows_of_commas_with_quotes() -> None:
    rows = tables.read_rows(b'rsfMRI (EPI)\n\nProtocol #,1,2\nTR (s),"2,500",2.5\n', "a.csv")
    assert rows.cells == [["rsfMRI (EPI)"], ["Protocol #", "1", "2"], ["TR (s)", "2,500", "2.5"]]
    assert rows.remarks == ()


def test_rows_report_what_was_repaired() -> None:
    rows = tables.read_rows('サイト\t広島\xa0\nTR\t"2\n'.encode(), "a.tsv", max_rows=2)
    assert rows.cells == [["サイト", "広島 "], ["TR", '"2']]
    assert [remark.rule for remark in rows.remarks] == ["stray-quote", "folded-letters"]


def test_the_first_rows() -> None:
    assert tables.read_rows(b"a\tb\n\nc\td\ne\tf\n", "a.tsv", max_rows=2).cells == [["a", "b"], ["c", "d"]]


# Files that are not tables


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "'a.tsv' is empty. Download it again, or omit it with strict=False."),
        (b"\xef\xbb\xbf\r\n \r\n", "'a.tsv' is empty. Download it again, or omit it with strict=False."),
        (b"\t\n1\t2\n", "Row 1 of 'a.tsv' is missing or blank. Fix the table, or download it again."),
        (b",\n,", "Row 1 of 'a.tsv' is missing or blank. Fix the table, or download it again."),
        (b"\n,,\n1,2,3\n", "Row 2 of 'a.tsv' is missing or blank. Fix the table, or download it again."),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n",
            "'a.tsv' is a Git LFS pointer, not the file itself. Run `git lfs pull` in its repository.",
        ),
        (
            b"age\tsex\n31\t\0\0\n",
            (
                "'a.tsv' is not a text file: byte 11 is NUL, as in binary files and UTF-16 without a BOM. "
                "Save it as text in UTF-8, or omit it with strict=False."
            ),
        ),
        (
            b"PK\x03\x04\x14\x00",
            (
                "'a.tsv' is not a text file: it is a ZIP archive or an Excel workbook. "
                "Save it as text in UTF-8, or omit it with strict=False."
            ),
        ),
        (
            b"\n<!DOCTYPE html>\n<html>",
            (
                "'a.tsv' is not a text file: it is a web page. "
                "Save it as text in UTF-8, or omit it with strict=False."
            ),
        ),
        (
            bytes(range(1, 256)),
            (
                "'a.tsv' is not a text file: 36 of its bytes cannot be letters in any known encoding. "
                "Save it as text in UTF-8, or omit it with strict=False."
            ),
        ),
        (
            b"About this dataset\n\nIt holds the data of one study in many hospitals.\nPlease cite the paper.\n",
            "'a.tsv' is not a table: it consists of sentences. Fix it, or omit it with strict=False.",
        ),
        (
            b"one, two\nthree\nfour, five, six\nseven\n",
            (
                "'a.tsv' is not a table: 3 of its 3 rows do not fit its header. "
                "Fix it, or omit it with strict=False."
            ),
        ),
    ],
)
def test_what_is_not_a_table_is_named(data: bytes, message: str) -> None:
    with pytest.raises(FormatError, match=f"^{re.escape(message)}$") as caught:
        tables.read(data, "a.tsv", is_known)
    assert caught.value.file == "a.tsv"


# Laws

LETTERS = st.one_of(
    st.sampled_from("年齢性別男女健常者広島大学うつ病カナ東京"),
    st.characters(min_codepoint=0x20, max_codepoint=0x7E, exclude_characters='\t,;|"'),
)
CELL = st.text(LETTERS, max_size=8).map(str.strip)
ROW = st.tuples(CELL, CELL, CELL)
HEADER = ("年齢", "性別", "備考を書く")


@given(
    st.lists(ROW, max_size=6),
    st.sampled_from(["\t", ",", ";", "|", "\uff0c"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp932", "euc_jp"]),
    st.sampled_from(["\n", "\r\n", "\r", "\r\r\n"]),
)
def test_rows_of_text_are_read_back(
    rows: list[tuple[str, str, str]], separator: str, encoding: str, newline: str
) -> None:
    text = newline.join(map(separator.join, [HEADER, *rows, ("x", "y", "z")]))
    table = read(text.encode(encoding))
    assert cells(table) == [list(HEADER), *map(list, rows), ["x", "y", "z"]]
    assert (table.separator, table.n_rows_blank) == (separator, 0)
    assert warnings_of(table) == []


ANY_CELL = st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="\ufffd"), max_size=8)


@given(st.lists(st.tuples(ANY_CELL, ANY_CELL, ANY_CELL), max_size=6), st.sampled_from([",", "\t"]))
def test_what_csv_writes_is_read_back(rows: list[tuple[str, str, str]], delimiter: str) -> None:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows(
        [("h1", "h2", "h3"), *rows, ("x", "y", "z")]
    )
    table = tables.read(text.getvalue().encode(), "a.csv")
    assert cells(table)[1:] == [*(list(map(fold, row)) for row in rows), ["x", "y", "z"]]


@given(st.binary(max_size=200))
def test_any_bytes_are_a_table_or_a_format_error(data: bytes) -> None:
    for content in (data, b"age\tsex\n" + data):
        with contextlib.suppress(FormatError):
            read(content)


@given(
    st.lists(st.sampled_from(["31\t1", "", "\t", "32", "33\t1\tx", '34\t"', '"35\n"\t1']), max_size=8),
    st.sampled_from(["\n", "\r\n", "\r\r\n"]),
)
def test_every_line_is_accounted_for(lines: Sequence[str], newline: str) -> None:
    table = read(newline.join(["age\tsex", *lines, "36\t2"]))
    n_lines = sum(line.count("\n") + 1 for line in lines) + 1
    n_joined = sum("\n" in row[0] for row in cells(table)[1:])
    assert table.n_rows_found == n_lines - n_joined
    assert table.n_rows_blank == lines.count("")
    named = {"padded-rows", "skipped-rows", "stray-quote", "cell-over-lines"} & set(rules(table))
    assert bool(table.n_rows_padded) == ("padded-rows" in named)
    assert bool(table.n_rows_skipped) == ("skipped-rows" in named)
