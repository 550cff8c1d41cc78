"""The records of the catalog: loading, validation and lookup."""

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache, lru_cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from decnef_data.arguments import checked
from decnef_data.mirrors import get_protocol
from decnef_data.records.build import packaged_entries, records_by_kind, unique_entries
from decnef_data.records.counts import CountFilter, CountRow, count_participants
from decnef_data.records.load import read_entries, require_folder
from decnef_data.records.names import as_names, normalize_name, resolve_name
from decnef_data.records.validate import record_names, validate_evidence

if TYPE_CHECKING:
    import pandas as pd

    from decnef_data.mirrors.protocol import LoginForm
    from decnef_data.model import (
        CatalogProblem,
        Citation,
        Code,
        Column,
        Dataset,
        DataUse,
        Evidence,
        Fact,
        GradedRecord,
        ImagingProtocol,
        Mirror,
        Site,
        StatedValue,
        Terms,
        UsePolicy,
    )

__all__ = ["Records", "check_records", "default_records", "normalize_name", "use_policy"]


@dataclass(frozen=True, slots=True)
class Records:
    """All records of a catalog, in the order they were read; mirrors in the order they are tried.

    Parameters
    ----------
    datasets, mirrors, sites, codes, protocols, columns, citations, terms, data_use, fact_records, evidence
        The records of each kind.
    locked_use
        How datasets may be used according to locks, by the name of the dataset.

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
    data_use: "tuple[DataUse, ...]" = ()
    fact_records: "tuple[Fact, ...]" = ()
    evidence: "tuple[Evidence, ...]" = ()
    locked_use: "tuple[tuple[str, UsePolicy], ...]" = ()

    def __hash__(self) -> int:
        """Hash the names of the datasets: what is derived from all records is cached by them."""
        # Records have dictionaries, which have no hash.
        return hash(tuple(dataset.name for dataset in self.datasets))

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
        entries = unique_entries(chain(packaged_entries(), *map(read_entries, map(Path, folders))))
        validate_evidence(entries)
        return cls(**records_by_kind(entries))

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
        found = _datasets_by_spelling(self).get(normalize_name(name))
        if found is not None:
            return found
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
    def login_form(self, name: str) -> "LoginForm | None":
        """Return what a user enters to log in to a mirror, or ``None`` if it does not require a login.

        Parameters
        ----------
        name
            The name of the mirror.

        Returns
        -------
        LoginForm or None
            What the secret is called, and whether each dataset has one of its own.

        Raises
        ------
        SelectionError
            There is no such mirror; the message suggests the nearest.
        CatalogError
            The protocol of the mirror is not installed.

        Examples
        --------
        >>> Records.load().login_form("synapse").secret
        'personal access token'
        """
        return get_protocol(self.mirror(name).protocol).login_form

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
    def data_use_of(self, dataset: "Dataset") -> "DataUse | None":
        """Return how a dataset may be used, in terms of DUO and ODRL; ``None`` if it is not stated.

        Parameters
        ----------
        dataset
            The record of the dataset.

        Returns
        -------
        DataUse or None
            The purposes, conditions, prohibitions and duties of the dataset's access tier.

        Raises
        ------
        SelectionError
            The catalog does not have the terms that the record names.

        Examples
        --------
        >>> records = Records.load()
        >>> [term.term for term in records.data_use_of(records.dataset("srpbs-fc")).modifiers]
        ['DUO:0000026', 'DUO:0000027']
        """
        name = self.terms_of(dataset).data_use
        return next((tier for tier in self.data_use if tier.name == name), None)

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
        return tuple(fact for fact in self.fact_records if fact.dataset == name)

    @checked
    def facts(
        self, names: "str | Iterable[str] | None" = None, *, grade: str | None = None
    ) -> "tuple[StatedValue, ...]":
        """Return every value that the catalog states, with its grade and evidence.

        Parameters
        ----------
        names
            The datasets, by name, alias or title, one or several; ``None`` means all, and what describes no
            dataset or several.
        grade
            The grade of the values: ``"A"``, ``"B"``, ``"C"`` or ``"D"``; ``None`` means all.

        Returns
        -------
        tuple of StatedValue
            The values, each with its name, unit, what it counts, its dataset, grade, evidence, and the
            formula by which it follows from others.

        Raises
        ------
        SelectionError
            There is no such dataset or grade.

        Examples
        --------
        >>> facts = {fact.name: fact for fact in Records.load().facts("srpbs-fc", grade="C")}
        >>> facts["srpbs-fc/atlases/bal140.edges"].formula
        'rois * (rois - 1) / 2'
        """
        from decnef_data.records.facts import list_facts, require_grade

        datasets = None if names is None else {self.dataset(name).name for name in as_names(names)}
        wanted = None if grade is None else require_grade(grade)
        return tuple(
            fact
            for fact in list_facts(self._graded_records(), self.evidence)
            if (datasets is None or fact.dataset in datasets) and wanted in {None, fact.grade}
        )

    @checked
    def fact(self, name: str) -> "StatedValue":
        """Return one value that the catalog states, with its grade and evidence.

        Parameters
        ----------
        name
            The name of the fact, such as ``"fc-participants"``, or of a field of a record, such as
            ``"srpbs-fc.n_participants"``.

        Returns
        -------
        StatedValue
            The value.

        Raises
        ------
        SelectionError
            There is no such value; the message suggests the nearest.

        Examples
        --------
        >>> Records.load().fact("open-participants").value
        1410
        """
        from decnef_data.records.facts import find_fact, list_facts

        return find_fact(list_facts(self._graded_records(), self.evidence), name)

    def _graded_records(self) -> "Iterator[tuple[str, GradedRecord]]":
        for field in fields(self):
            kind = "facts" if field.name == "fact_records" else field.name
            if field.name not in {"evidence", "locked_use"}:
                yield from ((kind, record) for record in getattr(self, field.name))

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
            has no number), grade (A to D, as the documentation explains them) and comment.

        Raises
        ------
        SelectionError
            There is no such dataset, site, institute or diagnosis.

        Examples
        --------
        >>> counts = Records.load().query("srpbs-1600", sites="KUT")
        >>> counts[["diagnosis", "n_participants", "grade"]].values.tolist()
        [['HC', 159, 'B'], ['MDD', 16, 'C'], ['SSD', 45, 'C']]
        """
        import pandas as pd

        datasets = self.datasets if names is None else tuple(map(self.dataset, as_names(names)))
        requested = (None if names is None else as_names(names) for names in (sites, institutes, diagnoses))
        rows = count_participants(self, datasets, CountFilter.from_names(self, *requested))
        # Int64 has missing values; without a row pandas would not know the columns.
        return pd.DataFrame(map(asdict, rows), columns=list(CountRow.__slots__)).astype(
            {"n_participants": "Int64"}
        )

    def _repr_html_(self) -> str:
        from decnef_data.display.plans import catalog_html

        return catalog_html(self.datasets, self.mirrors)


