"""What happens to tables: their cells, columns and rows, their separators, line ends and encodings."""

import gzip
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.corruptions.copies import clean
from tests.corruptions.model import (
    Listing,
    Undetectable,
    find,
    main_table,
    map_column,
    rewrite,
    set_cell,
)

CORRUPTIONS = Listing()
corruption = CORRUPTIONS

_MAIN: Final = {
    "open": ("participants.tsv",),
    "1600": ("participants.tsv",),
    "ts-flat": ("participants.tsv",),
    "ts-bids": ("participants.tsv",),
    "fc": ("SUBINFO_ShowaU_for_SWA_N235.tsv",),
}
_FULL_WIDTH: Final = str.maketrans({number: 0xFF10 + number - 0x30 for number in range(0x30, 0x3A)})


def _lines(change: Callable[[list[str]], list[str]]) -> Callable[[Path], None]:
    """Change the lines of the main table; their ends stay."""

    def apply(root: Path) -> None:
        def changed(text: str) -> str:
            return "\n".join(change(text.removesuffix("\n").split("\n"))) + "\n"

        rewrite(main_table(root), changed)

    return apply


def _text(change: Callable[[str], str], encoding: str = "utf-8") -> Callable[[Path], None]:
    return lambda root: rewrite(main_table(root), change, encoding)


def _cell(row: int, column: str, value: str) -> Callable[[Path], None]:
    return lambda root: set_cell(main_table(root), row, column, value)


def _column(column: str, change: Callable[[str], str]) -> Callable[[Path], None]:
    return lambda root: map_column(main_table(root), column, change)


def _add_column(header: str, cells: tuple[str, ...]) -> Callable[[str], str]:
    """Add a column at the end, its cells repeated."""

    def changed(text: str) -> str:
        lines = text.removesuffix("\n").split("\n")
        added = [header, *(cells[row % len(cells)] for row in range(len(lines) - 1))]
        return "".join(f"{line.rstrip(chr(13))}\t{cell}\n" for line, cell in zip(lines, added, strict=True))

    return changed


def _row_above(row: str) -> Callable[[str], str]:
    return lambda text: f"{row}\n{text}"


# Separators, line ends, marks and encodings of the table of people.

