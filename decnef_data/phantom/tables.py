"""The tables beside the matrices, each institute's in its own way: headers, codes, gaps, encoding."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from decnef_data.phantom.draws import Draws
from decnef_data.phantom.people import Person

__all__ = ["DIAGNOSIS_CODES", "SHEETS", "Column", "Sheet", "render"]

#: Codes of the published tables.
DIAGNOSIS_CODES = {
    "HC": "0",
    "ASD": "1",
    "MDD": "2",
    "OCD": "3",
    "SSD": "4",
    "pain": "5",
    "stroke": "6",
    "BP": "7",
    "dysthymia": "8",
    "other": "99",
}
_SHOWA_CODES = {"HC": "0", "ASD": "1", "SSD": "2"}
_HIROSHIMA_CODES = {"HC": "1", "MDD": "2"}

Cell = Callable[[int, Person, Draws], str]


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its header as printed, its cells, and which of them are missing.

    From row ``first_gap`` (0: never) every ``gap``-th cell says ``missing`` instead.
    """

    header: str
    cell: Cell
    missing: str = ""
    first_gap: int = 0
    gap: int = 1000

    def text(self, row: int, person: Person, draws: Draws) -> str:
        """The cell of `person` in `row` (from 1)."""
        text = self.cell(row, person, draws)
        gone = self.first_gap and row >= self.first_gap and (row - self.first_gap) % self.gap == 0
        return self.missing if gone else text


@dataclass(frozen=True, slots=True)
class Sheet:
    """One institute's way of writing a table."""

    columns: tuple[Column, ...]
    encoding: Literal["utf-8", "utf-8-sig", "cp932"] = "utf-8"
    delimiter: str = "\t"
    newline: str = "\n"
    quoting: Literal[0, 1] = csv.QUOTE_MINIMAL


def render(sheet: Sheet, name: str, people: Sequence[Person]) -> bytes:
    r"""The table of `people` as bytes; scales are drawn, the same for the same `name`.

    Examples
    --------
    >>> render(Sheet((Column("age", lambda row, person, draws: str(row)),)), "none", ())
    b'age\n'
    """
    draws = Draws(f"table of {name}")
    text = io.StringIO()
    writer = csv.writer(text, delimiter=sheet.delimiter, lineterminator=sheet.newline, quoting=sheet.quoting)
    writer.writerow([column.header for column in sheet.columns])
    for row, person in enumerate(people, 1):
        writer.writerow([column.text(row, person, draws) for column in sheet.columns])
    return text.getvalue().encode(sheet.encoding)


def _number(header: str) -> Column:
    return Column(header, lambda row, _person, _draws: str(row))


def _of(header: str, field: str, missing: str = "", first_gap: int = 0, gap: int = 1000) -> Column:
    return Column(header, lambda _row, person, _draws: str(getattr(person, field)), missing, first_gap, gap)


def _motion(header: str, missing: str = "", first_gap: int = 0) -> Column:
    return Column(header, lambda _row, person, _draws: f"{person.mean_fd:.3f}", missing, first_gap)


def _diagnosis(header: str, codes: Mapping[str, str]) -> Column:
    return Column(header, lambda _row, person, _draws: codes[person.diagnosis])


def _scale(header: str, limits: tuple[int, int], missing: str, first_gap: int = 0, gap: int = 1000) -> Column:
    return Column(header, lambda _row, _person, draws: str(draws.between(*limits)), missing, first_gap, gap)


def _patients(header: str, texts: Sequence[str]) -> Column:
    """Drawn from `texts` for patients, blank for the healthy."""
    weighted = tuple((text, 1) for text in texts)
    return Column(
        header,
        lambda _row, person, draws: "" if person.diagnosis == "HC" else draws.choose(weighted),
    )


_SYNTHETIC = Column("synthetic", lambda _row, _person, _draws: "1")

_TOKYO = (
    _number("No"),
    _of("age", "age", "", 23, 90),
    _of("sex", "sex"),
    _of("hand", "handedness", "", 9, 50),
    _motion("mean_FD", "n/a", 37),
    _scale("JART IQ", (70, 125), "n/a", 3, 7),
    _SYNTHETIC,
)

