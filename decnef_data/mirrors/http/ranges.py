"""Open a link at an offset, and check that the response is a part of a file, and the requested one."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from email.message import Message

import requests
import urllib3

from decnef_data.archive_evidence import HEAD_SIZE, is_s3_error
from decnef_data.errors import MirrorError
from decnef_data.mirrors.http import session
from decnef_data.mirrors.http.links import Link, safe_file_name
from decnef_data.mirrors.http.redaction import redact
from decnef_data.model import Body

_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)", re.ASCII)
# Of the body of an error that is read for its message: it may be a web page without end.
_MAX_ERROR_BYTES = 4096
_PAGE_TYPES = {
    "text/html": "a web page",
    "application/xhtml+xml": "a web page",
    "application/json": "a JSON document",
    "application/problem+json": "a JSON document",
    "application/xml": "an XML document",
    "text/xml": "an XML document",
}
#: The media types of what a host sends in place of an archive, and in place of any other file.
ARCHIVE_PAGE_TYPES = frozenset(_PAGE_TYPES)
FILE_PAGE_TYPES = frozenset({"text/html", "application/xhtml+xml"})
_REFUSAL_STATUSES = frozenset({401, 403, 410})
#: The codes of S3 that refuse a link, whatever the status that they come with.
_REFUSAL_CODES = frozenset(
    {"AccessDenied", "ExpiredToken", "InvalidAccessKeyId", "InvalidToken", "SignatureDoesNotMatch"}
)


class HttpStatusError(Exception):
    """A host answered with an error status; each mirror translates it for its user."""

    def __init__(self, status: int, code: str, reason: str, retry_after: float | None = None) -> None:
        super().__init__(status, code, reason)
        self.status, self.code, self.reason = status, code, reason
        self.retry_after = retry_after

    @property
    def is_expired(self) -> bool:
        """Whether the host says that the link has expired; S3 and others word it differently."""
        return "expired" in f"{self.code} {self.reason}".lower()

    @property
    def is_refusal(self) -> bool:
        """Whether the host refuses the link itself, by the status or by what it says under another status."""
        return self.status in _REFUSAL_STATUSES or self.is_expired or self.code in _REFUSAL_CODES

    def __str__(self) -> str:
        return ", ".join(filter(None, (str(self.status), self.code, self.reason)))


@dataclass(frozen=True, slots=True)
class RangeRequest:
    """The requested part of a file, and the identity that the file must have."""

    start: int = 0
    stop: int | None = None
    identity: str | None = None
    #: The media types that the file cannot have: they mean that a login page or proxy is in the way.
    page_types: frozenset[str] = ARCHIVE_PAGE_TYPES

    @property
    def headers(self) -> dict[str, str]:
        """The HTTP headers of the request."""
        if not self.start and self.stop is None:
            return {}
        # HTTP has no empty range; at least one byte is requested, of which the body yields none.
        last = "" if self.stop is None else str(max(self.stop - 1, self.start))
        if_range = {"If-Range": self.identity} if self.identity and not self.identity.startswith("W/") else {}
        return {"Range": f"bytes={self.start}-{last}", **if_range}


@dataclass(frozen=True, slots=True)
class FileMetadata:
    """What a host reports about a file, and the first bytes of it; ``None`` if it does not report it."""

    name: str
    size: int | None
    etag: str | None
    modified: str | None
    head: bytes

    @property
    def identity(self) -> str | None:
        """The text that changes when the file does."""
        return _choose_identity(self.etag, self.modified)


def fetch_metadata(http_session: session.HttpSession, link: Link, mirror: str) -> FileMetadata:
    """Return the name, size, identity and first bytes of the file behind `link`.

    It sends a GET for the first bytes: a pre-signed link is signed for GET, and its host refuses HEAD.
    """
    request = RangeRequest(stop=HEAD_SIZE)
    with session.get(http_session, link, request.headers, mirror) as response:
        is_unsatisfiable = response.status_code == requests.codes.requested_range_not_satisfiable
        # An empty file has no first byte, so a correct host refuses the range and states the size 0.
        if not is_unsatisfiable or _complete_size(response, mirror) == 0:
            return _read_metadata(response, link, mirror)
    with session.get(http_session, link, {}, mirror) as response:  # closed before its body is read
        return _read_metadata(response, link, mirror)


def _read_metadata(response: requests.Response, link: Link, mirror: str) -> FileMetadata:
    head = b""
    if response.status_code != requests.codes.requested_range_not_satisfiable:
        _check_response(response, link, mirror, ARCHIVE_PAGE_TYPES)
        head = b"".join(session.iter_body(response, HEAD_SIZE, mirror, allow_less=True))
    # Whatever its status and type: saved as data, it would be noticed only when the archive is opened.
    if is_s3_error(head):
        raise _build_status_error(response, link, head)
    return FileMetadata(
        _content_disposition_name(response) or link.file_name,
        _complete_size(response, mirror),
        response.headers.get("ETag"),
        response.headers.get("Last-Modified"),
        head,
    )


@contextmanager
def open_range(
    http_session: session.HttpSession, link: Link, request: RangeRequest, mirror: str
) -> Iterator[Body]:
    """Open the requested bytes of `link`, or from 0 if they are not part of the file."""
    with session.get(http_session, link, request.headers, mirror) as response:
        body = _build_body(response, link, request, mirror)
        if body:
            yield body
            return
        is_unsatisfiable = response.status_code == requests.codes.requested_range_not_satisfiable
    full_request = (
        RangeRequest(page_types=request.page_types)
        if is_unsatisfiable
        else replace(request, start=0, identity=None)
    )
    with session.get(http_session, link, full_request.headers, mirror) as response:
        yield _body_from_start(response, link, full_request, mirror)


def _build_body(response: requests.Response, link: Link, request: RangeRequest, mirror: str) -> Body | None:
    """Build the body of the requested part, or return ``None`` if the file must be requested from 0."""
    if response.status_code == requests.codes.requested_range_not_satisfiable:
        return _empty_body_at_end(response, request, mirror)
    if response.status_code != requests.codes.partial_content:
        return _body_from_start(response, link, request, mirror)
    _check_response(response, link, mirror, request.page_types)
    start, size = _parse_content_range(response, mirror)
    # Compared here, too, because a host may ignore If-Range.
    changed = request.identity is not None and _file_identity(response) not in {None, request.identity}
    _check_start(response, request, start, mirror)
    if request.start and changed:
        return None
    length = None if request.stop is None else request.stop - request.start
    identity = _file_identity(response)
    return Body(start, session.iter_body(response, length, mirror), size, identity, identity)


def _check_start(response: requests.Response, request: RangeRequest, start: int, mirror: str) -> None:
    """Refuse bytes that begin at another offset than requested."""
    if start != request.start:
        message = (
            f"'{session.origin(response)}' sent bytes starting at {start}, but bytes starting at "
            f"{request.start} were requested. Try again later, or use another mirror."
        )
        raise MirrorError(message, mirror=mirror, status=response.status_code)


def _empty_body_at_end(response: requests.Response, request: RangeRequest, mirror: str) -> Body | None:
    """Build an empty body; an answer without bytes need not repeat the identity of the file."""
    size, identity = _complete_size(response, mirror), _file_identity(response) or request.identity
    unchanged = request.identity in {None, identity}
    return Body(request.start, iter(()), size, identity) if size == request.start and unchanged else None


def _body_from_start(response: requests.Response, link: Link, request: RangeRequest, mirror: str) -> Body:
    if (
        response.status_code == requests.codes.requested_range_not_satisfiable
        and _complete_size(response, mirror) == 0
    ):
        return Body(0, iter(()), 0, _file_identity(response) or request.identity)
    _check_response(response, link, mirror, request.page_types)
    if response.status_code == requests.codes.partial_content:
        _check_start(response, replace(request, start=0), _parse_content_range(response, mirror)[0], mirror)
    size, identity = _complete_size(response, mirror), _file_identity(response)
    return Body(0, session.iter_body(response, request.stop, mirror), size, identity, identity)


def _check_response(response: requests.Response, link: Link, mirror: str, page_types: frozenset[str]) -> None:
    """Raise an error if the response is not a file."""
    if response.status_code not in {requests.codes.ok, requests.codes.partial_content}:
        raise _read_status_error(response, link)
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in {"", "identity"}:
        message = (
            f"'{session.origin(response)}' sent the file with the encoding '{redact(encoding)}', "
            "which was not requested. "
            "A proxy may be modifying files; try another network, or use another mirror."
        )
        raise MirrorError(message, mirror=mirror, status=response.status_code)
    media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if media_type not in page_types:
        return
    error = _read_status_error(response, link)
    if error.code:
        raise error
    message = (
        f"'{session.origin(response)}' sent {_PAGE_TYPES[media_type]} instead of the file. "
        "Open the link in a browser to see what the page requires, or log in to your network."
    )
    raise MirrorError(message, mirror=mirror, status=response.status_code)


def _read_status_error(response: requests.Response, link: Link) -> HttpStatusError:
    """Read code and message of an error body; S3's XML is short, and these two elements are enough."""
    try:
        body = response.raw.read(_MAX_ERROR_BYTES, decode_content=False)
    except (OSError, urllib3.exceptions.HTTPError):
        body = b""
    return _build_status_error(response, link, body)