_FORMS: Final[dict[str, Callable[[Path], None]]] = {
    "separator-semicolon": _text(lambda text: text.replace("\t", ";")),
    "separator-pipe": _text(lambda text: text.replace("\t", "|")),
    "separator-comma": _text(lambda text: re.sub(r"Healthy=1, D", "Healthy=1 D", text).replace("\t", ",")),
    "separator-full-width-comma": _text(lambda text: text.replace("\t", "\uff0c")),
    "separator-tab-and-blanks": _text(lambda text: text.replace("\t", " \t ")),
    "separator-mixed": _lines(lambda lines: [lines[0].replace("\t", ","), *lines[1:]]),
    "ends-cr-cr-lf": _text(lambda text: text.replace("\r", "").replace("\n", "\r\r\n")),
    "ends-cr": _text(lambda text: text.replace("\r", "").replace("\n", "\r")),
    "ends-mixed": _lines(lambda lines: [line.rstrip("\r") + "\r" * (row % 2) for row, line in enumerate(lines)]),
    "blank-lines": _text(lambda text: text.replace("\n", "\n\n")),
    "no-newline-at-the-end": _text(lambda text: text.rstrip("\r\n")),
    "mark": _text(lambda text: "\ufeff" + text),
    "two-marks": _text(lambda text: "\ufeff\ufeff" + text),
    "utf-16": _text(lambda text: text, "utf-16"),
    "utf-16-without-mark": _text(lambda text: text, "utf-16-le"),
    "utf-32": _text(lambda text: text, "utf-32"),
    "cp932": _text(_add_column("備考", ("高齢の方", "能力表ソ")), "cp932"),
    "euc-jp": _text(_add_column("備考", ("高齢の方", "能力表ソ")), "euc-jp"),
    "iso-2022-jp": _text(_add_column("備考", ("高齢の方", "能力表ソ")), "iso-2022-jp"),
    "quoted-cells": _text(lambda text: re.sub(r"[^\t\r\n]+", r'"\g<0>"', text)),
    "header-upper-case": _lines(lambda lines: [lines[0].upper(), *lines[1:]]),
    "header-with-blanks": _lines(lambda lines: [lines[0].replace("\t", " \t "), *lines[1:]]),
    "header-with-zero-width-letters": _lines(lambda lines: [lines[0].replace("\t", "\u200b\t\u200b"), *lines[1:]]),
    "header-with-no-break-spaces": _lines(lambda lines: [lines[0].replace("\t", "\xa0\t"), *lines[1:]]),
    "cells-with-zero-width-letters": _lines(
        lambda lines: [lines[0], *(line.replace("\t", "\u200b\t") for line in lines[1:])]
    ),
    "cells-with-no-break-spaces": _lines(
        lambda lines: [lines[0], *(line.replace("\t", "\xa0\t\xa0") for line in lines[1:])]
    ),
    "full-width-digits": _lines(
        lambda lines: [lines[0], *("\t".join([line.split("\t")[0], *line.translate(_FULL_WIDTH).split("\t")[1:]]) for line in lines[1:])]
    ),
    "trailing-tabs": _text(lambda text: re.sub(r"(?=\r?\n)", "\t\t", text)),
    "rows-in-another-order": _lines(lambda lines: [lines[0], *reversed(lines[1:])]),
    "title-above": _text(_row_above("Table of people, version 2")),
    "comment-above": _text(_row_above("# exported by hand")),
    "summary-below": _text(lambda text: f"{text}mean\t\t\t\t\t\t\t\n"),
    "no-header": _lines(lambda lines: lines[1:]),
    "header-twice": _lines(lambda lines: [lines[0], *lines]),
    "a-row-is-short": _lines(lambda lines: [*lines[:2], "\t".join(lines[2].split("\t")[:2]), *lines[3:]]),
    "a-row-is-long": _lines(lambda lines: [*lines[:2], f"{lines[2]}\tmore", *lines[3:]]),
    "a-tab-too-many": _lines(lambda lines: [*lines[:2], lines[2].replace("\t", "\t\t", 1), *lines[3:]]),
    "stray-quote": _lines(lambda lines: [*lines[:2], lines[2].replace("\t", '\t"', 1), *lines[3:]]),
    "two-stray-quotes": _lines(
        lambda lines: [lines[0], lines[1].replace("\t", '\t"', 1), lines[2], f'{lines[3]}"', *lines[4:]]
    ),
    "line-break-in-a-cell": _lines(lambda lines: [*lines[:2], lines[2].replace("\t", "\n\t", 1), *lines[3:]]),
    "cut-in-a-row": _text(lambda text: text[: int(len(text) * 0.7)]),
    "cut-after-the-header": _lines(lambda lines: lines[:1]),
    "a-byte-is-wrong": lambda root: main_table(root).write_bytes(
        main_table(root).read_bytes().replace(b"\n", b"\xff\n", 3)
    ),
    "zeros-at-the-end": lambda root: main_table(root).write_bytes(main_table(root).read_bytes() + bytes(64)),
    "zeros-only": lambda root: main_table(root).write_bytes(bytes(len(main_table(root).read_bytes()))),
    "empty": lambda root: main_table(root).write_bytes(b""),
    "a-page-of-html": lambda root: main_table(root).write_bytes(b"<!DOCTYPE html><html><body>Log in</body></html>\n"),
    "an-lfs-pointer": lambda root: main_table(root).write_bytes(
        b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 312\n"
    ),
    "a-row-is-dropped": _lines(lambda lines: [*lines[:2], *lines[3:]]),
    "a-row-is-there-twice": _lines(lambda lines: [*lines[:3], *lines[2:]]),
}  # fmt: skip
#: Of a row of srpbs-ts more is known than of one of people; the two forms have few other differences.
_ALSO_TRAVELING: Final = {
    "separator-semicolon", "ends-cr-cr-lf", "two-marks", "utf-16", "header-upper-case", "stray-quote",
    "a-row-is-short", "a-row-is-dropped", "a-row-is-there-twice", "cut-in-a-row", "empty", "no-header",
    "full-width-digits", "line-break-in-a-cell",
}  # fmt: skip
#: The same text in UTF-8, for encodings of a text that the clean copy does not have.
_REFERENCES: Final = dict.fromkeys(
    ("cp932", "euc-jp", "iso-2022-jp"), _text(_add_column("備考", ("高齢の方", "能力表ソ")))
)
_ORDER: Final = Undetectable("nothing but their order links rows to a matrix", ("swa-",))
for _name, _change in _FORMS.items():
    _also = " ts-flat ts-bids" if _name in _ALSO_TRAVELING else ""
    for _copy in f"open fc{_also}".split():
        # A dropped or cut row is known by the person whose images are there, or by the matrix.
        _people = {
            "open": ("sub-0002", "sub-0012", "sub-0020"),
            "ts-flat": ("sub-002", "sub-006", "sub-007", "sub-008"),
            "ts-bids": ("sub-01", "sub-02"),
            "fc": ("SWA_FC_Matrices_N235.mat",),
        }[_copy]
        corruption.add(
            f"table-{_name}", _copy, "people", _change, names=(*_MAIN[_copy], *_people), reference=_REFERENCES.get(_name),
            undetectable=_ORDER if (_copy, _name) == ("fc", "rows-in-another-order") else None,
        )  # fmt: skip


