"""A dataset as MLCommons Croissant 1.0 describes one, in JSON-LD."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from decnef_data.exports.about import Held, citations, counts, figures, held
from decnef_data.exports.schema_org import properties

if TYPE_CHECKING:
    from decnef_data.model import Dataset
    from decnef_data.records import Records

__all__ = ["document"]

#: The names that the specification puts into every ``@context``: https://docs.mlcommons.org/croissant/docs/croissant-spec.html
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
_MIME: Final = {".zip": "application/zip", ".gz": "application/gzip", ".tar": "application/x-tar"}
_TYPES: Final = {"people": "sc:Integer"}


def document(dataset: "Dataset", records: "Records") -> dict[str, Any]:
    """Write the document.

    A file is described only where its checksum is on record, as Croissant asks; a version or a date of
    publication is not on record.

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
        **properties(dataset, records),
        "citeAs": "\n".join(work.bibtex for work in citations(dataset, records) if work.when is None),
        "distribution": [file for place in held(dataset, records) for file in _files(dataset, place)],
        "recordSet": list(_record_sets(dataset, records)),
    }


def _files(dataset: "Dataset", place: Held) -> Iterator[dict[str, Any]]:
    if place.checksum is None or place.checksum[0] not in {"md5", "sha256"}:
        return
    algorithm, digest = place.checksum
    name = place.archive or dataset.top_folder
    yield {
        "@type": "cr:FileObject",
        "@id": f"{place.mirror}/{name}",
        "name": name,
        "description": f"The archive, from {place.title}: the address is the page that leads to it.",
        "contentUrl": place.page,
        "encodingFormat": next(
            (mime for end, mime in _MIME.items() if name.endswith(end)), "application/octet-stream"
        ),
        **({} if place.size is None else {"contentSize": f"{place.size} B"}),
        algorithm: digest,
    }


def _record_sets(dataset: "Dataset", records: "Records") -> Iterator[dict[str, Any]]:
    """Give what is published of the people; the rows of people themselves are in nobody's records."""
    published = figures(dataset, records)
    if published:
        yield _record_set(
            "figures", "What is published of the dataset, each figure with its grade.", published
        )
    counted = counts(dataset)
    if counted:
        yield _record_set("counts", "People by site and diagnosis, each number with its grade.", counted)


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
