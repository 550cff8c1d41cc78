"""What passes between rooms in memory, as frozen values."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Protocol


class Secret(str):
    """A token or a link whose ``repr`` does not show it, so that no traceback with locals does.

    Examples
    --------
    >>> Secret("token"), str(Secret("token")) == "token"
    (<secret>, True)
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "<secret>"


@dataclass(frozen=True, slots=True, order=True)
class Checksum:
    """A digest and the algorithm (a name that :mod:`hashlib` knows) that made it.

    Examples
    --------
    >>> str(Checksum.parse("md5:d41d8cd98f00b204e9800998ecf8427e"))
    'md5:d41d8cd98f00b204e9800998ecf8427e'
    """

    algorithm: str
    hexdigest: str

    def __str__(self) -> str:
        """Print as pooch writes it: ``algorithm:hexdigest``."""
        return f"{self.algorithm}:{self.hexdigest}"

    @classmethod
    def parse(cls, text: str) -> "Checksum":
        """Read what ``str`` printed."""
        algorithm, _, hexdigest = text.partition(":")
        return cls(algorithm.lower(), hexdigest.lower())


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file as a mirror states it.

    ``path`` is relative, with forward slashes, below the dataset; ``identity`` an ETag or version that
    changes when the bytes do; ``address`` what the mirror needs to open it again, never a secret;
    ``local`` is set where the bytes already lie on this machine.
    """

    path: str
    size: int | None = None
    checksum: Checksum | None = None
    identity: str | None = None
    address: str = ""
    local: Path | None = None


@dataclass(frozen=True, slots=True)
class Body:
    """Bytes as a mirror sends them: from which offset, of how many in all, of which identity."""

    start: int
    chunks: Iterator[bytes]
    size: int | None = None
    identity: str | None = None


@dataclass(frozen=True, slots=True)
class VerifiedFile:
    """A file on this machine whose bytes were verified, or (``stated=False``) recorded at first sight."""

    path: str
    location: Path
    size: int
    checksums: tuple[Checksum, ...]
    mirror: str
    stated: bool


@dataclass(frozen=True, slots=True)
class Copy:
    """All files of a dataset as one mirror gave them, below one folder of this machine.

    ``dropped`` says that the files were removed after their store was published.
    """

    dataset: str
    mirror: str
    root: Path
    files: Sequence[VerifiedFile]
    dropped: bool = False

    @property
    def checksums(self) -> tuple[Checksum, ...]:
        """The first checksum of each file, in the order of the files."""
        return tuple(file.checksums[0] for file in self.files)


@dataclass(frozen=True, slots=True)
class Requirement:
    """One thing that access to a dataset needs, and whether it is met (``expires``: until when)."""

    kind: str
    state: Literal["met", "unmet", "pending", "expired", "unknown"]
    text: str
    url: str | None = None
    command: str | None = None
    expires: datetime | None = None

    @property
    def missing(self) -> bool:
        """Whether it is known to stand in the way."""
        return self.state not in {"met", "unknown"}

    @property
    def deadline(self) -> str | None:
        """In how long it expires, or when it did, in words.

        Examples
        --------
        >>> from datetime import timedelta
        >>> soon = datetime.now(UTC) + timedelta(days=3, minutes=1)
        >>> Requirement("link", "met", "A link", expires=soon).deadline
        'expires in 3 days'
        """
        if self.expires is None:
            return None
        seconds = int((self.expires - datetime.now(UTC)).total_seconds())
        if seconds <= 0:
            return f"expired on {self.expires.astimezone(UTC):%Y-%m-%d at %H:%M} UTC"
        units = (("days", 86_400), ("hours", 3_600), ("minutes", 60))
        found = next((f"{seconds // size} {unit}" for unit, size in units if seconds >= 2 * size), None)
        return f"expires in {found or 'a minute'}"


@dataclass(frozen=True, slots=True)
class Access:
    """What one mirror needs before it hands out one dataset."""

    dataset: str
    mirror: str
    level: str
    requirements: tuple[Requirement, ...] = ()

    @property
    def granted(self) -> bool:
        """Whether nothing is known to be missing."""
        return not any(requirement.missing for requirement in self.requirements)

    def _repr_html_(self) -> str:
        from decnef_data.model.notebook import access_page

        return access_page((self,))


class AccessReport(tuple[Access, ...]):
    """What each mirror needs, one a dataset and mirror; a tuple that reads well in a notebook."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        from decnef_data.model.notebook import access_page

        return access_page(self)


@dataclass(frozen=True, slots=True)
class Acceptance:
    """That the user accepted one version of some terms, and when (UTC)."""

    dataset: str
    terms: str
    version: str
    date: datetime


@dataclass(frozen=True, slots=True)
class Selection:
    """What a request asks for; ``None`` means all of it."""

    dataset: str
    group: str | None = None
    subjects: tuple[str, ...] | None = None
    sites: tuple[str, ...] | None = None
    diagnoses: tuple[str, ...] | None = None
    modalities: tuple[str, ...] | None = None

    @property
    def narrowed(self) -> bool:
        """Whether it asks for less than everything.

        Examples
        --------
        >>> Selection("srpbs-open").narrowed, Selection("srpbs-open", sites=("COI",)).narrowed
        (False, True)
        """
        parts = (self.group, self.subjects, self.sites, self.diagnoses, self.modalities)
        return any(part is not None for part in parts)


@dataclass(frozen=True, slots=True)
class FileCheck:
    """What verifying found of one file or store; ``mirror`` is where the file came from, of a store none."""

    path: str
    state: Literal["whole", "changed", "missing", "damaged"]
    detail: str = ""
    mirror: str = ""


@dataclass(frozen=True, slots=True)
class Verification:
    """What verifying found of a dataset."""

    dataset: str
    deep: bool
    checks: tuple[FileCheck, ...] = field(default=())

    @property
    def whole(self) -> bool:
        """Whether every file and store is as it was when verified."""
        return all(check.state == "whole" for check in self.checks)


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """One thing that the cache holds; ``size`` is in bytes."""

    dataset: str
    kind: Literal["file", "partial", "adopted", "store"]
    path: Path
    size: int
    mirror: str
    synthetic: bool = False


@dataclass(frozen=True, slots=True)
class CacheListing:
    """Everything that the cache holds, below ``root``."""

    root: Path
    entries: tuple[CacheEntry, ...]

    @property
    def size(self) -> int:
        """The bytes that the entries take in the cache; adopted files lie elsewhere and take none."""
        return sum(entry.size for entry in self.entries if entry.kind != "adopted")


class Progress(Protocol):
    """Who is told how far a transfer is."""

    def start(self, what: str, total: int | None, done: int) -> None:
        """Begin `what`, of `total` bytes, `done` of which are already there."""

    def advance(self, count: int) -> None:
        """Count `count` more bytes."""

    def via(self, mirror: str, connections: int) -> None:
        """Note where the bytes come from now, and over how many connections."""

    def scans(self, count: int) -> None:
        """Note how many scans are stored so far."""

    def finish(self) -> None:
        """End the transfer that was begun, well or not."""
