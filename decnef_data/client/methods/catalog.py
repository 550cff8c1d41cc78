"""The catalog: datasets and citations, without any data."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from decnef_data_catalog import examples

from decnef_data import transfer
from decnef_data.arguments import checked
from decnef_data.client import citations
from decnef_data.client.base import ClientBase
from decnef_data.client.options import StrPath
from decnef_data.combined_attrs import dataset_names
from decnef_data.errors import SelectionError
from decnef_data.layouts import layout_names
from decnef_data.model import CatalogProblem, Citation
from decnef_data.records import Records, check_records

if TYPE_CHECKING:
    import xarray as xr

#: The methods whose functions take no ``data_dir``: citations are those of the default cache.
WITHOUT_DATA_DIR = frozenset({"catalog", "check_catalog", "cite"})


class CatalogMethods(ClientBase):
    """The catalog: datasets and citations, without any data."""

    @checked
    def catalog(self) -> Records:
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
        >>> from decnef_data import Client
        >>> client = Client()
        >>> [dataset.name for dataset in client.catalog().datasets]
        ['srpbs-1600', 'srpbs-fc', 'srpbs-open', 'srpbs-ts']
        """
        return self.records

    @checked
    def check_catalog(self, path: StrPath) -> tuple[CatalogProblem, ...]:
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
        >>> from decnef_data import Client
        >>> client = Client()
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "own.toml").write_text("sites = [{ code = 'XYZ', town = 'Kyoto' }]")
        >>> problems = client.check_catalog(folder)
        >>> problems[-1].line, problems[-1].message
        (1, "There is no field 'town'. Remove it.")
        """
        return check_records(
            Path(path).expanduser(), layout_names()
        )  # messages have the path as it was given

    @checked
    def cite(
        self,
        name: "str | xr.Dataset | xr.DataTree",
        *,
        style: str = "text",
    ) -> str:
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
        >>> from decnef_data import Client
        >>> client = Client()
        >>> "10.1038/s41597-021-01004-8" in client.cite("srpbs-fc")
        True
        """
        if isinstance(name, str):
            return citations.format_citations(self._works(name, None), style)
        attrs: Mapping[str, object] = {str(key): value for key, value in name.attrs.items()}
        if "dataset" not in attrs:
            message = (
                "There is no attribute 'dataset' that names the source. "
                f"Pass a name, such as '{examples.CONNECTIVITY}'."
            )
            raise SelectionError(message, requested="cite")
        versions, synthetic = _as_lines(attrs.get("source_versions", "")), bool(attrs.get("synthetic"))
        names = dataset_names(attrs)
        if len(names) != 1:  # the versions are not known to be of one of them
            works = [work for name in names for work in self._works(name, (), synthetic=synthetic)]
            return citations.format_citations(list({work.key: work for work in works}.values()), style)
        return citations.format_citations(self._works(names[0], versions, synthetic=synthetic), style)

    def _works(
        self, name: str, versions: tuple[str, ...] | None, *, synthetic: bool = False
    ) -> tuple[Citation, ...]:
        dataset = self.records.dataset(name)
        if versions is None:
            location = self._locate(name)
            copy = transfer.find_complete_copy(location, include_dropped=True)
            versions = ()
            if copy is not None:
                identities = location.files.identities(copy)
                versions = citations.cited_versions(self.records, copy.mirror, identities)
        return citations.citations_for(self.records, dataset, versions, synthetic=synthetic)


def _as_lines(value: object) -> tuple[str, ...]:
    """Read the lines of an attribute; version 0.1.0 saved a list of texts, or a single text."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        return tuple(str(value).splitlines())
    return tuple(map(str, value))