def use_policy(records: Records, dataset: "Dataset") -> "UsePolicy":
    """Return how a dataset may be used, in the form in which it is combined with others.

    If the records have the conditions of a lock, too, the stricter hold.

    Examples
    --------
    >>> records = Records.load()
    >>> use_policy(records, records.dataset("srpbs-ts")).unknown
    ('commerce', 'purpose')
    """
    from decnef_data.model import UsePolicy, strictest

    tier = records.data_use_of(dataset)
    policy = UsePolicy.without_tier(dataset.level) if tier is None else UsePolicy.of(tier)
    locked = [locked for name, locked in records.locked_use if name == dataset.name]
    return strictest([policy, *locked]) if locked else policy


def default_records() -> Records:
    """Return the records of the package, and those of the folder ``DECNEF_CATALOG_DIR`` if it is set.

    Raises
    ------
    CatalogError
        A record of the folder is malformed, or refers to another one that does not exist.
    """
    folder = os.environ.get("DECNEF_CATALOG_DIR")
    return _load_cached(Path(folder), _signature(Path(folder))) if folder else _packaged_records()


def check_records(folder: Path, layouts: Collection[str]) -> "tuple[CatalogProblem, ...]":
    """Return everything that is wrong about the records in a folder, which may refer to those of the package.

    Parameters
    ----------
    folder
        The folder.
    layouts
        The names of the layouts that can be opened.

    Raises
    ------
    CatalogError
        There is no such folder.
    """
    from decnef_data.records.check import check_entries  # only this function needs it

    require_folder(folder)
    return check_entries(folder, packaged_entries(), layouts)


def _signature(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Return the names, times and sizes of the files with records in a folder."""
    # Catalogs are edited while a notebook runs: a file that changed is read again.
    files = sorted(path for pattern in ("*.toml", "*/*.toml") for path in folder.glob(pattern))
    statuses = ((path, path.stat()) for path in files)
    return tuple((str(path), status.st_mtime_ns, status.st_size) for path, status in statuses)


@lru_cache(maxsize=2)  # the same records for every call, so that what is derived from them is found again
def _load_cached(folder: Path, _files: tuple[tuple[str, int, int], ...]) -> Records:
    return Records.load(folder)


@lru_cache(maxsize=8)  # every call resolves the name of its dataset
def _datasets_by_spelling(records: Records) -> "Mapping[str, Dataset]":
    return {normalize_name(name): dataset for dataset in records.datasets for name in record_names(dataset)}


@cache
def _packaged_records() -> Records:
    # Their evidence, which takes longer to check than all the rest, is checked before they are packaged.
    return Records(**records_by_kind(packaged_entries()))
