"""The records of the catalog: loading, validation and lookup."""

import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from decnef_data.arguments import checked
from decnef_data.records.counts import CountFilter, CountRow, count_participants
from decnef_data.records.load import RecordEntry, read_entries
from decnef_data.records.names import as_names, normalize_name, resolve_name
from decnef_data.records.validate import record_names, validate_entries

if TYPE_CHECKING:
    import pandas as pd

    from decnef_data.model import (
        Citation,
        Code,
        Column,
        Dataset,
        Fact,
        ImagingProtocol,
        Mirror,
        Site,
        Terms,
    )

__all__ = ["Records", "default_records", "normalize_name"]


@dataclass(frozen=True, slots=True)
class Records:
    """All records of a catalog, in the order they were read; mirrors in the order they are tried.

    Parameters
    ----------
    datasets, mirrors, sites, codes, protocols, columns, citations, terms, facts
        The records of each kind.

    Examples
    --------
    >>> records = Records.load()
    >>> records.dataset("SRPBS_OPEN").n_participants
    1410
    >>> records.label("diagnosis", 2)
    'MDD'
    """

    datasets: "tuple[Dataset, ...]" = ()
    mirrors: "tuple[Mirror, ...]" = ()
    sites: "tuple[Site, ...]" = ()
    codes: "tuple[Code, ...]" = ()
    protocols: "tuple[ImagingProtocol, ...]" = ()
    columns: "tuple[Column, ...]" = ()
    citations: "tuple[Citation, ...]" = ()
    terms: "tuple[Terms, ...]" = ()
    facts: "tuple[Fact, ...]" = ()

    @classmethod
    @checked
    def load(cls, *folders: str | os.PathLike[str]) -> "Records":
        """Read the packaged catalog, then add the records of each folder; the same name replaces a record.

        Parameters
        ----------
        *folders
            Folders with records in TOML files.

        Returns
        -------
        Records
            The records of all folders.

        Raises
        ------
        CatalogError
            A record is malformed, or refers to another one that does not exist.

        Examples
        --------
        >>> [mirror.name for mirror in Records.load().mirrors]
        ['folder', 'synapse', 'atr']
        """
        if not folders:
            return _packaged_records()
        return _build_records(chain(_packaged_entries(), *map(read_entries, map(Path, folders))))

    @checked
    def dataset(self, name: str) -> "Dataset":
        """Return the dataset with a name, alias or title.

        Parameters
        ----------
        name
            The dataset, by name, alias or title.

        Returns
        -------
        Dataset
            The record of the dataset.

        Raises
        ------
        SelectionError
            There is no such dataset; the message suggests the nearest.

        Examples
        --------
        >>> Records.load().dataset("connectivity").name
        'srpbs-fc'
        """
        known = {alias: dataset for dataset in self.datasets for alias in record_names(dataset)}
        return resolve_name("dataset", name, known, {alias: dataset.name for alias, dataset in known.items()})

    @checked
    def mirror(self, name: str) -> "Mirror":
        """Return the mirror with a name.

        Parameters
        ----------
        name
            The name of the mirror.

        Returns
        -------
        Mirror
            The record of the mirror.

        Raises
        ------
        SelectionError
            There is no such mirror; the message suggests the nearest.

        Examples
        --------
        >>> Records.load().mirror("Synapse").address
        'syn22317076'
        """
        return resolve_name("mirror", name, {mirror.name: mirror for mirror in self.mirrors})

    @checked
    def citation(self, key: str) -> "Citation":
        """Return the work with a key.

        Parameters
        ----------
        key
            The key of the work, such as ``"tanaka2021"``.

        Returns
        -------
        Citation
            The record of the work.

        Raises
        ------
        SelectionError
            There is no such work; the message suggests the nearest.

        Examples
        --------
        >>> Records.load().citation("tanaka2021").doi
        '10.1038/s41597-021-01004-8'
        """
        return resolve_name("citation", key, {citation.key: citation for citation in self.citations})

    @checked
    def terms_of(self, dataset: "Dataset") -> "Terms":
        """Return the terms of use of a dataset.

        Parameters
        ----------
        dataset
            The record of the dataset.

        Returns
        -------
        Terms
            The terms with title, version, text and address.

        Raises
        ------
        SelectionError
            The catalog does not have the terms that the record names.

        Examples
        --------
        >>> records = Records.load()
        >>> records.terms_of(records.dataset("srpbs-fc")).version
        '1'
        """
        return resolve_name("terms", dataset.terms, {terms.name: terms for terms in self.terms})

    @checked
    def site(self, code: str) -> "Site | None":
        """Return the site with a code or alias, or ``None``.

        Parameters
        ----------
        code
            The code or alias of the site, such as ``"SWA"``.

        Returns
        -------
        Site or None
            The record of the site.

        Examples
        --------
        >>> Records.load().site("KFU").code
        'KPM'
        """
        normalized = normalize_name(code)
        return next((s for s in self.sites if normalized in map(normalize_name, record_names(s))), None)

    @checked
    def label(self, column: str, code: int) -> str | None:
        """Return the meaning of a code of the MRI tables, or ``None``.

        Parameters
        ----------
        column
            The column: ``"diagnosis"``, ``"sex"`` or ``"handedness"``.
        code
            The number in the table.

        Returns
        -------
        str or None
            The label, such as ``"MDD"``.

        Examples
        --------
        >>> Records.load().label("sex", 1)
        'male'
        """
        return next((c.label for c in self.codes if (c.column, c.code) == (column, code)), None)

    @checked
    def column(self, header: str) -> "Column | None":
        """Return the coordinate for a table's header, or ``None``.

        Parameters
        ----------
        header
            The header of a column, in any spelling that the catalog lists.

        Returns
        -------
        Column or None
            The record of the coordinate, with its name and unit.

        Examples
        --------
        >>> Records.load().column("Mean FD (mm)").name
        'mean_fd'
        """
        normalized = normalize_name(header)
        return next((c for c in self.columns if normalized in map(normalize_name, record_names(c))), None)

    @checked
    def facts_of(self, dataset: str) -> "tuple[Fact, ...]":
        """Return the facts about one dataset.

        Parameters
        ----------
        dataset
            The dataset, by name, alias or title.

        Returns
        -------
        tuple of Fact
            The facts, each with its value, unit, grade and source.

        Raises
        ------
        SelectionError
            There is no such dataset.

        Examples
        --------
        >>> Records.load().facts_of("srpbs-fc")[0].value
        1625
        """
        name = self.dataset(dataset).name
        return tuple(fact for fact in self.facts if fact.dataset == name)

    @checked
    def query(
        self,
        names: "str | Iterable[str] | None" = None,
        *,
        sites: "str | Iterable[str] | None" = None,
        institutes: "str | Iterable[str] | None" = None,
        diagnoses: "str | Iterable[str] | None" = None,
    ) -> "pd.DataFrame":
        """Count participants by dataset, site and diagnosis from the catalog alone; nothing is downloaded.

        The catalog has no age, sex or head motion: :func:`decnef_data.query` reads the tables on this
        machine.

        Parameters
        ----------
        names
            The datasets to count or search, by name, alias or title, one or several; ``None`` means all.
        sites
            The sites to select, by code or alias, such as ``"SWA"``, one or several; ``None`` means all.
        institutes
            The institutes to select, such as ``"KyotoU"``, one or several; ``None`` means all.
        diagnoses
            The diagnoses to select, one or several: HC, ASD, MDD, OCD, SSD, pain, stroke, BP, dysthymia or
            other, or a name such as ``"autism"``; ``None`` means all.

        Returns
        -------
        pandas.DataFrame
            One row per count: dataset, site, institute, diagnosis, n_participants (missing where the catalog
            has no number), grade (A two sources or more, B one, C inferred, D unconfirmed) and comment.

        Raises
        ------
        SelectionError
            There is no such dataset, site, institute or diagnosis.

        Examples
        --------
        >>> counts = Records.load().query("srpbs-1600", sites="KUT")
        >>> counts[["diagnosis", "n_participants", "grade"]].values.tolist()
        [['HC', 159, 'C'], ['MDD', 16, 'C'], ['SSD', 45, 'C']]
        """
        import pandas as pd

        datasets = self.datasets if names is None else tuple(map(self.dataset, as_names(names)))
        requested = (None if names is None else as_names(names) for names in (sites, institutes, diagnoses))
        rows = count_participants(self, datasets, CountFilter.from_names(self, *requested))
        return pd.DataFrame(map(asdict, rows), columns=list(CountRow.__slots__)).astype(
            {"n_participants": "Int64"}
        )

    def _repr_html_(self) -> str:
        from decnef_data.display.plans import catalog_html

        return catalog_html(self.datasets, self.mirrors)


def default_records() -> Records:
    """Return the records of the package, and those of the folder ``DECNEF_CATALOG_DIR`` if it is set.

    Raises
    ------
    CatalogError
        A record of the folder is malformed, or refers to another one that does not exist.
    """
    folder = os.environ.get("DECNEF_CATALOG_DIR")
    return Records.load(*([Path(folder)] if folder else []))


@cache
def _packaged_entries() -> tuple[RecordEntry, ...]:
    # Reading takes 10 ms and records are frozen, so that a process reads the packaged ones only once.
    return tuple(read_entries(files("decnef_data_catalog")))


@cache
def _packaged_records() -> Records:
    return _build_records(_packaged_entries())


def _build_records(entries: Iterable[RecordEntry]) -> Records:
    by_key = {entry.key: entry for entry in entries}
    validate_entries(tuple(by_key.values()))
    kinds: dict[str, list[Any]] = {}
    for entry in by_key.values():
        kinds.setdefault(entry.kind, []).append(entry.record)
    kinds.get("mirrors", []).sort(key=lambda mirror: mirror.order)
    return Records(**{kind: tuple(records) for kind, records in kinds.items()})
