"""The inventory of scans, from the names, sizes, times and headers of files.

It does not matter where the files are: a folder and an archive both provide entries, and a function that
reads the first bytes of one.  No more of an image is read than its header, and what a fingerprint needs.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Final

import msgspec
import numpy as np

from decnef_data.errors import FormatError
from decnef_data.formats import nifti
from decnef_data.layouts.imaging.paths import ImagePath, parse_image_path

__all__ = [
    "INVENTORY_VERSION",
    "FileEntry",
    "Inventory",
    "Scan",
    "ScanProblem",
    "find_scans",
    "series_key",
    "with_fingerprint",
]

#: Increases whenever the same files would result in a different inventory.
INVENTORY_VERSION: Final = 3
#: Reads the start of the file at a path: the bytes of the header, and whether the file is gzipped.
HeaderReader = Callable[[str], tuple[bytes, bool]]
#: A gzip file ends with the checksum and the length of its content.
_GZIP_TRAILER_SIZE: Final = 8
_SAMPLE_COUNT, _SAMPLE_SIZE = 16, 4096


class FileEntry(msgspec.Struct, frozen=True, array_like=True):
    """A file below the root: its path with forward slashes, its size and its modification time.

    A member of an archive also has its offset in the decompressed archive and its crc32c.
    """

    path: str
    size: int
    mtime_ns: int
    offset: int = -1
    crc32c: int = 0


class Scan(msgspec.Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """One run, T1 image or set of field maps of one subject.

    ``file_names`` are its files in ``folder``, in order, joined by ``/``; ``file_sizes`` and ``mtimes`` have
    a 64-bit integer for each, and so have ``offsets`` and ``checksums`` (crc32c) of members of an archive.
    Field maps have no ``header``.  ``missing_numbers`` are numbers without a volume between others;
    ``fingerprint`` is the same for images with the same content, if it was computed.
    """

    subject: str
    session: str
    kind: str
    run: int
    folder: str
    file_names: str
    file_sizes: bytes
    mtimes: bytes
    header: nifti.NiftiHeader | None = None
    gzipped: bool = False
    missing_numbers: tuple[int, ...] = ()
    synthetic: bool = False
    fingerprint: str = ""
    offsets: bytes = b""
    checksums: bytes = b""

    @property
    def files(self) -> tuple[str, ...]:
        """The paths of the files below the root, in order."""
        return tuple(f"{self.folder}/{name}" for name in self.file_names.split("/"))

    @property
    def file_count(self) -> int:
        """The number of files."""
        return len(self.file_sizes) // 8

    @property
    def volume_count(self) -> int:
        """The number of volumes in all files."""
        per_file = self.header.shape[3] if self.header and len(self.header.shape) > 3 else 1  # noqa: PLR2004 - time
        return self.file_count * per_file

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape: ``(time, z, y, x)`` of a run, ``(z, y, x)`` of a T1 image, ``()`` of field maps."""
        if self.header is None:
            return ()
        space = self.header.shape[2::-1]
        return (self.volume_count, *space) if self.kind == "bold" else space

    @property
    def size(self) -> int:
        """The size of all files in bytes."""
        return int(np.frombuffer(self.file_sizes, "<i8").sum())


class ScanProblem(msgspec.Struct, frozen=True, array_like=True):
    """The reason why a scan cannot be read, with its subject, kind and file."""

    subject: str
    kind: str
    file: str
    message: str

    def to_error(self) -> FormatError:
        """Return the problem as an error."""
        return FormatError(self.message, file=self.file)


class Inventory(msgspec.Struct, frozen=True, kw_only=True):
    """All scans below one root; ``folders`` are those outside the folders of subjects, with their mtimes."""

    version: int
    root: str
    folders: dict[str, int]
    scans: tuple[Scan, ...]
    troubles: tuple[ScanProblem, ...]
    files: int
    size: int


@dataclass(frozen=True, slots=True)
class _ParsedFile:
    parsed: ImagePath
    entry: FileEntry


