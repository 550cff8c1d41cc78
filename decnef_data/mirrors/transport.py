"""Sends requests to links without letting the link show: in logs, in errors, in what instruments requests.

requests and urllib3 put the whole URL into their DEBUG logs and errors, and a pre-signed URL is a
key.  So both are asked for the origin alone, and the path and query are set in at the last moment, where the
connection writes the request line.  Nothing process-wide is changed for that.
"""

import os
import random
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.cookies import extract_cookies_to_jar
from urllib3.util import wait_for_read

from decnef_data.errors import MirrorError
from decnef_data.mirrors.links import Link, UnusableLinkError
from decnef_data.mirrors.redaction import redact
from decnef_data.turns import aside

#: Seconds to connect, and seconds without a byte.
TIMEOUTS = (10.0, 30.0)
CHUNK = 1 << 20
#: Fewer bytes than this, in so many seconds of waiting for them, is a transfer that has stalled.
SLOWEST = (30 << 10, 30.0)
_AT_ONCE = 32
_MOMENT = 0.25
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

    def connect(self) -> None:
        with aside():
            super().connect()  # type: ignore[misc]  # of the connection

    def getresponse(self, *asked: Any, **named: Any) -> Any:
        """Wait for the answer aside, then read it, which takes no time any more."""
        socket: Any = self.sock  # type: ignore[attr-defined]  # of the connection
        with aside():
            if not wait_for_read(socket, socket.gettimeout()):
                raise TimeoutError("timed out")
        return super().getresponse(*asked, **named)  # type: ignore[misc]  # of the connection


class _DiscreetAdapter(HTTPAdapter):
    """Has discreet connections alone, and knows those of an origin it was asked for before."""

    def __init__(self, **options: Any) -> None:
        self._making = threading.Lock()
        self._pools: dict[object, Any] = {}
        super().__init__(**options)

    def init_poolmanager(self, *asked: Any, **named: Any) -> None:
        super().init_poolmanager(*asked, **named)
        _make_discreet(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **named: Any) -> Any:
        with self._making:
            return _make_discreet(super().proxy_manager_for(proxy, **named))

    def get_connection_with_tls_context(
        self,
        request: requests.PreparedRequest,
        verify: bool | str | None,
        proxies: Mapping[str, str] | None = None,
        cert: Any = None,
    ) -> Any:
        asked = (request.url, verify, cert, *(proxies or {}).items())
        pool = self._pools.get(asked)
        if pool is None or pool.pool is None:  # a closed one has none
            pool = self._pools[asked] = super().get_connection_with_tls_context(
                request, verify, proxies, cert
            )
        return pool


def _make_discreet(manager: Any) -> Any:
    """Have a manager make pools of discreet connections, before any thread sees one."""
    kinds = manager.pool_classes_by_scheme
    if not all(issubclass(kind.ConnectionCls, _Discreet) for kind in kinds.values()):
        manager.pool_classes_by_scheme = {scheme: _discreet(kind) for scheme, kind in kinds.items()}
    return manager


def _discreet(kind: Any) -> Any:
    connection = type("Discreet", (_Discreet, kind.ConnectionCls), {})
    return type(kind.__name__, (kind,), {"ConnectionCls": connection})


class Session(requests.Session):
    """Prepares a request, and asks the environment about proxies and certificates, once a host."""

    def __init__(self) -> None:
        super().__init__()
        self._settings: dict[object, Any] = {}
        self._prepared: dict[str, requests.PreparedRequest] = {}

    def ask(self, url: str, headers: Mapping[str, str]) -> requests.Response:
        """Send a GET as `get` does, without following where the answer leads to or reading its body."""
        request = self._request(url, headers)
        settings = self.merge_environment_settings(url, {}, True, None, None)
        answer = self.get_adapter(url).send(request, timeout=TIMEOUTS, **settings)
        if "Set-Cookie" in answer.headers:
            extract_cookies_to_jar(self.cookies, request, answer.raw)  # type: ignore[no-untyped-call]  # requests leaves it bare
        for hook in self.hooks["response"]:
            hook(answer)
        return answer

    def _request(self, url: str, headers: Mapping[str, str]) -> requests.PreparedRequest:
        if self.cookies:  # which of them are sent, every request is asked
            return self.prepare_request(requests.Request("GET", url, headers))
        if url not in self._prepared:
            self._prepared[url] = self.prepare_request(requests.Request("GET", url))
        made = self._prepared[url]
        if headers:
            made = made.copy()
            made.headers.update(headers)
        return made

    def merge_environment_settings(self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any) -> Any:
        """Give what was found when it was first asked."""
        asked = (url, stream)
        if asked not in self._settings:
            found = super().merge_environment_settings(url, proxies, stream, verify, cert)
            self._settings[asked] = found
        return dict(self._settings[asked])


def session() -> Session:
    """Make a session that sends no credentials of its own and keeps its targets to itself."""
    made = Session()
    made.mount("https://", _DiscreetAdapter(pool_maxsize=_AT_ONCE, max_retries=0))
    made.mount("http://", _DiscreetAdapter(pool_maxsize=_AT_ONCE, max_retries=0))
    made.verify = trusted()
    made.auth = _nobody
    made.headers.clear()
    made.headers.update({"User-Agent": "decnef-data", "Accept": "*/*", "Accept-Encoding": "identity"})
    return made


