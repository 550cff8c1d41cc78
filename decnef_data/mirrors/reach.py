"""Tries a mirror with one small question: whether it answers, how fast, and with which kind of key."""

import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from decnef_data.errors import AccessError, MirrorError
from decnef_data.mirrors.credentials import Credentials, variable
from decnef_data.model import Dataset, Mirror


@dataclass(frozen=True, slots=True)
class Key:
    """A credential by its kind and place; never what it is.

    ``dataset`` is what a link leads to, ``expires`` when it ends by its own words.
    """

    kind: str
    place: str
    dataset: str | None = None
    expires: datetime | None = None


@dataclass(frozen=True, slots=True)
class Reach:
    """Whether a mirror answered: ``None`` where there was nothing to ask."""

    reachable: bool | None
    seconds: float | None = None
    who: str | None = None
    problem: str | None = None


def reach(mirror: Mirror, credentials: Credentials, cache: Path | None = None) -> Reach:
    """Ask `mirror` one small question.

    Examples
    --------
    >>> record = Mirror(name="folder", title="Files you have", protocol="folder", order=1)
    >>> reach(record, Credentials(Path("config"))).reachable is None
    True
    """
    try:
        match mirror.protocol:
            case "synapse":
                return _synapse(mirror, credentials, cache)
            case "https":
                return _https(mirror)
            case "folder":
                return Reach(None)
    except MirrorError as error:
        return Reach(False, problem=str(error))
    except AccessError as error:
        return Reach(True, problem=str(error))


def keys(mirror: Mirror, datasets: Iterable[Dataset], credentials: Credentials) -> tuple[Key, ...]:
    """Name the credentials for `mirror`, the one that is used first.

    Examples
    --------
    >>> import tempfile
    >>> record = Mirror(name="folder", title="Files you have", protocol="folder", order=1)
    >>> keys(record, (), Credentials(Path(tempfile.mkdtemp())))
    ()
    """
    match mirror.protocol:
        case "synapse":
            return tuple(_tokens(mirror, credentials))
        case "https":
            return tuple(_links(mirror, datasets, credentials))
        case "folder":
            return ()


def _synapse(mirror: Mirror, credentials: Credentials, cache: Path | None) -> Reach:
    from decnef_data.mirrors.listing import Lister

    lister = Lister(mirror, credentials, cache)
    return Reach(True, lister.latency(), lister.whom())


def _https(mirror: Mirror) -> Reach:
    from decnef_data.mirrors import transport
    from decnef_data.mirrors.links import Link, UnusableLinkError

    try:
        link = Link.parse(mirror.page or "")
    except UnusableLinkError:
        return Reach(None, problem="Its record names no page to try.")
    begun = time.perf_counter()
    with transport.get(transport.session(), link, {}, mirror.name) as answer:
        seconds = time.perf_counter() - begun
        status = answer.status_code
    serious = status >= 500  # noqa: PLR2004  # a server's own trouble, by RFC 9110; a refusal is an answer
    return Reach(not serious, seconds, problem=f"Its page answered {status}." if serious else None)


def _tokens(mirror: Mirror, credentials: Credentials) -> Iterator[Key]:
    from decnef_data.mirrors.listing import Lister

    return (Key("token", place) for place in Lister(mirror, credentials, None).places())


def _links(mirror: Mirror, datasets: Iterable[Dataset], credentials: Credentials) -> Iterator[Key]:
    from decnef_data.mirrors.links import Link, UnusableLinkError

    for dataset in datasets:
        name = f"{mirror.name}/{dataset.name}"
        if credentials.get(name) is None:
            continue
        place = variable(name) if os.environ.get(variable(name) or "") else "decnef login"
        try:
            expires = Link.parse(credentials.get(name) or "").expires
        except UnusableLinkError:
            yield Key("link that cannot be used", str(place), dataset.name)
        else:
            yield Key("link", str(place), dataset.name, expires)
