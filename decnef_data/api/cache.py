"""Local copies: adopt and verify them, and manage the cache."""

from pathlib import Path
from typing import TYPE_CHECKING

from decnef_data.api.selection import StrPath
from decnef_data.client import Client
from decnef_data.model import CacheListing, PurgeRecord, Verification, VerifiedFile

if TYPE_CHECKING:
    import pooch


def adopt(
    name: str, path: StrPath, *, data_dir: StrPath | None = None, progress: str = "auto"
) -> tuple[VerifiedFile, ...]:
    """Register a copy that you already have, an archive or its unpacked folder, in place.

    Nothing is copied, moved or changed.  Every file is hashed once.  Of a folder of images only the tables
    are hashed; images are listed by name, size, time and header until :func:`verify` hashes them
    (``deep=True``).

    Raises
    ------
    AccessError
        `path` does not exist.
    IntegrityError
        A file does not match its expected checksum or size.

    Examples
    --------
    >>> import tempfile
    >>> from decnef_data import download
    >>> archive = download("srpbs-fc", mirror="phantom", progress="none")
    >>> (file,) = adopt("srpbs-fc", archive, data_dir=tempfile.mkdtemp(), progress="none")
    >>> file.location == archive
    True
    """
    return Client.default(data_dir).adopt(name, Path(path).expanduser().absolute(), progress)


def verify(
    name: str,
    *,
    deep: bool = False,
    repair: bool = False,
    mirror: str = "auto",
    data_dir: StrPath | None = None,
    progress: str = "auto",
) -> Verification:
    """Verify local files against their recorded checksums.

    Parameters
    ----------
    name, mirror, data_dir
        As for :func:`fetch_dataset`.
    deep
        Hash every file and store again instead of comparing sizes and times.
    repair
        Read everything again and repair damage: of a damaged file, only the parts that differ are
        downloaded; a damaged store is removed, and built again when it is opened.
    progress
        As for :func:`fetch_dataset`; for the repair.

    Raises
    ------
    AccessError, MirrorError, IntegrityError, FetchError
        No mirror can provide what the repair needs.
    SelectionError
        There is no local copy of the dataset.

    Examples
    --------
    >>> from decnef_data import download
    >>> _ = download("srpbs-fc", mirror="phantom", progress="none")
    >>> verify("srpbs-fc", mirror="phantom").complete
    True
    """
    client = Client.default(data_dir)
    return client.repair(name, mirror, progress) if repair else client.verify(name, mirror, deep=deep)


def registry(name: str, *, mirror: str = "auto", data_dir: StrPath | None = None) -> "pooch.Pooch":
    """Return a pooch with a dataset's verified files: their folder, names and checksums.

    Examples
    --------
    >>> from decnef_data import download
    >>> _ = download("srpbs-fc", mirror="phantom", progress="none")
    >>> list(registry("srpbs-fc", mirror="phantom").registry)
    ['SRPBS_FC-synthetic.zip']
    """
    return Client.default(data_dir).registry(name, mirror)


def cache(*, data_dir: StrPath | None = None) -> CacheListing:
    """List the contents of the cache: verified files, partial files and stores, and adopted copies.

    Examples
    --------
    >>> import tempfile
    >>> cache(data_dir=tempfile.mkdtemp()).size
    0
    """
    return Client.default(data_dir).cache()


def clear_cache(name: str | None = None, *, data_dir: StrPath | None = None) -> CacheListing:
    """Remove a dataset from the cache, or all datasets, and list what was removed.

    Adopted copies are unregistered, and stay in place.

    Examples
    --------
    >>> import tempfile
    >>> clear_cache(data_dir=tempfile.mkdtemp()).entries
    ()
    """
    return Client.default(data_dir).clear(name)


def purge(
    name: str, *, phantom: bool = False, dry_run: bool = False, data_dir: StrPath | None = None
) -> PurgeRecord:
    """Remove every copy of a dataset that this software made, and record what was removed.

    Verified files, unfinished downloads, receipts and stores are removed, damaged ones too.  Adopted copies
    are listed and not touched.  The record, with date, paths, sizes and checksums, is kept in the
    configuration folder: a data-use agreement may ask for it.

    Parameters
    ----------
    name, data_dir
        As for :func:`fetch_dataset`.
    phantom
        Whether the synthetic dataset of that name is removed as well.
    dry_run
        Only report what would be removed.

    Raises
    ------
    OSError
        Something could not be removed.

    Examples
    --------
    >>> import tempfile
    >>> purge("srpbs-fc", dry_run=True, data_dir=tempfile.mkdtemp()).removed
    ()
    """
    return Client.default(data_dir).purge(name, phantom=phantom, dry_run=dry_run)
