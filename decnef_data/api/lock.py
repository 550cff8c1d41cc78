"""Lock files, which identify the data of a result exactly."""

from decnef_data.api.selection import Names, StrPath, build_selection
from decnef_data.client import Client
from decnef_data.model import Comparison, Lock


def lock(
    name: str,
    *,
    group: str | None = None,
    subjects: Names | None = None,
    sites: Names | None = None,
    diagnoses: Names | None = None,
    modalities: Names | None = None,
    split: str | None = None,
    mirror: str = "auto",
    data_dir: StrPath | None = None,
    progress: str = "auto",
) -> Lock:
    """Record the checksums of the local copy so that it can be reproduced exactly.

    A lock is independent of mirrors: each file is identified by size, MD5 and SHA-256.  A file with the
    text from :func:`lock_text` is the argument of ``fetch_dataset(frozen=...)``.

    Parameters
    ----------
    name, group, subjects, sites, diagnoses, modalities, mirror, data_dir, progress
        As for :func:`fetch_dataset`; the selection is stored in the lock.
    split
        The hash of a split of the participants, to be stored in the lock.

    Raises
    ------
    SelectionError
        There is no complete local copy of the dataset.
    IntegrityError
        A file has changed since it was verified.

    Examples
    --------
    >>> from decnef_data import download
    >>> _ = download("srpbs-fc", mirror="phantom", progress="none")
    >>> locked = lock("srpbs-fc", mirror="phantom", progress="none")
    >>> locked.files[0].path, locked.synthetic
    ('SRPBS_FC-synthetic.zip', True)
    """
    selection = build_selection(name, group, subjects, sites, diagnoses, modalities)
    return Client.default(data_dir).lock(selection, mirror, split, progress)


def lock_text(lock: Lock) -> str:
    """Format a lock as TOML; equal locks give equal text.

    Examples
    --------
    >>> from decnef_data import download
    >>> _ = download("srpbs-fc", mirror="phantom", progress="none")
    >>> print(lock_text(lock("srpbs-fc", mirror="phantom", progress="none")).splitlines()[3])
    dataset = "srpbs-fc"
    """
    from decnef_data.lockfile import format_lock

    return format_lock(lock)


def diff(
    first: StrPath,
    second: StrPath | None = None,
    *,
    mirror: str = "auto",
    data_dir: StrPath | None = None,
    progress: str = "auto",
) -> Comparison:
    """Compare two locks, or a lock with the local copy.

    Parameters
    ----------
    first, second
        A lock file, or the name of a dataset, which means its local copy.  Without `second`, `first` is
        compared with the local copy of its dataset.
    mirror, data_dir, progress
        As for :func:`fetch_dataset`.

    Raises
    ------
    SelectionError
        There is no such file or dataset, or no complete local copy of it.
    FormatError
        A file is not a lock.

    Examples
    --------
    >>> from decnef_data import download
    >>> _ = download("srpbs-fc", mirror="phantom", progress="none")
    >>> diff("srpbs-fc", "srpbs-fc", mirror="phantom", progress="none").differences
    ()
    """
    requested = (str(first), None if second is None else str(second))
    return Client.default(data_dir).diff(*requested, mirror, progress)
