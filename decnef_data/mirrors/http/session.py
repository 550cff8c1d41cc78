"""HTTP requests whose links appear neither in logs nor in errors, nor to tools that instrument requests.

requests and urllib3 put the complete URL into their DEBUG logs and errors, and a pre-signed URL is a
secret.  Both therefore see only the origin; the path and query are inserted at the last moment, when the
connection writes the request line.  Nothing process-wide is changed for that.
"""

import os
import random
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.cookies import extract_cookies_to_jar

from decnef_data.errors import MirrorError
from decnef_data.mirrors.http.links import Link, UnusableLinkError
from decnef_data.mirrors.http.redaction import redact

#: Seconds to connect, and seconds without a received byte.
TIMEOUTS = (10.0, 30.0)
CHUNK_SIZE = 1 << 20
#: A transfer has stalled if fewer bytes than the first arrive in the second, in seconds of waiting.
STALL_LIMIT = (30 << 10, 30.0)
_POOL_SIZE = 32
_GATHER_SECONDS = 0.25
_RETRY_STATUSES = frozenset({429, 500, 502, 503, 504})
_RETRY_DELAYS = (0.5, 1.0, 2.0)
_MAX_RETRY_DELAY = 20.0  # seconds of waiting in all
#: Larger than any file, and small enough for every offset of the operating system.
_MAX_SIZE = 1 << 60
_REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS = 5
_target: ContextVar[str] = ContextVar("_target")


class SilentConnectionMixin:
    """Mixed into a urllib3 connection: prints nothing, whatever debug level other connections have."""

    debuglevel: ClassVar[int] = 0  # http.client prints request lines and headers where this is set


class _HiddenTargetMixin(SilentConnectionMixin):
    """Mixed into a urllib3 connection: requests the target from the context variable."""

    def putrequest(
        self, method: str, url: str, skip_host: bool = False, skip_accept_encoding: bool = False
    ) -> None:
        full_url = url.rstrip("/") + _target.get()  # `url` is "/", or the origin if a proxy is used
        super().putrequest(method, full_url, skip_host, skip_accept_encoding)  # type: ignore[misc]  # of the connection


