"""Dataset descriptions in DCAT, with the European profile DCAT-AP (JSON-LD)."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from decnef_data.exports.documents.metadata import (
    Distribution,
    access_conditions,
    citations,
    dataset_description,
    distributions,
    publisher,
    rights_statement,
)
from decnef_data.exports.documents.odrl import PREFIXES, usage_offer

if TYPE_CHECKING:
    from decnef_data.model import Dataset
    from decnef_data.records import Records

__all__ = ["document"]

_CONTEXT: Final = {
    "dcat": "http://www.w3.org/ns/dcat#",
    "dct": "http://purl.org/dc/terms/",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "spdx": "http://spdx.org/rdf/terms#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    **PREFIXES,
}
#: The European Union's term for data that are not open to everyone.
_RESTRICTED: Final = "http://publications.europa.eu/resource/authority/access-right/RESTRICTED"


def document(dataset: "Dataset", records: "Records") -> dict[str, Any]:
    """Build the document.

    Examples
    --------
    >>> from decnef_data.records import Records
    >>> records = Records.load()
    >>> document(records.dataset("srpbs-fc"), records)["dct:accessRights"]["@id"].rpartition("/")[2]
    'RESTRICTED'
    """
    return {"@context": dict(_CONTEXT), **dict(_properties(dataset, records))}


def _properties(dataset: "Dataset", records: "Records") -> Iterator[tuple[str, Any]]:
    yield "@id", _identifier(dataset)
    yield "@type", "dcat:Dataset"
    yield "dct:identifier", dataset.doi or dataset.name
    yield (
        "dct:title",
        # Not strict: a Japanese title is optional.
        [_literal(title, language) for title, language in zip(dataset.titles, ("en", "ja"), strict=False)],
    )
    yield "dct:description", _literal(dataset_description(dataset), "en")
    yield "dcat:keyword", [_literal(word, "en") for word in (dataset.name, *dataset.aliases)]
    yield "dcat:landingPage", {"@id": dataset.page, "@type": "foaf:Document"}
    # Also for data that need a registration alone: PUBLIC is for what anyone can get.
    yield "dct:accessRights", {"@id": _RESTRICTED, "@type": "dct:RightsStatement"}
    if dataset.published is not None:
        yield "dct:issued", {"@value": dataset.published.isoformat(), "@type": "xsd:date"}
    if dataset.announcement is not None:
        yield "foaf:page", _page(dataset.announcement)
    offer = usage_offer(dataset, records, _identifier(dataset))
    if offer is not None:
        yield "odrl:hasPolicy", offer
    organization = publisher(dataset, records)
    if organization is not None:
        name, page = organization
        yield "dct:publisher", {"@type": "foaf:Agent", "foaf:name": name, "foaf:homepage": _page(page)}
    yield "dct:bibliographicCitation", [work.text for work in citations(dataset, records)]
    # A resource, so only works that have an address; the citations above are texts.
    yield "dct:isReferencedBy", [_resource(work.url) for work in citations(dataset, records) if work.url]
    yield (
        "dcat:distribution",
        [_distribution(dataset, records, distribution) for distribution in distributions(dataset, records)],
    )


def _identifier(dataset: "Dataset") -> str:
    return f"https://doi.org/{dataset.doi}" if dataset.doi else dataset.page


def _distribution(dataset: "Dataset", records: "Records", distribution: Distribution) -> dict[str, Any]:
    # The type of sizes in DCAT 3; DCAT 2 has decimals.
    size = {"@value": str(distribution.size), "@type": "xsd:nonNegativeInteger"}
    return {
        "@type": "dcat:Distribution",
        "dct:title": _literal(distribution.name, "en"),
        "dct:description": _literal(access_conditions(dataset), "en"),
        # Not a downloadURL, which would have to lead to the file itself.
        "dcat:accessURL": _resource(distribution.page),
        "dct:license": _license(dataset, records),
        "dct:rights": {
            "@type": "dct:RightsStatement",
            "rdfs:label": _literal(rights_statement(dataset, records), "en"),
        },
        **({} if distribution.size is None else {"dcat:byteSize": size}),
        **({} if distribution.checksum is None else {"spdx:checksum": _checksum(*distribution.checksum)}),
    }


def _license(dataset: "Dataset", records: "Records") -> dict[str, Any]:
    terms = records.terms_of(dataset)
    license_document = {
        "@type": "dct:LicenseDocument",
        "dct:title": _literal(f"{terms.title}, version {terms.version}", "en"),
    }
    return license_document | ({"foaf:page": _page(terms.url)} if terms.url else {})


def _checksum(algorithm: str, digest: str) -> dict[str, Any]:
    return {
        "@type": "spdx:Checksum",
        "spdx:algorithm": {"@id": f"spdx:checksumAlgorithm_{algorithm}", "@type": "spdx:ChecksumAlgorithm"},
        "spdx:checksumValue": {"@value": digest, "@type": "xsd:hexBinary"},
    }


def _literal(text: str, language: str) -> dict[str, str]:
    return {"@value": text, "@language": language}


def _resource(address: str) -> dict[str, str]:
    return {"@id": address, "@type": "rdfs:Resource"}


def _page(address: str) -> dict[str, str]:
    return {"@id": address, "@type": "foaf:Document"}
