"""Pre-signed links from Synapse: requested just in time and in batches, and reused while they are valid.

Synapse counts each link as a download, limits the rate of requests, and lets links expire.  So one link
serves all parts of a file, and files share a call: those needed at the same moment, and as many of the
announced next files as will be downloaded within seconds.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from decnef_data.errors import MirrorError
from decnef_data.mirrors.http.links import Link, UnusableLinkError
from decnef_data.mirrors.synapse.schemas import SynapseObject, parse_response
from decnef_data.mirrors.synapse.service import Service

# More file handles in one request are refused by Synapse.
_MAX_BATCH = 100
_EXPIRY_MARGIN = 5.0
#: Links are prefetched for so many bytes of upcoming files; on a slow line some expire unused.
_PREFETCH_BYTES = 16 << 20

FileHandleKey = tuple[str, str]
LinkRequester = Callable[[Sequence[FileHandleKey]], Mapping[FileHandleKey, Link | Exception | None]]


class _FileResult(SynapseObject, frozen=True):
    file_handle_id: str | None = None
    pre_signed_url: str | None = msgspec.field(default=None, name="preSignedURL")
    failure_code: str | None = None

    def __repr__(self) -> str:
        return "<result with a hidden link>"


class _BatchFileResult(SynapseObject, frozen=True):
    requested_files: tuple[_FileResult, ...]


def get_presigned_urls(
    service: Service, keys: Sequence[FileHandleKey]
) -> dict[FileHandleKey, Link | Exception | None]:
    """Request the pre-signed links of entities and their file handles, which Synapse counts as downloads.

    ``None`` stands for a link that is not granted, an error for one that cannot be provided.
    """
    requested = [
        {"fileHandleId": handle, "associateObjectId": entity, "associateObjectType": "FileEntity"}
        for entity, handle in keys
    ]
    request = {"requestedFiles": requested, "includePreSignedURLs": True, "includeFileHandles": False}
    results = parse_response(
        service.post("/fileHandle/batch", request, use_file_service=True), _BatchFileResult
    ).requested_files
    by_handle = {result.file_handle_id: result for result in results}
    return {
        (entity, handle): _parse_presigned_url(by_handle.get(handle, _FileResult()), entity)
        for entity, handle in keys
    }


def _parse_presigned_url(result: _FileResult, entity: str) -> Link | Exception | None:
    if result.failure_code == "NOT_FOUND":
        return MirrorError(f"Synapse no longer has the bytes of '{entity}'. Use another mirror.")
    try:
        return Link.parse(result.pre_signed_url) if result.pre_signed_url else None
    except UnusableLinkError as error:
        return error


@dataclass(frozen=True, slots=True)
class _CachedLink:
    link: Link | None
    error: Exception | None
    valid_until: float


class PresignedUrls:
    """A cache of the links that `request_links` returns for pairs of entity and file handle.

    Ages are measured with the monotonic clock, from when the link arrived: the user's clock may be wrong.
    """

    def __init__(self, request_links: LinkRequester) -> None:
        self._request_links = request_links
        self._cache: dict[FileHandleKey, _CachedLink] = {}
        self._queue: list[FileHandleKey] = []
        self._upcoming: dict[FileHandleKey, int] = {}
        self._in_flight: list[FileHandleKey] = []
        # Guards all of the above; notified when a batch has been answered.
        self._changed = threading.Condition()

    def set_upcoming(self, upcoming: Mapping[FileHandleKey, int]) -> None:
        """Set which links are needed next, in this order, and how many bytes their files have."""
        with self._changed:
            self._upcoming = dict(upcoming)

    def get(self, key: FileHandleKey) -> Link | None:
        """Return a valid link; ``None`` if Synapse does not provide one.

        Raises what `request_links` raised or returned.
        """
        with self._changed:
            self._upcoming.pop(key, None)
            cached = self._get_valid(key)
            if cached is None:
                self._enqueue(key)  # at once, so that a batch that another thread starts now contains it
        if cached is None:
            cached = self._request_or_wait(key)
        if cached.error is not None:
            raise cached.error.with_traceback(None)
        return cached.link

    def _request_or_wait(self, key: FileHandleKey) -> _CachedLink:
        """Request a link, or wait for the thread that is already requesting links."""
        while True:
            with self._changed:
                cached = self._get_valid(key)
                if cached is not None:
                    return cached
                self._enqueue(key)
                if self._in_flight:
                    self._changed.wait()
                    continue
                self._in_flight, self._queue = self._queue[:_MAX_BATCH], self._queue[_MAX_BATCH:]
                self._in_flight += self._take_upcoming(_MAX_BATCH - len(self._in_flight))
            # Outside of the lock, so that other threads can queue for the next batch meanwhile.
            self._request_batch(self._in_flight)

    def _enqueue(self, key: FileHandleKey) -> None:
        if key not in self._queue and key not in self._in_flight:
            self._queue.append(key)

    def discard(self, key: FileHandleKey, link: Link) -> None:
        """Remove a refused link, unless it was renewed meanwhile."""
        with self._changed:
            cached = self._cache.get(key)
            if cached is not None and cached.link is link:
                del self._cache[key]

    def _take_upcoming(self, limit: int) -> list[FileHandleKey]:
        """Remove and return the upcoming links that will be used soon."""
        selected: list[FileHandleKey] = []
        size = 0
        while self._upcoming and len(selected) < limit:
            key = next(iter(self._upcoming))
            size += self._upcoming[key]
            if size > _PREFETCH_BYTES:
                break
            del self._upcoming[key]
            if key not in self._in_flight and self._get_valid(key) is None:
                selected.append(key)
        return selected

    def _request_batch(self, batch: list[FileHandleKey]) -> None:
        results: Mapping[FileHandleKey, Link | Exception | None] = {}
        try:
            results = self._request_links(batch)
        except Exception as error:  # noqa: BLE001 - raised again in each waiting thread
            results = dict.fromkeys(batch, error)
        finally:
            with self._changed:
                self._in_flight = []
                self._store(batch, results)
                self._changed.notify_all()

    def _store(
        self, batch: list[FileHandleKey], results: Mapping[FileHandleKey, Link | Exception | None]
    ) -> None:
        now = time.monotonic()
        for expired_key in [key for key, cached in self._cache.items() if cached.valid_until <= now]:
            del self._cache[expired_key]
        for key in batch:
            result = results.get(key)
            if isinstance(result, Link):
                self._cache[key] = _CachedLink(result, None, now + _usable_lifetime(result))
            else:  # long enough for the waiting threads to see it; later ones request again
                self._cache[key] = _CachedLink(None, result, now + 0.1)

    def _get_valid(self, key: FileHandleKey) -> _CachedLink | None:
        cached = self._cache.get(key)
        if cached is None or cached.valid_until <= time.monotonic():
            return None
        return cached


def _usable_lifetime(link: Link) -> float:
    """Return how long to use a link: a little less than its lifetime; if unknown, until it is refused."""
    return (
        max(link.lifetime - _EXPIRY_MARGIN, min(link.lifetime, 1.0))
        if link.lifetime is not None
        else float("inf")
    )
