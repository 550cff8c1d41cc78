"""Reads the catalog's records, checks that they fit together, and finds what is asked for."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from itertools import chain
from typing import TYPE_CHECKING, Any

from decnef_data.records.checks import check, names_of
from decnef_data.records.counts import Counted, Wanted, counted
from decnef_data.records.names import find, fold, several
from decnef_data.records.reading import Entry, entries

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from decnef_data.model import (
        Citation,
        Code,
        Column,
        Dataset,
        Fact,
        Mirror,
        Protocol,
        Site,
        Terms,
    )

__all__ = ["Records", "fold"]


@dataclass(frozen=True, slots=True)
class Records:
    """All records of a catalog, each kind in the order it was read; mirrors in the order they are tried.

    Examples
    --------
    >>> records = Records.load()
    >>> records.dataset("SRPBS_OPEN").people
    1410
    >>> records.label("diagnosis", 2)
    'MDD'
    """

    datasets: "tuple[Dataset, ...]" = ()
    mirrors: "tuple[Mirror, ...]" = ()
    sites: "tuple[Site, ...]" = ()
    codes: "tuple[Code, ...]" = ()
    protocols: "tuple[Protocol, ...]" = ()
    columns: "tuple[Column, ...]" = ()
    citations: "tuple[Citation, ...]" = ()
    terms: "tuple[Terms, ...]" = ()
    facts: "tuple[Fact, ...]" = ()

    @classmethod
    def load(cls, *folders: "Path") -> "Records":
        """Read the shipped catalog, then add the records of each folder; the same name replaces.

        Raises
        ------
        CatalogError
            A record is malformed, or names another that does not exist.

        Examples
        --------
        >>> [mirror.name for mirror in Records.load().mirrors]
        ['folder', 'synapse', 'atr']
        """
        if not folders:
            return _shipped()
        return _assembled(chain(_shipped_entries(), *map(entries, folders)))

    def dataset(self, name: str) -> "Dataset":
        """Find a dataset by name, alias or title, else say which is near.

        Examples
        --------
        >>> Records.load().dataset("connectivity").name
        'srpbs-fc'
        """
        known = {alias: dataset for dataset in self.datasets for alias in names_of(dataset)}
        return find("dataset", name, known, {alias: dataset.name for alias, dataset in known.items()})

    def mirror(self, name: str) -> "Mirror":
        """Find a mirror by name, else say which is near.

        Examples
        --------
        >>> Records.load().mirror("Synapse").address
        'syn22317076'
        """
        return find("mirror", name, {mirror.name: mirror for mirror in self.mirrors})

    def citation(self, key: str) -> "Citation":
        """Find a work by its key, else say which is near.

        Examples
        --------
        >>> Records.load().citation("tanaka2021").doi
        '10.1038/s41597-021-01004-8'
        """
        return find("citation", key, {citation.key: citation for citation in self.citations})

    def terms_of(self, dataset: "Dataset") -> "Terms":
        """Find the terms that a dataset is handed out under.

        Examples
        --------
        >>> records = Records.load()
        >>> records.terms_of(records.dataset("srpbs-fc")).version
        '1'
        """
        return find("terms", dataset.terms, {terms.name: terms for terms in self.terms})

    def site(self, code: str) -> "Site | None":
        """Find a site by its code or an alias, or ``None``.

        Examples
        --------
        >>> Records.load().site("KFU").code
        'KPM'
        """
        wanted = fold(code)
        return next((s for s in self.sites if wanted in map(fold, names_of(s))), None)

    def label(self, column: str, code: int) -> str | None:
        """Say what a code of the MRI tables means, or ``None``.

        Examples
        --------
        >>> Records.load().label("sex", 1)
        'male'
        """
        return next((c.label for c in self.codes if (c.column, c.code) == (column, code)), None)

    def column(self, header: str) -> "Column | None":
        """Find the coordinate that a table's header means, or ``None``.

        Examples
        --------
        >>> Records.load().column("Mean FD (mm)").name
        'mean_fd'
        """
        wanted = fold(header)
        return next((c for c in self.columns if wanted in map(fold, names_of(c))), None)

    def facts_of(self, dataset: str) -> "tuple[Fact, ...]":
        """Gather the facts about one dataset, found as :meth:`dataset` finds it.

        Examples
        --------
        >>> Records.load().facts_of("srpbs-fc")[0].value
        1625
        """
        name = self.dataset(dataset).name
        return tuple(fact for fact in self.facts if fact.dataset == name)

    def query(
        self,
        names: "str | Iterable[str] | None" = None,
        *,
        sites: "str | Iterable[str] | None" = None,
        institutes: "str | Iterable[str] | None" = None,
        diagnoses: "str | Iterable[str] | None" = None,
    ) -> "pd.DataFrame":
        """Count people by dataset, site and diagnosis from the records alone: nothing is fetched or opened.

        Age, sex and head motion are in nobody's records: :func:`decnef_data.query` asks the tables that
        you have.

        Returns
        -------
        pandas.DataFrame
            A row a count: dataset, site, institute, diagnosis, people (missing where the records do not
            know), grade (A two sources or more, B one, C inferred, D unconfirmed) and a comment.

        Raises
        ------
        SelectionError
            There is no such dataset, site, institute or diagnosis.

        Examples
        --------
        >>> Records.load().query("srpbs-1600", sites="KUT")[["diagnosis", "people", "grade"]].values.tolist()
        [['HC', 159, 'C'], ['MDD', 16, 'C'], ['SSD', 45, 'C']]
        """
        import pandas as pd

        chosen = self.datasets if names is None else tuple(map(self.dataset, several(names)))
        asked = (None if one is None else several(one) for one in (sites, institutes, diagnoses))
        rows = counted(self, chosen, Wanted.named(self, *asked))
        return pd.DataFrame(map(asdict, rows), columns=list(Counted.__slots__)).astype({"people": "Int64"})

    def _repr_html_(self) -> str:
        from decnef_data.model.notebook import catalog_page

        return catalog_page(self.datasets, self.mirrors)


@cache
def _shipped_entries() -> tuple[Entry, ...]:
    # Records are frozen and cost 10 ms to read, so that one process reads those of the package once.
    return tuple(entries(files("decnef_data_catalog")))


@cache
def _shipped() -> Records:
    return _assembled(_shipped_entries())


def _assembled(read: Iterable[Entry]) -> Records:
    kept = {entry.key: entry for entry in read}
    check(tuple(kept.values()))
    kinds: dict[str, list[Any]] = {}
    for entry in kept.values():
        kinds.setdefault(entry.kind, []).append(entry.record)
    kinds.get("mirrors", []).sort(key=lambda mirror: mirror.order)
    return Records(**{kind: tuple(records) for kind, records in kinds.items()})
