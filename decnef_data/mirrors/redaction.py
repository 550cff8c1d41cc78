"""Takes tokens, signatures and query strings out of a text before anyone reads it."""

import re
from collections.abc import Iterable

_HIDDEN = "***"
_TELLING = r"[\w-]*(?:token|signature|credential|password|secret|key|policy|sig)[\w-]*"
#: Each pattern keeps its first group and hides the rest.
_PATTERNS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(\w+://)[^/\s@'\"<>]+(?=@)",  # who logs in, in a URL
        r"(\?)[^\s'\"<>?]*=[^\s'\"<>]*",  # any query, with or without its host
        rf"(\b{_TELLING}\s*[=:]\s*['\"]?)[^\s'\"<>&,;)]+",
        r"(\b(?:bearer|basic)\s+)[\w.~+/=-]+",
        r"(\beyJ)[\w-]+(?:\.[\w-]+)*",  # the start of every JSON web token
    )
)
_LONGEST = 300


def redact(text: str, secrets: Iterable[str | None] = ()) -> str:
    """Hide what looks like a secret in `text`, and each of `secrets` wherever it stands.

    Queries of URLs go whole, because a pre-signed link is its query.  What is left is one line
    of at most 300 characters, so that a page of HTML does not become a message.

    Examples
    --------
    >>> redact("403 for https://host/a.zip?X-Amz-Signature=abc, Bearer xyz")
    '403 for https://host/a.zip?*** Bearer ***'
    >>> redact("no such token: s3cret", ["s3cret"])
    'no such token: ***'
    """
    for secret in filter(None, secrets):
        text = text.replace(secret, _HIDDEN)
    for pattern in _PATTERNS:
        text = pattern.sub(rf"\1{_HIDDEN}", text)
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."
