"""Facts about versions of files that a crawl recorded and that, as versions never change, stay valid."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = ["FileVersion", "KnownVersionsLoader", "VersionKey"]

#: An entity, its version, and when that version was modified.
VersionKey = tuple[str, int | None, str | None]


@dataclass(frozen=True, slots=True)
class FileVersion:
    """Size, checksum (``algorithm:digest``) and file handle of one version."""

    size: int
    checksum: str | None
    handle: str


#: Returns the known versions. Called when they are first needed, because reading an index takes a moment.
KnownVersionsLoader = Callable[[], Mapping[VersionKey, FileVersion]]
