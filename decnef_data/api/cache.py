"""Local copies: adopt and verify them, and manage the cache."""

# Generated from decnef_data/client/methods/cache.py by docs/_make/functions.py; do not edit.

from typing import TYPE_CHECKING

from decnef_data.client import Client
from decnef_data.client.options import StrPath
from decnef_data.model import CachedDataset, CacheListing, PurgeRecord, Verification, VerifiedFile

if TYPE_CHECKING:
    import pooch


def adopt(
    name: str,
    path: StrPath,
    *,
    follow_links: bool = False,
    data_dir: StrPath | None = None,
    progress: str = "auto",
) -> tuple[VerifiedFile, ...]:
    """Register a copy that you already have, an archive or its unpacked folder, in place.

    Nothing is copied, moved or changed.  Every file is hashed once.  In a folder of images only the
    tables are hashed; images are listed by name, size, time and header until :func:`verify` hashes them
    (``deep=True``).

    Parameters
    ----------
    name
        The dataset, by name, alias or title.
    path
        The archive, or the folder that it was unpacked to; it stays where it is.
    follow_links
        Whether to follow symbolic links that lead out of the folder, now and whenever it is read again;
        links inside the folder are always followed.
    data_dir
        The cache folder; ``None`` means ``DECNEF_DATA_DIR`` if it is set, else the default cache folder of
        the operating system.
    progress
        How progress is shown: ``"bars"`` on standard error, ``"lines"`` in the log, ``"json"`` (one event
        per line on standard error), ``"none"``, or ``"auto"``, which means bars on a terminal and in a
        notebook, and lines otherwise.

    Returns
    -------
    tuple of VerifiedFile
        The files that were hashed, with location, size in bytes and checksums.

    Raises
    ------
    SelectionError
        There is no such dataset, or nothing at `path`, or the folder is empty.
    FormatError
        The file at `path` is neither a zip nor a tar archive.
    AccessError
        A symbolic link leads out of the folder, and `follow_links` is false.
    IntegrityError
        A file does not match its expected checksum or size.

    Examples
    --------
    >>> import tempfile
    >>> from decnef_data import download
    >>> data_dir = tempfile.mkdtemp()
    >>> archive = download("srpbs-fc", mirror="phantom", progress="none", data_dir=data_dir)
    >>> (file,) = adopt("srpbs-fc", archive, progress="none", data_dir=data_dir)
    >>> file.location == archive
    True
    """
    return Client.default(data_dir).adopt(name, path, follow_links=follow_links, progress=progress)


def verify(
    name: str,
    *,
    deep: bool = False,
    repair: bool = False,
    mirror: str = "auto",
    data_dir: StrPath | None = None,
    progress: str = "auto",
) -> Verification:
    """Verify local files and stores against their recorded checksums.

    Parameters
    ----------
    name
        The dataset, by name, alias or title.
    deep
        Whether to hash every file and store again instead of comparing sizes and modification times.
    repair
        Whether to hash everything and repair damage: of a damaged file, only the parts that differ are
        downloaded; a damaged store is removed, and rebuilt when it is opened.
    mirror
        The mirror that the files come from: ``"folder"`` (a copy that you adopted), ``"synapse"`` or
        ``"atr"``.  ``"auto"`` means any of these; a download uses the first that you have access to and
        that provides the files.  ``"synthetic"``, or ``"phantom"``, is synthetic data (a digital
        phantom), created on this machine; ``"auto"`` never selects it.
    data_dir
        The cache folder; ``None`` means ``DECNEF_DATA_DIR`` if it is set, else the default cache folder of
        the operating system.
    progress
        How progress is shown: ``"bars"`` on standard error, ``"lines"`` in the log, ``"json"`` (one event
        per line on standard error), ``"none"``, or ``"auto"``, which means bars on a terminal and in a
        notebook, and lines otherwise.

    Returns
    -------
    Verification
        One check per file or store, with its state: ``"intact"``, ``"changed"``, ``"missing"`` or
        ``"damaged"``, and whether its checksum was expected or recorded at first sight, and who else
        has the same file.  ``complete`` is whether all are intact.

    Raises
    ------
    SelectionError
        There is no such dataset or mirror, or no local copy of the dataset.
    AccessError, MirrorError, IntegrityError, FetchError
        No mirror can provide what the repair needs.

    Notes
    -----
    Adopted copies are verified, but never repaired.  `progress` concerns only the repair.

    Examples
    --------
    >>> from decnef_data import download
    >>> _ = download("srpbs-fc", mirror="phantom", progress="none")
    >>> verify("srpbs-fc", mirror="phantom").complete
    True
    """
    return Client.default(data_dir).verify(name, deep=deep, repair=repair, mirror=mirror, progress=progress)


