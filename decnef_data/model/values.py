"""Values that functions return; all are immutable."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Protocol

from decnef_data.model.catalog import DataUse
from decnef_data.model.data_use import UsePolicy


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
    """A checksum of a file.

    Attributes
    ----------
    algorithm
        Name of the algorithm in :mod:`hashlib`.
    hexdigest
        Hexadecimal digest, in lower case.

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

    Attributes
    ----------
    path
        Path relative to the dataset, with forward slashes.
    size
        Size in bytes, or ``None`` if unknown.
    checksum
        Expected checksum, or ``None`` if the mirror lists none.
    identity
        ETag or version, which changes when the bytes do.
    address
        What the mirror needs to open the file again; never a secret.
    local
        Path of the file, if it is already on this machine.
    approximate_size
        Size in bytes that the catalog lists as approximate, with which a file without a checksum is compared.
    """

    path: str
    size: int | None = None
    checksum: Checksum | None = None
    identity: str | None = None
    address: str = ""
    local: Path | None = None
    approximate_size: int | None = None


@dataclass(frozen=True, slots=True)
class Body:
    """The bytes of a file that a mirror sends.

    Attributes
    ----------
    start
        Offset of the first byte.
    chunks
        The bytes, in pieces.
    size
        Size of the complete file in bytes, or ``None`` if unknown.
    identity
        ETag or version of the file.
    etag
        ETag or date that the host of the bytes states, which the identity need not come from.
    """

    start: int
    chunks: Iterator[bytes]
    size: int | None = None
    identity: str | None = None
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class VerifiedFile:
    """A file on this machine whose bytes were verified.

    Attributes
    ----------
    path
        Path relative to the dataset, with forward slashes.
    location
        Path on this machine.
    size
        Size in bytes.
    checksums
        Checksums of the file.
    mirror
        Mirror that the file came from.
    has_expected_checksum
        Whether an expected checksum was known; otherwise the checksum was recorded on first use.
    """

    path: str
    location: Path
    size: int
    checksums: tuple[Checksum, ...]
    mirror: str
    has_expected_checksum: bool


class LazyFiles(Sequence[VerifiedFile], ABC):
    """Files that are built on access: of thousands, a warm call needs a few tables."""

    __slots__ = ()

    @abstractmethod
    def select(self, accepts: Callable[[str], bool]) -> tuple[VerifiedFile, ...]:
        """Return the files whose paths are accepted, and build no others."""

    @abstractmethod
    def summaries(self) -> Iterator[tuple[str, str, str | None]]:
        """Yield the path, the first checksum and the mirror's identity of each file, and build none."""

    @abstractmethod
    def status(self, path: str) -> tuple[int, int] | None:
        """Return the size and modification time (ns) of a file that was compared with them, or ``None``."""


@dataclass(frozen=True, slots=True)
class LocalCopy:
    """The local copy of a dataset from one mirror.

    Attributes
    ----------
    dataset
        Name of the dataset.
    mirror
        Mirror that the files came from.
    root
        Folder of the files.
    files
        The files.
    files_removed
        Whether the files were removed after they were stored as arrays.
    follow_links
        Whether links that lead out of the folder are followed.
    layout
        Name of the layout of the copy, if it is another one than that of the dataset's record.
    """

    dataset: str
    mirror: str
    root: Path
    files: Sequence[VerifiedFile]
    files_removed: bool = False
    follow_links: bool = False
    layout: str = ""

    @property
    def checksums(self) -> tuple[Checksum, ...]:
        """The first checksum of each file, in the order of the files."""
        return tuple(file.checksums[0] for file in self.files)

    def select_files(self, accepts: Callable[[str], bool]) -> tuple[VerifiedFile, ...]:
        """Return the files whose paths are accepted."""
        if isinstance(self.files, LazyFiles):
            return self.files.select(accepts)
        return tuple(file for file in self.files if accepts(file.path))

    def known_status(self, path: str) -> tuple[int, int] | None:
        """Return the size and modification time (ns) that a file has, if it was just compared with them."""
        return self.files.status(path) if isinstance(self.files, LazyFiles) else None

    def list_checksums(self) -> Iterator[tuple[str, str]]:
        """Yield the path and the first checksum of each file, as text."""
        if isinstance(self.files, LazyFiles):
            return ((path, checksum) for path, checksum, _ in self.files.summaries())
        return ((file.path, str(file.checksums[0])) for file in self.files)


