"""The plan of a request: what it needs and what it costs, before anything is done."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from decnef_data.model.values import Access, RemoteFile, Requirement, Selection


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """One file of a plan; `present` is whether its verified bytes are already on this machine.

    ``members`` is the number of files in an archive, where it is known before the archive is read.
    """

    file: RemoteFile
    present: bool
    members: int | None = None


@dataclass(frozen=True, slots=True)
class MirrorCost:
    """The number of bytes that one mirror would transfer; not `exact` where the size is approximate.

    ``ready`` is whether the mirror can be used: there is a login, a link or a copy.
    """

    mirror: str
    size: int | None
    exact: bool
    ready: bool


@dataclass(frozen=True, slots=True)
class ImageSizes:
    """The size in bytes of the selected images, and of those that have no store yet.

    ``compressed`` is how much of the archive has to be read to extract the missing ones.
    """

    selected: int
    missing: int
    compressed: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What a request needs and what it will cost, before anything is done.

    ``mirror`` is the one that the files will come from, ``None`` where no mirror can provide them;
    ``problems`` are the reasons, by mirror, why those before it cannot.  Sizes are in bytes; ``None`` is
    unknown.

    ``mirror_costs`` is what each mirror would transfer; ``partial_size`` the size of the partial files on
    this machine, which are resumed.  ``store_size`` is the size of the arrays once the data are opened:
    exact if the store exists (``store_exists``), else an upper bound.  For an archive of images that was
    never read, the bound is ``estimated``: the size of the archive times the selected share of the
    participants, as far as the catalog counts them.  ``keep_archive`` is whether files are kept once the
    selected part is stored.
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
        """The number of bytes still to be downloaded; files that are on this machine count as zero."""
        absent = (planned.file for planned in self.files if not planned.present)
        return _sum_or_none(file.size for file in absent if file.local is None)

    @property
    def required_disk(self) -> int | None:
        """The number of bytes that the request adds to the disk, including the upper bound of the store."""
        downloaded = self.download_size if self.keep_archive else 0
        return _sum_or_none(iter((downloaded, 0 if self.store_exists else self.store_size)))

    def download_seconds(self, rate: float) -> float | None:
        """Return how many seconds the download takes at `rate` bytes per second."""
        return None if self.download_size is None else self.download_size / rate

    @property
    def missing_requirements(self) -> tuple[Requirement, ...]:
        """The requirements that are known to be missing, in the order of the mirrors."""
        requirements = (requirement for access in self.access for requirement in access.requirements)
        return tuple(dict.fromkeys(requirement for requirement in requirements if requirement.missing))


def _sum_or_none(sizes: Iterator[int | None]) -> int | None:
    known = list(sizes)
    return None if any(size is None for size in known) else sum(size for size in known if size is not None)
