"""The values of an index: what a crawl of a mirror reports about its files, and the match of each dataset."""

from datetime import UTC, datetime
from typing import Literal

import msgspec

__all__ = ["IndexItem", "Match", "Verdict", "utc_timestamp"]

Verdict = Literal["confirmed", "corrected", "found", "doubtful", "missing"]


# The garbage collector need not visit items: an index has very many, and they are in no cycle.
class IndexItem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="item"):
    """One file or container of a mirror, as the mirror reports it.

    ``path`` is relative to the top of the mirror; ``identity`` is a file handle or ETag, which changes when
    the bytes do; ``unmet`` are the access ``requirements`` that the user has not met; ``problem`` is why a
    field is not known; ``seen`` is when a link last answered.  ``None`` is unknown.
    """

    id: str
    kind: str
    name: str
    path: str
    version: int | None = None
    modified: str | None = None
    size: int | None = None
    checksum: str | None = None
    identity: str | None = None
    restriction: str | None = None
    requirements: tuple[int, ...] = ()
    unmet: tuple[int, ...] = ()
    expires: str | None = None
    seen: str | None = None
    problem: str | None = None

    @property
    def is_file(self) -> bool:
        """Whether it is known to have bytes; a link that never answered is not."""
        return self.kind == "file" or self.seen is not None


class Match(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The result of a crawl for one dataset.

    The id in the records is ``confirmed`` or ``corrected``; the verdict is ``found`` if the records have
    none, ``doubtful`` if title and layout are not conclusive, and ``missing`` if nothing has its title.
    """

    dataset: str
    verdict: Verdict
    why: str
    id: str | None = None
    recorded: str | None = None
    path: str | None = None
    files: int = 0
    size: int | None = None
    archive: str | None = None
    checksum: str | None = None

    @property
    def resolved(self) -> bool:
        """Whether the verdict is certain enough for the id to be used."""
        return self.verdict in {"confirmed", "corrected", "found"}


def utc_timestamp() -> str:
    """Return the current time as an index states it: in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
