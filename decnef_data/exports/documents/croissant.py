"""Dataset descriptions in MLCommons Croissant 1.1 (JSON-LD)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from decnef_data.exports.documents.metadata import (
    Distribution,
    citations,
    distributions,
    published_tables,
    publisher,
    rights_statement,
    use_conditions,
)
from decnef_data.exports.documents.odrl import PREFIXES, term_address, term_identifier, usage_offer
from decnef_data.exports.documents.schema_org import shared_properties

if TYPE_CHECKING:
    from decnef_data.model import Dataset
    from decnef_data.records import Records

__all__ = ["document"]

#: The terms that the specification requires in every ``@context``: https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html
_TERMS: Final = (
    "annotation", "arrayShape", "citeAs", "column", "containedIn", "equivalentProperty", "excludes",
    "extract", "field", "fileObject", "fileProperty", "fileSet", "format", "includes", "isArray",
    "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "readLines", "recordSet", "references",
    "regex", "repeated", "replace", "samplingRate", "sdVersion", "separator", "source", "subField",
    "transform", "unArchive",
)  # fmt: skip
_CONTEXT: Final[Mapping[str, Any]] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "foaf": "http://xmlns.com/foaf/0.1/",
    # Texts in several languages, which the reader mlcroissant expects of these two.
    "name": {"@container": "@language"},
    "description": {"@container": "@language"},
    **PREFIXES,
    **{term: f"cr:{term}" for term in _TERMS},
}
_MIME_TYPES: Final = {".zip": "application/zip", ".gz": "application/gzip", ".tar": "application/x-tar"}
_TYPES: Final = {"n_participants": "sc:Integer"}


def document(dataset: "Dataset", records: "Records") -> dict[str, Any]:
    """Build the document.

    A file is described only if its checksum is recorded, as Croissant requires.  No source states a version,
    so the date of publication stands for it, in the form of a version (``2021.8.30``).

    Examples
    --------
    >>> from decnef_data.records import Records
    >>> records = Records.load()
    >>> [table["@id"] for table in document(records.dataset("srpbs-1600"), records)["recordSet"]]
    ['figures', 'counts']
    """
    return {
        "@context": dict(_CONTEXT),
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "name": dataset.name,
        "alternateName": list(dataset.titles),
        **shared_properties(dataset, records),
        **_version(dataset),
        "creator": list(_creators(dataset, records)),
        "usageInfo": list(_usage(dataset, records)),
        "citeAs": "\n".join(work.bibtex for work in citations(dataset, records) if work.when is None),
        "distribution": [
            file
            for distribution in distributions(dataset, records)
            for file in _file_objects(dataset, distribution)
        ],
        # Published figures and counts only: no record has a participant's row.
        "recordSet": [_record_set(*table) for table in published_tables(dataset, records)],
    }


def _version(dataset: "Dataset") -> dict[str, str]:
    day = dataset.published
    return {} if day is None else {"version": f"{day.year}.{day.month}.{day.day}"}


def _creators(dataset: "Dataset", records: "Records") -> Iterator[dict[str, Any]]:
    """Yield the publisher, because the catalog has no complete list of those who collected the data."""
    organization = publisher(dataset, records)
    name, page = (dataset.title, dataset.page) if organization is None else organization
    yield {"@type": "sc:Organization", "name": name, "url": page}


def _usage(dataset: "Dataset", records: "Records") -> Iterator[dict[str, Any]]:
    """Yield the offer in ODRL, and each condition as a term, which is found without reading the offer."""
    offer = usage_offer(dataset, records, dataset.page)
    summary = {"name": rights_statement(dataset, records), "text": use_conditions(dataset, records)}
    if offer is None:
        yield {"@type": "CreativeWork", **summary}
        return
    yield {**offer, "@type": ["CreativeWork", *offer["@type"]], **summary}
    tier = records.data_use_of(dataset)
    terms = () if tier is None else (*(tier.purposes or ()), *tier.modifiers)
    for term in terms:
        yield {
            "@type": "DefinedTerm",
            "@id": term_identifier(term.term),
            "name": term.title,
            "termCode": term.term.replace(":", "_"),
            "url": term_address(term.term),
        }


def _file_objects(dataset: "Dataset", distribution: Distribution) -> Iterator[dict[str, Any]]:
    # A FileObject has one of these two checksums, or it is not valid.
    if distribution.checksum is None or distribution.checksum[0] not in {"md5", "sha256"}:
        return
    algorithm, digest = distribution.checksum
    name = distribution.archive or dataset.top_folder
    yield {
        "@type": "cr:FileObject",
        # The mirror, too: several have an archive of that name, and ids are unique in a document.
        "@id": f"{distribution.mirror}/{name}",
        "name": name,
        "description": f"The archive at {distribution.title}; the URL is that of the page that leads to it.",
        # The file itself is behind a login, or has a personal link that expires.
        "contentUrl": distribution.page,
        "encodingFormat": next(
            (mime for end, mime in _MIME_TYPES.items() if name.endswith(end)), "application/octet-stream"
        ),
        **({} if distribution.size is None else {"contentSize": f"{distribution.size} B"}),
        algorithm: digest,
    }


def _record_set(name: str, description: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    fields = [
        {
            "@type": "cr:Field",
            "@id": f"{name}/{column}",
            "name": column,
            "dataType": _TYPES.get(column, "sc:Text"),
        }
        for column in rows[0]
    ]
    data = [{f"{name}/{column}": value for column, value in row.items()} for row in rows]
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": description,
        "field": fields,
        "data": data,
    }
