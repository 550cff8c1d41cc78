"""A dataset as schema.org describes one, in JSON-LD."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from decnef_data.exports.about import Held, about, citations, conditions, held, publisher, rights

if TYPE_CHECKING:
    from decnef_data.model import Citation, Dataset
    from decnef_data.records import Records

__all__ = ["document", "properties"]


def document(dataset: "Dataset", records: "Records") -> dict[str, Any]:
    """Write the document.

    Examples
    --------
    >>> from decnef_data.records import Records
    >>> records = Records.load()
    >>> document(records.dataset("srpbs-open"), records)["identifier"]
    'https://doi.org/10.7303/syn22317081'
    """
    places = [_download(place) for place in held(dataset, records)]
    return {
        "@context": "https://schema.org",
        "@type": "Dataset",
        **properties(dataset, records),
        "name": dataset.title,
        "alternateName": [dataset.name, dataset.title_ja],
        "creditText": " ".join(work.text for work in citations(dataset, records) if work.when is None),
        "distribution": places,
    }


def properties(dataset: "Dataset", records: "Records") -> dict[str, Any]:
    """Write what Croissant, which is built on schema.org, says in the same words.

    Examples
    --------
    >>> from decnef_data.records import Records
    >>> records = Records.load()
    >>> properties(records.dataset("srpbs-fc"), records)["size"]["value"]
    1625
    """
    return dict(_properties(dataset, records))


def _properties(dataset: "Dataset", records: "Records") -> Iterator[tuple[str, Any]]:
    terms = records.terms_of(dataset)
    yield "description", about(dataset)
    yield "url", dataset.page
    if dataset.doi:
        yield "identifier", f"https://doi.org/{dataset.doi}"
    yield "keywords", [dataset.name, *dataset.aliases]
    yield "conditionsOfAccess", conditions(dataset)
    work = {"@type": "CreativeWork", "name": terms.title, "version": terms.version}
    yield "license", work | ({"url": terms.url} if terms.url else {})
    yield "usageInfo", rights(dataset, records)
    published = publisher(dataset, records)
    if published is not None:
        yield "publisher", {"@type": "Organization", "name": published[0], "url": published[1]}
    if dataset.people is not None:
        yield "size", {"@type": "QuantitativeValue", "value": dataset.people, "unitText": "people"}
    yield "citation", [_work(cited) for cited in citations(dataset, records)]
    yield "sameAs", [place.page for place in held(dataset, records) if place.page != dataset.page]


def _work(cited: "Citation") -> dict[str, Any]:
    url = {"url": cited.url} if cited.url else {}
    when = {"abstract": f"To be cited {cited.when}."} if cited.when else {}
    return {"@type": "CreativeWork", "name": cited.text, **url, **when}


def _download(place: Held) -> dict[str, Any]:
    """Describe the file by the page that leads to it: its bytes have no public address."""
    known = {
        "contentSize": None if place.size is None else f"{place.size} B",
        "sha256": place.checksum[1] if place.checksum and place.checksum[0] == "sha256" else None,
    }
    return {
        "@type": "DataDownload",
        "name": f"{place.archive} at {place.title}" if place.archive else f"The files at {place.title}",
        "url": place.page,
        **{name: value for name, value in known.items() if value is not None},
    }
