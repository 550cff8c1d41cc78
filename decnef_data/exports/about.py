"""What every style says of a dataset: its access, terms, works to cite, and the places that hold it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from decnef_data.model import Citation, Dataset, Holding, Mirror
    from decnef_data.records import Records

__all__ = ["Held", "about", "citations", "conditions", "counts", "figures", "held", "publisher", "rights"]


@dataclass(frozen=True, slots=True)
class Held:
    """Where a mirror keeps a dataset: the page for people, and of the file only what is known for sure."""

    mirror: str
    title: str
    page: str
    archive: str | None
    size: int | None
    checksum: tuple[str, str] | None


def about(dataset: "Dataset") -> str:
    """Describe a dataset in a paragraph.

    Examples
    --------
    >>> from decnef_data.records import Records
    >>> about(Records.load().dataset("srpbs-ts")).partition(". ")[0]
    'Resting-state fMRI and structural MRI of nine healthy men scanned at 12 sites, in 143 sessions'
    """
    who = {"restricted": "approved applicants", "registered": "registered users"}[dataset.level]
    return f"{dataset.summary.strip()} {dataset.title} is handed out to {who} only."


def conditions(dataset: "Dataset") -> str:
    """Say what access needs, step by step.

    Examples
    --------
    >>> from decnef_data.records import Records
    >>> conditions(Records.load().dataset("srpbs-ts")).partition(": ")[0]
    'Access is for registered users'
    """
    who = {"restricted": "approved applicants", "registered": "registered users"}[dataset.level]
    steps = " ".join(f"({number}) {step.text.strip()}" for number, step in enumerate(dataset.steps, 1))
    return f"Access is for {who}: {steps}"


def rights(dataset: "Dataset", records: "Records") -> str:
    """Say what the terms allow.

    Examples
    --------
    >>> from decnef_data.records import Records
    >>> records = Records.load()
    >>> rights(records.dataset("srpbs-ts"), records).rpartition(": ")[2]
    'no Creative Commons licence, and not to be passed on.'
    """
    terms = records.terms_of(dataset)
    passing = "to be passed on as they say" if dataset.redistributable else "not to be passed on"
    return f"{terms.title}, version {terms.version}: no Creative Commons licence, and {passing}."


def citations(dataset: "Dataset", records: "Records") -> "tuple[Citation, ...]":
    """Gather the works to cite, in the order they are due.

    Examples
    --------
    >>> from decnef_data.records import Records
    >>> records = Records.load()
    >>> citations(records.dataset("srpbs-ts"), records)[0].key
    'tanaka2021'
    """
    return tuple(map(records.citation, dataset.citations))


def held(dataset: "Dataset", records: "Records") -> Iterator[Held]:
    """List the mirrors that hold a dataset; an id that nobody confirmed is left out.

    Examples
    --------
    >>> from decnef_data.records import Records
    >>> records = Records.load()
    >>> [one.page for one in held(records.dataset("srpbs-open"), records)]
    ['https://www.synapse.org/Synapse:syn22317081', 'https://bicr-resource.atr.jp/srpbsopen']
    """
    for mirror in records.mirrors:
        holding = mirror.holding(dataset.name)
        if holding is not None and mirror.page is not None:
            algorithm, _, digest = (holding.checksum or "").partition(":")
            page = _page(dataset, mirror, holding, mirror.page)
            checksum = (algorithm, digest) if digest else None
            yield Held(mirror.name, mirror.title, page, holding.archive, holding.size, checksum)


def publisher(dataset: "Dataset", records: "Records") -> tuple[str, str] | None:
    """Name who publishes a dataset, and their page: the mirror that the dataset's own page belongs to.

    Examples
    --------
    >>> from decnef_data.records import Records
    >>> records = Records.load()
    >>> publisher(records.dataset("srpbs-ts"), records)
    ('ATR', 'https://bicr-resource.atr.jp')
    """
    named = ((mirror.title, mirror.page) for mirror in records.mirrors if mirror.page is not None)
    return next(((title, page) for title, page in named if dataset.page.startswith(page)), None)


def figures(dataset: "Dataset", records: "Records") -> list[dict[str, Any]]:
    """Give the published figures as rows, each with its grade.

    Examples
    --------
    >>> from decnef_data.records import Records
    >>> records = Records.load()
    >>> figures(records.dataset("srpbs-ts"), records)[0]["value"]
    '9'
    """
    return [
        {
            "name": fact.name,
            "value": str(fact.value),
            "unit": fact.unit or "",
            "counts": fact.counts,
            "grade": fact.grade,
        }
        for fact in records.facts_of(dataset.name)
    ]


def counts(dataset: "Dataset") -> list[dict[str, Any]]:
    """Give the counts of people by site and diagnosis as rows, each with its grade.

    Examples
    --------
    >>> from decnef_data.records import Records
    >>> counts(Records.load().dataset("srpbs-1600"))[0]
    {'site': 'SWA', 'diagnosis': 'HC', 'people': 101, 'grade': 'C'}
    """
    return [
        {
            "site": "+".join(count.sites),
            "diagnosis": count.diagnosis,
            "people": count.people,
            "grade": count.grade,
        }
        for count in dataset.counts
    ]


def _page(dataset: "Dataset", mirror: "Mirror", holding: "Holding", page: str) -> str:
    if holding.verified and mirror.address is not None and holding.address is not None:
        return page.replace(mirror.address, holding.address)
    return dataset.page if dataset.page.startswith(page) else page
