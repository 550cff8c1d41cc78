"""The links of one mirror by dataset: those that the user stored, else the public ones of the record."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from decnef_data.errors import AccessError, IntegrityError
from decnef_data.mirrors import requirements
from decnef_data.mirrors.credentials import Credentials, environment_variable
from decnef_data.mirrors.http.links import Link, UnusableLinkError
from decnef_data.mirrors.protocol import CredentialInfo
from decnef_data.model import Mirror, Secret

__all__ = ["StoredLinks", "is_expired"]


def is_expired(link: Link) -> bool:
    """Whether a link has expired by the time that it states and our clock.

    Examples
    --------
    >>> is_expired(Link.parse("https://example.org/data.zip"))
    False
    """
    return link.expires is not None and link.expires <= datetime.now(UTC)


class StoredLinks:
    """The links of one mirror.

    Parameters
    ----------
    mirror
        The mirror's record; a verified ``address`` of a holding is a public link.
    credentials
        The store of personal links, as ``<mirror>/<dataset>``; they take precedence over public ones.
    """

    def __init__(self, mirror: Mirror, credentials: Credentials) -> None:
        self._mirror = mirror
        self._credentials = credentials
        self._tested: str | None = None  # the dataset whose new link is tested

    def _name(self, dataset: str) -> str:
        """Return the name of the personal link in the store."""
        return f"{self._mirror.name}/{dataset}"

    def _text(self, dataset: str) -> str | None:
        """Return the link as stored; callers keep it out of local names, which a traceback may show."""
        holding = self._mirror.find_holding(dataset)
        # An unverified address may be a guess of the catalog, so it is not opened.
        public = holding.address if holding and holding.has_verified_address else None
        # Otherwise a link in the environment would be tested in place of the new one.
        read = self._credentials.get_stored if dataset == self._tested else self._credentials.get
        return read(self._name(dataset)) or public

    def has(self, dataset: str) -> bool:
        """Whether there is a link to a dataset."""
        return self._text(dataset) is not None

    def has_personal(self, dataset: str) -> bool:
        """Whether the user stored a link to a dataset."""
        return bool(self._credentials.get(self._name(dataset)))

    def load(self, dataset: str, page: str | None = None) -> Link:
        """Return the link to a dataset, also an expired one: its host decides, as our clock may be wrong.

        Raises
        ------
        AccessError
            There is none, or it cannot be used; new ones are requested at `page`.
        """
        if not self.has(dataset):
            problem = f"No download link for '{dataset}' is stored for mirror '{self._mirror.name}'."
            raise self.access_error(dataset, problem, page)
        try:
            link = Link.parse(self._text(dataset) or "")
        except UnusableLinkError as error:
            problem = f"The link stored for '{dataset}' cannot be used: {error}."
        else:
            return link
        raise self.access_error(dataset, problem, page)  # outside of the block: no traceback shows the link

    def access_error(self, dataset: str, problem: str, page: str | None = None) -> AccessError:
        """Return the error of a link, with where to request the next one and how to store it."""
        where = page or self._mirror.page
        instruction = f"Request a new link at {where}, then run" if where else "Request a new link, then run"
        call = f"decnef_data.login('{self._mirror.name}', LINK, dataset='{dataset}')"
        return AccessError(f"{problem} {instruction} `{call}`.", dataset=dataset, mirror=self._mirror.name)

    def state(self, dataset: str) -> requirements.RequirementState:
        """Return whether there is a link and, by its own expiry, whether it is still valid."""
        try:
            link = Link.parse(self._text(dataset) or "")
        except UnusableLinkError:
            return "unmet"
        return "expired" if is_expired(link) else "met"

    def expiry(self, dataset: str) -> datetime | None:
        """Return when the link expires, ``None`` if that is not known."""
        try:
            return Link.parse(self._text(dataset) or "").expires
        except UnusableLinkError:
            return None

    def describe(self, dataset: str) -> CredentialInfo | None:
        """Return the expiry of a personal link and where it is kept, ``None`` if there is none."""
        name = self._name(dataset)
        if self._credentials.get(name) is None:
            return None
        variable = environment_variable(name) or ""
        location = variable if os.environ.get(variable) else "decnef login"
        try:
            expires = Link.parse(self._credentials.get(name) or "").expires
        except UnusableLinkError:
            return CredentialInfo("link that cannot be used", location, dataset)
        return CredentialInfo("link", location, dataset, expires)

    @contextmanager
    def stored(self, dataset: str, secret: Secret) -> Iterator[str]:
        """Store a personal link, and yield where; the previous one is restored if it is refused meanwhile."""
        credentials, name = self._credentials, self._name(dataset)
        previous = Secret(credentials.get_stored(name) or "")  # a Secret, which no traceback shows
        credentials.put(name, secret)
        self._tested = dataset
        try:
            yield credentials.describe_location(name)
        except (AccessError, IntegrityError):
            credentials.remove(name)
            if previous:
                credentials.put(name, previous)
            raise
        finally:
            self._tested = None
