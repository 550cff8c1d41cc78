"""The acquisition parameters in the sidecars of a BIDS dataset, by participant and session.

A file of JSON describes every run whose name has its entities, in its own folder and in those below: for each
key, the nearest one counts (BIDS specification, common principles, inheritance principle).
"""

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from decnef_data.layouts.account import name_some, quote
from decnef_data.layouts.imaging.acquisition import Acquisition
from decnef_data.model import Remark
from decnef_data.path_text import escape_path, unescape_path

if TYPE_CHECKING:
    from decnef_data.layouts.imaging.inventory import Inventory, Scan

__all__ = ["read_acquisitions"]

_SessionKey = tuple[str, str]
_MS_PER_S: Final = 1000
_CHANNELS: Final = re.compile(r"(\d+)\s*-?\s*ch", re.IGNORECASE)
_NUMBERS: Final = {
    "RepetitionTime": "repetition_time",
    "MagneticFieldStrength": "field_strength",
    "FlipAngle": "flip_angle",
    "SliceThickness": "slice_thickness",
}
_TEXTS: Final = {"Manufacturer": "manufacturer", "ManufacturersModelName": "scanner"}
#: What an export of this package keeps as printed.
_PRINTED: Final = {
    "scanner_printed": "scanner",
    "phase_encoding_printed": "phase_encoding",
    "slice_order_printed": "slice_order",
}
_OPPOSITE: Final = {"A": "P", "P": "A"}


def read_acquisitions(inventory: "Inventory") -> tuple[dict[_SessionKey, Acquisition], tuple[Remark, ...]]:
    """Read the sidecars of all runs.

    Parameters
    ----------
    inventory
        The inventory of a folder; an archive has no sidecars that can be read.

    Returns
    -------
    acquisitions, remarks
        The parameters of each session, by the folder of the participant and the session, as far as its runs
        agree; and a warning for files that cannot be read, and for runs of one session that differ.
    """
    if not inventory.root:
        return {}, ()
    root = Path(unescape_path(inventory.root))
    files = _SidecarFiles(root)
    runs: dict[_SessionKey, list[Acquisition]] = {}
    for scan in inventory.scans:
        if scan.kind == "bold":
            runs.setdefault((scan.subject, scan.session), []).append(
                _parse(files.content(scan.files[0]), scan)
            )
    acquisitions = {key: _common(found) for key, found in runs.items()}
    differing = [
        "/".join(filter(None, key)) for key, found in runs.items() if any(each != found[0] for each in found)
    ]
    return acquisitions, (*files.remarks(), *_difference_remarks(differing))


class _SidecarFiles:
    """The files of JSON of a folder, each read once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._unreadable: dict[str, str] = {}
        self._read = lru_cache(maxsize=None)(self._read_file)
        self._list = lru_cache(maxsize=None)(self._list_files)

    def content(self, image: str) -> dict[str, Any]:
        """Return what the sidecars say of an image."""
        folder, _, name = image.rpartition("/")
        entities = _entities(name)
        parts = folder.split("/") if folder else []
        merged: dict[str, Any] = {}
        for depth in range(len(parts) + 1):
            for path, applies_to in self._list("/".join(parts[:depth])):
                if applies_to <= entities:
                    merged |= self._read(path)
        return merged

    def remarks(self) -> Iterator[Remark]:
        """Yield a warning for the files that cannot be read."""
        if self._unreadable:
            reasons = name_some(f"{quote(path)} ({reason})" for path, reason in self._unreadable.items())
            message = f"Sidecars cannot be read: {reasons}. Correct them, or remove them."
            yield Remark("unreadable-sidecar", message, next(iter(self._unreadable)))

    def _list_files(self, folder: str) -> Sequence[tuple[str, frozenset[str]]]:
        """Return the sidecars of runs in a folder, those of fewer entities first."""
        names = (path.name for path in (self._root / unescape_path(folder)).glob("*bold.json"))
        listed = [(f"{folder}/{escape_path(name)}".lstrip("/"), _entities(name)) for name in sorted(names)]
        return sorted(listed, key=lambda pair: len(pair[1]))

    def _read_file(self, path: str) -> dict[str, Any]:
        try:
            content = json.loads((self._root / unescape_path(path)).read_bytes())
        except OSError as error:
            self._unreadable[path] = error.strerror or type(error).__name__
        except (ValueError, RecursionError):
            self._unreadable[path] = "not JSON"
        else:
            if isinstance(content, dict):
                return content
            self._unreadable[path] = "not an object of JSON"
        return {}


def _entities(name: str) -> frozenset[str]:
    """Return the entities and the suffix in the name of a file.

    >>> sorted(_entities("sub-01_task-rest_bold.nii.gz"))
    ['bold', 'sub-01', 'task-rest']
    """
    return frozenset(name.partition(".")[0].split("_"))


def _parse(content: Mapping[str, Any], scan: "Scan") -> Acquisition:
    found: dict[str, float | str] = {}
    for key, name in _NUMBERS.items():
        if (number := _number(content.get(key))) is not None:
            found[name] = number
    for key, name in _TEXTS.items():
        if text := _text(content.get(key)):
            found[name] = text
    if (seconds := _number(content.get("EchoTime"))) is not None:
        found["echo_time"] = round(seconds * _MS_PER_S, 6)
    if match := _CHANNELS.search(_text(content.get("ReceiveCoilName"))):
        found["coil_channels"] = float(match[1])
    if direction := _phase_encoding(_text(content.get("PhaseEncodingDirection")), scan):
        found["phase_encoding"] = direction
    printed = content.get("SRPBS")
    if isinstance(printed, dict):
        found |= {name: text for key, name in _PRINTED.items() if (text := _text(printed.get(key)))}
    spacing, thickness = _number(content.get("SpacingBetweenSlices")), found.get("slice_thickness")
    if spacing is not None and isinstance(thickness, float):
        found["slice_gap"] = round(spacing - thickness, 4)
    return Acquisition(found)


def _number(value: object) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if is_number and isinstance(value, int | float) else None


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _phase_encoding(direction: str, scan: "Scan") -> str:
    """Return ``AP`` or ``PA``, blank if the axis is another one."""
    axis = "ijk".find(direction[:1]) if direction else -1
    if axis < 0 or scan.header is None:
        return ""
    towards = _axis_codes(scan.header.affine)[axis]
    if towards not in _OPPOSITE:
        return ""
    pair = _OPPOSITE[towards] + towards
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
            "What differs is left out; correct the sidecars."
        )
        yield Remark("differing-sidecars", message)
