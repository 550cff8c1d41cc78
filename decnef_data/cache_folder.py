"""The folder of the cache: the one that is passed, else that of the environment, else that of the system."""

import os
import re
from pathlib import Path
from typing import Final

import platformdirs

from decnef_data.errors import SelectionError

__all__ = ["APPLICATION", "expand_path", "resolve_cache_folder"]

APPLICATION: Final = "decnef-data"
#: The start of a URL, also where pathlib removed a slash; a drive has a single letter.
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/")


def resolve_cache_folder(data_dir: str | os.PathLike[str] | None = None) -> Path:
    """Return the cache folder.

    Examples
    --------
    >>> str(resolve_cache_folder("/data/cache"))
    '/data/cache'
    """
    return expand_path(
        data_dir or os.environ.get("DECNEF_DATA_DIR") or platformdirs.user_cache_path(APPLICATION)
    )


def expand_path(path: str | os.PathLike[str]) -> Path:
    """Return an absolute path, with the home directory for ``~``.

    Raises
    ------
    SelectionError
        It is a URL: as a path it would be a folder called ``s3:`` in the working directory.
    """
    url = _SCHEME.match(os.fspath(path))
    if url is None:
        return Path(path).expanduser().absolute()
    name = f"{url[1]}://..."  # the rest may contain a password or a signature
    message = (
        f"'{name}' is a URL, but a path on this machine is needed. Use a local folder or file; "
        "DECNEF_DATA_DIR or data_dir= sets the folder of the cache."
    )
    raise SelectionError(message, requested=name)
