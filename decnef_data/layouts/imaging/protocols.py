"""The protocol table of an image dataset, printed transposed and misspelt, as one typed record per protocol.

If a copy has no table, or its table lacks a protocol, the record of the catalog is used.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from decnef_data.layouts.participants import slug
from decnef_data.model import Remark
from decnef_data.records import normalize_name

if TYPE_CHECKING:
    from decnef_data.model import ImagingProtocol
    from decnef_data.records import Records

__all__ = ["MAX_HEADER_ROWS", "AcquisitionParameters", "from_records", "is_protocol_table", "merge", "parse"]

#: In a table of protocols, one of this many first rows has their numbers.
MAX_HEADER_ROWS: Final = 5
_THOUSANDS: Final = re.compile(r"\d{1,3}(,\d{3})+")
_FIRST_NUMBER: Final = re.compile(r"[-+]?\d+(?:\.\d+)?")
#: A larger repetition time is in milliseconds.
_MAX_TR_SECONDS: Final = 100.0
_MISSING: Final = frozenset({"", "-", "n/a", "na", "nan", "-1000"})


@dataclass(frozen=True, slots=True)
class AcquisitionParameters:
    """The parameters of a protocol; times are in seconds, missing values NaN or ``""``.

    ``dummies`` is the number of first volumes that were removed, according to the table; ``coordinates`` has
    every row of the table, except site, scanner and repetition time, by the name of its coordinate.
    """

    site: str
    scanner: str
    repetition_time: float
    volumes: float
    dummies: float
    slices: str
    coordinates: Mapping[str, str]


#: The parameters of a protocol of which only a table of T1 images tells.
_NO_PARAMETERS: Final = AcquisitionParameters("", "", float("nan"), float("nan"), float("nan"), "", {})


def is_protocol_table(rows: Sequence[Sequence[str]]) -> bool:
    """Return whether a table is one of protocols: one of its first rows has their numbers.

    Examples
    --------
    >>> is_protocol_table([["rsfMRI (EPI)"], ["Protocol #", "1", "2"]])
    True
    >>> is_protocol_table([["participant_id"]])
    False
    """
    return _find_number_row(rows) is not None


def parse(rows: Sequence[Sequence[str]]) -> dict[int, AcquisitionParameters]:
    """Parse the table.

    Parameters
    ----------
    rows
        The cells as printed, in rows of any length.

    Returns
    -------
    dict
        The parameters by the number of the protocol.

    Examples
    --------
    >>> table = [["rsfMRI (EPI)"], ["Protocol #", "6"], ["MRI Scanner", "TimTrio"], ["TR (s)", "2,500"]]
    >>> protocol = parse(table)[6]
    >>> protocol.scanner, protocol.repetition_time
    ('TimTrio', 2.5)
    """
    start = _find_number_row(rows)
    if start is None:
        return {}
    numbers = dict(_numbers(rows[start]))
    labelled = [(row[0], row) for row in rows[start + 1 :] if row and row[0].strip()]
    return {
        number: _build_parameters({label: _clean_cell(row, index) for label, row in labelled})
        for index, number in numbers.items()
    }


def merge(
    tables: Sequence[tuple[str, Sequence[Sequence[str]]]],
) -> tuple[dict[int, AcquisitionParameters], tuple[Remark, ...]]:
    """Merge several tables: of equal numbers, the parameters of the first; those of T1 images are added.

    A table is one of T1 images if its first rows or its labels say so, and not if it has rows of EPI runs.

    Parameters
    ----------
    tables
        The path and the rows of each table.

    Returns
    -------
    parameters, remarks
        The parameters by the number of the protocol, and a warning for each table that contradicts another.

    Examples
    --------
    >>> table = [["Protocol #", "6"], ["Dummy", "4"]]
    >>> other = [["T1 (MPRAGE)"], ["Protocol #", "6"], ["TR (s)", "2.3"]]
    >>> merge([("a.tsv", table), ("b.tsv", other)])[0][6].coordinates
    {'protocol_dummies': '4', 'protocol_t1_repetition_time': '2.3'}
    """
    merged: dict[int, AcquisitionParameters] = {}
    sources: dict[int, str] = {}
    remarks: list[Remark] = []
    runs = [(path, rows) for path, rows in tables if not _is_t1_table(rows)]
    for path, rows in runs:
        remarks += _repeated_number_remarks(path, rows)
        for number, parameters in parse(rows).items():
            if number in merged and not _is_same(merged[number], parameters):
                remarks.append(_conflict_remark(path, sources[number], number))
            merged.setdefault(number, parameters)
            sources.setdefault(number, path)
    for path, rows in (table for table in tables if table not in runs):
        message = f"'{path}' is a table of T1 images; its rows have the prefix 'protocol_t1'."
        remarks.append(Remark("t1-protocols", message, path, is_warning=False))
        for number, coordinates in _parse_t1_table(rows).items():
            own = merged.get(number, _NO_PARAMETERS)
            merged[number] = replace(own, coordinates={**own.coordinates, **coordinates})
    return merged, tuple(remarks)


def _repeated_number_remarks(path: str, rows: Sequence[Sequence[str]]) -> Iterator[Remark]:
    start = _find_number_row(rows)
    counts = Counter(number for _, number in _numbers(rows[start])) if start is not None else Counter()
    for number, count in counts.items():
        if count > 1:
            message = (
                f"'{path}' has {count} columns of protocol {number}; the last one is used. Correct the table."
            )
            yield Remark("repeated-protocol", message, path)


#: How the normalized labels of rows start that only tables of EPI runs, or only those of T1 images, have.
_EPI_LABELS: Final = ("numberofvolumes", "dummy", "dummies", "sliceacquisition", "sliceorder", "eye")
_T1_TEXT: Final = re.compile(r"(?<![a-z])(t1|mprage|spgr|mp2rage)", re.IGNORECASE)


def _is_t1_table(rows: Sequence[Sequence[str]]) -> bool:
    labels = [normalize_name(row[0]) for row in rows if row]
    if any(label.startswith(_EPI_LABELS) for label in labels):
        return False
    start = " ".join(cell for row in rows[:MAX_HEADER_ROWS] for cell in row)
    return bool(_T1_TEXT.search(start)) or any(label.startswith(("ti(", "inversiontime")) for label in labels)


def _parse_t1_table(rows: Sequence[Sequence[str]]) -> dict[int, dict[str, str]]:
    start = _find_number_row(rows)
    if start is None:
        return {}
    return {
        number: {
            f"protocol_t1_{_coordinate_name(row[0])}": _clean_cell(row, index)
            for row in rows[start + 1 :]
            if row and row[0].strip()
        }
        for index, number in _numbers(rows[start])
    }


def _is_same(one: AcquisitionParameters, other: AcquisitionParameters) -> bool:
    # As texts: a missing value is NaN, which equals nothing.
    return repr(one) == repr(other)


def _conflict_remark(path: str, first: str, number: int) -> Remark:
    message = (
        f"'{path}' and '{first}' differ about protocol {number}; the values of '{first}' are used. "
        "Keep only the table that belongs to this copy."
    )
    return Remark("conflicting-protocols", message, path)


def from_records(records: "Records") -> dict[int, AcquisitionParameters]:
    """Return the parameters of the catalog's protocols, by number."""
    return {protocol.number: _from_record(protocol) for protocol in records.protocols}


