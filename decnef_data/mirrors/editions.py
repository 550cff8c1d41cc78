"""What a walk learnt of one version of an entity, which never changes, so that it need not be asked again."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = ["Edition", "Known", "Made"]

#: An entity, its version, and when that was made.
Edition = tuple[str, int | None, str | None]


@dataclass(frozen=True, slots=True)
class Made:
    """Size, checksum (``algorithm:digest``) and file handle of one edition."""

    size: int
    checksum: str | None
    handle: str


#: Gives what is known, when it is first needed: reading an index takes a moment.
Known = Callable[[], Mapping[Edition, Made]]
