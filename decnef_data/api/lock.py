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

    A lock is independent of mirrors: each file is identified by size, MD5 and SHA-256.  Write the text of
    :func:`lock_text` to a file, and pass the file to :func:`fetch_dataset` as ``lock=``.

    Parameters
    ----------
    name
        The dataset, by name, alias or title, such as ``"srpbs-fc"``; ``"srpbs-fc/bal140"`` includes the
        group.
    group
        One group of the dataset: ``"bal140"``, ``"roi93"`` or ``"aal116"`` of connectivity, one such as
        ``"COI/bold"`` of images; ``None`` means all.
    subjects
        The ids of the subjects to select, one or several; ``None`` means all.
    sites
        The sites to select, by code or alias, such as ``"SWA"``, one or several; ``None`` means all.
    diagnoses
        The diagnoses to select, one or several: HC, ASD, MDD, OCD, SSD, pain, stroke, BP, dysthymia or other;
        ``None`` means all.
    modalities
        The kinds of scan to select from a dataset of images, one or several: ``"bold"``, ``"t1w"`` or
        ``"fmap"`` (field maps); ``None`` means all.  Connectivity datasets ignore it.
    split
        The hash of a split of the participants, such as the ``name`` of :func:`splits`, to store in the lock;
        ``None`` means no split.
    mirror
        The mirror that the files come from: ``"folder"`` (a copy that you adopted), ``"synapse"`` or
        ``"atr"``.  ``"auto"`` means any of these; a download uses the first that you have access to and that
        provides the files.  ``"synthetic"``, or ``"phantom"``, is synthetic data (a digital phantom), created
        on this machine; ``"auto"`` never selects it.
    data_dir
        The cache folder; ``None`` means ``DECNEF_DATA_DIR`` if it is set, else the default cache folder of
        the operating system.
    progress
        How progress is shown: ``"bars"`` on standard error, ``"lines"`` in the log, ``"json"`` (one event per
        line on standard error), ``"none"``, or ``"auto"``, which means bars on a terminal and lines
        otherwise.

    Returns
    -------
    Lock
        The files with path, size in bytes and checksums, the selection, the split, and the versions of
        software and layout.

    Raises
    ------
    SelectionError
        There is no such dataset, group or mirror, or no complete local copy of the dataset.
    IntegrityError
        A file has changed since it was verified.

    Warns
    -----
    DecnefDataWarning
        The images of an adopted folder were never hashed, and are not in the lock.

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

    Parameters
    ----------
    lock
        The lock to format, from :func:`lock`.

    Returns
    -------
    str
        The content of a lock file.

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
    first
        The path of a lock file, or the name of a dataset, which means its local copy.
    second
        What to compare `first` with, in the same forms; ``None`` means the local copy of its dataset.
    mirror
        The mirror that the files come from: ``"folder"`` (a copy that you adopted), ``"synapse"`` or
        ``"atr"``.  ``"auto"`` means any of these; a download uses the first that you have access to and that
        provides the files.  ``"synthetic"``, or ``"phantom"``, is synthetic data (a digital phantom), created
        on this machine; ``"auto"`` never selects it.
    data_dir
        The cache folder; ``None`` means ``DECNEF_DATA_DIR`` if it is set, else the default cache folder of
        the operating system.
    progress
        How progress is shown: ``"bars"`` on standard error, ``"lines"`` in the log, ``"json"`` (one event per
        line on standard error), ``"none"``, or ``"auto"``, which means bars on a terminal and lines
        otherwise.

    Returns
    -------
    Comparison
        The differences; ``same_bytes`` is whether both have the same files with the same content.

    Raises
    ------
    SelectionError
        There is no such file, dataset or mirror, or no complete local copy of the dataset.
    FormatError
        A file is not a lock.
    IntegrityError
        A file of the local copy has changed since it was verified.

    Warns
    -----
    DecnefDataWarning
        The images of an adopted folder were never hashed, and are not compared.

    Examples
    --------
    >>> from decnef_data import download
    >>> _ = download("srpbs-fc", mirror="phantom", progress="none")
    >>> diff("srpbs-fc", "srpbs-fc", mirror="phantom", progress="none").differences
    ()
    """
    requested = (str(first), None if second is None else str(second))
    return Client.default(data_dir).diff(*requested, mirror, progress)