def registry(name: str, *, mirror: str = "auto", data_dir: StrPath | None = None) -> "pooch.Pooch":
    """Return a pooch with a dataset's verified files: their folder, names and checksums.

    Of an adopted copy, the folder is the one that you adopted.

    Parameters
    ----------
    name
        The dataset, by name, alias or title.
    mirror
        The mirror that the files come from: ``"folder"`` (a copy that you adopted), ``"synapse"`` or
        ``"atr"``.  ``"auto"`` means any of these; a download uses the first that you have access to and
        that provides the files.  ``"synthetic"``, or ``"phantom"``, is synthetic data (a digital
        phantom), created on this machine; ``"auto"`` never selects it.
    data_dir
        The cache folder; ``None`` means ``DECNEF_DATA_DIR`` if it is set, else the default cache folder of
        the operating system.

    Returns
    -------
    pooch.Pooch
        The registry of the first complete local copy; it is empty if there is none.  It has no base URL,
        so that it downloads nothing.

    Raises
    ------
    SelectionError
        There is no such dataset or mirror; or the copy is an adopted folder of images, whose checksums
        are not known.

    Examples
    --------
    >>> from decnef_data import download
    >>> _ = download("srpbs-fc", mirror="phantom", progress="none")
    >>> list(registry("srpbs-fc", mirror="phantom").registry)
    ['SRPBS_FC-synthetic.zip']
    """
    return Client.default(data_dir).registry(name, mirror=mirror)


def cache(*, data_dir: StrPath | None = None) -> CacheListing:
    """List the contents of the cache: verified files, partial files and stores, and adopted copies.

    Parameters
    ----------
    data_dir
        The cache folder; ``None`` means ``DECNEF_DATA_DIR`` if it is set, else the default cache folder of
        the operating system.

    Returns
    -------
    CacheListing
        The cache folder and its entries, each with dataset, kind, path, and size in bytes.  ``size`` is
        that of all entries except adopted copies, which are elsewhere.

    Examples
    --------
    >>> import tempfile
    >>> cache(data_dir=tempfile.mkdtemp()).size
    0
    """
    return Client.default(data_dir).cache()


def cached_datasets(*, data_dir: StrPath | None = None) -> tuple[CachedDataset, ...]:
    """List what is on this machine of each dataset: a complete copy or a part, and how much.

    No mirror is asked, and no data are read.

    Parameters
    ----------
    data_dir
        The cache folder; ``None`` means ``DECNEF_DATA_DIR`` if it is set, else the default cache folder of
        the operating system.

    Returns
    -------
    tuple of CachedDataset
        The datasets of which there is anything, each with state, size in bytes, and the date of the last
        use.  Synthetic data of a dataset are an entry of their own.

    Examples
    --------
    >>> import tempfile
    >>> cached_datasets(data_dir=tempfile.mkdtemp())
    ()
    """
    return Client.default(data_dir).cached_datasets()


def cached_subjects(name: str, *, mirror: str = "auto", data_dir: StrPath | None = None) -> tuple[str, ...]:
    """List the ids of the subjects of a dataset that is on this machine, without opening the data.

    Parameters
    ----------
    name
        The dataset, by name, alias or title.
    mirror
        The mirror that the files come from: ``"folder"`` (a copy that you adopted), ``"synapse"`` or
        ``"atr"``.  ``"auto"`` means any of these; a download uses the first that you have access to and
        that provides the files.  ``"synthetic"``, or ``"phantom"``, is synthetic data (a digital
        phantom), created on this machine; ``"auto"`` never selects it.
    data_dir
        The cache folder; ``None`` means ``DECNEF_DATA_DIR`` if it is set, else the default cache folder of
        the operating system.

    Returns
    -------
    tuple of str
        The ids that stores and tables of participants have; empty if there are none, or if they are in
        an archive that was not opened yet.

    Raises
    ------
    SelectionError
        There is no such dataset.

    Examples
    --------
    >>> import tempfile
    >>> cached_subjects("srpbs-fc", data_dir=tempfile.mkdtemp())
    ()
    """
    return Client.default(data_dir).cached_subjects(name, mirror=mirror)