def _find_number_row(rows: Sequence[Sequence[str]]) -> int | None:
    for index, row in enumerate(rows[:MAX_HEADER_ROWS]):
        numbered = sum(_is_number(cell) for cell in row[1:])
        if row and normalize_name(row[0]).startswith("protocol") and numbered:
            return index
    return None


def _numbers(row: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield the index of each column of a protocol, and the number of the protocol."""
    return ((index, int(float(cell))) for index, cell in enumerate(row) if index and _is_number(cell))


def _is_number(cell: str) -> bool:
    return bool(re.fullmatch(r"\s*\d+(\.0*)?\s*", cell))


def _clean_cell(row: Sequence[str], index: int) -> str:
    cell = " ".join(row[index].split()) if index < len(row) else ""
    return "" if cell.casefold() in _MISSING else cell


def _build_parameters(cells: Mapping[str, str]) -> AcquisitionParameters:
    coordinates = {f"protocol_{_coordinate_name(label)}": cell for label, cell in cells.items()}
    return AcquisitionParameters(
        site=coordinates.pop("protocol_site", ""),
        scanner=coordinates.pop("protocol_scanner", ""),
        repetition_time=_parse_seconds(coordinates.pop("protocol_repetition_time", "")),
        volumes=_parse_number(coordinates.get("protocol_volumes", "")),
        dummies=_parse_number(coordinates.get("protocol_dummies", "")),
        slices=coordinates.get("protocol_slices", ""),
        coordinates={name: _NORMALIZERS.get(name, str)(cell) for name, cell in coordinates.items()},
    )


#: How the normalized label of a row starts, as printed and spelt correctly; the first match counts.
_COORDINATE_NAMES: Final[Sequence[tuple[str, tuple[str, ...]]]] = (
    ("site", ("site",)),
    ("scanner", ("mriscanner", "scanner")),
    ("field_strength", ("magniticfield", "magneticfield")),
    ("coil_channels", ("numberofchannels", "coil")),
    ("repetition_time", ("tr(", "repetitiontime")),
    ("echo_time", ("te(", "echotime")),
    ("flip_angle", ("flipang",)),
    ("phase_encoding", ("phseencod", "phaseencod")),
    ("matrix", ("matrix",)),
    ("field_of_view", ("fieldofview", "fov")),
    ("in_plane_resolution", ("inplaneres",)),
    ("slice_thickness", ("slicethick",)),
    ("slice_gap", ("slicegap",)),
    ("slices", ("numberofslices",)),
    ("slice_order", ("sliceacquisition", "sliceorder")),
    ("volumes", ("numberofvolumes",)),
    ("dummies", ("dummy", "dummies")),
    ("scan_time", ("totalscantime",)),
    ("eyes", ("eyeclosed", "eyesclosed", "eye")),
)


def _coordinate_name(label: str) -> str:
    normalized = normalize_name(label)
    return next(
        (name for name, starts in _COORDINATE_NAMES if normalized.startswith(starts)), slug(label, "_")
    )


def _parse_number(cell: str) -> float:
    match = _FIRST_NUMBER.search(_remove_thousands(cell))
    return float(match[0]) if match else float("nan")


def _remove_thousands(cell: str) -> str:
    """Remove the separator of thousands, as in ``2,500``; any other comma is a decimal point."""
    stripped = cell.strip().strip('"')
    return stripped.replace(",", "") if _THOUSANDS.fullmatch(stripped) else stripped.replace(",", ".")


def _parse_seconds(cell: str) -> float:
    value = _parse_number(cell)
    return value / 1000 if value > _MAX_TR_SECONDS else value


_NORMALIZERS: Final[Mapping[str, Callable[[str], str]]] = {
    # "64  x  64" and "256 x192" are spellings of one form; "3T" is 3 tesla.
    "protocol_matrix": lambda cell: re.sub(r"\s*[x\u00d7]\s*", "x", cell),
    "protocol_field_of_view": lambda cell: re.sub(r"\s*[x\u00d7]\s*", "x", cell),
    "protocol_field_strength": lambda cell: re.sub(r"\s*T$", "", cell),
    "protocol_slice_order": str.casefold,
}


def _from_record(protocol: "ImagingProtocol") -> AcquisitionParameters:
    return AcquisitionParameters(
        site="/".join(protocol.sites),
        scanner=protocol.scanner or "",
        repetition_time=_nan_if_none(protocol.repetition_time),
        volumes=_nan_if_none(protocol.volumes),
        dummies=_nan_if_none(protocol.dummies),
        slices=protocol.slices or "",
        coordinates=dict(_coordinate_texts(protocol)),
    )


def _nan_if_none(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _coordinate_texts(protocol: "ImagingProtocol") -> Iterator[tuple[str, str]]:
    texts = ("phase_encoding", "slice_order")
    numbers = ("field_strength", "coil_channels", "flip_angle", "in_plane_resolution", "slice_thickness")
    for name in (*texts, *numbers, "slice_gap"):
        value = getattr(protocol, name)
        yield f"protocol_{name}", "" if value is None else f"{value:g}" if name not in texts else value
    echo = protocol.echo_time
    yield "protocol_echo_time", "" if echo is None else f"{echo * 1000:g}"
    yield "protocol_matrix", "x".join(map(str, protocol.matrix or ()))
    yield "protocol_slices", protocol.slices or ""
    yield "protocol_volumes", "" if protocol.volumes is None else str(protocol.volumes)
