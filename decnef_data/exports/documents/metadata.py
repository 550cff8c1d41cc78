"""Metadata of a dataset that all styles share: access, terms, citations, mirrors and published tables."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from decnef_data.records import use_policy

if TYPE_CHECKING:
    from decnef_data.model import Citation, Dataset, Holding, Mirror
    from decnef_data.records import Records

__all__ = [
    "Distribution",
    "access_conditions",
    "citations",
    "count_rows",
    "dataset_description",
    "distributions",
    "fact_rows",
    "published_tables",
    "publisher",
    "rights_statement",
    "use_conditions",
]


_AUDIENCES: Final = {"restricted": "approved applicants", "registered": "registered users"}


def _audience(dataset: "Dataset") -> str:
    return _AUDIENCES.get(dataset.level, f"users with access of the level '{dataset.level}'")


@dataclass(frozen=True, slots=True)
class Distribution:
    """A dataset at a mirror: its web page, and the properties of the file that are known for certain."""

    mirror: str
    title: str
    page: str
    archive: str | None
    size: int | None
    checksum: tuple[str, str] | None

    @property
    def name(self) -> str:
        """Name of the file, or of the files, at the mirror."""
        return f"{self.archive} at {self.title}" if self.archive else f"Files at {self.title}"


def dataset_description(dataset: "Dataset") -> str:
    """Return a paragraph that describes a dataset.

    Examples
    --------
    >>> from decnef_data.records import Records
    >>> dataset_description(Records.load().dataset("srpbs-ts")).partition(". ")[0]
    'Resting-state fMRI and structural MRI of nine healthy men scanned at 12 sites, in 143 sessions'
    """
    return f"{dataset.summary.strip()} {dataset.title} is available only to {_audience(dataset)}."


def access_conditions(dataset: "Dataset") -> str:
    """Return the steps that access requires.

    Examples
    --------
    >>> from decnef_data.records import Records
    >>> access_conditions(Records.load().dataset("srpbs-ts")).partition(": ")[0]
    'Access is limited to registered users'
    """
    steps = " ".join(f"({number}) {step.text.strip()}" for number, step in enumerate(dataset.steps, 1))
    return f"Access is limited to {_audience(dataset)}{f': {steps}' if steps else '.'}"


def rights_statement(dataset: "Dataset", records: "Records") -> str:
    """Return what the terms allow.

    Examples
    --------
    >>> from decnef_data.records import Records
    >>> records = Records.load()
    >>> rights_statement(records.dataset("srpbs-ts"), records).rpartition(": ")[2]
    'no Creative Commons licence; redistribution is not permitted.'
    """
    terms = records.terms_of(dataset)
    redistribution = "permitted under these terms" if dataset.redistributable else "not permitted"
    rights = f"no Creative Commons licence; redistribution is {redistribution}"
    return f"{terms.title}, version {terms.version}: {rights}."


def use_conditions(dataset: "Dataset", records: "Records") -> str:
    """Return the conditions of use in terms of DUO and ODRL, and what no source states, as one text.

    Examples
    --------
    >>> from decnef_data.records import Records
    >>> records = Records.load()
    >>> use_conditions(records.dataset("srpbs-fc"), records).partition(". ")[0]
    'Data use: purpose unknown: no source states it; commercial use unknown: no source states it; ...'
    """
    parts = "; ".join(f"{label} {text}" for label, text in use_policy(records, dataset).describe())
    return f"Data use: {parts}."


def citations(dataset: "Dataset", records: "Records") -> "tuple[Citation, ...]":
    """Return the works to cite, in order.

    Examples
    --------
    >>> from decnef_data.records import Records
    >>> records = Records.load()
    >>> citations(records.dataset("srpbs-ts"), records)[0].key
    'tanaka2021'
    """
    return tuple(map(records.citation, dataset.citations))


def distributions(dataset: "Dataset", records: "Records") -> Iterator[Distribution]:
    """Yield a dataset's distribution at each mirror; unconfirmed addresses are left out.

    Examples
    --------
    >>> from decnef_data.records import Records
    >>> records = Records.load()
    >>> [found.page for found in distributions(records.dataset("srpbs-open"), records)]
    ['https://www.synapse.org/Synapse:syn22317081', 'https://bicr-resource.atr.jp/srpbsopen']
    """
    for mirror in records.mirrors:
        holding = mirror.find_holding(dataset.name)
        # A mirror without a page, such as folders of this machine, is nothing that others could visit.
        if holding is not None and mirror.page is not None:
            algorithm, _, digest = (holding.checksum or "").partition(":")
            page = _landing_page(dataset, mirror, holding, mirror.page)
            checksum = (algorithm, digest) if digest else None
            yield Distribution(mirror.name, mirror.title, page, holding.archive, holding.size, checksum)


def publisher(dataset: "Dataset", records: "Records") -> tuple[str, str] | None:
    """Return the publisher of a dataset and its page: the mirror to which the dataset's own page belongs.

    Examples
    --------
    >>> from decnef_data.records import Records
    >>> records = Records.load()
    >>> publisher(records.dataset("srpbs-ts"), records)
    ('ATR', 'https://bicr-resource.atr.jp')
    """
    pages = ((mirror.title, mirror.page) for mirror in records.mirrors if mirror.page is not None)
    return next(((title, page) for title, page in pages if dataset.page.startswith(page)), None)


def fact_rows(dataset: "Dataset", records: "Records") -> list[dict[str, Any]]:
    """Return the published figures as rows, each with its grade.

    Examples
    --------
    >>> from decnef_data.records import Records
    >>> records = Records.load()
    >>> fact_rows(records.dataset("srpbs-ts"), records)[0]["value"]
    '9'
    """
    return [
        {
            "name": fact.name,
            # Figures are numbers, dates and words, and a column has one type.
            "value": str(fact.value),
            "unit": fact.unit or "",
            "counts": fact.counts,
            "grade": fact.grade,
        }
        for fact in records.facts_of(dataset.name)
    ]


def count_rows(dataset: "Dataset") -> list[dict[str, Any]]:
    """Return the numbers of participants by site and diagnosis as rows, each with its grade.

    Examples
    --------
    >>> from decnef_data.records import Records
    >>> count_rows(Records.load().dataset("srpbs-1600"))[0]
    {'site': 'SWA', 'diagnosis': 'HC', 'n_participants': 101, 'grade': 'B'}
    """
    return [
        {
            # OSU and NKN, and ATT and ATV, are counted together.
            "site": "+".join(count.sites),
            "diagnosis": count.diagnosis,
            "n_participants": count.n_participants,
            "grade": count.grade,
        }
        for count in dataset.counts
    ]


def published_tables(
    dataset: "Dataset", records: "Records"
) -> Iterator[tuple[str, str, list[dict[str, Any]]]]:
    """Yield the name, description and rows of each table of published numbers that has rows.

    Examples
    --------
    >>> from decnef_data.records import Records
    >>> records = Records.load()
    >>> [name for name, _, _ in published_tables(records.dataset("srpbs-1600"), records)]
    ['figures', 'counts']
    """
    facts, counts = fact_rows(dataset, records), count_rows(dataset)
    if facts:
        yield "figures", "Published figures about the dataset, each with its grade.", facts
    if counts:
        yield "counts", "Numbers of participants by site and diagnosis, each with its grade.", counts


def _landing_page(dataset: "Dataset", mirror: "Mirror", holding: "Holding", page: str) -> str:
    # An id that no crawl has confirmed may be that of another dataset.
    if holding.has_verified_address and mirror.address and holding.address is not None:
        return page.replace(mirror.address, holding.address)  # the pages of Synapse differ in the id only
    return dataset.page if dataset.page.startswith(page) else page