def find_scans(
    entries: Iterable[FileEntry], read_header: HeaderReader, previous: Sequence[Scan] = ()
) -> tuple[tuple[Scan, ...], tuple[ScanProblem, ...]]:
    """Group files into scans; one header per run is read.

    Parameters
    ----------
    entries
        The files, in any order.
    read_header
        Reads the start of a file.
    previous
        The scans of an earlier inventory: where names, sizes and times are the same, no header is read.

    Returns
    -------
    scans, problems
        In the order of subjects, sessions and kinds; a scan that cannot be read is among the problems.

    Examples
    --------
    >>> files = [FileEntry(f"sub-0001/rsfmri/vol_{number:04d}", 1000, 0) for number in (10, 9, 8)]
    >>> find_scans(files, lambda path: (b"no image", False))[1][0].message
    "'sub-0001/rsfmri/vol_0008' is not a single-file NIfTI image. Download it again."
    """
    previous_by_key = {(scan.folder, scan.file_names): scan for scan in previous}
    parsed_files = sorted(_parse_paths(entries), key=lambda file: series_key(file.parsed))
    scans: list[Scan] = []
    problems: list[ScanProblem] = []
    for _, series in groupby(parsed_files, key=lambda file: series_key(file.parsed)):
        for files in _split_series(list(series), read_header):
            try:
                scans.append(_build_scan(files, read_header, previous_by_key))
            except FormatError as error:
                parsed = files[0].parsed
                problems.append(ScanProblem(parsed.subject, parsed.kind, error.file or "", str(error)))
    return tuple(_number_runs(scans)), tuple(problems)


def _parse_paths(entries: Iterable[FileEntry]) -> Iterator[_ParsedFile]:
    for entry in entries:
        parsed = parse_image_path(entry.path)
        if parsed is not None:
            yield _ParsedFile(parsed, entry)


def series_key(parsed: ImagePath) -> tuple[str, ...]:
    """Return a key that files share if they belong to one series, or are field maps of one folder.

    Examples
    --------
    >>> one, other = (parse_image_path(f"sub-0001/rsfmri/vol_000{number}") for number in range(2))
    >>> series_key(one) == series_key(other)
    True
    """
    if parsed.kind == "fmap":
        return parsed.subject, parsed.session, parsed.kind, parsed.folder
    return parsed.subject, parsed.session, parsed.kind, parsed.folder, parsed.series


def _split_series(series: list[_ParsedFile], read_header: HeaderReader) -> Iterator[list[_ParsedFile]]:
    """Yield the files of each scan: a series of files with a complete run each is several scans."""
    series.sort(key=lambda file: (file.parsed.number or 0, file.entry.path))
    may_be_split = len(series) > 1 and series[0].parsed.kind == "bold"
    if (
        may_be_split
        and series[0].entry.path.casefold().endswith((".nii", ".gz"))
        and _is_4d(series[0].entry.path, read_header)
    ):
        yield from ([file] for file in series)
    else:
        yield series


def _is_4d(path: str, read_header: HeaderReader) -> bool:
    try:
        shape = nifti.read(read_header(path)[0], path).shape
    except FormatError:
        return False
    return len(shape) > 3 and shape[3] > 1  # noqa: PLR2004 - time


def _build_scan(
    files: Sequence[_ParsedFile], read_header: HeaderReader, previous_by_key: Mapping[tuple[str, str], Scan]
) -> Scan:
    parsed = files[0].parsed
    paths = [file.entry.path for file in files]
    names = "/".join(path[len(parsed.folder) + 1 :] for path in paths)
    in_archive = files[0].entry.offset >= 0
    sizes, times, offsets, checksums = (
        _pack_field(files, name) for name in ("size", "mtime_ns", "offset", "crc32c")
    )
    previous = previous_by_key.get((parsed.folder, names))
    if previous is not None and (previous.file_sizes, previous.mtimes) == (sizes, times):
        return msgspec.structs.replace(previous, run=parsed.run or 0)
    start, gzipped = (b"", False) if parsed.kind == "fmap" else read_header(paths[0])
    header = None if parsed.kind == "fmap" else nifti.read(start, paths[0])
    _require_unique_numbers(files)
    if header is not None and not gzipped:
        _require_sizes(files, header)
    return Scan(
        subject=parsed.subject,
        session=parsed.session,
        kind=parsed.kind,
        run=parsed.run or 0,
        folder=parsed.folder,
        file_names=names,
        file_sizes=sizes,
        mtimes=times,
        header=header,
        gzipped=gzipped,
        missing_numbers=_missing_numbers(files),
        synthetic=b"SYNTHETIC" in start,
        offsets=offsets if in_archive else b"",
        checksums=checksums if in_archive else b"",
    )


