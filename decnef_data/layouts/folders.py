"""The inventory of an unpacked folder: its files listed once, and kept beside the receipts."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from decnef_data.errors import SelectionError
from decnef_data.formats import nifti
from decnef_data.layouts.inventory import VERSION, Entry, Inventory, Scan, survey
from decnef_data.layouts.kept import read, write
from decnef_data.layouts.likeness import told
from decnef_data.layouts.recognizing import is_junk, place_of

__all__ = ["inventory", "listed", "refreshed"]


def inventory(root: Path, kept: Path, *, alike: bool = False) -> Inventory:
    """Give the inventory that is kept, if it is still that of `root`, else make it.

    A folder that holds people's folders has another time when one comes or goes; what changes inside
    a person's folder is seen when the file is opened.
    """
    known = read(kept, Inventory)
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
    known = read(kept, Inventory)
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
        write(kept, made)
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
    if scan.kind != "t1w" or scan.alike:
        return scan
    with (root / scan.files[0]).open("rb") as opened:

        def read(start: int, count: int) -> bytes:
            opened.seek(start)
            return opened.read(count)

        return told(scan, read)


def _is_current(known: Inventory, root: Path) -> bool:
    if (known.version, known.root) != (VERSION, str(root)):
        return False
    try:
        return all((root / folder).stat().st_mtime_ns == time for folder, time in known.folders.items())
    except OSError:
        return False
