"""Numbers of participants in the catalog, by dataset, site and diagnosis, each with its grade."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from decnef_data.records.names import resolve_name

if TYPE_CHECKING:
    from decnef_data.model import Code, Dataset, ParticipantCount, Site

__all__ = [
    "CountFilter",
    "CountRow",
    "count_participants",
    "diagnosis_names",
    "institute_names",
    "site_names",
]

_TOTAL_ONLY = "all participants; the catalog has no counts by site and diagnosis"
_NO_COUNTS = "the catalog has no counts by site and diagnosis for this dataset"


class SiteRecords(Protocol):
    """The part of the catalog that counting needs: sites, and the labels of codes."""

    @property
    def sites(self) -> "tuple[Site, ...]":
        """All sites."""

    @property
    def codes(self) -> "tuple[Code, ...]":
        """All codes of the MRI tables."""

    def site(self, code: str) -> "Site | None":
        """Return the site with a code or alias, or ``None``."""


def site_names(records: SiteRecords) -> dict[str, str]:
    """Return the code of each site by code and alias."""
    return {name: site.code for site in records.sites for name in (site.code, *site.aliases)}


def institute_names(records: SiteRecords) -> dict[str, str]:
    """Return the institutes by their names."""
    return {site.institute: site.institute for site in records.sites}


def diagnosis_names(records: SiteRecords) -> dict[str, str]:
    """Return the label of each diagnosis by title, alias and label.

    Examples
    --------
    >>> from decnef_data.records import Records
    >>> diagnosis_names(Records.load())["depression"]
    'MDD'
    """
    codes = [code for code in records.codes if code.column == "diagnosis"]
    names = {
        name: code.label for code in codes for name in (code.title, code.title_ja, *code.aliases) if name
    }
    return names | {code.label: code.label for code in codes}


@dataclass(frozen=True, slots=True)
class CountFilter:
    """The requested sites, institutes and diagnoses, by their names in the catalog; ``None`` means all."""

    sites: frozenset[str] | None = None
    institutes: frozenset[str] | None = None
    diagnoses: frozenset[str] | None = None

    @classmethod
    def from_names(
        cls,
        records: SiteRecords,
        sites: Iterable[str] | None,
        institutes: Iterable[str] | None,
        diagnoses: Iterable[str] | None,
    ) -> "CountFilter":
        """Resolve names and aliases.

        Raises
        ------
        SelectionError
            The catalog has no such site, institute or diagnosis; the message suggests the nearest.

        Examples
        --------
        >>> from decnef_data.records import Records
        >>> CountFilter.from_names(Records.load(), ["kfu"], None, ["major depressive disorder"])
        CountFilter(sites=frozenset({'KPM'}), institutes=None, diagnoses=frozenset({'MDD'}))
        """
        return cls(
            _resolve_names("site", sites, site_names(records)),
            _resolve_names("institute", institutes, institute_names(records)),
            _resolve_names("diagnosis", diagnoses, diagnosis_names(records)),
        )

    @property
    def is_empty(self) -> bool:
        """Whether everything is requested."""
        return self == CountFilter()

    def matches(self, count: "ParticipantCount", sites: "Iterable[Site]") -> bool:
        """Return whether some of the participants of `count`, who are from `sites`, are requested."""
        return (
            (self.diagnoses is None or count.diagnosis in self.diagnoses)
            # Sites that are counted together match any of them: their number cannot be divided.
            and (self.sites is None or not self.sites.isdisjoint(count.sites))
            and (self.institutes is None or any(site.institute in self.institutes for site in sites))
        )


@dataclass(frozen=True, slots=True)
class CountRow:
    """A number of participants, ``None`` where the catalog has none, and its grade."""

    dataset: str
    site: str
    institute: str
    diagnosis: str
    n_participants: int | None
    grade: str
    comment: str


def count_participants(
    records: SiteRecords, datasets: "Iterable[Dataset]", count_filter: CountFilter
) -> Iterator[CountRow]:
    """Yield the requested counts of each dataset, or a row without a number if the catalog has none.

    Examples
    --------
    >>> from decnef_data.records import Records
    >>> records = Records.load()
    >>> count_filter = CountFilter.from_names(records, ["KUT"], None, ["MDD"])
    >>> rows = count_participants(records, [records.dataset("srpbs-1600")], count_filter)
    >>> [(row.n_participants, row.grade) for row in rows]
    [(16, 'C')]
    """
    for dataset in datasets:
        if dataset.counts:
            yield from _filter_counts(records, dataset, count_filter)
        elif count_filter.is_empty:
            total, grade = dataset.n_participants, dataset.grade_of("n_participants")
            yield CountRow(dataset.name, "", "", "", total, grade, _TOTAL_ONLY)
        else:
            # Not 0, and not left out: it is not known whether the dataset has such participants.
            yield CountRow(dataset.name, "", "", "", None, "", _NO_COUNTS)


def _filter_counts(records: SiteRecords, dataset: "Dataset", count_filter: CountFilter) -> Iterator[CountRow]:
    for count in dataset.counts:
        sites = [site for site in map(records.site, count.sites) if site is not None]
        if count_filter.matches(count, sites):
            pooled_comment = "sites joined by + are counted together" if len(sites) > 1 else ""
            yield CountRow(
                dataset.name,
                "+".join(count.sites),
                "+".join(dict.fromkeys(site.institute for site in sites)),
                count.diagnosis,
                count.n_participants,
                count.grade,
                count.comment or pooled_comment,
            )


def _resolve_names(kind: str, names: Iterable[str] | None, known: Mapping[str, str]) -> frozenset[str] | None:
    if names is None:
        return None
    return frozenset(resolve_name(kind, name, known, known) for name in names)
