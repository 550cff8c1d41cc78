"""The file with the inventory and the seek index of an archive, for other machines with their own access.

The first lines are text for people who find the file: that it has bytes of images, and under which terms.
One line of JSON follows, then the inventory and the index in MessagePack, and at the end the sha256 of all
before it.  Others made the file, so that every number and path in it is checked before it is used.
"""

import hashlib
from pathlib import Path
from typing import Final

import msgspec

from decnef_data.archives import SeekIndex
from decnef_data.archives.sampled_windows import SampledWindow
from decnef_data.atomic_files import write_atomic
from decnef_data.errors import FormatError, IntegrityError
from decnef_data.layouts.imaging.inventory.scans import INVENTORY_VERSION, Inventory
from decnef_data.layouts.imaging.seek_index.checks import find_problem
from decnef_data.model.names import is_checksum, is_file_name
from decnef_data.msgspec_support import DECODE_ERRORS, prepare_type

__all__ = [
    "ArchiveIdentity",
    "SeekIndexFile",
    "SeekIndexHeader",
    "is_seek_index",
    "read",
    "read_header",
    "write",
]

_KIND: Final = b"decnef-data seek index, format "
_MAGIC: Final = _KIND + b"1\n"
_TEXT: Final = """\
This file has bytes of images of participants of '{dataset}': protect it like the data.
Only people with their own access to the dataset may have it.  Keep it out of repositories,
and delete it when you delete the data.
Terms: {terms}
Archive: {archive}, {size} bytes
"""
_SYNTHETIC: Final = (
    "SYNTHETIC data (a digital phantom), and no bytes of people.  The next lines are for real data.\n"
)
#: The text and the line of JSON are far shorter.
_MAX_HEADER: Final = 64 << 10
_DIGEST_SIZE: Final = 32


class ArchiveIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an archive.

    ``identity`` is the ETag or version that ``mirror`` stated; both are blank if it came from no mirror.
    """

    file: str
    size: int
    checksums: tuple[str, ...]
    windows: tuple[SampledWindow, ...]
    mirror: str = ""
    identity: str = ""


class SeekIndexHeader(msgspec.Struct, frozen=True, kw_only=True):
    """What can be read of the file without its content; ``layout`` has a version, such as ``mri-3``."""

    dataset: str
    terms: str
    layout: str
    software: str
    created: str
    synthetic: bool
    archive: ArchiveIdentity


class _Content(msgspec.Struct, frozen=True, kw_only=True):
    inventory: Inventory
    index: SeekIndex


class SeekIndexFile(msgspec.Struct, frozen=True, kw_only=True):
    """The header, the inventory and the index of an archive; no table of participants is in it."""

    header: SeekIndexHeader
    inventory: Inventory
    index: SeekIndex


def write(path: Path, content: SeekIndexFile) -> int:
    """Write the file with access for the user only, and return its size in bytes."""
    header = content.header
    text = _TEXT.format(
        dataset=header.dataset,
        # On one line: the header is found as the first line that begins with a brace.
        terms=" ".join(header.terms.split()),
        archive=header.archive.file,
        size=header.archive.size,
    )
    value = _Content(inventory=content.inventory, index=content.index)
    if header.synthetic:
        text = _SYNTHETIC + text
    parts = (_MAGIC, text.encode(), msgspec.json.encode(header), b"\n", msgspec.msgpack.encode(value))
    whole = b"".join(parts)
    digest = hashlib.sha256(whole).digest()
    write_atomic(path, whole + digest)
    return len(whole) + len(digest)


def is_seek_index(path: Path) -> bool:
    """Return whether a file begins as one that :func:`write` wrote.

    Examples
    --------
    >>> is_seek_index(Path("nowhere"))
    False
    """
    return _read_start(path, len(_KIND)) == _KIND


def read_header(path: Path) -> SeekIndexHeader | None:
    """Return the header of a file, without checking the rest; ``None`` if it has none that can be read.

    Examples
    --------
    >>> read_header(Path("nowhere")) is None
    True
    """
    start = _read_start(path, _MAX_HEADER)
    if not start.startswith(_MAGIC):
        return None
    try:
        return _parse(start, str(path))[0]
    except FormatError:
        return None


def _read_start(path: Path, size: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(size)
    # What lies beside an archive may be anything, and not be ours to read.
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError):
        return b""


def read(path: Path) -> SeekIndexFile:
    """Read and check a file.

    Raises
    ------
    FormatError
        It is not a seek index, or not one that this version reads, or it has impossible values.
    IntegrityError
        It is damaged.
    OSError
        It cannot be read.
    """
    raw, file = path.read_bytes(), str(path)
    if not raw.startswith(_MAGIC):
        raise _unreadable_error(file, is_other_format=raw.startswith(_KIND))
    whole, digest = raw[:-_DIGEST_SIZE], raw[-_DIGEST_SIZE:]
    found = hashlib.sha256(whole).digest()
    # Before anything is decoded: a damaged file is told from one of another version.
    if found != digest:
        message = (
            f"The seek index '{file}' is damaged or incomplete. Copy it again from where it was exported."
        )
        raise IntegrityError(message, file=file, expected=digest.hex(), found=found.hex())
    header, start = _parse(whole[:_MAX_HEADER], file)
    try:
        # A view, not a copy: the windows of a large archive take much memory.
        with memoryview(whole)[start:] as encoded:
            value = msgspec.msgpack.decode(encoded, type=prepare_type(_Content))
    except (*DECODE_ERRORS, RecursionError) as error:
        raise _unreadable_error(file, is_other_format=True) from error
    if value.inventory.version != INVENTORY_VERSION:
        raise _unreadable_error(file, is_other_format=True)
    content = SeekIndexFile(header=header, inventory=value.inventory, index=value.index)
    problem = _find_header_problem(header) or find_problem(
        header.archive.size, content.inventory, content.index
    )
    if problem is not None:
        message = f"The seek index '{file}' has {problem}, so it was not used. Export it again."
        raise FormatError(message, file=file)
    return content


def _parse(start: bytes, file: str) -> tuple[SeekIndexHeader, int]:
    """Return the header at the start of a file, and where it ends."""
    begin = start.find(b"\n{") + 1
    end = start.find(b"\n", begin)
    if not begin or end < 0:
        raise _unreadable_error(file, is_other_format=False)
    try:
        header = msgspec.json.decode(start[begin:end], type=prepare_type(SeekIndexHeader))
    except (*DECODE_ERRORS, RecursionError) as error:
        raise _unreadable_error(file, is_other_format=True) from error
    return header, end + 1


def _unreadable_error(file: str, *, is_other_format: bool) -> FormatError:
    message = (
        f"'{file}' is a seek index that this version cannot read. Export it again with this version."
        if is_other_format
        else f"'{file}' is not a seek index. Specify a file that `decnef seek-index export` wrote."
    )
    return FormatError(message, file=file)


def _find_header_problem(header: SeekIndexHeader) -> str | None:
    """Return what cannot be true of an archive, as the end of a sentence."""
    archive = header.archive
    is_possible = (
        is_file_name(archive.file)
        and bool(archive.checksums)
        and all(map(is_checksum, archive.checksums))
        and bool(archive.windows)
        and all(0 <= window.start < window.stop <= archive.size for window in archive.windows)
    )
    return None if is_possible else "an impossible description of its archive"
