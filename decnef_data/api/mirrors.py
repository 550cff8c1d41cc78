"""Mirrors: index their contents, probe and audit them."""

# Generated from decnef_data/client/methods/mirrors.py by docs/_make/functions.py; do not edit.

from decnef_data.client import Client
from decnef_data.client.options import StrPath
from decnef_data.mirror_index import Index
from decnef_data.mirror_index.audit import Audit
from decnef_data.mirror_index.status import MirrorStatus


def index(
    mirror: str = "synapse",
    *,
    offline: bool = False,
    checksums: bool = True,
    records: StrPath | None = None,
    data_dir: StrPath | None = None,
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
    data_dir
        The cache folder; ``None`` means ``DECNEF_DATA_DIR`` if it is set, else the default cache folder of
        the operating system.
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
    >>> index("synapse", offline=True, data_dir=tempfile.mkdtemp())
    Traceback (most recent call last):
    decnef_data.errors.SelectionError: There is no index of 'synapse' yet.
    Run `decnef_data.index('synapse')`.
    """
    return Client.default(data_dir).index(
        mirror, offline=offline, checksums=checksums, records=records, progress=progress
    )


def probe(mirror: str | None = None, *, data_dir: StrPath | None = None) -> tuple[MirrorStatus, ...]:
    """Check by a small request whether each mirror responds, how fast, and with which credentials.

    Only kind and location of credentials are reported.  A mirror that does not respond is not an error
    here.  With ``DECNEF_OFFLINE`` no mirror is contacted.

    Parameters
    ----------
    mirror
        The mirror, by name; ``None`` means all mirrors.
    data_dir
        The cache folder; ``None`` means ``DECNEF_DATA_DIR`` if it is set, else the default cache folder of
        the operating system.

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
    >>> probe("folder", data_dir=tempfile.mkdtemp())[0].title
    'Archives and folders on this machine'
    """
    return Client.default(data_dir).probe(mirror)


def audit(name: str, *, deep: bool = False, data_dir: StrPath | None = None) -> Audit:
    """Compare what the mirrors list for a dataset with each other and with the local files.

    No mirror is contacted: their lists are those of the catalog and of :func:`index`.

    Parameters
    ----------
    name
        The dataset, by name, alias or title.
    deep
        Whether to hash local files with MD5 where mirrors list one and no download has computed it.
    data_dir
        The cache folder; ``None`` means ``DECNEF_DATA_DIR`` if it is set, else the default cache folder of
        the operating system.

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
    >>> audit("srpbs-fc", data_dir=tempfile.mkdtemp()).differs
    False
    """
    return Client.default(data_dir).audit(name, deep=deep)
