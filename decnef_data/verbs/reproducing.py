"""The verbs by which a result names its data exactly, and gets the same again."""

from decnef_data.client import Client
from decnef_data.model import Comparison, Lock
from decnef_data.verbs.selections import Folder, Names, selected


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
    data_dir: Folder | None = None,
    progress: str = "auto",
) -> Lock:
    """State which bytes a dataset is that is here, so that others, or you later, get exactly these.

    A lock says nothing of mirrors: each file is named by size, MD5 and SHA-256.  The text that
    :func:`lock_text` makes of it, in a file, is what ``fetch_dataset(frozen=...)`` reads.

    Parameters
    ----------
    name, group, subjects, sites, diagnoses, modalities, mirror, data_dir, progress
        As for :func:`fetch_dataset`; the selection is kept in the lock.
    split
        A hash that names a split of the people, to be kept with the lock.

    Raises
    ------
    SelectionError
        No whole copy of the dataset is here.
    IntegrityError
        A file is no longer what was verified.

    Examples
    --------
    >>> from decnef_data import download
    >>> _ = download("srpbs-fc", mirror="phantom", progress="none")
    >>> stated = lock("srpbs-fc", mirror="phantom", progress="none")
    >>> stated.files[0].path, stated.synthetic
    ('SRPBS_FC-synthetic.zip', True)
    """
    selection = selected(name, group, subjects, sites, diagnoses, modalities)
    return Client.default(data_dir).lock(selection, mirror, split, progress)


def lock_text(stated: Lock) -> str:
    """Write a lock as TOML, the same text for the same lock.

    Examples
    --------
    >>> from decnef_data import download
    >>> _ = download("srpbs-fc", mirror="phantom", progress="none")
    >>> print(lock_text(lock("srpbs-fc", mirror="phantom", progress="none")).splitlines()[3])
    dataset = "srpbs-fc"
    """
    from decnef_data.locks import text

    return text(stated)


def diff(
    first: Folder,
    second: Folder | None = None,
    *,
    mirror: str = "auto",
    data_dir: Folder | None = None,
    progress: str = "auto",
) -> Comparison:
    """Compare two locks, or a lock with what is here.

    Parameters
    ----------
    first, second
        The file of a lock, or the name of a dataset: what is here of it.  Without `second`, what is here of
        the dataset that `first` is of.
    mirror, data_dir, progress
        As for :func:`fetch_dataset`.

    Raises
    ------
    SelectionError
        There is no such file or dataset, or no whole copy of it is here.
    FormatError
        A file is no lock.

    Examples
    --------
    >>> from decnef_data import download
    >>> _ = download("srpbs-fc", mirror="phantom", progress="none")
    >>> diff("srpbs-fc", "srpbs-fc", mirror="phantom", progress="none").differences
    ()
    """
    asked = (str(first), None if second is None else str(second))
    return Client.default(data_dir).diff(*asked, mirror, progress)