def prune_cache(
    *,
    older_than: float | None = None,
    max_size: int | None = None,
    dry_run: bool = False,
    data_dir: StrPath | None = None,
) -> CacheListing:
    """Remove data that were not used for some time, or the least recently used beyond a size.

    Stores go before the files that they can be created from again.  Adopted copies, partial downloads
    and datasets that a process downloads at the moment stay.  A dataset is used when it is downloaded or
    opened; that is recorded in the cache, because file systems record it daily at best.

    Parameters
    ----------
    older_than
        Remove what was last used more than this number of days ago.
    max_size
        Remove the least recently used data until the cache has at most this number of bytes.
    dry_run
        Whether to report what would be removed without removing it.
    data_dir
        The cache folder; ``None`` means ``DECNEF_DATA_DIR`` if it is set, else the default cache folder of
        the operating system.

    Returns
    -------
    CacheListing
        The entries that were removed, including synthetic ones, the least recently used first.

    Raises
    ------
    SelectionError
        Neither `older_than` nor `max_size` is given, or one of them is negative.
    AccessError
        A part of the cache is a link that belongs to another user; nothing was removed.
    OSError
        Something could not be deleted; everything else was removed.

    Examples
    --------
    >>> import tempfile
    >>> prune_cache(older_than=90, max_size=50_000_000_000, data_dir=tempfile.mkdtemp()).entries
    ()
    """
    return Client.default(data_dir).prune_cache(older_than=older_than, max_size=max_size, dry_run=dry_run)


def clear_cache(
    name: str | None = None,
    *,
    stores: bool = False,
    synthetic: bool = False,
    dry_run: bool = False,
    data_dir: StrPath | None = None,
) -> CacheListing:
    """Remove a dataset from the cache, or all datasets, and list what was removed.

    Adopted copies are unregistered; their files stay in place.  Links are removed, and what they lead to
    stays; a part of the cache that is a link to another folder is emptied.

    Parameters
    ----------
    name
        The dataset, by name, alias or title; ``None`` means all datasets.
    stores
        Whether only the stores are removed, which are created again from the files when they are needed.
    synthetic
        Whether only synthetic data (digital phantoms) are removed, and the stores of phantoms that you
        adopted; these stay registered.
    dry_run
        Whether to report what would be removed without removing it.
    data_dir
        The cache folder; ``None`` means ``DECNEF_DATA_DIR`` if it is set, else the default cache folder of
        the operating system.

    Returns
    -------
    CacheListing
        The entries that were removed, including the synthetic ones.

    Raises
    ------
    SelectionError
        There is no such dataset.
    AccessError
        A part of the cache is a link that belongs to another user; nothing was removed.
    OSError
        Something could not be deleted; everything else was removed.

    Warns
    -----
    DecnefDataWarning
        A file was a link: what it leads to is still there.

    Examples
    --------
    >>> import tempfile
    >>> clear_cache(data_dir=tempfile.mkdtemp()).entries
    ()
    """
    return Client.default(data_dir).clear_cache(name, stores=stores, synthetic=synthetic, dry_run=dry_run)


def purge(
    name: str, *, phantom: bool = False, dry_run: bool = False, data_dir: StrPath | None = None
) -> PurgeRecord:
    """Remove every copy of a dataset that this software made, and record what was removed.

    Verified files, partial downloads, receipts and stores are removed, damaged ones too.  Adopted copies
    are listed and not touched.

    Parameters
    ----------
    name
        The dataset, by name, alias or title.
    phantom
        Whether the synthetic dataset of that name is removed as well.
    dry_run
        Whether to report what would be removed without removing it.
    data_dir
        The cache folder; ``None`` means ``DECNEF_DATA_DIR`` if it is set, else the default cache folder of
        the operating system.

    Returns
    -------
    PurgeRecord
        What was removed, with paths, sizes in bytes and checksums, the date (UTC), and the copies that
        were not touched.

    Raises
    ------
    SelectionError
        There is no such dataset.
    AccessError
        A part of the cache is a link that belongs to another user; nothing was removed.
    OSError
        Something could not be deleted; nothing is recorded, and another purge removes the rest.

    Warns
    -----
    DecnefDataWarning
        A file was a link: what it leads to is still there.

    Notes
    -----
    The record is kept in the configuration folder, because a data-use agreement may require it.

    Examples
    --------
    >>> import tempfile
    >>> purge("srpbs-fc", dry_run=True, data_dir=tempfile.mkdtemp()).removed
    ()
    """
    return Client.default(data_dir).purge(name, phantom=phantom, dry_run=dry_run)
