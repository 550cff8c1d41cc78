"""Dataset descriptions in schema.org (JSON-LD)."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from decnef_data.exports.documents.metadata import (
    Distribution,
    access_conditions,
    citations,
    dataset_description,
    distributions,
    publisher,
    rights_statement,
    use_conditions,
)

if TYPE_CHECKING:
    from decnef_data.model import Citation, Dataset
    from decnef_data.records import Records

__all__ = ["document", "shared_properties"]


def document(dataset: "Dataset", records: "Records") -> dict[str, Any]:
    """Build the document.

    Examples
    --------
    >>> from decnef_data.records import Records
    >>> records = Records.load()
    >>> document(records.dataset("srpbs-open"), records)["identifier"]
    'https://doi.org/10.7303/syn22317081'
    """
    downloads = [_data_download(distribution) for distribution in distributions(dataset, records)]
    return {
        "@context": "https://schema.org",
        "@type": "Dataset",
        **shared_properties(dataset, records),
        "name": dataset.title,
        "alternateName": [dataset.name, *dataset.titles[1:]],
        # Works with a condition are left to `citation`, which states it.
        "creditText": " ".join(work.text for work in citations(dataset, records) if work.when is None),
        "distribution": downloads,
    }


def shared_properties(dataset: "Dataset", records: "Records") -> dict[str, Any]:
    """Build the properties shared with Croissant, which extends schema.org.

    Examples
    --------
    >>> from decnef_data.records import Records
    >>> records = Records.load()
    >>> shared_properties(records.dataset("srpbs-fc"), records)["size"]["value"]
    1625
    """
    return dict(_generate_properties(dataset, records))


def _generate_properties(dataset: "Dataset", records: "Records") -> Iterator[tuple[str, Any]]:
    terms = records.terms_of(dataset)
    yield "description", dataset_description(dataset)
    yield "url", dataset.page
    if dataset.doi:
        yield "identifier", f"https://doi.org/{dataset.doi}"
    yield "keywords", [dataset.name, *dataset.aliases]
    yield "conditionsOfAccess", f"{access_conditions(dataset)} {use_conditions(dataset, records)}"
    work = {"@type": "CreativeWork", "name": terms.title, "version": terms.version}
    yield "license", work | ({"url": terms.url} if terms.url else {})
    yield (
        "usageInfo",
        {
            "@type": "CreativeWork",
            "name": rights_statement(dataset, records),
            "text": use_conditions(dataset, records),
        },
    )
    if dataset.published is not None:
        yield "datePublished", dataset.published.isoformat()
    if dataset.announcement is not None:
        yield "subjectOf", {"@type": "WebPage", "url": dataset.announcement}
    organization = publisher(dataset, records)
    if organization is not None:
        yield "publisher", {"@type": "Organization", "name": organization[0], "url": organization[1]}
    if dataset.n_participants is not None:
        yield (
            "size",
            {"@type": "QuantitativeValue", "value": dataset.n_participants, "unitText": "participants"},
        )
    yield "citation", [_creative_work(cited) for cited in citations(dataset, records)]
    yield (
        "sameAs",
        [
            distribution.page
            for distribution in distributions(dataset, records)
            if distribution.page != dataset.page
        ],
    )


def _creative_work(cited: "Citation") -> dict[str, Any]:
    url = {"url": cited.url} if cited.url else {}
    when = {"abstract": f"Cite this work {cited.when}."} if cited.when else {}
    return {"@type": "CreativeWork", "name": cited.text, **url, **when}


def _data_download(distribution: Distribution) -> dict[str, Any]:
    """Build the entry of a file with the page that leads to it: the file itself has no public URL."""
    known = {
        "contentSize": None if distribution.size is None else f"{distribution.size} B",
        "sha256": distribution.checksum[1]
        # schema.org has no property for another checksum.
        if distribution.checksum and distribution.checksum[0] == "sha256"
        else None,
    }
    return {
        "@type": "DataDownload",
        "name": distribution.name,
        "url": distribution.page,
        **{name: value for name, value in known.items() if value is not None},
    }
