"""Crawl, probe and audit the mirrors of a client."""

from dataclasses import dataclass
from pathlib import Path

from decnef_data import progress
from decnef_data.client import Client
from decnef_data.client.resolve import LocationResolver
from decnef_data.errors import SelectionError
from decnef_data.file_cache import FileCache
from decnef_data.mirror_index import CrawlContext, Index, crawl_mirror, load_index
from decnef_data.mirror_index.audit import Audit, audit
from decnef_data.mirror_index.overlay import write_records
from decnef_data.mirror_index.rate_limiter import RateLimiter
from decnef_data.mirror_index.status import MirrorStatus, get_mirror_status
from decnef_data.mirrors import Credentials


@dataclass(frozen=True, slots=True)
class MirrorIndexer:
    """The mirrors of one client, and the indexes of them in its cache."""

    client: Client

    def index(self, mirror: str, progress_kind: str, *, checksums: bool, records: Path | None) -> Index:
        """Crawl a mirror and save its index; with `records`, write its record to that folder too."""
        record = self.client.records.mirror(mirror)
        context = CrawlContext(
            self.client.root,
            self._credentials,
            self._resolver.mirror_client_cache,
            RateLimiter(),
            progress.create_count_progress(progress_kind),
        )
        index = crawl_mirror(record, self.client.records.datasets, context, checksums=checksums)
        if records is not None:
            write_records(record, index, records)
        return index

    def load_last(self, mirror: str, records: Path | None) -> Index:
        """Return the index of the last crawl, without a connection.

        Raises
        ------
        SelectionError
            The mirror was never crawled.
        """
        record = self.client.records.mirror(mirror)
        index = load_index(self.client.root, record.name)
        if index is None:
            message = f"There is no index of '{record.name}' yet. Run `decnef index {record.name}`."
            raise SelectionError(message, requested=mirror)
        if records is not None:
            write_records(record, index, records)
        return index

    def probe(self, mirror: str | None) -> tuple[MirrorStatus, ...]:
        """Report whether one mirror, or each of all, can be reached."""
        catalog = self.client.records
        mirrors = catalog.mirrors if mirror is None else (catalog.mirror(mirror),)
        adopted = FileCache(self.client.root).adopted_paths()
        return tuple(
            get_mirror_status(record, catalog.datasets, self._credentials, self.client.root, adopted)
            for record in mirrors
        )

    def audit(self, name: str, *, deep: bool) -> Audit:
        """Compare the mirrors' listings of a dataset with the files on disk."""
        catalog = self.client.records
        return audit(catalog.dataset(name), catalog.mirrors, self.client.root, deep=deep)

    @property
    def _credentials(self) -> Credentials:
        return Credentials(self.client.config)

    @property
    def _resolver(self) -> LocationResolver:
        return LocationResolver(self.client.records, self.client.root, self.client.config)
