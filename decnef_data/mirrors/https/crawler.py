"""Crawl a mirror of personal links: record what each host reports about its file, and nothing of the link."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from msgspec.structs import replace

from decnef_data.errors import AccessError, DecnefDataError
from decnef_data.mirrors.protocol import CrawlRequest, CrawlResult
from decnef_data.mirrors.rate_limiter import RateLimiter
from decnef_data.mirrors.titles import is_dataset_name
from decnef_data.model import Dataset, Mirror
from decnef_data.model.index import IndexItem, Match, utc_timestamp

__all__ = ["LinkFacts", "LinkReader", "crawl_links"]


@dataclass(frozen=True, slots=True)
class LinkFacts:
    """What the host of a link reports about its file; ``None`` if it does not."""

    name: str
    size: int | None
    etag: str | None
    modified: str | None
    expires: datetime | None


# Not HttpsMirror itself, which imports this module.
class LinkReader(Protocol):
    """Reads what the hosts of the links report."""

    def is_ready(self, dataset: Dataset) -> bool:
        """Whether a link to `dataset` is known."""

    def read_facts(self, dataset: Dataset) -> LinkFacts:
        """Return what the host of the link of `dataset` reports about its file."""


def crawl_links(mirror: Mirror, reader: LinkReader, request: CrawlRequest) -> CrawlResult:
    """Request the facts behind the link of each dataset; without an answer, keep the previous ones.

    Raises
    ------
    AccessError
        No link worked, or none is stored.
    """
    datasets = [dataset for dataset in request.datasets if mirror.find_holding(dataset.name)]
    previous = {item.id: item for item in request.previous}
    items = tuple(
        _probe_link(reader, dataset, request.rate_limiter, previous.get(dataset.name)) for dataset in datasets
    )
    # Without any answer there is no new index, and the previous one stays as it is.
    if all(item.problem for item in items):
        tried = [item for dataset, item in zip(datasets, items, strict=True) if reader.is_ready(dataset)]
        raise _no_answer_error(mirror, tried)
    return CrawlResult(items, tuple(_match_links(datasets, items)))


def _probe_link(
    reader: LinkReader, dataset: Dataset, rate_limiter: RateLimiter, previous: IndexItem | None
) -> IndexItem:
    # What a link led to is still worth knowing after it has expired.
    fallback = previous or IndexItem(id=dataset.name, kind="link", name=dataset.name, path=dataset.name)
    if not reader.is_ready(dataset):
        return replace(fallback, problem=f"No link for '{dataset.name}' is stored.")
    rate_limiter.acquire()
    try:
        return _build_item(dataset, reader.read_facts(dataset))
    except DecnefDataError as error:
        return replace(fallback, problem=str(error))


def _build_item(dataset: Dataset, facts: LinkFacts) -> IndexItem:
    return IndexItem(
        id=dataset.name,
        kind="link",
        name=facts.name,
        path=facts.name,
        size=facts.size,
        identity=facts.etag,
        modified=facts.modified,
        expires=facts.expires.isoformat(timespec="seconds") if facts.expires else None,
        seen=utc_timestamp(),
    )


def _match_links(datasets: Sequence[Dataset], items: Sequence[IndexItem]) -> Iterator[Match]:
    """Match each dataset with the file behind its personal link, by the name of the file."""
    for dataset, item in zip(datasets, items, strict=True):
        # Neither this crawl nor an earlier one got an answer.
        if item.seen is None:
            yield Match(dataset=dataset.name, verdict="missing", why=item.problem or "")
            continue
        has_dataset_name = is_dataset_name(item.name, dataset)
        description = "which matches by name" if has_dataset_name else "which does not match by name"
        yield Match(
            dataset=dataset.name,
            verdict="found" if has_dataset_name else "doubtful",
            why=f"The link points to '{item.name}', {description}.",
            path=item.path,
            id=item.id,
            files=1,
            size=item.size,
            archive=item.name,
        )


def _no_answer_error(mirror: Mirror, tried: Sequence[IndexItem]) -> AccessError:
    """Build the error that says which links failed and why, or how to store one if there is none."""
    if tried:
        problems = " ".join(item.problem or "" for item in tried)
        return AccessError(
            f"None of the links for mirror '{mirror.name}' worked. {problems}", mirror=mirror.name
        )
    message = (
        f"No personal link is stored for mirror '{mirror.name}'. "
        f"Run `decnef_data.login('{mirror.name}', LINK, dataset=NAME)` with the link that you received."
    )
    return AccessError(message, mirror=mirror.name)