def _pack_field(files: Sequence[_ParsedFile], name: str) -> bytes:
    return np.array([getattr(file.entry, name) for file in files], "<i8").tobytes()


def _require_unique_numbers(files: Sequence[_ParsedFile]) -> None:
    for one, other in pairwise(files):
        if one.parsed.number is not None and one.parsed.number == other.parsed.number:
            path = other.entry.path
            message = (
                f"'{path}' and '{one.entry.path}' have the same volume number. "
                "Remove the file that is not a volume of the run."
            )
            raise FormatError(message, file=path)


def _require_sizes(files: Sequence[_ParsedFile], header: nifti.NiftiHeader) -> None:
    """Require files as large as the header says, and volumes as large as the first one of the run."""
    first = files[0].entry
    needed = header.offset + header.nbytes
    for file in files:
        entry = file.entry
        if entry.size < needed:
            message = (
                f"'{entry.path}' has {entry.size} bytes, but its header requires {needed}. Download it again."
            )
            raise FormatError(message, file=entry.path, location=f"byte {entry.size}")
        if entry.size != first.size:
            message = (
                f"'{entry.path}' has {entry.size} bytes, but '{first.path}' of the same run has "
                f"{first.size}. Download it again, or omit the scan with strict=False."
            )
            raise FormatError(message, file=entry.path)


def _missing_numbers(files: Sequence[_ParsedFile]) -> tuple[int, ...]:
    numbers = {file.parsed.number for file in files if file.parsed.number is not None}
    if len(files) < 2 or not numbers:  # noqa: PLR2004 - a series
        return ()
    return tuple(number for number in range(min(numbers), max(numbers)) if number not in numbers)


def _number_runs(scans: Sequence[Scan]) -> Iterator[Scan]:
    """Yield the scans with runs as their paths number them, or from 1 if numbers are missing or equal."""
    for _, group in groupby(scans, key=lambda scan: (scan.subject, scan.session, scan.kind)):
        session_scans = list(group)
        runs = [scan.run for scan in session_scans]
        if 0 in runs or len(set(runs)) < len(runs):
            runs = list(range(1, len(session_scans) + 1))
        for run, scan in sorted(zip(runs, session_scans, strict=True), key=lambda pair: pair[0]):
            yield msgspec.structs.replace(scan, run=run) if scan.run != run else scan


def with_fingerprint(scan: Scan, read: Callable[[int, int], bytes]) -> Scan:
    """Add the fingerprint of a T1 image: from the checksum in a gzipped file, else from samples of the bytes.

    Parameters
    ----------
    scan
        Any scan; one that is not a T1 image is returned as it is.
    read
        Reads a number of bytes from an offset of its first file.

    Examples
    --------
    >>> labels = {"subject": "1", "session": "", "kind": "t1w", "run": 1, "folder": "a", "file_names": "b"}
    >>> image = Scan(**labels, file_sizes=bytes(8), mtimes=b"")
    >>> with_fingerprint(image, lambda start, count: bytes(count)).fingerprint
    'de2f256064a0af797747c2b97505dc0b'
    """
    if scan.kind != "t1w" or scan.fingerprint:
        return scan
    digest = hashlib.sha256(scan.header.signature if scan.header else b"")
    if scan.gzipped:
        digest.update(read(scan.size - _GZIP_TRAILER_SIZE, _GZIP_TRAILER_SIZE))
    else:
        for index in range(_SAMPLE_COUNT):
            digest.update(read(scan.size * index // _SAMPLE_COUNT, _SAMPLE_SIZE))
    return msgspec.structs.replace(scan, fingerprint=digest.hexdigest()[:32])