# Cells and columns of the table of people.

corruption.add(
    "one-age-is-another", "open 1600", "people", _cell(2, "age", "64"), names=("age",),
    undetectable=Undetectable("another sound age", ("sub-0002",), ("age",)),
)  # fmt: skip
corruption.add(
    "one-diagnosis-is-another", "open", "people", _cell(4, "diag", "2"), names=("diag", "diagnosis"),
    undetectable=Undetectable("another sound code", ("sub-0007",), ("diagnosis", "diagnosis_code")),
)  # fmt: skip
corruption.add(
    "men-are-women", "open", "people", _column("sex", lambda cell: {"1": "2", "2": "1"}[cell]), names=("sex",),
    undetectable=Undetectable("each code is sound, and nothing was published to compare", (), ("sex", "sex_code")),
)  # fmt: skip
corruption.add(
    "two-ages-are-swapped", "fc", "people",
    _text(lambda text: text.replace("\t30\t", "\t#\t").replace("\t31\t", "\t30\t").replace("\t#\t", "\t31\t")),
    names=("age",),
    undetectable=Undetectable("ages of two people, swapped", ("swa-0001", "swa-0002"), ("age",)),
)  # fmt: skip
corruption.add(
    "rows-of-a-matrix-table-are-permuted", "fc", "people", _lines(lambda lines: [lines[0], lines[2], lines[1], *lines[3:]]),
    names=("SUBINFO_ShowaU_for_SWA_N235.tsv",),
    undetectable=Undetectable("nothing but their order links rows to a matrix", ("swa-0001", "swa-0002")),
)  # fmt: skip
_DIAGNOSIS = ("diag", "diagnosis")
_RECODED: Final[tuple[tuple[str, str, Callable[[str], str], tuple[str, ...]], ...]] = (
    ("diag", "ten-more", lambda cell: str(int(cell) + 10), _DIAGNOSIS),
    ("diag", "japanese", lambda cell: {"0": "健常者", "2": "うつ病", "4": "統合失調症", "1": "自閉症"}[cell], _DIAGNOSIS),
    ("diag", "english", lambda cell: {"0": "control", "2": "depression", "4": "schizophrenia", "1": "autism"}[cell], _DIAGNOSIS),
    ("diag", "abroad", lambda cell: {"0": "sain", "2": "déprimé", "4": "schizophrène", "1": "autiste"}[cell], _DIAGNOSIS),
    ("diag", "with-decimals", lambda cell: f"{cell}.0", _DIAGNOSIS),
    ("diag", "blank", lambda cell: "", _DIAGNOSIS),
    ("diag", "question-marks", lambda cell: "?", _DIAGNOSIS),
    ("sex", "japanese", lambda cell: {"1": "男", "2": "女"}[cell], ("sex",)),
    ("sex", "japanese-words", lambda cell: {"1": "男性", "2": "女性"}[cell], ("sex",)),
    ("sex", "letters", lambda cell: {"1": "m", "2": "f"}[cell], ("sex",)),
    ("sex", "from-zero", lambda cell: str(int(cell) - 1), ("sex",)),
    ("hand", "from-ten", lambda cell: cell and str(int(cell) + 10), ("hand", "handedness")),
    ("hand", "letters", lambda cell: cell and {"1": "R", "2": "L", "0": "A"}[cell], ("hand", "handedness")),
    ("site", "lower-case", str.lower, ("site",)),
    ("site", "full-width", lambda cell: cell.translate({n: n + 0xFEE0 for n in range(0x41, 0x5B)}), ("site",)),
    ("site", "unknown", lambda cell: {"COI": "QQQ"}.get(cell, cell), ("site", "QQQ")),
    ("site", "blank", lambda cell: "", ("site",)),
    ("site", "numbers", lambda cell: str(["COI", "KUT", "SWA", "HUH"].index(cell)), ("site",)),
    ("age", "words", lambda cell: f"{cell} years", ("age",)),
    ("age", "kanji", lambda cell: f"{cell}歳", ("age",)),
    ("age", "ranges", lambda cell: f"{int(cell) // 10 * 10}-{int(cell) // 10 * 10 + 9}", ("age",)),
    ("age", "decimal-commas", lambda cell: f"{cell},0", ("age",)),
    ("age", "years-of-birth", lambda cell: str(2010 - int(cell)), ("age",)),
    ("age", "negative", lambda cell: f"-{cell}", ("age",)),
    ("protocol", "unknown", lambda cell: {"5": "77"}.get(cell, cell), ("protocol", "77")),
    ("protocol", "words", lambda cell: f"P{cell}", ("protocol",)),
    ("sup", "unknown", lambda cell: "9", ("sup", "sup9", "sup9.tsv")),
    ("participant_id", "numbers", lambda cell: cell.removeprefix("sub-"), ("participants.tsv", "participant_id")),
    ("participant_id", "without-zeros", lambda cell: f"sub-{int(cell[4:])}", ("participants.tsv", "participant_id")),
    ("participant_id", "upper-case", str.upper, ("participants.tsv", "participant_id")),
    ("participant_id", "with-decimals", lambda cell: f"{int(cell[4:])}.0", ("participants.tsv", "participant_id")),
    ("participant_id", "other-names", lambda cell: f"P-{cell[4:]}", ("participants.tsv", "participant_id", "sub-0001")),
    ("participant_id", "underscores", lambda cell: cell.replace("-", "_"), ("participants.tsv", "participant_id", "sub-0001")),
)  # fmt: skip
#: Words that are read: the label is the same, the code is kept as printed.
_PRINTED: Final = {
    (column, how): Undetectable("the label is the same; its code is kept as printed", (), (f"{name}_code",))
    for column, name, ways in (
        ("diag", "diagnosis", ("japanese", "english", "with-decimals")),
        ("sex", "sex", ("japanese", "japanese-words", "letters")),
        ("hand", "handedness", ("letters",)),
        ("site", "site", ("lower-case",)),
    )
    for how in ways
}
for _column_name, _how, _function, _names in _RECODED:
    corruption.add(
        f"{_column_name}-{_how}", "open", "people", _column(_column_name, _function), names=_names,
        undetectable=_PRINTED.get((_column_name, _how)),
    )  # fmt: skip
