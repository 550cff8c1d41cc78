"""The protocol table of an image dataset, printed transposed and misspelt, as one typed record per protocol.

If a copy has no table, or its table lacks a protocol, the record of the catalog is used.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from decnef_data.layouts.account import name_some
from decnef_data.layouts.imaging.tables.acquisition import (
    Acquisition,
    differences,
    is_standard,
    parse_acquisition,
    parse_first_number,
    recorded_acquisition,
)
from decnef_data.layouts.table_columns import slug
from decnef_data.model import Remark
from decnef_data.records import normalize_name

if TYPE_CHECKING:
    from decnef_data.model import ImagingProtocol
    from decnef_data.records import Records

__all__ = ["MAX_HEADER_ROWS", "Protocol", "from_records", "is_protocol_table", "merge", "parse"]

#: In a table of protocols, one of this many first rows has their numbers.
MAX_HEADER_ROWS: Final = 5
_MISSING: Final = frozenset({"", "-", "n/a", "na", "nan", "-1000"})


@dataclass(frozen=True, slots=True)
class Protocol:
    """One protocol of a table or of the catalog; missing numbers are NaN.

    ``acquisition`` has the parameters that have a standard name.  ``dummies`` is the number of first volumes
    that were removed, according to the table; ``coordinates`` has every other row of the table as printed,
    except the site, by the name of its coordinate.
    """

    site: str = ""
    acquisition: Acquisition = field(default_factory=Acquisition)
    volumes: float = math.nan
    dummies: float = math.nan
    slices: str = ""
    coordinates: Mapping[str, str] = field(default_factory=dict)

    @property
    def repetition_time(self) -> float:
        """The repetition time in seconds."""
        return float(self.acquisition.parameters.get("repetition_time", math.nan))


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


def parse(rows: Sequence[Sequence[str]]) -> dict[int, Protocol]:
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
    >>> dict(parse(table)[6].acquisition.parameters)
    {'scanner': 'TimTrio', 'repetition_time': 2.5}
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
    tables: Sequence[tuple[str, Sequence[Sequence[str]]]], recorded: Mapping[int, Protocol] | None = None
) -> tuple[dict[int, Protocol], tuple[Remark, ...]]:
    """Merge several tables: of equal numbers, the parameters of the first; those of T1 images are added.

    A table is one of T1 images if its first rows or its labels say so, and not if it has rows of EPI runs.

    Parameters
    ----------
    tables
        The path and the rows of each table.
    recorded
        The protocols of the catalog.

    Returns
    -------
    protocols, remarks
        The protocols by number, and a warning for each table that contradicts another one or the catalog, or
        has cells that cannot be read.

    Examples
    --------
    >>> table = [["Protocol #", "6"], ["Dummy", "4"]]
    >>> other = [["T1 (MPRAGE)"], ["Protocol #", "6"], ["TR (s)", "2.3"]]
    >>> merge([("a.tsv", table), ("b.tsv", other)])[0][6].coordinates
    {'protocol_dummies': '4', 'protocol_t1_repetition_time': '2.3'}
    """
    merged: dict[int, Protocol] = {}
    sources: dict[int, str] = {}
    remarks: list[Remark] = []
    runs = [(path, rows) for path, rows in tables if not _is_t1_table(rows)]
    for path, rows in runs:
        remarks += _repeated_number_remarks(path, rows)
        for number, parameters in parse(rows).items():
            if number in merged and not _is_same(merged[number], parameters):
                remarks.append(_conflict_remark(path, sources[number], number))
            # The first: select_tables begins with those nearest to the root, where that of the release is.
            merged.setdefault(number, parameters)
            sources.setdefault(number, path)
    remarks += _cell_remarks(merged, sources, recorded or {})
    for path, rows in (table for table in tables if table not in runs):
        message = f"'{path}' is a table of T1 images; its rows have the prefix 'protocol_t1'."
        remarks.append(Remark("t1-protocols", message, path, is_warning=False))
        for number, coordinates in _parse_t1_table(rows).items():
            own = merged.get(number, Protocol())
            merged[number] = replace(own, coordinates={**own.coordinates, **coordinates})
    return merged, tuple(remarks)


def _cell_remarks(
    protocols: Mapping[int, Protocol], sources: Mapping[int, str], recorded: Mapping[int, Protocol]
) -> Iterator[Remark]:
    """Yield, for each table, what cannot be read, and what differs from the catalog."""
    unreadable: dict[str, list[str]] = {}
    differing: dict[str, list[str]] = {}
    for number, protocol in protocols.items():
        path, acquisition = sources[number], protocol.acquisition
        for name, cell in acquisition.unreadable.items():
            unreadable.setdefault(path, []).append(f"{name} {cell!r} of protocol {number}")
        known = recorded[number].acquisition if number in recorded else Acquisition()
        for name, own, other in differences(acquisition, known):
            grade = known.grades[name]
            differing.setdefault(path, []).append(
                f"{name} of protocol {number} is {own}, and {other} in the catalog (grade {grade})"
            )
    for path, cells in unreadable.items():
        message = (
            f"Cells of '{path}' are not one possible number: {name_some(cells)}. The values are missing; the "
            "cells are kept as printed, in coordinates with the prefix 'protocol_'."
        )
        yield Remark("unreadable-protocol", message, path)
    for path, found in differing.items():
        message = (
            f"'{path}' differs from the catalog: {name_some(found)}. The table is used. Correct it if it is "
            "wrong, or report the difference if the catalog is."
        )
        yield Remark("differs-from-catalog", message, path)


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


def _is_same(one: Protocol, other: Protocol) -> bool:
    # As texts: a missing value is NaN, which equals nothing.
    return repr(one) == repr(other)


def _conflict_remark(path: str, first: str, number: int) -> Remark:
    message = (
        f"'{path}' and '{first}' differ about protocol {number}; the values of '{first}' are used. "
        "Keep only the table that belongs to this copy."
    )
    return Remark("conflicting-protocols", message, path)


def from_records(records: "Records") -> dict[int, Protocol]:
    """Return the parameters of the catalog's protocols, by number."""
    return {protocol.number: _from_record(protocol) for protocol in records.protocols}


