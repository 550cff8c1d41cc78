"""The inventory of an unpacked folder: its files listed once, and kept beside the receipts."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import mkstemp
from typing import Final

import msgspec

from decnef_data.errors import SelectionError
from decnef_data.formats import nifti
from decnef_data.layouts.inventory import VERSION, Entry, Inventory, Scan, survey
from decnef_data.layouts.recognizing import is_junk, place_of

__all__ = ["inventory", "listed", "refreshed"]

#: A gzip file ends with the checksum and the length of its content.
_TRAILER: Final = 8
_SAMPLES, _SAMPLE = 16, 4096
_DECODER: Final = msgspec.msgpack.Decoder(Inventory)


def inventory(root: Path, kept: Path, *, alike: bool = False) -> Inventory:
    """Give the inventory that is kept, if it is still that of `root`, else make it.

    A folder that holds people's folders has another time when one comes or goes; what changes inside
    a person's folder is seen when the file is opened.
    """
    known = _read(kept)
    return known if known is not None and _is_current(known, root) else refreshed(root, kept, alike=alike)


def refreshed(root: Path, kept: Path, *, alike: bool = False) -> Inventory:
    """List every file again; headers are read where names, sizes or times are new.

    With `alike`, T1 images of the same content are told by what they have in common.

    Raises
    ------
    SelectionError
        There is no folder.
    """
    if not root.is_dir():
        message = f"'{root}' is no folder. Unpack the archive, and run `decnef adopt` with the folder."
        raise SelectionError(message, asked=str(root))
    folders: dict[str, int] = {}
    entries = list(listed(str(root), folders))
    known = _read(kept)
    scans, troubles = survey(
        entries,
        lambda path: nifti.head(root / path),
        known.scans if known and known.root == str(root) else (),
    )
    made = Inventory(
        version=VERSION,
        root=str(root),
        folders=folders,
        scans=tuple(_told(root, scan) for scan in scans) if alike else scans,
        troubles=troubles,
        files=len(entries),
        size=sum(entry.size for entry in entries),
    )
    with suppress(OSError):  # a cache that may only be read is listed again next time
        _write(made, kept)
    return made


def listed(root: str, folders: dict[str, int], below: str = "") -> Iterator[Entry]:
    """List the files, and note in `folders` when each folder was changed that is not inside a person's.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as root:
    ...     _ = Path(root, "participants.tsv").write_text("participant_id")
    ...     [entry.path for entry in listed(root, {})]
    ['participants.tsv']
    """
    if not below or place_of(f"{below}/rsfmri/vol_0") is None:
        folders[below] = os.stat(f"{root}/{below}").st_mtime_ns  # noqa: PTH116 - a path of text
    with os.scandir(f"{root}/{below}") as found:
        inside = sorted((entry for entry in found if not is_junk(entry.name)), key=lambda entry: entry.name)
    for entry in inside:
        path = f"{below}/{entry.name}" if below else entry.name
        if entry.is_dir(follow_symlinks=False):  # a link may lead back up
            yield from listed(root, folders, path)
        elif entry.is_file():
            status = entry.stat()
            yield Entry(path, status.st_size, status.st_mtime_ns)


def _told(root: Path, scan: Scan) -> Scan:
    """Sum up a T1 image: a gzipped file states the checksum of its content, of others some bytes are read."""
    if scan.kind != "t1w" or scan.alike:
        return scan
    path = root / scan.files[0]
    digest = hashlib.sha256(scan.header.signature if scan.header else b"")
    with path.open("rb") as opened:
        if scan.gzipped:
            opened.seek(-_TRAILER, os.SEEK_END)
            digest.update(opened.read())
        else:
            for place in range(_SAMPLES):
                opened.seek(scan.size * place // _SAMPLES)
                digest.update(opened.read(_SAMPLE))
    return msgspec.structs.replace(scan, alike=digest.hexdigest()[:32])


def _is_current(known: Inventory, root: Path) -> bool:
    if (known.version, known.root) != (VERSION, str(root)):
        return False
    try:
        return all((root / folder).stat().st_mtime_ns == time for folder, time in known.folders.items())
    except OSError:
        return False


def _read(kept: Path) -> Inventory | None:
    try:
        return _DECODER.decode(kept.read_bytes())
    except (FileNotFoundError, msgspec.DecodeError):  # of another version, or torn
        return None


def _write(made: Inventory, kept: Path) -> None:
    kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = mkstemp(prefix=f".{kept.name}.", dir=kept.parent)  # 0600
    try:
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(msgspec.msgpack.encode(made))
        Path(name).replace(kept)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
