"""Crawl the mirrors and write what they hold to an index beside the cache, which is read offline."""

from decnef_data.disclosure import get_logger
from decnef_data.errors import AccessError, DecnefDataError, MirrorError, SelectionError
from decnef_data.mirror_index import journal
from decnef_data.mirror_index.journal import CrawlJournal, known_versions, load_index
from decnef_data.mirror_index.model import Change, CrawlContext, Index, IndexHeader, IndexItem, Match
from decnef_data.model import Dataset, Mirror

__all__ = [
    "Change",
    "CrawlContext",
    "Index",
    "IndexItem",
    "Match",
    "crawl_mirror",
    "known_versions",
    "load_index",
]

_LOG = get_logger(__name__)


def crawl_mirror(
    mirror: Mirror, datasets: tuple[Dataset, ...], context: CrawlContext, *, checksums: bool = True
) -> Index:
    """Crawl `mirror`, publish its index, and return it with the changes since the previous crawl.

    Without `checksums`, no checksum or size is requested, and those of an earlier crawl are kept.

    Raises
    ------
    SelectionError
        The mirror has nothing to crawl.
    AccessError
        There is no login, or Synapse refuses it; what was found so far is kept.
    MirrorError
        The mirror does not answer; what was found so far is kept.
    """
    match mirror.protocol:
        case "synapse":
            return _crawl_synapse(mirror, datasets, context, checksums=checksums)
        case "https":
            return _crawl_links(mirror, datasets, context)
        case "folder":
            message = (
                f"Mirror '{mirror.name}' has nothing to index: it consists of the copies that you adopted. "
                "Run `decnef_data.cache()` to list them."
            )
            raise SelectionError(message, requested=mirror.name)


def _crawl_synapse(
    mirror: Mirror, datasets: tuple[Dataset, ...], context: CrawlContext, *, checksums: bool
) -> Index:
    if mirror.address is None:
        message = f"The record of mirror '{mirror.name}' lists no project to index. Correct the record."
        raise MirrorError(message, mirror=mirror.name)
    crawl_journal = CrawlJournal.open(journal.journal_path(context.root, mirror.name), mirror.address)
    try:
        items = _crawl_project(mirror, mirror.address, context, crawl_journal, checksums=checksums)
    except (DecnefDataError, KeyboardInterrupt):
        _keep_or_remove_journal(mirror, crawl_journal)
        raise
    finally:
        crawl_journal.close()
    from decnef_data.mirror_index.matching import match_datasets  # imports requests

    matches = match_datasets(mirror, datasets, items)
    header = _build_header(mirror, context, crawl_journal.header.started, matches)
    index = journal.publish_index(context.root, header, items)
    crawl_journal.remove()
    return index


def _keep_or_remove_journal(mirror: Mirror, crawl_journal: CrawlJournal) -> None:
    """Log that an interrupted crawl can be resumed, if it had begun."""
    if crawl_journal.listings or crawl_journal.facts:
        _LOG.info("The results so far are kept. Rerun `decnef_data.index('%s')` to resume.", mirror.name)
    else:
        crawl_journal.remove()


def _crawl_project(
    mirror: Mirror, address: str, context: CrawlContext, crawl_journal: CrawlJournal, *, checksums: bool
) -> tuple[IndexItem, ...]:
    from decnef_data.mirror_index.synapse_crawler import ProjectCrawler, RequestBatcher
    from decnef_data.mirrors.synapse.listing import ListingService  # imports requests

    service = ListingService(mirror, context.credentials, context.synapse_cache)
    context.rate_limiter.acquire()
    service.log_in()
    context.rate_limiter.acquire()
    top = service.get_entity_header(address)
    known_facts = journal.load_known_facts(context.root, mirror.name)
    with RequestBatcher(service, context.rate_limiter) as batcher:
        return ProjectCrawler(mirror.name, batcher, crawl_journal, known_facts, context.progress).crawl(
            top, checksums=checksums
        )


def _build_header(
    mirror: Mirror, context: CrawlContext, started: str, matches: tuple[Match, ...]
) -> IndexHeader:
    return IndexHeader(
        mirror=mirror.name,
        protocol=mirror.protocol,
        address=mirror.address,
        started=started,
        finished=journal.utc_timestamp(),
        calls=context.rate_limiter.request_count,
        matches=matches,
    )


def _crawl_links(mirror: Mirror, datasets: tuple[Dataset, ...], context: CrawlContext) -> Index:
    from decnef_data.mirror_index.link_crawler import probe_links
    from decnef_data.mirror_index.matching import match_links
    from decnef_data.mirrors.https import HttpsMirror  # imports requests

    mirror_datasets = tuple(dataset for dataset in datasets if mirror.find_holding(dataset.name))
    remote = HttpsMirror(mirror, context.credentials)
    earlier = load_index(context.root, mirror.name)
    started = journal.utc_timestamp()
    items = probe_links(remote, mirror_datasets, context.rate_limiter, earlier.items if earlier else ())
    if all(item.problem for item in items):
        tried = [
            item for dataset, item in zip(mirror_datasets, items, strict=True) if remote.is_ready(dataset)
        ]
        raise _no_answer_error(mirror, tried)
    matches = tuple(match_links(mirror_datasets, items))
    return journal.publish_index(context.root, _build_header(mirror, context, started, matches), items)


def _no_answer_error(mirror: Mirror, tried: list[IndexItem]) -> AccessError:
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