_CELLS: Final = (
    ("open", 3, "diag", "12", ("diag", "diagnosis", "sub-0003")),
    ("open", 3, "diag", "2.5", ("diag", "diagnosis", "sub-0003")),
    ("open", 3, "diag", "2?", ("diag", "diagnosis", "sub-0003")),
    ("open", 3, "sex", "3", ("sex", "sub-0003")),
    ("open", 3, "hand", "9", ("hand", "handedness", "sub-0003")),
    ("open", 3, "age", "400", ("age", "sub-0003")),
    ("open", 3, "age", "NA", ("age", "sub-0003")),
    ("open", 3, "age", "4l", ("age", "sub-0003")),
    ("open", 3, "age", "inf", ("age", "sub-0003")),
    ("open", 3, "site", "COl", ("site", "sub-0003")),
    ("open", 3, "protocol", "5.5", ("protocol", "sub-0003")),
    ("open", 3, "participant_id", "", ("sub-0003",)),
    ("open", 3, "participant_id", "sub-0001", ("sub-0001", "sub-0003")),
    ("open", 3, "participant_id", "sub-0033", ("sub-0033", "sub-0003")),
    ("1600", 6, "diag", "66", ("diag", "diagnosis", "sub-0201")),
    ("1600", 6, "site", "OSUNKN", ("site", "sub-0201", "OSUNKN")),
    ("ts-flat", 3, "Site", "QQQ", ("Site", "site", "sub-003", "QQQ")),
    ("ts-flat", 3, "sex", "7", ("sex", "sub-003")),
    ("ts-flat", 3, "Subject", "", ("Subject", "subject", "sub-003")),
    ("ts-flat", 3, "participants_id", "sub-033", ("sub-033", "sub-003")),
    ("ts-bids", 2, "sex", "X", ("sex", "sub-02")),
    ("ts-bids", 2, "age", "young", ("age", "sub-02")),
    ("ts-bids", 2, "participant_id", "sub-2x", ("sub-2x", "sub-02")),
    ("fc", 2, "Diagnosis", "7", ("Diagnosis", "diagnosis")),
    ("fc", 2, "Sex", "3", ("Sex", "sex")),
    ("fc", 2, "Age", "thirty", ("Age", "age")),
    ("fc", 2, "meanFD", "0,25", ("meanFD", "mean_fd")),
    ("fc", 2, "meanFD", "-0.25", ("meanFD", "mean_fd")),
)
for _copy, _row, _column_name, _value, _names in _CELLS:
    corruption.add(
        f"cell-{_column_name}-is-{_value or 'blank'}",
        _copy,
        "people",
        _cell(_row, _column_name, _value),
        names=_names,
    )


@corruption("two-sites-are-swapped", "open", "people", names=("site", "COI", "KUT"))
def _swap_sites(root: Path) -> None:
    map_column(main_table(root), "site", lambda cell: {"COI": "KUT", "KUT": "COI"}.get(cell, cell))


