"""Sends requests to links without letting the link show: in logs, in errors, in what instruments requests.

requests and urllib3 put the whole URL into their DEBUG logs and errors, and a pre-signed URL is a
key.  So both are asked for the origin alone, and the path and query are set in at the last moment, where the
connection writes the request line.  Nothing process-wide is changed for that.
"""

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ClassVar

import requests
import urllib3
from requests.adapters import HTTPAdapter

from decnef_data.errors import MirrorError
from decnef_data.mirrors.links import Link, UnusableLinkError
from decnef_data.mirrors.redaction import redact

#: Seconds to connect, and seconds without a byte.
TIMEOUTS = (10.0, 30.0)
CHUNK = 1 << 20
_BUSY = frozenset({429, 500, 502, 503, 504})
_WAITS = (0.5, 1.0, 2.0)
_LONGEST_WAIT = 20.0
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 5
_target: ContextVar[str] = ContextVar("_target")


class _Discreet:
    """Mixed into a urllib3 connection: asks for the target that the context holds."""

    debuglevel: ClassVar[int] = 0  # http.client prints request lines where this is set

    def putrequest(
        self, method: str, url: str, skip_host: bool = False, skip_accept_encoding: bool = False
    ) -> None:
        whole = url.rstrip("/") + _target.get()  # `url` is "/", or the origin where a proxy is asked
        super().putrequest(method, whole, skip_host, skip_accept_encoding)  # type: ignore[misc]  # of the connection


class _DiscreetAdapter(HTTPAdapter):
    def get_connection_with_tls_context(
        self,
        request: requests.PreparedRequest,
        verify: bool | str | None,
        proxies: Mapping[str, str] | None = None,
        cert: Any = None,
    ) -> Any:
        pool: Any = super().get_connection_with_tls_context(request, verify, proxies, cert)
        if not issubclass(pool.ConnectionCls, _Discreet):
            pool.ConnectionCls = type("Discreet", (_Discreet, pool.ConnectionCls), {})
        return pool


def session() -> requests.Session:
    """Make a session that sends no credentials of its own and keeps its targets to itself."""
    made = requests.Session()
    made.mount("https://", _DiscreetAdapter(max_retries=0))
    made.mount("http://", _DiscreetAdapter(max_retries=0))
    made.auth = _nobody
    made.headers.clear()
    made.headers.update({"User-Agent": "decnef-data", "Accept": "*/*", "Accept-Encoding": "identity"})
    return made


def _nobody(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Stand where requests would otherwise look into ~/.netrc."""
    return request


@contextmanager
def get(
    over: requests.Session, link: Link, headers: Mapping[str, str], mirror: str
) -> Iterator[requests.Response]:
    """Ask for `link`, following redirects and waiting where the host is busy, and give the open answer.

    Raises
    ------
    MirrorError
        The host cannot be reached or the redirects do not end; an answer of any status is given.
    """
    answer = _patiently(over, link, headers, mirror)
    with answer:
        yield answer


def _patiently(
    over: requests.Session, link: Link, headers: Mapping[str, str], mirror: str
) -> requests.Response:
    for wait in _WAITS:
        answer = _following(over, link, headers, mirror)
        if answer.status_code not in _BUSY:
            return answer
        answer.close()
        time.sleep(_wanted(answer, wait))
    return _following(over, link, headers, mirror)


def _wanted(answer: requests.Response, wait: float) -> float:
    """How long the host asks to be left alone, within reason."""
    asked = answer.headers.get("Retry-After", "")
    return min(float(asked), _LONGEST_WAIT) if asked.isdigit() else wait


def _following(
    over: requests.Session, link: Link, headers: Mapping[str, str], mirror: str
) -> requests.Response:
    for _ in range(_MOST_REDIRECTS + 1):
        answer = _once(over, link, headers, mirror)
        if answer.status_code not in _REDIRECTS:
            return answer
        answer.close()
        link = _next(link, answer, mirror)
    message = f"'{link.origin}' redirects more than {_MOST_REDIRECTS} times. Try again later."
    raise MirrorError(message, mirror=mirror)


def _next(link: Link, answer: requests.Response, mirror: str) -> Link:
    try:
        return link.towards(answer.headers.get("Location", ""))  # no name of ours is to hold it
    except UnusableLinkError as error:
        reason = str(error)
    message = f"A redirect from '{link.origin}' was not followed: {reason}. Tell the mirror's keepers."
    raise MirrorError(message, mirror=mirror)


def _once(over: requests.Session, link: Link, headers: Mapping[str, str], mirror: str) -> requests.Response:
    token = _target.set(link.target)
    try:
        return over.get(
            f"{link.origin}/", headers=dict(headers), timeout=TIMEOUTS, stream=True, allow_redirects=False
        )
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        reason = plainly(error)
    finally:
        _target.reset(token)
    message = f"'{link.origin}' could not be reached ({reason}). Check the connection, or try again later."
    raise MirrorError(message, mirror=mirror)


def body(answer: requests.Response, length: int | None, mirror: str) -> Iterator[bytes]:
    """Give the bytes of `answer` in chunks, at most `length`, and say so when they end too early."""
    left = _promised(answer, length)
    for chunk in _chunks(answer, mirror):
        part = chunk if left is None else chunk[:left]
        yield part
        left = None if left is None else left - len(part)
        if left == 0:
            return
    if left:
        message = (
            f"'{origin(answer)}' ended the transfer {left} bytes early. "
            "Run the same again to go on from there."
        )
        raise MirrorError(message, mirror=mirror)


def _promised(answer: requests.Response, length: int | None) -> int | None:
    said = answer.headers.get("Content-Length", "")
    known = [int(said)] if said.isdigit() else []
    return min(known + ([length] if length is not None else []), default=None)


def _chunks(answer: requests.Response, mirror: str) -> Iterator[bytes]:
    stream = answer.raw.stream(CHUNK, decode_content=False)
    while True:
        try:
            chunk = next(stream, b"")
        except (urllib3.exceptions.HTTPError, OSError) as error:
            reason = plainly(error)
        else:
            if not chunk:
                return
            yield chunk
            continue
        message = (
            f"'{origin(answer)}' broke the transfer off ({reason}). Run the same again to go on from there."
        )
        raise MirrorError(message, mirror=mirror)


def origin(answer: requests.Response) -> str:
    """Where `answer` came from, as far as it may be shown."""
    return str(answer.url).rstrip("/")


def plainly(error: BaseException) -> str:
    """Name a foreign error and its innermost reason, redacted."""
    inner: BaseException = error
    while isinstance(deeper := getattr(inner, "reason", None) or next(iter(inner.args), None), BaseException):
        inner = deeper
    text = re.sub(r"^(?:<[^>]*>|\w*\([^)]*\)): ", "", str(inner))  # which object it was says nothing
    return redact(f"{type(error).__name__}: {text}".rstrip(": "))
