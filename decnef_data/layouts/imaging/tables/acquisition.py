"""The acquisition parameters that have a standard name: of a table of the copy, else of the catalog.

Every image dataset has them as coordinates of the same names and units, whether its copy has a table of
protocols, columns in the table of participants, or neither.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from decnef_data.model import SiteAcquisition

__all__ = [
    "STANDARD_ATTRS",
    "STANDARD_PARAMETERS",
    "Acquisition",
    "acquisitions_of",
    "build_columns",
    "differences",
    "grade_column",
    "is_standard",
    "parse_acquisition",
    "parse_first_number",
    "read_columns",
    "recorded_acquisition",
]

_MS_PER_S: Final = 1000
_THOUSANDS: Final = re.compile(r"\d{1,3}(,\d{3})+")
_FIRST_NUMBER: Final = re.compile(r"[-+]?\d+(?:\.\d+)?")
#: A number, and nothing after it but a unit.
_QUANTITY: Final = re.compile(
    r"([-+]?\d+(?:\.\d+)?)\s*(?:ms|s|sec|mm|t|tesla|deg|degrees|\u00b0|ch|channels?)?", re.IGNORECASE
)
#: A larger repetition time is in milliseconds, and a smaller echo time in seconds.
#: No volume takes 100 s, and no echo of a run 1 ms: tables print 2500 beside 2.5, and 0.03 beside 30.
_MAX_TR_SECONDS: Final = 100.0
_MIN_TE_MS: Final = 1.0
_PHASE_ENCODING: Final = re.compile(r"([AP])\s*(?:-|--|>|->|to|\u2192|/)?\s*([AP])", re.IGNORECASE)
_MANUFACTURERS: Final = {"Siemens": r"siemens", "GE": r"ge|general electric", "Philips": r"philips"}
_TOLERANCE: Final = 1e-6


@dataclass(frozen=True, slots=True)
class _Parameter:
    """A standard parameter: the dtype, unit and description of its coordinate."""

    dtype: str
    units: str
    long_name: str


STANDARD_PARAMETERS: Final[Mapping[str, _Parameter]] = {
    "scanner": _Parameter("U", "", "make and model of the scanner, as printed"),
    "manufacturer": _Parameter("U", "", "manufacturer of the scanner"),
    "field_strength": _Parameter("f4", "T", "magnetic field strength"),
    "coil_channels": _Parameter("f4", "", "number of channels of the head coil"),
    "echo_time": _Parameter("f4", "ms", "echo time of the BOLD runs"),
    "flip_angle": _Parameter("f4", "degrees", "flip angle of the BOLD runs"),
    "phase_encoding": _Parameter("U", "", "phase-encoding direction of the BOLD runs"),
    "slice_thickness": _Parameter("f4", "mm", "slice thickness of the BOLD runs"),
    "slice_gap": _Parameter("f4", "mm", "gap between the slices of the BOLD runs"),
    "slice_order": _Parameter("U", "", "order of slice acquisition of the BOLD runs, as printed"),
}
#: The repetition time is a coordinate of runs, to which their headers contribute.
_REPETITION_TIME: Final = "repetition_time"
_DTYPES: Final = {**{name: each.dtype for name, each in STANDARD_PARAMETERS.items()}, _REPETITION_TIME: "f8"}
STANDARD_ATTRS: Final[Mapping[str, Mapping[str, str]]] = {
    name: {"long_name": each.long_name, **({"units": each.units} if each.units else {})}
    for name, each in STANDARD_PARAMETERS.items()
}


@dataclass(frozen=True, slots=True)
class Acquisition:
    """The known parameters by name, the grades of those of the catalog, and the cells that cannot be read."""

    parameters: Mapping[str, float | str] = field(default_factory=dict)
    grades: Mapping[str, str] = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)

    def completed_by(self, other: "Acquisition") -> "Acquisition":
        """Return these parameters with those of `other` that are neither known nor printed here.

        Examples
        --------
        >>> own = Acquisition({"scanner": "Trio"})
        >>> own.completed_by(Acquisition({"scanner": "Verio", "echo_time": 30.0})).parameters
        {'scanner': 'Trio', 'echo_time': 30.0}
        """
        # A printed cell that cannot be read stays unknown: another source might contradict it.
        added = {name: value for name, value in other.parameters.items() if name not in self.unreadable}
        grades = {name: grade for name, grade in other.grades.items() if name not in self.parameters}
        return Acquisition({**added, **self.parameters}, {**grades, **self.grades}, self.unreadable)

    @property
    def of_copy(self) -> "Acquisition":
        """The parameters that are not of the catalog.

        Examples
        --------
        >>> Acquisition({"scanner": "Trio", "echo_time": 30.0}, {"echo_time": "B"}).of_copy.parameters
        {'scanner': 'Trio'}
        """
        own = {name: value for name, value in self.parameters.items() if name not in self.grades}
        return Acquisition(own, {}, self.unreadable)

    def without(self, name: str) -> "Acquisition":
        """Return the parameters but one.

        Examples
        --------
        >>> Acquisition({"scanner": "Trio", "echo_time": 30.0}).without("echo_time").parameters
        {'scanner': 'Trio'}
        """
        values = {other: value for other, value in self.parameters.items() if other != name}
        return replace(
            self, parameters=values, grades={other: g for other, g in self.grades.items() if other != name}
        )


def is_standard(name: str) -> bool:
    """Return whether a parameter has a coordinate of its own.

    Examples
    --------
    >>> is_standard("echo_time"), is_standard("matrix")
    (True, False)
    """
    return name in STANDARD_PARAMETERS or name == _REPETITION_TIME


def parse_acquisition(cells: Mapping[str, str]) -> Acquisition:
    """Parse the cells of a protocol or participant, by the name of the parameter; blank ones are unknown.

    The manufacturer is taken from the name of the scanner, if it has no cell.

    Examples
    --------
    >>> parse_acquisition({"field_strength": "3T", "echo_time": "30", "phase_encoding": "a>p"}).parameters
    {'field_strength': 3.0, 'echo_time': 30.0, 'phase_encoding': 'AP'}
    >>> parse_acquisition({"flip_angle": "80 or 90", "echo_time": "0"}).unreadable
    {'flip_angle': '80 or 90', 'echo_time': '0'}
    """
    printed = {name: cell for name, cell in cells.items() if is_standard(name) and cell}
    parsed = {name: _parse(name, cell) for name, cell in printed.items()}
    values = {name: value for name, value in parsed.items() if value is not None}
    manufacturer = _find_manufacturer(str(values.get("scanner", "")))
    if manufacturer and "manufacturer" not in printed:
        values["manufacturer"] = manufacturer
    return Acquisition(values, {}, {name: printed[name] for name, value in parsed.items() if value is None})


def _parse(name: str, cell: str) -> float | str | None:
    if name == "phase_encoding":
        match = _PHASE_ENCODING.fullmatch(cell.strip())
        # "AA" is no direction, and is kept as printed.
        return f"{match[1]}{match[2]}".upper() if match and match[1].upper() != match[2].upper() else cell
    if name == "manufacturer":
        return _find_manufacturer(cell) or cell
    if name == "slice_order":
        return cell.casefold()
    if name == "scanner":
        return cell
    return _parse_quantity(name, cell)


def _parse_quantity(name: str, cell: str) -> float | None:
    match = _QUANTITY.fullmatch(_remove_thousands(cell))
    if match is None:
        return None
    number = float(match[1])
    if number <= 0 and name != "slice_gap":  # impossible: it stands for an unknown value, as 0 or -1
        return None
    if name == _REPETITION_TIME:
        return number / _MS_PER_S if number > _MAX_TR_SECONDS else number
    return number * _MS_PER_S if name == "echo_time" and number < _MIN_TE_MS else number


def parse_first_number(cell: str) -> float:
    """Return the first number in a cell, NaN if there is none.

    Examples
    --------
    >>> parse_first_number("240 (4 dummies)"), parse_first_number("2,500")
    (240.0, 2500.0)
    """
    match = _FIRST_NUMBER.search(_remove_thousands(cell))
    return float(match[0]) if match else math.nan


def _remove_thousands(cell: str) -> str:
    """Remove the separator of thousands, as in ``2,500``; any other comma is a decimal point."""
    # The release prints "2,500" for milliseconds; a table that was saved in a European locale has "2,5".
    stripped = cell.strip().strip('"')
    return stripped.replace(",", "") if _THOUSANDS.fullmatch(stripped) else stripped.replace(",", ".")


def _find_manufacturer(text: str) -> str:
    # As words: "Ingenia" of Philips contains "ge".
    words = ((name, rf"(?<![a-z])(?:{pattern})(?![a-z])") for name, pattern in _MANUFACTURERS.items())
    return next((name for name, pattern in words if re.search(pattern, text, re.IGNORECASE)), "")


def recorded_acquisition(record: "SiteAcquisition") -> Acquisition:
    """Return the parameters of a record of the catalog, with their grades.

    Examples
    --------
    >>> from decnef_data.model import SiteAcquisition
    >>> recorded = recorded_acquisition(SiteAcquisition(scanner="GE Signa HDxt", echo_time=0.027, grade="B"))
    >>> recorded.parameters["manufacturer"], recorded.parameters["echo_time"], recorded.grades["echo_time"]
    ('GE', 27.0, 'B')
    """
    fields = {name: getattr(record, name) for name in (*STANDARD_PARAMETERS, _REPETITION_TIME)}
    values = {name: value for name, value in fields.items() if value is not None}
    grades: dict[str, str] = {name: record.grade_of(name) for name in values}
    if "echo_time" in values:
        # 0.0271 s times 1000 is not 27.1 in binary floating point.
        values["echo_time"] = round(values["echo_time"] * _MS_PER_S, 9)
    manufacturer = _find_manufacturer(str(values.get("scanner", "")))
    if manufacturer and "manufacturer" not in values:
        values["manufacturer"], grades["manufacturer"] = manufacturer, record.grade_of("scanner")
    return Acquisition(values, grades)


def differences(own: Acquisition, recorded: Acquisition) -> Iterator[tuple[str, str, str]]:
    """Yield the name of each parameter that differs, its own value and the recorded one, both as text.

    Names of scanners and of the order of slices are spelt in many ways, and are not compared.

    Examples
    --------
    >>> list(differences(Acquisition({"echo_time": 31.0}), Acquisition({"echo_time": 30.0})))
    [('echo_time', '31 ms', '30 ms')]
    """
    for name in sorted(own.parameters.keys() & recorded.parameters.keys() - {"scanner", "slice_order"}):
        one, other = own.parameters[name], recorded.parameters[name]
        if isinstance(one, str) or isinstance(other, str):
            if one != other:
                yield name, str(one), str(other)
        # The columns of a copy have 32 bits, the records 64.
        elif not math.isclose(one, other, rel_tol=_TOLERANCE):
            units = "s" if name == _REPETITION_TIME else STANDARD_PARAMETERS[name].units
            yield name, f"{one:g} {units}".strip(), f"{other:g} {units}".strip()


@cache  # of a few names, for each group of each request
def grade_column(name: str) -> str:
    """Return the name of the hidden column with the grade of each value that is of the catalog.

    Examples
    --------
    >>> grade_column("echo_time")
    '_grade_echo_time'
    """
    return f"_grade_{name}"


def build_columns(acquisitions: Sequence[Acquisition]) -> dict[str, NDArray[Any]]:
    """Return a column of each standard parameter, and of its grades, with one value for each acquisition.

    The columns of repetition times and of grades are hidden, as their names begin with ``_``.

    Examples
    --------
    >>> columns = build_columns([Acquisition({"echo_time": 30.0}, {"echo_time": "B"}), Acquisition()])
    >>> columns["echo_time"].tolist(), columns["_grade_echo_time"].tolist()
    ([30.0, nan], ['B', ''])
    """
    columns: dict[str, NDArray[Any]] = {}
    for name, dtype in _DTYPES.items():
        missing: float | str = "" if dtype == "U" else math.nan
        values = [each.parameters.get(name, missing) for each in acquisitions]
        columns[_column_name(name)] = np.array(values, dtype)
        columns[grade_column(name)] = np.array([each.grades.get(name, "") for each in acquisitions], "U1")
    return columns


def acquisitions_of(columns: Mapping[str, NDArray[Any]]) -> list[Acquisition]:
    """Return the parameters in the columns that :func:`build_columns` made, by row.

    Equal ones are one object.

    Examples
    --------
    >>> own = Acquisition({"manufacturer": "GE", "slice_gap": 0.0}, {"slice_gap": "B"})
    >>> acquisitions_of(build_columns([own])) == [own]
    True
    """
    names = list(_DTYPES)
    values = zip(*(columns[_column_name(name)].tolist() for name in names), strict=True)
    grades = zip(*(columns[grade_column(name)].tolist() for name in names), strict=True)
    distinct: dict[tuple[tuple[float | str, ...], tuple[str, ...]], Acquisition] = {}
    found = []
    for row, row_grades in zip(values, grades, strict=True):
        # NaN equals nothing, and would make every row a key of its own.
        known = tuple("" if value != value else value for value in row)  # noqa: PLR0124 - NaN
        if (known, row_grades) not in distinct:
            distinct[known, row_grades] = Acquisition(
                {name: value for name, value in zip(names, known, strict=True) if value != ""},
                {name: grade for name, grade in zip(names, row_grades, strict=True) if grade},
            )
        found.append(distinct[known, row_grades])
    return found


def _column_name(name: str) -> str:
    return f"_{name}" if name == _REPETITION_TIME else name


#: How tables of participants name parameters, beside their standard names.
_PRINTED_NAMES: Final = {"manufacture": "manufacturer", "vendor": "manufacturer", "coil": "coil_channels"}


def read_columns(columns: Mapping[str, NDArray[Any]]) -> tuple[list[Acquisition], list[str]]:
    """Return the parameters that a table of participants states, by row, and the columns read completely.

    Returns
    -------
    acquisitions, names
        Nothing if the table has no such column; `names` are those of columns that do not have a standard
        name, and of which every cell was read.

    Examples
    --------
    >>> acquisitions, names = read_columns({"coil": np.array([12.0, 8.0]), "age": np.array([30.0, 31.0])})
    >>> [each.parameters["coil_channels"] for each in acquisitions], names
    ([12.0, 8.0], ['coil'])
    """
    found = {name: _PRINTED_NAMES.get(name, name) for name in columns}
    cells = {
        name: _texts(columns[name]) for name, parameter in found.items() if parameter in STANDARD_PARAMETERS
    }
    if not any(map(any, cells.values())):
        return [], []
    rows = zip(*cells.values(), strict=True)
    acquisitions = [
        parse_acquisition({found[name]: cell for name, cell in zip(cells, row, strict=True)}) for row in rows
    ]
    unreadable = {name for each in acquisitions for name in each.unreadable}
    return acquisitions, [name for name in cells if name in _PRINTED_NAMES and found[name] not in unreadable]


def _texts(column: NDArray[Any]) -> list[str]:
    if column.dtype.kind == "U":
        return [str(cell) for cell in column.tolist()]
    return ["" if math.isnan(number) else f"{number:g}" for number in column.tolist()]
