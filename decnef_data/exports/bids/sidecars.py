"""The sidecar of one scan: what the protocol table, the catalog and the header state, and nothing else.

A key without a value is left out; BIDS has no missing values in sidecars.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import nibabel as nib
import numpy as np

from decnef_data.errors import FormatError
from decnef_data.exports.bids.names import task_label
from decnef_data.exports.bids.slice_timing import compute_slice_timing
from decnef_data.formats import nifti

if TYPE_CHECKING:
    from decnef_data.model import Image
    from decnef_data.records import Records

__all__ = [
    "Geometry",
    "SidecarContext",
    "build_sidecar",
    "format_json",
    "require_repetition_time",
]


#: A repetition time outside of these limits is a mistake of a table or header.
_REPETITION_TIMES: Final = (0.5, 5.0)
#: So is an echo time of more than 100 ms.
_MAX_ECHO_TIME: Final = 0.1
#: BIDS describes directions by the axes of the voxels.
_AXES: Final = "ijk"
#: Coordinates have 32 bits: a spacing of 3.3 mm would be 3.299999952316284.
_DECIMALS: Final = 4
#: Values of the catalog that are inferred or unconfirmed are not stated as facts; a run needs the last one.
_UNCERTAIN_GRADES: Final = frozenset({"C", "D"})
_NEEDED: Final = "repetition_time"
_GRADE: Final = "grade_"
#: Metadata with text as printed, and their names in the sidecar.
_PRINTED: Final = {
    "site": "site",
    "scanner": "scanner_printed",
    "phase_encoding": "phase_encoding_printed",
    "slice_order": "slice_order_printed",
}


@dataclass(frozen=True, slots=True)
class Geometry:
    """The position of the voxels of a scan in space, from its header.

    ``axis_codes`` is where each axis points, such as ``"LAS"``; empty if the header does not state it.
    ``spacing`` is the distance of slices in mm.
    """

    axis_codes: str
    spacing: float

    @classmethod
    def of_image(cls, image: "Image") -> "Geometry":
        """Read the header of a scan."""
        header = nifti.read(image.source.read_header(), image.files[0])
        affine = np.frombuffer(header.affine, "<f8").reshape(4, 4)
        # With both codes 0, NIfTI states no orientation, and readers make one up.
        is_stated = any(nifti.form_codes(header.signature))
        codes = "".join(code or "?" for code in nib.aff2axcodes(affine)) if is_stated else ""
        return cls(codes, round(float(np.linalg.norm(affine[:3, 2])), _DECIMALS))


@dataclass(frozen=True, slots=True)
class SidecarContext:
    """What the sidecars of an export have in common.

    ``source_object`` is the name of the object for what is not of BIDS.
    """

    records: "Records"
    slice_timing: str
    synthetic: bool
    source_object: str = "DecnefData"


def require_repetition_time(image: "Image") -> None:
    """Require that the repetition time of a run is known and possible.

    Raises
    ------
    FormatError
        It is not; the error names the scan.
    """
    seconds = image.metadata.get("repetition_time", math.nan)
    low, high = _REPETITION_TIMES
    if low <= seconds <= high:
        return
    problem = (
        "is unknown: neither a protocol table nor the header states it"
        if not seconds > 0
        else f"is {seconds:g} s, which is outside the range from {low:g} to {high:g} s"
    )
    message = (
        f"The repetition time of '{image.files[0]}' {problem}. "
        "Correct the protocol table or the header, or omit the scan with strict=False."
    )
    raise FormatError(message, file=image.files[0])


def build_sidecar(image: "Image", geometry: Geometry, context: SidecarContext) -> dict[str, Any]:
    """Return the sidecar of a scan.

    Examples
    --------
    >>> from types import SimpleNamespace as Scan
    >>> from decnef_data.records import Records
    >>> metadata = {"repetition_time": 2.5, "phase_encoding": "PA", "site": "COI", "echo_time": 30.0}
    >>> names = {"folder": "data/sub-0001/rsfmri", "file_names": "vol_0000/vol_0001"}
    >>> scan = Scan(kind="bold", metadata=metadata, shape=(240, 40, 64, 64), **names)
    >>> context = SidecarContext(Records.load(), "known", synthetic=False)
    >>> sidecar = build_sidecar(scan, Geometry("LAS", 4.0), context)
    >>> sidecar["PhaseEncodingDirection"], sidecar["EchoTime"]
    ('j', 0.03)
    """
    metadata = _certain(image.metadata)
    withheld = _withheld(metadata, context.records)
    # The table prints protocol 3 under another hospital than that of its site.
    site = None if "institution" in withheld else context.records.site(_text(metadata, "site"))
    fields: dict[str, Any] = {"InstitutionName": site.name if site else None}
    grade = ""
    if image.kind == "bold":
        fields |= {**_scanner_fields(metadata, withheld), "TaskName": task_label(image.file_names)}
        fields |= _sequence_fields(metadata)
        fields |= _geometry_fields(metadata, geometry)
        timing = compute_slice_timing(
            _text(metadata, "slice_order"),
            image.shape[1],
            metadata["repetition_time"],
            _text(metadata, "manufacturer"),
            geometry.axis_codes[2:3],
            context.slice_timing,
        )
        if timing is not None:
            fields["SliceTiming"], grade = list(timing.times), timing.grade
    known = {name: _as_integer(value) for name, value in fields.items() if value is not None}
    return known | {context.source_object: _source_fields(image, grade, synthetic=context.synthetic)}


def _certain(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the metadata without values of the catalog that are inferred or unconfirmed."""
    return {name: value for name, value in metadata.items() if not _is_uncertain(name, metadata)}