@corruption(
    "a-person-has-a-row-for-each-session",
    "open",
    "people",
    names=("participants.tsv", "sub-0001"),
    undetectable=Undetectable(
        "rows that say the same are one; the new column is kept", (), ("table_session",)
    ),
)
def _row_per_session(root: Path) -> None:
    def changed(text: str) -> str:
        head, *rows = text.splitlines()
        return "\n".join([f"{head}\tsession", *(f"{row}\t{at}" for row in rows for at in (1, 2))]) + "\n"

    rewrite(main_table(root), changed)


@corruption("a-person-has-two-rows-that-differ", "open", "people", names=("participants.tsv", "sub-0003"))
def _two_rows(root: Path) -> None:
    rewrite(main_table(root), lambda text: f"{text}sub-0003\tKUT\t6\t0\t20\t1\t1\t4\n")


@corruption("columns-are-in-another-order", "open fc ts-flat", "people", names=("participants.tsv",))
def _permute_columns(root: Path) -> None:
    def changed(text: str) -> str:
        rows = [line.rstrip("\r").split("\t") for line in text.splitlines()]
        return "".join("\t".join([row[0], *reversed(row[1:])]) + "\n" for row in rows)

    rewrite(main_table(root), changed)


def _change_header(before: str, after: str) -> Callable[[Path], None]:
    return _lines(
        lambda lines: [re.sub(rf"(?<=\t){re.escape(before)}(?=[\t\r]|$)", after, lines[0]), *lines[1:]]
    )


for _before, _after in (
    ("diag", "dgn"),
    ("site", "place"),
    ("protocol", "proto"),
    ("age", "years"),
    ("sex", "s"),
):
    corruption.add(
        f"column-{_before}-has-another-name", "open", "people", _change_header(_before, _after),
        names=(_before, _after, {"diag": "diagnosis"}.get(_before, _before)),
    )  # fmt: skip
corruption.add("column-Diagnosis-has-another-name", "fc", "people", _change_header("Diagnosis", "Gruppe"), names=("diagnosis", "Gruppe", "SUBINFO_ShowaU_for_SWA_N235.tsv"))  # fmt: skip
corruption.add("two-headers-are-swapped", "open", "people", _lines(lambda lines: [lines[0].replace("sex\thand", "hand\tsex"), *lines[1:]]), names=("sex", "hand", "handedness"))  # fmt: skip
corruption.add("id-column-has-no-name", "open", "people", _lines(lambda lines: [lines[0].replace("participant_id", ""), *lines[1:]]), names=("participants.tsv",))  # fmt: skip
corruption.add("id-column-has-another-name", "open", "people", _lines(lambda lines: [lines[0].replace("participant_id", "code"), *lines[1:]]), names=("participants.tsv",))  # fmt: skip


def _doubled(header: str, change: Callable[[str], str]) -> Callable[[Path], None]:
    """Add the column once more, with other cells."""

    def apply(root: Path) -> None:
        rows = [line.split("\t") for line in main_table(root).read_text().splitlines()]
        index = rows[0].index(header)
        added = [header, *(change(row[index]) for row in rows[1:])]
        text = "".join("\t".join([*row, cell]) + "\n" for row, cell in zip(rows, added, strict=True))
        main_table(root).write_text(text)

    return apply


corruption.add(
    "column-diag-is-there-twice", "open", "people", _doubled("diag", lambda cell: "0"), names=_DIAGNOSIS
)
corruption.add(
    "column-age-is-there-twice", "open", "people", _doubled("age", lambda cell: "99"), names=("age",)
)
corruption.add(
    "column-Sex-is-there-twice", "fc", "people", _doubled("Sex", lambda cell: "male"), names=("sex", "Sex")
)


def _without_column(header: str) -> Callable[[Path], None]:
    def apply(root: Path) -> None:
        rows = [line.split("\t") for line in main_table(root).read_text().splitlines()]
        index = rows[0].index(header)
        main_table(root).write_text("".join("\t".join(row[:index] + row[index + 1 :]) + "\n" for row in rows))

    return apply


for _copy, _header, _names in (
    ("open", "diag", _DIAGNOSIS), ("open", "site", ("site",)), ("open", "sex", ("sex",)),
    ("open", "protocol", ("protocol",)), ("open", "participant_id", ("participants.tsv", "participant_id")),
    ("fc", "Diagnosis", _DIAGNOSIS), ("fc", "meanFD", ("mean_fd", "meanFD")),
):  # fmt: skip
    corruption.add(
        f"column-{_header}-is-gone", _copy, "people", _without_column(_header), names=(*_names, *_MAIN[_copy])
    )

# srpbs-fc: a recoded table, and headers that state no codes or others.

