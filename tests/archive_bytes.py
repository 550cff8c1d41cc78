"""Small archives as bytes: of a size that a test needs, or cut where a connection may be."""

import hashlib
import io
import zipfile

#: What cannot be compressed, and begins as no archive.
NOISE = b"".join(hashlib.sha256(i.to_bytes(4, "little")).digest() for i in range(1 << 15))
_MEMBER = "SRPBS_FC/values.bin"
#: What a zip of one stored member adds to it: a header with its name before, and a table with it behind.
_OVERHEAD = 30 + 46 + 22 + 2 * len(_MEMBER)


def zip_of(content: bytes) -> bytes:
    """Return a zip that stores `content` as it is, between its header and its table."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr(zipfile.ZipInfo(_MEMBER), content)
    return made.getvalue()


def zip_of_size(content: bytes, size: int) -> bytes:
    """Return a zip of `size` bytes, which stores as much of `content` as fits."""
    made = zip_of(content[: size - _OVERHEAD])
    if len(made) != size:
        raise AssertionError(len(made))
    return made
