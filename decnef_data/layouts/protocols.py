"""The protocol table of an image dataset: transposed and misspelt as printed, a typed record a protocol here.

Where a copy has no table, or its table lacks a protocol, the catalog's record of it speaks.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from decnef_data.layouts.people import slug
from decnef_data.records import fold

if TYPE_CHECKING:
    from decnef_data.model import Protocol
    from decnef_data.records import Records

__all__ = ["NUMBERED", "Imaging", "from_records", "is_protocols", "parse"]

#: One of so many first rows numbers the protocols, where a table is one of protocols.
NUMBERED: Final = 5
_THOUSANDS: Final = re.compile(r"\d{1,3}(,\d{3})+")
_FIRST_NUMBER: Final = re.compile(r"[-+]?\d+(?:\.\d+)?")
#: A repetition time beyond this many seconds is one in milliseconds.
_LONGEST_TR: Final = 100.0
_MISSING: Final = frozenset({"", "-", "n/a", "na", "nan", "-1000"})


@dataclass(frozen=True, slots=True)
class Imaging:
    """How a protocol images; times in seconds, NaN or ``""`` where nothing is stated.

    ``dummies`` are the volumes that the table says were left out; ``printed`` is every row of it by the
    name of its coordinate; ``labels`` says what the table prints before each.
    """

    site: str
    scanner: str
    repetition_time: float
    volumes: float
    dummies: float
    slices: str
    printed: Mapping[str, str]


def is_protocols(rows: Sequence[Sequence[str]]) -> bool:
    """Say whether a table is one of protocols: one of its first rows numbers them.

    Examples
    --------
    >>> is_protocols([["rsfMRI (EPI)"], ["Protocol #", "1", "2"]]), is_protocols([["participant_id"]])
    (True, False)
    """
    return _numbering(rows) is not None


def parse(rows: Sequence[Sequence[str]]) -> dict[int, Imaging]:
    r"""Read the table.

    Parameters
    ----------
    rows
        Its cells as printed, rows of any length.

    Returns
    -------
    dict
        By the number of the protocol.

    Examples
    --------
    >>> table = [["rsfMRI (EPI)"], ["Protocol #", "6"], ["MRI Scanner", "TimTrio"], ["TR (s)", "2,500"]]
    >>> protocol = parse(table)[6]
    >>> protocol.scanner, protocol.repetition_time
    ('TimTrio', 2.5)
    """
    start = _numbering(rows)
    if start is None:
        return {}
    numbers = {at: int(float(cell)) for at, cell in enumerate(rows[start]) if at and _is_number(cell)}
    labelled = [(row[0], row) for row in rows[start + 1 :] if row and row[0].strip()]
    return {
        number: _imaging({label: _cell(row, at) for label, row in labelled}) for at, number in numbers.items()
    }


def from_records(records: "Records") -> dict[int, Imaging]:
    """Give the catalog's protocols in the same form."""
    return {protocol.number: _recorded(protocol) for protocol in records.protocols}


def _numbering(rows: Sequence[Sequence[str]]) -> int | None:
    for at, row in enumerate(rows[:NUMBERED]):
        numbered = sum(_is_number(cell) for cell in row[1:])
        if row and fold(row[0]).startswith("protocol") and numbered:
            return at
    return None


def _is_number(cell: str) -> bool:
    return bool(re.fullmatch(r"\s*\d+(\.0*)?\s*", cell))


def _cell(row: Sequence[str], at: int) -> str:
    cell = " ".join(row[at].split()) if at < len(row) else ""
    return "" if cell.casefold() in _MISSING else cell


def _imaging(cells: Mapping[str, str]) -> Imaging:
    printed = {f"protocol_{_name(label)}": cell for label, cell in cells.items()}
    return Imaging(
        site=printed.pop("protocol_site", ""),
        scanner=printed.pop("protocol_scanner", ""),
        repetition_time=_seconds(printed.pop("protocol_repetition_time", "")),
        volumes=_number(printed.get("protocol_volumes", "")),
        dummies=_number(printed.get("protocol_dummies", "")),
        slices=printed.get("protocol_slices", ""),
        printed={name: _tidied(name, cell) for name, cell in printed.items()},
    )


#: What the name of a row begins with, folded, as printed and as it should be spelt; the first that fits.
_NAMES: Final[Sequence[tuple[str, tuple[str, ...]]]] = (
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


def _name(label: str) -> str:
    folded = fold(label)
    return next((name for name, starts in _NAMES if folded.startswith(starts)), slug(label, "_"))


def _number(cell: str) -> float:
    found = _FIRST_NUMBER.search(_without_thousands(cell))
    return float(found[0]) if found else float("nan")


def _without_thousands(cell: str) -> str:
    """Read ``2,500`` as two thousand five hundred; any other comma is that of a decimal."""
    bare = cell.strip().strip('"')
    return bare.replace(",", "") if _THOUSANDS.fullmatch(bare) else bare.replace(",", ".")


def _seconds(cell: str) -> float:
    stated = _number(cell)
    return stated / 1000 if stated > _LONGEST_TR else stated


_TIDY: Final[Mapping[str, Callable[[str], str]]] = {
    # "64  x  64" and "256 x192" are one size written twice; "3T" is 3 tesla.
    "protocol_matrix": lambda cell: re.sub(r"\s*[x\u00d7]\s*", "x", cell),
    "protocol_field_of_view": lambda cell: re.sub(r"\s*[x\u00d7]\s*", "x", cell),
    "protocol_field_strength": lambda cell: re.sub(r"\s*T$", "", cell),
    "protocol_slice_order": str.casefold,
}


def _tidied(name: str, cell: str) -> str:
    return _TIDY.get(name, str)(cell)


def _recorded(protocol: "Protocol") -> Imaging:
    return Imaging(
        site="/".join(protocol.sites),
        scanner=protocol.scanner or "",
        repetition_time=_or_nan(protocol.repetition_time),
        volumes=_or_nan(protocol.volumes),
        dummies=_or_nan(protocol.dummies),
        slices=protocol.slices or "",
        printed=dict(_stated(protocol)),
    )


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _stated(protocol: "Protocol") -> Iterator[tuple[str, str]]:
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