corruption.add("codes-of-showa-are-those-of-mri", "fc", "people", _column("Diagnosis", lambda cell: {"2": "4"}.get(cell, cell)), names=_DIAGNOSIS)  # fmt: skip
corruption.add("sex-of-showa-is-in-codes", "fc", "people", _column("Sex", lambda cell: {"male": "1", "female": "2"}[cell]), names=("sex", "Sex"))  # fmt: skip
corruption.add("sex-of-showa-is-in-other-codes", "fc", "people", _column("Sex", lambda cell: {"male": "2", "female": "1"}[cell]), names=("sex", "Sex"))  # fmt: skip


@corruption(
    "header-of-hiroshima-states-no-codes",
    "fc",
    "people",
    names=("SUBINFO_HiroshimaU.tsv", "diagnosis", "Diagnosis"),
)
def _bare_header(root: Path) -> None:
    rewrite(find(root, "SUBINFO_HiroshimaU.tsv"), lambda text: text.replace("(Healthy=1, Depression=2)", ""))


@corruption(
    "header-of-hiroshima-states-other-codes",
    "fc",
    "people",
    names=("SUBINFO_HiroshimaU.tsv", "diagnosis", "Diagnosis"),
)
def _other_header(root: Path) -> None:
    rewrite(
        find(root, "SUBINFO_HiroshimaU.tsv"),
        lambda text: text.replace("Healthy=1, Depression=2", "Healthy=2, Depression=1"),
    )


# The table as a file.

_PEOPLE_FILE: Final = {"open": "participants.tsv", "ts-flat": "participants.tsv", "ts-bids": "participants.tsv", "fc": "SUBINFO_ShowaU_for_SWA_N235.tsv"}  # fmt: skip


def _renamed(new: Callable[[Path], str]) -> Callable[[Path], None]:
    def apply(root: Path) -> None:
        path = main_table(root)
        path.rename(path.with_name(new(path)))

    return apply


def _gzipped(root: Path) -> None:
    path = main_table(root)
    path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()


for _how, _file_change in {
    "is-gone": lambda root: main_table(root).unlink(),
    "is-gzipped": _gzipped,
    "has-an-old-name": _renamed(lambda path: f"{path.stem}_old{path.suffix}"),
    "is-called-csv": _renamed(lambda path: f"{path.stem}.csv"),
    "is-in-capitals": _renamed(lambda path: path.name.upper()),
    "is-a-second-download": _renamed(lambda path: f"{path.stem} (1){path.suffix}"),
    "has-no-suffix": _renamed(lambda path: path.stem),
    "is-an-office-file": _renamed(lambda path: f"{path.stem}.xlsx"),
    "is-hidden": _renamed(lambda path: f".{path.name}"),
}.items():
    for _copy, _file in _PEOPLE_FILE.items():
        _stem = _file.removesuffix(".tsv")
        corruption.add(
            f"table-{_how}", _copy, "people", _file_change, order=1,
            undetectable=Undetectable("another name of the table, and the same rows", (), ("source_table",)) if _copy == "fc" else None,
            names=(_file, _stem, f"{_stem}_old", "SWA_FC_Matrices_N235.mat", _file.upper(), _stem.upper()),
        )  # fmt: skip


def _beside(path: str, content: str | Callable[[Path], str]) -> Callable[[Path], None]:
    """Add a file; its path begins at the top folder."""

    def apply(root: Path) -> None:
        (top,) = root.iterdir()
        text = content if isinstance(content, str) else content(root)
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        (top / path).write_text(text)

    return apply


def _ids(root: Path) -> str:
    rows = main_table(root).read_text().splitlines()
    return "".join(f"{row.split(chr(9))[0]}\n" for row in rows)


def _recoded_table(root: Path) -> str:
    return main_table(root).read_text().replace("\t2\t40\t", "\t0\t50\t")


_JOINED: Final = Undetectable(
    "a further table of our people joins under its name", (), ("participants_new_*",)
)
for _where in ("data/participants.tsv", "derivatives/participants.tsv", "bids/participants.tsv", "code/participants.tsv", "backup/participants.tsv", "participants.csv", "participants_new.tsv", "Participants.tsv"):  # fmt: skip
    corruption.add(f"ids-only-in-{_where.replace('/', '-')}", "open", "second table", _beside(_where, _ids), names=(_where, _where.split("/")[0]))  # fmt: skip
    corruption.add(f"other-labels-in-{_where.replace('/', '-')}", "open", "second table", _beside(_where, _recoded_table), names=(_where, _where.split("/")[0]), undetectable=_JOINED if "_new" in _where else None)  # fmt: skip
