"""The catalog: datasets and citations, without any data."""

# Generated from decnef_data/client/methods/catalog.py by docs/_make/functions.py; do not edit.

from typing import TYPE_CHECKING

from decnef_data.client import Client
from decnef_data.client.options import StrPath
from decnef_data.model import CatalogProblem
from decnef_data.records import Records

if TYPE_CHECKING:
    import xarray as xr


def catalog() -> Records:
    """Return the catalog: datasets, mirrors, sites, codes, protocols, citations, terms and graded facts.

    Returns
    -------
    Records
        The records of the package, and those of the folder ``DECNEF_CATALOG_DIR`` if it is set.

    Raises
    ------
    CatalogError
        A record of ``DECNEF_CATALOG_DIR`` is malformed, or refers to one that does not exist.

    Examples
    --------
    >>> [dataset.name for dataset in catalog().datasets]
    ['srpbs-1600', 'srpbs-fc', 'srpbs-open', 'srpbs-ts']
    """
    return Client.default().catalog()


def check_catalog(path: StrPath) -> tuple[CatalogProblem, ...]:
    """Check the records in a folder of your own, before ``DECNEF_CATALOG_DIR`` names it.

    Parameters
    ----------
    path
        The folder with TOML files.

    Returns
    -------
    tuple of CatalogProblem
        Everything that is wrong, each with file, line, position and message, in the order of files and
        lines; empty if the records can be used.

    Raises
    ------
    CatalogError
        There is no such folder.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "own.toml").write_text("sites = [{ code = 'XYZ', town = 'Kyoto' }]")
    >>> problems = check_catalog(folder)
    >>> problems[-1].line, problems[-1].message
    (1, "There is no field 'town'. Remove it.")
    """
    return Client.default().check_catalog(path)


def cite(name: "str | xr.Dataset | xr.DataTree", *, style: str = "text") -> str:
    """Return what to cite when using a dataset.

    Parameters
    ----------
    name
        The dataset, by name, alias or title, or a tree or Dataset from :func:`fetch_dataset`.
    style
        ``"text"``, ``"bibtex"`` or ``"csl"`` (CSL-JSON).

    Returns
    -------
    str
        All works to cite, in the requested style.  Data from Synapse are cited with their version: that
        of the tree or Dataset, otherwise that of the local copy.  A synthetic tree or Dataset does not
        cite the data.

    Raises
    ------
    SelectionError
        There is no such dataset or style, or the object does not have the attribute ``dataset``.

    Examples
    --------
    >>> "10.1038/s41597-021-01004-8" in cite("srpbs-fc")
    True
    """
    return Client.default().cite(name, style=style)
