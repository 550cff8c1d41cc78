"""Remove tokens, signatures and query strings from a text before anyone reads it."""

import re
from collections.abc import Iterable

_REPLACEMENT = "***"
_SENSITIVE_NAMES = r"[\w-]*(?:token|signature|credential|password|secret|key|policy|sig)[\w-]*"
#: Each pattern keeps its first group and hides the rest.
_PATTERNS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(\w+://)[^/\s@'\"<>]+(?=@)",  # the user and password in a URL
        r"(\?)[^\s'\"<>?]*=[^\s'\"<>]*",  # any query, with or without its host
        rf"(\b{_SENSITIVE_NAMES}\s*[=:]\s*['\"]?)[^\s'\"<>&,;)]+",
        r"(\b(?:bearer|basic)\s+)[\w.~+/=-]+",
        r"(\beyJ)[\w-]+(?:\.[\w-]+)*",  # the start of every JSON web token
    )
)
_MAX_LENGTH = 300


def redact(text: str, secrets: Iterable[str | None] = ()) -> str:
    """Replace what looks like a secret in `text`, and every occurrence of `secrets`.

    Query strings are removed completely, because the query of a pre-signed link is its secret.  The
    result is one line of at most 300 characters, so that a page of HTML does not become a message.

    Examples
    --------
    >>> redact("403 for https://host/a.zip?X-Amz-Signature=abc, Bearer xyz")
    '403 for https://host/a.zip?*** Bearer ***'
    >>> redact("no such token: s3cret", ["s3cret"])
    'no such token: ***'
    """
    for secret in filter(None, secrets):
        text = text.replace(secret, _REPLACEMENT)
    for pattern in _PATTERNS:
        text = pattern.sub(rf"\1{_REPLACEMENT}", text)
    line = " ".join(text.split())
    return line if len(line) <= _MAX_LENGTH else f"{line[:_MAX_LENGTH]}..."
