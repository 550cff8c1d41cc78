"""Citations of a dataset: which works, of which version, in which style."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec

from decnef_data.errors import SelectionError
from decnef_data.mirrors import get_protocol
from decnef_data.model import Citation, Dataset, Mirror
from decnef_data.records import Records

STYLES: Final = ("text", "bibtex", "csl")
_BIBTEX_FIELD: Final = re.compile(r"^\s*([\w-]+)\s*=\s*\{(.*)\},?\s*$", re.MULTILINE)
_BIBTEX_ENTRY: Final = re.compile(r"@(\w+)\s*\{\s*([^,\s]+)")
#: BibTeX fields by their CSL names.
_CSL_TO_BIBTEX: Final = {
    "title": "title",
    "container-title": "journal",
    "publisher": "howpublished",
    "volume": "volume",
    "page": "pages",
    "version": "version",
    "DOI": "doi",
    "URL": "url",
}


@lru_cache(maxsize=32)  # of thousands of files, at each call
def cited_versions(records: Records, mirror: str, identities: tuple[str | None, ...]) -> tuple[str, ...]:
    """Return the versions of files, if their mirror has versions that data are cited with.

    Examples
    --------
    >>> cited_versions(Records.load(), "synapse", ("syn1.2:345", None, '"an-etag"'))
    ('syn1.2',)
    """
    record = next((record for record in records.mirrors if record.name == mirror), None)
    pattern = get_protocol(record.protocol).version_pattern if record is not None else None
    if pattern is None:
        return ()
    matches = (re.match(pattern, identity) for identity in identities if identity)
    return tuple(match[0] for match in matches if match)


def citations_for(
    records: Records, dataset: Dataset, versions: Sequence[str] = (), *, synthetic: bool = False
) -> tuple[Citation, ...]:
    """Return the works to cite for a dataset; if `versions` is a single one, the data are cited in it.

    A dataset of many files has a version per file, and none for all of them.  `synthetic` data cite the
    publications, but not the data: they are not what its DOI identifies.
    """
    citations = [records.citation(key) for key in dataset.citations]
    # Without the first condition, a dataset without a DOI would be any work without one.
    dataset_citation = next((work for work in citations if dataset.doi and work.doi == dataset.doi), None)
    if synthetic:
        return tuple(work for work in citations if work is not dataset_citation)
    if len(versions) != 1:
        return tuple(citations)
    if dataset_citation is None:
        return (*citations, _with_version(_default_citation(records, dataset, versions[0]), versions[0]))
    return tuple(_with_version(work, versions[0]) if work is dataset_citation else work for work in citations)


def _default_citation(records: Records, dataset: Dataset, version: str) -> Citation:
    """Build the citation of a dataset that has none in the records; its publisher is a mirror."""
    mirror = next((mirror for mirror in records.mirrors if _has_version(mirror, version)), None)
    if mirror is None:
        # Double braces: BibTeX styles change the case of titles.
        bibtex = f"@misc{{{dataset.name},\n  title        = {{{{{dataset.title}}}}}\n}}"
        return Citation(key=dataset.name, text=dataset.title, bibtex=bibtex)
    key = f"{dataset.name}-{mirror.name}"
    published = f"  howpublished = {{{mirror.title}}}"
    bibtex = f"@misc{{{key},\n  title        = {{{{{dataset.title}}}}},\n{published}\n}}"
    return Citation(key=key, text=f"{dataset.title}. {mirror.title}", bibtex=bibtex)


def _has_version(mirror: Mirror, version: str) -> bool:
    """Whether the files of a mirror have versions of the form of `version`."""
    pattern = get_protocol(mirror.protocol).version_pattern
    return pattern is not None and re.fullmatch(pattern, version) is not None


def _with_version(work: Citation, version: str) -> Citation:
    body = work.bibtex.rstrip().removesuffix("}").rstrip().removesuffix(",")
    bibtex = f"{body},\n  version      = {{{version}}}\n}}"
    return msgspec.structs.replace(work, text=f"{work.text}. Version {version}", bibtex=bibtex)


def format_citations(citations: Sequence[Citation], style: str) -> str:
    r"""Format works as text, BibTeX or CSL-JSON.

    Raises
    ------
    SelectionError
        There is no such style.

    Examples
    --------
    >>> work = Citation(key="a", text="A. B. 2021", bibtex="@article{a,\n  year = {2021}\n}")
    >>> format_citations([work], "text")
    'A. B. 2021'
    """
    match style:
        case "text":
            return "\n\n".join(map(format_citation, citations))
        case "bibtex":
            return "\n\n".join(work.bibtex.strip() for work in citations)
        case "csl":
            return json.dumps([to_csl(work) for work in citations], indent=2, ensure_ascii=False)
    message = f"There is no citation style '{style}'. Choose text, bibtex or csl."
    raise SelectionError(message, requested=style, known=STYLES)


def format_citation(work: Citation) -> str:
    """Format a work as text, with the occasion on which to cite it."""
    return f"{work.text} ({work.when})" if work.when else work.text


def to_csl(work: Citation) -> dict[str, Any]:
    """Convert a work's BibTeX, one field per line, to a CSL-JSON item."""
    fields = {name.lower(): value for name, value in _BIBTEX_FIELD.findall(work.bibtex)}
    entry = _BIBTEX_ENTRY.match(work.bibtex.strip())
    item: dict[str, Any] = {"id": work.key, "type": _csl_type(entry[1] if entry else "")}
    item |= {
        name: _strip_braces(fields[source]) for name, source in _CSL_TO_BIBTEX.items() if source in fields
    }
    item |= {"author": list(_parse_authors(fields["author"]))} if "author" in fields else {}
    item |= _csl_issued(fields)
    return item if "title" in item else {**item, "title": work.text}


def _csl_type(entry: str) -> str:
    # BibTeX has no type for data.
    return {"article": "article-journal", "misc": "dataset", "book": "book"}.get(entry.lower(), "document")


def _strip_braces(value: str) -> str:
    """Remove the braces that preserve capitals in BibTeX."""
    return value.replace("{", "").replace("}", "")


def _parse_authors(authors: str) -> Iterator[dict[str, str]]:
    for name in re.split(r"\s+and\s+", _strip_braces(authors)):
        family, comma, given = (part.strip() for part in name.partition(","))  # a group has no given name
        yield {"family": family, "given": given} if comma else {"literal": family}


def _csl_issued(fields: Mapping[str, str]) -> dict[str, Any]:
    year = fields.get("year", "")
    return {"issued": {"date-parts": [[int(year)]]}} if year.isdigit() else {}
