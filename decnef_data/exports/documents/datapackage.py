"""Dataset descriptions as Frictionless Data Packages."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from decnef_data.exports.documents.metadata import (
    Distribution,
    access_conditions,
    citations,
    dataset_description,
    distributions,
    published_tables,
    publisher,
    rights_statement,
)
from decnef_data.records import use_policy

if TYPE_CHECKING:
    from decnef_data.model import Dataset
    from decnef_data.records import Records

__all__ = ["document"]

_TYPES: Final = {"n_participants": "integer"}


def document(dataset: "Dataset", records: "Records") -> dict[str, Any]:
    """Build the document: the archives by name, and the published figures and counts as tables.

    Examples
    --------
    >>> from decnef_data.records import Records
    >>> records = Records.load()
    >>> [table["name"] for table in document(records.dataset("srpbs-1600"), records)["resources"]]
    ['figures', 'counts']
    """
    return {
        "$schema": "https://datapackage.org/profiles/2.0/datapackage.json",
        "name": dataset.name,
        **({"id": f"https://doi.org/{dataset.doi}"} if dataset.doi else {}),
        "title": dataset.title,
        **({"title_ja": dataset.title_ja} if dataset.title_ja else {}),
        "description": f"{dataset_description(dataset)} {rights_statement(dataset, records)}",
        "homepage": dataset.page,
        "keywords": [dataset.name, *dataset.aliases],
        "licenses": [_license(dataset, records)],
        "conditions_of_access": access_conditions(dataset),
        "data_use": msgspec.to_builtins(use_policy(records, dataset)),
        "sources": [
            {"title": distribution.title, "path": distribution.page}
            for distribution in distributions(dataset, records)
        ],
        "contributors": list(_contributors(dataset, records)),
        "citations": [work.text for work in citations(dataset, records)],
        "resources": [
            *_archive_resources(dataset, records),
            *(_table_resource(*table) for table in published_tables(dataset, records)),
        ],
    }


def _license(dataset: "Dataset", records: "Records") -> dict[str, str]:
    terms = records.terms_of(dataset)
    path = {"path": terms.url} if terms.url else {}
    return {"name": terms.name, "title": f"{terms.title}, version {terms.version}", **path}


def _contributors(dataset: "Dataset", records: "Records") -> Iterator[dict[str, Any]]:
    organization = publisher(dataset, records)
    if organization is not None:
        yield {"title": organization[0], "path": organization[1], "roles": ["publisher"]}


def _archive_resources(dataset: "Dataset", records: "Records") -> Iterator[dict[str, Any]]:
    for distribution in distributions(dataset, records):
        if distribution.archive is not None:
            yield _archive_resource(distribution, distribution.archive)


def _archive_resource(distribution: Distribution, archive: str) -> dict[str, Any]:
    known = {
        "bytes": distribution.size,
        # Without its name in front, the specification takes a checksum for an MD5.
        "hash": ":".join(distribution.checksum) if distribution.checksum else None,
    }
    return {
        "name": f"archive-{distribution.mirror}",
        "path": archive,
        "format": archive.partition(".")[2],
        "description": f"The archive as distributed by {distribution.title} at {distribution.page}.",
        **{name: value for name, value in known.items() if value is not None},
    }


def _table_resource(name: str, description: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    fields = [{"name": column, "type": _TYPES.get(column, "string")} for column in rows[0]]
    return {
        "name": name,
        "description": description,
        "profile": "tabular-data-resource",
        # In the document, which comes without other files.
        "data": [dict(row) for row in rows],
        "schema": {"fields": fields},
    }