corruption.add("list-of-ids", "open ts-flat", "second table", _beside("subjects.txt", lambda root: _ids(root).split("\n", 1)[1]), names=("subjects.txt",))  # fmt: skip
corruption.add("list-of-ids-with-a-header", "open ts-bids", "second table", _beside("subjects.tsv", _ids), names=("subjects.tsv",))  # fmt: skip
corruption.add("list-of-runs-excluded", "open", "second table", _beside("exclude.csv", "subject,reason\nsub-0003,motion\n"), names=("exclude.csv",), undetectable=Undetectable("a further table of our people joins under its name", (), ("exclude_*",)))  # fmt: skip
corruption.add("table-of-sessions", "ts-bids", "second table", _beside("sourcedata/sub-01/sub-01_sessions.tsv", "session_id\tage\nses-siteCOI\t99\n"), names=("sub-01_sessions.tsv",))  # fmt: skip
corruption.add("second-table-of-showa", "fc", "second table", _beside("ShowaU/SUBINFO_ShowaU_new.tsv", "ID\tSex\tAge\tDiagnosis\nS1\tmale\t60\t2\nS2\tmale\t61\t2\nS3\tmale\t62\t2\n"), names=("SUBINFO_ShowaU_new.tsv",))  # fmt: skip
corruption.add("table-without-a-matrix", "fc", "second table", _beside("OsakaU/SUBINFO_OsakaU_N82.tsv", "ID\tsex\tage\tcondition\n1\tmale\t60\t1\n2\tmale\t61\t1\n"), names=("SUBINFO_OsakaU_N82.tsv", "OsakaU"))  # fmt: skip


# The table of protocols.

_PROTOCOLS: Final = ("MRI_protocols_rsMRI.tsv",)


def _protocols(change: Callable[[str], str], encoding: str = "utf-8") -> Callable[[Path], None]:
    return lambda root: rewrite(find(root, "MRI_protocols_rsMRI.tsv"), change, encoding)


_TR = ("TR", "repetition_time", "TR (s)")
corruption.add("protocols-without-tr", "open", "protocols", _protocols(lambda text: re.sub(r"TR \(s\).*\r\n", "", text)), names=(*_PROTOCOLS, *_TR))  # fmt: skip
corruption.add("protocols-tr-in-ms", "open", "protocols", _protocols(lambda text: re.sub(r"TR \(s\).*\r\n", "TR (s)\t2500\t2000\t2500\t2500\r\n", text)), names=(*_PROTOCOLS, *_TR))  # fmt: skip
corruption.add("protocols-tr-is-another", "open", "protocols", _protocols(lambda text: text.replace("TR (s)\t2.5", "TR (s)\t1.5")), names=(*_PROTOCOLS, *_TR))  # fmt: skip
corruption.add("protocols-tr-is-a-word", "open", "protocols", _protocols(lambda text: text.replace("TR (s)\t2.5", "TR (s)\tunknown")), names=(*_PROTOCOLS, *_TR))  # fmt: skip
corruption.add("protocols-tr-with-a-decimal-comma", "open", "protocols", _protocols(lambda text: text.replace("TR (s)\t2.5", "TR (s)\t2,5")), names=(*_PROTOCOLS, *_TR))  # fmt: skip
corruption.add("protocols-row-is-short", "open", "protocols", _protocols(lambda text: text.replace("TR (s)\t2.5\t2\t2.5", "TR (s)\t2.5\t2")), names=_PROTOCOLS)  # fmt: skip
corruption.add("protocols-columns-are-shifted", "open", "protocols", _protocols(lambda text: text.replace("\t1\t2\t5\t6", "\t2\t5\t6\t1")), names=_PROTOCOLS)  # fmt: skip
corruption.add("protocols-number-is-there-twice", "open", "protocols", _protocols(lambda text: text.replace("\t1\t2\t5\t6", "\t1\t5\t5\t6")), names=_PROTOCOLS)  # fmt: skip
corruption.add("protocols-without-a-title", "open", "protocols", _protocols(lambda text: text.replace("rsfMRI (EPI)\r\n", "")), names=_PROTOCOLS)  # fmt: skip
corruption.add("protocols-lf", "open", "protocols", _protocols(lambda text: text.replace("\r\n", "\n")), names=_PROTOCOLS)  # fmt: skip
corruption.add("protocols-comma", "open", "protocols", _protocols(lambda text: text.replace('"2,500"', "2500").replace("2500", "2.5").replace("\t", ",")), names=_PROTOCOLS)  # fmt: skip
corruption.add("protocols-utf-16", "open", "protocols", _protocols(lambda text: text, "utf-16"), names=_PROTOCOLS)  # fmt: skip
corruption.add("protocols-are-gone", "open", "protocols", lambda root: find(root, "MRI_protocols_rsMRI.tsv").unlink(), names=(*_PROTOCOLS, "protocol"))  # fmt: skip
corruption.add("protocols-are-empty", "open", "protocols", lambda root: find(root, "MRI_protocols_rsMRI.tsv").write_bytes(b""), names=_PROTOCOLS)  # fmt: skip
corruption.add("protocols-have-another-name", "open", "protocols", lambda root: find(root, "MRI_protocols_rsMRI.tsv").rename(root / "SRPBS_OPEN/parameters.tsv") and None, names=(*_PROTOCOLS, "parameters.tsv"), order=1)  # fmt: skip
corruption.add("protocols-spelt-well", "open", "protocols", _protocols(lambda text: text.replace("Magnitic", "Magnetic").replace("angel", "angle").replace("Phse", "Phase")), names=_PROTOCOLS)  # fmt: skip
_T1_PROTOCOLS = "T1 (MPRAGE)\r\nProtocol #\t1\t2\t5\t6\r\nTR (s)\t0.0023\t6.8\t2.3\t2\r\nTE (ms)\t2.98\t1.9\t2.98\t3.4\r\n"
corruption.add("protocols-of-t1-beside", "open", "second protocols", _beside("MRI_protocols_T1.tsv", _T1_PROTOCOLS), names=("MRI_protocols_T1.tsv",))  # fmt: skip
corruption.add("protocols-of-t1-sort-first", "open", "second protocols", _beside("A_MRI_protocols_T1.tsv", _T1_PROTOCOLS), names=("A_MRI_protocols_T1.tsv",))  # fmt: skip


