"""Opens a link at an offset, and checks that what comes back is the part and the file that were asked for."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from email.message import Message

import requests
import urllib3

from decnef_data.errors import MirrorError
from decnef_data.mirrors import transport
from decnef_data.mirrors.links import Link, safe_name
from decnef_data.mirrors.redaction import redact
from decnef_data.model import Body

_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")
_MOST_OF_AN_ERROR = 4096


class RefusedError(Exception):
    """A host answered with an error status; each mirror says what that means to its user."""

    def __init__(self, status: int, code: str, reason: str, retry_after: float | None = None) -> None:
        super().__init__(status, code, reason)
        self.status, self.code, self.reason = status, code, reason
        self.retry_after = retry_after

    @property
    def expired(self) -> bool:
        """Whether the host says that the link's time is over; S3 and others word it differently."""
        return "expired" in f"{self.code} {self.reason}".lower()

    def __str__(self) -> str:
        return ", ".join(filter(None, (str(self.status), self.code, self.reason)))


@dataclass(frozen=True, slots=True)
class Asked:
    """What part of which file is asked for."""

    start: int = 0
    stop: int | None = None
    identity: str | None = None
    #: Whether a web page may be what is asked for; else it is a sign that something is in the way.
    page: bool = False

    @property
    def headers(self) -> dict[str, str]:
        """The headers that ask for it."""
        if not self.start and self.stop is None:
            return {}
        last = "" if self.stop is None else str(max(self.stop - 1, self.start))
        unless = {"If-Range": self.identity} if self.identity and not self.identity.startswith("W/") else {}
        return {"Range": f"bytes={self.start}-{last}", **unless}


@dataclass(frozen=True, slots=True)
class Found:
    """What a host says of a file without sending it."""

    name: str
    size: int | None
    identity: str | None


def look(over: transport.Session, link: Link, mirror: str) -> Found:
    """Learn name, size and identity of the file behind `link`.

    By a GET of its first byte: a pre-signed link is signed for GET, and its host refuses HEAD.
    """
    with transport.get(over, link, {"Range": "bytes=0-0"}, mirror) as answer:
        refused = answer.status_code == requests.codes.requested_range_not_satisfiable
        if not refused or _size(answer) == 0:
            return _found(answer, link, mirror)
    with transport.get(over, link, {}, mirror) as answer:  # let go of behind its headers
        return _found(answer, link, mirror)


def _found(answer: requests.Response, link: Link, mirror: str) -> Found:
    if answer.status_code != requests.codes.requested_range_not_satisfiable:
        _refuse(answer, link, mirror, page=False)
    return Found(_name(answer) or link.name, _size(answer), identity(answer))


@contextmanager
def opened(over: transport.Session, link: Link, asked: Asked, mirror: str) -> Iterator[Body]:
    """Open the bytes of `link` that are asked for, or from 0 where those are no part of the file."""
    with transport.get(over, link, asked.headers, mirror) as answer:
        given = _body(answer, link, asked, mirror)
        if given:
            yield given
            return
        refused = answer.status_code == requests.codes.requested_range_not_satisfiable
    again = Asked(page=asked.page) if refused else replace(asked, start=0, identity=None)
    with transport.get(over, link, again.headers, mirror) as answer:
        yield _from_zero(answer, link, again, mirror)


def _body(answer: requests.Response, link: Link, asked: Asked, mirror: str) -> Body | None:
    """Make the body of what was asked for, or ``None`` where it has to be asked for from 0."""
    if answer.status_code == requests.codes.requested_range_not_satisfiable:
        return _at_the_end(answer, asked)
    if answer.status_code != requests.codes.partial_content:
        return _from_zero(answer, link, asked, mirror)
    _refuse(answer, link, mirror, page=asked.page)
    begin, size = _part(answer, mirror)
    changed = asked.identity is not None and identity(answer) not in {None, asked.identity}
    _in_place(answer, asked, begin, mirror)
    if asked.start and changed:
        return None
    length = None if asked.stop is None else asked.stop - asked.start
    return Body(begin, transport.body(answer, length, mirror), size, identity(answer))


