"""Probe a mirror with one small request: whether it answers, how fast, and with which credentials."""

import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from decnef_data.errors import AccessError, MirrorError
from decnef_data.mirrors.credentials import Credentials, environment_variable
from decnef_data.model import Dataset, Mirror


@dataclass(frozen=True, slots=True)
class CredentialInfo:
    """The kind and location of a credential, never its value.

    ``dataset`` is the dataset that a link leads to, ``expires`` the expiry written in the link itself.
    """

    kind: str
    location: str
    dataset: str | None = None
    expires: datetime | None = None


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """Whether a mirror answered; ``reachable`` is ``None`` if there was nothing to send a request to."""

    reachable: bool | None
    seconds: float | None = None
    user: str | None = None
    problem: str | None = None


def probe_mirror(mirror: Mirror, credentials: Credentials, synapse_cache: Path | None = None) -> ProbeResult:
    """Send one small request to `mirror`.

    Examples
    --------
    >>> record = Mirror(name="folder", title="Files you have", protocol="folder", order=1)
    >>> probe_mirror(record, Credentials(Path("config"))).reachable is None
    True
    """
    try:
        match mirror.protocol:
            case "synapse":
                return _probe_synapse(mirror, credentials, synapse_cache)
            case "https":
                return _probe_https(mirror)
            case "folder":
                return ProbeResult(None)
    except MirrorError as error:
        return ProbeResult(False, problem=str(error))
    except AccessError as error:
        return ProbeResult(True, problem=str(error))


def list_credentials(
    mirror: Mirror, datasets: Iterable[Dataset], credentials: Credentials
) -> tuple[CredentialInfo, ...]:
    """List the credentials for `mirror`, beginning with the one that is used.

    Examples
    --------
    >>> import tempfile
    >>> record = Mirror(name="folder", title="Files you have", protocol="folder", order=1)
    >>> list_credentials(record, (), Credentials(Path(tempfile.mkdtemp())))
    ()
    """
    match mirror.protocol:
        case "synapse":
            return tuple(_list_tokens(mirror, credentials))
        case "https":
            return tuple(_list_links(mirror, datasets, credentials))
        case "folder":
            return ()


def _probe_synapse(mirror: Mirror, credentials: Credentials, synapse_cache: Path | None) -> ProbeResult:
    from decnef_data.mirrors.synapse.listing import ListingService

    service = ListingService(mirror, credentials, synapse_cache)
    return ProbeResult(True, service.measure_latency(), service.user_name())


def _probe_https(mirror: Mirror) -> ProbeResult:
    from decnef_data.mirrors.http import session
    from decnef_data.mirrors.http.links import Link, UnusableLinkError

    try:
        link = Link.parse(mirror.page or "")
    except UnusableLinkError:
        return ProbeResult(None, problem="The catalog lists no web page to probe.")
    start = time.perf_counter()
    with session.get(session.create_session(), link, {}, mirror.name) as response:
        seconds = time.perf_counter() - start
        status = response.status_code
    is_server_error = status >= 500  # noqa: PLR2004  # RFC 9110: the server failed; a refusal is an answer
    return ProbeResult(
        not is_server_error,
        seconds,
        problem=f"Its web page returned status {status}." if is_server_error else None,
    )


def _list_tokens(mirror: Mirror, credentials: Credentials) -> Iterator[CredentialInfo]:
    from decnef_data.mirrors.synapse.listing import ListingService

    return (
        CredentialInfo("token", location)
        for location in ListingService(mirror, credentials, None).token_locations()
    )


def _list_links(
    mirror: Mirror, datasets: Iterable[Dataset], credentials: Credentials
) -> Iterator[CredentialInfo]:
    from decnef_data.mirrors.http.links import Link, UnusableLinkError

    for dataset in datasets:
        name = f"{mirror.name}/{dataset.name}"
        if credentials.get(name) is None:
            continue
        location = (
            environment_variable(name) if os.environ.get(environment_variable(name) or "") else "decnef login"
        )
        try:
            expires = Link.parse(credentials.get(name) or "").expires
        except UnusableLinkError:
            yield CredentialInfo("link that cannot be used", str(location), dataset.name)
        else:
            yield CredentialInfo("link", str(location), dataset.name, expires)
