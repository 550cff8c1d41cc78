"""Comparison of a local copy with the catalog."""

from decnef_data.api.selection import StrPath
from decnef_data.client import Client
from decnef_data.client.doctor import Doctor
from decnef_data.model import DoctorReport


def doctor(name: str, *, mirror: str = "auto", data_dir: StrPath | None = None) -> DoctorReport:
    """Check the local copy of a dataset against the catalog, and report discrepancies.

    A disagreement is not an error: records are graded, and your copy is right.  Nothing is downloaded.

    Parameters
    ----------
    name, mirror, data_dir
        As for :func:`fetch_dataset`.

    Returns
    -------
    DoctorReport
        Everything that was compared; ``disagreements`` are the differences, each with the record's grade
        (A two sources or more, B one, C inferred, D unconfirmed).

    Raises
    ------
    SelectionError
        There is no local copy of the dataset.

    Examples
    --------
    >>> from decnef_data import participants
    >>> _ = participants("srpbs-open", mirror="phantom", progress="none")
    >>> doctor("srpbs-open", mirror="phantom").findings[0]
    Finding(what='participants', expected='1410', found='1410', agrees=True, grade='B')
    """
    return Doctor(Client.default(data_dir)).examine(name, mirror)
