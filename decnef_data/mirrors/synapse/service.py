"""Requests to Synapse through the real synapseclient: logged in, silent, and bounded in time."""

import configparser
import json
import logging
import os
import shutil
import tempfile
import threading
import time
import warnings
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from inspect import signature
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from decnef_data.errors import AccessError, DecnefDataError, MirrorError
from decnef_data.mirrors.http.links import is_loopback
from decnef_data.mirrors.http.redaction import redact
from decnef_data.mirrors.http.session import (
    TIMEOUTS,
    SilentConnectionMixin,
    ca_bundle,
    describe_exception,
    mix_into_connections,
)
from decnef_data.model import Mirror

__all__ = ["MAX_CONCURRENT_REQUESTS", "Service", "StopRetryingError", "TokenProvider", "find_token_page"]

TokenProvider = Callable[[], str | None]

#: Synapse's limits per user: requests at the same time, and requests in a period of seconds.
MAX_CONCURRENT_REQUESTS = 3
_MAX_REQUESTS, _PERIOD_SECONDS = 600, 60.0
#: How long one call may take with all its retries; by itself, synapseclient retries for half an hour.
CALL_TIME_LIMIT = 75.0
#: How long it may take once Synapse has answered that it failed; only a limit of requests takes a minute.
FAILURE_TIME_LIMIT = 15.0
#: Together the retries outlast the minute in which Synapse counts the requests of another command.
_RETRY_POLICY: Mapping[str, float] = {"retries": 10, "wait": 0.5, "max_wait": 10}
_UNAUTHORIZED, _FORBIDDEN, _SERVER_ERROR = 401, 403, 500
_AWS_PARAMETER_VARIABLE = "SYNAPSE_TOKEN_AWS_SSM_PARAMETER_NAME"
#: Two threads that restored the logging at the same time would each restore what the other had changed.
_LOGGING_LOCK = threading.RLock()


class StopRetryingError(requests.RequestException):
    """Stops synapseclient's retrying, which depends on an error's class name and text.

    Neither matches here: this class is not in synapseclient's list of names, and the error has no text.
    """

    def __init__(self, reason: str, status: int | None) -> None:
        super().__init__()
        self.reason = reason
        self.status = status


class _CallState(threading.local):
    """The deadline and last failure of the call that this thread is making."""

    started = deadline = 0.0
    timeouts = TIMEOUTS
    reason = "no answer"
    status: int | None = None


class _RequestThrottle:
    """Delays requests to stay within Synapse's limits; otherwise they would be refused and sent again."""

    def __init__(self) -> None:
        self._slots = threading.BoundedSemaphore(MAX_CONCURRENT_REQUESTS)
        self._request_times: deque[float] = deque(maxlen=_MAX_REQUESTS)
        # Threads share the times of requests, of which so many are allowed per period.
        self._lock = threading.Lock()

    @contextmanager
    def wait_for_slot(self) -> Iterator[float]:
        """Wait until a request may be sent, and yield how long that took."""
        start = time.monotonic()
        with self._slots:
            with self._lock:  # held while sleeping, so that the threads behind it wait in line
                if len(self._request_times) == _MAX_REQUESTS:
                    time.sleep(max(0.0, self._request_times[0] + _PERIOD_SECONDS - time.monotonic()))
                self._request_times.append(time.monotonic())
            yield time.monotonic() - start


