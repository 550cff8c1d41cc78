"""The inventory of scans, from the names, sizes, times and headers of files.

It does not matter where the files are: a folder and an archive both provide entries, and a function that
reads the first bytes of one.  No more of an image is read than its header.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any, Final

import msgspec
import numpy as np

from decnef_data.errors import FormatError
from decnef_data.formats import nifti
from decnef_data.formats.pointers import require_content
from decnef_data.layouts.imaging.inventory.files import FileEntry, OtherFiles, RunFolder
from decnef_data.layouts.imaging.inventory.paths import ImagePath, parse_image_path
from decnef_data.layouts.imaging.inventory.sidecar_files import SidecarFiles
from decnef_data.layouts.imaging.inventory.unread import UnreadImages

__all__ = [
    "INVENTORY_VERSION",
    "MAX_MISSING",
    "MAX_RUN",
    "Inventory",
    "SavedTable",
    "Scan",
    "ScanProblem",
    "find_scans",
    "unread_problems",
]

#: Increases whenever the same files would result in a different inventory.
INVENTORY_VERSION: Final = 6
#: Reads the start of the file at a path: the bytes of the header, and whether the file is gzipped.
HeaderReader = Callable[[str], tuple[bytes, bool]]
#: The coordinate ``run`` has 16 bits.
MAX_RUN: Final = 32_767
#: No image is shorter than its header.
_MIN_IMAGE_SIZE: Final = 348
#: What gzip compresses best, a single repeated byte, has a 1032nd of its length.
_MAX_GZIP_RATIO: Final = 1032
#: With more numbers missing between its volumes, a run has a file that is not one of them.
MAX_MISSING: Final = 10_000
#: The number at the end of the name of a volume; of a longer one, its last digits.
_VOLUME_NUMBER: Final = re.compile(r"(\d{1,18})(?:\.nii(?:\.gz)?)?$", re.IGNORECASE)


# Thousands of objects without cycles: gc=False spares the garbage collector visits to all of them.
class Scan(msgspec.Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """One run, T1 image or set of field maps of one subject.

    ``file_names`` are its files in ``folder``, in order, joined by ``/``; ``file_sizes`` and ``mtimes`` have
    a 64-bit integer for each, and so have ``offsets`` and ``checksums`` (crc32c) of members of an archive.
    Field maps have no ``header``.  ``missing_numbers`` are numbers without a volume between others;
    ``fingerprint`` is the same for images with the same content (of a run, that of its first file), and blank
    if no other image may have it.
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
    def volume_numbers(self) -> tuple[int, ...]:
        """The numbers of the volumes: those in the names of files of one volume each, otherwise from 0."""
        matches = [_VOLUME_NUMBER.search(name) for name in self.file_names.split("/")]
        numbers = tuple(int(match[1]) for match in matches if match)
        return numbers if len(numbers) == self.volume_count > 1 else tuple(range(self.volume_count))

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

    @classmethod
    def of_image(cls, image: ImagePath, error: FormatError) -> "ScanProblem":
        """Return the problem of the scan to which an image belongs."""
        return cls(image.subject, image.kind, error.file or "", str(error))

    def to_error(self) -> FormatError:
        """Return the problem as an error."""
        return FormatError(self.message, file=self.file)


