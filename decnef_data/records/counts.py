"""How many people the records alone count, by dataset, site and diagnosis, each number with its grade."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from decnef_data.records.names import find

if TYPE_CHECKING:
    from decnef_data.model import Count, Dataset, Site
    from decnef_data.records import Records

__all__ = ["Counted", "Wanted", "counted"]

_WHOLE = "everybody; the records do not count them by site and diagnosis"
_UNCOUNTED = "the records do not count this dataset by site and diagnosis"


@dataclass(frozen=True, slots=True)
class Wanted:
    """The sites, institutes and diagnoses asked for, as the catalog calls them; ``None`` is all."""

    sites: frozenset[str] | None = None
    institutes: frozenset[str] | None = None
    diagnoses: frozenset[str] | None = None

    @classmethod
    def named(
        cls,
        records: "Records",
        sites: Iterable[str] | None,
        institutes: Iterable[str] | None,
        diagnoses: Iterable[str] | None,
    ) -> "Wanted":
        """Find what is meant by each name.

        Raises
        ------
        SelectionError
            The catalog has no such site, institute or diagnosis; the message says which is near.

        Examples
        --------
        >>> from decnef_data.records import Records
        >>> Wanted.named(Records.load(), ["kfu"], None, ["major depressive disorder"])
        Wanted(sites=frozenset({'KPM'}), institutes=None, diagnoses=frozenset({'MDD'}))
        """
        codes = {name: site.code for site in records.sites for name in (site.code, *site.aliases)}
        schools = {site.institute: site.institute for site in records.sites}
        labels = [code for code in records.codes if code.column == "diagnosis"]
        titles = {name: code.label for code in labels for name in (code.title, code.title_ja) if name}
        titles |= {code.label: code.label for code in labels}
        return cls(
            _meant("site", sites, codes),
            _meant("institute", institutes, schools),
            _meant("diagnosis", diagnoses, titles),
        )

    @property
    def everybody(self) -> bool:
        """Whether nothing was asked for."""
        return self == Wanted()

    def counts(self, count: "Count", sites: "Iterable[Site]") -> bool:
        """Whether some of the people of `count`, who are from `sites`, are asked for."""
        return (
            (self.diagnoses is None or count.diagnosis in self.diagnoses)
            and (self.sites is None or not self.sites.isdisjoint(count.sites))
            and (self.institutes is None or any(site.institute in self.institutes for site in sites))
        )


@dataclass(frozen=True, slots=True)
class Counted:
    """A number of people, ``None`` where the records do not know it, and how sure it is."""

    dataset: str
    site: str
    institute: str
    diagnosis: str
    people: int | None
    grade: str
    comment: str


def counted(records: "Records", datasets: "Iterable[Dataset]", wanted: Wanted) -> Iterator[Counted]:
    """Count the people asked for in each dataset, or say that the records do not.

    Examples
    --------
    >>> from decnef_data.records import Records
    >>> records = Records.load()
    >>> wanted = Wanted.named(records, ["KUT"], None, ["MDD"])
    >>> [(one.people, one.grade) for one in counted(records, [records.dataset("srpbs-1600")], wanted)]
    [(16, 'C')]
    """
    for dataset in datasets:
        if dataset.counts:
            yield from _of_counts(records, dataset, wanted)
        elif wanted.everybody:
            yield Counted(dataset.name, "", "", "", dataset.people, dataset.grade_of("people"), _WHOLE)
        else:
            yield Counted(dataset.name, "", "", "", None, "", _UNCOUNTED)


def _of_counts(records: "Records", dataset: "Dataset", wanted: Wanted) -> Iterator[Counted]:
    for count in dataset.counts:
        sites = [site for site in map(records.site, count.sites) if site is not None]
        if wanted.counts(count, sites):
            together = "sites joined by + are counted together" if len(sites) > 1 else ""
            yield Counted(
                dataset.name,
                "+".join(count.sites),
                "+".join(dict.fromkeys(site.institute for site in sites)),
                count.diagnosis,
                count.people,
                count.grade,
                count.comment or together,
            )


def _meant(what: str, asked: Iterable[str] | None, known: Mapping[str, str]) -> frozenset[str] | None:
    if asked is None:
        return None
    return frozenset(find(what, name, known, known) for name in asked)
