"""Which scans there are: made once from the names, sizes, times and headers of files, and kept.

Where the files lie does not matter here: a folder and an archive both give entries, and somebody who
can read the first bytes of one.  Nothing of an image is read but its header.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Final

import msgspec
import numpy as np

from decnef_data.errors import FormatError
from decnef_data.formats import nifti
from decnef_data.layouts.recognizing import Place, place_of

__all__ = ["VERSION", "Entry", "Inventory", "Scan", "Trouble", "row_of", "survey"]

#: Grows whenever the same files would make another inventory.
VERSION: Final = 3
#: How the start of a file is read: the header's bytes, and whether the file is gzipped.
Head = Callable[[str], tuple[bytes, bool]]


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """A file below the root: its path with forward slashes, its size, and when it was written.

    Of a member of an archive, also the unpacked byte that it begins at, and its crc32c.
    """

    path: str
    size: int
    mtime_ns: int
    place: int = -1
    crc32c: int = 0


class Scan(msgspec.Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """One run, T1 image or set of field maps of one person.

    ``names`` are its files in ``folder``, in order, joined by ``/``; ``sizes`` and ``times`` hold a 64-bit
    integer for each, and so do ``places`` and ``sums`` (crc32c) of members of an archive.  Field maps have no
    ``header``.  ``gaps`` are numbers that the row of volumes leaves out; ``alike`` is the same for images of
    the same content, where that was asked for.
    """

    subject: str
    session: str
    kind: str
    run: int
    folder: str
    names: str
    sizes: bytes
    times: bytes
    header: nifti.Header | None = None
    gzipped: bool = False
    gaps: tuple[int, ...] = ()
    marked: bool = False
    alike: str = ""
    places: bytes = b""
    sums: bytes = b""

    @property
    def files(self) -> tuple[str, ...]:
        """The paths of the files below the root, in order."""
        return tuple(f"{self.folder}/{name}" for name in self.names.split("/"))

    @property
    def count(self) -> int:
        """How many files there are."""
        return len(self.sizes) // 8

    @property
    def volumes(self) -> int:
        """How many volumes the files hold together."""
        each = self.header.shape[3] if self.header and len(self.header.shape) > 3 else 1  # noqa: PLR2004 - time
        return self.count * each

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape as an array, ``([time,] z, y, x)`` where it is a run; of no array, none."""
        if self.header is None:
            return ()
        space = self.header.shape[2::-1]
        return (self.volumes, *space) if self.kind == "bold" else space

    @property
    def size(self) -> int:
        """The bytes of all files."""
        return int(np.frombuffer(self.sizes, "<i8").sum())


class Trouble(msgspec.Struct, frozen=True, array_like=True):
    """A scan that cannot be read: whose, which file, and what is wrong with it."""

    subject: str
    kind: str
    file: str
    message: str

    def error(self) -> FormatError:
        """Give the error that says so."""
        return FormatError(self.message, file=self.file)


class Inventory(msgspec.Struct, frozen=True, kw_only=True):
    """All scans below one root; ``folders`` are those outside people's own, and when each was changed."""

    version: int
    root: str
    folders: dict[str, int]
    scans: tuple[Scan, ...]
    troubles: tuple[Trouble, ...]
    files: int
    size: int


@dataclass(frozen=True, slots=True)
class _Found:
    place: Place
    entry: Entry


def survey(
    entries: Iterable[Entry], head: Head, known: Sequence[Scan] = ()
) -> tuple[tuple[Scan, ...], tuple[Trouble, ...]]:
    """Make the scans of files, reading one header a run.

    Parameters
    ----------
    entries
        The files, in any order.
    head
        Reads the start of a file.
    known
        Scans of an earlier survey: where names, sizes and times are the same, no header is read again.

    Returns
    -------
    scans, troubles
        In the order of people, sessions and kinds; what cannot be read is among the troubles.

    Examples
    --------
    >>> files = [Entry(f"sub-0001/rsfmri/vol_{number:04d}", 1000, 0) for number in (10, 9, 8)]
    >>> survey(files, lambda path: (b"no image", False))[1][0].message
    "'sub-0001/rsfmri/vol_0008' is no NIfTI file of one piece. Get it from its publisher again."
    """
    before = {(scan.folder, scan.names): scan for scan in known}
    found = sorted(_placed(entries), key=lambda found: row_of(found.place))
    scans: list[Scan] = []
    troubles: list[Trouble] = []
    for _, row in groupby(found, key=lambda found: row_of(found.place)):
        for files in _split(list(row), head):
            try:
                scans.append(_scan(files, head, before))
            except FormatError as error:
                place = files[0].place
                troubles.append(Trouble(place.subject, place.kind, error.file or "", str(error)))
    return tuple(_numbered(scans)), tuple(troubles)