class DeadlineAdapter(HTTPAdapter):
    """Sets our time-outs, limits the total time of a call's requests, and keeps Synapse's rate limits.

    Its connections print no token, whatever debug level ``http.client`` has.
    """

    def __init__(self) -> None:
        self._proxy_lock = threading.Lock()  # a second thread must not get a manager that still prints
        super().__init__()
        self._call = _CallState()
        self._throttle = _RequestThrottle()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Create the manager of connections without a proxy."""
        super().init_poolmanager(*args, **kwargs)
        mix_into_connections(SilentConnectionMixin, self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Return the manager of connections through a proxy."""
        with self._proxy_lock:
            return mix_into_connections(SilentConnectionMixin, super().proxy_manager_for(proxy, **kwargs))

    def start_call(self, time_limit: float, timeouts: tuple[float, float]) -> None:
        """Begin a call: all its requests together may take `time_limit` seconds, and each has `timeouts`."""
        self._call.timeouts = timeouts
        self._call.started = time.monotonic()
        self._call.deadline = self._call.started + time_limit
        self._call.reason, self._call.status = "no answer", None

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: object = None,  # noqa: ARG002  # ours apply, whatever synapseclient sets
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Send one request if there is time left."""
        with self._throttle.wait_for_slot() as waited:
            self._call.deadline += waited
            if time.monotonic() < self._call.deadline:
                try:
                    response = super().send(request, stream, self._call.timeouts, verify, cert, proxies)
                    return self._record_response(response, read=not stream)
                except requests.RequestException as error:
                    self._call.reason = describe_exception(error)
                    if "NewConnection" not in repr(error) and "NameResolution" not in repr(error):
                        raise  # synapseclient may retry a broken connection, not an absent host
        raise StopRetryingError(self._call.reason, self._call.status)

    def _record_response(self, response: requests.Response, *, read: bool) -> requests.Response:
        self._call.status = response.status_code
        self._call.reason = f"{response.status_code} {response.reason}"
        if response.status_code >= _SERVER_ERROR:
            self._call.deadline = min(self._call.deadline, self._call.started + FAILURE_TIME_LIMIT)
        if read:  # Synapse counts the request as running until its body ends
            _ = response.content
        return response


class Service:
    """Synapse's REST services, used in the user's name; the login happens at the first request.

    Parameters
    ----------
    mirror
        The name of the mirror, for errors.
    token
        Returns the stored token.  It is called each time, so that no name in a traceback holds a secret.
    client_cache
        Where synapseclient may create its folder; a temporary one if ``None``.
    token_page
        The URL of the page where tokens are created, for messages.
    """

    def __init__(
        self, mirror: str, token: TokenProvider, client_cache: Path | None, token_page: str | None
    ) -> None:
        self._mirror = mirror
        self._token = token
        self._client_cache = client_cache
        self._token_page_hint = f" in your account settings at {token_page}" if token_page else ""
        self._client: Any = None
        self._adapter = DeadlineAdapter()
        # So that threads that send their first request at the same time log in once.
        self._login_lock = threading.Lock()

    @property
    def client_cache(self) -> Path | None:
        """Where synapseclient may create its folder."""
        return self._client_cache

    def has_token(self) -> bool:
        """Whether a token is stored here or where synapseclient looks for one; opens no connection."""
        return any(self._secrets()) or _AWS_PARAMETER_VARIABLE in os.environ

    def log_in(self) -> str:
        """Log in if necessary, and return the name of the user."""
        profile = self._get_client().credentials
        return str(profile.username or profile.displayname or profile.owner_id or "an unnamed user")

    def get(self, uri: str) -> Any:
        """Send a GET to the repository service."""
        client = self._get_client()
        return self._call_with_deadline(lambda: client.restGET(uri, retryPolicy=dict(_RETRY_POLICY)))

    def post(self, uri: str, body: Mapping[str, object], *, use_file_service: bool = False) -> Any:
        """Send a POST to the repository service, or to the file service, with a body."""
        text = json.dumps(body)
        client = self._get_client()
        endpoint = client.fileHandleEndpoint if use_file_service else client.repoEndpoint
        return self._call_with_deadline(
            lambda: client.restPOST(uri, body=text, endpoint=endpoint, retryPolicy=dict(_RETRY_POLICY))
        )

    def _get_client(self) -> Any:
        with self._login_lock:
            if self._client is None:
                if not self.has_token():
                    raise AccessError(
                        f"No Synapse token was found. {self._login_advice}", mirror=self._mirror
                    )
                client = self._call_with_deadline(self._create_client)
                self._call_with_deadline(lambda: self._authenticate(client))
                self._client = client
            return self._client

    def _create_client(self) -> Any:
        with _preserve_logging():
            client = _import_synapseclient().Synapse(
                configPath=str(_config_file()),
                skip_checks=True,
                silent=True,
                debug=False,
                cache_client=False,
                cache_root_dir=str(self._client_cache or _create_temporary_folder(self)),
                requests_session=self._create_session(),
            )
        client.logger = _create_silent_logger()
        self._check_endpoints(client)
        return client

    def _create_session(self) -> requests.Session:
        session = requests.Session()
        session.mount("https://", self._adapter)
        session.mount("http://", self._adapter)
        session.verify = ca_bundle()
        return session

    def _check_endpoints(self, client: Any) -> None:
        """Raise an error if ~/.synapseConfig has an http endpoint, which would expose the token."""
        for endpoint in (client.repoEndpoint, client.authEndpoint, client.fileHandleEndpoint):
            parts = urlsplit(endpoint)
            if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
                message = (
                    f"'{parts.scheme}://{parts.hostname}' in '{_config_file()}' does not use https, "
                    "so your token would be sent unencrypted. Correct [endpoints] in that file."
                )
                raise AccessError(message, mirror=self._mirror)

    def _authenticate(self, client: Any) -> None:
        profile = os.environ.get("SYNAPSE_PROFILE")
        if self._token() is not None:
            client.login(silent=True, authToken=self._token())
        elif not profile:
            client.login(silent=True)
        elif "profile" in signature(client.login).parameters:
            # The parameter has a default, so synapseclient ignores SYNAPSE_PROFILE.
            client.login(silent=True, profile=profile)
        else:
            message = (
                f"SYNAPSE_PROFILE is '{profile}', but the installed synapseclient does not support profiles. "
                f"Upgrade synapseclient, or run `decnef_data.login('{self._mirror}', TOKEN)`."
            )
            raise AccessError(message, mirror=self._mirror)

    def _call_with_deadline(self, call: Callable[[], Any]) -> Any:
        """Make one call within the time limit; errors of other libraries are translated, and not chained."""
        synapse_error = _import_synapseclient().core.exceptions.SynapseError
        self._adapter.start_call(CALL_TIME_LIMIT, TIMEOUTS)
        try:
            with _RETRY_LOG_FILTER:
                return call()
        except (synapse_error, requests.RequestException, configparser.Error) as error:
            translated = self._translate_error(error)
        except (
            ValueError,
            TypeError,
            AttributeError,
            RecursionError,
        ) as error:  # what synapseclient raises for a body that is not JSON, or of thousands of brackets
            translated = self._translate_error(error)
        raise translated

    def _translate_error(self, error: Exception) -> DecnefDataError:
        if isinstance(error, StopRetryingError):
            return self._unreachable_error(error.reason, error.status)
        status, reason = _find_response(error)
        if status is None and isinstance(error, TypeError | AttributeError | RecursionError):
            # synapseclient's own text is about its code
            reason = "not JSON, perhaps the login page of your network"
        text = redact(
            f"{type(error).__name__}: {reason}" if reason else describe_exception(error), self._secrets()
        )
        if status == _FORBIDDEN and "scope" not in text:
            return AccessError(
                f"Synapse denied access ({text}). {self._permission_advice}", mirror=self._mirror
            )
        if status in {_UNAUTHORIZED, _FORBIDDEN} or (status is None and _is_login_error(error)):
            return AccessError(
                f"Synapse rejected the login ({text}). {self._login_advice}", mirror=self._mirror
            )
        return self._unreachable_error(text, status)

    @property
    def _login_advice(self) -> str:
        advice = f"Create a token with the permissions 'view' and 'download'{self._token_page_hint}"
        return f"{advice}, then run `decnef_data.login('{self._mirror}', TOKEN)`."

    @property
    def _permission_advice(self) -> str:
        return f"Resolve this{self._token_page_hint}, then rerun the command."

    def _unreachable_error(self, reason: str, status: int | None) -> MirrorError:
        message = f"Synapse did not answer as expected ({reason}). Check the connection, or try again later."
        return MirrorError(message, mirror=self._mirror, status=status)

    def _secrets(self) -> Iterator[str | None]:
        yield self._token()
        yield os.environ.get("SYNAPSE_AUTH_TOKEN")
        yield from _configured_tokens()


@cache
def _import_synapseclient() -> Any:
    """Import synapseclient, which takes 0.3 seconds that only this mirror needs."""
    with _preserve_logging():
        import synapseclient.core.exceptions

        return synapseclient


def _create_silent_logger() -> logging.Logger:
    """Create a silent logger: synapseclient's own loggers print, and its errors may contain links."""
    logger = logging.getLogger(f"{__name__}.synapseclient")
    logger.setLevel(logging.CRITICAL + 1)
    return logger


