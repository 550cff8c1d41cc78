"""An S3-like store of objects behind signed links that expire: ranges, ETags, refusals in S3's own XML.

Like S3, and unlike many local file servers: a link is signed for one method, so HEAD with a link made for GET
is refused (``heads=True`` allows it, as CloudFront does), and a request that brings an Authorization header as
well as a signature is refused.
"""

import hashlib
import hmac
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import formatdate
from io import BytesIO
from pathlib import Path
from urllib.parse import quote, urlencode
from xml.sax.saxutils import escape

from tests.servers.faults import Faults
from tests.servers.local import Answer, LocalServer, Request

BLOCK = 1 << 18
_KEY = b"not a secret: it signs links to this machine only"


@dataclass(frozen=True)
class Stored:
    """One object: its bytes (or the file that holds them) and the values of its headers."""

    content: Path | bytes
    md5: str
    etag: str
    modified: str

    @classmethod
    def of(cls, content: Path | bytes, etag: str | None = None) -> "Stored":
        """Describe bytes, or a file in place; the default ETag is the MD5, as in S3."""
        modified = content.stat().st_mtime if isinstance(content, Path) else 1_600_000_000
        digest = _md5(content)
        return cls(content, digest, etag or f'"{digest}"', formatdate(modified, usegmt=True))

    @property
    def size(self) -> int:
        """The size in bytes."""
        return self.content.stat().st_size if isinstance(self.content, Path) else len(self.content)

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield the bytes from start to stop, block by block."""
        with BytesIO(self.content) if isinstance(self.content, bytes) else self.content.open("rb") as file:
            file.seek(start)
            while start < stop and (block := file.read(min(BLOCK, stop - start))):
                start += len(block)
                yield block


def _md5(content: Path | bytes) -> str:
    if isinstance(content, bytes):
        return hashlib.md5(content).hexdigest()
    with content.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


class StorageServer(LocalServer):
    """Objects by key, served for links that :meth:`sign` created.

    ``faults`` wait for requests whose link is good; ``rate`` is bytes a second and connection, ``None`` as fast
    as can be; ``heads`` allows HEAD with a link signed for GET; an ``anonymous`` one states neither ETag nor date.
    """

    def __init__(self, *, rate: float | None = None, heads: bool = False) -> None:
        super().__init__()
        self.objects: dict[str, Stored] = {}
        self.faults = Faults()
        self.rate = rate
        self.heads = heads
        self.anonymous = False

    def put(self, key: str, content: Path | bytes, etag: str | None = None) -> Stored:
        """Store or replace an object; in S3 the ETag of a file that was sent in parts is not an MD5."""
        self.objects[key] = Stored.of(content, etag)
        return self.objects[key]

    def sign(self, key: str, lifetime: float, form: str = "v4", name: str | None = None) -> str:
        """Return a link to an object for `lifetime` seconds; ``v4`` has X-Amz parameters, ``v2`` is older."""
        extra = {"response-content-disposition": f'attachment; filename="{name}"'} if name else {}
        fields = _FORMS[form].fields(self.now(), lifetime) | extra
        fields[_FORMS[form].field] = _signature(key, fields)
        return f"{self.url}/{quote(key)}?{urlencode(fields, quote_via=quote)}"

    def answer(self, request: Request) -> Answer:
        """Refuse what S3 refuses, else send the object through the next fault."""
        return self._refusal(request) or self.faults.apply(request, self._object)

    def _refusal(self, request: Request) -> Answer | None:
        form = next((form for form in _FORMS.values() if form.field in request.query), None)
        if form is None:
            return _xml(403, "AccessDenied", "Access Denied")
        if "authorization" in request.headers:
            return _xml(400, "InvalidArgument", _TWO_MECHANISMS)
        if not self._well_signed(request, form):
            return _xml(403, "SignatureDoesNotMatch", _BAD_SIGNATURE)
        return self._expired(request, form)

    def _well_signed(self, request: Request, form: "_Form") -> bool:
        fields = {name: value for name, value in request.query.items() if name != form.field}
        good = hmac.compare_digest(request.query[form.field], _signature(request.path[1:], fields))
        return good and (request.method == "GET" or (request.method == "HEAD" and self.heads))

    def _expired(self, request: Request, form: "_Form") -> Answer | None:
        expires = form.expires(request.query)
        if self.now() < expires:
            return None
        more = {"X-Amz-Expires": request.query.get("X-Amz-Expires", "")} if form is _FORMS["v4"] else {}
        times = {"Expires": _iso(expires), "ServerTime": _iso(self.now())}
        return _xml(403, "AccessDenied", "Request has expired", more | times)

    def _object(self, request: Request) -> Answer:
        stored = self.objects.get(request.path[1:])
        if stored is None:
            return _xml(404, "NoSuchKey", "The specified key does not exist.", {"Key": request.path[1:]})
        if request.headers.get("If-Match", stored.etag) != stored.etag:
            condition = {"Condition": "If-Match"}
            return _xml(
                412,
                "PreconditionFailed",
                "At least one of the pre-conditions you specified did not hold",
                condition,
            )
        return self._part(request, stored)

    def _part(self, request: Request, stored: Stored) -> Answer:
        asked = _range(request, stored)
        if asked and asked[0] >= min(asked[1], stored.size):
            answer = _xml(416, "InvalidRange", "The requested range is not satisfiable")
            return Answer(416, {**answer.headers, "Content-Range": f"bytes */{stored.size}"}, answer.body)
        start, stop = asked or (0, stored.size)
        headers = _described(request, stored, stop - start)
        if self.anonymous:
            headers = {
                name: value for name, value in headers.items() if name not in {"ETag", "Last-Modified"}
            }
        if asked:
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{stored.size}"
        return Answer(206 if asked else 200, headers, self._paced(stored.read(start, stop)))

    def _paced(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            if self.rate:
                self.closing.wait(len(chunk) / self.rate)
            yield chunk


def _described(request: Request, stored: Stored, length: int) -> dict[str, str]:
    headers = {
        "Content-Type": "application/octet-stream",
        "Content-Length": str(length),
        "Accept-Ranges": "bytes",
        "ETag": stored.etag,
        "Last-Modified": stored.modified,
    }
    disposition = request.query.get("response-content-disposition")
    return headers | ({"Content-Disposition": disposition} if disposition else {})


def _range(request: Request, stored: Stored) -> tuple[int, int] | None:
    """Return the requested range; ``None`` without a valid one, or if If-Range fails."""
    unit, _, text = request.headers.get("Range", "").partition("=")
    first, dash, last = text.strip().partition("-")
    digits = all(part.isdigit() for part in (first, last) if part)
    if unit != "bytes" or not dash or not digits or not (first or last):
        return None
    if request.headers.get("If-Range", stored.etag) not in {stored.etag, stored.modified}:
        return None
    if not first:
        return max(0, stored.size - int(last)), stored.size
    return int(first), min(int(last) + 1, stored.size) if last else max(int(first), stored.size)


class _Form:
    """One form of signed links: its parameters, and when they expire."""

    field: str

    def fields(self, now: float, lifetime: float) -> dict[str, str]:
        raise NotImplementedError

    def expires(self, query: dict[str, str]) -> float:
        raise NotImplementedError


class _Version4(_Form):
    field = "X-Amz-Signature"

    def fields(self, now: float, lifetime: float) -> dict[str, str]:
        day = time.strftime("%Y%m%d", time.gmtime(now))
        return {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": f"LOCALTESTKEY/{day}/ap-northeast-1/s3/aws4_request",
            "X-Amz-Date": time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now)),
            "X-Amz-Expires": str(int(lifetime)),
            "X-Amz-SignedHeaders": "host",
        }

    def expires(self, query: dict[str, str]) -> float:
        made = datetime.strptime(query["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        return made.timestamp() + int(query["X-Amz-Expires"])


class _Version2(_Form):
    field = "Signature"

    def fields(self, now: float, lifetime: float) -> dict[str, str]:
        return {"AWSAccessKeyId": "LOCALTESTKEY", "Expires": str(int(now + lifetime))}

    def expires(self, query: dict[str, str]) -> float:
        return int(query["Expires"])


_FORMS: dict[str, _Form] = {"v4": _Version4(), "v2": _Version2()}
_BAD_SIGNATURE = (
    "The request signature we calculated does not match the signature you provided. "
    "Check your key and signing method."
)
_TWO_MECHANISMS = (
    "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, "
    "Signature query string parameter or the Authorization header should be specified"
)


def _signature(key: str, fields: dict[str, str]) -> str:
    text = "\n".join([key, *(f"{name}={fields[name]}" for name in sorted(fields))])
    return hmac.new(_KEY, text.encode(), "sha256").hexdigest()


def _iso(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _xml(status: int, code: str, message: str, more: dict[str, str] | None = None) -> Answer:
    fields = {"Code": code, "Message": message} | (more or {}) | {"RequestId": "LOCAL", "HostId": "local"}
    inner = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in fields.items())
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{inner}</Error>'
    return Answer.of(status, body.encode(), "application/xml")
