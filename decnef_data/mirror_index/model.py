"""The results of a crawl of a mirror, as frozen values, one of them the first line of an index."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from decnef_data.mirrors import Credentials
from decnef_data.mirrors.rate_limiter import RateLimiter
from decnef_data.model import CountProgress
from decnef_data.model.index import IndexItem, Match


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
        # Sizes are unknown of files that the user may not read, and after a crawl without checksums.
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
    # With the slash, or the folder `data` would contain `data_2`.
    return item.id == match.id or (match.path is not None and item.path.startswith(f"{match.path}/"))


def _relative_path(item: IndexItem, top: str) -> str:
    """Return the path of `item` relative to `top`; its name if it is `top` itself."""
    # As `find` of the mirror names them, so that an audit can compare them by path.
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
    client_cache
        The folder for files of the mirrors' client libraries.
    rate_limiter
        The limit of requests per period.
    progress
        The display of the progress.
    offline
        Whether connections are forbidden.
    """

    root: Path
    credentials: Credentials
    client_cache: Path
    rate_limiter: RateLimiter
    progress: CountProgress
    offline: bool = False
