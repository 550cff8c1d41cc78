"""The verb that deletes, and can show that it did."""

from decnef_data.client import Client
from decnef_data.model import Purge
from decnef_data.verbs.selections import Folder


def purge(
    name: str, *, phantom: bool = False, dry_run: bool = False, data_dir: Folder | None = None
) -> Purge:
    """Remove every copy of a dataset that this software made, and record what that was.

    Verified files, unfinished downloads, receipts and stores go, damaged ones too.  Copies that you adopted
    are listed as yours and not touched.  The record, with date, paths, sizes and checksums, is kept in the
    configuration folder: a data-use agreement may ask for it.

    Parameters
    ----------
    name, data_dir
        As for :func:`fetch_dataset`.
    phantom
        Whether the synthetic dataset of that name goes as well.
    dry_run
        Only say what would be removed.

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