class _RetryLogFilter(threading.local, logging.Filter):
    """Hides synapseclient's messages about retries, which its logger prints, during our own calls.

    It hides nothing in threads that use synapseclient for other purposes.
    """

    is_active = False

    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002  # whatever the message
        return not self.is_active

    def __enter__(self) -> None:
        logging.getLogger("synapseclient_default").addFilter(self)
        self.is_active = True

    def __exit__(self, *_: object) -> None:
        self.is_active = False


_RETRY_LOG_FILTER = _RetryLogFilter()


def _is_login_error(error: Exception) -> bool:
    """Whether synapseclient stopped before sending a request, without a valid token or profile."""
    return any(word in type(error).__name__ for word in ("Authentication", "Credentials"))


def _find_response(error: BaseException | None) -> tuple[int | None, str]:
    """Return the status and reason from Synapse, which synapseclient puts in the cause of its error."""
    while error is not None:
        response = getattr(error, "response", None)
        if response is not None:
            return response.status_code, f"{response.status_code}, {_response_reason(response)}"
        error = error.__cause__
    return None, ""


def _response_reason(response: requests.Response) -> str:
    try:
        return str(response.json()["reason"])
    except (ValueError, LookupError, TypeError):
        return str(response.reason)


@contextmanager
def _preserve_logging() -> Iterator[None]:
    """Undo what importing synapseclient and creating a client do to the process's logging and warnings.

    synapseclient redirects warnings to a log.  It also configures logging, which closes every handler in
    logging's list; some, like absl's, then close the stream that they write to.  So the list is empty
    meanwhile.
    """
    with _LOGGING_LOCK:
        show_warning, warnings_logger = warnings.showwarning, logging.getLogger("py.warnings")
        handlers, level = warnings_logger.handlers, logging.getLogger("requests").level
        known_handlers, named_handlers = logging._handlerList[:], dict(logging._handlers)  # type: ignore[attr-defined]  # noqa: SLF001 - there is no public way
        logging._handlerList.clear()  # type: ignore[attr-defined]  # noqa: SLF001
        try:
            yield
        finally:
            logging._handlerList[:0] = known_handlers  # type: ignore[attr-defined]  # noqa: SLF001
            logging._handlers.update(named_handlers)  # type: ignore[attr-defined]  # noqa: SLF001
            if warnings.showwarning is not show_warning:
                logging.captureWarnings(False)
            warnings_logger.handlers = handlers
            logging.getLogger("requests").setLevel(level)


def find_token_page(mirror: Mirror) -> str | None:
    """Return the URL where the user creates tokens, from the steps in the mirror's record."""
    return next((step.url for step in mirror.steps if step.kind in {"account", "login"} and step.url), None)


def _create_temporary_folder(owner: object) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="decnef-synapse-"))
    weakref.finalize(owner, shutil.rmtree, folder, ignore_errors=True)
    return folder


def _config_file() -> Path:
    return Path.home() / ".synapseConfig"


def _configured_tokens() -> Iterator[str]:
    """Yield every token in the user's synapseclient configuration file."""
    config = configparser.RawConfigParser()
    try:
        config.read(_config_file(), encoding="utf-8")
    except (configparser.Error, OSError, ValueError):
        return
    for section in config.sections():
        if config.has_option(section, "authtoken"):
            yield config.get(section, "authtoken")
