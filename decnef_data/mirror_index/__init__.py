"""Crawl the mirrors and write what they hold to an index beside the cache, which is read offline."""

from decnef_data.mirror_index import journal
from decnef_data.mirror_index.journal import load_index, load_items
from decnef_data.mirror_index.model import Change, CrawlContext, Index, IndexHeader
from decnef_data.mirrors import connect
from decnef_data.mirrors.protocol import CrawlRequest
from decnef_data.model import Dataset, Mirror
from decnef_data.model.index import IndexItem, Match, utc_timestamp

__all__ = [
    "Change",
    "CrawlContext",
    "Index",
    "IndexItem",
    "Match",
    "crawl_mirror",
    "load_index",
    "load_items",
]


def crawl_mirror(
    mirror: Mirror, datasets: tuple[Dataset, ...], context: CrawlContext, *, checksums: bool = True
) -> Index:
    """Crawl `mirror`, publish its index, and return it with the changes since the previous crawl.

    Without `checksums`, no checksum or size is requested if that takes requests of its own, and those of an
    earlier crawl are kept.

    Raises
    ------
    SelectionError
        The mirror has nothing to crawl.
    AccessError
        There is no login, or the mirror refuses it; what was found so far is kept.
    MirrorError
        The mirror does not answer, or may not be contacted; what was found so far is kept.
    """
    remote = connect(mirror, context.credentials, client_cache=context.client_cache, offline=context.offline)
    started, kept = utc_timestamp(), journal.journal_path(context.root, mirror.name)
    previous = load_items(context.root, mirror.name)
    found = remote.index(
        CrawlRequest(datasets, context.rate_limiter, context.progress, kept, previous, checksums)
    )
    header = IndexHeader(
        mirror=mirror.name,
        protocol=mirror.protocol,
        address=mirror.address,
        started=found.started or started,  # a resumed crawl has begun before this call
        finished=utc_timestamp(),
        calls=context.rate_limiter.request_count,
        matches=found.matches,
    )
    index = journal.publish_index(context.root, header, found.items)
    kept.unlink(missing_ok=True)  # not before: a crawl that could not be written resumes
    return index