class _HiddenTargetAdapter(HTTPAdapter):
    """An adapter with hidden-target connections only, which remembers the pool of each origin."""

    def __init__(self, **options: Any) -> None:
        # Otherwise a second thread could get the manager before its pools hide targets.
        self._proxy_lock = threading.Lock()
        self._pools: dict[object, Any] = {}
        super().__init__(**options)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        mix_into_connections(_HiddenTargetMixin, self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        with self._proxy_lock:
            return mix_into_connections(_HiddenTargetMixin, super().proxy_manager_for(proxy, **kwargs))

    def get_connection_with_tls_context(
        self,
        request: requests.PreparedRequest,
        verify: bool | str | None,
        proxies: Mapping[str, str] | None = None,
        cert: Any = None,
    ) -> Any:
        key = (request.url, verify, cert, *(proxies or {}).items())
        pool = self._pools.get(key)
        if pool is None or pool.pool is None:  # a closed one has no queue
            pool = self._pools[key] = super().get_connection_with_tls_context(request, verify, proxies, cert)
        return pool


def mix_into_connections(mixin: type[SilentConnectionMixin], manager: Any) -> Any:
    """Let a manager create pools of connections with `mixin`, before any thread sees one."""
    pool_classes = manager.pool_classes_by_scheme
    if not all(issubclass(kind.ConnectionCls, mixin) for kind in pool_classes.values()):
        manager.pool_classes_by_scheme = {
            scheme: _mixed_pool_class(mixin, kind) for scheme, kind in pool_classes.items()
        }
    return manager


def _mixed_pool_class(mixin: type[SilentConnectionMixin], pool_class: Any) -> Any:
    connection = type(f"Silent{pool_class.ConnectionCls.__name__}", (mixin, pool_class.ConnectionCls), {})
    return type(pool_class.__name__, (pool_class,), {"ConnectionCls": connection})


class HttpSession(requests.Session):
    """A session that prepares a request and reads proxy and certificate settings once per host."""

    def __init__(self) -> None:
        super().__init__()
        self._settings: dict[object, Any] = {}
        self._prepared_requests: dict[str, requests.PreparedRequest] = {}

    def send_get(self, url: str, headers: Mapping[str, str]) -> requests.Response:
        """Send a GET as `get` does, without following redirects or reading the body."""
        request = self._prepare_get(url, headers)
        settings = self.merge_environment_settings(url, {}, True, None, None)
        response = self.get_adapter(url).send(request, timeout=TIMEOUTS, **settings)
        if "Set-Cookie" in response.headers:
            extract_cookies_to_jar(self.cookies, request, response.raw)  # type: ignore[no-untyped-call]  # not annotated in requests
        return response

    def _prepare_get(self, url: str, headers: Mapping[str, str]) -> requests.PreparedRequest:
        if self.cookies:  # which of them are sent depends on each request
            return self.prepare_request(requests.Request("GET", url, headers))
        if url not in self._prepared_requests:
            self._prepared_requests[url] = self.prepare_request(requests.Request("GET", url))
        prepared = self._prepared_requests[url]
        if headers:
            prepared = prepared.copy()
            prepared.headers.update(headers)
        return prepared

    def merge_environment_settings(self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any) -> Any:
        """Return the settings found at the first call."""
        key = (url, stream)
        if key not in self._settings:
            settings = super().merge_environment_settings(url, proxies, stream, verify, cert)
            self._settings[key] = settings
        return dict(self._settings[key])


def create_session() -> HttpSession:
    """Create a session that sends no credentials of its own and hides its targets."""
    http_session = HttpSession()
    http_session.mount("https://", _HiddenTargetAdapter(pool_maxsize=_POOL_SIZE, max_retries=0))
    http_session.mount("http://", _HiddenTargetAdapter(pool_maxsize=_POOL_SIZE, max_retries=0))
    http_session.verify = ca_bundle()
    http_session.auth = _no_authentication
    http_session.headers.clear()
    http_session.headers.update({"User-Agent": "decnef-data", "Accept": "*/*", "Accept-Encoding": "identity"})
    return http_session


def ca_bundle() -> str | bool:
    """Return SSL_CERT_FILE if set; requests itself reads REQUESTS_CA_BUNDLE, and always verifies."""
    return os.environ.get("SSL_CERT_FILE") or True


def _no_authentication(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Do nothing, so that requests does not look into ~/.netrc."""
    return request


@contextmanager
def get(
    http_session: HttpSession, link: Link, headers: Mapping[str, str], mirror: str
) -> Iterator[requests.Response]:
    """Request `link`, following redirects and waiting if the host is busy, and yield the open response.

    Raises
    ------
    MirrorError
        The host cannot be reached or the redirects do not end; any status is returned.
    """
    response = _get_with_retries(http_session, link, headers, mirror)
    with response:
        yield response


def _get_with_retries(
    http_session: HttpSession, link: Link, headers: Mapping[str, str], mirror: str
) -> requests.Response:
    waited = 0.0
    for default in _RETRY_DELAYS:
        response = _get_following_redirects(http_session, link, headers, mirror)
        # random: spreads the clients out
        delay = _retry_delay(response, default * random.uniform(0.75, 1.25))  # noqa: S311
        waited += delay
        if response.status_code not in _RETRY_STATUSES or waited > _MAX_RETRY_DELAY:
            return response
        response.close()
        time.sleep(delay)
    return _get_following_redirects(http_session, link, headers, mirror)


def _retry_delay(response: requests.Response, default: float) -> float:
    """Return how long the host asks us to wait, up to a limit."""
    requested = retry_after(response)
    return default if requested is None else min(requested, _MAX_RETRY_DELAY)


def retry_after(response: requests.Response) -> float | None:
    """Return how many seconds the host asks us to wait, if it does: as a number or as a date.

    A date is compared with the host's own date, because our clock may be wrong.
    """
    header = response.headers.get("Retry-After", "")
    if header.isascii() and header.isdigit():
        return float(header)
    try:
        until, now = (parsedate_to_datetime(text) for text in (header, response.headers.get("Date", "")))
        return max((until - now).total_seconds(), 0.0)
    except (ValueError, TypeError):  # not a date; or one with a time zone, the other without
        return None


def _get_following_redirects(
    http_session: HttpSession, link: Link, headers: Mapping[str, str], mirror: str
) -> requests.Response:
    for _ in range(_MAX_REDIRECTS + 1):
        response = _get_once(http_session, link, headers, mirror)
        if response.status_code not in _REDIRECT_STATUSES:
            return response
        response.close()
        link = _redirect_target(link, response, mirror)
    message = f"'{link.origin}' redirected more than {_MAX_REDIRECTS} times. Try again later."
    raise MirrorError(message, mirror=mirror)


def _redirect_target(link: Link, response: requests.Response, mirror: str) -> Link:
    try:
        # Not in a local name, which a traceback may show.
        return link.resolve_redirect(response.headers.get("Location", ""))
    except UnusableLinkError as error:
        reason = str(error)
    message = (
        f"A redirect from '{link.origin}' was not followed: {reason}. Report it to the mirror's maintainers."
    )
    raise MirrorError(message, mirror=mirror)


def _get_once(
    http_session: HttpSession, link: Link, headers: Mapping[str, str], mirror: str
) -> requests.Response:
    token = _target.set(link.target)
    try:
        return http_session.send_get(f"{link.origin}/", headers)
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        reason = describe_exception(error)
    finally:
        _target.reset(token)
    message = f"'{link.origin}' could not be reached ({reason}). Check the connection, or try again later."
    raise MirrorError(message, mirror=mirror)


def iter_body(
    response: requests.Response, length: int | None, mirror: str, *, allow_less: bool = False
) -> Iterator[bytes]:
    """Yield the bytes of `response` in chunks, at most `length`; raise an error if they end too early.

    With `allow_less`, the file may be shorter than `length`, but not than the response states.
    """
    stated = parse_size(response.headers.get("Content-Length", ""), response, mirror)
    remaining = min((each for each in (stated, length) if each is not None), default=None)
    for chunk in _iter_chunks(response, mirror):
        part = chunk if remaining is None else chunk[:remaining]
        yield part
        remaining = None if remaining is None else remaining - len(part)
        if remaining == 0:
            return
    if remaining and not (allow_less and stated is None):
        message = (
            f"'{origin(response)}' ended the transfer {remaining} bytes early. Rerun the command to resume."
        )
        raise MirrorError(message, mirror=mirror)


def parse_size(text: str, response: requests.Response, mirror: str) -> int | None:
    """Return the number of bytes that a header of `response` states, or ``None`` if it states none.

    Raises
    ------
    MirrorError
        No file has so many bytes.
    """
    if not (text.isascii() and text.isdigit()):
        return None
    if len(text) > len(str(_MAX_SIZE)) or int(text) > _MAX_SIZE:
        message = (
            f"'{origin(response)}' stated a size of {len(text)} digits, which no file has. "
            "Try again later, or use another mirror."
        )
        raise MirrorError(message, mirror=mirror, status=response.status_code)
    return int(text)


def _iter_chunks(response: requests.Response, mirror: str) -> Iterator[bytes]:
    """Yield chunks of `CHUNK_SIZE` bytes, or of as many as arrive in `_GATHER_SECONDS`."""
    detector = _StallDetector()
    while True:
        chunk, reason = _read_chunk(response, detector)
        if chunk:
            yield chunk
        if reason is None and detector.is_stalled():
            reason = f"it sent less than {STALL_LIMIT[0] / STALL_LIMIT[1] / 1024:.0f} KiB per second"
        if reason is not None:
            break
        if not chunk:
            return
    message = f"The transfer from '{origin(response)}' was aborted ({reason}). Rerun the command to resume."
    raise MirrorError(message, mirror=mirror)


def _read_chunk(response: requests.Response, detector: "_StallDetector") -> tuple[bytes, str | None]:
    """Read until the chunk is full, `_GATHER_SECONDS` are over, or the body ends; also return any failure."""
    pieces: list[bytes] = []
    remaining, deadline = CHUNK_SIZE, time.monotonic() + _GATHER_SECONDS
    reason = None
    while remaining and (not pieces or time.monotonic() < deadline):
        try:
            with detector:
                piece = _read_available(response.raw, remaining)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            reason = describe_exception(error)
            break
        detector.received += len(piece)
        if not piece:
            break
        pieces.append(piece)
        remaining -= len(piece)
    return (pieces[0] if len(pieces) == 1 else b"".join(pieces)), reason


def _read_available(raw: Any, limit: int) -> bytes:
    """Return the bytes that have arrived, without waiting for more.

    urllib3 1.26, which synapseclient 4.5 needs, has no `read1` and waits for as many bytes as requested,
    which takes forever from a slow drip.  The standard library below it has one.
    """
    if hasattr(raw, "read1"):
        return bytes(raw.read1(limit, decode_content=False))
    response = raw._fp  # noqa: SLF001 - 1.26 gets no more releases, so this does not change
    with raw._error_catcher():  # noqa: SLF001 - returns the connection to its pool
        piece = bytes(response.read1(limit))
        if not piece or response.length == 0:
            response.close()
    return piece


class _StallDetector:
    """Measures the bytes received per time waited: a slow drip never runs into a time-out."""

    def __init__(self) -> None:
        self._seconds_waited, self.received = 0.0, 0

    def __enter__(self) -> None:
        self._wait_started = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self._seconds_waited += time.monotonic() - self._wait_started

    def is_stalled(self) -> bool:
        """Whether too few bytes arrived within the time of `STALL_LIMIT`."""
        minimum, seconds = STALL_LIMIT
        if self._seconds_waited < seconds:
            return False
        too_few = self.received < minimum
        self._seconds_waited, self.received = 0.0, 0
        return too_few


def origin(response: requests.Response) -> str:
    """Return the origin of `response`, the part of its URL that may be shown."""
    return str(response.url).rstrip("/")


def describe_exception(error: BaseException) -> str:
    """Describe a third-party error by its class and innermost reason, redacted."""
    inner: BaseException = error
    while isinstance(deeper := getattr(inner, "reason", None) or next(iter(inner.args), None), BaseException):
        inner = deeper
    text = re.sub(r"^(?:<[^>]*>|\w*\([^)]*\)): ", "", str(inner))  # the object's repr adds nothing
    return redact(f"{type(error).__name__}: {text}".rstrip(": "))
