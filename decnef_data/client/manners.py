"""How a request is served."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Manner:
    """From which mirror, by which lock, and what may happen on the way."""

    mirror: str = "auto"
    download: bool = True
    keep_archive: bool = True
    strict: bool = True
    accept_terms: bool = False
    progress: str = "auto"
    frozen: Path | None = None