def _find_number_row(rows: Sequence[Sequence[str]]) -> int | None:
    for index, row in enumerate(rows[:MAX_HEADER_ROWS]):
        numbered = sum(_is_number(cell) for cell in row[1:])
        # Without a number, it may be the header of a table of participants with a column "protocol".
        if row and normalize_name(row[0]).startswith("protocol") and numbered:
            return index
    return None


def _numbers(row: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield the index of each column of a protocol, and the number of the protocol."""
    return ((index, int(float(cell))) for index, cell in enumerate(row) if index and _is_number(cell))


def _is_number(cell: str) -> bool:
    # Programs that read numbers with a blank among them as floats write 6 as "6.0".
    return bool(re.fullmatch(r"\s*\d+(\.0*)?\s*", cell))


def _clean_cell(row: Sequence[str], index: int) -> str:
    cell = " ".join(row[index].split()) if index < len(row) else ""
    return "" if cell.casefold() in _MISSING else cell


def _build_parameters(cells: Mapping[str, str]) -> Protocol:
    named = {_coordinate_name(label): cell for label, cell in cells.items()}
    acquisition = parse_acquisition(named)
    # A standard parameter whose cell cannot be read is kept as printed.
    others = {
        name: cell for name, cell in named.items() if name in acquisition.unreadable or not is_standard(name)
    }
    return Protocol(
        site=others.pop("site", ""),
        acquisition=acquisition,
        volumes=parse_first_number(others.get("volumes", "")),
        dummies=parse_first_number(others.get("dummies", "")),
        slices=others.get("slices", ""),
        coordinates={
            f"protocol_{name}": _join_factors(cell) if name in _FACTORS else cell
            for name, cell in others.items()
        },
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


#: "64  x  64" and "256 x192" are spellings of one form.
_FACTORS: Final = frozenset({"matrix", "field_of_view"})


def _join_factors(cell: str) -> str:
    return re.sub(r"\s*[x\u00d7]\s*", "x", cell)


def _from_record(protocol: "ImagingProtocol") -> Protocol:
    printed = {
        "protocol_in_plane_resolution": _format_number(protocol.in_plane_resolution),
        "protocol_matrix": "x".join(map(str, protocol.matrix or ())),
        "protocol_slices": protocol.slices or "",
        "protocol_volumes": _format_number(protocol.volumes),
    }
    return Protocol(
        site="/".join(protocol.sites),
        acquisition=recorded_acquisition(protocol),
        volumes=_nan_if_none(protocol.volumes),
        dummies=_nan_if_none(protocol.dummies),
        slices=protocol.slices or "",
        coordinates=printed,
    )


def _nan_if_none(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _format_number(value: float | None) -> str:
    return "" if value is None else f"{value:g}"