def _conflicting_protocols(root: Path) -> str:
    return find(root, "MRI_protocols_rsMRI.tsv").read_text().replace("TR (s)\t2.5", "TR (s)\t0.8")


corruption.add("protocols-twice-in-conflict", "open", "second protocols", _beside("old/MRI_protocols_rsMRI.tsv", _conflicting_protocols), names=("old/MRI_protocols_rsMRI.tsv", "old"))  # fmt: skip
corruption.add("protocols-twice-under-another-name", "open", "second protocols", _beside("MRI_protocols_rsMRI_v2.tsv", _conflicting_protocols), names=("MRI_protocols_rsMRI_v2.tsv",))  # fmt: skip


# Supplementary tables.

_SUP2: Final = ("sup2.tsv", "sup2")


def _sup2(change: Callable[[str], str], encoding: str = "utf-8") -> Callable[[Path], None]:
    return lambda root: rewrite(find(root, "sup2.tsv"), change, encoding)


for _how, _file_change in {
    "numbers": _sup2(lambda text: text.replace("sub-000", "").replace("sub-00", "")),
    "padded-numbers": _sup2(lambda text: text.replace("sub-", "")),
    "one-unknown": _sup2(lambda text: f"{text}sub-0999\t12\r\n"),
    "most-unknown": _sup2(lambda text: text + "".join(f"sub-09{at}\t12\r\n" for at in range(10, 19))),
    "one-twice": _sup2(lambda text: f"{text}sub-0002\t5\r\n"),
    "one-twice-equal": _sup2(lambda text: f"{text}sub-0002\t21\r\n"),
    "one-dropped": _sup2(lambda text: text.replace("sub-0002\t21\r\n", "")),
    "utf-16": _sup2(lambda text: text, "utf-16"),
    "semicolon": _sup2(lambda text: text.replace("\t", ";")),
    "id-without-a-header": _sup2(lambda text: text.replace("participant_id", "")),
    "word-in-a-number": _sup2(lambda text: text.replace("\t21", "\tabout 21")),
    "short-row": _sup2(lambda text: text.replace("sub-0002\t21", "sub-0002")),
    "is-gone": lambda root: find(root, "sup2.tsv").unlink(),
    "is-empty": lambda root: find(root, "sup2.tsv").write_bytes(b""),
    "in-a-folder": _beside("tables/old/sup2.tsv", "participant_id\tBDI-II\nsub-0001\t50\n"),
    "other-column-in-a-folder": _beside("tables/old/sup2.tsv", "participant_id\tHAMD\nsub-0001\t50\n"),
    "twice": _beside("sup2.csv", "participant_id,BDI-II\nsub-0001,50\nsub-0002,51\n"),
}.items():  # fmt: skip
    corruption.add(f"sup2-{_how}", "open", "sup2", _file_change, names=(*_SUP2, "sup2.csv", "sub-0002"))
corruption.add(
    "one-score-is-another", "open", "sup2", _sup2(lambda text: text.replace("\t21", "\t22")), names=_SUP2,
    undetectable=Undetectable("another sound score", ("sub-0002",), ("sup2_bdi_ii",)),
)  # fmt: skip

assert all(clean(one.copy) for one in CORRUPTIONS.found)
