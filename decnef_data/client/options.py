"""The types of arguments that many methods share, and the options of a request that do not select data."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from decnef_data.cache_folder import expand_path

__all__ = ["Codes", "FetchOptions", "Names", "StrPath", "Where", "expand_path"]

StrPath = str | os.PathLike[str]
#: One name, or several.
Names = str | Iterable[str]
#: Conditions by coordinate: ranges as tuples, accepted values as lists, or one accepted value.
Where = Mapping[str, Any]
#: What codes in tables mean, by file or folder and column; "mri"; or the path of a TOML file.
Codes = Mapping[str, Any] | StrPath


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
