"""The plan of a request: which files it needs, what it downloads and how much disk space it takes."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from decnef_data.model.selection import Selection
from decnef_data.model.values import Access, RemoteFile, Requirement


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """One file of a plan.

    Attributes
    ----------
    file
        The file as listed by the mirror.
    present
        Whether the file is available locally and verified.
    members
        Number of files in an archive, if it is already known.
    """

    file: RemoteFile
    present: bool
    members: int | None = None


@dataclass(frozen=True, slots=True)
class MirrorCost:
    """The size of the download from one mirror.

    Attributes
    ----------
    mirror
        Name of the mirror.
    size
        Number of bytes to download, or ``None`` if unknown.
    exact
        Whether `size` is exact rather than approximate.
    ready
        Whether the mirror can be used, because there is a login, a link or a copy.
    """

    mirror: str
    size: int | None
    exact: bool
    ready: bool


@dataclass(frozen=True, slots=True)
class ImageSizes:
    """The sizes of the selected images.

    Attributes
    ----------
    selected
        Size of the selected images in bytes.
    missing
        Size of those that have no store yet, in bytes.
    compressed
        Number of bytes of the archive to read in order to extract the missing images.
    """

    selected: int
    missing: int
    compressed: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What a request needs and costs; nothing has been downloaded.

    Attributes
    ----------
    selection
        The requested selection.
    mirror
        Mirror that the files will come from, or ``None`` if no mirror can provide them.
    files
        The files that the request needs.
    access
        Access to the dataset at each mirror.
    problems
        Pairs of mirror and reason, for each mirror that cannot provide the files.
    free_disk
        Free disk space in bytes.
    location
        Folder that the files go to.
    mirror_costs
        Size of the download from each mirror.
    partial_size
        Size of the partial downloads in bytes, which will be resumed.
    store_size
        Size of the arrays in bytes, once the data are opened: exact if the store exists, otherwise an upper
        limit; ``None`` if unknown.
    store_exists
        Whether the store exists.
    estimated
        Whether `store_size` is an estimate. An image archive that was never read is estimated from its size
        and the selected share of the participants.
    keep_archive
        Whether downloaded files are kept once the selection is stored.
    """

    selection: Selection
    mirror: str | None
    files: tuple[PlannedFile, ...]
    access: tuple[Access, ...]
    problems: tuple[tuple[str, str], ...]
    free_disk: int
    location: Path
    mirror_costs: tuple[MirrorCost, ...] = ()
    partial_size: int = 0
    store_size: int | None = None
    store_exists: bool = False
    estimated: bool = False
    keep_archive: bool = True

    @property
    def size(self) -> int | None:
        """The total size of the files, in bytes."""
        return _sum_or_none(planned.file.size for planned in self.files)

    @property
    def download_size(self) -> int | None:
        """The number of bytes to download; files that are available locally count as zero."""
        absent = (planned.file for planned in self.files if not planned.present)
        # A file that is on this machine is verified where it is, and not downloaded.
        return _sum_or_none(file.size for file in absent if file.local is None)

    @property
    def required_disk(self) -> int | None:
        """The disk space in bytes that the request takes, including the upper limit for the store."""
        downloaded = self.download_size if self.keep_archive else 0
        return _sum_or_none(iter((downloaded, 0 if self.store_exists else self.store_size)))

    def download_seconds(self, rate: float) -> float | None:
        """Return the duration of the download in seconds at a rate in bytes per second."""
        return None if self.download_size is None else self.download_size / rate

    @property
    def missing_requirements(self) -> tuple[Requirement, ...]:
        """The requirements that are known not to be met, in the order of the mirrors."""
        requirements = (requirement for access in self.access for requirement in access.requirements)
        # Mirrors share steps, such as the acceptance of the terms.
        return tuple(dict.fromkeys(requirement for requirement in requirements if requirement.missing))


def _sum_or_none(sizes: Iterator[int | None]) -> int | None:
    # One unknown size makes the sum unknown: a sum of the others would be too small.
    known = list(sizes)
    return None if any(size is None for size in known) else sum(size for size in known if size is not None)
