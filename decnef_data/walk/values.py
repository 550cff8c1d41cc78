"""What a walk of a mirror finds, as frozen values; the lines of an index are some of them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

Verdict = Literal["confirmed", "corrected", "found", "doubtful", "missing"]


class Item(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="item"):
    """One entity of a project, or one file behind a link, as the mirror tells of it.

    ``path`` is below the project; ``identity`` a file handle or ETag, which changes when the bytes do;
    ``unmet`` those of the access ``requirements`` that the user has not met; ``problem`` why something
    of it is not known; ``seen`` when a link last answered.  ``None`` is unknown.
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
        """Whether it has bytes; a link that never answered is not known to."""
        return self.kind == "file" or self.seen is not None


class Match(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a walk says of one dataset.

    The id that the records give is ``confirmed`` or ``corrected``; ``found`` where they give none;
    ``doubtful`` where title and layout do not settle it; ``missing`` where nothing bears its title.
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
    def settled(self) -> bool:
        """Whether the id may be used."""
        return self.verdict in {"confirmed", "corrected", "found"}


class Header(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="index"):
    """The first line of an index: what was walked, when, and what of it is which dataset."""

    mirror: str
    protocol: str
    address: str | None
    started: str
    finished: str
    calls: int
    format: int = 1
    matches: tuple[Match, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between two walks of a mirror."""

    kind: Literal["new", "gone", "changed"]
    id: str
    path: str
    what: str


@dataclass(frozen=True, slots=True)
class Index:
    """What one walk of a mirror found; ``changes`` since the walk before, ``None`` at the first.

    ``calls`` is how many requests the walk took, and ``file`` where the index lies.
    """

    mirror: str
    address: str | None
    started: str
    finished: str
    calls: int
    file: Path
    items: tuple[Item, ...]
    matches: tuple[Match, ...]
    changes: tuple[Change, ...] | None = None

    @property
    def files(self) -> int:
        """How many files it lists."""
        return sum(item.is_file for item in self.items)

    @property
    def size(self) -> int:
        """The bytes of the files whose size is known."""
        return sum(item.size or 0 for item in self.items)

    def match(self, dataset: str) -> Match | None:
        """What the walk says of `dataset`."""
        return next((match for match in self.matches if match.dataset == dataset), None)

    def below(self, match: Match) -> tuple[Item, ...]:
        """The files that are the dataset of `match`, with paths below it."""
        return tuple(
            msgspec.structs.replace(item, path=relative(item, match.path or ""))
            for item in self.items
            if item.is_file and is_below(item, match)
        )


def is_below(item: Item, match: Match) -> bool:
    """Whether `item` is what was matched, or lies in it."""
    return item.id == match.id or (match.path is not None and item.path.startswith(f"{match.path}/"))


def relative(item: Item, top: str) -> str:
    """The path of `item` below `top`; its name where it is `top` itself."""
    return item.path.removeprefix(f"{top}/") if item.path != top else item.name
