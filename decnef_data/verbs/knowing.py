"""The verbs that only read the catalog."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from decnef_data.client import Client
from decnef_data.errors import SelectionError
from decnef_data.records import Records

if TYPE_CHECKING:
    import xarray as xr


def catalog() -> Records:
    """Give the catalog: datasets, mirrors, sites, codes, protocols, citations, terms and graded facts.

    Examples
    --------
    >>> [dataset.name for dataset in catalog().datasets]
    ['srpbs-1600', 'srpbs-fc', 'srpbs-open', 'srpbs-ts']
    """
    return Client.default().records


def cite(name: "str | xr.Dataset | xr.DataTree", *, style: str = "text") -> str:
    """Say what to cite when using a dataset.

    Parameters
    ----------
    name
        A dataset, by name, alias or title, or a tree or Dataset that came from :func:`fetch_dataset`.  Data
        from Synapse are cited in the version that they have: of the Dataset, else of the copy that is here.
    style
        ``"text"``, ``"bibtex"`` or ``"csl"`` (CSL-JSON).

    Raises
    ------
    SelectionError
        There is no such dataset or style, or the Dataset does not say which one it came from.

    Examples
    --------
    >>> "10.1038/s41597-021-01004-8" in cite("srpbs-fc")
    True
    """
    if isinstance(name, str):
        return Client.default().cite(name, style)
    attrs: Mapping[str, object] = {str(key): value for key, value in name.attrs.items()}
    if "dataset" not in attrs:
        message = "This Dataset does not say which dataset it came from. Give the name, such as 'srpbs-fc'."
        raise SelectionError(message, asked="cite")
    return Client.default().cite(str(attrs["dataset"]), style, _texts(attrs.get("source_versions")))


def _texts(found: object) -> tuple[str, ...]:
    """Read a list of texts from attributes, where some formats leave one text of a list of one."""
    if found is None:
        return ()
    if isinstance(found, str) or not isinstance(found, Iterable):
        return (str(found),)
    return tuple(map(str, found))
