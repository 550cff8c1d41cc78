"""A dataset as a Frictionless Data Package describes one."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from decnef_data.exports.about import (
    Held,
    about,
    citations,
    conditions,
    counts,
    figures,
    held,
    publisher,
    rights,
)

if TYPE_CHECKING:
    from decnef_data.model import Dataset
    from decnef_data.records import Records

__all__ = ["document"]

_TYPES: Final = {"people": "integer"}


def document(dataset: "Dataset", records: "Records") -> dict[str, Any]:
    """Write the document: the archives by name, and what is published of the people as tables.

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
        "title_ja": dataset.title_ja,
        "description": f"{about(dataset)} {rights(dataset, records)}",
        "homepage": dataset.page,
        "keywords": [dataset.name, *dataset.aliases],
        "licenses": [_license(dataset, records)],
        "conditions_of_access": conditions(dataset),
        "sources": [{"title": place.title, "path": place.page} for place in held(dataset, records)],
        "contributors": list(_contributors(dataset, records)),
        "citations": [work.text for work in citations(dataset, records)],
        "resources": [*_archives(dataset, records), *_tables(dataset, records)],
    }


def _license(dataset: "Dataset", records: "Records") -> dict[str, str]:
    terms = records.terms_of(dataset)
    path = {"path": terms.url} if terms.url else {}
    return {"name": terms.name, "title": f"{terms.title}, version {terms.version}", **path}


def _contributors(dataset: "Dataset", records: "Records") -> Iterator[dict[str, Any]]:
    published = publisher(dataset, records)
    if published is not None:
        yield {"title": published[0], "path": published[1], "roles": ["publisher"]}


def _archives(dataset: "Dataset", records: "Records") -> Iterator[dict[str, Any]]:
    for place in held(dataset, records):
        if place.archive is not None:
            yield _archive(place, place.archive)


def _archive(place: Held, archive: str) -> dict[str, Any]:
    known = {"bytes": place.size, "hash": ":".join(place.checksum) if place.checksum else None}
    return {
        "name": f"archive-{place.mirror}",
        "path": archive,
        "format": archive.partition(".")[2],
        "description": f"The archive as {place.title} hands it out, from {place.page}.",
        **{name: value for name, value in known.items() if value is not None},
    }


def _tables(dataset: "Dataset", records: "Records") -> Iterator[dict[str, Any]]:
    published, counted = figures(dataset, records), counts(dataset)
    if published:
        yield _table("figures", "What is published of the dataset, each figure with its grade.", published)
    if counted:
        yield _table("counts", "People by site and diagnosis, each number with its grade.", counted)


def _table(name: str, description: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    fields = [{"name": column, "type": _TYPES.get(column, "string")} for column in rows[0]]
    return {
        "name": name,
        "description": description,
        "profile": "tabular-data-resource",
        "data": [dict(row) for row in rows],
        "schema": {"fields": fields},
    }
