"""The types of arguments that many methods share, and the options of a request that do not select data."""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from decnef_data.errors import SelectionError

StrPath = str | os.PathLike[str]
#: One name, or several.
Names = str | Iterable[str]
#: Conditions by coordinate: ranges as tuples, accepted values as lists, or one accepted value.
Where = Mapping[str, Any]
#: What codes in tables mean, by file or folder and column; "mri"; or the path of a TOML file.
Codes = Mapping[str, Any] | StrPath
#: The start of a URL, also where pathlib removed a slash; a drive has a single letter.
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/")


@dataclass(frozen=True, slots=True)
class FetchOptions:
    """Which mirror and lock a request uses, and what it may do."""

    mirror: str = "auto"
    download: bool = True
    keep_archive: bool = True
    strict: bool = True
    accept_terms: bool = False
    progress: str = "auto"
    lock_path: Path | None = None


def expand_path(path: StrPath) -> Path:
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
