"""A download link: a secret that knows its host, its file name and when it expires."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import PurePosixPath
from urllib.parse import parse_qsl, quote, unquote, urljoin, urlsplit

_UNSAFE = re.compile(r"[\x00-\x20\x7f]")
_SHORTEST_SECRET = 8
_FOR_SECONDS = re.compile(r"[?&]x-amz-expires=(\d+)(?:&|$)", re.IGNORECASE)
_KEPT = "!#$%&'()*+,/:;=?@[]~"


class UnusableLinkError(ValueError):
    """A text that cannot be used as a download link, and why; it never holds the text."""


@dataclass(frozen=True, slots=True, repr=False)
class Link:
    """A checked link, whose ``repr`` shows the host alone.

    Parameters
    ----------
    origin
        Scheme, host and port: the part that may be shown.
    target
        Path and query: the part that lets anyone in who has it.
    """

    origin: str
    target: str

    def __repr__(self) -> str:
        return f"<link at {self.origin}>"

    @classmethod
    def parse(cls, text: str) -> "Link":
        """Check `text` and take it apart; it must be https, or http on this machine (for tests and tunnels).

        Examples
        --------
        >>> Link.parse("https://host.example/a.zip?X-Amz-Signature=abc")
        <link at https://host.example>
        """
        text = text.strip()
        if _UNSAFE.search(text):
            raise UnusableLinkError("it holds blanks or line ends")
        try:
            return cls._of(text)
        except UnusableLinkError:
            raise
        except ValueError:  # urllib's text may quote the link
            pass
        raise UnusableLinkError("it is not a URL")

    @classmethod
    def _of(cls, text: str) -> "Link":
        parts = urlsplit(text)
        if parts.scheme not in {"https", "http"} or not parts.hostname:
            raise UnusableLinkError("it does not begin with 'https://'")
        if "@" in parts.netloc:
            raise UnusableLinkError("it holds a user name")
        if parts.scheme == "http" and not is_loopback(parts.hostname):
            raise UnusableLinkError(
                "it begins with 'http://', which would send it readable by anyone on the way"
            )
        query = f"?{parts.query}" if parts.query else ""
        host = parts.hostname if ":" not in parts.hostname else f"[{parts.hostname}]"
        port = f":{parts.port}" if parts.port else ""
        return cls(f"{parts.scheme}://{host}{port}", quote((parts.path or "/") + query, safe=_KEPT))

    def towards(self, location: str) -> "Link":
        """Where a redirect of this link to `location` leads, never from https to http."""
        link = Link.parse(urljoin(self.origin + self.target, location))
        if self.origin.startswith("https:") and link.origin.startswith("http:"):
            raise UnusableLinkError("it leads from https to http")
        return link

    @property
    def name(self) -> str:
        """The file name in the path, safe to use; empty where there is none."""
        return safe_name(unquote(urlsplit(self.target).path))

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be seen of it, should its host repeat it."""
        values = (value for _, value in parse_qsl(urlsplit(self.target).query))
        return (self.target, *(value for value in values if len(value) >= _SHORTEST_SECRET))

    @property
    def lifetime(self) -> float | None:
        """For how many seconds from now it is good by its own parameters, where they say so."""
        stated = _FOR_SECONDS.search(self.target)
        if stated:  # one that was signed just now; no clock is asked
            return float(stated[1])
        left = (self.expires - datetime.now(UTC)).total_seconds() if self.expires else 0.0
        return left if left > 0 else None

    @property
    def expires(self) -> datetime | None:
        """When the link ends by its own parameters, or ``None`` where it does not say."""
        query = {key.lower(): value for key, value in parse_qsl(urlsplit(self.target).query)}
        try:
            return _signed_until(query) or _until_epoch(query)
        except (ValueError, OverflowError, OSError):
            return None


def _signed_until(query: Mapping[str, str]) -> datetime | None:
    """Signature version 4: a start and a length in seconds."""
    if "x-amz-date" not in query or "x-amz-expires" not in query:
        return None
    start = datetime.strptime(query["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    return start + timedelta(seconds=int(query["x-amz-expires"]))


def _until_epoch(query: Mapping[str, str]) -> datetime | None:
    """Signature version 2 and CloudFront: seconds since 1970."""
    return datetime.fromtimestamp(int(query["expires"]), UTC) if "expires" in query else None


@lru_cache(maxsize=64)
def is_loopback(host: str) -> bool:
    """Whether `host` is this machine, so that nothing sent to it can be overheard.

    Examples
    --------
    >>> is_loopback("127.0.0.1"), is_loopback("host.example")
    (True, False)
    """
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def safe_name(text: str) -> str:
    r"""Make the last part of a path a file name: no separators, no control characters, no leading dot.

    Examples
    --------
    >>> safe_name("../a/.b.zip"), safe_name("c:\\d.zip"), safe_name("/")
    ('b.zip', 'd.zip', '')
    """
    last = PurePosixPath(text.replace("\\", "/")).name
    return "".join(char for char in last if char.isprintable()).strip().lstrip(".")[:200]
