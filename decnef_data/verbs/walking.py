"""The verbs about the mirrors themselves: what they hold, whether they answer, whether they agree."""

from pathlib import Path

from decnef_data.client import Client
from decnef_data.client.walking import Walking
from decnef_data.verbs.selections import Folder
from decnef_data.walk import Index
from decnef_data.walk.audit import Audit
from decnef_data.walk.states import MirrorState


def index(
    mirror: str = "synapse",
    *,
    offline: bool = False,
    checksums: bool = True,
    records: Folder | None = None,
    data_dir: Folder | None = None,
    progress: str = "auto",
) -> Index:
    """Walk a mirror, and write what it holds to an index beside the cache.

    A walk of Synapse lists every entity of the project with its version, path, size, MD5, date and
    restrictions, within the limits of Synapse; one that is interrupted goes on where it was.  What it
    finds is matched with the datasets: ids that it settles are used from then on.  A walk of ATR records
    what your personal links answer, never the links.

    Parameters
    ----------
    mirror
        ``"synapse"`` or ``"atr"``.
    offline
        Give what the last walk found; nobody is asked.
    checksums
        Ask for sizes and checksums too: one request a file that is new or changed, where everything
        else takes one in 50.
    records
        A folder to write ``mirrors/<mirror>.toml`` to, for a maintainer to commit;
        ``Records.load(folder)`` reads it.
    data_dir, progress
        As for :func:`fetch_dataset`.

    Raises
    ------
    AccessError
        There is no login or link, or the mirror refuses it.
    MirrorError
        The mirror does not answer; what was found so far is kept.
    SelectionError
        There is no such mirror, or it has nothing to walk; or it was never walked, and `offline` is set.

    Examples
    --------
    >>> import tempfile
    >>> index("synapse", offline=True, data_dir=tempfile.mkdtemp())
    Traceback (most recent call last):
    decnef_data.errors.SelectionError: There is no index of 'synapse' yet. Run `decnef index synapse`.
    """
    walking = Walking(Client.default(data_dir))
    folder = None if records is None else Path(records).expanduser().absolute()
    if offline:
        return walking.last(mirror, folder)
    return walking.index(mirror, progress, checksums=checksums, records=folder)


def probe(mirror: str | None = None, *, data_dir: Folder | None = None) -> tuple[MirrorState, ...]:
    """Ask each mirror, or one, a small question: whether it answers, how fast, with which kind of key.

    Of credentials only kind and place are told.  A mirror that does not answer is no error here.

    Examples
    --------
    >>> import tempfile
    >>> probe("folder", data_dir=tempfile.mkdtemp())[0].title
    'Archives and folders on this machine'
    """
    return Walking(Client.default(data_dir)).probe(mirror)


def audit(name: str, *, deep: bool = False, data_dir: Folder | None = None) -> Audit:
    """Compare what the mirrors state of a dataset with each other and with what is on disk.

    No mirror is asked: what they state is what the records have and :func:`index` found.

    Parameters
    ----------
    name, data_dir
        As for :func:`fetch_dataset`.
    deep
        Hash the files on disk by MD5, where mirrors state that and no download made one.

    Examples
    --------
    >>> import tempfile
    >>> audit("srpbs-fc", data_dir=tempfile.mkdtemp()).differs
    False
    """
    return Walking(Client.default(data_dir)).audit(name, deep=deep)