def _is_uncertain(name: str, metadata: Mapping[str, Any]) -> bool:
    return name != _NEEDED and metadata.get(f"{_GRADE}{name}") in _UNCERTAIN_GRADES


def _withheld(metadata: Mapping[str, Any], records: "Records") -> tuple[str, ...]:
    """Return which values of the protocol are not certain enough to be exported."""
    number = metadata.get("protocol")
    protocol = next((protocol for protocol in records.protocols if protocol.number == number), None)
    return protocol.uncertain if protocol else ()


def _scanner_fields(metadata: Mapping[str, Any], withheld: tuple[str, ...]) -> dict[str, Any]:
    manufacturer, scanner = _text(metadata, "manufacturer"), _text(metadata, "scanner")
    # The protocol table prints both in one cell, such as 'Siemens Verio'.
    is_prefixed = bool(manufacturer) and scanner.casefold().startswith(manufacturer.casefold())
    model = scanner[len(manufacturer) :].strip() if is_prefixed else scanner
    channels = _number(metadata, "coil_channels")
    return {
        "Manufacturer": manufacturer or None,
        "ManufacturersModelName": None if "scanner" in withheld else model or None,
        "MagneticFieldStrength": _number(metadata, "field_strength"),
        "ReceiveCoilName": None if channels is None else f"{channels:g}-channel head coil",
    }


def _sequence_fields(metadata: Mapping[str, Any]) -> dict[str, Any]:
    milliseconds = _number(metadata, "echo_time")
    echo_time = None if milliseconds is None else round(milliseconds / 1000, 6)
    return {
        "RepetitionTime": metadata["repetition_time"],
        "EchoTime": echo_time if echo_time and 0 < echo_time <= _MAX_ECHO_TIME else None,
        "FlipAngle": _number(metadata, "flip_angle"),
        "NumberOfVolumesDiscardedByUser": _discarded_volumes(metadata),
        "Instructions": _text(metadata, "protocol_eyes") or None,
    }


def _discarded_volumes(metadata: Mapping[str, Any]) -> int | None:
    """Return the number of initial volumes that were removed, if as many are missing as are documented.

    If another number is missing, the run lost volumes in another way, too: which ones is unknown.
    """
    planned, found = _number(metadata, "n_volumes_planned"), _number(metadata, "n_volumes")
    documented = _number(metadata, "n_dummies_removed")
    # Where another number of volumes is missing, it is unknown whether those are at the start.
    if planned is None or found is None or planned - found != documented:
        return None
    return int(documented)


def _geometry_fields(metadata: Mapping[str, Any], geometry: Geometry) -> dict[str, Any]:
    return {
        "PhaseEncodingDirection": _phase_encoding_direction(
            _text(metadata, "phase_encoding"), geometry.axis_codes
        ),
        "SliceThickness": _number(metadata, "slice_thickness"),
        # Of the header, by which programs place the slices, and not of the table.
        "SpacingBetweenSlices": geometry.spacing,
    }


def _phase_encoding_direction(printed: str, axis_codes: str) -> str | None:
    """Return the axis between anterior and posterior, with ``-`` if it points to where encoding starts."""
    direction = printed.strip().upper()
    axis = next((index for index, code in enumerate(axis_codes) if code in "AP"), None)
    if direction not in {"AP", "PA"} or axis is None:
        return None
    return _AXES[axis] + ("" if axis_codes[axis] == direction[1] else "-")


def _source_fields(image: "Image", grade: str, *, synthetic: bool) -> dict[str, Any]:
    """Return where a scan comes from, and what was printed about it."""
    file_names = image.file_names.split("/")
    metadata = image.metadata
    printed = {label: _text(metadata, name) for name, label in _PRINTED.items()}
    protocol = _number(metadata, "protocol")
    is_run = image.kind == "bold"
    grades = {
        name.removeprefix(_GRADE): grade
        for name, grade in metadata.items()
        if is_run and name.startswith(_GRADE) and grade
    }
    left_out = {
        name: _as_integer(metadata[name] if isinstance(metadata[name], str) else _number(metadata, name))
        for name in grades
        if _is_uncertain(name, metadata)
    }
    return {
        **{label: text for label, text in printed.items() if text},
        **({} if protocol is None else {"protocol": _as_integer(protocol)}),
        **({"slice_timing_grade": grade} if grade else {}),
        **({"catalog_grades": grades} if grades else {}),
        **({"left_out": left_out} if left_out else {}),
        "source_folder": image.folder,
        "source_files": file_names if len(file_names) == 1 else [file_names[0], file_names[-1]],
        "n_source_files": len(file_names),
        **({"synthetic": True} if synthetic else {}),
    }


def _number(metadata: Mapping[str, Any], name: str) -> float | None:
    """Return a number of the metadata, ``None`` if it is missing; coordinates have 32 bits."""
    value = metadata.get(name)
    is_number = isinstance(value, int | float) and math.isfinite(value)
    return round(float(value), _DECIMALS) if is_number and value is not None else None


def _text(metadata: Mapping[str, Any], name: str) -> str:
    value = metadata.get(name)
    return value.strip() if isinstance(value, str) else ""


def _as_integer(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def format_json(content: Mapping[str, Any]) -> str:
    """Return JSON as text, with the same bytes for the same content."""
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
