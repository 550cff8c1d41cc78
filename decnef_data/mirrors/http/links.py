"""Download links: parsing, host, file name and expiry, with the secret part hidden."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import PurePosixPath
from urllib.parse import parse_qsl, quote, unquote, urljoin, urlsplit

from decnef_data.model.names import is_shown, shorten_file_name

_UNSAFE_CHARACTERS = re.compile(r"[\x00-\x20\x7f]")
# Of the values in a link: shorter ones are words, and hiding these would make messages unreadable.
_MIN_SECRET_LENGTH = 8
_LIFETIME_PARAMETER = re.compile(r"[?&]x-amz-expires=(\d+)(?:&|$)", re.IGNORECASE)
# A signature covers a target as it is written, so what may stand in one, and `%`, is not quoted again.
_UNQUOTED_CHARACTERS = "!#$%&'()*+,/:;=?@[]~"


class UnusableLinkError(ValueError):
    """The reason why a text cannot be used as a download link; it never contains the text."""


@dataclass(frozen=True, slots=True, repr=False)
class Link:
    """A checked link whose ``repr`` shows only the host.

    Parameters
    ----------
    origin
        Scheme, host and port, which may be shown.
    target
        Path and query, which give access to anyone who has them.
    """

    origin: str
    target: str

    def __repr__(self) -> str:
        return f"<link at {self.origin}>"

    @classmethod
    def parse(cls, text: str) -> "Link":
        """Parse and check `text`; it must be https, or http on this machine (for tests and tunnels).

        Examples
        --------
        >>> Link.parse("https://host.example/a.zip?X-Amz-Signature=abc")
        <link at https://host.example>
        """
        text = text.strip()
        if _UNSAFE_CHARACTERS.search(text):
            raise UnusableLinkError("it contains whitespace or control characters")
        try:
            return cls._from_url(text)
        except UnusableLinkError:
            raise
        except ValueError:  # urllib's text may quote the link
            pass
        raise UnusableLinkError("it is not a URL")

    @classmethod
    def _from_url(cls, text: str) -> "Link":
        parts = urlsplit(text)
        if parts.scheme not in {"https", "http"} or not parts.hostname:
            raise UnusableLinkError("it does not start with 'https://'")
        if "@" in parts.netloc:
            raise UnusableLinkError("it contains a user name")
        if parts.scheme == "http" and not is_loopback(parts.hostname):
            raise UnusableLinkError("it starts with 'http://', so it would be sent unencrypted")
        query = f"?{parts.query}" if parts.query else ""
        host = parts.hostname if ":" not in parts.hostname else f"[{parts.hostname}]"
        port = f":{parts.port}" if parts.port else ""
        return cls(
            f"{parts.scheme}://{host}{port}", quote((parts.path or "/") + query, safe=_UNQUOTED_CHARACTERS)
        )

    def resolve_redirect(self, location: str) -> "Link":
        """Return the target of a redirect from this link to `location`; refuse https to http."""
        try:
            joined = urljoin(self.origin + self.target, location)
        except ValueError:  # its text may quote the link
            joined = ""
        link = Link.parse(joined)
        if self.origin.startswith("https:") and link.origin.startswith("http:"):
            raise UnusableLinkError("it goes from https to http")
        return link

    @property
    def file_name(self) -> str:
        """The file name in the path, safe to use; empty if there is none."""
        return safe_file_name(unquote(urlsplit(self.target).path))

    @property
    def secrets(self) -> tuple[str, ...]:
        """The parts that must be redacted if the host repeats them in an error."""
        values = (value for _, value in parse_qsl(urlsplit(self.target).query))
        return (self.target, *(value for value in values if len(value) >= _MIN_SECRET_LENGTH))

    @property
    def lifetime(self) -> float | None:
        """The seconds that the link is still valid by its own parameters, or ``None`` if unknown."""
        match = _LIFETIME_PARAMETER.search(self.target)
        if match:  # it was signed just now, so no clock is needed
            return float(match[1])
        remaining = (self.expires - datetime.now(UTC)).total_seconds() if self.expires else 0.0
        return remaining if remaining > 0 else None

    @property
    def expires(self) -> datetime | None:
        """The time when the link expires by its own parameters, or ``None`` if unknown."""
        query = {key.lower(): value for key, value in parse_qsl(urlsplit(self.target).query)}
        try:
            return _parse_signature_expiry(query) or _parse_epoch_expiry(query)
        except (ValueError, OverflowError, OSError):
            return None


def _parse_signature_expiry(query: Mapping[str, str]) -> datetime | None:
    """Parse signature version 4: a start and a length in seconds."""
    if "x-amz-date" not in query or "x-amz-expires" not in query:
        return None
    start = datetime.strptime(query["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    return start + timedelta(seconds=int(query["x-amz-expires"]))


def _parse_epoch_expiry(query: Mapping[str, str]) -> datetime | None:
    """Parse signature version 2 and CloudFront: seconds since 1970."""
    return datetime.fromtimestamp(int(query["expires"]), UTC) if "expires" in query else None


@lru_cache(maxsize=64)  # a few hosts, each asked for with every request
def is_loopback(host: str) -> bool:
    """Whether `host` is this machine, so that nothing sent to it can be intercepted.

    Examples
    --------
    >>> is_loopback("127.0.0.1"), is_loopback("host.example")
    (True, False)
    """
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def safe_file_name(text: str) -> str:
    r"""Convert the last part of a path to a file name: no separators, control characters or leading dot.

    Colons are removed, and a long name is shortened.

    Examples
    --------
    >>> safe_file_name("../a/.b.zip"), safe_file_name("c:\\d.zip"), safe_file_name("/")
    ('b.zip', 'd.zip', '')
    """
    last = PurePosixPath(text.replace("\\", "/")).name
    return shorten_file_name("".join(filter(is_shown, last)).replace(":", "").strip().lstrip("."))
