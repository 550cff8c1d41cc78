"""Values in memory, which the modules pass to each other; all are frozen."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Protocol


class Secret(str):
    """A token or link that ``repr`` hides, so that tracebacks with local variables do not show it.

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
    """A digest and its algorithm (a name of :mod:`hashlib`).

    Examples
    --------
    >>> str(Checksum.parse("md5:d41d8cd98f00b204e9800998ecf8427e"))
    'md5:d41d8cd98f00b204e9800998ecf8427e'
    """

    algorithm: str
    hexdigest: str

    def __str__(self) -> str:
        """Format as pooch does: ``algorithm:hexdigest``."""
        return f"{self.algorithm}:{self.hexdigest}"

    @classmethod
    def parse(cls, text: str) -> "Checksum":
        """Parse the output of ``str``."""
        algorithm, _, hexdigest = text.partition(":")
        return cls(algorithm.lower(), hexdigest.lower())


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file as listed by a mirror.

    ``path`` is relative to the dataset, with forward slashes; ``identity`` is an ETag or version that
    changes when the bytes do; ``address`` is what the mirror needs to open the file again, never a secret;
    ``local`` is set if the bytes are already on this machine.
    """

    path: str
    size: int | None = None
    checksum: Checksum | None = None
    identity: str | None = None
    address: str = ""
    local: Path | None = None


@dataclass(frozen=True, slots=True)
class Body:
    """The bytes that a mirror sends: from offset `start`, of a file of `size` bytes and this `identity`."""

    start: int
    chunks: Iterator[bytes]
    size: int | None = None
    identity: str | None = None


@dataclass(frozen=True, slots=True)
class VerifiedFile:
    """A file on this machine whose bytes were verified.

    Without an expected checksum (``has_expected_checksum=False``), its checksum was recorded on first use.
    """

    path: str
    location: Path
    size: int
    checksums: tuple[Checksum, ...]
    mirror: str
    has_expected_checksum: bool


@dataclass(frozen=True, slots=True)
class LocalCopy:
    """All files of a dataset from one mirror, in one folder on this machine.

    ``files_removed`` is whether the files were removed after their store was published.
    """

    dataset: str
    mirror: str
    root: Path
    files: Sequence[VerifiedFile]
    files_removed: bool = False

    @property
    def checksums(self) -> tuple[Checksum, ...]:
        """The first checksum of each file, in the order of the files."""
        return tuple(file.checksums[0] for file in self.files)


@dataclass(frozen=True, slots=True)
class Requirement:
    """One requirement of access to a dataset, and whether it is met (until ``expires``)."""

    kind: str
    state: Literal["met", "unmet", "pending", "expired", "unknown"]
    text: str
    url: str | None = None
    command: str | None = None
    expires: datetime | None = None

    @property
    def missing(self) -> bool:
        """Whether the requirement is known not to be met."""
        return self.state not in {"met", "unknown"}

    @property
    def deadline(self) -> str | None:
        """The time until it expires, or the date when it did, in words.

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
        remaining = next((f"{seconds // size} {unit}" for unit, size in units if seconds >= 2 * size), None)
        return f"expires in {remaining or 'a minute'}"


@dataclass(frozen=True, slots=True)
class Access:
    """The requirements of one mirror for one dataset."""

    dataset: str
    mirror: str
    level: str
    requirements: tuple[Requirement, ...] = ()

    @property
    def granted(self) -> bool:
        """Whether nothing is known to be missing."""
        return not any(requirement.missing for requirement in self.requirements)


class AccessReport(tuple[Access, ...]):
    """The access of each mirror to each dataset: a tuple with an HTML representation for notebooks."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Acceptance:
    """The user's acceptance of one version of the terms of a dataset, and its date (UTC)."""

    dataset: str
    terms: str
    version: str
    date: datetime


@dataclass(frozen=True, slots=True)
class Selection:
    """The requested part of a dataset; ``None`` means all."""

    dataset: str
    group: str | None = None
    subjects: tuple[str, ...] | None = None
    sites: tuple[str, ...] | None = None
    diagnoses: tuple[str, ...] | None = None
    modalities: tuple[str, ...] | None = None

    @property
    def is_subset(self) -> bool:
        """Whether less than the complete dataset is requested.

        Examples
        --------
        >>> Selection("srpbs-open").is_subset, Selection("srpbs-open", sites=("COI",)).is_subset
        (False, True)
        """
        parts = (self.group, self.subjects, self.sites, self.diagnoses, self.modalities)
        return any(part is not None for part in parts)


@dataclass(frozen=True, slots=True)
class FileCheck:
    """The result of verifying one file or store; ``mirror`` is the origin of the file, empty for a store."""

    path: str
    state: Literal["intact", "changed", "missing", "damaged"]
    detail: str = ""
    mirror: str = ""


@dataclass(frozen=True, slots=True)
class Verification:
    """The result of verifying a dataset."""

    dataset: str
    deep: bool
    checks: tuple[FileCheck, ...] = field(default=())

    @property
    def complete(self) -> bool:
        """Whether every file and store is unchanged since it was verified."""
        return all(check.state == "intact" for check in self.checks)


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """One entry of the cache; ``size`` is in bytes."""

    dataset: str
    kind: Literal["file", "partial", "adopted", "store"]
    path: Path
    size: int
    mirror: str
    synthetic: bool = False


@dataclass(frozen=True, slots=True)
class CacheListing:
    """All entries of the cache in the folder ``root``."""

    root: Path
    entries: tuple[CacheEntry, ...]

    @property
    def size(self) -> int:
        """The size of the entries in the cache, in bytes; adopted files are elsewhere and count as zero."""
        return sum(entry.size for entry in self.entries if entry.kind != "adopted")


class Progress(Protocol):
    """A receiver of the progress of a transfer."""

    def start(self, what: str, total: int | None, done: int) -> None:
        """Start `what`, of `total` bytes, of which `done` exist already."""

    def advance(self, count: int) -> None:
        """Count `count` more bytes."""

    def set_source(self, mirror: str, connections: int) -> None:
        """Set the mirror that the bytes come from now, and the number of connections."""

    def set_scan_count(self, count: int) -> None:
        """Set the number of scans that are stored so far."""

    def finish(self) -> None:
        """End the transfer, successful or not."""
