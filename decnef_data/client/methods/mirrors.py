"""Mirrors: index their contents, probe and audit them."""

from decnef_data.arguments import checked
from decnef_data.client.base import ClientBase
from decnef_data.client.notes import index_note
from decnef_data.client.options import StrPath, expand_path
from decnef_data.client.resolve import is_offline
from decnef_data.errors import SelectionError
from decnef_data.file_cache import FileCache
from decnef_data.mirror_index import CrawlContext, Index, crawl_mirror, load_index
from decnef_data.mirror_index import audit as audits
from decnef_data.mirror_index.audit import Audit
from decnef_data.mirror_index.overlay import write_records
from decnef_data.mirror_index.status import MirrorStatus, get_mirror_status
from decnef_data.mirrors import Credentials
from decnef_data.mirrors.rate_limiter import RateLimiter
from decnef_data.model import Mirror
from decnef_data.progress import add_note, begin_request, create_count_progress


class MirrorMethods(ClientBase):
    """Mirrors: index their contents, probe and audit them."""

    @checked
    def index(
        self,
        mirror: str = "synapse",
        *,
        offline: bool = False,
        checksums: bool = True,
        records: StrPath | None = None,
        progress: str = "auto",
    ) -> Index:
        """Crawl a mirror and save an index of its files, matched to datasets.

        Crawling Synapse lists every entity of the project with its version, path, size, MD5, date and
        restrictions, within the rate limits of Synapse; an interrupted crawl resumes.  The entities are
        matched to the datasets, and ids that are confirmed are used from then on.  Crawling ATR records the
        responses to your personal links, never the links themselves.

        Parameters
        ----------
        mirror
            ``"synapse"`` or ``"atr"``.
        offline
            Whether to return the index of the last crawl without network access.
        checksums
            Whether to request sizes and checksums too, which takes one request per new or changed file;
            everything else takes one per 50 files.
        records
            A folder to write ``mirrors/<mirror>.toml`` to, for a maintainer to commit;
            ``Records.load(folder)`` reads it.  ``None`` means no folder.
        progress
            How progress is shown: ``"bars"`` on standard error, ``"lines"`` in the log, ``"json"`` (one event
            per line on standard error), ``"none"``, or ``"auto"``, which means bars on a terminal and in a
            notebook, and lines otherwise.

        Returns
        -------
        Index
            The entities of the mirror, the match of each dataset, and the changes since the previous crawl.

        Raises
        ------
        AccessError
            There is no login or personal link, or the mirror refuses it.
        MirrorError
            The mirror does not respond, or ``DECNEF_OFFLINE`` is set; what was found so far is kept.
        SelectionError
            There is no such mirror, or it cannot be crawled; or there is no index yet, and `offline` is set.

        Examples
        --------
        >>> import tempfile
        >>> from decnef_data import Client
        >>> client = Client(tempfile.mkdtemp())
        >>> client.index("synapse", offline=True)
        Traceback (most recent call last):
        decnef_data.errors.SelectionError: There is no index of 'synapse' yet.
        Run `decnef_data.index('synapse')`.
        """
        record = self.records.mirror(mirror)
        found = self._last_index(record.name) if offline else self._crawl(record, checksums, progress)
        if records is not None:
            write_records(record, found, expand_path(records))
        return found

    def _last_index(self, mirror: str) -> Index:
        """Return the index of the last crawl, without a connection."""
        found = load_index(self.data_dir, mirror)
        if found is None:
            message = f"There is no index of '{mirror}' yet. Run `decnef_data.index('{mirror}')`."
            raise SelectionError(message, requested=mirror)
        return found

    def _crawl(self, mirror: Mirror, checksums: bool, progress: str) -> Index:
        context = CrawlContext(
            self.data_dir,
            Credentials(self.config_dir),
            self._resolver.mirror_client_cache,
            RateLimiter(),
            create_count_progress(progress),
            offline=is_offline(),
        )
        begin_request(progress)
        found = crawl_mirror(mirror, self.records.datasets, context, checksums=checksums)
        add_note(progress, lambda: index_note(found))
        return found

    @checked
    def probe(self, mirror: str | None = None) -> tuple[MirrorStatus, ...]:
        """Check by a small request whether each mirror responds, how fast, and with which credentials.

        Only kind and location of credentials are reported.  A mirror that does not respond is not an error
        here.  With ``DECNEF_OFFLINE`` no mirror is contacted.

        Parameters
        ----------
        mirror
            The mirror, by name; ``None`` means all mirrors.

        Returns
        -------
        tuple of MirrorStatus
            One item per mirror: whether it responds, the time in seconds, the user, the credentials, and the
            datasets that it provides.

        Raises
        ------
        SelectionError
            There is no such mirror.

        Examples
        --------
        >>> import tempfile
        >>> from decnef_data import Client
        >>> client = Client(tempfile.mkdtemp())
        >>> client.probe("folder")[0].title
        'Archives and folders on this machine'
        """
        mirrors = self.records.mirrors if mirror is None else (self.records.mirror(mirror),)
        adopted = FileCache(self.data_dir).adopted_paths()
        credentials = Credentials(self.config_dir)
        online = not is_offline()
        return tuple(
            get_mirror_status(
                record, self.records.datasets, credentials, self.data_dir, adopted, online=online
            )
            for record in mirrors
        )

    @checked
    def audit(
        self,
        name: str,
        *,
        deep: bool = False,
    ) -> Audit:
        """Compare what the mirrors list for a dataset with each other and with the local files.

        No mirror is contacted: their lists are those of the catalog and of :func:`index`.

        Parameters
        ----------
        name
            The dataset, by name, alias or title.
        deep
            Whether to hash local files with MD5 where mirrors list one and no download has computed it.

        Returns
        -------
        Audit
            The sources, and one comparison per file and pair of sources; ``differs`` is whether any two
            contradict each other.

        Raises
        ------
        SelectionError
            There is no such dataset.

        Examples
        --------
        >>> import tempfile
        >>> from decnef_data import Client
        >>> client = Client(tempfile.mkdtemp())
        >>> client.audit("srpbs-fc").differs
        False
        """
        dataset = self.records.dataset(name)
        return audits.audit(dataset, self.records.mirrors, self.data_dir, deep=deep)