def trusted() -> str | bool:
    """Whom to trust: SSL_CERT_FILE's; requests itself heeds REQUESTS_CA_BUNDLE, and always verifies."""
    return os.environ.get("SSL_CERT_FILE") or True


def _nobody(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Stand where requests would otherwise look into ~/.netrc."""
    return request


@contextmanager
def get(over: Session, link: Link, headers: Mapping[str, str], mirror: str) -> Iterator[requests.Response]:
    """Ask for `link`, following redirects and waiting where the host is busy, and give the open answer.

    Raises
    ------
    MirrorError
        The host cannot be reached or the redirects do not end; an answer of any status is given.
    """
    answer = _patiently(over, link, headers, mirror)
    with answer:
        yield answer


def _patiently(over: Session, link: Link, headers: Mapping[str, str], mirror: str) -> requests.Response:
    for wait in _WAITS:
        answer = _following(over, link, headers, mirror)
        if answer.status_code not in _BUSY:
            return answer
        answer.close()
        with aside():
            time.sleep(_wanted(answer, wait * random.uniform(0.75, 1.25)))  # noqa: S311 - not all clients at once
    return _following(over, link, headers, mirror)


def _wanted(answer: requests.Response, wait: float) -> float:
    """How long the host asks to be left alone, within reason."""
    asked = retry_after(answer)
    return wait if asked is None else min(asked, _LONGEST_WAIT)


def retry_after(answer: requests.Response) -> float | None:
    """Read how many seconds the host asks to be left alone, where it says so: as a number, or as a date.

    A date is compared with the host's own, for our clock may be wrong.
    """
    asked = answer.headers.get("Retry-After", "")
    if asked.isdigit():
        return float(asked)
    try:
        until, now = (parsedate_to_datetime(text) for text in (asked, answer.headers.get("Date", "")))
        return max((until - now).total_seconds(), 0.0)
    except (ValueError, TypeError):  # no date at all; one with a zone, the other without
        return None


def _following(over: Session, link: Link, headers: Mapping[str, str], mirror: str) -> requests.Response:
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


def _once(over: Session, link: Link, headers: Mapping[str, str], mirror: str) -> requests.Response:
    token = _target.set(link.target)
    try:
        return over.ask(f"{link.origin}/", headers)
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
    """Give what comes in pieces of `CHUNK` bytes, or of as many as come in a moment."""
    watch = _Watch()
    while True:
        chunk, reason = _gathered(answer, watch)
        if chunk:
            yield chunk
        if reason is None and watch.stalled():
            reason = f"it sent less than {SLOWEST[0] / SLOWEST[1] / 1024:.0f} KiB a second"
        if reason is not None:
            break
        if not chunk:
            return
    message = f"'{origin(answer)}' broke the transfer off ({reason}). Run the same again to go on from there."
    raise MirrorError(message, mirror=mirror)


def _gathered(answer: requests.Response, watch: "_Watch") -> tuple[bytes, str | None]:
    """Read until the chunk is full, the moment is over, or the answer ends; and why it broke, if it did."""
    pieces: list[bytes] = []
    left, until = CHUNK, time.monotonic() + _MOMENT
    reason = None
    while left and (not pieces or time.monotonic() < until):
        try:
            with watch, nullcontext() if _has_more(answer.raw) else aside():
                piece = _some(answer.raw, left)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            reason = plainly(error)
            break
        watch.came += len(piece)
        if not piece:
            break
        pieces.append(piece)
        left -= len(piece)
    return (pieces[0] if len(pieces) == 1 else b"".join(pieces)), reason


def _has_more(raw: Any) -> bool:
    """Whether reading takes no time: something lies there, or there is nobody any more to wait for."""
    socket = getattr(raw.connection, "sock", None)
    return socket is None or wait_for_read(socket, 0)


def _some(raw: Any, most: int) -> bytes:
    """Give what has come, without waiting for more.

    urllib3 1.26, which synapseclient 4.5 needs, has no `read1`, and waits for as many bytes as it is asked
    for: from what drips that takes for ever.  Below it the standard library has one.
    """
    if hasattr(raw, "read1"):
        return bytes(raw.read1(most, decode_content=False))
    answer = raw._fp  # noqa: SLF001 - 1.26 is finished: this no longer changes
    with raw._error_catcher():  # noqa: SLF001 - gives the connection of what is closed back
        piece = bytes(answer.read1(most))
        if not piece or answer.length == 0:
            answer.close()
    return piece


class _Watch:
    """Measures how long is waited for how many bytes: one that drips never runs into a time-out."""

    def __init__(self) -> None:
        self._waited, self.came = 0.0, 0

    def __enter__(self) -> None:
        self._since = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self._waited += time.monotonic() - self._since

    def stalled(self) -> bool:
        """Whether too few bytes came in the time that counts."""
        least, seconds = SLOWEST
        if self._waited < seconds:
            return False
        too_few = self.came < least
        self._waited, self.came = 0.0, 0
        return too_few


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
