"""A mirror of the https protocol: one archive behind a personal link, or behind a public address."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from decnef_data.archive_evidence import describe_head, is_plausible_size
from decnef_data.errors import DecnefDataError, IntegrityError, MirrorError, SelectionError
from decnef_data.mirrors import requirements
from decnef_data.mirrors.credentials import Credentials
from decnef_data.mirrors.http import ranges, session
from decnef_data.mirrors.http.links import Link, UnusableLinkError
from decnef_data.mirrors.https.crawler import LinkFacts, crawl_links
from decnef_data.mirrors.https.stored_links import StoredLinks, is_expired
from decnef_data.mirrors.protocol import CrawlRequest, CrawlResult, CredentialInfo, ProbeResult, Remote
from decnef_data.model import (
    Access,
    Body,
    Checksum,
    Dataset,
    Holding,
    Mirror,
    RemoteFile,
    Requirement,
    Secret,
)
from decnef_data.prompts import ask_secret

_EXPIRY_WARNING = timedelta(days=3)


class HttpsMirror(Remote):
    """A mirror that provides each dataset as one file behind a link.

    Parameters
    ----------
    mirror
        The mirror's record; a verified ``address`` of a holding is a public link.
    credentials
        The store of personal links, as ``<mirror>/<dataset>``; they take precedence over public ones.

    Examples
    --------
    >>> from pathlib import Path
    >>> record = Mirror(name="atr", title="ATR", protocol="https", order=1)
    >>> HttpsMirror(record, Credentials(Path("config"))).name
    'atr'
    """

    def __init__(self, mirror: Mirror, credentials: Credentials) -> None:
        self.name = mirror.name
        self._mirror = mirror
        self._links = StoredLinks(mirror, credentials)
        self._session = session.create_session()
        # `open` gets a file without its dataset, and its errors say where to request a new link.
        self._pages: dict[str, str] = {}

    def is_ready(self, dataset: Dataset) -> bool:
        """Whether a link to `dataset` is known; opens no connection."""
        return self._mirror.find_holding(dataset.name) is not None and self._links.has(dataset.name)

    def find(self, dataset: Dataset) -> tuple[RemoteFile, ...]:
        """Return the one file behind the link of `dataset`."""
        return (self._find_file(dataset)[0],)

    def read_facts(self, dataset: Dataset) -> LinkFacts:
        """Return what the host of the link of `dataset` reports about its file, without downloading it.

        Raises
        ------
        AccessError
            There is no link to `dataset`, or it is expired or refused.
        MirrorError
            The host cannot be reached.
        IntegrityError
            The file is not an archive, or its size differs from the one in the records.
        """
        file, metadata = self._find_file(dataset)
        expires = self._links.expiry(dataset.name)
        return LinkFacts(file.path, file.size, metadata.etag, metadata.modified, expires)

    def _find_file(self, dataset: Dataset) -> tuple[RemoteFile, ranges.FileMetadata]:
        holding = requirements.get_holding(self._mirror, dataset)
        self._pages[dataset.name] = dataset.page
        link = self._links.load(dataset.name, dataset.page)
        try:
            metadata = ranges.fetch_metadata(self._session, link, self.name)
        except ranges.HttpStatusError as error:
            translated = self._translate_refusal(dataset.name, link, error)
        else:
            return _build_remote_file(metadata, holding, self.name), metadata
        raise translated

    @contextmanager
    def open(self, file: RemoteFile, start: int = 0, stop: int | None = None) -> Iterator[Body]:
        """Open the bytes of `file` from `start`, or from 0 if it changed or has no reliable identity."""
        link = self._links.load(file.address, self._pages.get(file.address))
        # Only a strong one can be a condition of the request (RFC 9110, section 13.1.5); without a condition,
        # the rest of another file could be appended to the part that is here.
        has_strong_identity = file.identity is not None and not file.identity.startswith("W/")
        request = ranges.RangeRequest(start if has_strong_identity else 0, stop, file.identity)
        try:
            with ranges.open_range(self._session, link, request, self.name) as body:
                yield body
        except ranges.HttpStatusError as error:
            translated = self._translate_refusal(file.address, link, error)
        else:
            return
        raise translated

    def access(self, dataset: Dataset) -> Access:
        """Return whether a link is known and, by its own expiry, still valid; opens no connection."""
        state = self._links.state(dataset.name)
        # A link is sent only after these steps, so having one implies them.
        earlier_state: requirements.RequirementState = "unknown" if state == "unmet" else "met"
        earlier_states = dict.fromkeys(("account", "application", "approval"), earlier_state)
        command = self._login_command(dataset.name)
        found = requirements.build_access(dataset, self._mirror, {**earlier_states, "link": state}, command)
        # The record may have a link for everyone, so that none has to be stored.
        is_public = self._links.has(dataset.name) and not self._links.has_personal(dataset.name)
        needed = (item for item in found.requirements if item.kind != "link" or not is_public)
        return replace(found, requirements=tuple(self._with_expiry(dataset, item) for item in needed))

    def probe(self) -> ProbeResult:
        """Request the web page of the mirror."""
        try:
            page = Link.parse(self._mirror.page or "")
        except UnusableLinkError:
            return ProbeResult(None, problem="The catalog lists no web page to probe.")
        start = time.perf_counter()
        with session.get(self._session, page, {}, self.name) as response:
            seconds, status = time.perf_counter() - start, response.status_code
        is_server_error = status >= 500  # noqa: PLR2004  # RFC 9110: the server failed; a refusal is an answer
        problem = f"Its web page returned status {status}." if is_server_error else None
        return ProbeResult(not is_server_error, seconds, problem=problem)

    def credentials(self, datasets: Iterable[Dataset]) -> tuple[CredentialInfo, ...]:
        """List the personal link of each dataset, with its expiry."""
        described = (self._links.describe(dataset.name) for dataset in datasets)
        return tuple(info for info in described if info is not None)

    def login(self, secret: Secret | None, dataset: Dataset | None, *, ask: bool) -> str:
        """Store the personal link to `dataset`; restore the previous one if it is refused."""
        if dataset is not None and not secret and ask:
            secret = ask_secret(f"Personal link to '{dataset.name}' at {self._mirror.title}: ")
        if dataset is None or not secret:
            message = (
                f"Logging in to '{self.name}' requires a dataset and your personal link to it. "
                f"Run `decnef_data.login('{self.name}', LINK, dataset=NAME)`."
            )
            raise SelectionError(message, requested=self.name)
        with self._links.stored(dataset.name, secret) as location:
            result = self._test_link(dataset)
        return f"{result} The link is stored in {location}."

    def _test_link(self, dataset: Dataset) -> str:
        try:
            (file,) = self.find(dataset)
        except MirrorError as error:  # the host may be down; the link is kept, untested
            return f"The link for '{dataset.name}' could not be tested: {error}"
        size = "unknown size" if file.size is None else f"{file.size / 1e6:,.1f} MB"
        return f"The link for '{dataset.name}' points to '{file.path}' ({size})."

    def index(self, request: CrawlRequest) -> CrawlResult:
        """Record what the host of each link reports about its file, and nothing of the link."""
        return crawl_links(self._mirror, self, request)

    def _with_expiry(self, dataset: Dataset, item: Requirement) -> Requirement:
        """Add the link's expiry and, if it ends soon, the command for the next link."""
        expires = self._links.expiry(dataset.name)
        if item.kind != "link" or expires is None:
            return item
        url = item.url or dataset.page
        expires_soon = expires - datetime.now(UTC) < _EXPIRY_WARNING
        return replace(
            item,
            expires=expires,
            url=url,
            # Earlier, the command would look like a step that is left to do.
            command=self._login_command(dataset.name) if expires_soon else None,
        )

    def _translate_refusal(self, dataset: str, link: Link, error: ranges.HttpStatusError) -> DecnefDataError:
        """Translate the refusal of a link into what it means to the user."""
        page = self._pages.get(dataset)
        if error.is_expired:
            expired = f"expired {_format_expiry(link)}" if is_expired(link) else "has expired"
            problem = f"The link for '{dataset}' {expired} ('{link.origin}' answered {error})."
            return self._links.access_error(dataset, problem, page)
        if error.is_refusal:
            problem = f"'{link.origin}' refused the link for '{dataset}' ({error})."
            return self._links.access_error(dataset, problem, page)
        message = (
            f"'{link.origin}' did not provide '{dataset}' ({error}). Try again later, or use another mirror."
        )
        return MirrorError(message, mirror=self.name, status=error.status, retry_after=error.retry_after)

    def _login_command(self, dataset: str) -> str:
        return f"decnef login {self.name} {dataset}"


