"""The verb that recounts a copy from disk and compares it with what the records state."""

from decnef_data.client import Client
from decnef_data.client.examining import Examining
from decnef_data.model import Examination
from decnef_data.verbs.selections import Folder


def doctor(name: str, *, mirror: str = "auto", data_dir: Folder | None = None) -> Examination:
    """Recount your copy of a dataset, and say where it is not what the records state.

    A disagreement is no error: records are graded, and your copy is right.  Nothing is fetched.

    Parameters
    ----------
    name, mirror, data_dir
        As for :func:`fetch_dataset`.

    Returns
    -------
    Examination
        Everything that was compared; ``disagreements`` are what differs, each with the record's grade
        (A two sources or more, B one, C inferred, D unconfirmed).

    Raises
    ------
    SelectionError
        Nothing of the dataset is here.

    Examples
    --------
    >>> from decnef_data import participants
    >>> _ = participants("srpbs-open", mirror="phantom", progress="none")
    >>> doctor("srpbs-open", mirror="phantom").findings[0]
    Finding(what='people', expected='1410', found='1410', agrees=True, grade='B')
    """
    return Examining(Client.default(data_dir)).examine(name, mirror)