def _in_place(answer: requests.Response, asked: Asked, begin: int, mirror: str) -> None:
    """Refuse bytes of another place than was asked for."""
    if begin != asked.start:
        message = (
            f"'{transport.origin(answer)}' sent bytes from {begin} on where those from {asked.start} on were "
            "asked for. Try again later, or from another mirror."
        )
        raise MirrorError(message, mirror=mirror, status=answer.status_code)


def _at_the_end(answer: requests.Response, asked: Asked) -> Body | None:
    size = _size(answer)
    unchanged = asked.identity is None or identity(answer) in {None, asked.identity}
    return Body(asked.start, iter(()), size, identity(answer)) if size == asked.start and unchanged else None


def _from_zero(answer: requests.Response, link: Link, asked: Asked, mirror: str) -> Body:
    if answer.status_code == requests.codes.requested_range_not_satisfiable and _size(answer) == 0:
        return Body(0, iter(()), 0, identity(answer))
    _refuse(answer, link, mirror, page=asked.page)
    if answer.status_code == requests.codes.partial_content:
        _in_place(answer, replace(asked, start=0), _part(answer, mirror)[0], mirror)
    return Body(0, transport.body(answer, asked.stop, mirror), _size(answer), identity(answer))


def _refuse(answer: requests.Response, link: Link, mirror: str, *, page: bool) -> None:
    """Raise what the host answered where that is not a file."""
    if answer.status_code not in {requests.codes.ok, requests.codes.partial_content}:
        raise _refusal(answer, link)
    coding = answer.headers.get("Content-Encoding", "").strip().lower()
    if coding not in {"", "identity"}:
        message = (
            f"'{transport.origin(answer)}' sent the file encoded as '{redact(coding)}', unasked. "
            "Something on the way changes files; try another network, or another mirror."
        )
        raise MirrorError(message, mirror=mirror, status=answer.status_code)
    if not page and answer.headers.get("Content-Type", "").lower().startswith("text/html"):
        message = (
            f"'{transport.origin(answer)}' answered with a web page where a file was expected. "
            "Open the link in a browser to see what it asks for, or log in to the network you are on."
        )
        raise MirrorError(message, mirror=mirror, status=answer.status_code)


def _refusal(answer: requests.Response, link: Link) -> RefusedError:
    """Read code and message of an error body; S3's XML is short and two elements of it are enough."""
    try:
        text = answer.raw.read(_MOST_OF_AN_ERROR, decode_content=False).decode("utf-8", "replace")
    except (OSError, urllib3.exceptions.HTTPError):
        text = ""
    code, message = (_element(name, text) for name in ("Code", "Message"))
    shown = (redact(code, link.secrets), redact(message, link.secrets))
    return RefusedError(answer.status_code, *shown, transport.retry_after(answer))


def _element(name: str, text: str) -> str:
    found = re.search(rf"<{name}>([^<]*)</{name}>", text)
    return found[1] if found else ""


def _part(answer: requests.Response, mirror: str) -> tuple[int, int | None]:
    """Read where a part begins and how large the whole is."""
    text = answer.headers.get("Content-Range", "")
    found = _CONTENT_RANGE.fullmatch(text)
    if found and found[1]:
        return int(found[1]), _number(found[3])
    message = (
        f"'{transport.origin(answer)}' sent a part of the file without saying which. "
        "Try again later, or from another mirror."
    )
    raise MirrorError(message, mirror=mirror, status=answer.status_code)


def _size(answer: requests.Response) -> int | None:
    """How large the whole file is, where the answer says it."""
    if answer.status_code == requests.codes.ok:
        return _number(answer.headers.get("Content-Length", ""))
    found = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
    return _number(found[3]) if found else None


def _number(text: str) -> int | None:
    return int(text) if text.isdigit() else None


def identity(answer: requests.Response) -> str | None:
    """What changes when the file does: a strong ETag, else the date, else a weak ETag.

    An ETag that looks like an MD5 is none that can be trusted: with multipart uploads or encryption
    S3 makes it of other things.  It identifies, and does not verify.
    """
    tag, date = answer.headers.get("ETag"), answer.headers.get("Last-Modified")
    return tag if tag and not tag.startswith("W/") else date or tag


def _name(answer: requests.Response) -> str:
    """Read the file name of Content-Disposition, in either of its spellings."""
    header = Message()
    header["Content-Disposition"] = answer.headers.get("Content-Disposition", "")
    return safe_name(header.get_filename() or "")
