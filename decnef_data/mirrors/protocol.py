"""The interface of a mirror protocol: what it states beforehand, and what a connected mirror answers."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path, PurePosixPath

from decnef_data.errors import AccessError, SelectionError
from decnef_data.mirrors.credentials import Credentials
from decnef_data.mirrors.rate_limiter import RateLimiter
from decnef_data.mirrors.titles import is_archive_name
from decnef_data.model import Access, Body, CountProgress, Dataset, Mirror, RemoteFile, Secret
from decnef_data.model.index import IndexItem, Match

__all__ = [
    "AddressForm",
    "ConnectOptions",
    "CrawlRequest",
    "CrawlResult",
    "CredentialInfo",
    "LoginForm",
    "MirrorProtocol",
    "ProbeResult",
    "Remote",
]


@dataclass(frozen=True, slots=True)
class CredentialInfo:
    """The kind and location of a credential, never its value.

    ``dataset`` is the dataset that a link leads to, ``expires`` the expiry written in the link itself.
    """

    kind: str
    location: str
    dataset: str | None = None
    expires: datetime | None = None


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """Whether a mirror answered; ``reachable`` is ``None`` if there was nothing to send a request to."""

    reachable: bool | None
    seconds: float | None = None
    user: str | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class CrawlRequest:
    """What a mirror is asked to index.

    Parameters
    ----------
    datasets
        The records of all datasets.
    rate_limiter
        The limit of requests per period, which is acquired before each request.
    progress
        The display of the progress.
    journal
        Path of a file in which a long crawl may keep what it found, so that it resumes after an
        interruption; it is removed when the index has been written.
    previous
        The items of the previous crawl.
    checksums
        Whether to request sizes and checksums if they take requests of their own.
    """

    datasets: tuple[Dataset, ...]
    rate_limiter: RateLimiter
    progress: CountProgress
    journal: Path
    previous: tuple[IndexItem, ...] = ()
    checksums: bool = True


@dataclass(frozen=True, slots=True)
class CrawlResult:
    """What a mirror has: its items, the match of each dataset, and when a crawl that was resumed started."""

    items: tuple[IndexItem, ...]
    matches: tuple[Match, ...]
    started: str | None = None


class Remote(ABC):
    """A mirror of one protocol: it lists, describes and opens files.

    A protocol implements :meth:`is_ready`, :meth:`find`, :meth:`open` and :meth:`access`, and replaces
    those of the other methods whose answer differs.

    Attributes
    ----------
    name
        The name of the mirror, as in its record.
    """

    name: str

    @abstractmethod
    def is_ready(self, dataset: Dataset) -> bool:
        """Whether the user has credentials or files for `dataset`; opens no connection."""

    @abstractmethod
    def find(self, dataset: Dataset) -> tuple[RemoteFile, ...]:
        """List the files of `dataset`, sorted by path.

        Raises
        ------
        SelectionError
            The mirror does not hold `dataset`.
        AccessError
            A credential or permission that only the user can get is missing, refused or expired.
        MirrorError
            The mirror is unreachable or does not follow its protocol.
        """

    @abstractmethod
    def open(self, file: RemoteFile, start: int = 0, stop: int | None = None) -> AbstractContextManager[Body]:
        """Open the bytes of `file` from `start` to before `stop`.

        ``Body.start`` is where they really begin: at `start`, or at 0 if the file is no longer the one
        of ``file.identity``, if the mirror cannot begin in the middle, or if `start` is beyond the end.
        A `start` at the very end yields no bytes.
        """

    @abstractmethod
    def access(self, dataset: Dataset) -> Access:
        """Return what access to `dataset` requires here, and which requirements are known to be met."""

    def prepare(self, files: Sequence[RemoteFile]) -> None:  # noqa: B027 - most mirrors have nothing to prepare
        """Announce which files are opened next, in order, so that the mirror can prepare the first."""

    def probe(self) -> ProbeResult:
        """Send one small request; without a replacement, no request.

        Raises
        ------
        AccessError
            The mirror answered and refused the credentials.
        MirrorError
            The mirror did not answer.
        """
        return ProbeResult(None)

    def credentials(self, datasets: Iterable[Dataset]) -> tuple[CredentialInfo, ...]:  # noqa: ARG002
        """List the credentials for this mirror, beginning with the one that is used; opens no connection."""
        return ()

    def login(self, secret: Secret | None, dataset: Dataset | None, *, ask: bool) -> str:  # noqa: ARG002
        """Store `secret` if the mirror accepts it; return a message for the user, without the secret.

        If there is none, and `ask`, the user is asked for it where a person can answer.

        Raises
        ------
        SelectionError
            The mirror needs no login, or the dataset of the secret is missing.
        AccessError
            The mirror refuses the secret; the stored one stays.
        IntegrityError
            The secret leads to something other than the dataset; the stored one stays.
        MirrorError
            The mirror cannot be reached.
        """
        raise SelectionError(f"'{self.name}' does not require a login.", requested=self.name)

    def index(self, request: CrawlRequest) -> CrawlResult:
        """Crawl the mirror; without a replacement, list the files of each dataset that is ready.

        Raises
        ------
        SelectionError
            The mirror has nothing to crawl.
        AccessError
            A credential is missing or refused.
        MirrorError
            The mirror does not answer.
        """
        ready = [dataset for dataset in request.datasets if self.is_ready(dataset)]
        # An empty index would say that everything the earlier one had is gone.
        if not ready:
            message = (
                f"Mirror '{self.name}' provides no dataset that you can access. "
                "Run `decnef_data.access(NAME)` to see what a dataset requires."
            )
            raise AccessError(message, mirror=self.name)
        items: list[IndexItem] = []
        matches: list[Match] = []
        for dataset in ready:
            request.rate_limiter.acquire()
            files = tuple(_index_items(dataset, self.find(dataset)))
            items += files
            matches.append(_match_files(dataset, files))
        return CrawlResult(tuple(items), tuple(matches))


def _index_items(dataset: Dataset, files: Iterable[RemoteFile]) -> Iterator[IndexItem]:
    for file in files:
        path = f"{dataset.name}/{file.path}"
        yield IndexItem(
            id=path,
            kind="file",
            name=PurePosixPath(file.path).name,
            path=path,
            size=file.size,
            checksum=str(file.checksum) if file.checksum else None,
            identity=file.identity,
        )


def _match_files(dataset: Dataset, files: Sequence[IndexItem]) -> Match:
    # The checksum of one of several files is not that of the dataset.
    archive = files[0] if len(files) == 1 and is_archive_name(files[0].name) else None
    sizes = [item.size for item in files if item.size is not None]
    return Match(
        dataset=dataset.name,
        verdict="found",
        why=f"The mirror lists {len(files):,} file{'' if len(files) == 1 else 's'}.",
        path=dataset.name,
        files=len(files),
        # The sum of some sizes would pass for the size of all.
        size=sum(sizes) if len(sizes) == len(files) else None,
        archive=archive.name if archive else None,
        checksum=archive.checksum if archive else None,
    )


@dataclass(frozen=True, slots=True)
class ConnectOptions:
    """What a mirror is connected with.

    Parameters
    ----------
    credentials
        The user's tokens and links.
    adopted
        The archive or folder that the user already has, by dataset.
    follow_links
        Returns whether links that lead out of the folder of a dataset are followed.
    client_cache
        A folder for files of a client library; created only when one is used.
    load_index_items
        Loads what the last crawl of the mirror found.  Called when it is first needed, because reading an
        index takes a moment.
    """

    credentials: Credentials
    adopted: Mapping[str, Path] = field(default_factory=dict)
    follow_links: Callable[[str], bool] = lambda _dataset: False
    client_cache: Path | None = None
    load_index_items: Callable[[], Sequence[IndexItem]] = tuple


@dataclass(frozen=True, slots=True)
class AddressForm:
    """The form of the addresses that the records of a protocol have.

    Parameters
    ----------
    description
        What an address is, as the end of the sentence "which is not ...".
    pattern
        The regular expression that a complete address matches.
    page
        What the web page of an address begins with, before the address, if a crawl finds addresses that may
        be published; ``None`` if it finds none.
    of_mirror
        Whether the mirror has such an address itself, as well as the datasets in it.
    """

    description: str
    pattern: str
    page: str | None = None
    of_mirror: bool = False


@dataclass(frozen=True, slots=True)
class LoginForm:
    """What a user enters to log in.

    Parameters
    ----------
    secret
        What the secret is called, such as "personal access token".
    per_dataset
        Whether each dataset has a secret of its own.
    """

    secret: str
    per_dataset: bool = False


@dataclass(frozen=True, slots=True)
class MirrorProtocol:
    """A kind of mirror: how one is connected, and what is known without a connection.

    Parameters
    ----------
    connect
        Returns the mirror of a record; sends nothing yet.  Libraries that take time to import are imported
        in it, or later.
    is_local
        Whether the files are on this machine and are read in place, so that no connection is needed:
        :meth:`Remote.find` sets ``RemoteFile.local``.
    reads_adopted
        Whether the datasets are the copies that the user adopted, so that its record lists none.
    address_form
        The form of the addresses in the records; ``None`` if any text is one.
    login_form
        What a user enters to log in; ``None`` if there is no login.
    version_pattern
        The regular expression of a version, with which the identities of files begin and with which data are
        cited; ``None`` if data of the mirror are cited without a version.
    """

    connect: Callable[[Mirror, ConnectOptions], Remote]
    is_local: bool = False
    reads_adopted: bool = False
    address_form: AddressForm | None = None
    login_form: LoginForm | None = None
    version_pattern: str | None = None

    def may_have(self, mirror: Mirror, dataset: Dataset) -> bool:
        """Whether a mirror has `dataset` by its record, or could have a copy that the user adopted."""
        return self.reads_adopted or mirror.find_holding(dataset.name) is not None
