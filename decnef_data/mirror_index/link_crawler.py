"""Crawl a mirror of personal links: record what each host reports about its file, and nothing of the link."""

from collections.abc import Iterable

from msgspec.structs import replace

from decnef_data.errors import DecnefDataError
from decnef_data.mirror_index import journal
from decnef_data.mirror_index.model import IndexItem
from decnef_data.mirror_index.rate_limiter import RateLimiter
from decnef_data.mirrors.https import HttpsMirror, LinkFacts
from decnef_data.model import Dataset


def probe_links(
    remote: HttpsMirror,
    datasets: Iterable[Dataset],
    rate_limiter: RateLimiter,
    previous_items: Iterable[IndexItem],
) -> tuple[IndexItem, ...]:
    """Request the facts behind the link of each dataset; without an answer, keep the previous ones."""
    previous = {item.id: item for item in previous_items}
    return tuple(
        _probe_link(remote, dataset, rate_limiter, previous.get(dataset.name)) for dataset in datasets
    )


def _probe_link(
    remote: HttpsMirror, dataset: Dataset, rate_limiter: RateLimiter, previous: IndexItem | None
) -> IndexItem:
    fallback = previous or IndexItem(id=dataset.name, kind="link", name=dataset.name, path=dataset.name)
    if not remote.is_ready(dataset):
        return replace(fallback, problem=f"No link for '{dataset.name}' is stored.")
    rate_limiter.acquire()
    try:
        return _build_item(dataset, remote.read_facts(dataset))
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
        seen=journal.utc_timestamp(),
    )