def _build_status_error(response: requests.Response, link: Link, body: bytes) -> HttpStatusError:
    text = body.decode("utf-8", "replace")
    code, message = (_xml_element(name, text) for name in ("Code", "Message"))
    redacted = (redact(code, link.secrets), redact(message, link.secrets))
    return HttpStatusError(response.status_code, *redacted, session.retry_after(response))


def _xml_element(name: str, text: str) -> str:
    match = re.search(rf"<{name}>([^<]*)</{name}>", text)
    return match[1] if match else ""


def _parse_content_range(response: requests.Response, mirror: str) -> tuple[int, int | None]:
    """Return the offset of a part and the size of the complete file."""
    text = response.headers.get("Content-Range", "")
    match = _CONTENT_RANGE.fullmatch(text)
    if match and match[1]:
        start = session.parse_size(match[1], response, mirror)
        return start or 0, session.parse_size(match[3], response, mirror)
    message = (
        f"'{session.origin(response)}' sent part of the file without stating which part. "
        "Try again later, or use another mirror."
    )
    raise MirrorError(message, mirror=mirror, status=response.status_code)


def _complete_size(response: requests.Response, mirror: str) -> int | None:
    """Return the size of the complete file, if the response states it."""
    if response.status_code == requests.codes.ok:
        return session.parse_size(response.headers.get("Content-Length", ""), response, mirror)
    match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    return session.parse_size(match[3], response, mirror) if match else None


def _file_identity(response: requests.Response) -> str | None:
    return _choose_identity(response.headers.get("ETag"), response.headers.get("Last-Modified"))


def _choose_identity(etag: str | None, modified: str | None) -> str | None:
    """Return what changes when the file does: a strong ETag, else the date, else a weak ETag.

    An ETag that looks like an MD5 is not trusted as a checksum: with multipart uploads or encryption
    S3 computes it from something else.  It identifies the file and does not verify it.
    """
    return etag if etag and not etag.startswith("W/") else modified or etag


def _content_disposition_name(response: requests.Response) -> str:
    """Read the file name of Content-Disposition, in either syntax."""
    header = Message()
    header["Content-Disposition"] = response.headers.get("Content-Disposition", "")
    return safe_file_name(header.get_filename() or "")