@dataclass(frozen=True, slots=True)
class Requirement:
    """One requirement for access to a dataset.

    Attributes
    ----------
    kind
        Kind of the requirement, e.g. ``terms`` or ``login``.
    state
        Whether the requirement is met.
    text
        What the user has to do.
    url
        Web page where to do it.
    command
        Command to run.
    expires
        Date and time when the requirement is no longer met.
    form
        Web address of the form to fill in.
    """

    kind: str
    state: Literal["met", "unmet", "pending", "expired", "unknown"]
    text: str
    url: str | None = None
    command: str | None = None
    expires: datetime | None = None
    form: str | None = None

    @property
    def missing(self) -> bool:
        """Whether the requirement is known not to be met."""
        # An unknown step must not prevent a download that may work.
        return self.state not in {"met", "unknown"}

    @property
    def deadline(self) -> str | None:
        """The time until the requirement expires, or the date when it expired, in words.

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
        # From two of a unit, so that no plural needs its singular.
        units = (("days", 86_400), ("hours", 3_600), ("minutes", 60))
        remaining = next((f"{seconds // size} {unit}" for unit, size in units if seconds >= 2 * size), None)
        return f"expires in {remaining or 'a minute'}"


@dataclass(frozen=True, slots=True)
class Access:
    """Access to one dataset at one mirror.

    Attributes
    ----------
    dataset
        Name of the dataset.
    mirror
        Name of the mirror.
    level
        Who has access: approved applicants (``restricted``) or registered users (``registered``).
    requirements
        The requirements of the mirror.
    data_use
        How the dataset may be used, in terms of DUO and ODRL; ``None`` if it is not stated.
    """

    dataset: str
    mirror: str
    level: str
    requirements: tuple[Requirement, ...] = ()
    data_use: DataUse | None = None

    @property
    def use_conditions(self) -> tuple[tuple[str, str], ...]:
        """How the dataset may be used, as pairs of a label and a text; empty if it is not stated."""
        if self.data_use is None:
            return ()
        policy = UsePolicy.of(self.data_use)
        return (*policy.describe(), ("grade", f"{policy.grade}, that of the least certain condition"))

    @property
    def granted(self) -> bool:
        """Whether no requirement is known to be missing."""
        return not any(requirement.missing for requirement in self.requirements)


class AccessReport(tuple[Access, ...]):
    """The access to each dataset at each mirror: a tuple with an HTML representation for notebooks."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Acceptance:
    """The user's acceptance of the terms of a dataset.

    Attributes
    ----------
    dataset
        Name of the dataset.
    terms
        Name of the terms.
    version
        Version of the terms.
    date
        Date and time of the acceptance (UTC).
    """

    dataset: str
    terms: str
    version: str
    date: datetime


@dataclass(frozen=True, slots=True)
class FileCheck:
    """The result of verifying one file or store.

    Attributes
    ----------
    path
        Path of the file, or name of the store.
    state
        Result of the check.
    detail
        What differs, or the number of files in an intact store.
    mirror
        Mirror that the file came from; empty for a store.
    checksums
        The recorded checksums of the file.
    basis
        Whether the mirror or the catalog had stated the checksum (expected), or it was computed when the file
        was stored (first sight); empty for a store.
    corroborated_by
        Who else has a file with the same checksum, according to the catalog.
    """

    path: str
    state: Literal["intact", "changed", "missing", "damaged"]
    detail: str = ""
    mirror: str = ""
    checksums: tuple[str, ...] = ()
    basis: Literal["", "expected", "first sight"] = ""
    corroborated_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verification:
    """The result of verifying a dataset.

    Attributes
    ----------
    dataset
        Name of the dataset.
    deep
        Whether every byte was read, instead of sizes and modification times only.
    checks
        The result for each file and store.
    """

    dataset: str
    deep: bool
    checks: tuple[FileCheck, ...] = ()
    synthetic: bool = False

    @property
    def complete(self) -> bool:
        """Whether every file and store is unchanged since it was verified."""
        return all(check.state == "intact" for check in self.checks)


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """One entry of the cache.

    Attributes
    ----------
    dataset
        Name of the dataset.
    kind
        Kind of the entry.
    path
        Path of the entry.
    size
        Size in bytes.
    mirror
        Mirror that the entry came from; empty for a store.
    synthetic
        Whether the data are synthetic.
    last_used
        When the dataset was last opened or downloaded (UTC); before that was recorded, when it was stored.
    """

    dataset: str
    kind: Literal["file", "partial", "adopted", "store"]
    path: Path
    size: int
    mirror: str
    synthetic: bool = False
    last_used: datetime | None = None


@dataclass(frozen=True, slots=True)
class CachedDataset:
    """What is on this machine of one dataset.

    Attributes
    ----------
    dataset
        Name of the dataset.
    state
        Whether all of it is in the cache, all of it is elsewhere and was adopted, or only a part is there.
    size
        Size in bytes of what is in the cache: files, partial downloads and stores.
    synthetic
        Whether the data are synthetic.
    last_used
        When the dataset was last opened or downloaded (UTC); before that was recorded, when it was stored.
    path
        The adopted archive or folder.
    """

    dataset: str
    state: Literal["complete", "adopted", "partial"]
    size: int
    synthetic: bool = False
    last_used: datetime | None = None
    path: Path | None = None


@dataclass(frozen=True, slots=True)
class CacheListing:
    """All entries of the cache.

    Attributes
    ----------
    root
        The cache folder.
    entries
        The entries.
    datasets
        What there is of each dataset, of data and of synthetic data.
    """

    root: Path
    entries: tuple[CacheEntry, ...]
    datasets: tuple[CachedDataset, ...] = ()

    @property
    def size(self) -> int:
        """The total size of the entries in bytes; adopted files are not in the cache and count as zero."""
        return sum(entry.size for entry in self.entries if entry.kind != "adopted")


class Progress(Protocol):
    """Receives the progress of a transfer."""

    def start(self, what: str, total: int | None, done: int) -> None:
        """Start the task `what` of `total` bytes, of which `done` are already available."""

    def advance(self, count: int) -> None:
        """Add `count` bytes to the completed ones."""

    def set_source(self, mirror: str, connections: int) -> None:
        """Set the mirror that the bytes currently come from, and the number of connections."""

    def set_scan_count(self, count: int) -> None:
        """Set the number of scans stored so far."""

    def finish(self) -> None:
        """End the transfer, whether or not it was successful."""


class CountProgress(Protocol):
    """Receives how many items were counted."""

    def start(self, what: str, total: int | None, done: int) -> None:
        """Start `what`, of `total` items, of which `done` are known already."""

    def advance(self, count: int) -> None:
        """Count `count` more."""

    def finish(self) -> None:
        """End the count, successful or not."""
