"""The tables beside the matrices, in the style of each institute: headers, codes, gaps, encoding."""

import csv
import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from decnef_data.phantom.participants import DIAGNOSIS_CODES, Participant
from decnef_data.phantom.random_stream import RandomStream

__all__ = ["TABLE_STYLES", "TableColumn", "TableStyle", "format_code_book", "format_table"]

_SHOWA_CODES = {"HC": "0", "ASD": "1", "SSD": "2"}
_HIROSHIMA_CODES = {"HC": "1", "MDD": "2"}
_OSAKA_SITES = {"OSU": "1", "NKN": "2"}
_MRI_CODES: Mapping[str, Mapping[str, str] | Literal["mri"]] = {
    "diagnosis": "mri", "sex": "mri", "handedness": "mri",
}  # fmt: skip

CellFormatter = Callable[[int, Participant, RandomStream], str]


@dataclass(frozen=True, slots=True)
class TableColumn:
    """One column: its header as printed, its cells, and which of them are missing.

    From row ``first_missing`` (0: never) every ``missing_interval``-th cell is ``missing`` instead.
    """

    header: str
    format_cell: CellFormatter
    missing: str = ""
    first_missing: int = 0
    missing_interval: int = 1000

    def cell_text(self, row: int, participant: Participant, rng: RandomStream) -> str:
        """Return the cell of `participant` in `row` (from 1)."""
        text = self.format_cell(row, participant, rng)
        is_missing = (
            self.first_missing
            and row >= self.first_missing
            and (row - self.first_missing) % self.missing_interval == 0
        )
        return self.missing if is_missing else text


@dataclass(frozen=True, slots=True)
class TableStyle:
    """How one institute writes its tables.

    ``codes`` has the code of each label by coordinate, or ``"mri"`` for those of the image datasets.
    """

    columns: tuple[TableColumn, ...]
    encoding: Literal["utf-8", "utf-8-sig", "cp932"] = "utf-8"
    delimiter: str = "\t"
    newline: str = "\n"
    quoting: Literal[0, 1] = csv.QUOTE_MINIMAL
    codes: Mapping[str, Mapping[str, str] | Literal["mri"]] = field(default_factory=lambda: _MRI_CODES)


def format_table(style: TableStyle, name: str, participants: Sequence[Participant]) -> bytes:
    r"""Format the table of `participants` as bytes; scales are drawn, the same for the same `name`.

    Examples
    --------
    >>> format_table(TableStyle((TableColumn("age", lambda row, participant, rng: str(row)),)), "none", ())
    b'age\n'
    """
    rng = RandomStream(f"table of {name}")
    buffer = io.StringIO()
    writer = csv.writer(
        buffer, delimiter=style.delimiter, lineterminator=style.newline, quoting=style.quoting
    )
    writer.writerow([column.header for column in style.columns])
    for row, participant in enumerate(participants, 1):
        writer.writerow([column.cell_text(row, participant, rng) for column in style.columns])
    return buffer.getvalue().encode(style.encoding)


def format_code_book(style: TableStyle, path: str, table: bytes) -> str:
    """Format what the codes of a table mean, bound to its bytes, as a part of a TOML file.

    Examples
    --------
    >>> print(format_code_book(TableStyle((), codes={"sex": {"male": "1"}}), "A/SUBINFO.tsv", b""))
    ["A/SUBINFO.tsv"]
    sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    sex = { "1" = "male" }
    """
    lines = [f'["{path}"]', f'sha256 = "{hashlib.sha256(table).hexdigest()}"']
    for name, codes in style.codes.items():
        labels = [] if isinstance(codes, str) else [f'"{code}" = "{label}"' for label, code in codes.items()]
        lines.append(f"{name} = {{ {', '.join(labels)} }}" if labels else f'{name} = "{codes}"')
    return "\n".join(lines)


def _number_column(header: str) -> TableColumn:
    return TableColumn(header, lambda row, _participant, _rng: str(row))


def _field_column(
    header: str, field: str, missing: str = "", first_missing: int = 0, missing_interval: int = 1000
) -> TableColumn:
    return TableColumn(
        header,
        lambda _row, participant, _rng: str(getattr(participant, field)),
        missing,
        first_missing,
        missing_interval,
    )


def _motion_column(header: str, missing: str = "", first_missing: int = 0) -> TableColumn:
    return TableColumn(
        header, lambda _row, participant, _rng: f"{participant.mean_fd:.3f}", missing, first_missing
    )


def _diagnosis_column(header: str, codes: Mapping[str, str]) -> TableColumn:
    return TableColumn(header, lambda _row, participant, _rng: codes[participant.diagnosis])


def _score_column(
    header: str, limits: tuple[int, int], missing: str, first_missing: int = 0, missing_interval: int = 1000
) -> TableColumn:
    return TableColumn(
        header,
        lambda _row, _participant, rng: str(rng.normal_between(*limits)),
        missing,
        first_missing,
        missing_interval,
    )


def _patient_column(header: str, texts: Sequence[str]) -> TableColumn:
    """Build a column that is drawn from `texts` for patients and blank for healthy participants."""
    weighted = tuple((text, 1) for text in texts)
    return TableColumn(
        header,
        lambda _row, participant, rng: "" if participant.diagnosis == "HC" else rng.choose(weighted),
    )


_SYNTHETIC_COLUMN = TableColumn("synthetic", lambda _row, _participant, _rng: "1")

