"""Keeps data about single people from leaving for where others may read them, unless their user says so."""

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from decnef_data.errors import AccessError
from decnef_data.model import Dataset

__all__ = ["exposed", "is_remote", "require_private"]

#: What stands in the top folder of a checkout: its files are one command away from a public place.
_CHECKOUTS = {".git": "git", ".hg": "Mercurial", ".svn": "Subversion", ".jj": "Jujutsu"}
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
#: ``host:path`` and ``user@host:path``, as scp, rsync and rclone write them; a drive has one letter.
_REMOTE = re.compile(r"[^/\\:]{2,}:")


def require_private(destination: str | Path, dataset: Dataset, *, i_may_share: bool = False) -> None:
    """Refuse to write data of `dataset` to a checkout of a repository, or to another machine.

    Parameters
    ----------
    destination
        Where an export is about to write.
    dataset
        What the data are of; those that may be passed on go anywhere.
    i_may_share
        That the user says they may.

    Raises
    ------
    AccessError
        The destination is such a place; the message says why, and how to insist.

    Examples
    --------
    >>> import tempfile
    >>> from decnef_data.records import Records
    >>> dataset = Records.load().dataset("srpbs-fc")
    >>> require_private(Path(tempfile.mkdtemp(), "cube.zarr"), dataset)
    >>> require_private("s3://bucket/cube.zarr", dataset)
    Traceback (most recent call last):
    decnef_data.errors.AccessError: 's3://bucket/cube.zarr' is on another machine, ...
    """
    if dataset.redistributable or i_may_share:
        return
    where = exposed(destination)
    if where is None:
        return
    message = (
        f"'{destination}' {where}, and the terms of '{dataset.name}' forbid to pass its data on. "
        "Export to a private folder, or add --i-may-share (i_may_share=True) if you are allowed to."
    )
    raise AccessError(message, dataset=dataset.name)


def exposed(destination: str | Path) -> str | None:
    """Say how a destination lies open to others, as the rest of a sentence; ``None`` where it does not.

    Examples
    --------
    >>> exposed("s3://bucket/cube.zarr")
    'is on another machine'
    """
    remote = "is on another machine" if is_remote(str(destination)) else None
    return remote or _checkout(_path(destination))


def is_remote(destination: str) -> bool:
    """Whether a destination is written as a place on another machine.

    Examples
    --------
    >>> is_remote("s3://bucket/scans"), is_remote("host:scans"), is_remote("C:/scans"), is_remote("scans")
    (True, True, False, False)
    """
    scheme = destination.partition(":")[0].lower()
    return scheme != "file" and bool(_URL.match(destination) or _REMOTE.match(destination))


def _path(destination: str | Path) -> Path:
    """Read a path also where it is written as an address of a file."""
    is_address = str(destination).lower().startswith("file:")
    return Path(unquote(urlsplit(str(destination)).path)) if is_address else Path(destination)


def _checkout(destination: Path) -> str | None:
    """Name the checkout that the destination lies in, by its own path or where links lead."""
    written = destination.expanduser().absolute()
    for place in (written, written.resolve()):
        for folder in (place, *place.parents):
            for mark, kind in _CHECKOUTS.items():
                if (folder / mark).exists():
                    return f"lies in the {kind} checkout '{folder}'"
    return None