def _format_expiry(link: Link) -> str:
    moment = link.expires or datetime.now(UTC)
    return f"at {moment:%Y-%m-%d %H:%M} UTC, {requirements.format_age(moment)}"


def _build_remote_file(metadata: ranges.FileMetadata, holding: Holding, mirror: str) -> RemoteFile:
    """Combine the host's metadata with the record; only the record's checksum is trusted."""
    path = metadata.name or holding.archive or holding.dataset
    _require_archive(path, metadata, holding, mirror)
    checksum = Checksum.parse(holding.checksum) if holding.checksum else None
    return RemoteFile(
        path,
        holding.size if metadata.size is None else metadata.size,
        checksum,
        metadata.identity,
        address=holding.dataset,
        approximate_size=holding.approximate_size,
    )


def _require_archive(path: str, metadata: ranges.FileMetadata, holding: Holding, mirror: str) -> None:
    """Raise an error if a link leads to anything but the archive of the record."""
    size, content = metadata.size, describe_head(metadata.head)
    # Before the sizes: that it is the page of a login tells the user more than its length does.
    if content is not None:
        problem, expected, found = f"is {content}", "an archive", content
    elif None not in (size, holding.size) and size != holding.size:
        expected, found = f"{holding.size}", f"{size}"
        problem = f"has {found} bytes, but the catalog lists {expected}"
    elif size is not None and not is_plausible_size(size, holding.approximate_size):
        expected, found = f"about {holding.approximate_size}", f"{size}"
        problem = f"has {found} bytes, but the catalog lists {expected}"
    else:
        return
    message = (
        f"'{path}' at mirror '{mirror}' {problem}. "
        "The link may point to another file or release; request a new link, or use another mirror."
    )
    raise IntegrityError(message, file=path, expected=expected, found=found)