class SavedTable(msgspec.Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """A table of an archive, at ``path`` in it, that was saved in a file of another name.

    ``offset`` is where it begins in the decompressed archive, -1 if an earlier version saved it.
    """

    path: str
    file_name: str
    crc32c: int
    offset: int = -1
    size: int = 0


class Inventory(msgspec.Struct, frozen=True, kw_only=True):
    """All scans below one root, and what else is there.

    ``folders`` are those outside the folders of subjects, with their modification times; ``unread`` are
    images in formats that are not read.  ``damaged`` are problems of listed scans, which a deep verification
    found; ``tables`` are those of an archive that were saved, and ``sidecars`` describe the runs.  ``digest``
    is that of everything but the tables, once :meth:`with_digest` added it.
    """

    version: int
    root: str
    folders: dict[str, int]
    scans: tuple[Scan, ...]
    troubles: tuple[ScanProblem, ...]
    files: int
    size: int
    other: OtherFiles = msgspec.field(default_factory=OtherFiles)
    unread: tuple[UnreadImages, ...] = ()
    damaged: tuple[ScanProblem, ...] = ()
    tables: tuple[SavedTable, ...] = ()
    sidecars: SidecarFiles = SidecarFiles()
    digest: bytes = b""

    def with_digest(self) -> "Inventory":
        """Return the inventory with the sha256 of its content, by which it is known in other processes.

        It is kept because computing it for thousands of scans takes as long as reading their inventory.
        Where the tables are saved is known only after an archive was read, and is not what they say.
        """
        content = msgspec.structs.replace(self, tables=(), digest=b"")
        digest = hashlib.sha256(msgspec.msgpack.encode(content)).digest()
        return msgspec.structs.replace(self, digest=digest)

    def without_damaged(self) -> "Inventory":
        """Return the inventory with the damaged scans among those that cannot be read.

        Examples
        --------
        >>> problem = ScanProblem("sub-1", "t1w", "sub-1/t1/a.nii", "It is damaged.")
        >>> listed = Inventory(
        ...     version=1, root="", folders={}, scans=(), troubles=(), files=0, size=0, damaged=(problem,)
        ... )
        >>> listed.without_damaged().troubles == (problem,)
        True
        """
        if not self.damaged:
            return self
        files = {problem.file for problem in self.damaged}
        scans = tuple(scan for scan in self.scans if files.isdisjoint(scan.files))
        return msgspec.structs.replace(
            self, scans=scans, troubles=(*self.troubles, *self.damaged), damaged=()
        )


_ParsedEntry = tuple[ImagePath, FileEntry | RunFolder]


@dataclass(frozen=True, slots=True)
class _Series:
    """The files of one scan, in order, and the parsed path of the first of them.

    ``offsets`` and ``checksums`` are empty unless the files are members of an archive.
    """

    first: ImagePath
    names: Sequence[str]
    sizes: Sequence[int]
    mtimes_ns: Sequence[int]
    numbers: Sequence[int | None]
    offsets: Sequence[int] = ()
    checksums: Sequence[int] = ()

    @classmethod
    def of_files(cls, files: Sequence[tuple[ImagePath, FileEntry]]) -> "_Series":
        first, entries = files[0][0], [entry for _, entry in files]
        members = entries if entries[0].offset >= 0 else []
        return cls(
            first,
            [entry.path[len(first.folder) + 1 :] for entry in entries],
            [entry.size for entry in entries],
            [entry.mtime_ns for entry in entries],
            [parsed.number for parsed, _ in files],
            [entry.offset for entry in members],
            [entry.crc32c for entry in members],
        )

    @classmethod
    def of_folder(cls, run: RunFolder) -> "_Series":
        start, found = run.first.number or 0, run.found
        numbers = range(start, start + len(found.names))
        return cls(run.first, found.names, found.sizes, found.mtimes_ns, numbers)

    @property
    def has_one_size(self) -> bool:
        """Whether all files are equally large."""
        # Sequences are compared in C: there are hundreds of thousands of files.
        sizes: Any = self.sizes  # an array or a list
        return bool(sizes == sizes[:1] * len(sizes))

    def path(self, index: int) -> str:
        return f"{self.first.folder}/{self.names[index]}"

    def split(self) -> "Iterator[_Series]":
        """Yield a series for each file."""
        for index in range(len(self.names)):
            only = slice(index, index + 1)
            yield _Series(
                parse_image_path(self.path(index)) or self.first,
                self.names[only],
                self.sizes[only],
                self.mtimes_ns[only],
                self.numbers[only],
                self.offsets[only],
                self.checksums[only],
            )


def find_scans(
    entries: Iterable[FileEntry | RunFolder], read_header: HeaderReader, previous: Sequence[Scan] = ()
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
    parsed = sorted(_parse_paths(entries), key=lambda pair: pair[0].series_key)
    scans: list[Scan] = []
    problems: list[ScanProblem] = []
    for _, group in groupby(parsed, key=lambda pair: pair[0].series_key):
        for series in _split_series(list(group), read_header):
            try:
                scans.append(_build_scan(series, read_header, previous_by_key))
            except FormatError as error:
                problems.append(ScanProblem.of_image(series.first, error))
    return tuple(_number_runs(scans)), tuple(problems)


def _parse_paths(entries: Iterable[FileEntry | RunFolder]) -> Iterator[_ParsedEntry]:
    for entry in entries:
        parsed = entry.first if isinstance(entry, RunFolder) else parse_image_path(entry.path)
        if parsed is not None:
            yield parsed, entry


def _split_series(group: Sequence[_ParsedEntry], read_header: HeaderReader) -> Iterator[_Series]:
    """Yield the files of each scan: a series of files with a complete run each is several scans."""
    series = _order_series(group)
    # Volumes without a suffix, as releases have them, are not looked at: each header takes a read.
    may_be_split = len(series.names) > 1 and series.first.kind == "bold"
    if (
        may_be_split
        and series.names[0].casefold().endswith((".nii", ".gz"))
        and _is_4d(series.path(0), read_header)
    ):
        yield from series.split()
    else:
        yield series


def _order_series(group: Sequence[_ParsedEntry]) -> _Series:
    if isinstance(group[0][1], RunFolder):  # a series is in one folder, and this is all of it
        return _Series.of_folder(group[0][1])
    files = [(parsed, entry) for parsed, entry in group if isinstance(entry, FileEntry)]
    return _Series.of_files(sorted(files, key=lambda file: (file[0].number or 0, file[1].path)))


def _is_4d(path: str, read_header: HeaderReader) -> bool:
    try:
        shape = nifti.read(read_header(path)[0], path).shape
    except FormatError:
        return False  # reported when the scan is built
    return len(shape) > 3 and shape[3] > 1  # noqa: PLR2004 - time


def _build_scan(
    series: _Series, read_header: HeaderReader, previous_by_key: Mapping[tuple[str, str], Scan]
) -> Scan:
    first, names = series.first, "/".join(series.names)
    sizes, times = _pack(series.sizes), _pack(series.mtimes_ns)
    previous = previous_by_key.get((first.folder, names))
    if previous is not None and (previous.file_sizes, previous.mtimes) == (sizes, times):
        # Its final number depends on the other runs of the session, which may have changed.
        return msgspec.structs.replace(previous, run=first.run or 0)
    # First: a pointer to a file that was not downloaded is no image, but has a remedy of its own.
    _require_content(series, read_header)
    start, gzipped = (b"", False) if first.kind == "fmap" else read_header(series.path(0))
    header = None if first.kind == "fmap" else nifti.read(start, series.path(0))
    _require_unique_numbers(series)
    if header is not None:
        _require_single_t1w(series, header)
        (_require_gzip_sizes if gzipped else _require_sizes)(series, header)
    return Scan(
        subject=first.subject,
        session=first.session,
        kind=first.kind,
        run=first.run or 0,
        folder=first.folder,
        file_names=names,
        file_sizes=sizes,
        mtimes=times,
        header=header,
        gzipped=gzipped,
        missing_numbers=_missing_numbers(series),
        # Phantoms say so in the description of their headers.
        synthetic=b"SYNTHETIC" in start,
        offsets=_pack(series.offsets),
        checksums=_pack(series.checksums),
    )


def _pack(numbers: Sequence[int]) -> bytes:
    return np.asarray(numbers, "<i8").tobytes()


def _require_unique_numbers(series: _Series) -> None:
    # A range is that of a folder whose names were compared with consecutive numbers.
    if isinstance(series.numbers, range) or len(set(series.numbers)) == len(series.numbers):
        return
    for index, (one, other) in enumerate(pairwise(series.numbers)):
        if one is not None and one == other:
            path = series.path(index + 1)
            message = (
                f"'{path}' and '{series.path(index)}' have the same volume number. "
                "Remove the file that is not a volume of the run."
            )
            raise FormatError(message, file=path)


def _require_content(series: _Series, read_header: HeaderReader) -> None:
    """Require that no file is a pointer to a file that was not downloaded."""
    if series.has_one_size and series.sizes[0] >= _MIN_IMAGE_SIZE:
        return
    for index, size in enumerate(series.sizes):
        if size < _MIN_IMAGE_SIZE:
            require_content(read_header(series.path(index))[0], series.path(index))


def _require_single_t1w(series: _Series, header: nifti.NiftiHeader) -> None:
    if series.first.kind == "t1w" and len(header.shape) > 3 and header.shape[3] > 1:  # noqa: PLR2004 - time
        path = series.path(0)
        message = (
            f"'{path}' has {header.shape[3]} volumes, but a T1 image has one. "
            "Replace it by the volume to be used, or omit the scan with strict=False."
        )
        raise FormatError(message, file=path, location="byte 40")


def _require_gzip_sizes(series: _Series, header: nifti.NiftiHeader) -> None:
    """Require compressed files that may be as long as the header says; their length is known when read."""
    needed = header.offset + header.nbytes
    for index, size in enumerate(series.sizes):
        if size * _MAX_GZIP_RATIO < needed:
            path = series.path(index)
            message = (
                f"'{path}' has {size} bytes, which cannot contain the {needed} bytes that its "
                "header requires. Download it again."
            )
            raise FormatError(message, file=path, location=f"byte {size}")


def _require_sizes(series: _Series, header: nifti.NiftiHeader) -> None:
    """Require files as large as the header says, and volumes as large as the first one of the run."""
    first_size = series.sizes[0]
    needed = header.offset + header.nbytes
    if first_size >= needed and series.has_one_size:
        return
    for index, size in enumerate(series.sizes):
        if size < needed:
            path = series.path(index)
            message = f"'{path}' has {size} bytes, but its header requires {needed}. Download it again."
            raise FormatError(message, file=path, location=f"byte {size}")
        if size != first_size:
            path = series.path(index)
            message = (
                f"'{path}' has {size} bytes, but '{series.path(0)}' of the same run has "
                f"{first_size}. Download it again, or omit the scan with strict=False."
            )
            raise FormatError(message, file=path)


def _missing_numbers(series: _Series) -> tuple[int, ...]:
    if isinstance(series.numbers, range):
        return ()
    numbers = {number for number in series.numbers if number is not None}
    if len(series.names) < 2 or not numbers:  # noqa: PLR2004 - a series
        return ()
    # Before they are listed: with a date among the numbers, those between would take all memory.
    if max(numbers) - min(numbers) + 1 - len(numbers) > MAX_MISSING:
        raise _far_number_error(series)
    return tuple(sorted(set(range(min(numbers), max(numbers))) - numbers))


def _far_number_error(series: _Series) -> FormatError:
    known = [(number, index) for index, number in enumerate(series.numbers) if number is not None]
    gaps = [(after[0] - before[0], before[1], after[1]) for before, after in pairwise(sorted(known))]
    _, before, after = max(gaps)
    first, last = series.path(before), series.path(after)
    message = (
        f"'{last}' has a number far from that of '{first}', the volume before it. "
        "Rename or remove the file that is not a volume of the run, or omit the scan with strict=False."
    )
    return FormatError(message, file=last)


def _number_runs(scans: Sequence[Scan]) -> Iterator[Scan]:
    """Yield the scans with runs as their paths number them, or from 1 if these are no numbers of runs."""
    for _, group in groupby(scans, key=lambda scan: (scan.subject, scan.session, scan.kind)):
        session_scans = list(group)
        runs = [scan.run for scan in session_scans]
        # All or none: with only some of the numbers from paths, two runs might have the same one.
        if 0 in runs or len(set(runs)) < len(runs) or max(runs) > MAX_RUN:
            runs = list(range(1, len(session_scans) + 1))
        for run, scan in sorted(zip(runs, session_scans, strict=True), key=lambda pair: pair[0]):
            yield msgspec.structs.replace(scan, run=run) if scan.run != run else scan


def unread_problems(unread: Iterable[UnreadImages], scans: Iterable[Scan]) -> Iterator[ScanProblem]:
    """Yield a problem for images that are not read where the session has none of the kind that is.

    Parameters
    ----------
    unread
        The images that are not read.
    scans
        The scans that are.
    """
    found = {(scan.subject, scan.session, scan.kind) for scan in scans}
    for images in unread:
        # A DICOM series beside the NIfTI file that was converted from it is not reported.
        if (images.subject, images.session, images.kind) not in found:
            yield ScanProblem(images.subject, images.kind, images.file, images.message)
