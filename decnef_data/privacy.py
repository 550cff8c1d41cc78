"""Keeps participants' data out of repositories and off other machines, unless the user allows it."""

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from decnef_data.errors import AccessError
from decnef_data.model import Dataset

__all__ = ["exposure_reason", "is_remote", "require_private"]

#: What marks the top folder of a checkout, whose files are one command away from a public place.
_CHECKOUTS = {".git": "Git", ".hg": "Mercurial", ".svn": "Subversion", ".jj": "Jujutsu"}
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
#: ``host:path`` and ``user@host:path``, as scp, rsync and rclone write them; a drive is a single letter.
_HOST_PATH = re.compile(r"[^/\\:]{2,}:")


def require_private(destination: str | Path, dataset: Dataset, *, i_may_share: bool = False) -> None:
    """Refuse to write data of `dataset` to a checkout of a repository, or to another machine.

    Parameters
    ----------
    destination
        Where an export is about to write: a path, a URL or ``host:path``.
    dataset
        The dataset of the data; a redistributable one may be written anywhere.
    i_may_share
        Whether the user states that they may share the data.

    Raises
    ------
    AccessError
        The destination is exposed; the message says why, and how to write there nevertheless.

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
    reason = exposure_reason(destination)
    if reason is None:
        return
    message = (
        f"'{destination}' {reason}, and the terms of '{dataset.name}' do not permit sharing its data. "
        "Export to a private folder, or add --i-may-share (i_may_share=True) if you have permission."
    )
    raise AccessError(message, dataset=dataset.name)


def exposure_reason(destination: str | Path) -> str | None:
    """Return why others may read a destination, as the rest of a sentence; ``None`` if they may not.

    Examples
    --------
    >>> exposure_reason("s3://bucket/cube.zarr")
    'is on another machine'
    """
    remote = "is on another machine" if is_remote(str(destination)) else None
    return remote or _checkout_reason(_local_path(destination))


def is_remote(destination: str) -> bool:
    """Return whether a destination is a path or URL on another machine.

    Examples
    --------
    >>> is_remote("s3://bucket/scans"), is_remote("host:scans"), is_remote("C:/scans"), is_remote("scans")
    (True, True, False, False)
    """
    scheme = destination.partition(":")[0].lower()
    return scheme != "file" and bool(_URL.match(destination) or _HOST_PATH.match(destination))


def _local_path(destination: str | Path) -> Path:
    """Convert a destination to a path; ``file:`` URLs are accepted."""
    is_url = str(destination).lower().startswith("file:")
    return Path(unquote(urlsplit(str(destination)).path)) if is_url else Path(destination)


def _checkout_reason(destination: Path) -> str | None:
    """Return which checkout contains the destination, before or after links are resolved."""
    absolute = destination.expanduser().absolute()
    for location in (absolute, absolute.resolve()):
        for folder in (location, *location.parents):
            for marker, kind in _CHECKOUTS.items():
                if (folder / marker).exists():
                    return f"is inside the {kind} checkout '{folder}'"
    return None
