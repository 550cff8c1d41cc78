"""The https protocol: one archive behind a personal link, or behind a public address."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from decnef_data.errors import AccessError, DecnefDataError, IntegrityError, MirrorError
from decnef_data.mirrors import ranges, steps, transport
from decnef_data.mirrors.credentials import Credentials
from decnef_data.mirrors.links import Link, UnusableLinkError
from decnef_data.model import Access, Body, Checksum, Dataset, Holding, Mirror, RemoteFile, Requirement

_ENDS_ACCESS = frozenset({401, 403, 410})
_SOON = timedelta(days=3)


class Https:
    """A mirror that hands out each dataset as one file behind a link.

    Parameters
    ----------
    mirror
        The mirror's record; a holding's verified ``address`` is a public link.
    credentials
        Where personal links are kept, as ``<mirror>/<dataset>``; they win over public ones.

    Examples
    --------
    >>> from pathlib import Path
    >>> record = Mirror(name="atr", title="ATR", protocol="https", order=1)
    >>> Https(record, Credentials(Path("config"))).name
    'atr'
    """

    def __init__(self, mirror: Mirror, credentials: Credentials) -> None:
        self.name = mirror.name
        self._mirror = mirror
        self._credentials = credentials
        self._session = transport.session()
        self._pages: dict[str, str] = {}

    def ready(self, dataset: Dataset) -> bool:
        """Whether a link to `dataset` is known; touches no network."""
        return self._mirror.holding(dataset.name) is not None and self._text(dataset.name) is not None

    def find(self, dataset: Dataset) -> tuple[RemoteFile, ...]:
        """Look at the one file behind the link of `dataset`."""
        holding = steps.holding(self._mirror, dataset)
        self._pages[dataset.name] = steps.page(dataset, self._mirror)
        link = self._link(dataset.name)
        try:
            found = ranges.look(self._session, link, self.name)
        except ranges.RefusedError as error:
            refused = self._refusal(dataset.name, link, error)
        else:
            return (_remote_file(found, holding, self.name),)
        raise refused

    @contextmanager
    def open(self, file: RemoteFile, start: int = 0, stop: int | None = None) -> Iterator[Body]:
        """Open the bytes of `file` from `start`, or from 0 where it changed or cannot be told apart."""
        link = self._link(file.address)
        certain = file.identity is not None and not file.identity.startswith("W/")
        asked = ranges.Asked(start if certain else 0, stop, file.identity)
        try:
            with ranges.opened(self._session, link, asked, self.name) as body:
                yield body
        except ranges.RefusedError as error:
            refused = self._refusal(file.address, link, error)
        else:
            return
        raise refused

    def expect(self, files: Sequence[RemoteFile]) -> None:
        """Do nothing: one link serves the file."""

    def access(self, dataset: Dataset) -> Access:
        """Say whether a link to `dataset` is known and, by its own words, still good; touches no network."""
        state = self._state(dataset.name)
        got: steps.State = "unknown" if state == "unmet" else "met"
        earlier = dict.fromkeys(("account", "application", "approval"), got)
        command = self._command(dataset.name)
        found = steps.access(dataset, self._mirror, {**earlier, "link": state}, command)
        return replace(found, requirements=tuple(self._dated(dataset, item) for item in found.requirements))

    def _dated(self, dataset: Dataset, item: Requirement) -> Requirement:
        """Say of the link until when it is good; of one that soon is not, where to ask for the next."""
        expires = self._expires(dataset.name)
        if item.kind != "link" or expires is None:
            return item
        url = item.url or steps.page(dataset, self._mirror)
        soon = expires - datetime.now(UTC) < _SOON
        return replace(item, expires=expires, url=url, command=self._command(dataset.name) if soon else None)

    def _expires(self, dataset: str) -> datetime | None:
        try:
            return Link.parse(self._text(dataset) or "").expires
        except UnusableLinkError:
            return None

    def _state(self, dataset: str) -> steps.State:
        try:
            link = Link.parse(self._text(dataset) or "")
        except UnusableLinkError:
            return "unmet"
        return "expired" if _over(link) else "met"

    def _text(self, dataset: str) -> str | None:
        """Give the link as it was stored; it is not to be kept in a local name where an error may show it."""
        holding = self._mirror.holding(dataset)
        public = holding.address if holding and holding.verified else None
        return self._credentials.get(f"{self.name}/{dataset}") or public

    def _link(self, dataset: str) -> Link:
        if self._text(dataset) is None:
            raise self._error(
                dataset, f"No download link for '{dataset}' is stored for mirror '{self.name}'."
            )
        try:
            link = Link.parse(self._text(dataset) or "")
        except UnusableLinkError as error:
            what = f"The link stored for '{dataset}' cannot be used: {error}."
        else:
            return link  # whether it expired is for its host to say: our clock may be wrong
        raise self._error(dataset, what)

    def _refusal(self, dataset: str, link: Link, error: ranges.RefusedError) -> DecnefDataError:
        """Say what a refused link means to its user."""
        if error.expired:
            when = f" {_when(link)}" if _over(link) else ""
            return self._error(
                dataset, f"The link for '{dataset}' has expired{when} ('{link.origin}' answered {error})."
            )
        if error.status in _ENDS_ACCESS:
            return self._error(dataset, f"'{link.origin}' refused the link for '{dataset}' ({error}).")
        message = (
            f"'{link.origin}' did not give '{dataset}' ({error}). Try again later, or from another mirror."
        )
        return MirrorError(message, mirror=self.name, status=error.status, retry_after=error.retry_after)

    def _error(self, dataset: str, what: str) -> AccessError:
        page = self._pages.get(dataset) or self._mirror.page
        ask = f"Ask for a new one at {page}, then run" if page else "Ask for a new one, then run"
        return AccessError(f"{what} {ask} '{self._command(dataset)}'.", dataset=dataset, mirror=self.name)

    def _command(self, dataset: str) -> str:
        return f"decnef login {self.name} {dataset}"


def check(text: str) -> datetime | None:
    """Say until when the link `text` is good, or ``None`` where it does not tell; asks nobody.

    Raises
    ------
    AccessError
        It cannot be used, or has expired.

    Examples
    --------
    >>> print(check("https://host.example/SRPBS_FC.zip"))
    None
    """
    try:
        link = Link.parse(text)
    except UnusableLinkError as error:
        reason = str(error)
    else:
        if not _over(link):
            return link.expires
        reason = f"it expired {_when(link)}"
    raise AccessError(
        f"This link cannot be used: {reason}. "
        "Paste it whole, as it stands in the e-mail, or ask for a new one."
    )


def _over(link: Link) -> bool:
    return link.expires is not None and link.expires <= datetime.now(UTC)


def _when(link: Link) -> str:
    moment = link.expires or datetime.now(UTC)
    return f"at {moment:%Y-%m-%d %H:%M} UTC, {steps.ago(moment)}"


def _remote_file(found: ranges.Found, holding: Holding, mirror: str) -> RemoteFile:
    """Join what the host says with what the record says; of a checksum only the record's is trusted."""
    path = found.name or holding.archive or holding.dataset
    if None not in (found.size, holding.size) and found.size != holding.size:
        message = (
            f"'{path}' at mirror '{mirror}' has {found.size} bytes where {holding.size} are recorded. "
            "The link may lead to another file or release; ask for a new one, or try another mirror."
        )
        raise IntegrityError(message, file=path, expected=str(holding.size), found=str(found.size))
    checksum = Checksum.parse(holding.checksum) if holding.checksum else None
    return RemoteFile(
        path,
        holding.size if found.size is None else found.size,
        checksum,
        found.identity,
        address=holding.dataset,
    )