_TOKYO_COLUMNS = (
    _number_column("No"),
    _field_column("age", "age", "", 23, 90),
    _field_column("sex", "sex"),
    _field_column("hand", "handedness", "", 9, 50),
    _motion_column("mean_FD", "n/a", 37),
    _score_column("JART IQ", (70, 125), "n/a", 3, 7),
    _SYNTHETIC_COLUMN,
)

#: By institute; comments say what is known of the release, all other headers are merely plausible.
TABLE_STYLES: Mapping[str, TableStyle] = {
    # ATR's tables are known to mark missing values by -1000.
    "atr": TableStyle(
        columns=(
            _number_column("ID"),
            _field_column("Site", "site"),
            _field_column("Scanner", "scanner"),
            _diagnosis_column("Diagnosis", DIAGNOSIS_CODES),
            _field_column("Age", "age"),
            _field_column("Sex", "sex"),
            _field_column("Handedness", "handedness", "-1000", 5, 20),
            _motion_column("FD", "-1000", 31),
            _score_column("BDI-II", (0, 30), "-1000", 2, 3),
            _SYNTHETIC_COLUMN,
        ),
    ),
    # The diagnosis is in the file name; the tables of the 93ROI and AAL siblings have it as a column too.
    "tokyo": TableStyle(columns=_TOKYO_COLUMNS, encoding="utf-8-sig", newline="\r\n"),
    "tokyo siblings": TableStyle(
        columns=(_TOKYO_COLUMNS[0], _diagnosis_column("diag", DIAGNOSIS_CODES), *_TOKYO_COLUMNS[1:]),
        encoding="utf-8-sig",
        newline="\r\n",
    ),
    # Participants of two scanners are pooled without a site; the diagnosis is the folder's name.
    "kyoto": TableStyle(
        columns=(
            _number_column("subject no."),
            _field_column("Age (years)", "age"),
            _field_column("Gender", "sex"),
            _field_column("Handedness", "handedness"),
            _field_column("MRI Scanner", "scanner"),
            _motion_column("FD_mean"),
            _score_column("PANSS, total", (30, 110), "NaN", 1, 2),
            _SYNTHETIC_COLUMN,
        ),
        delimiter=",",
        newline="\r\n",
        quoting=csv.QUOTE_ALL,
    ),
    "prefectural": TableStyle(
        columns=(
            _number_column("番号"),
            _field_column("年齢", "age"),
            _field_column("性別", "sex"),
            _field_column("利き手", "handedness"),
            _diagnosis_column("診断", DIAGNOSIS_CODES),
            _motion_column("FD\uff08mm\uff09"),
            _score_column("Y-BOCS", (8, 40), "", 4),
            _SYNTHETIC_COLUMN,
        ),
        encoding="cp932",
        delimiter=",",
        newline="\r\n",
    ),
    # This table is known to have the diagnoses 0, 2 and 1.
    "showa": TableStyle(
        columns=(
            _number_column("No."),
            _diagnosis_column("Diagnosis", _SHOWA_CODES),
            _field_column("Age", "age"),
            _field_column("Sex", "sex"),
            _field_column("Hand", "handedness", "", 11, 60),
            _motion_column("meanFD", "", 77),
            _score_column("AQ", (5, 48), "", 4, 5),
            _SYNTHETIC_COLUMN,
        ),
        codes={**_MRI_CODES, "diagnosis": _SHOWA_CODES},
    ),
    # The header of the diagnosis is literally that of the release; participants of four sites are pooled.
    "hiroshima": TableStyle(
        columns=(
            _number_column("Subject"),
            _diagnosis_column("Diagnosis(Healthy=1, Depression=2)", _HIROSHIMA_CODES),
            _field_column("Age", "age"),
            _field_column("Sex", "sex"),
            _field_column("Handedness", "handedness"),
            _motion_column("Mean FD (mm)"),
            _score_column("BDI-II", (0, 55), "", 10, 25),
            _SYNTHETIC_COLUMN,
        ),
        codes={**_MRI_CODES, "diagnosis": _HIROSHIMA_CODES},
        newline="\r\n",
    ),
    # Condition, VAS, SF-MPQ2, pain side, site and % frames kept are known to exist, but not their spelling.
    # One holder's table has numbers as sites.
    "osaka": TableStyle(
        columns=(
            _number_column("ID"),
            _diagnosis_column("condition", DIAGNOSIS_CODES),
            TableColumn("site", lambda _row, participant, _rng: _OSAKA_SITES[participant.site]),
            _field_column("age", "age"),
            _field_column("sex", "sex"),
            _field_column("handedness", "handedness"),
            _patient_column("VAS", [str(score) for score in range(2, 101)]),
            _patient_column("SF-MPQ2", [str(score) for score in range(90)]),
            _patient_column("pain side", ("L", "R")),
            _score_column("% frames kept", (70, 100), ""),
            _motion_column("mean FD"),
            _SYNTHETIC_COLUMN,
        ),
        codes={**_MRI_CODES, "site": _OSAKA_SITES},
        encoding="utf-8-sig",
    ),
    "cinet": TableStyle(
        columns=(
            _number_column("通し番号"),
            _field_column("site", "site"),
            _diagnosis_column("diag", DIAGNOSIS_CODES),
            _field_column("age", "age"),
            _field_column("sex", "sex"),
            _field_column("hand", "handedness"),
            _patient_column("VAS", [str(score) for score in range(9)]),
            _patient_column("Pain Duration", [str(months) for months in range(3, 240)]),
            _motion_column("Framewise Displacement"),
            _SYNTHETIC_COLUMN,
        ),
        encoding="cp932",
        delimiter=",",
    ),
}
