"""The files of JSON that describe runs, as an inventory keeps them: used keys, and each content once."""

import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np

from decnef_data.path_text import unescape_path

if TYPE_CHECKING:
    from decnef_data.layouts.imaging.inventory.files import FileEntry

__all__ = ["NUMBERS", "PRINTED", "TEXTS", "SidecarFiles", "StatusFunction", "is_sidecar", "read_sidecars"]

#: The keys with numbers and with texts whose values become parameters of the same meaning.
NUMBERS: Final = {
    "RepetitionTime": "repetition_time",
    "MagneticFieldStrength": "field_strength",
    "FlipAngle": "flip_angle",
    "SliceThickness": "slice_thickness",
}
TEXTS: Final = {"Manufacturer": "manufacturer", "ManufacturersModelName": "scanner"}
#: What an export of this package keeps as printed, in an object of its own.
PRINTED: Final = {
    "scanner_printed": "scanner",
    "phase_encoding_printed": "phase_encoding",
    "slice_order_printed": "slice_order",
}
_KEYS: Final = frozenset({
    *NUMBERS, *TEXTS, "EchoTime", "ReceiveCoilName", "PhaseEncodingDirection", "SpacingBetweenSlices",
})  # fmt: skip


#: Returns the size and modification time (ns) of the file at a path, ``None`` if they are not known.
StatusFunction = Callable[[str], tuple[int, int] | None]


class SidecarFiles(msgspec.Struct, frozen=True, kw_only=True):
    """The sidecars of a copy.

    ``contents`` are those that differ, and ``indices`` has the one of each path.  ``sizes`` and ``mtimes``
    have a 64-bit integer for each path of a folder, and ``unreadable`` has the reasons by path.
    """

    indices: dict[str, int] = {}
    contents: tuple[dict[str, Any], ...] = ()
    unreadable: dict[str, str] = {}
    sizes: bytes = b""
    mtimes: bytes = b""

    def are_current(self, root: Path, known_status: StatusFunction) -> bool:
        """Return whether all files in a folder have the sizes and times that they had.

        Parameters
        ----------
        root
            The folder.
        known_status
            Returns what is known of the file at a path; where it is ``None``, the file is looked at.

        Examples
        --------
        >>> SidecarFiles().are_current(Path("nowhere"), lambda path: None)
        True
        """
        if not self.sizes:
            return True
        prefix = f"{root}/"  # joined texts take a third of the time of paths
        found = [known_status(path) or _status(prefix, path) for path in self.indices]
        sizes, mtimes = zip(*found, strict=True)
        return (_pack(sizes), _pack(mtimes)) == (self.sizes, self.mtimes)


def _status(prefix: str, path: str) -> tuple[int, int]:
    status = os.stat(prefix + unescape_path(path))  # noqa: PTH116
    return status.st_size, status.st_mtime_ns


def is_sidecar(path: str) -> bool:
    """Return whether a file may describe runs.

    Examples
    --------
    >>> is_sidecar("sub-01/func/sub-01_task-rest_bold.json"), is_sidecar("participants.json")
    (True, False)
    """
    # At the top of a copy, BIDS allows "bold.json" for all runs: no underscore is required.
    return path.endswith("bold.json")


def read_sidecars(
    entries: "Iterable[FileEntry]", read: Callable[[str], bytes], *, of_folder: bool
) -> SidecarFiles:
    """Read the sidecars among the files of a copy.

    Parameters
    ----------
    entries
        The files.
    read
        Reads the file at a path.
    of_folder
        Whether sizes and times are kept, by which a change is noticed.

    Examples
    --------
    >>> from decnef_data.layouts.imaging.inventory.files import FileEntry
    >>> found = read_sidecars([FileEntry("task-rest_bold.json", 2, 0)], lambda path: b"[]", of_folder=False)
    >>> found.unreadable
    {'task-rest_bold.json': 'not an object of JSON'}
    """
    sidecars = sorted((entry for entry in entries if is_sidecar(entry.path)), key=lambda entry: entry.path)
    indices: dict[str, int] = {}
    distinct: dict[bytes, int] = {}
    contents: list[dict[str, Any]] = []
    unreadable: dict[str, str] = {}
    for entry in sidecars:
        content, reason = _parse(read, entry.path)
        if reason:
            unreadable[entry.path] = reason
        key = msgspec.json.encode(content, order="deterministic")
        if key not in distinct:
            distinct[key] = len(contents)
            contents.append(content)
        indices[entry.path] = distinct[key]
    sizes = _pack([entry.size for entry in sidecars]) if of_folder else b""
    mtimes = _pack([entry.mtime_ns for entry in sidecars]) if of_folder else b""
    return SidecarFiles(
        indices=indices, contents=tuple(contents), unreadable=unreadable, sizes=sizes, mtimes=mtimes
    )


def _pack(numbers: Iterable[int]) -> bytes:
    return np.array(list(numbers), "<i8").tobytes()


def _parse(read: Callable[[str], bytes], path: str) -> tuple[dict[str, Any], str]:
    """Return the keys of a sidecar that are used, and the reason why it cannot be read."""
    try:
        # Not msgspec, which rejects a byte order mark and NaN: converters write both.
        content = json.loads(read(path))
    except OSError as error:
        return {}, error.strerror or type(error).__name__
    except (ValueError, RecursionError):
        return {}, "not JSON"
    if not isinstance(content, dict):
        return {}, "not an object of JSON"
    return {key: value for key, value in content.items() if _is_used(key, value)}, ""


def _is_used(key: str, value: object) -> bool:
    is_plain = key in _KEYS and isinstance(value, str | int | float) and not isinstance(value, bool)
    return is_plain or (isinstance(value, dict) and not PRINTED.keys().isdisjoint(value))
