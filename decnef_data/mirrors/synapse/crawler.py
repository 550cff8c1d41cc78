"""Crawl a Synapse project: its entities, the size and checksum of each file, and the access requirements.

There are three rounds, each with a few requests at a time: containers, page by page and level by level;
restrictions, fifty ids per request; size and MD5, one request per file, but only for files that no
earlier crawl has seen in this version.  Each response is written to the journal at once, so that an
interrupted crawl resumes where it stopped.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Final, Self, TypeVar

from msgspec.structs import replace

from decnef_data.disclosure import get_logger
from decnef_data.errors import AccessError, DecnefDataError, MirrorError
from decnef_data.mirrors.protocol import CrawlRequest, CrawlResult
from decnef_data.mirrors.rate_limiter import MAX_CONCURRENT_REQUESTS, RateLimiter
from decnef_data.mirrors.synapse.crawl_journal import (
    ContainerListing,
    CrawlJournal,
    EntityRestrictions,
    FileFacts,
    VersionKey,
)
from decnef_data.mirrors.synapse.listing import MAX_RESTRICTION_IDS, ListingService
from decnef_data.mirrors.synapse.matching import match_datasets
from decnef_data.mirrors.synapse.schemas import EntityHeader, Restriction, VersionInfo
from decnef_data.model import CountProgress, Mirror
from decnef_data.model.index import IndexItem
from decnef_data.model.names import is_shown

_LOG = get_logger(__name__)
_ItemT = TypeVar("_ItemT")
_ResultT = TypeVar("_ResultT")
_NOT_FOUND: Final = 404
_TOO_MANY_REQUESTS: Final = 429
# Of one request; a crawl that ends continues from its journal the next time.
_MAX_ATTEMPTS: Final = 4
_CONTAINER_KINDS: Final = frozenset({"project", "folder"})
_INVALID_NAME: Final = "Its name is not a valid file name."


def crawl_project(mirror: Mirror, service: ListingService, request: CrawlRequest) -> CrawlResult:
    """Crawl the project of `mirror`, and match its entities with the datasets.

    Raises
    ------
    AccessError
        There is no login, or Synapse refuses it; what was found so far is kept.
    MirrorError
        The record has no project, or Synapse does not answer; what was found so far is kept.
    """
    if mirror.address is None:
        message = f"The record of mirror '{mirror.name}' lists no project to index. Correct the record."
        raise MirrorError(message, mirror=mirror.name)
    journal = CrawlJournal.open(request.journal, mirror.address)
    try:
        items = _crawl_entities(mirror.name, mirror.address, service, journal, request)
    # Also after Ctrl-C, with which a crawl of many minutes may be ended.
    except (DecnefDataError, KeyboardInterrupt):
        _keep_or_remove(journal, mirror.name)
        raise
    finally:
        journal.close()
    return CrawlResult(items, match_datasets(mirror, request.datasets, items), journal.header.started)


def _crawl_entities(
    mirror: str, address: str, service: ListingService, journal: CrawlJournal, request: CrawlRequest
) -> tuple[IndexItem, ...]:
    # Before any thread starts, so that a refused login ends the crawl with one error.
    request.rate_limiter.acquire()
    service.log_in()
    request.rate_limiter.acquire()
    top = service.get_entity_header(address)
    # Keyed by version and date, so that a changed file is requested again.
    known_facts = {
        (item.id, item.version, item.modified): FileFacts(
            id=item.id, size=item.size, checksum=item.checksum, identity=item.identity
        )
        for item in request.previous
        if item.size is not None  # a file that was refused is requested again: access may be granted by now
    }
    with RequestBatcher(service, request.rate_limiter) as batcher:
        crawler = ProjectCrawler(mirror, batcher, journal, known_facts, request.progress)
        return crawler.crawl(top, checksums=request.checksums)


def _keep_or_remove(journal: CrawlJournal, mirror: str) -> None:
    """Log that an interrupted crawl can be resumed, if it had begun."""
    if journal.listings or journal.facts:
        _LOG.info("The results so far are kept. Rerun `decnef_data.index('%s')` to resume.", mirror)
    else:
        journal.remove()


@dataclass(frozen=True, slots=True)
class Refusal:
    """The reason why a request for one item was refused."""

    reason: str


class EntityRefusedError(Exception):
    """A request for one item was refused; the others can still be requested."""


class RequestBatcher:
    """Sends several requests at the same time, for as long as a ``with`` block lasts.

    Parameters
    ----------
    service
        The connection to Synapse, logged in.
    rate_limiter
        The limit of requests per period.
    """

    def __init__(self, service: ListingService, rate_limiter: RateLimiter) -> None:
        self.service = service
        self._rate_limiter = rate_limiter
        # Twice as many as can run, so that storing one response does not delay the next request.
        self._max_pending = 2 * MAX_CONCURRENT_REQUESTS
        self._executor = ThreadPoolExecutor(MAX_CONCURRENT_REQUESTS, "crawl")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._rate_limiter.stop()  # otherwise shutting down would wait for the threads that wait for a slot
        self._executor.shutdown(cancel_futures=True)

    def request(self, call: Callable[[], _ResultT]) -> _ResultT:
        """Send one request when the limiter allows it, and again after a pause if Synapse answers 429.

        Raises
        ------
        EntityRefusedError
            The item does not exist, or the user may not see it.
        AccessError
            Synapse no longer accepts the login.
        MirrorError
            Synapse does not answer, even after the retries.
        """
        attempts_left = _MAX_ATTEMPTS
        while True:
            attempts_left -= 1
            self._rate_limiter.acquire()
            try:
                return call()
            except MirrorError as error:
                if error.status == _NOT_FOUND:
                    raise EntityRefusedError(str(error)) from None
                if error.status != _TOO_MANY_REQUESTS or not attempts_left:
                    raise
                # Synapse counts per minute, so a sooner try would be refused as well.
                self._rate_limiter.pause()
            except AccessError as error:
                self._rate_limiter.acquire()
                self.service.check_login()  # if the login has ended, every other request would be refused too
                raise EntityRefusedError(str(error)) from None

    def map_unordered(
        self, function: Callable[[_ItemT], _ResultT], items: Iterable[_ItemT]
    ) -> Iterator[tuple[_ItemT, _ResultT | Refusal]]:
        """Call `function` for each of `items`, and yield the results in the order in which they finish."""
        pending: dict[Future[_ResultT | Refusal], _ItemT] = {}
        remaining = iter(items)
        while True:
            # Submitted little by little, or all requests of a large project would wait in memory.
            for item in islice(remaining, self._max_pending - len(pending)):
                pending[self._executor.submit(_call_or_refusal, function, item)] = item
            if not pending:
                return
            for done in wait(pending, return_when=FIRST_COMPLETED).done:
                yield pending.pop(done), done.result()


def _call_or_refusal(function: Callable[[_ItemT], _ResultT], item: _ItemT) -> _ResultT | Refusal:
    try:
        return function(item)
    except EntityRefusedError as error:
        return Refusal(str(error))


@dataclass(frozen=True, slots=True)
class ProjectCrawler:
    """The crawl of one project.

    Parameters
    ----------
    mirror
        The name of the mirror, for the progress.
    batcher
        Sends the requests.
    journal
        Keeps the responses until the crawl has ended.
    known_facts
        What earlier crawls recorded about versions that may still be current.
    progress
        The display of the progress.
    """

    mirror: str
    batcher: RequestBatcher
    journal: CrawlJournal
    known_facts: Mapping[VersionKey, FileFacts]
    progress: CountProgress

    def crawl(self, top: EntityHeader, *, checksums: bool) -> tuple[IndexItem, ...]:
        """Return everything in `top`, sorted by path; without `checksums`, no size or MD5 is requested."""
        items = self._list_tree(_build_item(top, ""))
        self._add_restrictions(items)
        # Last, because it takes one request per file, and the rounds before it are of use without it.
        if checksums:
            self._add_facts([item for item in items if item.kind == "file"])
        return tuple(sorted(map(self._join_item, items), key=lambda item: item.path))

    def _list_tree(self, root: IndexItem) -> list[IndexItem]:
        """List the containers, level by level."""
        items, level = [root], [root]
        self.progress.start(f"{self.mirror}: entities listed", None, 0)
        try:
            while level:
                children = list(self._list_level(level))
                items += children
                level = [item for item in children if item.kind in _CONTAINER_KINDS]
        finally:
            self.progress.finish()
        return items

    def _list_level(self, parents: Sequence[IndexItem]) -> Iterator[IndexItem]:
        paths = {parent.id: parent.path for parent in parents}
        # By id, because a resumed crawl has the listings of its journal, and requests only the others.
        new = [parent.id for parent in parents if parent.id not in self.journal.listings]
        for parent, result in self.batcher.map_unordered(self._list_container, new):
            listing = _build_listing(parent, result)
            self.journal.add(listing)
            self.progress.advance(len(listing.items))
        for parent, path in paths.items():
            for child in self.journal.listings[parent].items:
                yield replace(child, path=f"{path}/{child.name}" if path else child.name)

    def _list_container(self, parent: str) -> tuple[IndexItem, ...]:
        """Return the children of one container, page by page."""
        items: list[IndexItem] = []
        token: str | None = None
        while True:
            page = self.batcher.request(partial(self.batcher.service.get_children_page, parent, token))
            items += (_build_item(child, child.name) for child in page.page)
            token = page.next_page_token
            if not token:
                return tuple(items)

    def _add_restrictions(self, items: Sequence[IndexItem]) -> None:
        """Request the access requirements of each entity."""
        new = [item.id for item in items if item.id not in self.journal.restrictions]
        self.progress.start(f"{self.mirror}: restrictions", len(items), len(items) - len(new))
        try:
            for ids, result in self.batcher.map_unordered(self._get_restrictions, _batches(new)):
                # Items whose restrictions were refused stay in the index without them.
                for restrictions in result if isinstance(result, tuple) else ():
                    self.journal.add(restrictions)
                self.progress.advance(len(ids))
        finally:
            self.progress.finish()

    def _get_restrictions(self, ids: tuple[str, ...]) -> tuple[EntityRestrictions, ...]:
        """Request those of fifty entities; if one of them makes the request fail, of each alone."""
        try:
            result = self.batcher.request(lambda: self.batcher.service.get_restrictions(ids))
        except EntityRefusedError:
            if len(ids) == 1:
                return ()
            return tuple(restrictions for each in ids for restrictions in self._get_restrictions((each,)))
        return tuple(map(_build_restrictions, result))

    def _add_facts(self, files: Sequence[IndexItem]) -> None:
        """Request size and MD5 of each file that is not known in this version."""
        new = [item for item in files if self._find_facts(item) is None]
        self.progress.start(f"{self.mirror}: sizes and checksums", len(files), len(files) - len(new))
        try:
            for item, result in self.batcher.map_unordered(self._get_version_info, new):
                self.journal.add(_build_facts(item, result))
                self.progress.advance(1)
        finally:
            self.progress.finish()

    def _get_version_info(self, item: IndexItem) -> VersionInfo:
        return self.batcher.request(lambda: self.batcher.service.get_version_info(item.id))

    def _find_facts(self, item: IndexItem) -> FileFacts | None:
        version_key = (item.id, item.version, item.modified)
        return self.journal.facts.get(version_key) or self.known_facts.get(version_key)

    def _join_item(self, item: IndexItem) -> IndexItem:
        """Combine what the rounds found about one entity."""
        restrictions = self.journal.restrictions.get(item.id) or EntityRestrictions(id=item.id)
        facts = self._find_facts(item) or FileFacts(id=item.id)
        listing = self.journal.listings.get(item.id)
        return replace(
            item,
            size=facts.size,
            checksum=facts.checksum,
            identity=facts.identity,
            problem=item.problem or facts.problem or (listing.problem if listing else None),
            restriction=restrictions.restriction,
            requirements=restrictions.requirements,
            unmet=restrictions.unmet,
        )


def _build_item(entity: EntityHeader, path: str) -> IndexItem:
    # Listed all the same: an index shows what the project has, also what cannot be downloaded.
    is_invalid = entity.name in {"", ".", ".."} or "/" in entity.name or not all(map(is_shown, entity.name))
    return IndexItem(
        id=entity.id,
        kind=entity.kind,
        name=entity.name,
        path=path,
        version=entity.version_number,
        modified=entity.modified_on,
        problem=_INVALID_NAME if is_invalid else None,
    )


def _build_listing(parent: str, result: tuple[IndexItem, ...] | Refusal) -> ContainerListing:
    if isinstance(result, Refusal):
        return ContainerListing(parent=parent, items=(), problem=result.reason)
    return ContainerListing(parent=parent, items=result)


def _build_restrictions(restriction: Restriction) -> EntityRestrictions:
    return EntityRestrictions(
        id=restriction.id,
        restriction=restriction.level or None,
        requirements=restriction.requirement_ids,
        unmet=restriction.unmet_requirement_ids,
    )


def _build_facts(item: IndexItem, result: VersionInfo | Refusal) -> FileFacts:
    facts = FileFacts(id=item.id, version=item.version, modified=item.modified)
    if isinstance(result, Refusal):
        return replace(facts, problem=result.reason)
    return replace(facts, size=result.size, checksum=result.checksum, identity=result.file_handle_id)


def _batches(ids: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for start in range(0, len(ids), MAX_RESTRICTION_IDS):
        yield tuple(ids[start : start + MAX_RESTRICTION_IDS])
