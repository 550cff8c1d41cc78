"""The real synapseclient: logged in, silent, and bounded in time."""

import configparser
import json
import logging
import os
import shutil
import tempfile
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from inspect import signature
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from decnef_data.errors import AccessError, DecnefDataError, MirrorError
from decnef_data.mirrors.bounds import AT_ONCE, Bounded, GaveUpError
from decnef_data.mirrors.links import is_loopback
from decnef_data.mirrors.redaction import redact
from decnef_data.mirrors.transport import TIMEOUTS, plainly, trusted
from decnef_data.turns import aside

#: Together they outlast the minute in which Synapse counts what another command just asked.
_RETRIES: Mapping[str, float] = {"retries": 10, "wait": 0.5, "max_wait": 10}
_UNAUTHORIZED, _FORBIDDEN = 401, 403
_AWS_NAME = "SYNAPSE_TOKEN_AWS_SSM_PARAMETER_NAME"

__all__ = ["AT_ONCE", "GaveUpError", "Service", "Token"]

#: How long one call may take with all its retries; left alone, synapseclient goes on for half an hour.
PATIENCE = 75.0

Token = Callable[[], str | None]


class Service:
    """Synapse's own services, asked in the user's name; the login waits for the first question.

    Parameters
    ----------
    mirror
        The name to give in errors.
    token
        Gives the stored token.  It is asked each time, so that no name in a traceback holds a secret.
    cache
        Where synapseclient may make its folder; a temporary one where ``None``.
    where
        The page where tokens are made, for messages.
    """

    def __init__(self, mirror: str, token: Token, cache: Path | None, where: str | None) -> None:
        self._mirror = mirror
        self._token = token
        self._cache = cache
        self._at = f" in your account's settings at {where}" if where else ""
        self._client: Any = None
        self._adapter = Bounded()
        self._entering = threading.Lock()

    def ready(self) -> bool:
        """Whether a token is stored, or lies where synapseclient looks for one; touches no network."""
        return any(self._secrets()) or _AWS_NAME in os.environ

    def user(self) -> str:
        """Name who is logged in, logging in if nobody is."""
        who = self._logged_in().credentials
        return str(who.username or who.displayname or who.owner_id or "an unnamed user")

    def get(self, uri: str) -> Any:
        """Ask the repository service."""
        with aside():
            client = self._logged_in()
            return self._bounded(lambda: client.restGET(uri, retryPolicy=dict(_RETRIES)))

    def post(self, uri: str, body: Mapping[str, object], *, files: bool = False) -> Any:
        """Ask the repository service, or that of `files`, with a body."""
        text = json.dumps(body)
        with aside():
            client = self._logged_in()
            endpoint = client.fileHandleEndpoint if files else client.repoEndpoint
            return self._bounded(
                lambda: client.restPOST(uri, body=text, endpoint=endpoint, retryPolicy=dict(_RETRIES))
            )

    def _logged_in(self) -> Any:
        with self._entering:
            if self._client is None:
                if not self.ready():
                    raise AccessError(f"No Synapse token is known. {self._renew}", mirror=self._mirror)
                client = self._bounded(self._made)
                self._bounded(lambda: self._log_in(client))
                self._client = client
            return self._client

    def _made(self) -> Any:
        with _logging_left_alone():
            client = _synapseclient().Synapse(
                configPath=str(_config_file()),
                skip_checks=True,
                silent=True,
                debug=False,
                cache_client=False,
                cache_root_dir=str(self._cache or _scratch(self)),
                requests_session=self._session(),
            )
        client.logger = _silent()
        self._check_endpoints(client)
        return client

    def _session(self) -> requests.Session:
        session = requests.Session()
        session.mount("https://", self._adapter)
        session.mount("http://", self._adapter)
        session.verify = trusted()
        return session

    def _check_endpoints(self, client: Any) -> None:
        """Keep the token from going out readable, where ~/.synapseConfig names an http endpoint."""
        for endpoint in (client.repoEndpoint, client.authEndpoint, client.fileHandleEndpoint):
            parts = urlsplit(endpoint)
            if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
                message = (
                    f"'{parts.scheme}://{parts.hostname}' in '{_config_file()}' is not https, "
                    "and would show your token to anyone on the way. Correct [endpoints] there."
                )
                raise AccessError(message, mirror=self._mirror)

    def _log_in(self, client: Any) -> None:
        profile = os.environ.get("SYNAPSE_PROFILE")
        if self._token() is not None:
            client.login(silent=True, authToken=self._token())
        elif not profile:
            client.login(silent=True)
        elif "profile" in signature(client.login).parameters:
            # Since it has a default there, SYNAPSE_PROFILE alone is not heeded.
            client.login(silent=True, profile=profile)
        else:
            message = (
                f"SYNAPSE_PROFILE names '{profile}', but the installed synapseclient knows no profiles. "
                f"Upgrade synapseclient, or run 'decnef login {self._mirror}'."
            )
            raise AccessError(message, mirror=self._mirror)

    def _bounded(self, call: Callable[[], Any]) -> Any:
        """Make one call, in bounded time; no foreign error leaves, nor is one hung to ours."""
        foreign = _synapseclient().core.exceptions.SynapseError
        self._adapter.begin(PATIENCE, TIMEOUTS)
        try:
            with _SILENCE:
                return call()
        except (foreign, requests.RequestException, configparser.Error) as error:
            translated = self._translated(error)
        except (ValueError, TypeError, AttributeError) as error:  # how it takes what is not JSON
            translated = self._translated(error)
        raise translated

    def _translated(self, error: Exception) -> DecnefDataError:
        if isinstance(error, GaveUpError):
            return self._unreachable(error.why, error.status)
        status, reason = _answer(error)
        if status is None and isinstance(error, TypeError | AttributeError):
            reason = "no JSON: a network's login page?"  # what synapseclient stumbled over says nothing
        text = redact(f"{type(error).__name__}: {reason}" if reason else plainly(error), self._secrets())
        if status == _FORBIDDEN and "scope" not in text:
            return AccessError(f"Synapse refuses ({text}). {self._mend}", mirror=self._mirror)
        if status in {_UNAUTHORIZED, _FORBIDDEN} or (status is None and _is_about_login(error)):
            return AccessError(f"Synapse refused the login ({text}). {self._renew}", mirror=self._mirror)
        return self._unreachable(text, status)

    @property
    def _renew(self) -> str:
        made = f"Make a token that may view and download{self._at}"
        return f"{made}, then run 'decnef login {self._mirror}'."

    @property
    def _mend(self) -> str:
        return f"See to that{self._at}, then run the same again."

    def _unreachable(self, why: str, status: int | None) -> MirrorError:
        message = f"Synapse did not answer as expected ({why}). Check the connection, or try again later."
        return MirrorError(message, mirror=self._mirror, status=status)

    def _secrets(self) -> Iterator[str | None]:
        yield self._token()
        yield os.environ.get("SYNAPSE_AUTH_TOKEN")
        yield from _configured()


