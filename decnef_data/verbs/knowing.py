"""The verbs that only read the catalog."""

from decnef_data.client import Client
from decnef_data.records import Records


def catalog() -> Records:
    """Give the catalog: datasets, mirrors, sites, codes, protocols, citations, terms and graded facts.

    Examples
    --------
    >>> [dataset.name for dataset in catalog().datasets]
    ['srpbs-1600', 'srpbs-fc', 'srpbs-open', 'srpbs-ts']
    """
    return Client.default().records


def cite(name: str, *, style: str = "text") -> str:
    """Say what to cite when using a dataset, as ``"text"`` or ``"bibtex"``.

    Raises
    ------
    SelectionError
        There is no such dataset or style.

    Examples
    --------
    >>> "10.1038/s41597-021-01004-8" in cite("srpbs-fc")
    True
    """
    return Client.default().cite(name, style)