def _placed(entries: Iterable[Entry]) -> Iterator[_Found]:
    for entry in entries:
        place = place_of(entry.path)
        if place is not None:
            yield _Found(place, entry)


def row_of(place: Place) -> tuple[str, ...]:
    """Say what files of one row have in common: they belong to one scan, or are all a session's field maps.

    Examples
    --------
    >>> row_of(place_of("sub-0001/rsfmri/vol_0000")) == row_of(place_of("sub-0001/rsfmri/vol_0001"))
    True
    """
    if place.kind == "fmap":
        return place.subject, place.session, place.kind, place.folder
    return place.subject, place.session, place.kind, place.folder, place.series


def _split(row: list[_Found], head: Head) -> Iterator[list[_Found]]:
    """Take a row of files that each hold a whole run apart."""
    row.sort(key=lambda found: (found.place.number or 0, found.entry.path))
    several = len(row) > 1 and row[0].place.kind == "bold"
    if (
        several
        and row[0].entry.path.casefold().endswith((".nii", ".gz"))
        and _is_run(row[0].entry.path, head)
    ):
        yield from ([found] for found in row)
    else:
        yield row


def _is_run(path: str, head: Head) -> bool:
    try:
        shape = nifti.read(head(path)[0], path).shape
    except FormatError:
        return False
    return len(shape) > 3 and shape[3] > 1  # noqa: PLR2004 - time


def _scan(files: Sequence[_Found], head: Head, before: Mapping[tuple[str, str], Scan]) -> Scan:
    place = files[0].place
    paths = [found.entry.path for found in files]
    names = "/".join(path[len(place.folder) + 1 :] for path in paths)
    archived = files[0].entry.place >= 0
    sizes, times, places, sums = (_packed(files, name) for name in ("size", "mtime_ns", "place", "crc32c"))
    known = before.get((place.folder, names))
    if known is not None and (known.sizes, known.times) == (sizes, times):
        return msgspec.structs.replace(known, run=place.run or 0)
    start, gzipped = (b"", False) if place.kind == "fmap" else head(paths[0])
    header = None if place.kind == "fmap" else nifti.read(start, paths[0])
    _refuse_twice(files)
    if header is not None and not gzipped:
        _require_sizes(files, header)
    return Scan(
        subject=place.subject,
        session=place.session,
        kind=place.kind,
        run=place.run or 0,
        folder=place.folder,
        names=names,
        sizes=sizes,
        times=times,
        header=header,
        gzipped=gzipped,
        gaps=_gaps(files),
        marked=b"SYNTHETIC" in start,
        places=places if archived else b"",
        sums=sums if archived else b"",
    )


def _packed(files: Sequence[_Found], name: str) -> bytes:
    return np.array([getattr(found.entry, name) for found in files], "<i8").tobytes()


def _refuse_twice(files: Sequence[_Found]) -> None:
    for one, other in pairwise(files):
        if one.place.number is not None and one.place.number == other.place.number:
            path = other.entry.path
            message = (
                f"'{path}' and '{one.entry.path}' have the same number. Remove the one that is no volume."
            )
            raise FormatError(message, file=path)


def _require_sizes(files: Sequence[_Found], header: nifti.Header) -> None:
    """Refuse a file that is cut short, and a volume of another size than the first of its run."""
    first = files[0].entry
    needed = header.offset + header.nbytes
    for found in files:
        entry = found.entry
        if entry.size < needed:
            message = (
                f"'{entry.path}' has {entry.size} bytes where its header asks for {needed}. Get it again."
            )
            raise FormatError(message, file=entry.path, place=f"byte {entry.size}")
        if entry.size != first.size:
            message = (
                f"'{entry.path}' has {entry.size} bytes where '{first.path}' has {first.size}: "
                "they are not of one run. Get it again, or leave the scan out with strict=False."
            )
            raise FormatError(message, file=entry.path)


def _gaps(files: Sequence[_Found]) -> tuple[int, ...]:
    numbers = {found.place.number for found in files if found.place.number is not None}
    if len(files) < 2 or not numbers:  # noqa: PLR2004 - a row
        return ()
    return tuple(number for number in range(min(numbers), max(numbers)) if number not in numbers)


def _numbered(scans: Sequence[Scan]) -> Iterator[Scan]:
    """Number the runs of each session and kind from 1, as named where the names differ."""
    for _, group in groupby(scans, key=lambda scan: (scan.subject, scan.session, scan.kind)):
        several = list(group)
        named = [scan.run for scan in several]
        if 0 in named or len(set(named)) < len(named):
            named = list(range(1, len(several) + 1))
        for run, scan in sorted(zip(named, several, strict=True), key=lambda pair: pair[0]):
            yield msgspec.structs.replace(scan, run=run) if scan.run != run else scan
