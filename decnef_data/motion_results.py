"""Results of head motion in the cache: arrays by run, and a journal of what was computed of which scan.

The arrays are named by the voxels that they were computed from.  The journal says which arrays belong to
which scan as it is in its files, so that they are found, and its displacement is known, without reading
voxels.  Every line has a checksum; one that is incomplete or garbled is skipped, and costs reading the voxels
once more.
"""

import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from decnef_data.atomic_files import append_private, write_atomic
from decnef_data.msgspec_support import DECODE_ERRORS, prepare_type

__all__ = [
    "COMPUTED",
    "METHOD_VERSION",
    "RADIUS",
    "Displacement",
    "MotionResults",
    "RunEntry",
    "digest",
    "scan_key",
]

#: Changes with every change of what the registration returns, so that earlier results are not used.
METHOD_VERSION: Final = 1
#: The radius in mm by which the displacement of a scan is recorded, that of Power et al. 2012.
RADIUS: Final = 50.0
#: What is recorded of a scan, by the name of its coordinate, with the attributes of that.
COMPUTED: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "mean_fd_computed": {
            "units": "mm",
            "long_name": "mean of fd, computed from the images",
            "comment": "mean_fd is what the release states, by another method",
        },
        "fd_floor": {
            "units": "mm",
            "long_name": "mean fd that noise alone makes",
            "comment": "half the difference of the registrations of two interleaved halves of the voxels",
        },
    }
)
_JOURNAL: Final = "scans.jsonl"
_CHECKSUM_LENGTH: Final = 4
#: The same in hexadecimal digits, at the start of a line.
_LINE_CHECKSUM: Final = 8


def digest(described: Mapping[str, object]) -> str:
    """Return a digest of values that JSON can hold, in hexadecimal digits.

    Examples
    --------
    >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    True
    """
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()


def scan_key(source: str, affine: NDArray[np.float64], slope: float, inter: float) -> str:
    """Return the key of a complete scan: of its source, and of what makes its voxels values in space.

    Parameters
    ----------
    source
        What identifies the files of the scan and their content.
    affine
        The affine from voxel indices to millimetres, ``(4, 4)``.
    slope, inter
        The scaling of the stored voxels.

    Examples
    --------
    >>> scan_key("a", np.eye(4), 1, 0) == scan_key("a", np.eye(4), 2, 0)
    False
    """
    # Adding 0 makes -0 to 0, which is the same affine.
    placed = (np.asarray(affine, dtype="f8") + 0.0).tolist()
    scaling = [float(slope), float(inter)]
    return digest({"version": METHOD_VERSION, "source": source, "affine": placed, "scaling": scaling})


@dataclass(frozen=True, slots=True)
class Displacement:
    """The mean framewise displacement of a scan in mm, and its floor; NaN where it was not computed."""

    mean: float
    floor: float


class RunEntry(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What was computed of one scan.

    ``scan`` is its key, ``run`` that of the scan with the reference volume and the index coordinates, and
    ``result`` the name of its arrays.  ``mean_fd`` and ``fd_floor`` are those by the middle volume and
    :data:`RADIUS`, ``None`` where they are not known.
    """

    scan: str
    run: str
    result: str
    mean_fd: float | None = None
    fd_floor: float | None = None

    def completed_by(self, other: "RunEntry | None") -> "RunEntry":
        """Return the entry with what an earlier one of the same result knows."""
        if other is None or other.result != self.result:
            return self
        return msgspec.structs.replace(
            self,
            mean_fd=other.mean_fd if self.mean_fd is None else self.mean_fd,
            fd_floor=other.fd_floor if self.fd_floor is None else self.fd_floor,
        )


_Entries = Mapping[str, RunEntry]


@dataclass(frozen=True, slots=True)
class MotionResults:
    """The results of one dataset, in a folder that need not exist.

    Several processes may write to it: arrays appear completely or not at all, and lines are appended.

    Examples
    --------
    >>> import tempfile
    >>> results = MotionResults(Path(tempfile.mkdtemp()))
    >>> results.write_array("one.poses", np.ones((1, 2)))
    >>> results.read_array("one.poses", (1, 2)).tolist()
    [[1.0, 1.0]]
    >>> results.add(RunEntry(scan="a", run="b", result="one", mean_fd=0.25))
    >>> results.displacements["a"]
    Displacement(mean=0.25, floor=nan)
    """

    folder: Path

    def read_array(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float64] | None:
        """Read an array of this shape, ``None`` if there is none or it is damaged."""
        try:
            data = (self.folder / name).read_bytes()
        except OSError:
            return None
        checksum, content = data[:_CHECKSUM_LENGTH], data[_CHECKSUM_LENGTH:]
        if checksum != _checksum(content) or len(content) != 8 * np.prod(shape):
            return None
        return np.frombuffer(content, "<f8").reshape(shape).astype(np.float64)

    def write_array(self, name: str, values: NDArray[np.float64]) -> None:
        """Write an array."""
        content = values.astype("<f8").tobytes()
        write_atomic(self.folder / name, _checksum(content) + content)

    def find(self, run: str) -> RunEntry | None:
        """Return what was computed of a run, by its key."""
        return self._journal.entries.get(run)

    def add(self, entry: RunEntry) -> None:
        """Record what was computed of a run, unless it is recorded already."""
        known = self.find(entry.run)
        entry = entry.completed_by(known)
        if entry != known:
            line = msgspec.json.encode(entry)
            # A line break first ends a line that another process could not finish.
            append_private(self.folder / _JOURNAL, b"\n" + _checksum(line).hex().encode() + line + b"\n")

    @property
    def displacements(self) -> Mapping[str, Displacement]:
        """The displacement of each scan, by its key: the same object as long as nothing is added."""
        return self._journal.displacements

    @property
    def _journal(self) -> "_Journal":
        path = self.folder / _JOURNAL
        try:
            status = path.stat()
        except OSError:
            return _NOTHING
        return _load_journal(path, (status.st_ino, status.st_mtime_ns, status.st_size))


@dataclass(frozen=True, slots=True, eq=False)
class _Journal:
    """The last entry of each run, and the displacement of each scan."""

    entries: _Entries
    displacements: Mapping[str, Displacement]


_NOTHING: Final = _Journal({}, {})


@lru_cache(maxsize=4)  # the image datasets are three
def _load_journal(path: Path, _signature: tuple[int, ...]) -> _Journal:
    entries: dict[str, RunEntry] = {}
    for entry in _read_entries(path):
        entries[entry.run] = entry.completed_by(entries.get(entry.run))
    displacements: dict[str, Displacement] = {}
    for entry in entries.values():
        # Of one scan with other times there is another entry, with the same displacement.
        known = displacements.get(entry.scan, Displacement(np.nan, np.nan))
        displacements[entry.scan] = Displacement(
            known.mean if entry.mean_fd is None else entry.mean_fd,
            known.floor if entry.fd_floor is None else entry.fd_floor,
        )
    return _Journal(entries, displacements)


def _read_entries(path: Path) -> Iterator[RunEntry]:
    decoder = msgspec.json.Decoder(prepare_type(RunEntry))
    for line in path.read_bytes().splitlines():
        content = line[_LINE_CHECKSUM:]
        if line[:_LINE_CHECKSUM] == _checksum(content).hex().encode():
            try:
                yield decoder.decode(content)
            except DECODE_ERRORS:  # of a later version
                continue


def _checksum(content: bytes) -> bytes:
    return zlib.crc32(content).to_bytes(_CHECKSUM_LENGTH, "little")
