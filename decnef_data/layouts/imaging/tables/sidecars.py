"""The acquisition parameters in the sidecars of a BIDS dataset, by participant and session.

A file of JSON describes every run whose name has its entities, in its own folder and in those below: for each
key, the nearest one counts (BIDS specification, common principles, inheritance principle).
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from decnef_data.layouts.account import name_some, quote
from decnef_data.layouts.imaging.inventory.sidecar_files import NUMBERS, PRINTED, TEXTS, SidecarFiles
from decnef_data.layouts.imaging.tables.acquisition import Acquisition
from decnef_data.model import Remark

if TYPE_CHECKING:
    from decnef_data.layouts.imaging.inventory.scans import Inventory, Scan

__all__ = ["read_acquisitions"]

_SessionKey = tuple[str, str]
_MS_PER_S: Final = 1000
_CHANNELS: Final = re.compile(r"(\d+)\s*-?\s*ch", re.IGNORECASE)
_OPPOSITE: Final = {"A": "P", "P": "A"}


def read_acquisitions(inventory: "Inventory") -> tuple[dict[_SessionKey, Acquisition], tuple[Remark, ...]]:
    """Return what the sidecars of all runs state.

    Parameters
    ----------
    inventory
        The inventory of the copy.

    Returns
    -------
    acquisitions, remarks
        The parameters of each session, by the folder of the participant and the session, as far as its runs
        agree; and a warning for files that cannot be read, and for runs of one session that differ.
    """
    files = inventory.sidecars
    inherited = _Inheritance(files)
    runs: dict[_SessionKey, list[Acquisition]] = {}
    for scan in inventory.scans if files.indices else ():
        if scan.kind == "bold":
            runs.setdefault((scan.subject, scan.session), []).append(inherited.acquisition(scan))
    acquisitions = {key: found[0] if len(found) == 1 else _common(found) for key, found in runs.items()}
    differing = [
        "/".join(filter(None, key)) for key, found in runs.items() if any(each != found[0] for each in found)
    ]
    return acquisitions, (*_unreadable_remarks(files), *_difference_remarks(differing))


class _Inheritance:
    """The sidecars by folder, those of fewer entities first; runs with the same ones are parsed once."""

    def __init__(self, files: SidecarFiles) -> None:
        self._contents = files.contents
        self._parsed: dict[tuple[tuple[int, ...], bytes], Acquisition] = {}
        self._by_folder: dict[str, list[tuple[frozenset[str], int]]] = {}
        for path, index in files.indices.items():
            folder, _, name = path.rpartition("/")
            self._by_folder.setdefault(folder, []).append((_entities(name), index))
        for found in self._by_folder.values():
            # Stable, and only within a folder: the file with more entities is the more specific one.
            found.sort(key=lambda pair: len(pair[0]))

    def acquisition(self, scan: "Scan") -> Acquisition:
        """Return what the sidecars say of a run."""
        entities = _entities(scan.file_names.partition("/")[0])
        parts = scan.folder.split("/") if scan.folder else []
        folders = ("/".join(parts[:depth]) for depth in range(len(parts) + 1))
        indices = tuple(
            index
            for folder in folders
            for applies_to, index in self._by_folder.get(folder, ())
            # The suffix is among them: "task-rest_bold" does not describe "task-rest_sbref".
            if applies_to <= entities
        )
        affine = scan.header.affine if scan.header is not None else b""
        # The affine, too: the direction "j" is AP or PA by the orientation of the image.
        if (indices, affine) not in self._parsed:
            merged: dict[str, Any] = {}
            for index in indices:
                merged |= self._contents[index]
            self._parsed[indices, affine] = _parse(merged, affine)
        return self._parsed[indices, affine]


def _unreadable_remarks(files: SidecarFiles) -> Iterator[Remark]:
    if files.unreadable:
        reasons = name_some(f"{quote(path)} ({reason})" for path, reason in files.unreadable.items())
        message = f"Sidecars cannot be read: {reasons}. Correct them, or remove them."
        yield Remark("unreadable-sidecar", message, next(iter(files.unreadable)))


def _entities(name: str) -> frozenset[str]:
    """Return the entities and the suffix in the name of a file.

    >>> sorted(_entities("sub-01_task-rest_bold.nii.gz"))
    ['bold', 'sub-01', 'task-rest']
    """
    return frozenset(name.partition(".")[0].split("_"))


def _parse(content: Mapping[str, Any], affine: bytes) -> Acquisition:
    found: dict[str, float | str] = {}
    for key, name in NUMBERS.items():
        if (number := _number(content.get(key))) is not None:
            found[name] = number
    for key, name in TEXTS.items():
        if text := _text(content.get(key)):
            found[name] = text
    if (seconds := _number(content.get("EchoTime"))) is not None:
        found["echo_time"] = round(seconds * _MS_PER_S, 6)
    if match := _CHANNELS.search(_text(content.get("ReceiveCoilName"))):
        found["coil_channels"] = float(match[1])
    if direction := _phase_encoding(_text(content.get("PhaseEncodingDirection")), affine):
        found["phase_encoding"] = direction
    for printed in (value for value in content.values() if isinstance(value, dict)):
        # At last: an export of this package keeps the printed text, which the standard key only translates.
        found |= {name: text for key, name in PRINTED.items() if (text := _text(printed.get(key)))}
    spacing, thickness = _number(content.get("SpacingBetweenSlices")), found.get("slice_thickness")
    if spacing is not None and isinstance(thickness, float):
        # BIDS has the distance between the centres of slices; binary fractions leave digits behind.
        found["slice_gap"] = round(spacing - thickness, 4)
    return Acquisition(found)


def _number(value: object) -> float | None:
    # True is an integer in Python, and json reads NaN.
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if is_number and isinstance(value, int | float) else None


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _phase_encoding(direction: str, affine: bytes) -> str:
    """Return ``AP`` or ``PA``, blank if the axis is another one."""
    axis = "ijk".find(direction[:1]) if direction else -1
    if axis < 0 or not affine:
        return ""
    towards = _axis_codes(affine)[axis]
    if towards not in _OPPOSITE:
        return ""
    pair = _OPPOSITE[towards] + towards
    # "j" is from low to high indices, thus towards the code of the axis.
    return pair[::-1] if direction.endswith("-") else pair


@lru_cache(maxsize=256)  # the scans of a site have few orientations
def _axis_codes(affine: bytes) -> tuple[str, ...]:
    from nibabel.orientations import aff2axcodes  # only BIDS datasets need it

    return tuple(str(code) for code in aff2axcodes(np.frombuffer(affine, "<f8").reshape(4, 4)))


def _common(found: Sequence[Acquisition]) -> Acquisition:
    """Return the parameters that all runs of a session have in common."""
    first = found[0].parameters
    same = {
        name: value
        for name, value in first.items()
        if all(each.parameters.get(name) == value for each in found)
    }
    return Acquisition(same)


def _difference_remarks(sessions: Iterable[str]) -> Iterator[Remark]:
    listed = list(sessions)
    if listed:
        message = (
            f"The sidecars of runs of one session differ: {name_some(map(quote, listed))}. "
            "What differs is left out. Unless the runs are of different tasks, correct the sidecars."
        )
        yield Remark("differing-sidecars", message)
