"""Dataset descriptions in MLCommons Croissant 1.0 (JSON-LD)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from decnef_data.exports.documents.metadata import (
    Distribution,
    citations,
    distributions,
    published_tables,
)
from decnef_data.exports.documents.schema_org import shared_properties

if TYPE_CHECKING:
    from decnef_data.model import Dataset
    from decnef_data.records import Records

__all__ = ["document"]

#: The terms that the specification requires in every ``@context``: https://docs.mlcommons.org/croissant/docs/croissant-spec.html
_TERMS: Final = (
    "citeAs", "column", "extract", "field", "fileProperty", "fileObject", "fileSet", "format", "includes",
    "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "recordSet", "references", "regex",
    "repeated", "replace", "samplingRate", "separator", "source", "subField", "transform",
    "equivalentProperty",
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
    **{term: f"cr:{term}" for term in _TERMS},
}
_MIME_TYPES: Final = {".zip": "application/zip", ".gz": "application/gzip", ".tar": "application/x-tar"}
_TYPES: Final = {"n_participants": "sc:Integer"}


def document(dataset: "Dataset", records: "Records") -> dict[str, Any]:
    """Build the document.

    A file is described only if its checksum is recorded, as Croissant requires; no version or date of
    publication is recorded.

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
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": dataset.name,
        "alternateName": [dataset.title, dataset.title_ja],
        **shared_properties(dataset, records),
        "citeAs": "\n".join(work.bibtex for work in citations(dataset, records) if work.when is None),
        "distribution": [
            file
            for distribution in distributions(dataset, records)
            for file in _file_objects(dataset, distribution)
        ],
        # Published figures and counts only: no record has a participant's row.
        "recordSet": [_record_set(*table) for table in published_tables(dataset, records)],
    }


def _file_objects(dataset: "Dataset", distribution: Distribution) -> Iterator[dict[str, Any]]:
    if distribution.checksum is None or distribution.checksum[0] not in {"md5", "sha256"}:
        return
    algorithm, digest = distribution.checksum
    name = distribution.archive or dataset.top_folder
    yield {
        "@type": "cr:FileObject",
        "@id": f"{distribution.mirror}/{name}",
        "name": name,
        "description": f"The archive at {distribution.title}; the URL is that of the page that leads to it.",
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
