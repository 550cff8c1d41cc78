"""The verbs that look after what is on this machine: own copies, checks, the cache."""

from pathlib import Path
from typing import TYPE_CHECKING

from decnef_data.client import Client
from decnef_data.model import CacheListing, Verification, VerifiedFile
from decnef_data.verbs.selections import Folder

if TYPE_CHECKING:
    import pooch


def adopt(
    name: str, path: Folder, *, data_dir: Folder | None = None, progress: str = "auto"
) -> tuple[VerifiedFile, ...]:
    """Register a copy that you already have, an archive or its unpacked folder, where it lies.

    Nothing is copied, moved or changed.  Every file is hashed once; of a folder of images only the tables,
    while images are listed by name, size, time and header, until :func:`verify` hashes them (``deep=True``).

    Raises
    ------
    AccessError
        There is nothing at `path`.
    IntegrityError
        A file is not what is stated of it.

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
    data_dir: Folder | None = None,
    progress: str = "auto",
) -> Verification:
    """Compare what is here of a dataset with what it was when it was verified.

    Parameters
    ----------
    name, mirror, data_dir
        As for :func:`fetch_dataset`.
    deep
        Hash every file and store again, instead of comparing sizes and times.
    repair
        Read everything again and mend what is wrong: of a damaged file, only the parts that differ are
        fetched; a damaged store is removed, and made again when it is opened.
    progress
        As for :func:`fetch_dataset`; of the repair.

    Raises
    ------
    AccessError, MirrorError, IntegrityError, FetchError
        No mirror gives what the repair needs.
    SelectionError
        Nothing of the dataset is here.

    Examples
    --------
    >>> from decnef_data import download
    >>> _ = download("srpbs-fc", mirror="phantom", progress="none")
    >>> verify("srpbs-fc", mirror="phantom").whole
    True
    """
    client = Client.default(data_dir)
    return client.repair(name, mirror, progress) if repair else client.verify(name, mirror, deep=deep)


def registry(name: str, *, mirror: str = "auto", data_dir: Folder | None = None) -> "pooch.Pooch":
    """Give the pooch of a dataset's verified files: their folder, names and checksums.

    Examples
    --------
    >>> from decnef_data import download
    >>> _ = download("srpbs-fc", mirror="phantom", progress="none")
    >>> list(registry("srpbs-fc", mirror="phantom").registry)
    ['SRPBS_FC-synthetic.zip']
    """
    return Client.default(data_dir).registry(name, mirror)


def cache(*, data_dir: Folder | None = None) -> CacheListing:
    """List what the cache holds: verified files, partials and stores, and the copies that you adopted.

    Examples
    --------
    >>> import tempfile
    >>> cache(data_dir=tempfile.mkdtemp()).size
    0
    """
    return Client.default(data_dir).cache()


def clear_cache(name: str | None = None, *, data_dir: Folder | None = None) -> CacheListing:
    """Remove what the cache holds of a dataset, or all of it, and list what that was.

    Adopted copies are forgotten, and stay where they lie.

    Examples
    --------
    >>> import tempfile
    >>> clear_cache(data_dir=tempfile.mkdtemp()).entries
    ()
    """
    return Client.default(data_dir).clear(name)