#: Each institute's way; comments say what is known of the release, all other headers are merely plausible.
SHEETS: Mapping[str, Sheet] = {
    # -1000 for missing is known of ATR's tables.
    "atr": Sheet(
        columns=(
            _number("ID"),
            _of("Site", "site"),
            _of("Scanner", "scanner"),
            _diagnosis("Diagnosis", DIAGNOSIS_CODES),
            _of("Age", "age"),
            _of("Sex", "sex"),
            _of("Handedness", "handedness", "-1000", 5, 20),
            _motion("FD", "-1000", 31),
            _scale("BDI-II", (0, 30), "-1000", 2, 3),
            _SYNTHETIC,
        ),
    ),
    # The diagnosis is the file name's suffix; the siblings' tables say it too.
    "tokyo": Sheet(columns=_TOKYO, encoding="utf-8-sig", newline="\r\n"),
    "tokyo siblings": Sheet(
        columns=(_TOKYO[0], _diagnosis("diag", DIAGNOSIS_CODES), *_TOKYO[1:]),
        encoding="utf-8-sig",
        newline="\r\n",
    ),
    # Two scanners' people are pooled, and the site is not told; the diagnosis is the folder's name.
    "kyoto": Sheet(
        columns=(
            _number("subject no."),
            _of("Age (years)", "age"),
            _of("Gender", "sex"),
            _of("Handedness", "handedness"),
            _of("MRI Scanner", "scanner"),
            _motion("FD_mean"),
            _scale("PANSS, total", (30, 110), "NaN", 1, 2),
            _SYNTHETIC,
        ),
        delimiter=",",
        newline="\r\n",
        quoting=csv.QUOTE_ALL,
    ),
    "prefectural": Sheet(
        columns=(
            _number("番号"),
            _of("年齢", "age"),
            _of("性別", "sex"),
            _of("利き手", "handedness"),
            _diagnosis("診断", DIAGNOSIS_CODES),
            _motion("FD\uff08mm\uff09"),
            _scale("Y-BOCS", (8, 40), "", 4),
            _SYNTHETIC,
        ),
        encoding="cp932",
        delimiter=",",
        newline="\r\n",
    ),
    # Diagnosis 0, 2 and 1 are known of this table.
    "showa": Sheet(
        columns=(
            _number("No."),
            _diagnosis("Diagnosis", _SHOWA_CODES),
            _of("Age", "age"),
            _of("Sex", "sex"),
            _of("Hand", "handedness", "", 11, 60),
            _motion("meanFD", "", 77),
            _scale("AQ", (5, 48), "", 4, 5),
            _SYNTHETIC,
        ),
    ),
    # The header of the diagnosis is known, literally; four sites' people are pooled.
    "hiroshima": Sheet(
        columns=(
            _number("Subject"),
            _diagnosis("Diagnosis(Healthy=1, Depression=2)", _HIROSHIMA_CODES),
            _of("Age", "age"),
            _of("Sex", "sex"),
            _of("Handedness", "handedness"),
            _motion("Mean FD (mm)"),
            _scale("BDI-II", (0, 55), "", 10, 25),
            _SYNTHETIC,
        ),
        newline="\r\n",
    ),
    # Condition, VAS, SF-MPQ2, pain side, site and % frames kept are known, their spelling is not.
    "osaka": Sheet(
        columns=(
            _number("ID"),
            _diagnosis("condition", DIAGNOSIS_CODES),
            _of("site", "site"),
            _of("age", "age"),
            _of("sex", "sex"),
            _of("handedness", "handedness"),
            _patients("VAS", [str(score) for score in range(2, 101)]),
            _patients("SF-MPQ2", [str(score) for score in range(90)]),
            _patients("pain side", ("L", "R")),
            _scale("% frames kept", (70, 100), ""),
            _motion("mean FD"),
            _SYNTHETIC,
        ),
        encoding="utf-8-sig",
    ),
    "cinet": Sheet(
        columns=(
            _number("通し番号"),
            _of("site", "site"),
            _diagnosis("diag", DIAGNOSIS_CODES),
            _of("age", "age"),
            _of("sex", "sex"),
            _of("hand", "handedness"),
            _patients("VAS", [str(score) for score in range(9)]),
            _patients("Pain Duration", [str(months) for months in range(3, 240)]),
            _motion("Framewise Displacement"),
            _SYNTHETIC,
        ),
        encoding="cp932",
        delimiter=",",
    ),
}
