"""Fingerprints of images: the same for images with the same content, however it is compressed.

They are those of T1 images and of the first file of each run.  Most images differ in their headers, which
were read before, and most others in a sample of their voxels.  Only the others are read completely.
"""

import hashlib
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import IO, Final, cast

import msgspec
from isal import igzip, isal_zlib

from decnef_data.layouts.imaging.inventory.scans import Scan
from decnef_data.path_text import unescape_path

__all__ = ["fingerprint", "stored_fingerprint", "with_fingerprints"]

#: 128 bits: images that differ do not agree in them by chance.
_LENGTH: Final = 32
_KINDS: Final = ("bold", "t1w")
_BLOCK_SIZE: Final = 1 << 20
#: A few rows of the middle slice, where the background of an image is not.
_SAMPLE_SIZE: Final = 4 << 10
#: What was compared of an image, as the first letter of its fingerprint: the middle, or everything before it.
_MIDDLE, _START = "m", "s"
#: Between the sample and the fingerprint of the complete content.
_SEPARATOR: Final = "-"
_DAMAGED: Final = (OSError, EOFError, zlib.error, isal_zlib.IsalError)


def fingerprint(content: bytes) -> str:
    """Return the fingerprint of an image from its decompressed content.

    Examples
    --------
    >>> fingerprint(b"")
    'e3b0c44298fc1c149afbf4c8996fb924'
    """
    return hashlib.sha256(content).hexdigest()[:_LENGTH]


def stored_fingerprint(content: bytes, crc32c: int) -> str:
    """Return a fingerprint of a member of an archive as it is stored, without reading all of it again.

    Parameters
    ----------
    content
        The bytes of the member.
    crc32c
        Their checksum, which was computed before.

    Examples
    --------
    >>> stored_fingerprint(b"", 0)
    '0-00000000-e4a6a0577479b2b4'
    """
    # A crc32c has 32 bits, in which images may agree by chance: the length and a sample must be equal, too.
    middle = len(content) // 2
    sample = _digest(content[middle : middle + _SAMPLE_SIZE])
    return f"{len(content):x}{_SEPARATOR}{crc32c:08x}{_SEPARATOR}{sample}"


def with_fingerprints(root: Path, scans: Sequence[Scan]) -> tuple[Scan, ...]:
    """Return the scans with a fingerprint for each image whose header is that of another one.

    A sample is read of each, and the complete content only where samples are the same.

    Parameters
    ----------
    root
        The folder to which the paths of the scans are relative.
    scans
        The scans; what their fingerprints have is not read again.

    Examples
    --------
    >>> with_fingerprints(Path("nowhere"), ())
    ()
    """
    images = [scan for scan in scans if scan.kind in _KINDS and scan.header is not None]
    found: dict[str, str] = {}
    for group in _group_alike(images, lambda scan: scan.header.signature if scan.header else b""):
        found |= _compare(root, group)
    return tuple(
        msgspec.structs.replace(scan, fingerprint=found[path])
        if scan.kind in _KINDS and (path := _first_file(scan)) in found
        else scan
        for scan in scans
    )


def _compare(root: Path, group: Sequence[Scan]) -> dict[str, str]:
    """Return the fingerprints of images with one header, by path: a sample, and the content if need be."""
    # The middle of a gzipped image cannot be read without everything before it.
    # One form for the group, so that an image and its gzipped copy have the same sample.
    form, read = (_START, _read_start) if any(scan.gzipped for scan in group) else (_MIDDLE, _read_middle)
    samples = {_first_file(scan): _known_sample(scan, form) or read(root, scan) for scan in group}
    found = dict(samples)
    for candidates in _group_alike(group, lambda scan: samples[_first_file(scan)].encode()):
        for scan in candidates:
            sample = samples[_first_file(scan)]
            is_complete = scan.fingerprint.startswith(f"{sample}{_SEPARATOR}")
            found[_first_file(scan)] = scan.fingerprint if is_complete else _read_content(root, scan, sample)
    return found


def _group_alike(images: Iterable[Scan], key: Callable[[Scan], bytes]) -> Iterator[list[Scan]]:
    """Yield the images with the same key, where there are several; an empty key is like no other."""
    keyed = sorted(((key(scan), scan) for scan in images), key=lambda pair: pair[0])
    for value, pairs in groupby(keyed, key=lambda pair: pair[0]):
        group = [scan for _, scan in pairs]
        if value and len(group) > 1:
            yield group


def _known_sample(scan: Scan, form: str) -> str:
    sample = scan.fingerprint.partition(_SEPARATOR)[0]
    return sample if sample.startswith(form) else ""


def _read_middle(root: Path, scan: Scan) -> str:
    """Read a sample from the middle of the first volume of a file that is not compressed."""
    try:
        # A buffer would read more than the sample.
        with _location(root, scan).open("rb", buffering=0) as stream:
            stream.seek(_middle(scan))
            return _MIDDLE + _digest(stream.read(_SAMPLE_SIZE))
    except _DAMAGED:  # reported when the image is read
        return ""


def _read_start(root: Path, scan: Scan) -> str:
    try:
        with _open_content(root, scan) as stream:
            # At most one block: a T1 image has its middle after megabytes, which would all be decompressed.
            return _START + _digest(stream.read(min(_middle(scan) + _SAMPLE_SIZE, _BLOCK_SIZE)))
    except _DAMAGED:
        return ""


def _read_content(root: Path, scan: Scan, sample: str) -> str:
    try:
        with _open_content(root, scan) as stream:
            digest = hashlib.sha256()
            while block := stream.read(_BLOCK_SIZE):
                digest.update(block)
            return f"{sample}{_SEPARATOR}{digest.hexdigest()[:_LENGTH]}"
    except _DAMAGED:
        return ""


def _middle(scan: Scan) -> int:
    """Return where the middle of the first volume is in its file."""
    if scan.header is None:
        return 0
    n_volumes = max(1, scan.volume_count // scan.file_count)
    return scan.header.offset + scan.header.nbytes // n_volumes // 2


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=8).hexdigest()


def _first_file(scan: Scan) -> str:
    return f"{scan.folder}/{scan.file_names.partition('/')[0]}"


def _location(root: Path, scan: Scan) -> Path:
    return root / unescape_path(_first_file(scan))


def _open_content(root: Path, scan: Scan) -> IO[bytes]:
    path = _location(root, scan)
    return cast("IO[bytes]", igzip.open(path, "rb")) if scan.gzipped else path.open("rb")
