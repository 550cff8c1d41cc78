"""The options of a request that do not select data."""

from dataclasses import dataclass
from pathlib import Path


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
