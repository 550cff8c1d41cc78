"""What a request needs and what it will cost, before anything is done."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from decnef_data.model.values import Access, RemoteFile, Requirement, Selection


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """One file of a plan, and whether its verified bytes are already here.

    ``members`` is how many files an archive holds, where that is known before it is read.
    """

    file: RemoteFile
    present: bool
    members: int | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """How many bytes one mirror would move, not `exact` where it is only said about how many.

    ``ready`` says that it can be asked: there is a login, a link or a copy.
    """

    mirror: str
    size: int | None
    exact: bool
    ready: bool


@dataclass(frozen=True, slots=True)
class Needed:
    """How many bytes of images are selected, how many of them have no store yet, and what those take packed.

    ``packed`` is what has to be read of their archive to take them out of it.
    """

    selected: int
    missing: int
    packed: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What a request needs and what it will cost, before anything is done.

    ``mirror`` is the one the files will come from, ``None`` where no mirror can give them;
    ``problems`` says, by mirror, why those before it cannot.  Sizes are in bytes; ``None`` is unknown.

    ``offers`` is what each mirror would move; ``begun`` what is here of unfinished files, to be resumed.
    ``store`` is what the arrays take once the data are opened: exactly where they are here (``stored``),
    else at most; at most about that (``estimated``) of an archive of images that was never read: the size
    of the archive by the share of the people, as far as the records count them.  ``keep_archive`` says
    whether files stay when what is selected of them is stored.
    """

    selection: Selection
    mirror: str | None
    files: tuple[PlannedFile, ...]
    access: tuple[Access, ...]
    problems: tuple[tuple[str, str], ...]
    free_disk: int
    location: Path
    offers: tuple[Offer, ...] = ()
    begun: int = 0
    store: int | None = None
    stored: bool = False
    estimated: bool = False
    keep_archive: bool = True

    @property
    def size(self) -> int | None:
        """The size of all files together, in bytes."""
        return _total(planned.file.size for planned in self.files)

    @property
    def to_fetch(self) -> int | None:
        """How many bytes are still to be moved; none of a file that lies on this machine."""
        away = (planned.file for planned in self.files if not planned.present)
        return _total(file.size for file in away if file.local is None)

    @property
    def on_disk(self) -> int | None:
        """How many bytes the request adds to this machine, the store at its largest included."""
        kept = self.to_fetch if self.keep_archive else 0
        return _total(iter((kept, 0 if self.stored else self.store)))

    def seconds(self, rate: float) -> float | None:
        """How long the bytes that are to be moved take at so many bytes a second."""
        return None if self.to_fetch is None else self.to_fetch / rate

    @property
    def missing(self) -> tuple[Requirement, ...]:
        """What is known to stand in the way, in the order of the mirrors."""
        needed = (requirement for access in self.access for requirement in access.requirements)
        return tuple(dict.fromkeys(requirement for requirement in needed if requirement.missing))

    def _repr_html_(self) -> str:
        from decnef_data.model.notebook import plan_page

        return plan_page(self)


def _total(sizes: Iterator[int | None]) -> int | None:
    known = list(sizes)
    return None if any(size is None for size in known) else sum(size for size in known if size is not None)
