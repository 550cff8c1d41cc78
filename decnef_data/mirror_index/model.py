"""The results of a crawl of a mirror, as frozen values; some of them are the lines of an index."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from decnef_data.mirror_index.rate_limiter import RateLimiter
from decnef_data.mirrors import Credentials
from decnef_data.progress import CountProgress

Verdict = Literal["confirmed", "corrected", "found", "doubtful", "missing"]


class IndexItem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="item"):
    """One entity of a project, or one file behind a link, as the mirror reports it.

    ``path`` is relative to the project; ``identity`` is a file handle or ETag, which changes when the
    bytes do; ``unmet`` are the access ``requirements`` that the user has not met; ``problem`` is why a
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


class IndexHeader(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="index"):
    """The first line of an index: what was crawled, when, and which datasets were matched."""

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
    """One difference between two crawls of a mirror."""

    kind: Literal["new", "gone", "changed"]
    id: str
    path: str
    what: str


@dataclass(frozen=True, slots=True)
class Index:
    """The items that a crawl of a mirror found, and the changes since the previous crawl.

    ``changes`` is ``None`` at the first crawl, ``calls`` the number of requests that the crawl took, and
    ``file`` the path of the index.
    """

    mirror: str
    address: str | None
    started: str
    finished: str
    calls: int
    file: Path
    items: tuple[IndexItem, ...]
    matches: tuple[Match, ...]
    changes: tuple[Change, ...] | None = None

    @property
    def files(self) -> int:
        """The number of files."""
        return sum(item.is_file for item in self.items)

    @property
    def size(self) -> int:
        """The total size of the files whose size is known, in bytes."""
        return sum(item.size or 0 for item in self.items)

    def _repr_html_(self) -> str:
        from decnef_data.display.comparisons import index_html

        matches = [(match.dataset, match.verdict, match.files, match.why) for match in self.matches]
        return index_html(self.mirror, len(self.items), self.finished, matches)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:  # noqa: ARG002
        from decnef_data.display.elements import mime_bundle

        return mime_bundle(self._repr_html_())

    def match(self, dataset: str) -> Match | None:
        """Return the match of `dataset`, or ``None``."""
        return next((match for match in self.matches if match.dataset == dataset), None)

    def matched_files(self, match: Match) -> tuple[IndexItem, ...]:
        """Return the files of the dataset of `match`, with paths relative to the matched entity."""
        return tuple(
            msgspec.structs.replace(item, path=_relative_path(item, match.path or ""))
            for item in self.items
            if item.is_file and _is_part_of(item, match)
        )


def _is_part_of(item: IndexItem, match: Match) -> bool:
    """Whether `item` is the matched entity, or inside it."""
    return item.id == match.id or (match.path is not None and item.path.startswith(f"{match.path}/"))


def _relative_path(item: IndexItem, top: str) -> str:
    """Return the path of `item` relative to `top`; its name if it is `top` itself."""
    return item.path.removeprefix(f"{top}/") if item.path != top else item.name


@dataclass(frozen=True, slots=True)
class CrawlContext:
    """The settings and services that a crawl needs.

    Parameters
    ----------
    root
        The cache folder, in which the index is written.
    credentials
        The user's tokens and links.
    synapse_cache
        The folder for synapseclient's own files.
    rate_limiter
        The limit of requests per period.
    progress
        The display of the progress.
    """

    root: Path
    credentials: Credentials
    synapse_cache: Path
    rate_limiter: RateLimiter
    progress: CountProgress