@cache
def _synapseclient() -> Any:
    """Import synapseclient: 0.3 seconds that only this mirror needs."""
    with _logging_left_alone():
        import synapseclient.core.exceptions

        return synapseclient


def _silent() -> logging.Logger:
    """Make a logger of no one's tree: synapseclient's own print, and its errors may hold links."""
    logger = logging.getLogger(f"{__name__}.synapseclient")
    logger.setLevel(logging.CRITICAL + 1)
    return logger


class _Silence(threading.local, logging.Filter):
    """Keeps what synapseclient says of retries, on a logger that prints, from the console while we ask.

    Of a thread that asks Synapse for somebody else it hides nothing.
    """

    ours = False

    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002  # whatever it says
        return not self.ours

    def __enter__(self) -> None:
        logging.getLogger("synapseclient_default").addFilter(self)
        self.ours = True

    def __exit__(self, *_: object) -> None:
        self.ours = False


_SILENCE = _Silence()


def _is_about_login(error: Exception) -> bool:
    """Whether synapseclient gave up before asking, for want of a good token or profile."""
    return any(word in type(error).__name__ for word in ("Authentication", "Credentials"))


def _answer(error: BaseException | None) -> tuple[int | None, str]:
    """Find the status and reason that Synapse gave: synapseclient hides them in the cause of its error."""
    while error is not None:
        response = getattr(error, "response", None)
        if response is not None:
            return response.status_code, f"{response.status_code}, {_reason(response)}"
        error = error.__cause__
    return None, ""


def _reason(response: requests.Response) -> str:
    try:
        return str(response.json()["reason"])
    except (ValueError, LookupError, TypeError):
        return str(response.reason)


#: Two threads that undid this at the same time would undo it to what the other left.
_ALONE = threading.RLock()


@contextmanager
def _logging_left_alone() -> Iterator[None]:
    """Undo what importing and making a client does to the process: its warnings would vanish into a log.

    It configures logging, which closes every handler of the process that logging knows of; some, as
    absl's, then close the stream that they write to.  Meanwhile logging knows of none.
    """
    with _ALONE:
        shown, captured = warnings.showwarning, logging.getLogger("py.warnings")
        handlers, level = captured.handlers, logging.getLogger("requests").level
        known, named = logging._handlerList[:], dict(logging._handlers)  # type: ignore[attr-defined]  # noqa: SLF001 - there is no public way
        logging._handlerList.clear()  # type: ignore[attr-defined]  # noqa: SLF001
        try:
            yield
        finally:
            logging._handlerList[:0] = known  # type: ignore[attr-defined]  # noqa: SLF001
            logging._handlers.update(named)  # type: ignore[attr-defined]  # noqa: SLF001
            if warnings.showwarning is not shown:
                logging.captureWarnings(False)
            captured.handlers = handlers
            logging.getLogger("requests").setLevel(level)


def _scratch(owner: object) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="decnef-synapse-"))
    weakref.finalize(owner, shutil.rmtree, folder, ignore_errors=True)
    return folder


def _config_file() -> Path:
    return Path.home() / ".synapseConfig"


def _configured() -> Iterator[str]:
    """Give every token that the user's configuration file holds."""
    config = configparser.RawConfigParser()
    try:
        config.read(_config_file(), encoding="utf-8")
    except (configparser.Error, OSError, ValueError):
        return
    for section in config.sections():
        if config.has_option(section, "authtoken"):
            yield config.get(section, "authtoken")
